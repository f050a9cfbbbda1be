// Gates that other nodes have shut, in force here: each transaction that shut some is a holder in this node's lock table, so that statements queue
// behind it as behind any other session's DDL, it waits for transactions that had a relation first, and deadlocks between the two are seen. Until it
// has all its locks the node is draining.

import { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { LockParty } from '../storage/lock-party.ts'
import type { GateRecord } from './gate-records.ts'
import { type LockHolder, lockHolder, type ObjectLocks, type RelationLockMode } from './object-locks.ts'

interface ForeignHolder {
  readonly holder: LockHolder
  /** Of the wait that is under way. */
  cancel: CancelToken
  readonly since: number
  /** The modes its gates are shut in, and those in force here. */
  readonly wanted: Map<Oid, GateRecord>
  readonly held: Map<Oid, RelationLockMode>
  /** The gate whose lock is waited for. */
  awaited: GateRecord | null
}

/** After a deadlock the transaction that was ended needs so long to let go. */
const AGAIN_MS = 50

const gone = () => new PgError(SQLSTATE.internalError, 'the gate was opened')

export class ForeignGates {
  readonly #locks: ObjectLocks
  readonly #holders = new Map<string, ForeignHolder>()
  readonly #drained: () => void
  /** Ends the wait of a transaction that a gate waits for and that waits for the gate. */
  readonly #breakDeadlock: (owner: unknown) => void

  readonly #party: (holder: string) => LockParty

  /** `drained`: a gate that had to wait has its lock now. `party`: as whom other locks know who shut a gate. */
  constructor(locks: ObjectLocks, drained: () => void, breakDeadlock: (owner: unknown) => void, party: (holder: string) => LockParty) {
    this.#locks = locks
    this.#party = party
    this.#drained = drained
    this.#breakDeadlock = breakDeadlock
  }

  get size(): number {
    return this.#holders.size
  }

  get draining(): boolean {
    for (const holder of this.#holders.values()) if (missing(holder) !== null) return true
    return false
  }

  /** These are shut now, and no others. */
  set(records: readonly GateRecord[]): void {
    const ids = new Set(records.map(({ holder }) => holder))
    for (const [id, holder] of this.#holders) {
      if (ids.has(id)) continue
      this.#holders.delete(id)
      if (holder.awaited !== null) holder.cancel.cancel(gone())
      this.#locks.releaseTo(holder.holder)
    }
    for (const [id, holder] of this.#holders) {
      this.#giveBack(
        holder,
        records.filter((record) => record.holder === id),
      )
    }
    for (const record of records) {
      let holder = this.#holders.get(record.holder)
      if (holder === undefined) {
        holder = {
          holder: lockHolder(null, this.#party(record.holder)),
          cancel: new CancelToken(),
          since: performance.now(),
          wanted: new Map(),
          held: new Map(),
          awaited: null,
        }
        this.#holders.set(record.holder, holder)
      }
      holder.wanted.set(record.relation, record)
    }
    for (const holder of this.#holders.values()) this.#lock(holder)
  }

  /** A roll-back to a savepoint has opened some of a transaction's gates, or left them shut for less. */
  #giveBack(foreign: ForeignHolder, records: readonly GateRecord[]): void {
    const modes = new Map(records.map(({ relation, mode }) => [relation, mode]))
    for (const [relation, { mode }] of foreign.wanted) {
      const left = modes.get(relation)
      if (left === mode) continue
      if (left === undefined) foreign.wanted.delete(relation)
      if (left !== undefined && left > mode) continue
      if (foreign.awaited?.relation === relation) foreign.cancel.cancel(gone())
      const held = foreign.held.get(relation)
      if (held === undefined || held === left) continue
      // it conflicts with less than what is held
      if (left !== undefined) this.#locks.tryAcquire(foreign.holder, relation, left)
      this.#locks.release(foreign.holder, relation, held)
      if (left === undefined) foreign.held.delete(relation)
      else foreign.held.set(relation, left)
    }
  }

  #lock(foreign: ForeignHolder): void {
    while (foreign.awaited === null) {
      const next = missing(foreign)
      if (next === null) return
      const { relation, mode } = next
      foreign.cancel = new CancelToken()
      const waiting = this.#locks.acquire(foreign.holder, relation, mode, {
        wait: true,
        timeoutMs: 0,
        cancel: foreign.cancel,
        name: String(relation),
      })
      if (waiting === undefined) foreign.held.set(relation, mode)
      else {
        foreign.awaited = next
        this.#wait(foreign, next, waiting as Promise<void>)
      }
    }
  }

  #wait(foreign: ForeignHolder, gate: GateRecord, waiting: Promise<void>): void {
    const { cancel } = foreign
    const goOn = (): void => {
      this.#lock(foreign)
      if (missing(foreign) === null) this.#drained()
    }
    waiting.then(
      () => {
        foreign.awaited = null
        if (this.#holders.get(gate.holder) !== foreign) {
          this.#locks.releaseTo(foreign.holder)
          return
        }
        // it may have been given back between the grant and now
        if ((foreign.wanted.get(gate.relation)?.mode ?? 0) < gate.mode) this.#locks.release(foreign.holder, gate.relation, gate.mode)
        else foreign.held.set(gate.relation, gate.mode)
        goOn()
      },
      () => {
        if (this.#holders.get(gate.holder) !== foreign) return
        // the gate was given back, which ends nobody else's wait
        if (cancel.reason !== null) {
          foreign.awaited = null
          goOn()
          return
        }
        for (const { oid, holder, granted } of this.#locks.list()) {
          if (granted && oid === gate.relation && holder !== foreign.holder && holder.waiting !== null) this.#breakDeadlock(holder.owner)
        }
        setTimeout(() => {
          foreign.awaited = null
          if (this.#holders.get(gate.holder) === foreign) this.#lock(foreign)
        }, AGAIN_MS).unref()
      },
    )
  }

  /** Those shut for at least so long. */
  *olderThan(ms: number): Iterable<GateRecord> {
    const before = performance.now() - ms
    for (const { since, wanted } of this.#holders.values()) if (since <= before) yield* wanted.values()
  }
}

/** A gate whose lock the holder does not have yet. */
function missing({ wanted, held }: ForeignHolder): GateRecord | null {
  for (const record of wanted.values()) if ((held.get(record.relation) ?? 0) < record.mode) return record
  return null
}
