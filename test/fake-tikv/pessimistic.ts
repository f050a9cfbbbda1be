// Acquiring pessimistic locks, and giving them up.

import { Assertion, type Mutation, Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { type Batch, NO_VALUE } from './batch.ts'
import { alreadyExist, locked, lockIfExistsFailed, lockTypeNotMatch, pessimisticLockRolledBack, writeConflict } from './key-errors.ts'
import { toKey } from './keys.ts'
import { type Entry, type Mvcc, valueAt } from './mvcc.ts'

export interface LockTxn {
  readonly startTs: bigint
  readonly primary: string
  readonly forUpdateTs: bigint
  readonly minCommitTs: bigint
  readonly ttl: bigint
  readonly returnValues: boolean
  readonly checkExistence: boolean
  readonly lockOnlyIfExists: boolean
  /** Grant the lock over a newer version and say so. */
  readonly force: boolean
}

export interface LockGrant {
  readonly value: Buffer | undefined
  /** Commit ts of the newer version; 0 without conflict. */
  readonly conflictTs: bigint
}

function isRolledBack(entry: Entry, startTs: bigint): boolean {
  return entry.writes.some(
    (write) => write.commitTs === startTs && ((write.type === Op.Rollback && write.startTs === startTs) || write.overlappedRollback),
  )
}

/** Locks one key into the batch; fails with `locked` where another transaction holds it. */
export function acquireLock(mvcc: Mvcc, batch: Batch, txn: LockTxn, mutation: Mutation): LockGrant {
  const key = toKey(mutation.key)
  const entry = mvcc.get(key)
  if (txn.lockOnlyIfExists && !txn.returnValues) throw lockIfExistsFailed(txn.startTs, key)
  const own = entry?.lock
  let forUpdateTs = txn.forUpdateTs
  let conflictTs = 0n
  if (own !== undefined) {
    if (own.startTs !== txn.startTs) throw locked(key, own)
    if (own.type !== Op.PessimisticLock) throw lockTypeNotMatch(txn.startTs, key, false)
    if (mutation.assertion === Assertion.NotExist && valueAt(entry, forUpdateTs)) throw alreadyExist(key)
    if (txn.force && forUpdateTs < own.forUpdateTs) {
      forUpdateTs = own.forUpdateTs
      conflictTs = own.forUpdateTs
    }
  } else if (entry !== undefined && entry.writes.length > 0) {
    const newest = entry.writes[0]!
    if (newest.commitTs > forUpdateTs) {
      if (isRolledBack(entry, txn.startTs)) throw pessimisticLockRolledBack(txn.startTs, key)
      if (!txn.force) throw writeConflict('PessimisticRetry', txn.startTs, newest.startTs, newest.commitTs, key, txn.primary)
      forUpdateTs = newest.commitTs
      conflictTs = newest.commitTs
    }
    if (isRolledBack(entry, txn.startTs)) throw pessimisticLockRolledBack(txn.startTs, key)
    if (mutation.assertion === Assertion.NotExist && conflictTs === 0n && valueAt(entry, newest.commitTs)) throw alreadyExist(key)
  }
  const value = valueAt(entry, forUpdateTs)?.value
  const grant = { value, conflictTs }
  if (txn.lockOnlyIfExists && value === undefined) return grant
  if (own === undefined || forUpdateTs > own.forUpdateTs) {
    batch.putLock(key, {
      type: Op.PessimisticLock,
      startTs: txn.startTs,
      primary: txn.primary,
      ttl: own !== undefined && own.ttl > txn.ttl ? own.ttl : txn.ttl,
      forUpdateTs,
      txnSize: 0n,
      minCommitTs: txn.minCommitTs,
      useAsyncCommit: false,
      secondaries: [],
      value: NO_VALUE,
      generation: 0n,
      updatedAt: Date.now(),
    })
  }
  return grant
}

export function pessimisticRollback(batch: Batch, entry: Entry | undefined, startTs: bigint, forUpdateTs: bigint): void {
  const lock = entry?.lock
  if (lock?.startTs === startTs && lock.type === Op.PessimisticLock && lock.forUpdateTs <= forUpdateTs) batch.unlock(entry!.key, lock, 0n)
}
