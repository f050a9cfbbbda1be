// Operators over bound expressions, and the operators that sort and compare a type (its default btree or hash operator class).

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { ACCESS_METHOD, amop, amopsByOperator, opclassByOid, pgOpclasses, STRATEGY } from '../builtin/pg-index.ts'
import { multiIndex } from '../builtin/table.ts'
import type { CatalogSource } from '../functions/catalog-source.ts'
import { isBinaryCoercible } from '../functions/coerce.ts'
import { baseType, COERCION, elementType } from '../functions/coercion-path.ts'
import { type OperatorResolution, operatorAmbiguous, operatorNotFound, resolveOperator } from '../functions/overload.ts'
import { coerceType, typeName } from './coerce.ts'
import { errorAt, located, type ParseState } from './context.ts'
import type { Expr, OpExpr, ScalarArrayOpExpr } from './expr.ts'
import { checkSrfPlacement } from './srf.ts'
import { schemaOid } from './type-name.ts'

export interface OperatorName {
  readonly schema: string | null
  readonly name: string
}

export function operatorName(state: ParseState, names: readonly string[], location: number): OperatorName {
  const name = names.at(-1)!
  const schema = names.length > 1 ? names.at(-2)! : null
  if (schema !== null) schemaOid(state, schema, location)
  return { schema, name }
}

/** `left` 0 for a prefix operator; errors as PostgreSQL's. */
function resolve(
  state: ParseState,
  op: OperatorName,
  left: Oid,
  right: Oid,
  location: number,
): Extract<OperatorResolution, { kind: 'operator' }> {
  const result = located(state, location, () => resolveOperator(state.source, op.schema, op.name, left, right))
  if (result.kind === 'operator') return result
  const shown = op.schema === null ? op.name : `${op.schema}.${op.name}`
  return located(state, location, () => {
    throw (result.kind === 'notFound' ? operatorNotFound : operatorAmbiguous)(state.source, shown, left, right)
  })
}

const implicit = (state: ParseState, arg: Expr, type: Oid): Expr => coerceType(state, arg, type, -1, COERCION.implicit, 'implicit', -1)

/** `left` null for a prefix operator. */
export function makeOp(state: ParseState, op: OperatorName, left: Expr | null, right: Expr, location: number): OpExpr {
  const found = resolve(state, op, left === null ? 0 : left.type, right.type, location)
  const args =
    left === null ? [implicit(state, right, found.right)] : [implicit(state, left, found.left), implicit(state, right, found.right)]
  const retset = state.ctx.catalog.proc(found.operator.oprcode)?.proretset ?? false
  const node: OpExpr = {
    kind: 'OpExpr',
    opNo: found.operator.oid,
    opFuncId: found.operator.oprcode,
    args,
    retset,
    inputCollation: 0,
    type: found.resultType,
    typmod: -1,
    collation: 0,
    location,
  }
  if (retset) checkSrfPlacement(state, node, location)
  return node
}

export function makeScalarArrayOp(
  state: ParseState,
  op: OperatorName,
  useOr: boolean,
  left: Expr,
  right: Expr,
  location: number,
): ScalarArrayOpExpr {
  let element: Oid
  if (right.type === T.unknown) element = T.unknown
  else {
    element = elementType(state.source, baseType(state.source, right.type))
    if (element === 0) {
      throw errorAt(state, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires array on right side', location)
    }
  }
  const found = resolve(state, op, left.type, element, location)
  if (found.resultType !== T.bool) {
    throw errorAt(state, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires operator to yield boolean', location)
  }
  if (state.ctx.catalog.proc(found.operator.oprcode)?.proretset) {
    throw errorAt(state, SQLSTATE.wrongObjectType, 'op ANY/ALL (array) requires operator not to return a set', location)
  }
  let array = found.right
  if (array !== T.anyelement && array !== T.any) {
    array = state.ctx.catalog.type(found.right)?.typarray ?? 0
    if (array === 0) {
      throw errorAt(state, SQLSTATE.undefinedObject, `could not find array type for data type ${typeName(state, found.right)}`, location)
    }
  }
  return {
    kind: 'ScalarArrayOpExpr',
    opNo: found.operator.oid,
    opFuncId: found.operator.oprcode,
    useOr,
    args: [implicit(state, left, found.left), implicit(state, right, array)],
    inputCollation: 0,
    type: T.bool,
    typmod: -1,
    collation: 0,
    location,
  }
}

// --- operators of a type's default operator class

export interface TypeOrder {
  readonly opfamily: Oid
  readonly opcintype: Oid
}

const opclassesByMethod = multiIndex(pgOpclasses, (row) => row.opcmethod)

/** GetDefaultOpClass: exact, else the preferred or only one the type is binary-coercible to. */
export function defaultOpclassOf(source: CatalogSource, method: Oid, type: Oid): Oid {
  const flat = baseType(source, type)
  const category = source.type(flat)?.typcategory
  let exact = 0
  let preferred = 0
  let compatible = 0
  for (const row of opclassesByMethod(method)) {
    if (!row.opcdefault) continue
    if (row.opcintype === flat) exact = row.oid
    else if (exact === 0 && isBinaryCoercible(source, flat, row.opcintype)) {
      const facts = source.type(row.opcintype)
      if (facts?.typispreferred && facts.typcategory === category) preferred = row.oid
      else if (compatible === 0) compatible = row.oid
    }
  }
  return exact !== 0 ? exact : preferred !== 0 ? preferred : compatible
}

interface TypeOperators {
  readonly less: Oid
  readonly equal: Oid
  readonly greater: Oid
  readonly hashEqual: Oid
}
const builtinOperators = new Map<Oid, TypeOperators>()

function operatorsOf(source: CatalogSource, type: Oid): TypeOperators {
  const known = builtinOperators.get(type)
  if (known !== undefined) return known
  const of = (method: Oid, strategy: number): Oid => {
    const opclass = opclassByOid(defaultOpclassOf(source, method, type))
    return opclass === undefined ? 0 : (amop(opclass.opcfamily, opclass.opcintype, opclass.opcintype, strategy)?.amopopr ?? 0)
  }
  let result: TypeOperators = {
    less: of(ACCESS_METHOD.btree, STRATEGY.less),
    equal: of(ACCESS_METHOD.btree, STRATEGY.equal),
    greater: of(ACCESS_METHOD.btree, STRATEGY.greater),
    hashEqual: of(ACCESS_METHOD.hash, 1),
  }
  const element = elementType(source, baseType(source, type))
  if (element !== 0) {
    // Arrays borrow their element's order and equality.
    const inner = operatorsOf(source, element)
    result = {
      less: inner.less === 0 ? 0 : result.less,
      greater: inner.greater === 0 ? 0 : result.greater,
      equal: inner.equal === 0 && inner.hashEqual === 0 ? 0 : result.equal,
      hashEqual: inner.hashEqual === 0 ? 0 : result.hashEqual,
    }
  }
  if (type < 16384) builtinOperators.set(type, result)
  return result
}

export interface SortGroupOperators {
  readonly less: Oid
  readonly equal: Oid
  readonly greater: Oid
  readonly hashable: boolean
}

export function sortGroupOperators(
  state: ParseState,
  type: Oid,
  needLess: boolean,
  needEqual: boolean,
  location: number,
): SortGroupOperators {
  const ops = operatorsOf(state.source, type)
  if (needLess && ops.less === 0) {
    throw errorAt(
      state,
      SQLSTATE.undefinedFunction,
      `could not identify an ordering operator for type ${typeName(state, type)}`,
      location,
      {
        hint: 'Use an explicit ordering operator or modify the query.',
      },
    )
  }
  const equal = ops.equal !== 0 ? ops.equal : ops.hashEqual
  if (needEqual && equal === 0) {
    throw errorAt(state, SQLSTATE.undefinedFunction, `could not identify an equality operator for type ${typeName(state, type)}`, location)
  }
  return { less: ops.less, equal, greater: ops.greater, hashable: ops.hashEqual !== 0 && equal === ops.hashEqual }
}

/** For ORDER BY … USING op: its equality operator, direction and family; null when it orders nothing. */
export function orderingOperator(op: Oid): { equal: Oid; descending: boolean; family: Oid; type: Oid } | null {
  for (const row of amopsByOperator(op)) {
    if (row.amopmethod !== ACCESS_METHOD.btree) continue
    if (row.amopstrategy !== STRATEGY.less && row.amopstrategy !== STRATEGY.greater) continue
    const equal = amop(row.amopfamily, row.amoplefttype, row.amoprighttype, STRATEGY.equal)?.amopopr ?? 0
    if (equal !== 0) return { equal, descending: row.amopstrategy === STRATEGY.greater, family: row.amopfamily, type: row.amoplefttype }
  }
  return null
}

/** The operators of a row comparison: strategy per btree family each operator belongs to. */
export function rowCompareStrategies(op: Oid): Map<Oid, number> {
  const strategies = new Map<Oid, number>()
  for (const row of amopsByOperator(op)) {
    if (row.amopmethod === ACCESS_METHOD.btree) strategies.set(row.amopfamily, row.amopstrategy)
  }
  return strategies
}
