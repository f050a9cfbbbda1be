// Temporary tables of several sessions: nobody sees another's, whatever the names, plans and transactions; an end of session leaves only garbage.

import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

it('are private to their session', async () => {
  const one = await server.connect('temp_a.admin')
  const two = await server.connect('temp_a.admin')
  await one.query('CREATE TABLE t (v text)')
  await one.query("INSERT INTO t VALUES ('shared')")
  const read = async (client: typeof one) => (await client.query('SELECT v FROM t')).rows.map(({ v }) => v)
  expect(await read(two)).toEqual(['shared'])
  await one.query("CREATE TEMP TABLE t AS SELECT 'one' AS v")
  expect([await read(one), await read(two)]).toEqual([['one'], ['shared']])
  await two.query("CREATE TEMP TABLE t AS SELECT 'two' AS v")
  expect([await read(one), await read(two)]).toEqual([['one'], ['two']])
  const seen = await two.query("SELECT count(*)::int AS n FROM pg_class WHERE relname = 't'")
  expect(seen.rows).toEqual([{ n: 2 }])
  await one.query('DROP TABLE t')
  expect([await read(one), await read(two)]).toEqual([['shared'], ['two']])
  await two.query("UPDATE pg_temp.t SET v = 'changed'")
  await two.query('DISCARD TEMP')
  expect([await read(one), await read(two)]).toEqual([['shared'], ['shared']])
})

it('leave no rows behind when the session ends', async () => {
  const one = await server.connect('temp_b.admin')
  await one.query('CREATE TEMP TABLE t (a int)')
  await one.query('INSERT INTO t SELECT generate_series(1, 100)')
  await one.end()
  const two = await server.connect('temp_b.admin')
  await expect(two.query('SELECT * FROM t')).rejects.toMatchObject({ code: '42P01' })
  const prepared = { name: 'p', text: 'SELECT count(*)::int AS n FROM t' }
  await two.query('CREATE TEMP TABLE t (a int)')
  expect((await two.query(prepared)).rows).toEqual([{ n: 0 }])
  await two.query('INSERT INTO t VALUES (1)')
  expect((await two.query(prepared)).rows).toEqual([{ n: 1 }])
})

it('do not make other sessions plan anew', async () => {
  const one = await server.connect('temp_c.admin')
  const two = await server.connect('temp_c.admin')
  await one.query('CREATE TABLE p (a int PRIMARY KEY)')
  await two.query('BEGIN')
  await two.query('INSERT INTO p VALUES (1)')
  for (let i = 0; i < 3; i++) {
    await one.query('BEGIN')
    await one.query('CREATE TEMP TABLE x ON COMMIT DROP AS SELECT * FROM p')
    expect((await one.query('SELECT count(*)::int AS n FROM x')).rows).toEqual([{ n: 0 }])
    await one.query('COMMIT')
  }
  await two.query('COMMIT')
  expect((await one.query('SELECT a FROM p')).rows).toEqual([{ a: 1 }])
})
