// Random bytes, broken and cut messages, at any point of a connection: the server answers PostgreSQL messages or closes, counts back to zero, and
// serves its neighbour. The seed is printed on failure.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { WireServer } from '../../src/pgwire/server.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { frame, msg, WireClient } from '../support/wire-client.ts'
import { type StubServer, startStub } from '../support/wire-server.ts'

const running: WireServer[] = []
let stub: StubServer
beforeAll(async () => {
  stub = await startStub({ limits: { startupTimeoutMs: 300, lingerMs: 200 } }, running)
})
afterAll(() => Promise.all(running.map((server) => server.shutdown(0))))

const seed = testSeed('SEED')
const rounds = Number(process.env['ROUNDS'] ?? 300)

const WELL_FORMED = [
  msg.query('select 1; notice'),
  msg.query('rows 100'),
  msg.query('error'),
  msg.parse('s', 'echo', [25, 25]),
  msg.bind('', 's', ['a', null]),
  msg.describe('S', 's'),
  msg.describe('P', ''),
  msg.execute('', 1),
  msg.close('S', 's'),
  msg.flush(),
  msg.sync(),
  msg.query('copyin'),
  msg.copyData('abc'),
  msg.copyDone(),
  msg.copyFail('no'),
  msg.query('copyout 10'),
  msg.functionCall(),
]
const TYPES = 'BCDEFHPQSXcdfp'

test(`noise (SEED=${seed})`, async () => {
  const random = randomFrom(seed).below
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))
  const piece = (): Buffer => {
    const whole = WELL_FORMED[random(WELL_FORMED.length)]!
    switch (random(6)) {
      case 0: {
        const flipped = Buffer.from(whole)
        flipped[random(flipped.length)] = random(256)
        return flipped
      }
      case 1:
        return whole.subarray(0, random(whole.length))
      case 2:
        return frame(TYPES[random(TYPES.length)]!, bytes(random(20)))
      case 3:
        return random(10) === 0 ? bytes(random(40)) : whole
      default:
        return whole
    }
  }
  const neighbour = await WireClient.session(stub.port)
  for (let round = 0; round < rounds; round++) {
    const client = await WireClient.connect(stub.port)
    if (random(8) === 0) client.send(bytes(1 + random(60)))
    else {
      const startup = msg.startup({ user: 'u' })
      if (random(8) === 0) startup[random(startup.length)] = random(256)
      client.send(startup, ...Array.from({ length: random(12) }, piece))
    }
    if (random(2) === 0) client.socket.end()
    await new Promise((resolve) => setTimeout(resolve, random(4)))
    client.end()
  }
  neighbour.send(msg.query('select 1'))
  expect((await neighbour.answer()).at(-1)).toBe('ReadyForQuery I')
  neighbour.end()
  await expect.poll(() => stub.server.sessionCount).toBe(0)
  expect(stub.sessions.every((session) => session.closed)).toBe(true)
  expect(stub.defects).toEqual([])
})
