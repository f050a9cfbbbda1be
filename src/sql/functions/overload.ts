// Overload resolution as PostgreSQL does it (func_get_detail, oper, func_select_candidate): which function or operator a call means.
// Pure over CatalogSource; errors carry no position, the analyzer adds it with `.with({ position })`.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { CatalogSource, OperatorFacts, ProcFacts } from './catalog-source.ts'
import { canCoerce } from './coerce.ts'
import { baseType, COERCION, coercionPath, isComposite, isPreferred, typeCategory } from './coercion-path.ts'
import { resolvePolymorphic } from './polymorphic.ts'

const UNKNOWN = TYPE_OID.unknown

interface Candidate {
  readonly args: readonly Oid[]
}

/** func_select_candidate: of several that could take the arguments, the one PostgreSQL prefers, or null when it would call it ambiguous. */
export function selectCandidate<C extends Candidate>(source: CatalogSource, inputs: readonly Oid[], all: readonly C[]): C | null {
  const types = inputs.map((type) => (type === UNKNOWN ? UNKNOWN : baseType(source, type)))
  const unknowns = types.reduce((count, type) => count + (type === UNKNOWN ? 1 : 0), 0)

  const best = (candidates: readonly C[], score: (type: Oid, i: number) => boolean): readonly C[] => {
    let kept: C[] = []
    let top = 0
    for (const candidate of candidates) {
      let matches = 0
      for (let i = 0; i < types.length; i++) if (types[i] !== UNKNOWN && score(candidate.args[i]!, i)) matches++
      if (matches > top || kept.length === 0) {
        top = matches
        kept = [candidate]
      } else if (matches === top) kept.push(candidate)
    }
    return kept
  }

  let candidates = best(all, (type, i) => type === types[i])
  if (candidates.length === 1) return candidates[0]!
  const categories = types.map((type) => typeCategory(source, type))
  candidates = best(candidates, (type, i) => type === types[i] || isPreferred(source, type, categories[i]!))
  if (candidates.length === 1) return candidates[0]!
  if (unknowns === 0) return null

  const slots = new Map<number, { category: string; preferred: boolean }>()
  let conflict = false
  for (let i = 0; i < types.length && !conflict; i++) {
    if (types[i] !== UNKNOWN) continue
    let slot: { category: string; preferred: boolean } | undefined
    for (const candidate of candidates) {
      const facts = source.type(candidate.args[i]!)
      const category = facts?.typcategory ?? 'X'
      const preferred = facts?.typispreferred ?? false
      if (slot === undefined) slot = { category, preferred }
      else if (slot.category === category) slot.preferred ||= preferred
      else if (category === 'S') slot = { category, preferred }
      else if (slot.category !== 'S') conflict = true
    }
    // A string candidate wins over whatever conflicted before it was seen.
    if (slot?.category === 'S') conflict = false
    if (slot !== undefined) slots.set(i, slot)
  }
  if (!conflict) {
    const fitting = candidates.filter((candidate) => {
      for (const [i, slot] of slots) {
        const facts = source.type(candidate.args[i]!)
        if ((facts?.typcategory ?? 'X') !== slot.category) return false
        if (slot.preferred && !(facts?.typispreferred ?? false)) return false
      }
      return true
    })
    if (fitting.length > 0) candidates = fitting
    if (candidates.length === 1) return candidates[0]!
  }

  if (unknowns < types.length) {
    const known = types.filter((type) => type !== UNKNOWN)
    if (known.every((type) => type === known[0])) {
      const same = types.map(() => known[0]!)
      const fitting = candidates.filter((candidate) => canCoerce(source, same, candidate.args, COERCION.implicit))
      if (fitting.length === 1) return fitting[0]!
    }
  }
  return null
}

function matching<C extends Candidate>(source: CatalogSource, inputs: readonly Oid[], candidates: readonly C[]): readonly C[] {
  return candidates.filter((candidate) => canCoerce(source, inputs, candidate.args, COERCION.implicit))
}

// --- functions

export interface FunctionCall {
  readonly schema: string | null
  readonly name: string
  /** Types of the arguments as written, unknown literals as `unknown`. */
  readonly argTypes: readonly Oid[]
  /** Names of the last arguments (name => value), which follow the positional ones. */
  readonly argNames: readonly string[]
  /** VARIADIC before the last argument: no packing. */
  readonly variadic: boolean
}

/** Where the value of one parameter comes from: an argument as written, or the default (an expression in SQL text). */
export type ArgSource = { readonly argument: number } | { readonly defaultText: string }

export type FunctionResolution =
  | {
      readonly kind: 'function'
      readonly proc: ProcFacts
      /** By parameter, in order; with VARIADIC expanded, one for each packed argument. */
      readonly args: readonly ArgSource[]
      /** What each of `args` must be coerced to; polymorphic types resolved. `any` stays: the argument keeps its type (unknown → text). */
      readonly argTypes: readonly Oid[]
      /** Index in `args` from which the caller packs an array of `variadicElement`; -1 = nothing to pack. VARIADIC "any": see CallInfo. */
      readonly packFrom: number
      readonly variadicElement: Oid
      readonly resultType: Oid
    }
  /** `name(x)` is a cast written as a function: of the only argument to `type`. */
  | { readonly kind: 'coercion'; readonly type: Oid }
  | { readonly kind: 'notFound' }
  | { readonly kind: 'ambiguous' }

interface FunctionCandidate extends Candidate {
  readonly proc: ProcFacts
  readonly sources: readonly ArgSource[]
  /** Arguments packed into the VARIADIC array; 0 = none. */
  readonly packed: number
  readonly defaults: number
  /** Two functions that differ only in what defaults hide: calling either is ambiguous. */
  ambiguous: boolean
}

/** Splits pg_get_expr's list of defaults at top-level commas. */
export function splitDefaults(text: string | null): string[] {
  if (text === null) return []
  const parts: string[] = []
  let depth = 0
  let quote = ''
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (quote !== '') {
      if (c === quote) quote = ''
    } else if (c === "'" || c === '"') quote = c
    else if (c === '(' || c === '[') depth++
    else if (c === ')' || c === ']') depth--
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim())
      start = i + 1
    }
  }
  parts.push(text.slice(start).trim())
  return parts
}

/** Names of the input parameters, by position. */
function inputNames(proc: ProcFacts): readonly string[] {
  const names = proc.proargnames ?? []
  const modes = proc.proargmodes
  return modes === null ? names : names.filter((_, i) => modes[i] === 'i' || modes[i] === 'b' || modes[i] === 'v')
}

/** MatchNamedCall: which argument each parameter gets; undefined when this function cannot take these names. */
function matchNames(proc: ProcFacts, call: FunctionCall): readonly ArgSource[] | undefined {
  const names = inputNames(proc)
  if (names.length === 0) return undefined
  const positional = call.argTypes.length - call.argNames.length
  const sources: (ArgSource | undefined)[] = new Array(proc.pronargs).fill(undefined)
  for (let i = 0; i < positional; i++) sources[i] = { argument: i }
  for (const [i, name] of call.argNames.entries()) {
    const position = names.indexOf(name)
    if (position < 0 || sources[position] !== undefined) return undefined
    sources[position] = { argument: positional + i }
  }
  const defaults = splitDefaults(proc.proargdefaults)
  const firstDefault = proc.pronargs - proc.pronargdefaults
  for (let i = 0; i < proc.pronargs; i++) {
    if (sources[i] !== undefined) continue
    if (i < firstDefault) return undefined
    sources[i] = { defaultText: defaults[i - firstDefault]! }
  }
  return sources as ArgSource[]
}

function candidateOf(proc: ProcFacts, call: FunctionCall): FunctionCandidate | undefined {
  const given = call.argTypes.length
  if (call.argNames.length > 0) {
    if (proc.pronargs < given || proc.pronargs > given + proc.pronargdefaults) return undefined
    const sources = matchNames(proc, call)
    if (sources === undefined) return undefined
    // Explicit arguments first, in the order written, then the defaulted ones: candidates compare by the arguments as written.
    const args = call.argTypes.map((_, i) => proc.proargtypes[sources.findIndex((s) => 'argument' in s && s.argument === i)]!)
    return { proc, args, sources, packed: 0, defaults: proc.pronargs - given, ambiguous: false }
  }
  const expand = proc.provariadic !== 0 && !call.variadic && proc.pronargs <= given
  if (call.variadic && proc.provariadic === 0) return undefined
  if (!expand && proc.pronargs !== given) {
    if (proc.pronargs < given || proc.pronargs > given + proc.pronargdefaults) return undefined
  }
  const sources: ArgSource[] = call.argTypes.map((_, i) => ({ argument: i }))
  let args: Oid[]
  if (expand) {
    args = proc.proargtypes.slice(0, proc.pronargs - 1)
    while (args.length < given) args.push(proc.provariadic)
  } else {
    args = proc.proargtypes.slice(0, given)
    const defaults = splitDefaults(proc.proargdefaults)
    for (let i = given; i < proc.pronargs; i++) sources.push({ defaultText: defaults[i - (proc.pronargs - proc.pronargdefaults)]! })
  }
  return {
    proc,
    args,
    sources,
    packed: expand ? given - proc.pronargs + 1 : 0,
    defaults: expand ? 0 : proc.pronargs - given,
    ambiguous: false,
  }
}

/** FuncnameGetCandidates: those of the right shape, the better of two that look alike. */
function candidatesOf(source: CatalogSource, call: FunctionCall): FunctionCandidate[] {
  const kept: FunctionCandidate[] = []
  const procs = source.procs(call.schema, call.name)
  const special = procs.length > 1
  const seen = new Map<string, number>()
  for (const proc of procs) {
    const candidate = candidateOf(proc, call)
    if (candidate === undefined) continue
    if (special) {
      const key = candidate.args.join(' ')
      const before = seen.get(key)
      if (before !== undefined) {
        const other = kept[before]!
        if (other.proc.pronamespace !== proc.pronamespace) continue
        if (candidate.packed > 0 && other.packed === 0) continue
        if (candidate.packed === 0 && other.packed > 0) kept[before] = candidate
        else if (candidate.defaults === 0 && other.defaults > 0) kept[before] = candidate
        else if (candidate.defaults > 0 && other.defaults === 0) continue
        else other.ambiguous = true
        continue
      }
      seen.set(key, kept.length)
    }
    kept.push(candidate)
  }
  return kept
}

/** FuncNameAsType and the rule when `type(x)` is a cast. */
function asCoercion(source: CatalogSource, call: FunctionCall): FunctionResolution | undefined {
  if (call.argTypes.length !== 1 || call.argNames.length > 0 || call.variadic) return undefined
  const type = source.typeByName(call.schema, call.name)
  if (type === undefined || !type.typisdefined || type.typrelid !== 0) return undefined
  const input = call.argTypes[0]!
  if (input !== UNKNOWN) {
    const path = coercionPath(source, type.oid, input, COERCION.explicit)
    if (path === null || path.method === 'func' || path.method === 'array') return undefined
    if (path.method === 'io' && (input === TYPE_OID.record || isComposite(source, input)) && type.typcategory === 'S') return undefined
  }
  return { kind: 'coercion', type: type.oid }
}

/** func_get_detail: what a call means. */
export function resolveFunction(source: CatalogSource, call: FunctionCall): FunctionResolution {
  const candidates = candidatesOf(source, call)
  const exact = candidates.find((candidate) => candidate.args.every((type, i) => type === call.argTypes[i]))
  let chosen: FunctionCandidate | null = exact ?? null
  if (chosen === null) {
    const coercion = asCoercion(source, call)
    if (coercion !== undefined) return coercion
    const fitting = matching(source, call.argTypes, candidates)
    if (fitting.length === 0) return { kind: 'notFound' }
    chosen = fitting.length === 1 ? fitting[0]! : selectCandidate(source, call.argTypes, fitting)
    if (chosen === null) return { kind: 'ambiguous' }
  }
  if (chosen.ambiguous) return { kind: 'ambiguous' }
  const { proc, sources, packed } = chosen
  const declared =
    packed > 0 ? [...proc.proargtypes.slice(0, proc.pronargs - 1), ...new Array<Oid>(packed).fill(proc.provariadic)] : [...proc.proargtypes]
  const actual = sources.map((from, i) => ('argument' in from ? call.argTypes[from.argument]! : declared[i]!))
  const { argTypes, resultType } = resolvePolymorphic(source, actual, declared, proc.prorettype)
  const packFrom = packed > 0 && proc.provariadic !== TYPE_OID.any ? proc.pronargs - 1 : -1
  return { kind: 'function', proc, args: sources, argTypes, packFrom, variadicElement: packFrom < 0 ? 0 : argTypes[packFrom]!, resultType }
}

/** func_signature_string: `name(type, label => type)`. */
export function functionSignature(source: CatalogSource, call: FunctionCall): string {
  const positional = call.argTypes.length - call.argNames.length
  const args = call.argTypes.map((type, i) => (i < positional ? '' : `${call.argNames[i - positional]} => `) + source.formatType(type))
  return `${call.schema === null ? '' : `${call.schema}.`}${call.name}(${args.join(', ')})`
}

export function functionNotFound(source: CatalogSource, call: FunctionCall, what: 'function' | 'procedure' = 'function'): PgError {
  return new PgError(SQLSTATE.undefinedFunction, `${what} ${functionSignature(source, call)} does not exist`, {
    hint: `No ${what} matches the given name and argument types. You might need to add explicit type casts.`,
  })
}

export function functionAmbiguous(source: CatalogSource, call: FunctionCall, what: 'function' | 'procedure' = 'function'): PgError {
  return new PgError(SQLSTATE.ambiguousFunction, `${what} ${functionSignature(source, call)} is not unique`, {
    hint: `Could not choose a best candidate ${what}. You might need to add explicit type casts.`,
  })
}

// --- operators

export type OperatorResolution =
  /** `left` and `right`: what the operands must be coerced to (polymorphic types resolved; `left` 0 for a prefix operator). */
  | {
      readonly kind: 'operator'
      readonly operator: OperatorFacts
      readonly left: Oid
      readonly right: Oid
      readonly resultType: Oid
    }
  | { readonly kind: 'notFound' }
  | { readonly kind: 'ambiguous' }

interface OperatorCandidate extends Candidate {
  readonly operator: OperatorFacts
}

function binaryExact(source: CatalogSource, schema: string | null, name: string, left: Oid, right: Oid): OperatorFacts | undefined {
  let [l, r] = [left, right]
  let guessed = false
  if (l === UNKNOWN && r !== UNKNOWN) {
    l = r
    guessed = true
  } else if (r === UNKNOWN && l !== UNKNOWN) {
    r = l
    guessed = true
  }
  const found = source.operatorExact(schema, name, l, r)
  if (found !== undefined || !guessed) return found
  const base = baseType(source, l)
  return base === l ? undefined : source.operatorExact(schema, name, base, base)
}

/** oper() and left_oper(): `left` 0 for a prefix operator. */
export function resolveOperator(source: CatalogSource, schema: string | null, name: string, left: Oid, right: Oid): OperatorResolution {
  const prefix = left === 0
  let operator = prefix ? source.operatorExact(schema, name, 0, right) : binaryExact(source, schema, name, left, right)
  if (operator === undefined) {
    const candidates: OperatorCandidate[] = []
    const seen = new Set<string>()
    for (const candidate of source.operators(schema, name)) {
      if ((candidate.oprleft === 0) !== prefix) continue
      const key = `${candidate.oprleft} ${candidate.oprright}`
      if (seen.has(key)) continue
      seen.add(key)
      candidates.push({ operator: candidate, args: prefix ? [candidate.oprright] : [candidate.oprleft, candidate.oprright] })
    }
    const inputs = prefix ? [right] : [left, right]
    const fitting = matching(source, inputs, candidates)
    if (fitting.length === 0) return { kind: 'notFound' }
    const chosen = fitting.length === 1 ? fitting[0]! : selectCandidate(source, inputs, fitting)
    if (chosen === null) return { kind: 'ambiguous' }
    operator = chosen.operator
  }
  const declared = prefix ? [operator.oprright] : [operator.oprleft, operator.oprright]
  const resolved = resolvePolymorphic(source, prefix ? [right] : [left, right], declared, operator.oprresult)
  return {
    kind: 'operator',
    operator,
    left: prefix ? 0 : resolved.argTypes[0]!,
    right: resolved.argTypes[prefix ? 0 : 1]!,
    resultType: resolved.resultType,
  }
}

function operatorSignature(source: CatalogSource, name: string, left: Oid, right: Oid): string {
  return `${left === 0 ? '' : `${source.formatType(left)} `}${name} ${source.formatType(right)}`
}

export function operatorNotFound(source: CatalogSource, name: string, left: Oid, right: Oid): PgError {
  return new PgError(SQLSTATE.undefinedFunction, `operator does not exist: ${operatorSignature(source, name, left, right)}`, {
    hint: `No operator matches the given name and argument type${left === 0 ? '' : 's'}. You might need to add ${left === 0 ? 'an explicit type cast' : 'explicit type casts'}.`,
  })
}

export function operatorAmbiguous(source: CatalogSource, name: string, left: Oid, right: Oid): PgError {
  return new PgError(SQLSTATE.ambiguousFunction, `operator is not unique: ${operatorSignature(source, name, left, right)}`, {
    hint: 'Could not choose a best candidate operator. You might need to add explicit type casts.',
  })
}
