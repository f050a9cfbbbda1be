// Settling the intents of finished transactions, in slices in the background: committed ones become plain versions, others vanish.
// Idempotent: a key that no longer carries the transaction's intent is left alone, so a crash in between costs nothing.

import type { Engine } from './engine.ts'
import { INTENT_KEYS, readU64, writeU64 } from './format.ts'
import { ENTRY_KEY_AT, keyBytes, value } from './native.ts'
import type { WorkItem } from './pipeline.ts'
import type { IntentOwner } from './versions.ts'
import type { WriteBatch } from './write-batch.ts'

const RETRY_MS = 1000
/** Rest between slices, in units of the time the last slice took: the background yields to the foreground, most of all to commits. */
const REST = 2
const REST_AMONG_COMMITS = 50
/** However busy the keyspace is, so that what is to be settled does not grow without end. */
const LONGEST_REST_MS = 2000

/** Packs keys for the list of intents of a transaction; parts of this many bytes. */
export const INTENT_LIST_BYTES = 32 * 1024

export class IntentResolver implements WorkItem {
  readonly alone = true
  readonly #engine: Engine
  readonly #pending: IntentOwner[] = []
  #queued = false
  #timer: NodeJS.Timeout | null = null
  /** The owner whose last list the batch in flight settles. */
  #finished: IntentOwner | null = null
  #list: Buffer | null = null
  #listAt = 0
  #listPart = 0
  #startedAt = 0
  #commitsBefore = 0

  constructor(engine: Engine) {
    this.#engine = engine
  }

  get idle(): boolean {
    return this.#pending.length === 0
  }

  add(owner: IntentOwner): void {
    this.#engine.reader.owners.set(owner.id, owner)
    this.#pending.push(owner)
    this.#schedule(0)
  }

  #schedule(afterMs: number): void {
    if (this.#queued || this.#timer !== null || this.#engine.closed) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      if (this.#pending.length === 0 || this.#engine.closed) return
      this.#queued = true
      this.#engine.pipeline.submit(this)
    }, afterMs)
  }

  /** One list of keys per batch, so that commits get their turn between. */
  build(batch: WriteBatch, deadline: number): boolean {
    const owner = this.#pending[0]!
    if (this.#startedAt === 0) this.#startedAt = this.#engine.options.clock.monotonic()
    if (this.#list === null) {
      this.#finished = null
      keyBytes[0] = INTENT_KEYS
      writeU64(keyBytes, 1, owner.id)
      keyBytes.writeUInt32BE(this.#listPart, 9)
      const size = this.#engine.reads.seek(13)
      if (size !== 13 || keyBytes[ENTRY_KEY_AT] !== INTENT_KEYS || readU64(keyBytes, ENTRY_KEY_AT + 1) !== owner.id) {
        batch.deleteStatus(owner.id)
        this.#finished = owner
        return true
      }
      this.#listPart = keyBytes.readUInt32BE(ENTRY_KEY_AT + 9)
      this.#list = Buffer.from(value().subarray(0, this.#engine.reads.seekValueSize()))
      this.#listAt = 0
    }
    const list = this.#list
    const { layers, options } = this.#engine
    for (let n = 0; this.#listAt < list.length; n++) {
      if ((n & 63) === 63 && options.clock.monotonic() > deadline) return false
      const length = list.readUInt16BE(this.#listAt)
      const key = list.latin1Slice(this.#listAt + 2, this.#listAt + 2 + length)
      this.#listAt += 2 + length
      layers.read(key)
      if (layers.intents === owner.id) layers.settle(key, batch)
    }
    batch.deleteIntentKeys(owner.id, this.#listPart)
    this.#list = null
    return true
  }

  done(): void {
    this.#queued = false
    if (this.#finished !== null) {
      this.#engine.reader.owners.delete(this.#finished.id)
      this.#pending.shift()
      this.#finished = null
      this.#listPart = 0
    }
    const took = this.#engine.options.clock.monotonic() - this.#startedAt
    this.#startedAt = 0
    const { commits } = this.#engine.pipeline
    const rest = commits === this.#commitsBefore ? REST : REST_AMONG_COMMITS
    this.#commitsBefore = commits
    if (this.#pending.length > 0) this.#schedule(Math.min(took * rest, LONGEST_REST_MS))
    this.#engine.gc.nudge()
  }

  failed(error: Error): void {
    this.#queued = false
    this.#list = null
    this.#listPart = 0
    this.#finished = null
    this.#startedAt = 0
    this.#engine.options.log.warn('settling intents failed', { error: error.message })
    this.#schedule(RETRY_MS)
  }
}
