// Several connections against each other: what each sees, who waits for whom and who loses. Expected outcomes are those that PostgreSQL's
// documentation gives (chapter 13). A step that must wait is started with `waits`, which fails if it does not.

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onTikv, ownTenant, startTestServer, type TestServer } from '../support/server.ts'

if (onTikv) console.log('skipped on TiKV: SERIALIZABLE, which it refuses, and shared row locks, which are exclusive there')

let server: TestServer
let a: pg.Client
let b: pg.Client
let c: pg.Client
let tenant = 0

beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

/** Three fresh sessions in a tenant of their own. */
async function fresh(...setup: string[]): Promise<void> {
  const user = `${ownTenant(`iso_${++tenant}`)}.admin`
  a = await server.connect(user)
  b = await server.connect(user)
  c = await server.connect(user)
  for (const sql of setup) await a.query(sql)
}

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]
const code = (done: Promise<unknown>) =>
  done.then(
    () => 'ok',
    (error: { code?: string }) => error.code,
  )

/** Starts a statement that has to wait for another session. */
async function waits(client: pg.Client, sql: string): Promise<{ done: Promise<pg.QueryResult> }> {
  let settled = false
  const done = client.query({ text: sql, rowMode: 'array' }) as unknown as Promise<pg.QueryResult>
  done.then(
    () => (settled = true),
    () => (settled = true),
  )
  await new Promise((resolve) => setTimeout(resolve, 150))
  expect(settled, `${sql} did not wait`).toBe(false)
  return { done }
}

const ACCOUNTS = ['CREATE TABLE t (id int PRIMARY KEY, v int, s text)', "INSERT INTO t VALUES (1, 10, 'x'), (2, 20, 'x'), (3, 30, 'y')"]

describe('READ COMMITTED', () => {
  it('an UPDATE waits, then works on the newest version', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; UPDATE t SET v = v + 1 WHERE id = 1')
    const { done } = await waits(b, 'UPDATE t SET v = v * 2 WHERE id = 1 RETURNING v')
    await a.query('COMMIT')
    expect((await done).rows).toEqual([[22]])
  })

  it('a changed row is checked against WHERE again', async () => {
    await fresh(...ACCOUNTS)
    await a.query("BEGIN; UPDATE t SET s = 'y' WHERE id = 1")
    const { done } = await waits(b, "DELETE FROM t WHERE s = 'x' RETURNING id")
    await a.query('COMMIT')
    expect((await done).rows).toEqual([[2]])
  })

  it('a deleted row is passed over', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; DELETE FROM t WHERE id = 1')
    const { done } = await waits(b, 'UPDATE t SET v = 0 WHERE id < 3 RETURNING id')
    await a.query('COMMIT')
    expect((await done).rows).toEqual([[2]])
  })

  it('a changed row is joined again', async () => {
    await fresh(...ACCOUNTS, 'CREATE TABLE u (id int, w int)', 'INSERT INTO u VALUES (10, 1), (11, 2)')
    await a.query('BEGIN; UPDATE t SET v = 12 WHERE id = 1')
    const { done } = await waits(b, 'UPDATE t SET v = u.w FROM u WHERE u.id = t.v AND t.id = 1 RETURNING t.v')
    await a.query('COMMIT')
    expect((await done).rows).toEqual([])
  })

  it('each statement has a snapshot of its own', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN')
    expect(await rows(a, 'SELECT v FROM t WHERE id = 1')).toEqual([[10]])
    await b.query('UPDATE t SET v = 99 WHERE id = 1')
    expect(await rows(a, 'SELECT v FROM t WHERE id = 1')).toEqual([[99]])
    await a.query('COMMIT')
  })

  it('readers neither wait nor see what is not committed', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; UPDATE t SET v = 0; INSERT INTO t VALUES (9, 9)')
    expect(await rows(b, 'SELECT count(*)::int, sum(v)::int FROM t')).toEqual([[3, 60]])
    await a.query('ROLLBACK')
  })
})

describe('row locks', () => {
  it('NOWAIT, SKIP LOCKED and lock_timeout', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR UPDATE')
    expect(await code(b.query('SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT'))).toBe('55P03')
    expect(await rows(b, 'SELECT id FROM t ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED')).toEqual([[2]])
    await b.query("SET lock_timeout = '100ms'")
    expect(await code(b.query('UPDATE t SET v = 1 WHERE id = 1'))).toBe('55P03')
    await a.query('ROLLBACK')
    expect(await code(b.query('UPDATE t SET v = 1 WHERE id = 1'))).toBe('ok')
  })

  it.skipIf(onTikv)('shared locks go together, exclusive ones wait', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR SHARE')
    await b.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR SHARE')
    const { done } = await waits(c, 'UPDATE t SET v = 5 WHERE id = 1')
    await a.query('COMMIT')
    await b.query('COMMIT')
    expect((await done).rowCount).toBe(1)
  })

  it('FOR UPDATE through a view, and a view over it, locks the rows below', async () => {
    await fresh(
      ...ACCOUNTS,
      'CREATE VIEW richer AS SELECT * FROM t WHERE v > 10',
      'CREATE VIEW fewer AS SELECT id FROM richer WHERE id < 3',
    )
    await a.query('BEGIN; SELECT * FROM fewer FOR UPDATE')
    expect(await code(b.query('SELECT * FROM t WHERE id = 2 FOR UPDATE NOWAIT'))).toBe('55P03')
    expect(await rows(b, 'SELECT id FROM richer ORDER BY id FOR UPDATE SKIP LOCKED')).toEqual([[3]])
    await a.query('COMMIT')
    expect(await rows(b, 'SELECT id FROM richer ORDER BY id FOR UPDATE SKIP LOCKED')).toEqual([[2], [3]])
  })

  it('FOR KEY SHARE lets columns outside keys change', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR KEY SHARE')
    expect(await code(b.query('UPDATE t SET v = 5 WHERE id = 1'))).toBe('ok')
    await b.query('BEGIN')
    const { done } = await waits(b, 'DELETE FROM t WHERE id = 1')
    await a.query('COMMIT')
    expect((await done).rowCount).toBe(1)
    await b.query('COMMIT')
  })

  it('a deadlock ends one of two', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; UPDATE t SET v = 1 WHERE id = 1')
    await b.query('BEGIN; UPDATE t SET v = 1 WHERE id = 2')
    const { done } = await waits(a, 'UPDATE t SET v = 1 WHERE id = 2')
    const both = await Promise.all([
      code(done.then((result) => a.query('COMMIT').then(() => result))),
      code(b.query('UPDATE t SET v = 1 WHERE id = 1')).then((answer) => b.query('ROLLBACK').then(() => answer)),
    ])
    expect(both.sort()).toEqual(['40P01', 'ok'])
  })

  it('a queue of workers takes every job once', async () => {
    await fresh('CREATE TABLE jobs (id int PRIMARY KEY, done bool DEFAULT false)', 'INSERT INTO jobs SELECT generate_series(1, 60)')
    const taken = await Promise.all(
      [a, b, c].map(async (client) => {
        const mine: number[] = []
        for (;;) {
          const got = await client.query(
            'UPDATE jobs SET done = true WHERE id = (SELECT id FROM jobs WHERE NOT done ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id',
          )
          if (got.rows.length === 0) return mine
          mine.push((got.rows[0] as { id: number }).id)
        }
      }),
    )
    expect(taken.flat().sort((x, y) => x - y)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
  })
})

describe('who waits for the whole of a row holds nothing of it', () => {
  it('a child’s INSERT, then an UPDATE of its parent, beside FOR UPDATE, DELETE and a change of the key', async () => {
    for (const waiting of ['SELECT v FROM t WHERE id = 1 FOR UPDATE', 'DELETE FROM t WHERE id = 1', 'UPDATE t SET id = 9 WHERE id = 1']) {
      await fresh(...ACCOUNTS, 'CREATE TABLE child (id int, t int REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE)')
      await a.query('BEGIN; INSERT INTO child VALUES (1, 1)')
      const { done } = await waits(b, waiting)
      await a.query('UPDATE t SET v = v + 1 WHERE id = 1')
      await a.query('COMMIT')
      expect((await done).rowCount, waiting).toBe(1)
    }
  })

  it('an UPDATE, then a child’s INSERT, beside them', async () => {
    for (const waiting of ['SELECT v FROM t WHERE id = 1 FOR UPDATE', 'DELETE FROM t WHERE id = 1', 'UPDATE t SET id = 9 WHERE id = 1']) {
      await fresh(...ACCOUNTS, 'CREATE TABLE child (id int, t int REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE)')
      await a.query('BEGIN; UPDATE t SET v = v + 1 WHERE id = 1')
      const { done } = await waits(b, waiting)
      await a.query('INSERT INTO child VALUES (1, 1)')
      await a.query('COMMIT')
      expect((await done).rowCount, waiting).toBe(1)
    }
  })
})

describe('REPEATABLE READ and SERIALIZABLE', () => {
  it('a snapshot stays; changing what has changed is 40001', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    expect(await rows(a, 'SELECT v FROM t WHERE id = 1')).toEqual([[10]])
    await b.query('UPDATE t SET v = 11 WHERE id = 1; INSERT INTO t VALUES (7, 70)')
    expect(await rows(a, 'SELECT v FROM t WHERE id IN (1, 7)')).toEqual([[10]])
    expect(await code(a.query('UPDATE t SET v = v + 1 WHERE id = 1'))).toBe('40001')
    expect(await code(a.query('SELECT 1'))).toBe('25P02')
    await a.query('ROLLBACK')
  })

  it.skipIf(onTikv)('snapshot isolation allows write skew, SERIALIZABLE does not', async () => {
    for (const [level, outcome] of [
      ['REPEATABLE READ', ['ok', 'ok']],
      ['SERIALIZABLE', ['40001', 'ok']],
    ] as const) {
      await fresh(...ACCOUNTS)
      await a.query(`BEGIN ISOLATION LEVEL ${level}`)
      await b.query(`BEGIN ISOLATION LEVEL ${level}`)
      await a.query('SELECT sum(v) FROM t')
      await b.query('SELECT sum(v) FROM t')
      const run = async (client: pg.Client, id: number) => {
        await client.query(`UPDATE t SET v = 0 WHERE id = ${id}`)
        await client.query('COMMIT')
      }
      const both = [await code(run(a, 1)), await code(run(b, 2))]
      expect(both.sort(), level).toEqual(outcome)
    }
  })

  it.skipIf(onTikv)('SERIALIZABLE sees no phantom insert', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
    await b.query('BEGIN ISOLATION LEVEL SERIALIZABLE')
    await a.query('SELECT count(*) FROM t WHERE v > 15')
    await b.query('SELECT count(*) FROM t WHERE v > 15')
    const insert = async (client: pg.Client, id: number) => {
      await client.query(`INSERT INTO t VALUES (${id}, 50)`)
      await client.query('COMMIT')
    }
    expect([await code(insert(a, 100)), await code(insert(b, 101))].sort()).toEqual(['40001', 'ok'])
  })
})

describe('DEFERRABLE keys', () => {
  const TABLE = ['CREATE TABLE d (id int PRIMARY KEY, k int UNIQUE DEFERRABLE)', 'INSERT INTO d VALUES (1, 1), (2, 2)']

  it('a second one of a key waits for the first at its statement’s end', async () => {
    await fresh(...TABLE)
    await a.query('BEGIN; INSERT INTO d VALUES (3, 3)')
    const second = await waits(b, 'INSERT INTO d VALUES (4, 3)')
    await a.query('COMMIT')
    expect(await code(second.done)).toBe('23505')
    await a.query('BEGIN; INSERT INTO d VALUES (5, 5)')
    const third = await waits(b, 'INSERT INTO d VALUES (6, 5)')
    await a.query('ROLLBACK')
    expect(await code(third.done)).toBe('ok')
  })

  it('who takes a key that another is giving up waits', async () => {
    await fresh(...TABLE)
    await a.query('BEGIN; UPDATE d SET k = 20 WHERE id = 2')
    const { done } = await waits(b, 'INSERT INTO d VALUES (3, 2)')
    await a.query('COMMIT')
    expect(await code(done)).toBe('ok')
    await a.query('BEGIN; DELETE FROM d WHERE id = 3')
    const other = await waits(b, 'UPDATE d SET k = 2 WHERE id = 1')
    await a.query('ROLLBACK')
    expect(await code(other.done)).toBe('23505')
  })

  it('deferred, the second COMMIT fails, whatever the snapshots show', async () => {
    for (const level of ['READ COMMITTED', 'REPEATABLE READ']) {
      await fresh(...TABLE)
      for (const client of [a, b]) {
        await client.query(`BEGIN ISOLATION LEVEL ${level}`)
        await client.query('SET CONSTRAINTS ALL DEFERRED')
        await client.query('SELECT * FROM d')
      }
      await a.query('INSERT INTO d VALUES (3, 3)')
      await b.query('INSERT INTO d VALUES (4, 3)')
      await a.query('COMMIT')
      expect(await code(b.query('COMMIT'))).toBe('23505')
      expect(await rows(c, 'SELECT id FROM d WHERE k = 3')).toEqual([[3]])
    }
  })

  it('many at once leave no duplicate', { timeout: 60_000 }, async () => {
    await fresh('CREATE TABLE d (id serial PRIMARY KEY, k int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
    const results = await Promise.all(
      [a, b, c].map(async (client) => {
        let taken = 0
        for (let i = 0; i < 40; i++) if ((await code(client.query(`INSERT INTO d (k) VALUES (${i})`))) === 'ok') taken++
        return taken
      }),
    )
    expect(results.reduce((sum, n) => sum + n, 0)).toBe(40)
    expect(await rows(a, 'SELECT count(*)::int, count(DISTINCT k)::int FROM d')).toEqual([[40, 40]])
  })
})

describe('constraints', () => {
  it('a second insert of a key waits for the first', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; INSERT INTO t VALUES (5, 5)')
    const first = await waits(b, 'INSERT INTO t VALUES (5, 6)')
    await a.query('COMMIT')
    expect(await code(first.done)).toBe('23505')
    await a.query('BEGIN; INSERT INTO t VALUES (6, 6)')
    const second = await waits(b, 'INSERT INTO t VALUES (6, 7)')
    await a.query('ROLLBACK')
    expect(await code(second.done)).toBe('ok')
  })

  it('an insert does not wait for those who have only locked the row', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1)')
    for (const lock of ['KEY SHARE', 'SHARE', 'NO KEY UPDATE', 'UPDATE']) {
      await a.query(`BEGIN; SELECT * FROM t WHERE id = 1 FOR ${lock}`)
      expect(await code(b.query('INSERT INTO t VALUES (1)')), lock).toBe('23505')
      expect(await code(b.query('INSERT INTO t VALUES (2), (1)')), lock).toBe('23505')
      await b.query('BEGIN')
      expect(await code(b.query('INSERT INTO t VALUES (1)')), lock).toBe('23505')
      await b.query('ROLLBACK; BEGIN; INSERT INTO t VALUES (7)')
      expect(await code(b.query('UPDATE t SET id = 1 WHERE id = 7')), lock).toBe('23505')
      await b.query('ROLLBACK')
      await a.query('ROLLBACK')
    }
    for (const [end, answer] of [
      ['COMMIT', 'ok'],
      ['ROLLBACK', '23505'],
    ] as const) {
      await a.query('BEGIN; DELETE FROM t WHERE id = 1')
      const { done } = await waits(b, 'INSERT INTO t VALUES (1)')
      await a.query(end)
      expect(await code(done), end).toBe(answer)
    }
  })

  it('a row that others have only locked is not changed to a snapshot that is older', async () => {
    await fresh(...ACCOUNTS)
    await b.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM t')
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR UPDATE; UPDATE t SET v = 0 WHERE id = 2')
    await a.query('COMMIT')
    expect(await code(b.query('UPDATE t SET v = 7 WHERE id = 1'))).toBe('ok')
    expect(await code(b.query('UPDATE t SET v = 7 WHERE id = 2'))).toBe('40001')
    await b.query('ROLLBACK')
  })

  it('a unique key that somebody is giving up is waited for, and what is there then decides', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v int)')
    for (const [writer, freed, moved] of [
      ['DELETE FROM t WHERE id = 1', true, null],
      ['UPDATE t SET u = 11 WHERE id = 1', true, [1, 11, 1]],
      ['UPDATE t SET id = 6 WHERE id = 1', false, [6, 10, 1]],
    ] as const) {
      for (const end of ['ROLLBACK', 'COMMIT']) {
        const [taken, left] = end === 'ROLLBACK' ? [true, [1, 10, 1]] : [!freed, moved]
        for (const [clause, answer] of [
          ['', taken ? '23505' : 1],
          ['ON CONFLICT DO NOTHING', taken ? 0 : 1],
          ['ON CONFLICT (u) DO NOTHING', taken ? 0 : 1],
          ['ON CONFLICT (u) DO UPDATE SET v = 9', 1],
        ] as const) {
          for (const begin of ['BEGIN', 'COMMIT']) {
            await a.query('TRUNCATE t; INSERT INTO t VALUES (1, 10, 1)')
            await a.query(`BEGIN; ${writer}`)
            await b.query(begin)
            const { done } = await waits(b, `INSERT INTO t VALUES (5, 10, 2) ${clause}`)
            // never for who waits for it
            await a.query(end)
            const how = `${writer}; ${end}; ${clause}; ${begin}`
            expect(
              await done.then(
                ({ rowCount }) => rowCount,
                (error: { code: string }) => error.code,
              ),
              how,
            ).toBe(answer)
            await b.query('COMMIT')
            const fresh5 = answer === 1 && !taken ? [[5, 10, 2]] : []
            const kept = left === null ? [] : [clause.includes('UPDATE') && taken ? [left[0], left[1], 9] : left]
            expect(await rows(a, 'SELECT * FROM t ORDER BY u'), how).toEqual([...fresh5, ...kept])
          }
        }
      }
    }
  })

  it('ON CONFLICT waits and takes the other branch', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; INSERT INTO t VALUES (5, 5)')
    const { done } = await waits(b, 'INSERT INTO t VALUES (5, 1) ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v RETURNING v')
    await a.query('COMMIT')
    expect((await done).rows).toEqual([[6]])
  })

  it('ON CONFLICT DO UPDATE above READ COMMITTED inserts where the key was freed, and fails where its row was changed', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v int)')
    for (const [writer, target, wanted] of [
      ['DELETE FROM t WHERE id = 1', 'u', 'ok'],
      ['UPDATE t SET u = 11 WHERE id = 1', 'u', 'ok'],
      ['UPDATE t SET v = 3 WHERE id = 1', 'u', '40001'],
      ['DELETE FROM t WHERE id = 1', 'id', 'ok'],
      ['UPDATE t SET v = 3 WHERE id = 1', 'id', '40001'],
    ] as const) {
      await a.query('TRUNCATE t; INSERT INTO t VALUES (1, 10, 1)')
      await a.query(`BEGIN; ${writer}`)
      await b.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      await b.query('SELECT * FROM t')
      const row = target === 'u' ? '(5, 10, 2)' : '(1, 12, 2)'
      const { done } = await waits(b, `INSERT INTO t VALUES ${row} ON CONFLICT (${target}) DO UPDATE SET v = 9`)
      await a.query('COMMIT')
      const code = await done.then(
        () => 'ok',
        (error: pg.DatabaseError) => error.code,
      )
      expect(code, `${writer}, ${target}`).toBe(wanted)
      await b.query('COMMIT')
      const inserted = await rows(a, `SELECT v FROM t WHERE (id, u, v) = ${row}`)
      expect(inserted, `${writer}, ${target}`).toEqual(wanted === 'ok' ? [[2]] : [])
    }
  })

  it('ON CONFLICT DO NOTHING does not wait for those who have only locked the row', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE)', 'INSERT INTO t VALUES (1, 10)')
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR UPDATE')
    expect((await b.query('INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING')).rowCount).toBe(0)
    await b.query('BEGIN')
    expect((await b.query('INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING')).rowCount).toBe(0)
    expect((await b.query('INSERT INTO t VALUES (3, 10) ON CONFLICT DO NOTHING')).rowCount).toBe(0)
    await b.query('COMMIT')
    // Several of them do not stand in each other's way.
    const many = [b, c].map((client) => client.query('INSERT INTO t SELECT 1 FROM generate_series(1, 5) ON CONFLICT DO NOTHING'))
    for (const { rowCount } of await Promise.all(many)) expect(rowCount).toBe(0)
    await b.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    expect((await b.query('INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING')).rowCount).toBe(0)
    await b.query('COMMIT')
    await a.query('DELETE FROM t WHERE id = 1')
    const { done } = await waits(b, 'INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING')
    await a.query('COMMIT')
    expect((await done).rowCount).toBe(1)
  })

  it('ON CONFLICT DO NOTHING waits for who removes the row, moves it or inserts it', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1), (2)')
    for (const [sql, end, inserted] of [
      ['DELETE FROM t WHERE id = 1', 'ROLLBACK', 0],
      ['SAVEPOINT s; DELETE FROM t WHERE id = 1', 'ROLLBACK TO s', 0],
      ['UPDATE t SET id = 3 WHERE id = 1', 'COMMIT', 1],
      ['INSERT INTO t VALUES (4)', 'COMMIT', 0],
      ['INSERT INTO t VALUES (5)', 'ROLLBACK', 1],
    ] as const) {
      await a.query(`BEGIN; ${sql}`)
      const id = /VALUES \((\d)\)/.exec(sql)?.[1] ?? '1'
      const { done } = await waits(b, `INSERT INTO t VALUES (${id}) ON CONFLICT DO NOTHING`)
      await a.query(end)
      expect((await done).rowCount, sql).toBe(inserted)
      if (end === 'ROLLBACK TO s') await a.query('ROLLBACK')
    }
    await a.query('BEGIN; DELETE FROM t WHERE id = 2')
    await b.query("SET lock_timeout = '300ms'")
    expect(await code(b.query('INSERT INTO t VALUES (2) ON CONFLICT DO NOTHING'))).toBe('55P03')
    await a.query('ROLLBACK')
  })

  it('ROLLBACK TO gives up the locks taken since the savepoint: on rows, relations and advisory ones of the transaction', async () => {
    await fresh('CREATE TABLE t (id int PRIMARY KEY)', 'INSERT INTO t VALUES (1), (2)', 'CREATE TABLE u (id int)')
    const isFree = async (sql: string): Promise<boolean> => {
      await b.query('BEGIN')
      const refused = await code(b.query(sql))
      await b.query('ROLLBACK')
      return refused !== '55P03'
    }
    const isAdvisoryFree = async (key: number): Promise<boolean> =>
      (await b.query(`SELECT pg_try_advisory_xact_lock(${key}) AS free`)).rows[0].free
    await a.query('BEGIN; SELECT * FROM t WHERE id = 1 FOR UPDATE; SELECT pg_advisory_xact_lock(1), pg_advisory_xact_lock(2); SAVEPOINT s')
    await a.query('SELECT * FROM t WHERE id = 2 FOR UPDATE; LOCK TABLE u')
    await a.query('SELECT pg_advisory_xact_lock(2), pg_advisory_xact_lock(3), pg_advisory_lock(4)')
    expect(await isFree('SELECT * FROM t WHERE id = 2 FOR UPDATE NOWAIT')).toBe(false)
    expect(await isFree('LOCK TABLE u NOWAIT')).toBe(false)
    expect(await Promise.all([1, 2, 3, 4].map(isAdvisoryFree))).toEqual([false, false, false, false])
    await a.query('ROLLBACK TO s')
    expect(await isFree('SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT')).toBe(false)
    expect(await isFree('SELECT * FROM t WHERE id = 2 FOR UPDATE NOWAIT')).toBe(true)
    expect(await isFree('LOCK TABLE u NOWAIT')).toBe(true)
    // one of the session itself stays
    expect(await Promise.all([1, 2, 3, 4].map(isAdvisoryFree))).toEqual([false, false, true, false])
    await a.query('SELECT pg_advisory_xact_lock(3)')
    expect(await code(a.query('SELECT 1 / 0'))).toBe('22012')
    expect(await isAdvisoryFree(3)).toBe(true)
    await a.query('ROLLBACK')
    expect(await Promise.all([1, 2, 3, 4].map(isAdvisoryFree))).toEqual([true, true, true, false])
    await a.query('SELECT pg_advisory_unlock_all()')
  })

  it('many upserts of one row lose no increment', async () => {
    await fresh('CREATE TABLE n (id int PRIMARY KEY, v int)')
    await Promise.all(
      [a, b, c].map(async (client) => {
        for (let i = 0; i < 30; i++) await client.query('INSERT INTO n VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET v = n.v + 1')
      }),
    )
    expect(await rows(a, 'SELECT v FROM n')).toEqual([[90]])
  })

  it('a parent goes or a child comes, never both', async () => {
    await fresh('CREATE TABLE p (id int PRIMARY KEY)', 'CREATE TABLE k (pid int REFERENCES p)', 'INSERT INTO p VALUES (1), (2)')
    await a.query('BEGIN; INSERT INTO k VALUES (1)')
    const gone = await waits(b, 'DELETE FROM p WHERE id = 1')
    await a.query('COMMIT')
    expect(await code(gone.done)).toBe('23503')
    await a.query('BEGIN; DELETE FROM p WHERE id = 2')
    const came = await waits(b, 'INSERT INTO k VALUES (2)')
    await a.query('COMMIT')
    expect(await code(came.done)).toBe('23503')
  })
})

describe('foreign keys under load', () => {
  it('no child outlives its parent', { timeout: 120_000 }, async () => {
    await fresh('CREATE TABLE p (id int PRIMARY KEY)', 'CREATE TABLE k (pid int REFERENCES p)', 'CREATE INDEX ON k (pid)')
    let refused = 0
    for (let round = 0; round < 40; round++) {
      const id = round
      await a.query(`INSERT INTO p VALUES (${id})`)
      const tries = [
        a.query(`INSERT INTO k VALUES (${id})`),
        b.query(round % 2 === 0 ? `DELETE FROM p WHERE id = ${id}` : `UPDATE p SET id = ${id} + 1000 WHERE id = ${id}`),
        c.query(`INSERT INTO k VALUES (${id})`),
      ]
      for (const outcome of await Promise.all(tries.map(code))) {
        if (outcome === '23503') refused++
        else expect(outcome).toBe('ok')
      }
    }
    expect(await rows(a, 'SELECT pid FROM k WHERE NOT EXISTS (SELECT FROM p WHERE id = pid)')).toEqual([])
    // each round somebody must give way
    expect(refused).toBeGreaterThanOrEqual(40)
  })
})

describe('DDL', () => {
  it('waits for writers of the table, and they for it', async () => {
    await fresh(...ACCOUNTS)
    await a.query('BEGIN; UPDATE t SET v = 0 WHERE id = 1')
    const alter = await waits(b, 'ALTER TABLE t ADD COLUMN n int DEFAULT 7')
    await a.query('COMMIT')
    await alter.done
    expect(await rows(a, 'SELECT n FROM t WHERE id = 1')).toEqual([[7]])
    await b.query('BEGIN; ALTER TABLE t DROP COLUMN n')
    const insert = await waits(a, 'INSERT INTO t VALUES (8, 8)')
    await b.query('ROLLBACK')
    await insert.done
    expect(await rows(a, 'SELECT n FROM t WHERE id = 8')).toEqual([[7]])
  })

  it('rolled-back sequence values are gone', async () => {
    await fresh('CREATE SEQUENCE s')
    await a.query("BEGIN; SELECT nextval('s')")
    const other = Number((await rows(b, "SELECT nextval('s')"))[0]![0])
    await a.query('ROLLBACK')
    const next = Number((await rows(a, "SELECT nextval('s')"))[0]![0])
    expect(new Set([1, other, next]).size).toBe(3)
  })
})

describe('checkers', () => {
  it('transfers between accounts keep the sum', async () => {
    await fresh('CREATE TABLE acc (id int PRIMARY KEY, v int)', 'INSERT INTO acc SELECT g, 100 FROM generate_series(0, 9) g')
    const user = `${ownTenant(`iso_${tenant}`)}.admin`
    const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect(user)))
    let committed = 0
    await Promise.all(
      clients.map(async (client, n) => {
        for (let i = 0; i < 25; i++) {
          const from = (n * 7 + i * 3) % 10
          const to = (from + 1 + ((n + i) % 9)) % 10
          const level = i % 2 === 0 ? 'READ COMMITTED' : 'REPEATABLE READ'
          const answer = await code(
            (async () => {
              await client.query(`BEGIN ISOLATION LEVEL ${level}`)
              await client.query(`UPDATE acc SET v = v - 5 WHERE id = ${from}`)
              await client.query(`UPDATE acc SET v = v + 5 WHERE id = ${to}`)
              await client.query('COMMIT')
            })(),
          )
          if (answer === 'ok') committed++
          else {
            expect(['40001', '40P01']).toContain(answer)
            await client.query('ROLLBACK')
          }
          if (i % 5 === 0) expect(await rows(client, 'SELECT sum(v)::int FROM acc')).toEqual([[1000]])
        }
      }),
    )
    expect(committed).toBeGreaterThan(50)
    expect(await rows(a, 'SELECT sum(v)::int FROM acc')).toEqual([[1000]])
  })

  it('appends to a list are all there, in an order all readers agree on', async () => {
    await fresh("CREATE TABLE list (id int PRIMARY KEY, v int[] DEFAULT '{}')", 'INSERT INTO list VALUES (1)')
    const seen: number[][] = []
    await Promise.all(
      [a, b, c].map(async (client, n) => {
        for (let i = 0; i < 20; i++) {
          const [row] = await rows(client, `UPDATE list SET v = v || ${n * 100 + i} WHERE id = 1 RETURNING v`)
          seen.push(row![0] as number[])
        }
      }),
    )
    const [[final]] = (await rows(a, 'SELECT v FROM list')) as [[number[]]]
    expect(final.length).toBe(60)
    for (const list of seen) expect(final.slice(0, list.length)).toEqual(list)
  })
})
