// Conversations that a real PostgreSQL has answered, replayed here: the answers must be the same. Expected answers are recorded, never typed:
// RECORD=<port> npx vitest run test/wire/postgres-replay.test.ts asks a PostgreSQL on 127.0.0.1 (user u, trust, `create table c(a int, b text)`).
// The stub backend has no SQL, so a statement has two spellings: PostgreSQL's and the stub's.

import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import type { WireServer } from '../../src/pgwire/server.ts'
import { frame, msg, WireClient } from '../support/wire-client.ts'
import { startStub } from '../support/wire-server.ts'

const fixture = new URL('./fixtures/postgres.json', import.meta.url)
const recordPort = process.env['RECORD']

type Piece = Buffer | { postgres: Buffer; stub: Buffer }
const query = (postgres: string, stub: string): Piece => ({ postgres: msg.query(postgres), stub: msg.query(stub) })
const parse = (name: string, postgres: string, stub: string, types: number[] = []): Piece => ({
  postgres: msg.parse(name, postgres, types),
  stub: msg.parse(name, stub, types),
})
const twoParameters = parse('s', 'select $1 as a, $2 as b', 'echo', [25, 25])
const one = parse('', 'select 7 as abalance', 'select 7')
const copyIn = query('copy c from stdin', 'copyin')
const failing = parse('', 'syntax', 'syntax')

const CASES: Record<string, Piece[]> = {
  'a pipeline with two Syncs': [
    one,
    msg.bind('', ''),
    msg.execute(''),
    msg.sync(),
    one,
    msg.bind('', ''),
    msg.describe('P', ''),
    msg.execute(''),
    msg.sync(),
  ],
  'describe of a statement and of a portal in binary': [
    twoParameters,
    msg.describe('S', 's'),
    msg.bind('p', 's', ['é', null], [0], [1]),
    msg.describe('P', 'p'),
    msg.execute('p'),
    msg.close('P', 'p'),
    msg.close('S', 's'),
    msg.close('S', 'never there'),
    msg.sync(),
  ],
  'the empty query, simple and extended': [
    msg.query(''),
    msg.parse('', ''),
    msg.bind('', ''),
    msg.describe('P', ''),
    msg.execute(''),
    msg.sync(),
  ],
  'after an error all is dropped until Sync, Terminate too': [
    msg.bind('', 'never there'),
    msg.query(''),
    msg.functionCall(),
    msg.flush(),
    msg.sync(),
    msg.query(''),
  ],
  'an unknown portal': [msg.execute('never there'), msg.sync()],
  'Bind: formats that do not fit': [twoParameters, msg.bind('', 's', ['1', '2', '3'], [0, 0]), msg.sync()],
  'Bind: an unknown format': [twoParameters, msg.bind('', 's', ['1', '2'], [7]), msg.sync()],
  'Bind: cut short': [parse('s', 'select $1 as a', 'echo', [25]), frame('B', Buffer.from('\0s\0\0\0\0\x01\0\0\0\x09ab')), msg.sync()],
  'Parse: no terminator': [frame('P', Buffer.from('abc')), msg.sync()],
  'Parse: not UTF-8': [frame('P', Buffer.from([0, 0xe4, 0x20, 0x62, 0, 0, 0])), msg.sync()],
  'Describe: kind': [frame('D', Buffer.from('Xs\0')), msg.sync()],
  'Close: kind': [frame('C', Buffer.from('Xs\0')), msg.sync()],
  'Execute: empty': [frame('E'), msg.sync()],
  'Describe: empty': [frame('D'), msg.sync()],
  'Sync: too long': [frame('S', Buffer.from('x')), msg.query('')],
  'Query: too long': [frame('Q', Buffer.from('\0x')), msg.query('')],
  'Flush: too long': [frame('H', Buffer.from('x')), msg.query(''), msg.sync()],
  'Query: not UTF-8': [frame('Q', Buffer.from([0x61, 0xc3, 0])), msg.query('')],
  'copy messages outside COPY': [msg.copyData('x'), msg.copyDone(), msg.copyFail('x'), msg.query('')],
  'a password outside the login': [msg.password('x'), msg.query('')],
  'an unknown type': [msg.query(''), Buffer.from('!!!!!!!!')],
  'a frame cut by the end': [Buffer.from([0x51, 0, 0, 0, 50, 65])],
  'COPY fails by the client': [copyIn, msg.copyFail('boo'), msg.query('')],
  'another message in COPY': [copyIn, msg.copyData('1\ta\n'), msg.query(''), msg.copyDone()],
  'Terminate in COPY': [copyIn, msg.copyData('1\ta\n'), msg.terminate()],
  'Sync and Flush in COPY': [copyIn, msg.sync(), msg.flush(), msg.copyFail('x')],
  'an error before COPY data': [failing, msg.copyData('x'), msg.copyDone(), msg.sync(), msg.query('')],
}

const running: WireServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.shutdown(0)))
})

async function replay(port: number, pieces: Piece[], spelling: 'postgres' | 'stub'): Promise<string[]> {
  const client = await WireClient.session(port, { user: 'u', database: 'postgres' })
  client.socket.end(Buffer.concat(pieces.map((piece) => (Buffer.isBuffer(piece) ? piece : piece[spelling]))))
  const answer = await client.untilEnd()
  client.end()
  // How a statement itself fails is not the protocol's business.
  return answer.map((line) => line.replace(/^(ErrorResponse ERROR) (42P01|42601) .*/, '$1 of the statement'))
}

if (recordPort !== undefined) {
  test('record', async () => {
    const recorded: Record<string, string[]> = {}
    for (const [name, pieces] of Object.entries(CASES)) recorded[name] = await replay(Number(recordPort), pieces, 'postgres')
    writeFileSync(fixture, `${JSON.stringify(recorded, null, 2)}\n`)
  })
}

const expected = JSON.parse(readFileSync(fixture, 'utf8')) as Record<string, string[]>

test('every case was recorded', () => {
  expect(Object.keys(expected)).toEqual(Object.keys(CASES))
})

for (const later of [false, true]) {
  test.each(Object.keys(CASES))(`${later ? 'later' : 'at once'}: %s`, async (name) => {
    const { port } = await startStub({ later }, running)
    expect(await replay(port, CASES[name]!, 'stub')).toEqual(expected[name])
  })
}
