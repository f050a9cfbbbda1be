// Keys on their way out: prefixes and encodings.

import { describe, expect, test } from 'vitest'
import { keyspaceId } from '../../../../src/base/ids.ts'
import { Capability, decodeKey, encodeKey } from '../../../../src/storage/tikv/codec.ts'

const one = new Capability(keyspaceId(1))
const two = new Capability(keyspaceId(2))
const key = Buffer.from('k')

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
})
