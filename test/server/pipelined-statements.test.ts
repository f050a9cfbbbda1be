// Statements that must be alone in their transaction, and such that must not be, in a pipeline of the extended protocol: what comes before the
// Sync is one implicit transaction, and from its second statement on a transaction block to them, as in PostgreSQL 18.

import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client

beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect(`${ownTenant('pipelined')}.admin`)
  await client.query('CREATE TABLE t (a int)')
})
afterAll(async () => {
  await server.stop()
})

/** What pg's connection can be asked for. */
interface Wire {
  parse(query: { text: string }): void
  bind(config: object): void
  execute(config: object): void
  sync(): void
}

/** Executes statements before one Sync; the tags of those that were done, then the error if there was one. */
function pipeline(...texts: string[]): Promise<string[]> {
  const said: string[] = []
  return new Promise((resolve) => {
    client.query({
      submit(wire: Wire) {
        for (const text of texts) {
          wire.parse({ text })
          wire.bind({})
          wire.execute({})
        }
        wire.sync()
      },
      handleDataRow: () => undefined,
      handleCommandComplete: (message: { text: string }) => said.push(message.text),
      handleError: (error: { code: string; message: string }) => resolve([...said, `${error.code} ${error.message}`]),
      handleReadyForQuery: () => resolve(said),
    } as unknown as pg.Submittable)
  })
}

it('what must be alone comes first or not at all', async () => {
  expect(await pipeline('VACUUM', 'SELECT 1')).toEqual(['VACUUM', 'SELECT 1'])
  expect(await pipeline('SELECT 1', 'VACUUM')).toEqual(['SELECT 1', '25001 VACUUM cannot run inside a transaction block'])
  expect(await pipeline('SELECT 1', 'REINDEX TABLE CONCURRENTLY t')).toEqual([
    'SELECT 1',
    '25001 REINDEX CONCURRENTLY cannot run inside a transaction block',
  ])
  // the Sync has ended that
  expect(await pipeline('VACUUM')).toEqual(['VACUUM'])
})

it('what must be alone is committed at once: what fails after it does not take it back, and the next begins anew', async () => {
  await client.query('CREATE TABLE indexed (a int)')
  expect(await pipeline('VACUUM', 'CREATE INDEX CONCURRENTLY indexed_a ON indexed (a)', 'SELECT 1/0')).toEqual([
    'VACUUM',
    'CREATE INDEX',
    '22012 division by zero',
  ])
  const { rows } = await client.query("SELECT to_regclass('indexed_a')::text AS found")
  expect(rows).toEqual([{ found: 'indexed_a' }])
  expect(await pipeline('VACUUM', 'LOCK TABLE t')).toEqual(['VACUUM', '25P01 LOCK TABLE can only be used in transaction blocks'])
  expect(await pipeline('BEGIN', 'VACUUM')).toEqual(['BEGIN', '25001 VACUUM cannot run inside a transaction block'])
  await client.query('ROLLBACK')
})

it('what needs a block has one from the second statement on', async () => {
  expect(await pipeline('LOCK TABLE t')).toEqual(['25P01 LOCK TABLE can only be used in transaction blocks'])
  expect(await pipeline('SELECT 1', 'LOCK TABLE t')).toEqual(['SELECT 1', 'LOCK TABLE'])
  expect(await pipeline('SELECT 1', 'SAVEPOINT a')).toEqual(['SELECT 1', '25P01 SAVEPOINT can only be used in transaction blocks'])
})

it('a tenant statement is alone, too', async () => {
  const operator = await server.connect('system.admin')
  const refused = { code: '25001', message: 'SHOW TENANTS cannot run inside a transaction block' }
  await expect(operator.query('SELECT 1; SHOW TENANTS')).rejects.toMatchObject(refused)
  await expect(operator.query('SHOW TENANTS; SELECT 1')).rejects.toMatchObject(refused)
})
