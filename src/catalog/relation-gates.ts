// Locks on relations that other nodes must honour (SHARE and above: definitions, LOCK TABLE), held by one transaction of a session. Shutting a gate:
// the gate's key is locked, so that one transaction at a time has it and its end is seen; the relation is locked here; a record of it is committed
// under a new catalogue version; then every node present has to acknowledge it, or its lease to run out. The record goes with the transaction's commit,
// or in one of its own.

import { randomUUID } from 'node:crypto'
import type { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { KvError } from '../storage/kv-error.ts'
import type { Savepoint, Transaction } from '../storage/store.ts'
import { decodeGate, encodeGate, gateLockKey, gateName, gateRecordKey } from './gate-records.ts'
import { msOf, type Presence, scanPresences } from './node-presence.ts'
import { gateLockName, LOCK, type LockHolder, lockMeaning, type ObjectLocks, type RelationLockMode } from './object-locks.ts'
import { LEASE_MS, type SharedVersions } from './shared-versions.ts'
import type { CatalogSpace } from './space.ts'

/** How long a gate may take to shut when lock_timeout says nothing. */
const DEFAULT_TIMEOUT_MS = 60_000
const NOWAIT_MS = 2 * LEASE_MS
const RECORD_TIMEOUT_MS = 10_000
/** Between two looks at who has acknowledged. */
const LOOK_MS = 15
const LOOK_LATER_MS = 100

export interface GateOptions {
  readonly wait: boolean
  /** 0 = the default. */
  readonly timeoutMs: number
  readonly cancel: CancelToken
  readonly name: string
}

/** Of all gates of a keyspace in this process. */
export interface GateKeepers {
  readonly space: CatalogSpace
  readonly versions: SharedVersions
  readonly locks: ObjectLocks
}

/** Where a hold stood when a savepoint was made. */
export interface GateMark {
  readonly shut: number
  readonly keys: Savepoint
}

export class GateHold {
  readonly #keepers: GateKeepers
  readonly #holder: LockHolder
  readonly #id = randomUUID()
  /** Holds the gates' keys. */
  readonly #txn: Transaction
  readonly #modes = new Map<Oid, RelationLockMode>()
  /** What `#modes` was made of, in order. */
  readonly #history: { readonly relation: Oid; readonly mode: RelationLockMode }[] = []
  readonly #locked = new Set<Oid>()
  #isPrepared = false

  constructor(keepers: GateKeepers, holder: LockHolder, cancel: CancelToken) {
    this.#keepers = keepers
    this.#holder = holder
    const { party } = holder
    this.#txn = keepers.space.keyspace.begin({ isolation: 'read committed', cancel, ...(party === null ? {} : { party }) })
    party?.addName(gateName(this.#id))
  }

  /** Locks the relation here and on every other node. */
  async shut(relation: Oid, mode: RelationLockMode, options: GateOptions): Promise<void> {
    const held = this.#modes.get(relation)
    if (held !== undefined && held >= mode) return
    const { locks, space } = this.#keepers
    const limitMs = options.wait ? options.timeoutMs || DEFAULT_TIMEOUT_MS : NOWAIT_MS
    const deadline = performance.now() + limitMs
    const left = (): number => Math.max(1, deadline - performance.now())
    const wait = { wait: options.wait, timeoutMs: limitMs, cancel: options.cancel, name: options.name }
    if (!this.#locked.has(relation)) {
      await locks.acquire(this.#holder, gateLockName(relation), LOCK.accessExclusive, wait)
      this.#locked.add(relation)
      const stopWaiting = locks.waitOutside(this.#holder, relation, mode)
      try {
        const mayWait = options.wait ? 'block' : 'nowait'
        await this.#txn.lockKeys([gateLockKey(relation)], {
          mode: 'exclusive',
          wait: mayWait,
          timeoutMs: left(),
          meaning: lockMeaning(relation, mode),
        })
      } catch (error) {
        if (error instanceof KvError && (error.kind === 'lockTimeout' || error.kind === 'lockNotAvailable')) throw timedOut(options)
        throw error
      } finally {
        stopWaiting()
      }
      await space.syncNow()
    }
    await locks.acquire(this.#holder, relation, mode, { ...wait, timeoutMs: left() })
    const { version, at } = await this.#publish(relation, mode)
    this.#modes.set(relation, mode)
    this.#history.push({ relation, mode })
    // Those whom it waits for there, their nodes know by the gate.
    const { kind, target } = lockMeaning(relation, mode)
    const stopTelling = this.#holder.party?.wait({ kind, target, since: performance.now(), elsewhere: true, blockers: () => [] })
    try {
      await this.#drained(version, at, deadline, options)
    } finally {
      stopTelling?.()
    }
  }

  async #publish(relation: Oid, mode: RelationLockMode): Promise<{ version: number; at: number }> {
    const { space, versions } = this.#keepers
    const txn = space.keyspace.begin({ isolation: 'read committed' })
    try {
      const key = gateRecordKey(relation)
      await txn.lockKeys([key], { mode: 'exclusive', wait: 'block', timeoutMs: RECORD_TIMEOUT_MS })
      await txn.put(key, encodeGate({ relation, mode, node: versions.node, holder: this.#id }))
      const version = await versions.publish(txn)
      return { version, at: msOf((await txn.commit())!) }
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }

  /** Resolves when nobody elsewhere can commit under an older version any more. */
  async #drained(version: number, at: number, deadline: number, options: GateOptions): Promise<void> {
    const { space, versions } = this.#keepers
    for (let looks = 0; ; looks++) {
      const { readAt, presences } = await scanPresences(space.keyspace)
      const isAwaited = ({ node, seen, holdUntil, expires }: Presence): boolean =>
        node !== versions.node && expires >= readAt && seen < version && readAt <= Math.max(at + LEASE_MS, holdUntil)
      if (!presences.some(isAwaited)) return
      if (performance.now() > deadline) throw timedOut(options)
      await pause(looks < LOOK_LATER_MS / LOOK_MS ? LOOK_MS : LOOK_LATER_MS, options.cancel)
    }
  }

  /** Before the commit of a transaction that changes the catalogue: the gates open with it, if they are still this one's. */
  async prepareCommit(txn: Transaction): Promise<void> {
    const relations = [...this.#modes.keys()]
    const keys = relations.map(gateRecordKey)
    const locked = await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: RECORD_TIMEOUT_MS, returnValues: true })
    for (const [i, relation] of relations.entries()) {
      const value = locked.values![i]!
      if (value === null || decodeGate(relation, value).holder !== this.#id) {
        throw new KvError('schemaChanged', 'this node was taken for dead and its locks were given up', { retryable: true })
      }
      await txn.delete(keys[i]!)
    }
    this.#isPrepared = true
  }

  mark(): GateMark {
    return { shut: this.#history.length, keys: this.#txn.savepoint() }
  }

  /** Gates shut since open again, and those that were shut for less are so again. */
  async rollbackTo(mark: GateMark): Promise<void> {
    const kept = new Map(this.#history.slice(0, mark.shut).map(({ relation, mode }) => [relation, mode]))
    await this.#withdraw([...this.#modes.keys()].filter((relation) => !kept.has(relation)))
    for (const [relation, mode] of this.#modes) {
      const before = kept.get(relation)
      if (before === mode) continue
      if (before === undefined) this.#modes.delete(relation)
      else {
        await this.#publish(relation, before)
        this.#modes.set(relation, before)
      }
    }
    this.#history.length = mark.shut
    await this.#txn.rollbackTo(mark.keys)
    for (const relation of this.#locked) {
      if (kept.has(relation)) continue
      this.#keepers.locks.release(this.#holder, gateLockName(relation), LOCK.accessExclusive)
      this.#locked.delete(relation)
    }
  }

  /** After the transaction's end. */
  async open(committed: boolean): Promise<void> {
    try {
      if (!(committed && this.#isPrepared)) await this.#withdraw([...this.#modes.keys()])
    } finally {
      this.#holder.party?.removeName(gateName(this.#id))
      await this.#txn.rollback()
      for (const relation of this.#locked) this.#keepers.locks.release(this.#holder, gateLockName(relation), LOCK.accessExclusive)
    }
  }

  async #withdraw(relations: readonly Oid[]): Promise<void> {
    if (relations.length === 0) return
    const { space, versions } = this.#keepers
    const txn = space.keyspace.begin({ isolation: 'read committed' })
    try {
      const keys = relations.map(gateRecordKey)
      const locked = await txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: RECORD_TIMEOUT_MS, returnValues: true })
      for (const [i, relation] of relations.entries()) {
        const value = locked.values![i]!
        if (value !== null && decodeGate(relation, value).holder === this.#id) await txn.delete(keys[i]!)
      }
      await versions.publish(txn)
      await txn.commit()
    } catch (error) {
      await txn.rollback()
      throw error
    }
  }
}

function timedOut({ wait, name }: GateOptions): PgError {
  if (!wait) return new PgError(SQLSTATE.lockNotAvailable, `could not obtain lock on relation "${name}"`)
  return new PgError(SQLSTATE.lockNotAvailable, 'canceling statement due to lock timeout', {
    detail: `Transactions on other nodes use relation "${name}".`,
  })
}

function pause(ms: number, cancel: CancelToken): Promise<void> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    const stop = cancel.onCancel((reason) => {
      clearTimeout(timer)
      reject(reason)
    })
    timer = setTimeout(() => {
      stop()
      resolve()
    }, ms)
  })
}
