// Range values: bounds over a subtype, in canonical form for discrete subtypes ([a,b)). Immutable; the range type travels with the value.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import type { Int8 } from './codecs.ts'
import { addMicros, dateOutOfRange, END_DATE_DAYS } from './datetime.ts'
import { checkInt4, checkInt8 } from './integer.ts'
import type { Present, TypeSupport } from './type.ts'

/** What a range type is over: one object per range type, shared by its values' functions. */
export interface RangeInfo {
  readonly type: Oid
  readonly subtype: Oid
  readonly support: TypeSupport
  compare(a: Present, b: Present): number
}

export class RangeDatum {
  readonly info: RangeInfo
  readonly empty: boolean
  /** Null: unbounded. */
  readonly lower: Present | null
  readonly upper: Present | null
  readonly lowerInc: boolean
  readonly upperInc: boolean

  constructor(info: RangeInfo, empty: boolean, lower: Present | null, upper: Present | null, lowerInc: boolean, upperInc: boolean) {
    this.info = info
    this.empty = empty
    this.lower = lower
    this.upper = upper
    this.lowerInc = lowerInc
    this.upperInc = upperInc
  }
}

/** Sorted, disjoint, not adjacent, without empty ranges. */
export class MultirangeDatum {
  readonly info: RangeInfo
  readonly ranges: readonly RangeDatum[]

  constructor(info: RangeInfo, ranges: readonly RangeDatum[]) {
    this.info = info
    this.ranges = ranges
  }
}

export const emptyRange = (info: RangeInfo): RangeDatum => new RangeDatum(info, true, null, null, false, false)

function next(subtype: Oid, value: Present): Present | null {
  switch (subtype) {
    case TYPE_OID.int4:
      return checkInt4((value as number) + 1)
    case TYPE_OID.int8:
      return checkInt8(BigInt(value as Int8) + 1n)
    case TYPE_OID.date: {
      if (!Number.isFinite(value as number)) return value
      if ((value as number) + 1 >= END_DATE_DAYS) throw dateOutOfRange()
      return (value as number) + 1
    }
    default:
      return null
  }
}

export const isDiscrete = (info: RangeInfo): boolean =>
  info.subtype === TYPE_OID.int4 || info.subtype === TYPE_OID.int8 || info.subtype === TYPE_OID.date

/** The range of these bounds, checked and canonical. */
export function makeRange(info: RangeInfo, lower: Present | null, upper: Present | null, lowerInc: boolean, upperInc: boolean): RangeDatum {
  if (isNothing(info, lower, upper, lowerInc, upperInc)) return emptyRange(info)
  if (!isDiscrete(info)) return new RangeDatum(info, false, lower, upper, lower !== null && lowerInc, upper !== null && upperInc)
  const finite = (bound: Present): boolean => info.subtype !== TYPE_OID.date || Number.isFinite(bound as number)
  let from = lower
  let fromInc = lower !== null && lowerInc
  let to = upper
  let toInc = upper !== null && upperInc
  if (from !== null && !fromInc && finite(from)) {
    from = next(info.subtype, from)
    fromInc = true
  }
  if (to !== null && toInc && finite(to)) {
    to = next(info.subtype, to)
    toInc = false
  }
  return isNothing(info, from, to, fromInc, toInc) ? emptyRange(info) : new RangeDatum(info, false, from, to, fromInc, toInc)
}

function isNothing(info: RangeInfo, lower: Present | null, upper: Present | null, lowerInc: boolean, upperInc: boolean): boolean {
  if (lower === null || upper === null) return false
  const order = info.compare(lower, upper)
  if (order > 0) throw new PgError(SQLSTATE.dataException, 'range lower bound must be less than or equal to range upper bound')
  return order === 0 && !(lowerInc && upperInc)
}

/** One side of a range. */
export interface Bound {
  readonly value: Present | null
  readonly inc: boolean
  readonly lower: boolean
}
export const lowerOf = (r: RangeDatum): Bound => ({ value: r.lower, inc: r.lowerInc, lower: true })
export const upperOf = (r: RangeDatum): Bound => ({ value: r.upper, inc: r.upperInc, lower: false })

function compareUnbounded(a: Bound, b: Bound): number | null {
  if (a.value === null && b.value === null) return a.lower === b.lower ? 0 : a.lower ? -1 : 1
  if (a.value === null) return a.lower ? -1 : 1
  if (b.value === null) return b.lower ? 1 : -1
  return null
}

/** The values alone. */
function compareValues(info: RangeInfo, a: Bound, b: Bound): number {
  return compareUnbounded(a, b) ?? info.compare(a.value!, b.value!)
}

export function compareBounds(info: RangeInfo, a: Bound, b: Bound): number {
  const unbounded = compareUnbounded(a, b)
  if (unbounded !== null) return unbounded
  const order = info.compare(a.value!, b.value!)
  if (order !== 0) return order
  if (!a.inc && !b.inc) return a.lower === b.lower ? 0 : a.lower ? 1 : -1
  if (!a.inc) return a.lower ? 1 : -1
  if (!b.inc) return b.lower ? -1 : 1
  return 0
}

export function compareRanges(a: RangeDatum, b: RangeDatum): number {
  if (a.empty || b.empty) return a.empty === b.empty ? 0 : a.empty ? -1 : 1
  return compareBounds(a.info, lowerOf(a), lowerOf(b)) || compareBounds(a.info, upperOf(a), upperOf(b))
}

export function overlaps(a: RangeDatum, b: RangeDatum): boolean {
  if (a.empty || b.empty) return false
  return compareBounds(a.info, lowerOf(a), upperOf(b)) <= 0 && compareBounds(a.info, lowerOf(b), upperOf(a)) <= 0
}

export function contains(a: RangeDatum, b: RangeDatum): boolean {
  if (b.empty) return true
  if (a.empty) return false
  return compareBounds(a.info, lowerOf(a), lowerOf(b)) <= 0 && compareBounds(a.info, upperOf(a), upperOf(b)) >= 0
}

export function containsElement(r: RangeDatum, value: Present): boolean {
  if (r.empty) return false
  if (r.lower !== null) {
    const order = r.info.compare(r.lower, value)
    if (order > 0 || (order === 0 && !r.lowerInc)) return false
  }
  if (r.upper !== null) {
    const order = r.info.compare(r.upper, value)
    if (order < 0 || (order === 0 && !r.upperInc)) return false
  }
  return true
}

export const before = (a: RangeDatum, b: RangeDatum): boolean => !a.empty && !b.empty && compareBounds(a.info, upperOf(a), lowerOf(b)) < 0
export const overleft = (a: RangeDatum, b: RangeDatum): boolean =>
  !a.empty && !b.empty && compareBounds(a.info, upperOf(a), upperOf(b)) <= 0
export const overright = (a: RangeDatum, b: RangeDatum): boolean =>
  !a.empty && !b.empty && compareBounds(a.info, lowerOf(a), lowerOf(b)) >= 0

/** Whether nothing lies between an upper and a lower bound, and no value in both. */
function boundsAdjacent(info: RangeInfo, upper: Bound, lower: Bound): boolean {
  const order = compareValues(info, upper, lower)
  if (order === 0) return upper.inc !== lower.inc
  if (order > 0 || !isDiscrete(info)) return false
  return makeRange(info, upper.value, lower.value, !upper.inc, !lower.inc).empty
}

export function adjacent(a: RangeDatum, b: RangeDatum): boolean {
  if (a.empty || b.empty) return false
  return boundsAdjacent(a.info, upperOf(a), lowerOf(b)) || boundsAdjacent(a.info, upperOf(b), lowerOf(a))
}

/** Whether `b` begins where `a` ends. */
export function follows(a: RangeDatum, b: RangeDatum): boolean {
  return !a.empty && !b.empty && boundsAdjacent(a.info, upperOf(a), lowerOf(b))
}

const fromBounds = (info: RangeInfo, lower: Bound, upper: Bound): RangeDatum =>
  makeRange(info, lower.value, upper.value, lower.inc, upper.inc)

/** The smallest range that holds both. */
export function merge(a: RangeDatum, b: RangeDatum): RangeDatum {
  if (a.empty) return b
  if (b.empty) return a
  const { info } = a
  return fromBounds(
    info,
    compareBounds(info, lowerOf(a), lowerOf(b)) <= 0 ? lowerOf(a) : lowerOf(b),
    compareBounds(info, upperOf(a), upperOf(b)) >= 0 ? upperOf(a) : upperOf(b),
  )
}

export function intersect(a: RangeDatum, b: RangeDatum): RangeDatum {
  const { info } = a
  if (!overlaps(a, b)) return emptyRange(info)
  return fromBounds(
    info,
    compareBounds(info, lowerOf(a), lowerOf(b)) >= 0 ? lowerOf(a) : lowerOf(b),
    compareBounds(info, upperOf(a), upperOf(b)) <= 0 ? upperOf(a) : upperOf(b),
  )
}

/** What is left of `a` below and above `b`; either may be empty. */
export function subtract(a: RangeDatum, b: RangeDatum): { below: RangeDatum; above: RangeDatum } {
  const { info } = a
  if (a.empty || b.empty || !overlaps(a, b)) return { below: a, above: emptyRange(info) }
  const below =
    compareBounds(info, lowerOf(a), lowerOf(b)) < 0 ? makeRange(info, a.lower, b.lower, a.lowerInc, !b.lowerInc) : emptyRange(info)
  const above =
    compareBounds(info, upperOf(a), upperOf(b)) > 0 ? makeRange(info, b.upper, a.upper, !b.upperInc, a.upperInc) : emptyRange(info)
  return { below, above }
}

/** Sorted, merged, without empty ones. */
export function makeMultirange(info: RangeInfo, ranges: readonly RangeDatum[]): MultirangeDatum {
  const sorted = ranges.filter((range) => !range.empty).sort(compareRanges)
  const merged: RangeDatum[] = []
  for (const range of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && (overlaps(last, range) || adjacent(last, range))) merged[merged.length - 1] = merge(last, range)
    else merged.push(range)
  }
  return new MultirangeDatum(info, merged)
}

export function compareMultiranges(a: MultirangeDatum, b: MultirangeDatum): number {
  const count = Math.min(a.ranges.length, b.ranges.length)
  for (let i = 0; i < count; i++) {
    const order = compareRanges(a.ranges[i]!, b.ranges[i]!)
    if (order !== 0) return order
  }
  return a.ranges.length - b.ranges.length
}

/** The difference of two values of the subtype, as range statistics take it. */
export const microsDifference = (a: Int8, b: Int8): number => {
  if (a === b) return 0
  const difference = typeof a === 'number' && typeof b === 'number' ? a - b : Number(addMicros(a, -b as Int8))
  return difference / 1e6
}
