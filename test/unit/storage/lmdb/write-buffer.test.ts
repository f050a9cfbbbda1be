// The writes of a transaction against a map: keys in order and out of it, overwritten and taken back, part of them on their way.

import { expect, test } from 'vitest'
import { TOMBSTONE } from '../../../../src/storage/lmdb/format.ts'
import { WriteBuffer } from '../../../../src/storage/lmdb/write-buffer.ts'
import type { WriteEntry } from '../../../../src/storage/lmdb/write-set.ts'
import { randomFrom } from '../../../support/random.ts'
import { testSeed } from '../../../support/seed.ts'

test(`reads what was written, in order (seed ${testSeed()})`, () => {
  const random = randomFrom(testSeed())
  for (let round = 0; round < 40; round++) {
    const writes = new WriteBuffer()
    let fresh = new Map<string, WriteEntry>()
    let frozen = new Map<string, WriteEntry>()
    let next = 0
    const find = (key: string): WriteEntry | undefined => fresh.get(key) ?? frozen.get(key)
    for (let position = 1; position < 600; position++) {
      const ascending = random.below(10) < round % 10
      const key = String(ascending ? ++next * 10 : random.below(8000)).padStart(6, '0')
      const entry: WriteEntry = { key, kind: TOMBSTONE, slab: null, at: 0, size: 8 + random.below(100), position }
      const action = random.below(20)
      if (action < 14) {
        writes.set(entry)
        fresh.set(key, entry)
      } else if (action < 16 && find(key) === undefined) {
        writes.add(entry)
        fresh.set(key, entry)
      } else if (action < 18) {
        // mostly what was written last, as rolling back to a savepoint does
        const gone = [...fresh.keys()].at(-1 - random.below(2)) ?? key
        writes.remove(gone)
        fresh.delete(gone)
      } else if (action === 18 && frozen.size === 0) {
        expect(writes.freeze().size).toBe(fresh.size)
        frozen = fresh
        fresh = new Map()
      } else if (action === 19 && random.below(3) === 0) {
        writes.drop()
        frozen = new Map()
      }
      expect(writes.get(key)).toBe(find(key))
      if (position % 50 === 0) {
        const all = new Set([...fresh.keys(), ...frozen.keys()])
        expect(writes.sorted().filter((name) => writes.get(name) !== undefined)).toEqual([...all].sort())
        for (const name of all) expect(writes.get(name)).toBe(find(name))
        const listed = new Map(writes.entries.list().map((one) => [one.key, one]))
        expect(listed).toEqual(fresh)
        expect(writes.entries.size).toBe(fresh.size)
        expect(writes.bytes).toBe([...fresh.values()].reduce((sum, one) => sum + one.size + one.key.length + 120, 0))
      }
    }
  }
})
