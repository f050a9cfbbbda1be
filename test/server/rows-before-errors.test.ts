// What a statement has answered before it fails: as much as PostgreSQL's. And COPY's failure, which a slow client is told while it sends.

import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Converse, converseWith } from '../support/converse.ts'
import { onTikv, ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client
let converse: Converse

beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect(`${ownTenant('rowsbefore')}.admin`)
  converse = converseWith(client)
  await client.query('CREATE TABLE t (id int PRIMARY KEY, n int UNIQUE DEFERRABLE INITIALLY DEFERRED)')
  await client.query('INSERT INTO t VALUES (1, 1), (2, 2)')
})
afterAll(async () => {
  await server.stop()
})

it.skipIf(onTikv)('rows of RETURNING are told when only the commit fails', async () => {
  expect(await converse.query('UPDATE t SET n = 2 WHERE id = 1 RETURNING id, n')).toEqual(['columns id n', '1|2', 'error 23505'])
  expect(await converse.query('INSERT INTO t VALUES (3, 3), (2, 4) RETURNING id')).toEqual(['error 23505'])
  expect((await client.query('SELECT * FROM t ORDER BY id')).rows).toEqual([
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ])
})

it('COPY tells a slow client of a wrong row before it has sent all', async () => {
  const failed = new Promise<string | undefined>((resolve) => {
    client.query({
      submit: (wire: { query(text: string): void }) => wire.query('COPY t FROM STDIN'),
      handleCopyInResponse: async (wire: { sendCopyFromChunk(chunk: Buffer): void }) => {
        wire.sendCopyFromChunk(Buffer.from('5\t5\n'))
        await sleep(300)
        wire.sendCopyFromChunk(Buffer.from('1\t9\n'))
        await sleep(300)
        wire.sendCopyFromChunk(Buffer.from('6\t6\n'))
      },
      handleError: (error: { code: string }) => resolve(error.code),
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => resolve(undefined),
    } as unknown as pg.Submittable)
  })
  expect(await failed).toBe('23505')
  expect((await client.query('SELECT count(*)::int AS n FROM t')).rows).toEqual([{ n: 2 }])
})
