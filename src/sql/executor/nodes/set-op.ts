// SetOp: INTERSECT and EXCEPT [ALL]: counts the right side's rows by key, then goes through the left side. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { SetOp } from '../../planner/plan.ts'
import { rowKey } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { KeyTable } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { datumSize } from '../row-size.ts'
import { nothing, puller } from './batches.ts'

export function compileSetOp(plan: SetOp, cx: Compilation): Operator {
  const left = cx.compile(plan.left)
  const right = cx.compile(plan.right)
  const { state } = cx
  const keyOf = rowKey(cx, plan.keys)
  const { op, all } = plan
  const slots = new KeyTable()
  /** Per key: right rows not yet used up (ALL), and whether a left row of it was already answered. */
  let counts: number[] = []
  let answered: boolean[] = []
  let charged = 0
  let built = false
  const slicer = makeSlicer(state)
  const out: Batch = { rows: [], count: 0 }

  const slotOf = (key: unknown): number => {
    const index = counts.length
    const there = slots.getOrSet(key, index)
    if (there >= 0) return there
    const size = 64 + (typeof key === 'string' ? datumSize(key) : 0)
    state.memory.charge(size)
    charged += size
    counts.push(0)
    answered.push(false)
    return index
  }
  const reset = (): void => {
    slots.clear()
    counts = []
    answered = []
    built = false
    state.memory.release(charged)
    charged = 0
  }
  const count = (batch: Batch | null): boolean => {
    if (batch === null) {
      built = true
      right.close()
      return false
    }
    for (let i = 0; i < batch.count; i++) {
      const slot = slotOf(keyOf(batch.rows[i]!))
      counts[slot] = counts[slot]! + 1
    }
    return true
  }
  const build = (): MaybePromise<void> => {
    for (;;) {
      const batch = right.next()
      if (batch instanceof Promise) return batch.then((b) => (count(b) ? build() : undefined))
      if (!count(batch)) return undefined
      const pause = slicer.pause()
      if (pause !== null) return pause.then(build)
    }
  }
  const keep = (row: Row): boolean => {
    const key = keyOf(row)
    if (op === 'intersect') {
      const slot = slots.get(key)
      if (slot < 0 || counts[slot] === 0) return false
      if (all) {
        counts[slot] = counts[slot]! - 1
        return true
      }
      if (answered[slot]!) return false
      answered[slot] = true
      return true
    }
    if (all) {
      const slot = slots.get(key)
      if (slot < 0 || counts[slot] === 0) return true
      counts[slot] = counts[slot]! - 1
      return false
    }
    const slot = slotOf(key)
    if (counts[slot]! > 0 || answered[slot]!) return false
    answered[slot] = true
    return true
  }
  const select = (batch: Batch): Batch | null => {
    out.count = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.rows[i]!
      if (keep(row)) out.rows[out.count++] = row
    }
    return out.count > 0 ? out : null
  }
  const pull = puller(left, slicer, select, nothing)
  return {
    open() {
      reset()
      slicer.start()
      return andThen(right.open(), () => left.open())
    },
    next: (max) => (built ? pull(max) : andThen(build(), () => pull(max))),
    close() {
      reset()
      left.close()
      right.close()
    },
  }
}
