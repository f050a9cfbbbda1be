// How much of a column's rows compare so with a value that is known: common values as listed, the others by the histogram.

import type { Datum } from '../../base/datum.ts'
import { STRATEGY } from '../builtin/pg-index.ts'
import { between, type ColumnEstimates, comparison } from './statistics.ts'

export const clamp = (selectivity: number): number => Math.min(1, Math.max(0, selectivity))

/** `distinct`: how many different values the column has. */
export function equalsKnown(distinct: number, estimates: ColumnEstimates, value: NonNullable<Datum>, type: number): number {
  const { mostCommon, nullFraction } = estimates
  const average = clamp((1 - nullFraction) / distinct)
  const compare = comparison(estimates, value, type)
  if (mostCommon === null || compare === null) return average
  const at = mostCommon.values.findIndex((listed) => compare(listed) === 0)
  if (at >= 0) return mostCommon.frequencies[at]!
  const others = distinct - mostCommon.values.length
  const rest = clamp(1 - mostCommon.sum - nullFraction) / Math.max(1, others)
  return Math.min(rest, mostCommon.frequencies[mostCommon.frequencies.length - 1]!)
}

/** Null where the types are not compared. */
export function rangeKnown(estimates: ColumnEstimates, strategy: number, value: NonNullable<Datum>, type: number): number | null {
  const compare = comparison(estimates, value, type)
  if (compare === null) return null
  const isBelow = strategy < STRATEGY.equal
  const { mostCommon, histogram, nullFraction } = estimates
  let common = 0
  for (const [i, listed] of (mostCommon?.values ?? []).entries()) {
    const order = compare(listed)
    const passes = order === 0 ? strategy === STRATEGY.lessEqual || strategy === STRATEGY.greaterEqual : order < 0 === isBelow
    if (passes) common += mostCommon!.frequencies[i]!
  }
  const rest = clamp(1 - nullFraction - (mostCommon?.sum ?? 0))
  if (histogram === null) return clamp(common + rest * 0.5)
  const bins = histogram.length - 1
  let low = 0
  let high = bins
  let fraction: number
  if (compare(histogram[0]!) > 0) fraction = 0
  else if (compare(histogram[bins]!) <= 0) fraction = 1
  else {
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (compare(histogram[middle]!) <= 0) low = middle
      else high = middle
    }
    fraction = (low + between(estimates, histogram[low]!, histogram[high]!, value, type)) / bins
  }
  // Nothing is certain outside a sample's ends.
  const cutoff = 0.01 / bins
  fraction = Math.min(1 - cutoff, Math.max(cutoff, fraction))
  return clamp(common + rest * (isBelow ? fraction : 1 - fraction))
}
