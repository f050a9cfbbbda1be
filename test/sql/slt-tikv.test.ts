// The .slt files on a fake TiKV cluster: those where the store shows most; all of them with LONG=1 (or STORE=tikv npx vitest run test/sql).

import { afterAll, beforeAll, describe, it } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { onTikv, startTestServer, type TestServer } from '../support/server.ts'
import { runSltFile, sltFiles } from '../support/slt-run.ts'

const FIRST = ['dml/', 'foreign-key/', 'index/', 'modifying-cte', 'sequence/', 'transactions', 'truncate/', 'upsert/on-conflict']
const files = sltFiles().filter((file) => process.env['LONG'] === '1' || FIRST.some((part) => file.includes(part)))

// Then every file runs there in slt.test.ts.
describe.skipIf(onTikv)('SQL on TiKV', () => {
  let fake: Fake
  let server: TestServer
  beforeAll(async () => {
    fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
    server = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  }, 120_000)
  afterAll(async () => {
    await server.stop()
    await fake.close()
  })
  for (const [number, file] of files.entries()) {
    it(file, { timeout: 300_000 }, async () => runSltFile(await server.connect(`slt_${number}.admin`), file, false))
  }
})
