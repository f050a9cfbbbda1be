// Who answers reads: with `replicaRead: 'follower'` the followers, as fresh as the leader; otherwise the leader, unless its store has too much to do.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import type { ReplicaRead } from '../../src/storage/tikv/replicas.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { drain, key, wholeTable } from '../kv/conformance.ts'
import { leaveLocks } from './leave-locks.ts'
import { openProxy, type TestProxy } from './proxies.ts'

const READS = ['KvGet', 'KvBatchGet', 'KvScan']
const FOREVER = 1_000_000
const LEADER = 1n

let fake: Fake
let proxies: TestProxy[]
beforeEach(async () => {
  fake = await startFake({ stores: 3, keyspaces: ['one'], pdPort: 0, seed: 1 })
  proxies = []
  const writer = await open('leader')
  const txn = writer.begin({ isolation: 'read committed', autocommit: true })
  for (const name of ['a', 'b', 'z']) await txn.put(key(name), Buffer.from('0'))
  await txn.commit()
  for (const region of fake.cluster.regions.all()) fake.cluster.setLeader(region, LEADER)
})
afterEach(async () => {
  for (const proxy of proxies) await proxy.close()
  await fake.close()
})

async function open(replicaRead: ReplicaRead): Promise<TestProxy> {
  const proxy = await openProxy(fake, keyspaceId(1), { replicaRead })
  proxies.push(proxy)
  return proxy
}

/** Reads that came to the store. */
function readsOf(store: bigint): number {
  const counts = fake.faults.countsOf(store)
  return READS.reduce((sum, cmd) => sum + (counts[cmd] ?? 0), 0)
}

/** Every read that comes to the store fails. */
function refuse(store: bigint, error: object): void {
  for (const cmd of READS) fake.faults.add({ cmd, store, action: 'region-error', n: FOREVER, error })
}

async function readAll(proxy: TestProxy): Promise<string[]> {
  const latest = await proxy.begin({ isolation: 'read committed', latest: true }).get(key('a'))
  const txn = proxy.begin({ isolation: 'repeatable read', readOnly: true })
  const some = await txn.batchGet([key('b'), key('z')])
  const all = await drain(txn, wholeTable)
  await txn.rollback()
  return [latest, ...some].map(String).concat(String(all.length))
}

async function write(proxy: TestProxy, name: string, value: string): Promise<void> {
  const txn = proxy.begin({ isolation: 'read committed', autocommit: true })
  await txn.put(key(name), Buffer.from(value))
  await txn.commit()
}

test('followers answer in turn, and what was committed a moment ago', async () => {
  const proxy = await open('follower')
  const byLeader = readsOf(LEADER)
  for (let n = 1; n <= 20; n++) {
    await write(proxy, 'a', String(n))
    expect(await readAll(proxy)).toEqual([String(n), '0', '0', '3'])
  }
  expect(readsOf(LEADER)).toBe(byLeader)
  for (const store of [2n, 3n]) expect(readsOf(store)).toBeGreaterThan(15)
})

test('by default the leader answers', async () => {
  const proxy = await open('leader')
  expect(await readAll(proxy)).toEqual(['0', '0', '0', '3'])
  for (const store of [2n, 3n]) expect(readsOf(store)).toBe(0)
})

test('where a follower cannot, the leader answers at once', async () => {
  const proxy = await open('follower')
  for (const error of [
    { not_leader: {} },
    { read_index_not_ready: {} },
    { region_not_found: {} },
    { epoch_not_match: {} },
    { store_not_match: {} },
  ]) {
    for (const store of [2n, 3n]) refuse(store, { message: 'planted', ...error })
    expect(await readAll(proxy), JSON.stringify(error)).toEqual(['0', '0', '0', '3'])
    fake.faults.reset()
  }
})

test('followers that died', async () => {
  const proxy = await open('follower')
  await readAll(proxy)
  await fake.killStore(2n)
  await fake.killStore(3n)
  for (let n = 0; n < 50; n++) expect(await readAll(proxy)).toEqual(['0', '0', '0', '3'])
})

test('a lock that a follower meets is passed by with the leader’s help', async () => {
  const engine = new Engine({ pdEndpoints: [fake.pdAddress] })
  await engine.start()
  await leaveLocks(engine, new Capability(keyspaceId(1)), 'primary', [key('a'), key('b'), key('z')], Buffer.from('1'))
  await engine.close()
  const proxy = await open('follower')
  const byLeader = readsOf(LEADER)
  expect(await readAll(proxy)).toEqual(['1', '1', '1', '3'])
  expect(readsOf(LEADER)).toBe(byLeader + 1)
})

test('reads go to followers while the leader has too much to do; writes wait for it', async () => {
  const proxy = await open('leader')
  await readAll(proxy)
  refuse(LEADER, { message: 'planted', server_is_busy: { reason: 'planted', backoff_ms: 60_000 } })
  const byLeader = readsOf(LEADER)
  for (let n = 0; n < 20; n++) expect(await readAll(proxy)).toEqual(['0', '0', '0', '3'])
  // told once, believed for as long as it said
  expect(readsOf(LEADER) - byLeader).toBeLessThan(3)
  await write(proxy, 'b', '1')
  expect(await readAll(proxy)).toEqual(['0', '1', '0', '3'])
})

test('a store that leads no more, and says it is busy for ever, is found out', async () => {
  const proxy = await open('leader')
  await readAll(proxy)
  for (const region of fake.cluster.regions.all()) fake.cluster.setLeader(region, 2n)
  fake.faults.add({
    cmd: 'KvPrewrite',
    store: LEADER,
    action: 'region-error',
    n: FOREVER,
    error: { server_is_busy: { reason: 'planted' } },
  })
  await write(proxy, 'a', '1')
})
