// Relief: a transaction too large for memory moves its writes (and exclusive locks) into the environment as intents, which others pass by
// until the transaction's status record says committed. Its savepoints keep working: an intent covers an older one of the same transaction
// when a savepoint lies between them, and rolling back uncovers it.

import { KvError } from '../kv-error.ts'
import { STATUS_PENDING, statusRecord } from './commit.ts'
import {
  HEADER,
  headerWord0,
  headerWord1,
  INTENT_DELETE,
  INTENT_EXTRA,
  INTENT_HEADER,
  INTENT_KEYS,
  INTENT_LOCK,
  INTENT_PUT,
  padded,
  VALUE,
  writeU64,
} from './format.ts'
import { Gap } from './merged-reads.ts'
import { keyBytes, value } from './native.ts'
import type { WorkItem } from './pipeline.ts'
import { INTENT_LIST_BYTES } from './resolve.ts'
import { allocate, offset, type Slab, slab } from './slab.ts'
import type { LmdbTransaction } from './transaction.ts'
import type { WriteBatch } from './write-batch.ts'
import { type WriteEntry, WriteSet } from './write-set.ts'

/** Steps between two looks at the clock. */
const STEPS_AT_ONCE = 64

/** An item whose batch takes shape step by step, as long as each slice lasts. */
abstract class SteppedItem implements WorkItem {
  readonly alone = false
  protected readonly transaction: LmdbTransaction
  protected readonly resolve: () => void
  readonly #reject: (error: Error) => void
  #steps: Iterator<void> | null = null

  constructor(transaction: LmdbTransaction, resolve: () => void, reject: (error: Error) => void) {
    this.transaction = transaction
    this.resolve = resolve
    this.#reject = reject
  }

  /** Everything the item adds, with a `yield` wherever it may be left for a while. The writer goes on meanwhile. */
  protected abstract steps(batch: WriteBatch): Iterator<void>

  build(batch: WriteBatch, deadline: number): boolean {
    const { clock } = this.transaction.engine.options
    this.#steps ??= this.steps(batch)
    for (let n = 1; this.#steps.next().done !== true; n++) if (n % STEPS_AT_ONCE === 0 && clock.monotonic() > deadline) return false
    return true
  }

  abstract done(): void

  failed(error: Error): void {
    this.#reject(error)
  }
}

export class RelieveItem extends SteppedItem {
  #frozen: WriteSet | null = null
  /** Exclusive locks that no write stands for. */
  readonly #locks = new Set<string>()
  /** How many records of the log it takes along. */
  #logged = 0
  readonly #older = new Map<string, WriteEntry[]>()
  #position = 0
  readonly #list = Buffer.allocUnsafe(INTENT_LIST_BYTES + 4096)
  #listed = 0
  /** Holds while the batch is built: nothing is written meanwhile. */
  readonly #gap = new Gap()

  protected *steps(batch: WriteBatch): Generator<void> {
    const { transaction } = this
    const { engine, log, heldKeys } = transaction
    if (engine.closed) throw new KvError('closed', 'the keyspace is closed')
    if (transaction.id === 0) {
      transaction.id = engine.nextIntentId()
      engine.reader.owners.set(transaction.id, transaction)
      batch.putStatus(transaction.id, statusRecord(STATUS_PENDING, 0))
    }
    this.#frozen = transaction.writes?.freeze() ?? null
    const entries = this.#frozen?.list() ?? []
    const held = transaction.locksStay || heldKeys.length <= entries.length ? 0 : heldKeys.length
    this.#position = transaction.position
    this.#logged = log.length
    for (let i = 0; i < this.#logged; i++) {
      const { key, before } = log[i]!
      if (before !== undefined) {
        const older = this.#older.get(key)
        if (older === undefined) this.#older.set(key, [before])
        else older.push(before)
      }
      yield
    }
    // the locks that the writer gives back meanwhile lie at the end
    for (let i = 0; i < held && i < heldKeys.length; i++) {
      const key = heldKeys[i]!
      if (this.#frozen?.has(key) !== true && engine.locks.held(key, transaction) === 'exclusive') this.#locks.add(key)
      yield
    }
    for (const entry of entries) {
      this.#relieve(entry, batch)
      yield
    }
    for (const key of this.#locks) {
      this.#relieveLock(key, batch)
      yield
    }
    this.#flushList(batch)
  }

  #note(key: string, batch: WriteBatch): void {
    if (this.#listed + key.length + 2 > INTENT_LIST_BYTES) this.#flushList(batch)
    this.#listed = this.#list.writeUInt16BE(key.length, this.#listed)
    this.#listed += this.#list.latin1Write(key, this.#listed)
  }

  #flushList(batch: WriteBatch): void {
    if (this.#listed === 0) return
    const { id, intentParts } = this.transaction
    batch.putIntentKeys(id, intentParts.length, this.#list.subarray(0, this.#listed))
    intentParts.push(this.#position)
    this.#listed = 0
  }

  /** Copies what lies at the key, as the new intent will cover it, behind an intent header of room; answers its size. */
  #cover(key: string, position: number, bytes: number, batch: WriteBatch): number {
    const { transaction } = this
    const { layers } = transaction.engine
    layers.read(key)
    let start = 0
    let end = 0
    if (layers.size >= 0) {
      if (layers.intents === transaction.id) {
        if (transaction.savepointBetween(layers.position, position)) end = layers.size
        else {
          start = layers.coveredStart
          end = layers.coveredEnd
        }
      } else if (layers.intents !== 0 && layers.committedChange) {
        // an intent covers only plain versions of others: the finished one becomes such a version, what it covered goes to history
        const plain = layers.operation === INTENT_PUT
        layers.movePlainAside(key, batch)
        const from = plain ? layers.operationStart : 0
        const size = plain ? layers.operationEnd - from : 0
        allocate(INTENT_HEADER + padded(HEADER + size) + bytes)
        const at = (offset + INTENT_HEADER) >> 2
        slab.words[at] = headerWord0(plain ? VALUE : 2, layers.owner!.commitStamp)
        slab.words[at + 1] = headerWord1(layers.owner!.commitStamp)
        if (size > 0) value().copy(slab.bytes, offset + INTENT_HEADER + HEADER, from, from + size)
        return HEADER + size
      } else if (layers.plain !== 0) {
        start = layers.plainStart
        end = layers.plainEnd
      }
    }
    allocate(INTENT_HEADER + padded(end - start) + bytes)
    if (end > start) value().copy(slab.bytes, offset + INTENT_HEADER, start, end)
    return end - start
  }

  /** Fills the header of an intent laid out by #cover and the bytes behind what it covers. */
  #finish(into: Slab, at: number, kind: number, position: number, covered: number, entry: WriteEntry | null): number {
    const { id } = this.transaction
    const word = at >> 2
    into.words[word] = headerWord0(kind, id)
    into.words[word + 1] = headerWord1(id)
    into.words[word + 2] = covered
    into.words[word + 3] = position
    const to = at + INTENT_HEADER + padded(covered)
    if (entry === null || entry.slab === null) return to - at
    entry.slab.bytes.copy(into.bytes, to, entry.at + HEADER, entry.at + entry.size)
    return to - at + entry.size - HEADER
  }

  #relieve(entry: WriteEntry, batch: WriteBatch): void {
    const { transaction } = this
    const { key } = entry
    const { layers, reads } = transaction.engine
    if (this.#older.size === 0 && entry.slab !== null) {
      const absent = reads.absent(key, this.#gap)
      if (!absent) layers.read(key)
      if (absent || layers.size < 0) {
        // nothing below: the entry itself becomes the intent, its room is laid out for that
        this.#finish(entry.slab, entry.at - INTENT_EXTRA, INTENT_PUT, entry.position, 0, null)
        batch.put(key, entry.slab, entry.at - INTENT_EXTRA, entry.size + INTENT_EXTRA)
        batch.growth += entry.size + key.length
        this.#note(key, batch)
        return
      }
    }
    // older writes of the key that a savepoint separates from the later ones stay below
    const chain: WriteEntry[] = []
    let later = entry
    const older = this.#older.get(key)
    if (older !== undefined) {
      for (let i = older.length - 1; i >= 0; i--) {
        const before = older[i]!
        if (before.position < later.position && transaction.savepointBetween(before.position, later.position)) {
          chain.push(before)
          later = before
        }
      }
    }
    chain.reverse()
    chain.push(entry)
    let covered: Slab | null = null
    let coveredAt = 0
    let coveredSize = 0
    for (const write of chain) {
      const bytes = write.size - HEADER
      if (covered === null) {
        coveredSize = this.#cover(key, write.position, bytes, batch)
      } else {
        const from = covered
        const fromAt = coveredAt
        allocate(INTENT_HEADER + padded(coveredSize) + bytes)
        from.bytes.copy(slab.bytes, offset + INTENT_HEADER, fromAt, fromAt + coveredSize)
      }
      const into = slab
      const at = offset
      coveredSize = this.#finish(into, at, write.kind === VALUE ? INTENT_PUT : INTENT_DELETE, write.position, coveredSize, write)
      covered = into
      coveredAt = at
    }
    batch.put(key, covered!, coveredAt, coveredSize)
    if (entry.kind === VALUE) batch.growth += entry.size + key.length
    this.#note(key, batch)
  }

  #relieveLock(key: string, batch: WriteBatch): void {
    const { transaction } = this
    const { layers } = transaction.engine
    layers.read(key)
    if (layers.intents === transaction.id) return
    const covered = this.#cover(key, 0, 0, batch)
    const into = slab
    const at = offset
    batch.put(key, into, at, this.#finish(into, at, INTENT_LOCK, this.#position, covered, null))
    this.#note(key, batch)
  }

  done(): void {
    const { transaction } = this
    transaction.forgetLog(this.#logged)
    transaction.writes?.drop()
    void transaction.dropLocks(this.#frozen ?? new WriteSet(), this.#locks).then(this.resolve)
  }
}

/** Rolls the intents of a live transaction back to a savepoint. */
export class RestoreItem extends SteppedItem {
  readonly #to: number

  constructor(transaction: LmdbTransaction, position: number, resolve: () => void, reject: (error: Error) => void) {
    super(transaction, resolve, reject)
    this.#to = position
  }

  protected *steps(batch: WriteBatch): Generator<void> {
    const { engine, intentParts, id } = this.transaction
    for (let part = 0; part < intentParts.length; part++) {
      if (intentParts[part]! <= this.#to) continue
      keyBytes[0] = INTENT_KEYS
      writeU64(keyBytes, 1, id)
      keyBytes.writeUInt32BE(part, 9)
      const size = engine.reads.load(13)
      if (size < 0) continue
      const list = Buffer.from(value().subarray(0, size))
      for (let at = 0; at < size; ) {
        const keyAt = at + 2
        at = keyAt + list.readUInt16BE(at)
        this.#restore(list.latin1Slice(keyAt, at), batch)
        yield
      }
    }
  }

  #restore(key: string, batch: WriteBatch): void {
    const { layers } = this.transaction.engine
    layers.read(key)
    if (layers.intents !== this.transaction.id || layers.position <= this.#to) return
    const [start, end] = layers.uncover(this.#to)
    if (end === start) batch.delete(key)
    else {
      layers.copyStored(start, end)
      batch.put(key, slab, offset, layers.copied)
    }
  }

  done(): void {
    this.resolve()
  }
}
