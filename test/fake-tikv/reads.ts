// Snapshot reads: which locks stand in their way, and what they find.

import { IsolationLevel, type KeyErrorInit, Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { KeyFailure, locked, writeConflict } from './key-errors.ts'
import { encodeKey } from './keys.ts'
import { type Entry, type Lock, valueAt } from './mvcc.ts'
import { MAX_TS } from './tso.ts'

export interface Snapshot {
  readonly ts: bigint
  readonly isolation: number
  /** Transactions whose locks are passed over. */
  readonly resolved: ReadonlySet<bigint>
  /** Transactions whose locks are read through as committed. */
  readonly committed: ReadonlySet<bigint>
  readonly needCommitTs: boolean
}

export interface Found {
  readonly value: Buffer
  readonly commitTs: bigint
}

function blocks(lock: Lock, key: string, snapshot: Snapshot): boolean {
  if (lock.startTs > snapshot.ts || lock.type === Op.Lock || lock.type === Op.PessimisticLock) return false
  if (lock.minCommitTs > snapshot.ts || snapshot.resolved.has(lock.startTs)) return false
  return !(snapshot.ts === MAX_TS && key === lock.primary && !lock.useAsyncCommit)
}

/** TiKV's key of a version: memcomparable, then the inverted ts. */
const storageKey = (key: string, ts: bigint): string => {
  const suffix = Buffer.alloc(8)
  suffix.writeBigUInt64BE(MAX_TS - ts)
  return encodeKey(key) + suffix.latin1Slice()
}

function checkNewer(entry: Entry, key: string, snapshot: Snapshot): void {
  const newest = entry.writes.find((write) => write.type !== Op.Rollback && write.type !== Op.Lock)
  if (newest !== undefined && newest.commitTs > snapshot.ts)
    throw writeConflict('RcCheckTs', snapshot.ts, 0n, newest.commitTs, storageKey(key, newest.commitTs), '')
}

/** Reads one key; fails where a lock blocks. */
export function read(entry: Entry | undefined, key: string, snapshot: Snapshot): Found | undefined {
  if (entry === undefined) return undefined
  const { lock } = entry
  if (lock !== undefined && snapshot.isolation !== IsolationLevel.RC) {
    if (snapshot.isolation === IsolationLevel.RCCheckTS) {
      if (lock.type !== Op.Lock && lock.type !== Op.PessimisticLock && !snapshot.resolved.has(lock.startTs))
        throw writeConflict('RcCheckTs', snapshot.ts, lock.startTs, 0n, key, lock.primary)
    } else if (blocks(lock, key, snapshot)) {
      if (!snapshot.committed.has(lock.startTs) || snapshot.needCommitTs) throw locked(key, lock)
      return lock.type === Op.Put ? { value: lock.value, commitTs: 0n } : undefined
    }
  }
  if (snapshot.isolation === IsolationLevel.RCCheckTS) checkNewer(entry, key, snapshot)
  const write = valueAt(entry, snapshot.ts)
  return write && { value: write.value, commitTs: write.commitTs }
}

/** The error of a read, for answers that carry one per key; other failures pass. */
export function keyErrorOf(error: unknown): KeyErrorInit {
  if (error instanceof KeyFailure) return error.error
  throw error
}
