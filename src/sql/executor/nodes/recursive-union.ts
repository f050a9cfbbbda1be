// RecursiveUnion: the non-recursive term's rows, then the recursive term over the rows of the step before, until a step adds none. UNION
// (without ALL) drops rows that were there already.

import type { Row } from '../../../base/datum.ts'
import { LIMITS } from '../../../base/limits.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { RecursiveUnion } from '../../planner/plan.ts'
import { rowKey } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { KeyTable } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { datumSize } from '../row-size.ts'
import type { TupleSource } from '../tuple-source.ts'
import { TupleStore } from '../tuple-store.ts'

export function compileRecursiveUnion(plan: RecursiveUnion, cx: Compilation): Operator {
  const { state } = cx
  const types = plan.targetList.map((entry) => entry.expr.type)
  let working = new TupleStore(cx, types)
  let next = new TupleStore(cx, types)
  // The working table counts as an exec param that has another value at each step: what was computed from it is stale then.
  let step = 0
  const source: TupleSource = {
    free: [plan.workTable],
    reader() {
      const store = working
      const batch: Batch = { rows: [], count: 0 }
      let at = 0
      return {
        next() {
          if (at >= store.count) return null
          store.read(batch, at, LIMITS.batchRows)
          at += batch.count
          return batch
        },
        rewind() {
          at = 0
        },
        close() {},
      }
    },
    drain: () => undefined,
  }
  cx.workTables.set(plan.workTable, source)
  const left = cx.compile(plan.left)
  const right = cx.compile(plan.right)
  const keyOf = plan.all ? null : rowKey(cx, plan.keys)
  const seen = new KeyTable()
  let charged = 0
  let input: Operator = left
  let ended = false
  let wanted: number | undefined
  const slicer = makeSlicer(state)
  const out: Batch = { rows: [], count: 0 }

  const isNew = (row: Row): boolean => {
    if (keyOf === null) return true
    const key = keyOf(row)
    if (seen.getOrSet(key, 0) >= 0) return false
    const size = 48 + (typeof key === 'string' ? datumSize(key) : 0)
    state.memory.charge(size)
    charged += size
    return true
  }
  const take = (batch: Batch): Batch | null => {
    out.count = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.rows[i]!
      if (!isNew(row)) continue
      out.rows[out.count++] = row
      next.add(row)
    }
    return out.count > 0 ? out : null
  }
  /** The step is over: its rows become the working table of the next one; true when there is a next one. */
  const turn = (): MaybePromise<boolean> => {
    input.close()
    if (next.count === 0) {
      ended = true
      return false
    }
    const swap = working
    working = next
    next = swap
    next.clear()
    state.exec[plan.workTable] = ++step
    input = right
    return andThen(right.open(), () => true)
  }
  const pull = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (ended) return null
      const batch = input.next(wanted)
      if (batch instanceof Promise) return batch.then((b) => (b === null ? andThen(turn(), pull) : (take(b) ?? pull())))
      if (batch !== null) {
        const kept = take(batch)
        if (kept !== null) return kept
      } else {
        const turned = turn()
        if (turned instanceof Promise) return turned.then(pull)
      }
      const pause = slicer.pause()
      if (pause !== null) return pause.then(pull)
    }
  }
  const reset = (): void => {
    working.clear()
    next.clear()
    seen.clear()
    state.memory.release(charged)
    charged = 0
  }
  return {
    open() {
      reset()
      slicer.start()
      input = left
      ended = false
      state.exec[plan.workTable] = ++step
      return left.open()
    },
    next(max) {
      wanted = max
      return pull()
    },
    close() {
      ended = true
      reset()
      left.close()
      right.close()
    },
  }
}
