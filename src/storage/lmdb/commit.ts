// A commit as a work item: judged, given its timestamp and written in one batch with whoever else commits now. // hot

import { AssertionFailure } from '../../base/assert.ts'
import { KvError } from '../kv-error.ts'
import { headerWord0, headerWord1, TOMBSTONE, VALUE } from './format.ts'
import type { WorkItem } from './pipeline.ts'
import type { LmdbTransaction } from './transaction.ts'
import type { WriteBatch } from './write-batch.ts'
import type { WriteEntry } from './write-set.ts'

export const STATUS_PENDING = 0
export const STATUS_COMMITTED = 1

export function statusRecord(state: number, stamp: number): Buffer {
  const record = Buffer.alloc(16)
  record[0] = state
  record.writeDoubleLE(stamp, 8)
  return record
}

export class CommitItem implements WorkItem {
  readonly alone = false
  readonly #transaction: LmdbTransaction
  readonly #limit: number
  readonly #committed: (stamp: number) => void
  readonly #refused: (error: Error) => void
  #stamp = 0
  #entries: readonly WriteEntry[] | null = null
  #at = 0

  constructor(transaction: LmdbTransaction, limit: number, committed: (stamp: number) => void, refused: (error: Error) => void) {
    this.#transaction = transaction
    this.#limit = limit
    this.#committed = committed
    this.#refused = refused
  }

  build(batch: WriteBatch, deadline: number): boolean {
    const transaction = this.#transaction
    const { engine } = transaction
    if (this.#entries === null) {
      if (engine.closed) throw new KvError('closed', 'the keyspace is closed')
      const stamp = engine.pipeline.nextStamp()
      if (stamp > this.#limit)
        throw new KvError('schemaChanged', 'the commit came too late for the schema it was made under', { retryable: true })
      if (transaction.serializable !== null) {
        engine.serializable.commit(transaction.serializable, stamp)
        transaction.serializable = null
      }
      this.#stamp = stamp
      if (transaction.id !== 0) batch.putStatus(transaction.id, statusRecord(STATUS_COMMITTED, stamp))
      this.#entries = transaction.writes?.entries.list() ?? []
    }
    const stamp = this.#stamp
    const { clock } = engine.options
    const entries = this.#entries
    while (this.#at < entries.length) {
      this.#add(entries[this.#at++]!, stamp, batch)
      if ((this.#at & 63) === 0 && clock.monotonic() > deadline) return false
    }
    return true
  }

  #add(entry: WriteEntry, stamp: number, batch: WriteBatch): void {
    const { engine, id } = this.#transaction
    const { layers } = engine
    layers.read(entry.key)
    if (layers.size >= 0) {
      if (layers.intents !== 0 && layers.intents !== id && layers.owner?.state === 'active') {
        throw new AssertionFailure('a write without its lock met an uncommitted one of another transaction')
      }
      layers.moveAside(entry.key, batch)
    }
    // a deletion leaves its version even where nothing was: holders of the key's lock can tell that it happened
    if (entry.kind === TOMBSTONE) {
      batch.tombstone(entry.key, TOMBSTONE, stamp)
      batch.noteTombstone(entry.key)
      return
    }
    const slab = entry.slab!
    slab.words[entry.at >> 2] = headerWord0(VALUE, stamp)
    slab.words[(entry.at >> 2) + 1] = headerWord1(stamp)
    batch.put(entry.key, slab, entry.at, entry.size)
    batch.growth += entry.size + entry.key.length
  }

  done(): void {
    const transaction = this.#transaction
    transaction.engine.pipeline.commits++
    if (transaction.id !== 0) {
      transaction.state = 'committed'
      transaction.commitStamp = this.#stamp
      transaction.engine.resolver.add({ id: transaction.id, state: 'committed', commitStamp: this.#stamp })
    }
    this.#committed(this.#stamp)
    transaction.engine.gc.nudge()
  }

  failed(error: Error): void {
    this.#refused(error)
  }
}
