import { expect, it } from 'vitest'
import { CacheBudget } from '../../../src/base/cache-budget.ts'
import { LIMITS } from '../../../src/base/limits.ts'
import { PlanCache, type PlanEntry } from '../../../src/session/plan-cache.ts'

const entry = { catalogVersion: 'v', custom: null } as unknown as PlanEntry
const KEY = 'k'.repeat(2000)
const fill = (cache: PlanCache, count: number, name = ''): void => {
  for (let i = 0; i < count; i++) cache.set(`${name}${i} ${KEY}`, entry)
}

it('what was used longest ago gives way to a cache that grows, whole', () => {
  const one = new PlanCache(new CacheBudget(Number.POSITIVE_INFINITY))
  fill(one, 10)
  const budget = new CacheBudget(3.5 * one.bytes)
  const [a, b, c, d] = [0, 1, 2, 3].map(() => new PlanCache(budget)) as [PlanCache, PlanCache, PlanCache, PlanCache]
  for (const cache of [a, b, c]) fill(cache, 10)
  expect(budget.bytes).toBe(3 * one.bytes)
  // b is the idlest now
  expect(a.get(`0 ${KEY}`, 'v')).toBe(entry)
  fill(d, 10)
  expect([a, b, c, d].map(({ bytes }) => bytes)).toEqual([one.bytes, 0, one.bytes, one.bytes])
  expect(b.get(`0 ${KEY}`, 'v')).toBeUndefined()
  expect(budget.bytes).toBe(3 * one.bytes)
  for (const cache of [a, c, d]) cache.clear()
  expect(budget.bytes).toBe(0)
})

it('counts each entry once, and forgets what falls out', () => {
  const budget = new CacheBudget(Number.POSITIVE_INFINITY)
  const cache = new PlanCache(budget, 4)
  fill(cache, 1)
  const each = cache.bytes
  fill(cache, 1)
  expect(cache.bytes).toBe(each)
  fill(cache, 9)
  expect(cache.bytes).toBe(4 * each)
  expect(budget.bytes).toBe(4 * each)
  expect(cache.get(`4 ${KEY}`, 'v')).toBeUndefined()
  expect(cache.get(`5 ${KEY}`, 'v')).toBe(entry)
  expect(cache.get(`5 ${KEY}`, 'other')).toBeUndefined()
})

it('plans of long texts are fewer', () => {
  const budget = new CacheBudget(Number.POSITIVE_INFINITY)
  const cache = new PlanCache(budget)
  const text = 'x'.repeat(200_000)
  for (let i = 0; i < LIMITS.planCacheEntries; i++) cache.set(`${i} ${text}`, entry)
  expect(cache.bytes).toBeLessThanOrEqual(LIMITS.planCacheBytes)
  expect(cache.get(`${LIMITS.planCacheEntries - 1} ${text}`, 'v')).toBe(entry)
  expect(cache.get(`0 ${text}`, 'v')).toBeUndefined()
})
