// Start-up of a connection: versions, encryption requests, parameters, limits, cancel, malformed packets.

import { afterEach, expect, test } from 'vitest'
import { createWireServer, type WireServer, type WireServerOptions } from '../../src/pgwire/server.ts'
import { stubBackend, trust } from '../support/stub-backend.ts'
import { msg, WireClient } from '../support/wire-client.ts'

const servers: WireServer[] = []
const refusals: string[] = []

async function serve(options: Partial<WireServerOptions<string>> = {}): Promise<number> {
  const server = createWireServer({
    backend: stubBackend(),
    authenticator: trust,
    observer: { defect: () => 'id', refused: (error) => refusals.push(error?.code ?? 'none') },
    ...options,
  })
  servers.push(server)
  return (await server.listen({ host: '127.0.0.1', port: 0 })).port
}

afterEach(async () => {
  refusals.length = 0
  await Promise.all(servers.splice(0).map((server) => server.shutdown(0)))
})

test('protocol 3.0: AuthenticationOk, ParameterStatus, a four-byte cancel key, ReadyForQuery', async () => {
  const client = await WireClient.connect(await serve())
  client.send(msg.startup({ user: 'u', database: 'd', extra_float_digits: '2', whatever: 'x' }))
  const answer = await client.answer()
  expect(answer[0]).toBe('AuthenticationOk')
  expect(answer).toContain('ParameterStatus client_encoding=UTF8')
  expect(answer.at(-2)).toBe('BackendKeyData 8')
  expect(answer.at(-1)).toBe('ReadyForQuery I')
  client.end()
})

test('protocol 3.2 gets a cancel key of 32 bytes; a newer one and unknown options are negotiated down', async () => {
  const port = await serve()
  const client = await WireClient.connect(port)
  client.send(msg.startup({ user: 'u' }, 0x30002))
  expect((await client.answer()).at(-2)).toBe('BackendKeyData 36')
  client.end()
  const newer = await WireClient.connect(port)
  newer.send(msg.startup({ user: 'u', '_pq_.grease': '1' }, 0x3270f))
  const answer = await newer.answer()
  expect(answer[0]).toBe('NegotiateProtocolVersion 30002 1 _pq_.grease|')
  expect(answer.at(-2)).toBe('BackendKeyData 36')
  newer.end()
  const option = await WireClient.connect(port)
  option.send(msg.startup({ user: 'u', '_pq_.x': '1' }))
  expect((await option.answer())[0]).toBe('NegotiateProtocolVersion 30000 1 _pq_.x|')
  option.end()
})

test('other major versions are refused', async () => {
  const port = await serve()
  for (const version of [0x20000, 0x40000]) {
    const client = await WireClient.connect(port)
    client.send(msg.startup({ user: 'u' }, version))
    expect(await client.untilEnd()).toEqual([
      `ErrorResponse FATAL 0A000 unsupported frontend protocol ${version >> 16}.0: server supports 3.0 to 3.2`,
    ])
  }
})

test('without TLS, SSLRequest and GSSENCRequest are answered with N, in either order, and the start-up goes on', async () => {
  const client = await WireClient.connect(await serve())
  client.send(msg.gssencRequest())
  expect(await client.byte()).toBe('N')
  client.send(msg.sslRequest())
  expect(await client.byte()).toBe('N')
  client.send(msg.startup({ user: 'u' }))
  expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
  client.end()
})

test('bytes behind an SSLRequest are refused', async () => {
  const client = await WireClient.connect(await serve())
  client.send(msg.sslRequest(), msg.startup({ user: 'u' }))
  expect(await client.untilEnd()).toEqual(['ErrorResponse FATAL 08P01 received unencrypted data after SSL request'])
})

test('a second SSLRequest is no protocol version', async () => {
  const client = await WireClient.connect(await serve())
  client.send(msg.sslRequest())
  expect(await client.byte()).toBe('N')
  client.send(msg.sslRequest())
  expect((await client.untilEnd())[0]).toMatch(/0A000 unsupported frontend protocol 1234.5679/)
})

test.each([
  ['no user', msg.startup({ database: 'd' }), 'FATAL 28000 no PostgreSQL user name specified in startup packet'],
  [
    'no terminator',
    Buffer.from([0, 0, 0, 15, 0, 3, 0, 0, 0x75, 0x73, 0x65, 0x72, 0, 0x75, 0x75]),
    'FATAL 08P01 invalid startup packet layout: expected terminator as last byte',
  ],
  ['replication', msg.startup({ user: 'u', replication: 'database' }), 'FATAL 0A000 replication connections are not supported'],
  ['not UTF-8', msg.startup({ user: 'u' }).fill(0xff, 13, 14), 'FATAL 22021 invalid byte sequence for encoding "UTF8": 0xff'],
])('malformed: %s', async (_name, bytes, error) => {
  const client = await WireClient.connect(await serve())
  client.send(bytes)
  expect(await client.untilEnd()).toEqual([`ErrorResponse ${error}`])
})

test.each([
  ['too long', Buffer.concat([Buffer.from([0, 0, 0x40, 0]), Buffer.alloc(16)])],
  ['too short', Buffer.from([0, 0, 0, 4, 0, 0, 0, 0])],
  ['Terminate', msg.terminate()],
])('no start-up packet: %s: closed without a word', async (_name, bytes) => {
  const client = await WireClient.connect(await serve())
  client.send(bytes)
  expect(await client.untilEnd()).toEqual([])
})

test('a startup packet in single bytes', async () => {
  const client = await WireClient.connect(await serve())
  for (const byte of msg.startup({ user: 'u' })) {
    client.send(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await client.answer()).at(-1)).toBe('ReadyForQuery I')
  client.end()
})

test('more clients than allowed: 53300, and a place is free again when one leaves', async () => {
  const port = await serve({ limits: { maxConnections: 2 } })
  const first = await WireClient.session(port)
  const second = await WireClient.session(port)
  const third = await WireClient.connect(port)
  third.send(msg.startup({ user: 'u' }))
  expect(await third.untilEnd()).toEqual(['ErrorResponse FATAL 53300 sorry, too many clients already'])
  expect(refusals).toEqual(['53300'])
  first.send(msg.terminate())
  expect(await first.untilEnd()).toEqual([])
  const fourth = await WireClient.session(port)
  second.end()
  fourth.end()
})

test('the start-up deadline ends a silent client, and one that dawdles in its login is told', async () => {
  const never = { begin: () => ({ next: () => ({ kind: 'cleartext' as const }) }) }
  const port = await serve({ limits: { startupTimeoutMs: 50 }, authenticator: never })
  const silent = await WireClient.connect(port)
  expect(await silent.untilEnd()).toEqual([])
  const dawdler = await WireClient.connect(port)
  dawdler.send(msg.startup({ user: 'u' }))
  expect(await dawdler.untilEnd()).toEqual(['Authentication 3 ', 'ErrorResponse FATAL 57014 canceling authentication due to timeout'])
})

test('an authenticator that answers later, and one that refuses', async () => {
  const later = {
    begin: () => ({
      async next(response: unknown) {
        await new Promise((resolve) => setTimeout(resolve, 5))
        if (response === null) return { kind: 'cleartext' as const }
        return { kind: 'ok' as const, finalData: null, identity: 'u' }
      },
    }),
  }
  const port = await serve({ authenticator: later, backend: stubBackend({ later: true }) })
  const client = await WireClient.connect(port)
  client.send(msg.startup({ user: 'u' }))
  expect((await client.until('R'))[0]!.body.readInt32BE(0)).toBe(3)
  client.send(msg.password('secret'), msg.query('select 1'))
  expect((await client.answer(2)).slice(-4)).toEqual([
    'RowDescription abalance:23:0',
    'DataRow "1"',
    'CommandComplete SELECT 1',
    'ReadyForQuery I',
  ])
  client.end()
  const wrong = await WireClient.connect(port)
  wrong.send(msg.startup({ user: 'u' }))
  await wrong.until('R')
  wrong.send(msg.query('select 1'))
  expect(await wrong.untilEnd()).toEqual(['ErrorResponse FATAL 08P01 expected password response, got message type 81'])
})

test('a client that leaves during its login leaves nothing behind', async () => {
  const never = { begin: () => ({ next: () => ({ kind: 'cleartext' as const }) }) }
  const port = await serve({ authenticator: never })
  const client = await WireClient.connect(port)
  client.send(msg.startup({ user: 'u' }))
  await client.until('R')
  expect(servers[0]!.sessionCount).toBe(1)
  client.end()
  await expect.poll(() => servers[0]!.sessionCount).toBe(0)
})

test.each([0x30000, 0x30002])('CancelRequest ends the running statement of its session and of no other (%i)', async (version) => {
  const port = await serve()
  const start = async () => {
    const client = await WireClient.connect(port)
    client.send(msg.startup({ user: 'u' }, version))
    const key = (await client.until('Z')).find((message) => message.type === 'K')!.body
    return { client, pid: key.readInt32BE(0), secret: key.subarray(4) }
  }
  const a = await start()
  const b = await start()
  a.client.send(msg.query('sleep'))
  b.client.send(msg.query('sleep'))
  const cancel = async (pid: number, secret: Buffer) => {
    const client = await WireClient.connect(port)
    client.send(msg.cancelRequest(pid, secret))
    expect(await client.untilEnd()).toEqual([])
  }
  await cancel(a.pid, Buffer.alloc(a.secret.length, 1))
  await cancel(a.pid, a.secret.subarray(0, 3))
  await cancel(a.pid + 100, a.secret)
  await cancel(a.pid, b.secret)
  expect(a.client.pending).toBe(0)
  await cancel(a.pid, a.secret)
  expect(await a.client.answer()).toEqual(['ErrorResponse ERROR 57014 canceling statement due to user request', 'ReadyForQuery I'])
  expect(b.client.pending).toBe(0)
  // Between statements a cancel does nothing.
  await cancel(a.pid, a.secret)
  a.client.send(msg.query('select 1'))
  expect((await a.client.answer()).at(-2)).toBe('CommandComplete SELECT 1')
  await cancel(b.pid, b.secret)
  await b.client.answer()
  a.client.end()
  b.client.end()
})

test('shutdown ends idle sessions with 57P01, lets a running statement finish in its grace, refuses new ones', async () => {
  const port = await serve()
  const idle = await WireClient.session(port)
  const running = await WireClient.session(port)
  running.send(msg.query('sleep'))
  await new Promise((resolve) => setTimeout(resolve, 20))
  const done = servers[0]!.shutdown(200)
  expect(await idle.untilEnd()).toEqual(['ErrorResponse FATAL 57P01 terminating connection due to administrator command'])
  expect(await running.untilEnd()).toEqual(['ErrorResponse FATAL 57P01 terminating connection due to administrator command'])
  await done
  expect(servers[0]!.sessionCount).toBe(0)
  await expect(WireClient.connect(port)).rejects.toThrow()
  servers.length = 0
})
