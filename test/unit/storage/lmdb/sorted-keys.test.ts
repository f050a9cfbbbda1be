// Order and steps of SortedKeys and of the cursor over two memtables, against sorted arrays.

import { expect, test } from 'vitest'
import { encodeRecord, type LogOperation } from '../../../../src/storage/lmdb/log-record.ts'
import { Memtable, MemtableCursor } from '../../../../src/storage/lmdb/memtable.ts'
import { addressOf } from '../../../../src/storage/lmdb/native.ts'
import { SortedKeys } from '../../../../src/storage/lmdb/sorted-keys.ts'
import { randomFrom } from '../../../support/random.ts'

test('keys come in order, however they were added', () => {
  const pick = randomFrom(1).below
  const keys = new SortedKeys()
  const all = new Set<string>()
  for (let round = 0; round < 60; round++) {
    const many = round % 5 === 0 ? 400 : 1 + pick(60)
    for (let i = 0; i < many; i++) {
      const key = String(pick(50_000)).padStart(round % 3 === 0 ? 1 : 6, '0')
      if (all.has(key)) continue
      all.add(key)
      keys.add(key)
    }
    const expected = [...all].sort()
    const wanted = String(pick(50_000))
    const forward: string[] = []
    for (let at = keys.position(wanted); ; at = keys.after(at)) {
      const key = keys.at(at)
      if (key === null) break
      forward.push(key)
    }
    expect(forward).toEqual(expected.filter((key) => key >= wanted))
    const backward: string[] = []
    for (let at = keys.before(keys.position(wanted)); at >= 0; at = keys.before(at)) backward.push(keys.at(at)!)
    expect(backward).toEqual(expected.filter((key) => key < wanted).reverse())
  }
})

test('the cursor merges two memtables, the newer entry first', () => {
  const pick = randomFrom(2).below
  const value = Buffer.from('abcdefgh')
  const source = { bytes: value, address: addressOf(value) }
  const tables = [new Memtable(0), new Memtable(0)] as const
  const expected = new Map<string, string>()
  for (const [which, table] of [tables[1], tables[0]].entries()) {
    const operations: LogOperation[] = []
    const seen = new Map<string, number>()
    for (let i = 0; i < 700; i++) {
      const key = String(pick(2000))
      const size = pick(4) === 0 ? -1 : pick(8)
      seen.set(key, size)
      operations.push({ prefix: 1, key, source: size < 0 ? null : source, at: 0, size: Math.max(0, size) })
    }
    table.apply(encodeRecord(which + 1, operations))
    for (const [key, size] of seen) expected.set(key, size < 0 ? 'deleted' : value.toString('latin1', 0, size))
  }
  const sorted = [...expected.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
  const cursor = new MemtableCursor()
  for (const reverse of [false, true]) {
    for (const exclusive of [false, true]) {
      for (const start of ['', '1000', '777', '9', sorted[40]![0]]) {
        const found: [string, string][] = []
        for (cursor.seek(tables[0], tables[1], 1, start, reverse, exclusive); cursor.key !== null; cursor.next()) {
          const { record, at, size } = cursor.entry!
          found.push([cursor.key, size < 0 ? 'deleted' : record.bytes.toString('latin1', at, at + size)])
        }
        const within = sorted.filter(([key]) => (reverse ? key < start : key > start) || (!exclusive && key === start))
        expect(found).toEqual(reverse ? within.reverse() : within)
      }
    }
  }
})
