// A transaction on TiKV. Reads go to a snapshot under the own writes; writes gather in memory; a transaction of several statements locks as it goes
// (pessimistic), one that commits itself leaves all to the commit (optimistic) and may have to be run again. // hot

import { type KeyspaceId, type Timestamp, timestamp } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
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
  type StoreCapabilities,
  type Transaction,
} from '../store.ts'
import type { Capability } from './codec.ts'
import { commitTransaction } from './commit.ts'
import type { Engine } from './engine.ts'
import { MAX_TS } from './gate.ts'
import { startHeartbeat } from './heartbeat.ts'
import { type Mutation, type Mutations, mutationsOf } from './mutations.ts'
import { inParallel } from './parallel.ts'
import { acquireLocks, type LockCall, type LockTarget, lockHeld, releaseLocks } from './pessimistic.ts'
import { Op, PessimisticAction } from './proto/kvrpcpb.ts'
import type { SnapshotHolder } from './safe-points.ts'
import { type ScanSource, TikvScanner } from './scanner.ts'
import { type Piece, Snapshot } from './snapshot.ts'
import { WriteBuffer } from './write-buffer.ts'
import type { WriteEntry } from './write-run.ts'

interface HeldLock {
  readonly key: Buffer
  readonly name: string
  /** What it was locked at. */
  readonly ts: bigint
  /** Commit of a newer version than the snapshot it was locked under; 0 = none. */
  readonly changedTs: bigint
}

/**
 * Stores keep locks in their leader's memory, and a leader that dies takes them along; another is elected 10 s later at the earliest. Locks older
 * than this are looked after before anything rests on them.
 */
const LOCKS_ARE_SAFE_MS = 5000

type Acquisition = Pick<LockCall, 'wait' | 'timeoutMs' | 'returnValues' | 'mustNotExist' | 'onlyExisting'>

interface SavepointState {
  /** A mark of the write buffer. */
  readonly writes: number
  readonly locks: number
}

/** Locks of one transaction, which stay in memory (about 400 bytes for each). */
const MAX_LOCKS = 1024 * 1024

/** Point reads under way for `newest`. */
const NEWEST_AT_ONCE = 16

/** The later of two timestamps; Math.max takes no bigints. */
function later(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}

export class TikvTransaction implements Transaction, ScanSource, SnapshotHolder {
  readonly engine: Engine
  readonly capability: Capability
  readonly isolation: IsolationLevel
  readonly keyspace: KeyspaceId
  readonly #limits: StoreCapabilities
  readonly #options: BeginOptions
  lockTimeoutMs = 0
  /** Told when locks were lost while nothing was asked of the transaction. */
  onLost: ((error: KvError) => void) | null = null
  writes: WriteBuffer | null = null
  #startTs = 0n
  #readTs = 0n
  #starting: Promise<void> | null = null
  #snapshot: Snapshot | null = null
  readonly #locks = new Map<string, HeldLock>()
  /** Names in the order taken. */
  readonly #lockOrder: string[] = []
  #primary: Buffer | null = null
  #maxForUpdateTs = 0n
  /** When the first lock was taken, performance.now(). */
  #lockedAt = 0
  #stopHeartbeat: (() => void) | null = null
  /** Under way: locks that were lost are taken again. */
  #renewing: Promise<void> | null = null
  #savepoints: SavepointState[] = []
  #dirty = false
  #ended = false
  #lost: KvError | null = null

  constructor(engine: Engine, capability: Capability, limits: StoreCapabilities, options: BeginOptions) {
    if (options.isolation === 'serializable') throw new KvError('serialization', 'TiKV offers no SERIALIZABLE')
    this.engine = engine
    this.capability = capability
    this.keyspace = capability.id
    this.isolation = options.isolation
    this.#limits = limits
    this.#options = options
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
    if (this.#lost !== null) throw this.#lost
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
        onlyExisting: options.onlyExisting === true && unchecked.length === 0,
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

  #target(key: Buffer, name: string): LockTarget {
    return { key, name, changedTs: 0n, ts: this.#readTs, locked: false, gone: false, value: null }
  }

  #call(options: Acquisition, failOnChange: boolean): LockCall {
    return {
      engine: this.engine,
      capability: this.capability,
      startTs: this.#startTs,
      readTs: this.#readTs,
      failOnChange,
      wait: options.wait,
      timeoutMs: options.timeoutMs,
      returnValues: options.returnValues,
      mustNotExist: options.mustNotExist,
      onlyExisting: options.onlyExisting,
      cancel: this.#options.cancel ?? null,
      primary: this.#primary,
      maxTs: this.#maxForUpdateTs,
    }
  }

  async #acquire(targets: LockTarget[], options: Acquisition): Promise<void> {
    let fresh = targets.filter(({ name }) => !this.#locks.has(name))
    if (this.#locks.size + fresh.length > MAX_LOCKS) {
      throw new KvError('transactionTooLarge', `a transaction can hold ${MAX_LOCKS} row locks at most on TiKV`)
    }
    let duplicate: LockTarget | undefined
    const again = targets.filter(({ name }) => this.#locks.has(name))
    const call = this.#call(options, this.isolation !== 'read committed')
    // What is held already is asked for its value only, and not given back by a failure.
    for (const target of again) target.ts = later(this.#maxForUpdateTs, target.ts)
    if (again.length > 0) {
      const held: LockCall = {
        ...call,
        returnValues: options.returnValues || options.mustNotExist,
        mustNotExist: false,
        onlyExisting: false,
      }
      try {
        await lockHeld(held, again)
      } finally {
        call.maxTs = held.maxTs
        this.#maxForUpdateTs = held.maxTs
      }
      // A store takes a lock that is held for an answer: it does not look whether the key exists. Those before it may exist, too, and are told first.
      if (options.mustNotExist) duplicate = again.find(({ value }) => value !== null)
      if (duplicate !== undefined) fresh = targets.slice(0, targets.indexOf(duplicate)).filter((target) => fresh.includes(target))
    }
    try {
      if (fresh.length > 0) await acquireLocks(call, fresh)
    } finally {
      this.#maxForUpdateTs = call.maxTs
    }
    for (const target of fresh) {
      if (!target.locked) continue
      const { key, name, ts, changedTs } = target
      this.#locks.set(name, { key, name, ts, changedTs })
      this.#lockOrder.push(target.name)
    }
    if (call.primary !== null && this.#primary === null) this.#setPrimary(call.primary)
    if (duplicate !== undefined) throw exists(this.capability.user(duplicate.key))
  }

  /** Gives a lock back before the end: of a key that was not written, and not the first one taken, on which the others hang. */
  async unlock(key: Uint8Array): Promise<void> {
    const name = this.capability.key(key).latin1Slice()
    const held = this.#locks.get(name)
    if (held === undefined) return
    this.#locks.delete(name)
    this.#lockOrder.splice(this.#lockOrder.indexOf(name), 1)
    await this.#release([held])
  }

  #setPrimary(primary: Buffer): void {
    this.#primary = primary
    this.#lockedAt = performance.now()
    this.#stopHeartbeat = startHeartbeat({ engine: this.engine, capability: this.capability, startTs: this.#startTs, primary }, () => {
      if (this.#ended || this.#renewing !== null) return
      this.#renewing = this.#renew([...this.#locks.values()])
        .catch((error: KvError) => {
          this.#lost = error
          this.onLost?.(error)
        })
        .finally(() => {
          this.#renewing = null
        })
    })
  }

  /** Takes locks again that may have got lost. Fails if the keys were locked or committed by others since: then the transaction is over. */
  async #renew(held: readonly HeldLock[]): Promise<void> {
    const call = this.#call({ wait: 'nowait', timeoutMs: 0, returnValues: false, mustNotExist: false, onlyExisting: false }, true)
    try {
      await lockHeld(
        call,
        held.map(({ key, name, ts }) => ({ key, name, changedTs: 0n, ts, locked: false, gone: false, value: null })),
      )
    } catch (error) {
      if (!(error instanceof KvError) || error.kind === 'unavailable' || error.kind === 'closed') throw error
      throw new KvError('writeConflict', 'the locks of the transaction were lost, and others took their keys', {
        retryable: true,
        cause: error,
      })
    }
  }

  /** Releases the locks taken since `held` of them were held. */
  async #releaseSince(held: number): Promise<void> {
    const names = this.#lockOrder.splice(held)
    const targets = names.map((name) => this.#locks.get(name)!)
    for (const name of names) this.#locks.delete(name)
    if (held === 0) {
      this.#stopHeartbeat?.()
      this.#stopHeartbeat = null
      this.#primary = null
    }
    if (targets.length === 0) return
    await releaseLocks({ engine: this.engine, capability: this.capability, startTs: this.#startTs }, targets, this.#maxForUpdateTs)
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

  insertMany(keys: readonly Uint8Array[], values: readonly Uint8Array[]): MaybePromise<void> {
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
    if (this.#locks.size >= this.engine.maxInsertLocks) return this.#insertUnlocked([...targets.values()], entries, copies)
    return this.#insertLocked([...targets.values()], entries, copies)
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

  async #insertLocked(targets: LockTarget[], entries: { key: Buffer; name: string }[], values: Buffer[]): Promise<void> {
    await this.#start()
    for (const target of targets) target.ts = this.#readTs
    await this.#acquire(targets, {
      wait: 'block',
      timeoutMs: this.lockTimeoutMs,
      returnValues: false,
      mustNotExist: true,
      onlyExisting: false,
    })
    for (let i = 0; i < entries.length; i++) this.#insertOne(entries[i]!, values[i]!, false)
    await this.writes!.relieve()
  }

  // Savepoints

  savepoint(): Savepoint {
    this.#savepoints.push({ writes: this.writes?.mark() ?? 0, locks: this.#lockOrder.length })
    return (this.#savepoints.length - 1) as Savepoint
  }

  rollbackTo(savepoint: Savepoint): MaybePromise<void> {
    if (this.#ended) throw new KvError('closed', 'the transaction has ended')
    const { writes, locks } = this.#savepoints[savepoint]!
    this.#savepoints.length = savepoint + 1
    return andThen(this.writes?.rollbackTo(writes), () => (this.#lockOrder.length === locks ? undefined : this.#releaseSince(locks)))
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
    if (isEmpty && this.#lockOrder.length === 0) {
      this.#finish()
      return null
    }
    this.#ended = true
    return isEmpty ? this.#releaseAll().then(() => null) : this.#commit(options)
  }

  async #commit({ maxCommitTs = timestamp(0n), laterCommitTs }: CommitOptions): Promise<Timestamp | null> {
    try {
      if (this.#startTs === 0n) await this.#start()
      const hasLocks = this.#lockOrder.length > 0
      const writes = this.writes!
      await writes.settled()
      const rest = [...this.#locks.values()].filter(
        ({ key, name }) => this.#primary?.equals(key) !== true && writes.get(name) === undefined,
      )
      if (this.#renewing !== null) await this.#renewing
      if (this.#lost !== null) throw this.#lost
      // A lost lock of a key that is written is found by its prewrite; of one that was only locked, by nothing but this.
      if (rest.length > 0 && performance.now() - this.#lockedAt > LOCKS_ARE_SAFE_MS) await this.#renew(rest)
      const mutations = this.#mutations(writes, hasLocks)
      if (mutations === null) {
        this.#finish()
        return null
      }
      // Below the safe point the records are gone that a conflict would be found by.
      if (performance.now() > this.engine.safePoints.trustedUntil(this.#startTs)) await this.engine.safePoints.check(this.#startTs)
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
        forUpdateTs: hasLocks ? later(this.#maxForUpdateTs, this.#startTs) : 0n,
        isLong: this.#options.autocommit !== true,
        maxCommitTs,
        laterCommitTs: laterCommitTs ?? null,
        cancel: this.#options.cancel ?? null,
      })
      if (rest.length > 0) await this.#release(rest)
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

  /** What the commit writes; null when that is nothing. */
  #mutations(writes: WriteBuffer, hasLocks: boolean): Mutations | null {
    const lockPrimary: Mutation | null =
      hasLocks && writes.get(this.#primary!.latin1Slice()) === undefined
        ? { key: this.#primary!, op: Op.Lock, value: null, action: PessimisticAction.DO_PESSIMISTIC_CHECK }
        : null
    return mutationsOf(writes, (entry) => this.#mutation(entry, hasLocks), this.#primary, lockPrimary)
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

  async #release(held: readonly HeldLock[]): Promise<void> {
    try {
      await releaseLocks({ engine: this.engine, capability: this.capability, startTs: this.#startTs }, held, this.#maxForUpdateTs)
    } catch (error) {
      // They expire by themselves.
      this.engine.log.warn('locks could not be released', { error: (error as Error).message })
    }
  }

  async #releaseAll(): Promise<void> {
    if (this.#renewing !== null) await this.#renewing
    const held = [...this.#locks.values()]
    this.#finish()
    if (held.length > 0) await this.#release(held)
  }

  #finish(): void {
    this.#ended = true
    this.engine.safePoints.release(this)
    this.#stopHeartbeat?.()
    this.#stopHeartbeat = null
    this.#locks.clear()
    this.#lockOrder.length = 0
    this.#primary = null
    this.writes?.close()
    this.writes = null
    this.#savepoints = []
    this.#snapshot = null
  }

  rollback(): MaybePromise<void> {
    if (this.#ended) return
    this.#ended = true
    if (this.#lockOrder.length === 0 || this.engine.closed) {
      this.#finish()
      return
    }
    return this.#releaseAll()
  }
}

/** `retryable`: run again with locks, the statement itself finds the key and can say whose it is. */
function exists(key: Uint8Array, retryable = false): KvError {
  return new KvError('alreadyExists', 'the key exists', { key, retryable })
}
