// The catalogue's version among several nodes: a counter in the keyspace that every transaction with catalogue changes raises. A node trusts its
// cache for a lease after it last saw the counter; statements begin at once within the lease, and the counter is read again in the background
// well before it ends.

import { randomUUID } from 'node:crypto'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import type { CatalogVersions } from './space.ts'

const VERSION_KEY = Buffer.from('mv')
const LOCK_TIMEOUT_MS = 30_000
/** From this age on the counter is read in the background, and from that one on before the statement. */
const REFRESH_MS = 400
const LEASE_MS = 1500
const UNKNOWN = -1

interface Stamp {
  readonly version: number
  /** The node that wrote it. */
  readonly node: string
}

function decode(bytes: Buffer | null): Stamp {
  if (bytes === null) return { version: 0, node: '' }
  const [version, node] = bytes.toString('latin1').split(' ')
  return { version: Number(version), node: node ?? '' }
}

export class SharedVersions implements CatalogVersions {
  readonly #keyspace: Keyspace
  readonly #node = randomUUID()
  /** The version whose changes this node knows all of. */
  #known = UNKNOWN
  /** The version this node's last transaction with changes wrote, if it committed. */
  #published = UNKNOWN
  /** Another node's change was met where the cache could not be told. */
  #missed = false
  #seenAt = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | null = null
  #changed: () => void = () => undefined

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace
  }

  async publish(txn: Transaction): Promise<void> {
    const locked = await txn.lockKeys([VERSION_KEY], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
    const stamp = decode(locked.values![0]!)
    if (!this.#isKnown(stamp)) this.#missed = true
    this.#known = stamp.version
    this.#published = stamp.version + 1
    await txn.put(VERSION_KEY, Buffer.from(`${stamp.version + 1} ${this.#node}`, 'latin1'))
  }

  #isKnown(stamp: Stamp): boolean {
    return stamp.version === this.#known || (stamp.node === this.#node && stamp.version === this.#published)
  }

  check(changed: () => void): MaybePromise<void> {
    const age = performance.now() - this.#seenAt
    if (age < REFRESH_MS && !this.#missed) return
    const reading = this.#read(changed)
    if (age >= LEASE_MS || this.#missed) return reading
    // The lease covers this statement; a failure is told by the one that has to wait.
    reading.catch(() => undefined)
  }

  refresh(changed: () => void): MaybePromise<void> {
    return this.#reading === null ? this.#read(changed) : this.#reading.then(() => this.#read(changed))
  }

  #read(changed: () => void): Promise<void> {
    this.#changed = changed
    this.#reading ??= this.#readNow().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  async #readNow(): Promise<void> {
    const askedAt = performance.now()
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true })
    const stamp = decode(await txn.get(VERSION_KEY))
    await txn.rollback()
    const isFirst = this.#known === UNKNOWN
    const isForeign = !this.#isKnown(stamp) || this.#missed
    this.#known = stamp.version
    this.#seenAt = askedAt
    this.#missed = false
    if (isForeign && !isFirst) this.#changed()
  }
}
