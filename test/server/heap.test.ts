// Statements that want more memory than there is: each works with less, or ends with an error of its own. The process lives, others are answered.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'

const HEAP_MB = 512

let server: ServerProcess
let ended = false
let hog: pg.Client
let other: pg.Client

beforeAll(async () => {
  server = await startServerProcess({}, [`--max-old-space-size=${HEAP_MB}`])
  hog = await server.connect('hog.admin')
  other = await server.connect('other.admin')
  for (const client of [hog, other]) client.on('end', () => (ended = true))
  await hog.query('CREATE TABLE large (id int PRIMARY KEY, t text)')
  // a megabyte each
  await hog.query('INSERT INTO large SELECT g, repeat(md5(g::text), 31250) FROM generate_series(1, 300) g')
  await other.query('CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1)')
}, 180_000)
afterAll(() => server.stop())

/** Memory as small as this is the statement's to respect: it spills. */
const ANSWERED: readonly (readonly [string, string, string])[] = [
  [
    'a common table expression',
    'WITH c AS MATERIALIZED (SELECT t FROM large) SELECT count(t) FROM (SELECT t FROM c UNION ALL SELECT t FROM c) s',
    '600',
  ],
  ['lag', 'SELECT max(length(x)) FROM (SELECT lag(t, 50) OVER (ORDER BY id) x FROM large) s', '1000000'],
  ['a window over everything', 'SELECT max(length(x)) FROM (SELECT first_value(t) OVER () x FROM large) s', '1000000'],
  [
    'a cursor that is held',
    'BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id, t FROM large ORDER BY id; COMMIT; MOVE 1000 IN c; MOVE BACKWARD 100 IN c; FETCH c; CLOSE c',
    '202',
  ],
  ['a join', 'SELECT count(*) FROM large a JOIN large b USING (t)', '300'],
  ['a sort', 'SELECT count(*) FROM (SELECT t FROM large ORDER BY t DESC OFFSET 0) s', '300'],
  ['groups', 'SELECT count(*) FROM (SELECT t FROM large GROUP BY t) s', '300'],
  ['distinct texts', 'SELECT count(DISTINCT t) FROM large', '300'],
  ['a median', 'SELECT length(percentile_disc(0.5) WITHIN GROUP (ORDER BY t)) FROM large', '1000000'],
  ['an intersection', 'SELECT count(*) FROM (SELECT t FROM large INTERSECT SELECT t FROM large) s', '300'],
  [
    'recursion',
    "WITH RECURSIVE r(n, t) AS (SELECT 1, repeat('y', 1000000) UNION ALL SELECT n + 1, t || n FROM r WHERE n < 300) SELECT count(t) FROM r",
    '300',
  ],
]

/** One value, or what must be in memory: refused. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['an array of everything', 'SELECT array(SELECT t FROM large) IS NULL'],
  [
    'an array of everything for each row',
    'SELECT count(array(SELECT l.t FROM large l WHERE l.id > s.id - 300)) FROM large s WHERE s.id < 5',
  ],
  ['array_agg of everything', 'SELECT cardinality(array_agg(t)) FROM large'],
  ['string_agg of everything', "SELECT length(string_agg(t, ',')) FROM large"],
  ['jsonb_agg of everything', 'SELECT jsonb_typeof(jsonb_agg(t)) FROM large'],
  ['many elements', 'SELECT cardinality(array_agg(g)) FROM generate_series(1, 20000000) g'],
  ['a large array', 'SELECT cardinality(array_fill(1, ARRAY[100000000]))'],
  ['rows that are not among others', "SELECT count(*) FROM large WHERE t NOT IN (SELECT t || 'x' FROM large)"],
  ['a text that grows over a window', "SELECT max(length(x)) FROM (SELECT string_agg(t, ',') OVER (ORDER BY id) x FROM large) s"],
  ['an array that grows over a window', 'SELECT max(cardinality(x)) FROM (SELECT array_agg(t) OVER (ORDER BY id) x FROM large) s'],
  ['a long text', "SELECT length(repeat('abc', 80000000))"],
]

/** The first value there is, of one statement or of several. */
function firstValue(result: pg.QueryArrayResult | pg.QueryArrayResult[]): unknown {
  const results = Array.isArray(result) ? result : [result]
  return results.flatMap(({ rows }) => rows)[0]?.[0]
}

/** The statement ends; others are answered while it runs and afterwards. */
async function run(sql: string): Promise<{ value: unknown; code: string | undefined }> {
  let isOver = false
  const answered = (async () => {
    for (let n = 0; ; n++) {
      expect((await other.query('SELECT id FROM small')).rows).toEqual([{ id: 1 }])
      if (isOver) return n
    }
  })()
  const answer = await hog.query({ text: sql, rowMode: 'array' }).then(
    (result) => ({ value: firstValue(result), code: undefined }),
    ({ code }: { code?: string }) => ({ value: undefined, code: code ?? 'connection lost' }),
  )
  isOver = true
  expect(await answered).toBeGreaterThanOrEqual(0)
  expect(ended).toBe(false)
  // it was given back, too
  expect(await server.metric('pgkeyspace_memory_bytes{use="statements"}')).toBe(0)
  return answer
}

test.each(ANSWERED)('%s', { timeout: 120_000 }, async (_, sql, value) => {
  const answer = await run(sql)
  expect(answer.code).toBeUndefined()
  expect(String(answer.value)).toBe(value)
})

test.each(REFUSED)('%s', { timeout: 120_000 }, async (_, sql) => {
  expect(['53200', '54000']).toContain((await run(sql)).code)
})
