// Clients that do not speak UTF-8: every text that crosses the connection is converted, both ways.

import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/server.ts'
import { frame, msg } from '../support/wire-client.ts'

let server: TestServer
let client: pg.Client
/** Speaks UTF-8. */
let other: pg.Client
beforeAll(async () => {
  server = await startTestServer()
  other = await server.connect('encodings.admin')
  client = await server.connect('encodings.admin')
  await other.query(`CREATE TABLE t (id int PRIMARY KEY, v text, j jsonb); CREATE TYPE mood AS ENUM ('fröhlich', 'übel')`)
})
afterAll(() => server.stop())
beforeEach(async () => {
  await client.query(`RESET client_encoding`)
  await client.query('TRUNCATE t')
})

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const cstring = (text: string): Buffer => latin1(`${text}\0`)
/** The builders of messages for text that is written in LATIN1. */
const query = (text: string): Buffer => frame('Q', cstring(text))
const parse = (text: string, types: number[] = []): Buffer => {
  const tail = Buffer.alloc(2 + 4 * types.length)
  tail.writeInt16BE(types.length)
  for (const [i, type] of types.entries()) tail.writeInt32BE(type, 2 + 4 * i)
  return frame('P', cstring(''), cstring(text), tail)
}

interface Stream {
  write(bytes: Buffer): void
  on(event: 'data', listener: (chunk: Buffer) => void): void
  off(event: 'data', listener: (chunk: Buffer) => void): void
}

/** Control characters as Unicode's pictures of them. */
const seen = (bytes: string): string =>
  Array.from(bytes, (byte) => (byte < ' ' ? String.fromCharCode(0x2400 + byte.charCodeAt(0)) : byte)).join('')

/** Sends the messages; answers what came up to ReadyForQuery, byte by byte as LATIN1. */
function said(...messages: Buffer[]): Promise<string> {
  const { stream } = (client as unknown as { connection: { stream: Stream } }).connection
  let came = ''
  const listen = (chunk: Buffer): void => {
    came += chunk.toString('latin1')
  }
  stream.on('data', listen)
  return new Promise((resolve) => {
    const done = (): void => {
      // the driver lets go of a failed query before its ReadyForQuery
      if (!/Z␀␀␀␅[ITE]$/.test(seen(came.slice(-6)))) {
        setTimeout(done, 1)
        return
      }
      stream.off('data', listen)
      resolve(seen(came))
    }
    const nothing = (): void => {}
    client.query({
      submit: () => void stream.write(Buffer.concat(messages)),
      handleRowDescription: nothing,
      handleDataRow: nothing,
      handleCommandComplete: nothing,
      handleCopyInResponse: nothing,
      handleCopyData: nothing,
      handleError: done,
      handleReadyForQuery: done,
    } as unknown as pg.Submittable)
  })
}
const inUtf8 = async (sql: string): Promise<unknown[][]> => (await other.query({ text: sql, rowMode: 'array' })).rows

test('statements, rows, names of columns, errors, notices', async () => {
  await client.query(`SET client_encoding = 'iso-8859-1'`)
  expect((await client.query('SELECT pg_client_encoding() AS e')).rows).toEqual([{ e: 'LATIN1' }])
  const answer = await said(
    query(`INSERT INTO t VALUES (1, 'Käse für 3 £'::text || 'ÿ', '{"ß": "ñ"}') RETURNING v AS "größe", j, length(v)`),
  )
  expect(answer).toContain('größe␀')
  expect(answer).toContain('Käse für 3 £ÿ')
  expect(answer).toContain('{"ß": "ñ"}')
  expect(await inUtf8('SELECT v, j FROM t')).toEqual([['Käse für 3 £ÿ', { ß: 'ñ' }]])
  expect(await said(query('SELECT * FROM "Äpfel"'))).toContain('relation "Äpfel" does not exist')
  expect(await said(query('SELECT 1 AS "é" FROM t WHERE nö'))).toMatch(/column "nö" does not exist␀P30␀/)
  expect(await said(query(`DROP TABLE IF EXISTS "Öl"`))).toContain('table "Öl" does not exist, skipping')
})

test('parameters, as text and in binary', async () => {
  await client.query(`SET client_encoding = 'LATIN1'`)
  const values = [latin1('ä'), latin1('ö'), Buffer.concat([Buffer.from([1]), latin1('"ü"')]), latin1('übel')]
  const formats = [0, 1, 1, 1]
  const mood = Number((await inUtf8(`SELECT 'mood'::regtype::oid`))[0]![0])
  expect(
    await said(
      parse('SELECT $1, $2, $3, $4, $1 || $2 AS "ß"', [25, 25, 3802, mood]),
      msg.bind('', '', values, formats, [0, 1, 1, 1, 1]),
      msg.describe('P', ''),
      msg.execute(''),
      msg.sync(),
    ),
  ).toMatch(/ß␀.*D␀␀␀.␀␅␀␀␀␁ä␀␀␀␁ö␀␀␀␄␁"ü"␀␀␀␄übel␀␀␀␂äöC/s)
  const list = Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xe4])
  expect(await said(parse('SELECT $1', [1009]), msg.bind('', '', [list], [1], [0]), msg.execute(''), msg.sync())).toContain('C0A000␀')
  const zero = Buffer.from([0xe4, 0])
  expect(await said(parse('SELECT $1', [25]), msg.bind('', '', [zero], [0], [0]), msg.execute(''), msg.sync())).toContain(
    'invalid byte sequence for encoding "LATIN1": 0x00',
  )
})

test('what is not in the encoding fails where it is sent, and the session goes on', async () => {
  await other.query(`INSERT INTO t VALUES (1, 'ä'), (2, '€')`)
  await client.query(`SET client_encoding = 'LATIN1'`)
  const untranslatable = 'character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1"'
  const rows = await said(query('SELECT v FROM t ORDER BY id'))
  expect(rows).toContain(untranslatable)
  expect(rows).not.toContain('CSELECT')
  expect(await said(query(`SELECT 1 AS "\\" UNION ALL SELECT 2`))).toContain('SELECT 2')
  expect(await said(query(`SELECT 1 AS U&"\\20AC"`))).toContain(untranslatable)
  expect(await said(parse(`SELECT 1 AS U&"\\20AC"`), msg.describe('S', ''), msg.sync())).toContain(untranslatable)
  expect(await said(query('COPY (SELECT v FROM t ORDER BY id) TO STDOUT'))).toContain(untranslatable)
  expect(await said(query(`SELECT (U&'x\\20AC')::int`))).toContain('invalid input syntax for type integer: "x?"')
  await client.query(`SET client_encoding = 'WIN1252'`)
  expect(await said(query('SELECT v FROM t ORDER BY id'))).toMatch(/␁\xe4D.*␁\x80C/s)
  expect(await said(frame('Q', Buffer.from([0x53, 0x81, 0])))).toContain(
    'character with byte sequence 0x81 in encoding "WIN1252" has no equivalent in encoding "UTF8"',
  )
})

test('long values', async () => {
  await client.query(`SET client_encoding = 'LATIN1'`)
  const long = latin1('ä'.repeat(300_000))
  const messages = (format: number): Buffer[] => [msg.bind('', '', [long], [format], [format]), msg.execute(''), msg.sync()]
  for (const format of [0, 1]) {
    const answer = await said(parse(`SELECT $1 || 'ö'`, [25]), ...messages(format))
    expect(answer.match(/ä+ö/)?.[0].length).toBe(300_001)
  }
  const back = `convert_to(convert_from(convert_to($1, 'WIN1252'), 'WIN1252'), 'UTF8') = convert_to($1, 'UTF8')`
  expect(await said(parse(`SELECT ${back}`, [25]), ...messages(0))).toMatch(/␀␀␀␁tC/)
})

test('COPY both ways', async () => {
  await client.query(`SET client_encoding = 'LATIN1'`)
  const data = frame('d', latin1('1\tä\\tö\t"ü"\n2\tß\t"é"\n'))
  expect(await said(query('COPY t FROM STDIN'), data, frame('c'))).toContain('COPY 2')
  expect(await inUtf8('SELECT v, j FROM t ORDER BY id')).toEqual([
    ['ä\tö', 'ü'],
    ['ß', 'é'],
  ])
  const out = await said(query(`COPY t TO STDOUT (FORMAT csv, ENCODING 'latin1')`))
  expect(out).toContain('1,ä␉ö,"""ü"""␊')
  expect(out).toContain('2,ß,"""é"""␊')
  expect(await said(query(`COPY t FROM STDIN (FORMAT binary)`))).toContain('C0A000␀')
  expect(await said(query(`COPY t FROM STDIN (ENCODING 'UTF8')`))).toContain('C0A000␀')
  expect(await said(query(`COPY t FROM STDIN (ENCODING 'bogus')`))).toContain('argument to option "encoding" must be a valid encoding name')
})

test('the encoding is changed at once, and back by ROLLBACK', async () => {
  const answer = await said(query(`SELECT 'é'; SET client_encoding = 'LATIN1'; SELECT 'é'`))
  // the text as a whole was UTF-8, and this is none
  expect(answer).toContain('invalid byte sequence for encoding "UTF8": 0xe9')
  expect(await said(msg.query(`SET client_encoding = 'LATIN1'; SELECT 'é'`))).toMatch(/␀␀␀␁éC/)
  await client.query('RESET client_encoding')
  await client.query(`BEGIN; SET client_encoding = 'LATIN1'`)
  expect(await said(query(`SELECT 'é'`))).toMatch(/␀␀␀␁éC/)
  await client.query('ROLLBACK')
  expect(await said(msg.query(`SELECT 'é'`))).toMatch(/␀␀␀␂Ã©C/)
})
