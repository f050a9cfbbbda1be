// Statements with bound parameters, as drivers send them: each with its Sync, which on TiKV commits with the statement, or several before one Sync,
// which stay one transaction. On both stores.

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

interface Wire {
  stream: { cork(): void; uncork(): void }
  parse(message: { name: string; text: string }): void
  bind(message: { values: unknown[] }): void
  execute(message: { rows?: number }): void
  sync(): void
}

/** Executes of statements without parameters, and their one Sync, in one packet. Answers tags, rows and errors in their order. */
function pipeline(client: pg.Client, steps: readonly (string | { again: true })[]): Promise<string[]> {
  const { connection } = client as unknown as { connection: Wire }
  return new Promise((resolve) => {
    const said: string[] = []
    const submittable = {
      submit() {
        connection.stream.cork()
        for (const step of steps) {
          if (typeof step === 'string') {
            connection.parse({ name: '', text: step })
            connection.bind({ values: [] })
          }
          connection.execute({})
        }
        connection.sync()
        connection.stream.uncork()
      },
      handleDataRow: ({ fields }: { fields: string[] }) => said.push(fields.join('|')),
      handleCommandComplete: ({ text }: { text: string }) => said.push(text),
      // the driver says nothing more of what has failed
      handleError: ({ code }: { code: string }) => resolve([...said, `error ${code}`]),
      handleReadyForQuery: () => resolve(said),
    }
    client.query(submittable as unknown as pg.Submittable)
  })
}

describe.each(['embedded', 'TiKV'])('%s', (store) => {
  let server: TestServer
  let client: pg.Client
  let other: pg.Client
  let stop = async (): Promise<void> => {}
  beforeAll(async () => {
    if (store === 'TiKV') {
      const fake = await startFake({ stores: 3, keyspaces: [], pdPort: 0, seed: 1 })
      stop = () => fake.close()
      server = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
    } else server = await startTestServer()
    client = await server.connect('bound.admin')
    other = await server.connect('bound.admin')
    await client.query('CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text, n int DEFAULT 0)')
    await client.query('CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)')
  })
  afterAll(async () => {
    await server.stop()
    await stop()
  })
  const code = (sql: string, values: unknown[]): Promise<string> =>
    client.query(sql, values).then(
      ({ command, rowCount }) => `${command} ${rowCount}`,
      (error: { code: string }) => error.code,
    )
  const rows = async (sql: string): Promise<unknown[]> => (await other.query({ text: sql, rowMode: 'array' })).rows

  test('rows come back, and others see them at once', async () => {
    const { rows: made } = await client.query('INSERT INTO t VALUES ($1, $2, $3), ($4, $5, $6) RETURNING *', [1, 10, 'a', 2, 20, null])
    expect(made).toEqual([
      { id: 1, u: 10, v: 'a', n: 0 },
      { id: 2, u: 20, v: null, n: 0 },
    ])
    expect(await rows('SELECT id FROM t ORDER BY id')).toEqual([[1], [2]])
    expect((await client.query('UPDATE t SET v = $1 WHERE id = $2 RETURNING v', ['b', 2])).rows).toEqual([{ v: 'b' }])
    const many = await client.query('INSERT INTO t SELECT g, g, repeat($1, 10) FROM generate_series(1000, $2::int) g RETURNING id', [
      'x',
      5999,
    ])
    expect(many.rowCount).toBe(5000)
    expect(await code('DELETE FROM t WHERE id >= $1', [1000])).toBe('DELETE 5000')
  })

  test('errors come in their place, and the session goes on', async () => {
    expect(await code('INSERT INTO t VALUES ($1, 30, $2)', [1, 'x'])).toBe('23505')
    expect(await code('INSERT INTO t VALUES ($1, 20, $2)', [3, 'x'])).toBe('23505')
    expect(await code('INSERT INTO c VALUES ($1, $2)', [1, 99])).toBe('23503')
    expect(await code('INSERT INTO c VALUES ($1, $2)', [1, 1])).toBe('INSERT 1')
    expect(await code('UPDATE t SET id = id / $1', [0])).toBe('22012')
    expect(await rows('SELECT * FROM c')).toEqual([[1, 1]])
  })

  test('increments of one row at the same time are all counted', async () => {
    const clients = await Promise.all(Array.from({ length: 6 }, () => server.connect('bound.admin')))
    const work = clients.map(async (one) => {
      for (let n = 0; n < 10; n++) await one.query('UPDATE t SET n = n + $1 WHERE id = $2', [1, 1])
    })
    await Promise.all(work)
    expect(await rows('SELECT n FROM t WHERE id = 1')).toEqual([[60]])
  })

  test('what stands before one Sync is one transaction', async () => {
    const insert = (id: number): string => `INSERT INTO t VALUES (${id}, ${id})`
    expect(await pipeline(client, [insert(50), insert(51), 'SELECT count(*) FROM t WHERE id >= 50'])).toEqual([
      'INSERT 0 1',
      'INSERT 0 1',
      '2',
      'SELECT 1',
    ])
    expect(await pipeline(client, [insert(52), insert(50), insert(53)])).toEqual(['INSERT 0 1', 'error 23505'])
    expect(await pipeline(client, [insert(54), 'SELECT 1 / 0'])).toEqual(['INSERT 0 1', 'error 22012'])
    expect(await rows('SELECT id FROM t WHERE id >= 50 ORDER BY id')).toEqual([[50], [51]])
    // a portal that has run does not run again
    expect(await pipeline(client, [insert(55), { again: true }])).toEqual(['INSERT 0 1', 'error 55000'])
    expect(await pipeline(client, ['BEGIN', insert(56)])).toEqual(['BEGIN', 'INSERT 0 1'])
    expect(await pipeline(client, [insert(57)])).toEqual(['INSERT 0 1'])
    expect(await pipeline(client, ['ROLLBACK'])).toEqual(['ROLLBACK'])
    expect(await rows('SELECT id FROM t WHERE id >= 55')).toEqual([])
  })
})
