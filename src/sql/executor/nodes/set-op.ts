// SetOp: INTERSECT and EXCEPT [ALL]: counts the right side's rows by key, then goes through the left side. Rows of both sides whose key found
// no room in the table within work_mem are put off. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { SetOp } from '../../planner/plan.ts'
import { rowKey } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { KeyTable, MAX_TABLE_ENTRIES } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { PartitionedRows, RunCursor, workingOff } from '../partitioned-rows.ts'
import { datumSize } from '../row-size.ts'
import { puller, selecting } from './batches.ts'

const LEFT = 0
const RIGHT = 1

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
  const putOff = new PartitionedRows(
    cx,
    plan.targetList.map((entry) => entry.expr.type),
    { sides: 2 },
  )
  const slicer = makeSlicer(state)

  /** The key's slot, made where there was none; -1: its rows are put off. */
  const slotOf = (key: unknown): number => {
    if (putOff.open) return slots.get(key)
    const index = counts.length
    const there = slots.getOrSet(key, index)
    if (there >= 0) return there
    const size = 64 + (typeof key === 'string' ? datumSize(key) : 0)
    const fits = charged + size <= state.workMem && index < MAX_TABLE_ENTRIES
    if (fits && state.memory.tryCharge(size)) charged += size
    else putOff.start()
    counts.push(0)
    answered.push(false)
    return index
  }
  const forget = (): void => {
    slots.clear()
    counts = []
    answered = []
    state.memory.release(charged)
    charged = 0
  }
  const reset = (): void => {
    forget()
    putOffRows.reset()
    built = false
  }
  const count = (rows: readonly Row[], n: number): void => {
    for (let i = 0; i < n; i++) {
      const row = rows[i]!
      const key = keyOf(row)
      const slot = slotOf(key)
      if (slot < 0) putOff.put(key, row, 0, RIGHT)
      else counts[slot] = counts[slot]! + 1
    }
  }
  const counted = (batch: Batch | null): boolean => {
    if (batch === null) {
      built = true
      right.close()
      return false
    }
    count(batch.rows, batch.count)
    return true
  }
  const build = (): MaybePromise<void> => {
    for (;;) {
      const batch = right.next()
      if (batch instanceof Promise) return batch.then((b) => (counted(b) ? build() : undefined))
      if (!counted(batch)) return undefined
      const pause = slicer.pause()
      if (pause !== null) return pause.then(build)
    }
  }
  const keep = (row: Row): boolean => {
    const key = keyOf(row)
    // Only EXCEPT remembers keys that the right side has not: to answer them once.
    const slot = op === 'except' && !all ? slotOf(key) : slots.get(key)
    if (slot < 0) {
      if (!putOff.open) return op === 'except'
      putOff.put(key, row, 0, LEFT)
      return false
    }
    if (all) {
      const matches = counts[slot]! > 0
      if (matches) counts[slot] = counts[slot]! - 1
      return matches === (op === 'intersect')
    }
    if (counts[slot]! > 0 !== (op === 'intersect') || answered[slot]!) return false
    answered[slot] = true
    return true
  }
  const select = selecting(keep)
  /** Counts the right rows of a partition. */
  const load = (rows: RunCursor): MaybePromise<void> => {
    for (let block = rows.next(); block !== null; block = rows.next()) {
      count(block, block.length)
      const pause = slicer.pause()
      if (pause !== null) return pause.then(() => load(rows))
    }
  }
  const putOffRows = workingOff(
    putOff,
    slicer,
    (partition) => {
      forget()
      return load(new RunCursor(partition.runs[RIGHT]))
    },
    select,
  )
  const pull = puller(left, slicer, select, putOffRows.next)
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
