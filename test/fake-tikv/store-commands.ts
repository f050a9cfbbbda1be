// The RPCs of a store, each as a function from a request to its answer. Everything happens in one turn of the event loop, which makes every
// command atomic; only a wait for a lock answers later.

import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import * as kv from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { Fields, InitOf, MessageOf, MessageType } from '../../src/storage/tikv/proto/message.ts'
import type { Tikv } from '../../src/storage/tikv/proto/tikvpb.ts'
import { checkKeySizes, checkKeys, checkRange, deleteRangeComplaint } from './api-v2.ts'
import { type Batch, createBatch, SHORT_VALUE_MAX } from './batch.ts'
import type { Cluster, Store } from './cluster.ts'
import { checkSecondaryLocks, checkTxnStatus, commitKey, heartBeat, isExpired, rollbackKey } from './commit.ts'
import { GrpcError, Status } from './grpc.ts'
import { invalidReqRange, invalidTxnTso, KeyFailure, keyOutOfRegion, locked, otherTxn, txnLockNotFound } from './key-errors.ts'
import { decodeKey, encodeKey, toBytes, toKey, upperHex } from './keys.ts'
import { type Entry, lockInfo } from './mvcc.ts'
import { pessimisticRollback } from './pessimistic.ts'
import { createPessimisticLock } from './pessimistic-request.ts'
import { committedBefore, type PrewriteTxn, prewrite } from './prewrite.ts'
import { keyErrorOf, read, type Snapshot } from './reads.ts'
import {
  dataIsNotReady,
  epochNotMatch,
  keyNotInRegion,
  mismatchPeerId,
  notLeader,
  plain,
  RegionFailure,
  raftEntryTooLarge,
  regionNotFound,
  staleCommand,
  storeNotMatch,
} from './region-errors.ts'
import { contains, peerOn, type Region, regionMessage } from './regions.ts'
import { composeTs, MAX_DRIFT_MS, MAX_TS, physicalOf } from './tso.ts'

const RAFT_ENTRY_MAX = 8 * 1024 * 1024

type Methods = typeof Tikv
export type MethodName = keyof Methods
type FieldsOf<M> = M extends MessageType<infer F extends Fields> ? F : never
type Request<M extends MethodName> = MessageOf<MessageType<FieldsOf<Methods[M]['request']>>>
type Response<M extends MethodName> = InitOf<MessageType<FieldsOf<Methods[M]['response']>>>
export type Handlers = { readonly [M in MethodName]: (request: Request<M>) => MaybePromise<Response<M>> }

type Context = kv.Context | undefined

/** `panic`: what would end the process of a TiKV ends the store here. */
export function createHandlers(cluster: Cluster, store: Store, panic: (reason: string) => never): Handlers {
  const { mvcc } = cluster

  /** Checks the context against the region as it is now. */
  const enter = (context: Context, isRead: boolean, version = 0n): Region => {
    const peerStore = context?.peer?.store_id ?? 0n
    if (peerStore !== store.id) throw storeNotMatch(peerStore, store.id)
    const region = cluster.regions.byId(context!.region_id)
    const peer = region && peerOn(region, store.id)
    if (region === undefined || peer === undefined) throw regionNotFound(context!.region_id)
    if (region.leader !== store.id) {
      if (!isRead || !(context!.replica_read || context!.stale_read)) throw notLeader(region)
      if (context!.stale_read && version > safeTs()) throw dataIsNotReady(region, peer.id, safeTs())
      if (!context!.stale_read && region.leader === 0n) throw notLeader(region)
    }
    if (context!.peer!.id !== peer.id) throw mismatchPeerId(context!.peer!.id, peer.id)
    if (context!.term !== 0n && region.term > context!.term + 1n) throw staleCommand()
    const sent = context!.region_epoch
    if (sent === undefined || sent.version !== region.version)
      throw epochNotMatch(region, sent?.conf_ver ?? 0n, sent?.version ?? 0n, cluster.regions.sinceVersion(region, sent?.version ?? 0n))
    return region
  }
  /** Nothing at or below it changes any more. */
  const safeTs = (): bigint => {
    let safe = composeTs(BigInt(cluster.tso.clock() - 1000), 0n)
    for (const entry of mvcc.locked()) if (entry.lock!.startTs <= safe) safe = entry.lock!.startTs - 1n
    return safe
  }
  const keyChecker =
    (region: Region) =>
    (key: string): void => {
      if (!contains(region, encodeKey(key))) throw keyOutOfRegion(key, region.id, region.start, region.end)
    }
  /** Raises max_ts to what is read, where the region is led (a follower asks its leader); a ts far ahead of the oracle is refused. */
  const readAt = (region: Region, ...timestamps: bigint[]): void => {
    const leader = cluster.stores.get(region.leader) ?? store
    for (const ts of timestamps) {
      if (ts === MAX_TS || ts <= leader.maxTs) continue
      const limit = composeTs(physicalOf(cluster.tso.now()) + MAX_DRIFT_MS, 0n)
      if (ts > limit) throw plain(`invalid max_ts update: ${ts} exceeds the limit ${limit}`)
    }
    for (const ts of timestamps) if (ts !== MAX_TS && ts > leader.maxTs) leader.maxTs = ts
  }
  const apply = (region: Region, batch: Batch): void => {
    if (batch.size() > RAFT_ENTRY_MAX) throw raftEntryTooLarge(region, batch.size())
    cluster.waits.released(batch.apply(mvcc))
  }
  const api = (context: Context): number => context?.api_version ?? 0
  const checkCluster = (context: Context): void => {
    if (context && context.cluster_id !== 0n && context.cluster_id !== cluster.id)
      throw new GrpcError(Status.INVALID_ARGUMENT, 'the cluster id of the request does not match the TiKV cluster')
  }
  /** Turns failures into the answer's error fields. */
  const guarded =
    <Q extends { context: Context }, S extends object>(
      run: (request: Q) => MaybePromise<NoInfer<S>>,
      onKeyError: (error: kv.KeyErrorInit) => NoInfer<S>,
    ) =>
    (request: Q): MaybePromise<S> => {
      const fail = (error: unknown): S => {
        if (error instanceof RegionFailure) return { region_error: error.error } as unknown as S
        if (error instanceof KeyFailure) return onKeyError(error.error)
        throw error
      }
      try {
        checkCluster(request.context)
        const answer = run(request)
        return answer instanceof Promise ? (answer as Promise<S>).catch(fail) : (answer as S)
      } catch (error) {
        return fail(error)
      }
    }
  const single = (error: kv.KeyErrorInit) => ({ error })
  const several = (error: kv.KeyErrorInit) => ({ errors: [error] })
  const twice = (error: kv.KeyErrorInit) => ({ error, pairs: [{ error }] })

  const snapshotOf = (context: Context, ts: bigint, needCommitTs: boolean): Snapshot => ({
    ts,
    isolation: context?.isolation_level ?? 0,
    resolved: new Set(context?.resolved_locks ?? []),
    committed: new Set(context?.committed_locks ?? []),
    needCommitTs,
  })
  const atLeastOne = (what: string, items: readonly unknown[]): void => {
    if (items.length === 0) panic(`${what} without keys`)
  }
  const noneTwice = (what: string, keys: readonly string[]): void => {
    if (new Set(keys).size !== keys.length) panic(`${what} with the same key twice`)
  }

  const runPrewrite = (
    region: Region,
    txn: PrewriteTxn,
    mutations: readonly kv.Mutation[],
    item: (i: number) => [number, bigint | undefined],
  ) => {
    const batch = createBatch()
    const result = prewrite(
      mvcc,
      batch,
      txn,
      mutations.map((mutation, i) => ({ mutation, action: item(i)[0], expectedForUpdateTs: item(i)[1] })),
      store.maxTs,
      keyChecker(region),
    )
    if (result.errors.length === 0) {
      apply(region, batch)
      if (result.outcome.onePcCommitTs !== 0n) cluster.noteCommitted(txn.startTs, result.outcome.onePcCommitTs)
    }
    return result
  }

  const entriesIn = (region: Region, start: string, end: string): Iterable<Entry> => {
    const lower = decodeKey(region.start)
    const upper = region.end === '' ? '' : decodeKey(region.end)
    const from = lower !== null && lower > start ? lower : start
    const to = upper !== null && upper !== '' && (end === '' || upper < end) ? upper : end
    return mvcc.ascending(from, to)
  }

  const pessimisticLock = createPessimisticLock({
    cluster,
    store,
    enter: (context) => enter(context, false),
    checkerOf: keyChecker,
    apply,
    panic,
  })

  const scan = (request: Request<'KvScan'>): Response<'KvScan'> => {
    const first = toKey(request.start_key)
    const last = toKey(request.end_key)
    checkRange('scan', api(request.context), first, last)
    const region = enter(request.context, true, request.version)
    readAt(region, request.version)
    const [lower, upper] = request.reverse ? [last, first] : [first, last]
    const encodedLower = encodeKey(lower)
    const encodedUpper = encodeKey(upper)
    if (
      encodedLower < region.start ||
      (region.end !== '' && (encodedLower > region.end || encodedUpper > region.end)) ||
      encodedUpper < region.start
    )
      throw invalidReqRange(encodedLower, encodedUpper, region.start, region.end)
    if (lower >= upper) return {}
    const snapshot = snapshotOf(request.context, request.version, false)
    const pairs: InitOf<typeof kv.KvPair>[] = []
    const step = request.sample_step || 1
    let seen = 0
    for (const entry of request.reverse ? mvcc.descending(lower, upper) : mvcc.ascending(lower, upper)) {
      if (pairs.length >= request.limit) break
      let pair: InitOf<typeof kv.KvPair>
      try {
        const found = read(entry, entry.key, snapshot)
        if (found === undefined) continue
        pair = { key: toBytes(entry.key), value: request.key_only ? undefined : found.value }
      } catch (error) {
        pair = { error: keyErrorOf(error) }
      }
      if (seen++ % step === 0) pairs.push(pair)
    }
    return { pairs }
  }

  const rpcs: { readonly [M in MethodName]: Handlers[M] } = {
    KvGet: guarded((request) => {
      const key = toKey(request.key)
      checkKeys('get', api(request.context), [key])
      const region = enter(request.context, true, request.version)
      keyChecker(region)(key)
      readAt(region, request.version)
      const found = read(mvcc.get(key), key, snapshotOf(request.context, request.version, request.need_commit_ts))
      if (found === undefined) return { not_found: true }
      return { value: found.value, commit_ts: request.need_commit_ts ? found.commitTs : 0n }
    }, single),

    KvBatchGet: guarded((request) => {
      const keys = request.keys.map(toKey)
      checkKeys('batch_get', api(request.context), keys)
      const region = enter(request.context, true, request.version)
      readAt(region, request.version)
      const check = keyChecker(region)
      const snapshot = snapshotOf(request.context, request.version, request.need_commit_ts)
      const pairs: InitOf<typeof kv.KvPair>[] = []
      for (const key of keys) {
        try {
          check(key)
          const found = read(mvcc.get(key), key, snapshot)
          if (found) pairs.push({ key: toBytes(key), value: found.value, commit_ts: request.need_commit_ts ? found.commitTs : 0n })
        } catch (error) {
          pairs.push({ error: keyErrorOf(error) })
        }
      }
      return { pairs }
    }, twice),

    KvScan: guarded(scan, twice),

    KvPrewrite: guarded((request) => {
      const keys = request.mutations.map((mutation) => toKey(mutation.key))
      atLeastOne('KvPrewrite', keys)
      noneTwice('KvPrewrite', keys)
      checkKeys('prewrite', api(request.context), keys)
      checkKeySizes(keys)
      const region = enter(request.context, false)
      const isPessimistic = request.for_update_ts > 0n
      const txn: PrewriteTxn = {
        startTs: request.start_version,
        primary: toKey(request.primary_lock),
        isPessimistic,
        forUpdateTs: request.for_update_ts,
        ttl: request.lock_ttl,
        txnSize: request.txn_size,
        minCommitTs: request.min_commit_ts,
        maxCommitTs: request.max_commit_ts,
        skipConstraintCheck: request.skip_constraint_check,
        assertionLevel: request.assertion_level,
        isRetry: request.context?.is_retry_request ?? false,
        generation: 0n,
        asyncCommit: request.use_async_commit,
        onePc: request.try_one_pc,
        secondaries: request.secondaries.map(toKey),
      }
      const actionOf = (i: number): number => request.pessimistic_actions[i] ?? kv.PessimisticAction.SKIP_PESSIMISTIC_CHECK
      const known = cluster.committedAt(txn.startTs)
      if (isPessimistic && known !== undefined && keys.some((_, i) => actionOf(i) === kv.PessimisticAction.SKIP_PESSIMISTIC_CHECK)) {
        const { outcome } = committedBefore(txn, known)
        return { min_commit_ts: outcome.minCommitTs, one_pc_commit_ts: outcome.onePcCommitTs }
      }
      const expected = new Map(request.for_update_ts_constraints.map((constraint) => [constraint.index, constraint.expected_for_update_ts]))
      const { outcome, errors } = runPrewrite(region, txn, request.mutations, (i) => [actionOf(i), expected.get(i)])
      return { errors: errors.map((error) => error.error), min_commit_ts: outcome.minCommitTs, one_pc_commit_ts: outcome.onePcCommitTs }
    }, several),

    KvCommit: guarded((request) => {
      const keys = request.keys.map(toKey)
      atLeastOne('KvCommit', keys)
      const region = enter(request.context, false)
      if (request.commit_version <= request.start_version) throw invalidTxnTso(request.start_version, request.commit_version)
      const batch = createBatch()
      const seen = new Set<string>()
      for (const key of keys) {
        keyChecker(region)(key)
        if (seen.has(key)) throw txnLockNotFound(request.start_version, request.commit_version, key)
        seen.add(key)
        commitKey(mvcc, batch, key, request.start_version, request.commit_version)
      }
      apply(region, batch)
      cluster.noteCommitted(request.start_version, request.commit_version)
      return { commit_version: request.commit_version }
    }, single),

    KvCleanup: guarded((request) => {
      const key = toKey(request.key)
      const region = enter(request.context, false)
      keyChecker(region)(key)
      const lock = mvcc.get(key)?.lock
      if (lock?.startTs === request.start_version && request.current_ts !== 0n && !isExpired(lock, request.current_ts))
        throw locked(key, lock)
      const batch = createBatch()
      const record = mvcc.commitRecord(mvcc.get(key), request.start_version)
      if (record.kind === 'single' && record.write.type !== kv.Op.Rollback) return { commit_version: record.write.commitTs }
      rollbackKey(mvcc, batch, key, request.start_version)
      apply(region, batch)
      return {}
    }, single),

    KvBatchRollback: guarded((request) => {
      const keys = [...new Set(request.keys.map(toKey))]
      atLeastOne('KvBatchRollback', keys)
      const region = enter(request.context, false)
      const batch = createBatch()
      for (const key of keys) {
        keyChecker(region)(key)
        rollbackKey(mvcc, batch, key, request.start_version)
      }
      apply(region, batch)
      return {}
    }, single),

    KvPessimisticLock: guarded(pessimisticLock, several),

    KVPessimisticRollback: guarded((request) => {
      const region = enter(request.context, false)
      const batch = createBatch()
      const entries: readonly (Entry | undefined)[] =
        request.keys.length > 0
          ? request.keys.map((key) => {
              keyChecker(region)(toKey(key))
              return mvcc.get(toKey(key))
            })
          : mvcc.locksOf(request.start_version).filter((entry) => contains(region, encodeKey(entry.key)))
      for (const entry of new Set(entries)) pessimisticRollback(batch, entry, request.start_version, request.for_update_ts)
      apply(region, batch)
      return {}
    }, several),

    KvTxnHeartBeat: guarded((request) => {
      const key = toKey(request.primary_lock)
      const region = enter(request.context, false)
      keyChecker(region)(key)
      const batch = createBatch()
      const ttl = heartBeat(mvcc, batch, key, request.start_version, request.advise_lock_ttl, request.min_commit_ts)
      apply(region, batch)
      return { lock_ttl: ttl }
    }, single),

    KvCheckTxnStatus: guarded((request) => {
      const primary = toKey(request.primary_key)
      const region = enter(request.context, false)
      keyChecker(region)(primary)
      readAt(region, request.lock_ts, request.caller_start_ts, request.current_ts)
      const batch = createBatch()
      const answer = checkTxnStatus(mvcc, batch, {
        primary,
        lockTs: request.lock_ts,
        callerStartTs: request.caller_start_ts,
        currentTs: request.current_ts,
        rollbackIfNotExist: request.rollback_if_not_exist,
        forceSyncCommit: request.force_sync_commit,
        resolvingPessimisticLock: request.resolving_pessimistic_lock,
        verifyIsPrimary: request.verify_is_primary,
      })
      apply(region, batch)
      return answer
    }, single),

    KvCheckSecondaryLocks: guarded((request) => {
      const keys = request.keys.map(toKey)
      atLeastOne('KvCheckSecondaryLocks', keys)
      const region = enter(request.context, false)
      for (const key of keys) keyChecker(region)(key)
      readAt(region, request.start_version)
      const batch = createBatch()
      const found = checkSecondaryLocks(mvcc, batch, keys, request.start_version)
      apply(region, batch)
      return { locks: found.locks.map(({ key, lock }) => lockInfo(lock, key)), commit_ts: found.commitTs }
    }, single),

    KvScanLock: guarded((request) => {
      const region = enter(request.context, false)
      readAt(region, request.max_version)
      const locks: kv.LockInfoInit[] = []
      for (const entry of entriesIn(region, toKey(request.start_key), toKey(request.end_key))) {
        if (entry.lock === undefined || entry.lock.startTs > request.max_version) continue
        if (!contains(region, encodeKey(entry.key))) continue
        locks.push(lockInfo(entry.lock, entry.key))
        if (request.limit !== 0 && locks.length >= request.limit) break
      }
      return { locks }
    }, single),

    KvResolveLock: guarded((request) => {
      const region = enter(request.context, false)
      const batch = createBatch()
      const keys = request.keys.map(toKey)
      noneTwice('KvResolveLock', keys)
      if (keys.length > 0) {
        for (const key of keys) {
          keyChecker(region)(key)
          if (request.commit_version > 0n) commitKey(mvcc, batch, key, request.start_version, request.commit_version)
          else rollbackKey(mvcc, batch, key, request.start_version)
        }
      } else {
        const txns =
          request.txn_infos.length > 0
            ? request.txn_infos.map((info) => [info.txn, info.status] as const)
            : [[request.start_version, request.commit_version] as const]
        for (const [startTs, commitTs] of txns) {
          for (const entry of mvcc.locksOf(startTs)) {
            if (entry.lock!.type === kv.Op.PessimisticLock || !contains(region, encodeKey(entry.key))) continue
            if (commitTs === 0n) rollbackKey(mvcc, batch, entry.key, startTs)
            else if (commitTs > startTs) commitKey(mvcc, batch, entry.key, startTs, commitTs)
            else throw invalidTxnTso(startTs, commitTs)
          }
        }
      }
      apply(region, batch)
      if (request.commit_version > request.start_version) cluster.noteCommitted(request.start_version, request.commit_version)
      return {}
    }, single),

    KvDeleteRange: guarded(
      (request) => {
        const start = toKey(request.start_key)
        const end = toKey(request.end_key)
        const complaint = deleteRangeComplaint(api(request.context), start, end)
        if (complaint !== undefined) return { error: complaint }
        const region = enter(request.context, false)
        const [from, to] = [encodeKey(start), encodeKey(end)]
        if (from >= to) throw plain(`"invalid delete range command, start_key: ${upperHex(from)}, end_key: ${upperHex(to)}"`)
        if (!contains(region, from)) throw keyNotInRegion(from, region)
        if (region.end !== '' && to > region.end) throw keyNotInRegion(to, region)
        if (!request.notify_only) mvcc.deleteRange(start, end)
        return {}
      },
      (error) => ({ error: error.abort ?? 'error' }),
    ),

    KvFlush: guarded((request) => {
      const keys = request.mutations.map((mutation) => toKey(mutation.key))
      if (request.generation === 0n) throw otherTxn('generation should be greater than 0 for Flush requests')
      atLeastOne('KvFlush', keys)
      noneTwice('KvFlush', keys)
      checkKeys('flush', api(request.context), keys)
      checkKeySizes(keys)
      const region = enter(request.context, false)
      const { errors } = runPrewrite(
        region,
        {
          startTs: request.start_ts,
          primary: toKey(request.primary_key),
          isPessimistic: false,
          forUpdateTs: 0n,
          ttl: request.lock_ttl,
          txnSize: MAX_TS,
          minCommitTs: request.min_commit_ts,
          maxCommitTs: 0n,
          skipConstraintCheck: false,
          assertionLevel: request.assertion_level,
          isRetry: request.context?.is_retry_request ?? false,
          generation: request.generation,
          asyncCommit: false,
          onePc: false,
          secondaries: [],
        },
        request.mutations,
        () => [0, undefined],
      )
      return { errors: errors.map((error) => error.error) }
    }, several),

    KvBufferBatchGet: guarded((request) => {
      const keys = request.keys.map(toKey)
      checkKeys('buffer_batch_get', api(request.context), keys)
      const region = enter(request.context, true)
      const pairs: InitOf<typeof kv.KvPair>[] = []
      for (const key of keys) {
        keyChecker(region)(key)
        const lock = mvcc.get(key)?.lock
        if (lock?.startTs === request.version && (lock.type === kv.Op.Put || lock.type === kv.Op.Del))
          pairs.push({ key: toBytes(key), value: lock.value })
      }
      return { pairs }
    }, single),

    UnsafeDestroyRange(request) {
      checkCluster(request.context)
      const [start, end] = [toKey(request.start_key), toKey(request.end_key)]
      if (start === '' || end === '') panic('UnsafeDestroyRange with an empty bound')
      mvcc.deleteRange(start, end)
      return {}
    },

    SplitRegion: guarded(
      (request) => {
        const region = enter(request.context, false)
        const keys = [...request.split_keys, ...(request.split_key.length > 0 ? [request.split_key] : [])].map((key) =>
          encodeKey(toKey(key)),
        )
        if (keys.length === 0) throw plain(`"[region ${region.id}] ${peerOn(region, store.id)!.id} no split key is specified."`)
        for (const key of keys) if (!contains(region, key)) throw keyNotInRegion(key, region)
        const parts = cluster.split(region, keys)
        if (parts.length === 0) throw plain('Coprocessor no valid key found for split.')
        return { regions: parts.map(regionMessage) }
      },
      () => ({}),
    ),

    MvccGetByKey: guarded(
      (request) => {
        const key = toKey(request.key)
        const region = enter(request.context, true)
        keyChecker(region)(key)
        const entry = mvcc.get(key)
        const lock = entry?.lock
        const isLong = (value: Buffer): boolean => value.length > SHORT_VALUE_MAX
        const long = [
          ...(lock && isLong(lock.value) ? [{ start_ts: lock.startTs, value: lock.value }] : []),
          ...(entry?.writes ?? []).filter((write) => isLong(write.value)).map((write) => ({ start_ts: write.startTs, value: write.value })),
        ]
        return {
          info: {
            lock: lock && {
              type: lock.type,
              start_ts: lock.startTs,
              primary: toBytes(lock.primary),
              short_value: isLong(lock.value) ? undefined : lock.value,
            },
            writes: (entry?.writes ?? []).map((write) => ({
              type: write.type,
              start_ts: write.startTs,
              commit_ts: write.commitTs,
              short_value: write.isProtected ? Buffer.from('p') : isLong(write.value) ? undefined : write.value,
              has_overlapped_rollback: write.overlappedRollback,
            })),
            values: long.sort((a, b) => (a.start_ts > b.start_ts ? -1 : 1)),
          },
        }
      },
      (error) => ({ error: error.abort ?? 'error' }),
    ),

    GetStoreSafeTS: () => ({ safe_ts: safeTs() }),
    GetHealthFeedback: () => ({ health_feedback: { store_id: store.id, feedback_seq_no: 1n, slow_score: 1 } }),
    BroadcastTxnStatus: () => ({}),
  }
  return rpcs
}
