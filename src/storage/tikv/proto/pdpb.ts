// pdpb: the service of the placement driver. Application errors are in `header.error`, with gRPC status OK.

import {
  bool,
  bytes,
  embedded,
  enumeration,
  type Fields,
  int32,
  int64,
  type MessageOf,
  message,
  method,
  repeated,
  string,
  uint32,
  uint64,
} from './message.ts'
import { Peer, Region, Store } from './metapb.ts'

export const ErrorType = {
  OK: 0,
  UNKNOWN: 1,
  NOT_BOOTSTRAPPED: 2,
  STORE_TOMBSTONE: 3,
  ALREADY_BOOTSTRAPPED: 4,
  INCOMPATIBLE_VERSION: 5,
  REGION_NOT_FOUND: 6,
  GLOBAL_CONFIG_NOT_FOUND: 7,
  DUPLICATED_ENTRY: 8,
  ENTRY_NOT_FOUND: 9,
  INVALID_VALUE: 10,
  DATA_COMPACTED: 11,
  REGIONS_NOT_CONTAIN_ALL_KEY_RANGE: 12,
} as const
export const ServiceMode = { UNKNOWN_SVC_MODE: 0, PD_SVC_MODE: 1, API_SVC_MODE: 2 } as const
export const OperatorStatus = { SUCCESS: 0, TIMEOUT: 1, CANCEL: 2, REPLACE: 3, RUNNING: 4 } as const

export const PdError = message('pdpb.Error', { type: enumeration(1, ErrorType), message: string(2) })
export const RequestHeader = message('pdpb.RequestHeader', {
  cluster_id: uint64(1),
  sender_id: uint64(2),
  caller_id: string(3),
  caller_component: string(4),
})
export const ResponseHeader = message('pdpb.ResponseHeader', { cluster_id: uint64(1), error: embedded(2, PdError) })

const request = <F extends Fields>(name: string, fields: F) => message(`pdpb.${name}`, { header: embedded(1, RequestHeader), ...fields })
const response = <F extends Fields>(name: string, fields: F) => message(`pdpb.${name}`, { header: embedded(1, ResponseHeader), ...fields })

export const Member = message('pdpb.Member', {
  name: string(1),
  member_id: uint64(2),
  peer_urls: repeated(string(3)),
  client_urls: repeated(string(4)),
  leader_priority: int32(5),
  deploy_path: string(6),
  binary_version: string(7),
  git_hash: string(8),
})
export const GetMembersRequest = request('GetMembersRequest', {})
export const GetMembersResponse = response('GetMembersResponse', {
  members: repeated(embedded(2, Member)),
  leader: embedded(3, Member),
  etcd_leader: embedded(4, Member),
})
export const GetClusterInfoRequest = message('pdpb.GetClusterInfoRequest', { header: embedded(1, ResponseHeader) })
export const GetClusterInfoResponse = response('GetClusterInfoResponse', {
  serviceModes: repeated(enumeration(2, ServiceMode)),
  tso_urls: repeated(string(3)),
})

export const Timestamp = message('pdpb.Timestamp', { physical: int64(1), logical: int64(2), suffix_bits: uint32(3) })
export const TsoRequest = request('TsoRequest', { count: uint32(2), dc_location: string(3) })
/** `timestamp` is the last of `count` consecutive ones. */
export const TsoResponse = response('TsoResponse', { count: uint32(2), timestamp: embedded(3, Timestamp) })

export const IsBootstrappedRequest = request('IsBootstrappedRequest', {})
export const IsBootstrappedResponse = response('IsBootstrappedResponse', { bootstrapped: bool(2) })
export const AllocIDRequest = request('AllocIDRequest', { count: uint32(2) })
export const AllocIDResponse = response('AllocIDResponse', { id: uint64(2), count: uint32(3) })

export const GetStoreRequest = request('GetStoreRequest', { store_id: uint64(2) })
export const StoreStats = message('pdpb.StoreStats', { store_id: uint64(1), capacity: uint64(2), available: uint64(3) })
export const GetStoreResponse = response('GetStoreResponse', { store: embedded(2, Store), stats: embedded(3, StoreStats) })
export const GetAllStoresRequest = request('GetAllStoresRequest', { exclude_tombstone_stores: bool(2) })
export const GetAllStoresResponse = response('GetAllStoresResponse', { stores: repeated(embedded(2, Store)) })
export const PutStoreRequest = request('PutStoreRequest', { store: embedded(2, Store) })
export const ReplicationStatus = message('replication_modepb.ReplicationStatus', {})
export const PutStoreResponse = response('PutStoreResponse', { replication_status: embedded(2, ReplicationStatus) })

export const PeerStats = message('pdpb.PeerStats', { peer: embedded(1, Peer), down_seconds: uint64(2) })
export const GetRegionRequest = request('GetRegionRequest', { region_key: bytes(2), need_buckets: bool(3) })
export const GetRegionByIDRequest = request('GetRegionByIDRequest', { region_id: uint64(2), need_buckets: bool(3) })
export const GetRegionResponse = response('GetRegionResponse', {
  region: embedded(2, Region),
  leader: embedded(3, Peer),
  down_peers: repeated(embedded(5, PeerStats)),
  pending_peers: repeated(embedded(6, Peer)),
})
/** pdpb.Region: a region with its leader. */
export const RegionInfo = message('pdpb.Region', {
  region: embedded(1, Region),
  leader: embedded(2, Peer),
  down_peers: repeated(embedded(3, PeerStats)),
  pending_peers: repeated(embedded(4, Peer)),
})
export const ScanRegionsRequest = request('ScanRegionsRequest', { start_key: bytes(2), limit: int32(3), end_key: bytes(4) })
export const ScanRegionsResponse = response('ScanRegionsResponse', {
  region_metas: repeated(embedded(2, Region)),
  leaders: repeated(embedded(3, Peer)),
  regions: repeated(embedded(4, RegionInfo)),
})
export const KeyRange = message('pdpb.KeyRange', { start_key: bytes(1), end_key: bytes(2) })
export const BatchScanRegionsRequest = request('BatchScanRegionsRequest', {
  need_buckets: bool(2),
  ranges: repeated(embedded(3, KeyRange)),
  limit: int32(4),
  contain_all_key_range: bool(5),
})
export const BatchScanRegionsResponse = response('BatchScanRegionsResponse', { regions: repeated(embedded(2, RegionInfo)) })

export const RegionResponse = message('pdpb.RegionResponse', {
  region: embedded(1, Region),
  leader: embedded(2, Peer),
  down_peers: repeated(embedded(3, PeerStats)),
  pending_peers: repeated(embedded(4, Peer)),
})
/** An entry of map<uint64, RegionResponse>. */
export const RegionResponseEntry = message('pdpb.QueryRegionResponse.RegionsByIdEntry', {
  key: uint64(1),
  value: embedded(2, RegionResponse),
})
export const QueryRegionRequest = request('QueryRegionRequest', {
  need_buckets: bool(2),
  ids: repeated(uint64(3)),
  keys: repeated(bytes(4)),
  prev_keys: repeated(bytes(5)),
})
export const QueryRegionResponse = response('QueryRegionResponse', {
  key_id_map: repeated(uint64(2)),
  prev_key_id_map: repeated(uint64(3)),
  regions_by_id: repeated(embedded(4, RegionResponseEntry)),
})

export const ScatterRegionRequest = request('ScatterRegionRequest', {
  region_id: uint64(2),
  region: embedded(3, Region),
  leader: embedded(4, Peer),
  group: string(5),
  regions_id: repeated(uint64(6)),
  retry_limit: uint64(7),
  skip_store_limit: bool(8),
})
export const ScatterRegionResponse = response('ScatterRegionResponse', {
  finished_percentage: uint64(2),
  failed_regions_id: repeated(uint64(3)),
})
export const SplitRegionsRequest = request('SplitRegionsRequest', { split_keys: repeated(bytes(2)), retry_limit: uint64(3) })
export const SplitRegionsResponse = response('SplitRegionsResponse', { finished_percentage: uint64(2), regions_id: repeated(uint64(3)) })
export const SplitAndScatterRegionsRequest = request('SplitAndScatterRegionsRequest', {
  split_keys: repeated(bytes(2)),
  group: string(3),
  retry_limit: uint64(4),
})
export const SplitAndScatterRegionsResponse = response('SplitAndScatterRegionsResponse', {
  split_finished_percentage: uint64(2),
  scatter_finished_percentage: uint64(3),
  regions_id: repeated(uint64(4)),
})
export const GetOperatorRequest = request('GetOperatorRequest', { region_id: uint64(2) })
export const GetOperatorResponse = response('GetOperatorResponse', {
  region_id: uint64(2),
  desc: bytes(3),
  status: enumeration(4, OperatorStatus),
  kind: bytes(5),
})

export const GetGCSafePointRequest = request('GetGCSafePointRequest', {})
export const GetGCSafePointResponse = response('GetGCSafePointResponse', { safe_point: uint64(2) })
export const UpdateGCSafePointRequest = request('UpdateGCSafePointRequest', { safe_point: uint64(2) })
export const UpdateGCSafePointResponse = response('UpdateGCSafePointResponse', { new_safe_point: uint64(2) })
export const UpdateServiceGCSafePointRequest = request('UpdateServiceGCSafePointRequest', {
  service_id: bytes(2),
  TTL: int64(3),
  safe_point: uint64(4),
})
export const UpdateServiceGCSafePointResponse = response('UpdateServiceGCSafePointResponse', {
  service_id: bytes(2),
  TTL: int64(3),
  min_safe_point: uint64(4),
})
export const GetMinTSRequest = request('GetMinTSRequest', {})
export const GetMinTSResponse = response('GetMinTSResponse', { timestamp: embedded(2, Timestamp) })
export const GetExternalTimestampRequest = request('GetExternalTimestampRequest', {})
export const GetExternalTimestampResponse = response('GetExternalTimestampResponse', { timestamp: uint64(2) })

/** Safe points per keyspace: PD has them, TiKV v8.5 ignores them. */
export const GetGCSafePointV2Request = request('GetGCSafePointV2Request', { keyspace_id: uint32(2) })
export const GetGCSafePointV2Response = response('GetGCSafePointV2Response', { safe_point: uint64(2) })
export const UpdateGCSafePointV2Request = request('UpdateGCSafePointV2Request', { keyspace_id: uint32(2), safe_point: uint64(3) })
export const UpdateGCSafePointV2Response = response('UpdateGCSafePointV2Response', { new_safe_point: uint64(2) })
export const UpdateServiceSafePointV2Request = request('UpdateServiceSafePointV2Request', {
  keyspace_id: uint32(2),
  service_id: bytes(3),
  safe_point: uint64(4),
  ttl: int64(5),
})
export const UpdateServiceSafePointV2Response = response('UpdateServiceSafePointV2Response', {
  service_id: bytes(2),
  ttl: int64(3),
  min_safe_point: uint64(4),
})

/** The calls from here on are newer than v8.5. */
export const KeyspaceScope = message('pdpb.KeyspaceScope', { keyspace_id: uint32(1) })
const keyspace_scope = embedded(2, KeyspaceScope)
export const GCBarrierInfo = message('pdpb.GCBarrierInfo', { barrier_id: string(1), barrier_ts: uint64(2), ttl_seconds: int64(3) })
export const GCState = message('pdpb.GCState', {
  keyspace_scope: embedded(1, KeyspaceScope),
  is_keyspace_level_gc: bool(2),
  txn_safe_point: uint64(3),
  gc_safe_point: uint64(4),
  gc_barriers: repeated(embedded(5, GCBarrierInfo)),
})
export const GetGCStateRequest = request('GetGCStateRequest', { keyspace_scope, exclude_gc_barriers: bool(3) })
export const GetGCStateResponse = response('GetGCStateResponse', { gc_state: embedded(2, GCState) })
export const SetGCBarrierRequest = request('SetGCBarrierRequest', {
  keyspace_scope,
  barrier_id: string(3),
  barrier_ts: uint64(4),
  ttl_seconds: int64(5),
})
export const SetGCBarrierResponse = response('SetGCBarrierResponse', { new_barrier_info: embedded(2, GCBarrierInfo) })
export const DeleteGCBarrierRequest = request('DeleteGCBarrierRequest', { keyspace_scope, barrier_id: string(3) })
export const DeleteGCBarrierResponse = response('DeleteGCBarrierResponse', { deleted_barrier_info: embedded(2, GCBarrierInfo) })
export const AdvanceTxnSafePointRequest = request('AdvanceTxnSafePointRequest', { keyspace_scope, target: uint64(3) })
export const AdvanceTxnSafePointResponse = response('AdvanceTxnSafePointResponse', {
  old_txn_safe_point: uint64(2),
  new_txn_safe_point: uint64(3),
  blocker_description: string(4),
})
export const AdvanceGCSafePointRequest = request('AdvanceGCSafePointRequest', { keyspace_scope, target: uint64(3) })
export const AdvanceGCSafePointResponse = response('AdvanceGCSafePointResponse', {
  old_gc_safe_point: uint64(2),
  new_gc_safe_point: uint64(3),
})

/** Unary methods of `pdpb.PD`. */
export const PD = {
  GetMembers: method('/pdpb.PD/GetMembers', GetMembersRequest, GetMembersResponse),
  GetClusterInfo: method('/pdpb.PD/GetClusterInfo', GetClusterInfoRequest, GetClusterInfoResponse),
  IsBootstrapped: method('/pdpb.PD/IsBootstrapped', IsBootstrappedRequest, IsBootstrappedResponse),
  AllocID: method('/pdpb.PD/AllocID', AllocIDRequest, AllocIDResponse),
  GetStore: method('/pdpb.PD/GetStore', GetStoreRequest, GetStoreResponse),
  GetAllStores: method('/pdpb.PD/GetAllStores', GetAllStoresRequest, GetAllStoresResponse),
  PutStore: method('/pdpb.PD/PutStore', PutStoreRequest, PutStoreResponse),
  GetRegion: method('/pdpb.PD/GetRegion', GetRegionRequest, GetRegionResponse),
  GetPrevRegion: method('/pdpb.PD/GetPrevRegion', GetRegionRequest, GetRegionResponse),
  GetRegionByID: method('/pdpb.PD/GetRegionByID', GetRegionByIDRequest, GetRegionResponse),
  ScanRegions: method('/pdpb.PD/ScanRegions', ScanRegionsRequest, ScanRegionsResponse),
  BatchScanRegions: method('/pdpb.PD/BatchScanRegions', BatchScanRegionsRequest, BatchScanRegionsResponse),
  ScatterRegion: method('/pdpb.PD/ScatterRegion', ScatterRegionRequest, ScatterRegionResponse),
  SplitRegions: method('/pdpb.PD/SplitRegions', SplitRegionsRequest, SplitRegionsResponse),
  SplitAndScatterRegions: method('/pdpb.PD/SplitAndScatterRegions', SplitAndScatterRegionsRequest, SplitAndScatterRegionsResponse),
  GetOperator: method('/pdpb.PD/GetOperator', GetOperatorRequest, GetOperatorResponse),
  GetGCSafePoint: method('/pdpb.PD/GetGCSafePoint', GetGCSafePointRequest, GetGCSafePointResponse),
  UpdateGCSafePoint: method('/pdpb.PD/UpdateGCSafePoint', UpdateGCSafePointRequest, UpdateGCSafePointResponse),
  UpdateServiceGCSafePoint: method('/pdpb.PD/UpdateServiceGCSafePoint', UpdateServiceGCSafePointRequest, UpdateServiceGCSafePointResponse),
  GetMinTS: method('/pdpb.PD/GetMinTS', GetMinTSRequest, GetMinTSResponse),
  GetExternalTimestamp: method('/pdpb.PD/GetExternalTimestamp', GetExternalTimestampRequest, GetExternalTimestampResponse),
  GetGCSafePointV2: method('/pdpb.PD/GetGCSafePointV2', GetGCSafePointV2Request, GetGCSafePointV2Response),
  UpdateGCSafePointV2: method('/pdpb.PD/UpdateGCSafePointV2', UpdateGCSafePointV2Request, UpdateGCSafePointV2Response),
  UpdateServiceSafePointV2: method('/pdpb.PD/UpdateServiceSafePointV2', UpdateServiceSafePointV2Request, UpdateServiceSafePointV2Response),
  GetGCState: method('/pdpb.PD/GetGCState', GetGCStateRequest, GetGCStateResponse),
  SetGCBarrier: method('/pdpb.PD/SetGCBarrier', SetGCBarrierRequest, SetGCBarrierResponse),
  DeleteGCBarrier: method('/pdpb.PD/DeleteGCBarrier', DeleteGCBarrierRequest, DeleteGCBarrierResponse),
  AdvanceTxnSafePoint: method('/pdpb.PD/AdvanceTxnSafePoint', AdvanceTxnSafePointRequest, AdvanceTxnSafePointResponse),
  AdvanceGCSafePoint: method('/pdpb.PD/AdvanceGCSafePoint', AdvanceGCSafePointRequest, AdvanceGCSafePointResponse),
} as const

/** Bidirectional streams. */
export const Tso = method('/pdpb.PD/Tso', TsoRequest, TsoResponse)
export const QueryRegion = method('/pdpb.PD/QueryRegion', QueryRegionRequest, QueryRegionResponse)

export type RegionInfo = MessageOf<typeof RegionInfo>
export type Member = MessageOf<typeof Member>
export type PdError = MessageOf<typeof PdError>
