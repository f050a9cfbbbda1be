// metapb: stores, peers and regions.

import { bool, bytes, embedded, enumeration, int64, type MessageOf, message, repeated, string, uint64 } from './message.ts'

export const StoreState = { Up: 0, Offline: 1, Tombstone: 2 } as const
export const NodeState = { Preparing: 0, Serving: 1, Removing: 2, Removed: 3 } as const
export const PeerRole = { Voter: 0, Learner: 1, IncomingVoter: 2, DemotingVoter: 3 } as const

export const StoreLabel = message('metapb.StoreLabel', { key: string(1), value: string(2) })

export const Store = message('metapb.Store', {
  id: uint64(1),
  address: string(2),
  state: enumeration(3, StoreState),
  labels: repeated(embedded(4, StoreLabel)),
  version: string(5),
  peer_address: string(6),
  status_address: string(7),
  git_hash: string(8),
  start_timestamp: int64(9),
  deploy_path: string(10),
  last_heartbeat: int64(11),
  physically_destroyed: bool(12),
  node_state: enumeration(13, NodeState),
})

export const RegionEpoch = message('metapb.RegionEpoch', { conf_ver: uint64(1), version: uint64(2) })

export const Peer = message('metapb.Peer', { id: uint64(1), store_id: uint64(2), role: enumeration(3, PeerRole), is_witness: bool(4) })

/** Bounds are in their encoded form everywhere. */
export const Region = message('metapb.Region', {
  id: uint64(1),
  start_key: bytes(2),
  end_key: bytes(3),
  region_epoch: embedded(4, RegionEpoch),
  peers: repeated(embedded(5, Peer)),
  is_in_flashback: bool(7),
  flashback_start_ts: uint64(8),
})

export type Store = MessageOf<typeof Store>
export type RegionEpoch = MessageOf<typeof RegionEpoch>
export type Peer = MessageOf<typeof Peer>
export type Region = MessageOf<typeof Region>
