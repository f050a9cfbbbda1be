// Which collation each expression has (PostgreSQL's parse_collate.c): bottom-up, explicit over implicit over none. Runs once over each
// finished expression and writes `collation` and `inputCollation` into it: the only pass that changes nodes, before anyone else sees them.

import { mapLong } from '../../base/begun-anew.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { collationByOid } from '../builtin/catalogs.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import type { Expr, RowCompareExpr, TargetEntry } from './expr.ts'
import { exprLocation } from './location.ts'
import { DEFAULT_COLLATION } from './make.ts'

const NONE = 0
const IMPLICIT = 1
const CONFLICT = 2
const EXPLICIT = 3

interface Derivation {
  collation: Oid
  strength: number
  location: number
  /** With CONFLICT: the other one. */
  other: Oid
  otherLocation: number
}
const fresh = (): Derivation => ({ collation: 0, strength: NONE, location: -1, other: 0, otherLocation: -1 })

const collationName = (oid: Oid): string => collationByOid(oid)?.collname ?? String(oid)

function merge(state: ParseState, into: Derivation, collation: Oid, strength: number, location: number, from?: Derivation): void {
  if (strength > into.strength) {
    into.collation = collation
    into.strength = strength
    into.location = location
    if (strength === CONFLICT && from !== undefined) {
      into.other = from.other
      into.otherLocation = from.otherLocation
    }
    return
  }
  if (strength !== into.strength || collation === into.collation) return
  if (strength === IMPLICIT) {
    if (into.collation === DEFAULT_COLLATION) {
      into.collation = collation
      into.location = location
    } else if (collation !== DEFAULT_COLLATION) {
      into.strength = CONFLICT
      into.other = collation
      into.otherLocation = location
    }
  } else if (strength === EXPLICIT) {
    throw errorAt(
      state,
      SQLSTATE.collationMismatch,
      `collation mismatch between explicit collations "${collationName(into.collation)}" and "${collationName(collation)}"`,
      location,
    )
  }
}

const separate = (state: ParseState, expr: Expr): void => {
  walk(state, expr, fresh())
}

type Leaf = Extract<
  Expr,
  {
    kind:
      | 'Var'
      | 'Const'
      | 'Param'
      | 'CaseTestExpr'
      | 'SetToDefault'
      | 'CoerceToDomainValue'
      | 'SubLinkColumn'
      | 'SqlValueFunction'
      | 'NextValueExpr'
      | 'CurrentOfExpr'
  }
>

const LEAVES: Readonly<Record<Leaf['kind'], true>> = {
  Var: true,
  Const: true,
  Param: true,
  CaseTestExpr: true,
  SetToDefault: true,
  CoerceToDomainValue: true,
  SubLinkColumn: true,
  SqlValueFunction: true,
  NextValueExpr: true,
  CurrentOfExpr: true,
}

const isLeaf = (expr: Expr): expr is Leaf => expr.kind in LEAVES

function walk(state: ParseState, expr: Expr, context: Derivation): void {
  if (isLeaf(expr)) {
    if (expr.collation !== 0) merge(state, context, expr.collation, IMPLICIT, expr.location)
    return
  }
  const own = fresh()
  const node = expr as Mutable<Expr>
  const finish = (collation: Oid, strength: number, location: number): void => merge(state, context, collation, strength, location, own)
  switch (expr.kind) {
    case 'CollateExpr':
      separate(state, expr.arg)
      finish(expr.collation, EXPLICIT, expr.location)
      return
    case 'SubLink': {
      if (expr.testExpr !== null) separate(state, expr.testExpr)
      if (expr.linkType === 'expr' || expr.linkType === 'array') {
        const collation = expr.subselect.targetList.find((entry) => !entry.resjunk)?.expr.collation ?? 0
        if (typeCollation(state, expr.type) === 0) node.collation = 0
        else {
          // Even where the subquery derived none.
          node.collation = collation
          finish(collation, IMPLICIT, expr.location)
        }
      }
      return
    }
    case 'RowExpr':
      for (const arg of expr.args) separate(state, arg)
      return
    case 'RowCompareExpr': {
      const collations = expr.largs.map((left, i) => selectCommonCollation(state, [left, expr.rargs[i]!], true))
      ;(node as Mutable<RowCompareExpr>).inputCollations = collations
      return
    }
    case 'CoerceToDomain': {
      walk(state, expr.arg, own)
      const type = typeCollation(state, expr.type)
      if (type === 0) return
      // A domain's own collation replaces what its value had; the default one lets it pass.
      if (type === DEFAULT_COLLATION && own.strength !== NONE) {
        node.collation = own.strength === CONFLICT ? 0 : own.collation
        finish(own.collation, own.strength, own.location)
        return
      }
      node.collation = type
      finish(type, IMPLICIT, exprLocation(expr))
      return
    }
    case 'FieldSelect':
      separate(state, expr.arg)
      if (expr.collation !== 0) finish(expr.collation, IMPLICIT, exprLocation(expr))
      return
    case 'CaseExpr':
      for (const when of expr.whens) {
        separate(state, when.condition)
        walk(state, when.result, own)
      }
      walk(state, expr.defaultResult, own)
      break
    case 'Aggref':
      for (const arg of expr.directArgs) walk(state, arg, own)
      for (const entry of expr.args) {
        const one = fresh()
        walk(state, entry.expr, one)
        refuseConflict(state, one, entry)
        // Sort keys of an ordered-set aggregate count as arguments; ORDER BY expressions of a plain one do not.
        if (!entry.resjunk && one.strength !== NONE) merge(state, own, one.collation, one.strength, one.location, one)
      }
      if (expr.filter !== null) separate(state, expr.filter)
      break
    case 'WindowFunc':
      for (const arg of expr.args) walk(state, arg, own)
      if (expr.filter !== null) separate(state, expr.filter)
      break
    case 'SubscriptingRef':
      for (const bound of [...expr.upper, ...expr.lower]) if (bound !== null) separate(state, bound)
      walk(state, expr.arg, own)
      if (expr.assign !== null) walk(state, expr.assign, own)
      break
    case 'ArrayCoerceExpr':
      walk(state, expr.arg, own)
      separate(state, expr.elementExpr)
      break
    case 'NullTest':
    case 'BooleanTest':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ConvertRowtypeExpr':
      walk(state, expr.arg, own)
      break
    case 'FieldStore':
      separate(state, expr.arg)
      for (const value of expr.newValues) separate(state, value)
      return
    case 'BoolExpr':
      // truth values have no collation
      mapLong(expr.args, (arg) => separate(state, arg))
      return
    case 'ArrayExpr':
      mapLong(
        expr.elements,
        (element) => walk(state, element, own),
        () => ({ take: () => ({ ...own }), put: (taken) => Object.assign(own, taken) }),
      )
      break
    case 'GroupingFunc':
    case 'JsonConstructorExpr':
      for (const arg of expr.args) separate(state, arg)
      return
    case 'JsonIsPredicate':
      separate(state, expr.arg)
      return
    case 'JsonExpr':
      for (const part of [...expr.args, expr.emptyDefault, expr.errorDefault]) if (part !== null) separate(state, part)
      node.collation = typeCollation(state, expr.type)
      if (node.collation !== 0) finish(node.collation, IMPLICIT, expr.location)
      return
    default:
      for (const arg of expr.args) walk(state, arg, own)
  }
  let strength = own.strength
  let collation = 0
  let location = own.location
  const type = typeCollation(state, expr.type)
  if (type !== 0) {
    if (strength === NONE) {
      collation = type
      strength = IMPLICIT
      location = exprLocation(expr)
    } else collation = own.collation
  } else {
    strength = NONE
    location = exprLocation(expr)
  }
  node.collation = strength === CONFLICT ? 0 : collation
  if ('inputCollation' in node) (node as { inputCollation: Oid }).inputCollation = own.strength === CONFLICT ? 0 : own.collation
  if (strength !== NONE) finish(collation, strength, location)
}

function typeCollation(state: ParseState, type: Oid): Oid {
  return state.ctx.catalog.type(type)?.typcollation ?? 0
}

export function assignCollations(state: ParseState, expr: Expr): void {
  separate(state, expr)
}

export function assignListCollations(state: ParseState, list: readonly TargetEntry[]): void {
  for (const entry of list) {
    const own = fresh()
    walk(state, entry.expr, own)
    refuseConflict(state, own, entry)
  }
}

/** What is sorted, grouped or made distinct by must have a collation. */
function refuseConflict(state: ParseState, own: Derivation, { ressortgroupref }: TargetEntry): void {
  if (own.strength === CONFLICT && ressortgroupref !== 0) throw mismatch(state, own)
}

/** One collation for several expressions (set operations, row comparisons); 0 when there is none and `noneOk`. */
export function selectCommonCollation(state: ParseState, exprs: readonly Expr[], noneOk: boolean): Oid {
  const own = fresh()
  for (const expr of exprs) walk(state, expr, own)
  if (own.strength !== CONFLICT) return own.collation
  if (noneOk) return 0
  throw mismatch(state, own)
}

function mismatch(state: ParseState, own: Derivation) {
  return errorAt(
    state,
    SQLSTATE.collationMismatch,
    `collation mismatch between implicit collations "${collationName(own.collation)}" and "${collationName(own.other)}"`,
    own.otherLocation,
    { hint: 'You can choose the collation by applying the COLLATE clause to one or both expressions.' },
  )
}
