// Reads at one timestamp: point reads, batches and pieces of scans, over regions and through other transactions' locks. Which locks may be passed by
// is remembered per snapshot and told to the stores, so that the same lock does not stop it twice.

import type { CancelToken } from '../../base/cancel.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { KvError } from '../kv-error.ts'
import { Backoff, BUDGET } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { MAX_TS } from './gate.ts'
import { type LockInfo, toKvError } from './key-error.ts'
import { groupByRegion, type SendOptions } from './router.ts'

const BATCH_KEYS = 1024
const TIMEOUT_MS = 30_000
const LONG_TIMEOUT_MS = 60_000
const MAX_SETS = 4096

export interface Pair {
  readonly key: Buffer
  readonly value: Buffer
}

export interface Piece {
  /** In scan order. */
  readonly pairs: Pair[]
  /** All keys up to here are known (forward: exclusive upper bound; reverse: inclusive lower one). Null: the whole rest of the range. */
  readonly reached: Buffer | null
}

export class Snapshot {
  readonly ts: bigint
  readonly #engine: Engine
  readonly #capability: Capability
  readonly #cancel: CancelToken | null
  /** performance.now() from when on the safe point is looked at before an answer is believed. */
  readonly #trustedUntil: number
  #resolved: bigint[] = []
  #committed: bigint[] = []

  constructor(engine: Engine, capability: Capability, ts: bigint, cancel: CancelToken | null) {
    this.#engine = engine
    this.#capability = capability
    this.ts = ts
    this.#cancel = cancel
    this.#trustedUntil = ts === MAX_TS ? Number.POSITIVE_INFINITY : engine.safePoints.trustedUntil(ts)
  }

  /** After each answer: throws KvError 'snapshotTooOld' where it may lack versions. */
  #believe(): MaybePromise<void> {
    if (performance.now() > this.#trustedUntil) return this.#engine.safePoints.check(this.ts)
  }

  #options(backoff: Backoff, fromLeader: boolean, timeoutMs: number): SendOptions {
    return { backoff, cancel: this.#cancel, resolved: this.#resolved, committed: this.#committed, fromLeader, timeoutMs }
  }

  async #pass(locks: readonly LockInfo[], backoff: Backoff): Promise<void> {
    const { waitMs, resolved, committed } = await this.#engine.resolver.resolve(this.#capability, locks, this.ts, backoff)
    const add = (to: bigint[], ids: readonly bigint[]): void => {
      for (const id of ids) if (!to.includes(id)) to.push(id)
    }
    if (this.#resolved.length + this.#committed.length > MAX_SETS) {
      this.#resolved = []
      this.#committed = []
    }
    add(this.#resolved, resolved)
    add(this.#committed, committed)
    if (waitMs > 0) await backoff.wait('txnLockFast', 'a lock stands in the way of a read', { atMost: waitMs, free: true })
  }

  async get(key: Buffer): Promise<Buffer | null> {
    const { router } = this.#engine
    const backoff = new Backoff(BUDGET.read, this.#cancel)
    for (let fromLeader = false; ; fromLeader = true) {
      const options = this.#options(backoff, fromLeader, TIMEOUT_MS)
      const answer = await router.sendTo(this.#capability, 'KvGet', key, { key, version: this.ts }, options)
      if (answer.error === undefined) {
        const believed = this.#believe()
        if (believed instanceof Promise) await believed
        return answer.not_found ? null : Buffer.from(answer.value)
      }
      if (answer.error.locked === undefined) throw toKvError(this.#capability, answer.error)
      await this.#pass([answer.error.locked], backoff)
    }
  }

  /** Values by the keys' names. */
  async batchGet(keys: readonly Buffer[]): Promise<Map<string, Buffer>> {
    const values = new Map<string, Buffer>()
    const distinct = new Map<string, Buffer>()
    for (const key of keys) distinct.set(key.latin1Slice(), key)
    await this.#batch([...distinct.values()], values, new Backoff(BUDGET.read, this.#cancel), false)
    await this.#believe()
    return values
  }

  async #batch(keys: readonly Buffer[], values: Map<string, Buffer>, backoff: Backoff, fromLeader: boolean): Promise<void> {
    const { router } = this.#engine
    const work: Promise<void>[] = []
    for (const { region, items } of await groupByRegion(router, keys, (key) => key)) {
      for (let from = 0; from < items.length; from += BATCH_KEYS) {
        const part = items.slice(from, from + BATCH_KEYS)
        const one = async (): Promise<void> => {
          const options = this.#options(backoff, fromLeader, LONG_TIMEOUT_MS)
          const answer = await router.send(this.#capability, 'KvBatchGet', region, { keys: part, version: this.ts }, options)
          if (answer === null) return this.#batch(part, values, backoff, fromLeader)
          const locks: LockInfo[] = []
          if (answer.error !== undefined) {
            if (answer.error.locked === undefined) throw toKvError(this.#capability, answer.error)
            await this.#pass([answer.error.locked], backoff)
            return this.#batch(part, values, backoff, true)
          }
          for (const pair of answer.pairs) {
            if (pair.error === undefined) values.set(pair.key.latin1Slice(), Buffer.from(pair.value))
            else if (pair.error.locked === undefined) throw toKvError(this.#capability, pair.error)
            else locks.push(pair.error.locked)
          }
          if (locks.length === 0) return
          await this.#pass(locks, backoff)
          await this.#batch(
            locks.map(({ key }) => Buffer.from(key)),
            values,
            backoff,
            true,
          )
        }
        work.push(one())
      }
    }
    await Promise.all(work)
  }

  /** The next piece of [start, end), from whichever end the scan comes. */
  async piece(start: Buffer, end: Buffer, reverse: boolean, limit: number, keysOnly: boolean): Promise<Piece> {
    if (this.ts === MAX_TS) throw new KvError('corrupt', 'a scan needs a timestamp')
    const { router } = this.#engine
    const backoff = new Backoff(BUDGET.read, this.#cancel)
    let fromLeader = false
    for (;;) {
      const region = await (reverse ? router.regions.locateBelow(end) : router.regions.locate(start))
      const low = region.startKey.length > 0 && Buffer.compare(region.startKey, start) > 0 ? region.startKey : start
      const high = region.endKey.length > 0 && Buffer.compare(region.endKey, end) < 0 ? region.endKey : end
      const answer = await router.send(
        this.#capability,
        'KvScan',
        region,
        { start_key: reverse ? high : low, end_key: reverse ? low : high, limit, version: this.ts, key_only: keysOnly, reverse },
        this.#options(backoff, fromLeader, LONG_TIMEOUT_MS),
      )
      if (answer === null) continue
      const locks: LockInfo[] = []
      const failed = answer.error ?? answer.pairs.find(({ error }) => error !== undefined && error.locked === undefined)?.error
      if (failed !== undefined && failed.locked === undefined) {
        // The region changed between the look-up and the request's check.
        if (/is out of \[region|InvalidReqRange/.test(failed.abort)) {
          router.regions.drop(region)
          await backoff.wait('regionMiss', failed.abort)
          continue
        }
        throw toKvError(this.#capability, failed)
      }
      if (failed?.locked !== undefined) locks.push(failed.locked)
      for (const { error } of answer.pairs) if (error?.locked !== undefined) locks.push(error.locked)
      if (locks.length > 0) {
        await this.#pass(locks, backoff)
        fromLeader = true
        continue
      }
      await this.#believe()
      const { pairs } = answer
      const last = pairs[pairs.length - 1]
      if (pairs.length >= limit && last !== undefined) {
        return { pairs, reached: reverse ? last.key : Buffer.concat([last.key, ZERO]) }
      }
      const isOver = reverse ? low === start : high === end
      return { pairs, reached: isOver ? null : reverse ? low : high }
    }
  }
}

const ZERO = Buffer.from([0])
