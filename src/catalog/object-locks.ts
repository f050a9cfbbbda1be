// Locks on relations (LOCK TABLE's eight modes) and advisory locks of one keyspace, in memory, so that deadlocks across both are seen: first come first served, with time-outs,
// release at a savepoint's roll-back and deadlock detection. A transaction waits for at most one lock at a time. // hot

import type { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { type Blocker, circleDetail, type LockParty } from '../storage/lock-party.ts'
import type { LockMeaning } from '../storage/store.ts'
import { DATABASE_OID } from './records.ts'

/** PostgreSQL's lock modes by number. */
export const LOCK = {
  accessShare: 1,
  rowShare: 2,
  rowExclusive: 3,
  shareUpdateExclusive: 4,
  share: 5,
  shareRowExclusive: 6,
  exclusive: 7,
  accessExclusive: 8,
} as const
export type RelationLockMode = (typeof LOCK)[keyof typeof LOCK]

export const LOCK_MODE_NAMES: readonly string[] = [
  '',
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
]

/** Bit n set = conflicts with mode n. */
const CONFLICTS: readonly number[] = [
  0,
  [8],
  [7, 8],
  [5, 6, 7, 8],
  [4, 5, 6, 7, 8],
  [3, 4, 6, 7, 8],
  [3, 4, 5, 6, 7, 8],
  [2, 3, 4, 5, 6, 7, 8],
  [1, 2, 3, 4, 5, 6, 7, 8],
].map((modes) => (typeof modes === 'number' ? 0 : modes.reduce((bits, mode) => bits | (1 << mode), 0)))

/** The right to shut a relation's gate on every node (relation-gates.ts). */
const GATE = 'gate/'
export const gateLockName = (relation: Oid): string => `${GATE}${relation}`
export const isGateLock = (key: LockKey): boolean => typeof key === 'string' && key.startsWith(GATE)

/** As PostgreSQL words a lock that is waited for. */
export function lockMeaning(oid: LockKey, mode: RelationLockMode): LockMeaning {
  const name = LOCK_MODE_NAMES[mode]!
  if (typeof oid === 'number') return { kind: 'relation', target: oid, lock: `${name} on relation ${oid} of database ${DATABASE_OID}` }
  if (isGateLock(oid)) return lockMeaning(Number(oid.slice(GATE.length)), mode)
  return { kind: 'advisory', target: oid, lock: `${name} on advisory lock [${DATABASE_OID},${oid.replaceAll('/', ',')}]` }
}

/** A relation's OID, or an advisory lock's name (its releases are its owner's business, not the transaction's). */
export type LockKey = Oid | string

interface Request {
  readonly holder: LockHolder
  readonly oid: LockKey
  readonly mode: RelationLockMode
  readonly granted: () => void
  readonly refused: (error: Error) => void
}

/** Arrays, not maps: most have a holder or two, who come and go with every statement. */
interface ObjectLock {
  readonly holders: LockHolder[]
  /** What each of them has, as bits, at the same place. */
  readonly modes: number[]
  readonly queue: Request[]
}

function modesOf(lock: ObjectLock, holder: LockHolder): number {
  const at = lock.holders.indexOf(holder)
  return at < 0 ? 0 : lock.modes[at]!
}

const isUnused = (lock: ObjectLock): boolean => lock.holders.length === 0 && lock.queue.length === 0

/** Locks of relations that nobody has at present, kept for those who come next. */
const KEPT = 1024

/** A transaction as the lock table sees it. `owner` is whatever the session wants to find again (pg_locks). */
export interface LockHolder {
  readonly owner: unknown
  /** oid, mode pairs in the order taken. */
  readonly taken: number[]
  /** Whose waits these are among those of other kinds. */
  readonly party: LockParty | null
  waiting: Request | null
}

export const deadlockDetected = (detail: string | null): PgError =>
  new PgError(SQLSTATE.tRDeadlockDetected, 'deadlock detected', {
    ...(detail === null ? {} : { detail }),
    hint: 'See server log for query details.',
  })

export const lockHolder = (owner: unknown, party: LockParty | null = null): LockHolder => ({ owner, taken: [], party, waiting: null })

export interface LockWaitOptions {
  readonly wait: boolean
  /** 0 = for ever. */
  readonly timeoutMs: number
  readonly cancel: CancelToken | null
  /** For NOWAIT's message. */
  readonly name: string
}

export class ObjectLocks {
  readonly #locks = new Map<LockKey, ObjectLock>()
  /** How many of them nobody has. */
  #unused = 0

  /** Takes the lock now, or later, or throws (55P03, 40P01, 57014). */
  acquire(holder: LockHolder, oid: LockKey, mode: RelationLockMode, options: LockWaitOptions): MaybePromise<void> {
    if (this.tryAcquire(holder, oid, mode)) return undefined
    if (!options.wait) throw new PgError(SQLSTATE.lockNotAvailable, `could not obtain lock on relation "${options.name}"`)
    return this.#enqueue(this.#locks.get(oid)!, holder, oid, mode, options)
  }

  /** Takes the lock if that needs no waiting. */
  tryAcquire(holder: LockHolder, oid: LockKey, mode: RelationLockMode): boolean {
    const lock = this.#lock(oid)
    const held = modesOf(lock, holder)
    if ((held & (1 << mode)) !== 0) return true
    // who holds something already goes before the queue: those in it may wait for this holder
    if ((held === 0 && lock.queue.length > 0 && queueConflicts(lock, mode)) || this.#conflicts(lock, holder, mode)) return false
    this.#grant(lock, holder, oid, mode)
    return true
  }

  /** The lock, for somebody who takes it or waits for it. */
  #lock(oid: LockKey): ObjectLock {
    let lock = this.#locks.get(oid)
    if (lock === undefined) this.#locks.set(oid, (lock = { holders: [], modes: [], queue: [] }))
    else if (isUnused(lock)) this.#unused--
    return lock
  }

  /** Gives up one mode of one lock. */
  release(holder: LockHolder, oid: LockKey, mode: RelationLockMode): void {
    const lock = this.#locks.get(oid)
    if (lock === undefined || isUnused(lock)) return
    const at = lock.holders.indexOf(holder)
    if (at >= 0 && (lock.modes[at]! &= ~(1 << mode)) === 0) {
      lock.holders.splice(at, 1)
      lock.modes.splice(at, 1)
    }
    this.#serve(oid, lock)
  }

  #conflicts(lock: ObjectLock, holder: LockHolder, mode: number): boolean {
    const against = CONFLICTS[mode]!
    for (let i = 0; i < lock.modes.length; i++) if ((lock.modes[i]! & against) !== 0 && lock.holders[i] !== holder) return true
    return false
  }

  #grant(lock: ObjectLock, holder: LockHolder, oid: LockKey, mode: number): void {
    const at = lock.holders.indexOf(holder)
    if (at >= 0) lock.modes[at]! |= 1 << mode
    else {
      lock.holders.push(holder)
      lock.modes.push(1 << mode)
    }
    if (typeof oid === 'number') holder.taken.push(oid, mode)
  }

  #enqueue(lock: ObjectLock, holder: LockHolder, oid: LockKey, mode: RelationLockMode, options: LockWaitOptions): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let timer: NodeJS.Timeout | null = null
      let unlisten = (): void => {}
      let stopTelling = (): void => {}
      const finish = (): void => {
        if (timer !== null) clearTimeout(timer)
        unlisten()
        stopTelling()
        holder.waiting = null
      }
      const request: Request = {
        holder,
        oid,
        mode,
        granted: () => {
          finish()
          resolve()
        },
        refused: (error) => {
          finish()
          const at = lock.queue.indexOf(request)
          if (at >= 0) {
            lock.queue.splice(at, 1)
            this.#serve(oid, lock)
          }
          reject(error)
        },
      }
      const holds = lock.holders.includes(holder)
      if (holds) lock.queue.unshift(request)
      else lock.queue.push(request)
      holder.waiting = request
      stopTelling = this.#tell(holder, oid, mode)
      if (this.#deadlocked(holder)) {
        request.refused(deadlockDetected(circleDetail(holder.party)))
        return
      }
      if (options.timeoutMs > 0)
        timer = setTimeout(
          () => request.refused(new PgError(SQLSTATE.lockNotAvailable, 'canceling statement due to lock timeout')),
          options.timeoutMs,
        )
      if (options.cancel !== null) unlisten = options.cancel.onCancel((reason) => request.refused(reason))
    })
  }

  /**
   * The holder waits outside for the right to take this lock: for others it waits here, so that deadlocks through it are seen (40P01). Answers how
   * to say that the wait is over.
   */
  waitOutside(holder: LockHolder, oid: LockKey, mode: RelationLockMode): () => void {
    holder.waiting = { holder, oid, mode, granted: () => undefined, refused: () => undefined }
    const stopTelling = this.#tell(holder, oid, mode)
    const done = (): void => {
      stopTelling()
      holder.waiting = null
    }
    if (this.#deadlocked(holder)) {
      const error = deadlockDetected(circleDetail(holder.party))
      done()
      throw error
    }
    return done
  }

  /** Tells the holder's party what it waits for; answers how to say that this is over. */
  #tell(holder: LockHolder, oid: LockKey, mode: RelationLockMode): () => void {
    if (holder.party === null) return () => undefined
    const { kind, target, lock } = lockMeaning(oid, mode)
    const blockers = (): Blocker[] =>
      [...this.#blockers(holder)].flatMap(({ party }) => (party === null ? [] : [{ who: party, lock, toldAt: null }]))
    return holder.party.wait({ kind, target, since: performance.now(), elsewhere: false, blockers })
  }

  /** Those a waiting holder waits for: conflicting holders, and conflicting requests before it in the queue. */
  *#blockers(holder: LockHolder): Iterable<LockHolder> {
    const request = holder.waiting
    if (request === null) return
    const lock = this.#locks.get(request.oid)
    if (lock === undefined) return
    const against = CONFLICTS[request.mode]!
    for (const [i, other] of lock.holders.entries()) if (other !== holder && (lock.modes[i]! & against) !== 0) yield other
    for (const ahead of lock.queue) {
      if (ahead === request) break
      if ((against & (1 << ahead.mode)) !== 0) yield ahead.holder
    }
  }

  #deadlocked(start: LockHolder): boolean {
    const seen = new Set<LockHolder>()
    const stack = [...this.#blockers(start)]
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (next === start) return true
      if (seen.has(next)) continue
      seen.add(next)
      stack.push(...this.#blockers(next))
    }
    return false
  }

  #serve(oid: LockKey, lock: ObjectLock): void {
    for (let i = 0; i < lock.queue.length; ) {
      const request = lock.queue[i]!
      const behind = lock.queue.slice(0, i).some((ahead) => (CONFLICTS[request.mode]! & (1 << ahead.mode)) !== 0)
      if (behind || this.#conflicts(lock, request.holder, request.mode)) {
        i++
        continue
      }
      lock.queue.splice(i, 1)
      this.#grant(lock, request.holder, oid, request.mode)
      request.granted()
    }
    if (!isUnused(lock)) return
    if (typeof oid === 'number' && this.#unused < KEPT) this.#unused++
    else this.#locks.delete(oid)
  }

  /** Releases what was taken since the mark (`holder.taken.length` then); 0 = everything. */
  releaseTo(holder: LockHolder, mark = 0): void {
    const taken = holder.taken
    for (let i = taken.length - 2; i >= mark; i -= 2) {
      const oid = taken[i]!
      this.release(holder, oid, taken[i + 1]! as RelationLockMode)
    }
    taken.length = mark
  }

  /** Objects that are locked or waited for. */
  get size(): number {
    return this.#locks.size - this.#unused
  }

  /** For pg_locks. */
  *list(): Iterable<{ holder: LockHolder; oid: LockKey; mode: number; granted: boolean }> {
    for (const [oid, lock] of this.#locks) {
      for (const [i, holder] of lock.holders.entries())
        for (let mode = 1; mode <= 8; mode++) if ((lock.modes[i]! & (1 << mode)) !== 0) yield { holder, oid, mode, granted: true }
      for (const request of lock.queue) yield { holder: request.holder, oid, mode: request.mode, granted: false }
    }
  }
}

function queueConflicts(lock: ObjectLock, mode: number): boolean {
  const against = CONFLICTS[mode]!
  return lock.queue.some((request) => (against & (1 << request.mode)) !== 0)
}
