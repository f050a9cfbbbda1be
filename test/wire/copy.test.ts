// The COPY sub-protocol in both directions: framing, errors on either side, cancel, back-pressure.

import { afterEach, expect, test } from 'vitest'
import type { WireServer } from '../../src/pgwire/server.ts'
import { msg, show, WireClient } from '../support/wire-client.ts'
import { startStub } from '../support/wire-server.ts'

const running: WireServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.shutdown(0)))
})
const stub = (options = {}) => startStub(options, running)

test('COPY FROM STDIN: data in messages of any size, in one write and in pieces', async () => {
  const { port } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.query('copyin'), msg.copyData('1\ta\n'), msg.copyData(''), msg.copyData('2\tb\n'), msg.copyDone())
  expect(await client.answer()).toEqual(['CopyInResponse 0 2', 'CommandComplete COPY 8', 'ReadyForQuery I'])
  const big = Buffer.alloc(300_000, 'x')
  const bytes = Buffer.concat([msg.query('copyin'), msg.copyData(big), msg.copyDone(), msg.query('select 1')])
  for (let at = 0; at < bytes.length; at += 7001) {
    client.socket.write(bytes.subarray(at, at + 7001))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await client.answer(2)).toEqual([
    'CopyInResponse 0 2',
    'CommandComplete COPY 300000',
    'ReadyForQuery I',
    'RowDescription abalance:23:0',
    'DataRow "1"',
    'CommandComplete SELECT 1',
    'ReadyForQuery I',
  ])
  client.end()
})

test('CopyFail ends the statement with 57014 and the client’s words', async () => {
  const { port } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.query('copyin'), msg.copyData('1'), msg.copyFail('no more'))
  expect(await client.answer()).toEqual([
    'CopyInResponse 0 2',
    'ErrorResponse ERROR 57014 COPY from stdin failed: no more',
    'ReadyForQuery I',
  ])
  client.send(msg.query('select 1'))
  expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
  client.end()
})

test('an error of the statement: the rest of the data is thrown away', async () => {
  const { port } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.query('copyin 5'), msg.copyData('123456789'))
  expect(await client.answer()).toEqual(['CopyInResponse 0 2', 'ErrorResponse ERROR 22P04 missing data for column "b"', 'ReadyForQuery I'])
  client.send(msg.copyData('more'), msg.copyData('and more'), msg.copyDone(), msg.query('select 1'))
  expect((await client.answer()).slice(-2)).toEqual(['CommandComplete SELECT 1', 'ReadyForQuery I'])
  // In the middle of one message too.
  const bytes = msg.copyData(Buffer.alloc(100_000, 'y'))
  client.send(msg.query('copyin 5'), bytes.subarray(0, 50))
  expect((await client.answer())[1]).toBe('ErrorResponse ERROR 22P04 missing data for column "b"')
  client.send(bytes.subarray(50), msg.copyDone(), msg.query('select 2'))
  expect((await client.answer()).slice(-2)).toEqual(['CommandComplete SELECT 1', 'ReadyForQuery I'])
  client.end()
})

test('COPY in the extended protocol: the Sync before the data means nothing, the one after it ends it', async () => {
  const { port } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.parse('', 'copyin'), msg.bind('', ''), msg.execute(''), msg.sync())
  expect((await client.until('G')).map(show)).toEqual(['ParseComplete', 'BindComplete', 'CopyInResponse 0 2'])
  client.send(msg.copyData('1\n'), msg.flush(), msg.copyDone(), msg.sync())
  expect(await client.answer()).toEqual(['CommandComplete COPY 2', 'ReadyForQuery I'])
  // After an error everything is dropped until Sync, copy data included.
  client.send(
    msg.parse('', 'copyin 1'),
    msg.bind('', ''),
    msg.execute(''),
    msg.copyData('12'),
    msg.copyData('3'),
    msg.copyDone(),
    msg.sync(),
  )
  expect((await client.answer()).slice(-2)).toEqual(['ErrorResponse ERROR 22P04 missing data for column "b"', 'ReadyForQuery I'])
  client.end()
})

test('another message inside COPY ends the connection: the stream is lost', async () => {
  const { port, sessions } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.query('copyin'), msg.copyData('1'), msg.query('select 1'))
  expect(await client.untilEnd()).toEqual([
    'CopyInResponse 0 2',
    'ErrorResponse ERROR 08P01 unexpected message type 0x51 during COPY from stdin',
    'ErrorResponse FATAL 08P01 terminating connection because protocol synchronization was lost',
  ])
  expect(sessions[0]!.closed).toBe(true)
})

test('a client that leaves inside COPY; one that is cancelled inside COPY', async () => {
  const { port, sessions, server } = await stub()
  const gone = await WireClient.session(port)
  gone.send(msg.query('copyin'), msg.copyData('1'))
  await gone.until('G')
  gone.end()
  await expect.poll(() => server.sessionCount).toBe(0)
  expect(sessions[0]!.closed).toBe(true)

  const client = await WireClient.connect(port)
  client.send(msg.startup({ user: 'u' }))
  const key = (await client.until('Z')).find((message) => message.type === 'K')!.body
  client.send(msg.query('copyin'), msg.copyData('1'))
  await client.until('G')
  const canceller = await WireClient.connect(port)
  canceller.send(msg.cancelRequest(key.readInt32BE(0), key.subarray(4)))
  expect(await client.answer()).toEqual(['ErrorResponse ERROR 57014 canceling statement due to user request', 'ReadyForQuery I'])
  client.send(msg.copyData('2'), msg.copyDone(), msg.query('select 1'))
  expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
  client.end()
})

test('COPY TO STDOUT', async () => {
  const { port } = await stub()
  const client = await WireClient.session(port)
  client.send(msg.query('copyout 2'))
  expect(await client.answer()).toEqual([
    'CopyOutResponse 0 1',
    'CopyData "line 0\\n"',
    'CopyData "line 1\\n"',
    'CopyDone',
    'CommandComplete COPY 2',
    'ReadyForQuery I',
  ])
  client.end()
})

test('back-pressure in: a statement that does not read stops the client', async () => {
  const { port, sessions } = await stub()
  const client = await WireClient.session(port)
  // The session sleeps; what comes meanwhile is kept up to a bound only.
  client.send(msg.query('sleep'))
  const data = msg.copyData(Buffer.alloc(64 * 1024))
  for (let i = 0; i < 1000; i++) client.socket.write(data)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(sessions[0]!.client.bytesReceived).toBeLessThan(2 * 1024 * 1024)
  client.end()
})

test('back-pressure out: a client that does not read stops the statement', async () => {
  const { port, sessions } = await stub()
  const client = await WireClient.session(port)
  client.socket.pause()
  client.send(msg.query('copyout 2000000'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const sent = sessions[0]!.client.bytesSent
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(sessions[0]!.client.bytesSent).toBe(sent)
  expect(sent).toBeLessThan(16 * 1024 * 1024)
  client.end()
})
