// Two servers on one (fake) TiKV cluster: schema, passwords and tenant states of one are the other's, and what statements cost in requests.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { startStopwatch } from '../support/stalls.ts'

let fake: Fake
let one: TestServer
let two: TestServer

beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  two = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
}, 120_000)
afterAll(async () => {
  await one.stop()
  await two.stop()
  await fake.close()
})

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows

/** Asks until the answer is the wanted one, for two seconds in which this process has turns. */
async function becomes(ask: () => Promise<unknown>, wanted: unknown): Promise<void> {
  const watch = startStopwatch()
  for (;;) {
    const got = await ask().catch((error: Error) => error.message)
    if (JSON.stringify(got) === JSON.stringify(wanted)) return
    if (watch.elapsed() > 2000) expect(got).toEqual(wanted)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('tables and columns that one node makes are there on the other', { timeout: 60_000 }, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  await a.query('CREATE TABLE t (id int PRIMARY KEY, v text)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM t'), [[0]])
  await b.query("INSERT INTO t VALUES (1, 'b')")
  expect(await rows(a, 'SELECT * FROM t')).toEqual([[1, 'b']])
  await a.query('ALTER TABLE t ADD COLUMN w int DEFAULT 7')
  await becomes(() => rows(b, 'SELECT * FROM t'), [[1, 'b', 7]])
  await b.query('BEGIN')
  await b.query("UPDATE t SET v = 'locked' WHERE id = 1")
  const blocked = a.query("UPDATE t SET v = v || ' then a' WHERE id = 1")
  await b.query('COMMIT')
  await blocked
  expect(await rows(b, 'SELECT v FROM t')).toEqual([['locked then a']])
})

test('a definition on one node waits for the transactions of the other, and only for those that use the relation', {
  timeout: 60_000,
}, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  await a.query('CREATE TABLE u (id int PRIMARY KEY, v int)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM u'), [[0]])
  await b.query('BEGIN')
  await b.query('INSERT INTO u VALUES (1, 1)')
  await a.query('CREATE TABLE elsewhere (id int)')
  await a.query('ALTER TABLE elsewhere ADD COLUMN v int')
  let isBuilt = false
  const building = a.query('CREATE INDEX ui ON u (v)').then(() => {
    isBuilt = true
  })
  // Longer than a lease: the waiting is what keeps the transaction's right to commit.
  await new Promise((resolve) => setTimeout(resolve, 3000))
  expect(isBuilt).toBe(false)
  await b.query('COMMIT')
  await building
  expect(await rows(a, 'SELECT id FROM u WHERE v = 1')).toEqual([[1]])
  await becomes(() => rows(b, 'SELECT id FROM u WHERE v = 1'), [[1]])
})

test('a statement of the other node waits for a definition and works with what it left', { timeout: 60_000 }, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  await a.query('CREATE TABLE w (id int PRIMARY KEY, v int)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM w'), [[0]])
  await a.query('BEGIN')
  await a.query('CREATE INDEX wi ON w (v)')
  const inserted = b.query('INSERT INTO w VALUES (1, 1)')
  await a.query('ALTER TABLE w ADD COLUMN x int DEFAULT 5')
  await a.query('COMMIT')
  await inserted
  expect(await rows(b, 'SELECT * FROM w WHERE v = 1')).toEqual([[1, 1, 5]])
  await a.query('BEGIN')
  await a.query('DROP TABLE w')
  const waiting = rows(b, 'SELECT count(*)::int FROM w')
  await new Promise((resolve) => setTimeout(resolve, 200))
  await a.query('ROLLBACK')
  expect(await waiting).toEqual([[1]])
})

test('a definition gives up after lock_timeout, and its gate is opened', { timeout: 60_000 }, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  await a.query('CREATE TABLE g (id int PRIMARY KEY)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM g'), [[0]])
  await b.query('BEGIN')
  await b.query('INSERT INTO g VALUES (1)')
  await a.query('SET lock_timeout = 500')
  await expect(a.query('ALTER TABLE g ADD COLUMN v int')).rejects.toMatchObject({ code: '55P03' })
  await b.query('COMMIT')
  await becomes(async () => {
    await b.query('INSERT INTO g VALUES (2)')
    return rows(b, 'SELECT * FROM g ORDER BY id')
  }, [[1], [2]])
})

test('a transaction that has failed holds no gate shut, though it is not rolled back yet', { timeout: 30_000 }, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  await a.query('CREATE TABLE shut (id int)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM shut'), [[0]])
  await a.query('BEGIN; LOCK TABLE shut')
  const waiting = rows(b, 'SELECT count(*)::int FROM shut')
  await expect(a.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' })
  expect(await waiting).toEqual([[0]])
  await a.query('ROLLBACK')
})

test('ROLLBACK TO opens the gates shut since the savepoint, on the other node and here, and no others', { timeout: 60_000 }, async () => {
  const a = await one.connect('nodes.admin')
  const b = await two.connect('nodes.admin')
  const c = await one.connect('nodes.admin')
  await a.query('CREATE TABLE before (id int); CREATE TABLE since (id int); CREATE TABLE more (id int)')
  await becomes(() => rows(b, 'SELECT count(*)::int FROM more'), [[0]])
  const isShut = async (client: pg.Client, table: string, mode: string): Promise<boolean> => {
    await client.query('BEGIN')
    const code = await client.query(`LOCK TABLE ${table} IN ${mode} MODE NOWAIT`).then(
      () => '',
      (error: { code: string }) => error.code,
    )
    await client.query('ROLLBACK')
    return code === '55P03'
  }
  await b.query("SET lock_timeout = '1s'")
  const reads = (table: string): Promise<string> =>
    b.query(`SELECT * FROM ${table}`).then(
      () => 'reads',
      (error: { code: string }) => error.code,
    )
  await a.query('BEGIN; SAVEPOINT first; LOCK TABLE since')
  expect(await reads('since')).toBe('55P03')
  await a.query('ROLLBACK TO first')
  expect(await reads('since')).toBe('reads')
  await a.query('LOCK TABLE before; LOCK TABLE more IN SHARE MODE; SAVEPOINT second; LOCK TABLE since; LOCK TABLE more')
  expect([await reads('before'), await reads('since'), await reads('more')]).toEqual(['55P03', '55P03', '55P03'])
  await expect(a.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' })
  await a.query('ROLLBACK TO second')
  expect([await reads('before'), await reads('since'), await reads('more')]).toEqual(['55P03', 'reads', 'reads'])
  expect(await isShut(b, 'more', 'ROW EXCLUSIVE')).toBe(true)
  // what was given up is taken anew
  await a.query('LOCK TABLE since')
  expect(await reads('since')).toBe('55P03')
  expect(await isShut(c, 'since', 'ACCESS SHARE')).toBe(true)
  await a.query('ROLLBACK TO second; ALTER TABLE before ADD COLUMN v int')
  expect(await isShut(c, 'since', 'ACCESS EXCLUSIVE')).toBe(false)
  await a.query('COMMIT')
  await becomes(() => rows(b, 'SELECT count(v)::int FROM before'), [[0]])
  expect(await reads('more')).toBe('reads')
  expect(await isShut(b, 'more', 'ACCESS EXCLUSIVE')).toBe(false)
})

test('roles and privileges reach every node: a password at once, the rest within two seconds', { timeout: 60_000 }, async () => {
  const a = await one.connect('roles.admin')
  const b = await two.connect('roles.admin')
  await a.query('CREATE TABLE secret (id int)')
  await a.query("CREATE ROLE reader LOGIN PASSWORD 'first'")
  const reader = await two.connect('roles.reader', { password: 'first' })
  await expect(reader.query('SELECT * FROM secret')).rejects.toMatchObject({ code: '42501' })
  await a.query('GRANT SELECT ON secret TO reader')
  await becomes(() => rows(reader, 'SELECT count(*)::int FROM secret'), [[0]])
  await a.query('REVOKE SELECT ON secret FROM reader')
  await becomes(
    () =>
      reader.query('SELECT * FROM secret').then(
        () => 'allowed',
        (error: { code: string }) => error.code,
      ),
    '42501',
  )
  await a.query("ALTER ROLE reader PASSWORD 'second'")
  await expect(two.connect('roles.reader', { password: 'first' })).rejects.toMatchObject({ code: '28P01' })
  await (await two.connect('roles.reader', { password: 'second' })).end()
  await b.query('ALTER ROLE reader NOLOGIN')
  await expect(one.connect('roles.reader', { password: 'second' })).rejects.toThrow()
  await a.query('ALTER ROLE reader SUPERUSER')
  await becomes(() => rows(reader, 'SELECT count(*)::int FROM secret'), [[0]])
})

test('suspending a tenant ends its sessions on every node', { timeout: 20_000 }, async () => {
  const operator = await one.connect('system.admin')
  const session = await two.connect('doomed.admin')
  const ended = new Promise<string>((resolve) =>
    session.on('error', (error: Error & { code?: string }) => resolve(error.code ?? error.message)),
  )
  await operator.query('ALTER TENANT doomed SUSPEND')
  expect(await ended).toBe('57P01')
  await expect(two.connect('doomed.admin')).rejects.toThrow(/suspended/)
  await operator.query('ALTER TENANT doomed RESUME')
  await (await two.connect('doomed.admin')).end()
})

test('requests per statement', { timeout: 60_000 }, async () => {
  // A cluster to itself: the other tests' nodes and keyspaces ask, too.
  const alone = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  const server = await startTestServer({ PD_ENDPOINTS: alone.pdAddress })
  const client = await server.connect('costs.admin')
  await client.query('CREATE TABLE c (id int PRIMARY KEY, v int)')
  let startedAt = 0
  // The node looks at the catalogue's version all the time.
  const looks = (): number => 3 + (performance.now() - startedAt) / 20
  const cost = async (sql: (n: number) => string, values: (n: number) => unknown[] = () => []): Promise<Record<string, number>> => {
    // plans and regions are known
    for (const n of [100, 101]) await client.query(sql(n), values(n))
    alone.faults.reset()
    startedAt = performance.now()
    for (let n = 0; n < 10; n++) await client.query(sql(n), values(n))
    return alone.faults.counts()
  }
  const insert = await cost((n) => `INSERT INTO c VALUES (${n}, ${n})`)
  const read = await cost((n) => `SELECT v FROM c WHERE id = ${n}`)
  const readLooks = looks()
  const update = await cost((n) => `UPDATE c SET v = v + 1 WHERE id = ${n}`)
  const bound = await cost(
    () => 'INSERT INTO c VALUES ($1, $2)',
    (n) => [1000 + n, n],
  )
  const inBlock = (sql: (n: number) => string) => cost((n) => `BEGIN; ${sql(n)}; COMMIT`)
  const updateInBlock = await inBlock((n) => `UPDATE c SET v = v + 1 WHERE id = ${n}`)
  const updateLooks = looks()
  const lock = await inBlock((n) => `SELECT * FROM c WHERE id = ${n} FOR UPDATE`)
  const remove = await inBlock((n) => `DELETE FROM c WHERE id = ${n}`)
  console.log('requests of 10 statements', { insert, read, update, bound, updateInBlock, lock, remove })
  // A block locks with one request per statement; an UPDATE of one row by its key reads it by locking it.
  for (const counts of [updateInBlock, lock, remove]) {
    expect(counts['KvPessimisticLock']).toBeGreaterThanOrEqual(10)
    expect(counts['KvPessimisticLock']).toBeLessThanOrEqual(10 + 1)
  }
  expect(updateInBlock['KvGet'] ?? 0).toBeLessThanOrEqual(updateLooks)
  // Records of the nodes themselves are renewed now and then.
  const RENEWALS = 3
  for (const counts of [insert, bound]) {
    expect(counts['KvPrewrite']).toBeGreaterThanOrEqual(10)
    expect(counts['KvPrewrite']).toBeLessThanOrEqual(10 + RENEWALS)
    expect((counts['KvCommit'] ?? 0) + (counts['KvPessimisticLock'] ?? 0)).toBe(0)
  }
  expect(read['KvGet']).toBeGreaterThanOrEqual(10)
  expect(read['KvGet']).toBeLessThanOrEqual(10 + readLooks)
  expect(update['KvPrewrite']).toBeGreaterThanOrEqual(10)
  expect(update['KvPrewrite']).toBeLessThanOrEqual(10 + RENEWALS)
  await server.stop()
  await alone.close()
})

test('a server that starts before the first TiKV of a cluster waits for it', { timeout: 60_000 }, async () => {
  const fresh = await startFake({ stores: 0, keyspaces: [], pdPort: 0, seed: 1 })
  let isUp = false
  const starting = startTestServer({ PD_ENDPOINTS: fresh.pdAddress }).then((server) => {
    isUp = true
    return server
  })
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(isUp).toBe(false)
  await fresh.addStore(new Map())
  const server = await starting
  expect(await rows(await server.connect('early.admin'), 'SELECT 1')).toEqual([[1]])
  await server.stop()
  await fresh.close()

  const never = await startFake({ stores: 0, keyspaces: [], pdPort: 0, seed: 1 })
  await expect(startTestServer({ PD_ENDPOINTS: never.pdAddress, TIKV_START_TIMEOUT_MS: '300' })).rejects.toThrow(
    'the cluster has no TiKV yet',
  )
  await never.close()
})
