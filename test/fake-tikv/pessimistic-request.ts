// A request for pessimistic locks: all of its keys or none, the wait for another's lock, and what a woken or timed-out waiter is told.

import type { MaybePromise } from '../../src/base/maybe-promise.ts'
import * as kv from '../../src/storage/tikv/proto/kvrpcpb.ts'
import type { InitOf, MessageOf } from '../../src/storage/tikv/proto/message.ts'
import { checkKeySizes, checkKeys } from './api-v2.ts'
import { type Batch, createBatch } from './batch.ts'
import type { Cluster, Store } from './cluster.ts'
import { KeyFailure, locked, otherTxn, writeConflict } from './key-errors.ts'
import { toKey } from './keys.ts'
import { MAX_WAIT_MS } from './lock-waits.ts'
import { acquireLock, type LockGrant, type LockTxn } from './pessimistic.ts'
import type { Region } from './regions.ts'
import { composeTs, MAX_DRIFT_MS, physicalOf } from './tso.ts'

type LockRequest = MessageOf<typeof kv.PessimisticLockRequest>
type LockResponse = InitOf<typeof kv.PessimisticLockResponse>

export interface LockRequestHost {
  readonly cluster: Cluster
  readonly store: Store
  /** The region of the request, checked. */
  enter(context: kv.Context | undefined): Region
  checkerOf(region: Region): (key: string) => void
  apply(region: Region, batch: Batch): void
  panic(reason: string): never
}

export function createPessimisticLock(host: LockRequestHost): (request: LockRequest) => MaybePromise<LockResponse> {
  const { cluster, store, enter, checkerOf, apply, panic } = host
  const { mvcc } = cluster
  /** An insert's check counts as a read; locks accept any ts, but max_ts must not run away with them. */
  const noteRead = (ts: bigint): void => {
    const limit = composeTs(physicalOf(cluster.tso.now()) + MAX_DRIFT_MS, 0n)
    if (ts > store.maxTs && ts <= limit) store.maxTs = ts
  }
  return (request) => {
    const keys = request.mutations.map((mutation) => toKey(mutation.key))
    if (keys.length === 0) panic('KvPessimisticLock without keys')
    checkKeys('acquire_pessimistic_lock', request.context?.api_version ?? 0, keys)
    checkKeySizes(keys)
    if (request.mutations.some((mutation) => mutation.op !== kv.Op.PessimisticLock)) panic('KvPessimisticLock with another op')
    const force = request.wake_up_mode === kv.PessimisticLockWakeUpMode.WakeUpModeForceLock
    if (force && keys.length > 1) throw otherTxn('multiple keys in a single request with allowed_lock_with_conflict set is not allowed')
    const region = enter(request.context)
    const txn: LockTxn = {
      startTs: request.start_version,
      primary: toKey(request.primary_lock),
      forUpdateTs: request.for_update_ts,
      minCommitTs: request.min_commit_ts,
      ttl: request.lock_ttl,
      returnValues: request.return_values,
      checkExistence: request.check_existence,
      lockOnlyIfExists: request.lock_only_if_exists,
      force,
    }
    const deadline = Date.now() + (request.wait_timeout <= 0n ? MAX_WAIT_MS : Math.min(Number(request.wait_timeout), MAX_WAIT_MS))
    const failed = (error: kv.KeyErrorInit): LockResponse => ({
      errors: [error],
      ...(force ? { results: [{ type: kv.PessimisticLockKeyResultType.LockResultFailed }] } : {}),
    })
    const granted = (grants: readonly LockGrant[]): LockResponse => {
      if (force) {
        return {
          results: grants.map((grant) => {
            const conflict = grant.conflictTs !== 0n
            return {
              type: conflict
                ? kv.PessimisticLockKeyResultType.LockResultLockedWithConflict
                : kv.PessimisticLockKeyResultType.LockResultNormal,
              value: conflict || txn.returnValues ? grant.value : undefined,
              existence: (conflict || txn.returnValues || txn.checkExistence) && grant.value !== undefined,
              locked_with_conflict_ts: grant.conflictTs,
            }
          }),
        }
      }
      return {
        values: txn.returnValues ? grants.map((grant) => grant.value ?? Buffer.alloc(0)) : [],
        not_founds: txn.returnValues || txn.checkExistence ? grants.map((grant) => grant.value === undefined) : [],
      }
    }
    const attempt = (): MaybePromise<LockResponse> => {
      const check = checkerOf(region)
      const batch = createBatch()
      try {
        const grants = request.mutations.map((mutation, i) => {
          check(keys[i]!)
          if (mutation.assertion === kv.Assertion.NotExist) noteRead(txn.forUpdateTs)
          return acquireLock(mvcc, batch, txn, mutation)
        })
        apply(region, batch)
        return granted(grants)
      } catch (error) {
        if (!(error instanceof KeyFailure)) throw error
        const { blocker } = error
        const left = deadline - Date.now()
        if (blocker === undefined || request.wait_timeout < 0n || left <= 0) return failed(error.error)
        return waitFor(blocker.key, blocker.lock.startTs, left)
      }
    }
    const waitFor = (key: string, lockTs: bigint, ms: number): Promise<LockResponse> =>
      new Promise((resolve, reject) => {
        const deadlock = cluster.waits.wait(
          {
            key,
            startTs: txn.startTs,
            lockTs,
            force,
            tag: request.context?.resource_group_tag ?? new Uint8Array(),
            wake(released) {
              if (!force) {
                resolve(failed(writeConflict('PessimisticRetry', txn.startTs, released.startTs, released.commitTs, key, txn.primary).error))
                return
              }
              try {
                resolve(attempt())
              } catch (error) {
                reject(error)
              }
            },
            timeOut() {
              const lock = mvcc.get(key)?.lock
              resolve(
                lock !== undefined && lock.startTs !== txn.startTs
                  ? failed(locked(key, lock).error)
                  : failed(writeConflict('PessimisticRetry', txn.startTs, lockTs, 0n, key, txn.primary).error),
              )
            },
          },
          ms,
          !request.is_first_lock,
        )
        if (deadlock) resolve(failed(deadlock))
      })
    return attempt()
  }
}
