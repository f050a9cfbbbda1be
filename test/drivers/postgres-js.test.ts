// postgres.js as an application uses it: tagged statements, pipelines, cursors (portals with row limits), COPY streams, LISTEN, cancellation.

import { once } from 'node:events'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let sql: postgres.Sql
beforeAll(async () => {
  server = await startTestServer()
  sql = postgres({ host: '127.0.0.1', port: server.port, user: 'pgjs.admin', password: 'admin', database: 'x', max: 4, onnotice: () => {} })
})
afterAll(async () => {
  await sql.end({ timeout: 1 })
  await server.stop()
})

it('sends and reads values of many types', async () => {
  await sql`CREATE TABLE p(id serial PRIMARY KEY, a text, j jsonb, arr int[], n numeric, big bigint, by bytea)`
  const row = { a: 'ü', j: { k: [1] }, arr: [1, 2], n: '1.50', big: '9007199254740993', by: Buffer.from([0, 255]) }
  const [made] = await sql`INSERT INTO p ${sql(row)} RETURNING *`
  expect(made).toEqual({ id: 1, ...row })
  await sql`INSERT INTO p ${sql([{ a: 'x' }, { a: 'y' }])}`
  expect(await sql`SELECT a FROM p WHERE id IN ${sql([2, 3])} ORDER BY id`).toEqual([{ a: 'x' }, { a: 'y' }])
})

it('pipelines statements', async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => sql`SELECT ${i}::int AS i`))
  expect(answers.map((rows) => rows[0]!['i'])).toEqual(Array.from({ length: 100 }, (_, i) => i))
})

it('reads a result in portions of a portal', async () => {
  const portions: number[] = []
  await sql`SELECT i FROM generate_series(1, 1050) i`.cursor(100, (rows) => {
    portions.push(rows.length)
  })
  expect(portions).toEqual([...Array.from({ length: 10 }, () => 100), 50])
  let sum = 0
  for await (const rows of sql`INSERT INTO p(a) SELECT 'z' FROM generate_series(1, 25) RETURNING 1 AS one`.cursor(10)) sum += rows.length
  expect(sum).toBe(25)
  for await (const rows of sql`SHOW ALL`.cursor(50)) sum += rows.length
  expect(sum).toBeGreaterThan(200)
})

it('rolls back to savepoints and retries nothing by itself', async () => {
  const id = await sql.begin(async (tx) => {
    const [{ id: made }] = (await tx`INSERT INTO p(a) VALUES ('kept') RETURNING id`) as unknown as [{ id: number }]
    await tx
      .savepoint((inner) => inner`INSERT INTO p(id, a) VALUES (${made}, 'twice')`)
      .catch((error: postgres.PostgresError) => {
        expect(error.code).toBe('23505')
      })
    return made
  })
  expect(await sql`SELECT a FROM p WHERE id = ${id}`).toEqual([{ a: 'kept' }])
})

it('cursors of SQL take parameters, are portals, scroll and outlive their transaction when held', async () => {
  await sql.begin(async (tx) => {
    await tx`DECLARE c SCROLL CURSOR FOR SELECT i FROM generate_series(1, 100) i WHERE i > ${90}`
    expect(await tx`FETCH 2 FROM c`).toEqual([{ i: 91 }, { i: 92 }])
    expect(await tx`FETCH ABSOLUTE -1 FROM c`).toEqual([{ i: 100 }])
    expect(await tx`FETCH BACKWARD 1 FROM c`).toEqual([{ i: 99 }])
    expect(await tx`EXPLAIN (COSTS OFF) SELECT * FROM p WHERE id = ${1}`).not.toHaveLength(0)
    await tx`DECLARE many CURSOR FOR SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i`
    let count = 0
    for (let rows = await tx`FETCH 20000 FROM many`; rows.length > 0; rows = await tx`FETCH 20000 FROM many`) count += rows.length
    expect(count).toBe(200_000)
    await expect(tx.savepoint((inner) => inner`FETCH PRIOR FROM many`)).rejects.toMatchObject({ code: '55000' })
  })
  const one = await sql.reserve()
  await one`BEGIN`
  await one`DECLARE h CURSOR WITH HOLD FOR SELECT generate_series(1, 5) AS i`
  await one`COMMIT`
  expect(await one`FETCH 2 FROM h`).toEqual([{ i: 1 }, { i: 2 }])
  expect(await one`FETCH ALL FROM h`).toHaveLength(3)
  await one`CLOSE h`
  one.release()
})

it('copies in and out', async () => {
  await sql`CREATE TABLE c(a int, b text)`
  const into = await sql`COPY c FROM STDIN`.writable()
  for (let i = 0; i < 1000; i++) into.write(`${i}\tline\\t${i}\n`)
  into.end()
  await once(into, 'finish')
  let out = ''
  for await (const chunk of await sql`COPY (SELECT * FROM c WHERE a < 2 ORDER BY a) TO STDOUT (FORMAT csv, HEADER)`.readable()) out += chunk
  expect(out).toBe('a,b\n0,line\t0\n1,line\t1\n')
})

it('listens and cancels', async () => {
  const heard = new Promise<string>((resolve) => void sql.listen('news', resolve).then(() => sql.notify('news', 'hello')))
  expect(await heard).toBe('hello')
  const slow = sql`SELECT pg_sleep(30)`
  setTimeout(() => slow.cancel(), 50)
  await expect(slow).rejects.toMatchObject({ code: '57014' })
})
