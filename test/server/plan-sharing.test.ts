// Plans are shared by all sessions of a keyspace: nothing of one session, role or moment may show in another's answers.

import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

const one = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows[0]![0]

it('reads literals by each session’s own settings', async () => {
  const berlin = await server.connect('sharing.admin')
  const utc = await server.connect('sharing.admin')
  await berlin.query("SET TimeZone = 'Europe/Berlin'")
  await utc.query("SET TimeZone = 'UTC'")
  const sql = "SELECT extract(epoch FROM '2024-07-01 12:00'::timestamptz)::int"
  expect([await one(berlin, sql), await one(utc, sql), await one(berlin, sql)]).toEqual([1719828000, 1719835200, 1719828000])
  await berlin.query("SET DateStyle = 'ISO, DMY'")
  const ambiguous = "SELECT ('02/03/2024'::date)::text"
  expect([await one(berlin, ambiguous), await one(utc, ambiguous)]).toEqual(['2024-03-02', '2024-02-03'])
})

it('asks the clock for every statement', async () => {
  const client = await server.connect('sharing.admin')
  for (const sql of ["SELECT 'now'::timestamptz::text", 'SELECT now()::text', "SELECT clock_timestamp()::text || ''"]) {
    const first = await one(client, sql)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(await one(client, sql)).not.toBe(first)
  }
})

it('checks each role’s own privileges and search path', async () => {
  const admin = await server.connect('sharing.admin')
  await admin.query('CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE TABLE s1.t AS SELECT 1 AS x; CREATE TABLE s2.t AS SELECT 2 AS x')
  await admin.query("CREATE ROLE guest LOGIN PASSWORD 'admin'; GRANT USAGE ON SCHEMA s2 TO guest; GRANT SELECT ON s2.t TO guest")
  await admin.query('SET search_path = s1, s2')
  expect(await one(admin, 'SELECT x FROM t')).toBe(1)
  const guest = await server.connect('sharing.guest')
  await guest.query('SET search_path = s1, s2')
  expect(await one(guest, 'SELECT x FROM t')).toBe(2)
  await expect(guest.query('SELECT x FROM s1.t')).rejects.toMatchObject({ code: '42501' })
  await admin.query('SET search_path = s2, s1')
  expect(await one(admin, 'SELECT x FROM t')).toBe(2)
  await admin.query('REVOKE SELECT ON s2.t FROM guest')
  await expect(guest.query('SELECT x FROM t')).rejects.toMatchObject({ code: '42501' })
})

it('plans again after a definition has changed', async () => {
  const a = await server.connect('sharing.admin')
  const b = await server.connect('sharing.admin')
  await a.query('CREATE TABLE changing (id int PRIMARY KEY, v text)')
  await a.query("INSERT INTO changing VALUES (1, 'x')")
  const sql = 'SELECT * FROM changing WHERE id = 1'
  expect((await b.query(sql)).rows).toEqual([{ id: 1, v: 'x' }])
  await a.query('ALTER TABLE changing ADD COLUMN w int DEFAULT 7')
  expect((await b.query(sql)).rows).toEqual([{ id: 1, v: 'x', w: 7 }])
  await a.query('DROP TABLE changing')
  await expect(b.query(sql)).rejects.toMatchObject({ code: '42P01' })
})
