// What TiKV says of a key, in the store's words.

import { KvError } from '../kv-error.ts'
import type { Capability } from './codec.ts'
import type { KeyError as KeyErrorMessage, LockInfo as LockInfoMessage } from './proto/kvrpcpb.ts'
import type { MessageOf } from './proto/message.ts'

export type KeyError = MessageOf<typeof KeyErrorMessage>
export type LockInfo = MessageOf<typeof LockInfoMessage>

const keyOf = (capability: Capability, key: Buffer): { key: Uint8Array } | Record<string, never> =>
  key.length === 0 ? {} : { key: Buffer.from(capability.user(key)) }

/** A key error that no waiting helps against. */
export function toKvError(capability: Capability, error: KeyError): KvError {
  if (error.conflict !== undefined) {
    return new KvError('writeConflict', 'a newer version was committed', { retryable: true, ...keyOf(capability, error.conflict.key) })
  }
  if (error.already_exist !== undefined) return new KvError('alreadyExists', 'the key exists', keyOf(capability, error.already_exist.key))
  if (error.deadlock !== undefined) return new KvError('deadlock', 'deadlock detected', { retryable: false })
  const text = error.abort !== '' ? error.abort : error.retryable
  if (
    error.txn_lock_not_found !== undefined ||
    error.txn_not_found !== undefined ||
    /TxnLockNotFound|PessimisticLockNotFound|PessimisticLockRolledBack|TxnNotFound/.test(text)
  ) {
    return new KvError('writeConflict', 'the transaction was rolled back by another: its locks are gone', { retryable: true })
  }
  if (error.commit_ts_too_large !== undefined) return new KvError('unavailable', 'the commit timestamp is too large')
  if (text.includes('KeyTooLarge')) return new KvError('keyTooLarge', 'the key is too large')
  if (error.assertion_failed !== undefined) return new KvError('corrupt', 'an assertion of the store failed: index and row disagree')
  if (/InvalidKeyMode|InvalidKeyRangeMode|ApiVersionNotMatched/.test(text)) {
    return new KvError('unavailable', `the cluster does not serve API version 2 (storage.api-version = 2): ${text.slice(0, 200)}`)
  }
  return new KvError('unavailable', `TiKV: ${text === '' ? 'unknown key error' : text.slice(0, 500)}`)
}
