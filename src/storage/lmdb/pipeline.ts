// Group commit: what wants to be written queues here; one write transaction at a time takes all that is waiting. While it is being
// flushed the next ones gather. Invariant: a batch is built only when none is in flight, so that building reads exactly the state the batch
// will be applied to; results are shown and acknowledged only after the flush.

import { KvError } from '../kv-error.ts'
import type { LoggedEnvironment } from './logged-environment.ts'
import { isFatal, lmdbFailure, shrinkValueBuffer } from './native.ts'
import { WriteBatch } from './write-batch.ts'

/** Longest the event loop is held by building, ms. */
const SLICE_MS = 4
/** A batch takes no further items beyond these. */
const BATCH_BYTES = 8 * 1024 * 1024
const BATCH_ITEMS = 1024

export interface WorkItem {
  /**
   * Reads keys that others may write without asking for their locks (background work): it must not share a batch, because building reads the
   * environment, not what the batch has gathered so far.
   */
  readonly alone: boolean
  /**
   * Adds its instructions; false when the slice is over and there is more. Throwing before anything was added refuses the item alone, later
   * the whole batch.
   */
  build(batch: WriteBatch, deadline: number): boolean
  /** The batch is durable. Called after the new state is visible. */
  done(): void
  /** Refused, or the batch failed: nothing was written. */
  failed(error: Error): void
}

export class Pipeline {
  readonly #environment: LoggedEnvironment
  readonly #now: () => number
  readonly #monotonic: () => number
  readonly #visible: (stamp: number) => void
  readonly #maxBytes: number
  #queue: WorkItem[] = []
  #busy = false
  #scheduled = false
  /** Why nothing can be written any more. */
  #broken: KvError | null = null
  /** The highest timestamp given out. */
  lastStamp: number
  /** Transactions committed, ever. */
  commits = 0
  #idle: (() => void)[] = []

  constructor(
    environment: LoggedEnvironment,
    lastStamp: number,
    nowMicros: () => number,
    monotonic: () => number,
    visible: (stamp: number) => void,
    maxBytes: number,
  ) {
    this.#maxBytes = maxBytes
    this.#environment = environment
    this.#now = nowMicros
    this.#monotonic = monotonic
    this.#visible = visible
    this.lastStamp = lastStamp
  }

  get idle(): boolean {
    return !this.#busy && this.#queue.length === 0
  }

  /** A commit timestamp for the item being built. */
  nextStamp(): number {
    const now = this.#now()
    this.lastStamp = now > this.lastStamp ? now : this.lastStamp + 1
    return this.lastStamp
  }

  submit(item: WorkItem): void {
    this.#queue.push(item)
    if (this.#busy || this.#scheduled) return
    // a microtask: commits asked for in one turn of the event loop share a batch
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#start()
    })
  }

  /** Resolves when nothing is queued or in flight. */
  drained(): Promise<void> {
    if (this.idle) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #start(): void {
    if (this.#busy) return
    if (this.#queue.length === 0) {
      const waiting = this.#idle
      this.#idle = []
      for (const resolve of waiting) resolve()
      return
    }
    if (this.#broken !== null) {
      const refused = this.#queue
      this.#queue = []
      for (const item of refused) item.failed(this.#broken)
      this.#start()
      return
    }
    this.#busy = true
    const batch = new WriteBatch(this.#environment.dbi)
    this.#build(batch, [], null)
  }

  #build(batch: WriteBatch, built: WorkItem[], unfinished: WorkItem | null): void {
    const deadline = this.#monotonic() + SLICE_MS
    let item = unfinished
    for (;;) {
      if (item === null) {
        if (this.#queue.length === 0 || batch.bytes > BATCH_BYTES || built.length >= BATCH_ITEMS) break
        if (built.length > 0 && (this.#queue[0]!.alone || built[0]!.alone)) break
        if (this.#monotonic() > deadline) {
          setImmediate(() => this.#build(batch, built, null))
          return
        }
        item = this.#queue.shift()!
      }
      const before = batch.instructions
      try {
        if (!item.build(batch, deadline)) {
          const rest = item
          setImmediate(() => this.#build(batch, built, rest))
          return
        }
        built.push(item)
      } catch (error) {
        item.failed(error as Error)
        if (batch.instructions !== before || item === unfinished) {
          batch.release()
          this.#fail(built, error as Error)
          return
        }
      }
      item = null
    }
    shrinkValueBuffer()
    if (batch.instructions === 0) {
      batch.release()
      this.#finish(built)
      return
    }
    if (!this.#tooLarge(batch)) this.#write(batch, built)
    else {
      // what was deleted counts until LMDB knows of it
      void this.#environment.settled().then(() => {
        if (!this.#tooLarge(batch)) {
          this.#write(batch, built)
          return
        }
        batch.release()
        this.#fail(built, new KvError('diskFull', 'the keyspace has reached its largest size'))
      })
    }
  }

  #tooLarge(batch: WriteBatch): boolean {
    return batch.growth > 0 && this.#environment.liveBytes() + batch.growth > this.#maxBytes
  }

  #write(batch: WriteBatch, built: WorkItem[]): void {
    // garbage lists are kept by timestamp: one per batch, so a batch without a commit needs a timestamp of its own
    batch.finish(batch.hasGarbage ? this.nextStamp() : this.lastStamp)
    this.#environment.write(batch, (status) => {
      batch.release()
      if (status === 0) {
        this.#finish(built)
        return
      }
      // after these LMDB takes no further write transaction: the keyspace can be read until it is opened anew
      if (isFatal(status)) this.#broken = lmdbFailure(status, 'write')
      this.#fail(built, lmdbFailure(status, 'commit', this.#environment.path))
    })
  }

  #finish(built: WorkItem[]): void {
    this.#visible(this.lastStamp)
    this.#busy = false
    for (const item of built) item.done()
    this.#start()
  }

  #fail(built: WorkItem[], error: Error): void {
    this.#busy = false
    for (const item of built) item.failed(error)
    this.#start()
  }
}
