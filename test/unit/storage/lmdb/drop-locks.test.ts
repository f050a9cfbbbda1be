// Locks whose writes have moved into the environment are given up while the writer goes on.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLmdbStore } from '../../../../src/storage/lmdb/store.ts'
import type { LmdbTransaction } from '../../../../src/storage/lmdb/transaction.ts'
import { exclusive, key } from '../../../kv/conformance.ts'

test('ends where the writer gives locks back meanwhile', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pgks-drop-'))
  const store = await openLmdbStore({ dataDir, versionRetentionMs: 0 })
  const keyspace = await store.open(await store.keyspaces.create('one'))
  const txn = keyspace.begin({ isolation: 'read committed' }) as LmdbTransaction
  const keys = Array.from({ length: 1000 }, (_, i) => key(`k${String(i).padStart(4, '0')}`))
  await txn.lockKeys(keys, exclusive)
  const dropped = txn.dropLocks({ has: () => false }, new Set())
  txn.heldKeys.length = 100
  await dropped
  expect(txn.heldKeys.length).toBeGreaterThanOrEqual(100)
  await txn.rollback()
  await store.close()
  rmSync(dataDir, { recursive: true, force: true })
})
