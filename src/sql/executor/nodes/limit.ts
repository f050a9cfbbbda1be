// Limit: skips OFFSET rows, answers LIMIT rows, and WITH TIES the rows equal to the last one by the ORDER BY.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { Limit } from '../../planner/plan.ts'
import { rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'

function limitOf(value: Datum): number {
  if (value === null) return Number.POSITIVE_INFINITY
  const n = Number(value)
  if (n < 0) throw new PgError(SQLSTATE.invalidRowCountInLimitClause, 'LIMIT must not be negative')
  return n
}

function offsetOf(value: Datum): number {
  if (value === null) return 0
  const n = Number(value)
  if (n < 0) throw new PgError(SQLSTATE.invalidRowCountInResultOffsetClause, 'OFFSET must not be negative')
  return n
}

export function compileLimit(plan: Limit, cx: Compilation): Operator {
  const input = cx.compile(plan.input)
  const count = plan.count === null ? null : compileExpr(plan.count, ROW_SCOPE, cx)
  const offset = plan.offset === null ? null : compileExpr(plan.offset, ROW_SCOPE, cx)
  const ties = plan.tieKeys === null ? null : rowsEqual(cx, plan.tieKeys)
  const slicer = makeSlicer(cx.state)
  const out: Batch = { rows: [], count: 0 }
  let skip = 0
  let left = 0
  let last: Row | null = null
  let ended = true

  /** What of a batch is answered; null: nothing, go on or (when `ended`) stop. */
  const cut = (batch: Batch): Batch | null => {
    const { rows } = batch
    let from = 0
    if (skip > 0) {
      from = Math.min(skip, batch.count)
      skip -= from
      if (from === batch.count) return null
    }
    let to = Math.min(batch.count, from + left)
    left -= to - from
    if (ties !== null && to > from) last = rows[to - 1]!
    if (left === 0) {
      if (ties === null || last === null) ended = true
      else {
        while (to < batch.count && ties(last, rows[to]!)) to++
        ended = to < batch.count
      }
    }
    if (from === to) return null
    if (from === 0 && to === batch.count) return batch
    for (let i = from; i < to; i++) out.rows[i - from] = rows[i]!
    out.count = to - from
    return out
  }

  const resume = (batch: Batch | null): MaybePromise<Batch | null> => {
    if (batch === null) {
      ended = true
      return null
    }
    return cut(batch) ?? next()
  }
  let wanted: number | undefined
  const next = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (ended) return null
      const rows = Math.min(left, wanted ?? left) + skip
      // WITH TIES looks one row further to know its end.
      const batch = input.next(rows === Number.POSITIVE_INFINITY ? undefined : Math.max(1, rows))
      if (batch instanceof Promise) return batch.then(resume)
      if (batch === null) {
        ended = true
        return null
      }
      const kept = cut(batch)
      if (kept !== null) return kept
      const pause = slicer.pause()
      if (pause !== null) return pause.then(next)
    }
  }
  return {
    open() {
      slicer.start()
      last = null
      return andThen(offset === null ? null : offset.eval([]), (o) => {
        skip = offsetOf(o)
        return andThen(count === null ? null : count.eval([]), (c) => {
          left = limitOf(c)
          ended = left === 0
          return ended ? undefined : input.open()
        })
      })
    },
    next(max) {
      wanted = max
      return next()
    },
    close() {
      ended = true
      input.close()
    },
  }
}
