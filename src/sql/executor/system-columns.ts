// System columns of stored rows. tableoid is the table's. ctid is the row's place in the table's own order: the hidden row id, or the value
// of a primary key of one integer column; a row keeps it for life. xmin is a digest of the stored row: it differs when the row's content
// does, which is what optimistic locking asks of it. xmax is 0: what can be read has not been deleted. cmin and cmax have no like here. // hot

import type { Datum, Row } from '../../base/datum.ts'
import { notSupported } from '../../base/errors.ts'
import { rowKey } from '../../storage/rows/keys.ts'
import { compileRowEncoder, compileRowReader, type RowReader, storedOrdinals } from '../../storage/rows/row-codec.ts'
import { CTID_ATTNO, TABLE_OID_ATTNO, XMAX_ATTNO, XMIN_ATTNO } from '../planner/plan.ts'
import { hashBytes } from '../types/hash.ts'
import { fitKey } from './key-bounds.ts'
import type { TableAccess } from './table-layout.ts'

/** Below these are PostgreSQL's special transaction numbers. */
const FIRST_NORMAL_XID = 3
const INTEGERS: ReadonlySet<number> = new Set([20, 21, 23])
/** A tid has 48 bits: negative numbers take the upper half. */
const TID_RANGE = 2 ** 48

const isImplemented = (attno: number): boolean =>
  attno === CTID_ATTNO || attno === XMIN_ATTNO || attno === XMAX_ATTNO || attno === TABLE_OID_ATTNO

export function checkSystemColumn(attno: number): void {
  if (!isImplemented(attno)) throw notSupported('system columns cmin and cmax are not supported', 'ctid, xmin, xmax and tableoid are.')
}

export const xminOf = (stored: Uint8Array): number => Math.max(hashBytes(stored), FIRST_NORMAL_XID)

const tidText = (n: number): string => `(${Math.floor(n / 65536)},${n % 65536})`

export interface TidMap {
  /** The tid of the row that lies under this key. */
  tidOf(key: Buffer): string
  /** The key a tid stands for; null when no row can have it. */
  keyOf(tid: string): Buffer | null
}

/** 0A000 for a table whose rows have keys of another kind than numbers. */
export function tidMap({ layout, descriptor }: TableAccess): TidMap {
  const parts = layout.primaryKey
  const numberOf = (tid: string): number => {
    const comma = tid.indexOf(',')
    return Number(tid.slice(1, comma)) * 65536 + Number(tid.slice(comma + 1, -1))
  }
  if (parts === null) {
    return {
      tidOf: (key) => tidText(key.readUIntBE(key.length - 6, 6)),
      keyOf: (tid) => rowKey(layout, [], numberOf(tid)),
    }
  }
  const [part] = parts
  if (parts.length > 1 || !INTEGERS.has(descriptor.columns[part!.column]!.type))
    throw notSupported(
      `ctid of table "${descriptor.name}" is not supported`,
      'A table has one if it has no primary key or one of a single integer column. Use the primary key.',
    )
  const { column } = part!
  const reader = compileRowReader(layout, [column])
  const noValue = Buffer.alloc(0)
  return {
    tidOf(key) {
      const value = reader.readPair(key, noValue)[0] as number | bigint
      if (value < -(TID_RANGE / 2) || value >= TID_RANGE / 2)
        throw notSupported(`ctid of a row with the key ${value} is not supported`, 'Use the primary key.')
      return tidText(Number(value) + (value < 0 ? TID_RANGE : 0))
    },
    keyOf(tid) {
      const n = numberOf(tid)
      const value = fitKey(n < TID_RANGE / 2 ? n : n - TID_RANGE, descriptor.columns[column]!.type)
      if (value === null) return null
      const row: Datum[] = []
      row[column] = value
      return rowKey(layout, row, 0)
    },
  }
}

/** The reader of a scan that also wants system columns: they follow the wanted ones, in the order of `attnos`. */
export function withSystemColumns(reader: RowReader, attnos: readonly number[], access: TableAccess): RowReader {
  if (attnos.length === 0) return reader
  const tids = attnos.includes(CTID_ATTNO) ? tidMap(access) : null
  const append = (row: Row, key: Buffer | null, value: Buffer | null): Row => {
    for (let i = 0; i < attnos.length; i++) {
      const attno = attnos[i]!
      row.push(attno === CTID_ATTNO ? tids!.tidOf(key!) : attno === XMIN_ATTNO ? xminOf(value!) : 0)
    }
    return row
  }
  return {
    width: reader.width + attnos.length,
    read: (data, keyAt, keyEnd, valueAt, valueEnd) =>
      append(reader.read(data, keyAt, keyEnd, valueAt, valueEnd), data.subarray(keyAt, keyEnd), data.subarray(valueAt, valueEnd)),
    readPair: (key, value) => append(reader.readPair(key, value), key, value),
  }
}

/** Where RETURNING finds a system column in a row that `forReturning` has made. */
export const returningSlot = (width: number, attno: number): number => (attno > 0 ? attno - 1 : width - attno - 1)

/** Makes rows of a changed table that RETURNING can look at: their columns, and behind them the system columns from attno -1 down. */
export function forReturning(access: TableAccess, attnos: ReadonlySet<number>): (row: Row, lockedBefore: boolean) => Row {
  const { layout, descriptor } = access
  for (const attno of attnos) checkSystemColumn(attno)
  const width = layout.columns.length
  const encoder = attnos.has(XMIN_ATTNO) || attnos.has(XMAX_ATTNO) ? compileRowEncoder(layout, storedOrdinals(layout)) : null
  const tids = attnos.has(CTID_ATTNO) ? tidMap(access) : null
  // A hidden row id is given out when the row is written, and nobody keeps it.
  if (tids !== null && layout.primaryKey === null) throw notSupported('ctid in RETURNING of a table without a primary key is not supported')
  return (row, lockedBefore) => {
    const extended = row.slice()
    const xmin = encoder === null ? 0 : xminOf(encoder.encode(row))
    extended[returningSlot(width, CTID_ATTNO)] = tids === null ? null : tids.tidOf(rowKey(layout, row, 0))
    extended[returningSlot(width, XMIN_ATTNO)] = xmin
    extended[returningSlot(width, -3)] = null
    extended[returningSlot(width, XMAX_ATTNO)] = lockedBefore ? xmin : 0
    extended[returningSlot(width, -5)] = null
    extended[returningSlot(width, TABLE_OID_ATTNO)] = descriptor.oid
    return extended
  }
}
