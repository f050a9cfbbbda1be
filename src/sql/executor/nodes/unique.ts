// Unique and HashDistinct: one row of each set of equal ones; from sorted input by comparing neighbours, from any input by a set of keys. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../../../base/slicer.ts'
import type { HashDistinct, Unique } from '../../planner/plan.ts'
import { rowKey, rowsEqual } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { KeyTable, MAX_TABLE_ENTRIES } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { PartitionedRows, workingOff } from '../partitioned-rows.ts'
import { datumSize } from '../row-size.ts'
import { nothing, puller, selecting } from './batches.ts'

/** `more`: what is left to answer after the input's end. */
function selected(
  input: Operator,
  slicer: Slicer,
  select: (batch: Batch) => Batch | null,
  reset: () => void,
  more: () => MaybePromise<Batch | null>,
): Operator {
  return {
    open() {
      reset()
      slicer.start()
      return input.open()
    },
    next: puller(input, slicer, select, more),
    close() {
      reset()
      input.close()
    },
  }
}

export function compileUnique(plan: Unique, cx: Compilation): Operator {
  const same = rowsEqual(cx, plan.keys)
  let last: Row | null = null
  return selected(
    cx.compile(plan.input),
    makeSlicer(cx.state),
    selecting((row) => {
      if (last !== null && same(last, row)) return false
      last = row
      return true
    }),
    () => {
      last = null
    },
    nothing,
  )
}

export function compileHashDistinct(plan: HashDistinct, cx: Compilation): Operator {
  const { state } = cx
  const keyOf = rowKey(cx, plan.keys)
  const seen = new KeyTable()
  /** Rows whose key found no room. */
  const putOff = new PartitionedRows(
    cx,
    plan.input.targetList.map((entry) => entry.expr.type),
  )
  let charged = 0
  const slicer = makeSlicer(state)

  const forget = (): void => {
    seen.clear()
    state.memory.release(charged)
    charged = 0
  }
  const keep = (row: Row): boolean => {
    const key = keyOf(row)
    if (putOff.open) {
      if (seen.get(key) < 0) putOff.put(key, row)
      return false
    }
    if (seen.getOrSet(key, 0) >= 0) return false
    const size = 48 + (typeof key === 'string' ? datumSize(key) : 0)
    const fits = charged + size <= state.workMem && seen.size < MAX_TABLE_ENTRIES
    if (fits && state.memory.tryCharge(size)) charged += size
    else putOff.start()
    return true
  }
  const select = selecting(keep)
  const putOffRows = workingOff(putOff, slicer, forget, select)
  const reset = (): void => {
    forget()
    putOffRows.reset()
  }
  return selected(cx.compile(plan.input), slicer, select, reset, putOffRows.next)
}
