// The embedded store against what every store must do. Once with a write buffer so small that nearly every transaction spills into intents, and
// once with a memtable so small that a checkpoint is nearly always under way.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LmdbStoreOptions, openLmdbStore } from '../../src/storage/lmdb/store.ts'
import { describeStore, type StoreUnderTest } from './conformance.ts'
import { describeModel } from './model.ts'
import { describeSerializability } from './serializability.ts'

const maker = (options: Omit<LmdbStoreOptions, 'dataDir'>) => async (): Promise<StoreUnderTest> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'pgks-kv-'))
  const store = await openLmdbStore({ dataDir, ...options })
  return {
    store,
    dispose: async () => {
      await store.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

for (const versionRetentionMs of [0, 600_000]) {
  const name = `lmdb, retention ${versionRetentionMs} ms`
  describeStore(name, maker({ versionRetentionMs }))
  describeModel(name, maker({ versionRetentionMs }))
  describeSerializability(name, maker({ versionRetentionMs }))
}
describeModel('lmdb, tiny write buffer', maker({ versionRetentionMs: 0, writeBufferEntries: 2 }))
describeSerializability('lmdb, tiny write buffer', maker({ versionRetentionMs: 0, writeBufferEntries: 1 }))
describeStore('lmdb, tiny memtable', maker({ versionRetentionMs: 0, memtableBytes: 2000 }))
describeModel('lmdb, tiny memtable', maker({ versionRetentionMs: 0, memtableBytes: 2000 }))
describeModel('lmdb, tiny memtable and write buffer', maker({ versionRetentionMs: 0, memtableBytes: 2000, writeBufferEntries: 2 }))
