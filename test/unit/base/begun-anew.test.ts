// Work that gives way within long lists and is begun anew: it ends with what it would have come to in one go, and repeats no item that stands.

import { expect, test } from 'vitest'
import { Beginnings, GivenWay, leavesTraces, mapLong, onceFor } from '../../../src/base/begun-anew.ts'
import type { Slicer } from '../../../src/base/slicer.ts'

/** A slice is over whenever somebody looks. */
const impatient: Slicer = { start() {}, pause: () => Promise.resolve() }

async function toTheEnd<T>(work: () => T): Promise<{ result: T; beginnings: number }> {
  const all = new Beginnings(impatient)
  for (let beginnings = 1; ; beginnings++) {
    try {
      return { result: all.begin(work), beginnings }
    } catch (error) {
      if (!(error instanceof GivenWay)) throw error
      await error.turn
    }
  }
}

const items = Array.from({ length: 2000 }, (_, i) => i)

test('results and traces of what stands are kept', async () => {
  const calls = new Map<string, number>()
  const called = (name: string): void => void calls.set(name, (calls.get(name) ?? 0) + 1)
  const { result, beginnings } = await toTheEnd(() => {
    let sum = 0
    const doubled = mapLong(
      items,
      (i) => {
        called(`double ${i}`)
        sum += i
        return i * 2
      },
      () => ({
        take: () => sum,
        put(taken) {
          sum = taken
        },
      }),
    )
    const total = onceFor(items.length, () => {
      called('total')
      return doubled.reduce((a, b) => a + b, 0)
    })
    const nested = mapLong(items, (i) => mapLong(items.slice(0, 600), (k) => k + i).length)
    return { sum, total, nested: new Set(nested) }
  })
  expect(result).toEqual({ sum: 1_999_000, total: 3_998_000, nested: new Set([600]) })
  expect(beginnings).toBeGreaterThan(100)
  expect([...calls.values()].every((count) => count === 1)).toBe(true)
  expect(calls.size).toBe(2001)
})

test('behind traces that cannot be put back it goes through', async () => {
  const { result } = await toTheEnd(() => {
    const found: number[] = []
    mapLong(items, (i) => {
      if (i % 900 !== 899) return
      leavesTraces()
      found.push(i)
    })
    return found
  })
  expect(result).toEqual([899, 1799])
})

test('an error is the first one, and short lists and work nobody waits for are gone through at once', async () => {
  const failing = (): number[] =>
    mapLong(items, (i) => {
      if (i >= 1500) throw new Error(`item ${i}`)
      return i
    })
  await expect(toTheEnd(failing)).rejects.toThrow('item 1500')
  expect(await toTheEnd(() => mapLong([1, 2, 3], (i) => i + 1))).toEqual({ result: [2, 3, 4], beginnings: 1 })
  expect(mapLong(items, (i) => i)).toEqual(items)
})

test('work in steps goes on where it stopped, with its lists', () => {
  const all = new Beginnings({ start() {}, pause: () => null })
  const calls: number[] = []
  function* work() {
    const first = mapLong(items, (i) => calls.push(i))
    yield
    const second = mapLong(items, (i) => -i)
    return [first.length, second[5]]
  }
  const steps = work()
  const next = () => steps.next()
  expect(all.begin(next)).toMatchObject({ done: false })
  expect(all.goOn(next)).toEqual({ done: true, value: [2000, -5] })
  expect(calls.length).toBe(2000)
})
