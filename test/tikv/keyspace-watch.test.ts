// Keyspaces change in PD, whoever changes them: every process hears of it, also of what happened while PD was away.

import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Store } from '../../src/storage/store.ts'
import { openTikvStore } from '../../src/storage/tikv/store.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'

let fake: Fake
let one: Store
let two: Store
beforeAll(async () => {
  fake = await startFake({ stores: 1, keyspaces: ['a', 'b'], pdPort: 0, seed: 1 })
  one = await openTikvStore({ pdEndpoints: [fake.pdAddress] })
  two = await openTikvStore({ pdEndpoints: [fake.pdAddress] })
})
afterAll(async () => {
  await one.close()
  await two.close()
  await fake.close()
})

test('states, settings and new ones, here and there, and over an outage of PD', async () => {
  const seen: string[] = []
  const stop = two.keyspaces.watch(({ name, state, config }) => seen.push(`${name} ${state} ${JSON.stringify(config)}`))
  const heard = (line: string) => expect.poll(() => seen, { interval: 10 }).toContainEqual(line)
  // the stream is open once the first change comes through
  const a = (await one.keyspaces.load('a'))!
  await expect
    .poll(
      async () => {
        await one.keyspaces.setConfig(a.id, { tries: String(Math.random()) })
        return seen.length
      },
      { timeout: 5000, interval: 20 },
    )
    .toBeGreaterThan(0)
  expect(seen.every((line) => line.startsWith('a enabled'))).toBe(true)
  await one.keyspaces.setConfig(a.id, { tries: null })
  await one.keyspaces.setState(a.id, 'disabled')
  await heard('a disabled {}')
  const c = await one.keyspaces.create('c', { owner: 'x' })
  await heard('c enabled {"owner":"x"}')
  await fake.killPd()
  fake.pd.keyspaces.setState(fake.pd.keyspaces.byId(c.id), 1)
  await fake.startPd()
  await heard('c disabled {"owner":"x"}')
  // nothing was told twice in a row
  expect(seen.filter((line, i) => line === seen[i - 1])).toEqual([])
  stop()
  const told = seen.length
  await one.keyspaces.setState(a.id, 'enabled')
  expect(seen.length).toBe(told)
})

test('more keyspaces than PD gives in one answer', async () => {
  const names = Array.from({ length: 290 }, (_, i) => `many-${i}`)
  for (const name of names) fake.pd.keyspaces.create(name, new Map())
  const listed = await one.keyspaces.list()
  expect(listed.map(({ name }) => name).filter((name) => name.startsWith('many-'))).toEqual(names)
  expect(new Set(listed.map(({ id }) => id)).size).toBe(listed.length)
})
