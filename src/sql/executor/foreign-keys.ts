// Foreign keys, both sides. Referencing rows: the referenced key must exist and is locked FOR KEY SHARE. Referenced rows: what happens to
// the rows that refer to a key that went away. As PostgreSQL's AFTER triggers, the second half runs when the statement's rows are written,
// on a snapshot of its own; deferred constraints wait for COMMIT.

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ConstraintDescriptor } from '../../catalog/descriptors.ts'
import { scanRange } from '../../storage/rows/key-codec.ts'
import { indexPrefix, rowPrefix, rowRange } from '../../storage/rows/keys.ts'
import { lockRows } from '../../storage/rows/locks.ts'
import { compileRowReader, rowKeyInValue } from '../../storage/rows/row-codec.ts'
import { type RowScanner, scanIndex, scanTable, uniqueKey } from '../../storage/rows/table-reader.ts'
import { LOCKED, LOCKED_CHANGED, type Transaction } from '../../storage/store.ts'
import { type Compilation, detached } from './compilation.ts'
import { compileExpr } from './expr/compile.ts'
import { fitKey } from './key-bounds.ts'
import { readingNow } from './read-now.ts'
import { relationFields } from './row-checks.ts'
import {
  accessOf,
  FULL_ROW_SCOPE,
  keyDetail,
  mayRead,
  readStored,
  sameDatum,
  sameImage,
  type TableAccess,
  tableAccess,
} from './table-layout.ts'
import type { ModifierSet, TableModifier } from './table-modifier.ts'

type ForeignKey = ConstraintDescriptor & { readonly type: 'f' }

export interface ForeignKeys {
  inserted(keys: readonly Buffer[], rows: readonly Row[]): MaybePromise<void>
  updated(keys: readonly Buffer[], oldRows: readonly Row[], newRows: readonly Row[], columns: ReadonlySet<number>): MaybePromise<void>
  deleted(oldRows: readonly Row[]): MaybePromise<void>
  settle(): MaybePromise<boolean>
  reset(): void
}

const READ_BATCH = 256

/** Null when the table takes no part in any foreign key. */
export function makeForeignKeys(access: TableAccess, cx: Compilation, set: ModifierSet): ForeignKeys | null {
  const outbound = access.table.constraints.flatMap((c) => (c.type === 'f' && c.enforced ? [new Referencing(c, access, cx)] : []))
  const inbound = access.table.inboundForeignKeys.length === 0 ? [] : [access.table.inboundForeignKeys]
  if (outbound.length === 0 && inbound.length === 0) return null
  let referenced: Referenced[] | null = null
  const referencedKeys = (): Referenced[] => {
    referenced ??= access.table.inboundForeignKeys.flatMap(({ table, constraint }) => {
      const child = tableAccess(table, cx)
      const fk = child.table.constraints.find((c) => c.oid === constraint)
      return fk?.type === 'f' && fk.enforced ? [new Referenced(fk, access, child, cx, set)] : []
    })
    return referenced
  }
  const each = <T>(list: readonly T[], fn: (item: T) => MaybePromise<unknown>, from = 0): MaybePromise<void> => {
    for (let i = from; i < list.length; i++) {
      const done = fn(list[i]!)
      if (done instanceof Promise) return done.then(() => each(list, fn, i + 1))
    }
    return undefined
  }
  return {
    inserted: (keys, rows) => each(outbound, (fk) => fk.added(keys, rows)),
    updated(keys, oldRows, newRows, columns) {
      const mine = outbound.filter((fk) => fk.touchedBy(columns))
      return andThen(
        each(mine, (fk) => {
          const changed = keys.map((_, i) => i).filter((i) => fk.differs(oldRows[i]!, newRows[i]!))
          return fk.added(
            changed.map((i) => keys[i]!),
            changed.map((i) => newRows[i]!),
          )
        }),
        () => {
          for (const fk of referencedKeys()) {
            if (!fk.touchedBy(columns)) continue
            for (let i = 0; i < oldRows.length; i++) fk.removed(oldRows[i]!, newRows[i]!)
          }
        },
      )
    },
    deleted(oldRows) {
      for (const fk of referencedKeys()) for (let i = 0; i < oldRows.length; i++) fk.removed(oldRows[i]!, null)
    },
    settle() {
      let busy = false
      const run = (item: { settle(): MaybePromise<boolean> }): MaybePromise<void> =>
        andThen(item.settle(), (did) => {
          if (did) busy = true
        })
      return andThen(each(outbound, run), () => andThen(each(referenced ?? [], run), () => busy))
    },
    reset() {
      for (const fk of outbound) fk.reset()
      for (const fk of referenced ?? []) fk.reset()
    },
  }
}

const concurrentUpdate = (): PgError => new PgError(SQLSTATE.tRSerializationFailure, 'could not serialize access due to concurrent update')

/** The side that refers. */
class Referencing {
  readonly #fk: ForeignKey
  readonly #access: TableAccess
  readonly #cx: Compilation
  #parent: TableAccess | null = null
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
        const value = fitKey(row[fk.columns[i]! - 1]!, parent.descriptor.columns[target - 1]!.type)
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

interface GoneKey {
  /** Old values of the referenced columns. */
  readonly old: readonly Datum[]
  /** New values; null for a deletion. */
  readonly next: readonly Datum[] | null
}

/** The side referred to. */
class Referenced {
  readonly #fk: ForeignKey
  readonly #access: TableAccess
  readonly #child: TableAccess
  readonly #cx: Compilation
  readonly #set: ModifierSet
  #gone: GoneKey[] = []

  constructor(fk: ForeignKey, access: TableAccess, child: TableAccess, cx: Compilation, set: ModifierSet) {
    this.#fk = fk
    this.#access = access
    this.#child = child
    this.#cx = cx
    this.#set = set
  }

  touchedBy(columns: ReadonlySet<number>): boolean {
    return this.#fk.referencedColumns.some((attnum) => columns.has(attnum - 1))
  }

  removed(before: Row, after: Row | null): void {
    const columns = this.#fk.referencedColumns
    const old = columns.map((attnum) => before[attnum - 1]!)
    if (old.some((value) => value === null)) return
    const next = after === null ? null : columns.map((attnum) => after[attnum - 1]!)
    if (next?.every((value, i) => sameImage(old[i]!, value, this.#type(i), this.#cx))) return
    this.#gone.push({ old, next })
  }

  #type(i: number): Oid {
    return this.#access.descriptor.columns[this.#fk.referencedColumns[i]! - 1]!.type
  }

  reset(): void {
    this.#gone = []
  }

  settle(): MaybePromise<boolean> {
    if (this.#gone.length === 0) return false
    const gone = this.#gone
    this.#gone = []
    const { txn, store } = this.#cx.state
    const fk = this.#fk
    const refreshed = txn.isolation === 'read committed' ? txn.refreshReadTs() : undefined
    let at = 0
    const slicer = makeSlicer(this.#cx.state)
    slicer.start()
    const one = (): MaybePromise<boolean> => {
      if (at >= gone.length) return false
      const pause = slicer.pause()
      if (pause !== null) return pause.then(() => true)
      const key = gone[at++]!
      const action = key.next === null ? fk.onDelete : fk.onUpdate
      if (action === 'a' && fk.deferrable && store.deferred.isDeferred(fk.oid, fk.deferred)) {
        const later = this.#detach()
        store.deferred.add({
          constraint: fk.oid,
          relation: this.#access.descriptor.oid,
          run: (at) => later.#refuse(at, key, action),
        })
        return true
      }
      const done = action === 'a' || action === 'r' ? this.#refuse(txn, key, action) : this.#act(key, action)
      return andThen(done, () => true)
    }
    return andThen(refreshed, () => andThen(loop(one), () => true))
  }

  /**
   * The same over a compilation that nobody else will run: COMMIT may come when the statement's own serves another session. Of the set only
   * readers are used, which hold nothing of a run.
   */
  #detach(): Referenced {
    const cx = detached(this.#cx)
    const child = accessOf(this.#child.descriptor, cx)
    return new Referenced(this.#fk, accessOf(this.#access.descriptor, cx), child, cx, this.#set)
  }

  /** Throws if rows refer to the key still; another row may have taken its place (NO ACTION only). */
  #refuse(txn: Transaction, key: GoneKey, action: string): MaybePromise<void> {
    const look = (): MaybePromise<boolean> =>
      andThen(this.#children(txn, key, 1), (found) => {
        if (found.rows.length === 0) return false
        return andThen(this.#stays(txn, found), (stays) => {
          if (stays) throw this.#stillReferenced(key, action)
          return andThen(txn.refreshReadTs(), () => true)
        })
      })
    return andThen(this.#keyExists(txn, key), (exists) => {
      if (exists && action === 'a') return undefined
      return andThen(loop(look), () =>
        andThen(this.#newChildren(txn, key), (some) => {
          if (some) throw this.#stillReferenced(key, action)
        }),
      )
    })
  }

  /** Whether a row that refers to the key still does when those who are deleting or changing it have ended; 40001 if a snapshot is to stay. */
  #stays(txn: Transaction, found: { keys: Buffer[]; rows: Row[] }): MaybePromise<boolean> {
    const { store } = this.#cx.state
    if (store.autocommit) return true
    const locked = lockRows(txn, store.capabilities, found.keys, 'key share', { wait: 'block', timeoutMs: store.lockTimeoutMs })
    return andThen(locked, () =>
      andThen(txn.newest(found.keys), ([value]) => {
        if (value != null && this.#refers(found.keys[0]!, value, found.rows[0]!)) return true
        if (txn.isolation !== 'read committed') throw concurrentUpdate()
        return false
      }),
    )
  }

  /** Whether the stored row has the foreign key of `before`. */
  #refers(key: Buffer, value: Buffer, before: Row): boolean {
    const { descriptor } = this.#child
    const now = this.#set.of(descriptor.oid).reader.readPair(key, value)
    return this.#fk.columns.every((attnum) =>
      sameDatum(now[attnum - 1]!, before[attnum - 1]!, descriptor.columns[attnum - 1]!.type, this.#cx),
    )
  }

  /**
   * Above READ COMMITTED: whether rows that this snapshot does not show refer to the key. Nobody can add one any more: the key is locked. What is
   * committed now is looked through, and of that what this transaction has not itself deleted or changed.
   */
  #newChildren(txn: Transaction, key: GoneKey): MaybePromise<boolean> {
    if (txn.isolation === 'read committed') return false
    return readingNow(this.#cx, (now) =>
      andThen(this.#children(now, key, Number.POSITIVE_INFINITY), (found) =>
        andThen(txn.newest(found.keys), (values) =>
          values.some((value, i) => value !== null && this.#refers(found.keys[i]!, value, found.rows[i]!)),
        ),
      ),
    )
  }

  #keyExists(txn: Transaction, key: GoneKey): MaybePromise<boolean> {
    const { layout, indexes } = this.#access
    const row: Row = new Array<Datum>(layout.columns.length).fill(null)
    this.#fk.referencedColumns.forEach((attnum, i) => {
      row[attnum - 1] = key.old[i]!
    })
    const lookup = uniqueKey(layout, indexes.get(this.#fk.referencedIndex)?.layout ?? null, row)
    return lookup === null ? false : andThen(txn.get(lookup), (value) => value !== null)
  }

  #stillReferenced(key: GoneKey, action: string): PgError {
    const fk = this.#fk
    const parent = this.#access.descriptor
    const child = this.#child.descriptor
    const columns = fk.referencedColumns.map((attnum, i) => ({
      name: parent.columns[attnum - 1]!.name,
      type: this.#type(i),
      value: key.old[i]!,
    }))
    const restrict = action === 'r'
    const message = restrict
      ? `update or delete on table "${parent.name}" violates RESTRICT setting of foreign key constraint "${fk.name}" on table "${child.name}"`
      : `update or delete on table "${parent.name}" violates foreign key constraint "${fk.name}" on table "${child.name}"`
    return new PgError(restrict ? SQLSTATE.restrictViolation : SQLSTATE.foreignKeyViolation, message, {
      detail: `${mayRead(parent, fk.referencedColumns, this.#cx) ? keyDetail(columns, this.#cx) : 'Key'} is ${restrict ? '' : 'still '}referenced from table "${child.name}".`,
      ...relationFields(child, this.#cx),
      constraint: fk.name,
    })
  }

  /** CASCADE, SET NULL, SET DEFAULT. */
  #act(key: GoneKey, action: string): MaybePromise<void> {
    const modifier = this.#set.of(this.#child.descriptor.oid)
    if (action === 'c' || action === 'n') return this.#actOn(modifier, key, action, null)
    return andThen(this.#defaults(), (values) => {
      // Rows that keep their key: nothing to write, but the key has to be there.
      const only = this.#setColumns(key)
      const same = this.#fk.columns.every((attnum, i) => !only.has(attnum) || this.#same(values[i]!, key.old[i]!, i))
      return same ? this.#refuse(this.#cx.state.txn, key, 'a') : this.#actOn(modifier, key, action, values)
    })
  }

  #same(value: Datum, old: Datum, i: number): boolean {
    const { type } = this.#child.descriptor.columns[this.#fk.columns[i]! - 1]!
    return old !== null && sameDatum(value, fitKey(old, type), type, this.#cx)
  }

  /** attnums that SET NULL or SET DEFAULT gives a value. */
  #setColumns(key: GoneKey): ReadonlySet<number> {
    const fk = this.#fk
    return new Set(key.next === null && fk.deleteSetColumns.length > 0 ? fk.deleteSetColumns : fk.columns)
  }

  #defaults(): MaybePromise<Datum[]> {
    const { columns } = this.#child.descriptor
    const values = this.#fk.columns.map((attnum): MaybePromise<Datum> => {
      const column = columns[attnum - 1]!
      return column.default === null ? null : compileExpr(readStored(column.default.expr, this.#cx), FULL_ROW_SCOPE, this.#cx).eval([])
    })
    return values.some((value) => value instanceof Promise) ? Promise.all(values) : (values as Datum[])
  }

  /** Portion by portion: each takes its rows out of the key's way, so that the next begins behind them. */
  #actOn(modifier: TableModifier, key: GoneKey, action: string, values: readonly Datum[] | null): MaybePromise<void> {
    const again = (): MaybePromise<boolean> =>
      andThen(this.#children(this.#cx.state.txn, key, READ_BATCH), (found) => {
        if (found.rows.length === 0) return this.#noneAppeared(key)
        return andThen(this.#lockChildren(found), (unchanged) => {
          // Somebody changed one of them while we waited: look again.
          if (!unchanged) return andThen(this.#cx.state.txn.refreshReadTs(), () => true)
          const more = found.rows.length === READ_BATCH
          if (action === 'c' && key.next === null) return andThen(modifier.delete(found.keys, found.rows), () => more)
          return andThen(this.#updateChildren(modifier, found, key, action === 'c' ? key.next! : values), () => more)
        })
      })
    return loop(again)
  }

  /** False, or 40001: what this snapshot does not show cannot be acted on. */
  #noneAppeared(key: GoneKey): MaybePromise<false> {
    return andThen(this.#newChildren(this.#cx.state.txn, key), (some) => {
      if (some) throw concurrentUpdate()
      return false
    })
  }

  /** Whether they are as they were read. */
  #lockChildren(found: { keys: Buffer[] }): MaybePromise<boolean> {
    const { txn, store } = this.#cx.state
    if (store.autocommit) return true
    const locked = lockRows(txn, store.capabilities, found.keys, 'update', { wait: 'block', timeoutMs: store.lockTimeoutMs })
    return andThen(locked, ({ status }) => status.every((one) => one === LOCKED))
  }

  /** `values`: one per column of the key; null = NULLs. */
  #updateChildren(
    modifier: TableModifier,
    found: { keys: Buffer[]; rows: Row[] },
    key: GoneKey,
    values: readonly Datum[] | null,
  ): MaybePromise<unknown> {
    const { columns } = this.#fk
    const only = this.#setColumns(key)
    const changed = new Set([...only].map((attnum) => attnum - 1))
    const rows = found.rows.map((row) => {
      const next = row.slice()
      columns.forEach((attnum, i) => {
        if (only.has(attnum)) next[attnum - 1] = values === null ? null : values[i]!
      })
      return next
    })
    return modifier.update(found.keys, found.rows, rows, changed)
  }

  /** Rows that refer to the key, by an index that begins with the referencing columns, or by looking at all. */
  #children(txn: Transaction, key: GoneKey, limit: number): MaybePromise<{ keys: Buffer[]; rows: Row[] }> {
    const child = this.#child
    const fk = this.#fk
    const { reader } = this.#set.of(child.descriptor.oid)
    const values = fk.columns.map((attnum, i) => fitKey(key.old[i]!, child.descriptor.columns[attnum - 1]!.type))
    const found = { keys: [] as Buffer[], rows: [] as Row[] }
    if (values.some((value) => value === null)) return found
    const wanted = new Map(fk.columns.map((attnum, i) => [attnum, values[i]!]))
    const scanner = this.#openScan(txn, wanted, reader)
    const matches = (row: Row): boolean =>
      fk.columns.every((attnum) => {
        const value = row[attnum - 1]!
        return value !== null && sameDatum(value, wanted.get(attnum)!, child.descriptor.columns[attnum - 1]!.type, this.#cx)
      })
    const step = (): MaybePromise<boolean> =>
      andThen(scanner.next(), (batch) => {
        if (batch === null) return false
        this.#cx.state.rowsExamined += batch.rows.length
        for (let i = 0; i < batch.rows.length && found.rows.length < limit; i++) {
          if (!matches(batch.rows[i]!)) continue
          found.rows.push(batch.rows[i]!)
          found.keys.push(batch.keys![i]!)
        }
        return found.rows.length < limit
      })
    return andThen(loop(step), () => {
      scanner.close()
      return found
    })
  }

  #openScan(txn: Transaction, wanted: ReadonlyMap<number, Datum>, reader: TableModifier['reader']): RowScanner {
    const { layout, table, indexes } = this.#child
    for (const index of table.indexes) {
      if (index.state !== 'public' || index.predicate !== null) continue
      const leading = index.columns.slice(0, wanted.size)
      if (leading.length < wanted.size || !leading.every((column) => wanted.has(column.attnum))) continue
      const equal = leading.map((column) => wanted.get(column.attnum)!)
      const indexLayout = indexes.get(index.oid)!.layout
      if (indexLayout === null) {
        const range = scanRange(rowPrefix(layout.id), layout.primaryKey!, equal, null)
        return scanTable(txn, reader, { range, withKeys: true })
      }
      const range = scanRange(indexPrefix(layout.id, indexLayout.id), indexLayout.parts, equal, null)
      return scanIndex(txn, layout, indexLayout, reader, { range, withKeys: true })
    }
    return scanTable(txn, reader, { range: rowRange(layout.id), withKeys: true })
  }
}
