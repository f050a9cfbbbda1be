// Definitions and writes at the same time on two nodes of one (fake) TiKV cluster, at random: afterwards every index agrees with its table, every
// constraint holds, both nodes see the same, and each row is there whose insert was acknowledged. SCHEMA_STORM_SEED repeats a run.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { testSeed } from '../support/seed.ts'
import { startTestServer, type TestServer } from '../support/server.ts'

const LONG = process.env['LONG'] === '1'
const DEFINITIONS = LONG ? 300 : 12
const WRITERS = 3

/** What may happen to a statement here and is no fault: conflicts, time-outs, objects that another has just dropped, constraints doing their work. */
const EXPECTED = new Set([
  '40001',
  '40P01',
  '55P03',
  '42P01',
  '42703',
  '42704',
  '42P07',
  '42701',
  '42710',
  '23514',
  '23505',
  '25P02',
  '0A000',
])

let fake: Fake
let nodes: TestServer[]

beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  nodes = [await startTestServer({ PD_ENDPOINTS: fake.pdAddress }), await startTestServer({ PD_ENDPOINTS: fake.pdAddress })]
}, 120_000)
afterAll(async () => {
  for (const node of nodes) await node.stop()
  await fake.close()
})

/** mulberry32 */
function generator(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const rows = async (client: pg.Client, sql: string) => (await client.query({ text: sql, rowMode: 'array' })).rows as unknown[][]

test('indexes, constraints and rows agree after a storm of definitions and writes', { timeout: LONG ? 900_000 : 180_000 }, async () => {
  const seed = testSeed('SCHEMA_STORM_SEED')
  console.log(`SCHEMA_STORM_SEED=${seed}`)
  const setup = await nodes[0]!.connect('storm.admin')
  await setup.query('CREATE TABLE s (id int PRIMARY KEY, v int, u int)')
  await setup.query('CREATE TABLE part (id int PRIMARY KEY, s int)')
  let isOver = false
  const counts: Record<string, number> = {}
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  /** Answers whether it was done; anything unexpected fails the test. */
  const attempt = async (client: pg.Client, sql: string): Promise<boolean> => {
    try {
      await client.query(sql)
      count('done')
      return true
    } catch (error) {
      const { code = 'none', message } = error as { code?: string; message: string }
      count(code)
      if (!EXPECTED.has(code)) throw new Error(`${sql}: ${code} ${message}`)
      return false
    }
  }

  const present = new Set<number>()
  const writer = async (index: number): Promise<void> => {
    const client = await nodes[index % nodes.length]!.connect('storm.admin')
    const random = generator(seed + 1000 + index)
    const mine: number[] = []
    for (let n = 0; !isOver; n++) {
      const id = n * 100 + index
      const insert = `INSERT INTO s VALUES (${id}, ${random(60) - 5}, ${random(100_000)})`
      const old = mine[random(Math.max(1, mine.length))] ?? id
      switch (random(6)) {
        case 0:
          if (await attempt(client, `UPDATE s SET v = ${random(60) - 5}, u = ${random(100_000)} WHERE id = ${old}`)) break
          break
        case 1:
          if (await attempt(client, `DELETE FROM s WHERE id = ${old}`)) present.delete(old)
          break
        case 2: {
          await client.query('BEGIN')
          const isDone = (await attempt(client, insert)) && (await attempt(client, `INSERT INTO part VALUES (${id}, ${id})`))
          if (random(4) === 0) await new Promise((resolve) => setTimeout(resolve, random(100)))
          if (isDone && (await attempt(client, 'COMMIT'))) {
            present.add(id)
            mine.push(id)
          } else await client.query('ROLLBACK')
          break
        }
        default:
          if (await attempt(client, insert)) {
            present.add(id)
            mine.push(id)
          }
      }
    }
  }

  const definer = async (index: number): Promise<void> => {
    const client = await nodes[index]!.connect('storm.admin')
    await client.query("SET lock_timeout = '10s'")
    const random = generator(seed + index)
    for (let n = 0; n < DEFINITIONS; n++) {
      const name = `${index}_${random(3)}`
      const statements = [
        `CREATE INDEX i${name} ON s (v)`,
        `CREATE INDEX i${name} ON s (v, u)`,
        `DROP INDEX i${name}`,
        `CREATE UNIQUE INDEX q${name} ON s (u)`,
        `DROP INDEX q${name}`,
        `ALTER TABLE s ADD COLUMN c${name} int DEFAULT ${n}`,
        `ALTER TABLE s DROP COLUMN c${name}`,
        `ALTER TABLE s ADD CONSTRAINT k${name} CHECK (v > ${-random(8)})`,
        `ALTER TABLE s DROP CONSTRAINT k${name}`,
        `ALTER TABLE part ADD CONSTRAINT f${name} FOREIGN KEY (s) REFERENCES s ON DELETE CASCADE`,
        `ALTER TABLE part DROP CONSTRAINT f${name}`,
        `DELETE FROM part WHERE s NOT IN (SELECT id FROM s)`,
        `DELETE FROM s WHERE v < 0 AND false`,
      ]
      const sql = statements[random(statements.length)]!
      if (random(3) > 0) {
        await attempt(client, sql)
        continue
      }
      await client.query('BEGIN')
      const isDone = (await attempt(client, sql)) && (await attempt(client, statements[random(8)]!))
      if (isDone && random(2) === 0) {
        if (!(await attempt(client, 'COMMIT'))) await client.query('ROLLBACK')
      } else await client.query('ROLLBACK')
    }
  }

  const writers = Array.from({ length: WRITERS * nodes.length }, (_, index) => writer(index))
  try {
    await Promise.race([Promise.all(nodes.map((_, index) => definer(index))), Promise.all(writers)])
  } finally {
    isOver = true
  }
  await Promise.all(writers)
  console.log('outcomes', counts)
  await new Promise((resolve) => setTimeout(resolve, 2000))

  const views: unknown[] = []
  for (const node of nodes) {
    const client = await node.connect('storm.admin')
    const ids = (await rows(client, 'SELECT id FROM s ORDER BY id')).map(([id]) => id as number)
    // A cascade deletes only from part: every acknowledged row is there.
    expect(ids).toEqual([...present].sort((a, b) => a - b))
    const indexes = await rows(client, "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('s', 'part') ORDER BY 1")
    const constraints = await rows(
      client,
      "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid IN ('s'::regclass, 'part'::regclass) ORDER BY 1",
    )
    const data = await rows(client, 'SELECT * FROM s ORDER BY id')
    for (const [name] of indexes) {
      const column = String(name).startsWith('i') ? 'v' : 'u'
      if (!/^[iq]\d/.test(String(name))) continue
      const plan = (await rows(client, `EXPLAIN SELECT id FROM s WHERE ${column} = 3`)).flat().join(' ')
      expect(plan).toMatch(/index/i)
    }
    for (const column of ['v', 'u']) {
      const groups = await rows(client, `SELECT ${column}, count(*)::int FROM s GROUP BY 1 ORDER BY 1`)
      for (const [value, number] of groups) {
        expect((await rows(client, `SELECT count(*)::int FROM s WHERE ${column} = ${value}`))[0]![0], `${column} = ${value}`).toBe(number)
      }
      const found = await rows(client, `SELECT id FROM s WHERE ${column} BETWEEN -100 AND 1000000 ORDER BY id`)
      expect(found.flat()).toEqual(ids)
    }
    for (const [name, definition] of constraints) {
      const check = /^CHECK (.*)$/.exec(String(definition))?.[1]
      if (check !== undefined) expect(await rows(client, `SELECT count(*)::int FROM s WHERE NOT ${check}`), String(name)).toEqual([[0]])
      if (String(definition).startsWith('FOREIGN KEY')) {
        expect(await rows(client, 'SELECT count(*)::int FROM part WHERE s NOT IN (SELECT id FROM s)'), String(name)).toEqual([[0]])
      }
    }
    if (indexes.some(([name]) => String(name).startsWith('q'))) {
      expect(await rows(client, 'SELECT u FROM s GROUP BY u HAVING count(*) > 1')).toEqual([])
    }
    views.push({ indexes, constraints, data })
  }
  expect(views[1]).toEqual(views[0])
})
