// The embedded store against what every store must do.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStore } from '../../src/storage/lmdb/store.ts'
import { describeStore } from './conformance.ts'
import { describeModel } from './model.ts'
import { describeSerializability } from './serializability.ts'

for (const versionRetentionMs of [0, 600_000]) {
  const make = async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'pgks-kv-'))
    const store = await openLmdbStore({ dataDir, versionRetentionMs })
    return {
      store,
      dispose: async () => {
        await store.close()
        rmSync(dataDir, { recursive: true, force: true })
      },
    }
  }
  describeStore(`lmdb, retention ${versionRetentionMs} ms`, make)
  describeModel(`lmdb, retention ${versionRetentionMs} ms`, make)
  describeSerializability(`lmdb, retention ${versionRetentionMs} ms`, make)
}
