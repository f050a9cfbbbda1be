// Circles of waits through locks of several kinds, all sessions on one node: rows, relations, advisory locks. One of them is told 40P01 about a second
// after the circle closed (deadlock_timeout), in PostgreSQL's words; what only waits long is left alone.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let a: pg.Client
let b: pg.Client
let tenant = 0

beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

async function fresh(): Promise<[number, number]> {
  const user = `${ownTenant(`dead_${++tenant}`)}.admin`
  a = await server.connect(user)
  b = await server.connect(user)
  await a.query('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0)')
  const pid = async (client: pg.Client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number
  return [await pid(a), await pid(b)]
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
interface Outcome {
  readonly code: string
  readonly detail: string | undefined
  readonly ms: number
}
async function outcome(client: pg.Client, sql: string): Promise<Outcome> {
  const start = performance.now()
  try {
    await client.query(sql)
    return { code: 'ok', detail: undefined, ms: performance.now() - start }
  } catch (error) {
    const { code, detail } = error as { code: string; detail?: string }
    return { code, detail, ms: performance.now() - start }
  }
}

const ROW = 'ShareLock on transaction \\d+'
const TABLE = 'AccessExclusiveLock on relation \\d+ of database \\d+'
const ADVISORY = 'ExclusiveLock on advisory lock \\[\\d+,0,7,1\\]'

const CASES: { name: string; first: string; second: string; last: [string, string]; locks: [string, string] }[] = [
  {
    name: 'row and advisory lock',
    first: 'UPDATE t SET v = 1 WHERE id = 1',
    second: 'SELECT pg_advisory_lock(7)',
    last: ['SELECT pg_advisory_lock(7)', 'UPDATE t SET v = 2 WHERE id = 1'],
    locks: [ADVISORY, ROW],
  },
  {
    name: 'row and relation',
    first: 'UPDATE t SET v = 1 WHERE id = 1',
    second: 'CREATE TABLE u (id int); LOCK TABLE u',
    last: ['SELECT * FROM u', 'UPDATE t SET v = 2 WHERE id = 1'],
    locks: ['AccessShareLock on relation \\d+ of database \\d+', ROW],
  },
  {
    name: 'advisory lock and relation',
    first: 'SELECT pg_advisory_lock(7)',
    second: 'SELECT * FROM t',
    last: ['LOCK TABLE t', 'SELECT pg_advisory_lock(7)'],
    locks: [TABLE, ADVISORY],
  },
  {
    name: 'rows',
    first: 'UPDATE t SET v = 1 WHERE id = 1',
    second: 'UPDATE t SET v = 1 WHERE id = 2',
    last: ['UPDATE t SET v = 1 WHERE id = 2', 'UPDATE t SET v = 1 WHERE id = 1'],
    locks: [ROW, ROW],
  },
]

test.each(CASES)('$name', { timeout: 60_000 }, async ({ name, first, second, last, locks }) => {
  const [pidA, pidB] = await fresh()
  // What the second one makes must be known before anybody waits for it.
  if (name === 'row and relation') {
    await b.query('CREATE TABLE u (id int)')
    await a.query('SELECT * FROM u')
  }
  await a.query('BEGIN')
  await b.query('BEGIN')
  await a.query(first)
  await b.query(second.replace('CREATE TABLE u (id int); ', ''))
  const waiting = outcome(a, last[0])
  await pause(200)
  const closing = outcome(b, last[1])
  const outcomes = [await Promise.race([waiting, closing])]
  const victim = outcomes[0]!
  expect(victim.code).toBe('40P01')
  expect(victim.ms).toBeLessThan(5000)
  const ofA = `Process ${pidA} waits for ${locks[0]}; blocked by process ${pidB}\\.`
  const ofB = `Process ${pidB} waits for ${locks[1]}; blocked by process ${pidA}\\.`
  expect(victim.detail).toMatch(new RegExp(`^(${ofA}\\n${ofB}|${ofB}\\n${ofA})$`))
  // Only one of them: the other has what it waited for.
  await a.query('ROLLBACK; SELECT pg_advisory_unlock_all()').catch(() => undefined)
  await b.query('ROLLBACK; SELECT pg_advisory_unlock_all()').catch(() => undefined)
  expect([(await waiting).code, (await closing).code].sort()).toEqual(['40P01', 'ok'])
})

test('a long wait in a chain that is no circle is left alone', { timeout: 60_000 }, async () => {
  await fresh()
  const c = await server.connect(`${ownTenant(`dead_${tenant}`)}.admin`)
  await a.query('BEGIN; UPDATE t SET v = 1 WHERE id = 1')
  await b.query('BEGIN')
  await b.query('SELECT pg_advisory_xact_lock(7)')
  const second = outcome(b, 'UPDATE t SET v = 2 WHERE id = 1')
  const third = outcome(c, 'SELECT pg_advisory_lock(7)')
  await pause(4000)
  await a.query('COMMIT')
  expect((await second).code).toBe('ok')
  await b.query('COMMIT')
  expect((await third).code).toBe('ok')
})

test('deadlock_timeout says when it is looked for', { timeout: 60_000 }, async () => {
  await fresh()
  await a.query("SET deadlock_timeout = '100ms'; BEGIN; UPDATE t SET v = 1 WHERE id = 1")
  await b.query("SET deadlock_timeout = '1h'; BEGIN; SELECT pg_advisory_xact_lock(7)")
  const closing = outcome(b, 'UPDATE t SET v = 2 WHERE id = 1')
  await pause(100)
  const waiting = await outcome(a, 'SELECT pg_advisory_lock(7)')
  expect(waiting.code).toBe('40P01')
  await a.query('ROLLBACK')
  expect((await closing).code).toBe('ok')
})

test('who waits for whom is shown meanwhile', { timeout: 60_000 }, async () => {
  const [pidA, pidB] = await fresh()
  const c = await server.connect(`${ownTenant(`dead_${tenant}`)}.admin`)
  const shown = async (sql: string) => (await c.query({ text: sql, rowMode: 'array' })).rows as unknown[][]
  await a.query('BEGIN; SELECT pg_advisory_xact_lock(7); CREATE TABLE u (id int)')
  await a.query('COMMIT; BEGIN; SELECT pg_advisory_xact_lock(7); UPDATE t SET v = 1 WHERE id = 1; LOCK TABLE u IN SHARE MODE')
  for (const [sql, kind, columns] of [
    ['INSERT INTO u VALUES (1)', 'relation', ['relation', 'RowExclusiveLock', false]],
    ['SELECT * FROM t WHERE id = 1 FOR UPDATE', 'transactionid', ['transactionid', 'ShareLock', false]],
    ['SELECT pg_advisory_xact_lock(7)', 'advisory', ['advisory', 'ExclusiveLock', false]],
  ] as const) {
    const waiting = outcome(b, sql)
    await expect
      .poll(() => shown(`SELECT wait_event_type, wait_event FROM pg_stat_activity WHERE pid = ${pidB}`), { message: sql })
      .toEqual([['Lock', kind]])
    expect(await shown(`SELECT pg_blocking_pids(${pidB}), pg_blocking_pids(${pidA})`), sql).toEqual([[[pidA], []]])
    expect(await shown(`SELECT locktype, mode, granted FROM pg_locks WHERE pid = ${pidB} AND NOT granted`), sql).toEqual([columns])
    await c.query(`SELECT pg_cancel_backend(${pidB})`)
    expect((await waiting).code).toBe('57014')
  }
  await a.query('ROLLBACK')
  expect(await shown(`SELECT count(*)::int FROM pg_locks WHERE NOT granted`)).toEqual([[0]])
})
