// What PD knows and decides, apart from how it is asked: members, stores with their life cycle, keyspaces, GC, placement.

import { Op } from '../../src/storage/tikv/proto/kvrpcpb.ts'
import { NodeState, type Store as StoreMessage, StoreState } from '../../src/storage/tikv/proto/metapb.ts'
import type { Cluster } from './cluster.ts'
import { createGc, type Gc } from './gc.ts'
import { createKeyspaces, type Keyspaces, keyspaceBounds, PdRefusal } from './keyspaces.ts'
import { valueAt } from './mvcc.ts'
import { createPlacement, type Placement } from './placement.ts'
import { contains } from './regions.ts'

export const VERSION = '8.5.7'
const TOMBSTONE_AFTER_MS = 1500

export interface Member {
  readonly name: string
  readonly id: bigint
  clientUrl: string
  readonly peerUrl: string
}

export interface Pd {
  readonly cluster: Cluster
  readonly member: Member
  readonly keyspaces: Keyspaces
  readonly gc: Gc
  readonly placement: Placement
  readonly stores: Map<bigint, StoreMessage>
  /** What others have put into PD's etcd. */
  readonly etcd: Map<string, string>
  isBootstrapped: boolean
  bootstrappedAt: Date | undefined
  /** Registers a store; the first one bootstraps the cluster. */
  putStore(store: StoreMessage): void
  removeStore(id: bigint): void
  /** Splits regions at encoded keys, wherever they lie; the answer is the regions that were split. */
  splitAt(keys: readonly string[]): bigint[]
  /** The first heart-beat of every store, and the split at DEFAULT's bounds. */
  settle(): void
  /** Whether the regions are split at a keyspace's bounds. */
  isSplit(id: number): boolean
  close(): void
}

export function createPd(cluster: Cluster): Pd {
  const stores = new Map<bigint, StoreMessage>()
  const timers = new Set<NodeJS.Timeout>()
  const splitAt = (keys: readonly string[]): bigint[] => {
    const split = new Set<bigint>()
    const byRegion = new Map<bigint, string[]>()
    for (const key of keys) {
      const region = cluster.regions.find(key)
      if (key === region.start) continue
      byRegion.set(region.id, [...(byRegion.get(region.id) ?? []), key])
    }
    for (const [id, inside] of byRegion) {
      const region = cluster.regions.byId(id)!
      if (cluster.split(region, inside).length > 0) split.add(id)
    }
    return [...split]
  }
  const keyspaces = createKeyspaces((keys) => {
    splitAt(keys)
  })
  /** Drops the versions that nobody at or above the safe point can see. */
  const collect = (safePoint: bigint): void => {
    for (const entry of [...cluster.mvcc.ascending('', '')]) {
      const kept = valueAt(entry, safePoint)
      for (const write of entry.writes) {
        if (write.commitTs > safePoint || write === kept) continue
        if (write.type === Op.Rollback && entry.lock !== undefined && write.commitTs >= entry.lock.startTs) continue
        cluster.mvcc.removeWrite(entry, write)
      }
    }
  }
  const pd: Pd = {
    cluster,
    member: { name: 'pd1', id: 3474484975246189105n, clientUrl: '', peerUrl: 'http://127.0.0.1:2380' },
    keyspaces,
    gc: createGc(keyspaces, collect),
    placement: createPlacement(
      () =>
        [...stores.values()]
          .filter((store) => store.state === StoreState.Up)
          .map((store) => new Map(store.labels.map((label) => [label.key, label.value]))),
      1,
    ),
    stores,
    etcd: new Map(),
    isBootstrapped: false,
    bootstrappedAt: undefined,
    putStore(store) {
      const known = stores.get(store.id)
      if (known?.state === StoreState.Tombstone) throw new PdRefusal('store is tombstone', { status: 410 })
      const twin = [...stores.values()].find(
        (other) => other.id !== store.id && other.address === store.address && other.state !== StoreState.Tombstone,
      )
      if (twin) throw new PdRefusal(`duplicated store address: ${storeText(store)}, already registered by ${storeText(twin)}`)
      stores.set(store.id, { ...store, labels: [...store.labels].sort((a, b) => (a.key < b.key ? -1 : 1)) })
      if (pd.isBootstrapped) return
      pd.isBootstrapped = true
      pd.bootstrappedAt = new Date()
      keyspaces.bootstrap()
    },
    removeStore(id) {
      const store = stores.get(id)
      if (!store) throw new PdRefusal(`[PD:core:ErrStoreNotFound]store ${id} not found`, { status: 404 })
      const up = [...stores.values()].filter(
        (other) => other.state === StoreState.Up && other.id !== id && cluster.stores.has(other.id),
      ).length
      if (cluster.stores.has(id) && up < 1)
        throw new PdRefusal(
          `[PD:core:ErrStoresNotEnough]can not remove store ${id} since the number of up stores would be ${up} while need 1`,
          { status: 400 },
        )
      store.state = StoreState.Offline
      store.node_state = NodeState.Removing
      const timer = setTimeout(() => {
        timers.delete(timer)
        store.state = StoreState.Tombstone
        store.node_state = NodeState.Removed
      }, TOMBSTONE_AFTER_MS)
      timers.add(timer)
    },
    splitAt,
    settle() {
      for (const store of stores.values()) {
        if (store.state !== StoreState.Up) continue
        store.node_state = NodeState.Serving
        store.last_heartbeat = BigInt(Date.now()) * 1_000_000n
      }
      const { start, end } = keyspaceBounds(0)
      splitAt([start, end])
    },
    isSplit(id) {
      const { start, end } = keyspaceBounds(id)
      const first = cluster.regions.find(start)
      if (first.start !== start) return false
      const after = cluster.regions.find(end)
      return after.start === end && contains(first, start)
    },
    close() {
      for (const timer of timers) clearTimeout(timer)
    },
  }
  return pd
}

/** gogo's text form of a store. */
function storeText(store: StoreMessage): string {
  const states = ['', 'Offline', 'Tombstone']
  const nodeStates = ['', 'Serving', 'Removing', 'Removed']
  const parts = [
    `id:${store.id}`,
    store.address && `address:"${store.address}"`,
    store.state !== 0 && `state:${states[store.state]}`,
    ...store.labels.map((label) => `labels:<key:"${label.key}" value:"${label.value}" >`),
    store.version && `version:"${store.version}"`,
    store.peer_address && `peer_address:"${store.peer_address}"`,
    store.status_address && `status_address:"${store.status_address}"`,
    store.git_hash && `git_hash:"${store.git_hash}"`,
    store.start_timestamp !== 0n && `start_timestamp:${store.start_timestamp}`,
    store.deploy_path && `deploy_path:"${store.deploy_path}"`,
    store.last_heartbeat !== 0n && `last_heartbeat:${store.last_heartbeat}`,
    store.node_state !== 0 && `node_state:${nodeStates[store.node_state]}`,
  ]
  return `${parts.filter(Boolean).join(' ')} `
}
