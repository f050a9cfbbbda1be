// Gates that transactions of other nodes have shut, over this node's lock table.

import { expect, test, vi } from 'vitest'
import { CancelToken } from '../../../src/base/cancel.ts'
import { ForeignGates } from '../../../src/catalog/foreign-gates.ts'
import type { GateRecord } from '../../../src/catalog/gate-records.ts'
import { LOCK, lockHolder, ObjectLocks, type RelationLockMode } from '../../../src/catalog/object-locks.ts'
import { LockParty } from '../../../src/storage/lock-party.ts'

const gate = (relation: number, mode: RelationLockMode = LOCK.accessExclusive): GateRecord => ({
  relation,
  mode,
  node: 'other',
  holder: 'g',
})
const wait = { wait: true, timeoutMs: 0, cancel: new CancelToken(), name: 'r' }
const party = (name: string) =>
  new LockParty({
    name,
    pid: null,
    watcher: { named() {}, unnamed() {}, waitBegan() {}, waitEnded() {} },
    timeoutMs: () => 1000,
    refuse() {},
  })

function open() {
  const locks = new ObjectLocks()
  const drained = vi.fn()
  const breakDeadlock = vi.fn()
  return { locks, drained, breakDeadlock, gates: new ForeignGates(locks, drained, breakDeadlock, party) }
}

test('a gate that is given back while it waits ends nobody’s wait, and the others go on at once', async () => {
  const { locks, drained, breakDeadlock, gates } = open()
  const reader = lockHolder('reader')
  const third = lockHolder('third')
  expect(locks.tryAcquire(reader, 10, LOCK.accessShare)).toBe(true)
  expect(locks.tryAcquire(third, 20, LOCK.accessExclusive)).toBe(true)
  // The reader, for whom the gate waits, waits for somebody else.
  const reading = locks.acquire(reader, 20, LOCK.accessShare, wait)
  gates.set([gate(10)])
  expect(gates.draining).toBe(true)
  gates.set([gate(30)])
  await new Promise((resolve) => setImmediate(resolve))
  expect(drained).toHaveBeenCalled()
  expect(gates.draining).toBe(false)
  expect(breakDeadlock).not.toHaveBeenCalled()
  expect(locks.tryAcquire(lockHolder('late'), 10, LOCK.accessExclusive)).toBe(false) // the reader's alone
  locks.releaseTo(reader)
  expect(locks.tryAcquire(lockHolder('late'), 10, LOCK.accessExclusive)).toBe(true)
  expect(locks.tryAcquire(lockHolder('late'), 30, LOCK.accessShare)).toBe(false)
  locks.releaseTo(third)
  await reading
})
