// Portals and an error in their transaction block: names stay until the block goes back or ends, and what is older than the savepoint goes on.
// FAILED_PORTALS_PG=postgres://… runs the same on a PostgreSQL.

import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { msg } from '../support/wire-client.ts'

const postgres = process.env['FAILED_PORTALS_PG']
let server: TestServer | null = null
let client: pg.Client
beforeAll(async () => {
  if (postgres === undefined) {
    server = await startTestServer()
    client = await server.connect('portals.admin')
  } else {
    client = new pg.Client(postgres)
    await client.connect()
  }
})
afterAll(async () => {
  if (server === null) await client.end()
  else await server.stop()
})
beforeEach(() => client.query('ROLLBACK'))

/** Sends the messages and a Sync; answers rows, tags and errors in their order. */
function said(...messages: Buffer[]): Promise<string[]> {
  const { connection } = client as unknown as { connection: { stream: { write(bytes: Buffer): void } } }
  return new Promise((resolve) => {
    const lines: string[] = []
    client.query({
      submit: () => void connection.stream.write(Buffer.concat([...messages, msg.sync()])),
      handleRowDescription: () => void lines.push('described'),
      handleDataRow: ({ fields }: { fields: string[] }) => lines.push(fields.join('|')),
      handlePortalSuspended: () => lines.push('suspended'),
      handleCommandComplete: ({ text }: { text: string }) => lines.push(text),
      // the driver says nothing more of what has failed
      handleError: ({ code, message }: { code: string; message: string }) => resolve([...lines, `${code} ${message}`]),
      handleReadyForQuery: () => resolve(lines),
    } as unknown as pg.Submittable)
  })
}
const bind = (portal: string, text: string): Buffer => Buffer.concat([msg.parse('', text), msg.bind(portal, '')])
const SERIES = 'SELECT g FROM generate_series(1, 9) g'
const aborted = '25P02 current transaction is aborted, commands ignored until end of transaction block'

test('in a failed block a portal is there but cannot be run', async () => {
  await client.query('BEGIN')
  expect(await said(bind('p', SERIES), msg.execute('p', 2))).toEqual(['1', '2', 'suspended'])
  expect(await said(bind('q', 'SELECT 1 / (g - 1) FROM generate_series(1, 1) g'), msg.execute('q'))).toEqual(['22012 division by zero'])
  for (const name of ['p', 'q']) {
    expect(await said(msg.execute(name, 2))).toEqual([aborted])
    expect(await said(msg.describe('P', name))).toEqual([aborted])
  }
  expect(await said(msg.execute('never'))).toEqual(['34000 portal "never" does not exist'])
  expect(await said(msg.parse('', 'ROLLBACK'), msg.bind('', ''), msg.execute(''))).toEqual(['ROLLBACK'])
  expect(await said(msg.execute('p'))).toEqual(['34000 portal "p" does not exist'])
})

test('back at a savepoint older portals go on; what was bound since is gone, and the one that failed stays failed', async () => {
  await client.query('BEGIN')
  expect(await said(bind('old', SERIES), msg.execute('old', 2))).toEqual(['1', '2', 'suspended'])
  expect(await said(bind('bad', 'SELECT 1 / (2 - g) FROM generate_series(1, 9) g'), msg.execute('bad', 1))).toEqual(['1', 'suspended'])
  await said(bind('fresh', SERIES))
  await client.query('SAVEPOINT s')
  expect(await said(bind('new', SERIES), msg.execute('new', 1))).toEqual(['1', 'suspended'])
  expect(await said(msg.execute('bad'))).toEqual(['22012 division by zero'])
  expect(await said(msg.execute('old', 2))).toEqual([aborted])
  expect(await said(msg.execute('new', 2))).toEqual([aborted])
  await client.query('ROLLBACK TO s')
  expect(await said(msg.execute('old', 2))).toEqual(['3', '4', 'suspended'])
  expect(await said(msg.describe('P', 'old'), msg.execute('fresh', 1))).toEqual(['described', '1', 'suspended'])
  await client.query('SAVEPOINT t')
  expect(await said(msg.execute('new', 2))).toEqual(['34000 portal "new" does not exist'])
  await client.query('ROLLBACK TO t')
  expect(await said(msg.execute('bad'))).toEqual(['55000 portal "bad" cannot be run'])
  await client.query('ROLLBACK TO t')
  expect(await said(msg.execute('old'))).toEqual(['5', '6', '7', '8', '9', 'SELECT 5'])
})

test('a portal of a released savepoint goes with the outer one', async () => {
  await client.query('BEGIN; SAVEPOINT outside; SAVEPOINT inside')
  expect(await said(bind('p', SERIES), msg.execute('p', 1))).toEqual(['1', 'suspended'])
  await client.query('RELEASE inside; SAVEPOINT other')
  await expect(client.query('SELECT 1 / 0')).rejects.toThrow('division by zero')
  await client.query('ROLLBACK TO other')
  expect(await said(msg.execute('p', 1))).toEqual(['2', 'suspended'])
  await client.query('ROLLBACK TO outside')
  expect(await said(msg.execute('p', 1))).toEqual(['34000 portal "p" does not exist'])
})

test('a cursor of SQL in a failed block', async () => {
  await client.query(`BEGIN; DECLARE c CURSOR FOR ${SERIES}`)
  await expect(client.query('SELECT 1 / 0')).rejects.toThrow('division by zero')
  expect(await said(msg.execute('c', 1))).toEqual([aborted])
  expect(await said(msg.describe('P', 'c'))).toEqual([aborted])
})

test('rows of a writing portal that were not asked for yet are still there after ROLLBACK TO', async () => {
  await client.query('BEGIN; CREATE TEMP TABLE made (a int)')
  expect(await said(bind('w', 'INSERT INTO made VALUES (1), (2), (3) RETURNING a'), msg.execute('w', 1))).toEqual(['1', 'suspended'])
  await client.query('SAVEPOINT s')
  await expect(client.query('SELECT 1 / 0')).rejects.toThrow('division by zero')
  await client.query('ROLLBACK TO s')
  expect(await said(msg.execute('w'))).toEqual(['2', '3', 'INSERT 0 2'])
})
