// Tenants as their users and the operator see them: routing, isolation, roles, lifecycle (tenancy T9–T23, T12–15, K25, N2, P13, N17–19, L1–2).

import { execFileSync } from 'node:child_process'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onTikv, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let operator: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  operator = await server.connect('system.admin')
})
afterAll(async () => {
  await server.stop()
})

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows
const refusal = async (user: string, options: pg.ClientConfig = {}) => {
  try {
    const client = await server.connect(user, options)
    await client.end()
    return null
  } catch (error) {
    return error as pg.DatabaseError
  }
}

describe('routing', () => {
  it('leads each login to its keyspace and role (T10)', async () => {
    for (const [keyspace, role] of [
      ['tenant_b', 'app'],
      ['acme_corp', 'postgres'],
      ['default', 'postgres'],
    ]) {
      const admin = await server.connect(`${keyspace}.admin`)
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'admin'`)
    }
    const expected: [string, string, string][] = [
      ['tenant_a.admin', 'tenant_a', 'admin'],
      ['tenant_b.app', 'tenant_b', 'app'],
      ['acme_corp:postgres', 'acme_corp', 'postgres'],
      ['admin', 'default', 'admin'],
      ['postgres', 'default', 'postgres'],
    ]
    for (const [login, keyspace, user] of expected) {
      const client = await server.connect(login)
      expect(await rows(client, 'SHOW tenant.name')).toEqual([[keyspace]])
      expect(await rows(client, "SELECT current_user, current_setting('tenant.name'), current_tenant()")).toEqual([
        [user, keyspace, keyspace],
      ])
    }
  })

  it('refuses to change the tenant of a session (P3)', async () => {
    const client = await server.connect('tenant_a.admin')
    await expect(client.query("SET tenant.name = 'tenant_b'")).rejects.toMatchObject({ code: '55P02' })
  })

  it('answers unknown tenant, unknown role and wrong password alike (L2)', async () => {
    const refusals = [
      await refusal('nobody_here.app'),
      await refusal('tenant_a.nobody'),
      await refusal('tenant_a.admin', { password: 'wrong' }),
    ]
    expect(refusals.map((error) => error?.code)).toEqual(['28P01', '28P01', '28P01'])
    expect(new Set(refusals.map((error) => error?.message.replace(/"[^"]*"/, '')))).toHaveProperty('size', 1)
  })

  it('takes the tenant from options, and refuses sources that disagree (L1)', async () => {
    const client = await server.connect('admin', { options: '-c tenant=tenant_a' })
    expect(await rows(client, 'SELECT current_tenant()')).toEqual([['tenant_a']])
    expect(await refusal('tenant_a.admin', { options: '-c tenant=tenant_b' })).not.toBeNull()
  })
})

describe('isolation', () => {
  it('keeps tables of the same name apart (T12)', async () => {
    const a = await server.connect('tenant_a.admin')
    const b = await server.connect('tenant_b.admin')
    for (const client of [a, b]) await client.query('CREATE TABLE customers (id SERIAL PRIMARY KEY, name TEXT)')
    await a.query("INSERT INTO customers (name) VALUES ('Alice'), ('Bob')")
    await b.query("INSERT INTO customers (name) VALUES ('Charlie')")
    expect(await rows(a, 'SELECT id, name FROM customers ORDER BY id')).toEqual([
      [1, 'Alice'],
      [2, 'Bob'],
    ])
    expect(await rows(b, 'SELECT id, name FROM customers ORDER BY id')).toEqual([[1, 'Charlie']])
  })

  it('keeps roles and their rights in their keyspace (T13–15)', async () => {
    const a = await server.connect('tenant_a.admin')
    await a.query("CREATE ROLE reader WITH PASSWORD 'read123' LOGIN")
    await a.query('GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader')
    await a.query("CREATE ROLE writer WITH PASSWORD 'write123' LOGIN")
    await a.query('GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO writer')
    const b = await server.connect('tenant_b.admin')
    await b.query("CREATE ROLE analyst WITH PASSWORD 'admin' LOGIN")
    const reader = await server.connect('tenant_a.reader', { password: 'read123' })
    expect(await rows(reader, 'SELECT count(*) FROM customers')).toEqual([['2']])
    await expect(reader.query("INSERT INTO customers (name) VALUES ('x')")).rejects.toMatchObject({ code: '42501' })
    const writer = await server.connect('tenant_a.writer', { password: 'write123' })
    await writer.query("UPDATE customers SET name = 'Bobby' WHERE id = 2")
    await expect(writer.query('DELETE FROM customers')).rejects.toMatchObject({ code: '42501' })
    expect((await refusal('tenant_a.analyst'))?.code).toBe('28P01')
    expect(await refusal('tenant_b.analyst')).toBeNull()
  })

  it('keeps rows with the same key apart (K25)', async () => {
    const a = await server.connect('tenant_a.admin')
    const b = await server.connect('tenant_b.admin')
    const table = 'CREATE TABLE patients (id int PRIMARY KEY, name text, born date)'
    await a.query(table)
    await b.query(table)
    await a.query("INSERT INTO patients VALUES (123, 'Alice Smith', '1985-03-15')")
    await b.query("INSERT INTO patients VALUES (123, 'Bob Johnson', '1990-07-22')")
    expect(await rows(a, 'SELECT name, born::text FROM patients WHERE id = 123')).toEqual([['Alice Smith', '1985-03-15']])
    expect(await rows(b, 'SELECT name, born::text FROM patients WHERE id = 123')).toEqual([['Bob Johnson', '1990-07-22']])
  })

  it('shows only the own keyspace in the catalogue and among sessions (R2)', async () => {
    const a = await server.connect('tenant_a.admin')
    const b = await server.connect('tenant_b.admin')
    await a.query('CREATE TABLE only_in_a (x int)')
    expect(await rows(b, "SELECT count(*) FROM pg_class WHERE relname = 'only_in_a'")).toEqual([['0']])
    expect(await rows(b, "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'")).toEqual([['0']])
    const seen = await rows(b, 'SELECT pid FROM pg_stat_activity')
    const [[own]] = (await rows(a, 'SELECT pg_backend_pid()')) as [[number]]
    expect(seen.flat()).not.toContain(own)
    expect(await rows(b, `SELECT pg_cancel_backend(${own})`)).toEqual([[false]])
  })
})

describe('passwords and the first role', () => {
  it('counts a new password at once and never brings admin back (T18–21)', async () => {
    const admin = await server.connect('fresh.admin')
    await admin.query("ALTER ROLE admin WITH PASSWORD 'changed'")
    expect((await refusal('fresh.admin'))?.code).toBe('28P01')
    const again = await server.connect('fresh.admin', { password: 'changed' })
    await again.query("CREATE ROLE tenant_admin WITH PASSWORD 'secret' LOGIN SUPERUSER")
    await again.query("ALTER ROLE admin WITH PASSWORD 'disabled' NOLOGIN")
    expect((await refusal('fresh.admin', { password: 'disabled' }))?.code).toBe('28P01')
    expect(await refusal('fresh.tenant_admin', { password: 'secret' })).toBeNull()
  })
})

describe('lifecycle', () => {
  it('lets only operators manage tenants (N2)', async () => {
    const a = await server.connect('tenant_a.admin')
    await expect(a.query('CREATE TENANT acme')).rejects.toMatchObject({ code: '42501' })
    await expect(a.query('SHOW TENANTS')).rejects.toMatchObject({ code: '42501' })
    await operator.query("CREATE TENANT acme WITH (region = 'eu', retention = '2555 days')")
    await expect(operator.query('CREATE TENANT acme')).rejects.toMatchObject({ code: '42710' })
    await operator.query('CREATE TENANT IF NOT EXISTS acme')
    const shown = await operator.query('SHOW TENANT acme')
    expect(shown.rows[0]).toMatchObject({ name: 'acme', state: 'active', region: 'eu', retention: '2555 days' })
    await expect(operator.query('CREATE TENANT')).rejects.toMatchObject({ code: '42601' })
    await expect(operator.query('ALTER TENANT acme EXPLODE')).rejects.toMatchObject({ code: '42601' })
  })

  it('ends sessions of a suspended tenant and tells the reason only to those who know the password (P13)', async () => {
    const session = await server.connect('acme.admin')
    const ended = new Promise((resolve) => session.once('error', resolve))
    await operator.query("ALTER TENANT acme SUSPEND 'unpaid'")
    expect(await ended).toMatchObject({ code: '57P01' })
    const told = await refusal('acme.admin')
    expect(told).toMatchObject({ code: '57P03', detail: 'Reason: unpaid' })
    expect((await refusal('acme.admin', { password: 'wrong' }))?.code).toBe('28P01')
    await expect(operator.query('ALTER TENANT acme SUSPEND')).rejects.toMatchObject({ code: '55000' })
    await operator.query('ALTER TENANT acme RESUME')
    expect(await refusal('acme.admin')).toBeNull()
  })

  it('drops, undrops and purges (N17, N18)', async () => {
    const session = await server.connect('acme.admin')
    await session.query("CREATE TABLE marked AS SELECT 'zebra-' || 'crossing-4711' AS m")
    await session.query('CHECKPOINT')
    await operator.query('DROP TENANT acme')
    expect((await refusal('acme.admin'))?.code).toBe('57P03')
    await operator.query('UNDROP TENANT acme')
    const back = await server.connect('acme.admin')
    expect(await rows(back, 'SELECT m FROM marked')).toEqual([['zebra-crossing-4711']])
    const grep = () => {
      try {
        return execFileSync('grep', ['-rl', 'zebra-crossing-4711', server.dataDir], { encoding: 'utf8' })
      } catch {
        return ''
      }
    }
    // On TiKV nothing of it is in this directory at any time.
    if (!onTikv) expect(grep()).not.toBe('')
    await expect(operator.query('PURGE TENANT acme')).rejects.toMatchObject({ code: '55000' })
    await operator.query('PURGE TENANT acme CONFIRM')
    expect(grep()).toBe('')
    expect((await operator.query('SHOW TENANTS')).rows.map((row) => row.name)).not.toContain('acme')
    await operator.query('CREATE TENANT acme')
    const anew = await server.connect('acme.admin')
    await expect(anew.query('SELECT m FROM marked')).rejects.toMatchObject({ code: '42P01' })
  })
})
