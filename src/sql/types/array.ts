// Array values: elements in one flat list with dimensions and lower bounds, as PostgreSQL stores them. Immutable. An empty array has no
// dimensions. The element type travels with the value so that polymorphic bodies need no more. // hot

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { Present } from './type.ts'

export const MAX_DIMENSIONS = 6
export const MAX_ARRAY_SIZE = 134217727
/** Of V8, for an element's place in the list. */
const ELEMENT_BYTES = 8

export class ArrayDatum {
  readonly elementType: Oid
  readonly dims: readonly number[]
  readonly lowerBounds: readonly number[]
  /** Row-major. */
  readonly elements: readonly Datum[]

  constructor(elementType: Oid, dims: readonly number[], lowerBounds: readonly number[], elements: readonly Datum[]) {
    this.elementType = elementType
    this.dims = dims
    this.lowerBounds = lowerBounds
    this.elements = elements
  }
}

const NONE: readonly number[] = []
const ONE: readonly number[] = [1]

/** A one-dimensional array from 1; empty when there are no elements. The list is taken over, not copied. */
export function makeArray(elementType: Oid, elements: readonly Datum[]): ArrayDatum {
  return elements.length === 0
    ? new ArrayDatum(elementType, NONE, NONE, elements)
    : new ArrayDatum(elementType, [elements.length], ONE, elements)
}

export function emptyArray(elementType: Oid): ArrayDatum {
  return new ArrayDatum(elementType, NONE, NONE, [])
}

export function arrayTooLarge(): PgError {
  return new PgError(SQLSTATE.programLimitExceeded, `array size exceeds the maximum allowed (${MAX_ARRAY_SIZE})`)
}

/** Number of elements for these dimensions; 54000 when too many. */
export function countItems(dims: readonly number[]): number {
  let n = dims.length === 0 ? 0 : 1
  for (const d of dims) n *= d
  if (n > MAX_ARRAY_SIZE) throw arrayTooLarge()
  if (n * ELEMENT_BYTES > LIMITS.maxArrayBytes) throw new PgError(SQLSTATE.programLimitExceeded, 'requested length too large')
  return n
}

/** array_cmp: element by element (NULL last and equal to NULL), then length, dimensions, bounds. */
export function compareArrays(a: ArrayDatum, b: ArrayDatum, compare: (x: Present, y: Present) => number): number {
  const x = a.elements
  const y = b.elements
  const n = Math.min(x.length, y.length)
  for (let i = 0; i < n; i++) {
    const p = x[i]!
    const q = y[i]!
    if (p === null || q === null) {
      if (p === q) continue
      return p === null ? 1 : -1
    }
    const order = compare(p, q)
    if (order !== 0) return order < 0 ? -1 : 1
  }
  if (x.length !== y.length) return x.length < y.length ? -1 : 1
  if (a.dims.length !== b.dims.length) return a.dims.length < b.dims.length ? -1 : 1
  for (let i = 0; i < a.dims.length; i++) {
    if (a.dims[i] !== b.dims[i]) return a.dims[i]! < b.dims[i]! ? -1 : 1
  }
  for (let i = 0; i < a.dims.length; i++) {
    if (a.lowerBounds[i] !== b.lowerBounds[i]) return a.lowerBounds[i]! < b.lowerBounds[i]! ? -1 : 1
  }
  return 0
}

export function subscriptError(message = 'wrong number of array subscripts'): PgError {
  return new PgError(SQLSTATE.arraySubscriptError, message)
}

/** a[i][j]…; NULL outside the bounds or with another number of subscripts. */
export function arrayElement(a: ArrayDatum, subscripts: readonly number[]): Datum {
  if (subscripts.length !== a.dims.length || subscripts.length === 0) return null
  let offset = 0
  for (let i = 0; i < subscripts.length; i++) {
    const at = subscripts[i]! - a.lowerBounds[i]!
    if (at < 0 || at >= a.dims[i]!) return null
    offset = offset * a.dims[i]! + at
  }
  return a.elements[offset]!
}

/** a[l:u][l:u]…; an absent bound is the array's own. The result's lower bounds are 1. Fewer subscripts than dimensions: the rest whole. */
export function arraySlice(a: ArrayDatum, lower: readonly (number | null)[], upper: readonly (number | null)[]): ArrayDatum {
  const ndim = a.dims.length
  if (ndim === 0 || lower.length > ndim) return emptyArray(a.elementType)
  const from: number[] = []
  const dims: number[] = []
  for (let i = 0; i < ndim; i++) {
    const low = a.lowerBounds[i]!
    const high = low + a.dims[i]! - 1
    const l = i < lower.length ? Math.max(lower[i] ?? low, low) : low
    const u = i < upper.length ? Math.min(upper[i] ?? high, high) : high
    if (l > u) return emptyArray(a.elementType)
    from.push(l - low)
    dims.push(u - l + 1)
  }
  const elements: Datum[] = []
  const walk = (dim: number, offset: number): void => {
    const base = offset * a.dims[dim]! + from[dim]!
    for (let i = 0; i < dims[dim]!; i++) {
      if (dim === ndim - 1) elements.push(a.elements[base + i]!)
      else walk(dim + 1, base + i)
    }
  }
  walk(0, 0)
  return new ArrayDatum(a.elementType, dims, new Array(ndim).fill(1), elements)
}

/** The array with one element replaced; a one-dimensional array grows (holes become NULL). `a` null = empty. */
export function assignElement(a: ArrayDatum | null, elementType: Oid, subscripts: readonly number[], value: Datum): ArrayDatum {
  if (a === null || a.dims.length === 0) {
    if (subscripts.length > MAX_DIMENSIONS) throw tooManyDimensions(subscripts.length)
    for (const s of subscripts) checkSubscript(s)
    return new ArrayDatum(
      elementType,
      subscripts.map(() => 1),
      [...subscripts],
      [value],
    )
  }
  if (a.dims.length !== subscripts.length) throw subscriptError()
  if (subscripts.length === 1) {
    const at = subscripts[0]!
    checkSubscript(at)
    const low = a.lowerBounds[0]!
    const end = low + a.dims[0]!
    if (at >= low && at < end) return new ArrayDatum(elementType, a.dims, a.lowerBounds, a.elements.with(at - low, value))
    const newLow = Math.min(low, at)
    const size = Math.max(end, at + 1) - newLow
    countItems([size])
    const elements: Datum[] = new Array(size).fill(null)
    for (let i = 0; i < a.elements.length; i++) elements[low - newLow + i] = a.elements[i]!
    elements[at - newLow] = value
    return new ArrayDatum(elementType, [size], [newLow], elements)
  }
  let offset = 0
  for (let i = 0; i < subscripts.length; i++) {
    const at = subscripts[i]! - a.lowerBounds[i]!
    if (at < 0 || at >= a.dims[i]!) throw subscriptError('array subscript out of range')
    offset = offset * a.dims[i]! + at
  }
  return new ArrayDatum(elementType, a.dims, a.lowerBounds, a.elements.with(offset, value))
}

function checkSubscript(at: number): void {
  if (at === 2147483647) throw arrayTooLarge()
}

export function tooManyDimensions(n: number): PgError {
  return new PgError(SQLSTATE.programLimitExceeded, `number of array dimensions (${n}) exceeds the maximum allowed (${MAX_DIMENSIONS})`)
}

/** The array with a slice replaced by `source`'s elements in order; a one-dimensional array grows. */
export function assignSlice(
  a: ArrayDatum | null,
  elementType: Oid,
  lower: readonly (number | null)[],
  upper: readonly (number | null)[],
  source: ArrayDatum,
): ArrayDatum {
  const n = lower.length
  if (a === null || a.dims.length === 0) {
    const dims: number[] = []
    for (let i = 0; i < n; i++) {
      const l = lower[i] ?? null
      const u = upper[i] ?? null
      if (l === null || u === null) {
        throw new PgError(SQLSTATE.arraySubscriptError, 'array slice subscript must provide both boundaries', {
          detail: 'When assigning to a slice of an empty array value, slice boundaries must be fully specified.',
        })
      }
      if (u < l - 1) throw subscriptError('upper bound cannot be less than lower bound')
      dims.push(u - l + 1)
    }
    if (dims.includes(0)) return emptyArray(elementType)
    const items = countItems(dims)
    if (items > source.elements.length) throw subscriptError('source array too small')
    return new ArrayDatum(
      elementType,
      dims,
      lower.map((l) => l!),
      source.elements.slice(0, items),
    )
  }
  const ndim = a.dims.length
  if (ndim < n) throw subscriptError()
  const low = a.lowerBounds[0]!
  const high = low + a.dims[0]! - 1
  if (ndim === 1) {
    const l = lower[0] ?? low
    const u = upper[0] ?? high
    if (l > u) throw subscriptError('upper bound cannot be less than lower bound')
    const count = u - l + 1
    if (count > source.elements.length) throw subscriptError('source array too small')
    const newLow = Math.min(low, l)
    const size = Math.max(high, u) - newLow + 1
    countItems([size])
    const elements: Datum[] = new Array(size).fill(null)
    for (let i = 0; i < a.elements.length; i++) elements[low - newLow + i] = a.elements[i]!
    for (let i = 0; i < count; i++) elements[l - newLow + i] = source.elements[i]!
    return new ArrayDatum(elementType, [size], [newLow], elements)
  }
  const from: number[] = []
  const spans: number[] = []
  for (let i = 0; i < ndim; i++) {
    const bottom = a.lowerBounds[i]!
    const top = bottom + a.dims[i]! - 1
    const l = i < n ? (lower[i] ?? bottom) : bottom
    const u = i < n ? (upper[i] ?? top) : top
    if (l > u) throw subscriptError('upper bound cannot be less than lower bound')
    if (l < bottom || u > top) throw subscriptError('array subscript out of range')
    from.push(l - bottom)
    spans.push(u - l + 1)
  }
  if (countItems(spans) > source.elements.length) throw subscriptError('source array too small')
  const elements = [...a.elements]
  let next = 0
  const walk = (dim: number, offset: number): void => {
    const base = offset * a.dims[dim]! + from[dim]!
    for (let i = 0; i < spans[dim]!; i++) {
      if (dim === ndim - 1) elements[base + i] = source.elements[next++]!
      else walk(dim + 1, base + i)
    }
  }
  walk(0, 0)
  return new ArrayDatum(elementType, a.dims, a.lowerBounds, elements)
}

/** ARRAY[a, b] where the members are arrays: one more dimension. Null and empty members only when all are. */
export function nestArrays(elementType: Oid, members: readonly (ArrayDatum | null)[]): ArrayDatum {
  const first = members.find((m) => m !== null && m.dims.length > 0) ?? null
  if (first === null) return emptyArray(elementType)
  if (first.dims.length + 1 > MAX_DIMENSIONS) throw tooManyDimensions(first.dims.length + 1)
  const elements: Datum[] = []
  for (const member of members) {
    if (
      member === null ||
      member.dims.length !== first.dims.length ||
      member.dims.some((d, i) => d !== first.dims[i]) ||
      member.lowerBounds.some((l, i) => l !== first.lowerBounds[i])
    ) {
      throw subscriptError('multidimensional arrays must have array expressions with matching dimensions')
    }
    for (const element of member.elements) elements.push(element)
  }
  const dims = [members.length, ...first.dims]
  countItems(dims)
  return new ArrayDatum(elementType, dims, [1, ...first.lowerBounds], elements)
}

/** int2vector and oidvector: arrays in form, single values to what collects them. */
const VECTORS: ReadonlySet<Oid> = new Set([TYPE_OID.int2vector, TYPE_OID.oidvector])

/** ARRAY(SELECT …): the rows as elements, or, when they are arrays themselves, one dimension more. */
export function arrayOfRows(elementType: Oid, rows: readonly Datum[]): ArrayDatum {
  const first = rows.find((row) => row instanceof ArrayDatum && row.dims.length > 0) as ArrayDatum | undefined
  if (VECTORS.has(elementType) || !rows.some((row) => row instanceof ArrayDatum)) return makeArray(elementType, rows)
  if (rows.includes(null)) throw new PgError(SQLSTATE.nullValueNotAllowed, 'cannot accumulate null arrays')
  const members = rows as readonly ArrayDatum[]
  if (members.some((member) => member.dims.length === 0)) throw subscriptError('cannot accumulate empty arrays')
  if (members.some((member) => member.dims.length !== first!.dims.length || member.dims.some((d, i) => d !== first!.dims[i])))
    throw subscriptError('cannot accumulate arrays of different dimensionality')
  return nestArrays(first!.elementType, members)
}

/** The same shape over other elements: ArrayCoerceExpr. */
export function mapArray(a: ArrayDatum, elementType: Oid, convert: (element: Datum) => Datum): ArrayDatum {
  return new ArrayDatum(elementType, a.dims, a.lowerBounds, a.elements.map(convert))
}

/** scalar op ANY|ALL (array) over a compiled operator; three-valued. `operator` is strict-checked here when `strict`. */
export function scalarArrayOp(
  scalar: Datum,
  array: ArrayDatum,
  any: boolean,
  strict: boolean,
  operator: (a: Datum, b: Datum) => Datum,
): boolean | null {
  const elements = array.elements
  if (elements.length === 0) return !any
  if (scalar === null && strict) return null
  let unknown = false
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!
    const result = element === null && strict ? null : operator(scalar, element)
    if (result === null) unknown = true
    else if (result === any) return any
  }
  return unknown ? null : !any
}
