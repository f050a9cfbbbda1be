// What real clusters do when the leader of PD or a store is killed: nothing answers for 11 to 13 s (measured). A session that may wait sees no error;
// reads of single keys don't need PD at all; two seconds after the cluster is back everything goes on.

import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { keyspaceId } from '../../src/base/ids.ts'
import type { Transaction } from '../../src/storage/store.ts'
import { type Fake, startFake } from '../fake-tikv/fake.ts'
import { drain, exclusive, key, wholeTable } from '../kv/conformance.ts'
import { type Relay, startRelay } from '../support/relay.ts'
import { startStopwatch } from '../support/stalls.ts'
import { openProxy, type TestProxy } from './proxies.ts'

const OUTAGE_MS = 12_500
/** Longer than it takes to notice on the first connection that nothing comes back. */
const FROZEN_MS = 15_500
const RECOVERY_MS = 2000

let written = 0
const WORK: Readonly<Record<string, (proxy: TestProxy) => Promise<unknown>>> = {
  async 'point read'(proxy) {
    expect((await proxy.begin({ isolation: 'read committed', latest: true }).get(key('a')))?.toString()).toBe('0')
  },
  async scan(proxy) {
    const txn = proxy.begin({ isolation: 'repeatable read', readOnly: true })
    expect((await drain(txn, wholeTable)).length).toBeGreaterThanOrEqual(2)
    await txn.rollback()
  },
  async 'batch of keys'(proxy) {
    const txn = proxy.begin({ isolation: 'repeatable read', readOnly: true })
    expect((await txn.batchGet([key('a'), key('z')])).map(String)).toEqual(['0', '0'])
    await txn.rollback()
  },
  async 'autocommit write'(proxy) {
    const txn = proxy.begin({ isolation: 'read committed', autocommit: true })
    await txn.put(key(`own-${written++}`), Buffer.from('1'))
    await txn.commit()
  },
  async 'transaction with locks'(proxy) {
    const txn = proxy.begin({ isolation: 'read committed' })
    await txn.lockKeys([key('locked'), key('z-locked')], { ...exclusive, timeoutMs: 0 })
    await txn.put(key('locked'), Buffer.from('1'))
    await txn.put(key('z-locked'), Buffer.from('1'))
    await txn.commit()
  },
}

/** `members`: where PD's members are asked. */
async function cluster(
  prepare?: (fake: Fake) => Promise<void>,
  members: readonly Relay[] = [],
): Promise<{ fake: Fake; proxy: TestProxy; open: Transaction }> {
  const fake = await startFake({ stores: 3, keyspaces: ['one'], pdPort: 0, seed: 1, electionMs: OUTAGE_MS })
  await prepare?.(fake)
  const proxy = await openProxy(fake, keyspaceId(1), members.length === 0 ? {} : { pdEndpoints: members.map(({ address }) => address) })
  const first = proxy.begin({ isolation: 'read committed', autocommit: true })
  for (const name of ['a', 'z']) await first.put(key(name), Buffer.from('0'))
  await first.commit()
  // two regions, led by one store; the proxy knows them
  for (const region of fake.cluster.regions.all()) fake.cluster.setLeader(region, 1n)
  for (const work of Object.values(WORK)) await work(proxy)
  // a transaction that is under way when it happens
  const open = proxy.begin({ isolation: 'repeatable read' })
  await open.lockKeys([key('open')], exclusive)
  await open.put(key('open'), Buffer.from('1'))
  return { fake, proxy, open }
}

describe.concurrent('outages', () => {
  test('the store that leads is killed', { timeout: 60_000 }, async () => {
    const { fake, proxy, open } = await cluster()
    await fake.killStore(1n)
    const since = startStopwatch()
    const work = Object.entries(WORK).flatMap(([name, run]) =>
      [0, 5000, 11_000].map(async (delay) => {
        await pause(delay)
        await run(proxy)
        return [name, since.elapsed()] as const
      }),
    )
    const ended = await Promise.all(work)
    console.log(`back ${Math.round(Math.max(...ended.map(([, ms]) => ms)) - OUTAGE_MS)} ms after the election`)
    for (const [name, ms] of ended) {
      expect(ms, name).toBeGreaterThan(OUTAGE_MS - 100 - since.lost())
      expect(ms, name).toBeLessThan(OUTAGE_MS + RECOVERY_MS)
    }
    // locks in the memory of a leader die with it; nobody took this one meanwhile
    await open.commit()
    await proxy.close()
    await fake.close()
  })

  test('locks that die with a leader: others may take the keys, and then the commit fails', { timeout: 60_000 }, async () => {
    const fake = await startFake({ stores: 3, keyspaces: ['one'], pdPort: 0, seed: 1, electionMs: 100 })
    const proxy = await openProxy(fake, keyspaceId(1))
    const holders = ['taken', 'free'].map((name) => ({ name, txn: proxy.begin({ isolation: 'read committed' }) }))
    for (const { name, txn } of holders) {
      await txn.lockKeys([key(`${name}-written`), key(`${name}-locked`)], exclusive)
      await txn.put(key(`${name}-written`), Buffer.from('1'))
    }
    // longer than an election takes at least: a store says by itself that it lost nothing before
    await pause(5100)
    for (const region of fake.cluster.regions.all()) fake.cluster.setLeader(region, 1n)
    await fake.killStore(1n)
    await pause(200)
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
    const other = proxy.begin({ isolation: 'read committed', autocommit: true })
    await other.put(key('taken-locked'), Buffer.from('other'))
    await other.commit()
    const [taken, free] = await Promise.allSettled(holders.map(({ txn }) => txn.commit()))
    expect(taken).toMatchObject({ status: 'rejected', reason: { kind: 'writeConflict', retryable: true } })
    expect(free).toMatchObject({ status: 'fulfilled' })
    const reader = proxy.begin({ isolation: 'read committed', readOnly: true })
    expect((await drain(reader, wholeTable)).map(([name]) => name)).toEqual(['tfree-written', 'ttaken-locked'])
    await reader.rollback()
    await proxy.close()
    expect([...fake.cluster.mvcc.locked()]).toEqual([])
    await fake.close()
  })

  // Its connections stay, and new ones are accepted: what waits there for an answer must not miss that another store leads.
  test('the store that leads is frozen', { timeout: 60_000 }, async () => {
    let relay: Relay | undefined
    const { fake, proxy, open } = await cluster(async ({ pd, storeAddresses }) => {
      relay = await startRelay(storeAddresses()[0]!)
      pd.putStore({ ...pd.stores.get(1n)!, address: relay.address })
    })
    relay!.freeze()
    const since = startStopwatch()
    const work = Object.entries(WORK).map(async ([name, run]) => {
      await run(proxy)
      return [name, since.elapsed()] as const
    })
    await pause(FROZEN_MS)
    for (const region of fake.cluster.regions.all()) fake.cluster.setLeader(region, 2n)
    const ended = await Promise.all(work)
    console.log(`back ${Math.round(Math.max(...ended.map(([, ms]) => ms)) - FROZEN_MS)} ms after the election`)
    for (const [name, ms] of ended) {
      expect(ms, name).toBeGreaterThan(FROZEN_MS - 100 - since.lost())
      expect(ms, name).toBeLessThan(FROZEN_MS + RECOVERY_MS)
    }
    await open.commit()
    await proxy.close()
    await relay!.close()
    await fake.close()
  })

  test('PD is killed', { timeout: 60_000 }, async () => {
    const { fake, proxy, open } = await cluster()
    await fake.killPd()
    const since = startStopwatch()
    const needsPd = Object.entries(WORK)
      .filter(([name]) => name !== 'point read')
      .map(async ([name, run]) => {
        await run(proxy)
        return [name, since.elapsed()] as const
      })
    const latencies: number[] = []
    while (since.elapsed() + since.lost() < OUTAGE_MS) {
      const before = since.elapsed()
      await WORK['point read']!(proxy)
      latencies.push(since.elapsed() - before)
      await pause(50)
    }
    await fake.startPd()
    const ended = await Promise.all(needsPd)
    console.log(`back ${Math.round(Math.max(...ended.map(([, ms]) => ms)) - OUTAGE_MS)} ms after PD`)
    for (const [name, ms] of ended) {
      expect(ms, name).toBeGreaterThan(OUTAGE_MS - 100 - since.lost())
      expect(ms, name).toBeLessThan(OUTAGE_MS + RECOVERY_MS)
    }
    // none waited for PD
    expect(latencies.length).toBeGreaterThan(50)
    expect(Math.max(...latencies)).toBeLessThan(1000)
    await open.commit()
    await proxy.close()
    await fake.close()
  })

  // As above: it accepts what it will not answer, and the other member names it until another one is elected.
  test('PD’s leader is frozen', { timeout: 60_000 }, async () => {
    const relays: Relay[] = []
    const { fake, proxy, open } = await cluster(async ({ pd, pdAddress }) => {
      for (let member = 0; member < 2; member++) relays.push(await startRelay(pdAddress))
      pd.member.clientUrl = `http://${relays[0]!.address}`
    }, relays)
    relays[0]!.freeze()
    const since = startStopwatch()
    const needsPd = Object.entries(WORK)
      .filter(([name]) => name !== 'point read')
      .map(async ([name, run]) => {
        await run(proxy)
        return [name, since.elapsed()] as const
      })
    await pause(OUTAGE_MS)
    fake.pd.member.clientUrl = `http://${relays[1]!.address}`
    const ended = await Promise.all(needsPd)
    console.log(`back ${Math.round(Math.max(...ended.map(([, ms]) => ms)) - OUTAGE_MS)} ms after the election`)
    for (const [name, ms] of ended) {
      expect(ms, name).toBeGreaterThan(OUTAGE_MS - 100 - since.lost())
      expect(ms, name).toBeLessThan(OUTAGE_MS + RECOVERY_MS)
    }
    await open.commit()
    await proxy.close()
    for (const relay of relays) await relay.close()
    await fake.close()
  })
})
