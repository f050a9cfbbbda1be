// node-postgres as an application uses it: values both ways, prepared statements, pipelines, errors, time limits, cancellation, LISTEN,
// advisory locks.

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect('drivers.admin')
})
afterAll(async () => {
  await server.stop()
})

const connect = () => server.connect('drivers.admin')
const errorOf = async (work: Promise<unknown>): Promise<pg.DatabaseError> => {
  try {
    await work
  } catch (error) {
    return error as pg.DatabaseError
  }
  throw new Error('expected an error')
}
const pidOf = async (one: pg.Client): Promise<number> => (await one.query('SELECT pg_backend_pid() AS pid')).rows[0].pid
/** Resolves when session `pid` runs a statement that waits. */
const untilActive = async (pid: number, like: string): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    const { rows } = await client.query("SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query LIKE $2", [pid, like])
    if (rows.length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the statement did not start')
}

describe('values', () => {
  it('come back as they were sent', async () => {
    await client.query(`CREATE TABLE v(id int PRIMARY KEY, b bool, i8 bigint, n numeric, f float8, t text, by bytea, d date, ts timestamptz,
      u uuid, j jsonb, ia int[], ta text[], iv interval)`)
    const when = new Date('2024-02-29T12:34:56.789Z')
    const bytes = Buffer.from([0, 1, 2, 255, 92, 39])
    const values = [
      1,
      true,
      '9223372036854775807',
      '12345678901234567890.123',
      1.5e-300,
      "q'\\ü\u{1F600}",
      bytes,
      '2024-02-29',
      when,
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      { k: [1, null, 'x'] },
      [1, null, 3],
      ['a"b', null, ''],
      '1 day 02:00:00',
    ]
    await client.query('INSERT INTO v VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)', values)
    const row = (await client.query({ text: 'SELECT *, d::text AS dt FROM v WHERE id = $1', values: [1] })).rows[0]
    expect(row).toMatchObject({ b: true, i8: values[2], n: values[3], f: 1.5e-300, t: values[5], dt: values[7], u: values[9] })
    expect(row.j).toEqual({ k: [1, null, 'x'] })
    expect(row.ia).toEqual([1, null, 3])
    expect(row.ta).toEqual(['a"b', null, ''])
    expect(Buffer.compare(row.by, bytes)).toBe(0)
    expect(row.ts.getTime()).toBe(when.getTime())
    expect(row.iv).toMatchObject({ days: 1, hours: 2 })
  })

  it('of 10 MB pass both ways', async () => {
    const text = 'ä'.repeat(5_000_000)
    const bytes = Buffer.alloc(10_000_000, 7)
    const { rows } = await client.query('SELECT $1::text AS t, $2::bytea AS b, octet_length($1::text) AS n', [text, bytes])
    expect(rows[0].n).toBe(10_000_000)
    expect(rows[0].t === text).toBe(true)
    expect(rows[0].b.equals(bytes)).toBe(true)
  })

  it('binary results', async () => {
    const query = {
      text: 'SELECT $1::int4 AS a, $2::int8 AS b, $3::bool AS d, $4::text AS e',
      values: [7, '8', true, 'x'],
      binary: true,
    }
    const { rows } = await client.query(query as pg.QueryConfig)
    expect(rows[0]).toEqual({ a: 7, b: '8', d: true, e: 'x' })
  })

  it('65,535 parameters', async () => {
    const count = 65_535
    const list = Array.from({ length: count }, (_, i) => `$${i + 1}`).join(',')
    const { rows } = await client.query(
      `SELECT count(*)::int AS n FROM generate_series(1, 10) g WHERE g IN (${list})`,
      Array.from({ length: count }, (_, i) => i + 6),
    )
    expect(rows[0].n).toBe(5)
  })

  it('1,600 columns', async () => {
    const names = Array.from({ length: 1600 }, (_, i) => `c${i}`)
    await client.query(`CREATE TABLE wide(${names.map((name) => `${name} int`).join(',')})`)
    await client.query(`INSERT INTO wide VALUES (${names.map((_, i) => i).join(',')})`)
    const { rows, fields } = await client.query('SELECT * FROM wide')
    expect(fields).toHaveLength(1600)
    expect(rows[0].c1599).toBe(1599)
    expect((await errorOf(client.query('ALTER TABLE wide ADD COLUMN one_more int'))).code).toBe('54011')
  })
})

describe('prepared statements', () => {
  it('notice that the result type has changed', async () => {
    await client.query('CREATE TABLE p(a int); INSERT INTO p VALUES (1)')
    const select = { name: 'all of p', text: 'SELECT * FROM p' }
    expect((await client.query(select)).rows).toEqual([{ a: 1 }])
    await client.query('ALTER TABLE p ADD COLUMN b text')
    const error = await errorOf(client.query(select))
    expect([error.code, error.message]).toEqual(['0A000', 'cached plan must not change result type'])
    await client.query('ALTER TABLE p DROP COLUMN b')
    expect((await client.query(select)).rows).toEqual([{ a: 1 }])
    await client.query('CREATE INDEX ON p(a)')
    expect((await client.query(select)).rows).toEqual([{ a: 1 }])
  })

  it('are found by name once only', async () => {
    const other = await connect()
    await other.query({ name: 'one', text: 'SELECT 1' })
    expect((await other.query('SELECT name, statement FROM pg_prepared_statements')).rows).toEqual([{ name: 'one', statement: 'SELECT 1' }])
    expect((await errorOf(other.query('PREPARE one AS SELECT 2'))).code).toBe('42P05')
    await other.query('DEALLOCATE ALL')
    expect((await other.query('SELECT name FROM pg_prepared_statements')).rows).toEqual([])
  })
})

describe('transactions', () => {
  it('are aborted by an error until their end', async () => {
    const one = await connect()
    await one.query('BEGIN')
    expect((await errorOf(one.query('SELECT 1/0'))).code).toBe('22012')
    expect((await errorOf(one.query('SELECT 1'))).code).toBe('25P02')
    expect((await one.query('COMMIT')).command).toBe('ROLLBACK')
    expect((await one.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }])
  })

  it('make a pool work with many clients', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: server.port, user: 'drivers.admin', password: 'admin', max: 8 })
    pool.on('error', () => {})
    await pool.query('CREATE TABLE counter(id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)')
    await Promise.all(Array.from({ length: 40 }, () => pool.query('UPDATE counter SET n = n + 1 WHERE id = 1')))
    expect((await pool.query('SELECT n FROM counter')).rows).toEqual([{ n: 40 }])
    await pool.end()
  })
})

describe('limits and cancellation', () => {
  it('statement_timeout', async () => {
    const one = await connect()
    await one.query("SET statement_timeout = '60ms'")
    expect((await errorOf(one.query('SELECT pg_sleep(10)'))).message).toBe('canceling statement due to statement timeout')
    await one.query('SET statement_timeout = 0')
    expect((await one.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }])
  })

  it('lock_timeout and NOWAIT', async () => {
    await client.query('CREATE TABLE l(id int PRIMARY KEY); INSERT INTO l VALUES (1)')
    const [one, two] = [await connect(), await connect()]
    await one.query('BEGIN; SELECT * FROM l FOR UPDATE')
    await two.query("SET lock_timeout = '60ms'")
    for (const sql of ['UPDATE l SET id = 1', 'DELETE FROM l', 'SELECT * FROM l FOR UPDATE', 'LOCK TABLE l']) {
      const error = await errorOf(two.query(sql.startsWith('LOCK') ? `BEGIN; ${sql}` : sql))
      expect([sql, error.code, error.message]).toEqual([sql, '55P03', 'canceling statement due to lock timeout'])
    }
    await two.query('ROLLBACK')
    expect((await errorOf(two.query('SELECT * FROM l FOR UPDATE NOWAIT'))).code).toBe('55P03')
    expect((await two.query('SELECT * FROM l FOR UPDATE SKIP LOCKED')).rows).toEqual([])
    await one.query('ROLLBACK')
  })

  it('ends sessions that idle too long', async () => {
    for (const [setting, start, code] of [
      ['idle_in_transaction_session_timeout', 'BEGIN', '25P03'],
      ['transaction_timeout', 'BEGIN', '25P04'],
      ['idle_session_timeout', 'SELECT 1', '57P05'],
    ]) {
      const one = await connect()
      const ended = new Promise<pg.DatabaseError>((resolve) => one.once('error', (error) => resolve(error as pg.DatabaseError)))
      await one.query(`SET ${setting} = '60ms'`)
      await one.query(start!).catch(() => {})
      expect([setting, (await ended).code]).toEqual([setting, code])
    }
  })

  it('pg_cancel_backend reaches a sleeper, a waiter for a row and a long query', async () => {
    const blocker = await connect()
    await blocker.query('BEGIN; SELECT * FROM l FOR UPDATE')
    for (const sql of [
      'SELECT pg_sleep(30)',
      'UPDATE l SET id = 1',
      'SELECT count(*) FROM generate_series(1, 1000000000) g',
      'SELECT pg_advisory_lock(5), pg_advisory_lock(5)',
    ]) {
      const one = await connect()
      if (sql.includes('advisory')) await blocker.query('SELECT pg_advisory_lock(5)')
      const pid = await pidOf(one)
      const running = errorOf(one.query(sql))
      await untilActive(pid, `${sql.slice(0, 20)}%`)
      expect((await client.query('SELECT pg_cancel_backend($1) AS done', [pid])).rows).toEqual([{ done: true }])
      expect([sql, (await running).code]).toEqual([sql, '57014'])
      expect((await one.query('SELECT 1 AS x')).rows).toEqual([{ x: 1 }])
      await one.end()
    }
    await blocker.query('ROLLBACK')
  })

  it('pg_terminate_backend ends a session and frees its locks', async () => {
    const one = await connect()
    await one.query('SELECT pg_advisory_lock(77)')
    const pid = await pidOf(one)
    const ended = new Promise<pg.DatabaseError>((resolve) => one.once('error', (error) => resolve(error as pg.DatabaseError)))
    await client.query('SELECT pg_terminate_backend($1)', [pid])
    expect((await ended).code).toBe('57P01')
    await client.query('SELECT pg_advisory_lock(77)')
    await client.query('SELECT pg_advisory_unlock(77)')
  })

  it('pg_terminate_backend with a timeout waits for the end', async () => {
    const one = await connect()
    const pid = await pidOf(one)
    const ended = new Promise<pg.DatabaseError>((resolve) => one.once('error', (error) => resolve(error as pg.DatabaseError)))
    const done = 'SELECT pg_terminate_backend($1, $2) AS done'
    expect(await errorOf(client.query(done, [pid, -1]))).toMatchObject({ code: '22003', message: '"timeout" must not be negative' })
    expect((await client.query(done, [pid, 10_000])).rows).toEqual([{ done: true }])
    expect((await client.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rows).toEqual([])
    expect((await ended).code).toBe('57P01')
    expect((await client.query(done, [pid, 10_000])).rows).toEqual([{ done: false }])
  })

  it('a session that signals itself does not finish its statement', async () => {
    const one = await connect()
    await one.query('CREATE TABLE signalled (a int)')
    const insert = (call: string) => one.query(`INSERT INTO signalled SELECT 1 WHERE ${call}(pg_backend_pid())`)
    expect((await errorOf(insert('pg_cancel_backend'))).code).toBe('57014')
    expect((await one.query('SELECT * FROM signalled')).rows).toEqual([])
    expect(await errorOf(insert('pg_terminate_backend'))).toMatchObject({ code: '57P01', severity: 'FATAL' })
    expect((await client.query('SELECT * FROM signalled')).rows).toEqual([])
    await client.query('DROP TABLE signalled')
  })

  it('a client that goes away in the middle of a statement leaves nothing', { timeout: 25_000 }, async () => {
    const one = await connect()
    const pid = await pidOf(one)
    await one.query('SELECT pg_advisory_lock(78)')
    await one.query("SET client_connection_check_interval = '50ms'")
    one.query('SELECT pg_sleep(30)').catch(() => {})
    await untilActive(pid, 'SELECT pg_sleep%')
    ;(one as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()
    await client.query('SELECT pg_advisory_lock(78)')
    await client.query('SELECT pg_advisory_unlock(78)')
    expect((await client.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).rows).toEqual([])
  })
})

describe('LISTEN and NOTIFY', () => {
  it('deliver at commit, once, in order, to idle sessions and to others when they become idle', async () => {
    const [listener, sender] = [await connect(), await connect()]
    const heard: string[] = []
    listener.on('notification', (one) => heard.push(`${one.channel}:${one.payload}`))
    await listener.query('BEGIN; LISTEN gone; ROLLBACK; LISTEN news; LISTEN "Other One"')
    expect((await listener.query('SELECT pg_listening_channels() AS c')).rows).toEqual([{ c: 'news' }, { c: 'Other One' }])
    await sender.query(
      "BEGIN; NOTIFY news, 'a'; NOTIFY news, 'b'; NOTIFY news, 'a'; SAVEPOINT s; NOTIFY news, 'never'; ROLLBACK TO s; NOTIFY gone",
    )
    await listener.query('SELECT 1')
    expect(heard).toEqual([])
    await sender.query('COMMIT')
    await sender.query("BEGIN; NOTIFY news, 'rolled back'; ROLLBACK; SELECT pg_notify('Other One', 'c')")
    await listener.query('SELECT 1')
    expect(heard.splice(0)).toEqual(['news:a', 'news:b', 'Other One:c'])
    await listener.query('BEGIN')
    await sender.query("NOTIFY news, 'later'")
    await listener.query('SELECT 1')
    expect(heard).toEqual([])
    await listener.query('COMMIT')
    expect(heard.splice(0)).toEqual(['news:later'])
    const idle = new Promise<pg.Notification>((resolve) => listener.once('notification', resolve))
    const pid = await pidOf(sender)
    await sender.query("NOTIFY news, 'at once'")
    expect(await idle).toMatchObject({ channel: 'news', payload: 'at once', processId: pid })
    await listener.query("UNLISTEN *; NOTIFY news, 'unheard'")
    expect((await listener.query('SELECT pg_listening_channels() AS c')).rows).toEqual([])
    expect((await errorOf(sender.query("SELECT pg_notify('', 'x')"))).code).toBe('22023')
    expect((await errorOf(sender.query("SELECT pg_notify('x', repeat('y', 8000))"))).message).toBe('payload string too long')
  })

  it('stay within their tenant', async () => {
    const stranger = await server.connect('strangers.admin')
    let heard = 0
    stranger.on('notification', () => heard++)
    await stranger.query('LISTEN news')
    await client.query("NOTIFY news, 'x'")
    await stranger.query('SELECT 1')
    expect(heard).toBe(0)
  })
})

describe('advisory locks', () => {
  it('of session and transaction, shared and exclusive', async () => {
    const [one, two] = [await connect(), await connect()]
    const tried = async (sql: string) => Object.values((await two.query(`SELECT ${sql}`)).rows[0])[0]
    await one.query('SELECT pg_advisory_lock(1), pg_advisory_lock(1), pg_advisory_lock_shared(2), pg_advisory_lock(3, -4)')
    expect(await tried('pg_try_advisory_lock(1)')).toBe(false)
    expect(await tried('pg_try_advisory_lock_shared(2)')).toBe(true)
    expect(await tried('pg_try_advisory_lock(2)')).toBe(false)
    expect(await tried('pg_try_advisory_xact_lock(3, -4)')).toBe(false)
    expect(await tried('pg_try_advisory_xact_lock(9)')).toBe(true)
    const { rows } = await two.query(`SELECT classid::bigint, objid::bigint, objsubid, mode, granted FROM pg_locks
      WHERE locktype = 'advisory' AND pid = ${await pidOf(one)} ORDER BY 1, 2`)
    expect(rows).toEqual([
      { classid: '0', objid: '1', objsubid: 1, mode: 'ExclusiveLock', granted: true },
      { classid: '0', objid: '2', objsubid: 1, mode: 'ShareLock', granted: true },
      { classid: '3', objid: '4294967292', objsubid: 2, mode: 'ExclusiveLock', granted: true },
    ])
    await one.query('SELECT pg_advisory_unlock(1)')
    expect(await tried('pg_try_advisory_lock(1)')).toBe(false)
    await one.query('SELECT pg_advisory_unlock(1)')
    expect(await tried('pg_try_advisory_lock(1)')).toBe(true)
    expect((await one.query('SELECT pg_advisory_unlock(1) AS u')).rows).toEqual([{ u: false }])
    await two.query('SELECT pg_advisory_unlock_all()')
    await one.query('BEGIN; SELECT pg_advisory_xact_lock(6)')
    const waiting = two.query('SELECT pg_advisory_xact_lock(6)')
    await one.query('COMMIT')
    await waiting
  })

  it('see a deadlock', async () => {
    const [one, two] = [await connect(), await connect()]
    await one.query('SELECT pg_advisory_lock(10)')
    await two.query('SELECT pg_advisory_lock(11)')
    const pid = await pidOf(one)
    const waiting = one.query('SELECT pg_advisory_lock(11)')
    await untilActive(pid, 'SELECT pg_advisory_lock(11)%')
    expect((await errorOf(two.query('SELECT pg_advisory_lock(10)'))).code).toBe('40P01')
    await two.query('SELECT pg_advisory_unlock_all()')
    await waiting
  })
})
