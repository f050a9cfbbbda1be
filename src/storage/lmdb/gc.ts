// Garbage collection of versions: what was superseded before both the oldest snapshot and the retention goes, in slices, through the pipeline.

import type { Engine } from './engine.ts'
import { GARBAGE, readU64, TOMBSTONE, writeU64 } from './format.ts'
import { ENTRY_KEY_AT, keyBytes, value } from './native.ts'
import type { WorkItem } from './pipeline.ts'
import type { WriteBatch } from './write-batch.ts'

const PAUSE_MS = 50
const RETRY_MS = 1000

export class GarbageCollector implements WorkItem {
  readonly alone = true
  readonly #engine: Engine
  #timer: NodeJS.Timeout | null = null
  #queued = false
  #more = false
  /** Lists before this are gone: looking for the first need not pass them again. */
  #collected = 0
  /** Versions removed since the engine was opened. */
  removed = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** Something may have become removable. Cheap: called whenever the oldest snapshot ends and after commits. */
  nudge(): void {
    if (this.#timer !== null || this.#queued || this.#engine.closed) return
    this.#schedule(this.#engine.options.retentionMs === 0 ? PAUSE_MS : RETRY_MS)
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #schedule(afterMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (this.#engine.closed) return
      const stamp = this.#first(this.#collected, 0)
      if (stamp < 0) return
      if (stamp <= this.#horizon()) {
        this.#queued = true
        this.#engine.pipeline.submit(this)
      } else if (this.#engine.options.retentionMs > 0) {
        this.#schedule(Math.min(60_000, Math.max(RETRY_MS, (stamp - this.#horizon()) / 1000)))
      }
    }, afterMs)
    this.#timer.unref()
  }

  /** What was superseded at or before this timestamp can be read by nobody any more. */
  #horizon(): number {
    const { snapshots, options, visibleStamp } = this.#engine
    const retained = options.retentionMs === 0 ? visibleStamp : this.#engine.nowMicros() - options.retentionMs * 1000
    return Math.min(retained, snapshots.oldest(), visibleStamp)
  }

  /** Timestamp of the first garbage list at or after one, -1 when there is none. Leaves the list in the value buffer. */
  #first(stamp: number, part: number): number {
    keyBytes[0] = GARBAGE
    writeU64(keyBytes, 1, stamp)
    keyBytes.writeUInt16BE(part, 9)
    const size = this.#engine.reads.seek(11)
    if (size !== 11 || keyBytes[ENTRY_KEY_AT] !== GARBAGE) return -1
    return readU64(keyBytes, ENTRY_KEY_AT + 1)
  }

  /** As many lists as fit a slice; the rest in batches to come, so that commits get their turn between. */
  build(batch: WriteBatch, deadline: number): boolean {
    this.#more = false
    const { clock } = this.#engine.options
    let stamp = this.#collected
    let part = 0
    do {
      stamp = this.#first(stamp, part)
      if (stamp < 0 || stamp > this.#horizon()) return true
      part = keyBytes.readUInt16BE(ENTRY_KEY_AT + 9)
      this.#collect(stamp, batch)
      batch.deleteGarbage(stamp, part)
      this.#collected = stamp
      part++
    } while (clock.monotonic() < deadline)
    this.#more = true
    return true
  }

  #collect(stamp: number, batch: WriteBatch): void {
    const list = Buffer.from(value().subarray(0, this.#engine.reads.seekValueSize()))
    const { layers } = this.#engine
    for (let at = 0; at < list.length; ) {
      const length = list.readUInt16BE(at)
      const key = list.latin1Slice(at + 2, at + 2 + length)
      const version = readU64(list, at + 2 + length)
      at += 10 + length
      if (version !== 0) {
        batch.deleteHistory(key, version)
        this.removed++
        continue
      }
      layers.read(key)
      if (layers.intents === 0 && layers.plain === TOMBSTONE && layers.plainStamp <= stamp) {
        batch.delete(key)
        this.removed++
      }
    }
  }

  done(): void {
    this.#queued = false
    if (this.#more && !this.#engine.closed) this.#schedule(0)
  }

  failed(error: Error): void {
    this.#queued = false
    this.#collected = 0
    this.#engine.options.log.warn('garbage collection failed', { error: error.message })
    if (!this.#engine.closed) this.#schedule(RETRY_MS)
  }
}
