// The conversation after the login, every message of it; each case with a backend that answers at once and with one that answers later.

import { afterEach, describe, expect, test } from 'vitest'
import { PgError } from '../../src/base/errors.ts'
import { SQLSTATE } from '../../src/base/sqlstate.ts'
import type { WireServer } from '../../src/pgwire/server.ts'
import { fields, frame, msg, show, WireClient } from '../support/wire-client.ts'
import { startStub } from '../support/wire-server.ts'

const running: WireServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.shutdown(0)))
})

describe.each([
  ['at once', false],
  ['later', true],
])('backend answers %s', (_name, later) => {
  const stub = (options = {}) => startStub({ later, ...options }, running)

  test('simple query: several statements, the empty one, notices', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('select 1; notice; select 2'))
    expect(await client.answer()).toEqual([
      'RowDescription abalance:23:0',
      'DataRow "1"',
      'CommandComplete SELECT 1',
      'NoticeResponse NOTICE 00000 hello',
      'CommandComplete DO',
      'RowDescription abalance:23:0',
      'DataRow "2"',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ])
    client.send(msg.query(''))
    expect(await client.answer()).toEqual(['EmptyQueryResponse', 'ReadyForQuery I'])
    client.end()
  })

  test('an error ends the query string, the transaction status follows, the session lives', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('begin; error; select 2'))
    expect(await client.answer()).toEqual(['CommandComplete BEGIN', 'ErrorResponse ERROR 22012 division by zero', 'ReadyForQuery E'])
    client.send(msg.query('commit'))
    expect(await client.answer()).toEqual(['CommandComplete COMMIT', 'ReadyForQuery I'])
    client.end()
  })

  test('an error carries its fields', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('error'))
    const [error] = await client.until('Z')
    expect(fields(error!.body)).toEqual({ S: 'ERROR', V: 'ERROR', C: '22012', M: 'division by zero', D: 'd', H: 'h', P: '3', t: 't' })
    client.end()
  })

  test('what a pipeline is answered waits for its Flush or Sync, an error for nothing', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    const one = [msg.parse('', 'select 7'), msg.bind('', ''), msg.execute('')]
    client.send(...one)
    // another connection is served meanwhile, through the same buffer
    const other = await WireClient.session(port)
    other.send(msg.query('select 1'))
    await other.answer()
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(client.pending).toBe(0)
    client.send(...one, msg.flush())
    expect((await client.until('C', 2)).map(({ type }) => type).join('')).toBe('12DC12DC')
    client.send(msg.parse('', 'select 7'))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(client.pending).toBe(0)
    client.send(msg.execute('never there'))
    expect((await client.until('E')).map(({ type }) => type).join('')).toBe('1E')
    client.send(msg.sync())
    expect(await client.answer()).toEqual(['ReadyForQuery I'])
    client.end()
    other.end()
  })

  test('an answer that is whole does not wait for a slow statement behind it', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.parse('', 'select 7'), msg.bind('', ''), msg.execute(''), msg.sync(), msg.query('sleep'))
    expect(await client.answer()).toEqual(['ParseComplete', 'BindComplete', 'DataRow "7"', 'CommandComplete SELECT 1', 'ReadyForQuery I'])
    client.end()
  })

  test('extended: parse, describe, bind, execute, close, with parameters and formats', async () => {
    const { port, log } = await stub()
    const client = await WireClient.session(port)
    client.send(
      msg.parse('s', 'echo', [25, 0]),
      msg.describe('S', 's'),
      msg.bind('p', 's', ['é', null], [0, 1], [0, 1]),
      msg.describe('P', 'p'),
      msg.execute('p'),
      msg.close('P', 'p'),
      msg.close('S', 's'),
      msg.sync(),
    )
    expect(await client.answer()).toEqual([
      'ParseComplete',
      'ParameterDescription 25 0',
      'RowDescription a:25:0 b:25:0',
      'BindComplete',
      'RowDescription a:25:0 b:25:1',
      'DataRow "é" NULL',
      'CommandComplete SELECT 1',
      'CloseComplete',
      'CloseComplete',
      'ReadyForQuery I',
    ])
    expect(log).toEqual([
      'parse s echo [25,0]',
      'bind p s ["é",null] [0,1] [0,1]',
      'execute p 0',
      'close portal p',
      'close statement s',
      'sync',
    ])
    client.end()
  })

  test('a statement without rows is described with NoData', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.parse('', 'begin'), msg.describe('S', ''), msg.bind('', ''), msg.describe('P', ''), msg.sync())
    expect(await client.answer()).toEqual(['ParseComplete', 'ParameterDescription ', 'NoData', 'BindComplete', 'NoData', 'ReadyForQuery I'])
    client.end()
  })

  test('execute in pieces: PortalSuspended until the rows are out', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.parse('', 'rows 5'), msg.bind('', ''), msg.execute('', 2), msg.execute('', 2), msg.execute('', 2), msg.sync())
    const answer = await client.answer()
    expect(answer.filter((line) => !line.startsWith('DataRow'))).toEqual([
      'ParseComplete',
      'BindComplete',
      'PortalSuspended',
      'PortalSuspended',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ])
    expect(answer.filter((line) => line.startsWith('DataRow'))).toEqual([
      'DataRow "0" "row 0 é"',
      'DataRow "1" "row 1 é"',
      'DataRow "2" NULL',
      'DataRow "3" "row 3 é"',
      'DataRow "4" "row 4 é"',
    ])
    client.end()
  })

  test('after an error everything is dropped until Sync; what is dropped never reaches the session', async () => {
    const { port, log } = await stub()
    const client = await WireClient.session(port)
    client.send(
      msg.parse('', 'error'),
      msg.bind('', ''),
      msg.execute(''),
      msg.parse('a', 'select 1'),
      msg.bind('', 'a'),
      msg.query('select 9'),
      msg.functionCall(),
      msg.flush(),
      msg.sync(),
      msg.parse('', 'select 7'),
      msg.bind('', ''),
      msg.execute(''),
      msg.sync(),
    )
    expect(await client.answer(2)).toEqual([
      'ParseComplete',
      'BindComplete',
      'ErrorResponse ERROR 22012 division by zero',
      'ReadyForQuery I',
      'ParseComplete',
      'BindComplete',
      'DataRow "7"',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ])
    expect(log).toEqual([
      'parse  error []',
      'bind   [] [] []',
      'execute  0',
      'sync',
      'parse  select 7 []',
      'bind   [] [] []',
      'execute  0',
      'sync',
    ])
    client.end()
  })

  test('Flush sends what there is before Sync', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.parse('', 'select 3'), msg.flush())
    expect(show(await client.receive())).toBe('ParseComplete')
    client.send(msg.bind('', ''), msg.execute(''), msg.flush())
    expect((await client.until('C')).map(show)).toEqual(['BindComplete', 'DataRow "3"', 'CommandComplete SELECT 1'])
    client.send(msg.sync())
    expect(await client.answer()).toEqual(['ReadyForQuery I'])
    client.end()
  })

  test('a pipeline of many statements, in one write and in single bytes', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    const bytes: Buffer[] = []
    for (let i = 0; i < 50; i++) bytes.push(msg.parse('', `select ${i}`), msg.bind('', ''), msg.execute(''), msg.sync())
    client.send(...bytes)
    const expected = Array.from({ length: 50 }, (_, i) => [
      'ParseComplete',
      'BindComplete',
      `DataRow "${i}"`,
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ]).flat()
    expect(await client.answer(50)).toEqual(expected)
    for (const byte of Buffer.concat(bytes.slice(0, 8))) {
      client.socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await client.answer(2)).toEqual(expected.slice(0, 10))
    client.end()
  })

  test('function call: 0A000 and ReadyForQuery', async () => {
    const { port, log } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.functionCall())
    expect(await client.answer()).toEqual(['ErrorResponse ERROR 0A000 function call messages are not supported', 'ReadyForQuery I'])
    expect(log).toEqual(['fail 0A000'])
    client.end()
  })

  test.each([
    ['Bind: too few formats', msg.bind('', 's', ['1', '2', '3'], [0, 0]), '08P01 bind message has 2 parameter formats but 3 parameters'],
    ['Bind: format code', msg.bind('', 's', ['1'], [7]), '22023 unsupported format code: 7'],
    ['Bind: result format code', msg.bind('', 's', ['1'], [], [2]), '22023 unsupported format code: 2'],
    ['Bind: cut short', frame('B', Buffer.from('\0s\0\0\0\0\x01\0\0\0\x09ab')), '08P01 insufficient data left in message'],
    ['Bind: too long', frame('B', Buffer.from('\0s\0\0\0\0\0\0\0extra')), '08P01 invalid message format'],
    ['Parse: no terminator', frame('P', Buffer.from('abc')), '08P01 invalid string in message'],
    [
      'Parse: not UTF-8',
      frame('P', Buffer.from([0, 0xe4, 0x20, 0x62, 0, 0, 0])),
      '22021 invalid byte sequence for encoding "UTF8": 0xe4 0x20 0x62',
    ],
    ['Describe: kind', frame('D', Buffer.from('Xs\0')), '08P01 invalid DESCRIBE message subtype 88'],
    ['Close: kind', frame('C', Buffer.from('Xs\0')), '08P01 invalid CLOSE message subtype 88'],
    ['Execute: empty', frame('E'), '08P01 invalid string in message'],
    ['Describe: empty', frame('D'), '08P01 no data left in message'],
  ])('a bad message in a whole frame costs only the transaction: %s', async (_what, bytes, error) => {
    const { port, log } = await stub()
    const client = await WireClient.session(port)
    client.send(bytes, msg.execute(''), msg.sync())
    expect(await client.answer()).toEqual([`ErrorResponse ERROR ${error}`, 'ReadyForQuery I'])
    expect(log).toEqual([`fail ${error.slice(0, 5)}`, 'sync'])
    client.end()
  })

  test('a query string that is not UTF-8', async () => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(frame('Q', Buffer.from([0x61, 0xc3, 0])), msg.query('select 1'))
    expect((await client.answer())[0]).toBe('ErrorResponse ERROR 22021 invalid byte sequence for encoding "UTF8": 0xc3')
    expect((await client.answer()).at(-2)).toBe('CommandComplete SELECT 1')
    client.end()
  })

  test('U+FFFD itself is fine', async () => {
    const { port, log } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('select 1 \ufffd'))
    expect((await client.answer()).at(-2)).toBe('CommandComplete SELECT 1')
    expect(log).toEqual(['query select 1 \ufffd'])
    client.end()
  })

  test('a noise byte for a message type ends that connection, and no other', async () => {
    const { port, sessions } = await stub()
    const other = await WireClient.session(port)
    const client = await WireClient.session(port)
    client.send(msg.query('select 1'), Buffer.from('!!!!!!!!'))
    expect((await client.untilEnd()).at(-1)).toBe('ErrorResponse FATAL 08P01 invalid frontend message type 33')
    expect(sessions[1]!.closed).toBe(true)
    other.send(msg.query('select 1'))
    expect((await other.answer()).at(-1)).toBe('ReadyForQuery I')
    other.end()
  })

  test.each([
    ['shorter than its own word', Buffer.from([0x51, 0, 0, 0, 3])],
    ['negative', Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff])],
    ['absurd', Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])],
    ['too long for a Sync', Buffer.from([0x53, 0, 1, 0, 0])],
  ])('a length that cannot be ends the connection: %s', async (_what, bytes) => {
    const { port } = await stub()
    const client = await WireClient.session(port)
    client.send(bytes)
    expect(await client.untilEnd()).toEqual(['ErrorResponse FATAL 08P01 invalid message length'])
  })

  test('statements at the limit are served; above it they are skipped and refused, and the session lives', async () => {
    const { port, log } = await stub({ limits: { maxMessageBytes: 1000 } })
    const client = await WireClient.session(port)
    const text = `select 1 ${'x'.repeat(1000 - 4 - 1 - 9)}`
    client.send(
      msg.query(text),
      msg.query(`${text}x`),
      msg.parse('', 'y'.repeat(5000)),
      msg.bind('', ''),
      msg.sync(),
      msg.query('select 2'),
    )
    expect(await client.answer(4)).toEqual([
      'RowDescription abalance:23:0',
      'DataRow "1"',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
      'ErrorResponse ERROR 54000 message of 1001 bytes exceeds the limit of 1000 bytes',
      'ReadyForQuery I',
      'ErrorResponse ERROR 54000 message of 5008 bytes exceeds the limit of 1000 bytes',
      'ReadyForQuery I',
      'RowDescription abalance:23:0',
      'DataRow "2"',
      'CommandComplete SELECT 1',
      'ReadyForQuery I',
    ])
    expect(log.filter((line) => line.startsWith('fail'))).toEqual(['fail 54000', 'fail 54000'])
    client.end()
  })

  test('FATAL ends the session after it was sent', async () => {
    const { port, sessions } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('fatal'), msg.query('select 1'))
    expect(await client.untilEnd()).toEqual(['ErrorResponse FATAL 57P01 terminating connection due to administrator command'])
    expect(sessions[0]!.closed).toBe(true)
  })

  test('a defect is XX000 with an id, its text stays inside, the session lives', async () => {
    const { port, defects } = await stub()
    const client = await WireClient.session(port)
    client.send(msg.query('defect'))
    expect(await client.answer()).toEqual(['ErrorResponse ERROR XX000 internal error (correlation id id)', 'ReadyForQuery I'])
    expect(defects.map(String)).toEqual(['TypeError: a defect'])
    client.end()
  })

  test('Terminate, end of stream, reset: the session is closed once', async () => {
    const { port, sessions, log, server } = await stub()
    const polite = await WireClient.session(port)
    polite.send(msg.query('select 1'), msg.terminate(), msg.query('select 2'))
    expect((await polite.untilEnd()).at(-1)).toBe('ReadyForQuery I')
    const halfClosed = await WireClient.session(port)
    halfClosed.socket.end(msg.query('select 3'))
    expect((await halfClosed.untilEnd()).at(-1)).toBe('ReadyForQuery I')
    const rude = await WireClient.session(port)
    rude.send(msg.query('sleep'))
    await expect.poll(() => log.includes('query sleep')).toBe(true)
    rude.socket.resetAndDestroy()
    await expect.poll(() => server.sessionCount).toBe(0)
    expect(sessions.map((session) => session.closed)).toEqual([true, true, true])
    expect(log.filter((line) => line === 'close')).toHaveLength(3)
    expect(log).not.toContain('query select 2')
  })

  test('messages of the server’s own: notices, settings and notifications between statements; terminate', async () => {
    const { port, sessions } = await stub()
    const client = await WireClient.session(port)
    const { client: handle } = sessions[0]!
    handle.parameterStatus('TimeZone', 'Asia/Tokyo')
    handle.notification(7, 'ch', 'payload')
    expect([show(await client.receive()), show(await client.receive())]).toEqual([
      'ParameterStatus TimeZone=Asia/Tokyo',
      'NotificationResponse 7 ch payload',
    ])
    const { adminShutdown } = SQLSTATE
    client.send(msg.query('sleep'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    handle.terminate(new PgError(adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' }))
    expect(await client.untilEnd()).toEqual(['ErrorResponse FATAL 57P01 terminating connection due to administrator command'])
    expect(sessions[0]!.closed).toBe(true)
  })
})

test('the beginning of an answer waits for its rest while others are served, a large one goes out', async () => {
  const { port, sessions, log } = await startStub({}, running)
  const waiting = await WireClient.session(port)
  const busy = await WireClient.session(port)
  const session = sessions[0]!
  const sentOf = async (query: string): Promise<number> => {
    const before = session.client.bytesSent
    waiting.send(msg.query(query))
    await expect.poll(() => log).toContain(`query ${query}`)
    busy.send(msg.query('select 2'))
    expect(await busy.answer()).toEqual(['RowDescription abalance:23:0', 'DataRow "2"', 'CommandComplete SELECT 1', 'ReadyForQuery I'])
    return session.client.bytesSent - before
  }
  expect(await sentOf('select 1; sleep')).toBe(0)
  session.cancel(new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request'))
  expect(await waiting.answer()).toEqual([
    'RowDescription abalance:23:0',
    'DataRow "1"',
    'CommandComplete SELECT 1',
    'ErrorResponse ERROR 57014 canceling statement due to user request',
    'ReadyForQuery I',
  ])
  expect(await sentOf('rows 1000; sleep')).toBeGreaterThan(8192)
  session.cancel(new PgError(SQLSTATE.queryCanceled, 'canceling statement due to user request'))
  expect((await waiting.answer()).length).toBe(1000 + 4)
  waiting.end()
  busy.end()
})

test('many rows to a client that reads slowly: the server waits instead of buffering', async () => {
  const { port, sessions } = await startStub({}, running)
  const client = await WireClient.session(port)
  client.socket.pause()
  client.send(msg.query('rows 1000000'))
  await new Promise((resolve) => setTimeout(resolve, 300))
  const sent = sessions[0]!.client.bytesSent
  await new Promise((resolve) => setTimeout(resolve, 200))
  expect(sessions[0]!.client.bytesSent).toBe(sent)
  expect(sent).toBeLessThan(16 * 1024 * 1024)
  const before = sessions[0]!.client.bytesSent
  let received = 0
  client.socket.removeAllListeners('data')
  await new Promise<void>((resolve) => {
    client.socket.on('data', (chunk: Buffer) => {
      received += chunk.length
      if (chunk.subarray(-6).equals(Buffer.from('Z\0\0\0\x05I', 'latin1'))) resolve()
    })
    client.socket.resume()
  })
  expect(received).toBeGreaterThan(before)
  client.end()
})

test('what a pipeline has answered up to a Sync does not wait for what follows', async () => {
  const { port } = await startStub({}, running)
  const client = await WireClient.session(port)
  client.send(msg.query('select 1'), msg.query('sleep 60000'))
  expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
  client.end()
  const extended = await WireClient.session(port)
  const sleep = [msg.parse('', 'sleep 60000'), msg.bind('', ''), msg.execute('')]
  extended.send(msg.parse('', 'select 1'), msg.bind('', ''), msg.execute(''), msg.sync(), ...sleep)
  expect((await extended.answer()).at(-1)).toBe('ReadyForQuery I')
  extended.end()
})

test('before its Sync or a Flush a pipeline answers nothing, but errors and what is large', async () => {
  const { port } = await startStub({}, running)
  const client = await WireClient.session(port)
  const other = await WireClient.session(port)
  let came = 0
  client.socket.on('data', (data: Buffer) => {
    came += data.length
  })
  // what has been answered by now would have come before another session's answer
  const quiet = async (): Promise<number> => {
    for (let i = 0; i < 3; i++) {
      other.send(msg.query('select 1'))
      await other.answer()
    }
    return came
  }
  const select = [msg.parse('', 'select 7'), msg.bind('', ''), msg.execute('')]
  client.send(...select)
  expect(await quiet()).toBe(0)
  client.send(msg.flush())
  expect((await client.until('C')).map(({ type }) => type)).toEqual(['1', '2', 'D', 'C'])
  came = 0
  client.send(...select)
  expect(await quiet()).toBe(0)
  client.send(msg.sync())
  expect((await client.until('Z')).map(({ type }) => type)).toEqual(['1', '2', 'D', 'C', 'Z'])
  client.send(msg.parse('', 'rows 1000'), msg.bind('', ''), msg.execute(''))
  await client.until('C')
  client.send(msg.parse('', 'error'), msg.bind('', ''), msg.execute(''))
  expect((await client.until('E')).map(({ type }) => type)).toEqual(['1', '2', 'E'])
  client.end()
  other.end()
})

test('a pipeline that is not read stops being served', async () => {
  const { port, sessions, log } = await startStub({}, running)
  const client = await WireClient.session(port)
  client.socket.pause()
  const query = msg.query(`rows 2000`)
  for (let i = 0; i < 400; i++) client.socket.write(query)
  await new Promise((resolve) => setTimeout(resolve, 300))
  const served = log.length
  expect(served).toBeLessThan(400)
  expect(sessions[0]!.client.bytesSent).toBeLessThan(16 * 1024 * 1024)
  client.end()
})

test('input kept by all connections together is bounded: who keeps too much of it is ended, the others go on', async () => {
  const { port, server } = await startStub({ limits: { maxPendingInputBytesOfAll: 1_000_000, maxPendingInputBytes: 100_000 } }, running)
  const [small, greedy] = [await WireClient.session(port), await WireClient.session(port)]
  const length = Buffer.from([0x51, 0x01, 0, 0, 0])
  small.send(length, Buffer.alloc(50_000))
  greedy.send(length, Buffer.alloc(2_000_000))
  expect(await greedy.untilEnd()).toEqual(['ErrorResponse FATAL 53200 out of memory'])
  expect(small.pending).toBe(0)
  await expect.poll(() => server.sessionCount).toBe(1)
  const other = await WireClient.session(port)
  other.send(msg.query(`select 1 ${'x'.repeat(500_000)}`))
  expect((await other.answer()).at(-1)).toBe('ReadyForQuery I')
  small.end()
  other.end()
})
