// Writing rows with their index entries. The caller has locked the rows it updates or deletes (locks.ts), or runs an autocommit transaction;
// unique keys are locked here, by inserting them. // hot

import type { Row } from '../../base/datum.ts'
import type { PgError } from '../../base/errors.ts'
import { andThen, loop, type MaybePromise } from '../../base/maybe-promise.ts'
import { KvError } from '../kv-error.ts'
import { LOCKED_CHANGED, type LockOptions, type Transaction } from '../store.ts'
import { type IndexKey, indexKey, keyLockOf, rowKey } from './keys.ts'
import type { IndexLayout, TableLayout } from './layout.ts'
import { compileRowEncoder, encodeEntry, type RowEncoder, rowKeyInValue, storedOrdinals } from './row-codec.ts'
import { entryStands, rowStands } from './standing.ts'
import { uniqueKey } from './table-reader.ts'

export interface Conflict {
  /** Position of the row in the call. */
  readonly row: number
  /** Null = the primary key. */
  readonly index: IndexLayout | null
  /** Key of the row that is there. */
  readonly key: Buffer
  /** The key they have in common: the row's own, or the index's. */
  readonly found: Buffer
}

export interface TableWriter {
  readonly layout: TableLayout
  /**
   * Inserts rows (all columns, by ordinal) and answers their keys. `rowIds`: hidden row ids, one per row, for tables without a primary key.
   * A duplicate is the index's own violation (23505).
   */
  insert(txn: Transaction, rows: readonly Row[], rowIds: readonly number[] | null): MaybePromise<Buffer[]>
  /**
   * New versions of rows; answers their keys, which differ where the primary key changed. `oldRows` and `newRows` hold all columns. Unique
   * keys are judged row by row in the order given: one that only a later row of the call gives up is taken (23505).
   */
  update(txn: Transaction, keys: readonly Buffer[], oldRows: readonly Row[], newRows: readonly Row[]): MaybePromise<Buffer[]>
  delete(txn: Transaction, keys: readonly Buffer[], oldRows: readonly Row[]): MaybePromise<void>
  /**
   * ON CONFLICT: locks the rows' unique keys in the arbiters (null = the primary key) and answers the rows that are in the way, newest
   * committed version or own. A row without one may be inserted afterwards without fear of another.
   */
  findConflicts(
    txn: Transaction,
    rows: readonly Row[],
    arbiters: readonly (IndexLayout | null)[],
    waiting: Pick<LockOptions, 'wait' | 'timeoutMs'>,
  ): MaybePromise<Conflict[]>
  /** Entries of one index for rows that exist (index builds); unique ones are checked. */
  backfill(txn: Transaction, index: IndexLayout, keys: readonly Buffer[], rows: readonly Row[]): MaybePromise<void>
}

/** Unique keys to insert in one step, and what to say if one of them exists. */
class Inserts {
  readonly keys: Buffer[] = []
  readonly values: Buffer[] = []
  readonly rows: Row[] = []
  readonly indexes: (IndexLayout | null)[] = []

  add(key: Buffer, value: Buffer, row: Row, index: IndexLayout | null): void {
    this.keys.push(key)
    this.values.push(value)
    this.rows.push(row)
    this.indexes.push(index)
  }

  get size(): number {
    return this.keys.length
  }

  truncate(size: number): void {
    this.keys.length = size
    this.values.length = size
    this.rows.length = size
    this.indexes.length = size
  }

  violationAt(at: number, layout: TableLayout): PgError | null {
    const index = this.indexes[at]!
    const violation: ((row: Row) => PgError) | null = index === null ? layout.primaryKeyViolation : index.violation
    return violation === null ? null : violation(this.rows[at]!)
  }

  /** The violation that a KvError 'alreadyExists' stands for. */
  violation(layout: TableLayout, error: unknown): unknown {
    if (!(error instanceof KvError) || error.kind !== 'alreadyExists' || error.key === null) return error
    const { key } = error
    const at = this.keys.findIndex((own) => Buffer.compare(own, key) === 0)
    if (at < 0) return error
    return this.violationAt(at, layout) ?? error
  }

  run(txn: Transaction, layout: TableLayout): MaybePromise<void> {
    if (this.keys.length === 0) return undefined
    // Rows are locked at their own keys; entries of other indexes only by those who insert them.
    const stands = (key: Uint8Array, isHeld: boolean): MaybePromise<boolean> => {
      const at = this.keys.findIndex((own) => own.equals(key))
      const own = this.keys[at]!
      if (this.indexes[at] === null) return !isHeld || rowStands(txn, own, txn.lockTimeoutMs)
      return !isHeld && entryStands(txn, layout, own, txn.lockTimeoutMs)
    }
    try {
      const inserted = txn.insertMany(this.keys, this.values, stands)
      if (!(inserted instanceof Promise)) return undefined
      return inserted.catch((error: unknown) => {
        throw this.violation(layout, error)
      })
    } catch (error) {
      throw this.violation(layout, error)
    }
  }
}

/** Which row of an update gives up which unique key, and which takes which: a key is free only for the rows after the one that had it. */
class KeyMoves {
  readonly #freed = new Map<string, number>()
  /** Row of each of the call's inserts, in their order. */
  readonly #takers: number[] = []

  free(key: Buffer, row: number): void {
    this.#freed.set(key.latin1Slice(), row)
  }

  /** Says which row the inserts added since belong to. */
  take(inserts: Inserts, row: number): void {
    while (this.#takers.length < inserts.size) this.#takers.push(row)
  }

  /** The first insert whose key was not free at its row's turn; -1 = none. */
  firstConflict(inserts: Inserts): number {
    if (this.#freed.size === 0) return -1
    return inserts.keys.findIndex((key, i) => (this.#freed.get(key.latin1Slice()) ?? -1) > this.#takers[i]!)
  }
}

/** Ordinary puts and deletes in order, waiting only where the store does. */
class Changes {
  readonly #keys: Buffer[] = []
  readonly #values: (Buffer | null)[] = []

  put(key: Buffer, value: Buffer): void {
    this.#keys.push(key)
    this.#values.push(value)
  }

  delete(key: Buffer): void {
    this.#keys.push(key)
    this.#values.push(null)
  }

  run(txn: Transaction): MaybePromise<void> {
    const keys = this.#keys
    const values = this.#values
    let i = 0
    const step = (): MaybePromise<boolean> => {
      while (i < keys.length) {
        const value = values[i]!
        const key = keys[i++]!
        const written = value === null ? txn.delete(key) : txn.put(key, value)
        if (written instanceof Promise) return written.then(() => true)
      }
      return false
    }
    return loop(step)
  }
}

const oneKeyLock = (rowKey: Buffer): readonly Buffer[] => [keyLockOf(rowKey)]

/** `keyLocksOf`: the keys of a row's key lock on the store that is written to (locks.ts). */
export function compileTableWriter(layout: TableLayout, keyLocksOf: (rowKey: Buffer) => readonly Buffer[] = oneKeyLock): TableWriter {
  const encoder = compileRowEncoder(layout, storedOrdinals(layout))
  const included = new Map<IndexLayout, RowEncoder>()
  for (const index of layout.indexes) if (index.include.length > 0) included.set(index, compileRowEncoder(layout, index.include))

  const entryOf = (index: IndexLayout, row: Row, key: Buffer): IndexKey | null =>
    index.predicate !== null && !index.predicate(row) ? null : indexKey(layout, index, row, key)

  const entryValue = (index: IndexLayout, entry: IndexKey, row: Row, key: Buffer): Buffer => {
    const more = included.get(index)
    return Buffer.from(encodeEntry(entry.unique ? key : null, more === undefined ? null : more.encode(row)))
  }

  const addEntry = (index: IndexLayout, row: Row, key: Buffer, inserts: Inserts, changes: Changes): void => {
    if (!index.writes) return
    const entry = entryOf(index, row, key)
    if (entry === null) return
    const value = entryValue(index, entry, row, key)
    if (entry.unique) inserts.add(entry.key, value, row, index)
    else changes.put(entry.key, value)
  }

  const sameValues = (index: IndexLayout, before: Row, after: Row): boolean => {
    for (const part of index.parts) if (part.column < 0 || before[part.column] !== after[part.column]) return false
    for (const ordinal of index.include) if (before[ordinal] !== after[ordinal]) return false
    return index.predicate === null
  }

  const insert = (txn: Transaction, rows: readonly Row[], rowIds: readonly number[] | null): MaybePromise<Buffer[]> => {
    const inserts = new Inserts()
    const changes = new Changes()
    const keys: Buffer[] = new Array(rows.length)
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      const key = rowKey(layout, row, rowIds === null ? 0 : rowIds[i]!)
      keys[i] = key
      // a hidden row id is new by construction
      if (layout.primaryKey === null) changes.put(key, encoder.encode(row))
      else inserts.add(key, encoder.encode(row), row, null)
      for (const index of layout.indexes) addEntry(index, row, key, inserts, changes)
    }
    return andThen(inserts.run(txn, layout), () => andThen(changes.run(txn), () => keys))
  }

  const update = (txn: Transaction, keys: readonly Buffer[], oldRows: readonly Row[], newRows: readonly Row[]): MaybePromise<Buffer[]> => {
    const removals = new Changes()
    const inserts = new Inserts()
    const changes = new Changes()
    const newKeys: Buffer[] = new Array(keys.length)
    const moves = keys.length > 1 ? new KeyMoves() : null
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      const before = oldRows[i]!
      const after = newRows[i]!
      const newKey = layout.primaryKey === null ? key : rowKey(layout, after, 0)
      const moved = Buffer.compare(key, newKey) !== 0
      newKeys[i] = moved ? newKey : key
      let keyChanged = moved
      if (moved) {
        removals.delete(key)
        moves?.free(key, i)
        inserts.add(newKey, encoder.encode(after), after, null)
      } else changes.put(key, encoder.encode(after))
      for (const index of layout.indexes) {
        if (!moved && sameValues(index, before, after)) continue
        const old = entryOf(index, before, key)
        const fresh = index.writes ? entryOf(index, after, newKey) : null
        if (old !== null && fresh !== null && Buffer.compare(old.key, fresh.key) === 0) {
          if (moved || index.include.length > 0) changes.put(fresh.key, entryValue(index, fresh, after, newKey))
          continue
        }
        if (index.unique) keyChanged = true
        if (old !== null) {
          removals.delete(old.key)
          if (old.unique) moves?.free(old.key, i)
        }
        if (fresh === null) continue
        const value = entryValue(index, fresh, after, newKey)
        if (fresh.unique) inserts.add(fresh.key, value, after, index)
        else changes.put(fresh.key, value)
      }
      if (layout.referenced && keyChanged) for (const lock of keyLocksOf(key)) removals.delete(lock)
      moves?.take(inserts, i)
    }
    const conflict = moves === null ? -1 : moves.firstConflict(inserts)
    const violation = conflict < 0 ? null : inserts.violationAt(conflict, layout)
    // What comes before it may meet a duplicate of its own.
    if (violation !== null) inserts.truncate(conflict)
    return andThen(removals.run(txn), () => {
      if (violation === null) return andThen(inserts.run(txn, layout), () => andThen(changes.run(txn), () => newKeys))
      return andThen(txn.batchGet(inserts.keys), (values) => {
        const at = values.findIndex((value) => value !== null)
        throw at < 0 ? violation : (inserts.violationAt(at, layout) ?? violation)
      })
    })
  }

  const remove = (txn: Transaction, keys: readonly Buffer[], oldRows: readonly Row[]): MaybePromise<void> => {
    const removals = new Changes()
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!
      removals.delete(key)
      for (const index of layout.indexes) {
        const entry = entryOf(index, oldRows[i]!, key)
        if (entry !== null) removals.delete(entry.key)
      }
      // a version at the key lock tells those who hold it next that the key is gone
      if (layout.referenced) for (const lock of keyLocksOf(key)) removals.delete(lock)
    }
    return removals.run(txn)
  }

  const findConflicts = (
    txn: Transaction,
    rows: readonly Row[],
    arbiters: readonly (IndexLayout | null)[],
    waiting: Pick<LockOptions, 'wait' | 'timeoutMs'>,
  ): MaybePromise<Conflict[]> => {
    const keys: Buffer[] = []
    const owners: { row: number; index: IndexLayout | null }[] = []
    for (let i = 0; i < rows.length; i++) {
      for (const index of arbiters) {
        const key = uniqueKey(layout, index, rows[i]!)
        if (key === null) continue
        keys.push(key)
        owners.push({ row: i, index })
      }
    }
    if (keys.length === 0) return []
    return andThen(txn.lockKeys(keys, { ...waiting, mode: 'exclusive', returnValues: true, onChange: 'tell' }), ({ status, values }) => {
      const conflicts: Conflict[] = []
      for (let i = 0; i < keys.length; i++) {
        const value = values![i]!
        // What has gone since the snapshot is not in the way.
        if (value === null) continue
        if (status[i] === LOCKED_CHANGED && txn.isolation !== 'read committed') {
          throw new KvError('writeConflict', 'could not serialize access due to concurrent update', { key: keys[i]!, retryable: true })
        }
        const { row, index } = owners[i]!
        conflicts.push({ row, index, key: index === null ? keys[i]! : rowKeyInValue(layout, value), found: keys[i]! })
      }
      return conflicts
    })
  }

  const backfill = (txn: Transaction, index: IndexLayout, keys: readonly Buffer[], rows: readonly Row[]): MaybePromise<void> => {
    const inserts = new Inserts()
    const changes = new Changes()
    if (index.include.length > 0 && !included.has(index)) included.set(index, compileRowEncoder(layout, index.include))
    for (let i = 0; i < keys.length; i++) addEntry(index, rows[i]!, keys[i]!, inserts, changes)
    return andThen(inserts.run(txn, layout), () => changes.run(txn))
  }

  return { layout, insert, update, delete: remove, findConflicts, backfill }
}
