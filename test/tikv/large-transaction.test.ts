// Transactions that are large: over many requests and regions, while regions split under them; and the bounds of what is held in memory. LONG=1 writes
// three million keys.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import { TIKV_CAPABILITIES } from '../../src/storage/tikv/capabilities.ts'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
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
  expect(await count()).toBe(ROWS)
  await engine.close()
  expect(engine.bufferedBytes).toBe(0)
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

describe('beyond memory', () => {
  const ROWS = 20_000
  const SPILL_AT = 128 * 1024
  let small: Engine
  beforeEach(async () => {
    small = new Engine({ pdEndpoints: [fake.pdAddress], spillAt: SPILL_AT, maxInsertLocks: 1000 })
    await small.start()
    const at = encodeKey(`x\0\0\u0001t${nameOf(ROWS / 2)}`)
    fake.cluster.split(fake.cluster.regions.find(at), [at])
  })
  afterEach(() => small.close())

  async function fill(txn: TikvTransaction, from: number, to: number, value: string): Promise<void> {
    for (let i = from; i < to; i += 100) {
      const keys = Array.from({ length: 100 }, (_, n) => key(nameOf(i + n)))
      const values = keys.map(() => Buffer.from(value))
      await txn.insertMany(keys, values)
      expect(small.bufferedBytes).toBeLessThan(4 * SPILL_AT)
    }
  }
  const stored = async (i: number): Promise<string | undefined> => {
    const txn = begin(engine)
    const value = await txn.get(key(nameOf(i)))
    await txn.rollback()
    return value?.toString()
  }

  test.each([true, false])('writes wait in files; what was rolled back is not written (commits itself: %s)', async (autocommit) => {
    const txn = begin(small, autocommit)
    await fill(txn, 0, ROWS / 2, 'kept')
    const savepoint = txn.savepoint()
    for (let i = 0; i < ROWS / 2; i += 3) await txn.delete(key(nameOf(i)))
    await fill(txn, ROWS / 2, ROWS, 'gone')
    await txn.rollbackTo(savepoint)
    expect(await txn.get(key(nameOf(ROWS - 1)))).toBe(null)
    await fill(txn, ROWS / 2, ROWS, 'again')
    await txn.delete(key(nameOf(1)))
    await txn.commit()
    expect(await count()).toBe(ROWS - 1)
    expect([await stored(0), await stored(1), await stored(3), await stored(ROWS - 1)]).toEqual(['kept', undefined, 'kept', 'again'])
    await small.close()
    expect(small.bufferedBytes).toBe(0)
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
  })

  test('a conflict found by the last of many requests leaves nothing', async () => {
    const txn = begin(small, true)
    await fill(txn, 0, ROWS, 'mine')
    const other = begin(engine, true)
    await other.put(key(nameOf(ROWS - 1)), Buffer.from('theirs'))
    await other.commit()
    expect((await failure(() => Promise.resolve(txn.commit()))).kind).toBe('alreadyExists')
    expect(await count()).toBe(1)
    await small.close()
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
  })

  test('keys inserted without locks: those there are seen at once, those that came meanwhile by the commit', async () => {
    const other = begin(engine, true)
    await other.put(key(nameOf(5000)), Buffer.from('there'))
    await other.commit()
    const txn = begin(small)
    await fill(txn, 0, 2000, 'mine')
    expect((await failure(() => txn.insert(key(nameOf(5000)), Buffer.from('mine')))).kind).toBe('alreadyExists')
    expect((await failure(() => txn.insert(key(nameOf(1500)), Buffer.from('twice')))).kind).toBe('alreadyExists')
    const later = begin(engine, true)
    await later.put(key(nameOf(1500)), Buffer.from('theirs'))
    await later.commit()
    expect((await failure(() => Promise.resolve(txn.commit()))).kind).toBe('writeConflict')
    expect([await stored(0), await stored(1500), await count()]).toEqual([undefined, 'theirs', 2])
    await small.close()
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
  })

  test('an answer that is lost at the very end is asked for', async () => {
    const txn = begin(small, true)
    await fill(txn, 0, ROWS, 'mine')
    fake.faults.add({ cmd: 'KvCommit', n: 1, action: 'drop-response' })
    await txn.commit()
    expect(await count()).toBe(ROWS)
    await small.close()
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
  })
})

test.runIf(process.env['LONG'] === '1')('three million keys', { timeout: 1_800_000 }, async () => {
  const ROWS = 3_000_000
  const txn = begin(engine, true)
  let most = 0
  for (let i = 0; i < ROWS; i++) {
    await txn.put(key(nameOf(i)), Buffer.from(`value ${i}`))
    most = Math.max(most, engine.bufferedBytes)
  }
  const before = process.memoryUsage().rss
  await txn.commit()
  expect(await count()).toBe(ROWS)
  console.log(
    `three million keys: at most ${most} bytes counted; ${before} resident before the commit, while the fake cluster held nothing`,
  )
})
