// The detector alone: what others told counts only when it is confirmed, of several who find a circle one gives way, and silence is no circle.

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DeadlockDetector, type SeenParty } from '../../../src/session/deadlocks.ts'
import type { Peers } from '../../../src/session/peers.ts'
import { type Blocker, LockParty } from '../../../src/storage/lock-party.ts'

let told: SeenParty[]
let asked: number
let refused: string[]
let detector: DeadlockDetector
const peers = (): Peers => ({
  join: async () => undefined,
  left: () => undefined,
  ask: async () => {
    asked++
    return { texts: [JSON.stringify(told)], silent: 0, askedAt: performance.now() }
  },
  answer: async () => undefined,
  close: async () => undefined,
})

beforeEach(() => {
  vi.useFakeTimers()
  told = []
  asked = 0
  refused = []
  detector = new DeadlockDetector('here', peers(), () => undefined)
})
afterEach(() => {
  vi.useRealTimers()
})

const party = (pid: number): LockParty =>
  new LockParty({
    pid,
    name: `p${pid}`,
    watcher: detector,
    timeoutMs: () => 1000,
    refuse: (error) => refused.push((error as Error & { fields: { detail: string } }).fields.detail),
  })
const waits = (one: LockParty, blockers: () => Blocker[]): (() => void) =>
  one.wait({ kind: 'transactionid', target: null, since: performance.now(), elsewhere: false, blockers })
/** The store names the holder just now. */
const holds = (who: LockParty | string) => (): Blocker[] => [
  { who, lock: `lock of ${typeof who === 'string' ? who : who.pid}`, toldAt: performance.now() },
]
const theirs = (pid: number, name: string, id: string, blocker: string, waitedMs = 500, toldMsAgo: number | null = 0): SeenParty => ({
  pid,
  names: [`p${pid}`, name],
  waits: [{ id, waitedMs, blockers: [{ name: blocker, lock: `lock of ${blocker}`, toldMsAgo }] }],
})

test('circles of this process’s memory are ended after deadlock_timeout, without asking', async () => {
  const [a, b] = [party(1), party(2)]
  waits(a, () => [{ who: b, lock: 'one', toldAt: null }])
  waits(b, () => [{ who: a, lock: 'two', toldAt: null }])
  await vi.advanceTimersByTimeAsync(990)
  expect(refused).toEqual([])
  await vi.advanceTimersByTimeAsync(20)
  expect(refused[0]).toBe('Process 1 waits for one; blocked by process 2.\nProcess 2 waits for two; blocked by process 1.')
  expect(asked).toBe(0)
})

test('a circle over another node stands when it is told again', async () => {
  const a = party(5)
  a.addName('t100')
  waits(a, holds('t200'))
  told = [theirs(9, 't200', 'there/1', 't100')]
  await vi.advanceTimersByTimeAsync(1100)
  expect(refused).toEqual([])
  await vi.advanceTimersByTimeAsync(1000)
  expect(refused).toEqual([
    'Process 5 waits for lock of t200; blocked by process 9.\nProcess 9 waits for lock of t100; blocked by process 5.',
  ])
})

test('it does not when the other waits anew, or the holder was not named again', async () => {
  const a = party(5)
  a.addName('t100')
  waits(a, holds('t200'))
  let n = 0
  told = [theirs(9, 't200', 'there/0', 't100')]
  // Each time they are asked it is another wait: they get what they want.
  const changing = setInterval(() => {
    told = [theirs(9, 't200', `there/${++n}`, 't100')]
  }, 200)
  await vi.advanceTimersByTimeAsync(20_000)
  clearInterval(changing)
  told = [theirs(9, 't200', 'there/stale', 't100', 30_000, 25_000)]
  await vi.advanceTimersByTimeAsync(20_000)
  expect(asked).toBeGreaterThan(10)
  expect(refused).toEqual([])
})

test('who has a higher number lets the other give way first', async () => {
  const a = party(5)
  a.addName('t100')
  waits(a, holds('t200'))
  told = [theirs(3, 't200', 'there/1', 't100', 1500)]
  await vi.advanceTimersByTimeAsync(2000)
  expect(refused).toEqual([])
  // The other does not.
  await vi.advanceTimersByTimeAsync(2500)
  expect(refused).toHaveLength(1)
})

test('a gate that other nodes drain joins its holder here and its waits there', async () => {
  const a = party(5)
  a.addName('t100')
  a.addName('gX')
  a.wait({ kind: 'relation', target: 7, since: performance.now(), elsewhere: true, blockers: () => [] })
  told = [
    { pid: null, names: ['gX'], waits: [{ id: 'there/1', waitedMs: 500, blockers: [{ name: 'p9', lock: 'table', toldMsAgo: null }] }] },
    theirs(9, 't200', 'there/2', 't100'),
  ]
  await vi.advanceTimersByTimeAsync(2500)
  expect(refused).toEqual(['Process 5 waits for table; blocked by process 9.\nProcess 9 waits for lock of t100; blocked by process 5.'])
})

test('a wait that is over is not ended, and one without an answer is looked at ever less often', async () => {
  const a = party(5)
  const stop = waits(a, holds('t200'))
  await vi.advanceTimersByTimeAsync(60_000)
  expect(refused).toEqual([])
  expect(asked).toBeGreaterThan(3)
  expect(asked).toBeLessThan(12)
  a.addName('t100')
  told = [theirs(9, 't200', 'there/1', 't100')]
  stop()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(refused).toEqual([])
})
