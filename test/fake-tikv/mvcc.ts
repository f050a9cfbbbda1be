// The data: per key at most one lock and a list of write records, newest first, over an order of all keys. Replicas of a region share it, so it
// holds what a majority agreed on. Records as TiKV has them: a commit at commit_ts, a rollback at start_ts, and a protected rollback that met
// another transaction's commit at the same ts becomes a flag on that record.

import type { LockInfoInit } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { toBytes } from './keys.ts'

export type LockType = typeof Op.Put | typeof Op.Del | typeof Op.Lock | typeof Op.PessimisticLock
export type WriteType = typeof Op.Put | typeof Op.Del | typeof Op.Lock | typeof Op.Rollback

export interface Lock {
  type: LockType
  startTs: bigint
  primary: string
  ttl: bigint
  forUpdateTs: bigint
  txnSize: bigint
  minCommitTs: bigint
  useAsyncCommit: boolean
  secondaries: string[]
  value: Buffer
  /** Above 0 for locks of pipelined flushes. */
  generation: bigint
  /** When a pessimistic lock was last written, by the machine's clock. */
  updatedAt: number
}

export interface Write {
  readonly type: WriteType
  readonly startTs: bigint
  readonly commitTs: bigint
  readonly value: Buffer
  /** Of a rollback: it may not be collapsed. */
  readonly isProtected: boolean
  overlappedRollback: boolean
}

export interface Entry {
  readonly key: string
  lock: Lock | undefined
  writes: Write[]
}

/** What a transaction left on a key: a record of its own, another's commit at the same ts, or nothing. */
export type CommitRecord =
  | { readonly kind: 'single'; readonly write: Write }
  | { readonly kind: 'overlapped-rollback' }
  | { readonly kind: 'none'; readonly overlapped: Write | undefined }

const CHUNK = 512

/** All entries in key order, in chunks, so that neither insertion nor search walks far. */
function createOrder() {
  const chunks: Entry[][] = []
  /** The chunk that holds the greatest key <= `key`, or the first. */
  const chunkOf = (key: string): number => {
    let low = 0
    let high = chunks.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (chunks[middle]![0]!.key <= key) low = middle
      else high = middle
    }
    return low
  }
  const positionIn = (chunk: Entry[], key: string): number => {
    let low = 0
    let high = chunk.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (chunk[middle]!.key < key) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    insert(entry: Entry): void {
      if (chunks.length === 0) {
        chunks.push([entry])
        return
      }
      const at = chunkOf(entry.key)
      const chunk = chunks[at]!
      chunk.splice(positionIn(chunk, entry.key), 0, entry)
      if (chunk.length > 2 * CHUNK) chunks.splice(at + 1, 0, chunk.splice(CHUNK))
    },
    remove(key: string): void {
      const at = chunkOf(key)
      const chunk = chunks[at]
      if (!chunk) return
      const position = positionIn(chunk, key)
      if (chunk[position]?.key !== key) return
      chunk.splice(position, 1)
      if (chunk.length === 0) chunks.splice(at, 1)
    },
    /** Entries of [start, end) ascending; an empty end is none. */
    *ascending(start: string, end: string): Generator<Entry> {
      if (chunks.length === 0) return
      let at = chunkOf(start)
      let position = positionIn(chunks[at]!, start)
      while (at < chunks.length) {
        const entry = chunks[at]![position]
        if (entry === undefined) {
          at++
          position = 0
          continue
        }
        if (end !== '' && entry.key >= end) return
        position++
        yield entry
      }
    },
    /** Entries of [start, end) descending. */
    *descending(start: string, end: string): Generator<Entry> {
      if (chunks.length === 0) return
      let at = end === '' ? chunks.length - 1 : chunkOf(end)
      let position = (end === '' ? chunks[at]!.length : positionIn(chunks[at]!, end)) - 1
      while (at >= 0) {
        const entry = chunks[at]![position]
        if (entry === undefined) {
          at--
          position = at >= 0 ? chunks[at]!.length - 1 : 0
          continue
        }
        if (entry.key < start) return
        position--
        yield entry
      }
    },
  }
}

export interface Mvcc {
  get(key: string): Entry | undefined
  /** The entry, made when missing. */
  entry(key: string): Entry
  ascending(start: string, end: string): Iterable<Entry>
  descending(start: string, end: string): Iterable<Entry>
  setLock(key: string, lock: Lock): void
  removeLock(entry: Entry): void
  putWrite(key: string, write: Write): void
  removeWrite(entry: Entry, write: Write): void
  /** All keys a transaction has locked now. */
  locksOf(startTs: bigint): readonly Entry[]
  /** Every locked entry, in no order. */
  locked(): Iterable<Entry>
  /** Removes everything in [start, end). */
  deleteRange(start: string, end: string): void
  commitRecord(entry: Entry | undefined, startTs: bigint): CommitRecord
}

export function createMvcc(): Mvcc {
  const entries = new Map<string, Entry>()
  const order = createOrder()
  const byTxn = new Map<bigint, Set<Entry>>()

  const get = (key: string): Entry | undefined => entries.get(key)
  const entryOf = (key: string): Entry => {
    let entry = entries.get(key)
    if (entry === undefined) {
      entry = { key, lock: undefined, writes: [] }
      entries.set(key, entry)
      order.insert(entry)
    }
    return entry
  }
  const forgetLock = (entry: Entry): void => {
    const lock = entry.lock
    if (lock === undefined) return
    const set = byTxn.get(lock.startTs)
    set?.delete(entry)
    if (set?.size === 0) byTxn.delete(lock.startTs)
    entry.lock = undefined
  }
  const prune = (entry: Entry): void => {
    if (entry.lock !== undefined || entry.writes.length > 0) return
    entries.delete(entry.key)
    order.remove(entry.key)
  }
  return {
    get,
    entry: entryOf,
    ascending: order.ascending,
    descending: order.descending,
    setLock(key, lock) {
      const entry = entryOf(key)
      forgetLock(entry)
      entry.lock = lock
      let set = byTxn.get(lock.startTs)
      if (set === undefined) byTxn.set(lock.startTs, (set = new Set()))
      set.add(entry)
    },
    removeLock(entry) {
      forgetLock(entry)
      prune(entry)
    },
    putWrite(key, write) {
      const entry = entryOf(key)
      let at = 0
      while (at < entry.writes.length && entry.writes[at]!.commitTs > write.commitTs) at++
      const same = entry.writes[at]
      if (same !== undefined && same.commitTs === write.commitTs) {
        // A rollback that must not be forgotten lives on as a flag of the commit that takes its place.
        if (same.type === Op.Rollback && same.isProtected && same.startTs !== write.startTs) write.overlappedRollback = true
        entry.writes[at] = write
      } else {
        entry.writes.splice(at, 0, write)
      }
    },
    removeWrite(entry, write) {
      entry.writes = entry.writes.filter((other) => other !== write)
      prune(entry)
    },
    locksOf: (startTs) => [...(byTxn.get(startTs) ?? [])].sort((a, b) => (a.key < b.key ? -1 : 1)),
    *locked() {
      for (const set of byTxn.values()) yield* set
    },
    deleteRange(start, end) {
      for (const entry of [...order.ascending(start, end)]) {
        forgetLock(entry)
        entry.writes = []
        prune(entry)
      }
    },
    commitRecord(entry, startTs) {
      let overlapped: Write | undefined
      for (const write of entry?.writes ?? []) {
        if (write.commitTs < startTs) break
        if (write.startTs === startTs) return { kind: 'single', write }
        if (write.commitTs === startTs) {
          if (write.overlappedRollback) return { kind: 'overlapped-rollback' }
          overlapped = write
        }
      }
      return { kind: 'none', overlapped }
    },
  }
}

/** The newest Put or Del at or below `ts`. */
export function versionAt(entry: Entry | undefined, ts: bigint): Write | undefined {
  if (entry === undefined) return undefined
  for (const write of entry.writes) if (write.commitTs <= ts && (write.type === Op.Put || write.type === Op.Del)) return write
  return undefined
}

/** The Put visible at `ts`, if any. */
export function valueAt(entry: Entry | undefined, ts: bigint): Write | undefined {
  const write = versionAt(entry, ts)
  return write?.type === Op.Put ? write : undefined
}

export function lockInfo(lock: Lock, key: string): LockInfoInit {
  const sinceUpdate = lock.type === Op.PessimisticLock ? Date.now() - lock.updatedAt : 0
  return {
    primary_lock: toBytes(lock.primary),
    lock_version: lock.startTs,
    key: toBytes(key),
    lock_ttl: lock.ttl,
    txn_size: lock.txnSize,
    lock_type: lock.type,
    lock_for_update_ts: lock.forUpdateTs,
    use_async_commit: lock.useAsyncCommit,
    min_commit_ts: lock.minCommitTs,
    secondaries: lock.secondaries.map(toBytes),
    duration_to_last_update_ms: BigInt(Math.max(0, sinceUpdate)),
  }
}
