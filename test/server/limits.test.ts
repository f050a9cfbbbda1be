// What is too much, told with PostgreSQL's errors and without harm to the session: connections of a role, columns, nesting, sizes, memory.

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect('limits.admin')
})
afterAll(async () => {
  await server.stop()
})

/** SQLSTATE and message, or `ok`; the session must answer afterwards. */
async function outcome(sql: string, values?: unknown[]): Promise<string> {
  let told = 'ok'
  try {
    await client.query(sql, values)
  } catch (error) {
    const { code, message } = error as pg.DatabaseError
    told = `${code} ${message}`
  }
  expect((await client.query('SELECT 1 AS alive')).rows).toEqual([{ alive: 1 }])
  return told
}
const list = (n: number, item: (i: number) => string) => Array.from({ length: n }, (_, i) => item(i)).join(', ')

describe('connections', () => {
  it('of a role: below, at and above its CONNECTION LIMIT', async () => {
    await client.query("CREATE ROLE few LOGIN PASSWORD 'admin' CONNECTION LIMIT 2")
    const first = await server.connect('limits.few')
    const second = await server.connect('limits.few')
    await expect(server.connect('limits.few')).rejects.toMatchObject({ code: '53300', message: 'too many connections for role "few"' })
    await first.end()
    const third = await server.connect('limits.few')
    await client.query('ALTER ROLE few CONNECTION LIMIT 0')
    await second.end()
    await third.end()
    await expect(server.connect('limits.few')).rejects.toMatchObject({ code: '53300' })
  })
})

describe('the size of statements', () => {
  it('target lists', async () => {
    expect(await outcome(`SELECT ${list(1664, String)}`)).toBe('ok')
    expect(await outcome(`SELECT ${list(1665, String)}`)).toBe('54011 target lists can have at most 1664 entries')
  })

  it('identifiers are cut to 63 bytes, with a notice', async () => {
    const notices: string[] = []
    client.on('notice', (notice) => notices.push(`${notice.code} ${notice.message}`))
    const name = `${'x'.repeat(60)}ééé`
    await client.query(`CREATE TABLE "${name}" (${'A'.repeat(63)} int, ${'B'.repeat(64)} int) /* ${'c'.repeat(70)} */`)
    client.removeAllListeners('notice')
    expect(notices).toEqual([
      `42622 identifier "${name}" will be truncated to "${'x'.repeat(60)}é"`,
      `42622 identifier "${'b'.repeat(64)}" will be truncated to "${'b'.repeat(63)}"`,
    ])
    const { rows } = await client.query("SELECT relname FROM pg_class WHERE relname LIKE 'xxx%' AND relkind = 'r'")
    expect(rows).toEqual([{ relname: `${'x'.repeat(60)}é` }])
  })

  it('nesting, up to hundreds of levels and far beyond', async () => {
    expect(await outcome(`${'SELECT * FROM ('.repeat(300)}SELECT 1 AS a${') s'.repeat(300)}`)).toBe('ok')
    expect(await outcome(`SELECT ${'1 + '.repeat(50_000)}1`)).toMatch(/^54001 /)
    expect(await outcome(`SELECT ${'('.repeat(20_000)}1${')'.repeat(20_000)}`)).toMatch(/^(54001|42601 memory exhausted)/)
    expect(await outcome(`SELECT ${'-'.repeat(10).split('').join(' ')} 1`)).toBe('ok')
    expect(await outcome(`SELECT (repeat('[', 100000) || repeat(']', 100000))::jsonb`)).toMatch(/^54001 /)
  })

  it('long lists are no depth', async () => {
    await client.query('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)')
    const { rows } = await client.query(`SELECT count(*)::int AS n FROM t WHERE id IN (${list(30_000, String)})`)
    expect(rows).toEqual([{ n: 100 }])
    expect(await outcome(`SELECT 1 FROM t WHERE ${list(3_000, (i) => `id = ${i}`).replaceAll(',', ' OR')}`)).toBe('ok')
    expect(await outcome(`INSERT INTO t VALUES ${list(20_000, (i) => `(${i + 1000})`)}`)).toBe('ok')
  })
})

describe('the size of values and of what a statement holds', () => {
  it('one field', async () => {
    expect(await outcome("SELECT repeat('x', 2000000000)")).toBe('54000 requested length too large')
    expect(await outcome("SELECT lpad('', 2000000000, 'xy')")).toMatch(/^54000 /)
    expect(await outcome('SELECT factorial(1000000)')).toBe('22003 value overflows numeric format')
    expect(await outcome('SELECT 10::numeric ^ 1000000')).toBe('22003 value overflows numeric format')
  })

  it('memory that cannot be spilled', async () => {
    const told = await outcome("SELECT string_agg(repeat('x', 1000000), '') FROM generate_series(1, 2000)")
    expect(told).toMatch(/^(53200 out of memory|54000 )/)
    expect(await outcome('SELECT array_agg(repeat(i::text, 1000000)) FROM generate_series(100, 999) i')).toMatch(/^53200 out of memory/)
  })

  it('patterns that other engines never finish', async () => {
    expect(
      await outcome("SELECT repeat('a', 3000) ~ '^(a+)+$b', repeat('a', 3000) ~ '(a|aa)+$b', repeat('a', 10000) LIKE '%a%a%a%a%b'"),
    ).toBe('ok')
  })
})
