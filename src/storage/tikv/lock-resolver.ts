// Locks that other transactions left or hold: asks the owner's primary whether it committed, and clears what is decided. Knows the outcomes of recent
// transactions, this process's own among them. Primary and lock are of one keyspace always.

import { LruMap } from '../../base/lru.ts'
import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import { MAX_TS, type Reach } from './gate.ts'
import { keyFailure, type LockInfo } from './key-error.ts'
import { Action, Op } from './proto/kvrpcpb.ts'
import { groupByRegion, type Router } from './router.ts'
import { physicalOf, type TimestampOracle } from './tso.ts'

/** commitTs 0 = rolled back. */
interface Verdict {
  readonly commitTs: bigint
}

export interface Resolution {
  /** How long the live ones among the locks may still live, ms; 0 = none blocks. */
  readonly waitMs: number
  /** Owners whose locks a read may pass by, and those whose values it may take. */
  readonly resolved: bigint[]
  readonly committed: bigint[]
}

const DECIDED = 4096
/** From this size on, an owner's locks are cleared by region. */
const BIG = 512n

type Status = { kind: 'decided'; commitTs: bigint } | { kind: 'alive'; ttlMs: number; pushed: boolean } | { kind: 'lockOnly' } // a pessimistic lock that nobody needs any more; says nothing of the transaction

/** Where work goes that nobody waits for (Engine.background). */
type Background = (what: string, work: Promise<unknown>) => void

export class LockResolver {
  readonly #router: Router
  readonly #oracle: TimestampOracle
  readonly #background: Background
  readonly #decided = new LruMap<bigint, Verdict>(DECIDED)

  constructor(router: Router, oracle: TimestampOracle, background: Background) {
    this.#router = router
    this.#oracle = oracle
    this.#background = background
  }

  /** An outcome known for certain. */
  note(startTs: bigint, commitTs: bigint): void {
    this.#decided.set(startTs, { commitTs })
  }

  /** `callerTs`: the snapshot of a read, 0 for a writer. */
  async resolve(reach: Reach, locks: readonly LockInfo[], callerTs: bigint, backoff: Backoff): Promise<Resolution> {
    const resolved: bigint[] = []
    const committed: bigint[] = []
    let waitMs = 0
    const isRead = callerTs !== 0n
    for (const lock of locks) {
      if (lock.key.length === 0 || !reach.owns(lock.key) || !reach.owns(lock.primary_lock)) {
        throw new KvError('corrupt', 'a lock reaches over the bounds of its keyspace')
      }
      const status = await this.#status(reach, lock, callerTs, backoff)
      if (status.kind === 'alive') {
        if (status.pushed && isRead) resolved.push(lock.lock_version)
        else waitMs = waitMs === 0 ? Math.max(1, status.ttlMs) : Math.min(waitMs, Math.max(1, status.ttlMs))
        continue
      }
      if (lock.lock_type === Op.PessimisticLock) {
        await this.#dropPessimistic(reach, lock, backoff)
        continue
      }
      if (status.kind === 'lockOnly') continue
      if (isRead) {
        if (status.commitTs > 0n && status.commitTs <= callerTs) committed.push(lock.lock_version)
        else resolved.push(lock.lock_version)
        // The reader need not wait for the cleaning.
        this.#background('cleaning of a lock', this.#clean(reach, lock, status.commitTs, new Backoff(BUDGET.resolve)))
      } else await this.#clean(reach, lock, status.commitTs, backoff)
    }
    return { waitMs, resolved, committed }
  }

  /**
   * For garbage collection: what is older than the safe point has had its time. Each transaction among the locks is decided, rolled back where it
   * was still alive; answers the outcomes of those whose locks are to be cleared, pessimistic locks are gone already.
   */
  async decideAll(reach: Reach, locks: readonly LockInfo[], backoff: Backoff): Promise<Map<bigint, bigint>> {
    const outcomes = new Map<bigint, bigint>()
    for (const lock of locks) {
      if (lock.lock_type === Op.PessimisticLock) await this.#dropPessimistic(reach, lock, backoff)
      else if (!outcomes.has(lock.lock_version)) outcomes.set(lock.lock_version, await this.#end(reach, lock, backoff))
    }
    return outcomes
  }

  /** Decides a transaction whatever life is left in it: its commit timestamp, 0 = rolled back. */
  async #end(reach: Reach, lock: Pick<LockInfo, 'lock_version' | 'primary_lock' | 'lock_type'>, backoff: Backoff): Promise<bigint> {
    for (;;) {
      const status = await this.#status(reach, { ...lock, lock_ttl: 0n }, 0n, backoff)
      if (status.kind === 'decided') return status.commitTs
      // A primary that was only a pessimistic lock is gone now: the next answer says what that makes of the transaction.
      if (status.kind === 'alive') await backoff.wait('txnLock', 'a transaction cannot be ended yet')
    }
  }

  /** A lock without time left (ttl 0) is judged as if its time were up. */
  async #status(
    reach: Reach,
    lock: Pick<LockInfo, 'lock_version' | 'primary_lock' | 'lock_type' | 'lock_ttl'>,
    callerTs: bigint,
    backoff: Backoff,
  ): Promise<Status> {
    const known = this.#decided.get(lock.lock_version)
    if (known !== undefined) return { kind: 'decided', commitTs: known.commitTs }
    let rollbackIfNotExist = false
    let forceSync = false
    const isPessimistic = lock.lock_type === Op.PessimisticLock
    for (;;) {
      const currentTs = lock.lock_ttl === 0n ? MAX_TS : await this.#oracle.next()
      const answer = await this.#router.sendTo(
        reach,
        'KvCheckTxnStatus',
        lock.primary_lock,
        {
          primary_key: lock.primary_lock,
          lock_ts: lock.lock_version,
          caller_start_ts: callerTs,
          current_ts: currentTs,
          rollback_if_not_exist: rollbackIfNotExist,
          force_sync_commit: forceSync,
          resolving_pessimistic_lock: isPessimistic,
          verify_is_primary: true,
        },
        { backoff },
      )
      if (answer.error !== undefined) {
        if (answer.error.txn_not_found !== undefined) {
          const isExpired = currentTs === MAX_TS || physicalOf(lock.lock_version) + Number(lock.lock_ttl) < physicalOf(currentTs)
          if (isExpired) {
            rollbackIfNotExist = true
            continue
          }
          if (isPessimistic) return { kind: 'alive', ttlMs: this.#remaining(lock.lock_version, lock.lock_ttl), pushed: false }
          await backoff.wait('txnNotFound', 'the primary of a lock is not there yet')
          continue
        }
        if (answer.error.primary_mismatch !== undefined) {
          if (isPessimistic) return { kind: 'lockOnly' }
          throw new KvError('corrupt', 'a lock names a key as its primary that is none')
        }
        throw keyFailure('CheckTxnStatus', answer.error)
      }
      if (answer.commit_version > 0n) return this.#decide(lock.lock_version, answer.commit_version)
      const primary = answer.lock_info
      if (answer.lock_ttl > 0n) {
        if (primary?.use_async_commit === true && !forceSync && this.#isExpired(lock.lock_version, answer.lock_ttl, currentTs)) {
          const verdict = await this.#checkSecondaries(reach, lock.lock_version, lock.primary_lock, primary, backoff)
          if (verdict !== null) return this.#decide(lock.lock_version, verdict)
          forceSync = true
          continue
        }
        return {
          kind: 'alive',
          ttlMs: this.#remaining(lock.lock_version, answer.lock_ttl),
          pushed: answer.action === Action.MinCommitTSPushed,
        }
      }
      if (answer.action === Action.TTLExpirePessimisticRollback || answer.action === Action.LockNotExistDoNothing)
        return { kind: 'lockOnly' }
      return this.#decide(lock.lock_version, 0n)
    }
  }

  #decide(startTs: bigint, commitTs: bigint): Status {
    this.note(startTs, commitTs)
    return { kind: 'decided', commitTs }
  }

  #isExpired(startTs: bigint, ttl: bigint, currentTs: bigint): boolean {
    return currentTs === MAX_TS || physicalOf(startTs) + Number(ttl) < physicalOf(currentTs)
  }

  #remaining(startTs: bigint, ttl: bigint): number {
    return Math.max(1, physicalOf(startTs) + Number(ttl) - this.#oracle.approximateNow())
  }

  /** The outcome of an expired async commit: its commit timestamp, 0 = rolled back, null = it fell back to two phases. */
  async #checkSecondaries(reach: Reach, startTs: bigint, primaryKey: Buffer, primary: LockInfo, backoff: Backoff): Promise<bigint | null> {
    const all = [primaryKey, ...primary.secondaries]
    let commitTs = primary.min_commit_ts
    let pending: Buffer[] = primary.secondaries
    while (pending.length > 0) {
      const again: Buffer[] = []
      for (const { region, items } of await groupByRegion(this.#router, pending, (key) => key)) {
        const answer = await this.#router.send(reach, 'KvCheckSecondaryLocks', region, { keys: items, start_version: startTs }, { backoff })
        if (answer === null) {
          again.push(...items)
          continue
        }
        if (answer.error !== undefined) throw keyFailure('CheckSecondaryLocks', answer.error)
        if (answer.locks.length < items.length) {
          await this.#cleanKeys(reach, startTs, answer.commit_ts, all, backoff)
          return answer.commit_ts
        }
        for (const one of answer.locks) {
          if (!one.use_async_commit) return null
          if (one.min_commit_ts > commitTs) commitTs = one.min_commit_ts
        }
      }
      pending = again
    }
    await this.#cleanKeys(reach, startTs, commitTs, all, backoff)
    return commitTs
  }

  async #dropPessimistic(reach: Reach, lock: LockInfo, backoff: Backoff): Promise<void> {
    await this.#router.sendTo(
      reach,
      'KVPessimisticRollback',
      lock.key,
      {
        start_version: lock.lock_version,
        for_update_ts: lock.lock_for_update_ts === 0n ? MAX_TS : lock.lock_for_update_ts,
        keys: [lock.key],
      },
      { backoff },
    )
  }

  async #clean(reach: Reach, lock: LockInfo, commitTs: bigint, backoff: Backoff): Promise<void> {
    if (lock.txn_size < BIG) return this.#cleanKeys(reach, lock.lock_version, commitTs, [lock.key], backoff)
    const answer = await this.#router.sendTo(
      reach,
      'KvResolveLock',
      lock.key,
      { start_version: lock.lock_version, commit_version: commitTs },
      { backoff },
    )
    if (answer.error !== undefined) throw keyFailure('ResolveLock', answer.error)
  }

  async #cleanKeys(reach: Reach, startTs: bigint, commitTs: bigint, keys: readonly Buffer[], backoff: Backoff): Promise<void> {
    let pending = keys
    while (pending.length > 0) {
      const again: Buffer[] = []
      for (const { region, items } of await groupByRegion(this.#router, pending, (key) => key)) {
        const answer = await this.#router.send(
          reach,
          'KvResolveLock',
          region,
          { start_version: startTs, commit_version: commitTs, keys: items },
          { backoff },
        )
        if (answer === null) again.push(...items)
        // Without a lock there is nothing left to clear.
        else if (
          answer.error !== undefined &&
          answer.error.txn_lock_not_found === undefined &&
          !answer.error.retryable.includes('TxnLockNotFound')
        ) {
          throw keyFailure('ResolveLock', answer.error)
        }
      }
      pending = again
    }
  }

  /**
   * Settles a transaction of our own whose commit was not answered and is not sent any more: its commit timestamp, 0 = rolled back for certain,
   * now if it was still open. Throws when it cannot be found out.
   */
  settle(reach: Reach, startTs: bigint, primary: Buffer, backoff: Backoff): Promise<bigint> {
    return this.#end(reach, { lock_version: startTs, primary_lock: primary, lock_type: Op.Put }, backoff)
  }
}
