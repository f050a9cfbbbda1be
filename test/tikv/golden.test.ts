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

/** The recordings are of TiKV 9, and the fake answers as they do; releases before it lack a field, and a command of a wrong API version fails as a call. */
const isBefore9 =
  given !== undefined &&
  process.env['FAKE_TIKV'] !== '1' &&
  /^v?[1-8]\./.test(((await (await fetch(`http://${given}/pd/api/v1/version`)).json()) as { version: string }).version)
const CALLS_FAIL = new Set(['apiv2-version-1', 'apiv2-version-3'])
const asOf = (scenario: Scenario): Scenario =>
  isBefore9
    ? (JSON.parse(JSON.stringify(scenario, (name, value) => (name === 'txn_lock_not_found' ? undefined : value))) as Scenario)
    : scenario

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
    const lacking = given !== undefined && file.needs !== undefined ? ` (skipped: needs a server with ${file.needs})` : null
    for (const scenario of file.scenarios) {
      const reason = lacking ?? (isBefore9 && CALLS_FAIL.has(scenario.name) ? ' (skipped: TiKV before 9 answers otherwise)' : null)
      // On a real cluster TiKV raises max_ts every 20 s, in the middle of a scenario if it must be.
      test.skipIf(reason !== null)(`${scenario.name}${reason ?? ''}`, { retry: given === undefined ? 0 : 1 }, async () => {
        expect(await player.play(asOf(scenario), mode === 'batch')).toEqual([])
      })
    }
  })
})
