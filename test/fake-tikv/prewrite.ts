// Prewrite (optimistic, pessimistic, async commit, 1PC) and the flush of pipelined transactions.

import { Assertion, AssertionLevel, type Mutation, Op, PessimisticAction } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { type Batch, NO_VALUE } from './batch.ts'
import { alreadyExist, KeyFailure, locked, lockTypeNotMatch, otherMvcc, pessimisticLockNotFound, writeConflict } from './key-errors.ts'
import { toKey } from './keys.ts'
import { type Entry, type Lock, type LockType, type Mvcc, valueAt, versionAt, type Write } from './mvcc.ts'

export interface PrewriteTxn {
  readonly startTs: bigint
  readonly primary: string
  readonly isPessimistic: boolean
  readonly forUpdateTs: bigint
  readonly ttl: bigint
  readonly txnSize: bigint
  readonly minCommitTs: bigint
  readonly maxCommitTs: bigint
  readonly skipConstraintCheck: boolean
  readonly assertionLevel: number
  readonly isRetry: boolean
  readonly generation: bigint
  readonly asyncCommit: boolean
  readonly onePc: boolean
  readonly secondaries: readonly string[]
}

export interface PrewriteItem {
  readonly mutation: Mutation
  readonly action: number
  readonly expectedForUpdateTs: bigint | undefined
}

export interface PrewriteOutcome {
  readonly minCommitTs: bigint
  readonly onePcCommitTs: bigint
}

type Status =
  | { readonly own: 'none' }
  | { readonly own: 'pessimistic'; readonly lock: Lock }
  | { readonly own: 'same'; readonly lock: Lock }

const NONE: Status = { own: 'none' }

/** How far the key's lock belongs to this transaction; fails for another's lock. */
function checkLock(txn: PrewriteTxn, item: PrewriteItem, key: string, entry: Entry | undefined): Status {
  const lock = entry?.lock
  if (lock === undefined) {
    if (txn.isPessimistic && item.action === PessimisticAction.DO_PESSIMISTIC_CHECK) amend(txn, key, entry)
    return NONE
  }
  if (lock.startTs !== txn.startTs) {
    if (txn.isPessimistic && item.action === PessimisticAction.DO_PESSIMISTIC_CHECK)
      throw pessimisticLockNotFound(txn.startTs, key, 'LockTsMismatch')
    throw locked(key, lock, !txn.isPessimistic)
  }
  if (lock.type === Op.PessimisticLock) {
    if (!txn.isPessimistic) throw lockTypeNotMatch(txn.startTs, key, true)
    if (item.expectedForUpdateTs !== undefined && lock.forUpdateTs !== item.expectedForUpdateTs)
      throw pessimisticLockNotFound(txn.startTs, key, 'LockForUpdateTsMismatch')
    return { own: 'pessimistic', lock }
  }
  if (txn.generation > 0n && lock.generation < txn.generation) return NONE
  return { own: 'same', lock }
}

/** A pessimistic lock may get lost with its leader's memory; it is made good when nothing happened to the key since the start. */
function amend(txn: PrewriteTxn, key: string, entry: Entry | undefined): void {
  const newest = entry?.writes[0]
  if (newest !== undefined && newest.commitTs >= txn.startTs) throw pessimisticLockNotFound(txn.startTs, key, 'LockMissingAmendFail')
}

function checkNewerVersion(txn: PrewriteTxn, item: PrewriteItem, key: string, entry: Entry | undefined): void {
  const newest = entry?.writes[0]
  if (newest === undefined) return
  for (const write of entry!.writes) {
    if (write.commitTs < txn.startTs) break
    if (write.commitTs > txn.startTs) {
      if (!txn.isPessimistic) throw writeConflict('Optimistic', txn.startTs, write.startTs, write.commitTs, key, txn.primary)
      if (item.action === PessimisticAction.DO_CONSTRAINT_CHECK)
        throw writeConflict('LazyUniquenessCheck', txn.startTs, write.startTs, write.commitTs, key, txn.primary)
      if (write.commitTs > txn.forUpdateTs)
        throw writeConflict('NotLockedKeyConflict', txn.startTs, write.startTs, write.commitTs, key, txn.primary)
      continue
    }
    if ((write.type === Op.Rollback && write.startTs === txn.startTs) || write.overlappedRollback)
      throw writeConflict('SelfRolledBack', txn.startTs, write.startTs, write.commitTs, key, txn.primary)
  }
  const { op } = item.mutation
  if ((op === Op.Insert || op === Op.CheckNotExists) && valueAt(entry, newest.commitTs)) throw alreadyExist(key)
}

function checkAssertion(txn: PrewriteTxn, item: PrewriteItem, entry: Entry | undefined, status: Status): void {
  const { assertion } = item.mutation
  if (assertion === Assertion.None || txn.assertionLevel === AssertionLevel.Off) return
  const isFree = !skipsConstraintCheck(txn, item)
  if (txn.assertionLevel === AssertionLevel.Fast && !isFree && status.own !== 'none') return
  const newest = entry?.writes[0]
  const version: Write | undefined = newest && versionAt(entry, newest.commitTs)
  const exists = version?.type === Op.Put
  if (exists === (assertion === Assertion.Exist)) return
  throw new KeyFailure({
    assertion_failed: {
      start_ts: txn.startTs,
      key: item.mutation.key,
      assertion,
      existing_start_ts: version?.startTs ?? 0n,
      existing_commit_ts: version?.commitTs ?? 0n,
    },
  })
}

function skipsConstraintCheck(txn: PrewriteTxn, item: PrewriteItem): boolean {
  if (!txn.isPessimistic) return txn.skipConstraintCheck
  if (item.action === PessimisticAction.DO_PESSIMISTIC_CHECK) return true
  return item.action === PessimisticAction.SKIP_PESSIMISTIC_CHECK && !txn.isRetry
}

const lockTypeOf = (op: number): LockType => (op === Op.Del ? Op.Del : op === Op.Lock ? Op.Lock : Op.Put)

interface Prepared {
  readonly key: string
  readonly lock: Lock
  readonly replaced: Lock | undefined
}

const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/**
 * Prewrites all items into the batch. Locks of others are collected and answered together unless something worse fails.
 * A transaction that has committed already answers as if this were the first time, and writes nothing.
 */
export function prewrite(
  mvcc: Mvcc,
  batch: Batch,
  txn: PrewriteTxn,
  items: readonly PrewriteItem[],
  maxTs: bigint,
  checkKey: (key: string) => void,
): { outcome: PrewriteOutcome; errors: readonly KeyFailure[] } {
  const lockErrors: KeyFailure[] = []
  let assertionError: KeyFailure | undefined
  const prepared: Prepared[] = []
  let needsTs = txn.asyncCommit || txn.onePc
  let onePc = txn.onePc
  let asyncCommit = txn.asyncCommit
  let commitTs = 0n
  for (const item of items) {
    const key = toKey(item.mutation.key)
    checkKey(key)
    const entry = mvcc.get(key)
    if (item.mutation.op === Op.CheckNotExists && txn.isPessimistic) throw otherMvcc('cannot handle checkNotExists in pessimistic prewrite')
    let status: Status
    try {
      status = checkLock(txn, item, key, entry)
      if (status.own === 'same') {
        // A prewrite that came twice: the first lock stays as it is.
        onePc = false
        if (asyncCommit && status.lock.useAsyncCommit) commitTs = greater(commitTs, status.lock.minCommitTs)
        else needsTs = asyncCommit = false
        continue
      }
      if (!skipsConstraintCheck(txn, item)) checkNewerVersion(txn, item, key, entry)
      checkAssertion(txn, item, entry, status)
    } catch (error) {
      if (!(error instanceof KeyFailure)) throw error
      if (error.error.locked) {
        lockErrors.push(error)
        continue
      }
      if (error.error.assertion_failed) {
        assertionError ??= error
        continue
      }
      const record = mvcc.commitRecord(entry, txn.startTs)
      if (record.kind === 'single' && record.write.type !== Op.Rollback) return committedBefore(txn, record.write.commitTs)
      throw error
    }
    if (item.mutation.op === Op.CheckNotExists) continue
    const own = status.own === 'pessimistic' ? status.lock : undefined
    let minCommitTs = greater(txn.minCommitTs, own?.minCommitTs ?? 0n)
    if (needsTs) {
      minCommitTs = greater(minCommitTs, greater(greater(maxTs, txn.startTs), txn.forUpdateTs) + 1n)
      if (txn.maxCommitTs !== 0n && minCommitTs > txn.maxCommitTs) needsTs = onePc = asyncCommit = false
      else commitTs = greater(commitTs, minCommitTs)
    }
    prepared.push({
      key,
      replaced: own,
      lock: {
        type: lockTypeOf(item.mutation.op),
        startTs: txn.startTs,
        primary: txn.primary,
        ttl: greater(txn.ttl, own?.ttl ?? 0n),
        forUpdateTs: own?.forUpdateTs ?? txn.forUpdateTs,
        txnSize: txn.txnSize,
        minCommitTs,
        useAsyncCommit: false,
        secondaries: [],
        value: item.mutation.op === Op.Put || item.mutation.op === Op.Insert ? Buffer.from(item.mutation.value) : NO_VALUE,
        generation: txn.generation,
        updatedAt: Date.now(),
      },
    })
  }
  if (assertionError) throw assertionError
  if (lockErrors.length > 0) return { outcome: { minCommitTs: 0n, onePcCommitTs: 0n }, errors: lockErrors }
  if (onePc && commitTs > 0n) {
    for (const { key, lock, replaced } of prepared) {
      const record = {
        type: lock.type as Write['type'],
        startTs: txn.startTs,
        commitTs,
        value: lock.value,
        isProtected: false,
        overlappedRollback: false,
      }
      batch.putWrite(key, record, true)
      if (replaced) batch.unlock(key, replaced, commitTs)
    }
    return { outcome: { minCommitTs: 0n, onePcCommitTs: commitTs }, errors: [] }
  }
  for (const { key, lock, replaced } of prepared) {
    if (asyncCommit) {
      lock.useAsyncCommit = true
      if (key === txn.primary) lock.secondaries = [...txn.secondaries]
    } else if (txn.asyncCommit || txn.onePc) {
      lock.minCommitTs = greater(txn.minCommitTs, replaced?.minCommitTs ?? 0n)
    }
    batch.putLock(key, lock)
  }
  return { outcome: { minCommitTs: asyncCommit ? commitTs : 0n, onePcCommitTs: 0n }, errors: [] }
}

/** The answer to a prewrite of a transaction that is committed. */
export function committedBefore(txn: PrewriteTxn, commitTs: bigint): { outcome: PrewriteOutcome; errors: readonly KeyFailure[] } {
  return {
    outcome: { minCommitTs: txn.asyncCommit && !txn.onePc ? commitTs : 0n, onePcCommitTs: txn.onePc ? commitTs : 0n },
    errors: [],
  }
}
