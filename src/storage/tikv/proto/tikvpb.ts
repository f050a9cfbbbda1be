// tikvpb: the service of a TiKV store, unary and as BatchCommands (many requests and answers on one stream, matched by id).

import * as kv from './kvrpcpb.ts'
import { embedded, message, method, oneof, repeated, uint64 } from './message.ts'

export const BatchCommandsEmptyRequest = message('tikvpb.BatchCommandsEmptyRequest', { test_id: uint64(1), delay_time: uint64(2) })
export const BatchCommandsEmptyResponse = message('tikvpb.BatchCommandsEmptyResponse', { test_id: uint64(1) })

export const BatchRequest = message('tikvpb.BatchCommandsRequest.Request', {
  cmd: oneof({
    Get: embedded(1, kv.GetRequest),
    Scan: embedded(2, kv.ScanRequest),
    Prewrite: embedded(3, kv.PrewriteRequest),
    Commit: embedded(4, kv.CommitRequest),
    Cleanup: embedded(6, kv.CleanupRequest),
    BatchGet: embedded(7, kv.BatchGetRequest),
    BatchRollback: embedded(8, kv.BatchRollbackRequest),
    ScanLock: embedded(9, kv.ScanLockRequest),
    ResolveLock: embedded(10, kv.ResolveLockRequest),
    DeleteRange: embedded(12, kv.DeleteRangeRequest),
    PessimisticLock: embedded(23, kv.PessimisticLockRequest),
    PessimisticRollback: embedded(24, kv.PessimisticRollbackRequest),
    CheckTxnStatus: embedded(25, kv.CheckTxnStatusRequest),
    TxnHeartBeat: embedded(26, kv.TxnHeartBeatRequest),
    CheckSecondaryLocks: embedded(33, kv.CheckSecondaryLocksRequest),
    Flush: embedded(37, kv.FlushRequest),
    BufferBatchGet: embedded(38, kv.BufferBatchGetRequest),
    GetHealthFeedback: embedded(39, kv.GetHealthFeedbackRequest),
    BroadcastTxnStatus: embedded(40, kv.BroadcastTxnStatusRequest),
    Empty: embedded(255, BatchCommandsEmptyRequest),
  }),
})

/** @internal Left out of the published types: written out it is longer than the compiler allows. */
export const BatchResponse = message('tikvpb.BatchCommandsResponse.Response', {
  cmd: oneof({
    Get: embedded(1, kv.GetResponse),
    Scan: embedded(2, kv.ScanResponse),
    Prewrite: embedded(3, kv.PrewriteResponse),
    Commit: embedded(4, kv.CommitResponse),
    Cleanup: embedded(6, kv.CleanupResponse),
    BatchGet: embedded(7, kv.BatchGetResponse),
    BatchRollback: embedded(8, kv.BatchRollbackResponse),
    ScanLock: embedded(9, kv.ScanLockResponse),
    ResolveLock: embedded(10, kv.ResolveLockResponse),
    DeleteRange: embedded(12, kv.DeleteRangeResponse),
    PessimisticLock: embedded(23, kv.PessimisticLockResponse),
    PessimisticRollback: embedded(24, kv.PessimisticRollbackResponse),
    CheckTxnStatus: embedded(25, kv.CheckTxnStatusResponse),
    TxnHeartBeat: embedded(26, kv.TxnHeartBeatResponse),
    CheckSecondaryLocks: embedded(33, kv.CheckSecondaryLocksResponse),
    Flush: embedded(37, kv.FlushResponse),
    BufferBatchGet: embedded(38, kv.BufferBatchGetResponse),
    GetHealthFeedback: embedded(39, kv.GetHealthFeedbackResponse),
    BroadcastTxnStatus: embedded(40, kv.BroadcastTxnStatusResponse),
    Empty: embedded(255, BatchCommandsEmptyResponse),
  }),
})

export const BatchCommandsRequest = message('tikvpb.BatchCommandsRequest', {
  requests: repeated(embedded(1, BatchRequest)),
  request_ids: repeated(uint64(2)),
})
/** @internal Left out of the published types: written out it is longer than the compiler allows. */
export const BatchCommandsResponse = message('tikvpb.BatchCommandsResponse', {
  responses: repeated(embedded(1, BatchResponse)),
  request_ids: repeated(uint64(2)),
  transport_layer_load: uint64(3),
  health_feedback: embedded(4, kv.HealthFeedback),
})

/**
 * Unary methods of `tikvpb.Tikv`. The capital KV of one of them is not a slip.
 * @internal Left out of the published types: written out it is longer than the compiler allows.
 */
export const Tikv = {
  KvGet: method('/tikvpb.Tikv/KvGet', kv.GetRequest, kv.GetResponse),
  KvBatchGet: method('/tikvpb.Tikv/KvBatchGet', kv.BatchGetRequest, kv.BatchGetResponse),
  KvScan: method('/tikvpb.Tikv/KvScan', kv.ScanRequest, kv.ScanResponse),
  KvPrewrite: method('/tikvpb.Tikv/KvPrewrite', kv.PrewriteRequest, kv.PrewriteResponse),
  KvCommit: method('/tikvpb.Tikv/KvCommit', kv.CommitRequest, kv.CommitResponse),
  KvCleanup: method('/tikvpb.Tikv/KvCleanup', kv.CleanupRequest, kv.CleanupResponse),
  KvBatchRollback: method('/tikvpb.Tikv/KvBatchRollback', kv.BatchRollbackRequest, kv.BatchRollbackResponse),
  KvPessimisticLock: method('/tikvpb.Tikv/KvPessimisticLock', kv.PessimisticLockRequest, kv.PessimisticLockResponse),
  KVPessimisticRollback: method('/tikvpb.Tikv/KVPessimisticRollback', kv.PessimisticRollbackRequest, kv.PessimisticRollbackResponse),
  KvTxnHeartBeat: method('/tikvpb.Tikv/KvTxnHeartBeat', kv.TxnHeartBeatRequest, kv.TxnHeartBeatResponse),
  KvCheckTxnStatus: method('/tikvpb.Tikv/KvCheckTxnStatus', kv.CheckTxnStatusRequest, kv.CheckTxnStatusResponse),
  KvCheckSecondaryLocks: method('/tikvpb.Tikv/KvCheckSecondaryLocks', kv.CheckSecondaryLocksRequest, kv.CheckSecondaryLocksResponse),
  KvScanLock: method('/tikvpb.Tikv/KvScanLock', kv.ScanLockRequest, kv.ScanLockResponse),
  KvResolveLock: method('/tikvpb.Tikv/KvResolveLock', kv.ResolveLockRequest, kv.ResolveLockResponse),
  KvDeleteRange: method('/tikvpb.Tikv/KvDeleteRange', kv.DeleteRangeRequest, kv.DeleteRangeResponse),
  KvFlush: method('/tikvpb.Tikv/KvFlush', kv.FlushRequest, kv.FlushResponse),
  KvBufferBatchGet: method('/tikvpb.Tikv/KvBufferBatchGet', kv.BufferBatchGetRequest, kv.BufferBatchGetResponse),
  UnsafeDestroyRange: method('/tikvpb.Tikv/UnsafeDestroyRange', kv.UnsafeDestroyRangeRequest, kv.UnsafeDestroyRangeResponse),
  SplitRegion: method('/tikvpb.Tikv/SplitRegion', kv.SplitRegionRequest, kv.SplitRegionResponse),
  MvccGetByKey: method('/tikvpb.Tikv/MvccGetByKey', kv.MvccGetByKeyRequest, kv.MvccGetByKeyResponse),
  GetStoreSafeTS: method('/tikvpb.Tikv/GetStoreSafeTS', kv.StoreSafeTSRequest, kv.StoreSafeTSResponse),
  GetHealthFeedback: method('/tikvpb.Tikv/GetHealthFeedback', kv.GetHealthFeedbackRequest, kv.GetHealthFeedbackResponse),
  BroadcastTxnStatus: method('/tikvpb.Tikv/BroadcastTxnStatus', kv.BroadcastTxnStatusRequest, kv.BroadcastTxnStatusResponse),
} as const

/**
 * Bidirectional stream.
 * @internal Left out of the published types: written out it is longer than the compiler allows.
 */
export const BatchCommands = method('/tikvpb.Tikv/BatchCommands', BatchCommandsRequest, BatchCommandsResponse)

/** The alternative of a BatchCommands request that carries a unary method's message; the methods left out are unary only. */
export const BATCH_CASE = {
  KvGet: 'Get',
  KvBatchGet: 'BatchGet',
  KvScan: 'Scan',
  KvPrewrite: 'Prewrite',
  KvCommit: 'Commit',
  KvCleanup: 'Cleanup',
  KvBatchRollback: 'BatchRollback',
  KvPessimisticLock: 'PessimisticLock',
  KVPessimisticRollback: 'PessimisticRollback',
  KvTxnHeartBeat: 'TxnHeartBeat',
  KvCheckTxnStatus: 'CheckTxnStatus',
  KvCheckSecondaryLocks: 'CheckSecondaryLocks',
  KvScanLock: 'ScanLock',
  KvResolveLock: 'ResolveLock',
  KvDeleteRange: 'DeleteRange',
  KvFlush: 'Flush',
  KvBufferBatchGet: 'BufferBatchGet',
  GetHealthFeedback: 'GetHealthFeedback',
  BroadcastTxnStatus: 'BroadcastTxnStatus',
} as const
