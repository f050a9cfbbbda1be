// What a real TiKV answered in recorded scenarios, played against the fake cluster or against the one that PD_ENDPOINTS names: every answer must
// be the same, unary and as BatchCommands.

import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Capability } from '../../src/storage/tikv/codec.ts'
import { PdDirectory } from '../../src/storage/tikv/directory.ts'
import { Engine } from '../../src/storage/tikv/engine.ts'
import { eraseKeyspace } from '../../src/storage/tikv/erase.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { createPlayer, type Player, type Scenario } from './golden-player.ts'

const fixtures = new URL('../fixtures/tikv-golden/', import.meta.url)
const given = process.env['PD_ENDPOINTS']?.split(',')[0]

interface File {
  readonly theme: string
  readonly needs?: string
  readonly scenarios: readonly Scenario[]
}
const files = readdirSync(fixtures)
  .filter((name) => /^\d\d-.*\.json$/.test(name))
  .map((name) => [name, JSON.parse(readFileSync(new URL(name, fixtures), 'utf8')) as File] as const)

const KEYSPACE = `golden-${Date.now().toString(36)}`

let fake: Fake | undefined
let player: Player
const pd = (): string => given ?? fake!.pdAddress

beforeAll(async () => {
  if (given === undefined) fake = await startFake({ stores: 1, keyspaces: [], pdPort: 0, seed: 1 })
  player = await createPlayer(pd(), KEYSPACE)
})
afterAll(async () => {
  player.close()
  // Scenarios leave locks that no transaction could: the cluster's garbage collection would not get past them.
  const engine = new Engine({ pdEndpoints: [pd()] })
  await engine.start()
  const { id } = (await new PdDirectory(engine).load(KEYSPACE))!
  await eraseKeyspace(engine, new Capability(id))
  await engine.close()
  await fake?.close()
})

test('all recordings are here', () => {
  expect(files.map(([, file]) => file.scenarios.length).reduce((a, b) => a + b)).toBe(281)
})

describe.each(['unary', 'batch'])('%s', (mode) => {
  describe.each(files)('%s', (_name, file) => {
    const isSkipped = given !== undefined && file.needs !== undefined
    const reason = isSkipped ? ` (skipped: needs a server with ${file.needs})` : ''
    // On a real cluster TiKV raises max_ts every 20 s, in the middle of a scenario if it must be.
    test.skipIf(isSkipped).each(file.scenarios.map((scenario) => [scenario.name + reason, scenario] as const))(
      '%s',
      { retry: given === undefined ? 0 : 1 },
      async (_label, scenario) => {
        expect(await player.play(scenario, mode === 'batch')).toEqual([])
      },
    )
  })
})
