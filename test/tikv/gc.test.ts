// Garbage collection on the fake cluster, whose versions really go: what running transactions need stays, what fell behind fails with a clear error,
// and no lock of whatever kind loses its value.

import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Backoff } from '../../src/storage/tikv/backoff.ts'
import { TIKV_CAPABILITIES } from '../../src/storage/tikv/capabilities.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { PdDirectory } from '../../src/storage/tikv/directory.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import { GcWorker } from '../../src/storage/tikv/gc-worker.ts'
import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { SafePointOptions } from '../../src/storage/tikv/safe-points.ts'
import { TikvTransaction } from '../../src/storage/tikv/transaction.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { failure, key, wholeTable } from '../kv/conformance.ts'
import { type LockKind, leaveLocks } from './leave-locks.ts'

const SAFE_POINTS: SafePointOptions = { pollMs: 20, trustMs: 150, maxHoldMs: 60_000 }
const LIFE_MS = 300

let fake: Fake
const engines: Engine[] = []
beforeEach(async () => {
  fake = await startFake({ stores: 2, keyspaces: ['system', 'one', 'two'], pdPort: 0, seed: 1 })
})
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close()
  await fake.close()
})

async function node(safePoints = SAFE_POINTS) {
  const engine = new Engine({ pdEndpoints: [fake.pdAddress], safePoints })
  engines.push(engine)
  await engine.start()
  const directory = new PdDirectory(engine)
  const capabilities = new Map<string, Capability>()
  for (const { id, name } of await directory.list()) capabilities.set(name, new Capability(id))
  const begin = (keyspace: string, autocommit = false) =>
    new TikvTransaction(engine, capabilities.get(keyspace)!, TIKV_CAPABILITIES, { isolation: 'repeatable read', autocommit })
  return {
    engine,
    begin,
    capability: (keyspace: string) => capabilities.get(keyspace)!,
    async put(keyspace: string, name: string, value: string | null) {
      const txn = begin(keyspace, true)
      if (value === null) await txn.delete(key(name))
      else await txn.put(key(name), Buffer.from(value))
      await txn.commit()
    },
    async get(keyspace: string, name: string) {
      const txn = begin(keyspace)
      const value = await txn.get(key(name))
      await txn.rollback()
      return value?.toString() ?? null
    },
    worker: (lifeTimeMs = LIFE_MS) =>
      new GcWorker(engine, directory, TIKV_CAPABILITIES, { keyspace: 'system', lifeTimeMs, intervalMs: 1_000_000 }),
  }
}

/** One whole collection, of everything older than the life time. */
async function collect(worker: GcWorker): Promise<void> {
  await pause(LIFE_MS + 20)
  expect(await worker.step()).toBe('announced')
  const announcedAt = performance.now()
  for (let step = await worker.step(); step !== 'applied'; step = await worker.step()) {
    expect(step).toBe('waiting')
    await pause(5)
  }
  expect(performance.now() - announcedAt).toBeGreaterThan(SAFE_POINTS.trustMs)
}

/** All but those of keyspace system (id 1), where the election is. */
const versions = (): number => [...fake.cluster.mvcc.ascending('x\0\0\u0002', '')].reduce((sum, { writes }) => sum + writes.length, 0)

test('old versions go, the newest stay', async () => {
  const one = await node()
  for (let i = 0; i < 20; i++) await one.put('one', 'a', String(i))
  await one.put('two', 'gone', 'x')
  await one.put('two', 'gone', null)
  expect(versions()).toBeGreaterThanOrEqual(22)
  const worker = one.worker()
  await collect(worker)
  worker.close()
  expect(await one.get('one', 'a')).toBe('19')
  expect(await one.get('two', 'gone')).toBeNull()
  expect(versions()).toBe(1)
})

test('a running transaction holds its versions, in whichever process it runs', async () => {
  const [one, two] = [await node(), await node()]
  await one.put('one', 'a', 'old')
  const reader = two.begin('one')
  expect((await reader.get(key('a')))?.toString()).toBe('old')
  await one.put('one', 'a', 'new')
  const worker = one.worker()
  // told to PD by the time it is asked; collection goes as far as that lets it
  await collect(worker)
  expect((await reader.get(key('a')))?.toString()).toBe('old')
  await reader.put(key('b'), Buffer.from('written late'))
  await reader.lockKeys([key('b')], { mode: 'exclusive', wait: 'block', timeoutMs: 1000 })
  await reader.commit()
  // the next poll takes the safe point back
  await pause(3 * SAFE_POINTS.pollMs)
  await collect(worker)
  worker.close()
  expect(await one.get('one', 'a')).toBe('new')
  expect(await one.get('one', 'b')).toBe('written late')
})

test('a snapshot that fell behind fails; it never misses a row', async () => {
  const one = await node()
  const two = await node({ ...SAFE_POINTS, maxHoldMs: 1 })
  for (let i = 0; i < 10; i++) await one.put('one', `k${i}`, 'old')
  const readers = Array.from({ length: 4 }, () => two.begin('one'))
  for (const reader of readers) expect((await reader.get(key('k0')))?.toString()).toBe('old')
  for (let i = 0; i < 10; i++) await one.put('one', `k${i}`, 'new')
  const worker = one.worker()
  await collect(worker)
  worker.close()
  // the versions are gone from the stores
  expect((await failure(() => readers[0]!.get(key('k1')))).kind).toBe('snapshotTooOld')
  expect((await failure(() => readers[1]!.batchGet([key('k1'), key('k2')]))).kind).toBe('snapshotTooOld')
  expect((await failure(() => readers[2]!.scan(wholeTable).next())).kind).toBe('snapshotTooOld')
  await readers[3]!.lockKeys([key('other')], { mode: 'exclusive', wait: 'block', timeoutMs: 1000 })
  await readers[3]!.put(key('other'), Buffer.from('x'))
  expect((await failure(() => readers[3]!.commit())).kind).toBe('snapshotTooOld')
  for (const reader of readers) await reader.rollback()
  expect(await two.get('one', 'k1')).toBe('new')
  expect(await two.get('one', 'other')).toBeNull()
})

test('locks of every kind are settled first', async () => {
  const one = await node()
  const leave = (keyspace: string, kind: LockKind, ...names: string[]): Promise<void> =>
    leaveLocks(one.engine, one.capability(keyspace), kind, names.map(key), Buffer.from('committed'), 3_600_000n)
  await leave('one', 'primary', 'a1', 'a2', 'a3')
  await leave('two', 'async', 'b1', 'b2')
  await leave('two', 'optimistic', 'c1', 'c2')
  await leave('two', 'pessimistic', 'd1', 'd2')
  expect([...fake.cluster.mvcc.locked()].length).toBe(8)
  const worker = one.worker()
  await collect(worker)
  worker.close()
  expect([...fake.cluster.mvcc.locked()].map(({ key: at }) => at)).toEqual([])
  for (const name of ['a1', 'a2', 'a3']) expect(await one.get('one', name), name).toBe('committed')
  for (const name of ['b1', 'b2']) expect(await one.get('two', name), name).toBe('committed')
  for (const name of ['c1', 'c2', 'd1', 'd2']) expect(await one.get('two', name), name).toBeNull()
})

test('one process does it, and none where a TiDB runs', async () => {
  const workers = [await node(), await node(), await node()].map((one) => one.worker())
  await pause(LIFE_MS + 20)
  const steps = []
  for (const worker of workers) steps.push(await worker.step())
  expect(steps.sort()).toEqual(['announced', 'not mine', 'not mine'])
  fake.pd.etcd.set('/tidb/server/info/6d7f', '{"version":"8.0.11-TiDB-v8.5.7"}')
  for (const worker of workers) expect(await worker.step()).toBe('not mine')
  fake.pd.etcd.clear()
  for (const worker of workers) worker.close()
})

test('another driver that is ahead is not run over', async () => {
  const one = await node()
  const worker = one.worker(60_000)
  const ahead = (await one.engine.oracle.next()) - (1000n << 18n)
  fake.pd.gc.updateService('gc_worker', 2n ** 63n - 1n, ahead)
  fake.pd.gc.updateGc(fake.pd.gc.global, ahead)
  expect(await worker.step()).toBe('waiting')
  worker.close()
  expect(fake.pd.gc.global.gcSafePoint).toBe(ahead)
})

test('a lock that nobody can settle stops the collection, which says where it is', async () => {
  const { engine, capability, worker } = await node()
  const one = capability('one')
  const [primary, secondary] = [one.key(key('p')), one.key(key('s'))]
  const startTs = await engine.oracle.next()
  const send = { backoff: new Backoff(1000) }
  const commitTs = await engine.oracle.next()
  // No client lets a secondary key ask for a later commit than its primary gets.
  const laterTs = await engine.oracle.next()
  for (const [locked, min_commit_ts] of [
    [primary, startTs + 1n],
    [secondary, laterTs],
  ] as const) {
    const mutations = [{ op: Op.Put, key: locked, value: Buffer.from('v') }]
    const request = { mutations, primary_lock: primary, start_version: startTs, lock_ttl: 1n, min_commit_ts }
    expect((await engine.router.sendTo(one, 'KvPrewrite', locked, request, send)).errors).toEqual([])
  }
  const commit = { start_version: startTs, keys: [primary], commit_version: commitTs, primary_key: primary }
  expect((await engine.router.sendTo(one, 'KvCommit', primary, commit, send)).error).toBeUndefined()
  await expect(collect(worker())).rejects.toThrow(`ResolveLock failed: commit_ts_expired in keyspace ${one.id}`)
})
