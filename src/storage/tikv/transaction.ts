// A transaction on TiKV. Reads go to a snapshot under the own writes; writes gather in memory; a transaction of several statements locks as it goes
// (pessimistic), one that commits itself leaves all to the commit (optimistic) and may have to be run again. // hot

import { type KeyspaceId, type Timestamp, timestamp } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { KvError } from '../kv-error.ts'
import {
  type BeginOptions,
  type CommitOptions,
  type IsolationLevel,
  type KeyRange,
  LOCK_GONE,
  LOCK_SKIPPED,
  LOCKED,
  LOCKED_CHANGED,
  type LockOptions,
  type LockResult,
  type Savepoint,
  type Scanner,
  type ScanOptions,
  type Stands,
  type StoreCapabilities,
  type Transaction,
} from '../store.ts'
import type { Capability } from './codec.ts'
import { commitTransaction } from './commit.ts'
import type { CommitLease } from './commit-lease.ts'
import type { Engine } from './engine.ts'
import { MAX_TS } from './gate.ts'
import { type Acquisition, FREE_AND_UNCHANGED, type HeldLock, HeldLocks, later } from './held-locks.ts'
import { type Mutation, type Mutations, mutationsOf } from './mutations.ts'
import { inParallel } from './parallel.ts'
import type { LockTarget } from './pessimistic.ts'
import { Op, PessimisticAction } from './proto/kvrpcpb.ts'
import type { SnapshotHolder } from './safe-points.ts'
import { type ScanSource, TikvScanner } from './scanner.ts'
import { type Piece, Snapshot } from './snapshot.ts'
import { WriteBuffer } from './write-buffer.ts'
import type { WriteEntry } from './write-run.ts'

interface SavepointState {
  /** A mark of the write buffer. */
  readonly writes: number
  readonly locks: number
}

/** Held locks compared with the writes before other work gets its turn. */
const LOOKS_PER_SLICE = 256

const READ_BY_LOCKING: Acquisition = { ...FREE_AND_UNCHANGED, returnValues: true, onlyExisting: 'all' }

/** Point reads under way for `newest`. */
const NEWEST_AT_ONCE = 16

export class TikvTransaction implements Transaction, ScanSource, SnapshotHolder {
  readonly engine: Engine
  readonly capability: Capability
  readonly isolation: IsolationLevel
  readonly keyspace: KeyspaceId
  readonly #limits: StoreCapabilities
  readonly #options: BeginOptions
  readonly #lease: CommitLease | null
  lockTimeoutMs = 0
  writes: WriteBuffer | null = null
  #startTs = 0n
  #readTs = 0n
  #starting: Promise<void> | null = null
  #snapshot: Snapshot | null = null
  readonly #locks: HeldLocks
  #savepoints: SavepointState[] = []
  #dirty = false
  #ended = false

  /** `lease`: null where nobody erases the keyspace meanwhile. */
  constructor(engine: Engine, capability: Capability, limits: StoreCapabilities, options: BeginOptions, lease: CommitLease | null = null) {
    if (options.isolation === 'serializable') throw new KvError('serialization', 'TiKV offers no SERIALIZABLE')
    this.engine = engine
    this.capability = capability
    this.keyspace = capability.id
    this.isolation = options.isolation
    this.#limits = limits
    this.#options = options
    this.#lease = lease
    this.#locks = new HeldLocks({
      engine,
      capability,
      cancel: options.cancel ?? null,
      failOnChange: options.isolation !== 'read committed',
      party: options.party ?? null,
    })
  }

  get dirty(): boolean {
    return this.#dirty
  }

  get readTs(): Timestamp | null {
    return this.#readTs === 0n ? null : timestamp(this.#readTs)
  }

  get oldestTs(): bigint {
    return this.#startTs
  }

  #alive(): void {
    if (this.#ended) throw new KvError('closed', 'the transaction has ended')
    if (this.engine.closed) throw new KvError('closed', 'the store is closed')
    if (this.#locks.lost !== null) throw this.#locks.lost
  }

  // Reads

  /** Fetches the timestamps that are missing; null when there are none. */
  #start(): Promise<void> | null {
    if (this.#readTs !== 0n) return null
    this.#starting ??= this.engine.oracle
      .next()
      .then((ts) => {
        if (this.#startTs === 0n) this.#startTs = ts
        this.#readTs = ts
        if (!this.#ended) this.engine.safePoints.hold(this)
      })
      .finally(() => {
        this.#starting = null
      })
    return this.#starting
  }

  #view(): Snapshot {
    if (this.#snapshot === null) {
      const ts = this.#options.latest === true ? MAX_TS : this.#readTs
      this.#snapshot = new Snapshot(this.engine, this.capability, ts, this.#options.cancel ?? null)
    }
    return this.#snapshot
  }

  get(key: Uint8Array): MaybePromise<Buffer | null> {
    this.#alive()
    const physical = this.capability.key(key)
    if (this.writes !== null) {
      const own = this.writes.get(physical.latin1Slice())
      if (own !== undefined) return own.value === null ? null : Buffer.from(own.value)
    }
    if (this.#options.latest === true) return this.#view().get(physical)
    const starting = this.#start()
    return starting === null ? this.#view().get(physical) : starting.then(() => this.#view().get(physical))
  }

  getLocking(key: Uint8Array): MaybePromise<Buffer | null> {
    this.#alive()
    const physical = this.capability.key(key)
    const name = physical.latin1Slice()
    if (this.writes?.get(name) !== undefined || this.#locks.has(name)) return this.get(key)
    return this.#getLocking(key, physical, name)
  }

  async #getLocking(key: Uint8Array, physical: Buffer, name: string): Promise<Buffer | null> {
    await this.#start()
    const target = this.#target(physical, name)
    const isLocked = await this.#tryAcquire([target], READ_BY_LOCKING)
    return isLocked ? target.value : this.get(key)
  }

  batchGet(keys: readonly Uint8Array[]): MaybePromise<(Buffer | null)[]> {
    this.#alive()
    if (keys.length === 0) return []
    return this.#batchGet(keys)
  }

  async #batchGet(keys: readonly Uint8Array[]): Promise<(Buffer | null)[]> {
    const physical = keys.map((key) => this.capability.key(key))
    const names = physical.map((key) => key.latin1Slice())
    const own = names.map((name) => this.writes?.get(name))
    const wanted = physical.filter((_, i) => own[i] === undefined)
    if (this.#options.latest !== true) await this.#start()
    const found = wanted.length === 0 ? null : await this.#view().batchGet(wanted)
    return names.map((name, i) => {
      const entry = own[i]
      if (entry !== undefined) return entry.value === null ? null : Buffer.from(entry.value)
      return found?.get(name) ?? null
    })
  }

  newest(keys: readonly Uint8Array[]): MaybePromise<(Buffer | null)[]> {
    this.#alive()
    return keys.length === 0 ? [] : this.#newest(keys)
  }

  /** Point reads each: only those may ask for the newest version. */
  async #newest(keys: readonly Uint8Array[]): Promise<(Buffer | null)[]> {
    const view = new Snapshot(this.engine, this.capability, MAX_TS, this.#options.cancel ?? null)
    const values = new Array<Buffer | null>(keys.length)
    await inParallel([...keys.entries()], NEWEST_AT_ONCE, async ([i, key]) => {
      const physical = this.capability.key(key)
      const own = this.writes?.get(physical.latin1Slice())
      values[i] = own === undefined ? await view.get(physical) : own.value === null ? null : Buffer.from(own.value)
    })
    return values
  }

  scan(range: KeyRange, options?: ScanOptions): Scanner {
    this.#alive()
    return new TikvScanner(this, range, options)
  }

  /** For the scanner. */
  async piece(start: Buffer, end: Buffer, reverse: boolean, limit: number, keysOnly: boolean): Promise<Piece> {
    this.#alive()
    await this.#start()
    const view =
      this.#options.latest === true ? new Snapshot(this.engine, this.capability, this.#readTs, this.#options.cancel ?? null) : this.#view()
    return view.piece(start, end, reverse, limit, keysOnly)
  }

  // Locks

  async lockKeys(keys: readonly Uint8Array[], options: LockOptions): Promise<LockResult> {
    this.#alive()
    await this.#start()
    this.#dirty = true
    const { returnValues = false } = options
    if (options.companions !== undefined) throw new Error('companions need shared locks')
    const status = new Uint8Array(keys.length)
    const values = returnValues ? new Array<Buffer | null>(keys.length).fill(null) : null
    const targets = new Map<string, LockTarget>()
    const names: string[] = new Array(keys.length)
    const unchecked: WriteEntry[] = []
    for (let i = 0; i < keys.length; i++) {
      const key = this.capability.key(keys[i]!)
      const name = key.latin1Slice()
      names[i] = name
      const own = this.writes?.get(name)
      if (this.#locks.has(name) && (!returnValues || own !== undefined)) continue
      if (own?.unchecked === true) unchecked.push(own)
      if (!targets.has(name)) targets.set(name, this.#target(key, name))
    }
    if (targets.size > 0) {
      await this.#acquire([...targets.values()], {
        ...options,
        returnValues: returnValues || unchecked.length > 0,
        mustNotExist: false,
        onlyExisting: options.onlyExisting === true && unchecked.length === 0 ? 'changed' : 'none',
        ...(options.onChange === 'tell' ? { failOnChange: false } : {}),
      })
    }
    // Under an own lock the commit would not look whether these exist.
    for (const { key, name, value } of unchecked) {
      if (!this.#locks.has(name)) continue
      if (targets.get(name)!.value !== null) throw exists(this.capability.user(key), true)
      this.#write(key, name, value, false)
    }
    for (let i = 0; i < keys.length; i++) {
      const name = names[i]!
      const held = this.#locks.get(name)
      if (held === undefined) {
        status[i] = targets.get(name)?.gone === true ? LOCK_GONE : LOCK_SKIPPED
        continue
      }
      status[i] = held.changedTs > this.#readTs ? LOCKED_CHANGED : LOCKED
      if (values === null) continue
      const own = this.writes?.get(name)
      values[i] = own !== undefined ? (own.value === null ? null : Buffer.from(own.value)) : (targets.get(name)?.value ?? null)
    }
    return { status, values }
  }

  async lockFree(keys: readonly Uint8Array[]): Promise<boolean> {
    this.#alive()
    await this.#start()
    const targets = new Map<string, LockTarget>()
    for (const one of keys) {
      const key = this.capability.key(one)
      const name = key.latin1Slice()
      if (this.#locks.has(name) || targets.has(name)) continue
      if (this.writes?.get(name)?.unchecked === true) return false
      targets.set(name, this.#target(key, name))
    }
    return targets.size === 0 || this.#tryAcquire([...targets.values()], FREE_AND_UNCHANGED)
  }

  /** False: not all are free and unchanged, and none of them is locked. */
  async #tryAcquire(targets: LockTarget[], options: Acquisition): Promise<boolean> {
    this.#dirty = true
    try {
      await this.#acquire(targets, options)
      return true
    } catch (error) {
      if (error instanceof KvError && (error.kind === 'lockNotAvailable' || error.kind === 'writeConflict')) return false
      throw error
    }
  }

  #target(key: Buffer, name: string): LockTarget {
    return { key, name, changedTs: 0n, ts: this.#readTs, locked: false, gone: false, value: null }
  }

  async #acquire(targets: LockTarget[], options: Acquisition): Promise<void> {
    const duplicate = await this.#locks.acquire({ startTs: this.#startTs, readTs: this.#readTs }, targets, options)
    if (duplicate !== undefined) throw exists(this.capability.user(duplicate.key))
  }

  /** Gives a lock back before the end: of a key that was not written, and not the first one taken, on which the others hang. */
  unlock(key: Uint8Array): Promise<void> {
    return this.#locks.unlock(this.capability.key(key).latin1Slice())
  }

  /** Told when locks were lost while nothing was asked of the transaction. */
  set onLost(told: (error: KvError) => void) {
    this.#locks.onLost = told
  }

  // Writes

  #writable(key: Uint8Array, valueBytes: number): void {
    this.#alive()
    if (this.#options.readOnly === true) throw new KvError('readOnly', 'cannot write in a read-only transaction')
    const { maxKeyBytes, maxValueBytes } = this.#limits
    if (key.length === 0 || key.length > maxKeyBytes) {
      throw new KvError('keyTooLarge', `a key of ${key.length} bytes exceeds the maximum of ${maxKeyBytes}`, { key })
    }
    if (valueBytes > maxValueBytes) {
      throw new KvError('valueTooLarge', `a value of ${valueBytes} bytes exceeds the maximum of ${maxValueBytes}`, { key })
    }
    this.#dirty = true
  }

  #write(key: Buffer, name: string, value: Uint8Array | null, unchecked: boolean): void {
    const { engine } = this
    if (this.writes === null) {
      this.writes = new WriteBuffer({ memory: engine, dir: engine.spillDir, spillAt: engine.spillAt })
      if (this.#savepoints.length > 0) this.writes.mark()
    }
    this.writes.set(key, name, value === null ? null : Buffer.from(value), unchecked)
    if (this.writes.bytes > engine.maxTransactionBytes) {
      throw new KvError('transactionTooLarge', `a transaction can hold ${engine.maxTransactionBytes} bytes of writes on TiKV`)
    }
    if (engine.bufferedBytes > engine.maxBufferedBytes) {
      throw new KvError('transactionTooLarge', `the transactions of this process hold ${engine.maxBufferedBytes} bytes of writes already`)
    }
  }

  put(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.#put(key, value)
  }

  delete(key: Uint8Array): MaybePromise<void> {
    return this.#put(key, null)
  }

  #put(key: Uint8Array, value: Uint8Array | null): MaybePromise<void> {
    this.#writable(key, value === null ? 0 : value.length)
    const physical = this.capability.key(key)
    const name = physical.latin1Slice()
    this.#write(physical, name, value, this.writes?.get(name)?.unchecked === true)
    return this.writes!.relieve()
  }

  insert(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.insertMany([key], [value])
  }

  insertMany(keys: readonly Uint8Array[], values: readonly Uint8Array[], stands?: Stands): MaybePromise<void> {
    const targets = new Map<string, LockTarget>()
    const entries: { key: Buffer; name: string }[] = new Array(keys.length)
    const isAutocommit = this.#options.autocommit === true
    for (let i = 0; i < keys.length; i++) {
      this.#writable(keys[i]!, values[i]!.length)
      const key = this.capability.key(keys[i]!)
      const name = key.latin1Slice()
      entries[i] = { key, name }
      const own = this.writes?.get(name)
      if (own !== undefined ? own.value !== null : targets.has(name)) throw exists(keys[i]!)
      if (own === undefined) targets.set(name, this.#target(key, name))
    }
    const isLater = isAutocommit && !entries.some(({ name }) => this.#locks.has(name))
    if (isLater || targets.size === 0) {
      for (let i = 0; i < entries.length; i++) this.#insertOne(entries[i]!, values[i]!, isAutocommit)
      return this.writes?.relieve()
    }
    const copies = values.map((value) => Buffer.from(value))
    if (this.#locks.count >= this.engine.maxInsertLocks) return this.#insertUnlocked([...targets.values()], entries, copies)
    return this.#insertLocked([...targets.values()], entries, copies, stands)
  }

  #insertOne({ key, name }: { key: Buffer; name: string }, value: Uint8Array, isUnchecked: boolean): void {
    const own = this.writes?.get(name)
    this.#write(key, name, value, own === undefined ? isUnchecked : own.unchecked)
  }

  /** With many locks held, more keys are not locked: that they are new is seen now, and once more by the commit. */
  async #insertUnlocked(targets: readonly LockTarget[], entries: { key: Buffer; name: string }[], values: Buffer[]): Promise<void> {
    await this.#start()
    const found = await this.#view().batchGet(targets.map(({ key }) => key))
    for (const { key, name } of targets) if ((found.get(name) ?? null) !== null) throw exists(this.capability.user(key))
    for (let i = 0; i < entries.length; i++) this.#insertOne(entries[i]!, values[i]!, !this.#locks.has(entries[i]!.name))
    await this.writes!.relieve()
  }

  async #insertLocked(
    targets: LockTarget[],
    entries: { key: Buffer; name: string }[],
    values: Buffer[],
    stands: Stands | undefined,
  ): Promise<void> {
    await this.#start()
    for (const target of targets) target.ts = this.#readTs
    const insertion = { timeoutMs: this.lockTimeoutMs, returnValues: false, mustNotExist: true, onlyExisting: 'none' } as const
    let wait: 'block' | 'nowait' = stands === undefined ? 'block' : 'nowait'
    for (let isIn = false; !isIn; ) {
      try {
        await this.#acquire(targets, { ...insertion, wait })
        isIn = true
      } catch (error) {
        if (stands === undefined || !(error instanceof KvError) || error.key === null) throw error
        const isHeld = error.kind === 'lockNotAvailable'
        if (!isHeld && error.kind !== 'alreadyExists') throw error
        if (await stands(error.key, isHeld)) throw exists(error.key)
        if (isHeld) wait = 'block'
      }
    }
    for (let i = 0; i < entries.length; i++) this.#insertOne(entries[i]!, values[i]!, false)
    await this.writes!.relieve()
  }

  // Savepoints

  savepoint(): Savepoint {
    this.#savepoints.push({ writes: this.writes?.mark() ?? 0, locks: this.#locks.count })
    return (this.#savepoints.length - 1) as Savepoint
  }

  rollbackTo(savepoint: Savepoint): MaybePromise<void> {
    if (this.#ended) throw new KvError('closed', 'the transaction has ended')
    const { writes, locks } = this.#savepoints[savepoint]!
    this.#savepoints.length = savepoint + 1
    return andThen(this.writes?.rollbackTo(writes), () => (this.#locks.count === locks ? undefined : this.#locks.releaseSince(locks)))
  }

  // The end

  refreshReadTs(): void {
    this.#alive()
    if (this.isolation !== 'read committed' || this.#options.latest === true) return
    if (this.#readTs === 0n) return
    this.#readTs = 0n
    this.#snapshot = null
    // What neither wrote nor locked has nothing at its start: it need not hold old versions.
    if (!this.#dirty) this.#startTs = 0n
    // Asked for now and waited for at the next use, which asks again if this fails.
    this.#start()?.catch(() => undefined)
  }

  commit(options: CommitOptions = {}): MaybePromise<Timestamp | null> {
    this.#alive()
    const isEmpty = this.writes === null || this.writes.isEmpty
    if (isEmpty && this.#locks.count === 0) {
      this.#finish()
      return null
    }
    this.#ended = true
    return isEmpty ? this.#releaseAll().then(() => null) : this.#commit(options)
  }

  async #commit(options: CommitOptions): Promise<Timestamp | null> {
    try {
      if (this.#startTs === 0n) await this.#start()
      const laterCommitTs = async () =>
        sooner((await options.laterCommitTs?.()) ?? options.maxCommitTs ?? 0n, (await this.#lease?.endTs()) ?? 0n)
      let maxCommitTs = sooner(options.maxCommitTs ?? 0n, (await this.#lease?.endTs()) ?? 0n)
      const hasLocks = this.#locks.count > 0
      const writes = this.writes!
      await writes.settled()
      const { unwritten, first } = await this.#sortLocks(writes)
      await this.#locks.makeSure(unwritten)
      const mutations = this.#mutations(writes, first)
      if (mutations === null) {
        this.#finish()
        return null
      }
      // Below the safe point the records are gone that a conflict would be found by.
      if (performance.now() > this.engine.safePoints.trustedUntil(this.#startTs)) await this.engine.safePoints.check(this.#startTs)
      if (maxCommitTs !== 0n && this.#startTs >= maxCommitTs) maxCommitTs = await laterCommitTs()
      if (maxCommitTs !== 0n && this.#startTs >= maxCommitTs) {
        throw new KvError('schemaChanged', 'the commit came too late for the schema it was made under', { retryable: true })
      }
      // Written in files: the commit goes on with them after its answer, and closes them.
      if (writes.isSpilled) this.writes = null
      const commitTs = await commitTransaction({
        engine: this.engine,
        capability: this.capability,
        startTs: this.#startTs,
        mutations,
        forUpdateTs: hasLocks ? later(this.#locks.maxTs, this.#startTs) : 0n,
        isLong: this.#options.autocommit !== true,
        maxCommitTs,
        laterCommitTs,
        cancel: this.#options.cancel ?? null,
      })
      await this.#locks.release(unwritten)
      this.#finish()
      return timestamp(commitTs)
    } catch (error) {
      if (!(error instanceof KvError && error.kind === 'undetermined')) await this.#releaseAll()
      else this.#finish()
      if (error instanceof KvError && error.kind === 'alreadyExists') {
        if (this.#options.autocommit === true) throw error.key === null ? error : exists(error.key, true)
        throw new KvError('writeConflict', 'a key that was new has been inserted by another transaction', { retryable: true, cause: error })
      }
      throw error
    }
  }

  /** Locks of keys that the commit does not write, and the first one of a key that it writes. */
  async #sortLocks(writes: WriteBuffer): Promise<{ unwritten: HeldLock[]; first: WriteEntry | null }> {
    const slicer = makeSlicer()
    slicer.start()
    const unwritten: HeldLock[] = []
    let first: WriteEntry | null = null
    let looked = 0
    for (const held of this.#locks.all()) {
      const written = writes.get(held.name)
      if (written === undefined) unwritten.push(held)
      else first ??= written
      if (++looked % LOOKS_PER_SLICE === 0) await slicer.pause()
    }
    return { unwritten, first }
  }

  /**
   * What the commit writes; null when that is nothing. `first` is to be the primary: a key that is only locked would do, but the commit's record of it
   * looks like a change of the key to others.
   */
  #mutations(writes: WriteBuffer, first: WriteEntry | null): Mutations | null {
    const hasLocks = this.#locks.count > 0
    return mutationsOf(writes, (entry) => this.#mutation(entry, hasLocks), first === null ? null : this.#mutation(first, hasLocks))
  }

  #mutation(entry: WriteEntry, isPessimistic: boolean): Mutation | null {
    const { key, name, value, unchecked } = entry
    const action = !isPessimistic
      ? PessimisticAction.SKIP_PESSIMISTIC_CHECK
      : this.#locks.has(name)
        ? PessimisticAction.DO_PESSIMISTIC_CHECK
        : this.#options.autocommit === true || unchecked
          ? PessimisticAction.DO_CONSTRAINT_CHECK
          : PessimisticAction.SKIP_PESSIMISTIC_CHECK
    if (!unchecked) return { key, op: value === null ? Op.Del : Op.Put, value, action }
    if (value !== null) return { key, op: this.#locks.has(name) ? Op.Put : Op.Insert, value, action }
    return isPessimistic ? null : { key, op: Op.CheckNotExists, value: null, action }
  }

  async #releaseAll(): Promise<void> {
    this.#ended = true
    const held = await this.#locks.end()
    this.#finish()
    await this.#locks.release(held)
  }

  #finish(): void {
    this.#ended = true
    this.engine.safePoints.release(this)
    this.#locks.forget()
    this.writes?.close()
    this.writes = null
    this.#savepoints = []
    this.#snapshot = null
  }

  rollback(): MaybePromise<void> {
    if (this.#ended) return
    this.#ended = true
    if (this.#locks.count === 0 || this.engine.closed) {
      this.#finish()
      return
    }
    return this.#releaseAll()
  }
}

/** The earlier of two limits; 0 = none. */
function sooner(a: bigint, b: bigint): bigint {
  return a === 0n || (b !== 0n && b < a) ? b : a
}

/** `retryable`: run again with locks, the statement itself finds the key and can say whose it is. */
function exists(key: Uint8Array, retryable = false): KvError {
  return new KvError('alreadyExists', 'the key exists', { key, retryable })
}
