// Constraint checks that a transaction has put off (DEFERRABLE constraints), and what SET CONSTRAINTS said about them.

import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import type { DeferredCheck, DeferredChecks } from '../sql/executor/store-services.ts'
import type { Transaction } from '../storage/store.ts'

const MAX_MISSES = 1000

/** A commit cannot begin anew: what a check misses of the catalogue is fetched, and the check alone runs again. */
function runCheck(check: DeferredCheck, txn: Transaction, misses: number): MaybePromise<void> {
  const again = (error: unknown): Promise<void> => {
    if (!(error instanceof CatalogMiss) || misses > MAX_MISSES) throw error
    return error.load().then(() => runCheck(check, txn, misses + 1))
  }
  try {
    const done = check.run(txn)
    return done instanceof Promise ? done.catch(again) : done
  } catch (error) {
    return again(error)
  }
}

export class DeferredWork implements DeferredChecks {
  #checks: DeferredCheck[] = []
  /** SET CONSTRAINTS: all at once, then single ones. */
  #all: boolean | null = null
  readonly #single = new Map<Oid, boolean>()

  isDeferred(constraint: Oid, initiallyDeferred: boolean): boolean {
    return this.#single.get(constraint) ?? this.#all ?? initiallyDeferred
  }

  add(check: DeferredCheck): void {
    this.#checks.push(check)
  }

  /** SET CONSTRAINTS; `constraints` null = ALL. */
  set(constraints: readonly Oid[] | null, deferred: boolean): void {
    if (constraints === null) {
      this.#all = deferred
      this.#single.clear()
      return
    }
    for (const constraint of constraints) this.#single.set(constraint, deferred)
  }

  mark(): number {
    return this.#checks.length
  }

  rollbackTo(mark: number): void {
    this.#checks.length = mark
  }

  clear(): void {
    if (this.#checks.length > 0) this.#checks = []
    this.#all = null
    this.#single.clear()
  }

  /** Runs what is queued, of the constraints given or all, in order; checks that a check queues are run too. // hot */
  run(txn: Transaction, only: ReadonlySet<Oid> | null = null): MaybePromise<void> {
    for (let i = 0; i < this.#checks.length; ) {
      const check = this.#checks[i]!
      if (only !== null && !only.has(check.constraint)) {
        i++
        continue
      }
      this.#checks.splice(i, 1)
      const done = runCheck(check, txn, 0)
      if (done instanceof Promise) return done.then(() => this.run(txn, only))
    }
  }
}
