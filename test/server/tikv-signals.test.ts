// What sessions on different nodes of one (fake) TiKV cluster tell each other: notifications, advisory locks, cancel requests.

import net from 'node:net'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let fake: Fake
let one: TestServer
let two: TestServer
const open: pg.Client[] = []

beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  two = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
}, 120_000)
afterEach(async () => {
  for (const client of open.splice(0)) await client.end().catch(() => {})
})
afterAll(async () => {
  await one.stop()
  await two.stop()
  await fake.close()
})

async function connect(server: TestServer): Promise<pg.Client> {
  const client = await server.connect('signals.admin')
  open.push(client)
  return client
}

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

test('notifications reach listeners on every node after the commit, in the order of the commits', { timeout: 60_000 }, async () => {
  const a = await connect(one)
  const b = await connect(two)
  const heard: { at: string; from: number; text: string }[] = []
  for (const [at, client] of [
    ['a', a],
    ['b', b],
  ] as const) {
    client.on('notification', ({ processId, payload }) => heard.push({ at, from: processId, text: payload ?? '' }))
    await client.query('LISTEN ch')
  }
  const pidA = (await rows(a, 'SELECT pg_backend_pid()'))[0]![0]
  await a.query("NOTIFY ch, 'alone'")
  await expect.poll(() => heard.length).toBe(2)
  expect(heard.map(({ from }) => from)).toEqual([pidA, pidA])

  heard.length = 0
  await a.query('BEGIN')
  await a.query("NOTIFY ch, 'rolled back'")
  await a.query('ROLLBACK')
  await a.query('CREATE TABLE IF NOT EXISTS n (id int)')
  await b.query('BEGIN')
  await b.query('INSERT INTO n VALUES (1)')
  await b.query("NOTIFY ch, 'with a row'")
  await b.query("SELECT pg_notify('ch', 'and another')")
  await pause(150)
  expect(heard).toEqual([])
  await b.query('COMMIT')
  const wanted = ['with a row', 'and another']
  for (let i = 0; i < 30; i++) {
    await (i % 2 === 0 ? a : b).query(`NOTIFY ch, '${i}'`)
    wanted.push(String(i))
  }
  await expect.poll(() => heard.length).toBe(2 * wanted.length)
  for (const name of ['a', 'b']) expect(heard.filter(({ at }) => at === name).map(({ text }) => text)).toEqual(wanted)

  heard.length = 0
  await b.query('UNLISTEN ch')
  await a.query("NOTIFY ch, 'last'")
  await expect.poll(() => heard.length).toBe(1)
  await pause(150)
  expect(heard).toEqual([{ at: 'a', from: pidA, text: 'last' }])
})

/** A CancelRequest to the server on that port. */
function requestCancel(port: number, pid: number, secret: number): Promise<void> {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(80877102, 4)
  request.writeInt32BE(pid, 8)
  request.writeInt32BE(secret, 12)
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.end(request))
    socket.on('close', () => resolve())
    socket.on('error', reject)
  })
}

test('a cancel request finds its session on whichever node it arrives', { timeout: 60_000 }, async () => {
  const a = (await connect(one)) as pg.Client & { processID: number; secretKey: number }
  const running = a.query('SELECT pg_sleep(20)').catch((error: { code: string }) => error.code)
  await requestCancel(two.port, a.processID, a.secretKey + 1)
  await pause(600)
  let isOver = false
  void running.then(() => {
    isOver = true
  })
  expect(isOver).toBe(false)
  await requestCancel(two.port, a.processID, a.secretKey)
  expect(await running).toBe('57014')
})

test('a superuser signals sessions of other nodes, others do not', { timeout: 60_000 }, async () => {
  const a = await connect(one)
  const b = await connect(two)
  const pid = (await rows(a, 'SELECT pg_backend_pid()'))[0]![0] as number
  const running = a.query('SELECT pg_sleep(20)').catch((error: { code: string }) => error.code)
  expect(await rows(b, `SELECT pg_cancel_backend(${pid})`)).toEqual([[true]])
  expect(await running).toBe('57014')
  await b.query("CREATE ROLE plain LOGIN PASSWORD 'p'")
  const plain = await two.connect('signals.plain', { password: 'p' })
  open.push(plain)
  await expect(plain.query(`SELECT pg_terminate_backend(${pid})`)).rejects.toMatchObject({ code: '42501' })
  const ended = new Promise((resolve) => a.once('error', (error: Error & { code?: string }) => resolve(error.code)))
  await b.query(`SELECT pg_terminate_backend(${pid})`)
  expect(await ended).toBe('57P01')
})

test('advisory locks hold on every node', { timeout: 60_000 }, async () => {
  const a = await connect(one)
  const b = await connect(two)
  const c = await connect(two)
  const attempt = async (client: pg.Client, call: string) => (await rows(client, `SELECT ${call}`))[0]![0]
  expect(await attempt(a, 'pg_try_advisory_lock(1)')).toBe(true)
  expect(await attempt(a, 'pg_try_advisory_lock(1)')).toBe(true)
  expect(await attempt(b, 'pg_try_advisory_lock(1)')).toBe(false)
  expect(await attempt(b, 'pg_try_advisory_lock_shared(1)')).toBe(false)
  expect(await attempt(b, 'pg_try_advisory_lock(1, 1)')).toBe(true)
  expect(await attempt(a, 'pg_advisory_unlock(1)')).toBe(true)
  expect(await attempt(b, 'pg_try_advisory_lock(1)')).toBe(false)
  const waiting = attempt(b, 'pg_advisory_lock(1)')
  await pause(100)
  expect(await attempt(a, 'pg_advisory_unlock(1)')).toBe(true)
  expect(await attempt(a, 'pg_advisory_unlock(1)')).toBe(false)
  await waiting
  expect(await attempt(a, 'pg_try_advisory_lock(1)')).toBe(false)
  await attempt(b, 'pg_advisory_unlock_all()')
  expect(await attempt(a, 'pg_try_advisory_lock(1)')).toBe(true)
  await attempt(a, 'pg_advisory_unlock(1)')

  // Shared by several, on both nodes.
  for (const client of [a, b, c]) expect(await attempt(client, 'pg_try_advisory_lock_shared(2)')).toBe(true)
  expect(await attempt(a, 'pg_try_advisory_lock(2)')).toBe(false)
  await attempt(b, 'pg_advisory_unlock_shared(2)')
  await attempt(c, 'pg_advisory_unlock_shared(2)')
  expect(await attempt(a, 'pg_try_advisory_lock(2)')).toBe(true)
  expect(await attempt(b, 'pg_try_advisory_lock_shared(2)')).toBe(false)
  await attempt(a, 'pg_advisory_unlock_all()')
  expect(await attempt(b, 'pg_try_advisory_lock(2)')).toBe(true)

  // A transaction's end with it, a session's with the session.
  await a.query('BEGIN')
  await attempt(a, 'pg_advisory_xact_lock(3)')
  expect(await attempt(b, 'pg_try_advisory_xact_lock(3)')).toBe(false)
  await a.query('COMMIT')
  expect(await attempt(b, 'pg_try_advisory_xact_lock(3)')).toBe(true)
  await attempt(c, 'pg_advisory_lock(4)')
  await c.end()
  await attempt(a, 'pg_advisory_lock(4)')

  // One of two that wait for each other is told.
  await attempt(b, 'pg_advisory_lock(5)')
  const first = attempt(a, 'pg_advisory_lock(5)').catch((error: { code: string }) => error.code)
  await pause(100)
  const second = attempt(b, 'pg_advisory_lock(4)').catch((error: { code: string }) => error.code)
  const outcome = await Promise.race([first, second])
  expect(outcome).toBe('40P01')
})

test('a role’s connection limit counts the sessions of every node', { timeout: 60_000 }, async () => {
  const admin = await connect(one)
  await admin.query("CREATE ROLE few LOGIN PASSWORD 'f' CONNECTION LIMIT 2")
  const login = async (server: TestServer): Promise<pg.Client> => {
    const client = await server.connect('signals.few', { password: 'f' })
    open.push(client)
    return client
  }
  const first = await login(one)
  await login(two)
  await expect(login(one)).rejects.toMatchObject({ code: '53300' })
  await expect(login(two)).rejects.toMatchObject({ code: '53300' })
  await first.end()
  const isIn = () =>
    login(two).then(
      () => true,
      () => false,
    )
  await expect.poll(isIn).toBe(true)
  await expect(login(one)).rejects.toMatchObject({ code: '53300' })
})
