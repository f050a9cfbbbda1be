// A bulk load's insertions are locked without an entry each in the lock table: others must notice none of that.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openLmdbStore } from '../../../../src/storage/lmdb/store.ts'
import type { Keyspace, Store, Transaction } from '../../../../src/storage/store.ts'
import { exclusive, failure, key } from '../../../kv/conformance.ts'

const MANY = 2000
const name = (i: number): string => `k${String(i).padStart(6, '0')}`
const begin = (keyspace: Keyspace): Transaction => keyspace.begin({ isolation: 'read committed' })

async function load(txn: Transaction, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) await txn.insert(key(name(i)), Buffer.from(`value ${i}`))
}
/** Whether the promise is still pending after a while. */
async function waits(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  const first = await Promise.race([promise.catch(() => null), new Promise((resolve) => setTimeout(() => resolve(pending), 50))])
  return first === pending
}

let dataDir: string
let store: Store
let keyspace: Keyspace
for (const writeBufferEntries of [1_000_000, 300]) {
  describe(`a load with room for ${writeBufferEntries} writes in memory`, () => {
    beforeEach(async () => {
      dataDir = mkdtempSync(join(tmpdir(), 'pgks-bulk-'))
      store = await openLmdbStore({ dataDir, versionRetentionMs: 0, writeBufferEntries })
      keyspace = await store.open(await store.keyspaces.create('one'))
    })
    afterEach(async () => {
      await store.close()
      rmSync(dataDir, { recursive: true, force: true })
    })

    test.each([5, MANY - 5])('an insertion of its key number %i waits, and fails when the load commits', async (at) => {
      const bulk = begin(keyspace)
      await load(bulk, 0, MANY)
      const other = begin(keyspace)
      const inserted = Promise.resolve(other.insert(key(name(at)), Buffer.from('mine')))
      expect(await waits(inserted)).toBe(true)
      await bulk.commit()
      expect((await failure(() => inserted)).kind).toBe('alreadyExists')
      await other.rollback()
    })

    test('several that wait for one key get it one after the other when the load is rolled back', async () => {
      const bulk = begin(keyspace)
      await load(bulk, 0, MANY)
      const others = [begin(keyspace), begin(keyspace), begin(keyspace)]
      const locked = others.map((txn) => Promise.resolve(txn.lockKeys([key(name(MANY - 1))], exclusive)))
      for (const lock of locked) expect(await waits(lock)).toBe(true)
      await bulk.rollback()
      for (const [i, txn] of others.entries()) {
        await locked[i]
        if (i + 1 < others.length) expect(await waits(locked[i + 1]!)).toBe(true)
        expect(await txn.get(key(name(MANY - 1)))).toBeNull()
        await txn.rollback()
      }
    })

    test('NOWAIT and SKIP LOCKED see its locks', async () => {
      const bulk = begin(keyspace)
      await load(bulk, 0, MANY)
      const other = begin(keyspace)
      const keys = [key(name(MANY - 2))]
      expect((await failure(async () => other.lockKeys(keys, { ...exclusive, wait: 'nowait' }))).kind).toBe('lockNotAvailable')
      const { status } = await other.lockKeys([...keys, key('free')], { ...exclusive, wait: 'skip' })
      const own = await bulk.lockKeys(keys, exclusive)
      expect(status[0]).not.toBe(status[1])
      expect(own.status[0]).toBe(status[1])
      await other.rollback()
      await bulk.rollback()
    })

    test('it waits for others, and a circle of two loads is a deadlock', async () => {
      const [one, two] = [begin(keyspace), begin(keyspace)]
      await load(one, 0, MANY)
      await load(two, MANY, 2 * MANY)
      const blocked = Promise.resolve(one.insert(key(name(2 * MANY - 1)), Buffer.from('mine')))
      expect(await waits(blocked)).toBe(true)
      expect((await failure(async () => two.insert(key(name(MANY - 1)), Buffer.from('mine')))).kind).toBe('deadlock')
      await two.rollback()
      await blocked
      await one.commit()
      const reader = begin(keyspace)
      expect((await reader.get(key(name(2 * MANY - 1))))?.toString()).toBe('mine')
      expect((await reader.get(key(name(2 * MANY - 2))))?.toString()).toBeUndefined()
      await reader.rollback()
    })
  })
}
