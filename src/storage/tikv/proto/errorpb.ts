// errorpb: region errors.

import { bytes, embedded, type MessageOf, message, repeated, string, uint32, uint64 } from './message.ts'
import { Peer, Region } from './metapb.ts'

export const NotLeader = message('errorpb.NotLeader', { region_id: uint64(1), leader: embedded(2, Peer) })
export const RegionNotFound = message('errorpb.RegionNotFound', { region_id: uint64(1) })
export const KeyNotInRegion = message('errorpb.KeyNotInRegion', {
  key: bytes(1),
  region_id: uint64(2),
  start_key: bytes(3),
  end_key: bytes(4),
})
export const EpochNotMatch = message('errorpb.EpochNotMatch', { current_regions: repeated(embedded(1, Region)) })
export const ServerIsBusy = message('errorpb.ServerIsBusy', {
  reason: string(1),
  backoff_ms: uint64(2),
  estimated_wait_ms: uint32(3),
  applied_index: uint64(4),
})
export const StaleCommand = message('errorpb.StaleCommand', {})
export const StoreNotMatch = message('errorpb.StoreNotMatch', { request_store_id: uint64(1), actual_store_id: uint64(2) })
export const RaftEntryTooLarge = message('errorpb.RaftEntryTooLarge', { region_id: uint64(1), entry_size: uint64(2) })
export const MaxTimestampNotSynced = message('errorpb.MaxTimestampNotSynced', {})
export const ReadIndexNotReady = message('errorpb.ReadIndexNotReady', { reason: string(1), region_id: uint64(2) })
export const ProposalInMergingMode = message('errorpb.ProposalInMergingMode', { region_id: uint64(1) })
export const DataIsNotReady = message('errorpb.DataIsNotReady', { region_id: uint64(1), peer_id: uint64(2), safe_ts: uint64(3) })
export const RegionNotInitialized = message('errorpb.RegionNotInitialized', { region_id: uint64(1) })
export const DiskFull = message('errorpb.DiskFull', { store_id: repeated(uint64(1)), reason: string(2) })
export const RecoveryInProgress = message('errorpb.RecoveryInProgress', { region_id: uint64(1) })
export const FlashbackInProgress = message('errorpb.FlashbackInProgress', { region_id: uint64(1), flashback_start_ts: uint64(2) })
export const FlashbackNotPrepared = message('errorpb.FlashbackNotPrepared', { region_id: uint64(1) })
export const IsWitness = message('errorpb.IsWitness', { region_id: uint64(1) })
export const MismatchPeerId = message('errorpb.MismatchPeerId', { request_peer_id: uint64(1), store_peer_id: uint64(2) })
export const BucketVersionNotMatch = message('errorpb.BucketVersionNotMatch', { version: uint64(1), keys: repeated(bytes(2)) })
export const UndeterminedResult = message('errorpb.UndeterminedResult', { message: string(1) })

/** errorpb.Error: at most one of the messages is set; none at all means that `message` says everything. */
export const RegionError = message('errorpb.Error', {
  message: string(1),
  not_leader: embedded(2, NotLeader),
  region_not_found: embedded(3, RegionNotFound),
  key_not_in_region: embedded(4, KeyNotInRegion),
  epoch_not_match: embedded(5, EpochNotMatch),
  server_is_busy: embedded(6, ServerIsBusy),
  stale_command: embedded(7, StaleCommand),
  store_not_match: embedded(8, StoreNotMatch),
  raft_entry_too_large: embedded(9, RaftEntryTooLarge),
  max_timestamp_not_synced: embedded(10, MaxTimestampNotSynced),
  read_index_not_ready: embedded(11, ReadIndexNotReady),
  proposal_in_merging_mode: embedded(12, ProposalInMergingMode),
  data_is_not_ready: embedded(13, DataIsNotReady),
  region_not_initialized: embedded(14, RegionNotInitialized),
  disk_full: embedded(15, DiskFull),
  RecoveryInProgress: embedded(16, RecoveryInProgress),
  FlashbackInProgress: embedded(17, FlashbackInProgress),
  FlashbackNotPrepared: embedded(18, FlashbackNotPrepared),
  is_witness: embedded(19, IsWitness),
  mismatch_peer_id: embedded(20, MismatchPeerId),
  bucket_version_not_match: embedded(21, BucketVersionNotMatch),
  undetermined_result: embedded(22, UndeterminedResult),
})

export type RegionError = MessageOf<typeof RegionError>
