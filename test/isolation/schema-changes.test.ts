// Statements that wait for a definition and definitions that wait for statements: whoever comes second works with what the first one left.

import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let a: pg.Client
let b: pg.Client

beforeAll(async () => {
  server = await startTestServer()
  a = await server.connect(`${ownTenant('schema')}.admin`)
  b = await server.connect(`${ownTenant('schema')}.admin`)
}, 120_000)
afterAll(() => server.stop())
beforeEach(async () => {
  await a.query('DROP TABLE IF EXISTS child, t CASCADE')
  await a.query('CREATE TABLE t (id int PRIMARY KEY, v int)')
  await b.query('INSERT INTO t VALUES (1, 1)')
})

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows

/** Resolves when a session waits for a relation's lock. */
const someoneWaits = () => expect.poll(() => rows(a, 'SELECT count(*)::int FROM pg_locks WHERE NOT granted')).not.toEqual([[0]])

/** Runs `second` in session b while `first` holds its locks, then lets `first` commit. */
async function during(first: readonly string[], second: () => Promise<unknown>): Promise<unknown> {
  await a.query('BEGIN')
  for (const sql of first) await a.query(sql)
  const waiting = second().catch((error: { code: string }) => error.code)
  await someoneWaits()
  await a.query('COMMIT')
  return waiting
}

test('a write that waited for CREATE INDEX enters its row into the index', async () => {
  await during(['CREATE INDEX ti ON t (v)'], () => b.query('INSERT INTO t VALUES (2, 2)'))
  expect(await rows(a, 'SELECT id FROM t WHERE v = 2')).toEqual([[2]])
})

test('a bound statement that waited for ALTER TABLE is planned anew', async () => {
  await during(['ALTER TABLE t ADD COLUMN w int', 'CREATE INDEX tw ON t (w)'], () =>
    b.query({ text: 'INSERT INTO t VALUES ($1, $2)', values: [3, 3] }),
  )
  expect(await rows(a, 'SELECT id FROM t WHERE w IS NULL ORDER BY id')).toEqual([[1], [3]])
  await during(['ALTER TABLE t DROP COLUMN w'], () => b.query({ text: 'UPDATE t SET v = $1 WHERE id = 3', values: [4] }))
  expect(await rows(a, 'SELECT * FROM t WHERE id = 3')).toEqual([[3, 4]])
})

test('a table dropped meanwhile does not exist', async () => {
  expect(await during(['DROP TABLE t'], () => b.query('SELECT * FROM t'))).toBe('42P01')
})

test('CREATE INDEX that waited for a writer sees what it wrote', async () => {
  await b.query('BEGIN')
  await b.query('INSERT INTO t VALUES (5, 5)')
  const building = a.query('CREATE INDEX ti ON t (v)')
  await new Promise((resolve) => setTimeout(resolve, 100))
  await b.query('COMMIT')
  await building
  expect(await rows(b, 'SELECT id FROM t WHERE v = 5')).toEqual([[5]])
})

test('a constraint that waited for a writer checks what it wrote', async () => {
  await b.query('BEGIN')
  await b.query('INSERT INTO t VALUES (-5, -5)')
  const adding = a.query('ALTER TABLE t ADD CHECK (v > 0)').catch((error: { code: string }) => error.code)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await b.query('COMMIT')
  expect(await adding).toBe('23514')
})

test('a cascade waits for a definition of the referencing table', async () => {
  await a.query('CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE SET NULL)')
  await a.query('INSERT INTO child VALUES (1, 1)')
  await during(['CREATE INDEX ON child (t)'], () => b.query('DELETE FROM t'))
  expect(await rows(a, 'SELECT id FROM child WHERE t IS NULL')).toEqual([[1]])
  expect(await rows(a, 'SELECT id FROM child WHERE t = 1')).toEqual([])
})

test('an index is not built under a snapshot older than its lock', async () => {
  await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await a.query('SELECT 1 FROM pg_class WHERE oid = 0')
  await a.query('CREATE TABLE own (id int PRIMARY KEY)')
  await a.query('INSERT INTO own VALUES (1)')
  await a.query('CREATE INDEX ON own (id)')
  await b.query('INSERT INTO t VALUES (6, 6)')
  await expect(a.query('CREATE INDEX ti ON t (v)')).rejects.toMatchObject({ code: '0A000' })
  await a.query('ROLLBACK')
  await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  await a.query('CREATE INDEX ti ON t (v)')
  await a.query('COMMIT')
  expect(await rows(b, 'SELECT id FROM t WHERE v = 6')).toEqual([[6]])
})
