// The only door to data: what a store of transactional key-value keyspaces offers. Two implementations: storage/lmdb and storage/tikv.
//
// A Transaction is bound to one keyspace by construction: there is no call that takes a keyspace and a key. Keys here are user keys
// (docs: design "Keys, rows, versions"); a prefix, if the store needs one, is added below this interface.

import type { CancelToken } from '../base/cancel.ts'
import type { KeyspaceId, Timestamp } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { KvError } from './kv-error.ts'
import type { LockKind, LockParty } from './lock-party.ts'

/** Keys from `start` (inclusive) to `end` (exclusive); both non-empty. */
export interface KeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array
}

/**
 * Entries of a scan without an object per row: entry i's key is data[bounds[4i], bounds[4i+1]) and its value
 * data[bounds[4i+2], bounds[4i+3]). Valid until the scanner's next call.
 */
export interface KvBatch {
  readonly count: number
  readonly data: Buffer
  readonly bounds: Uint32Array
}

export interface ScanOptions {
  reverse?: boolean
  /** Entries wanted at most; the scanner reads ahead no further. */
  limit?: number
  keysOnly?: boolean
}

export interface Scanner {
  /** The next entries in key order, own uncommitted writes included; null at the end. Small first batches, larger later ones. */
  next(): MaybePromise<KvBatch | null>
  close(): void
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export interface BeginOptions {
  isolation: IsolationLevel
  readOnly?: boolean
  /**
   * One statement that commits itself: the store may leave locks and existence checks to the commit, where a conflict is reported as a
   * KvError with `retryable`; the caller then runs the statement again in a transaction without this option.
   */
  autocommit?: boolean
  /** All this transaction will do is read single keys, each at the newest committed version (TiKV: no timestamp is fetched). */
  latest?: boolean
  /** Ends waits inside the store: locks, requests, back-off. */
  cancel?: CancelToken
  /** Whose transaction it is: told what it waits for, so that circles through locks beside the store's are seen. */
  party?: LockParty
}

export type LockMode = 'shared' | 'exclusive'

export interface LockOptions {
  mode: LockMode
  /** What to do about a lock that another transaction holds. */
  wait: 'block' | 'nowait' | 'skip'
  /** With `block`: milliseconds until KvError 'lockTimeout'; 0 = no limit but the transaction's own. */
  timeoutMs: number
  /** Also answer each locked key's newest committed (or own) value. */
  returnValues?: boolean
  /** For keys read before: one that has no value any more is not locked (status 3), so that it may be inserted anew. */
  onlyExisting?: boolean
  /**
   * One key for each of the keys, locked with it or not at all: who waits for either holds neither. A change of it counts as one of the key.
   * Only with capabilities.sharedLocks.
   */
  companions?: readonly Uint8Array[]
  /** A newer version than the snapshot: 'fail' = as the isolation level has it (default), 'tell' = status 1 at every level. */
  onChange?: 'fail' | 'tell'
  /** What these locks stand for, where not for rows. */
  meaning?: LockMeaning
}

/** "ExclusiveLock on advisory lock [5,0,1,1]". */
export interface LockMeaning {
  readonly kind: LockKind
  /** The relation's OID, or the advisory lock's name. */
  readonly target: number | string
  readonly lock: string
}

/**
 * 0 locked, unchanged since the read timestamp · 1 locked, but a newer version was committed since · 2 skipped (only with wait 'skip') ·
 * 3 gone (only with onlyExisting)
 */
export type LockStatus = 0 | 1 | 2 | 3
export const LOCKED: LockStatus = 0
export const LOCKED_CHANGED: LockStatus = 1
export const LOCK_SKIPPED: LockStatus = 2
export const LOCK_GONE: LockStatus = 3

export interface LockResult {
  readonly status: Uint8Array
  /** With returnValues: the newest value of each key, null where there is none (or it was skipped). */
  readonly values: (Buffer | null)[] | null
}

/**
 * Whether a key has a value that stays, however other transactions end. `isHeld`: another one holds its lock (asked where the store does not know
 * what for: no method `stands`), and is waited for if not; otherwise the key has a value, and is looked at again if not.
 */
export type Stands = (key: Uint8Array, isHeld: boolean) => MaybePromise<boolean>

declare const savepoint: unique symbol
/** A position in the write buffer. Locks taken since are released by a roll-back where the store can. */
export type Savepoint = number & { readonly [savepoint]: true }

export interface CommitOptions {
  /** No later than this, or KvError 'schemaChanged'. */
  maxCommitTs?: Timestamp
  /** Asked when the commit has taken so long that maxCommitTs is past: what it may be now. */
  laterCommitTs?(): Promise<Timestamp>
  /** Visible when it resolves, but the flush may follow; without it durable. */
  relaxed?: boolean
}

export interface Transaction {
  readonly keyspace: KeyspaceId
  readonly isolation: IsolationLevel
  /** True once something was written or locked. */
  readonly dirty: boolean
  /** Longest wait for a lock in insert and in autocommit writes, ms; 0 = no limit but the cancel token. Set per statement. */
  lockTimeoutMs: number
  /** The timestamp reads see, if one was needed yet. */
  readonly readTs: Timestamp | null
  /** Own writes, then the newest version at or below the read timestamp. The bytes are the caller's to keep. */
  get(key: Uint8Array): MaybePromise<Buffer | null>
  /**
   * As get, of a key whose exclusive lock is asked for next: locks it along with the reading if it is free and as the snapshot shows it. Absent
   * where that saves no request.
   */
  getLocking?(key: Uint8Array): MaybePromise<Buffer | null>
  batchGet(keys: readonly Uint8Array[]): MaybePromise<(Buffer | null)[]>
  /** Own writes, then the newest committed versions, whatever the read timestamp and the isolation level. Locks nothing and waits for nobody's lock. */
  newest(keys: readonly Uint8Array[]): MaybePromise<(Buffer | null)[]>
  /**
   * Whether the key has a value that stands however the transactions in progress end: others may have locked it, none has written it. Where
   * the store can tell; without this method only the lock itself tells. `guard`: under whose lock it is written, if not its own.
   */
  stands?(key: Uint8Array, guard?: Uint8Array): boolean
  scan(range: KeyRange, options?: ScanOptions): Scanner
  /**
   * Locks keys until the end of the transaction. 'block' waits at most timeoutMs and detects deadlocks; all or nothing except with 'skip'.
   * In 'repeatable read' and above a version newer than the snapshot is KvError 'writeConflict'; in 'read committed' it is status 1 and the
   * caller re-reads (the value answered, or after refreshReadTs) and checks its conditions again.
   */
  lockKeys(keys: readonly Uint8Array[], options: LockOptions): MaybePromise<LockResult>
  /**
   * Locks keys exclusively in one step if all of them are free and as the snapshot shows them, otherwise none (false). Absent where waiting for
   * one key does not mean holding another.
   */
  lockFree?(keys: readonly Uint8Array[]): Promise<boolean>
  /**
   * Into the write buffer; the transaction must hold the key's lock, or one that guards it (an index entry under its row's), or be
   * `autocommit`. The bytes are copied. Waits only when the buffer must be relieved.
   */
  put(key: Uint8Array, value: Uint8Array): MaybePromise<void>
  /** As put, for a key that must not exist: takes the lock; KvError 'alreadyExists' now or, if autocommit, at commit. */
  insert(key: Uint8Array, value: Uint8Array): MaybePromise<void>
  /**
   * insert for many keys in one step (one request where the store is remote); the error names the first key found. `stands` is asked about a key
   * that is in the way; without it whatever has a value stands, and a lock is waited for.
   */
  insertMany(keys: readonly Uint8Array[], values: readonly Uint8Array[], stands?: Stands): MaybePromise<void>
  delete(key: Uint8Array): MaybePromise<void>
  savepoint(): Savepoint
  rollbackTo(savepoint: Savepoint): MaybePromise<void>
  /** READ COMMITTED: a new snapshot for the next statement. */
  refreshReadTs(): MaybePromise<void>
  /** Nothing written: ends the transaction at once. */
  commit(options?: CommitOptions): MaybePromise<Timestamp | null>
  rollback(): MaybePromise<void>
}

export type NamedLockOptions = Pick<LockOptions, 'timeoutMs' | 'meaning'> & { readonly wait: 'block' | 'nowait' }

/** Exclusive locks beside all transactions, on keys that are nobody's rows: held until given back, or until the process has ended. */
export interface NamedLocks {
  /** False: held by another ('nowait'). */
  lock(key: Uint8Array, options: NamedLockOptions): Promise<boolean>
  unlock(key: Uint8Array): Promise<void>
  /** Gives back all of them. */
  close(): Promise<void>
}

/** One keyspace of a store, open. */
export interface Keyspace {
  readonly id: KeyspaceId
  readonly name: string
  begin(options: BeginOptions): Transaction
  /** Where other processes serve the keyspace, too. `lost`: the store gave the locks up against the holder's will. */
  namedLocks?(cancel: CancelToken, lost: (error: KvError) => void, party?: LockParty): NamedLocks
  /** Bytes the keyspace occupies, as near as the store can tell. */
  storageBytes(): MaybePromise<number>
}

export type KeyspaceState = 'enabled' | 'disabled' | 'archived' | 'tombstone'

/** A keyspace as the store's own directory (PD, or the embedded store's) lists it. */
export interface KeyspaceMeta {
  readonly id: KeyspaceId
  readonly name: string
  readonly state: KeyspaceState
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly stateChangedAt: number
  readonly config: Readonly<Record<string, string>>
}

/** The store's directory of keyspaces. Names are unique for ever; ids are never used again. */
export interface KeyspaceDirectory {
  /** Null when there is none. */
  load(name: string): MaybePromise<KeyspaceMeta | null>
  loadById(id: KeyspaceId): MaybePromise<KeyspaceMeta | null>
  list(): MaybePromise<KeyspaceMeta[]>
  /** KvError 'keyspaceExists' or 'invalidName' with the store's own words. */
  create(name: string, config?: Readonly<Record<string, string>>): MaybePromise<KeyspaceMeta>
  setState(id: KeyspaceId, state: KeyspaceState): MaybePromise<KeyspaceMeta>
  setConfig(id: KeyspaceId, changes: Readonly<Record<string, string | null>>): MaybePromise<KeyspaceMeta>
  /** Erases every key of a keyspace whose sessions have ended, and proves it by a scan; crash-safe and idempotent. Answers entries erased. */
  purge(id: KeyspaceId): Promise<{ keysErased: number; filesErased: number }>
  /** Calls back when a keyspace's meta changes, here or elsewhere (≤ 2 s). Answers how to stop. */
  watch(changed: (meta: KeyspaceMeta) => void): () => void
}

export interface StoreCapabilities {
  /** Shared row locks are real; without them a shared lock is taken as an exclusive one on a lock key of its own. */
  readonly sharedLocks: boolean
  readonly serializable: boolean
  /** Other processes may serve the same keyspaces. */
  readonly multiNode: boolean
  /** Longest key in bytes. */
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
}

export interface Store {
  readonly kind: 'embedded' | 'tikv'
  readonly capabilities: StoreCapabilities
  readonly keyspaces: KeyspaceDirectory
  /**
   * The keyspace, opened on first use. KvError 'keyspaceUnavailable' when it is archived or erased. A disabled one opens: who may log in is
   * tenancy's to decide, and to decide it the roles must be read.
   */
  open(meta: KeyspaceMeta): MaybePromise<Keyspace>
  /** Flushes, ends background work, unlocks. */
  close(): Promise<void>
}
