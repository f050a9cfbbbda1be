// Foreign keys between sessions, on both stores: whatever the isolation level and whoever comes first, no row refers to a key that is gone.

import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

const SEED = testSeed()

describe.each(['embedded', 'tikv'] as const)('on %s', (store) => {
  let fake: Fake | null = null
  let server: TestServer
  beforeAll(async () => {
    fake = store === 'tikv' ? await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: SEED }) : null
    server = await startTestServer(fake === null ? {} : { PD_ENDPOINTS: fake.pdAddress })
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    await fake?.close()
  })

  const code = (done: Promise<pg.QueryResult>): Promise<string> =>
    done.then(
      () => 'ok',
      (error: { code: string }) => error.code,
    )

  async function fresh(tenant: string, action: string): Promise<[pg.Client, pg.Client]> {
    const [a, b] = [await server.connect(`${ownTenant(tenant)}.admin`), await server.connect(`${ownTenant(tenant)}.admin`)]
    await a.query(`DROP TABLE IF EXISTS c, t; CREATE TABLE t (id int PRIMARY KEY);
      CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t ON DELETE ${action}); INSERT INTO t VALUES (1), (2)`)
    return [a, b]
  }

  test('a snapshot that does not show the referring row does not hide it from the check', async () => {
    for (const [action, wanted] of [
      ['NO ACTION', '23503'],
      ['RESTRICT', '23001'],
      ['CASCADE', '40001'],
      ['SET NULL', '40001'],
    ] as const) {
      const [a, b] = await fresh('hidden', action)
      await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      await a.query('SELECT * FROM c')
      await b.query('INSERT INTO c VALUES (1, 2)')
      expect(await code(a.query('DELETE FROM t WHERE id = 2')), action).toBe(wanted)
      await a.query('ROLLBACK')
    }
  })

  test("a row that no longer refers is in nobody's way, whatever the snapshot shows", async () => {
    for (const action of ['NO ACTION', 'RESTRICT', 'CASCADE', 'SET NULL']) {
      const [a, b] = await fresh('gone', action)
      await b.query('INSERT INTO c VALUES (1, 2), (2, 2)')
      await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      await a.query('SELECT * FROM c')
      await b.query('UPDATE c SET t = 1 WHERE id = 1; DELETE FROM c WHERE id = 2')
      expect(await code(a.query('DELETE FROM t WHERE id = 2')), action).toBe('ok')
      await a.query('COMMIT')
      expect((await b.query('SELECT id, t FROM c')).rows, action).toEqual([{ id: 1, t: 1 }])
    }
  })

  test('rows that the transaction itself took away do not count', async () => {
    const [a, b] = await fresh('own', 'NO ACTION')
    await b.query('INSERT INTO c VALUES (1, 1), (2, 2)')
    await a.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await a.query('DELETE FROM c WHERE id = 1')
    await a.query('UPDATE c SET t = NULL WHERE id = 2')
    await a.query('DELETE FROM t')
    await a.query('COMMIT')
    expect((await a.query('SELECT * FROM t')).rowCount).toBe(0)
  })

  test(`deletions and insertions at random leave no orphan (seed ${SEED})`, async () => {
    const random = randomFrom(SEED)
    const parents = 6
    await fresh('random', 'NO ACTION')
    const clients = await Promise.all(Array.from({ length: 4 }, () => server.connect(`${ownTenant('random')}.admin`)))
    const answers = new Set<string>()
    const work = async (client: pg.Client, at: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const parent = 1 + random.below(parents)
        const statement = random.pick([
          `INSERT INTO c VALUES (${at * 1000 + i}, ${parent})`,
          `INSERT INTO t VALUES (${parent}) ON CONFLICT DO NOTHING`,
          `DELETE FROM t WHERE id = ${parent}`,
          `DELETE FROM c WHERE t = ${parent}`,
        ])
        const isolation = random.pick(['', 'READ COMMITTED', 'REPEATABLE READ'])
        if (isolation === '') answers.add(await code(client.query(statement)))
        else {
          await client.query(`BEGIN ISOLATION LEVEL ${isolation}`)
          await client.query('SELECT count(*) FROM c')
          answers.add(await code(client.query(statement)))
          answers.add(await code(client.query('COMMIT')))
        }
      }
    }
    await Promise.all(clients.map(work))
    expect([...answers].filter((answer) => !['ok', '23503', '40001', '40P01'].includes(answer))).toEqual([])
    const orphans = await clients[0]!.query('SELECT * FROM c WHERE NOT EXISTS (SELECT FROM t WHERE t.id = c.t)')
    expect(orphans.rows).toEqual([])
  }, 120_000)
})
