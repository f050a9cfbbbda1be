// PD away while the stores serve on, as when its leader is killed: single keys are read as ever, what needs a timestamp waits and goes on when it is
// back, and a node that alone is cut off from PD tells nothing that another one's definitions have overtaken.

import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { SharedVersions } from '../../src/catalog/shared-versions.ts'
import { TimestampOracle } from '../../src/storage/tikv/tso.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { startStopwatch } from '../support/stalls.ts'

const OUTAGE_MS = 12_000
const RECOVERY_MS = 2000

let fake: Fake
let one: TestServer
let two: TestServer
const oracles: TimestampOracle[] = []
const silent = new Set<TimestampOracle>()
const unanswered: (() => void)[] = []
const next = TimestampOracle.prototype.next

beforeAll(async () => {
  TimestampOracle.prototype.next = function (this: TimestampOracle) {
    if (!oracles.includes(this)) oracles.push(this)
    if (!silent.has(this)) return next.call(this)
    return new Promise((resolve) => unanswered.push(() => resolve(next.call(this))))
  }
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  two = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
}, 120_000)
const answer = () => {
  silent.clear()
  for (const resolve of unanswered.splice(0)) resolve()
}
afterEach(answer)
afterAll(async () => {
  await one.stop()
  await two.stop()
  await fake.close()
  TimestampOracle.prototype.next = next
})

const values = async (client: pg.Client, query: string | pg.QueryConfig): Promise<unknown[]> => {
  const { rows } = await client.query(typeof query === 'string' ? { text: query, rowMode: 'array' } : { ...query, rowMode: 'array' })
  return rows.flat()
}

test('reads of single rows do not notice, all else waits and goes on', { timeout: 90_000 }, async () => {
  const first = await one.connect('outage.admin')
  await first.query('CREATE TABLE t (id int PRIMARY KEY, v text UNIQUE); INSERT INTO t SELECT g, g::text FROM generate_series(1, 10) g')
  const reads: [string, (client: pg.Client) => Promise<unknown[]>][] = [
    ['a statement', (client) => values(client, 'SELECT v FROM t WHERE id = 3')],
    ['a prepared statement', (client) => values(client, { name: 'p', text: 'SELECT v FROM t WHERE id = $1', values: [3] })],
    ['an unnamed statement', (client) => values(client, { text: 'SELECT v FROM t WHERE id = $1', values: [3] })],
  ]
  const readers = await Promise.all(reads.map(() => one.connect('outage.admin')))
  for (const [i, [, read]] of reads.entries()) expect(await read(readers[i]!)).toEqual(['3'])
  const [writer, idle, scanner, definer] = await Promise.all([0, 1, 2, 3].map(() => one.connect('outage.admin')))
  for (const client of [writer!, idle!]) await client.query("BEGIN; UPDATE t SET v = v || ' changed' WHERE id = 7; SAVEPOINT s; ROLLBACK")
  await idle!.query('BEGIN; UPDATE t SET v = NULL WHERE id = 8')
  await writer!.query("BEGIN; UPDATE t SET v = 'written' WHERE id = 9")

  await fake.killPd()
  const watch = startStopwatch()
  const since = () => watch.elapsed()
  const waiting = [
    writer!.query('COMMIT').then(since),
    scanner!.query('SELECT count(*) FROM t').then(since),
    definer!.query('CREATE TABLE u (id int)').then(since),
  ]
  const rolledBack = idle!.query('ROLLBACK').then(since)
  const slowest = await Promise.all(
    reads.map(async ([name, read], i) => {
      let count = 0
      let longest = 0
      while (since() + watch.lost() < OUTAGE_MS) {
        const before = since()
        expect(await read(readers[i]!), name).toEqual(['3'])
        longest = Math.max(longest, since() - before)
        count++
        await pause(50)
      }
      expect(count, name).toBeGreaterThan(50)
      return longest
    }),
  )
  expect(Math.max(...slowest)).toBeLessThan(1500)
  expect(await rolledBack).toBeLessThan(2000)
  await fake.startPd()
  for (const ms of await Promise.all(waiting)) {
    expect(ms).toBeGreaterThan(OUTAGE_MS - 1000 - watch.lost())
    expect(ms).toBeLessThan(OUTAGE_MS + RECOVERY_MS)
  }
  expect(await values(first, 'SELECT v FROM t WHERE id BETWEEN 7 AND 9 ORDER BY id')).toEqual(['7', '8', 'written'])
})

test('a node that has not looked for long reads single rows, too', { timeout: 90_000 }, async () => {
  const client = await one.connect('outage.admin')
  expect(await values(client, 'SELECT v FROM t WHERE id = 3')).toEqual(['3'])
  // Unused for five seconds it takes its leave.
  await pause(6500)
  await fake.killPd()
  const watch = startStopwatch()
  expect(await values(client, 'SELECT v FROM t WHERE id = 3')).toEqual(['3'])
  expect(watch.elapsed()).toBeLessThan(1500)
  await fake.startPd()
  expect(await values(client, 'SELECT count(*)::int FROM t')).toEqual([10])
})

test('a node cut off from PD answers nothing that another one’s definitions have overtaken', { timeout: 90_000 }, async () => {
  const a = await one.connect('cut_off.admin')
  await a.query("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')")
  const b = await two.connect('cut_off.admin')
  expect(await values(b, 'SELECT v FROM t WHERE id = 1')).toEqual(['old'])
  expect(await values(a, 'SELECT v FROM t WHERE id = 1')).toEqual(['old'])
  silent.add(oracles[0]!)
  // Nobody changes anything yet: the lease has run out, the answer stands.
  await pause(2000)
  expect(await values(a, 'SELECT v FROM t WHERE id = 1')).toEqual(['old'])

  let gone = false
  const dropped = (async () => {
    await b.query("BEGIN; DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'new'); COMMIT")
    gone = true
  })()
  const answers: string[] = []
  const reading = (async () => {
    for (;;) {
      const isAfter = gone
      const [v] = await values(a, 'SELECT v FROM t WHERE id = 1')
      answers.push(`${v}${isAfter ? ', after' : ''}`)
      if (v === 'new') return
      await pause(10)
    }
  })()
  await dropped
  // Once it has seen that something changed it has to wait for PD.
  await pause(1000)
  expect(answers).not.toContain('old, after')
  const before = answers.length
  await pause(500)
  expect(answers.length).toBe(before)
  answer()
  await reading
  expect(answers.at(-1)).toMatch(/^new/)
})

test('what was read while the catalogue changed is read again', { timeout: 60_000 }, async () => {
  const a = await one.connect('again.admin')
  await a.query("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')")
  const reads: (string | pg.QueryConfig)[] = [
    'SELECT v FROM t WHERE id = 1',
    { name: 'p', text: 'SELECT v FROM t WHERE id = $1', values: [1] },
    { text: 'SELECT v FROM t WHERE id = $1', values: [1] },
  ]
  for (const read of reads) expect(await values(a, read)).toEqual(['one'])
  const confirm = vi.spyOn(SharedVersions.prototype, 'confirm')
  const leased = vi.spyOn(SharedVersions.prototype, 'leased', 'get').mockReturnValue(false)
  for (const read of reads) {
    for (const changes of [0, 1, 2]) {
      confirm.mockClear()
      for (let i = 0; i < changes; i++) confirm.mockResolvedValueOnce(false)
      expect(await values(a, read)).toEqual(['one'])
      expect(confirm).toHaveBeenCalledTimes(changes + 1)
    }
  }
  leased.mockRestore()
  confirm.mockRestore()
})
