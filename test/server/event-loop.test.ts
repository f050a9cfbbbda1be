// One process serves everybody: while a statement of any size runs, others are answered. Counted, not timed: a client asks one small question
// after another while another's heavy statement runs, and has to get answers all along. Work done in one go lets none through. The server is
// a process of its own, compiled, since only then are large texts parsed aside.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileProgram } from '../support/compile.ts'

const root = path.join(import.meta.dirname, '../..')
let program: ReturnType<typeof compileProgram>
let dataDir: string
let server: ChildProcess
let port = 0

const connect = async (keyspace: string): Promise<pg.Client> => {
  const client = new pg.Client({ host: '127.0.0.1', port, user: `${keyspace}.admin`, password: 'admin', database: keyspace })
  client.on('error', () => {})
  await client.connect()
  return client
}

beforeAll(async () => {
  program = compileProgram('src/main.ts')
  const built = path.dirname(path.dirname(program.file))
  if (!existsSync(path.join(built, 'config'))) symlinkSync(path.join(root, 'config'), path.join(built, 'config'))
  dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-loop-'))
  server = spawn(process.execPath, [program.file], {
    env: {
      ...process.env,
      PG_PORT: '0',
      METRICS_PORT: '0',
      DATA_DIR: dataDir,
      OPERATOR_PASSWORD: 'operator',
      BOOTSTRAP_PASSWORD: 'admin',
      AUTO_CREATE_KEYSPACES: 'true',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    server.on('exit', (code) => reject(new Error(`the server ended with ${code}`)))
    server.stdout!.on('data', (chunk: Buffer) => {
      const line = chunk
        .toString()
        .split('\n')
        .find((text) => text.includes('"listening"'))
      if (line === undefined) return
      port = (JSON.parse(line) as { pg_port: number }).pg_port
      resolve()
    })
  })
}, 180_000)
afterAll(async () => {
  if (server.exitCode === null) {
    server.removeAllListeners('exit')
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill('SIGTERM')
    await ended
  }
  program.dispose()
  rmSync(dataDir, { recursive: true, force: true })
})

const list = (n: number, item: (i: number) => string): string => Array.from({ length: n }, (_, i) => item(i)).join(', ')

/** Each is work for some hundred milliseconds at least: dozens of slices. */
const HEAVY: readonly (readonly [string, string])[] = [
  ['a sort', 'SELECT x FROM (SELECT md5(g::text) x FROM generate_series(1, 60000) g) s ORDER BY x OFFSET 59999'],
  ['groups', 'SELECT count(*) FROM (SELECT t, count(*) FROM big GROUP BY t) s'],
  ['a join', 'SELECT count(*) FROM big a JOIN big b ON a.t = b.t'],
  ['a window', 'SELECT max(r) FROM (SELECT sum(id) OVER (ORDER BY t) r FROM big) s'],
  ['a regular expression', "SELECT length(regexp_replace(repeat('some words and more, ', 20000), '(o)(.)', '\\2\\1', 'g'))"],
  ['json_agg', 'SELECT json_agg(b) FROM big b'],
  ['changes', 'UPDATE big SET t = t'],
  ['an index', 'CREATE INDEX ON big (t)'],
  ['VALUES of 20,000 rows', `INSERT INTO many VALUES ${list(20_000, (i) => `(${i}, 'text ${i}')`)}`],
  ['a script of 1,500 statements', Array.from({ length: 1500 }, (_, i) => `SELECT ${i} AS "number ${i}"`).join('; ')],
]

/** Turns others must have had during each: far below the slices there are, far above the one or two of work in one go. */
const ANSWERS = 8

describe('while one client keeps the server busy, others are answered', () => {
  let busy: pg.Client
  let other: pg.Client
  beforeAll(async () => {
    busy = await connect('busy')
    other = await connect('other')
    await busy.query('CREATE TABLE big AS SELECT g AS id, md5(g::text) AS t FROM generate_series(1, 60000) g')
    await busy.query('CREATE TABLE many (id int PRIMARY KEY, t text)')
  })
  afterAll(async () => {
    await busy.end()
    await other.end()
  })

  test.each(HEAVY)(
    '%s',
    async (_name, sql) => {
      let running = true
      const statement = busy.query(sql).finally(() => {
        running = false
      })
      let answers = 0
      while (running) {
        await other.query('SELECT 1')
        answers++
      }
      await statement
      expect(answers).toBeGreaterThan(ANSWERS)
    },
    180_000,
  )
})

describe('large texts', () => {
  let client: pg.Client
  beforeAll(async () => {
    client = await connect('large')
  })
  afterAll(() => client.end())

  const filler = (n: number): string => `/* ${'é😀'.repeat(n)} */`

  test('mean what they say', async () => {
    const rows = list(4000, (i) => `(${i}, 'it''s ${i} "]},{[ \\ é😀')`)
    const { rows: found } = await client.query<{ n: string; x: string }>(
      `SELECT count(*) n, max(t) x FROM (VALUES ${rows}) v (i, t) WHERE i IN (${list(3000, (i) => String(i * 2))})`,
    )
    expect(found).toEqual([{ n: '2000', x: 'it\'s 998 "]},{[ \\ é😀' }])
    const results = (await client.query(
      `SELECT 1 AS a; ${filler(20_000)} SELECT 2 AS b, '${'x'.repeat(40_000)}' c; SELECT 3`,
    )) as unknown as {
      rows: object[]
    }[]
    expect(results.map(({ rows: [row] }) => Object.keys(row!).length)).toEqual([1, 2, 1])
    const prepared = await client.query<{ n: number }>({ text: `SELECT $1::int + 1 AS n ${filler(20_000)}`, values: [41] })
    expect(prepared.rows).toEqual([{ n: 42 }])
  })

  test('fail as small ones do', async () => {
    const failure = (text: string): Promise<unknown> =>
      client.query(text).then(
        () => null,
        ({ code, message, position }: pg.DatabaseError) => ({ code, message, position }),
      )
    expect(await failure(`SELECT '${'é😀'.repeat(20_000)}' frm x y`)).toEqual({
      code: '42601',
      message: 'syntax error at or near "x"',
      position: String(8 + 40_000 + 7),
    })
    expect(await failure(`${filler(20_000)} SELECT nothing`)).toMatchObject({ code: '42703', position: String(40_006 + 9) })
    expect(await failure(`${filler(20_000)} SELECT 'tenant', 1 +`)).toMatchObject({ code: '42601' })
    expect(await failure(`SELECT ${'('.repeat(40_000)}1`)).toMatchObject({ code: '42601' })
    expect(await failure(`SELECT ${list(100_000, String)}`)).toMatchObject({ code: '54011' })
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })

  test('notices of names cut', async () => {
    const notices: string[] = []
    client.on('notice', ({ message }) => notices.push(message ?? ''))
    await client.query(`SELECT 1 AS ${'n'.repeat(70)} ${filler(20_000)}`)
    expect(notices).toEqual([`identifier "${'n'.repeat(70)}" will be truncated to "${'n'.repeat(63)}"`])
  })

  test('are given up with their statement', async () => {
    await client.query('SET statement_timeout = 30')
    await expect(client.query(`SELECT ${list(500_000, String)}`)).rejects.toMatchObject({ code: '57014' })
    await client.query('RESET statement_timeout')
    expect((await client.query(`SELECT 1 AS one ${filler(20_000)}`)).rows).toEqual([{ one: 1 }])
  })
})
