// ANALYZE's findings as the planner uses them: values read back from their texts once, and put on one scale with the constants of conditions.

import type { Oid } from '../../base/ids.ts'
import type { IndexDescriptor } from '../../catalog/descriptors.ts'
import type { CatalogSnapshot, RelationInfo } from '../../catalog/snapshot.ts'
import type { ColumnStatistics } from '../../catalog/statistics.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { Numeric } from '../types/numeric.ts'
import type { Present, TypeSupport } from '../types/type.ts'

export interface ColumnEstimates {
  readonly type: Oid
  readonly nullFraction: number
  readonly width: number
  /** As pg_stats: > 0 a number, < 0 minus a fraction of the rows. */
  readonly distinct: number
  readonly mostCommon: { readonly values: readonly Present[]; readonly frequencies: readonly number[]; readonly sum: number } | null
  readonly histogram: readonly Present[] | null
  readonly correlation: number
  readonly compare: ((a: Present, b: Present) => number) | null
}

/** Of a column of a table, or of an expression of one of its indexes; `place`: attnum, or the column's place in the index, from 1. */
export type StatisticsSource = (table: RelationInfo, index: IndexDescriptor | null, place: number) => ColumnEstimates | null

const decoded = new WeakMap<ColumnStatistics, ColumnEstimates>()

export function statisticsSource(catalog: CatalogSnapshot, supportOf: (type: Oid) => TypeSupport, context: EvalContext): StatisticsSource {
  return (table, index, place) => {
    const record = catalog.statistics(table.oid)
    const statistics = index === null ? record?.columns[place] : record?.expressions[index.oid]?.[place]
    if (statistics === undefined) return null
    let found = decoded.get(statistics)
    if (found === undefined) {
      const { type } = (index ?? table).columns[place - 1]!
      found = decode(statistics, type, supportOf(type), context)
      decoded.set(statistics, found)
    }
    return found
  }
}

function decode(statistics: ColumnStatistics, type: Oid, support: TypeSupport, context: EvalContext): ColumnEstimates {
  const { nullFraction, width, distinct, correlation } = statistics
  const facts = { type, nullFraction, width, distinct, correlation: correlation ?? 0, compare: support.compare }
  const read = (text: string): Present => support.input(text, -1, context)
  const { mostCommon } = statistics
  try {
    return {
      ...facts,
      mostCommon:
        mostCommon === null
          ? null
          : {
              values: mostCommon.values.map(read),
              frequencies: mostCommon.frequencies,
              sum: mostCommon.frequencies.reduce((sum, frequency) => sum + frequency, 0),
            },
      histogram: statistics.histogram === null ? null : statistics.histogram.map(read),
    }
  } catch {
    // A name that means nothing any more (regclass and its like), a label that was renamed: the counts still hold.
    return { ...facts, mostCommon: null, histogram: null }
  }
}

const INTEGERS: ReadonlySet<Oid> = new Set([20, 21, 23, 26])
const FLOATS: ReadonlySet<Oid> = new Set([700, 701])
const TEXTS: ReadonlySet<Oid> = new Set([19, 25, 1043])
const NUMERIC: Oid = 1700
const DATE: Oid = 1082
const TIMESTAMPS: ReadonlySet<Oid> = new Set([1114, 1184])
const MICROS_PER_DAY = 86_400_000_000

/** A number that grows with the value; null for types that are no quantities. */
function quantity(value: Present, type: Oid): number | null {
  if (INTEGERS.has(type) || FLOATS.has(type) || TIMESTAMPS.has(type)) return Number(value as number | bigint)
  if (type === DATE) return (value as number) * MICROS_PER_DAY
  if (type === NUMERIC && value instanceof Numeric) return Number(value.unscaled) / 10 ** value.scale
  return null
}

const isMoment = (type: Oid): boolean => type === DATE || TIMESTAMPS.has(type)

/** How a listed value stands to `constant` (< 0: before it); null where the types are not compared here. */
export function comparison(estimates: ColumnEstimates, constant: Present, type: Oid): ((listed: Present) => number) | null {
  const { compare } = estimates
  const isAlike =
    type === estimates.type || [INTEGERS, FLOATS, TEXTS, TIMESTAMPS].some((family) => family.has(type) && family.has(estimates.type))
  if (isAlike) return compare === null ? null : (listed) => compare(listed, constant)
  if (isMoment(type) !== isMoment(estimates.type)) return null
  const at = quantity(constant, type)
  if (at === null) return null
  return (listed) => quantity(listed, estimates.type)! - at
}

/** Where `constant` stands between two neighbours of the histogram, 0 to 1. */
export function between(estimates: ColumnEstimates, low: Present, high: Present, constant: Present, type: Oid): number {
  if (typeof low === 'string' && typeof high === 'string' && typeof constant === 'string') return betweenTexts(low, high, constant)
  const [a, b, c] = [quantity(low, estimates.type), quantity(high, estimates.type), quantity(constant, type)]
  if (a === null || b === null || c === null || !(b > a) || !Number.isFinite(b - a)) return 0.5
  return Math.min(1, Math.max(0, (c - a) / (b - a)))
}

const TEXT_DIGITS = 8

/** Texts as fractions, read behind what all three have in common. */
function betweenTexts(low: string, high: string, constant: string): number {
  let shared = 0
  while (shared < low.length && low[shared] === high[shared] && low[shared] === constant[shared]) shared++
  const fraction = (text: string): number => {
    let value = 0
    for (let i = TEXT_DIGITS - 1; i >= 0; i--) value = (value + Math.min(127, text.charCodeAt(shared + i) || 0)) / 128
    return value
  }
  const [a, b, c] = [fraction(low), fraction(high), fraction(constant)]
  return b > a ? Math.min(1, Math.max(0, (c - a) / (b - a))) : 0.5
}
