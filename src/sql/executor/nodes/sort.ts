// Sort: all rows of the input in order; only the first ones where a LIMIT is known; group by group where the input is already sorted by the
// leading keys (incremental sort). // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Sort } from '../../planner/plan.ts'
import { rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { RowSorter } from '../row-sorter.ts'
import { done, makeOutput, refill, restart } from './batches.ts'

export function compileSort(plan: Sort, cx: Compilation): Operator {
  const input = cx.compile(plan.input)
  const types = plan.input.targetList.map((entry) => entry.expr.type)
  const limit = plan.limit === null ? null : compileExpr(plan.limit, ROW_SCOPE, cx)
  const incremental = plan.presorted > 0 && plan.presorted < plan.keys.length
  const slicer = makeSlicer(cx.state)
  const sorter = new RowSorter(cx, types, incremental ? plan.keys.slice(plan.presorted) : plan.keys, slicer)
  const sameGroup = incremental ? rowsEqual(cx, plan.keys.slice(0, plan.presorted)) : null
  const out = makeOutput()
  /** Rows still wanted. */
  let wanted = Number.POSITIVE_INFINITY
  let state: 'fill' | 'read' | 'end' = 'end'
  let inputEnded = false
  /** Incremental: rows of the batch in hand that belong to later groups, and the group's first row. */
  let pending: Row[] = []
  let first: Row | null = null

  const fillAll = (): MaybePromise<void> => {
    for (;;) {
      const batch = input.next()
      if (batch instanceof Promise) return batch.then((b) => andThen(take(b), (more) => (more ? fillAll() : undefined)))
      const more = take(batch)
      if (more instanceof Promise) return more.then((m) => (m ? fillAll() : undefined))
      if (!more) return undefined
      const pause = slicer.pause()
      if (pause !== null) return pause.then(fillAll)
    }
  }
  const take = (batch: Batch | null): MaybePromise<boolean> => {
    if (batch === null) {
      inputEnded = true
      input.close()
      return false
    }
    const wait = sorter.add(batch.rows, batch.count)
    return wait === undefined ? true : wait.then(() => true)
  }

  /** Takes the rows of one group; leaves the rest in `pending`. */
  const fillGroup = (): MaybePromise<void> => {
    for (;;) {
      if (pending.length > 0) {
        first ??= pending[0]!
        let n = 0
        while (n < pending.length && sameGroup!(first, pending[n]!)) n++
        const wait = sorter.add(pending, n)
        pending = pending.slice(n)
        if (pending.length > 0) return wait
        if (wait !== undefined) return wait.then(fillGroup)
      }
      const batch = input.next()
      if (batch instanceof Promise) return batch.then((b) => (takeGroup(b) ? fillGroup() : undefined))
      if (!takeGroup(batch)) return undefined
      const pause = slicer.pause()
      if (pause !== null) return pause.then(fillGroup)
    }
  }
  const takeGroup = (batch: Batch | null): boolean => {
    if (batch === null) {
      inputEnded = true
      return false
    }
    pending = batch.rows.slice(0, batch.count)
    return true
  }

  const sorted = (): MaybePromise<Batch | null> =>
    andThen(sorter.finish(), () => {
      state = 'read'
      return produce()
    })

  const produce = (): MaybePromise<Batch | null> => {
    if (state === 'fill') {
      if (incremental) {
        if (inputEnded && pending.length === 0) {
          state = 'end'
          return done(out)
        }
        first = null
        sorter.start(wanted)
        return andThen(fillGroup(), sorted)
      }
      return andThen(fillAll(), sorted)
    }
    if (state === 'read') {
      const before = out.count
      out.count = sorter.read(out.rows, before, out.size)
      wanted -= out.count - before
      if (out.count >= out.size) return out
      if (incremental && wanted > 0) {
        state = 'fill'
        return produce()
      }
      state = 'end'
    }
    return done(out)
  }

  return {
    open() {
      restart(out)
      slicer.start()
      pending = []
      first = null
      inputEnded = false
      state = 'fill'
      return andThen(limit === null ? null : limit.eval([]), (n) => {
        wanted = n === null ? Number.POSITIVE_INFINITY : Math.max(0, Number(n))
        sorter.start(wanted)
        return input.open()
      })
    },
    next(max) {
      refill(out, max)
      return produce()
    },
    close() {
      state = 'end'
      pending = []
      sorter.clear()
      input.close()
    },
  }
}
