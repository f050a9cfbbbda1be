// COPY … FROM with HEADER match: what stands in the first line, beside PostgreSQL's answers.

import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.ts'

let server: TestServer
let client: pg.Client
let oracle: PGlite
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect('header.admin')
  oracle = await PGlite.create()
  const table = 'CREATE TABLE t (a int, "B b" text, c text)'
  await client.query(table)
  await oracle.query(table)
})
afterAll(async () => {
  await oracle.close()
  await server.stop()
})

const OPTIONS = ['HEADER match', 'FORMAT csv, HEADER match', "FORMAT csv, HEADER match, NULL 'c'", 'FORMAT csv, HEADER true']

const ours = (text: string, options: string): Promise<string> =>
  new Promise((resolve) => {
    const query = new pg.Query(`COPY t FROM STDIN WITH (${options})`) as pg.Query & { handleCopyInResponse(c: unknown): void }
    query.handleCopyInResponse = (raw) => {
      const connection = raw as { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void }
      connection.sendCopyFromChunk(Buffer.from(text))
      connection.endCopyFrom()
    }
    query.on('error', (error: Error & { code?: string }) => resolve(`${error.code} ${error.message}`))
    query.on('end', () => resolve('copied'))
    client.query(query)
  })

const theirs = (text: string, options: string): Promise<string> =>
  oracle.query(`COPY t FROM '/dev/blob' WITH (${options})`, [], { blob: new Blob([text]) }).then(
    () => 'copied',
    (error: { code: string; message: string }) => `${error.code} ${error.message}`,
  )

it.each([
  ['a\tB b\tc\n1\tx\ty\n', 'text'],
  ['a\tB b\t\\N\n', 'text'],
  ['a\tb\tc\n', 'text'],
  ['a\tB b\n', 'text'],
  ['a,B b,c\n1,x,y\n', 'csv'],
  ['a,"B b",\n', 'csv'],
  ['a,"B b",""\n', 'csv'],
  ['a,"B b",c,d\n', 'csv'],
  ['"A","B b",c\n', 'csv'],
])('%j', async (text, format) => {
  for (const options of OPTIONS.filter((one) => one.includes('csv') === (format === 'csv')))
    expect(await ours(text, options), options).toBe(await theirs(text, options))
})
