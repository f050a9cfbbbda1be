// Until when transactions may commit in a keyspace. A purge must not be outlived by what another process, stalled meanwhile, still has to write: so every
// commit is bounded by a lease, given by a look at the keyspace at timestamp P up to P + LEASE_MS, and refused by the store beyond it (max_commit_ts) or
// not asked for. A look finds the key that every keyspace in use holds, or asks PD. A purge archives the keyspace, removes that key at timestamp F,
// waits until the clock has passed F + LEASE_MS, reads the whole range (stores then commit nothing below what was read, whenever it was sent) and
// erases it: whoever looks from F on gets no lease, and those given before have ended. Locks that come later hold nothing that can be committed, and
// garbage collection clears them.

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { KvError } from '../kv-error.ts'
import { pause } from './backoff.ts'
import type { Capability } from './codec.ts'
import type { Engine } from './engine.ts'
import { Snapshot } from './snapshot.ts'
import { physicalOf } from './tso.ts'

const LEASE_MS = 3000
/** A lease with less left than this is renewed first. */
const MARGIN_MS = 1000
const LOGICAL_BITS = 18n

export class CommitLease {
  readonly #engine: Engine
  readonly #capability: Capability
  readonly #aliveKey: Uint8Array | null
  /** Whether PD lists the keyspace as one in use. */
  readonly #isListed: () => Promise<boolean>
  #endTs = 0n
  /** performance.now() */
  #goodUntil = Number.NEGATIVE_INFINITY
  #renewing: Promise<bigint> | null = null

  constructor(engine: Engine, capability: Capability, aliveKey: Uint8Array | null, isListed: () => Promise<boolean>) {
    this.#engine = engine
    this.#capability = capability
    this.#aliveKey = aliveKey
    this.#isListed = isListed
  }

  /** The latest timestamp a commit may have; KvError 'keyspaceUnavailable' once the keyspace is being erased. */
  endTs(): MaybePromise<bigint> {
    if (performance.now() < this.#goodUntil) return this.#endTs
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null
    })
    return this.#renewing
  }

  async #renew(): Promise<bigint> {
    const askedAt = performance.now()
    const ts = await this.#engine.oracle.next()
    const isAlive = (await this.#holdsKey(ts)) || (await this.#isListed())
    if (!isAlive) throw new KvError('keyspaceUnavailable', `keyspace ${this.#capability.id} has been erased`)
    this.#endTs = ts + (BigInt(LEASE_MS) << LOGICAL_BITS)
    this.#goodUntil = askedAt + LEASE_MS - MARGIN_MS
    return this.#endTs
  }

  async #holdsKey(ts: bigint): Promise<boolean> {
    if (this.#aliveKey === null) return false
    const view = new Snapshot(this.#engine, this.#capability, ts, null)
    return (await view.get(this.#capability.key(this.#aliveKey))) !== null
  }
}

/** Resolves when all leases given before `fromTs` have ended, by PD's clock. */
export async function leasesEnded(engine: Engine, fromTs: bigint): Promise<void> {
  const end = physicalOf(fromTs) + LEASE_MS
  for (;;) {
    const left = end - physicalOf(await engine.oracle.next())
    if (left < 0) return
    await pause(left + 1)
  }
}
