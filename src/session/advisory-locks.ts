// Advisory locks of one session: pg_advisory_lock and its family. The keyspace's lock table holds each lock once per session; how often it was
// taken, and whether for the session or for the transaction, is counted here. A lock is given up when neither count is left.

import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { LOCK, LOCK_MODE_NAMES, lockMeaning, type RelationLockMode } from '../catalog/object-locks.ts'
import type { SystemFunction } from './eval-context.ts'
import type { Session } from './session.ts'
import { SharedAdvisoryLocks } from './shared-advisory.ts'

interface Held {
  readonly key: string
  readonly mode: RelationLockMode
  session: number
  transaction: number
}

/** pg_locks' columns of an advisory lock: class, object and 1 (one bigint) or 2 (two integers). */
export interface AdvisoryTag {
  readonly classid: number
  readonly objid: number
  readonly objsubid: number
}

const keyOfInt8 = (value: number | bigint): string => {
  const bits = BigInt.asUintN(64, BigInt(value))
  return `${bits >> 32n}/${bits & 0xffffffffn}/1`
}

const keyOfInt4 = (first: number, second: number): string => `${first >>> 0}/${second >>> 0}/2`

export function advisoryTag(key: string): AdvisoryTag {
  const [classid, objid, objsubid] = key.split('/').map(Number)
  return { classid: classid!, objid: objid!, objsubid: objsubid! }
}

const locksLost = () =>
  new PgError(SQLSTATE.adminShutdown, 'terminating connection because its advisory locks were lost', {
    severity: 'FATAL',
    detail: 'The store gave them up while this node could not reach it.',
  })

export class AdvisoryLocks {
  readonly #session: Session
  /** By mode and key; null until the first lock: most sessions never take one. */
  #held: Map<string, Held> | null = null
  /** The transaction's, in the order taken; one that was taken twice stands here twice. */
  readonly #ofTransaction: Held[] = []
  /** The same locks between nodes; null until the first one, and where there is one node. */
  #shared: SharedAdvisoryLocks | null = null
  /** Locks that were given up and are not free yet on other nodes: a message is answered when they are. */
  releasing: Promise<void> | null = null

  constructor(session: Session) {
    this.#session = session
  }

  #entry(key: string, mode: RelationLockMode): Held {
    this.#held ??= new Map()
    const name = `${mode}:${key}`
    let held = this.#held.get(name)
    if (held === undefined) this.#held.set(name, (held = { key, mode, session: 0, transaction: 0 }))
    return held
  }

  #count(key: string, mode: RelationLockMode, ofTransaction: boolean): void {
    const held = this.#entry(key, mode)
    if (!ofTransaction) {
      held.session++
      return
    }
    held.transaction++
    this.#ofTransaction.push(held)
  }

  lock(key: string, mode: RelationLockMode, ofTransaction: boolean): MaybePromise<void> {
    const { keyspace, lockHolder, lockTimeoutMs, cancelToken } = this.#session
    if (keyspace.gates !== null) return this.#lockEverywhere(key, mode, ofTransaction, 'block').then(() => undefined)
    const wait = { wait: true, timeoutMs: lockTimeoutMs, cancel: cancelToken, name: key }
    return andThen(keyspace.locks.acquire(lockHolder, key, mode, wait), () => this.#count(key, mode, ofTransaction))
  }

  tryLock(key: string, mode: RelationLockMode, ofTransaction: boolean): MaybePromise<boolean> {
    const { keyspace, lockHolder } = this.#session
    if (keyspace.gates !== null) return this.#lockEverywhere(key, mode, ofTransaction, 'nowait')
    if (!keyspace.locks.tryAcquire(lockHolder, key, mode)) return false
    this.#count(key, mode, ofTransaction)
    return true
  }

  async #lockEverywhere(key: string, mode: RelationLockMode, ofTransaction: boolean, wait: 'block' | 'nowait'): Promise<boolean> {
    const session = this.#session
    const { keyspace, lockHolder } = session
    if (this.releasing !== null) await this.releasing
    if (this.#held?.has(`${mode}:${key}`) !== true) {
      this.#shared ??= new SharedAdvisoryLocks(keyspace.keyspace, session.party, session.cancelToken, () =>
        session.client.terminate(locksLost()),
      )
      if (!(await this.#shared.lock(key, mode, { wait, timeoutMs: session.lockTimeoutMs, meaning: lockMeaning(key, mode) }))) return false
      // Held everywhere, it is free here: this is for pg_locks.
      keyspace.locks.tryAcquire(lockHolder, key, mode)
    }
    this.#count(key, mode, ofTransaction)
    return true
  }

  unlock(key: string, mode: RelationLockMode): boolean {
    const held = this.#held?.get(`${mode}:${key}`)
    if (held === undefined || held.session === 0) {
      const message = `you don't own a lock of type ${LOCK_MODE_NAMES[mode]}`
      this.#session.notice({ severity: 'WARNING', code: SQLSTATE.warning, message })
      return false
    }
    held.session--
    this.#letGo(held)
    return true
  }

  #letGo(held: Held): void {
    if (held.session > 0 || held.transaction > 0) return
    this.#held!.delete(`${held.mode}:${held.key}`)
    this.#session.keyspace.locks.release(this.#session.lockHolder, held.key, held.mode)
    const shared = this.#shared
    if (shared === null) return
    const release = (this.releasing ?? Promise.resolve())
      .then(() => shared.unlock(held.key, held.mode))
      .catch((error: unknown) => this.#session.services.background(Promise.reject(error)))
      .finally(() => {
        if (this.releasing === release) this.releasing = null
      })
    this.releasing = release
  }

  /** pg_advisory_unlock_all, DISCARD ALL, the session's end. */
  unlockAll(): void {
    if (this.#held === null) return
    for (const held of this.#held.values()) {
      held.session = 0
      this.#letGo(held)
    }
  }

  /** A position for rollbackTo. */
  mark(): number {
    return this.#ofTransaction.length
  }

  /** Gives up what the transaction has taken since; what the session has taken for itself stays. */
  rollbackTo(mark: number): void {
    while (this.#ofTransaction.length > mark) {
      const held = this.#ofTransaction.pop()!
      held.transaction--
      this.#letGo(held)
    }
  }

  transactionEnds(): void {
    this.rollbackTo(0)
  }
}

/** The bodies, by prosrc. */
export function advisoryFunctions(session: Session): Record<string, SystemFunction> {
  const { advisory } = session
  const bodies: Record<string, SystemFunction> = {
    pg_advisory_unlock_all: () => {
      advisory.unlockAll()
      return null
    },
  }
  const add = (suffix: string, keyOf: (args: readonly unknown[]) => string): void => {
    for (const [shared, mode] of [
      ['', LOCK.exclusive],
      ['_shared', LOCK.share],
    ] as const) {
      for (const xact of ['', '_xact']) {
        const ofTransaction = xact !== ''
        bodies[`pg_advisory${xact}_lock${shared}_${suffix}`] = (...args) =>
          andThen(advisory.lock(keyOf(args), mode, ofTransaction), () => null)
        bodies[`pg_try_advisory${xact}_lock${shared}_${suffix}`] = (...args) => advisory.tryLock(keyOf(args), mode, ofTransaction)
      }
      bodies[`pg_advisory_unlock${shared}_${suffix}`] = (...args) => advisory.unlock(keyOf(args), mode)
    }
  }
  add('int8', (args) => keyOfInt8(args[0] as number | bigint))
  add('int4', (args) => keyOfInt4(args[0] as number, args[1] as number))
  return bodies
}
