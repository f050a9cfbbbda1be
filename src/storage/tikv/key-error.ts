// What TiKV says of a key, in the store's words.

import { KvError } from '../kv-error.ts'
import type { Capability } from './codec.ts'
import { KeyError as KeyErrorMessage, type LockInfo as LockInfoMessage } from './proto/kvrpcpb.ts'
import type { MessageOf } from './proto/message.ts'

export type KeyError = MessageOf<typeof KeyErrorMessage>
export type LockInfo = MessageOf<typeof LockInfoMessage>

const keyOf = (capability: Capability, key: Buffer): { key: Uint8Array } | Record<string, never> =>
  key.length === 0 ? {} : { key: Buffer.from(capability.user(key)) }

const KINDS = Object.keys(KeyErrorMessage.fields) as (keyof KeyError)[]

/** What a key error says, in its text or by its kind alone; the key itself is a tenant's, and not told. */
function describe(error: KeyError): string {
  const text = error.abort || error.retryable
  if (text !== '') return text.slice(0, 500)
  for (const kind of KINDS) {
    const said = error[kind]
    if (said === undefined || typeof said === 'string') continue
    return 'key' in said && said.key.length >= 4 ? `${kind} in keyspace ${said.key.readUIntBE(1, 3)}` : kind
  }
  return 'unknown key error'
}

/** A command failed on a key in a way that it never should. */
export const keyFailure = (command: string, error: KeyError): KvError => new KvError('unavailable', `${command} failed: ${describe(error)}`)

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
  return new KvError('unavailable', `TiKV: ${describe(error)}`)
}
