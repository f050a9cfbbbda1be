// The side of a foreign key that refers: the referenced key must exist and is locked FOR KEY SHARE.

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ConstraintDescriptor } from '../../catalog/descriptors.ts'
import { lockRows } from '../../storage/rows/locks.ts'
import { compileRowReader, rowKeyInValue } from '../../storage/rows/row-codec.ts'
import { uniqueKey } from '../../storage/rows/table-reader.ts'
import { LOCKED_CHANGED, type Transaction } from '../../storage/store.ts'
import { type Compilation, detached } from './compilation.ts'
import { type KeyConversion, keyConversion } from './key-conversion.ts'
import { relationFields } from './row-checks.ts'
import { accessOf, keyDetail, mayRead, sameDatum, type TableAccess, tableAccess } from './table-layout.ts'

export type ForeignKey = ConstraintDescriptor & { readonly type: 'f' }

export const concurrentUpdate = (): PgError =>
  new PgError(SQLSTATE.tRSerializationFailure, 'could not serialize access due to concurrent update')

/** The side that refers. */
export class Referencing {
  readonly #fk: ForeignKey
  readonly #access: TableAccess
  readonly #cx: Compilation
  #parent: TableAccess | null = null
  /** Per column of the key. */
  #conversions: readonly KeyConversion[] | null = null
  /** The referenced row may come later in this statement: a key into the table itself, or a WITH that writes. */
  #waiting: { key: Buffer; row: Row }[] = []
  readonly #slicer: Slicer

  constructor(fk: ForeignKey, access: TableAccess, cx: Compilation) {
    this.#slicer = makeSlicer(cx.state)
    this.#fk = fk
    this.#access = access
    this.#cx = cx
  }

  /** Also where rows may move away from the keys that a deferred check knows them by. */
  touchedBy(columns: ReadonlySet<number>): boolean {
    return (
      this.#fk.columns.some((attnum) => columns.has(attnum - 1)) || (this.#fk.deferrable && this.#keyColumns().some((c) => columns.has(c)))
    )
  }

  #keyColumns(): readonly number[] {
    return (this.#access.layout.primaryKey ?? []).map((part) => part.column)
  }

  differs(before: Row, after: Row): boolean {
    const { columns } = this.#access.descriptor
    const moved = this.#fk.deferrable && this.#keyColumns().some((c) => !sameDatum(before[c]!, after[c]!, columns[c]!.type, this.#cx))
    return (
      moved || this.#fk.columns.some((attnum) => !sameDatum(before[attnum - 1]!, after[attnum - 1]!, columns[attnum - 1]!.type, this.#cx))
    )
  }

  added(keys: readonly Buffer[], rows: readonly Row[]): MaybePromise<void> {
    const fk = this.#fk
    if (rows.length === 0) return undefined
    const { store } = this.#cx.state
    if (fk.deferrable && store.deferred.isDeferred(fk.oid, fk.deferred)) {
      const pending = keys.map((key, i) => ({ key, row: rows[i]! }))
      const cx = detached(this.#cx)
      const later = new Referencing(fk, accessOf(this.#access.descriptor, cx), cx)
      store.deferred.add({
        constraint: fk.oid,
        relation: this.#access.descriptor.oid,
        run: (txn) => later.#checkLater(txn, pending),
      })
      return undefined
    }
    if (fk.referencedTable === this.#access.descriptor.oid || this.#cx.writes !== null) {
      for (let i = 0; i < rows.length; i++) this.#waiting.push({ key: keys[i]!, row: rows[i]! })
      return undefined
    }
    return this.#check(this.#cx.state.txn, rows)
  }

  settle(): MaybePromise<boolean> {
    if (this.#waiting.length === 0) return false
    const waiting = this.#waiting
    this.#waiting = []
    return andThen(this.#checkLater(this.#cx.state.txn, waiting), () => true)
  }

  reset(): void {
    this.#waiting = []
  }

  /** Rows that may have changed again since: only what still refers as it did is checked; a later change has a check of its own. */
  #checkLater(txn: Transaction, pending: readonly { key: Buffer; row: Row }[], from = 0): MaybePromise<void> {
    if (from >= pending.length) return undefined
    const part = pending.slice(from, from + LIMITS.batchRows)
    return andThen(this.#checkPart(txn, part), () =>
      andThen(this.#slicer.pause() ?? undefined, () => this.#checkLater(txn, pending, from + part.length)),
    )
  }

  #checkPart(txn: Transaction, pending: readonly { key: Buffer; row: Row }[]): MaybePromise<void> {
    const { columns } = this.#fk
    const reader = compileRowReader(
      this.#access.layout,
      columns.map((attnum) => attnum - 1),
    )
    const types = columns.map((attnum) => this.#access.descriptor.columns[attnum - 1]!.type)
    return andThen(txn.batchGet(pending.map((item) => item.key)), (values) => {
      const rows = pending.flatMap(({ key, row }, i) => {
        const value = values[i]!
        if (value === null) return []
        const now = reader.readPair(key, value)
        return columns.every((attnum, c) => sameDatum(now[c]!, row[attnum - 1]!, types[c]!, this.#cx)) ? [row] : []
      })
      return this.#check(txn, rows)
    })
  }

  /** 23503 unless every row's key is there; locks the keys. */
  #check(txn: Transaction, rows: readonly Row[]): MaybePromise<void> {
    const fk = this.#fk
    this.#parent ??= tableAccess(fk.referencedTable, this.#cx)
    const parent = this.#parent
    const index = parent.indexes.get(fk.referencedIndex)?.layout ?? null
    this.#conversions ??= fk.columns.map((attnum, i) =>
      keyConversion(
        this.#access.descriptor.columns[attnum - 1]!.type,
        parent.descriptor.columns[fk.referencedColumns[i]! - 1]!.type,
        this.#cx,
      ),
    )
    const conversions = this.#conversions
    const wanted = new Map<string, { lookup: Buffer; row: Row }>()
    for (const row of rows) {
      const nulls = fk.columns.filter((attnum) => row[attnum - 1] === null).length
      if (nulls > 0) {
        if (fk.matchType === 'f' && nulls < fk.columns.length) throw this.#partlyNull()
        continue
      }
      const key: Row = new Array<Datum>(parent.layout.columns.length).fill(null)
      let possible = true
      for (let i = 0; i < fk.columns.length; i++) {
        const target = fk.referencedColumns[i]!
        const value = conversions[i]!(row[fk.columns[i]! - 1]!)
        if (value === null) possible = false
        else key[target - 1] = value
      }
      const lookup = possible ? uniqueKey(parent.layout, index, key) : null
      if (lookup === null) throw this.#missing(row)
      wanted.set(lookup.latin1Slice(), { lookup, row })
    }
    if (wanted.size === 0) return undefined
    const items = [...wanted.values()]
    const lookups = items.map((item) => item.lookup)
    return andThen(txn.batchGet(lookups), (values) => {
      const absent = items.filter((_, i) => values[i] === null)
      return andThen(this.#newest(txn, absent), (late) => {
        const rowKeys: Buffer[] = []
        for (let i = 0, n = 0; i < items.length; i++) {
          const value = values[i] ?? late[n++] ?? null
          if (value === null) throw this.#missing(items[i]!.row)
          rowKeys.push(index === null ? items[i]!.lookup : rowKeyInValue(parent.layout, value))
        }
        return this.#lock(txn, rowKeys, items)
      })
    })
  }

  /** Keys that a statement's snapshot does not have may have been committed since; a transaction's own snapshot stays what it is. */
  #newest(txn: Transaction, items: readonly { lookup: Buffer }[]): MaybePromise<readonly (Buffer | null)[]> {
    return items.length === 0 || txn.isolation !== 'read committed' ? [] : txn.newest(items.map((item) => item.lookup))
  }

  #lock(txn: Transaction, rowKeys: readonly Buffer[], items: readonly { lookup: Buffer; row: Row }[]): MaybePromise<void> {
    const { capabilities, lockTimeoutMs } = this.#cx.state.store
    const locked = lockRows(txn, capabilities, rowKeys, 'key share', { wait: 'block', timeoutMs: lockTimeoutMs })
    return andThen(locked, ({ status }) => {
      const changed = items.filter((_, i) => status[i] === LOCKED_CHANGED)
      if (changed.length === 0) return undefined
      return andThen(this.#newest(txn, changed), (values) => {
        for (let i = 0; i < changed.length; i++) if (values[i] == null) throw this.#missing(changed[i]!.row)
      })
    })
  }

  #missing(row: Row): PgError {
    const fk = this.#fk
    const { descriptor } = this.#access
    const columns = fk.columns.map((attnum) => {
      const { name, type } = descriptor.columns[attnum - 1]!
      return { name, type, value: row[attnum - 1]! }
    })
    const parent = this.#parent!.descriptor.name
    return new PgError(
      SQLSTATE.foreignKeyViolation,
      `insert or update on table "${descriptor.name}" violates foreign key constraint "${fk.name}"`,
      {
        detail: `${mayRead(descriptor, fk.columns, this.#cx) ? keyDetail(columns, this.#cx) : 'Key'} is not present in table "${parent}".`,
        ...relationFields(descriptor, this.#cx),
        constraint: fk.name,
      },
    )
  }

  #partlyNull(): PgError {
    const { descriptor } = this.#access
    return new PgError(
      SQLSTATE.foreignKeyViolation,
      `insert or update on table "${descriptor.name}" violates foreign key constraint "${this.#fk.name}"`,
      {
        detail: 'MATCH FULL does not allow mixing of null and nonnull key values.',
        ...relationFields(descriptor, this.#cx),
        constraint: this.#fk.name,
      },
    )
  }
}
