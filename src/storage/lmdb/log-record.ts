// One write transaction as a record of the write-ahead log. Layout, little-endian, padded to 8 bytes:
//
//   u32 CRC-32 of what follows, padding excluded; u32 bytes of the operations; f64 sequence number (1, 2, 3, … per keyspace)
//   operations: u8 kind of key, u8 0, u16 key bytes, u32 value bytes (2^32 - 1 = delete), key, value
//
// Invariant: a record counts only whole: what does not match its checksum was never acknowledged. // hot

import { crc32 } from '../../base/crc.ts'
import { addressOf } from './native.ts'

const HEAD = 16
const OPERATION_HEAD = 8
const DELETE_MARK = 0xffffffff
/** As a value's size: the key is deleted. */
export const DELETED = -1

/** Memory that LMDB can be told to read from. */
export interface Source {
  readonly bytes: Buffer
  readonly address: number
}

/** A put (source not null) or deletion of one key; `prefix` is the key's first byte. */
export interface LogOperation {
  readonly prefix: number
  readonly key: string
  readonly source: Source | null
  readonly at: number
  readonly size: number
}

export interface LogRecord extends Source {
  readonly sequence: number
  /** The operations: [start, end) of the bytes. */
  readonly start: number
  readonly end: number
}

export function encodeRecord(sequence: number, operations: readonly LogOperation[]): LogRecord {
  let size = 0
  for (const { key, source, size: valueSize } of operations) size += OPERATION_HEAD + key.length + (source === null ? 0 : valueSize)
  const end = HEAD + size
  const bytes = Buffer.allocUnsafeSlow((end + 7) & ~7)
  bytes.fill(0, end)
  bytes.writeUInt32LE(size, 4)
  bytes.writeDoubleLE(sequence, 8)
  let at = HEAD
  for (const { prefix, key, source, at: from, size: valueSize } of operations) {
    bytes[at] = prefix
    bytes[at + 1] = 0
    bytes.writeUInt16LE(key.length, at + 2)
    bytes.writeUInt32LE(source === null ? DELETE_MARK : valueSize, at + 4)
    at += OPERATION_HEAD
    bytes.latin1Write(key, at)
    at += key.length
    if (source !== null) {
      source.bytes.copy(bytes, at, from, from + valueSize)
      at += valueSize
    }
  }
  bytes.writeUInt32LE(crc32(bytes, 4, end), 0)
  return { sequence, bytes, address: addressOf(bytes), start: HEAD, end }
}

/** The whole record at `at` of a log file, or null: nothing, or something torn. */
export function decodeRecord(bytes: Buffer, address: number, at: number): LogRecord | null {
  if (at + HEAD > bytes.length) return null
  const size = bytes.readUInt32LE(at + 4)
  const end = at + HEAD + size
  if (size === 0 || end > bytes.length || crc32(bytes, at + 4, end) !== bytes.readUInt32LE(at)) return null
  return { sequence: bytes.readDoubleLE(at + 8), bytes, address, start: at + HEAD, end }
}

/** Where the record behind this one begins. */
export const recordEnd = (record: LogRecord): number => (record.end + 7) & ~7

export function readOperations(record: LogRecord, operation: (prefix: number, key: string, at: number, size: number) => void): void {
  const { bytes, end } = record
  for (let at = record.start; at < end; ) {
    const keySize = bytes.readUInt16LE(at + 2)
    const valueSize = bytes.readUInt32LE(at + 4)
    const keyAt = at + OPERATION_HEAD
    const valueAt = keyAt + keySize
    const key = bytes.latin1Slice(keyAt, valueAt)
    if (valueSize === DELETE_MARK) {
      operation(bytes[at]!, key, 0, DELETED)
      at = valueAt
    } else {
      operation(bytes[at]!, key, valueAt, valueSize)
      at = valueAt + valueSize
    }
  }
}
