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

const DOCUMENT = `[${list(150_000, (i) => `{"id":${i},"name":"name ${i}"}`)}]`

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
  ['VALUES of 50,000 rows in FROM', `SELECT count(*) FROM (VALUES ${list(50_000, (i) => `(${i}, 'text ${i}')`)}) v`],
  ['an IN list of 100,000', `SELECT count(*) FROM big WHERE id IN (${list(100_000, String)})`],
  [
    '8,000 conditions joined by OR',
    `SELECT count(*) FROM one WHERE ${Array.from({ length: 8000 }, (_, i) => `id = ${i} AND t <> 'x${i}'`).join(' OR ')}`,
  ],
  [
    'a join of 120 tables',
    `SELECT count(*) FROM one s0 ${Array.from({ length: 120 }, (_, i) => `LEFT JOIN one s${i + 1} ON s${i + 1}.id = s${i}.id`).join(' ')}`,
  ],
  ['a jsonb of megabytes written in the statement', `SELECT jsonb_typeof('${DOCUMENT}'::jsonb)`],
  ['a jsonb of megabytes to text and back', 'SELECT jsonb_typeof(d::text::jsonb) FROM documents'],
  ['a jsonb of megabytes sent', 'SELECT d FROM documents'],
  ['an element of a jsonb of megabytes', 'SELECT d -> 149999 FROM documents'],
  ['the elements of a jsonb of megabytes', 'SELECT count(*) FROM documents, jsonb_array_elements(d) e'],
  ['a script of 1,500 statements', Array.from({ length: 1500 }, (_, i) => `SELECT ${i} AS "number ${i}"`).join('; ')],
]

/** With a parameter. */
const BOUND: readonly (readonly [string, string, string])[] = [['a jsonb of megabytes bound', 'SELECT jsonb_typeof($1::jsonb)', DOCUMENT]]

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
    await busy.query("CREATE TABLE one AS SELECT 1 AS id, 'one' AS t")
    await busy.query('CREATE TABLE documents (d jsonb)')
    await busy.query('INSERT INTO documents VALUES ($1)', [DOCUMENT])
  })
  afterAll(async () => {
    await busy.end()
    await other.end()
  })

  test.each([
    ...HEAVY.map(([name, sql]) => ({ name, sql, values: [] })),
    ...BOUND.map(([name, sql, value]) => ({ name, sql, values: [value] })),
  ])(
    '$name',
    async ({ sql, values }) => {
      let running = true
      const statement = busy.query(sql, values).finally(() => {
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

  test('mean the same however often they give way', async () => {
    // columns, parameters of several types, DEFAULT, sub-selects and sets in lists that are gone through in parts
    await client.query("CREATE TABLE wide (id int PRIMARY KEY, t text DEFAULT 'none', n numeric, d date)")
    const row = (i: number): string => {
      if (i === 0) return '($1, $2, $3, $4)'
      if (i >= 7996) return `(${i}, (SELECT 'sub ' || $5), $6, DEFAULT)`
      return `(${i}, ${i % 3 === 0 ? 'DEFAULT' : `'it''s ' || ${i}`}, ${i}.50, '2024-01-01'::date + ${i % 300})`
    }
    const values = [0, 'first', '1.5', '2020-02-02', 'select', 7]
    await client.query({ text: `INSERT INTO wide VALUES ${list(8000, row)}`, values })
    const { rows: found } = await client.query(
      `SELECT count(*)::int n, count(d)::int d, sum(n)::text s, count(*) FILTER (WHERE t = 'none')::int none,
        count(*) FILTER (WHERE t = 'sub select')::int sub, min(d)::text first FROM wide`,
    )
    const plain = Array.from({ length: 7996 }, (_, i) => i).slice(1)
    expect(found).toEqual([
      {
        n: 8000,
        d: 7996,
        s: (1.5 + 4 * 7 + plain.reduce((sum, i) => sum + i + 0.5, 0)).toFixed(2),
        none: plain.filter((i) => i % 3 === 0).length,
        sub: 4,
        first: '2020-02-02',
      },
    ])
    const conditions = Array.from(
      { length: 6000 },
      (_, i) => `w.id = $${1 + (i % 2)}::int + ${i} AND w.t <> ${i === 45 ? '$3' : `'t ${i}'`}`,
    )
    const counted = await client.query(`SELECT count(*)::int n FROM wide w WHERE w.id BETWEEN 40 AND 60 AND (${conditions.join(' OR ')})`, [
      0,
      0,
      'none',
    ])
    expect(counted.rows).toEqual([{ n: 20 }])
    const whens = Array.from({ length: 4000 }, (_, i) => `WHEN ${i} THEN ${i === 3999 ? 'n' : `${i} + length(t)`}`)
    const chosen = await client.query(`SELECT sum(CASE id ${whens.join(' ')} END)::text s FROM wide WHERE id IN (3998, 3999)`)
    expect(chosen.rows).toEqual([{ s: String(3998 + "it's 3998".length + 3999.5).replace(/\.5$/, '.50') }])
  })

  test('a jsonb of megabytes is the one that was sent', async () => {
    const document = { list: Array.from({ length: 60_000 }, (_, i) => ({ b: i, a: 'é😀"\\\n', c: [null, true, { x: i / 4 }] })), same: 1 }
    await client.query('CREATE TABLE docs (j jsonb)')
    await client.query('INSERT INTO docs VALUES ($1)', [JSON.stringify(document)])
    const { rows: sent } = await client.query("SELECT j, j::text::jsonb = j AS same, j -> 'list' -> 59999 AS last FROM docs")
    expect(sent).toEqual([{ j: document, same: true, last: document.list[59_999] }])
    await expect(client.query('SELECT $1::jsonb', [`${JSON.stringify(document).slice(0, -1)}, 7}`])).rejects.toMatchObject({
      code: '22P02',
      detail: 'Expected string, but found "7".',
    })
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
