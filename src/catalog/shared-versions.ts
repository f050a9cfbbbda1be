// The catalogue's version among several nodes, and this node's lease on it.
//
// A counter in the keyspace is raised by every transaction that changes the catalogue. A node reads it several times a second while it uses the
// keyspace; what it read at timestamp t holds for it until t + LEASE_MS: statements are planned under that version, and transactions may commit up to
// there and not beyond (the store checks the commit timestamp). A node that changes a relation's definition first shuts its gate (relation-gates.ts)
// and waits until every node present has acknowledged that or its lease has run out. A node acknowledges when no transaction here uses the relation in
// a conflicting way any more; while it waits for such a transaction it prolongs the lease it has by saying so in its presence record.
//
// A timestamp comes from PD, which may be away for a dozen seconds while the stores serve on. A single key is then read at its newest version, as
// always, and the counter at its newest after it: if it stands where it stood, so did the catalogue under which the key was read.
//
// Invariant: a transaction with locks on a relation commits only while no other node can have passed that relation's gate.

import type { Timestamp } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { KvError } from '../storage/kv-error.ts'
import type { LockParty } from '../storage/lock-party.ts'
import { META } from '../storage/meta-prefixes.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import { ForeignGates } from './foreign-gates.ts'
import { decodeGate, type GateRecord, gateLockKey, gateName, gateRecordKey, scanGates } from './gate-records.ts'
import { msOf, type Presence, removePresence, timestampOf, writePresence } from './node-presence.ts'
import type { ObjectLocks } from './object-locks.ts'
import type { CatalogVersions } from './space.ts'

const VERSION_KEY = Buffer.from(META.version)
const LOCK_TIMEOUT_MS = 30_000
export const LEASE_MS = 1500
/** A lease with less left than this is renewed first. */
const MARGIN_MS = 400
/** Between two looks at the counter: in general, and while another node has a gate shut. */
const LOOK_MS = 250
const LOOK_AT_GATES_MS = 40
/** Unused for so long, the node takes its leave; the next statement announces it again. */
const IDLE_MS = 5000
const PRESENCE_MS = 20_000
/** A timestamp that takes longer than this is not waited for where the newest version does. */
const PATIENCE_MS = 200
/** A gate shut for so long is looked at: its holder may have ended. */
const OLD_GATE_MS = 2000
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

export interface SharedVersionsOptions {
  readonly keyspace: Keyspace
  readonly node: string
  readonly locks: ObjectLocks
  /** Ends the statement of a lock holder's owner with 40P01. */
  breakDeadlock(owner: unknown): void
  /** Who shut a gate on another node, as one who takes part in locking here. */
  gateParty(name: string): LockParty
  warn(message: string, error: Error): void
}

export class SharedVersions implements CatalogVersions {
  readonly node: string
  readonly #options: SharedVersionsOptions
  readonly #keyspace: Keyspace
  readonly #gates: ForeignGates
  /** Grows when definitions may have changed without waiting for this node. */
  epoch = 0
  /** The version whose changes this node knows all of. */
  #known = UNKNOWN
  /** The version this node's last transaction with changes wrote, if it committed. */
  #published = UNKNOWN
  /** Another node's change was met where the cache could not be told. */
  #missed = false
  /** The version whose gates are in force here. */
  #applied = UNKNOWN
  #leaseMs = 0
  /** The same by this process's clock, never later. */
  #leaseEndsAt = Number.NEGATIVE_INFINITY
  #presence: Presence | null = null
  #usedAt = 0
  #lookedAtGatesAt = 0
  #reading: Promise<void> | null = null
  #readingSince = 0
  #leaving: Promise<void> | null = null
  #timer: NodeJS.Timeout | null = null
  #closed = false
  #changed: () => void = () => undefined

  constructor(options: SharedVersionsOptions) {
    this.#options = options
    this.#keyspace = options.keyspace
    this.node = options.node
    this.#gates = new ForeignGates(
      options.locks,
      () => this.#lookIn(0),
      options.breakDeadlock,
      (holder) => options.gateParty(gateName(holder)),
    )
  }

  /** Raises the counter in a transaction that changes the catalogue; answers the version it will have. */
  async publish(txn: Transaction): Promise<number> {
    const locked = await txn.lockKeys([VERSION_KEY], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
    const stamp = decode(locked.values![0]!)
    if (!this.#isKnown(stamp)) this.#missed = true
    this.#known = stamp.version
    this.#published = stamp.version + 1
    await txn.put(VERSION_KEY, Buffer.from(`${stamp.version + 1} ${this.node}`, 'latin1'))
    return stamp.version + 1
  }

  #isKnown(stamp: Stamp): boolean {
    return stamp.version === this.#known || (stamp.node === this.node && stamp.version === this.#published)
  }

  // hot
  get leased(): boolean {
    return performance.now() < this.#leaseEndsAt - MARGIN_MS && !this.#missed
  }

  // hot
  check(changed: () => void): MaybePromise<void> {
    const now = performance.now()
    this.#usedAt = now
    this.#changed = changed
    if (now < this.#leaseEndsAt - MARGIN_MS && !this.#missed) return
    const reading = this.#read()
    return this.#known === UNKNOWN || this.#missed ? reading : this.#readOrConfirm(reading)
  }

  lease(changed: () => void): MaybePromise<void> {
    this.#changed = changed
    return this.leased ? undefined : this.#read()
  }

  async confirm(): Promise<boolean> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true, latest: true })
    try {
      return this.#isKnown(decode(await txn.get(VERSION_KEY)))
    } finally {
      await txn.rollback()
    }
  }

  async #readOrConfirm(reading: Promise<void>): Promise<void> {
    let patience: NodeJS.Timeout | undefined
    const silent = new Promise<boolean>((resolve) => {
      patience = setTimeout(resolve, this.#readingSince + PATIENCE_MS - performance.now(), true)
    })
    try {
      const isSilent = await Promise.race([reading.then(() => false), silent])
      // Another node's change has to be read, whatever it takes.
      if (isSilent && !(await this.confirm())) await reading
    } finally {
      clearTimeout(patience)
      // Who does not wait for it does not ask how it ends: whoever needs a lease does.
      reading.catch(() => undefined)
    }
  }

  refresh(changed: () => void): MaybePromise<void> {
    this.#usedAt = performance.now()
    this.#changed = changed
    return this.#reading === null ? this.#read() : this.#reading.then(() => this.#read())
  }

  commitLimit(): MaybePromise<Timestamp> {
    if (performance.now() < this.#leaseEndsAt - MARGIN_MS) return timestampOf(this.#leaseMs)
    return this.#read().then(() => timestampOf(this.#leaseMs))
  }

  #read(): Promise<void> {
    if (this.#reading === null) {
      this.#readingSince = performance.now()
      this.#reading = this.#readNow().finally(() => {
        this.#reading = null
        if (this.#timer === null) this.#lookIn(LOOK_MS)
      })
    }
    return this.#reading
  }

  async #readNow(): Promise<void> {
    const askedAt = performance.now()
    if (this.#leaving !== null) await this.#leaving
    if (this.#presence === null) await this.#announce()
    // What is missed from here on is for the next reading.
    const hasMissed = this.#missed
    this.#missed = false
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    const stamp = decode(await txn.get(VERSION_KEY))
    const readMs = msOf(txn.readTs!)
    const isFirst = this.#known === UNKNOWN
    const isForeign = hasMissed || !this.#isKnown(stamp)
    const gates = isForeign || isFirst ? await scanGates(txn) : null
    await txn.rollback()
    // From here to the next await nothing comes between.
    const hasLapsed = readMs > this.#leaseMs
    if (!isFirst && hasLapsed && (isForeign || this.#gates.draining)) this.epoch++
    this.#known = Math.max(stamp.version, this.#known)
    this.#applied = stamp.version
    if (isForeign && !isFirst) this.#changed()
    if (gates !== null) this.#gates.set(gates.filter(({ node }) => node !== this.node))
    const isPresent = this.#presence!.expires > readMs + LEASE_MS
    if (!this.#gates.draining && isPresent) this.#holdUntil(readMs, askedAt)
    await this.#tell(readMs, askedAt)
    // For others this node was gone, or about to be (PD was away for long): what it read before it said that it is here may be overtaken.
    if (!isPresent && this.#presence !== null) return this.#readNow()
    this.#lookAtOldGates()
  }

  #holdUntil(from: number, at: number): void {
    this.#leaseMs = Math.max(this.#leaseMs, from + LEASE_MS)
    this.#leaseEndsAt = Math.max(this.#leaseEndsAt, at + LEASE_MS)
  }

  /** Nobody waits for a node that is not there: so it is there before it relies on anything it read. */
  async #announce(): Promise<void> {
    const txn = this.#keyspace.begin({ isolation: 'read committed', readOnly: true })
    await txn.get(VERSION_KEY)
    const nowMs = msOf(txn.readTs!)
    await txn.rollback()
    const presence: Presence = { node: this.node, seen: 0, holdUntil: 0, expires: nowMs + PRESENCE_MS }
    await writePresence(this.#keyspace, presence)
    this.#presence = presence
  }

  /** Brings the presence record up to date: acknowledges what is drained, prolongs what is not. */
  async #tell(readMs: number, askedAt: number): Promise<void> {
    const before = this.#presence!
    const isDraining = this.#gates.draining
    const mustHold = isDraining && readMs > this.#leaseMs - LEASE_MS / 2
    const mustAcknowledge = !isDraining && this.#gates.size > 0 && before.seen < this.#applied
    if (!mustHold && !mustAcknowledge && before.expires - readMs > PRESENCE_MS / 2) return
    const holdUntil = isDraining ? readMs + LEASE_MS : 0
    const presence: Presence = {
      node: this.node,
      seen: isDraining ? before.seen : this.#applied,
      holdUntil,
      expires: readMs + PRESENCE_MS,
    }
    const writtenMs = await writePresence(this.#keyspace, presence)
    if (this.#presence === null) return
    this.#presence = presence
    // Written too late, it says something that is not true any more.
    if (isDraining && writtenMs < this.#leaseMs) this.#holdUntil(readMs, askedAt)
  }

  #lookIn(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      void this.#look()
    }, ms)
    this.#timer.unref()
  }

  async #look(): Promise<void> {
    if (performance.now() - this.#usedAt > IDLE_MS && this.#options.locks.size === 0 && this.#gates.size === 0) {
      await this.#leave()
      return
    }
    try {
      await this.#read()
    } catch (error) {
      if (!this.#closed) this.#options.warn('the catalogue’s version cannot be read', error as Error)
    }
    this.#lookIn(this.#gates.size > 0 ? LOOK_AT_GATES_MS : LOOK_MS)
  }

  async #leave(): Promise<void> {
    if (this.#presence === null || this.#reading !== null) return
    this.#presence = null
    this.#leaseEndsAt = Number.NEGATIVE_INFINITY
    this.#leaving = removePresence(this.#keyspace, this.node)
      .catch(() => undefined) // it expires
      .finally(() => {
        this.#leaving = null
      })
    await this.#leaving
  }

  #lookAtOldGates(): void {
    if (this.#gates.size === 0) return
    const now = performance.now()
    if (now - this.#lookedAtGatesAt < OLD_GATE_MS) return
    this.#lookedAtGatesAt = now
    for (const gate of this.#gates.olderThan(OLD_GATE_MS)) {
      this.removeIfLeft(gate).catch((error: Error) => this.#options.warn('a gate cannot be looked at', error))
    }
  }

  /** Removes a gate whose holder has ended without opening it. */
  async removeIfLeft(gate: GateRecord): Promise<void> {
    const txn = this.#keyspace.begin({ isolation: 'read committed' })
    try {
      await txn.lockKeys([gateLockKey(gate.relation)], { mode: 'exclusive', wait: 'nowait', timeoutMs: 0 })
      const key = gateRecordKey(gate.relation)
      const locked = await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: LOCK_TIMEOUT_MS, returnValues: true })
      const value = locked.values![0]!
      if (value === null || decodeGate(gate.relation, value).holder !== gate.holder) {
        await txn.rollback()
        return
      }
      await txn.delete(key)
      await this.publish(txn)
      await txn.commit()
      // The version is this node's own, and the gate another's: without a word it would stay in force here.
      this.#missed = true
      this.#lookIn(0)
    } catch (error) {
      await txn.rollback()
      if (!(error instanceof KvError && (error.kind === 'lockNotAvailable' || error.kind === 'lockTimeout'))) throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    // Whoever asked for it has had its failure.
    await this.#reading?.catch(() => undefined)
    this.#gates.set([])
    await this.#leave()
  }
}
