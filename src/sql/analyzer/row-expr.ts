// Rows and arrays: ROW(…), comparisons of rows, ARRAY[…].

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { COERCION } from '../functions/coercion-path.ts'
import { type A_ArrayExpr, nodeAs, type RowExpr as RawRow } from '../parser/nodes.ts'
import { coerceToCommon, coerceToTarget, commonType, typeName } from './coerce.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr, OpExpr, RowExpr } from './expr.ts'
import { transform } from './expr-entry.ts'
import { exprLocation } from './location.ts'
import { boolConst, boolExpr } from './make.ts'
import { makeOp, type OperatorName, operatorName, rowCompareStrategies } from './operators.ts'
import { expandExpressionList } from './target.ts'

export function transformRow(state: ParseState, node: RawRow): RowExpr {
  const args = expandExpressionList(state, node.args ?? [])
  if (args.length > 1664) {
    throw errorAt(state, SQLSTATE.tooManyColumns, 'ROW expressions can have at most 1664 entries', node.location ?? 0)
  }
  return {
    kind: 'RowExpr',
    args,
    colNames: args.map((_, i) => `f${i + 1}`),
    format: node.row_format === 'COERCE_EXPLICIT_CALL' ? 'call' : 'implicit',
    type: T.record,
    typmod: -1,
    collation: 0,
    location: node.location ?? 0,
  }
}

/** (a, b) op (c, d): pairwise equality, or the lexicographic comparison a btree family defines. */
export function rowComparison(state: ParseState, op: OperatorName, left: readonly Expr[], right: readonly Expr[], location: number): Expr {
  if (left.length !== right.length) {
    throw errorAt(state, SQLSTATE.syntaxError, 'unequal number of entries in row expressions', location)
  }
  if (left.length === 0) throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot compare rows of zero length', location)
  const pairs: OpExpr[] = left.map((expr, i) => {
    const made = makeOp(state, op, expr, right[i]!, location)
    if (made.type !== T.bool) {
      throw errorAt(
        state,
        SQLSTATE.datatypeMismatch,
        `row comparison operator must yield type boolean, not type ${typeName(state, made.type)}`,
        location,
      )
    }
    if (made.retset) throw errorAt(state, SQLSTATE.datatypeMismatch, 'row comparison operator must not return a set', location)
    return made
  })
  if (pairs.length === 1) return pairs[0]!
  // A strategy that every operator has in some family decides; = and <> need no family.
  const perOperator = pairs.map((pair) => rowCompareStrategies(pair.opNo))
  const candidates = [1, 2, 3, 4, 5].filter((strategy) => perOperator.every((families) => [...families.values()].includes(strategy)))
  if (op.name === '<>' && candidates.length === 0) return boolExpr('or', pairs, location)
  const [strategy] = candidates
  if (strategy === undefined) {
    throw errorAt(
      state,
      SQLSTATE.featureNotSupported,
      `could not determine interpretation of row comparison operator ${op.name}`,
      location,
      {
        hint: 'Row comparison operators must be associated with btree operator families.',
      },
    )
  }
  if (strategy === 3) return boolExpr('and', pairs, location)
  return {
    kind: 'RowCompareExpr',
    op: ({ 1: '<', 2: '<=', 4: '>=', 5: '>' } as const)[strategy as 1 | 2 | 4 | 5],
    opNos: pairs.map((pair) => pair.opNo),
    largs: pairs.map((pair) => pair.args[0]!),
    rargs: pairs.map((pair) => pair.args[1]!),
    inputCollations: [],
    type: T.bool,
    typmod: -1,
    collation: 0,
    location: -1,
  }
}

export function rowDistinct(state: ParseState, op: OperatorName, left: readonly Expr[], right: readonly Expr[], location: number): Expr {
  if (left.length !== right.length) {
    throw errorAt(state, SQLSTATE.syntaxError, 'unequal number of entries in row expressions', location)
  }
  const parts = left.map((expr, i) => distinct(state, [op.name], expr, right[i]!, location))
  if (parts.length === 0) return boolConst(false)
  return parts.reduce((all, part) => boolExpr('or', [all, part], location))
}

/** `arrayType` 0 = to be found from the elements; else what a cast around the constructor asks for. */
export function transformArray(state: ParseState, node: A_ArrayExpr, arrayType: Oid, elementType: Oid, typmod: number): Expr {
  const location = node.location ?? 0
  let multidims = false
  const raw: Expr[] = (node.elements ?? []).map((item) => {
    const nested = nodeAs(item, 'A_ArrayExpr')
    if (nested !== undefined) {
      multidims = true
      return transformArray(state, nested, arrayType, elementType, typmod)
    }
    const expr = transform(state, item)
    if (
      !multidims &&
      state.ctx.catalog.type(expr.type)?.typcategory === 'A' &&
      (state.ctx.catalog.type(expr.type)?.typelem ?? 0) !== 0 &&
      expr.type !== T.int2vector &&
      expr.type !== T.oidvector
    ) {
      multidims = true
    }
    return expr
  })
  let array = arrayType
  let element = elementType
  let target: Oid
  const hard = arrayType !== 0
  if (hard) target = multidims ? arrayType : elementType
  else {
    if (raw.length === 0) {
      throw errorAt(state, SQLSTATE.indeterminateDatatype, 'cannot determine type of empty array', location, {
        hint: 'Explicitly cast to the desired type, for example ARRAY[]::integer[].',
      })
    }
    target = commonType(state, raw, 'ARRAY')
    if (multidims) {
      array = target
      element = state.ctx.catalog.type(target)?.typelem ?? 0
      if (element === 0) {
        throw errorAt(state, SQLSTATE.undefinedObject, `could not find element type for data type ${typeName(state, target)}`, location)
      }
    } else {
      element = target
      array = state.ctx.catalog.type(target)?.typarray ?? 0
      if (array === 0) {
        throw errorAt(state, SQLSTATE.undefinedObject, `could not find array type for data type ${typeName(state, target)}`, location)
      }
    }
  }
  const elements = raw.map((expr) => {
    if (!hard) return coerceToCommon(state, expr, target, 'ARRAY')
    const cast = coerceToTarget(state, expr, target, typmod, COERCION.explicit, 'explicit', -1)
    if (cast === null) {
      throw errorAt(
        state,
        SQLSTATE.cannotCoerce,
        `cannot cast type ${typeName(state, expr.type)} to ${typeName(state, target)}`,
        exprLocation(expr),
      )
    }
    return cast
  })
  const [first] = elements
  const mod = first !== undefined && elements.every((e) => e.typmod === first.typmod) ? first.typmod : -1
  return { kind: 'ArrayExpr', elementType: element, elements, multidims, type: array, typmod: mod, collation: 0, location }
}

export function distinct(state: ParseState, names: readonly string[], left: Expr, right: Expr, location: number): Expr {
  const made = makeOp(state, operatorName(state, names, location), left, right, location)
  if (made.type !== T.bool) {
    throw errorAt(state, SQLSTATE.datatypeMismatch, 'IS DISTINCT FROM requires = operator to yield boolean', location)
  }
  if (made.retset) throw errorAt(state, SQLSTATE.datatypeMismatch, 'IS DISTINCT FROM must not return a set', location)
  const { opNo, opFuncId, args } = made
  return { kind: 'DistinctExpr', opNo, opFuncId, args, inputCollation: 0, type: T.bool, typmod: -1, collation: 0, location }
}
