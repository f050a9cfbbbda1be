// HashJoin: the right input goes into a hash table, the left one probes it. Beyond work_mem both sides are cut into partitions by hash, kept
// in spill files, and joined partition by partition (again cut where one is still too big). // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { TemporaryFile } from '../../../base/temporary-file.ts'
import type { HashJoin } from '../../planner/plan.ts'
import { combineKeys, hashKeyOf, supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { anyAsync, type Compiled, evaluator } from '../expr/compiled.ts'
import { compileList } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { hashKey32, KeyTable, MAX_TABLE_ENTRIES } from '../key-table.ts'
import type { Batch, Operator } from '../operator.ts'
import { rowSize } from '../row-size.ts'
import { openSpillFile, RowCodec, SpillRun } from '../spill.ts'
import { compileAsyncJoin } from './async-join.ts'
import { done, makeOutput, nullRow, refill, restart } from './batches.ts'
import { compilePair, keyEqualities } from './join-pair.ts'

const PARTITIONS = 32
const MAX_DEPTH = 4
/** Pairs tried before the clock is looked at. */
const PAIRS_AT_ONCE = 16_384
/** Rows moved into partitions before others may have their turn. */
const MOVED_AT_ONCE = 256

function doubled(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(list.length * 2)
  grown.set(list)
  return grown
}

/** The primitive that stands for a row's key columns, or null when one of them is NULL (which equals nothing). */
export function joinKey(keys: readonly Compiled[], types: readonly number[], cx: Compilation): (row: Row) => unknown {
  const evals = keys.map(evaluator)
  const hashes = types.map((type) => hashKeyOf(cx, type))
  const n = evals.length
  if (n === 1) {
    const { slot } = keys[0]!
    const f = evals[0]!
    const hash = hashes[0]!
    if (hash === null) return slot >= 0 ? (row) => row[slot]! : f
    return (row) => {
      const value = f(row)
      return value === null ? null : hash(value)
    }
  }
  const scratch = new Array<unknown>(n)
  return (row) => {
    for (let i = 0; i < n; i++) {
      const value = evals[i]!(row)
      if (value === null) return null
      const hash = hashes[i]!
      scratch[i] = hash === null ? value : hash(value)
    }
    return combineKeys(scratch)
  }
}

interface Task {
  readonly left: SpillRun
  readonly right: SpillRun
  readonly depth: number
}

export function compileHashJoin(plan: HashJoin, cx: Compilation): Operator {
  const leftWidth = plan.left.targetList.length
  const rightWidth = plan.right.targetList.length
  const leftKeys = compileList(plan.leftKeys, ROW_SCOPE, cx)
  const rightKeys = compileList(plan.rightKeys, ROW_SCOPE, cx)
  const pair = anyAsync([...leftKeys, ...rightKeys]) ? null : compilePair(plan, leftWidth, rightWidth, cx)
  if (pair === null) return compileAsyncJoin(plan, [...keyEqualities(plan), ...plan.joinQuals], cx)
  const { joinType } = plan
  const { state } = cx
  const left = cx.compile(plan.left)
  const right = cx.compile(plan.right)
  const leftTypes = plan.left.targetList.map((entry) => entry.expr.type)
  const rightTypes = plan.right.targetList.map((entry) => entry.expr.type)
  const leftKey = joinKey(
    leftKeys,
    plan.leftKeys.map((key) => key.type),
    cx,
  )
  const rightKey = joinKey(
    rightKeys,
    plan.rightKeys.map((key) => key.type),
    cx,
  )
  const { test, make } = pair
  const keepLeft = joinType === 'left' || joinType === 'full' || joinType === 'anti'
  const keepRight = joinType === 'right' || joinType === 'full'
  const once = plan.innerUnique || joinType === 'semi' || joinType === 'anti'
  const noRight = nullRow(rightWidth)
  const noLeft = nullRow(leftWidth)
  const slicer = makeSlicer(state)
  const out = makeOutput()

  // The table: rows chained by position, heads by key.
  const table = new KeyTable()
  let built: Row[] = []
  let chain = new Int32Array(1024)
  /** By head: the end of its chain. */
  let last = new Int32Array(1024)
  let matched = new Uint8Array(0)
  let charged = 0

  // Spilling.
  let file: TemporaryFile | null = null
  let rightRuns: SpillRun[] | null = null
  let leftRuns: SpillRun[] | null = null
  let depth = 0
  let moving: Row[] | null = null
  let moved = 0
  let tasks: Task[] = []
  let leftBlocks: { run: SpillRun; at: number } | null = null

  // Probing.
  let phase: 'build' | 'probe' | 'unmatched' | 'end' = 'end'
  let rows: Row[] = []
  let count = 0
  let at = 0
  let row: Row | null = null
  let cursor = -1
  let found = false
  let scan = 0

  const emit = (l: Row, r: Row): void => {
    const made = make(l, r)
    if (made !== null) out.rows[out.count++] = made
  }

  const release = (): void => {
    table.clear()
    moving = null
    built = []
    chain = new Int32Array(1024)
    last = new Int32Array(1024)
    matched = new Uint8Array(0)
    state.memory.release(charged)
    charged = 0
  }

  const makeRuns = (types: readonly number[]): SpillRun[] => {
    file ??= openSpillFile(state.spillDir())
    const codec = new RowCodec(types, (type) => supportOf(cx, type))
    const runs: SpillRun[] = []
    for (let i = 0; i < PARTITIONS; i++) runs.push(new SpillRun(file, codec))
    return runs
  }

  const partitionOf = (key: unknown): number => (key === null ? 0 : hashKey32(key, depth * 0x9e3779b1) % PARTITIONS)

  /** What was built so far is to be moved into partitions; later rows follow. */
  const startSpilling = (): void => {
    rightRuns = makeRuns(rightTypes)
    leftRuns = makeRuns(leftTypes)
    moving = built
    moved = 0
    built = []
    table.clear()
  }
  /** Moves them, so far as there are any. */
  const move = (): MaybePromise<void> => {
    if (moving === null) return undefined
    while (moved < moving.length) {
      const r = moving[moved++]!
      rightRuns![partitionOf(rightKey(r))]!.add(r)
      const pause = moved % MOVED_AT_ONCE === 0 ? slicer.pause() : null
      if (pause !== null) return pause.then(move)
    }
    moving = null
    release()
  }

  const addRight = (r: Row): void => {
    const key = rightKey(r)
    if (key === null && !keepRight) return
    if (moving !== null) {
      moving.push(r)
      return
    }
    if (rightRuns !== null) {
      rightRuns[partitionOf(key)]!.add(r)
      return
    }
    const size = rowSize(r) + 24
    const fits = charged + size <= state.workMem && built.length < MAX_TABLE_ENTRIES
    if ((fits || depth >= MAX_DEPTH) && state.memory.tryCharge(size)) charged += size
    else {
      if (depth >= MAX_DEPTH) throw state.memory.exhausted(size)
      built.push(r)
      startSpilling()
      return
    }
    const index = built.length
    built.push(r)
    if (index >= chain.length) {
      chain = doubled(chain)
      last = doubled(last)
    }
    chain[index] = -1
    if (key === null) return
    const head = table.getOrSet(key, index)
    if (head >= 0) {
      // At the end: rows of one key come out as they came in.
      chain[last[head]!] = index
      last[head] = index
    } else last[index] = index
  }

  const readyToProbe = (): void => {
    if (rightRuns !== null) for (const run of rightRuns) run.finish()
    if (keepRight && rightRuns === null) matched = new Uint8Array(built.length)
    phase = 'probe'
    rows = []
    count = 0
    at = 0
    row = null
  }

  const build = (): MaybePromise<void> => {
    for (;;) {
      const batch = right.next()
      if (batch instanceof Promise) return batch.then((b) => (takeRight(b) ? andThen(move(), build) : undefined))
      if (!takeRight(batch)) return undefined
      const wait = move() ?? slicer.pause()
      if (wait !== null) return wait.then(build)
    }
  }
  const takeRight = (batch: Batch | null): boolean => {
    if (batch === null) {
      right.close()
      readyToProbe()
      return false
    }
    const { rows: input, count: n } = batch
    for (let i = 0; i < n; i++) addRight(input[i]!)
    return true
  }

  const takeLeft = (batch: Batch | null): boolean => {
    if (batch === null) return false
    const { count: n } = batch
    rows = batch.rows.slice(0, n)
    count = n
    at = 0
    return true
  }

  /** The next left rows: from the input, or from the partition in work. */
  const moreLeft = (): MaybePromise<boolean> => {
    if (leftBlocks === null) return andThen(left.next(), takeLeft)
    if (leftBlocks.at >= leftBlocks.run.blockCount) return false
    rows = leftBlocks.run.readBlock(leftBlocks.at++)
    count = rows.length
    at = 0
    return true
  }

  /** Probes until the batch is full, the left rows in hand are used up, or many pairs were tried in vain. */
  const probe = (): 'full' | 'left' | 'tired' => {
    let tried = 0
    for (;;) {
      if (row === null) {
        if (at >= count) return 'left'
        if (out.count >= out.size) return 'full'
        const next = rows[at++]!
        const key = leftKey(next)
        if (leftRuns !== null) {
          // Partitioned: rows wait for their partition, except those that cannot match anyway.
          if (key !== null) leftRuns[partitionOf(key)]!.add(next)
          else if (keepLeft) emit(next, noRight)
          continue
        }
        const head = key === null ? -1 : table.get(key)
        if (head < 0) {
          if (keepLeft) emit(next, noRight)
          continue
        }
        row = next
        cursor = head
        found = false
      }
      const l = row
      while (cursor >= 0) {
        if (out.count >= out.size) return 'full'
        if (++tried > PAIRS_AT_ONCE) return 'tired'
        const index = cursor
        const r = built[index]!
        cursor = chain[index]!
        if (test !== null && !test(l, r)) continue
        found = true
        if (joinType === 'anti') break
        if (keepRight) matched[index] = 1
        emit(l, r)
        if (once) break
      }
      if (keepLeft && !found) emit(l, noRight)
      row = null
    }
  }

  const unmatched = (): void => {
    while (scan < built.length && out.count < out.size) {
      if (matched[scan] === 0) emit(noLeft, built[scan]!)
      scan++
    }
    if (scan >= built.length) phase = 'end'
  }

  /** Left rows are used up: what the right side owes, then the next partition. */
  const endProbe = (): void => {
    if (leftRuns !== null && rightRuns !== null) {
      for (let i = 0; i < PARTITIONS; i++) {
        const l = leftRuns[i]!.finish()
        const r = rightRuns[i]!
        if (l.rows === 0 && !keepRight) continue
        if (r.rows === 0 && !keepLeft) continue
        tasks.push({ left: l, right: r, depth: depth + 1 })
      }
      leftRuns = null
      rightRuns = null
      phase = 'end'
      return
    }
    scan = 0
    phase = keepRight ? 'unmatched' : 'end'
  }

  /** Builds the table of the next partition; false when there is none. */
  const nextTask = (): MaybePromise<boolean> => {
    const task = tasks.pop()
    if (task === undefined) return false
    release()
    depth = task.depth
    leftBlocks = { run: task.left, at: 0 }
    const load = (block: number): MaybePromise<boolean> => {
      for (let b = block; b < task.right.blockCount; b++) {
        for (const r of task.right.readBlock(b)) addRight(r)
        const wait = move() ?? slicer.pause()
        if (wait !== null) return wait.then(() => load(b + 1))
      }
      readyToProbe()
      return true
    }
    return load(0)
  }

  const fill = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (out.count >= out.size) return out
      if (phase === 'build') {
        const b = build()
        if (b instanceof Promise) return b.then(fill)
      } else if (phase === 'probe') {
        const stopped = probe()
        if (stopped === 'full') return out
        const pause = slicer.pause()
        if (pause !== null) return pause.then(fill)
        if (stopped === 'tired') continue
        const more = moreLeft()
        if (more instanceof Promise) {
          return more.then((m) => {
            if (!m) endProbe()
            return fill()
          })
        }
        if (!more) endProbe()
      } else if (phase === 'unmatched') unmatched()
      else {
        const more = nextTask()
        if (more instanceof Promise) return more.then((m) => (m ? fill() : done(out)))
        if (!more) return done(out)
      }
    }
  }

  const reset = (): void => {
    release()
    rightRuns = null
    leftRuns = null
    leftBlocks = null
    tasks = []
    depth = 0
    rows = []
    count = 0
    row = null
    file?.close()
    file = null
  }

  return pair.wrap({
    open() {
      restart(out)
      slicer.start()
      reset()
      phase = 'build'
      return andThen(right.open(), () => left.open())
    },
    next(max) {
      refill(out, max)
      return fill()
    },
    close() {
      phase = 'end'
      reset()
      left.close()
      right.close()
    },
  })
}
