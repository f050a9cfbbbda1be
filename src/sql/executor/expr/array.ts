// Array constructors, element-wise casts, and subscripts: reading and assigning elements and slices of arrays, vectors and jsonb.

import type { Datum } from '../../../base/datum.ts'
import { notSupported, PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { ArrayExpr, SubscriptingRef } from '../../analyzer/expr.ts'
import { bodyOf } from '../../functions/registry.ts'
import { ArrayDatum, arrayElement, arraySlice, assignElement, assignSlice, emptyArray, makeArray, nestArrays } from '../../types/array.ts'
import { Jsonb } from '../../types/jsonb.ts'
import { assignPath } from '../../types/jsonb-edit.ts'
import type { CallInfo } from '../../types/procs.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, constant, eager, eagerWaiting, evaluator } from './compiled.ts'
import { type TestCell, unary } from './logic.ts'

const JSONB = 3802
const TEXT = 25

export function compileArray(e: ArrayExpr, elements: readonly Compiled[]): Compiled {
  const { elementType } = e
  if (!e.multidims) {
    if (elements.every((element) => element.constant))
      return constant(
        makeArray(
          elementType,
          elements.map((element) => element.value),
        ),
      )
    return eager(elements, (values) => makeArray(elementType, values))
  }
  return eager(elements, (values) => nestArrays(elementType, values as (ArrayDatum | null)[]))
}

/** Applies a cast to every element; the array keeps its shape. */
export function compileArrayCoerce(arg: Compiled, element: Compiled, cell: TestCell, elementType: Oid): Compiled {
  if (!element.async) {
    const cast = evaluator(element)
    return unary(arg, (value) => {
      if (value === null) return null
      const source = asArray(value, elementType)
      const cast1 = (item: Datum): Datum => {
        cell.value = item
        return cast([])
      }
      return new ArrayDatum(elementType, source.dims, source.lowerBounds, source.elements.map(cast1))
    })
  }
  return eagerWaiting([arg], async ([value]) => {
    if (value === null) return null
    const source = asArray(value!, elementType)
    const elements: Datum[] = []
    for (const item of source.elements) {
      cell.value = item
      elements.push(await element.eval([]))
    }
    return new ArrayDatum(elementType, source.dims, source.lowerBounds, elements)
  })
}

/** int2vector and oidvector are plain lists that count from 0. */
function asArray(value: Datum, elementType: Oid): ArrayDatum {
  if (value instanceof ArrayDatum) return value
  const list = value as readonly Datum[]
  return new ArrayDatum(elementType, [list.length], [0], list)
}

interface Bounds {
  lower: (number | null)[]
  upper: (number | null)[]
}

function jsonbSubscript(cx: Compilation, container: Compiled, subscripts: readonly Compiled[], assign: Compiled | null): Compiled {
  const body = bodyOf('jsonb_extract_path')
  if (body === undefined) throw notSupported('subscripting jsonb is not implemented')
  const info: CallInfo = { argTypes: [JSONB, 1009], resultType: JSONB, resultTypmod: -1, collation: 0, variadicElementType: 0 }
  const path = (values: readonly Datum[]): ArrayDatum =>
    makeArray(
      TEXT,
      values.map((value) => String(value)),
    )
  const n = subscripts.length
  return eager([container, ...subscripts, ...(assign === null ? [] : [assign])], (values) => {
    const keys = values.slice(1, n + 1)
    if (assign === null) {
      if (values[0] === null || keys.includes(null)) return null
      return body(values[0], path(keys), cx.state.ctx, info) as Datum
    }
    if (keys.includes(null)) throw new PgError(SQLSTATE.nullValueNotAllowed, 'jsonb subscript in assignment must not be null')
    const root = values[0] === null ? undefined : (values[0] as Jsonb).root
    const value = values[n + 1]!
    return new Jsonb(assignPath(root, keys.map(String), value === null ? null : (value as Jsonb).root))
  })
}

/** The value to assign, and where it finds the old part if it is itself an assignment to a part of that. */
export interface PartAssignment {
  readonly value: Compiled
  readonly oldPart: TestCell
}

export function compileSubscripting(
  cx: Compilation,
  e: SubscriptingRef,
  container: Compiled,
  upper: readonly (Compiled | null)[],
  lower: readonly (Compiled | null)[],
  assign: PartAssignment | null,
): Compiled {
  if (e.containerType === JSONB) return jsonbSubscript(cx, container, upper as readonly Compiled[], assign?.value ?? null)
  const n = upper.length
  const open = constant(null)
  const parts = [container, ...upper.map((u) => u ?? open), ...(e.isSlice ? lower.map((l) => l ?? open) : [])]
  const givenUpper = upper.map((u) => u !== null)
  const givenLower = lower.map((l) => l !== null)
  const boundsOf = (values: readonly Datum[]): Bounds | null => {
    const his = values.slice(1, n + 1) as (number | null)[]
    const los = e.isSlice ? (values.slice(n + 1, 2 * n + 1) as (number | null)[]) : []
    for (let i = 0; i < n; i++) if ((givenUpper[i]! && his[i] === null) || (e.isSlice && givenLower[i]! && los[i] === null)) return null
    return { lower: los, upper: his }
  }
  const read = (array: Datum, bounds: Bounds): Datum => {
    const source = asArray(array, e.elementType)
    return e.isSlice ? arraySlice(source, bounds.lower, bounds.upper) : arrayElement(source, bounds.upper as number[])
  }
  if (assign === null) {
    return eager(parts, (values) => {
      const bounds = values[0] === null ? null : boundsOf(values)
      return bounds === null ? null : read(values[0]!, bounds)
    })
  }
  const { oldPart } = assign
  let target: { readonly array: ArrayDatum | null; readonly bounds: Bounds }
  const located = eager(parts, (values) => {
    const bounds = boundsOf(values)
    if (bounds === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'array subscript in assignment must not be null')
    target = { array: values[0] === null ? null : asArray(values[0]!, e.elementType), bounds }
    oldPart.value = values[0] === null ? null : read(values[0]!, bounds)
    return null
  })
  return eager([located, assign.value], ([, value]) => {
    const { array, bounds } = target
    if (!e.isSlice) return assignElement(array, e.elementType, bounds.upper as number[], value!)
    // Assigning NULL to a slice changes nothing.
    if (value === null) return array ?? emptyArray(e.elementType)
    return assignSlice(array, e.elementType, bounds.lower, bounds.upper, asArray(value!, e.elementType))
  })
}
