// Constraint checks that a transaction has put off (DEFERRABLE constraints), and what SET CONSTRAINTS said about them.

import type { CancelToken } from '../base/cancel.ts'
import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import type { DeferredCheck, DeferredChecks } from '../sql/executor/store-services.ts'
import type { Transaction } from '../storage/store.ts'

const MAX_MISSES = 1000
const NO_CONSTRAINTS: ReadonlyMap<Oid, boolean> = new Map()

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

/** What was queued, and what SET CONSTRAINTS had said, when a savepoint was made. */
export interface DeferredMark {
  readonly checks: DeferredCheck[]
  readonly count: number
  readonly all: boolean | null
  readonly single: ReadonlyMap<Oid, boolean>
}

export class DeferredWork implements DeferredChecks {
  readonly #slicer: Slicer
  /** Only ever appended to, or replaced: a mark refers to it. */
  #checks: DeferredCheck[] = []
  /** SET CONSTRAINTS: all at once, then single ones. */
  #all: boolean | null = null
  #single: ReadonlyMap<Oid, boolean> = NO_CONSTRAINTS

  constructor(state: { readonly cancel: CancelToken }) {
    this.#slicer = makeSlicer(state)
  }

  isDeferred(constraint: Oid, initiallyDeferred: boolean): boolean {
    return this.#single.get(constraint) ?? this.#all ?? initiallyDeferred
  }

  add(check: DeferredCheck): void {
    this.#checks.push(check)
  }

  /** Whether checks of the table's rows are waiting. */
  pendingOn(relation: Oid): boolean {
    return this.#checks.some((check) => check.relation === relation)
  }

  /** SET CONSTRAINTS; `constraints` null = ALL. */
  set(constraints: readonly Oid[] | null, deferred: boolean): void {
    if (constraints === null) {
      this.#all = deferred
      this.#single = NO_CONSTRAINTS
      return
    }
    this.#single = new Map([...this.#single, ...constraints.map((constraint) => [constraint, deferred] as const)])
  }

  mark(): DeferredMark {
    return { checks: this.#checks, count: this.#checks.length, all: this.#all, single: this.#single }
  }

  /** What was checked since the mark is to be checked again: the rows are as they were then. */
  rollbackTo(mark: DeferredMark): void {
    this.#checks = mark.checks
    this.#checks.length = mark.count
    this.#all = mark.all
    this.#single = mark.single
  }

  clear(): void {
    if (this.#checks.length > 0) this.#checks = []
    this.#all = null
    this.#single = NO_CONSTRAINTS
  }

  /** Runs what is queued, of the constraints given or all, in order; checks that a check queues are run too. // hot */
  run(txn: Transaction, only: ReadonlySet<Oid> | null = null): MaybePromise<void> {
    if (this.#checks.length === 0) return
    this.#slicer.start()
    return this.#runFrom(txn, only, [])
  }

  /** `later`: what is not due now; first in the queue again at the end. */
  #runFrom(txn: Transaction, only: ReadonlySet<Oid> | null, later: DeferredCheck[]): MaybePromise<void> {
    while (this.#checks.length > 0) {
      const due = this.#checks
      this.#checks = []
      const done = this.#runThese(due, 0, txn, only, later)
      if (done instanceof Promise) return done.then(() => this.#runFrom(txn, only, later))
    }
    this.#checks = later
  }

  #runThese(
    due: DeferredCheck[],
    from: number,
    txn: Transaction,
    only: ReadonlySet<Oid> | null,
    later: DeferredCheck[],
  ): MaybePromise<void> {
    for (let i = from; i < due.length; i++) {
      const check = due[i]!
      if (only !== null && !only.has(check.constraint)) {
        later.push(check)
        continue
      }
      const done = runCheck(check, txn, 0) ?? this.#slicer.pause()
      if (done instanceof Promise) return done.then(() => this.#runThese(due, i + 1, txn, only, later))
    }
  }
}
