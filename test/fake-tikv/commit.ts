// Commit, rollback, and what others may do to a transaction's locks: status checks, heart-beats, resolution.

import { Action, type CheckTxnStatusResponse, Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { InitOf } from '../../src/storage/tikv/proto/message.ts'
import { type Batch, collapsePreviousRollback, rollbackRecord } from './batch.ts'
import { commitTsExpired, committed, primaryMismatch, txnLockNotFound, txnNotFound } from './key-errors.ts'
import { type Entry, type Lock, lockInfo, type Mvcc, type Write } from './mvcc.ts'
import { MAX_TS, physicalOf } from './tso.ts'

export function commitKey(mvcc: Mvcc, batch: Batch, key: string, startTs: bigint, commitTs: bigint): void {
  const entry = mvcc.get(key)
  const lock = entry?.lock
  if (lock === undefined || lock.startTs !== startTs) {
    const record = mvcc.commitRecord(entry, startTs)
    if (record.kind === 'single' && record.write.type !== Op.Rollback) return
    throw txnLockNotFound(startTs, commitTs, key)
  }
  if (commitTs < lock.minCommitTs) throw commitTsExpired(startTs, commitTs, key, lock.minCommitTs)
  batch.unlock(key, lock, commitTs)
  if (lock.type === Op.PessimisticLock) return
  batch.putWrite(key, {
    type: lock.type as Write['type'],
    startTs,
    commitTs,
    value: lock.value,
    isProtected: false,
    overlappedRollback: false,
  })
}

/** Removes the lock and leaves a record; the primary's may not be collapsed. */
function rollbackLock(mvcc: Mvcc, batch: Batch, entry: Entry, lock: Lock, collapse: boolean): void {
  const record = mvcc.commitRecord(entry, lock.startTs)
  rollbackRecord(batch, entry.key, lock.startTs, entry.key === lock.primary, record.kind === 'none' ? record.overlapped : undefined)
  if (collapse) collapsePreviousRollback(batch, entry, lock.startTs)
  batch.unlock(entry.key, lock, 0n)
}

export function rollbackKey(mvcc: Mvcc, batch: Batch, key: string, startTs: bigint): void {
  const entry = mvcc.get(key)
  if (entry?.lock?.startTs === startTs) {
    rollbackLock(mvcc, batch, entry, entry.lock, true)
    return
  }
  const record = mvcc.commitRecord(entry, startTs)
  if (record.kind === 'single') {
    if (record.write.type !== Op.Rollback) throw committed(startTs, record.write.commitTs, key)
    return
  }
  if (record.kind === 'overlapped-rollback') return
  collapsePreviousRollback(batch, entry, startTs)
  rollbackRecord(batch, key, startTs, false, record.overlapped)
}

/** KvCleanup: as rollback, but a live lock is left. */
export function isExpired(lock: Lock, currentTs: bigint): boolean {
  return physicalOf(lock.startTs) + lock.ttl < physicalOf(currentTs)
}

export interface StatusQuery {
  readonly primary: string
  readonly lockTs: bigint
  readonly callerStartTs: bigint
  readonly currentTs: bigint
  readonly rollbackIfNotExist: boolean
  readonly forceSyncCommit: boolean
  readonly resolvingPessimisticLock: boolean
  readonly verifyIsPrimary: boolean
}

type StatusAnswer = InitOf<typeof CheckTxnStatusResponse>

function missingLock(mvcc: Mvcc, batch: Batch, entry: Entry | undefined, query: StatusQuery): StatusAnswer {
  const record = mvcc.commitRecord(entry, query.lockTs)
  if (record.kind === 'single') return record.write.type === Op.Rollback ? {} : { commit_version: record.write.commitTs }
  if (record.kind === 'overlapped-rollback') return {}
  if (!query.rollbackIfNotExist) throw txnNotFound(query.lockTs, query.primary)
  if (query.resolvingPessimisticLock) return { action: Action.LockNotExistDoNothing }
  rollbackRecord(batch, query.primary, query.lockTs, true, record.overlapped)
  return { action: Action.LockNotExistRollback }
}

export function checkTxnStatus(mvcc: Mvcc, batch: Batch, query: StatusQuery): StatusAnswer {
  const entry = mvcc.get(query.primary)
  const lock = entry?.lock
  if (entry === undefined || lock === undefined || lock.startTs !== query.lockTs) return missingLock(mvcc, batch, entry, query)
  if (query.verifyIsPrimary && lock.primary !== query.primary) {
    if (lock.type === Op.PessimisticLock && !query.resolvingPessimisticLock) return missingLock(mvcc, batch, entry, query)
    throw primaryMismatch(lock, query.primary)
  }
  const alive = (shown: Lock, pushed: boolean): StatusAnswer => ({
    lock_ttl: shown.ttl,
    lock_info: lockInfo(shown, shown.primary),
    action: pushed ? Action.MinCommitTSPushed : Action.NoAction,
  })
  if (lock.useAsyncCommit && !query.forceSyncCommit) return alive(lock, false)
  if (isExpired(lock, query.currentTs)) {
    if (query.resolvingPessimisticLock && lock.type === Op.PessimisticLock) {
      batch.unlock(query.primary, lock, 0n)
      return { action: Action.TTLExpirePessimisticRollback }
    }
    rollbackLock(mvcc, batch, entry, lock, true)
    return { action: Action.TTLExpireRollback }
  }
  let shown = lock
  if (lock.minCommitTs !== 0n && query.callerStartTs !== MAX_TS && query.callerStartTs >= lock.minCommitTs) {
    const above = query.callerStartTs + 1n
    shown = { ...lock, minCommitTs: above < query.currentTs ? query.currentTs : above }
    batch.putLock(query.primary, shown)
  }
  return alive(shown, (query.callerStartTs !== 0n && shown.minCommitTs > query.callerStartTs) || query.callerStartTs === MAX_TS)
}

/** The locks of all keys; or, at the first key without one, its verdict: a commit ts, or 0 and a rollback that makes it final. */
export function checkSecondaryLocks(
  mvcc: Mvcc,
  batch: Batch,
  keys: readonly string[],
  startTs: bigint,
): { locks: { key: string; lock: Lock }[]; commitTs: bigint } {
  const locks: { key: string; lock: Lock }[] = []
  for (const key of keys) {
    const entry = mvcc.get(key)
    const lock = entry?.lock
    if (lock?.startTs === startTs && lock.type !== Op.PessimisticLock) {
      locks.push({ key, lock })
      continue
    }
    const record = mvcc.commitRecord(entry, startTs)
    if (record.kind === 'single') return { locks: [], commitTs: record.write.type === Op.Rollback ? 0n : record.write.commitTs }
    if (record.kind === 'none') rollbackRecord(batch, key, startTs, true, record.overlapped)
    if (lock?.startTs === startTs) batch.unlock(key, lock, 0n)
    return { locks: [], commitTs: 0n }
  }
  return { locks, commitTs: 0n }
}

export function heartBeat(mvcc: Mvcc, batch: Batch, key: string, startTs: bigint, ttl: bigint, minCommitTs: bigint): bigint {
  const lock = mvcc.get(key)?.lock
  if (lock?.startTs !== startTs) throw txnNotFound(startTs, key)
  const next = { ...lock }
  if (ttl > next.ttl) next.ttl = ttl
  if (next.generation > 0n && minCommitTs > next.minCommitTs) next.minCommitTs = minCommitTs
  if (next.ttl !== lock.ttl || next.minCommitTs !== lock.minCommitTs) batch.putLock(key, next)
  return next.ttl
}
