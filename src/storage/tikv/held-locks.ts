// The locks of one transaction: taken as it goes, kept alive by a heart-beat of the first of them, taken again where a store lost them, given back.

import type { CancelToken } from '../../base/cancel.ts'
import { KvError } from '../kv-error.ts'
import { type LockParty, transactionName } from '../lock-party.ts'
import type { LockMeaning } from '../store.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { startHeartbeat } from './heartbeat.ts'
import { acquireLocks, type LockCall, type LockTarget, lockHeld, releaseLocks } from './pessimistic.ts'

export interface HeldLock {
  readonly key: Buffer
  readonly name: string
  /** What it was locked at. */
  readonly ts: bigint
  /** Commit of a newer version than the snapshot it was locked under; 0 = none. */
  readonly changedTs: bigint
}

/** What a transaction's locks are asked with. */
export interface LockScope {
  readonly engine: Engine
  readonly capability: Capability
  readonly cancel: CancelToken | null
  /** A newer version than the snapshot is a write conflict. */
  readonly failOnChange: boolean
  readonly party: LockParty | null
}

export type Acquisition = Pick<LockCall, 'wait' | 'timeoutMs' | 'returnValues' | 'mustNotExist' | 'onlyExisting'> & {
  readonly meaning?: LockMeaning
  /** Instead of what the isolation level says. */
  readonly failOnChange?: boolean
}

/** All keys or none, and nothing is waited for. */
export const FREE_AND_UNCHANGED: Acquisition = {
  wait: 'try',
  timeoutMs: 0,
  returnValues: false,
  mustNotExist: false,
  onlyExisting: 'none',
  failOnChange: true,
}

/** Locks of one transaction, which stay in memory (about 400 bytes for each). */
const MAX_LOCKS = 1024 * 1024
/**
 * Stores keep locks in their leader's memory, and a leader that dies takes them along; another is elected 10 s later at the earliest. Locks older
 * than this are looked after before anything rests on them.
 */
const LOCKS_ARE_SAFE_MS = 5000

/** The later of two timestamps; Math.max takes no bigints. */
export function later(a: bigint, b: bigint): bigint {
  if (a > b) return a
  return b
}

export class HeldLocks {
  readonly #scope: LockScope
  readonly #held = new Map<string, HeldLock>()
  /** Names in the order taken. */
  readonly #order: string[] = []
  #startTs = 0n
  #readTs = 0n
  #primary: Buffer | null = null
  /** When the first one was taken, performance.now(). */
  #since = 0
  #maxTs = 0n
  /** What its party is known by to those who wait for it. */
  #name: string | null = null
  #stopHeartbeat: (() => void) | null = null
  /** Under way: locks that were lost are taken again. */
  #renewing: Promise<void> | null = null
  #lost: KvError | null = null
  #ended = false
  /** Told when locks were lost while nothing was asked of the transaction. */
  onLost: ((error: KvError) => void) | null = null

  constructor(scope: LockScope) {
    this.#scope = scope
  }

  get count(): number {
    return this.#order.length
  }

  /** The first key locked: the others hang on it. */
  get primary(): Buffer | null {
    return this.#primary
  }

  /** The highest timestamp that locks were taken with. */
  get maxTs(): bigint {
    return this.#maxTs
  }

  /** Why the transaction is over: others took its keys. */
  get lost(): KvError | null {
    return this.#lost
  }

  get(name: string): HeldLock | undefined {
    return this.#held.get(name)
  }

  has(name: string): boolean {
    return this.#held.has(name)
  }

  all(): IterableIterator<HeldLock> {
    return this.#held.values()
  }

  #call(options: Acquisition): LockCall {
    const { engine, capability, cancel, party, failOnChange } = this.#scope
    return {
      engine,
      capability,
      startTs: this.#startTs,
      readTs: this.#readTs,
      failOnChange: options.failOnChange ?? failOnChange,
      wait: options.wait,
      timeoutMs: options.timeoutMs,
      returnValues: options.returnValues,
      mustNotExist: options.mustNotExist,
      onlyExisting: options.onlyExisting,
      cancel,
      party,
      meaning: options.meaning ?? null,
      primary: this.#primary,
      maxTs: this.#maxTs,
    }
  }

  /** Locks what is not held yet. Answers the first target that exists already although it must not. */
  async acquire(stamps: { startTs: bigint; readTs: bigint }, targets: LockTarget[], options: Acquisition): Promise<LockTarget | undefined> {
    this.#startTs = stamps.startTs
    this.#readTs = stamps.readTs
    if (this.#name === null && this.#scope.party !== null) {
      this.#name = transactionName(stamps.startTs)
      this.#scope.party.addName(this.#name)
    }
    let fresh = targets.filter(({ name }) => !this.#held.has(name))
    if (this.#held.size + fresh.length > MAX_LOCKS) {
      throw new KvError('transactionTooLarge', `a transaction can hold ${MAX_LOCKS} row locks at most on TiKV`)
    }
    let duplicate: LockTarget | undefined
    const again = targets.filter(({ name }) => this.#held.has(name))
    const call = this.#call(options)
    // What is held already is asked for its value only, and not given back by a failure.
    for (const target of again) target.ts = later(this.#maxTs, target.ts)
    if (again.length > 0) {
      const held: LockCall = {
        ...call,
        returnValues: options.returnValues || options.mustNotExist,
        mustNotExist: false,
        onlyExisting: 'none',
      }
      try {
        await lockHeld(held, again)
      } finally {
        call.maxTs = held.maxTs
        this.#maxTs = held.maxTs
      }
      // A store takes a lock that is held for an answer: it does not look whether the key exists. Those before it may exist, too, and are told first.
      if (options.mustNotExist) duplicate = again.find(({ value }) => value !== null)
      if (duplicate !== undefined) fresh = targets.slice(0, targets.indexOf(duplicate)).filter((target) => fresh.includes(target))
    }
    try {
      if (fresh.length > 0) await acquireLocks(call, fresh)
    } finally {
      this.#maxTs = call.maxTs
    }
    for (const target of fresh) {
      if (!target.locked) continue
      const { key, name, ts, changedTs } = target
      this.#held.set(name, { key, name, ts, changedTs })
      this.#order.push(name)
    }
    if (call.primary !== null && this.#primary === null) this.#setPrimary(call.primary)
    return duplicate
  }

  #setPrimary(primary: Buffer): void {
    this.#primary = primary
    this.#since = performance.now()
    this.#stopHeartbeat = startHeartbeat({ ...this.#scope, startTs: this.#startTs, primary }, () => {
      if (this.#ended || this.#renewing !== null) return
      this.#renewing = this.#renew([...this.#held.values()])
        .catch((error: KvError) => {
          this.#lost = error
          this.onLost?.(error)
        })
        .finally(() => {
          this.#renewing = null
        })
    })
  }

  /** Takes locks again that may have got lost. Fails if the keys were locked or committed by others since: then the transaction is over. */
  async #renew(held: readonly HeldLock[]): Promise<void> {
    const call = this.#call({ ...FREE_AND_UNCHANGED, wait: 'nowait' })
    try {
      await lockHeld(
        call,
        held.map(({ key, name, ts }) => ({ key, name, changedTs: 0n, ts, locked: false, gone: false, value: null })),
      )
    } catch (error) {
      if (!(error instanceof KvError) || error.kind === 'unavailable' || error.kind === 'closed') throw error
      throw new KvError('writeConflict', 'the locks of the transaction were lost, and others took their keys', {
        retryable: true,
        cause: error,
      })
    }
  }

  /** Before a commit: makes sure of those that it does not write. A lost lock of a key that is written is found by its prewrite. */
  async makeSure(unwritten: readonly HeldLock[]): Promise<void> {
    if (this.#renewing !== null) await this.#renewing
    if (this.#lost !== null) throw this.#lost
    if (unwritten.length > 0 && performance.now() - this.#since > LOCKS_ARE_SAFE_MS) await this.#renew(unwritten)
  }

  /** Gives one back that is not the first. */
  async unlock(name: string): Promise<void> {
    const held = this.#held.get(name)
    if (held === undefined) return
    this.#held.delete(name)
    this.#order.splice(this.#order.indexOf(name), 1)
    await this.release([held])
  }

  /** Releases what was taken since `count` were held; fails if the stores cannot be reached. */
  async releaseSince(count: number): Promise<void> {
    const names = this.#order.splice(count)
    const targets = names.map((name) => this.#held.get(name)!)
    for (const name of names) this.#held.delete(name)
    if (count === 0) this.#forgetPrimary()
    if (targets.length > 0) await this.#giveBack(targets)
  }

  async #giveBack(held: readonly HeldLock[]): Promise<void> {
    const { engine, capability } = this.#scope
    await releaseLocks({ engine, capability, startTs: this.#startTs }, held, this.#maxTs)
  }

  /** Releases these, or leaves them to expire by themselves. */
  async release(held: readonly HeldLock[]): Promise<void> {
    if (held.length === 0) return
    try {
      await this.#giveBack(held)
    } catch (error) {
      this.#scope.engine.log.warn('locks could not be released', { error: (error as Error).message })
    }
  }

  /** The transaction ends: answers what is still held, once no lock is being taken again. */
  async end(): Promise<readonly HeldLock[]> {
    this.#ended = true
    if (this.#renewing !== null) await this.#renewing
    const held = [...this.#held.values()]
    this.forget()
    return held
  }

  /** The transaction has ended, and its locks are gone or looked after by others. */
  forget(): void {
    this.#ended = true
    if (this.#name !== null) this.#scope.party?.removeName(this.#name)
    this.#name = null
    this.#held.clear()
    this.#order.length = 0
    this.#forgetPrimary()
  }

  #forgetPrimary(): void {
    this.#stopHeartbeat?.()
    this.#stopHeartbeat = null
    this.#primary = null
  }
}
