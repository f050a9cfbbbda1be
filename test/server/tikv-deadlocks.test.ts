// Circles of waits over two nodes of one (fake) TiKV cluster, through rows, relations and advisory locks: one session is told 40P01 within a few
// seconds, in PostgreSQL's words; nobody is told wrongly, and a node that stalls hides its part only as long as it stalls.

import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

let fake: Fake
let one: TestServer
let two: TestServer
let third: ServerProcess
const open: pg.Client[] = []
let tenant = 0

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

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const pidOf = async (client: pg.Client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number

async function connect(server: { connect(user: string): Promise<pg.Client> }, user: string): Promise<pg.Client> {
  const client = await server.connect(user)
  open.push(client)
  return client
}

/** A session on each node, of a tenant of their own; both know its tables. */
async function fresh(turned = false): Promise<{ a: pg.Client; b: pg.Client; user: string }> {
  const user = `circle_${++tenant}.admin`
  const [first, second] = turned ? [two, one] : [one, two]
  const a = await connect(first, user)
  await a.query('CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 0), (2, 0); CREATE TABLE u (id int)')
  const b = await connect(second, user)
  await b.query('SELECT * FROM t, u')
  return { a, b, user }
}

/** Known to the sessions of any node a second later at most. */
const isWaiting = async (client: pg.Client, pid: number): Promise<boolean> =>
  (await client.query(`SELECT FROM pg_stat_activity WHERE pid = ${pid} AND wait_event_type = 'Lock'`)).rowCount === 1

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

/** The first that does not end well. The victim's locks go before it is told: who waited for them may hear of it sooner. */
const victimOf = (outcomes: readonly Promise<Outcome>[]): Promise<Outcome> =>
  new Promise((resolve) => {
    for (const one of outcomes) void one.then((o) => o.code !== 'ok' && resolve(o))
  })

const ROW = 'ShareLock on transaction \\d+'
const advisory = (n: number) => `ExclusiveLock on advisory lock \\[\\d+,0,${n},1\\]`
const ADVISORY = advisory(7)
const relation = (mode: string) => `${mode}Lock on relation \\d+ of database \\d+`

const CASES: { name: string; first: string; second: string; last: [string, string]; locks: [string, string] }[] = [
  {
    name: 'a row here, an advisory lock there',
    first: 'UPDATE t SET v = 1 WHERE id = 1',
    second: 'SELECT pg_advisory_xact_lock(7)',
    last: ['SELECT pg_advisory_xact_lock(7)', 'UPDATE t SET v = 2 WHERE id = 1'],
    locks: [ADVISORY, ROW],
  },
  {
    name: 'a row here, a locked table there',
    first: 'UPDATE t SET v = 1 WHERE id = 1',
    second: 'LOCK TABLE u',
    last: ['SELECT * FROM u', 'UPDATE t SET v = 2 WHERE id = 1'],
    locks: [relation('AccessShare'), ROW],
  },
  {
    name: 'a table used here, a row there that the one who wants the table holds',
    first: 'SELECT * FROM u',
    second: 'UPDATE t SET v = 2 WHERE id = 1',
    last: ['UPDATE t SET v = 1 WHERE id = 1', 'ALTER TABLE u ADD COLUMN w int'],
    locks: [ROW, relation('AccessExclusive')],
  },
  {
    name: 'an advisory lock here, a table used there',
    first: 'SELECT pg_advisory_xact_lock(7)',
    second: 'SELECT * FROM u',
    last: ['LOCK TABLE u', 'SELECT pg_advisory_xact_lock(7)'],
    locks: [relation('AccessExclusive'), ADVISORY],
  },
]

// Who of two gives way depends on their nodes' numbers: each is it once.
const BOTH = CASES.flatMap((one) => [
  { ...one, turned: false },
  { ...one, name: `${one.name}, the nodes turned`, turned: true },
])

test.each(BOTH)('$name', { timeout: 60_000 }, async ({ first, second, last, locks, turned }) => {
  const { a, b } = await fresh(turned)
  const [pidA, pidB] = [await pidOf(a), await pidOf(b)]
  for (const client of [a, b]) await client.query('BEGIN')
  await a.query(first)
  await b.query(second)
  const waiting = outcome(a, last[0])
  await pause(300)
  const closing = outcome(b, last[1])
  const victim = await victimOf([waiting, closing])
  expect(victim.code).toBe('40P01')
  expect(victim.ms).toBeLessThan(10_000)
  const ofA = `Process ${pidA} waits for ${locks[0]}; blocked by process ${pidB}\\.`
  const ofB = `Process ${pidB} waits for ${locks[1]}; blocked by process ${pidA}\\.`
  expect(victim.detail).toMatch(new RegExp(`^(${ofA}\\n${ofB}|${ofB}\\n${ofA})$`))
  // The victim's locks go at once; the other has what it waited for.
  expect([(await waiting).code, (await closing).code].sort()).toEqual(['40P01', 'ok'])
  for (const client of [a, b]) await client.query('ROLLBACK')
})

// What the store refuses before anybody has waited for deadlock_timeout.
test('rows alone, and advisory locks alone, the store sees at once', { timeout: 60_000 }, async () => {
  const { a, b, user } = await fresh()
  const c = await connect(one, user)
  const [pidA, pidB, pidC] = [await pidOf(a), await pidOf(b), await pidOf(c)]
  await a.query('INSERT INTO t VALUES (3, 0)')
  for (const { lock, name } of [
    { lock: (n: number) => `UPDATE t SET v = 1 WHERE id = ${n}`, name: () => ROW },
    { lock: (n: number) => `SELECT pg_advisory_xact_lock(${n})`, name: advisory },
  ]) {
    for (const client of [a, b, c]) await client.query("SET deadlock_timeout = '1min'; BEGIN")
    await a.query(lock(1))
    await b.query(lock(2))
    await c.query(lock(3))
    const ofA = outcome(a, lock(2))
    await expect.poll(() => isWaiting(c, pidA)).toBe(true)
    const ofB = outcome(b, lock(3))
    await expect.poll(() => isWaiting(c, pidB)).toBe(true)
    const { code, detail } = await outcome(c, lock(1))
    expect(code).toBe('40P01')
    const step = (waiter: number, n: number, holder: number) => `Process ${waiter} waits for ${name(n)}; blocked by process ${holder}\\.`
    expect(detail).toMatch(new RegExp(`^${[step(pidC, 1, pidA), step(pidA, 2, pidB), step(pidB, 3, pidC)].join('\\n')}$`))
    await c.query('ROLLBACK')
    expect((await ofB).code).toBe('ok')
    await b.query('ROLLBACK')
    expect((await ofA).code).toBe('ok')
    await a.query('ROLLBACK')
  }
})

test('a circle through a node that stalls is found when it goes on', { timeout: 90_000 }, async () => {
  const { a, b, user } = await fresh()
  const c = await connect(third, user)
  for (const client of [a, b, c]) await client.query('BEGIN')
  await a.query('UPDATE t SET v = 1 WHERE id = 1')
  await b.query('SELECT pg_advisory_xact_lock(7)')
  await c.query('UPDATE t SET v = 1 WHERE id = 2')
  // c waits for b, b for a, a for c.
  const ofC = outcome(c, 'SELECT pg_advisory_xact_lock(7)')
  await pause(700)
  third.signal('SIGSTOP')
  await a.query("SET lock_timeout = '4s'")
  const ofB = outcome(b, 'UPDATE t SET v = 2 WHERE id = 1')
  const first = await outcome(a, 'UPDATE t SET v = 2 WHERE id = 2')
  expect(first.code).toBe('55P03')
  expect(first.ms).toBeLessThan(6000)
  third.signal('SIGCONT')
  expect((await ofB).code).toBe('ok')
  await b.query('COMMIT')
  expect((await ofC).code).toBe('ok')
  await c.query('ROLLBACK')

  for (const client of [a, b, c]) await client.query('ROLLBACK; BEGIN')
  await a.query('RESET lock_timeout; UPDATE t SET v = 1 WHERE id = 1')
  await b.query('SELECT pg_advisory_xact_lock(7)')
  await c.query('UPDATE t SET v = 1 WHERE id = 2')
  const all = [
    outcome(c, 'SELECT pg_advisory_xact_lock(7)'),
    outcome(b, 'UPDATE t SET v = 2 WHERE id = 1'),
    outcome(a, 'UPDATE t SET v = 2 WHERE id = 2'),
  ]
  const victim = await victimOf(all)
  expect(victim.code).toBe('40P01')
  expect(victim.detail!.split('\n')).toHaveLength(3)
})

test('nobody is told of a deadlock that is none', { timeout: 120_000 }, async () => {
  const { user } = await fresh()
  const random = randomFrom(testSeed())
  const end = performance.now() + (process.env['LONG'] === '1' ? 60_000 : 10_000)
  let rounds = 0
  const work = async (server: TestServer): Promise<void> => {
    const client = await connect(server, user)
    await client.query("SET deadlock_timeout = '20ms'")
    while (performance.now() < end) {
      // Everybody takes locks in the same order, holding each for a while; advisory locks are given back and taken again in one session.
      await client.query('BEGIN')
      await client.query('SELECT pg_advisory_lock(1)')
      await client.query('SELECT pg_advisory_xact_lock(2)')
      await client.query('SELECT pg_advisory_unlock(1)')
      await client.query('UPDATE t SET v = v + 1 WHERE id = 1')
      await pause(random.below(150))
      await client.query('UPDATE t SET v = v + 1 WHERE id = 2')
      await client.query(random.below(3) === 0 ? 'LOCK TABLE u IN SHARE ROW EXCLUSIVE MODE' : 'SELECT * FROM u')
      await client.query(random.below(2) === 0 ? 'COMMIT' : 'ROLLBACK')
      rounds++
    }
  }
  await Promise.all([work(one), work(two), work(one), work(two)])
  expect(rounds).toBeGreaterThan(5)
})
