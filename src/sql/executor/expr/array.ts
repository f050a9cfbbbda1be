// Array constructors, element-wise casts, and subscripts: reading and assigning elements and slices of arrays, vectors and jsonb.

import type { Datum } from '../../../base/datum.ts'
import { notSupported, PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { ArrayExpr, SubscriptingRef } from '../../analyzer/expr.ts'
import { bodyOf } from '../../functions/registry.ts'
import { ArrayDatum, makeArray } from '../../types/array.ts'
import type { CallInfo } from '../../types/procs.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, constant, eager, eagerWaiting, evaluator } from './compiled.ts'
import { type TestCell, unary } from './logic.ts'

const JSONB = 3802
const TEXT = 25
const MAX_DIMS = 6

const subscriptError = (message: string): PgError => new PgError(SQLSTATE.arraySubscriptError, message)

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
  return eager(elements, (values) => nest(elementType, values))
}

/** ARRAY[[…],[…]]: sub-arrays of equal shape become one more dimension; empty and NULL ones count as empty. */
function nest(elementType: Oid, values: readonly Datum[]): Datum {
  const parts = values.filter((value): value is ArrayDatum => value instanceof ArrayDatum && value.dims.length > 0)
  if (parts.length === 0) return makeArray(elementType, [])
  const first = parts[0]!
  const same =
    parts.length === values.length &&
    parts.every(
      (part) =>
        part.dims.length === first.dims.length &&
        part.dims.every((d, i) => d === first.dims[i] && part.lowerBounds[i] === first.lowerBounds[i]),
    )
  if (!same) throw subscriptError('multidimensional arrays must have array expressions with matching dimensions')
  if (first.dims.length + 1 > MAX_DIMS) {
    throw new PgError(
      SQLSTATE.programLimitExceeded,
      `number of array dimensions (${first.dims.length + 1}) exceeds the maximum allowed (${MAX_DIMS})`,
    )
  }
  return new ArrayDatum(
    elementType,
    [values.length, ...first.dims],
    [1, ...first.lowerBounds],
    parts.flatMap((part) => part.elements),
  )
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

/** Position of one element, or -1 outside the array. */
function offsetOf(array: ArrayDatum, subscripts: readonly number[]): number {
  if (subscripts.length !== array.dims.length) return -1
  let offset = 0
  for (let d = 0; d < subscripts.length; d++) {
    const i = subscripts[d]! - array.lowerBounds[d]!
    if (i < 0 || i >= array.dims[d]!) return -1
    offset = offset * array.dims[d]! + i
  }
  return offset
}

interface Bounds {
  lower: (number | null)[]
  upper: (number | null)[]
}

/** Offsets of a box of elements, row-major. */
function boxOffsets(array: ArrayDatum, from: readonly number[], lengths: readonly number[]): number[] {
  let offsets = [0]
  for (let d = 0; d < array.dims.length; d++) {
    const next: number[] = []
    const start = from[d]! - array.lowerBounds[d]!
    for (const base of offsets) for (let i = 0; i < lengths[d]!; i++) next.push(base * array.dims[d]! + start + i)
    offsets = next
  }
  return offsets
}

function slice(array: ArrayDatum, bounds: Bounds): ArrayDatum {
  const empty = makeArray(array.elementType, [])
  const dims = array.dims.length
  if (dims === 0 || bounds.upper.length > dims) return empty
  const from: number[] = []
  const lengths: number[] = []
  for (let d = 0; d < dims; d++) {
    const lb = array.lowerBounds[d]!
    const ub = lb + array.dims[d]! - 1
    const lo = Math.max(bounds.lower[d] ?? lb, lb)
    const hi = Math.min(bounds.upper[d] ?? ub, ub)
    if (lo > hi) return empty
    from.push(lo)
    lengths.push(hi - lo + 1)
  }
  const elements = boxOffsets(array, from, lengths).map((offset) => array.elements[offset]!)
  return new ArrayDatum(
    array.elementType,
    lengths,
    lengths.map(() => 1),
    elements,
  )
}

function assignElement(array: ArrayDatum, subscripts: readonly number[], value: Datum): ArrayDatum {
  const dims = array.dims.length
  if (dims === 0) {
    return new ArrayDatum(
      array.elementType,
      subscripts.map(() => 1),
      subscripts,
      [value],
    )
  }
  if (dims !== subscripts.length) throw subscriptError('wrong number of array subscripts')
  if (dims === 1) return assignRange(array, subscripts[0]!, [value])
  const offset = offsetOf(array, subscripts)
  if (offset < 0) throw subscriptError('array subscript out of range')
  const elements = [...array.elements]
  elements[offset] = value
  return new ArrayDatum(array.elementType, array.dims, array.lowerBounds, elements)
}

/** One dimension: grows at either end, gaps are NULL. */
function assignRange(array: ArrayDatum, at: number, values: readonly Datum[]): ArrayDatum {
  const lb = array.dims.length === 0 ? at : array.lowerBounds[0]!
  const newLb = Math.min(lb, at)
  const end = Math.max(lb + array.elements.length, at + values.length)
  if (end - newLb > 134217727) throw new PgError(SQLSTATE.programLimitExceeded, 'array size exceeds the maximum allowed (134217727)')
  const elements = new Array<Datum>(end - newLb).fill(null)
  for (let i = 0; i < array.elements.length; i++) elements[lb - newLb + i] = array.elements[i]!
  for (let i = 0; i < values.length; i++) elements[at - newLb + i] = values[i]!
  return new ArrayDatum(array.elementType, [elements.length], [newLb], elements)
}

function assignSlice(array: ArrayDatum, bounds: Bounds, value: Datum): ArrayDatum {
  if (value === null) return array
  const source = asArray(value, array.elementType).elements
  const dims = array.dims.length
  const given = bounds.upper.length
  if (dims === 0) {
    const lengths = bounds.upper.map((hi, d) => {
      const lo = bounds.lower[d] ?? null
      if (lo === null || hi === null) {
        throw new PgError(SQLSTATE.arraySubscriptError, 'array slice subscript must provide both boundaries', {
          detail: 'When assigning to a slice of an empty array value, slice boundaries must be fully specified.',
        })
      }
      return hi - lo + 1
    })
    if (lengths.some((n) => n < 0)) throw subscriptError('upper bound cannot be less than lower bound')
    const total = lengths.reduce((a, b) => a * b, 1)
    if (source.length < total) throw subscriptError('source array too small')
    if (total === 0) return array
    return new ArrayDatum(
      array.elementType,
      lengths,
      bounds.lower.map((lo) => lo!),
      source.slice(0, total),
    )
  }
  if (given > dims) throw subscriptError('wrong number of array subscripts')
  const from: number[] = []
  const lengths: number[] = []
  for (let d = 0; d < dims; d++) {
    const lb = array.lowerBounds[d]!
    const ub = lb + array.dims[d]! - 1
    const lo = bounds.lower[d] ?? lb
    const hi = bounds.upper[d] ?? ub
    if (lo > hi + 1 || (dims > 1 && lo > hi)) throw subscriptError('upper bound cannot be less than lower bound')
    if (dims > 1 && (lo < lb || hi > ub)) throw subscriptError('array subscript out of range')
    from.push(lo)
    lengths.push(hi - lo + 1)
  }
  const total = lengths.reduce((a, b) => a * b, 1)
  if (source.length < total) throw subscriptError('source array too small')
  if (dims === 1) return total === 0 ? array : assignRange(array, from[0]!, source.slice(0, total))
  const elements = [...array.elements]
  boxOffsets(array, from, lengths).forEach((offset, i) => {
    elements[offset] = source[i]!
  })
  return new ArrayDatum(array.elementType, array.dims, array.lowerBounds, elements)
}

function jsonbSubscript(cx: Compilation, container: Compiled, subscripts: readonly Compiled[], assign: Compiled | null): Compiled {
  const prosrc = assign === null ? 'jsonb_extract_path' : 'jsonb_set'
  const body = bodyOf(prosrc)
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
    if (values[0] === null) throw notSupported('assigning to a subscript of a NULL jsonb value is not implemented')
    return body(values[0], path(keys), values[n + 1], true, cx.state.ctx, info) as Datum
  })
}

export function compileSubscripting(
  cx: Compilation,
  e: SubscriptingRef,
  container: Compiled,
  upper: readonly (Compiled | null)[],
  lower: readonly (Compiled | null)[],
  assign: Compiled | null,
): Compiled {
  if (e.containerType === JSONB) return jsonbSubscript(cx, container, upper as readonly Compiled[], assign)
  const n = upper.length
  const open = constant(null)
  const parts = [
    container,
    ...upper.map((u) => u ?? open),
    ...(e.isSlice ? lower.map((l) => l ?? open) : []),
    ...(assign === null ? [] : [assign]),
  ]
  const givenUpper = upper.map((u) => u !== null)
  const givenLower = lower.map((l) => l !== null)
  const boundsOf = (values: readonly Datum[]): Bounds | null => {
    const his = values.slice(1, n + 1) as (number | null)[]
    const los = e.isSlice ? (values.slice(n + 1, 2 * n + 1) as (number | null)[]) : []
    for (let i = 0; i < n; i++) if ((givenUpper[i]! && his[i] === null) || (e.isSlice && givenLower[i]! && los[i] === null)) return null
    return { lower: los, upper: his }
  }
  if (assign === null) {
    return eager(parts, (values) => {
      if (values[0] === null) return null
      const bounds = boundsOf(values)
      if (bounds === null) return null
      const array = asArray(values[0]!, e.elementType)
      if (e.isSlice) return slice(array, bounds)
      const offset = offsetOf(array, bounds.upper as number[])
      return offset < 0 ? null : array.elements[offset]!
    })
  }
  return eager(parts, (values) => {
    const bounds = boundsOf(values)
    if (bounds === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'array subscript in assignment must not be null')
    const array = values[0] === null ? makeArray(e.elementType, []) : asArray(values[0]!, e.elementType)
    const value = values.at(-1)!
    return e.isSlice ? assignSlice(array, bounds, value) : assignElement(array, bounds.upper as number[], value)
  })
}
