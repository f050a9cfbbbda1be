// Several COPY statements in one simple Query message: each has a CopyInResponse or CopyOutResponse and data of its own, as in PostgreSQL.

import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { ownTenant, startTestServer, type TestServer } from '../support/server.ts'

let server: TestServer
let client: pg.Client

beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect(`${ownTenant('copies')}.admin`)
})
afterAll(async () => {
  await server.stop()
})
beforeEach(async () => {
  await client.query('DROP TABLE IF EXISTS a, b; CREATE TABLE a (x int); CREATE TABLE b (y text)')
})

/** What pg's connection can be asked for inside COPY. */
interface Wire {
  query(text: string): void
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
  sendCopyFail(message: string): void
}

type Data = readonly string[] | 'fail'

/** Sends one Query message and answers every CopyInResponse with the next data; what the server said, in order. */
function converse(text: string, data: readonly Data[]): Promise<string[]> {
  const said: string[] = []
  const left = [...data]
  return new Promise((resolve) => {
    const conversation = {
      submit: (wire: Wire) => {
        wire.query(text)
      },
      handleRowDescription: () => said.push('T'),
      handleDataRow: (message: { fields: unknown[] }) => said.push(`D ${message.fields.map(String).join('|')}`),
      handleCommandComplete: (message: { text: string }) => said.push(message.text),
      handleEmptyQuery: () => said.push('I'),
      // pg itself waits for what follows an error
      handleError: (error: { code: string; message: string }) => resolve([...said, `ERROR ${error.code} ${error.message}`]),
      handleReadyForQuery: () => resolve(said),
      handleCopyData: (message: { chunk: Buffer }) => said.push(`d ${message.chunk.toString().trimEnd()}`),
      handleCopyInResponse: (wire: Wire) => {
        said.push('G')
        const next = left.shift()
        if (next === 'fail' || next === undefined) wire.sendCopyFail('no data')
        else {
          for (const chunk of next) wire.sendCopyFromChunk(Buffer.from(chunk))
          wire.endCopyFrom()
        }
      },
    }
    client.query(conversation as unknown as pg.Submittable)
  })
}

const counts = async (): Promise<string> => {
  const { rows } = await client.query('SELECT (SELECT count(*) FROM a) AS a, (SELECT count(*) FROM b) AS b')
  return `${rows[0].a} ${rows[0].b}`
}

it('one after the other, with data of their own', async () => {
  expect(await converse('copy a from stdin; copy b from stdin', [['1\n2', '\n3\n'], ['one\n']])).toEqual(['G', 'COPY 3', 'G', 'COPY 1'])
  expect(await counts()).toBe('3 1')
})

it('data that ends before CopyDone does', async () => {
  expect(await converse('copy a from stdin; copy b from stdin; select 1', [['1\n\\.\n'], ['\\.\n']])).toEqual([
    'G',
    'COPY 1',
    'G',
    'COPY 0',
    'T',
    'D 1',
    'SELECT 1',
  ])
  expect(await counts()).toBe('1 0')
})

it('an error in the first ends all, and the session goes on', async () => {
  expect(await converse('copy a from stdin; copy b from stdin', [['1\nno\n2\n'], ['one\n']])).toEqual([
    'G',
    'ERROR 22P02 invalid input syntax for type integer: "no"',
  ])
  expect(await counts()).toBe('0 0')
})

it('an error in the second takes the first with it', async () => {
  expect(await converse('copy a from stdin; copy b from stdin', [['1\n'], 'fail'])).toEqual([
    'G',
    'COPY 1',
    'G',
    'ERROR 57014 COPY from stdin failed: no data',
  ])
  expect(await counts()).toBe('0 0')
})

it('out and in again', async () => {
  const text = 'copy a from stdin; copy a to stdout; copy b from stdin; copy b to stdout'
  expect(await converse(text, [['1\n2\n'], ['one\n']])).toEqual(['G', 'COPY 2', 'd 1', 'd 2', 'COPY 2', 'G', 'COPY 1', 'd one', 'COPY 1'])
  expect(await counts()).toBe('2 1')
})
