// DEFERRABLE UNIQUE and PRIMARY KEY constraints. Their indexes' entries are those of an index that is not unique, so duplicates may stand
// for a while; they are looked for when the statement's rows are written, or at COMMIT where the constraint is deferred.
//
// Who takes a key looks under an exclusive lock on the key's place in the index (where a unique entry would be), and so waits for others who
// took it or gave it up before, and sees what they committed: of two who take one key the second finds both.

import { prefixEnd } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import type { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import type { ConstraintDescriptor } from '../../catalog/descriptors.ts'
import type { IndexLayout, TableLayout } from '../../storage/rows/layout.ts'
import { uniqueKey } from '../../storage/rows/table-reader.ts'
import type { KvBatch, Transaction } from '../../storage/store.ts'
import { type Compilation, detached } from './compilation.ts'
import { readingNow } from './read-now.ts'
import { accessOf, type TableAccess } from './table-layout.ts'

export interface UniqueChecks {
  inserted(rows: readonly Row[]): MaybePromise<void>
  updated(oldRows: readonly Row[], newRows: readonly Row[]): MaybePromise<void>
  deleted(oldRows: readonly Row[]): void
  settle(): MaybePromise<boolean>
  reset(): void
}

/** Null when no constraint of the table is deferrable. */
export function makeUniqueChecks(access: TableAccess, cx: Compilation): UniqueChecks | null {
  const constraints = access.table.constraints.flatMap((c) =>
    (c.type === 'p' || c.type === 'u') && c.deferrable ? [new DeferrableKey(c, access, cx)] : [],
  )
  if (constraints.length === 0) return null
  const each = (fn: (item: DeferrableKey) => MaybePromise<unknown>): MaybePromise<void> => {
    let at = 0
    return loop(() => {
      if (at >= constraints.length) return false
      return andThen(fn(constraints[at++]!), () => true)
    })
  }
  return {
    inserted: (rows) => each((key) => key.inserted(rows)),
    updated: (oldRows, newRows) => each((key) => key.updated(oldRows, newRows)),
    deleted(oldRows) {
      for (const key of constraints) key.deleted(oldRows)
    },
    settle() {
      let busy = false
      const done = each((key) =>
        andThen(key.settle(), (did) => {
          if (did) busy = true
        }),
      )
      return andThen(done, () => busy)
    },
    reset() {
      for (const key of constraints) key.reset()
    },
  }
}

/** Keys taken, by their place in the index, with a row that has each. */
type Taken = Map<string, { readonly lookup: Buffer; readonly row: Row }>

class DeferrableKey {
  readonly #constraint: ConstraintDescriptor & { readonly type: 'p' | 'u' }
  readonly #access: TableAccess
  readonly #cx: Compilation
  readonly #index: IndexLayout
  #taken: Taken = new Map()
  #left: Buffer[] = []
  /** Keys taken at which what is known to be alone is sorted out. */
  #full: number = LIMITS.batchRows * 8

  constructor(constraint: ConstraintDescriptor & { readonly type: 'p' | 'u' }, access: TableAccess, cx: Compilation) {
    this.#constraint = constraint
    this.#access = access
    this.#cx = cx
    this.#index = placeLayout(access.indexes.get(constraint.index)!.layout!)
  }

  inserted(rows: readonly Row[]): MaybePromise<void> {
    for (const row of rows) this.#take(this.#place(row), row)
    return this.#relieve()
  }

  updated(oldRows: readonly Row[], newRows: readonly Row[]): MaybePromise<void> {
    for (let i = 0; i < newRows.length; i++) {
      const before = this.#place(oldRows[i]!)
      const after = this.#place(newRows[i]!)
      if (before !== null && after !== null && before.equals(after)) continue
      if (before !== null) this.#left.push(before)
      this.#take(after, newRows[i]!)
    }
    return this.#relieve()
  }

  deleted(oldRows: readonly Row[]): void {
    for (const row of oldRows) {
      const before = this.#place(row)
      if (before !== null) this.#left.push(before)
    }
  }

  #place(row: Row): Buffer | null {
    return uniqueKey(this.#access.layout, this.#index, row)
  }

  #take(lookup: Buffer | null, row: Row): void {
    if (lookup !== null) this.#taken.set(lookup.latin1Slice(), { lookup, row })
  }

  /** A statement of many rows keeps only what may be a duplicate: whoever takes one of the other keys later sees the row that has it. */
  #relieve(): MaybePromise<void> {
    if (this.#taken.size < this.#full) return undefined
    return andThen(this.#duplicates(this.#cx.state.txn, this.#taken), (doubtful) => {
      this.#taken = doubtful
      this.#full = Math.max(this.#full, doubtful.size * 2)
    })
  }

  settle(): MaybePromise<boolean> {
    if (this.#taken.size === 0 && this.#left.length === 0) return false
    const { txn, store } = this.#cx.state
    const taken = this.#taken
    const left = this.#left
    this.reset()
    const { oid, deferred } = this.#constraint
    // Rows that a statement of its own gives up are locked by nobody, and nobody waits for them.
    const locked = left.length === 0 || store.autocommit ? undefined : this.#lock(txn, left)
    return andThen(locked, () => {
      if (taken.size === 0) return true
      if (!store.deferred.isDeferred(oid, deferred)) return andThen(this.#check(txn, taken), () => true)
      return andThen(this.#several(txn, taken), (duplicates) => {
        for (const key of duplicates.keys()) taken.delete(key)
        this.#putOff(duplicates, this.#access.descriptor.oid)
        this.#putOff(taken, 0)
        return true
      })
    })
  }

  /** `relation` 0: nothing is known against the keys, which another transaction may have taken too; definitions need not mind that. */
  #putOff(taken: Taken, relation: Oid): void {
    if (taken.size === 0) return
    const cx = detached(this.#cx)
    const later = new DeferrableKey(this.#constraint, accessOf(this.#access.descriptor, cx), cx)
    this.#cx.state.store.deferred.add({ constraint: this.#constraint.oid, relation, run: (at) => later.#check(at, taken) })
  }

  reset(): void {
    this.#taken = new Map()
    this.#left = []
  }

  #lock(txn: Transaction, keys: readonly Buffer[]): MaybePromise<unknown> {
    return txn.lockKeys(keys, { mode: 'exclusive', wait: 'block', timeoutMs: this.#cx.state.store.lockTimeoutMs })
  }

  #check(txn: Transaction, taken: Taken): MaybePromise<void> {
    return andThen(this.#duplicates(txn, taken), (duplicates) => {
      for (const { row } of duplicates.values()) throw this.#index.violation(row)
    })
  }

  /** Locks the keys and answers those that several rows have. */
  #duplicates(txn: Transaction, taken: Taken): MaybePromise<Taken> {
    const keys = [...taken.values()].map((item) => item.lookup)
    return andThen(this.#lock(txn, keys), () => this.#several(txn, taken))
  }

  #several(txn: Transaction, taken: Taken): MaybePromise<Taken> {
    return readingNow(this.#cx, (now) => {
      const items = [...taken]
      const found: Taken = new Map()
      const slicer = makeSlicer(this.#cx.state)
      slicer.start()
      let at = 0
      const one = (): MaybePromise<boolean> => {
        if (at >= items.length) return false
        const [key, item] = items[at++]!
        return andThen(hasSeveral([txn, now], txn, item.lookup), (several) => {
          if (several) found.set(key, item)
          return andThen(at % LIMITS.batchRows === 0 ? slicer.pause() : null, () => true)
        })
      }
      return andThen(loop(one), () => found)
    })
  }
}

/** The layout under which a row's unique key is the beginning of its entry's key. */
function placeLayout(index: IndexLayout): IndexLayout {
  return { ...index, unique: true }
}

function keysOf(batch: KvBatch): Buffer[] {
  return Array.from({ length: batch.count }, (_, i) => Buffer.from(batch.data.subarray(batch.bounds[i * 4]!, batch.bounds[i * 4 + 1]!)))
}

/** Whether more than one entry below `place`, as any of the views shows them, is there now. */
function hasSeveral(views: readonly Transaction[], txn: Transaction, place: Buffer): MaybePromise<boolean> {
  const range = { start: place, end: prefixEnd(place)! }
  let alive: string | null = null
  let several = false
  const inView = (view: Transaction): MaybePromise<void> => {
    const scanner = view.scan(range, { keysOnly: true })
    const step = (): MaybePromise<boolean> =>
      andThen(scanner.next(), (batch) => {
        if (batch === null) return false
        const keys = keysOf(batch)
        return andThen(txn.newest(keys), (values) => {
          for (let i = 0; i < keys.length && !several; i++) {
            if (values[i] === null) continue
            const key = keys[i]!.latin1Slice()
            if (alive === null) alive = key
            else several = key !== alive
          }
          return !several
        })
      })
    return andThen(loop(step), () => scanner.close())
  }
  let at = 0
  const next = (): MaybePromise<boolean> => (at < views.length && !several ? andThen(inView(views[at++]!), () => true) : false)
  return andThen(loop(next), () => several)
}

/** For definitions, when nobody else writes: the violation by one of the rows whose key in the index another row has, too; null = none. */
export function findDuplicate(
  layout: TableLayout,
  index: IndexLayout,
  txn: Transaction,
  rows: readonly Row[],
): MaybePromise<PgError | null> {
  const place = placeLayout(index)
  let duplicate: PgError | null = null
  let at = 0
  const one = (): MaybePromise<boolean> => {
    if (duplicate !== null || at >= rows.length) return false
    const row = rows[at++]!
    const lookup = uniqueKey(layout, place, row)
    if (lookup === null) return true
    return andThen(hasSeveral([txn], txn, lookup), (several) => {
      if (several) duplicate = place.violation(row)
      return true
    })
  }
  return andThen(loop(one), () => duplicate)
}
