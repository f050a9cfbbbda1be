// COPY … FREEZE is for a table that this transaction, or its present subtransaction, has made or emptied: nobody else can see its rows.

import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../../support/server.ts'

let server: TestServer
let client: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect('freeze.admin')
})
afterAll(async () => {
  await server.stop()
})

/** Sends no rows; answers what is refused. */
const copied = (table: string): Promise<string> =>
  new Promise((resolve) => {
    const query = new pg.Query(`COPY ${table} FROM STDIN WITH (FREEZE)`) as pg.Query & { handleCopyInResponse(c: unknown): void }
    query.handleCopyInResponse = (connection) => (connection as { endCopyFrom(): void }).endCopyFrom()
    query.on('error', (error: Error & { code?: string }) => resolve(`${error.code} ${error.message}`))
    query.on('end', () => resolve('copied'))
    client.query(query)
  })

const OLD = '55000 cannot perform COPY FREEZE because the table was not created or truncated in the current subtransaction'
const BUSY = '25000 cannot perform COPY FREEZE because of prior transaction activity'

it('a table of another transaction is refused', async () => {
  await client.query('CREATE TABLE t (a int); CREATE TEMP TABLE own (a int)')
  expect(await copied('t')).toBe(OLD)
  expect(await copied('own')).toBe(OLD)
  await client.query('BEGIN; INSERT INTO t VALUES (1)')
  expect(await copied('t')).toBe(OLD)
  await client.query('ROLLBACK')
  await client.query('BEGIN; ALTER TABLE t ADD COLUMN b int')
  expect(await copied('t')).toBe(OLD)
  await client.query('ROLLBACK')
})

it('one that was created or truncated in this transaction is not', async () => {
  await client.query('BEGIN; CREATE TABLE new (a int); CREATE TEMP TABLE mine (a int); TRUNCATE t; TRUNCATE own')
  for (const table of ['new', 'mine', 't', 'own']) expect(await copied(table), table).toBe('copied')
  await client.query('COMMIT')
  expect(await copied('new')).toBe(OLD)
})

it('what counts is the subtransaction', async () => {
  await client.query('BEGIN; CREATE TABLE outside (a int); SAVEPOINT s')
  expect(await copied('outside')).toBe(OLD)
  await client.query('ROLLBACK TO s; TRUNCATE outside')
  expect(await copied('outside')).toBe('copied')
  await client.query('ROLLBACK TO s')
  expect(await copied('outside')).toBe(OLD)
  await client.query('ROLLBACK TO s; RELEASE s')
  expect(await copied('outside')).toBe('copied')
  await client.query('ROLLBACK')
})

it('an open cursor stands in the way', async () => {
  await client.query('BEGIN; CREATE TABLE c (a int); DECLARE cur CURSOR FOR SELECT 1')
  expect(await copied('c')).toBe(BUSY)
  await client.query('ROLLBACK')
})
