// Cursors and portals in the extended protocol: a FETCH that is prepared before its cursor is there, and what pg_cursors tells of portals.

import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Converse, converseWith } from '../support/converse.ts'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client
let converse: Converse

beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect(`${ownTenant('portals')}.admin`)
  converse = converseWith(client)
})
afterAll(async () => {
  await server.stop()
})

it('FETCH is prepared and described before DECLARE, and knows its columns once the cursor is there', async () => {
  expect(
    await converse((wire) => {
      wire.parse({ name: 'f', text: 'FETCH 2 FROM c' })
      wire.describe({ type: 'S', name: 'f' })
    }),
  ).toEqual(['parseComplete', 'parameterDescription', 'noData'])
  await client.query('BEGIN; DECLARE c CURSOR FOR SELECT g AS a FROM generate_series(1, 3) g')
  expect(
    await converse((wire) => {
      wire.bind({ statement: 'f' })
      wire.describe({ type: 'P' })
      wire.execute({})
    }),
  ).toEqual(['bindComplete', 'columns a', '1', '2', 'FETCH 2'])
  await client.query('ROLLBACK')
  expect(
    await converse((wire) => {
      wire.bind({ statement: 'f' })
      wire.describe({ type: 'P' })
      wire.execute({})
    }),
  ).toEqual(['bindComplete', 'noData', 'error 34000'])
})

it('pg_cursors tells what Bind made, named or not', async () => {
  await client.query('BEGIN')
  expect(
    await converse((wire) => {
      wire.parse({ text: 'SELECT g FROM generate_series(1, 3) g' })
      wire.bind({ portal: 'p' })
      wire.execute({ portal: 'p', rows: 2 })
      wire.parse({
        text: "SELECT name, statement ~ 'series', is_holdable, is_binary, is_scrollable, creation_time <= now() FROM pg_cursors ORDER BY 1",
      })
      wire.bind({})
      wire.execute({})
    }),
  ).toEqual([
    'parseComplete',
    'bindComplete',
    '1',
    '2',
    'portalSuspended',
    'parseComplete',
    'bindComplete',
    expect.stringMatching(/^\|t\|f\|f\|f\|/),
    expect.stringMatching(/^p\|t\|f\|f\|f\|/),
    'SELECT 2',
  ])
  await client.query('COMMIT')
})

it('Execute after the last row answers no row; what has none runs once', async () => {
  await client.query('BEGIN; CREATE TEMP TABLE w (a int)')
  const executed = (text: string, rows: number) =>
    converse((wire) => {
      wire.parse({ text })
      wire.bind({ portal: 'p' })
      for (let i = 0; i < 3; i++) wire.execute({ portal: 'p', rows })
    }).then((said) => said.slice(2))
  expect(await executed('SELECT g FROM generate_series(1, 3) g', 2)).toEqual(['1', '2', 'portalSuspended', '3', 'SELECT 1', 'SELECT 0'])
  await converse((wire) => wire.close({ type: 'P', name: 'p' }))
  expect(await executed('SELECT 1 AS a', 0)).toEqual(['1', 'SELECT 1', 'SELECT 0', 'SELECT 0'])
  await converse((wire) => wire.close({ type: 'P', name: 'p' }))
  expect(await executed('INSERT INTO w VALUES (1), (2) RETURNING a', 2)).toEqual(['1', '2', 'portalSuspended', 'INSERT 0 0', 'INSERT 0 0'])
  await converse((wire) => wire.close({ type: 'P', name: 'p' }))
  await client.query('DECLARE c CURSOR FOR SELECT g FROM generate_series(1, 3) g')
  expect(await executed('FETCH 2 FROM c', 2)).toEqual(['1', '2', 'portalSuspended', 'FETCH 0', 'FETCH 0'])
  await converse((wire) => wire.close({ type: 'P', name: 'p' }))
  expect(await executed('SHOW client_encoding', 0)).toEqual(['UTF8', 'SHOW', 'SHOW', 'SHOW'])
  await converse((wire) => wire.close({ type: 'P', name: 'p' }))
  expect(await executed('INSERT INTO w VALUES (3)', 0)).toEqual(['INSERT 0 1', 'error 55000'])
  await client.query('ROLLBACK')
})

it('portals outlive errors as far as savepoints bring their transaction back', async () => {
  const numbers = 'SELECT g FROM generate_series(1, 9) g'
  const fraction = 'SELECT 1 / (2 - g) FROM generate_series(1, 9) g'
  const open = (portal: string, text: string, rows: number) =>
    converse((wire) => {
      wire.parse({ text })
      wire.bind({ portal })
      wire.execute({ portal, rows })
    }).then((said) => said.slice(2))
  const go = (portal: string, rows = 1) => converse((wire) => wire.execute({ portal, rows }))
  await client.query('BEGIN')
  expect(await open('p', numbers, 2)).toEqual(['1', '2', 'portalSuspended'])
  await client.query('SAVEPOINT s')
  expect(await open('q', numbers, 1)).toEqual(['1', 'portalSuspended'])
  expect((await open('r', fraction, 3)).at(-1)).toBe('error 22012')
  expect(await go('p')).toEqual(['error 25P02'])
  expect(await converse((wire) => wire.describe({ type: 'P', name: 'q' }))).toEqual(['error 25P02'])
  expect(await go('nope')).toEqual(['error 34000'])
  await client.query('ROLLBACK TO s')
  // the one of before the savepoint goes on, the others' names are free
  expect(await go('p', 2)).toEqual(['3', '4', 'portalSuspended'])
  expect(await go('q')).toEqual(['error 34000'])
  await client.query('ROLLBACK TO s')
  expect(await open('q', numbers, 1)).toEqual(['1', 'portalSuspended'])
  await client.query('RELEASE s')
  expect(await go('q')).toEqual(['2', 'portalSuspended'])
  // what has failed itself does not
  expect(await open('z', fraction, 1)).toEqual(['1', 'portalSuspended'])
  await client.query('SAVEPOINT t')
  expect(await go('z')).toEqual(['error 22012'])
  await client.query('ROLLBACK TO t')
  expect(await go('z')).toEqual(['error 55000'])
  await client.query('ROLLBACK TO t')
  await expect(client.query('FETCH 1 FROM z')).rejects.toMatchObject({ code: '55000' })
  await client.query('ROLLBACK TO t')
  expect(await go('p')).toEqual(['5', 'portalSuspended'])
  await client.query('ROLLBACK')
  expect(await go('p')).toEqual(['error 34000'])
  await client.query('BEGIN')
  expect(await open('p', numbers, 1)).toEqual(['1', 'portalSuspended'])
  await expect(client.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' })
  expect(await go('p')).toEqual(['error 25P02'])
  await client.query('ROLLBACK')
})
