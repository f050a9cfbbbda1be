// The clean-up job: keys of tables and counters that no descriptor names any more (dropped, truncated, rewritten) are erased once nobody can
// read them, in small transactions; the note of the job itself goes last, so that a crash only repeats work.

import { prefixEnd } from '../base/bytes.ts'
import { tableId } from '../base/ids.ts'
import { eachPair } from '../storage/each-pair.ts'
import { rowIdKey, sequenceKey, tableRange } from '../storage/rows/keys.ts'
import type { KeyRange, Keyspace } from '../storage/store.ts'
import { GARBAGE_PREFIX, garbageKey } from './keys.ts'
import { decodeValue, encodeValue } from './records.ts'
import { isGarbageNote, temporaryNote } from './temporary.ts'

/** Keys erased in one transaction. */
const BATCH = 1000

async function eraseRange(keyspace: Keyspace, range: KeyRange): Promise<number> {
  let erased = 0
  for (;;) {
    const txn = keyspace.begin({ isolation: 'read committed' })
    try {
      const keys: Buffer[] = []
      await eachPair(txn, range, (key) => keys.push(Buffer.from(key)), { limit: BATCH, keysOnly: true })
      if (keys.length === 0) {
        await txn.rollback()
        return erased
      }
      await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: 10_000 })
      for (const key of keys) await txn.delete(key)
      await txn.commit({ relaxed: true })
      erased += keys.length
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }
}

const eraseKey = (keyspace: Keyspace, key: Buffer): Promise<number> =>
  eraseRange(keyspace, { start: key, end: Buffer.concat([key, Buffer.from([0])]) })

/** Ids whose keys wait to be erased. `alone`: no other process can have sessions in the keyspace. */
export async function garbageIds(keyspace: Keyspace, alone: boolean): Promise<number[]> {
  const start = Buffer.from(GARBAGE_PREFIX, 'utf8')
  const txn = keyspace.begin({ isolation: 'read committed', readOnly: true })
  const ids: number[] = []
  const now = Date.now()
  try {
    await eachPair(txn, { start, end: prefixEnd(start)! }, (key, value) => {
      if (isGarbageNote(decodeValue(value) as string, now, alone)) ids.push(Number.parseInt(key.utf8Slice(start.length), 16))
    })
    return ids
  } finally {
    await txn.rollback()
  }
}

/** Erases what belongs to these ids: rows, index entries, locks, row ids and sequence counters. Answers keys erased. */
export async function collectGarbage(keyspace: Keyspace, ids: readonly number[]): Promise<number> {
  let erased = 0
  for (const id of ids) {
    erased += await eraseRange(keyspace, tableRange(tableId(id)))
    erased += await eraseKey(keyspace, sequenceKey(id))
    erased += await eraseKey(keyspace, rowIdKey(tableId(id)))
    await eraseKey(keyspace, Buffer.from(garbageKey(id), 'utf8'))
  }
  return erased
}

/** Says of ids used by temporary objects that they still are, or (`dropped`) no longer. */
export async function noteTemporary(keyspace: Keyspace, ids: readonly number[], dropped: boolean): Promise<void> {
  if (ids.length === 0) return
  const txn = keyspace.begin({ isolation: 'read committed' })
  try {
    const keys = ids.map((id) => Buffer.from(garbageKey(id), 'utf8'))
    await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: 10_000 })
    const note = encodeValue(dropped ? 'dropped' : temporaryNote(Date.now()))
    for (const key of keys) await txn.put(key, note)
    await txn.commit({ relaxed: true })
  } catch (error) {
    await txn.rollback()
    throw error
  }
}
