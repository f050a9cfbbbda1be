// Index conditions → key ranges, at the start of each scan: values computed, turned into the column's own form, encoded.

import { compareBytes } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { type ColumnRange, scanRange } from '../../storage/rows/key-codec.ts'
import type { IndexPart, PrimaryKeyPart } from '../../storage/rows/layout.ts'
import type { KeyRange } from '../../storage/store.ts'
import type { IndexCondition } from '../planner/plan.ts'
import { ArrayDatum } from '../types/array.ts'

/** A condition with its value known. */
export interface BoundCondition {
  readonly column: number
  readonly op: IndexCondition['op']
  readonly value: Datum
}

const INTEGER_RANGE: ReadonlyMap<Oid, readonly [bigint, bigint]> = new Map([
  [21, [-32768n, 32767n]],
  [23, [-2147483648n, 2147483647n]],
  [20, [-(2n ** 63n), 2n ** 63n - 1n]],
])

/** `value` as a key of `type` can hold it: exact, or its place between the type's values (-1 below all, 1 above all). */
type Fit =
  | { readonly exact: true; readonly value: NonNullable<Datum> }
  | { readonly exact: false; readonly below: NonNullable<Datum> | null; readonly above: NonNullable<Datum> | null }

function placeIn(value: NonNullable<Datum>, type: Oid): Fit {
  const range = INTEGER_RANGE.get(type)
  if (range !== undefined && (typeof value === 'number' || typeof value === 'bigint')) {
    const [min, max] = range
    if (value < min) return { exact: false, below: null, above: type === 20 ? min : Number(min) }
    if (value > max) return { exact: false, below: type === 20 ? max : Number(max), above: null }
    return { exact: true, value }
  }
  if (type === 700 && typeof value === 'number' && !Object.is(Math.fround(value), value)) {
    const near = Math.fround(value)
    return near < value ? { exact: false, below: near, above: null } : { exact: false, below: null, above: near }
  }
  return { exact: true, value }
}

type Bound = NonNullable<ColumnRange['low']>

/** The range of one column under its conditions; null when it is empty. */
function columnRange(conditions: readonly BoundCondition[], type: Oid): ColumnRange | null {
  let low: Bound | null = null
  let high: Bound | null = null
  for (const { op, value } of conditions) {
    if (op === 'is not null') continue
    if (value === null) return null
    const fitted = placeIn(value, type)
    const lower = op === '>' || op === '>='
    if (fitted.exact) {
      const bound: Bound = { value: fitted.value, inclusive: op === '>=' || op === '<=' }
      if (lower) low = bound
      else high = bound
      continue
    }
    // Between two values: the neighbour on the wanted side, included. A float4's unknown neighbour is the other one, excluded.
    const { below, above } = fitted
    if (lower) {
      if (above !== null) low = { value: above, inclusive: true }
      else if (type === 700) low = { value: below!, inclusive: false }
      else return null
    } else if (below !== null) high = { value: below, inclusive: true }
    else if (type === 700) high = { value: above!, inclusive: false }
    else return null
  }
  return { low, high }
}

export interface KeyBounds {
  readonly ranges: readonly KeyRange[]
  /** Every column of the key is bound by equality: ranges are single keys' prefixes. */
  readonly complete: boolean
  /** The equal values of each range, in column order. */
  readonly equals: readonly (readonly Datum[])[]
}

const EMPTY: KeyBounds = { ranges: [], complete: false, equals: [] }
/** Combinations of several `= ANY` lists. */
const MAX_COMBINATIONS = 1 << 20

/** Ranges in key order, without overlaps. */
export function keyBounds(
  conditions: readonly BoundCondition[],
  prefix: Buffer,
  parts: readonly (PrimaryKeyPart | IndexPart)[],
  types: readonly Oid[],
  primary: boolean,
): KeyBounds {
  let equals: Datum[][] = [[]]
  let column = 0
  let range: ColumnRange | null = null
  let many = false
  for (; column < parts.length; column++) {
    const here = conditions.filter((condition) => condition.column === column)
    if (here.length === 0) break
    const [first] = here
    const type = types[column]!
    if (first!.op === '=' || first!.op === 'is null') {
      const value = first!.op === '=' ? first!.value : null
      if (first!.op === '=' && value === null) return EMPTY
      if (primary && value === null) return EMPTY
      const fitted = value === null ? null : placeIn(value, type)
      if (fitted !== null && !fitted.exact) return EMPTY
      for (const list of equals) list.push(fitted === null ? null : fitted.value)
      continue
    }
    if (first!.op === 'any') {
      const array = first!.value
      if (!(array instanceof ArrayDatum)) return EMPTY
      const values: NonNullable<Datum>[] = []
      for (const element of array.elements) {
        if (element === null) continue
        const fitted = placeIn(element, type)
        if (fitted.exact) values.push(fitted.value)
      }
      if (values.length === 0) return EMPTY
      if (equals.length * values.length > MAX_COMBINATIONS) throw new RangeError('too many index ranges')
      equals = equals.flatMap((list) => values.map((value) => [...list, value]))
      many = true
      continue
    }
    range = columnRange(here, type)
    if (range === null) return EMPTY
    break
  }
  const complete = column === parts.length
  if (!many) {
    const [equal] = equals
    return { ranges: [scanRange(prefix, parts, equal!, range)], complete, equals }
  }
  const made = equals.map((equal) => ({ equal, range: scanRange(prefix, parts, equal, range) }))
  made.sort((a, b) => compareBytes(a.range.start, b.range.start))
  const distinct = made.filter((item, i) => i === 0 || compareBytes(item.range.start, made[i - 1]!.range.start) !== 0)
  return { ranges: distinct.map((item) => item.range), complete, equals: distinct.map((item) => item.equal) }
}

/** The value in the form of a key column of `type`, or null when no value of the type equals it. */
export function fitKey(value: NonNullable<Datum>, type: Oid): NonNullable<Datum> | null {
  if (typeof value !== 'number' && typeof value !== 'bigint') return value
  // int4 and int8 are what keys nearly always are.
  if (type === 23) return typeof value === 'number' && value >= -2147483648 && value <= 2147483647 ? value : null
  if (type === 20 && typeof value === 'number') return value
  const fitted = placeIn(value, type)
  return fitted.exact ? fitted.value : null
}
