// What ALTER DATABASE, ALTER ROLE and ALTER ROLE … IN DATABASE … SET said is what later sessions start with and RESET goes back to.

import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let admin: pg.Client
const tenant = ownTenant('loginsettings')
const user = `${tenant}.app`

beforeAll(async () => {
  server = await startTestServer()
  admin = await server.connect(`${tenant}.admin`)
  await admin.query("CREATE ROLE app LOGIN PASSWORD 'admin'")
})
afterAll(async () => {
  await server.stop()
})

async function shown(client: pg.Client, name: string): Promise<string> {
  const { rows } = await client.query('SELECT setting, source FROM pg_settings WHERE name = $1', [name])
  return `${rows[0].setting} by ${rows[0].source}`
}

it('the nearer word counts: database, role, role in the database, client', async () => {
  const given = [
    ['ALTER DATABASE postgres SET application_name = d', 'd by database'],
    ['ALTER ROLE app SET application_name = u', 'u by user'],
    ['ALTER ROLE app IN DATABASE postgres SET application_name = du', 'du by database user'],
  ] as const
  expect(await shown(await server.connect(user), 'application_name')).toBe(' by default')
  for (const [statement, expected] of given) {
    await admin.query(statement)
    expect(await shown(await server.connect(user), 'application_name')).toBe(expected)
  }
  const client = await server.connect(user, { application_name: 'c' })
  expect(await shown(client, 'application_name')).toBe('c by client')
  await client.query('SET application_name = s')
  expect(await shown(client, 'application_name')).toBe('s by session')
  await client.query('RESET application_name')
  expect(await shown(client, 'application_name')).toBe('c by client')
  await admin.query('ALTER ROLE app IN DATABASE postgres RESET ALL')
  await admin.query('ALTER ROLE app RESET application_name')
  await admin.query('ALTER DATABASE postgres RESET application_name')
  expect(await shown(await server.connect(user), 'application_name')).toBe(' by default')
})

it('they take effect as if they were set', async () => {
  await admin.query('CREATE SCHEMA "My schema" AUTHORIZATION app')
  await admin.query('ALTER ROLE app SET search_path = "My schema", public')
  await admin.query("ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'")
  // what a superuser says is not the role's own doing
  await admin.query('ALTER ROLE app SET log_statement_stats = on')
  await expect((await server.connect(user)).query('ALTER ROLE app SET log_statement_stats = off')).rejects.toMatchObject({ code: '42501' })
  const client = await server.connect(user)
  const { rows } = await client.query(
    "SELECT current_schema() AS s, current_setting('transaction_isolation') AS i, current_setting('log_statement_stats') AS l",
  )
  expect(rows).toEqual([{ s: 'My schema', i: 'repeatable read', l: 'on' }])
  await admin.query('ALTER DATABASE postgres RESET ALL')
  await admin.query('ALTER ROLE app RESET ALL')
})

it('what has become wrong is passed over with a warning', async () => {
  await admin.query('CREATE ROLE other')
  await admin.query('GRANT other TO app')
  await admin.query('ALTER ROLE app SET role = other')
  expect((await (await server.connect(user)).query('SELECT current_user AS u')).rows).toEqual([{ u: 'other' }])
  await admin.query('REVOKE other FROM app')
  expect((await (await server.connect(user)).query('SELECT current_user AS u')).rows).toEqual([{ u: 'app' }])
})
