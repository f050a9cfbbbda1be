// Bodies of the array functions and operators. Element types are found by the OID that travels with the array.

import { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { inParts, LONG_LIST, longWork } from '../../base/long-work.ts'
import { mergeSort } from '../../base/merge-sort.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { defaultOpclass } from '../builtin/pg-index.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import {
  ArrayDatum,
  arraySlice,
  arrayTooLarge,
  compareArrays,
  countItems,
  emptyArray,
  MAX_DIMENSIONS,
  makeArray,
  tooManyDimensions,
} from './array.ts'
import { arrayTypeSupport, formatArray } from './array-type.ts'
import type { EvalContext } from './eval-context.ts'
import { argType, type Procs } from './procs.ts'
import { findBuiltinType } from './registry.ts'
import type { Present, TypeSupport } from './type.ts'

const INT4 = 23

/** Support of an element type, builtin or the tenant's own. */
export function elementSupport(type: Oid, ctx: EvalContext): TypeSupport {
  return findBuiltinType(type) ?? ctx.catalog.typeSupport(type)
}

const missing = (what: string, type: Oid, ctx: EvalContext): PgError =>
  new PgError(SQLSTATE.undefinedFunction, `could not identify ${what} for type ${ctx.catalog.typeName(type) ?? type}`)

function comparer(type: Oid, ctx: EvalContext): (a: Present, b: Present) => number {
  const { compare } = elementSupport(type, ctx)
  if (compare === null) throw missing('a comparison function', type, ctx)
  return compare
}

const HASH_METHOD = 405

/** Zero for equal values and not zero for others; types with a hash operator class alone (aclitem) have no order. */
function equality(type: Oid, ctx: EvalContext): (a: Present, b: Present) => number {
  const { compare, hashKey } = elementSupport(type, ctx)
  if (compare !== null) return compare
  if (hashKey === null || defaultOpclass(HASH_METHOD, type) === undefined) throw missing('an equality operator', type, ctx)
  return (a, b) => (hashKey(a) === hashKey(b) ? 0 : 1)
}

const delimiterOf = (type: Oid): string => typeByOid(type)?.typdelim ?? ','

function sameElementType(a: ArrayDatum, b: ArrayDatum): Oid {
  if (a.elementType !== b.elementType) throw new PgError(SQLSTATE.datatypeMismatch, 'cannot compare arrays of different element types')
  return a.elementType
}

const order = (a: ArrayDatum, b: ArrayDatum, ctx: EvalContext): number => compareArrays(a, b, comparer(sameElementType(a, b), ctx))
const equal = (a: ArrayDatum, b: ArrayDatum, ctx: EvalContext): boolean => compareArrays(a, b, equality(sameElementType(a, b), ctx)) === 0

const oneDimensional = (a: ArrayDatum, what: string): void => {
  if (a.dims.length > 1) throw notSupported(`${what} multidimensional arrays is not supported`)
}

/** Offset of the first element not distinct from `wanted` at or after `from`; -1 if none. */
function indexOf(a: ArrayDatum, wanted: Datum, from: number, ctx: EvalContext): number {
  const { elements } = a
  if (wanted === null) return elements.indexOf(null, from)
  const compare = equality(a.elementType, ctx)
  return inParts(elements.length - from, -1, (found, start, end) => {
    if (found >= 0) return found
    for (let i = from + start; i < from + end; i++) {
      const element = elements[i]!
      if (element !== null && compare(element, wanted) === 0) return i
    }
    return -1
  })
}

/** Tells whether values are among an array's; by hash when that pays. NULLs are never among them. */
function membership(a: ArrayDatum, ctx: EvalContext): (value: Present) => boolean {
  const { elements } = a
  const { hashKey } = elementSupport(a.elementType, ctx)
  if (elements.length > 8 && hashKey !== null) {
    const keys = inParts(elements.length, new Set<unknown>(), (sofar, from, to) => {
      for (let i = from; i < to; i++) if (elements[i] !== null) sofar.add(hashKey(elements[i]!))
      return sofar
    })
    return (value) => keys.has(hashKey(value))
  }
  const compare = equality(a.elementType, ctx)
  return (value) => a.elements.some((element) => element !== null && compare(element, value) === 0)
}

function contains(a: ArrayDatum, b: ArrayDatum, ctx: EvalContext): boolean {
  if (a.elementType !== b.elementType) throw new PgError(SQLSTATE.datatypeMismatch, 'cannot compare arrays of different element types')
  if (b.elements.length === 0) return true
  const has = membership(a, ctx)
  return inParts(b.elements.length, true, (all, from, to) => {
    for (let i = from; all && i < to; i++) if (b.elements[i] === null || !has(b.elements[i]!)) return false
    return all
  })
}

function overlap(a: ArrayDatum, b: ArrayDatum, ctx: EvalContext): boolean {
  if (a.elementType !== b.elementType) throw new PgError(SQLSTATE.datatypeMismatch, 'cannot compare arrays of different element types')
  const has = membership(a, ctx)
  return inParts(b.elements.length, false, (any, from, to) => {
    for (let i = from; !any && i < to; i++) if (b.elements[i] !== null && has(b.elements[i]!)) return true
    return any
  })
}

function incompatible(detail: string): PgError {
  return new PgError(SQLSTATE.arraySubscriptError, 'cannot concatenate incompatible arrays', { detail })
}

function concatenate(a: ArrayDatum, b: ArrayDatum): ArrayDatum {
  if (a.dims.length === 0) return b
  if (b.dims.length === 0) return a
  const x = a.dims.length
  const y = b.dims.length
  const elements = a.elements.concat(b.elements)
  if (x === y) {
    for (let i = 1; i < x; i++) {
      if (a.dims[i] !== b.dims[i] || a.lowerBounds[i] !== b.lowerBounds[i]) {
        throw incompatible('Arrays with differing element dimensions are not compatible for concatenation.')
      }
    }
    const dims = [a.dims[0]! + b.dims[0]!, ...a.dims.slice(1)]
    countItems(dims)
    return new ArrayDatum(a.elementType, dims, a.lowerBounds, elements)
  }
  if (Math.abs(x - y) !== 1) throw incompatible(`Arrays of ${x} and ${y} dimensions are not compatible for concatenation.`)
  const outer = x > y ? a : b
  const inner = x > y ? b : a
  for (let i = 0; i < inner.dims.length; i++) {
    if (inner.dims[i] !== outer.dims[i + 1] || inner.lowerBounds[i] !== outer.lowerBounds[i + 1]) {
      throw incompatible('Arrays with differing dimensions are not compatible for concatenation.')
    }
  }
  const dims = [outer.dims[0]! + 1, ...outer.dims.slice(1)]
  countItems(dims)
  return new ArrayDatum(a.elementType, dims, outer.lowerBounds, elements)
}

function push(a: ArrayDatum | null, value: Datum, front: boolean, elementType: Oid): ArrayDatum {
  if (a === null || a.dims.length === 0) return makeArray(a?.elementType ?? elementType, [value])
  if (a.dims.length !== 1) throw new PgError(SQLSTATE.dataException, 'argument must be empty or one-dimensional array')
  if (front ? a.lowerBounds[0]! === -2147483648 : a.lowerBounds[0]! + a.dims[0]! > 2147483647) {
    throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
  }
  return new ArrayDatum(a.elementType, [a.dims[0]! + 1], a.lowerBounds, front ? [value].concat(a.elements) : a.elements.concat([value]))
}

function replaceAll(a: ArrayDatum | null, from: Datum, to: Datum, remove: boolean, ctx: EvalContext): ArrayDatum | null {
  if (a === null) return null
  if (remove) oneDimensional(a, 'removing elements from')
  if (a.elements.length === 0) return a
  const compare = equality(a.elementType, ctx)
  const { elements, changed } = inParts(a.elements.length, { elements: [] as Datum[], changed: false }, (made, start, end) => {
    for (let i = start; i < end; i++) {
      const element = a.elements[i]!
      const same = element === null || from === null ? element === from : compare(element, from) === 0
      if (same) made.changed = true
      if (!same) made.elements.push(element)
      else if (!remove) made.elements.push(to)
    }
    return made
  })
  if (!changed) return a
  if (!remove) return new ArrayDatum(a.elementType, a.dims, a.lowerBounds, elements)
  return elements.length === 0 ? emptyArray(a.elementType) : new ArrayDatum(a.elementType, [elements.length], a.lowerBounds, elements)
}

function fill(value: Datum, dims: ArrayDatum | null, bounds: ArrayDatum | null | undefined, elementType: Oid): ArrayDatum {
  if (dims === null || bounds === null) {
    throw new PgError(SQLSTATE.nullValueNotAllowed, 'dimension array or low bound array cannot be null')
  }
  const check = (a: ArrayDatum, what: string): readonly number[] => {
    if (a.dims.length > 1) {
      throw new PgError(SQLSTATE.arraySubscriptError, 'wrong number of array subscripts', {
        detail: `${what} array must be one dimensional.`,
      })
    }
    if (a.elements.includes(null)) throw new PgError(SQLSTATE.nullValueNotAllowed, 'dimension values cannot be null')
    return a.elements as readonly number[]
  }
  const sizes = check(dims, 'Dimension')
  const lows = bounds === undefined ? sizes.map(() => 1) : check(bounds, 'Dimension')
  if (sizes.length > MAX_DIMENSIONS) throw tooManyDimensions(sizes.length)
  if (lows.length !== sizes.length) {
    throw new PgError(SQLSTATE.arraySubscriptError, 'wrong number of array subscripts', {
      detail: 'Low bound array has different size than dimensions array.',
    })
  }
  if (sizes.length === 0) return emptyArray(elementType)
  for (const size of sizes) if (size < 0) throw arrayTooLarge()
  const n = countItems(sizes)
  return n === 0 ? emptyArray(elementType) : new ArrayDatum(elementType, [...sizes], [...lows], new Array<Datum>(n).fill(value))
}

/** The items of the first dimension, each a run of elements. */
function items(a: ArrayDatum): Datum[][] {
  const n = a.dims[0] ?? 0
  const size = n === 0 ? 0 : a.elements.length / n
  return Array.from({ length: n }, (_, i) => a.elements.slice(i * size, (i + 1) * size))
}

/** Other items in the same shape but for the first dimension's length. */
function ofItems(a: ArrayDatum, list: readonly Datum[][], keepBound: boolean): ArrayDatum {
  if (list.length === 0) return emptyArray(a.elementType)
  const bounds = keepBound ? a.lowerBounds : [1, ...a.lowerBounds.slice(1)]
  return new ArrayDatum(a.elementType, [list.length, ...a.dims.slice(1)], bounds, list.flat())
}

/** The items in the order, and as many of them, as `change` leaves. */
function rearranged(a: ArrayDatum, change: <T>(list: T[]) => T[], keepBound: boolean): ArrayDatum {
  if (a.dims.length !== 1) return ofItems(a, change(items(a)), keepBound)
  const elements = change(a.elements.slice())
  if (elements.length === 0) return emptyArray(a.elementType)
  return new ArrayDatum(a.elementType, [elements.length], keepBound ? a.lowerBounds : [1], elements)
}

function shuffled<T>(list: T[], count: number, ctx: EvalContext): T[] {
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(ctx.random() * (list.length - i))
    const item = list[i]!
    list[i] = list[j]!
    list[j] = item
  }
  return list.slice(0, count)
}

function sort(a: ArrayDatum, descending: boolean, nullsFirst: boolean, ctx: EvalContext): ArrayDatum {
  if (a.dims.length === 0 || a.dims[0]! < 2) return a
  const sign = descending ? -1 : 1
  const { compare } = elementSupport(a.elementType, ctx)
  if (compare === null) throw new PgError(SQLSTATE.featureNotSupported, missing('a comparison function', a.elementType, ctx).message)
  if (a.dims.length === 1) {
    const order = (x: Present, y: Present): number => sign * compare(x, y)
    const list = a.elements.filter((e) => e !== null)
    const present: Datum[] = list.length > LONG_LIST ? longWork(mergeSort<Present>, list, order) : list.sort(order)
    const nulls: Datum[] = new Array(a.elements.length - present.length).fill(null)
    return new ArrayDatum(a.elementType, a.dims, a.lowerBounds, nullsFirst ? nulls.concat(present) : present.concat(nulls))
  }
  const list = items(a).map((run) => makeArray(a.elementType, run))
  list.sort((x, y) => sign * compareArrays(x, y, compare))
  return ofItems(
    a,
    list.map((run) => [...run.elements]),
    true,
  )
}

function toText(a: ArrayDatum, delimiter: string, nullText: string | null, ctx: EvalContext): string {
  const support = elementSupport(a.elementType, ctx)
  const told = inParts<string | null>(a.elements.length, null, (before, from, to) => {
    const parts: string[] = []
    for (let i = from; i < to; i++) {
      const element = a.elements[i]!
      if (element !== null) parts.push(support.output(element, ctx.io))
      else if (nullText !== null) parts.push(nullText)
    }
    if (parts.length === 0) return before
    return before === null ? parts.join(delimiter) : `${before}${delimiter}${parts.join(delimiter)}`
  })
  return told ?? ''
}

const bound = (a: ArrayDatum, dimension: number): boolean => dimension >= 1 && dimension <= a.dims.length

function* subscripts(a: ArrayDatum, dimension: number, reverse: boolean): Generator<number> {
  if (!bound(a, dimension)) return
  const low = a.lowerBounds[dimension - 1]!
  const high = low + a.dims[dimension - 1]! - 1
  if (reverse) for (let i = high; i >= low; i--) yield i
  else for (let i = low; i <= high; i++) yield i
}

const arraySupport = (elementType: Oid, ctx: EvalContext): TypeSupport =>
  arrayTypeSupport(elementSupport(elementType, ctx), elementType, delimiterOf(elementType))

const scratch = new ByteWriter(256)

function output(a: ArrayDatum, ctx: EvalContext): string {
  const support = elementSupport(a.elementType, ctx)
  return formatArray(a, delimiterOf(a.elementType), (element) => support.output(element, ctx.io))
}

function send(a: ArrayDatum, ctx: EvalContext): Buffer {
  arraySupport(a.elementType, ctx).send(a, scratch.reset())
  return scratch.finish()
}

export const arrayProcs = {
  array_in: (text, element, typmod, ctx) => arraySupport(element, ctx).input(text, typmod, ctx) as ArrayDatum,
  array_out: output,
  array_send: send,
  anyarray_out: output,
  anyarray_send: send,
  anycompatiblearray_out: output,
  anycompatiblearray_send: send,
  array_eq: (a, b, ctx) => equal(a, b, ctx),
  array_ne: (a, b, ctx) => !equal(a, b, ctx),
  array_lt: (a, b, ctx) => order(a, b, ctx) < 0,
  array_le: (a, b, ctx) => order(a, b, ctx) <= 0,
  array_gt: (a, b, ctx) => order(a, b, ctx) > 0,
  array_ge: (a, b, ctx) => order(a, b, ctx) >= 0,
  btarraycmp: order,
  array_larger: (a, b, ctx) => (order(a, b, ctx) > 0 ? a : b),
  array_smaller: (a, b, ctx) => (order(a, b, ctx) < 0 ? a : b),
  arraycontains: contains,
  arraycontained: (a, b, ctx) => contains(b, a, ctx),
  arrayoverlap: overlap,
  array_append: (a, value, _ctx, call) => push(a, value, false, argType(call, 1)),
  array_prepend: (value, a, _ctx, call) => push(a, value, true, argType(call, 0)),
  array_cat: (a, b) => (a === null ? b : b === null ? a : concatenate(a, b)),
  array_ndims: (a) => (a.dims.length === 0 ? null : a.dims.length),
  array_dims: (a) => (a.dims.length === 0 ? null : a.dims.map((d, i) => `[${a.lowerBounds[i]}:${a.lowerBounds[i]! + d - 1}]`).join('')),
  array_lower: (a, dimension) => (bound(a, dimension) ? a.lowerBounds[dimension - 1]! : null),
  array_upper: (a, dimension) => (bound(a, dimension) ? a.lowerBounds[dimension - 1]! + a.dims[dimension - 1]! - 1 : null),
  array_length: (a, dimension) => (bound(a, dimension) ? a.dims[dimension - 1]! : null),
  array_cardinality: (a) => a.elements.length,
  array_position(a, value, ctx) {
    if (a === null) return null
    oneDimensional(a, 'searching for elements in')
    const at = indexOf(a, value, 0, ctx)
    return at < 0 ? null : at + a.lowerBounds[0]!
  },
  array_position_start(a, value, start, ctx) {
    if (a === null) return null
    oneDimensional(a, 'searching for elements in')
    if (start === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'initial position must not be null')
    if (a.dims.length === 0) return null
    const at = indexOf(a, value, Math.max(0, start - a.lowerBounds[0]!), ctx)
    return at < 0 ? null : at + a.lowerBounds[0]!
  },
  array_positions(a, value, ctx) {
    if (a === null) return null
    oneDimensional(a, 'searching for elements in')
    const found: number[] = []
    for (let at = indexOf(a, value, 0, ctx); at >= 0; at = indexOf(a, value, at + 1, ctx)) found.push(at + a.lowerBounds[0]!)
    return makeArray(INT4, found)
  },
  array_remove: (a, value, ctx) => replaceAll(a, value, null, true, ctx),
  array_replace: (a, from, to, ctx) => replaceAll(a, from, to, false, ctx),
  array_fill: (value, dims, _ctx, call) => fill(value, dims, undefined, argType(call, 0)),
  array_fill_with_lower_bounds: (value, dims, bounds, _ctx, call) => fill(value, dims, bounds, argType(call, 0)),
  array_reverse: (a) => (a.dims.length === 0 || a.dims[0]! < 2 ? a : rearranged(a, (list) => list.reverse(), true)),
  array_sort: (a, ctx) => sort(a, false, false, ctx),
  array_sort_order: (a, descending, ctx) => sort(a, descending, descending, ctx),
  array_sort_order_nulls_first: (a, descending, nullsFirst, ctx) => sort(a, descending, nullsFirst, ctx),
  array_shuffle: (a, ctx) => (a.dims.length === 0 || a.dims[0]! < 2 ? a : rearranged(a, (list) => shuffled(list, a.dims[0]!, ctx), true)),
  array_sample(a, count, ctx) {
    const n = a.dims[0] ?? 0
    if (count < 0 || count > n) throw new PgError(SQLSTATE.invalidParameterValue, `sample size must be between 0 and ${n}`)
    return rearranged(a, (list) => shuffled(list, count, ctx), false)
  },
  trim_array(a, count) {
    const n = a.dims[0] ?? 0
    if (count < 0 || count > n) throw new PgError(SQLSTATE.arraySubscriptError, `number of elements to trim must be between 0 and ${n}`)
    return n === 0 ? a : arraySlice(a, [null], [a.lowerBounds[0]! + n - count - 1])
  },
  array_to_text: (a, delimiter, ctx) => toText(a, delimiter, null, ctx),
  array_to_text_null: (a, delimiter, nullText, ctx) => (a === null || delimiter === null ? null : toText(a, delimiter, nullText, ctx)),
  array_unnest: (a) => a.elements,
  generate_subscripts: (a, dimension, reverse) => subscripts(a, dimension, reverse),
  generate_subscripts_nodir: (a, dimension) => subscripts(a, dimension, false),
  width_bucket_array(operand, thresholds, ctx) {
    if (thresholds.dims.length > 1) throw new PgError(SQLSTATE.arraySubscriptError, 'thresholds must be one-dimensional array')
    if (thresholds.elements.includes(null)) throw new PgError(SQLSTATE.nullValueNotAllowed, 'thresholds array must not contain NULLs')
    const compare = comparer(thresholds.elementType, ctx)
    let low = 0
    let high = thresholds.elements.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compare(operand, thresholds.elements[middle]!) < 0) high = middle
      else low = middle + 1
    }
    return low
  },
} satisfies Procs
