// Ordered-set and hypothetical-set aggregates. The executor starts each group with `newOrderedSet` and feeds the rows already sorted by
// WITHIN GROUP (ORDER BY …); a transition only collects them. Finals get the state, then the direct arguments, as PostgreSQL passes them.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { inParts } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ArrayDatum } from '../types/array.ts'
import { addInterval, type Interval, mulInterval, subInterval } from '../types/interval.ts'
import type { Procs } from '../types/procs.ts'

/** Rows in their order. */
export interface OrderedRows {
  readonly count: number
  add(row: readonly Datum[]): void
  get(index: number): readonly Datum[]
}

/** `compare` orders two rows by the sort keys (the hypothetical row included); 0 means peers. */
export interface OrderedSet {
  readonly rows: OrderedRows
  readonly compare: (a: readonly Datum[], b: readonly Datum[]) => number
}

export function newOrderedSet(compare: OrderedSet['compare'], rows: OrderedRows): OrderedSet {
  return { rows, compare }
}

function fraction(p: number): number {
  if (Number.isNaN(p) || p < 0 || p > 1) {
    throw new PgError(SQLSTATE.numericValueOutOfRange, `percentile value ${p} is not between 0 and 1`)
  }
  return p
}

function discrete(s: OrderedSet, p: number): Datum {
  return s.rows.get(Math.max(Math.ceil(fraction(p) * s.rows.count) - 1, 0))[0]!
}

function continuous<T>(s: OrderedSet, p: number, between: (low: T, high: T, at: number) => T): T {
  const at = fraction(p) * (s.rows.count - 1)
  const low = Math.floor(at)
  const high = Math.ceil(at)
  const first = s.rows.get(low)[0] as T
  return low === high ? first : between(first, s.rows.get(high)[0] as T, at - low)
}

const floatBetween = (low: number, high: number, at: number): number => low + at * (high - low)
const intervalBetween = (low: Interval, high: Interval, at: number): Interval => addInterval(low, mulInterval(subInterval(high, low), at))

/** One result per element of the array of fractions, in its shape. */
function multi(
  s: OrderedSet | null,
  fractions: ArrayDatum | null,
  elementType: number,
  one: (s: OrderedSet, p: number) => Datum,
): ArrayDatum | null {
  if (s === null || s.rows.count === 0 || fractions === null) return null
  return new ArrayDatum(
    elementType,
    fractions.dims,
    fractions.lowerBounds,
    fractions.elements.map((p) => (p === null ? null : one(s, p as number))),
  )
}

const FLOAT8 = 701
const INTERVAL = 1186

/** Rows before the hypothetical one, and its peers, among the group's. */
function place(s: OrderedSet | null, row: readonly Datum[]): { before: number; peers: number; distinct: number; total: number } {
  const found = { before: 0, peers: 0, distinct: 0, total: s?.rows.count ?? 0 }
  if (s === null) return found
  const { rows, compare } = s
  return inParts(rows.count, found, (sofar, from, to) => {
    if (sofar.before + sofar.peers < from) return sofar
    for (let i = from; i < to; i++) {
      const order = compare(rows.get(i), row)
      if (order > 0) break
      if (order === 0) sofar.peers++
      else {
        sofar.before++
        if (i === 0 || compare(rows.get(i - 1), rows.get(i)) !== 0) sofar.distinct++
      }
    }
    return sofar
  })
}

/** The value that comes most often, of several the first one. */
function mode({ rows, compare }: OrderedSet): Datum {
  const first = { best: 0, bestCount: 0, start: 0 }
  const run = inParts(rows.count, first, (sofar, from, to) => {
    for (let i = from + 1; i <= to; i++) {
      if (i < rows.count && compare(rows.get(sofar.start), rows.get(i)) === 0) continue
      if (i - sofar.start > sofar.bestCount) {
        sofar.bestCount = i - sofar.start
        sofar.best = sofar.start
      }
      sofar.start = i
    }
    return sofar
  })
  return rows.get(run.best)[0]!
}

export const orderedSetProcs = {
  ordered_set_transition(s: OrderedSet | null, value) {
    if (value !== null) s!.rows.add([value])
    return s
  },
  ordered_set_transition_multi(s: OrderedSet | null, values) {
    s!.rows.add([...values!])
    return s
  },
  mode_final: (s: OrderedSet | null) => (s === null || s.rows.count === 0 ? null : mode(s)),
  percentile_disc_final: (s: OrderedSet | null, p) => (p === null || s === null || s.rows.count === 0 ? null : discrete(s, p)),
  percentile_cont_float8_final: (s: OrderedSet | null, p) =>
    p === null || s === null || s.rows.count === 0 ? null : continuous(s, p, floatBetween),
  percentile_cont_interval_final: (s: OrderedSet | null, p) =>
    p === null || s === null || s.rows.count === 0 ? null : continuous(s, p, intervalBetween),
  percentile_disc_multi_final: (s: OrderedSet | null, fractions, _any, _ctx, call) => multi(s, fractions, call.argTypes[2] ?? 0, discrete),
  percentile_cont_float8_multi_final: (s: OrderedSet | null, fractions) =>
    multi(s, fractions, FLOAT8, (set, p) => continuous(set, p, floatBetween)),
  percentile_cont_interval_multi_final: (s: OrderedSet | null, fractions) =>
    multi(s, fractions, INTERVAL, (set, p) => continuous(set, p, intervalBetween)),
  hypothetical_rank_final: (s: OrderedSet | null, row) => place(s, row!).before + 1,
  hypothetical_dense_rank_final: (s: OrderedSet | null, row) => place(s, row!).distinct + 1,
  hypothetical_percent_rank_final(s: OrderedSet | null, row) {
    const { before, total } = place(s, row!)
    return total === 0 ? 0 : before / total
  },
  hypothetical_cume_dist_final(s: OrderedSet | null, row) {
    const { before, peers, total } = place(s, row!)
    return (before + peers + 1) / (total + 1)
  },
} satisfies Procs
