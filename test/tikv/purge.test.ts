// A purge is not outlived by what another process, stalled or cut off meanwhile, still had to write: whatever it sends afterwards, and whatever of it
// arrives late, nothing is committed in the erased keyspace.

import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { KeyspaceMeta, Store, Transaction } from '../../src/storage/store.ts'
import { openTikvStore } from '../../src/storage/tikv/store.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { startStopwatch } from '../support/stalls.ts'
import { openProxy } from './proxies.ts'

const ALIVE = Buffer.from('m-alive')
/** Longer than a purge takes. */
const LATE_MS = 7000

let fake: Fake
let one: Store
let two: Store
beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  one = await openTikvStore({ pdEndpoints: [fake.pdAddress], aliveKey: ALIVE })
  two = await openTikvStore({ pdEndpoints: [fake.pdAddress], aliveKey: ALIVE })
})
afterAll(async () => {
  await one.close()
  await two.close()
  await fake.close()
})

async function purge({ id }: KeyspaceMeta): Promise<number> {
  await one.keyspaces.setState(id, 'disabled')
  await one.keyspaces.setState(id, 'archived')
  return (await one.keyspaces.purge(id)).keysErased
}

/** Every key that a reader finds. */
async function keysIn({ id }: KeyspaceMeta): Promise<string[]> {
  const proxy = await openProxy(fake, id)
  const txn = proxy.begin({ isolation: 'read committed', readOnly: true })
  const scanner = txn.scan({ start: Buffer.from([0]), end: Buffer.from([255]) })
  const keys: string[] = []
  for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) {
    for (let i = 0; i < batch.count; i++) keys.push(batch.data.latin1Slice(batch.bounds[4 * i]!, batch.bounds[4 * i + 1]!))
  }
  scanner.close()
  await txn.rollback()
  await proxy.close()
  return keys
}

async function write(txn: Transaction, keys: readonly string[], locks: boolean): Promise<void> {
  const bytes = keys.map((key) => Buffer.from(key))
  if (locks) await txn.lockKeys(bytes, { mode: 'exclusive', wait: 'block', timeoutMs: 0 })
  for (const key of bytes) await txn.put(key, Buffer.from('late'))
}

const many = Array.from({ length: 300 }, (_, i) => `k${String(i).padStart(4, '0')}`)
const FORMS: { name: string; keys: readonly string[]; autocommit: boolean }[] = [
  { name: 'a statement of its own', keys: ['a'], autocommit: true },
  { name: 'a transaction of several statements', keys: ['a', 'b'], autocommit: false },
  { name: 'one in two phases', keys: many, autocommit: false },
]
let count = 0

test.each(FORMS)('$name that a stalled process had not committed yet', { timeout: 60_000 }, async ({ keys, autocommit }) => {
  const meta = await one.keyspaces.create(`stalled-${++count}`)
  const keyspace = await two.open(meta)
  const first = keyspace.begin({ isolation: 'read committed', autocommit: true })
  await first.put(ALIVE, Buffer.from('1'))
  await first.commit()
  const txn = keyspace.begin({ isolation: 'read committed', autocommit })
  await write(txn, keys, !autocommit)
  expect(await purge(meta)).toBe(0)
  await expect(async () => txn.commit()).rejects.toMatchObject({ kind: 'keyspaceUnavailable' })
  expect(await keysIn(meta)).toEqual([])
})

test.each(FORMS)('$name whose prewrite arrives late', { timeout: 60_000 }, async ({ keys, autocommit }) => {
  const meta = await one.keyspaces.create(`late-${++count}`)
  const keyspace = await two.open(meta)
  const txn = keyspace.begin({ isolation: 'read committed', autocommit })
  await write(txn, keys, !autocommit)
  fake.faults.add({ cmd: 'KvPrewrite', action: 'delay', ms: LATE_MS, n: 1 })
  const committing = Promise.resolve(txn.commit()).then(
    () => 'committed',
    (error: { kind: string }) => error.kind,
  )
  await pause(100)
  const watch = startStopwatch()
  await purge(meta)
  expect(watch.elapsed()).toBeLessThan(LATE_MS - 500)
  expect(await committing).not.toBe('committed')
  expect(await keysIn(meta)).toEqual([])
})

test('a commit that arrives late', { timeout: 60_000 }, async () => {
  const meta = await one.keyspaces.create(`late-${++count}`)
  const keyspace = await two.open(meta)
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32BE(0x78000000 + meta.id)
  await fetch(`${fake.controlUrl}/split?key=${Buffer.concat([prefix, Buffer.from('k0150')]).toString('hex')}`, { method: 'POST' })
  const txn = keyspace.begin({ isolation: 'read committed' })
  await write(txn, many, true)
  fake.faults.add({ cmd: 'KvCommit', action: 'delay', ms: LATE_MS, n: 1 })
  const committing = Promise.resolve(txn.commit()).then(
    () => 'committed',
    (error: { kind: string }) => error.kind,
  )
  await pause(300)
  await purge(meta)
  expect(await committing).not.toBe('committed')
  expect(await keysIn(meta)).toEqual([])
})

test('commits that go on for longer than a lease keep it', { timeout: 60_000 }, async () => {
  const meta = await one.keyspaces.create(`slow-${++count}`)
  const keyspace = await two.open(meta)
  const txn = keyspace.begin({ isolation: 'read committed' })
  await write(txn, many, true)
  fake.faults.add({ cmd: 'KvPrewrite', action: 'delay', ms: 4000, n: 1 })
  await txn.commit()
  expect(await keysIn(meta)).toEqual(many)
})
