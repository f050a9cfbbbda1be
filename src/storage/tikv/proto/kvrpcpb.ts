// kvrpcpb: requests and answers of the transactional key-value RPCs.

import { RegionError } from './errorpb.ts'
import {
  bool,
  bytes,
  embedded,
  enumeration,
  type InitOf,
  int32,
  int64,
  type MessageOf,
  message,
  repeated,
  string,
  uint32,
  uint64,
} from './message.ts'
import { Peer, Region, RegionEpoch } from './metapb.ts'

export const CommandPri = { Normal: 0, Low: 1, High: 2 } as const
export const IsolationLevel = { SI: 0, RC: 1, RCCheckTS: 2 } as const
export const DiskFullOpt = { NotAllowedOnFull: 0, AllowedOnAlmostFull: 1, AllowedOnAlreadyFull: 2 } as const
export const APIVersion = { V1: 0, V1TTL: 1, V2: 2, V3: 3 } as const
export const Op = {
  Put: 0,
  Del: 1,
  Lock: 2,
  Rollback: 3,
  Insert: 4,
  PessimisticLock: 5,
  CheckNotExists: 6,
  SharedLock: 7,
  SharedPessimisticLock: 8,
} as const
export const Assertion = { None: 0, Exist: 1, NotExist: 2 } as const
export const AssertionLevel = { Off: 0, Fast: 1, Strict: 2 } as const
export const PessimisticAction = { SKIP_PESSIMISTIC_CHECK: 0, DO_PESSIMISTIC_CHECK: 1, DO_CONSTRAINT_CHECK: 2 } as const
export const WriteConflictReason = {
  Unknown: 0,
  Optimistic: 1,
  PessimisticRetry: 2,
  SelfRolledBack: 3,
  RcCheckTs: 4,
  LazyUniquenessCheck: 5,
  NotLockedKeyConflict: 6,
} as const
export const CommitRole = { Unknown: 0, Primary: 1, Secondary: 2 } as const
export const PessimisticLockWakeUpMode = { WakeUpModeNormal: 0, WakeUpModeForceLock: 1 } as const
export const PessimisticLockKeyResultType = { LockResultNormal: 0, LockResultLockedWithConflict: 1, LockResultFailed: 2 } as const
export const Action = {
  NoAction: 0,
  TTLExpireRollback: 1,
  LockNotExistRollback: 2,
  MinCommitTSPushed: 3,
  TTLExpirePessimisticRollback: 4,
  LockNotExistDoNothing: 5,
} as const

export const ResourceControlContext = message('kvrpcpb.ResourceControlContext', {
  resource_group_name: string(1),
  override_priority: uint64(3),
})

export const Context = message('kvrpcpb.Context', {
  region_id: uint64(1),
  region_epoch: embedded(2, RegionEpoch),
  peer: embedded(3, Peer),
  term: uint64(5),
  priority: enumeration(6, CommandPri),
  isolation_level: enumeration(7, IsolationLevel),
  not_fill_cache: bool(8),
  sync_log: bool(9),
  replica_read: bool(12),
  resolved_locks: repeated(uint64(13)),
  max_execution_duration_ms: uint64(14),
  task_id: uint64(16),
  stale_read: bool(17),
  resource_group_tag: bytes(18),
  disk_full_opt: enumeration(19, DiskFullOpt),
  is_retry_request: bool(20),
  api_version: enumeration(21, APIVersion),
  committed_locks: repeated(uint64(22)),
  request_source: string(24),
  txn_source: uint64(25),
  busy_threshold_ms: uint32(27),
  resource_control_context: embedded(28, ResourceControlContext),
  keyspace_name: string(31),
  keyspace_id: uint32(32),
  buckets_version: uint64(33),
  cluster_id: uint64(35),
})

export const LockInfo = message('kvrpcpb.LockInfo', {
  primary_lock: bytes(1),
  lock_version: uint64(2),
  key: bytes(3),
  lock_ttl: uint64(4),
  txn_size: uint64(5),
  lock_type: enumeration(6, Op),
  lock_for_update_ts: uint64(7),
  use_async_commit: bool(8),
  min_commit_ts: uint64(9),
  secondaries: repeated(bytes(10)),
  duration_to_last_update_ms: uint64(11),
})

export const WriteConflict = message('kvrpcpb.WriteConflict', {
  start_ts: uint64(1),
  conflict_ts: uint64(2),
  key: bytes(3),
  primary: bytes(4),
  conflict_commit_ts: uint64(5),
  reason: enumeration(6, WriteConflictReason),
})
export const AlreadyExist = message('kvrpcpb.AlreadyExist', { key: bytes(1) })

export const WaitForEntry = message('deadlock.WaitForEntry', {
  txn: uint64(1),
  wait_for_txn: uint64(2),
  key_hash: uint64(3),
  key: bytes(4),
  resource_group_tag: bytes(5),
  wait_time: uint64(6),
})

export const Deadlock = message('kvrpcpb.Deadlock', {
  lock_ts: uint64(1),
  lock_key: bytes(2),
  deadlock_key_hash: uint64(3),
  wait_chain: repeated(embedded(4, WaitForEntry)),
  deadlock_key: bytes(5),
})
export const CommitTsExpired = message('kvrpcpb.CommitTsExpired', {
  start_ts: uint64(1),
  attempted_commit_ts: uint64(2),
  key: bytes(3),
  min_commit_ts: uint64(4),
})
export const TxnNotFound = message('kvrpcpb.TxnNotFound', { start_ts: uint64(1), primary_key: bytes(2) })
export const CommitTsTooLarge = message('kvrpcpb.CommitTsTooLarge', { commit_ts: uint64(1) })
export const AssertionFailed = message('kvrpcpb.AssertionFailed', {
  start_ts: uint64(1),
  key: bytes(2),
  assertion: enumeration(3, Assertion),
  existing_start_ts: uint64(4),
  existing_commit_ts: uint64(5),
})
export const PrimaryMismatch = message('kvrpcpb.PrimaryMismatch', { lock_info: embedded(1, LockInfo) })
export const TxnLockNotFound = message('kvrpcpb.TxnLockNotFound', { key: bytes(1) })

/** When `conflict` is set, `retryable` is set as well for old clients: look at `conflict` first. */
export const KeyError = message('kvrpcpb.KeyError', {
  locked: embedded(1, LockInfo),
  retryable: string(2),
  abort: string(3),
  conflict: embedded(4, WriteConflict),
  already_exist: embedded(5, AlreadyExist),
  deadlock: embedded(6, Deadlock),
  commit_ts_expired: embedded(7, CommitTsExpired),
  txn_not_found: embedded(8, TxnNotFound),
  commit_ts_too_large: embedded(9, CommitTsTooLarge),
  assertion_failed: embedded(10, AssertionFailed),
  primary_mismatch: embedded(11, PrimaryMismatch),
  txn_lock_not_found: embedded(12, TxnLockNotFound),
})

export const KvPair = message('kvrpcpb.KvPair', { error: embedded(1, KeyError), key: bytes(2), value: bytes(3), commit_ts: uint64(4) })
export const KeyRange = message('kvrpcpb.KeyRange', { start_key: bytes(1), end_key: bytes(2) })
export const Mutation = message('kvrpcpb.Mutation', {
  op: enumeration(1, Op),
  key: bytes(2),
  value: bytes(3),
  assertion: enumeration(4, Assertion),
})

const context = embedded(1, Context)
const region_error = embedded(1, RegionError)

export const GetRequest = message('kvrpcpb.GetRequest', { context, key: bytes(2), version: uint64(3), need_commit_ts: bool(4) })
export const GetResponse = message('kvrpcpb.GetResponse', {
  region_error,
  error: embedded(2, KeyError),
  value: bytes(3),
  not_found: bool(4),
  commit_ts: uint64(7),
})

export const BatchGetRequest = message('kvrpcpb.BatchGetRequest', {
  context,
  keys: repeated(bytes(2)),
  version: uint64(3),
  need_commit_ts: bool(4),
})
export const BatchGetResponse = message('kvrpcpb.BatchGetResponse', {
  region_error,
  pairs: repeated(embedded(2, KvPair)),
  error: embedded(5, KeyError),
})

/** In reverse, `start_key` is the upper exclusive bound and `end_key` the lower inclusive one. */
export const ScanRequest = message('kvrpcpb.ScanRequest', {
  context,
  start_key: bytes(2),
  limit: uint32(3),
  version: uint64(4),
  key_only: bool(5),
  reverse: bool(6),
  end_key: bytes(7),
  sample_step: uint32(8),
})
export const ScanResponse = message('kvrpcpb.ScanResponse', {
  region_error,
  pairs: repeated(embedded(2, KvPair)),
  error: embedded(3, KeyError),
})

export const ForUpdateTSConstraint = message('kvrpcpb.PrewriteRequest.ForUpdateTSConstraint', {
  index: uint32(1),
  expected_for_update_ts: uint64(2),
})
export const PrewriteRequest = message('kvrpcpb.PrewriteRequest', {
  context,
  mutations: repeated(embedded(2, Mutation)),
  primary_lock: bytes(3),
  start_version: uint64(4),
  lock_ttl: uint64(5),
  skip_constraint_check: bool(6),
  pessimistic_actions: repeated(enumeration(7, PessimisticAction)),
  txn_size: uint64(8),
  for_update_ts: uint64(9),
  min_commit_ts: uint64(10),
  use_async_commit: bool(11),
  secondaries: repeated(bytes(12)),
  try_one_pc: bool(13),
  max_commit_ts: uint64(14),
  assertion_level: enumeration(15, AssertionLevel),
  for_update_ts_constraints: repeated(embedded(16, ForUpdateTSConstraint)),
})
export const PrewriteResponse = message('kvrpcpb.PrewriteResponse', {
  region_error,
  errors: repeated(embedded(2, KeyError)),
  min_commit_ts: uint64(3),
  one_pc_commit_ts: uint64(4),
})

export const CommitRequest = message('kvrpcpb.CommitRequest', {
  context,
  start_version: uint64(2),
  keys: repeated(bytes(3)),
  commit_version: uint64(4),
  commit_role: enumeration(6, CommitRole),
  primary_key: bytes(7),
  use_async_commit: bool(8),
})
export const CommitResponse = message('kvrpcpb.CommitResponse', { region_error, error: embedded(2, KeyError), commit_version: uint64(3) })

export const BatchRollbackRequest = message('kvrpcpb.BatchRollbackRequest', { context, start_version: uint64(2), keys: repeated(bytes(3)) })
export const BatchRollbackResponse = message('kvrpcpb.BatchRollbackResponse', { region_error, error: embedded(2, KeyError) })

export const CleanupRequest = message('kvrpcpb.CleanupRequest', { context, key: bytes(2), start_version: uint64(3), current_ts: uint64(4) })
export const CleanupResponse = message('kvrpcpb.CleanupResponse', { region_error, error: embedded(2, KeyError), commit_version: uint64(3) })

export const PessimisticLockRequest = message('kvrpcpb.PessimisticLockRequest', {
  context,
  mutations: repeated(embedded(2, Mutation)),
  primary_lock: bytes(3),
  start_version: uint64(4),
  lock_ttl: uint64(5),
  for_update_ts: uint64(6),
  is_first_lock: bool(7),
  wait_timeout: int64(8),
  force: bool(9),
  return_values: bool(10),
  min_commit_ts: uint64(11),
  check_existence: bool(12),
  lock_only_if_exists: bool(13),
  wake_up_mode: enumeration(14, PessimisticLockWakeUpMode),
})
export const PessimisticLockKeyResult = message('kvrpcpb.PessimisticLockKeyResult', {
  type: enumeration(1, PessimisticLockKeyResultType),
  value: bytes(2),
  existence: bool(3),
  locked_with_conflict_ts: uint64(4),
  skip_resolving_lock: bool(11),
})
export const PessimisticLockResponse = message('kvrpcpb.PessimisticLockResponse', {
  region_error,
  errors: repeated(embedded(2, KeyError)),
  values: repeated(bytes(5)),
  not_founds: repeated(bool(6)),
  results: repeated(embedded(8, PessimisticLockKeyResult)),
})

export const PessimisticRollbackRequest = message('kvrpcpb.PessimisticRollbackRequest', {
  context,
  start_version: uint64(2),
  for_update_ts: uint64(3),
  keys: repeated(bytes(4)),
})
export const PessimisticRollbackResponse = message('kvrpcpb.PessimisticRollbackResponse', {
  region_error,
  errors: repeated(embedded(2, KeyError)),
})

export const TxnHeartBeatRequest = message('kvrpcpb.TxnHeartBeatRequest', {
  context,
  primary_lock: bytes(2),
  start_version: uint64(3),
  advise_lock_ttl: uint64(4),
  min_commit_ts: uint64(5),
})
export const TxnHeartBeatResponse = message('kvrpcpb.TxnHeartBeatResponse', {
  region_error,
  error: embedded(2, KeyError),
  lock_ttl: uint64(3),
})

export const CheckTxnStatusRequest = message('kvrpcpb.CheckTxnStatusRequest', {
  context,
  primary_key: bytes(2),
  lock_ts: uint64(3),
  caller_start_ts: uint64(4),
  current_ts: uint64(5),
  rollback_if_not_exist: bool(6),
  force_sync_commit: bool(7),
  resolving_pessimistic_lock: bool(8),
  verify_is_primary: bool(9),
})
export const CheckTxnStatusResponse = message('kvrpcpb.CheckTxnStatusResponse', {
  region_error,
  error: embedded(2, KeyError),
  lock_ttl: uint64(3),
  commit_version: uint64(4),
  action: enumeration(5, Action),
  lock_info: embedded(6, LockInfo),
})

export const CheckSecondaryLocksRequest = message('kvrpcpb.CheckSecondaryLocksRequest', {
  context,
  keys: repeated(bytes(2)),
  start_version: uint64(3),
})
export const CheckSecondaryLocksResponse = message('kvrpcpb.CheckSecondaryLocksResponse', {
  region_error,
  error: embedded(2, KeyError),
  locks: repeated(embedded(3, LockInfo)),
  commit_ts: uint64(4),
})

export const ScanLockRequest = message('kvrpcpb.ScanLockRequest', {
  context,
  max_version: uint64(2),
  start_key: bytes(3),
  limit: uint32(4),
  end_key: bytes(5),
})
export const ScanLockResponse = message('kvrpcpb.ScanLockResponse', {
  region_error,
  error: embedded(2, KeyError),
  locks: repeated(embedded(3, LockInfo)),
})

export const TxnInfo = message('kvrpcpb.TxnInfo', { txn: uint64(1), status: uint64(2) })
export const ResolveLockRequest = message('kvrpcpb.ResolveLockRequest', {
  context,
  start_version: uint64(2),
  commit_version: uint64(3),
  txn_infos: repeated(embedded(4, TxnInfo)),
  keys: repeated(bytes(5)),
})
export const ResolveLockResponse = message('kvrpcpb.ResolveLockResponse', { region_error, error: embedded(2, KeyError) })

export const DeleteRangeRequest = message('kvrpcpb.DeleteRangeRequest', {
  context,
  start_key: bytes(2),
  end_key: bytes(3),
  notify_only: bool(4),
})
export const DeleteRangeResponse = message('kvrpcpb.DeleteRangeResponse', { region_error, error: string(2) })

export const UnsafeDestroyRangeRequest = message('kvrpcpb.UnsafeDestroyRangeRequest', { context, start_key: bytes(2), end_key: bytes(3) })
export const UnsafeDestroyRangeResponse = message('kvrpcpb.UnsafeDestroyRangeResponse', { region_error, error: string(2) })

export const SplitRegionRequest = message('kvrpcpb.SplitRegionRequest', {
  context,
  split_key: bytes(2),
  split_keys: repeated(bytes(3)),
  is_raw_kv: bool(4),
})
export const SplitRegionResponse = message('kvrpcpb.SplitRegionResponse', { region_error, regions: repeated(embedded(4, Region)) })

export const MvccWrite = message('kvrpcpb.MvccWrite', {
  type: enumeration(1, Op),
  start_ts: uint64(2),
  commit_ts: uint64(3),
  short_value: bytes(4),
  has_overlapped_rollback: bool(5),
  has_gc_fence: bool(6),
  gc_fence: uint64(7),
  last_change_ts: uint64(8),
  versions_to_last_change: uint64(9),
})
export const MvccValue = message('kvrpcpb.MvccValue', { start_ts: uint64(1), value: bytes(2) })
export const MvccLock = message('kvrpcpb.MvccLock', {
  type: enumeration(1, Op),
  start_ts: uint64(2),
  primary: bytes(3),
  short_value: bytes(4),
  ttl: uint64(5),
  for_update_ts: uint64(6),
  txn_size: uint64(7),
  use_async_commit: bool(8),
  secondaries: repeated(bytes(9)),
  rollback_ts: repeated(uint64(10)),
  last_change_ts: uint64(11),
  versions_to_last_change: uint64(12),
})
export const MvccInfo = message('kvrpcpb.MvccInfo', {
  lock: embedded(1, MvccLock),
  writes: repeated(embedded(2, MvccWrite)),
  values: repeated(embedded(3, MvccValue)),
})
export const MvccGetByKeyRequest = message('kvrpcpb.MvccGetByKeyRequest', { context, key: bytes(2) })
export const MvccGetByKeyResponse = message('kvrpcpb.MvccGetByKeyResponse', { region_error, error: string(2), info: embedded(3, MvccInfo) })

/** Pipelined writes: locks of generation 1, 2, … that a later generation of the same transaction may overwrite. */
export const FlushRequest = message('kvrpcpb.FlushRequest', {
  context,
  mutations: repeated(embedded(2, Mutation)),
  primary_key: bytes(3),
  start_ts: uint64(4),
  min_commit_ts: uint64(5),
  generation: uint64(6),
  lock_ttl: uint64(7),
  assertion_level: enumeration(8, AssertionLevel),
})
export const FlushResponse = message('kvrpcpb.FlushResponse', { region_error, errors: repeated(embedded(2, KeyError)) })
export const BufferBatchGetRequest = message('kvrpcpb.BufferBatchGetRequest', { context, keys: repeated(bytes(2)), version: uint64(3) })
export const BufferBatchGetResponse = message('kvrpcpb.BufferBatchGetResponse', {
  region_error,
  error: embedded(2, KeyError),
  pairs: repeated(embedded(3, KvPair)),
})

export const TxnStatus = message('kvrpcpb.TxnStatus', {
  start_ts: uint64(1),
  min_commit_ts: uint64(2),
  commit_ts: uint64(3),
  rolled_back: bool(4),
  is_completed: bool(5),
})
export const BroadcastTxnStatusRequest = message('kvrpcpb.BroadcastTxnStatusRequest', {
  context,
  txn_status: repeated(embedded(2, TxnStatus)),
})
export const BroadcastTxnStatusResponse = message('kvrpcpb.BroadcastTxnStatusResponse', {})

export const HealthFeedback = message('kvrpcpb.HealthFeedback', { store_id: uint64(1), feedback_seq_no: uint64(2), slow_score: int32(3) })
export const GetHealthFeedbackRequest = message('kvrpcpb.GetHealthFeedbackRequest', { context })
export const GetHealthFeedbackResponse = message('kvrpcpb.GetHealthFeedbackResponse', {
  region_error,
  health_feedback: embedded(2, HealthFeedback),
})

export const StoreSafeTSRequest = message('kvrpcpb.StoreSafeTSRequest', { key_range: embedded(1, KeyRange) })
export const StoreSafeTSResponse = message('kvrpcpb.StoreSafeTSResponse', { safe_ts: uint64(1) })

export type Context = MessageOf<typeof Context>
export type ContextInit = InitOf<typeof Context>
export type LockInfo = MessageOf<typeof LockInfo>
export type LockInfoInit = InitOf<typeof LockInfo>
export type WriteConflict = MessageOf<typeof WriteConflict>
export type WaitForEntry = MessageOf<typeof WaitForEntry>
export type KeyError = MessageOf<typeof KeyError>
export type KeyErrorInit = InitOf<typeof KeyError>
export type KvPair = MessageOf<typeof KvPair>
export type Mutation = MessageOf<typeof Mutation>
export type MutationInit = InitOf<typeof Mutation>
export type Op = (typeof Op)[keyof typeof Op]
