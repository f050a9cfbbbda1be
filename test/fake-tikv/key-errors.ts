// Failures of transactional commands and how they look in an answer. The texts follow TiKV's: clients tell some errors apart by a word in them.

import { type KeyErrorInit, WriteConflictReason } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { encodeKey, toBytes, upperHex } from './keys.ts'
import { type Lock, lockInfo } from './mvcc.ts'

/** A command failed with this error; nothing of it is written. */
export class KeyFailure extends Error {
  override name = 'KeyFailure'
  readonly error: KeyErrorInit
  /** Set when another transaction's lock is in the way: who waits, waits for it. */
  readonly blocker: { readonly key: string; readonly lock: Lock } | undefined

  constructor(error: KeyErrorInit, blocker?: { key: string; lock: Lock }) {
    super('key error')
    this.error = error
    this.blocker = blocker
  }
}

const ts = (value: bigint): string => `TimeStamp(${value})`
const rawHex = (key: string): string => upperHex(key)

export const abort = (text: string): KeyFailure => new KeyFailure({ abort: text })
const mvccText = (text: string): string => `Error(Txn(Error(Mvcc(Error(${text})))))`
const mvccAbort = (text: string): KeyFailure => abort(mvccText(text))

export const locked = (key: string, lock: Lock, showTtl = true): KeyFailure =>
  new KeyFailure({ locked: showTtl ? lockInfo(lock, key) : { ...lockInfo(lock, key), lock_ttl: 0n } }, { key, lock })

export type ConflictReason = keyof typeof WriteConflictReason

export function writeConflict(
  reason: ConflictReason,
  startTs: bigint,
  conflictTs: bigint,
  conflictCommitTs: bigint,
  key: string,
  primary: string,
): KeyFailure {
  return new KeyFailure({
    retryable: mvccText(
      `WriteConflict { start_ts: ${ts(startTs)}, conflict_start_ts: ${ts(conflictTs)}, conflict_commit_ts: ${ts(conflictCommitTs)}, ` +
        `key: ${rawHex(key)}, primary: ${rawHex(primary)}, reason: ${reason} }`,
    ),
    conflict: {
      start_ts: startTs,
      conflict_ts: conflictTs,
      key: toBytes(key),
      primary: toBytes(primary),
      conflict_commit_ts: conflictCommitTs,
      reason: WriteConflictReason[reason],
    },
  })
}

export const alreadyExist = (key: string): KeyFailure => new KeyFailure({ already_exist: { key: toBytes(key) } })
export const lockTypeNotMatch = (startTs: bigint, key: string, pessimistic: boolean): KeyFailure =>
  mvccAbort(`LockTypeNotMatch { start_ts: ${ts(startTs)}, key: ${rawHex(key)}, pessimistic: ${pessimistic} }`)
export const pessimisticLockNotFound = (startTs: bigint, key: string, reason: string): KeyFailure =>
  mvccAbort(`PessimisticLockNotFound { start_ts: ${ts(startTs)}, key: ${rawHex(key)}, reason: ${reason} }`)
export const pessimisticLockRolledBack = (startTs: bigint, key: string): KeyFailure =>
  mvccAbort(`PessimisticLockRolledBack { start_ts: ${ts(startTs)}, key: ${rawHex(key)} }`)
export const lockIfExistsFailed = (startTs: bigint, key: string): KeyFailure =>
  mvccAbort(`LockIfExistsFailed { start_ts: ${ts(startTs)}, key: ${rawHex(key)} }`)
export const committed = (startTs: bigint, commitTs: bigint, key: string): KeyFailure =>
  mvccAbort(`Committed { start_ts: ${ts(startTs)}, commit_ts: ${ts(commitTs)}, key: ${rawHex(key)} }`)
export const otherMvcc = (text: string): KeyFailure => mvccAbort(`Other("${text}")`)
export const otherTxn = (text: string): KeyFailure => abort(`Error(Txn(Error(Other("${text}"))))`)
export const invalidTxnTso = (startTs: bigint, commitTs: bigint): KeyFailure =>
  abort(`Error(Txn(Error(InvalidTxnTso { start_ts: ${ts(startTs)}, commit_ts: ${ts(commitTs)} })))`)
export const txnLockNotFound = (startTs: bigint, commitTs: bigint, key: string): KeyFailure =>
  new KeyFailure({
    retryable: mvccText(`TxnLockNotFound { start_ts: ${ts(startTs)}, commit_ts: ${ts(commitTs)}, key: ${rawHex(key)}, mvcc_info: None }`),
    txn_lock_not_found: { key: toBytes(key) },
  })
export const commitTsExpired = (startTs: bigint, commitTs: bigint, key: string, minCommitTs: bigint): KeyFailure =>
  new KeyFailure({
    commit_ts_expired: { start_ts: startTs, attempted_commit_ts: commitTs, key: toBytes(key), min_commit_ts: minCommitTs },
  })
export const txnNotFound = (startTs: bigint, key: string): KeyFailure =>
  new KeyFailure({ txn_not_found: { start_ts: startTs, primary_key: toBytes(key) } })
export const primaryMismatch = (lock: Lock, key: string): KeyFailure =>
  new KeyFailure({ primary_mismatch: { lock_info: lockInfo(lock, key) } })
export const keyOutOfRegion = (key: string, regionId: bigint, start: string, end: string): KeyFailure =>
  abort(
    `Error(Txn(Error(Mvcc(Error(Kv(Error(Other("\\"Key ${upperHex(encodeKey(key))} is out of [region ${regionId}] ` +
      `[${upperHex(start)}, ${upperHex(end)})\\""))))))))`,
  )
const some = (encoded: string): string => `Some(${upperHex(encoded)})`
export const invalidReqRange = (start: string, end: string, lower: string, upper: string): KeyFailure =>
  abort(
    `Error(Txn(Error(InvalidReqRange { start: ${some(start)}, end: ${some(end)}, lower_bound: ${some(lower)}, upper_bound: ${some(upper)} })))`,
  )
export const keyTooLarge = (size: number, limit: number): KeyFailure => abort(`Error(KeyTooLarge { size: ${size}, limit: ${limit} })`)
