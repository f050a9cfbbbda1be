// Unique and HashDistinct: one row of each set of equal ones; from sorted input by comparing neighbours, from any input by a set of keys. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { TemporaryFile } from '../../../base/temporary-file.ts'
import type { HashDistinct, Unique } from '../../planner/plan.ts'
import { rowKey, rowsEqual, supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { hashKey32, KeyTable, MAX_TABLE_ENTRIES } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { datumSize } from '../row-size.ts'
import { openSpillFile, RowCodec, SpillRun } from '../spill.ts'
import { nothing, puller } from './batches.ts'

/** Keeps rows for which `keep` is true. */
function selecting(
  input: Operator,
  cx: Compilation,
  keep: (row: Row) => boolean,
  reset: () => void,
  more: () => MaybePromise<Batch | null>,
) {
  const out: Batch = { rows: [], count: 0 }
  const slicer = makeSlicer(cx.state)
  const select = (batch: Batch): Batch | null => {
    out.count = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.rows[i]!
      if (keep(row)) out.rows[out.count++] = row
    }
    return out.count > 0 ? out : null
  }
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
  return selecting(
    cx.compile(plan.input),
    cx,
    (row) => {
      if (last !== null && same(last, row)) return false
      last = row
      return true
    },
    () => {
      last = null
    },
    nothing,
  )
}

const PARTITIONS = 32

export function compileHashDistinct(plan: HashDistinct, cx: Compilation): Operator {
  const { state } = cx
  const keyOf = rowKey(cx, plan.keys)
  const types = plan.input.targetList.map((entry) => entry.expr.type)
  const seen = new KeyTable()
  let charged = 0
  let depth = 0
  let file: TemporaryFile | null = null
  /** Rows whose key found no room, by partition; each is worked off with an empty table later. */
  let runs: SpillRun[] | null = null
  let tasks: { run: SpillRun; depth: number }[] = []
  let current: { run: SpillRun; block: number } | null = null

  const forget = (): void => {
    seen.clear()
    state.memory.release(charged)
    charged = 0
  }
  const keep = (row: Row): boolean => {
    const key = keyOf(row)
    if (runs !== null) {
      if (seen.get(key) < 0) runs[hashKey32(key, depth * 0x9e3779b1) % PARTITIONS]!.add(row)
      return false
    }
    if (seen.getOrSet(key, 0) >= 0) return false
    const size = 48 + (typeof key === 'string' ? datumSize(key) : 0)
    const fits = charged + size <= state.workMem && seen.size < MAX_TABLE_ENTRIES
    if (fits && state.memory.tryCharge(size)) charged += size
    else {
      file ??= openSpillFile(state.spillDir())
      const codec = new RowCodec(types, (type) => supportOf(cx, type))
      runs = Array.from({ length: PARTITIONS }, () => new SpillRun(file!, codec))
    }
    return true
  }
  const reset = (): void => {
    forget()
    runs = null
    tasks = []
    current = null
    depth = 0
    file?.close()
    file = null
  }
  const out: Batch = { rows: [], count: 0 }
  const more = (): Batch | null => {
    for (;;) {
      state.cancel.check()
      if (current !== null && current.block < current.run.blockCount) {
        out.count = 0
        for (const row of current.run.readBlock(current.block++)) if (keep(row)) out.rows[out.count++] = row
        if (out.count > 0) return out
        continue
      }
      if (runs !== null) for (const run of runs) if (run.finish().rows > 0) tasks.push({ run, depth: depth + 1 })
      runs = null
      const task = tasks.pop()
      if (task === undefined) return null
      forget()
      depth = task.depth
      current = { run: task.run, block: 0 }
    }
  }
  return selecting(cx.compile(plan.input), cx, keep, reset, more)
}
