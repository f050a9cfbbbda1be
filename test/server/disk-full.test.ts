// The disk under the embedded store is full: 53100 for what needs room, everything that was committed stays, and what a refused load has left
// behind is cleared by the server itself. The disk is a small file system in memory, which only root may mount.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

const disk = mkdtempSync(path.join(tmpdir(), 'pgk-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'none', disk]).status === 0
if (!mounted) console.log('skipped: a small disk to fill needs the right to mount one')

let server: TestServer
let client: pg.Client
beforeAll(async () => {
  if (!mounted) return
  const dataDir = path.join(disk, 'data')
  mkdirSync(dataDir)
  server = await startTestServer({ PD_ENDPOINTS: '' }, dataDir)
  client = await server.connect('full.admin')
  await client.query('CREATE TABLE t (i int PRIMARY KEY, t text)')
  await client.query("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 3000) g")
}, 60_000)
afterAll(async () => {
  if (mounted) await server.stop()
  spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})

const load = "INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(10001, 50000) g"
const outcome = (sql: string): Promise<string> =>
  client.query(sql).then(
    () => 'ok',
    (error: pg.DatabaseError) => `${error.code} ${error.message}`,
  )
const count = async (): Promise<unknown> => (await client.query('SELECT count(*)::int AS n, sum(i)::int AS sum FROM t')).rows[0]
const FULL = '53100 could not extend the storage: No space left on device'

it.skipIf(!mounted)('what does not fit is refused, alone and in a block; nothing committed is lost', async () => {
  expect(await outcome(load)).toBe(FULL)
  expect(await count()).toEqual({ n: 3000, sum: 4501500 })
  expect(await outcome('BEGIN')).toBe('ok')
  expect(await outcome(load)).toBe(FULL)
  expect(await outcome('SELECT 1')).toBe('25P02 current transaction is aborted, commands ignored until end of transaction block')
  expect(await outcome('ROLLBACK')).toBe('ok')
  expect(await count()).toEqual({ n: 3000, sum: 4501500 })
})

it.skipIf(!mounted)('then there is room again', async () => {
  await expect.poll(() => outcome("INSERT INTO t SELECT g, repeat('y', 1000) FROM generate_series(3001, 4000) g")).toBe('ok')
  expect(await count()).toEqual({ n: 4000, sum: 8002000 })
})

it.skipIf(!mounted)('a tenant that has no room is refused in the same words; the others go on', async () => {
  for (let i = 10_000; (await outcome(`INSERT INTO t SELECT g, repeat('z', 100) FROM generate_series(${i}, ${i + 99}) g`)) === 'ok'; )
    i += 100
  const operator = await server.connect('system.admin')
  let told = 'ok'
  for (let i = 0; told === 'ok' && i < 50; i++) {
    told = await operator.query(`CREATE TENANT other_${i}`).then(
      () => 'ok',
      (error: pg.DatabaseError) => `${error.code} ${error.message}`,
    )
  }
  expect(told).toBe(FULL)
  expect((await operator.query('SHOW TENANTS')).rows.map((row) => (row as { name: string }).name)).toContain('full')
  await expect.poll(() => outcome('TRUNCATE t')).toBe('ok')
  await expect.poll(() => outcome("INSERT INTO t VALUES (1, 'again')")).toBe('ok')
  expect(await count()).toEqual({ n: 1, sum: 1 })
})
