// Reading tables and indexes: scans in batches of rows, look-ups by key. Everything is synchronous when the store is. // hot

import { copyOf } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { KeyRange, KvBatch, Scanner, Transaction } from '../store.ts'
import { indexKey, rowKey } from './keys.ts'
import type { IndexLayout, TableLayout } from './layout.ts'
import { compileEntryReader, type EntryReader, type RowReader, rowKeyInValue } from './row-codec.ts'

export interface RowScanOptions {
  readonly range: KeyRange
  readonly reverse?: boolean
  /** Rows wanted at most. */
  readonly limit?: number
  /** Also answer each row's key (for UPDATE, DELETE, row locks). */
  readonly withKeys?: boolean
}

/** Rows are fresh; the arrays are the scanner's until its next call. */
export interface RowBatch {
  readonly rows: Row[]
  /** Row keys, if asked for. */
  readonly keys: Buffer[] | null
}

export interface RowScanner {
  next(): MaybePromise<RowBatch | null>
  close(): void
}

function scanRows(scanner: Scanner, read: (batch: KvBatch) => MaybePromise<RowBatch>): RowScanner {
  const convert = (batch: KvBatch | null): MaybePromise<RowBatch | null> => (batch === null ? null : read(batch))
  return {
    next() {
      const batch = scanner.next()
      return batch instanceof Promise ? batch.then(convert) : convert(batch)
    },
    close: () => scanner.close(),
  }
}

/** Rows of a table in key order. */
export function scanTable(txn: Transaction, reader: RowReader, options: RowScanOptions): RowScanner {
  const withKeys = options.withKeys === true
  const scanner = txn.scan(options.range, scanOptions(options, reader.width === 0))
  return scanRows(scanner, ({ count, data, bounds }) => {
    const rows: Row[] = new Array(count)
    const keys: Buffer[] | null = withKeys ? new Array(count) : null
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      rows[i] = reader.read(data, bounds[at]!, bounds[at + 1]!, bounds[at + 2]!, bounds[at + 3]!)
      if (keys !== null) keys[i] = copyOf(data, bounds[at]!, bounds[at + 1]!)
    }
    return { rows, keys }
  })
}

function scanOptions(options: RowScanOptions, keysOnly: boolean): { reverse: boolean; keysOnly: boolean; limit?: number } {
  const base = { reverse: options.reverse === true, keysOnly }
  return options.limit === undefined ? base : { ...base, limit: options.limit }
}

/** Index-only: rows made from the entries of an index, in index order. `entry` compiled with compileEntryReader. */
export function scanIndexOnly(txn: Transaction, entry: EntryReader, options: RowScanOptions): RowScanner {
  const withKeys = options.withKeys === true
  const scanner = txn.scan(options.range, scanOptions(options, false))
  return scanRows(scanner, ({ count, data, bounds }) => {
    const rows: Row[] = new Array(count)
    const keys: Buffer[] | null = withKeys ? new Array(count) : null
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      rows[i] = entry.read(data, bounds[at]!, bounds[at + 1]!, bounds[at + 2]!, bounds[at + 3]!)
      if (keys !== null) keys[i] = entry.rowKey(data, bounds[at]!, bounds[at + 1]!, bounds[at + 2]!, bounds[at + 3]!)
    }
    return { rows, keys }
  })
}

/** Rows of a table in the order of an index: entries in batches, their rows by one batchGet each. */
export function scanIndex(
  txn: Transaction,
  layout: TableLayout,
  index: IndexLayout,
  reader: RowReader,
  options: RowScanOptions,
): RowScanner {
  const entry = compileEntryReader(layout, index, [])
  const withKeys = options.withKeys === true
  const scanner = txn.scan(options.range, scanOptions(options, false))
  return scanRows(scanner, ({ count, data, bounds }) => {
    const keys: Buffer[] = new Array(count)
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      keys[i] = entry.rowKey(data, bounds[at]!, bounds[at + 1]!, bounds[at + 2]!, bounds[at + 3]!)
    }
    return andThen(txn.batchGet(keys), (values) => {
      const rows: Row[] = []
      const found: Buffer[] | null = withKeys ? [] : null
      for (let i = 0; i < count; i++) {
        const value = values[i]!
        // a READ COMMITTED snapshot never changes within a statement: an entry without its row is an own deletion under way
        if (value === null) continue
        rows.push(reader.readPair(keys[i]!, value))
        found?.push(keys[i]!)
      }
      return { rows, keys: found }
    })
  })
}

/** Rows by their keys; null where there is none. */
export function getRows(txn: Transaction, reader: RowReader, keys: readonly Buffer[]): MaybePromise<(Row | null)[]> {
  if (keys.length === 1) {
    const key = keys[0]!
    return andThen(txn.get(key), (value) => [value === null ? null : reader.readPair(key, value)])
  }
  return andThen(txn.batchGet(keys), (values) => values.map((value, i) => (value === null ? null : reader.readPair(keys[i]!, value))))
}

/** One row by its key. */
export function getRow(txn: Transaction, reader: RowReader, key: Buffer): MaybePromise<Row | null> {
  const value = txn.get(key)
  if (value instanceof Promise) return value.then((bytes) => (bytes === null ? null : reader.readPair(key, bytes)))
  return value === null ? null : reader.readPair(key, value)
}

const NO_KEY = Buffer.alloc(6)

/**
 * Keys of the rows that have the given rows' values in a unique index (null = the primary key), or null. A row whose indexed columns hold a NULL
 * that makes it distinct from every other answers null, as does one outside a partial index.
 */
export function findByUnique(
  txn: Transaction,
  layout: TableLayout,
  index: IndexLayout | null,
  rows: readonly Row[],
): MaybePromise<(Buffer | null)[]> {
  const wanted: Buffer[] = []
  const places: number[] = []
  for (let i = 0; i < rows.length; i++) {
    const key = uniqueKey(layout, index, rows[i]!)
    if (key === null) continue
    wanted.push(key)
    places.push(i)
  }
  const found: (Buffer | null)[] = new Array(rows.length).fill(null)
  if (wanted.length === 0) return found
  return andThen(txn.batchGet(wanted), (values) => {
    for (let i = 0; i < wanted.length; i++) {
      const value = values[i]!
      if (value !== null) found[places[i]!] = index === null ? wanted[i]! : rowKeyInValue(layout, value)
    }
    return found
  })
}

/** The key whose existence means a duplicate; null when the row cannot be one. */
export function uniqueKey(layout: TableLayout, index: IndexLayout | null, row: Row): Buffer | null {
  if (index === null) return rowKey(layout, row, 0)
  if (index.predicate !== null && !index.predicate(row)) return null
  const { key, unique } = indexKey(layout, index, row, NO_KEY)
  return unique ? key : null
}
