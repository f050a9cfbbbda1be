// What may befall a cluster and the proxies on it, drawn from a seed: regions split, merge, lose and change their leaders; stores and PD die and come
// back; requests and answers get lost, doubled and late.

import { setTimeout as pause } from 'node:timers/promises'
import type { Fake } from '../fake-tikv/fake.ts'
import { decodeKey, encodeKey } from '../fake-tikv/keys.ts'

type Pick = (below: number) => number

const COMMANDS = [
  'KvGet',
  'KvBatchGet',
  'KvScan',
  'KvPrewrite',
  'KvPrewrite',
  'KvCommit',
  'KvCommit',
  'KvPessimisticLock',
  'KVPessimisticRollback',
  'KvBatchRollback',
  'KvResolveLock',
  'KvCheckTxnStatus',
  'KvCheckSecondaryLocks',
  'KvTxnHeartBeat',
]
const PD_COMMANDS = ['Tso', 'GetRegion', 'GetStore', 'GetMembers']
const REGION_ERRORS: readonly object[] = [
  { message: 'planted', not_leader: {} },
  { message: 'planted', region_not_found: {} },
  { message: 'planted', epoch_not_match: {} },
  { message: 'planted', server_is_busy: { reason: 'planted', backoff_ms: 5 } },
  { message: 'planted', stale_command: {} },
  { message: 'planted', read_index_not_ready: {} },
  { message: 'planted', proposal_in_merging_mode: {} },
  { message: 'planted', max_timestamp_not_synced: {} },
  { message: 'planted', region_not_initialized: {} },
  { message: 'planted', mismatch_peer_id: {} },
  { message: 'a region error that nobody knows' },
]

export interface Chaos {
  readonly done: Record<string, number>
  /** Ends it, and heals what it broke. */
  stop(): Promise<void>
}

/** `keys`: prefixed keys at which regions are split. */
export function startChaos(fake: Fake, pick: Pick, keys: readonly string[]): Chaos {
  const done: Record<string, number> = {}
  let isOver = false
  const { regions } = fake.cluster
  const one = <T>(list: readonly T[]): T => list[pick(list.length)]!
  /** Regions that lie within the keyspaces that are worked on. */
  const ours = () =>
    regions.all().filter(({ start, end }) => keys.some((key) => encodeKey(key) >= start && (end === '' || encodeKey(key) < end)))
  const acts: readonly [string, number, () => Promise<void> | void][] = [
    [
      'split',
      6,
      () => {
        const key = encodeKey(one(keys))
        fake.cluster.split(regions.find(key), [key])
      },
    ],
    [
      'merge',
      4,
      () => {
        const region = one(ours())
        // PD merges nothing over the bounds of a keyspace
        const prefix = (decodeKey(region.start) ?? '').slice(0, 4)
        const next = regions.all()[regions.indexOf(region) + 1]
        if (next !== undefined && prefix !== '' && (decodeKey(next.start) ?? '').slice(0, 4) === prefix) fake.cluster.merge(region)
      },
    ],
    [
      'leader',
      6,
      () => {
        const region = one(ours())
        const up = region.peers.filter(({ storeId }) => fake.cluster.stores.get(storeId)!.isUp)
        if (region.leader !== 0n && up.length > 0) fake.cluster.setLeader(region, one(up).storeId)
      },
    ],
    [
      'noleader',
      2,
      async () => {
        const region = one(ours())
        fake.cluster.removeLeader(region)
        await pause(20 + pick(150))
        const up = region.peers.filter(({ storeId }) => fake.cluster.stores.get(storeId)!.isUp)
        if (region.leader === 0n && up.length > 0) fake.cluster.setLeader(region, one(up).storeId)
      },
    ],
    [
      'store',
      2,
      async () => {
        const id = BigInt(1 + pick(fake.cluster.stores.size))
        await fake.killStore(id)
        await pause(100 + pick(700))
        await fake.startStore(id)
      },
    ],
    [
      'pd',
      1,
      async () => {
        await fake.killPd()
        await pause(50 + pick(400))
        await fake.startPd()
      },
    ],
    [
      'fault',
      16,
      () => {
        const isPd = pick(6) === 0
        const actions = isPd
          ? ['drop-request', 'drop-response', 'delay']
          : ['drop-request', 'drop-response', 'duplicate', 'delay', 'region-error']
        fake.faults.add({
          cmd: one(isPd ? PD_COMMANDS : COMMANDS),
          action: one(actions),
          skip: pick(3),
          n: 1 + pick(3),
          ms: 1 + pick(80),
          error: one(REGION_ERRORS),
        })
      },
    ],
  ]
  const total = acts.reduce((sum, [, weight]) => sum + weight, 0)
  const run = async (): Promise<void> => {
    while (!isOver) {
      let at = pick(total)
      const [name, , act] = acts.find(([, weight]) => (at -= weight) < 0)!
      done[name] = (done[name] ?? 0) + 1
      await act()
      await pause(10 + pick(100))
    }
  }
  const running = run()
  return {
    done,
    async stop() {
      isOver = true
      await running
      fake.faults.reset()
      await fake.startPd()
      for (const id of fake.cluster.stores.keys()) await fake.startStore(id)
      for (const region of regions.all()) if (region.leader === 0n) fake.cluster.setLeader(region, region.peers[0]!.storeId)
    },
  }
}
