import { expect, test } from 'vitest'
import { LruMap } from '../../../src/base/lru.ts'
import { randomFrom } from '../../support/random.ts'

test('forgets what was used longest ago, as a list says that is kept in order (SEED=1)', () => {
  const random = randomFrom(1)
  const evicted: [number, number][] = []
  const lru = new LruMap<number, number>(8, (key, value) => evicted.push([key, value]))
  let model: [number, number][] = []
  const gone: [number, number][] = []
  const without = (key: number) => model.filter(([k]) => k !== key)
  for (let i = 0; i < 20_000; i++) {
    const key = random.below(14)
    const known = model.find(([k]) => k === key)
    switch (random.below(6)) {
      case 0:
      case 1:
        lru.set(key, i)
        model = [...without(key), [key, i]]
        if (model.length > 8) gone.push(model.shift()!)
        break
      case 2:
      case 3:
        expect(lru.get(key)).toBe(known?.[1])
        if (known !== undefined) model = [...without(key), known]
        break
      case 4:
        expect(lru.peek(key)).toBe(known?.[1])
        break
      default:
        if (random.below(4) > 0) {
          expect(lru.delete(key)).toBe(known !== undefined)
          model = without(key)
        } else if (random.below(50) === 0) {
          lru.clear()
          model = []
        } else {
          lru.evict()
          if (model.length > 0) gone.push(model.shift()!)
        }
    }
    expect([...lru.entries()]).toEqual(model)
    expect([...lru.values()]).toEqual(model.map(([, value]) => value))
    expect(lru.size).toBe(model.length)
  }
  expect(evicted).toEqual(gone)
})
