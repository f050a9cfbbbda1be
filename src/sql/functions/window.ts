// The window functions that are no aggregates. They see the partition through WindowContext, which the executor implements: a body asks for
// rows by position and never for more than it needs, so that the executor may keep the partition as it likes.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { EvalContext } from '../types/eval-context.ts'
import type { CallInfo } from '../types/procs.ts'

/** The partition around the row being evaluated. Positions count from 0 at the partition's first row, in the window's order. */
export interface WindowContext {
  /** Position of the row being evaluated. Bodies are called with rows in order, each once. */
  readonly position: number
  /** Rows in the partition. */
  rowCount(): number
  /** Whether two rows are equal under the window's ORDER BY (all are without one). */
  arePeers(a: number, b: number): boolean
  /** Argument `arg` evaluated at the current row. */
  argument(arg: number): Datum
  /** Argument `arg` evaluated at a row of the partition; null outside it. */
  argumentAt(arg: number, position: number): Datum
  /** Positions of the current row's frame: first row, and the row behind the last; equal when the frame is empty. */
  frameStart(): number
  frameEnd(): number
  /** Frame rows left out by EXCLUDE. */
  isExcluded(position: number): boolean
  /** What a body keeps from row to row; undefined at the partition's first row. */
  state: unknown
}

export type WindowBody = (window: WindowContext, ctx: EvalContext, call: CallInfo) => Datum

interface Rank {
  rank: number
}

/** Whether the current row begins a new group of peers. */
function startsGroup(w: WindowContext): boolean {
  return w.position > 0 && !w.arePeers(w.position - 1, w.position)
}

function rank(w: WindowContext): number {
  const state = (w.state ??= { rank: 1 }) as Rank
  if (startsGroup(w)) state.rank = w.position + 1
  return state.rank
}

function shifted(w: WindowContext, direction: 1 | -1, offsetArgument: boolean, defaultArgument: boolean): Datum {
  let offset = 1
  if (offsetArgument) {
    const given = w.argument(1)
    if (given === null) return null
    offset = given as number
  }
  const at = w.position + direction * offset
  if (at < 0 || at >= w.rowCount()) return defaultArgument ? w.argument(2) : null
  return w.argumentAt(0, at)
}

interface NTile {
  buckets: number
  bucket: number
  /** Rows left in the current bucket. */
  left: number
  size: number
  /** Buckets that get one row more. */
  larger: number
}

function nthInFrame(w: WindowContext, n: number): Datum {
  const end = w.frameEnd()
  let left = n
  for (let at = w.frameStart(); at < end; at++) {
    if (w.isExcluded(at)) continue
    if (--left === 0) return w.argumentAt(0, at)
  }
  return null
}

export const windowBodies: Readonly<Record<string, WindowBody>> = {
  window_row_number: (w) => w.position + 1,
  window_rank: rank,
  window_dense_rank(w) {
    const state = (w.state ??= { rank: 1 }) as Rank
    if (startsGroup(w)) state.rank++
    return state.rank
  },
  window_percent_rank(w) {
    const total = w.rowCount()
    const at = rank(w)
    return total <= 1 ? 0 : (at - 1) / (total - 1)
  },
  window_cume_dist(w) {
    const total = w.rowCount()
    const state = (w.state ??= { rank: 0 }) as Rank
    if (state.rank === 0 || startsGroup(w)) {
      let end = w.position + 1
      while (end < total && w.arePeers(w.position, end)) end++
      state.rank = end
    }
    return state.rank / total
  },
  window_ntile(w) {
    let state = w.state as NTile | undefined
    if (state === undefined) {
      const buckets = w.argument(0)
      // Without a number of buckets every row gets NULL, as PostgreSQL does.
      if (buckets === null) return null
      if ((buckets as number) <= 0) throw new PgError(SQLSTATE.invalidArgumentForNtile, 'argument of ntile must be greater than zero')
      const total = w.rowCount()
      const size = Math.floor(total / (buckets as number))
      const larger = size === 0 ? 0 : total % (buckets as number)
      state = { buckets: buckets as number, bucket: 1, left: 0, size: Math.max(size, 1), larger }
      state.left = state.size + (larger > 0 ? 1 : 0)
      w.state = state
    }
    if (state.left === 0) {
      state.bucket++
      state.left = state.size + (state.bucket <= state.larger ? 1 : 0)
    }
    state.left--
    return state.bucket
  },
  window_lag: (w) => shifted(w, -1, false, false),
  window_lag_with_offset: (w) => shifted(w, -1, true, false),
  window_lag_with_offset_and_default: (w) => shifted(w, -1, true, true),
  window_lead: (w) => shifted(w, 1, false, false),
  window_lead_with_offset: (w) => shifted(w, 1, true, false),
  window_lead_with_offset_and_default: (w) => shifted(w, 1, true, true),
  window_first_value: (w) => nthInFrame(w, 1),
  window_last_value(w) {
    const start = w.frameStart()
    for (let at = w.frameEnd() - 1; at >= start; at--) if (!w.isExcluded(at)) return w.argumentAt(0, at)
    return null
  },
  window_nth_value(w) {
    const n = w.argument(1)
    if (n === null) return null
    if ((n as number) <= 0) throw new PgError(SQLSTATE.invalidArgumentForNthValue, 'argument of nth_value must be greater than zero')
    return nthInFrame(w, n as number)
  },
}
