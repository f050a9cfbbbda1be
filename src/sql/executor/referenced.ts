// The side of a foreign key that is referred to: what happens to the rows that refer to a key that went away.

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { scanRange } from '../../storage/rows/key-codec.ts'
import { indexPrefix, rowPrefix, rowRange } from '../../storage/rows/keys.ts'
import { lockRows } from '../../storage/rows/locks.ts'
import { type RowScanner, scanIndex, scanTable, uniqueKey } from '../../storage/rows/table-reader.ts'
import { LOCKED, type Transaction } from '../../storage/store.ts'
import { type Compilation, detached } from './compilation.ts'
import { compileExpr } from './expr/compile.ts'
import { assignedKey, isManyToOne, type KeyConversion, keyConversion } from './key-conversion.ts'
import type { ModifierSet, TableModifier } from './modifier-set.ts'
import { readingNow } from './read-now.ts'
import { concurrentUpdate, type ForeignKey } from './referencing.ts'
import { relationFields } from './row-checks.ts'
import { accessOf, FULL_ROW_SCOPE, keyDetail, mayRead, readStored, sameDatum, sameImage, type TableAccess } from './table-layout.ts'

const READ_BATCH = 256

interface GoneKey {
  /** Old values of the referenced columns. */
  readonly old: readonly Datum[]
  /** New values; null for a deletion. */
  readonly next: readonly Datum[] | null
}

/** The side referred to. */
export class Referenced {
  readonly #fk: ForeignKey
  readonly #access: TableAccess
  readonly #child: TableAccess
  readonly #cx: Compilation
  readonly #set: ModifierSet
  /** Of the key's columns, into the referring ones' types. */
  readonly #conversions: readonly KeyConversion[]
  /** Of the referring columns, into the key's types. */
  readonly #childConversions: readonly KeyConversion[]
  /** Values that an index has at several places may refer to one key. */
  readonly #lookAtAll: boolean
  #gone: GoneKey[] = []

  constructor(fk: ForeignKey, access: TableAccess, child: TableAccess, cx: Compilation, set: ModifierSet) {
    this.#fk = fk
    this.#access = access
    this.#child = child
    this.#cx = cx
    this.#set = set
    const childType = (i: number): Oid => child.descriptor.columns[fk.columns[i]! - 1]!.type
    this.#conversions = fk.columns.map((_, i) => keyConversion(this.#type(i), childType(i), cx))
    this.#childConversions = fk.columns.map((_, i) => keyConversion(childType(i), this.#type(i), cx))
    this.#lookAtAll = fk.columns.some((_, i) => isManyToOne(childType(i), this.#type(i), cx))
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

  /** A key's new values as the referring columns take them. */
  #assigned(next: readonly Datum[]): Datum[] {
    const fk = this.#fk
    return next.map((value, i) => {
      const from = this.#access.descriptor.columns[fk.referencedColumns[i]! - 1]!
      return assignedKey(value, from, this.#child.descriptor.columns[fk.columns[i]! - 1]!, this.#cx)
    })
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
    return old !== null && sameDatum(value, this.#conversions[i]!(old), type, this.#cx)
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
          return andThen(this.#updateChildren(modifier, found, key, action === 'c' ? this.#assigned(key.next!) : values), () => more)
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
    const locked = lockRows(txn, store.capabilities, found.keys, 'removal', { wait: 'block', timeoutMs: store.lockTimeoutMs })
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

  /**
   * Rows that refer to the key, by an index that begins with the referencing columns, or by looking at all. Above READ COMMITTED without those that
   * somebody has changed since the snapshot and that no longer refer: PostgreSQL looks at what is committed now.
   */
  #children(txn: Transaction, key: GoneKey, limit: number): MaybePromise<{ keys: Buffer[]; rows: Row[] }> {
    const child = this.#child
    const fk = this.#fk
    const { reader } = this.#set.of(child.descriptor.oid)
    const values = fk.columns.map((_, i) => this.#conversions[i]!(key.old[i]!))
    const found = { keys: [] as Buffer[], rows: [] as Row[] }
    if (values.some((value) => value === null)) return found
    const wanted = new Map(this.#lookAtAll ? [] : fk.columns.map((attnum, i) => [attnum, values[i]!]))
    const scanner = this.#openScan(txn, wanted, reader)
    const matches = (row: Row): boolean =>
      fk.columns.every((attnum, i) => {
        const value = row[attnum - 1]!
        return value !== null && sameDatum(this.#childConversions[i]!(value), key.old[i]!, this.#type(i), this.#cx)
      })
    const step = (): MaybePromise<boolean> =>
      andThen(scanner.next(), (batch) => {
        if (batch === null) return false
        this.#cx.state.rowsExamined += batch.rows.length
        const at = batch.rows.flatMap((row, i) => (matches(row) ? [i] : []))
        return andThen(this.#still(txn, batch.keys!, batch.rows, at), (still) => {
          for (const i of still.slice(0, limit - found.rows.length)) {
            found.rows.push(batch.rows[i]!)
            found.keys.push(batch.keys![i]!)
          }
          return found.rows.length < limit
        })
      })
    return andThen(loop(step), () => {
      scanner.close()
      return found
    })
  }

  /** Of the rows at these places those that refer to the key now, too. */
  #still(txn: Transaction, keys: readonly Buffer[], rows: readonly Row[], at: readonly number[]): MaybePromise<readonly number[]> {
    if (txn.isolation === 'read committed' || at.length === 0) return at
    return andThen(txn.newest(at.map((i) => keys[i]!)), (values) =>
      at.filter((i, n) => values[n] !== null && this.#refers(keys[i]!, values[n]!, rows[i]!)),
    )
  }

  #openScan(txn: Transaction, wanted: ReadonlyMap<number, Datum>, reader: TableModifier['reader']): RowScanner {
    const { layout, table, indexes } = this.#child
    for (const index of table.indexes) {
      if (index.state !== 'public' || index.predicate !== null) continue
      const leading = index.columns.slice(0, wanted.size)
      if (wanted.size === 0 || leading.length < wanted.size || !leading.every((column) => wanted.has(column.attnum))) continue
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
