// How many pairs of rows an equality between two relations lets through, and how many rows have a partner at all.

import type { ColumnEstimates } from './statistics.ts'
import { clamp } from './value-selectivity.ts'
import type { Variable } from './variable.ts'

/** left = right: of all pairs of rows. */
export function equalJoin(left: Variable, right: Variable): number {
  const a = left.estimates
  const b = right.estimates
  const nullsA = a?.nullFraction ?? 0
  const nullsB = b?.nullFraction ?? 0
  if (a?.mostCommon == null || b?.mostCommon == null || a.compare === null || a.type !== b.type)
    return ((1 - nullsA) * (1 - nullsB)) / Math.max(left.distinct, right.distinct, 1)
  return matchCommon(left, right, a, b)
}

/** Common values of both sides meet with what they have; the others are spread evenly. */
function matchCommon(left: Variable, right: Variable, a: ColumnEstimates, b: ColumnEstimates): number {
  const [x, y] = [a.mostCommon!, b.mostCommon!]
  const taken = new Set<number>()
  let product = 0
  let matchedX = 0
  let matchedY = 0
  for (const [i, value] of x.values.entries()) {
    const j = y.values.findIndex((other, at) => !taken.has(at) && a.compare!(value, other) === 0)
    if (j < 0) continue
    taken.add(j)
    product += x.frequencies[i]! * y.frequencies[j]!
    matchedX += x.frequencies[i]!
    matchedY += y.frequencies[j]!
  }
  const otherX = clamp(1 - a.nullFraction - x.sum)
  const otherY = clamp(1 - b.nullFraction - y.sum)
  const restX = clamp(x.sum - matchedX)
  const restY = clamp(y.sum - matchedY)
  const total = (rest: number, other: number, otherSide: number, restSide: number, distinct: number, listed: number): number => {
    let sum = product
    if (distinct > listed) sum += (rest * otherSide) / (distinct - listed)
    if (distinct > taken.size) sum += (other * (otherSide + restSide)) / (distinct - taken.size)
    return sum
  }
  const one = total(restX, otherX, otherY, restY, right.distinct, y.values.length)
  const two = total(restY, otherY, otherX, restX, left.distinct, x.values.length)
  return clamp(Math.min(one, two))
}

/** Which part of the left rows finds a match on the right. `rightRows`: what is left of the right side. */
export function semiJoin(left: Variable, right: Variable, rightRows: number): number {
  const present = 1 - (left.estimates?.nullFraction ?? 0)
  if (left.isGuess && right.isGuess) return 0.5 * present
  const available = Math.min(right.distinct, rightRows)
  return left.distinct <= available ? present : (available / left.distinct) * present
}
