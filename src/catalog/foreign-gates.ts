// Gates that other nodes have shut, in force here: each is a holder in this node's lock table, so that statements queue behind it as behind any
// other session's DDL, and it waits for transactions that had the relation first. Until it has its lock the node is draining.

import { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { GateRecord } from './gate-records.ts'
import { type LockHolder, lockHolder, type ObjectLocks } from './object-locks.ts'

interface ForeignGate {
  /** The newest: its mode may have been raised. */
  record: GateRecord
  readonly holder: LockHolder
  readonly cancel: CancelToken
  readonly since: number
  isHeld: boolean
}

const gone = () => new PgError(SQLSTATE.internalError, 'the gate was opened')
const nameOf = ({ relation, holder }: GateRecord): string => `${relation} ${holder}`

export class ForeignGates {
  readonly #locks: ObjectLocks
  readonly #gates = new Map<string, ForeignGate>()
  readonly #drained: () => void

  /** `drained`: a gate that had to wait has its lock now. */
  constructor(locks: ObjectLocks, drained: () => void) {
    this.#locks = locks
    this.#drained = drained
  }

  get size(): number {
    return this.#gates.size
  }

  get draining(): boolean {
    for (const gate of this.#gates.values()) if (!gate.isHeld) return true
    return false
  }

  /** These are shut now, and no others. */
  set(records: readonly GateRecord[]): void {
    const names = new Set(records.map(nameOf))
    for (const [name, gate] of this.#gates) if (!names.has(name)) this.#open(name, gate)
    for (const record of records) this.#shut(record)
  }

  #shut(record: GateRecord): void {
    const name = nameOf(record)
    let gate = this.#gates.get(name)
    if (gate === undefined) {
      gate = { record, holder: lockHolder(null), cancel: new CancelToken(), since: performance.now(), isHeld: false }
      this.#gates.set(name, gate)
      this.#lock(name, gate)
      return
    }
    if (gate.record.mode === record.mode) return
    gate.record = record
    if (!gate.isHeld) return
    gate.isHeld = false
    this.#lock(name, gate)
  }

  #lock(name: string, gate: ForeignGate): void {
    const { relation, mode } = gate.record
    const waiting = this.#locks.acquire(gate.holder, relation, mode, {
      wait: true,
      timeoutMs: 0,
      cancel: gate.cancel,
      name: String(relation),
    })
    if (waiting === undefined) {
      gate.isHeld = true
      return
    }
    ;(waiting as Promise<void>).then(
      () => {
        if (this.#gates.get(name) !== gate) {
          this.#locks.releaseTo(gate.holder)
          return
        }
        // Raised again while it waited: one wait at a time, and the stronger lock comes with the next one.
        if (gate.record.mode !== mode) this.#lock(name, gate)
        else gate.isHeld = true
        if (gate.isHeld) this.#drained()
      },
      () => this.#locks.releaseTo(gate.holder), // opened while it waited
    )
  }

  #open(name: string, gate: ForeignGate): void {
    this.#gates.delete(name)
    if (gate.isHeld) this.#locks.releaseTo(gate.holder)
    else gate.cancel.cancel(gone())
  }

  /** Those shut for at least so long. */
  *olderThan(ms: number): Iterable<GateRecord> {
    const before = performance.now() - ms
    for (const gate of this.#gates.values()) if (gate.since <= before) yield gate.record
  }
}
