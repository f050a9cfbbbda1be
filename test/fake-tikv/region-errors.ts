// Region errors as TiKV words them.

import type { RegionError } from '../../src/storage/tikv/proto/errorpb.ts'
import type { InitOf } from '../../src/storage/tikv/proto/message.ts'
import { toBytes, upperHex } from './keys.ts'
import { peerOn, type Region, regionMessage } from './regions.ts'

export type RegionErrorInit = InitOf<typeof RegionError>

/** The request was not for this store, this region or this state of the region; nothing was done. */
export class RegionFailure extends Error {
  override name = 'RegionFailure'
  readonly error: RegionErrorInit

  constructor(error: RegionErrorInit) {
    super(error.message ?? 'region error')
    this.error = error
  }
}

export const plain = (message: string): RegionFailure => new RegionFailure({ message })
export const regionNotFound = (id: bigint): RegionFailure =>
  new RegionFailure({ message: `region ${id} is missing`, region_not_found: { region_id: id } })
export const storeNotMatch = (requested: bigint, actual: bigint): RegionFailure =>
  new RegionFailure({
    message: `to store id ${requested}, mine ${actual}`,
    store_not_match: { request_store_id: requested, actual_store_id: actual },
  })
export const mismatchPeerId = (requested: bigint, actual: bigint): RegionFailure =>
  new RegionFailure({
    message: `mismatch peer id ${requested} != ${actual}`,
    mismatch_peer_id: { request_peer_id: requested, store_peer_id: actual },
  })
export function notLeader(region: Region): RegionFailure {
  const leader = peerOn(region, region.leader === 0n ? region.lastLeader : region.leader)
  return new RegionFailure({
    message: `peer is not leader for region ${region.id}, leader may ${leader ? `Some(id: ${leader.id} store_id: ${leader.storeId})` : 'None'}`,
    not_leader: { region_id: region.id, leader: leader && { id: leader.id, store_id: leader.storeId } },
  })
}
export const staleCommand = (): RegionFailure => new RegionFailure({ message: 'stale command', stale_command: {} })
export const epochNotMatch = (region: Region, confVer: bigint, version: bigint, told: readonly Region[]): RegionFailure =>
  new RegionFailure({
    message:
      `EpochNotMatch current epoch of region ${region.id} is conf_ver: ${region.confVer} version: ${region.version}, but you sent ` +
      (version === 0n && confVer === 0n ? '' : `conf_ver: ${confVer} version: ${version}`),
    epoch_not_match: { current_regions: told.map(regionMessage) },
  })
export const keyNotInRegion = (encoded: string, region: Region): RegionFailure =>
  new RegionFailure({
    message: `key ${upperHex(encoded)} is not in region key range [${upperHex(region.start)}, ${upperHex(region.end)}) for region ${region.id}`,
    key_not_in_region: { key: toBytes(encoded), region_id: region.id, start_key: toBytes(region.start), end_key: toBytes(region.end) },
  })
export const raftEntryTooLarge = (region: Region, size: number): RegionFailure =>
  new RegionFailure({
    message: `raft entry is too large, region ${region.id}, entry size ${size}`,
    raft_entry_too_large: { region_id: region.id, entry_size: BigInt(size) },
  })
export const dataIsNotReady = (region: Region, peerId: bigint, safeTs: bigint): RegionFailure =>
  new RegionFailure({
    message: `Request rejected because data is not ready, region ${region.id}`,
    data_is_not_ready: { region_id: region.id, peer_id: peerId, safe_ts: safeTs },
  })
