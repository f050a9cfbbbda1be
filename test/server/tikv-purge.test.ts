// PURGE TENANT while a node with sessions of the tenant stalls: what those sessions commit when it goes on is refused, and the keyspace stays empty.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { type ServerProcess, startServerProcess } from '../support/server-process.ts'
import { openProxy } from '../tikv/proxies.ts'

let fake: Fake
let one: TestServer
let stalling: ServerProcess

beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await startTestServer({ PD_ENDPOINTS: fake.pdAddress })
  stalling = await startServerProcess({ PD_ENDPOINTS: fake.pdAddress })
}, 180_000)
afterAll(async () => {
  stalling.stop()
  await one.stop()
  await fake.close()
})

test('a stalled node writes nothing into what was purged meanwhile', { timeout: 90_000 }, async () => {
  const operator = await one.connect('system.admin')
  const [session, other, sequence] = [
    await stalling.connect('doomed.admin'),
    await stalling.connect('doomed.admin'),
    await stalling.connect('doomed.admin'),
  ]
  await session.query('CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE s; INSERT INTO t VALUES (1)')
  await session.query('BEGIN; INSERT INTO t VALUES (2)')
  const keyspace = fake.pd.keyspaces.byName('doomed')!.id
  stalling.signal('SIGSTOP')
  // Sent now, read when the node goes on, before it can have heard of anything.
  const late = [session.query('COMMIT'), other.query('INSERT INTO t VALUES (3)'), sequence.query("SELECT nextval('s')")].map((done) =>
    done.then(
      () => 'done',
      () => 'refused',
    ),
  )
  await operator.query('DROP TENANT doomed')
  await operator.query('PURGE TENANT doomed CONFIRM')
  stalling.signal('SIGCONT')
  expect(await Promise.all(late)).toEqual(['refused', 'refused', 'refused'])
  await new Promise((resolve) => setTimeout(resolve, 1500))
  const proxy = await openProxy(fake, keyspace as Parameters<typeof openProxy>[1])
  const txn = proxy.begin({ isolation: 'read committed', readOnly: true })
  const scanner = txn.scan({ start: Buffer.from([0]), end: Buffer.from([255]) })
  expect(await scanner.next()).toBeNull()
  scanner.close()
  await txn.rollback()
  await proxy.close()
})
