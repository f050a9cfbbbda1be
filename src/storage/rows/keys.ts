// Keys of tables, indexes, locks and counters in a keyspace. Formats: format.md beside this file. // hot

import { ByteWriter, prefixEnd } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import type { IndexId, TableId } from '../../base/ids.ts'
import { META } from '../meta-prefixes.ts'
import type { KeyRange } from '../store.ts'
import { invert, writeIndexPart } from './key-codec.ts'
import type { IndexLayout, TableLayout } from './layout.ts'

const T = 0x74
const R = 0x72
const I = 0x69
const K = 0x6b
const G = 0x67

/** Bytes before the primary key in a row's key, and before the columns in an index entry's. */
export const ROW_PREFIX_BYTES = 6
export const INDEX_PREFIX_BYTES = 9
/** Bytes of a hidden row id. */
export const ROW_ID_BYTES = 6

function tablePrefix(table: TableId, kind: number, extra: number): Buffer {
  const prefix = Buffer.alloc(6 + extra)
  prefix[0] = T
  prefix.writeUInt32BE(table, 1)
  prefix[5] = kind
  return prefix
}

export const rowPrefix = (table: TableId): Buffer => tablePrefix(table, R, 0)
export const lockPrefix = (table: TableId): Buffer => tablePrefix(table, K, 0)

export function indexPrefix(table: TableId, index: IndexId): Buffer {
  const prefix = tablePrefix(table, I, 3)
  prefix.writeUIntBE(index, 6, 3)
  return prefix
}

const rangeOf = (prefix: Buffer): KeyRange => ({ start: prefix, end: prefixEnd(prefix)! })

/** All rows; all entries of one index; everything of a table (rows, indexes, locks). */
export const rowRange = (table: TableId): KeyRange => rangeOf(rowPrefix(table))
export const indexRange = (table: TableId, index: IndexId): KeyRange => rangeOf(indexPrefix(table, index))
export function tableRange(table: TableId): KeyRange {
  const prefix = Buffer.alloc(5)
  prefix[0] = T
  prefix.writeUInt32BE(table, 1)
  return rangeOf(prefix)
}

/** The table's gate: DDL locks it exclusively, writers of the table share it. */
export const gateKey = (table: TableId): Buffer => tablePrefix(table, G, 0)

/** The key lock of a row: same bytes, other kind. */
export function keyLockOf(rowKey: Uint8Array): Buffer {
  const key = Buffer.from(rowKey)
  key[5] = K
  return key
}

const scratch = new ByteWriter(512)

/** The row's key from its primary key columns; `rowId` for tables without one. */
export function rowKey(layout: TableLayout, row: Row, rowId: number): Buffer {
  const out = scratch.reset()
  out.u8(T)
  out.u32(layout.id)
  out.u8(R)
  const parts = layout.primaryKey
  if (parts === null) {
    out.u16(Math.floor(rowId / 4294967296))
    out.u32(rowId)
  } else {
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!
      const start = out.length
      part.codec.write(row[part.column]!, out)
      if (part.descending) invert(out.buffer, start, out.length)
    }
  }
  return out.finish()
}

/** What writeIndexKey found: whether the entry's key alone is unique (then the row's key goes into the value). */
export interface IndexKey {
  readonly key: Buffer
  readonly unique: boolean
}

/** An index entry's key: columns, and behind them the primary key unless the columns alone are unique. */
export function indexKey(layout: TableLayout, index: IndexLayout, row: Row, key: Uint8Array): IndexKey {
  const out = scratch.reset()
  out.u8(T)
  out.u32(layout.id)
  out.u8(I)
  out.u8(index.id >>> 16)
  out.u16(index.id & 0xffff)
  const parts = index.parts
  let nulls = false
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    const value = part.column >= 0 ? row[part.column]! : part.value!(row)
    if (value === null) nulls = true
    writeIndexPart(part, value, out)
  }
  const unique = index.unique && (!nulls || index.nullsNotDistinct)
  if (!unique) out.bytes(key.subarray(ROW_PREFIX_BYTES))
  return { key: out.finish(), unique }
}

/** Puts `rowPrefix` before a primary key's bytes. */
export function rowKeyOf(table: TableId, primaryKey: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(ROW_PREFIX_BYTES + primaryKey.length)
  key[0] = T
  key.writeUInt32BE(table, 1)
  key[5] = R
  key.set(primaryKey, ROW_PREFIX_BYTES)
  return key
}

const hex8 = (n: number): string => n.toString(16).padStart(8, '0')
/** State of a sequence; next hidden row id of a table. */
export const sequenceKey = (id: number): Buffer => Buffer.from(`${META.sequence}${hex8(id)}`, 'latin1')
export const rowIdKey = (table: TableId): Buffer => Buffer.from(`${META.rowId}${hex8(table)}`, 'latin1')
