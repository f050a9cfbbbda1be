// pg_stat_activity, pg_locks and signals over the nodes of one (fake) TiKV cluster: a tenant sees its sessions on all of them and nobody else's, what a
// node that stalls or dies leaves missing, and what reading costs.

import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createSeals, seal } from '../../src/server/sealed.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

let fake: Fake
let one: TestServer
let two: TestServer
let third: ServerProcess
const open: pg.Client[] = []

beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  two = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  third = await startServerProcess({ PD_ENDPOINTS: fake.pdAddress })
}, 180_000)
afterEach(async () => {
  for (const client of open.splice(0)) await client.end().catch(() => {})
})
afterAll(async () => {
  third.stop()
  await one.stop()
  await two.stop()
  await fake.close()
})

async function connect(server: TestServer, user = 'views.admin', options: pg.ClientConfig = {}): Promise<pg.Client> {
  const client = await server.connect(user, options)
  open.push(client)
  return client
}

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]
const pidOf = async (client: pg.Client) => (await rows(client, 'SELECT pg_backend_pid()'))[0]![0] as number
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('sealed answers open for the asker only, and unchanged', () => {
  const [asker, other] = [createSeals(), createSeals()]
  const sealed = seal(asker.publicKey, 'q1', 'SELECT ‹secret›')
  expect(sealed.includes('secret')).toBe(false)
  expect(asker.open('q1', sealed)).toBe('SELECT ‹secret›')
  expect(() => other.open('q1', sealed)).toThrow()
  expect(() => asker.open('q2', sealed)).toThrow()
  sealed[40]! ^= 1
  expect(() => asker.open('q1', sealed)).toThrow()
})

test('pg_stat_activity and pg_locks show a tenant’s sessions on every node, and no other tenant’s', { timeout: 60_000 }, async () => {
  const a = await connect(one)
  const b = await connect(two, 'views.admin', { application_name: 'far' })
  const stranger = await connect(two, 'strangers.admin')
  const [pidA, pidB] = [await pidOf(a), await pidOf(b)]
  await a.query('CREATE TABLE t (id int)')
  await b.query('BEGIN; SELECT count(*) FROM t')
  const seen = await rows(
    a,
    'SELECT pid, application_name, state, query, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) ORDER BY pid',
  )
  expect(seen.map(([pid]) => pid)).toEqual([pidA, pidB].sort((x, y) => x - y))
  expect(seen.find(([pid]) => pid === pidB)).toEqual([pidB, 'far', 'idle in transaction', 'BEGIN; SELECT count(*) FROM t', false])
  expect(await rows(stranger, 'SELECT pid FROM pg_stat_activity')).toEqual([[await pidOf(stranger)]])
  const locks = () => rows(a, `SELECT mode, granted FROM pg_locks WHERE pid = ${pidB} AND relation = 't'::regclass`)
  expect(await locks()).toEqual([['AccessShareLock', true]])
  await b.query('INSERT INTO t VALUES (1)')
  await a.query('CREATE TABLE k (id int PRIMARY KEY); INSERT INTO k VALUES (1)')
  await a.query('BEGIN; SELECT * FROM k FOR UPDATE')
  const waiting = b.query('DELETE FROM k')
  await expect
    .poll(() => rows(a, `SELECT pg_blocking_pids(${pidB}), wait_event FROM pg_stat_activity WHERE pid = ${pidB}`))
    .toEqual([[[pidA], 'transactionid']])
  await a.query('COMMIT')
  await waiting
  await b.query('COMMIT')
  await expect.poll(locks).toEqual([])
  await a.query("CREATE ROLE plain LOGIN PASSWORD 'p'")
  const plain = await connect(one, 'views.plain', { password: 'p' })
  expect(await rows(plain, `SELECT state, query FROM pg_stat_activity WHERE pid = ${pidB}`)).toEqual([[null, '<insufficient privilege>']])
})

test('asking other nodes takes nothing of the keyspace’s own away: sequences and row ids go on', { timeout: 60_000 }, async () => {
  const a = await connect(one, 'asked.admin')
  const b = await connect(two, 'asked.admin')
  await a.query('CREATE SEQUENCE s; CREATE TABLE t (v int)')
  const [[first]] = (await rows(a, "SELECT nextval('s')::int")) as [[number]]
  await a.query('INSERT INTO t VALUES (1)')
  for (const client of [a, b]) expect(await rows(client, 'SELECT count(*)::int FROM pg_stat_activity')).toEqual([[2]])
  await pause(300)
  // a node that has no numbers of its own yet asks the store for the next ones
  expect(((await rows(b, "SELECT nextval('s')::int")) as [[number]])[0][0]).toBeGreaterThan(first)
  await b.query('INSERT INTO t VALUES (2)')
  expect(await rows(a, 'SELECT v FROM t ORDER BY v')).toEqual([[1], [2]])
})

test('signals to sessions elsewhere follow their owner’s role, and say when there is none', { timeout: 60_000 }, async () => {
  const a = await connect(one, 'signalled.admin')
  await a.query("CREATE ROLE plain LOGIN PASSWORD 'p'")
  const here = await connect(one, 'signalled.plain', { password: 'p' })
  const there = await connect(two, 'signalled.plain', { password: 'p' })
  const pid = await pidOf(there)
  const running = there.query('SELECT pg_sleep(20)').catch((error: { code: string }) => error.code)
  expect(await rows(here, `SELECT pg_cancel_backend(${pid})`)).toEqual([[true]])
  expect(await running).toBe('57014')
  const warnings: string[] = []
  here.on('notice', ({ message }) => warnings.push(message ?? ''))
  expect(await rows(here, `SELECT pg_cancel_backend(${pid + 1000})`)).toEqual([[false]])
  expect(warnings).toEqual([`PID ${pid + 1000} is not a PostgreSQL backend process`])
  const stranger = await connect(one, 'strangers.admin')
  expect(await rows(stranger, `SELECT pg_terminate_backend(${pid})`)).toEqual([[false]])
  await expect(here.query(`SELECT pg_cancel_backend(${await pidOf(await connect(two, 'signalled.admin'))})`)).rejects.toMatchObject({
    code: '42501',
  })
  const ended = new Promise((resolve) => there.once('error', (error: Error & { code?: string }) => resolve(error.code)))
  expect(await rows(here, `SELECT pg_terminate_backend(${pid})`)).toEqual([[true]])
  expect(await ended).toBe('57P01')
})

test('without sessions elsewhere nothing is waited for, and nobody is asked while nobody looks', { timeout: 60_000 }, async () => {
  const a = await connect(one, 'alone.admin')
  const b = await connect(one, 'alone.admin')
  const took = []
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    expect(await rows(a, 'SELECT count(*)::int FROM pg_stat_activity')).toEqual([[2]])
    took.push(performance.now() - start)
  }
  // Who asks and gets no answer waits for a second each time.
  expect(Math.min(...took)).toBeLessThan(1000)
  await b.query('SELECT 1')
  // After its last statement a keyspace is looked at for a few seconds; then the nodes' own mailboxes and clocks are all there is.
  await pause(7000)
  fake.faults.reset()
  await pause(2000)
  const counts = fake.faults.counts()
  expect(Object.values(counts).reduce((sum, n) => sum + n, 0)).toBeLessThan(3 * 12 + 30)
})

test('a node that stalls is missed, with a notice; a dead one is forgotten', { timeout: 120_000 }, async () => {
  const a = await connect(one, 'stalls.admin')
  const far = await third.connect('stalls.admin')
  open.push(far)
  const pid = await pidOf(far)
  expect(await rows(a, `SELECT count(*)::int FROM pg_stat_activity WHERE pid = ${pid}`)).toEqual([[1]])
  const notices: string[] = []
  a.on('notice', ({ message }) => notices.push(message ?? ''))
  const seen = async () => {
    notices.length = 0
    return [...(await rows(a, `SELECT count(*)::int FROM pg_stat_activity WHERE pid = ${pid}`)), ...notices]
  }
  third.signal('SIGSTOP')
  await expect.poll(seen).toEqual([[0], 'sessions of one node are missing'])
  third.signal('SIGKILL')
  // Its number expires by the cluster's clock.
  await fetch(`${fake.controlUrl}/tso?advance_ms=60000`, { method: 'POST' })
  await expect.poll(seen).toEqual([[0]])
})
