// Transactions that are large: over many requests and regions, while regions split under them; and the bounds of what is held in memory. LONG=1 writes a
// million keys and looks at the heap.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import { TIKV_CAPABILITIES } from '../../src/storage/tikv/store.ts'
import { TikvTransaction } from '../../src/storage/tikv/transaction.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { encodeKey } from '../fake-tikv/keys.ts'
import { failure, key, wholeTable } from '../kv/conformance.ts'

const capability = new Capability(keyspaceId(1))
const nameOf = (i: number): string => String(i).padStart(8, '0')
let fake: Fake
let engine: Engine
beforeEach(async () => {
  fake = await startFake({ stores: 3, keyspaces: ['one'], pdPort: 0, seed: 1 })
  engine = new Engine({ pdEndpoints: [fake.pdAddress], maxTransactionBytes: 400 * 1024 * 1024, maxBufferedBytes: 500 * 1024 * 1024 })
  await engine.start()
})
afterEach(async () => {
  await engine.close()
  await fake.close()
})

const begin = (of: Engine, autocommit = false): TikvTransaction =>
  new TikvTransaction(of, capability, TIKV_CAPABILITIES, { isolation: 'repeatable read', autocommit })

async function count(): Promise<number> {
  const txn = begin(engine)
  const scanner = txn.scan(wholeTable, { keysOnly: true })
  let rows = 0
  for (let batch = await scanner.next(); batch !== null; batch = await scanner.next()) rows += batch.count
  await txn.rollback()
  return rows
}

test.each([
  ['in a block, its keys locked', false],
  ['that commits itself', true],
])('12 MB over five regions that split meanwhile, %s', { timeout: 120_000 }, async (_, autocommit) => {
  const ROWS = 12_000
  const value = Buffer.alloc(1000, 'v')
  const split = (i: number): void => {
    const at = encodeKey(`x\0\0\u0001t${nameOf(i)}`)
    fake.cluster.split(fake.cluster.regions.find(at), [at])
  }
  for (let i = 1; i < 5; i++) split(i * (ROWS / 5))
  const txn = begin(engine, autocommit)
  const keys = Array.from({ length: ROWS }, (__, i) => key(nameOf(i)))
  if (!autocommit) await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: 0 })
  for (const one of keys) await txn.put(one, value)
  // the first request of the commit finds the regions as they were
  for (let i = 0; i < 5; i++) split(i * (ROWS / 5) + 700)
  await txn.commit()
  expect(engine.bufferedBytes).toBe(0)
  expect(await count()).toBe(ROWS)
  await engine.close()
  expect([...fake.cluster.mvcc.locked()]).toEqual([])
})

test('the bound of one transaction and that of all; what was rolled back counts no more', async () => {
  const small = new Engine({ pdEndpoints: [fake.pdAddress], maxTransactionBytes: 1024 * 1024, maxBufferedBytes: 1536 * 1024 })
  await small.start()
  const fill = async (txn: TikvTransaction, rows: number): Promise<void> => {
    for (let i = 0; i < rows; i++) await txn.put(key(nameOf(i)), Buffer.alloc(10_000))
  }
  const one = begin(small)
  const savepoint = one.savepoint()
  await fill(one, 100)
  const other = begin(small)
  const error = await failure(() => fill(other, 110))
  await other.rollback()
  expect([error.kind, error.message]).toEqual([
    'transactionTooLarge',
    'the transactions of this process hold 1572864 bytes of writes already',
  ])
  await one.rollbackTo(savepoint)
  await fill(one, 100)
  expect((await failure(() => fill(one, 110))).message).toBe('a transaction can hold 1048576 bytes of writes on TiKV')
  await one.rollback()
  const again = begin(small, true)
  await fill(again, 100)
  await again.commit()
  expect(await count()).toBe(100)
  await small.close()
})

test.runIf(process.env['LONG'] === '1')('a million keys', { timeout: 900_000 }, async () => {
  const ROWS = 1_000_000
  const before = process.memoryUsage().rss
  const txn = begin(engine, true)
  for (let i = 0; i < ROWS; i++) await txn.put(key(nameOf(i)), Buffer.from(`value ${i}`))
  const held = engine.bufferedBytes
  await txn.commit()
  expect(await count()).toBe(ROWS)
  console.log(
    `a million keys: ${held} bytes counted; resident ${process.memoryUsage().rss - before} more, the fake cluster's copy among them`,
  )
})
