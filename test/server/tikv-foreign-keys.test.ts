// Foreign keys on TiKV, where statements that commit themselves take no locks on rows: a child that is committed between the look for children and the
// commit of the parent's deletion must stop that deletion.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

let fake: Fake
let server: TestServer
let a: pg.Client
let b: pg.Client
beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  server = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  a = await server.connect('fk.admin')
  b = await server.connect('fk.admin')
  await a.query('CREATE TABLE p (id int PRIMARY KEY, v int)')
  await a.query('CREATE TABLE k (pid int REFERENCES p)')
}, 120_000)
afterAll(async () => {
  await server.stop()
  await fake.close()
})

const code = (done: Promise<unknown>): Promise<string> =>
  done.then(
    () => 'ok',
    (error: { code?: string }) => error.code ?? 'no code',
  )

const alone = (id: number): string => `INSERT INTO k VALUES (${id})`
/** The key lock is not the first thing that this transaction locks. */
const late = (id: number): string => `BEGIN; UPDATE p SET v = 1 WHERE id = ${id + 2}; INSERT INTO k VALUES (${id}); COMMIT`
const remove = (id: number): string => `DELETE FROM p WHERE id = ${id}`
const move = (id: number): string => `UPDATE p SET id = ${id + 1000} WHERE id = ${id}`

test.each([
  ['DELETE, INSERT', remove, alone],
  ['UPDATE of the key, INSERT', move, alone],
  ['DELETE, INSERT in a block', remove, late],
  ['UPDATE of the key, INSERT in a block', move, late],
])('%s while the former commits', { timeout: 60_000 }, async (_, statement, insert) => {
  for (let round = 0; round < 3; round++) {
    const id = Math.floor(Math.random() * 1_000_000)
    // both statements are planned, and their parts of the catalogue are here
    await a.query(`INSERT INTO p VALUES (${id + 1}), (${id + 2}), (${id})`)
    expect(await code(b.query(statement(id + 1)))).toBe('ok')
    await a.query(insert(id + 2))
    fake.faults.add({ cmd: 'KvPrewrite', action: 'delay', ms: 400, n: 1 })
    const gone = code(b.query(statement(id)))
    await new Promise((resolve) => setTimeout(resolve, 100))
    const came = code(a.query(insert(id)))
    const outcome = [await gone, await came]
    await a.query('ROLLBACK')
    expect([
      ['ok', '23503'],
      ['23503', 'ok'],
    ]).toContainEqual(outcome)
    const orphans = await a.query('SELECT pid FROM k WHERE NOT EXISTS (SELECT FROM p WHERE id = pid)')
    expect(orphans.rows).toEqual([])
    fake.faults.reset()
  }
})
