// Whether what is in the way of an insertion stays there, however the transactions in progress end. PostgreSQL waits for who is about to remove a row or
// to give it another key, not for who has only locked it. Entries of unique indexes have no locks of their own beside those of their
// insertion: their rows' locks guard them.

import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { Transaction } from '../store.ts'
import type { TableLayout } from './layout.ts'
import { removalLockOf } from './locks.ts'
import { rowKeyInValue } from './row-codec.ts'

/** Takes the lock and gives it back; answers the newest value of `key` in between. */
async function newestAfter(txn: Transaction, lock: Buffer, key: Buffer, timeoutMs: number): Promise<Buffer | null> {
  const before = txn.savepoint()
  await txn.lockKeys([lock], { mode: 'exclusive', wait: 'block', timeoutMs, onChange: 'tell' })
  const [value] = await txn.newest([key])
  await txn.rollbackTo(before)
  return value ?? null
}

/** A row whose lock another transaction holds, on a store whose locks do not tell why. Waits for who is about to remove it. */
export async function rowStands(txn: Transaction, rowKey: Buffer, timeoutMs: number): Promise<boolean> {
  // What this snapshot does not show is for the row's own lock to judge.
  if ((await txn.get(rowKey)) === null) return false
  return (await newestAfter(txn, removalLockOf(rowKey), rowKey, timeoutMs)) !== null
}

/** An entry of a unique index that was found. Waits for who is about to remove its row, or to give that another key. */
export function entryStands(txn: Transaction, layout: TableLayout, entryKey: Buffer, timeoutMs: number): MaybePromise<boolean> {
  return andThen(txn.newest([entryKey]), ([value]) => {
    if (value == null) return false
    const rowKey = rowKeyInValue(layout, value)
    if (txn.stands?.(entryKey, rowKey) === true) return true
    return newestAfter(txn, txn.stands === undefined ? removalLockOf(rowKey) : rowKey, entryKey, timeoutMs).then(
      (now) => now?.equals(value) === true,
    )
  })
}
