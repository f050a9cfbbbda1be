// The writes of a transaction in memory and in files against a plain map, with savepoints; a limit so small that everything spills and merges.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WriteBuffer } from '../../../../src/storage/tikv/write-buffer.ts'
import { randomFrom } from '../../../support/random.ts'

const memory = { bufferedBytes: 0 }
let dir: string
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'write-buffer-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

type Model = Map<string, string | null>

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `k${String(i).padStart(4, '0')}`)

function expectAlike(buffer: WriteBuffer, model: Model, low: string, high: string, reverse: boolean, limit: number): void {
  const wanted = [...model.keys()].filter((name) => name >= low && name < high).sort()
  if (reverse) wanted.reverse()
  const found = buffer.range(low, high, reverse, limit)
  expect(found.map(({ name, value }) => [name, value?.toString() ?? null])).toEqual(
    wanted.slice(0, limit).map((name) => [name, model.get(name)]),
  )
}

test.each([1, 2, 3, 4])('as a map, seed %i', async (seed) => {
  const random = randomFrom(seed)
  const buffer = new WriteBuffer({ memory, dir, spillAt: 4000 })
  const all = names(400)
  let model: Model = new Map()
  let savepoints: { mark: number; model: Model }[] = []
  for (let step = 0; step < 6000; step++) {
    const choice = random.below(100)
    if (choice < 85) {
      const name = random.pick(all)
      const value = choice < 70 ? `v${step}${'x'.repeat(random.below(40))}` : null
      buffer.set(Buffer.from(name), name, value === null ? null : Buffer.from(value), false)
      model.set(name, value)
      if (random.below(2) === 0) await buffer.relieve()
    } else if (choice < 90) {
      const name = random.pick(all)
      expect(buffer.get(name)?.value?.toString() ?? null).toBe(model.get(name) ?? null)
      expect(buffer.get(name) === undefined).toBe(!model.has(name))
    } else if (choice < 95) {
      const [low, high] = [random.pick(all), random.pick(all)].sort()
      expectAlike(buffer, model, low!, high!, random.below(2) === 0, 1 + random.below(100))
    } else if (choice < 98) savepoints.push({ mark: buffer.mark(), model: new Map(model) })
    else if (savepoints.length > 0) {
      const to = random.below(savepoints.length)
      await buffer.rollbackTo(savepoints[to]!.mark)
      model = new Map(savepoints[to]!.model)
      savepoints = savepoints.slice(0, to + 1)
    }
  }
  await buffer.settled()
  expect(buffer.isSpilled).toBe(true)
  expectAlike(buffer, model, '', '~', false, 1000)
  expect([...buffer.all()].map(({ name }) => name)).toEqual([...model.keys()].sort())
  expect(readdirSync(dir)).toEqual([])
  buffer.close()
  expect(memory.bufferedBytes).toBe(0)
})

test('a directory that cannot be written fails the writer and keeps what it wrote', async () => {
  const buffer = new WriteBuffer({ memory, dir: '/dev/null/none', spillAt: 100 })
  buffer.set(Buffer.from('a'), 'a', Buffer.alloc(200, 1), false)
  await expect(buffer.relieve()).rejects.toThrow(/temporary file/)
  expect(buffer.get('a')?.value?.length).toBe(200)
  buffer.set(Buffer.from('b'), 'b', Buffer.alloc(200, 2), false)
  await expect(buffer.relieve()).rejects.toThrow(/temporary file/)
  expect([...buffer.all()].map(({ name }) => name)).toEqual(['a', 'b'])
  buffer.close()
  expect(memory.bufferedBytes).toBe(0)
})
