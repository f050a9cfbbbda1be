// COPY … FROM STDIN in the binary format: where the data may end, and what it is called when it ends elsewhere.

import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'

interface Copying {
  sendCopyFromChunk(chunk: Buffer): void
  endCopyFrom(): void
}

let server: TestServer
let client: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  client = await server.connect('copies.admin')
  await client.query('CREATE TABLE t (a int, b text)')
})
afterAll(() => server.stop())

const int16 = (n: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(n)
  return bytes
}
const int32 = (n: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(n)
  return bytes
}
const HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)])
const TRAILER = int16(-1)
const row = (a: number, b: string | Buffer): Buffer => Buffer.concat([int16(2), int32(4), int32(a), int32(b.length), Buffer.from(b)])

/** Each chunk as a message of its own. The command's tag, or the error with its context. */
function copied(...chunks: Buffer[]): Promise<string> {
  const { connection } = client as unknown as { connection: Copying & { query(text: string): void } }
  return new Promise((resolve) => {
    let said = ''
    client.query({
      submit: () => connection.query('COPY t FROM STDIN (FORMAT binary)'),
      handleCopyInResponse: () => {
        for (const chunk of chunks) connection.sendCopyFromChunk(chunk)
        connection.endCopyFrom()
      },
      handleCommandComplete: ({ text }: { text: string }) => {
        said = text
      },
      handleError: ({ code, message, where }: { code: string; message: string; where?: string }) => {
        resolve(`${code} ${message}${where === undefined ? '' : ` | ${where}`}`)
      },
      handleReadyForQuery: () => resolve(said),
    } as unknown as pg.Submittable)
  })
}

test('the end of the stream between two rows ends the data, with the trailer or without', async () => {
  expect(await copied(HEADER)).toBe('COPY 0')
  expect(await copied(HEADER, row(1, 'x'), row(2, 'yy'))).toBe('COPY 2')
  expect(await copied(Buffer.concat([HEADER, row(3, 'x')]), TRAILER)).toBe('COPY 1')
  expect(await copied(Buffer.concat([HEADER, row(4, 'x'), TRAILER]))).toBe('COPY 1')
  expect(await copied(HEADER, row(5, 'x'), Buffer.alloc(1))).toBe('COPY 1')
  expect((await client.query('SELECT a FROM t ORDER BY a')).rows.map(({ a }) => a)).toEqual([1, 2, 3, 4, 5])
})

test('the end within a row is an error', async () => {
  expect(await copied(HEADER, row(6, 'x'), int16(2))).toBe('22P04 unexpected EOF in COPY data | COPY t, line 2, column a')
  expect(await copied(HEADER, row(6, 'x'), row(7, 'yy').subarray(0, 15))).toBe(
    '22P04 unexpected EOF in COPY data | COPY t, line 2, column b',
  )
  expect(await copied(HEADER, row(6, 'x'), int16(3))).toBe('22P04 row field count is 3, expected 2 | COPY t, line 2')
  expect(await copied(HEADER, row(6, 'x'), int16(2), int32(-5))).toBe('22P04 invalid field size | COPY t, line 2, column a')
})

test('nothing may follow the trailer', async () => {
  for (const chunks of [[TRAILER, Buffer.from('a')], [Buffer.concat([TRAILER, Buffer.from('a')])]]) {
    expect(await copied(HEADER, row(6, 'x'), ...chunks)).toBe('22P04 received copy data after EOF marker | COPY t, line 2')
  }
})

test('a header cut short belongs to no line', async () => {
  expect(await copied()).toBe('22P04 COPY file signature not recognized')
  expect(await copied(HEADER.subarray(0, 12))).toBe('22P04 invalid COPY file header (missing flags)')
})

test('text must be UTF-8 without zero bytes', async () => {
  expect(await copied(HEADER, row(6, 'x'), row(7, 'a\0b'))).toBe(
    '22021 invalid byte sequence for encoding "UTF8": 0x00 | COPY t, line 2, column b',
  )
  expect(await copied(HEADER, row(6, Buffer.from('a\xe9b', 'latin1')))).toBe(
    '22021 invalid byte sequence for encoding "UTF8": 0xe9 0x62 | COPY t, line 1, column b',
  )
})
