// Sorts any number of rows: in memory while they fit work_mem, in sorted runs in a spill file and a merge of these beyond. // hot

import type { Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { andThen } from '../../base/maybe-promise.ts'
import type { Slicer } from '../../base/slicer.ts'
import type { TemporaryFile } from '../../base/temporary-file.ts'
import type { SortKey } from '../planner/plan.ts'
import { plainOrder, type RowComparator, rowComparator, supportOf } from './comparison.ts'
import type { Compilation } from './compilation.ts'
import { rowSize } from './row-size.ts'
import { type LeadingKey, sortRows } from './row-sort.ts'
import { openSpillFile, RowCodec, SpillRun } from './spill.ts'

/** Runs merged at once. */
const MERGE_WAYS = 64

/** Types whose text order is by code points. */
const TEXT_LIKE = new Set<Oid>([19, 25, 1043])

/** The number form of the first key, or null when rows can only be compared. */
export function leadingKeyOf(key: SortKey): LeadingKey | null {
  const { slot, type, descending, nullsFirst } = key
  const kind = plainOrder(type) || type === 700 || type === 701 ? 'number' : TEXT_LIKE.has(type) ? 'text' : null
  return kind === null ? null : { slot: slot - 1, kind, descending, nullsFirst }
}

/** Position in a run being merged. */
interface RunReader {
  readonly run: SpillRun
  block: number
  rows: Row[]
  at: number
  /** Order of the runs: keeps the merge stable. */
  readonly index: number
}

function readerOf(run: SpillRun, index: number): RunReader {
  return { run, block: 1, rows: run.blockCount > 0 ? run.readBlock(0) : [], at: 0, index }
}

/** Steps to the reader's next row; false at its end. */
function advance(reader: RunReader): boolean {
  if (++reader.at < reader.rows.length) return true
  if (reader.block >= reader.run.blockCount) return false
  reader.rows = reader.run.readBlock(reader.block++)
  reader.at = 0
  return reader.rows.length > 0
}

/** A heap of runs, smallest row on top. */
class Merge {
  readonly #heap: RunReader[] = []
  readonly #compare: RowComparator

  private constructor(compare: RowComparator) {
    this.#compare = compare
  }

  /** Begins with the first rows of each run. */
  static async of(runs: readonly SpillRun[], compare: RowComparator, slicer: Slicer): Promise<Merge> {
    const merge = new Merge(compare)
    for (const [i, run] of runs.entries()) {
      if (run.rows === 0) continue
      merge.#heap.push(readerOf(run, i))
      merge.#up(merge.#heap.length - 1)
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
    return merge
  }

  #less(a: RunReader, b: RunReader): boolean {
    const order = this.#compare(a.rows[a.at]!, b.rows[b.at]!)
    return order === 0 ? a.index < b.index : order < 0
  }

  #up(from: number): void {
    const heap = this.#heap
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!this.#less(heap[i]!, heap[parent]!)) return
      const swap = heap[i]!
      heap[i] = heap[parent]!
      heap[parent] = swap
      i = parent
    }
  }

  #down(): void {
    const heap = this.#heap
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      if (left >= heap.length) return
      const child = left + 1 < heap.length && this.#less(heap[left + 1]!, heap[left]!) ? left + 1 : left
      if (!this.#less(heap[child]!, heap[i]!)) return
      const swap = heap[i]!
      heap[i] = heap[child]!
      heap[child] = swap
      i = child
    }
  }

  next(): Row | null {
    const heap = this.#heap
    const top = heap[0]
    if (top === undefined) return null
    const row = top.rows[top.at]!
    if (!advance(top)) {
      const last = heap.pop()!
      if (heap.length > 0 && last !== top) heap[0] = last
    }
    this.#down()
    return row
  }
}

export class RowSorter {
  readonly #cx: Compilation
  readonly #types: readonly Oid[]
  readonly #compare: RowComparator
  readonly #rest: RowComparator | null
  readonly #leading: LeadingKey | null
  readonly #slicer: Slicer
  #rows: Row[] = []
  #charged = 0
  #file: TemporaryFile | null = null
  #codec: RowCodec | null = null
  #runs: SpillRun[] = []
  /** Rows wanted at most; Infinity = all. */
  #limit = Number.POSITIVE_INFINITY
  /** With a limit: the worst row that can still matter. */
  #cutoff: Row | null = null
  #merge: Merge | null = null
  #at = 0

  constructor(cx: Compilation, types: readonly Oid[], keys: readonly SortKey[], slicer: Slicer) {
    this.#cx = cx
    this.#types = types
    this.#compare = rowComparator(cx, keys)
    this.#rest = keys.length > 1 ? rowComparator(cx, keys.slice(1)) : null
    this.#leading = leadingKeyOf(keys[0]!)
    this.#slicer = slicer
  }

  start(limit: number): void {
    this.clear()
    this.#limit = limit
  }

  /** Takes rows of a batch; a promise when a run had to be sorted or the slice is over. */
  add(rows: readonly Row[], count: number): Promise<void> | undefined {
    const limit = this.#limit
    const bounded = limit < 100_000
    let size = 0
    for (let i = 0; i < count; i++) {
      const row = rows[i]!
      if (this.#cutoff !== null && this.#compare(row, this.#cutoff) >= 0) continue
      this.#rows.push(row)
      size += rowSize(row)
    }
    if (bounded && this.#rows.length >= Math.max(2 * limit, 1024)) {
      // Top-N: sort, keep N, and let the last of them turn later rows away.
      const sorted = sortRows(this.#rows, this.#compare, this.#leading, this.#rest, this.#slicer)
      return sorted instanceof Promise ? sorted.then((rows) => this.#keepBest(rows)) : this.#keepBest(sorted)
    }
    return this.#charge(size)
  }

  #keepBest(sorted: Row[]): Promise<void> | undefined {
    const limit = this.#limit
    sorted.length = limit
    this.#rows = sorted
    this.#cutoff = limit > 0 ? sorted[limit - 1]! : null
    this.#cx.state.memory.release(this.#charged)
    this.#charged = 0
    let size = 0
    for (const row of sorted) size += rowSize(row)
    return this.#charge(size)
  }

  /** For rows that have come: a promise when they must make room. */
  #charge(size: number): Promise<void> | undefined {
    if (size === 0) return undefined
    const { memory, workMem } = this.#cx.state
    if (this.#charged + size <= workMem && memory.tryCharge(size)) {
      this.#charged += size
      return undefined
    }
    return this.#spill()
  }

  async #spill(): Promise<void> {
    this.#file ??= openSpillFile(this.#cx.state.spillDir())
    this.#codec ??= new RowCodec(this.#types, (type) => supportOf(this.#cx, type))
    const sorted = await sortRows(this.#rows, this.#compare, this.#leading, this.#rest, this.#slicer)
    const run = new SpillRun(this.#file, this.#codec)
    for (let i = 0; i < sorted.length; i++) {
      run.add(sorted[i]!)
      if ((i & 1023) === 0) {
        const pause = this.#slicer.pause()
        if (pause !== null) await pause
      }
    }
    this.#runs.push(run.finish())
    this.#rows = []
    this.#cx.state.memory.release(this.#charged)
    this.#charged = 0
  }

  /** No more rows: afterwards `read` answers them in order. */
  finish(): MaybePromise<void> {
    this.#at = 0
    if (this.#runs.length === 0) {
      const sorted = sortRows(this.#rows, this.#compare, this.#leading, this.#rest, this.#slicer)
      return andThen(sorted, (rows) => {
        this.#rows = rows
        if (rows.length > this.#limit) rows.length = this.#limit
      })
    }
    return this.#mergeRuns()
  }

  async #mergeRuns(): Promise<void> {
    if (this.#rows.length > 0) await this.#spill()
    while (this.#runs.length > MERGE_WAYS) {
      const merge = await Merge.of(this.#runs.splice(0, MERGE_WAYS), this.#compare, this.#slicer)
      const run = new SpillRun(this.#file!, this.#codec!)
      for (let row = merge.next(), i = 0; row !== null; row = merge.next(), i++) {
        run.add(row)
        if ((i & 511) === 0) {
          const pause = this.#slicer.pause()
          if (pause !== null) await pause
        }
      }
      // In front: its rows came first.
      this.#runs.unshift(run.finish())
    }
    this.#merge = await Merge.of(this.#runs, this.#compare, this.#slicer)
  }

  /** Fills `out` from `from` up to `size` rows; answers the new count. */
  read(out: Row[], from: number, size: number): number {
    let count = from
    if (this.#merge !== null) {
      while (count < size && this.#at < this.#limit) {
        const row = this.#merge.next()
        if (row === null) break
        out[count++] = row
        this.#at++
      }
      return count
    }
    const rows = this.#rows
    while (count < size && this.#at < rows.length) out[count++] = rows[this.#at++]!
    return count
  }

  clear(): void {
    this.#rows = []
    this.#cx.state.memory.release(this.#charged)
    this.#charged = 0
    this.#runs = []
    this.#merge = null
    this.#cutoff = null
    this.#at = 0
    this.#codec = null
    this.#file?.close()
    this.#file = null
  }
}
