// Calls: f(x), aggregates, window functions, casts written as calls, and columns written as calls (ParseFuncOrColumn).

import { leavesTraces } from '../../base/begun-anew.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { ProcFacts } from '../functions/catalog-source.ts'
import { COERCION, elementType, isComposite } from '../functions/coercion-path.ts'
import { type ArgSource, type FunctionCall, functionAmbiguous, functionNotFound, resolveFunction } from '../functions/overload.ts'
import { type FuncCall, type NodeOf, nodeAs } from '../parser/nodes.ts'
import { parse } from '../parser/parse.ts'
import { aggregateLevel, windowReference } from './agg.ts'
import { distinctOf, sortEntries, sortListOf } from './clauses.ts'
import { coerceType, commonType, typeName } from './coerce.ts'
import { errorAt, located, type Mutable, type ParseState } from './context.ts'
import type { Aggref, Expr, FuncExpr, SortGroupClause, TargetEntry, WindowFunc } from './expr.ts'
import { transformExpr } from './expr-entry.ts'
import { projectField } from './fields.ts'
import { exprLocation } from './location.ts'
import { targetEntry } from './make.ts'
import { checkSrfPlacement } from './srf.ts'
import { schemaOid } from './type-name.ts'

export interface CallInput {
  readonly names: readonly string[]
  readonly args: readonly Expr[]
  readonly argNames: readonly string[]
  /** The call as written; null for `x.name`. */
  readonly raw: FuncCall | null
  readonly filter: Expr | null
  readonly procCall: boolean
  readonly location: number
}

const VOID: Oid = 2278

const withinGroupCall = (input: CallInput): boolean => input.raw?.agg_within_group ?? false

/** Null only when `raw` is null and there is no such function or column. */
export function parseFunction(state: ParseState, input: CallInput): Expr | null {
  const { names, raw, location } = input
  // JDBC's callable statements pass their OUT parameters too, declared void: they are no arguments.
  const args = raw === null || withinGroupCall(input) ? input.args : input.args.filter((arg) => arg.kind !== 'Param' || arg.type !== VOID)
  const name = names.at(-1)!
  const schema = names.length > 1 ? names.at(-2)! : null
  const printed = names.join('.')
  const fail = (message: string, hint?: string, code = SQLSTATE.wrongObjectType) =>
    errorAt(state, code, message, location, hint === undefined ? {} : { hint })
  const star = raw?.agg_star ?? false
  const distinct = raw?.agg_distinct ?? false
  const withinGroup = raw?.agg_within_group ?? false
  const ordered = (raw?.agg_order?.length ?? 0) > 0
  const over = raw?.over
  const plain = !star && !distinct && !ordered && over === undefined && input.filter === null && !raw?.func_variadic
  if (args.length > 100) {
    throw fail('cannot pass more than 100 arguments to a function', undefined, SQLSTATE.tooManyArguments)
  }
  // f(x) with one composite argument may be the column x.f.
  const couldBeColumn = args.length === 1 && names.length === 1 && plain && input.argNames.length === 0
  const [first] = args
  if (couldBeColumn && first !== undefined && isRow(state, first.type) && (raw === null || !hasFunction(state, name, first.type))) {
    const projected = projectField(state, name, first, location)
    if (projected !== null) return projected
  }
  if (schema !== null) schemaOid(state, schema, location)
  const call: FunctionCall = {
    schema,
    name,
    argTypes: args.map((arg) => arg.type),
    argNames: input.argNames,
    variadic: raw?.func_variadic ?? false,
  }
  const found = located(state, location, () => resolveFunction(state.source, call))
  if (found.kind === 'coercion') {
    if (!plain || withinGroup) throw wrongDecoration(state, input, printed, 'function')
    return coerceType(state, first!, found.type, -1, COERCION.explicit, 'call', location)
  }
  if (found.kind !== 'function') {
    if (raw === null) return null
    const what = input.procCall ? 'procedure' : 'function'
    if (found.kind === 'ambiguous') {
      throw located(state, location, () => functionAmbiguous(state.source, call, what)).with({
        ...errorAt(state, SQLSTATE.ambiguousFunction, '', location).fields,
      })
    }
    if (couldBeColumn && first !== undefined && isRow(state, first.type)) {
      const projected = projectField(state, name, first, location)
      if (projected !== null) return projected
    }
    let error = functionNotFound(state.source, call, what)
    if (ordered && !withinGroup) {
      error = fail(
        error.message,
        'No aggregate function matches the given name and argument types. Perhaps you misplaced ORDER BY; ORDER BY must appear after all regular arguments of the aggregate.',
        SQLSTATE.undefinedFunction,
      )
    }
    throw error.with(errorAt(state, SQLSTATE.undefinedFunction, '', location).fields)
  }
  const { proc } = found
  if (withinGroup) checkDirectArgs(state, call, proc, raw?.agg_order?.length ?? 0, printed, location)
  const kind = proc.prokind
  if (input.procCall && kind !== 'p') {
    throw fail(`${typedName(state, printed, call)} is not a procedure`, 'To call a function, use SELECT.')
  }
  if (kind === 'p' && !input.procCall) {
    throw fail(`${typedName(state, printed, call)} is a procedure`, 'To call a procedure, use CALL.')
  }
  if (kind === 'f' || kind === 'p') {
    if (!plain && !(raw?.func_variadic && !star && !distinct && !ordered && over === undefined && input.filter === null)) {
      throw wrongDecoration(state, input, printed, 'function')
    }
    if (withinGroup) throw wrongDecoration(state, input, printed, 'function')
  }
  if (kind === 'w') {
    if (withinGroup) throw fail(`window function ${printed} cannot have WITHIN GROUP`)
    if (over === undefined) throw fail(`window function ${printed} requires an OVER clause`)
  }

  // Arguments in parameter order, defaults filled in, coerced, the variadic ones packed.
  const values = found.args.map((from) => argumentOf(state, from, args))
  let coerced: Expr[] = values.map((value, i) => {
    const type = found.argTypes[i]!
    if (type === T.any) return value.type === T.unknown && proc.prokind !== 'a' ? value : value
    return value.type === type ? value : coerceType(state, value, type, -1, COERCION.implicit, 'implicit', -1)
  })
  let variadic = call.variadic
  if (found.packFrom >= 0) {
    const elements = coerced.slice(found.packFrom)
    const element = found.variadicElement === T.any ? elements[0]!.type : found.variadicElement
    const array = state.ctx.catalog.type(element)?.typarray ?? 0
    if (array === 0) throw fail(`could not find array type for data type ${typeName(state, element)}`, undefined, SQLSTATE.undefinedObject)
    const packed: Expr = {
      kind: 'ArrayExpr',
      elementType: element,
      elements,
      multidims: false,
      type: array,
      typmod: -1,
      collation: 0,
      location: exprLocation(elements[0]!),
    }
    coerced = [...coerced.slice(0, found.packFrom), packed]
    variadic = true
  } else if (call.variadic && proc.provariadic === T.any) {
    const last = coerced.at(-1)!
    if (elementType(state.source, last.type) === 0 && last.type !== T.unknown) {
      throw errorAt(state, SQLSTATE.datatypeMismatch, 'VARIADIC argument must be an array', exprLocation(last))
    }
  }
  const resultType = found.resultType

  if (kind === 'a' && over === undefined) return aggregate(state, input, proc.oid, coerced, resultType, variadic, printed)
  if (over !== undefined) return windowCall(state, input, proc.oid, kind === 'a', coerced, resultType, proc.proretset, printed)

  const node: FuncExpr = {
    kind: 'FuncExpr',
    funcId: proc.oid,
    args: coerced,
    retset: proc.proretset,
    variadic,
    format: raw?.funcformat === 'COERCE_SQL_SYNTAX' ? 'sql-syntax' : 'call',
    inputCollation: 0,
    type: resultType,
    typmod: -1,
    collation: 0,
    location,
  }
  if (proc.proretset) {
    checkSrfPlacement(state, node, location)
    state.lastSrf = node
  }
  return node
}

function typedName(state: ParseState, printed: string, call: FunctionCall): string {
  return `${printed}(${call.argTypes.map((type) => typeName(state, type)).join(', ')})`
}

function wrongDecoration(state: ParseState, input: CallInput, printed: string, _what: string) {
  const { raw, location } = input
  const text = raw?.agg_star
    ? `${printed}(*) specified, but ${printed} is not an aggregate function`
    : raw?.agg_distinct
      ? `DISTINCT specified, but ${printed} is not an aggregate function`
      : raw?.agg_within_group
        ? `WITHIN GROUP specified, but ${printed} is not an aggregate function`
        : (raw?.agg_order?.length ?? 0) > 0
          ? `ORDER BY specified, but ${printed} is not an aggregate function`
          : input.filter !== null
            ? `FILTER specified, but ${printed} is not an aggregate function`
            : `OVER specified, but ${printed} is not a window function nor an aggregate function`
  return errorAt(state, SQLSTATE.wrongObjectType, text, location)
}

function argumentOf(state: ParseState, from: ArgSource, args: readonly Expr[]): Expr {
  if ('argument' in from) return args[from.argument]!
  const select = nodeAs(parse(`SELECT ${from.defaultText}`)[0]!.node!, 'SelectStmt')!
  const value = (select.targetList![0] as NodeOf).ResTarget.val!
  return { ...transformExpr(state, value, 'function default'), location: -1 }
}

function isRow(state: ParseState, type: Oid): boolean {
  return type === T.record || isComposite(state.source, type)
}

/** Whether a function of that name takes exactly this type: then f(x) is the call. */
function hasFunction(state: ParseState, name: string, type: Oid): boolean {
  return state.source.procs(null, name).some((proc) => proc.pronargs === 1 && proc.proargtypes[0] === type)
}

// --- aggregates and window functions

function aggregate(
  state: ParseState,
  input: CallInput,
  fn: Oid,
  args: readonly Expr[],
  type: Oid,
  variadic: boolean,
  printed: string,
): Aggref {
  const { raw, location } = input
  const fail = (message: string, hint?: string) =>
    errorAt(state, SQLSTATE.wrongObjectType, message, location, hint === undefined ? {} : { hint })
  const row = state.ctx.catalog.aggregate(fn)!
  const proc = state.ctx.catalog.proc(fn)!
  const withinGroup = raw?.agg_within_group ?? false
  if (args.length === 0 && !raw?.agg_star && !withinGroup) {
    throw fail(`${printed}(*) must be used to call a parameterless aggregate function`)
  }
  if (proc.proretset) throw fail('aggregates cannot return sets')
  if (row.aggkind === 'n') {
    if (withinGroup) throw fail(`${printed} is not an ordered-set aggregate, so it cannot have WITHIN GROUP`)
  } else {
    if (!withinGroup) throw fail(`WITHIN GROUP is required for ordered-set aggregate ${printed}`)
    if (raw?.agg_distinct) throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot use DISTINCT with WITHIN GROUP', location)
  }
  let directArgs: readonly Expr[] = []
  let entries: Mutable<TargetEntry>[] = []
  let order: SortGroupClause[] = []
  let distinct: SortGroupClause[] = []
  if (row.aggkind === 'n') {
    entries = args.map((arg, i) => targetEntry(arg, i + 1, null))
    const saved = state.nextResno
    state.nextResno = entries.length + 1
    if ((raw?.agg_order?.length ?? 0) > 0) order = sortListOf(state, raw!.agg_order!, entries, 'order by', true)
    if (raw?.agg_distinct) {
      distinct = distinctOf(state, entries, order, true)
      for (const clause of distinct) {
        if (clause.sortOp === 0) {
          const at = entries.find((entry) => entry.ressortgroupref === clause.tleSortGroupRef)!.expr
          throw errorAt(
            state,
            SQLSTATE.undefinedFunction,
            `could not identify an ordering operator for type ${typeName(state, at.type)}`,
            exprLocation(at),
            {
              detail: 'Aggregates with DISTINCT must be able to sort their inputs.',
            },
          )
        }
      }
    }
    state.nextResno = saved
  } else {
    const count = args.length - (raw?.agg_order?.length ?? 0)
    const fitted = row.aggkind === 'h' ? hypotheticalArgs(state, args, count, proc.proargtypes) : args
    directArgs = fitted.slice(0, count)
    entries = fitted.slice(count).map((arg, i) => targetEntry(arg, i + 1, null))
    order = sortEntries(state, raw!.agg_order ?? [], entries)
  }
  const level = aggregateLevel(
    state,
    entries.map((entry) => entry.expr),
    directArgs,
    input.filter,
    location,
  )
  return {
    kind: 'Aggref',
    aggFnOid: fn,
    argTypes: args.map((arg) => arg.type),
    transType: transitionType(state, row.aggtranstype, proc.proargtypes, args, type),
    directArgs,
    args: entries,
    order,
    distinct,
    filter: input.filter,
    star: raw?.agg_star ?? false,
    variadic,
    aggKind: row.aggkind === 'n' ? 'normal' : row.aggkind === 'o' ? 'ordered-set' : 'hypothetical',
    levelsUp: level,
    inputCollation: 0,
    type,
    typmod: -1,
    collation: 0,
    location,
  }
}

/** Before WITHIN GROUP stand as many arguments as the aggregate takes; a hypothetical row has one value per sort column. */
function checkDirectArgs(state: ParseState, call: FunctionCall, proc: ProcFacts, sorted: number, printed: string, location: number): void {
  const row = state.ctx.catalog.aggregate(proc.oid)
  if (row === null || row.aggkind === 'n') return
  const direct = call.argTypes.length - sorted
  const wanted = row.aggnumdirectargs
  const plural = (n: number): string => `${n} direct argument${n === 1 ? '' : 's'}`
  let hint: string
  if (proc.provariadic === 0 || wanted < proc.proargtypes.length) {
    if (direct === wanted) return
    hint = `There is an ordered-set aggregate ${printed}, but it requires ${plural(wanted)}, not ${direct}.`
  } else if (row.aggkind === 'h') {
    if (direct === sorted) return
    hint = `To use the hypothetical-set aggregate ${printed}, the number of hypothetical direct arguments (here ${direct}) must match the number of ordering columns (here ${sorted}).`
  } else {
    if (direct >= wanted) return
    hint = `There is an ordered-set aggregate ${printed}, but it requires at least ${plural(wanted)}.`
  }
  throw errorAt(state, SQLSTATE.undefinedFunction, functionNotFound(state.source, call).message, location, { hint })
}

/** Each value of the hypothetical row and the sort column it is compared with in their common type; other direct arguments come before. */
function hypotheticalArgs(state: ParseState, args: readonly Expr[], count: number, params: readonly Oid[]): Expr[] {
  const fitted = args.slice()
  const sorted = args.length - count
  for (let i = 0; i < sorted; i++) {
    const direct = count - sorted + i
    const column = count + i
    if ((params[Math.min(direct, params.length - 1)] ?? T.any) !== T.any) continue
    const type = commonType(state, [args[column]!, args[direct]!], 'WITHIN GROUP')
    fitted[direct] = coerceType(state, args[direct]!, type, -1, COERCION.implicit, 'implicit', -1)
    fitted[column] = coerceType(state, args[column]!, type, -1, COERCION.implicit, 'implicit', -1)
  }
  return fitted
}

/** A polymorphic transition type made concrete by the arguments. */
function transitionType(state: ParseState, declared: Oid, params: readonly Oid[], args: readonly Expr[], result: Oid): Oid {
  if (state.ctx.catalog.type(declared)?.typtype !== 'p' || declared === T.internal || declared === T.record) return declared
  for (const [i, param] of params.entries()) if (param === declared && args[i] !== undefined) return args[i]!.type
  const isArray = declared === T.anyarray || declared === T.anycompatiblearray
  for (const [i, param] of params.entries()) {
    const actual = args[i]?.type ?? 0
    if (isArray && (param === T.anyelement || param === T.anycompatible || param === T.anynonarray || param === T.anycompatiblenonarray)) {
      return state.ctx.catalog.type(actual)?.typarray ?? declared
    }
    if (!isArray && (param === T.anyarray || param === T.anycompatiblearray)) return elementType(state.source, actual)
  }
  return result
}

function windowCall(
  state: ParseState,
  input: CallInput,
  fn: Oid,
  isAggregate: boolean,
  args: readonly Expr[],
  type: Oid,
  retset: boolean,
  printed: string,
): WindowFunc {
  const { raw, location } = input
  const fail = (message: string, code = SQLSTATE.featureNotSupported) => errorAt(state, code, message, location)
  if (raw!.agg_distinct) throw fail('DISTINCT is not implemented for window functions')
  if (isAggregate && args.length === 0 && !raw!.agg_star) {
    throw fail(`${printed}(*) must be used to call a parameterless aggregate function`, SQLSTATE.wrongObjectType)
  }
  if (isAggregate && state.ctx.catalog.aggregate(fn)!.aggkind !== 'n') {
    throw fail(`OVER is not supported for ordered-set aggregate ${printed}`)
  }
  if (!isAggregate && raw!.agg_star)
    throw fail(`${printed}(*) specified, but ${printed} is not an aggregate function`, SQLSTATE.wrongObjectType)
  if ((raw!.agg_order?.length ?? 0) > 0) throw fail('aggregate ORDER BY is not implemented for window functions')
  if (!isAggregate && state.ctx.catalog.proc(fn)!.prokind !== 'w') {
    throw fail(`OVER specified, but ${printed} is not a window function nor an aggregate function`, SQLSTATE.wrongObjectType)
  }
  if (!isAggregate && input.filter !== null) throw fail('FILTER is not implemented for non-aggregate window functions')
  if (retset) throw fail('window functions cannot return sets', SQLSTATE.invalidFunctionDefinition)
  leavesTraces()
  const winRef = windowReference(state, args, raw!.over!, location)
  return {
    kind: 'WindowFunc',
    winFnOid: fn,
    args,
    filter: input.filter,
    winRef,
    star: raw!.agg_star ?? false,
    winAgg: isAggregate,
    inputCollation: 0,
    type,
    typmod: -1,
    collation: 0,
    location,
  }
}
