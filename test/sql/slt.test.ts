// Every .slt file under test/sql, each in a tenant of its own. With SLT_RECORD=1 (npm run record:slt) the expected answers are written anew:
// PostgreSQL's, from PGlite, and for `own` statements our server's.

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { openOracle } from '../support/oracle.ts'
import { ask, onTikv, startTestServer, type TestServer } from '../support/server.ts'
import { parseSlt, printAnswer, printSlt, type SltRecord } from '../support/slt.ts'
import { runSltFile, sltFiles, sltRoot } from '../support/slt-run.ts'

const recording = process.env['SLT_RECORD'] === '1'
const only = process.env['SLT_ONLY'] ?? ''
const files = sltFiles().filter((file) => file.includes(only))
if (files.length === 0) throw new Error('no .slt files found')

/** A given cluster keeps its tenants: each run has its own. */
const run = process.env['PD_ENDPOINTS'] === undefined ? 'slt' : `slt${Date.now().toString(36).slice(-6)}`

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

async function record(file: string, client: Awaited<ReturnType<TestServer['connect']>>): Promise<void> {
  const { records, trailer } = parseSlt(readFileSync(path.join(sltRoot, file), 'utf8'))
  const oracle = await openOracle()
  const answered: SltRecord[] = []
  for (const one of records) {
    const answer = one.own ? await ask(client, one.sql) : await oracle.ask(one.sql)
    // Own statements may need what the others made.
    if (!one.own) await ask(client, one.sql)
    answered.push({ ...one, expected: printAnswer(answer, one.unordered) })
  }
  await oracle.close()
  writeFileSync(path.join(sltRoot, file), printSlt(answered, trailer))
}

describe('SQL', () => {
  for (const [number, file] of files.entries()) {
    it(file, { timeout: 300_000 }, async () => {
      const client = await server.connect(`${run}_${number}.admin`)
      if (recording) await record(file, client)
      else await runSltFile(client, file, !onTikv)
    })
  }
})
