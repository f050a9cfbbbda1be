// A transaction of the embedded store. Reads answer at once; writes gather in memory under locks taken as they come and reach the environment
// in one durable batch at commit, or earlier as intents when there are too many of them. // hot

import { copyOf } from '../../base/bytes.ts'
import { type KeyspaceId, type Timestamp, timestamp } from '../../base/ids.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { KvError } from '../kv-error.ts'
import { type Blocker, circleDetail, type LockParty, transactionLock } from '../lock-party.ts'
import {
  type BeginOptions,
  type CommitOptions,
  type IsolationLevel,
  type KeyRange,
  LOCK_GONE,
  LOCK_SKIPPED,
  LOCKED,
  LOCKED_CHANGED,
  type LockMode,
  type LockOptions,
  type LockResult,
  type Savepoint,
  type Scanner,
  type ScanOptions,
  type Stands,
  type Transaction,
} from '../store.ts'
import { CommitItem } from './commit.ts'
import type { Engine } from './engine.ts'
import { HEADER, INTENT_EXTRA, keyString, TOMBSTONE, VALUE } from './format.ts'
import type { BulkWriter, Waiter } from './locks.ts'
import { Gap } from './merged-reads.ts'
import { RelieveItem, RestoreItem } from './relieve.ts'
import { LmdbScanner } from './scanner.ts'
import type { SerializableTransaction } from './serializable.ts'
import { allocate, offset, slab } from './slab.ts'
import type { SnapshotHolder } from './snapshots.ts'
import type { IntentOwner } from './versions.ts'
import { WriteBuffer } from './write-buffer.ts'
import type { WriteEntry } from './write-set.ts'

/** Beyond these, writes (and locks) move into the environment as intents. */
const RELIEVE_BYTES = 8 * 1024 * 1024
/** Locks are small: so many times the entries. */
const LOCKS_PER_ENTRY = 4
/** Shared locks cannot leave memory. */
const MAX_LOCKS = 2 * 1024 * 1024
const ANY = Number.MAX_SAFE_INTEGER
/** Behind so many writes a transaction is a bulk load, whose insertions need no entry in the lock table. */
const BULK_WRITES = 256
/** Locks given up before it is asked whether the event loop should have a turn. */
const RELEASED = 256
/** Up to so many bytes a loop beats the call of a native copy. */
const LOOP_BYTES = 96

interface SavepointState {
  log: number
  readonly held: number
  readonly position: number
}

interface LogRecord {
  readonly key: string
  readonly before: WriteEntry | undefined
}

let lastLockId = 0n

export class LmdbTransaction implements Transaction, BulkWriter, SnapshotHolder, IntentOwner {
  readonly engine: Engine
  readonly isolation: IsolationLevel
  readonly #options: BeginOptions
  readonly keyspace: KeyspaceId
  lockTimeoutMs = 0
  // BulkWriter
  heldKeys: string[] = []
  waiting: Waiter | null = null
  // SnapshotHolder
  snapshot = 0
  previous: SnapshotHolder | null = null
  next: SnapshotHolder | null = null
  // IntentOwner
  id = 0
  state: 'active' | 'committed' | 'aborted' = 'active'
  commitStamp = 0

  #lockId: bigint | null = null
  writes: WriteBuffer | null = null
  serializable: SerializableTransaction | null = null
  /** Grows with every write; savepoints and intents refer to it. */
  position = 0
  /** The highest position in each list of intents written; lists are numbered from 0. */
  readonly intentParts: number[] = []
  #ended = false
  #gap: Gap | null = null
  /** Whether the key that #tryLock read has a value. */
  #found = false
  #dirty = false
  #relieving: Promise<void> | null = null
  #relieveFailed: Error | null = null
  #log: LogRecord[] | null = null
  #savepoints: SavepointState[] | null = null

  constructor(engine: Engine, keyspace: KeyspaceId, options: BeginOptions) {
    this.engine = engine
    this.keyspace = keyspace
    this.isolation = options.isolation
    this.#options = options
    engine.transactions++
  }

  get dirty(): boolean {
    return this.#dirty
  }

  get readTs(): Timestamp | null {
    return this.snapshot === 0 ? null : timestamp(BigInt(this.snapshot))
  }

  /** The id its intents carry, 0 while it has none. */
  get intentId(): number {
    return this.id
  }

  #alive(): void {
    if (this.#ended) throw new KvError('closed', 'the transaction has ended')
    if (this.engine.closed) throw new KvError('closed', 'the keyspace is closed')
    if (this.#relieveFailed !== null) throw this.#relieveFailed
  }

  #takeSnapshot(): number {
    const snapshot = Math.max(1, this.engine.visibleStamp)
    this.engine.snapshots.add(this, snapshot)
    if (this.isolation === 'serializable') this.serializable = this.engine.serializable.begin(snapshot, this.#options.readOnly === true)
    return snapshot
  }

  /** The timestamp reads see now. */
  scanSnapshot(): number {
    this.#alive()
    if (this.#options.latest === true) return ANY
    return this.snapshot === 0 ? this.#takeSnapshot() : this.snapshot
  }

  sawNewer(key: string): void {
    this.engine.serializable.readNewer(this.serializable!, key)
  }

  get(key: Uint8Array): Buffer | null {
    const snapshot = this.scanSnapshot()
    if (this.writes !== null && !this.writes.empty) {
      const own = this.writes.get(keyString(key))
      if (own !== undefined) return ownValue(own)
    }
    const { reader } = this.engine
    const found = reader.read(key, snapshot, this.id)
    if (this.serializable !== null) this.#noteRead(key, reader.newestStamp, snapshot, found)
    return found ? reader.take() : null
  }

  #noteRead(key: Uint8Array, newest: number, snapshot: number, found: boolean): void {
    const name = keyString(key)
    this.serializable!.reads.add(name)
    if (newest > snapshot) {
      const { start, end } = this.engine.reader
      this.sawNewer(name)
      if (found) {
        this.engine.reader.start = start
        this.engine.reader.end = end
      }
    }
  }

  batchGet(keys: readonly Uint8Array[]): (Buffer | null)[] {
    const values: (Buffer | null)[] = new Array(keys.length)
    for (let i = 0; i < keys.length; i++) values[i] = this.get(keys[i]!)
    return values
  }

  newest(keys: readonly Uint8Array[]): (Buffer | null)[] {
    this.#alive()
    const { reader, visibleStamp } = this.engine
    return keys.map((key) => {
      const own = this.writes?.get(keyString(key))
      if (own !== undefined) return ownValue(own)
      return reader.read(key, visibleStamp, this.id) ? reader.take() : null
    })
  }

  scan(range: KeyRange, options?: ScanOptions): Scanner {
    this.#alive()
    return new LmdbScanner(this, range, options)
  }

  // Locks

  /** Takes one lock if it needs no waiting, and looks behind it. False: somebody else holds it. */
  #tryLock(key: string, mode: LockMode): boolean {
    const { locks, reader } = this.engine
    if (!locks.tryLock(key, this, mode) || locks.yieldToBulk(key, this)) return false
    this.#found = reader.readString(key, ANY, this.id)
    const foreign = reader.foreign
    if (foreign === null) return true
    // the lock had left memory with its holder's intents
    locks.giveTo(key, this, foreign as LmdbTransaction)
    return false
  }

  #wait(key: string, mode: LockMode, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | null = null
      let stopListening: (() => void) | null = null
      let stopTelling: (() => void) | null = null
      const { party } = this.#options
      const finish = (): void => {
        if (timer !== null) clearTimeout(timer)
        stopListening?.()
        stopTelling?.()
      }
      const refuse = (error: Error): void => {
        finish()
        this.engine.locks.cancel(waiter)
        reject(error)
      }
      const waiter: Waiter = {
        owner: this,
        key,
        mode,
        granted: () => {
          finish()
          resolve()
        },
        refused: refuse,
        circle: () => circleDetail(this.party),
      }
      if (party !== undefined) {
        const blockers = () => this.#blockers()
        stopTelling = party.wait({ kind: 'transactionid', target: null, since: performance.now(), elsewhere: false, blockers })
      }
      try {
        this.engine.locks.enqueue(waiter)
      } catch (error) {
        finish()
        throw error
      }
      if (timeoutMs > 0)
        timer = setTimeout(() => refuse(new KvError('lockTimeout', 'lock wait timed out', { key: Buffer.from(key, 'latin1') })), timeoutMs)
      stopListening = this.#options.cancel?.onCancel(refuse) ?? null
    })
  }

  /** Whose transactions it waits for. */
  *#blockers(): Iterable<Blocker> {
    for (const owner of this.engine.locks.blockersOf(this)) {
      const { party, lockId } = owner as LmdbTransaction
      if (party !== null) yield { who: party, lock: transactionLock(lockId), toldAt: null }
    }
  }

  get party(): LockParty | null {
    return this.#options.party ?? null
  }

  /** Its number as those who wait for it are told. */
  get lockId(): bigint {
    this.#lockId ??= ++lastLockId
    return this.#lockId
  }

  /** Releases the locks taken since `held` of them were held. */
  #releaseSince(held: number): void {
    while (this.heldKeys.length > held) this.engine.locks.release(this.heldKeys.pop()!, this)
  }

  lockKeys(keys: readonly Uint8Array[], options: LockOptions): MaybePromise<LockResult> {
    const snapshot = this.scanSnapshot()
    this.#dirty = true
    const result = {
      status: new Uint8Array(keys.length),
      values: options.returnValues === true ? new Array<Buffer | null>(keys.length).fill(null) : null,
    }
    const held = this.heldKeys.length
    const settled = this.#lockFrom(0, keys, options, result, snapshot, held)
    return settled instanceof Promise ? settled.then(() => this.#relieveLocks(result)) : this.#relieveLocks(result)
  }

  #relieveLocks(result: LockResult): MaybePromise<LockResult> {
    if (this.heldKeys.length > MAX_LOCKS) throw new KvError('transactionTooLarge', `a transaction can hold ${MAX_LOCKS} row locks at most`)
    if (this.locksStay || this.heldKeys.length < this.engine.options.writeBufferEntries * LOCKS_PER_ENTRY) return result
    const relieved = this.#relieve()
    return relieved instanceof Promise ? relieved.then(() => result) : result
  }

  #lockFrom(
    first: number,
    keys: readonly Uint8Array[],
    options: LockOptions,
    result: LockResult,
    snapshot: number,
    heldBefore: number,
  ): MaybePromise<void> {
    try {
      for (let i = first; i < keys.length; i++) {
        const key = keyString(keys[i]!)
        const companion = options.companions === undefined ? null : keyString(options.companions[i]!)
        const blocked = this.#tryBoth(key, companion, options, heldBefore, i, result, snapshot)
        if (blocked !== null) {
          if (options.wait === 'skip') {
            result.status[i] = LOCK_SKIPPED
            continue
          }
          if (options.wait === 'nowait') throw new KvError('lockNotAvailable', 'could not obtain lock', { key: keys[i]! })
          return this.#wait(blocked, options.mode, options.timeoutMs).then(
            () => {
              this.#alive()
              return this.#lockFrom(i, keys, options, result, snapshot, heldBefore)
            },
            (error: unknown) => {
              this.#releaseSince(heldBefore)
              throw error
            },
          )
        }
      }
    } catch (error) {
      this.#releaseSince(heldBefore)
      throw error
    }
    return undefined
  }

  /** Locks and judges a key, its companion too, without waiting. Answers which of them somebody else holds; neither was taken then. */
  #tryBoth(
    key: string,
    companion: string | null,
    { mode, onlyExisting, onChange }: LockOptions,
    heldBefore: number,
    i: number,
    result: LockResult,
    snapshot: number,
  ): string | null {
    if (!this.#tryLock(key, mode)) {
      if (companion !== null) this.#giveBack(companion, heldBefore)
      return key
    }
    this.#examine(i, key, result, snapshot, onChange)
    if (onlyExisting === true && !this.#found && this.writes?.get(key) === undefined) {
      result.status[i] = LOCK_GONE
      this.#giveBack(key, heldBefore)
      if (companion !== null) this.#giveBack(companion, heldBefore)
      return null
    }
    if (companion === null) return null
    if (!this.#tryLock(companion, mode)) {
      this.#giveBack(key, heldBefore)
      return companion
    }
    if (this.#changed(companion, snapshot, onChange)) result.status[i] = LOCKED_CHANGED
    return null
  }

  /** Releases a lock if it was taken since `heldBefore` of them were held. */
  #giveBack(key: string, heldBefore: number): void {
    const at = this.heldKeys.lastIndexOf(key)
    if (at < heldBefore) return
    this.heldKeys.splice(at, 1)
    this.engine.locks.release(key, this)
  }

  /** Judges a key that #tryLock has just locked and read. */
  #examine(i: number, name: string, result: LockResult, snapshot: number, onChange: LockOptions['onChange']): void {
    result.status[i] = this.#changed(name, snapshot, onChange) ? LOCKED_CHANGED : LOCKED
    if (result.values === null) return
    const own = this.writes?.get(name)
    result.values[i] = own !== undefined ? ownValue(own) : this.#found ? this.engine.reader.take() : null
  }

  /** Whether the key that #tryLock has just read has a version newer than the snapshot: above READ COMMITTED that is the end. */
  #changed(name: string, snapshot: number, onChange: LockOptions['onChange']): boolean {
    if (this.engine.reader.newestStamp <= snapshot || snapshot === ANY) return false
    if (this.isolation === 'read committed' || onChange === 'tell') return true
    throw new KvError('writeConflict', 'could not serialize access due to concurrent update', {
      key: Buffer.from(name, 'latin1'),
      retryable: true,
    })
  }

  // Writes

  #writable(key: Uint8Array, valueBytes: number): number {
    const snapshot = this.scanSnapshot()
    if (this.#options.readOnly === true) throw new KvError('readOnly', 'cannot write in a read-only transaction')
    const { maxKeyBytes, maxValueBytes } = this.engine.options
    if (key.length === 0 || key.length > maxKeyBytes) {
      throw new KvError('keyTooLarge', `a key of ${key.length} bytes exceeds the maximum of ${maxKeyBytes}`, { key })
    }
    if (valueBytes > maxValueBytes)
      throw new KvError('valueTooLarge', `a value of ${valueBytes} bytes exceeds the maximum of ${maxValueBytes}`, { key })
    this.#dirty = true
    return snapshot
  }

  /** `fresh`: the transaction has no write of the key so far. */
  #write(name: string, value: Uint8Array | null, fresh: boolean): void {
    let entry: WriteEntry
    const position = ++this.position
    if (value === null) entry = { key: name, kind: TOMBSTONE, slab: null, at: 0, size: HEADER, position }
    else {
      const size = HEADER + value.length
      allocate(size + INTENT_EXTRA)
      const at = offset + INTENT_EXTRA
      const into = slab.bytes
      const length = value.length
      if (length <= LOOP_BYTES) for (let i = 0, to = at + HEADER; i < length; i++) into[to + i] = value[i]!
      else into.set(value, at + HEADER)
      entry = { key: name, kind: VALUE, slab, at, size, position }
    }
    const writes = (this.writes ??= new WriteBuffer())
    if (this.#log !== null) this.#log.push({ key: name, before: fresh ? undefined : writes.get(name) })
    if (fresh) writes.add(entry)
    else writes.set(entry)
    if (this.serializable !== null) this.serializable.writes.add(name)
  }

  #afterWrite(): MaybePromise<void> {
    const writes = this.writes!
    if (writes.entries.size < this.engine.options.writeBufferEntries && writes.bytes < RELIEVE_BYTES) return undefined
    return this.#relieve()
  }

  /** `waited`: the lock was just waited for, and what lies behind it may have changed meanwhile. */
  #put(key: Uint8Array, value: Uint8Array | null, waited = false): MaybePromise<void> {
    const snapshot = this.#writable(key, value === null ? 0 : value.length)
    const name = keyString(key)
    if (this.#options.autocommit === true && (waited || this.engine.locks.held(name, this) !== 'exclusive')) {
      if (!this.#tryLock(name, 'exclusive')) {
        const copy = value === null ? null : Buffer.from(value)
        const keyCopy = Buffer.from(key)
        return this.#wait(name, 'exclusive', this.lockTimeoutMs).then(() => this.#put(keyCopy, copy, true))
      }
      // tryLock has read the key
      if (this.engine.reader.newestStamp > snapshot) {
        throw new KvError('writeConflict', 'could not serialize access due to concurrent update', { key, retryable: true })
      }
    }
    this.#write(name, value, false)
    return this.#afterWrite()
  }

  put(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.#put(key, value)
  }

  delete(key: Uint8Array): MaybePromise<void> {
    return this.#put(key, null)
  }

  insert(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.insertMany([key], [value])
  }

  insertMany(keys: readonly Uint8Array[], values: readonly Uint8Array[], stands?: Stands): MaybePromise<void> {
    return this.#insertFrom(0, keys, values, stands)
  }

  #insertFrom(first: number, keys: readonly Uint8Array[], values: readonly Uint8Array[], stands: Stands | undefined): MaybePromise<void> {
    for (let i = first; i < keys.length; i++) {
      const key = keys[i]!
      const value = values[i]!
      const snapshot = this.#writable(key, value.length)
      const name = keyString(key)
      const own = this.writes?.get(name)
      if (own !== undefined) {
        if (own.kind === VALUE) throw exists(key)
      } else {
        if (!this.#lockInsertion(name)) {
          if (this.#stands(key, name, name, snapshot)) throw exists(key)
          return this.#insertLater(i, name, keys, values, stands)
        }
        this.#gap ??= new Gap()
        if (!this.engine.reads.absent(name, this.#gap)) {
          const { reader } = this.engine
          const found = reader.read(key, ANY, this.id)
          if (reader.foreign !== null) {
            this.#tryLock(name, 'exclusive')
            return this.#insertLater(i, name, keys, values, stands)
          }
          if (this.serializable !== null) this.#noteRead(key, reader.newestStamp, snapshot, false)
          if (found) {
            const judged = stands?.(key, false) ?? true
            if (judged === true) throw exists(key)
            return andThen(judged, (itStands) => {
              if (itStands) throw exists(key)
              return this.#insertFrom(i, keys, values, stands)
            })
          }
        } else if (this.serializable !== null) this.serializable.reads.add(name)
      }
      this.#write(name, value, own === undefined)
      const relieved = this.#afterWrite()
      if (relieved instanceof Promise) {
        if (i + 1 === keys.length) return relieved
        return relieved.then(() => this.#insertFrom(i + 1, keys, values, stands))
      }
    }
    return undefined
  }

  /** The lock of a key to insert: taken, or in a bulk load left to what is about to be written. */
  #lockInsertion(name: string): boolean {
    const { locks } = this.engine
    if (this.position >= BULK_WRITES && this.#savepoints === null && locks.isFree(name, this)) {
      locks.bulkWriters.add(this)
      return true
    }
    return locks.tryLock(name, this, 'exclusive') && !locks.yieldToBulk(name, this)
  }

  hasWritten(key: string): boolean {
    return this.writes?.get(key) !== undefined
  }

  stands(key: Uint8Array, guard: Uint8Array = key): boolean {
    this.#alive()
    return this.#stands(key, keyString(key), keyString(guard), this.scanSnapshot())
  }

  /** The key has a value that whoever holds the lock of its guard has not touched: however they end, it stands, so nothing is waited for. */
  #stands(key: Uint8Array, name: string, guard: string, snapshot: number): boolean {
    const holder = this.engine.locks.exclusiveHolder(guard) as LmdbTransaction | null
    if (holder?.hasWritten(name) === true) return false
    const { reader } = this.engine
    const found = reader.read(key, ANY, this.id)
    if (reader.foreign !== null) return false
    if (this.serializable !== null) this.#noteRead(key, reader.newestStamp, snapshot, false)
    return found
  }

  #insertLater(
    i: number,
    name: string,
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    stands: Stands | undefined,
  ): Promise<void> {
    return this.#wait(name, 'exclusive', this.lockTimeoutMs).then(() => this.#insertFrom(i, keys, values, stands))
  }

  // Relief

  /** Moves buffered writes into the environment. At most one such move is under way: a second one waits. */
  #relieve(): MaybePromise<void> {
    if (this.#relieving !== null) return this.#relieving.then(() => (this.#overfull() ? this.#relieve() : undefined))
    const moved = new Promise<void>((resolve, reject) => {
      this.engine.pipeline.submit(new RelieveItem(this, resolve, reject))
    })
    this.#relieving = moved.then(
      () => {
        this.#relieving = null
      },
      (error: unknown) => {
        this.#relieving = null
        this.#relieveFailed = error as Error
      },
    )
    // the writer may go on filling the buffer while this one is on its way
    return undefined
  }

  #overfull(): boolean {
    this.#alive()
    const { writeBufferEntries } = this.engine.options
    if (!this.locksStay && this.heldKeys.length >= writeBufferEntries * LOCKS_PER_ENTRY) return true
    return this.writes !== null && (this.writes.entries.size >= writeBufferEntries || this.writes.bytes >= RELIEVE_BYTES)
  }

  /** Positions of the savepoints in force, ascending. */
  savepointBetween(older: number, newer: number): boolean {
    if (this.#savepoints === null) return false
    for (const savepoint of this.#savepoints) if (older <= savepoint.position && savepoint.position < newer) return true
    return false
  }

  /** With savepoints locks stay in memory: rolling back removes intents, but a lock taken before the savepoint must remain. */
  get locksStay(): boolean {
    return this.#savepoints !== null
  }

  /**
   * These keys' locks lie in the environment now: gives up those in memory that nobody waits for, in slices. Until the last slice heldKeys may
   * name locks that are gone, which to release again does nothing.
   */
  async dropLocks(gone: { has(key: string): boolean }, locksToo: ReadonlySet<string>): Promise<void> {
    const { locks } = this.engine
    const kept: string[] = []
    const slicer = makeSlicer()
    slicer.start()
    for (let i = 0; !this.locksStay && !this.#ended; ) {
      const held = this.heldKeys
      for (const to = Math.min(i + RELEASED, held.length); i < to; i++) {
        const key = held[i]!
        if (!(gone.has(key) || locksToo.has(key)) || !locks.releaseUnwaited(key, this)) kept.push(key)
      }
      // fewer than were looked at: the writer has given some back meanwhile
      if (i >= held.length) {
        this.heldKeys = kept
        return
      }
      await slicer.pause()
    }
  }

  // Savepoints

  savepoint(): Savepoint {
    this.#alive()
    this.#log ??= []
    this.#savepoints ??= []
    this.#savepoints.push({ log: this.#log.length, held: this.heldKeys.length, position: this.position })
    return (this.#savepoints.length - 1) as Savepoint
  }

  rollbackTo(savepoint: Savepoint): MaybePromise<void> {
    if (this.#ended) throw new KvError('closed', 'the transaction has ended')
    if (this.#relieving !== null) return this.#relieving.then(() => this.rollbackTo(savepoint))
    this.#relieveFailed = null
    const state = this.#savepoints![savepoint]!
    this.#savepoints!.length = savepoint + 1
    return andThen(this.#undo(state), () => {
      if (this.id === 0 || this.#ended) return undefined
      return new Promise((resolve, reject) => this.engine.pipeline.submit(new RestoreItem(this, state.position, resolve, reject)))
    })
  }

  /** Takes back writes in memory and locks taken since, many in slices. */
  #undo(state: SavepointState): MaybePromise<void> {
    const log = this.#log!
    const slicer = makeSlicer()
    slicer.start()
    return loop(() => {
      for (const to = Math.max(state.log, log.length - RELEASED); log.length > to; ) {
        const { key, before } = log.pop()!
        // the record of a write that is in the environment already is gone, but what came before another one may still name it
        if (before === undefined || before.position > state.position) this.writes?.remove(key)
        else this.writes?.set(before)
      }
      this.#releaseSince(Math.max(state.held, this.heldKeys.length - RELEASED))
      if (log.length <= state.log && this.heldKeys.length <= state.held) return false
      const pause = slicer.pause()
      return pause === null ? true : pause.then(() => true)
    })
  }

  /** The undo records so far; those the relief takes along end with `forgetLog`. */
  get log(): readonly LogRecord[] {
    return this.#log ?? []
  }

  forgetLog(records: number): void {
    if (this.#log === null || records === 0) return
    this.#log.splice(0, records)
    for (const savepoint of this.#savepoints ?? []) savepoint.log = Math.max(0, savepoint.log - records)
  }

  // The end

  refreshReadTs(): void {
    this.#alive()
    if (this.isolation !== 'read committed' || this.#options.latest === true) return
    if (this.snapshot === this.engine.visibleStamp) return
    this.engine.snapshots.remove(this)
    this.#takeSnapshot()
  }

  commit(options?: CommitOptions): MaybePromise<Timestamp | null> {
    this.#alive()
    if (this.#relieving !== null) return this.#relieving.then(() => this.commit(options))
    if (this.id === 0 && (this.writes === null || this.writes.empty)) {
      let finished: MaybePromise<void>
      try {
        if (this.serializable !== null) {
          this.engine.serializable.finishReadOnly(this.serializable, this.engine.pipeline.lastStamp)
          this.serializable = null
        }
      } finally {
        finished = this.finish()
      }
      return andThen(finished, () => null)
    }
    this.#ended = true
    return new Promise((resolve, reject) => {
      const limit = options?.maxCommitTs
      this.engine.pipeline.submit(
        new CommitItem(
          this,
          limit === undefined ? ANY : Number(limit),
          (stamp) => void andThen(this.finish(), () => resolve(timestamp(BigInt(stamp)))),
          (error) => void andThen(this.abandon(), () => reject(error)),
        ),
      )
    })
  }

  rollback(): MaybePromise<void> {
    if (this.#ended) return undefined
    this.#ended = true
    if (this.#relieving !== null) return this.#relieving.then(() => this.abandon())
    return this.abandon()
  }

  /** Ends without effect. */
  abandon(): MaybePromise<void> {
    if (this.waiting !== null) this.waiting.refused(new KvError('closed', 'the transaction has ended'))
    if (this.serializable !== null) this.engine.serializable.abort(this.serializable)
    this.serializable = null
    if (this.id !== 0) {
      this.state = 'aborted'
      this.engine.resolver.add({ id: this.id, state: 'aborted', commitStamp: 0 })
    }
    return this.finish()
  }

  /** Releases what is held, many locks in slices. */
  finish(): MaybePromise<void> {
    this.#ended = true
    this.engine.locks.bulkWriters.delete(this)
    this.engine.snapshots.remove(this)
    this.writes = null
    this.#log = null
    this.#savepoints = null
    if (this.heldKeys.length > RELEASED) return this.#releaseAll()
    this.#releaseSince(0)
    this.engine.transactions--
  }

  async #releaseAll(): Promise<void> {
    const slicer = makeSlicer()
    slicer.start()
    while (this.heldKeys.length > RELEASED) {
      this.#releaseSince(this.heldKeys.length - RELEASED)
      await slicer.pause()
    }
    this.#releaseSince(0)
    this.engine.transactions--
  }
}

function ownValue(entry: WriteEntry): Buffer | null {
  if (entry.kind !== VALUE) return null
  return copyOf(entry.slab!.bytes, entry.at + HEADER, entry.at + entry.size)
}

function exists(key: Uint8Array): KvError {
  return new KvError('alreadyExists', 'the key exists', { key })
}
