// Relation locks: PostgreSQL's conflict table, queues, time-outs, deadlocks, release at a savepoint.

import { describe, expect, it } from 'vitest'
import { LOCK, type LockHolder, lockHolder, ObjectLocks, type RelationLockMode } from '../../../src/catalog/object-locks.ts'

const MODES = Object.values(LOCK) as RelationLockMode[]
/** Rows and columns from ACCESS SHARE to ACCESS EXCLUSIVE: the manual's table. */
const CONFLICTS = ['.......x', '......xx', '....xxxx', '...xxxxx', '..xx.xxx', '..xxxxxx', '.xxxxxxx', 'xxxxxxxx']
const options = { wait: true, timeoutMs: 0, cancel: null, name: 't' }

const granted = (locks: ObjectLocks, holder: LockHolder, oid: number, mode: RelationLockMode, wait = false): boolean => {
  try {
    return !(locks.acquire(holder, oid, mode, { ...options, wait }) instanceof Promise)
  } catch {
    return false
  }
}

describe('object locks', () => {
  it('conflict as in PostgreSQL', () => {
    for (const [i, held] of MODES.entries())
      for (const [j, wanted] of MODES.entries()) {
        const locks = new ObjectLocks()
        expect(granted(locks, lockHolder(1), 7, held)).toBe(true)
        expect(granted(locks, lockHolder(2), 7, wanted), `${held} ${wanted}`).toBe(CONFLICTS[i]![j] === '.')
      }
  })

  it('that are given up count no more, kept or not', () => {
    const locks = new ObjectLocks()
    const [a, b] = [lockHolder('a'), lockHolder('b')]
    for (let round = 0; round < 3; round++) {
      for (let oid = 1; oid <= 3000; oid++) expect(granted(locks, a, oid, LOCK.rowExclusive)).toBe(true)
      expect(granted(locks, b, 3000, LOCK.accessShare)).toBe(true)
      expect(locks.tryAcquire(a, 'advisory', LOCK.exclusive)).toBe(true)
      expect(locks.size).toBe(3001)
      expect([...locks.list()]).toHaveLength(3002)
      locks.releaseTo(a)
      locks.release(a, 'advisory', LOCK.exclusive)
      locks.release(a, 'advisory', LOCK.exclusive)
      expect([...locks.list()]).toEqual([{ holder: b, oid: 3000, mode: LOCK.accessShare, granted: true }])
      expect(locks.size).toBe(1)
      locks.releaseTo(b)
      expect(locks.size).toBe(0)
    }
  })

  it('are served in the order asked for, a conflicting waiter first', async () => {
    const locks = new ObjectLocks()
    const [reader, ddl, late] = [lockHolder('reader'), lockHolder('ddl'), lockHolder('late')]
    await locks.acquire(reader, 7, LOCK.accessShare, options)
    const order: string[] = []
    const one = Promise.resolve(locks.acquire(ddl, 7, LOCK.accessExclusive, options)).then(() => order.push('ddl'))
    const two = Promise.resolve(locks.acquire(late, 7, LOCK.accessShare, options)).then(() => order.push('late'))
    locks.releaseTo(reader)
    await one
    locks.releaseTo(ddl)
    await two
    expect(order).toEqual(['ddl', 'late'])
  })

  it('find a deadlock and tell the one who closes the circle', async () => {
    const locks = new ObjectLocks()
    const [a, b] = [lockHolder('a'), lockHolder('b')]
    await locks.acquire(a, 1, LOCK.accessExclusive, options)
    await locks.acquire(b, 2, LOCK.accessExclusive, options)
    const waiting = locks.acquire(a, 2, LOCK.accessShare, options)
    await expect(locks.acquire(b, 1, LOCK.accessShare, options)).rejects.toMatchObject({ code: '40P01' })
    locks.releaseTo(b)
    await waiting
  })

  it('end a wait at its time-out', async () => {
    const locks = new ObjectLocks()
    await locks.acquire(lockHolder('a'), 1, LOCK.accessExclusive, options)
    await expect(locks.acquire(lockHolder('b'), 1, LOCK.accessShare, { ...options, timeoutMs: 5 })).rejects.toMatchObject({ code: '55P03' })
  })

  it('taken since a savepoint are released with it', () => {
    const locks = new ObjectLocks()
    const [a, b] = [lockHolder('a'), lockHolder('b')]
    void locks.acquire(a, 1, LOCK.accessShare, options)
    const mark = a.taken.length
    void locks.acquire(a, 2, LOCK.accessExclusive, options)
    locks.releaseTo(a, mark)
    expect(granted(locks, b, 2, LOCK.accessExclusive)).toBe(true)
    expect(granted(locks, b, 1, LOCK.accessExclusive)).toBe(false)
  })
})
