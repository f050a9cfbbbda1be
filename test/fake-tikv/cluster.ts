// The cluster that the stores and PD are views of: data, regions and their leaders, the clock, and what happens when stores come and go.

import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { encodeKey } from './keys.ts'
import { createLockWaits, type LockWaits } from './lock-waits.ts'
import { createMvcc, type Mvcc } from './mvcc.ts'
import { createRegionMap, type Region, type RegionMap } from './regions.ts'
import { createTso, type Tso } from './tso.ts'

export interface Store {
  readonly id: bigint
  address: string
  statusAddress: string
  /** Answers at all. */
  isUp: boolean
  /** The highest ts it has read at. */
  maxTs: bigint
  startedAt: number
}

/** Peers per region, as PD's max-replicas. */
const REPLICAS = 3
const COMMITTED_TXNS_KEPT = 5000

export interface Cluster {
  readonly id: bigint
  readonly mvcc: Mvcc
  readonly regions: RegionMap
  readonly tso: Tso
  readonly waits: LockWaits
  readonly stores: Map<bigint, Store>
  nextId(): bigint
  addStore(store: Store): void
  /** Recently committed transactions, so that a late prewrite writes nothing. */
  noteCommitted(startTs: bigint, commitTs: bigint): void
  committedAt(startTs: bigint): bigint | undefined
  /** Splits at encoded keys; the leaders fetch a new max_ts. */
  split(region: Region, keys: readonly string[]): Region[]
  merge(region: Region): Region | undefined
  setLeader(region: Region, storeId: bigint): void
  removeLeader(region: Region): void
  storeDied(store: Store): void
  /** Stops elections that are still to come. */
  close(): void
}

/** A small generator of numbers that a seed fixes. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 0x100000000
  }
}

/** `electionMs`: how long regions stay without a leader after the store that led them died. */
export function createCluster(id: bigint, storeCount: number, seed: number, electionMs: number): Cluster {
  const random = createRandom(seed)
  const tso = createTso()
  const mvcc = createMvcc()
  const stores = new Map<bigint, Store>()
  const committed = new Map<bigint, bigint>()
  const elections = new Set<NodeJS.Timeout>()
  let lastId = BigInt(storeCount)
  const nextId = (): bigint => ++lastId

  const firstId = nextId()
  const peers = Array.from({ length: Math.min(storeCount, REPLICAS) }, (_, i) => ({ id: nextId(), storeId: BigInt(i + 1) }))
  const first: Region = {
    id: firstId,
    start: '',
    end: '',
    version: 1n,
    confVer: BigInt(Math.max(1, peers.length)),
    peers,
    leader: peers[0]?.storeId ?? 0n,
    lastLeader: 0n,
    term: 6n,
  }
  const regions = createRegionMap(nextId, first)

  const syncMaxTs = (region: Region): void => {
    const store = stores.get(region.leader)
    const now = tso.next()
    if (store && now > store.maxTs) store.maxTs = now
  }
  const setLeader = (region: Region, storeId: bigint): void => {
    region.leader = storeId
    region.lastLeader = 0n
    region.term++
    syncMaxTs(region)
  }
  const elect = (region: Region): void => {
    if (region.leader !== 0n) return
    const candidates = region.peers.filter((peer) => stores.get(peer.storeId)?.isUp)
    const chosen = candidates[Math.floor(random() * candidates.length)]
    if (chosen) setLeader(region, chosen.storeId)
  }
  return {
    id,
    mvcc,
    regions,
    tso,
    waits: createLockWaits(),
    stores,
    nextId,
    addStore(store) {
      stores.set(store.id, store)
      for (const region of regions.all()) elect(region)
    },
    noteCommitted(startTs, commitTs) {
      committed.set(startTs, commitTs)
      if (committed.size > COMMITTED_TXNS_KEPT) committed.delete(committed.keys().next().value!)
    },
    committedAt: (startTs) => committed.get(startTs),
    split(region, keys) {
      const parts = regions.split(region, keys)
      if (parts.length > 0) syncMaxTs(region)
      return parts
    },
    merge(region) {
      const merged = regions.merge(region)
      if (merged) syncMaxTs(merged)
      return merged
    },
    setLeader,
    removeLeader(region) {
      region.leader = 0n
      region.lastLeader = 0n
      region.term++
    },
    storeDied(store) {
      const orphans = regions.all().filter((region) => region.leader === store.id)
      if (orphans.length === 0) return
      // Pessimistic locks live in the leader's memory.
      for (const entry of [...mvcc.locked()]) {
        if (entry.lock?.type !== Op.PessimisticLock) continue
        if (regions.find(encodeKey(entry.key)).leader === store.id) mvcc.removeLock(entry)
      }
      for (const region of orphans) {
        region.leader = 0n
        region.lastLeader = store.id
      }
      const timer = setTimeout(() => {
        elections.delete(timer)
        for (const region of orphans) elect(region)
      }, electionMs)
      elections.add(timer)
    },
    close() {
      for (const timer of elections) clearTimeout(timer)
    },
  }
}
