// SERIALIZABLE judged from outside: random concurrent transactions read keys and ranges and write values that name their writer; from what each
// has read follows who must come before whom (write-read, write-write, read-write), and that relation must have no circle. The seed is printed.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KvError } from '../../src/storage/kv-error.ts'
import type { IsolationLevel, Keyspace, Transaction } from '../../src/storage/store.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { drain, exclusive, key, type StoreUnderTest, wholeTable } from './conformance.ts'

interface Committed {
  readonly id: number
  readonly stamp: bigint
  /** Key → id of the writer of the version read, 0 = there was none. */
  readonly reads: Map<string, number>
  readonly writes: Set<string>
}

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f']

class Actor {
  readonly txn: Transaction
  readonly id: number
  readonly reads = new Map<string, number>()
  readonly writes = new Set<string>()
  left: number

  constructor(txn: Transaction, id: number, steps: number) {
    this.txn = txn
    this.id = id
    this.left = steps
  }

  note(name: string, value: string | null): void {
    if (!this.writes.has(name) && !this.reads.has(name)) this.reads.set(name, value === null ? 0 : Number(value))
  }
}

async function run(
  keyspace: Keyspace,
  isolation: IsolationLevel,
  seed: number,
  transactions: number,
): Promise<{ committed: Committed[]; failed: number }> {
  const pick = randomFrom(seed).below
  const committed: Committed[] = []
  let failed = 0
  let next = 1
  const actors: Actor[] = []
  while (next <= transactions || actors.length > 0) {
    if (next <= transactions && actors.length < 4) {
      actors.push(new Actor(keyspace.begin({ isolation }), next, 1 + pick(4)))
      next++
    }
    const at = pick(actors.length)
    const actor = actors[at]!
    const { txn } = actor
    const name = KEYS[pick(KEYS.length)]!
    try {
      if (actor.left-- === 0) {
        actors.splice(at, 1)
        const stamp = await txn.commit()
        // a reader without writes counts, too: at no particular time
        committed.push({ id: actor.id, stamp: stamp ?? 0n, reads: actor.reads, writes: actor.writes })
      } else if (pick(5) === 0) {
        const seen = new Map(await drain(txn, wholeTable))
        for (const each of KEYS) actor.note(each, seen.get(`t${each}`) ?? null)
      } else if (pick(2) === 0) {
        const value = await txn.get(key(name))
        actor.note(name, value === null ? null : value.toString())
      } else {
        await txn.lockKeys([key(name)], { ...exclusive, wait: 'nowait' })
        await txn.put(key(name), Buffer.from(String(actor.id)))
        actor.writes.add(name)
      }
    } catch (error) {
      expect(error).toBeInstanceOf(KvError)
      expect(['serialization', 'writeConflict', 'lockNotAvailable']).toContain((error as KvError).kind)
      failed++
      const there = actors.indexOf(actor)
      if (there >= 0) actors.splice(there, 1)
      await txn.rollback()
    }
  }
  return { committed, failed }
}

/** Ids along a circle of "must come before", or null. */
function circle(committed: readonly Committed[]): number[] | null {
  const after = new Map<number, Set<number>>(committed.map(({ id }) => [id, new Set()]))
  const edge = (from: number, to: number): void => {
    if (from !== to) after.get(from)?.add(to)
  }
  for (const name of KEYS) {
    const writers = committed.filter(({ writes }) => writes.has(name)).sort((x, y) => (x.stamp < y.stamp ? -1 : 1))
    for (let i = 1; i < writers.length; i++) edge(writers[i - 1]!.id, writers[i]!.id)
    for (const { id, reads } of committed) {
      const version = reads.get(name)
      if (version === undefined) continue
      const from = writers.findIndex((writer) => writer.id === version)
      if (from >= 0) edge(writers[from]!.id, id)
      const overwriter = writers[from + 1]
      if (overwriter !== undefined) edge(id, overwriter.id)
    }
  }
  const state = new Map<number, 'open' | 'done'>()
  const path: number[] = []
  const visit = (id: number): number[] | null => {
    if (state.get(id) === 'done') return null
    if (state.get(id) === 'open') return path.slice(path.indexOf(id))
    state.set(id, 'open')
    path.push(id)
    for (const to of after.get(id)!) {
      const found = visit(to)
      if (found !== null) return found
    }
    path.pop()
    state.set(id, 'done')
    return null
  }
  for (const { id } of committed) {
    const found = visit(id)
    if (found !== null) return found
  }
  return null
}

export function describeSerializability(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`serializability of ${name}`, () => {
    let under: StoreUnderTest
    beforeAll(async () => {
      under = await make()
    })
    afterAll(() => under.dispose())

    test('no circle among random transactions', async (context) => {
      if (!under.store.capabilities.serializable) context.skip('the store does not offer SERIALIZABLE')
      const seed = testSeed('SEED')
      console.log(`serializability seed ${seed}`)
      let total = 0
      let failures = 0
      let skewed = false
      const rounds = process.env['LONG'] === '1' ? 300 : 15
      for (let round = 0; round < rounds; round++) {
        const fresh = async (): Promise<Keyspace> =>
          under.store.open(await under.store.keyspaces.create(`ser-${round}-${Math.random().toString(36).slice(2, 8)}`))
        const { committed, failed } = await run(await fresh(), 'serializable', seed + round, 60)
        expect(circle(committed), `seed ${seed}, round ${round}`).toBeNull()
        total += committed.length
        failures += failed
        // the judge must be able to find one: snapshot isolation alone lets them through
        skewed ||= circle((await run(await fresh(), 'repeatable read', seed + round, 60)).committed) !== null
      }
      expect(skewed).toBe(true)
      // most transactions must get through
      expect(total).toBeGreaterThan(failures / 2)
      console.log(`${total} committed, ${failures} refused`)
    })
  })
}
