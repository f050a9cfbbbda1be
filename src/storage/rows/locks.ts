// PostgreSQL's four row-lock modes over the store's two, by two keys per row: the row's own and its key lock.
//
//                     row key     key lock        conflicts, as in PostgreSQL:
//   FOR KEY SHARE     –           S               UPDATE
//   FOR SHARE         S           –               NO KEY UPDATE, UPDATE
//   FOR NO KEY UPDATE X           –               SHARE, NO KEY UPDATE, UPDATE
//   FOR UPDATE        X           X               all
//
// On a store without shared locks an S is an X: on the row key for SHARE, on one of a few stripes of the key lock for KEY SHARE, and UPDATE
// takes all stripes; so that foreign-key checks under one hot parent meet only on the same stripe. Who takes UPDATE to delete the row or to change its
// key ('removal') takes one stripe more there: locks do not tell what their holders have written, and so an INSERT … ON CONFLICT DO NOTHING
// knows whom it has to wait for. UPDATE takes both keys or neither: who holds one of them (a child's INSERT, then an UPDATE of its parent) must not
// run into somebody who waits for it with the other. Where S is real, the store does that; elsewhere it is done here.

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { KvError } from '../kv-error.ts'
import { LOCK_SKIPPED, LOCKED_CHANGED, type LockOptions, type LockResult, type StoreCapabilities, type Transaction } from '../store.ts'
import { keyLockOf } from './keys.ts'

export type RowLockMode = 'key share' | 'share' | 'no key update' | 'update' | 'removal'

export interface RowLockOptions {
  readonly wait: LockOptions['wait']
  readonly timeoutMs: number
  /** Also answer the rows' newest committed (or own) values; not with 'key share'. */
  readonly returnValues?: boolean
}

/** Stripes of a key lock on stores without shared locks. */
const STRIPES = 8
/** So often a row is given back while its stripes are waited for; then it is held meanwhile, so that there is an end. */
const ROUNDS = 8
let nextStripe = 0

function stripe(key: Buffer, n: number): Buffer {
  return Buffer.concat([key, Buffer.from([n])])
}

const stripesOf = (rowKey: Buffer, count: number): Buffer[] => Array.from({ length: count }, (_, n) => stripe(keyLockOf(rowKey), n))

/** Of 'removal', beside the stripes. */
export const removalLockOf = (rowKey: Buffer): Buffer => stripe(keyLockOf(rowKey), STRIPES)

/** The keys that make up a row's key lock. Whoever deletes the row or changes its key deletes these, too: holders of one see that it is gone. */
export function keyLocksOf(capabilities: StoreCapabilities, rowKey: Buffer): Buffer[] {
  return capabilities.sharedLocks ? [keyLockOf(rowKey)] : stripesOf(rowKey, STRIPES + 1)
}

/**
 * Locks rows. Status 1 (changed since the snapshot) of a 'key share' means that the row's key was deleted or changed: read again at a new
 * snapshot. LockResult is by row; a row that is gone is not locked (status 3).
 */
export function lockRows(
  txn: Transaction,
  capabilities: StoreCapabilities,
  rowKeys: readonly Buffer[],
  mode: RowLockMode,
  options: RowLockOptions,
): MaybePromise<LockResult> {
  const shared = capabilities.sharedLocks
  const exclusive: LockOptions = { mode: 'exclusive', onlyExisting: true, ...options }
  switch (mode) {
    case 'no key update':
      return txn.lockKeys(rowKeys, exclusive)
    case 'share':
      return txn.lockKeys(rowKeys, shared ? { ...exclusive, mode: 'shared' } : exclusive)
    case 'key share': {
      const keyLock: LockOptions = { ...options, mode: shared ? 'shared' : 'exclusive', returnValues: false }
      if (shared) return txn.lockKeys(rowKeys.map(keyLockOf), keyLock)
      const n = nextStripe++ % STRIPES
      return txn.lockKeys(
        rowKeys.map((key) => stripe(keyLockOf(key), n)),
        keyLock,
      )
    }
    case 'update':
    case 'removal':
      if (shared) return txn.lockKeys(rowKeys, { ...exclusive, companions: rowKeys.map(keyLockOf) })
      return lockWithStripes(txn, mode === 'removal' ? STRIPES + 1 : STRIPES, rowKeys, exclusive)
  }
}

/** 'update' and 'removal' without shared locks. */
async function lockWithStripes(txn: Transaction, stripes: number, rowKeys: readonly Buffer[], options: LockOptions): Promise<LockResult> {
  const { wait, timeoutMs } = options
  // One request, where nobody is in the way.
  if (wait !== 'skip' && options.returnValues !== true && txn.lockFree !== undefined) {
    const all = rowKeys.flatMap((key) => [key, ...stripesOf(key, stripes)])
    if (await txn.lockFree(all)) return { status: new Uint8Array(rowKeys.length), values: null }
  }
  const deadline = performance.now() + timeoutMs
  const left = (): LockOptions => ({ ...options, timeoutMs: timeoutMs > 0 ? Math.max(1, deadline - performance.now()) : 0 })
  for (let round = 1; ; round++) {
    const before = txn.savepoint()
    const rows = await txn.lockKeys(rowKeys, left())
    const isLast = wait !== 'block' || round === ROUNDS
    try {
      return await lockStripes(txn, stripes, rowKeys, rows, isLast ? left() : { ...options, wait: 'nowait' })
    } catch (error) {
      if (isLast || !(error instanceof KvError) || error.kind !== 'lockNotAvailable') throw error
    }
    await txn.rollbackTo(before)
    await lockStripes(txn, stripes, rowKeys, rows, left())
    await txn.rollbackTo(before)
  }
}

/** The second half of them: all stripes of the rows' key locks. */
function lockStripes(
  txn: Transaction,
  stripes: number,
  rowKeys: readonly Buffer[],
  rows: LockResult,
  { onlyExisting: _, ...options }: LockOptions,
): MaybePromise<LockResult> {
  const locks = rowKeys.flatMap((key, i) => (rows.status[i]! >= LOCK_SKIPPED ? [] : stripesOf(key, stripes)))
  return andThen(txn.lockKeys(locks, { ...options, returnValues: false }), (keys) => {
    let at = 0
    for (let i = 0; i < rowKeys.length; i++) {
      if (rows.status[i]! >= LOCK_SKIPPED) continue
      for (let n = 0; n < stripes; n++) {
        const status = keys.status[at++]!
        if (status === LOCK_SKIPPED) {
          rows.status[i] = LOCK_SKIPPED
          if (rows.values !== null) rows.values[i] = null
        } else if (status === LOCKED_CHANGED && rows.status[i] !== LOCK_SKIPPED) rows.status[i] = LOCKED_CHANGED
      }
    }
    return rows
  })
}
