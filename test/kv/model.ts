// Random transactions against a store and against a model in memory; both must answer alike. The seed is printed and can be given (SEED=…).

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KvError } from '../../src/storage/kv-error.ts'
import type { Keyspace, Savepoint, Transaction } from '../../src/storage/store.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { drain, exclusive, key, type StoreUnderTest, wholeTable } from './conformance.ts'

type State = Map<string, string>

class Client {
  readonly txn: Transaction
  readonly repeatable: boolean
  /** What the transaction sees: its snapshot under its own writes. */
  view: State
  own = new Map<string, string | null>()
  savepoints: { at: Savepoint; own: Map<string, string | null>; locked: Set<string> }[] = []
  locked = new Set<string>()

  constructor(keyspace: Keyspace, repeatable: boolean, committed: State) {
    this.repeatable = repeatable
    this.txn = keyspace.begin({ isolation: repeatable ? 'repeatable read' : 'read committed' })
    this.view = new Map(committed)
  }

  seen(): [string, string][] {
    const state = new Map(this.view)
    for (const [name, value] of this.own) {
      if (value === null) state.delete(name)
      else state.set(name, value)
    }
    return [...state].sort(([a], [b]) => (a < b ? -1 : 1))
  }
}

export function describeModel(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`model of ${name}`, () => {
    let under: StoreUnderTest
    beforeAll(async () => {
      under = await make()
    })
    afterAll(() => under.dispose())

    test('random transactions', { timeout: 600_000 }, async () => {
      const seed = testSeed('SEED')
      console.log(`model seed ${seed}`)
      const pick = randomFrom(seed).below
      const keyspace = await under.store.open(await under.store.keyspaces.create(`model-${Date.now().toString(36)}`))
      const committed: State = new Map()
      const changedAt = new Map<string, number>()
      let tick = 0
      const clients: (Client & { since?: number })[] = []
      const steps = process.env['LONG'] === '1' ? 60_000 : 4000
      const keyName = (): string => `k${pick(24).toString(36)}`

      for (let step = 0; step < steps; step++) {
        const context = `seed ${seed}, step ${step}`
        if (clients.length < 4 && (clients.length === 0 || pick(4) === 0)) {
          const client: Client & { since?: number } = new Client(keyspace, pick(2) === 0, committed)
          // the first read takes the snapshot
          await client.txn.get(key('none'))
          client.since = tick
          clients.push(client)
        }
        const at = pick(clients.length)
        const client = clients[at]!
        const { txn } = client
        switch (pick(12)) {
          case 0:
          case 1: {
            const name = keyName()
            const value = await txn.get(key(name))
            expect(value === null ? null : value.toString(), context).toBe(new Map(client.seen()).get(`t${name}`) ?? null)
            break
          }
          case 2:
          case 3: {
            const reverse = pick(2) === 0
            const bounds = [key(keyName()), key(keyName())].sort(Buffer.compare)
            const range = pick(2) === 0 ? wholeTable : { start: bounds[0]!, end: bounds[1]! }
            const limit = 1 + pick(30)
            let expected = client.seen().filter(([k]) => k >= range.start.toString() && k < range.end.toString('latin1'))
            if (reverse) expected = expected.reverse()
            expect(await drain(txn, range, { reverse, limit }), context).toEqual(expected.slice(0, limit))
            break
          }
          case 4:
          case 5:
          case 6:
          case 7: {
            const name = keyName()
            const full = `t${name}`
            if (clients.some((other) => other !== client && other.locked.has(full))) break
            const conflict = client.repeatable && (changedAt.get(full) ?? 0) > client.since!
            try {
              await txn.lockKeys([key(name)], { ...exclusive, wait: 'nowait' })
              expect(conflict, context).toBe(false)
            } catch (error) {
              expect(error, context).toBeInstanceOf(KvError)
              expect((error as KvError).kind, context).toBe('writeConflict')
              expect(conflict, context).toBe(true)
              break
            }
            client.locked.add(full)
            if (pick(3) === 0) {
              await txn.delete(key(name))
              client.own.set(full, null)
            } else {
              const value = `v${step}${'x'.repeat(pick(400))}`
              await txn.put(key(name), Buffer.from(value))
              client.own.set(full, value)
            }
            break
          }
          case 8: {
            if (client.savepoints.length < 5)
              client.savepoints.push({ at: txn.savepoint(), own: new Map(client.own), locked: new Set(client.locked) })
            break
          }
          case 9: {
            if (client.savepoints.length === 0) break
            const to = pick(client.savepoints.length)
            const savepoint = client.savepoints[to]!
            client.savepoints.length = to + 1
            await txn.rollbackTo(savepoint.at)
            client.own = new Map(savepoint.own)
            client.locked = new Set(savepoint.locked)
            break
          }
          case 10: {
            clients.splice(at, 1)
            if (pick(3) === 0) {
              await txn.rollback()
              break
            }
            await txn.commit()
            tick++
            for (const [name, value] of client.own) {
              if (value === null) committed.delete(name)
              else committed.set(name, value)
              changedAt.set(name, tick)
            }
            break
          }
          default: {
            if (client.repeatable) break
            await txn.refreshReadTs()
            client.view = new Map(committed)
            client.since = tick
          }
        }
      }
      for (const client of clients) await client.txn.rollback()
      const reader = keyspace.begin({ isolation: 'read committed' })
      expect(await drain(reader, wholeTable)).toEqual([...committed].sort(([a], [b]) => (a < b ? -1 : 1)))
      await reader.rollback()
    })
  })
}
