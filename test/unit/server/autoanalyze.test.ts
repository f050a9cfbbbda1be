// Tables that changed much are analysed without anybody asking; what was written to each is counted when it commits.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../../support/server.ts'

let server: TestServer
let client: pg.Client

beforeAll(async () => {
  server = await startTestServer({ AUTO_ANALYZE_INTERVAL_MS: '50', BOOTSTRAP_PASSWORD: 'admin' })
  client = await server.connect(`${ownTenant('autoanalyze')}.admin`)
})
afterAll(() => server.stop())

const stat = async (table: string): Promise<Record<string, unknown>> =>
  (
    await client.query(
      `select n_tup_ins::int ins, n_tup_upd::int upd, n_tup_del::int del, n_live_tup::int live, n_mod_since_analyze::int mods,
       autoanalyze_count::int runs, last_autoanalyze is not null ran from pg_stat_user_tables where relname = $1`,
      [table],
    )
  ).rows[0] as Record<string, unknown>

async function until(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test('a table that changed much', async () => {
  await client.query('create table busy (id int primary key, kind text)')
  await client.query("insert into busy select i, case when i % 100 = 0 then 'rare' else 'usual' end from generate_series(1, 500) i")
  await until(async () => (await stat('busy'))['runs'] === 1)
  expect(await stat('busy')).toMatchObject({ ins: 500, live: 500, mods: 0, ran: true })
  const { rows } = await client.query("select most_common_vals::text v from pg_stats where tablename = 'busy' and attname = 'kind'")
  expect(rows).toEqual([{ v: '{usual,rare}' }])
})

test('a few changes, changes rolled back and tables that are left out', async () => {
  await client.query('create table quiet (id int)')
  await client.query('insert into quiet select generate_series(1, 40)')
  await client.query('update quiet set id = id + 100 where id < 4')
  await client.query('delete from quiet where id = 40')
  await client.query('begin')
  await client.query('insert into quiet select generate_series(1, 1000)')
  await client.query('rollback')
  await client.query('create table left_out (id int) with (autovacuum_enabled = false)')
  await client.query('insert into left_out select generate_series(1, 1000)')
  // Whoever is analysed after them shows that they were looked at.
  await client.query('create table later (id int)')
  await client.query('insert into later select generate_series(1, 1000)')
  await until(async () => (await stat('later'))['runs'] === 1)
  expect(await stat('quiet')).toMatchObject({ ins: 40, upd: 3, del: 1, live: 39, mods: 44, runs: 0 })
  expect(await stat('left_out')).toMatchObject({ ins: 1000, live: 1000, runs: 0 })
})

test('truncation begins anew, ANALYZE settles the account', async () => {
  await client.query('truncate busy')
  expect(await stat('busy')).toMatchObject({ live: 0, mods: 0 })
  await client.query('insert into busy values (1)')
  expect(await stat('busy')).toMatchObject({ live: 1, mods: 1 })
  await client.query('analyze busy')
  expect(await stat('busy')).toMatchObject({ live: 1, mods: 0 })
})
