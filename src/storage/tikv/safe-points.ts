// Old versions go once the cluster's safe point has passed them, and a store that is asked below it answers too little instead of refusing. So: while
// old transactions run here, the oldest is told to PD as a service safe point, which holds the collector back; and no answer of an old snapshot is
// believed unless PD has said, not longer ago than collectors wait between announcing a safe point and applying it, that it is not passed.

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { KvError } from '../kv-error.ts'
import type { PdClient, TikvLog } from './pd.ts'
import { PD } from './proto/pdpb.ts'
import { physicalOf, type TimestampOracle } from './tso.ts'

export interface SafePointOptions {
  /** How often the oldest transaction is told to PD. */
  readonly pollMs: number
  /** How long what PD said is good for; younger snapshots need no look at all. Every collector keeps versions, and waits, longer than this. */
  readonly trustMs: number
  /** Transactions older than this hold nothing back any more. */
  readonly maxHoldMs: number
}

export const SAFE_POINT_DEFAULTS: SafePointOptions = { pollMs: 10_000, trustMs: 60_000, maxHoldMs: 24 * 3600 * 1000 }

/** A running transaction. */
export interface SnapshotHolder {
  /** The oldest timestamp whose versions it needs; 0 = none yet. */
  readonly oldestTs: bigint
}

/** A service safe point outlives so many polls. */
const TTL_POLLS = 6

export class SafePoints {
  readonly #pd: PdClient
  readonly #oracle: TimestampOracle
  readonly #log: TikvLog
  readonly #options: SafePointOptions
  readonly #serviceId: Buffer
  readonly #holders = new Set<SnapshotHolder>()
  /** What may be gone: everything that a snapshot below this would need. */
  #passed = 0n
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | null = null
  #isRegistered = false
  #timer: NodeJS.Timeout | null = null

  constructor(pd: PdClient, oracle: TimestampOracle, log: TikvLog, node: string, options: SafePointOptions) {
    this.#pd = pd
    this.#oracle = oracle
    this.#log = log
    this.#options = options
    this.#serviceId = Buffer.from(`pg-keyspace-${node}`)
  }

  get trustMs(): number {
    return this.#options.trustMs
  }

  start(): void {
    this.#timer = setInterval(() => {
      const oldest = this.#oldest()
      const isOld = oldest !== 0n && this.#ageMs(oldest) > this.#options.pollMs
      if (!isOld && !this.#isRegistered) return
      this.ask().catch((error: Error) => this.#log.warn('PD does not take the safe point', { error: error.message }))
    }, this.#options.pollMs)
    this.#timer.unref()
  }

  hold(holder: SnapshotHolder): void {
    this.#holders.add(holder)
  }

  release(holder: SnapshotHolder): void {
    this.#holders.delete(holder)
  }

  #ageMs(ts: bigint): number {
    return this.#oracle.approximateNow() - physicalOf(ts)
  }

  #oldest(): bigint {
    let oldest = 0n
    for (const { oldestTs } of this.#holders) {
      if (oldestTs !== 0n && (oldest === 0n || oldestTs < oldest) && this.#ageMs(oldestTs) <= this.#options.maxHoldMs) oldest = oldestTs
    }
    return oldest
  }

  /** Until when (performance.now()) a snapshot is too young for the safe point to have reached it. */
  trustedUntil(ts: bigint): number {
    return performance.now() + this.#options.trustMs - this.#ageMs(ts)
  }

  /** Throws KvError 'snapshotTooOld' when versions that a snapshot at `ts` needs may be gone. */
  check(ts: bigint): MaybePromise<void> {
    if (ts < this.#passed) throw tooOld()
    if (performance.now() - this.#askedAt <= this.#options.trustMs) return
    return this.ask().then(() => {
      if (ts < this.#passed) throw tooOld()
    })
  }

  /** Tells PD the oldest running transaction, and learns what may be gone. */
  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  async #ask(): Promise<void> {
    const askedAt = performance.now()
    const oldest = this.#oldest()
    const holds = oldest !== 0n
    // Without a time to live the service's safe point is taken back; the answer is the same.
    const { min_safe_point: minimum } = await this.#pd.call(PD.UpdateServiceGCSafePoint, {
      service_id: this.#serviceId,
      TTL: holds ? BigInt(Math.max(1, Math.ceil((TTL_POLLS * this.#options.pollMs) / 1000))) : 0n,
      safe_point: holds ? oldest - 1n : 0n,
    })
    this.#isRegistered = holds
    if (minimum > this.#passed) this.#passed = minimum
    this.#askedAt = askedAt
  }

  /** Takes the service safe point back. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#holders.clear()
    if (this.#isRegistered) await this.ask()
  }
}

function tooOld(): KvError {
  return new KvError('snapshotTooOld', 'the versions that the snapshot needs have been collected')
}
