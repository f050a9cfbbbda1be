// What holds while a cluster breaks and proxies die: no commit is lost, none happens twice, none that was reported as failed is there, no snapshot is
// torn, and what a dead proxy left behind is cleared by the others. Two checkers, each over several proxies: bank transfers and lists that are
// appended to. SEED=… repeats a run's choices; LONG=1 runs longer.

import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { type KeyspaceId, keyspaceId } from '../../src/base/ids.ts'
import { KvError } from '../../src/storage/kv-error.ts'
import { kvErrorToPgError } from '../../src/storage/kv-error-sqlstate.ts'
import type { BeginOptions, Transaction } from '../../src/storage/store.ts'
import { REPLICA_READS } from '../../src/storage/tikv/replicas.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { drain, exclusive, key, wholeTable } from '../kv/conformance.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { startChaos } from './chaos.ts'
import { anomalies, type ListTransaction } from './list-append.ts'
import { openProxy, type TestProxy } from './proxies.ts'

const isLong = process.env['LONG'] === '1'
const RUN_MS = isLong ? 90_000 : 7000
const ROUNDS = isLong ? 4 : 1
/** Calls in batches and one by one, reads by leaders and by followers. */
const PROXY_KINDS = [{}, { batching: false }, { replicaRead: 'follower' }] as const
const PROXIES = PROXY_KINDS.length
const WORKERS = 4
/** What may happen to a transaction without being a defect. */
const EXPECTED = ['writeConflict', 'deadlock', 'lockTimeout', 'unavailable', 'undetermined', 'closed', 'alreadyExists']

type Outcome = 'committed' | 'failed' | 'undetermined'

interface Cluster {
  readonly fake: Fake
  readonly keyspace: KeyspaceId
  readonly pick: (below: number) => number
  /** A proxy that is alive. */
  proxy(): Promise<TestProxy>
}

/** Runs `work` on several proxies at once while everything breaks; then heals it and hands over a fresh proxy. */
async function underFaults(
  seed: number,
  names: readonly string[],
  work: (cluster: Cluster, isOver: () => boolean, worker: number) => Promise<void>,
  check: (fresh: TestProxy, fake: Fake) => Promise<void>,
  setUp: (fresh: TestProxy) => Promise<void>,
): Promise<string> {
  const fake = await startFake({ stores: 3, keyspaces: ['one'], pdPort: 0, seed })
  const keyspace = keyspaceId(1)
  const pick = randomFrom(seed).below
  const proxies: TestProxy[] = []
  for (let i = 0; i < PROXIES; i++) proxies.push(await openProxy(fake, keyspace, PROXY_KINDS[i]))
  let killed = 0
  try {
    await setUp(proxies[0]!)
    const chaos = startChaos(
      fake,
      randomFrom(seed + 1).below,
      names.map((name) => `x\0\0\u0001t${name}`),
    )
    const until = performance.now() + RUN_MS
    const isOver = (): boolean => performance.now() > until
    const cluster: Cluster = {
      fake,
      keyspace,
      pick,
      async proxy() {
        const at = pick(PROXIES)
        let proxy = proxies[at]!
        if (proxy.isDead) {
          proxy = await openProxy(fake, keyspace, { batching: pick(2) === 0, replicaRead: REPLICA_READS[pick(2)]! })
          proxies[at] = proxy
        }
        return proxy
      },
    }
    const killer = async (): Promise<void> => {
      const choose = randomFrom(seed + 2).below
      while (!isOver()) {
        await pause(400 + choose(1200))
        const victim = proxies[choose(PROXIES)]!
        if (victim.isDead) continue
        victim.kill()
        killed++
        // the locks of the dead expire, and those of some that live
        await pause(choose(400))
        fake.cluster.tso.advance(25_000)
      }
    }
    const workers = Array.from({ length: WORKERS }, (_, i) => work(cluster, isOver, i))
    await killer()
    await chaos.stop()
    const healedAt = performance.now()
    const ended = await Promise.allSettled(workers)
    const recoveryMs = Math.round(performance.now() - healedAt)
    for (const one of ended) if (one.status === 'rejected') throw one.reason
    for (const proxy of proxies) if (!proxy.isDead) await proxy.close()
    // what the dead held has had its time
    fake.cluster.tso.advance(120_000)
    const fresh = await openProxy(fake, keyspace)
    await check(fresh, fake)
    // whoever wants what the dead had locked gets it, and then nothing is left
    const orphans = [...fake.cluster.mvcc.locked()].map((entry) => Buffer.from(entry.key.slice(4), 'latin1'))
    const last = fresh.begin({ isolation: 'read committed' })
    await last.lockKeys(orphans, { ...exclusive, timeoutMs: 10_000 })
    await last.rollback()
    expect([...fake.cluster.mvcc.locked()].map((entry) => entry.key)).toEqual([])
    await fresh.close()
    return `${orphans.length} orphan locks cleared; ${JSON.stringify(chaos.done)}, ${killed} proxies killed, all ended ${recoveryMs} ms after the last fault`
  } finally {
    for (const proxy of proxies) if (!proxy.isDead) await proxy.close()
    await fake.close()
  }
}

async function outcomeOf(txn: Transaction, work: () => Promise<unknown>): Promise<Outcome> {
  try {
    await work()
    return 'committed'
  } catch (error) {
    if (!(error instanceof KvError)) throw error
    if (!EXPECTED.includes(error.kind)) throw error
    try {
      await txn.rollback()
    } catch (failed) {
      if (!(failed instanceof KvError)) throw failed
    }
    return error.kind === 'undetermined' ? 'undetermined' : 'failed'
  }
}

const MODES: readonly BeginOptions[] = [
  { isolation: 'read committed' },
  { isolation: 'repeatable read' },
  { isolation: 'repeatable read', autocommit: true },
]

/** The value to write back: locked if the mode locks, at the snapshot otherwise. */
async function forUpdate(txn: Transaction, mode: BeginOptions, name: string): Promise<string> {
  if (mode.autocommit === true) return (await txn.get(key(name)))!.toString()
  const { values } = await txn.lockKeys([key(name)], { ...exclusive, timeoutMs: 1500, returnValues: true })
  return values![0]!.toString()
}

async function beginOnLive(cluster: Cluster, mode: BeginOptions): Promise<Transaction | null> {
  try {
    return (await cluster.proxy()).begin(mode)
  } catch (error) {
    // PD is away while a proxy starts
    if (error instanceof KvError && EXPECTED.includes(error.kind)) return null
    throw error
  }
}

const seeds = Array.from({ length: ROUNDS }, (_, i) => testSeed('SEED') + i)

test.each(seeds)('bank transfers, seed %i', { timeout: RUN_MS + 120_000 }, async (seed) => {
  const ACCOUNTS = 10
  const EACH = 1000
  const names = Array.from({ length: ACCOUNTS }, (_, i) => `a${i}`)
  const outcomes = new Map<string, Outcome>()
  let sums = 0
  const total = (entries: readonly [string, string][]): number =>
    entries.filter(([name]) => name.startsWith('ta')).reduce((sum, [, value]) => sum + Number(value), 0)
  let next = 0
  const summary = await underFaults(
    seed,
    names,
    async (cluster, isOver) => {
      const { pick } = cluster
      while (!isOver()) {
        const mode = MODES[pick(MODES.length)]!
        const txn = await beginOnLive(cluster, mode)
        if (txn === null) continue
        if (pick(5) === 0 && mode.isolation === 'repeatable read') {
          await outcomeOf(txn, async () => {
            const seen = total(await drain(txn, wholeTable))
            await txn.rollback()
            sums++
            expect(seen, 'a snapshot is torn').toBe(ACCOUNTS * EACH)
          })
          continue
        }
        const from = pick(ACCOUNTS)
        const to = (from + 1 + pick(ACCOUNTS - 1)) % ACCOUNTS
        const amount = 1 + pick(20)
        const id = `l${String(next++).padStart(6, '0')}`
        const outcome = await outcomeOf(txn, async () => {
          const paid = Number(await forUpdate(txn, mode, names[from]!)) - amount
          const got = Number(await forUpdate(txn, mode, names[to]!)) + amount
          await txn.put(key(names[from]!), Buffer.from(String(paid)))
          await txn.put(key(names[to]!), Buffer.from(String(got)))
          await txn.insert(key(id), Buffer.from(`${from} ${to} ${amount}`))
          await txn.commit()
        })
        outcomes.set(id, outcome)
      }
    },
    async (fresh) => {
      const txn = fresh.begin({ isolation: 'repeatable read' })
      const entries = await drain(txn, wholeTable)
      await txn.rollback()
      expect(total(entries)).toBe(ACCOUNTS * EACH)
      const balances = new Array<number>(ACCOUNTS).fill(EACH)
      const logged = new Set<string>()
      for (const [name, value] of entries) {
        if (!name.startsWith('tl')) continue
        logged.add(name.slice(1))
        const [from, to, amount] = value.split(' ').map(Number) as [number, number, number]
        balances[from]! -= amount
        balances[to]! += amount
      }
      expect(entries.filter(([name]) => name.startsWith('ta')).map(([, value]) => Number(value))).toEqual(balances)
      for (const [id, outcome] of outcomes) {
        if (outcome === 'committed') expect(logged.has(id), `${id} was acknowledged and is lost`).toBe(true)
        if (outcome === 'failed') expect(logged.has(id), `${id} was reported as failed and is there`).toBe(false)
      }
    },
    async (fresh) => {
      const txn = fresh.begin({ isolation: 'repeatable read', autocommit: true })
      for (const name of names) await txn.put(key(name), Buffer.from(String(EACH)))
      await txn.commit()
    },
  )
  const count = (kind: Outcome): number => [...outcomes.values()].filter((one) => one === kind).length
  console.log(
    `bank, seed ${seed}: ${count('committed')} committed, ${count('failed')} failed, ${count('undetermined')} undetermined, ${sums} sums; ${summary}`,
  )
  expect(count('committed')).toBeGreaterThan(20)
})

test.each(seeds)('lists that are appended to, seed %i', { timeout: RUN_MS + 120_000 }, async (seed) => {
  const LISTS = 6
  const names = Array.from({ length: LISTS }, (_, i) => `q${i}`)
  const history: ListTransaction[] = []
  let next = 1
  const elements = (value: string): number[] => (value === '' ? [] : value.split(',').map(Number))
  const final = new Map<string, number[]>()
  const summary = await underFaults(
    seed,
    names,
    async (cluster, isOver) => {
      const { pick } = cluster
      while (!isOver()) {
        const mode = MODES[1 + pick(MODES.length - 1)]!
        const txn = await beginOnLive(cluster, mode)
        if (txn === null) continue
        const one: ListTransaction = {
          id: next++,
          reads: new Map(),
          appends: new Set(),
          startedAt: performance.now(),
          endedAt: 0,
          outcome: 'failed',
        }
        one.outcome = await outcomeOf(txn, async () => {
          for (let step = 1 + pick(4); step > 0; step--) {
            const name = names[pick(LISTS)]!
            if (one.appends.has(name)) continue
            if (pick(2) === 0) {
              one.reads.set(name, elements((await txn.get(key(name)))!.toString()))
              continue
            }
            const before = await forUpdate(txn, mode, name)
            one.reads.set(name, elements(before))
            await txn.put(key(name), Buffer.from(before === '' ? String(one.id) : `${before},${one.id}`))
            one.appends.add(name)
          }
          await txn.commit()
        })
        one.endedAt = performance.now()
        history.push(one)
      }
    },
    async (fresh) => {
      const txn = fresh.begin({ isolation: 'repeatable read' })
      for (const name of names) final.set(name, elements((await txn.get(key(name)))!.toString()))
      await txn.rollback()
      expect(anomalies(history, final)).toEqual([])
    },
    async (fresh) => {
      const txn = fresh.begin({ isolation: 'repeatable read', autocommit: true })
      for (const name of names) await txn.put(key(name), Buffer.from(''))
      await txn.commit()
    },
  )
  const count = (kind: Outcome): number => history.filter(({ outcome }) => outcome === kind).length
  console.log(
    `lists, seed ${seed}: ${count('committed')} committed, ${count('failed')} failed, ${count('undetermined')} undetermined; ${summary}`,
  )
  expect(count('committed')).toBeGreaterThan(20)
})

test.each(['KvPrewrite', 'KvCommit'])(
  'an unanswered %s whose outcome cannot be found out is undetermined, never a failure',
  async (command) => {
    const fake = await startFake({ stores: 1, keyspaces: ['one'], pdPort: 0, seed: 1 })
    const proxy = await openProxy(fake, keyspaceId(1))
    const txn = proxy.begin({ isolation: 'read committed', autocommit: true })
    const rows = command === 'KvCommit' ? 300 : 1 // more keys than commit asynchronously, in more than one region
    for (let i = 0; i < rows; i++) await txn.put(key(String(i).padStart(4, '0')), Buffer.from('1'))
    if (rows > 1) {
      const middle = 'x\0\0\u0001t0150'
      await fetch(`${fake.controlUrl}/split?key=${Buffer.from(middle, 'latin1').toString('hex')}`, { method: 'POST' })
    }
    for (const [cmd, action] of [
      [command, 'drop-response'],
      ['KvCheckTxnStatus', 'drop-request'],
    ])
      fake.faults.add({ cmd, action, n: 1000 })
    const outcome = outcomeOf(txn, async () => txn.commit())
    await expect.poll(() => fake.faults.counts()[command] ?? 0).toBeGreaterThan(1)
    proxy.kill()
    expect(await outcome).toBe('undetermined')
    fake.faults.reset()
    fake.cluster.tso.advance(60_000)
    const fresh = await openProxy(fake, keyspaceId(1))
    const reader = fresh.begin({ isolation: 'repeatable read' })
    expect((await drain(reader, wholeTable)).length).toBe(rows)
    await reader.rollback()
    const mapped = kvErrorToPgError(new KvError('undetermined', 'not answered'))
    expect([mapped.code, mapped.message]).toEqual(['08007', 'the outcome of the transaction is unknown'])
    await fresh.close()
    await fake.close()
  },
)
