// Keys on their way out: prefixes, encodings, and the gate that nothing foreign or deadly passes.

import { describe, expect, test } from 'vitest'
import { keyspaceId } from '../../../../src/base/ids.ts'
import { Capability, checkOutgoing, decodeKey, encodeKey, MAX_TS } from '../../../../src/storage/tikv/codec.ts'
import { Op } from '../../../../src/storage/tikv/proto/kvrpcpb.ts'

const one = new Capability(keyspaceId(1))
const two = new Capability(keyspaceId(2))
const key = Buffer.from('k')
const now = 470_000_000_000_000_000n

describe('codec', () => {
  test('prefixes carry into the next byte', () => {
    expect(one.key(key).toString('hex')).toBe('780000016b')
    expect(one.end.toString('hex')).toBe('78000002')
    expect(new Capability(keyspaceId(0xffff)).end.toString('hex')).toBe('78010000')
    expect(() => new Capability(keyspaceId(0xffffff))).toThrow()
    expect(one.user(one.key(key)).toString()).toBe('k')
    expect(() => one.user(two.key(key))).toThrow(/outside keyspace 1/)
  })

  test('the memcomparable form', () => {
    expect(encodeKey(Buffer.alloc(0)).toString('hex')).toBe('0000000000000000f7')
    expect(encodeKey(Buffer.from([1, 2, 3])).toString('hex')).toBe('0102030000000000fa')
    expect(encodeKey(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])).toString('hex')).toBe('0102030405060708ff0000000000000000f7')
    for (let n = 0; n < 40; n++) expect(decodeKey(encodeKey(Buffer.alloc(n, n)))?.equals(Buffer.alloc(n, n))).toBe(true)
    expect(decodeKey(Buffer.from('abc'))).toBeNull()
    expect(decodeKey(Buffer.from('0102030000000100fa', 'hex'))).toBeNull()
  })

  const refused = (command: Parameters<typeof checkOutgoing>[1], request: object, why: RegExp): void =>
    expect(() => checkOutgoing(one, command, request, now)).toThrow(why)

  test('a key of another keyspace never passes, wherever it stands', () => {
    const own = one.key(key)
    const foreign = two.key(key)
    checkOutgoing(one, 'KvGet', { key: own, version: now }, now)
    refused('KvGet', { key: foreign, version: now }, /outside keyspace/)
    refused('KvGet', { key, version: now }, /outside keyspace/)
    refused('KvBatchGet', { keys: [own, foreign], version: now }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: foreign }], primary_lock: own }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: own }], primary_lock: foreign }, /outside keyspace/)
    refused('KvPrewrite', { mutations: [{ op: Op.Put, key: own }], primary_lock: own, secondaries: [foreign] }, /outside keyspace/)
    refused('KvCommit', { keys: [foreign] }, /outside keyspace/)
    refused('KvCheckTxnStatus', { primary_key: foreign, lock_ts: 1n }, /outside keyspace/)
    refused('KvScan', { start_key: own, end_key: foreign, version: now }, /outside keyspace/)
    checkOutgoing(one, 'KvScan', { start_key: one.start, end_key: one.end, version: now }, now)
    checkOutgoing(one, 'KvScan', { start_key: one.end, end_key: one.start, reverse: true, version: now }, now)
    refused('KvDeleteRange', { start_key: one.start, end_key: two.end }, /outside keyspace/)
  })

  test('what kills a store never passes', () => {
    const own = one.key(key)
    for (const command of ['KvCommit', 'KvBatchRollback', 'KvCheckSecondaryLocks'] as const) refused(command, { keys: [] }, /empty/)
    refused('KvPrewrite', { mutations: [] }, /empty/)
    refused('KvPessimisticLock', { mutations: [] }, /empty/)
    refused(
      'KvPrewrite',
      {
        mutations: [
          { op: Op.Put, key: own },
          { op: Op.Del, key: Buffer.from(own) },
        ],
      },
      /twice/,
    )
    refused('KvResolveLock', { keys: [own, Buffer.from(own)] }, /twice/)
    refused('KvPessimisticLock', { mutations: [{ op: Op.Put, key: own }] }, /another command/)
    refused('UnsafeDestroyRange', { start_key: own, end_key: Buffer.alloc(0) }, /empty/)
    refused('KvDeleteRange', { start_key: one.end, end_key: one.start }, /./)
    refused('KvGet', { key: own, version: now + (120_000n << 18n) }, /ahead of the clock/)
    checkOutgoing(one, 'KvGet', { key: own, version: MAX_TS }, now)
    refused('KvScan', { start_key: one.start, end_key: one.end, version: MAX_TS }, /ahead of the clock/)
  })
})
