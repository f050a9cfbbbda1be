// Subscripts of arrays and jsonb: a[1], a[1:2], j['x'].

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { baseType, COERCION } from '../functions/coercion-path.ts'
import type { Node, NodeOf } from '../parser/nodes.ts'
import { coerceToTarget, typeCollation, typeName } from './coerce.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr, SubscriptingRef } from './expr.ts'
import { transform } from './expr-entry.ts'
import { exprLocation } from './location.ts'

export function baseContainer(state: ParseState, type: Oid): Oid {
  return baseType(state.source, type)
}

/** `container[i][j:k]`; with `assign`, the container with that part replaced. */
export function transformSubscripts(
  state: ParseState,
  container: Expr,
  containerType: Oid,
  indices: readonly NodeOf['A_Indices'][],
  assign: Expr | null,
  typmod: number,
): SubscriptingRef {
  const row = state.ctx.catalog.type(containerType)
  const isJsonb = containerType === T.jsonb
  // Anything with an element type and a subscript handler: arrays, and the fixed-length names and vectors.
  if (row === null || (!isJsonb && (row.typelem === 0 || row.typsubscript === 0))) {
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `cannot subscript type ${typeName(state, containerType)} because it does not support subscripting`,
      exprLocation(container),
    )
  }
  const isSlice = indices.some((index) => index.is_slice)
  if (isJsonb && isSlice) {
    const at = indices.find((index) => index.is_slice)
    const where = at?.uidx ?? at?.lidx
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      'jsonb subscript does not support slices',
      where === undefined ? exprLocation(container) : exprLocation(transform(state, where)),
    )
  }
  const upper: (Expr | null)[] = []
  const lower: (Expr | null)[] = []
  const subscript = (node: Node): Expr => {
    const expr = transform(state, node)
    if (isJsonb) {
      const wanted = expr.type === T.int4 || expr.type === T.int8 || expr.type === T.int2 ? T.int4 : T.text
      const cast = coerceToTarget(state, expr, wanted, -1, wanted === T.int4 ? COERCION.assignment : COERCION.implicit, 'implicit', -1)
      if (cast === null) {
        throw errorAt(
          state,
          SQLSTATE.datatypeMismatch,
          `subscript type ${typeName(state, expr.type)} is not supported`,
          exprLocation(expr),
          {
            hint: 'jsonb subscript must be coercible to either integer or text.',
          },
        )
      }
      return cast
    }
    const cast = coerceToTarget(state, expr, T.int4, -1, COERCION.assignment, 'implicit', -1)
    if (cast === null) throw errorAt(state, SQLSTATE.datatypeMismatch, 'array subscript must have type integer', exprLocation(expr))
    return cast
  }
  for (const index of indices) {
    if (isSlice) {
      if (index.lidx !== undefined) lower.push(subscript(index.lidx))
      else if (!index.is_slice) {
        lower.push({ kind: 'Const', value: 1, type: T.int4, typmod: -1, collation: 0, location: -1 })
      } else lower.push(null)
    }
    upper.push(index.uidx === undefined ? null : subscript(index.uidx))
  }
  if (!isJsonb && indices.length > 6) {
    throw errorAt(
      state,
      SQLSTATE.programLimitExceeded,
      `number of array dimensions (${indices.length}) exceeds the maximum allowed (6)`,
      undefined,
    )
  }
  const type = isJsonb ? T.jsonb : isSlice || assign !== null ? containerType : row.typelem
  return {
    kind: 'SubscriptingRef',
    containerType,
    elementType: isJsonb ? T.jsonb : row.typelem,
    upper,
    lower,
    isSlice,
    arg: container,
    assign,
    type,
    typmod,
    collation: typeCollation(state, type),
    location: -1,
  }
}
