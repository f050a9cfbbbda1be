// Rows put off: those whose key found no room in a hash table wait in spill files, cut into partitions by the key's hash, and each partition is
// worked off with an empty table afterwards, again cut where it is still too large. // hot

import type { Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Slicer } from '../../base/slicer.ts'
import type { TemporaryFile } from '../../base/temporary-file.ts'
import { supportOf } from './comparison.ts'
import type { Compilation } from './compilation.ts'
import { hashKey32 } from './key-table.ts'
import type { Batch } from './operator.ts'
import { openSpillFile, RowCodec, SpillRun } from './spill.ts'

/** Partitions at each level. */
const WAYS = 32
/** Runs written at the same time: each has a buffer. */
const MAX_RUNS = 256
/** Deeper than any rows need: a table found no room at all. */
const MAX_DEPTH = 8

/** One partition: a run for each side, null where none of its rows was put off. */
export interface Partition {
  readonly lane: number
  readonly depth: number
  readonly runs: readonly (SpillRun | null)[]
}

/**
 * `lanes`: tables that are worked off one after the other (grouping sets); `sides`: inputs whose rows of the same keys must meet (those of a
 * set operation).
 */
export class PartitionedRows {
  readonly #cx: Compilation
  readonly #types: readonly Oid[]
  readonly #lanes: number
  readonly #sides: number
  #file: TemporaryFile | null = null
  #codec: RowCodec | null = null
  /** By lane, way and side. */
  #runs: (SpillRun | null)[] | null = null
  #ways = WAYS
  #tasks: Partition[] = []
  #depth = 0

  constructor(cx: Compilation, types: readonly Oid[], { lanes = 1, sides = 1 } = {}) {
    this.#cx = cx
    this.#types = types
    this.#lanes = lanes
    this.#sides = sides
  }

  /** Whether rows of unknown keys are put off: since `start`, until `next`. */
  get open(): boolean {
    return this.#runs !== null
  }

  start(): void {
    if (this.#depth > MAX_DEPTH) throw this.#cx.state.memory.exhausted(this.#cx.state.workMem)
    this.#file ??= openSpillFile(this.#cx.state.spillDir())
    this.#codec ??= new RowCodec(this.#types, (type) => supportOf(this.#cx, type))
    // below the first level there is one lane only
    const lanes = this.#depth === 0 ? this.#lanes : 1
    this.#ways = Math.max(1, Math.min(WAYS, Math.floor(MAX_RUNS / lanes)))
    this.#runs = new Array<SpillRun | null>(this.#lanes * this.#ways * this.#sides).fill(null)
  }

  /** Only while `open`. */
  put(key: unknown, row: Row, lane = 0, side = 0): void {
    const way = hashKey32(key, this.#depth * 0x9e3779b1) % this.#ways
    const place = (lane * this.#ways + way) * this.#sides + side
    const runs = this.#runs!
    const run = (runs[place] ??= new SpillRun(this.#file!, this.#codec!))
    run.add(row)
  }

  /** The next partition to be worked off, or null at the end. */
  next(): Partition | null {
    const runs = this.#runs
    if (runs !== null) {
      this.#runs = null
      for (let at = 0; at < runs.length; at += this.#sides) {
        const own = runs.slice(at, at + this.#sides)
        if (own.every((run) => run === null)) continue
        for (const run of own) run?.finish()
        this.#tasks.push({ lane: Math.floor(at / (this.#ways * this.#sides)), depth: this.#depth + 1, runs: own })
      }
    }
    const task = this.#tasks.pop() ?? null
    if (task !== null) this.#depth = task.depth
    return task
  }

  clear(): void {
    this.#runs = null
    this.#tasks = []
    this.#depth = 0
    this.#codec = null
    this.#file?.close()
    this.#file = null
  }
}

/** The rows of a run, block by block. */
export class RunCursor {
  readonly #run: SpillRun | null
  #block = 0

  constructor(run: SpillRun | null | undefined) {
    this.#run = run ?? null
  }

  /** Null at the end. */
  next(): Row[] | null {
    return this.#run !== null && this.#block < this.#run.blockCount ? this.#run.readBlock(this.#block++) : null
  }
}

/**
 * Works off what was put off, after the input's end: `begin` gets each partition, then its first side's rows go through `select`. `next` answers
 * what that leaves, or null at the end.
 */
export function workingOff(
  putOff: PartitionedRows,
  slicer: Slicer,
  begin: (partition: Partition) => MaybePromise<void>,
  select: (batch: Batch) => Batch | null,
): { next(): MaybePromise<Batch | null>; reset(): void } {
  let current: RunCursor | null = null
  const next = (): MaybePromise<Batch | null> => {
    for (;;) {
      const rows = current?.next() ?? null
      if (rows === null) {
        const partition = putOff.next()
        if (partition === null) return null
        current = new RunCursor(partition.runs[0])
        const begun = begin(partition)
        if (begun instanceof Promise) return begun.then(next)
        continue
      }
      const made = select({ rows, count: rows.length })
      if (made !== null) return made
      const pause = slicer.pause()
      if (pause !== null) return pause.then(next)
    }
  }
  return {
    next,
    reset() {
      current = null
      putOff.clear()
    },
  }
}
