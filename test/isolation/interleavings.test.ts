// Random interleavings of three sessions, here and in PostgreSQL: who answers what, who waits, who fails with which SQLSTATE, and what the tables
// hold in the end. The seed is printed with a failure; FUZZ_SEED repeats one, FUZZ_ROUNDS sets the length. Needs PostgreSQL's server binaries.

import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import { hasPostgres, type Peer, startPostgres } from '../bench/peers.mjs'
import { type Random, randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { onTikv, startTestServer, type TestServer } from '../support/server.ts'

const SEED = testSeed()
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? (process.env['LONG'] === '1' ? 1000 : 15))
const DEADLOCK = 'error 40P01'
const SESSIONS = 3
const STEPS = 20

const TABLES = [
  'DROP TABLE IF EXISTS c, t',
  'CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v int)',
  'CREATE TABLE c (id int PRIMARY KEY, t int REFERENCES t ON DELETE %D ON UPDATE %U, w int)',
  'INSERT INTO t SELECT g, g * 10, g FROM generate_series(1, 3) g',
  'INSERT INTO c VALUES (1, 1, 1), (2, 2, 2), (3, 2, 3)',
]

const present = hasPostgres()
if (!present && process.env['PGK_CI'] === '1') throw new Error("PostgreSQL's server is needed here")
if (!present) console.log("interleavings are not compared: PostgreSQL's server is not installed")

let ours: TestServer
let peer: Peer
beforeAll(async () => {
  if (!present) return
  peer = (await startPostgres(['deadlock_timeout=20ms', 'fsync=off']))!
  ours = await startTestServer()
}, 120_000)
afterAll(async () => {
  if (!present) return
  await ours.stop()
  await peer.stop()
})

/** A step's outcome as text, rows in any order. */
async function outcome(client: pg.Client, sql: string): Promise<string> {
  try {
    const answer = (await client.query({ text: sql, rowMode: 'array' })) as pg.QueryArrayResult
    const rows = answer.rows.map((row) => JSON.stringify(row)).sort()
    return `${answer.command} ${answer.rowCount} ${rows.join(' ')}`.trim()
  } catch (error) {
    return `error ${(error as { code?: string }).code}`
  }
}

interface Running {
  readonly sql: string
  answer: string | null
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Three connections of one server; a statement that waits for a lock is left waiting. */
class Side {
  readonly running: (Running | null)[] = Array.from({ length: SESSIONS }, () => null)
  readonly #clients: readonly pg.Client[]

  constructor(clients: readonly pg.Client[]) {
    this.#clients = clients
  }

  start(session: number, sql: string): void {
    const running: Running = { sql, answer: null }
    this.running[session] = running
    void outcome(this.#clients[session]!, sql).then((answer) => {
      running.answer = answer
    })
  }

  /** Until the session's statement has answered, or `enough` says so. */
  async until(session: number, enough: (waitedMs: number) => MaybePromise<boolean>): Promise<void> {
    const start = performance.now()
    while (this.running[session] !== null && this.running[session]!.answer === null) {
      await pause(10)
      if (await enough(performance.now() - start)) return
    }
  }

  answered(session: number): boolean {
    return this.running[session]?.answer != null
  }

  /** What each session says; those that have answered are free for their next statement. */
  harvest(): string[] {
    return this.running.map((running, session) => {
      if (running === null) return '-'
      if (running.answer === null) return 'waits'
      this.running[session] = null
      return running.answer
    })
  }
}

function lockClause(random: Random): string {
  const strength = random.pick(['UPDATE', 'NO KEY UPDATE', 'SHARE', 'KEY SHARE'])
  return ` FOR ${strength}${random.pick(['', '', ' NOWAIT', ' SKIP LOCKED'])}`
}

function statement(random: Random): string {
  const id = (): number => 1 + random.below(4)
  switch (random.below(24)) {
    case 0:
    case 1:
      return `SELECT * FROM t WHERE id = ${id()}${lockClause(random)}`
    case 2:
      return `SELECT * FROM t WHERE v >= ${id()} ORDER BY id LIMIT 1${lockClause(random)}`
    case 3:
      return 'SELECT id, u, v FROM t ORDER BY id'
    case 4:
      return 'SELECT id, t, w FROM c ORDER BY id'
    case 5:
    case 6:
      return `UPDATE t SET v = v + ${id()} WHERE id = ${id()} RETURNING *`
    case 7:
      return `UPDATE t SET v = v * 2 WHERE v = ${id()} RETURNING id, v`
    case 8:
      return `UPDATE t SET u = ${10 * id()} WHERE id = ${id()} RETURNING *`
    case 9:
      return `UPDATE t SET id = ${id()} WHERE id = ${id()} RETURNING *`
    case 10:
    case 11:
      return `DELETE FROM t WHERE id = ${id()} RETURNING *`
    case 12:
      return `INSERT INTO t VALUES (${id()}, ${10 * id()}, ${id()}) RETURNING *`
    case 13:
      return `INSERT INTO t VALUES (${id()}, ${10 * id()}, 7) ON CONFLICT DO NOTHING RETURNING *`
    case 14:
    case 15:
      return `INSERT INTO t VALUES (${id()}, ${100 * id()}, 7) ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v RETURNING *`
    case 21:
      return `INSERT INTO t VALUES (${4 + id()}, ${10 * id()}, 7) ON CONFLICT (u) DO UPDATE SET v = t.v + excluded.v RETURNING *`
    case 22:
      return `INSERT INTO t VALUES (${4 + id()}, ${10 * id()}, 7) RETURNING *`
    case 16:
      return `INSERT INTO c VALUES (${3 + id()}, ${id()}, 5) RETURNING *`
    case 17:
      return `UPDATE c SET t = ${id()} WHERE id = ${id()} RETURNING *`
    case 18:
      return `DELETE FROM c WHERE t = ${id()} RETURNING *`
    case 19:
      return `UPDATE t SET v = t.v + c.w FROM c WHERE c.t = t.id AND c.id = ${id()} RETURNING t.id, t.v`
    case 20:
      return `DELETE FROM t WHERE NOT EXISTS (SELECT FROM c WHERE c.t = t.id) AND id = ${id()} RETURNING id`
    default:
      return `SELECT count(*)::int, sum(v)::int FROM t WHERE v > ${id()}`
  }
}

function control(random: Random, inBlock: boolean): string {
  if (!inBlock) return `BEGIN ISOLATION LEVEL ${random.pick(['READ COMMITTED', 'READ COMMITTED', 'REPEATABLE READ'])}`
  return random.pick(['COMMIT', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'ROLLBACK TO s'])
}

interface Race {
  readonly here: Side
  readonly there: Side
  /** Per server: the sessions' connections and one to look on. */
  readonly clients: readonly (readonly pg.Client[])[]
  /** Until every statement has answered or waits for a lock. */
  settle(): Promise<void>
}

async function startRace(round: number): Promise<Race> {
  const all = Array.from({ length: SESSIONS + 1 })
  const there = await Promise.all(
    all.map(async () => {
      const client = new pg.Client({ host: '127.0.0.1', port: peer.port, user: 'bench', password: 'bench', database: 'bench' })
      client.on('error', () => {})
      await client.connect()
      return client
    }),
  )
  const here = await Promise.all(all.map(() => ours.connect(`race_${round}.admin`)))
  const monitor = there[SESSIONS]!
  const pids = await Promise.all(there.map(async (client) => (await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid as number))
  const blocked = async (session: number): Promise<boolean> =>
    (await monitor.query('SELECT cardinality(pg_blocking_pids($1)) > 0 AS w', [pids[session]])).rows[0].w
  const race = { here: new Side(here), there: new Side(there) }
  return {
    ...race,
    clients: [here, there],
    async settle() {
      for (let session = 0; session < SESSIONS; session++) {
        let times = 0
        await race.there.until(session, async () => {
          times = (await blocked(session)) ? times + 1 : 0
          // Longer than deadlock_timeout.
          return times >= 4
        })
      }
      for (let session = 0; session < SESSIONS; session++) {
        await race.here.until(session, (waited) => waited > (race.there.answered(session) ? 5000 : 60))
      }
    },
  }
}

/**
 * Where sound answers differ, and the sessions go on differently: a duplicate key is found at once here (23505, or nothing to do) where PostgreSQL
 * waits (or runs into a deadlock) for an update of the row that leaves the key alone; of several waiters one
 * under REPEATABLE READ learns when its turn comes that the row has changed, which may be sooner or later than there; and nobody
 * overtakes a waiter here, as sharers of a row do there. A row whose primary key has changed (`moved`) is gone to those who waited for it; PostgreSQL
 * follows it to its new place. Of a deadlock's sessions either may be the victim. On TiKV a statement outside
 * a block holds nothing that it has written while it waits, so that PostgreSQL's deadlocks need not be any; NOWAIT and SKIP LOCKED
 * meet the lock on a row before they see that it has changed since the snapshot of a session under REPEATABLE READ (`repeatable`); and of several who
 * wait (`queued`) any may come first.
 */
function parted(
  here: readonly string[],
  there: readonly string[],
  { repeatable, moved, queued }: { readonly repeatable: readonly boolean[]; readonly moved: boolean; readonly queued: boolean },
): boolean {
  if (there.includes(DEADLOCK) && (onTikv || here.includes(DEADLOCK))) return true
  return here.some((answer, session) => {
    const wanted = there[session]!
    if (onTikv && repeatable[session] && wanted === 'error 40001' && /^(SELECT 0|error 55P03)$/.test(answer)) return true
    if (moved && /^\w+ 0$/.test(answer) && /^\w+ [1-9]/.test(wanted)) return true
    if (wanted === 'waits' || wanted === DEADLOCK) return /^(error (23505|40001)|INSERT 0)$/.test(answer)
    if (answer !== 'waits') return false
    return (
      wanted === 'error 40001' ||
      (onTikv && queued) ||
      wanted === 'INSERT 0' ||
      there.some((other, i) => i !== session && other === 'waits')
    )
  })
}

test.runIf(present)(`random interleavings of sessions go as in PostgreSQL (seed ${SEED})`, { timeout: 3_600_000 }, async () => {
  let seed = SEED
  let whole = 0
  for (let round = 0; round < ROUNDS; round++, seed++) {
    const random = randomFrom(seed)
    const { here, there, clients, settle } = await startRace(round)
    const actions = ['NO ACTION', 'CASCADE', 'SET NULL']
    const [onDelete, onUpdate] = [random.pick(actions), random.pick(actions)]
    for (const side of clients) {
      for (const sql of TABLES) await side[SESSIONS]!.query(sql.replace('%D', onDelete).replace('%U', onUpdate))
    }
    const script: string[] = [`-- FUZZ_SEED=${seed}: ON DELETE ${onDelete} ON UPDATE ${onUpdate}`]
    const inBlock = new Array<boolean>(SESSIONS).fill(false)
    // A key that goes and comes again in one transaction is another row to PostgreSQL and the same row here.
    const freed = new Array<boolean>(SESSIONS).fill(false)
    const moved = new Array<boolean>(SESSIONS).fill(false)
    const repeatable = new Array<boolean>(SESSIONS).fill(false)
    let together = true
    /** One statement on both sides; false once they have parted. */
    const step = async (session: number, sql: string): Promise<void> => {
      script.push(`${session}: ${sql}`)
      const queued = there.running.filter((running) => running !== null).length > 1
      for (const side of [there, here]) if (side.running[session] === null) side.start(session, sql)
      await settle()
      const [found, wanted] = [here.harvest(), there.harvest()]
      script.push(`--   ${wanted.join(' | ')}`)
      together &&= !parted(found, wanted, { repeatable, moved: moved.includes(true), queued })
      if (!inBlock[session]) moved[session] = false
      if (together) expect(found, `${script.join('\n')}\n`).toEqual(wanted)
    }
    for (let i = 0; i < STEPS && together; i++) {
      const session = random.below(SESSIONS)
      if (there.running[session] !== null) continue
      const sql = random.below(100) < (inBlock[session] ? 14 : 75) ? control(random, inBlock[session]!) : statement(random)
      if (freed[session] && /^INSERT INTO t|SET id/.test(sql)) continue
      if (/^BEGIN/.test(sql)) {
        inBlock[session] = true
        repeatable[session] = sql.endsWith('REPEATABLE READ')
      }
      if (/^(COMMIT|ROLLBACK)$/.test(sql)) inBlock[session] = freed[session] = false
      else if (/^DELETE FROM t|SET id/.test(sql)) freed[session] = inBlock[session]!
      if (/SET id/.test(sql)) moved[session] = true
      await step(session, sql)
    }
    for (let i = 0; i < 2 * SESSIONS; i++) {
      if (here.running[i % SESSIONS] === null || there.running[i % SESSIONS] === null) await step(i % SESSIONS, 'COMMIT')
    }
    if (together) {
      whole++
      const [found, wanted] = await Promise.all(
        clients.map(async (side) => [await outcome(side[SESSIONS]!, 'SELECT * FROM t'), await outcome(side[SESSIONS]!, 'SELECT * FROM c')]),
      )
      expect(found, `${script.join('\n')}\n`).toEqual(wanted)
    }
    await Promise.all(clients.flat().map((client) => client.end()))
  }
  expect(whole).toBeGreaterThan(ROUNDS / 2)
})
