// Keys of temporary objects and the notes that keep their rows from the clean-up job.

import { describe, expect, it } from 'vitest'
import {
  CLASS,
  commentKey,
  dependencyKey,
  garbageKey,
  nameKey,
  namePrefix,
  objectKey,
  reverseDependencyKey,
} from '../../../src/catalog/keys.ts'
import { isGarbageNote, isTemporaryKey, newTemporaryOid, temporaryNote } from '../../../src/catalog/temporary.ts'

describe('temporary keys', () => {
  const own = newTemporaryOid()
  const address = (objId: number) => ({ classId: CLASS.relation, objId, subId: 3 })

  it('are told from the others by their OIDs', () => {
    for (const key of [
      objectKey(own),
      nameKey('r', own, 'a'),
      namePrefix('t', own),
      nameKey('n', 0, 'pg_temp_7'),
      commentKey(address(own)),
      dependencyKey(address(own), address(16400)),
      reverseDependencyKey(address(own), address(16400)),
      dependencyKey(address(own), address(own)),
    ])
      expect([key, isTemporaryKey(key)]).toEqual([key, true])
    for (const key of [
      objectKey(16400),
      nameKey('r', 2200, 'pg_temp'),
      nameKey('n', 0, 'temp'),
      commentKey(address(16400)),
      dependencyKey(address(16400), address(2200)),
      garbageKey(own),
      'mo',
      'mpg-keyspace',
      'mc oid',
    ])
      expect([key, isTemporaryKey(key)]).toEqual([key, false])
  })
})

describe('notes of ids in use', () => {
  const now = 1_800_000_000_000
  const foreign = `temporary other ${now + 1000}`

  it('never make garbage of what this process uses', () => {
    expect(isGarbageNote(temporaryNote(now), now, true)).toBe(false)
    expect(isGarbageNote(temporaryNote(now), now + 1e12, false)).toBe(false)
  })

  it('hold for other processes until their lease ends, and not at all where there can be none', () => {
    expect(isGarbageNote(foreign, now, false)).toBe(false)
    expect(isGarbageNote(foreign, now + 1001, false)).toBe(true)
    expect(isGarbageNote(foreign, now, true)).toBe(true)
    expect(isGarbageNote('dropped', now, false)).toBe(true)
  })
})
