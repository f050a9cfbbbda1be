// Stored rows: a header, the columns' ends, the columns. A reader compiled for the wanted columns touches nothing else. // hot

import { ByteWriter } from '../../base/bytes.ts'
import type { KeyCodec, ValueCodec } from '../../base/codec.ts'
import type { Datum, Row } from '../../base/datum.ts'
import { KvError } from '../kv-error.ts'
import { isNullMarker, readColumn, skipColumn } from './key-codec.ts'
import { INDEX_PREFIX_BYTES, ROW_PREFIX_BYTES } from './keys.ts'
import type { IndexLayout, TableLayout } from './layout.ts'

// u8 version · u8 flags · u16 DEK version (0 = plain) · u16 columns · u16 first column id · [u16 ids, unless dense] · ends · data
export const ROW_VERSION = 1
const WIDE = 1
const DENSE = 2
const HEADER = 8
const NARROW_NULL = 0x8000
const NARROW_MAX = 0x7fff
const WIDE_NULL = 0x80000000

interface StoredColumn {
  readonly id: number
  readonly ordinal: number
  readonly codec: ValueCodec
}

/** Writes the values of a fixed list of columns. */
export interface RowEncoder {
  /** The bytes belong to the caller. */
  encode(row: Row): Buffer
}

/** Rows are encoded one behind the other and handed out as parts of a piece of memory like this: no copy, no allocation each. */
const ARENA_BYTES = 16 * 1024
/** With less room than this the next row begins a new piece. */
const ROOM_BYTES = 1024

const arena = new ByteWriter(ARENA_BYTES)

/** `ordinals` of the columns to store, any order. */
export function compileRowEncoder(layout: TableLayout, ordinals: readonly number[]): RowEncoder {
  const columns: StoredColumn[] = ordinals
    .map((ordinal) => ({ id: layout.columns[ordinal]!.id, ordinal, codec: layout.columns[ordinal]!.codec.value }))
    .sort((a, b) => a.id - b.id)
  const count = columns.length
  const firstId = count === 0 ? 0 : columns[0]!.id
  const dense = columns.every((column, i) => column.id === firstId + i)
  const ends = new Float64Array(count)
  const nulls = new Uint8Array(count)
  const endsAt = HEADER + (dense ? 0 : count * 2)
  // the columns are written behind the room that a narrow row's header and ends need; a wide one's are moved
  const narrowAt = endsAt + count * 2
  const wideAt = endsAt + count * 4
  return {
    encode(row) {
      const out = arena
      if (out.length + wideAt + ROOM_BYTES > out.buffer.length) {
        out.buffer = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, wideAt + ROOM_BYTES))
        out.length = 0
      }
      const start = out.length
      const dataAt = start + narrowAt
      out.length = dataAt
      for (let i = 0; i < count; i++) {
        const column = columns[i]!
        const value = row[column.ordinal]!
        if (value === null || value === undefined) nulls[i] = 1
        else {
          nulls[i] = 0
          column.codec.write(value, out)
        }
        ends[i] = out.length - dataAt
      }
      const size = out.length - dataAt
      const wide = size > NARROW_MAX
      if (wide) {
        out.reserve(count * 2)
        out.buffer.copyWithin(start + wideAt, dataAt, dataAt + size)
      }
      out.length = start
      out.u8(ROW_VERSION)
      out.u8((wide ? WIDE : 0) | (dense ? DENSE : 0))
      out.u16(0)
      out.u16(count)
      out.u16(firstId)
      if (!dense) for (let i = 0; i < count; i++) out.u16(columns[i]!.id)
      if (wide) for (let i = 0; i < count; i++) out.u32(ends[i]! + (nulls[i] === 1 ? WIDE_NULL : 0))
      else for (let i = 0; i < count; i++) out.u16(ends[i]! | (nulls[i] === 1 ? NARROW_NULL : 0))
      out.length += size
      const encoded = out.buffer.subarray(start, out.length)
      // what a large row has grown is that row's
      if (out.buffer.length > ARENA_BYTES) out.length = out.buffer.length
      return encoded
    },
  }
}

/** Columns that a row's value holds: all but those the key gives back exactly. */
export function storedOrdinals(layout: TableLayout): number[] {
  const inKey = new Set<number>()
  for (const part of layout.primaryKey ?? []) if (part.codec.lossless) inKey.add(part.column)
  const stored: number[] = []
  for (let i = 0; i < layout.columns.length; i++) if (!inKey.has(i)) stored.push(i)
  return stored
}

/** Where a wanted column of a value is decoded to. */
interface ValueTarget {
  readonly slot: number
  readonly id: number
  readonly codec: ValueCodec
  readonly missing: Datum
}

function decodeValue(targets: readonly ValueTarget[], data: Buffer, at: number, end: number, row: Row): void {
  if (end - at < HEADER || data[at] !== ROW_VERSION) throw new KvError('corrupt', `a stored row has format version ${data[at] ?? 'none'}`)
  const flags = data[at + 1]!
  const count = (data[at + 4]! << 8) | data[at + 5]!
  const firstId = (data[at + 6]! << 8) | data[at + 7]!
  const dense = (flags & DENSE) !== 0
  const wide = (flags & WIDE) !== 0
  const idsAt = at + HEADER
  const endsAt = dense ? idsAt : idsAt + count * 2
  const dataAt = endsAt + count * (wide ? 4 : 2)
  for (let t = 0; t < targets.length; t++) {
    const target = targets[t]!
    let i = target.id - firstId
    if (!dense) {
      // ids ascend and gaps only make the true place earlier
      if (i >= count) i = count - 1
      while (i >= 0 && ((data[idsAt + i * 2]! << 8) | data[idsAt + i * 2 + 1]!) > target.id) i--
      if (i >= 0 && ((data[idsAt + i * 2]! << 8) | data[idsAt + i * 2 + 1]!) !== target.id) i = -1
    }
    if (i < 0 || i >= count) {
      row[target.slot] = target.missing
      continue
    }
    if (wide) {
      const stop = data.readUInt32BE(endsAt + i * 4)
      if (stop >= WIDE_NULL) row[target.slot] = null
      else {
        const start = i === 0 ? 0 : data.readUInt32BE(endsAt + i * 4 - 4) % WIDE_NULL
        row[target.slot] = target.codec.read(data, dataAt + start, dataAt + stop)
      }
      continue
    }
    const place = endsAt + i * 2
    const stop = (data[place]! << 8) | data[place + 1]!
    if ((stop & NARROW_NULL) !== 0) row[target.slot] = null
    else {
      const start = i === 0 ? 0 : ((data[place - 2]! << 8) | data[place - 1]!) & NARROW_MAX
      row[target.slot] = target.codec.read(data, dataAt + start, dataAt + stop)
    }
  }
}

/** A key column on the way to the wanted ones: decoded into `slot`, or passed over (-1). */
interface KeyStep {
  readonly slot: number
  readonly codec: KeyCodec
  readonly descending: boolean
  readonly marker: boolean
}

function decodeKey(steps: readonly KeyStep[], data: Buffer, at: number, end: number, row: Row): number {
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!
    if (step.marker) {
      if (isNullMarker(data[at++]!)) {
        if (step.slot >= 0) row[step.slot] = null
        continue
      }
    }
    const stop = skipColumn(step.codec, step.descending, data, at, end)
    if (step.slot >= 0) row[step.slot] = readColumn(step.codec, step.descending, data, at, stop) as Datum
    at = stop
  }
  return at
}

export interface RowReader {
  readonly width: number
  /** Decodes the wanted columns, in the order wanted, from a row's key and value anywhere in a buffer. The row is fresh. */
  read(data: Buffer, keyAt: number, keyEnd: number, valueAt: number, valueEnd: number): Row
  /** The same from a key and a value of their own. */
  readPair(key: Buffer, value: Buffer): Row
}

/** `wanted`: ordinals of the columns, in output order. */
export function compileRowReader(layout: TableLayout, wanted: readonly number[]): RowReader {
  const steps: KeyStep[] = []
  const fromKey = new Set<number>()
  let last = -1
  const parts = layout.primaryKey ?? []
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!
    const slot = part.codec.lossless ? wanted.indexOf(part.column) : -1
    if (slot >= 0) {
      last = i
      fromKey.add(part.column)
    }
    steps.push({ slot, codec: part.codec, descending: part.descending, marker: false })
  }
  steps.length = last + 1
  const targets: ValueTarget[] = []
  const copies: [from: number, to: number][] = []
  wanted.forEach((ordinal, slot) => {
    const first = wanted.indexOf(ordinal)
    if (first !== slot) copies.push([first, slot])
    else if (!fromKey.has(ordinal)) {
      const column = layout.columns[ordinal]!
      targets.push({ slot, id: column.id, codec: column.codec.value, missing: column.missingDefault })
    }
  })
  const width = wanted.length
  const read = (data: Buffer, keyAt: number, keyEnd: number, valueAt: number, valueEnd: number): Row => {
    const row: Row = new Array(width)
    if (steps.length > 0) decodeKey(steps, data, keyAt + ROW_PREFIX_BYTES, keyEnd, row)
    if (targets.length > 0) decodeValue(targets, data, valueAt, valueEnd, row)
    for (let i = 0; i < copies.length; i++) row[copies[i]![1]] = row[copies[i]![0]]!
    return row
  }
  return {
    width,
    read,
    readPair(key, value) {
      const row: Row = new Array(width)
      if (steps.length > 0) decodeKey(steps, key, ROW_PREFIX_BYTES, key.length, row)
      if (targets.length > 0) decodeValue(targets, value, 0, value.length, row)
      for (let i = 0; i < copies.length; i++) row[copies[i]![1]] = row[copies[i]![0]]!
      return row
    },
  }
}

// Index entries: value = u8 version · u8 flags · u16 DEK version · [u16 length, primary key] · [stored row of the INCLUDE columns]
const ENTRY_VERSION = 1
const KEY_IN_VALUE = 1
const ENTRY_HEADER = 4

const entry = new ByteWriter(256)

/** Value of an index entry; `key` is the row's key when the entry's own key does not hold it. Lent until the next call. */
export function encodeEntry(key: Uint8Array | null, included: Buffer | null): Buffer {
  const out = entry.reset()
  out.u8(ENTRY_VERSION)
  out.u8(key === null ? 0 : KEY_IN_VALUE)
  out.u16(0)
  if (key !== null) {
    out.u16(key.length - ROW_PREFIX_BYTES)
    out.bytes(key.subarray(ROW_PREFIX_BYTES))
  }
  if (included !== null) out.bytes(included)
  return out.view()
}

export interface EntryReader {
  readonly width: number
  /** The wanted columns of an index entry. */
  read(data: Buffer, keyAt: number, keyEnd: number, valueAt: number, valueEnd: number): Row
  /** The key of the row the entry points to. */
  rowKey(data: Buffer, keyAt: number, keyEnd: number, valueAt: number, valueEnd: number): Buffer
}

/** True when an index-only scan can give these columns: indexed without loss, INCLUDEd, or part of the primary key. */
export function indexCovers(layout: TableLayout, index: IndexLayout, wanted: readonly number[]): boolean {
  return wanted.every(
    (ordinal) =>
      index.include.includes(ordinal) ||
      index.parts.some((part) => part.column === ordinal && part.codec.lossless) ||
      (layout.primaryKey ?? []).some((part) => part.column === ordinal && part.codec.lossless),
  )
}

/** Throws nothing for columns the index does not cover only if there are none: ask indexCovers first. */
export function compileEntryReader(layout: TableLayout, index: IndexLayout, wanted: readonly number[]): EntryReader {
  const done = new Set<number>()
  const steps: KeyStep[] = index.parts.map((part) => {
    const slot = part.codec.lossless && part.column >= 0 && !done.has(part.column) ? wanted.indexOf(part.column) : -1
    if (slot >= 0) done.add(part.column)
    return { slot, codec: part.codec, descending: part.descending, marker: true }
  })
  const keySteps: KeyStep[] = (layout.primaryKey ?? []).map((part) => {
    const slot = part.codec.lossless && !done.has(part.column) ? wanted.indexOf(part.column) : -1
    if (slot >= 0) done.add(part.column)
    return { slot, codec: part.codec, descending: part.descending, marker: false }
  })
  const needsKey = keySteps.some((step) => step.slot >= 0)
  const targets: ValueTarget[] = []
  for (const ordinal of index.include) {
    const slot = done.has(ordinal) ? -1 : wanted.indexOf(ordinal)
    if (slot < 0) continue
    done.add(ordinal)
    const column = layout.columns[ordinal]!
    targets.push({ slot, id: column.id, codec: column.codec.value, missing: column.missingDefault })
  }
  const missing = wanted.find((ordinal) => !done.has(ordinal))
  if (missing !== undefined)
    throw new KvError('corrupt', `index ${index.id} does not hold column ${layout.columns[missing]?.id ?? missing}`)
  const copies: [from: number, to: number][] = []
  wanted.forEach((ordinal, slot) => {
    const first = wanted.indexOf(ordinal)
    if (first !== slot) copies.push([first, slot])
  })
  const plain: KeyStep[] = steps.map((step) => ({ ...step, slot: -1 }))
  const width = wanted.length
  const none: Row = []
  return {
    width,
    read(data, keyAt, keyEnd, valueAt, valueEnd) {
      const row: Row = new Array(width)
      const behindColumns = decodeKey(steps, data, keyAt + INDEX_PREFIX_BYTES, keyEnd, row)
      const inValue = (data[valueAt + 1]! & KEY_IN_VALUE) !== 0
      let at = valueAt + ENTRY_HEADER
      if (inValue) {
        const size = (data[at]! << 8) | data[at + 1]!
        if (needsKey) decodeKey(keySteps, data, at + 2, at + 2 + size, row)
        at += 2 + size
      } else if (needsKey) decodeKey(keySteps, data, behindColumns, keyEnd, row)
      if (targets.length > 0) decodeValue(targets, data, at, valueEnd, row)
      for (let i = 0; i < copies.length; i++) row[copies[i]![1]] = row[copies[i]![0]]!
      return row
    },
    rowKey(data, keyAt, keyEnd, valueAt) {
      let start: number
      let end = keyEnd
      if ((data[valueAt + 1]! & KEY_IN_VALUE) !== 0) {
        const size = (data[valueAt + ENTRY_HEADER]! << 8) | data[valueAt + ENTRY_HEADER + 1]!
        start = valueAt + ENTRY_HEADER + 2
        end = start + size
      } else start = decodeKey(plain, data, keyAt + INDEX_PREFIX_BYTES, keyEnd, none)
      const key = Buffer.allocUnsafe(ROW_PREFIX_BYTES + end - start)
      key[0] = 0x74
      key.writeUInt32BE(layout.id, 1)
      key[5] = 0x72
      data.copy(key, ROW_PREFIX_BYTES, start, end)
      return key
    },
  }
}

/** The row key in the value of a unique entry, for look-ups by unique key. */
export function rowKeyInValue(layout: TableLayout, value: Buffer): Buffer {
  const size = value.readUInt16BE(ENTRY_HEADER)
  const key = Buffer.allocUnsafe(ROW_PREFIX_BYTES + size)
  key[0] = 0x74
  key.writeUInt32BE(layout.id, 1)
  key[5] = 0x72
  value.copy(key, ROW_PREFIX_BYTES, ENTRY_HEADER + 2, ENTRY_HEADER + 2 + size)
  return key
}
