// One column's statistics from a sample of its values, by the rules of PostgreSQL's ANALYZE: which values are common enough to be listed, how
// many different ones the whole table has (Haas and Stokes' estimator), bounds of equally filled groups for the rest, and how far the order
// of the values follows that of the rows.

import type { Datum } from '../../base/datum.ts'
import type { Steps } from '../../base/long-work.ts'
import { mergeSort } from '../../base/merge-sort.ts'
import type { ColumnStatistics } from '../../catalog/statistics.ts'
import { TEXT_IO } from '../types/define.ts'
import type { Present, TypeSupport } from '../types/type.ts'

/** Values wider than this are counted as different from all others and otherwise left alone. */
const WIDTH_THRESHOLD = 1024
/** Values looked at in one step. */
const STEP = 512

export interface SampledColumn {
  /** In the order of the rows. */
  readonly values: readonly Datum[]
  readonly support: TypeSupport
  /** pg_type.typlen; > 0: all values have it. */
  readonly typlen: number
  widthOf(value: Present): number
  /** How many common values and groups may be listed. */
  readonly target: number
  /** Ranges have an order, but one that selects nothing: they are described by nulls and number alone. */
  readonly ordered: boolean
  /** ALTER TABLE … SET (n_distinct = …). */
  readonly distinct: number | null
}

interface Run {
  readonly first: number
  readonly count: number
}

export function* computeStatistics(column: SampledColumn, totalRows: number): Steps<ColumnStatistics> {
  const { values, support, typlen } = column
  const rows = values.length
  const present: Present[] = []
  let nulls = 0
  let width = 0
  let tooWide = 0
  for (const [i, value] of values.entries()) {
    if (i % STEP === 0) yield
    if (value === null) {
      nulls++
      continue
    }
    const bytes = typlen > 0 ? typlen : column.widthOf(value)
    width += bytes
    if (typlen < 0 && bytes > WIDTH_THRESHOLD) tooWide++
    else present.push(value)
  }
  const nullFraction = rows === 0 ? 0 : nulls / rows
  const facts = {
    nullFraction,
    width: rows === nulls ? Math.max(typlen, 0) : typlen > 0 ? typlen : Math.trunc(width / (rows - nulls)),
    mostCommon: null,
    histogram: null,
    correlation: null,
  }
  const declared = (distinct: number): number => column.distinct ?? distinct
  if (rows === nulls) return { ...facts, distinct: declared(0) }
  if (!column.ordered || present.length === 0) return { ...facts, distinct: declared(-(1 - nullFraction)) }
  const sample: Sample = { rows, nulls, tooWide, totalRows, nullFraction }
  const { compare } = support
  if (compare !== null) return { ...facts, ...(yield* orderedStatistics(present, compare, column, sample)) }
  if (support.hashKey !== null) return { ...facts, ...(yield* distinctStatistics(present, support.hashKey, column, sample)) }
  return { ...facts, distinct: declared(0) }
}

interface Sample {
  readonly rows: number
  readonly nulls: number
  readonly tooWide: number
  readonly totalRows: number
  readonly nullFraction: number
}

type Slots = Pick<ColumnStatistics, 'distinct' | 'mostCommon' | 'histogram' | 'correlation'>

function* orderedStatistics(
  values: readonly Present[],
  compare: (a: Present, b: Present) => number,
  column: SampledColumn,
  sample: Sample,
): Steps<Slots> {
  const n = values.length
  const order = yield* mergeSort([...values.keys()], (a, b) => compare(values[a]!, values[b]!))
  const runs: Run[] = []
  let products = 0
  for (let i = 0, first = 0; i < n; i++) {
    if (i % STEP === 0) yield
    products += i * order[i]!
    if (i + 1 < n && compare(values[order[i]!]!, values[order[i + 1]!]!) === 0) continue
    runs.push({ first, count: i + 1 - first })
    first = i + 1
  }
  const repeated = runs.filter((run) => run.count > 1)
  const estimated = estimateDistinct(runs.length, repeated.length, sample)
  const distinct = column.distinct ?? estimated
  const common = mostCommon(runs, repeated, estimated, column.target, sample)
  const textOf = (at: number): string => column.support.output(values[order[at]!]!, TEXT_IO)
  return {
    distinct,
    mostCommon: common.length === 0 ? null : listed(common, sample, textOf),
    histogram: histogram(runs, common, column.target, textOf),
    correlation: n > 1 ? correlationOf(n, products) : null,
  }
}

/** Of a type that has an equality only. */
function* distinctStatistics(
  values: readonly Present[],
  hashKey: (value: Present) => unknown,
  column: SampledColumn,
  sample: Sample,
): Steps<Slots> {
  const byKey = new Map<unknown, { first: number; count: number }>()
  for (const [i, value] of values.entries()) {
    if (i % STEP === 0) yield
    const key = hashKey(value)
    const run = byKey.get(key)
    if (run === undefined) byKey.set(key, { first: i, count: 1 })
    else run.count++
  }
  const runs = [...byKey.values()]
  const repeated = runs.filter((run) => run.count > 1)
  const estimated = estimateDistinct(runs.length, repeated.length, sample)
  const common = mostCommon(runs, repeated, estimated, column.target, sample)
  return {
    distinct: column.distinct ?? estimated,
    mostCommon: common.length === 0 ? null : listed(common, sample, (at) => column.support.output(values[at]!, TEXT_IO)),
    histogram: null,
    correlation: null,
  }
}

/** stadistinct from how many values the sample has and how many of them more than once. */
function estimateDistinct(different: number, repeated: number, { rows, nulls, tooWide, totalRows, nullFraction }: Sample): number {
  if (repeated === 0) return -(1 - nullFraction)
  let distinct = different
  if (tooWide > 0 || repeated < different) {
    const once = different - repeated + tooWide
    const d = once + repeated
    const n = rows - nulls
    const all = totalRows * (1 - nullFraction)
    distinct = all > 0 ? (n * d) / (n - once + (once * n) / all) : 0
    distinct = Math.floor(Math.min(Math.max(distinct, d), Math.max(all, d)) + 0.5)
  }
  return distinct > 0.1 * totalRows ? -(distinct / totalRows) : distinct
}

/** The values worth listing, most common first. */
function mostCommon(runs: readonly Run[], repeated: readonly Run[], distinct: number, target: number, sample: Sample): Run[] {
  const candidates = [...repeated].sort((a, b) => b.count - a.count).slice(0, target)
  if (candidates.length === runs.length && sample.tooWide === 0 && distinct > 0) return candidates
  return candidates.slice(0, significantValues(candidates, distinct, sample))
}

/** How many of the candidates are significantly more common than those not listed: the standard deviation of a hypergeometric distribution. */
function significantValues(candidates: readonly Run[], distinct: number, { rows, totalRows, nullFraction }: Sample): number {
  let count = candidates.length
  if (rows === totalRows || totalRows <= 1) return count
  const inTable = distinct < 0 ? -distinct * totalRows : distinct
  let sum = 0
  for (let i = 0; i < count - 1; i++) sum += candidates[i]!.count
  while (count > 0) {
    const least = candidates[count - 1]!.count
    let others = Math.min(1, Math.max(0, 1 - sum / rows - nullFraction))
    const left = inTable - (count - 1)
    if (left > 1) others /= left
    const k = (totalRows * least) / rows
    const variance = (rows * k * (totalRows - k) * (totalRows - rows)) / (totalRows * totalRows * (totalRows - 1))
    if (least > others * rows + 2 * Math.sqrt(variance) + 0.5) break
    count--
    if (count > 0) sum -= candidates[count - 1]!.count
  }
  return count
}

function listed(runs: readonly Run[], sample: Sample, textOf: (at: number) => string): ColumnStatistics['mostCommon'] {
  return { values: runs.map((run) => textOf(run.first)), frequencies: runs.map((run) => run.count / sample.rows) }
}

function histogram(runs: readonly Run[], common: readonly Run[], target: number, textOf: (at: number) => string): string[] | null {
  const bounds = Math.min(runs.length - common.length, target + 1)
  if (bounds < 2) return null
  const listedRuns = new Set(common)
  const rest: number[] = []
  for (const run of runs) if (!listedRuns.has(run)) for (let i = 0; i < run.count; i++) rest.push(run.first + i)
  const result: string[] = []
  for (let i = 0; i < bounds; i++) result.push(textOf(rest[Math.floor((i * (rest.length - 1)) / (bounds - 1))]!))
  return result
}

function correlationOf(n: number, products: number): number {
  const sum = ((n - 1) * n) / 2
  const squares = ((n - 1) * n * (2 * n - 1)) / 6
  return (n * products - sum * sum) / (n * squares - sum * sum)
}
