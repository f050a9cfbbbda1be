// oid, xid, cid, tid, xid8, pg_lsn and the vectors: the types of system columns and catalogues. Vectors are arrays with lower bound 0.

import type { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { ArrayDatum } from './array.ts'
import { type Int8, normalInt8, uint4KeyCodec, uintValueCodec, writeInt64, writeInteger } from './codecs.ts'
import { binaryLength, defineType, invalidInput, outOfRangeInput } from './define.ts'
import { hashBytes, hashBytesExtended, hashUint32, hashUint32Extended, int8HashWord } from './hash.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

/** The types of OIDs, which integer casts to without a function. */
const OIDS: ReadonlySet<number> = new Set([
  TYPE_OID.oid,
  TYPE_OID.regproc,
  TYPE_OID.regprocedure,
  TYPE_OID.regoper,
  TYPE_OID.regoperator,
  TYPE_OID.regclass,
  TYPE_OID.regtype,
  TYPE_OID.regconfig,
  TYPE_OID.regdictionary,
  TYPE_OID.regnamespace,
  TYPE_OID.regrole,
  TYPE_OID.regcollation,
])

/** Whether a cast without a function changes the datum nevertheless: the same bits are another number to integer and to oid. */
export const changesForm = (from: number, to: number): boolean =>
  (from === TYPE_OID.int4 && OIDS.has(to)) || (to === TYPE_OID.int4 && OIDS.has(from))

export function relabelled(from: number, to: number, value: Datum): Datum {
  if (value === null || !changesForm(from, to)) return value
  return to === TYPE_OID.int4 ? (value as number) | 0 : (value as number) >>> 0
}

/** Unsigned 32 bits; a negative number wraps, as strtoul's does. */
function parseUint32(text: string, type: string): number {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+|0[xX][0-9a-fA-F]+)[ \t\n\v\f\r]*$/.exec(text)
  if (match === null) throw invalidInput(type, text)
  const magnitude = Number(match[2])
  if (magnitude > (match[1] === '-' ? 2147483648 : 4294967295)) throw outOfRangeInput(type, text)
  return match[1] === '-' ? -magnitude >>> 0 : magnitude
}

function uint32Type(name: string): TypeSupport {
  return defineType<number>({
    input: (text) => parseUint32(text, name),
    output: (value) => String(value),
    writeText: writeInteger,
    receive(buffer, start, end) {
      binaryLength(end - start, 4)
      return buffer.readUInt32BE(start)
    },
    send: (value, out) => out.u32(value),
    compare: (a, b) => a - b,
    hashKey: (value) => value,
    size: () => 8,
    value: uintValueCodec,
    key: uint4KeyCodec,
  })
}

const unordered = (support: TypeSupport): TypeSupport => ({ ...support, compare: null, key: null })

const compareUint64 = (a: Int8, b: Int8): number => (a < b ? -1 : a > b ? 1 : 0)
const readUint64 = (buffer: Buffer, start: number): Int8 => normalInt8(buffer.readBigUInt64BE(start))
const writeUint64 = (value: Int8, out: ByteWriter): void => writeInt64(value, out, 0)

function uint64Type(input: (text: string) => Int8, output: (value: Int8) => string): TypeSupport {
  return defineType<Int8>({
    input,
    output,
    receive(buffer, start, end) {
      binaryLength(end - start, 8)
      return readUint64(buffer, start)
    },
    send: writeUint64,
    compare: compareUint64,
    hashKey: (value) => value,
    size: () => 16,
    value: { write: writeUint64, read: readUint64 },
    key: { write: writeUint64, skip: (_buffer, start) => start + 8, read: readUint64, lossless: true },
  })
}

function inputXid8(text: string): Int8 {
  const match = /^[ \t\n\v\f\r]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)[ \t\n\v\f\r]*$/.exec(text)
  if (match === null) throw invalidInput('xid8', text)
  // strtoull's ways: a leading 0 makes it octal, a negative number wraps
  const digits = match[2]!
  const magnitude = BigInt(digits.length > 100 ? 2n ** 64n : /^0[0-7]/.test(digits) ? `0o${digits}` : digits)
  if (magnitude >= 2n ** 64n) throw outOfRangeInput('xid8', text)
  return normalInt8(match[1] === '-' ? BigInt.asUintN(64, -magnitude) : magnitude)
}

function inputLsn(text: string): Int8 {
  const match = /^([0-9a-fA-F]{1,8})\/([0-9a-fA-F]{1,8})$/.exec(text)
  if (match === null) throw invalidInput('pg_lsn', text)
  return normalInt8((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`))
}
function outputLsn(value: Int8): string {
  const bits = BigInt(value)
  return `${(bits >> 32n).toString(16)}/${(bits & 0xffffffffn).toString(16)}`.toUpperCase()
}

// --- tid: its text, "(block,offset)"

function inputTid(text: string): string {
  // What stands before and behind the parentheses is not looked at.
  const match = /^[^(),]*\(\s*([+-]?[0-9]+),\s*\+?([0-9]+)\)/.exec(text)
  if (match === null || Number(match[1]) > 4294967295 || Number(match[2]) > 65535) throw invalidInput('tid', text)
  return `(${Number(match[1]) >>> 0},${Number(match[2])})`
}
const tidParts = (value: string): [number, number] => value.slice(1, -1).split(',').map(Number) as [number, number]
function compareTid(a: string, b: string): number {
  const [ab, ao] = tidParts(a)
  const [bb, bo] = tidParts(b)
  return Math.sign(ab === bb ? ao - bo : ab - bb)
}
function writeTid(value: string, out: ByteWriter): void {
  const [block, offset] = tidParts(value)
  out.u32(block)
  out.u16(offset)
}
const readTid = (buffer: Buffer, start: number): string => `(${buffer.readUInt32BE(start)},${buffer.readUInt16BE(start + 4)})`

// --- vectors

export function makeVector(elementType: number, values: readonly number[]): ArrayDatum {
  return new ArrayDatum(elementType, [values.length], [0], values)
}

const numbers = (vector: ArrayDatum): readonly number[] => vector.elements as readonly number[]

function compareVectors(a: ArrayDatum, b: ArrayDatum): number {
  const [x, y] = [numbers(a), numbers(b)]
  if (x.length !== y.length) return x.length < y.length ? -1 : 1
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i]! < y[i]! ? -1 : 1
  return 0
}

function vectorType(elementType: number, element: (text: string) => number, width: 2 | 4): TypeSupport {
  const input = (text: string): ArrayDatum => {
    const trimmed = text.trim()
    return makeVector(elementType, trimmed === '' ? [] : trimmed.split(/[ \t\n\v\f\r]+/).map(element))
  }
  const write = (value: ArrayDatum, out: ByteWriter): void => {
    for (const item of numbers(value)) width === 2 ? out.i16(item) : out.u32(item)
  }
  return defineType<ArrayDatum>({
    input,
    output: (value) => numbers(value).join(' '),
    receive(buffer, start, end) {
      // ndim, flags, element type, length, lower bound; then each element behind its length.
      if (end - start < 12) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
      const count = buffer.readInt32BE(start) === 0 ? 0 : buffer.readInt32BE(start + 12)
      if (start + 20 + count * (4 + width) !== end && count !== 0)
        throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'incorrect binary data format')
      const values: number[] = []
      for (let i = 0, at = start + 24; i < count; i++, at += 4 + width)
        values.push(width === 2 ? buffer.readInt16BE(at) : buffer.readUInt32BE(at))
      return makeVector(elementType, values)
    },
    send(value, out) {
      const items = numbers(value)
      out.i32(1)
      out.i32(0)
      out.u32(elementType)
      out.i32(items.length)
      out.i32(0)
      for (const item of items) {
        out.i32(width)
        width === 2 ? out.i16(item) : out.u32(item)
      }
    },
    ...(width === 4 ? { compare: compareVectors } : {}),
    hashKey: (value) => numbers(value).join(' '),
    size: (value) => 64 + 8 * value.elements.length,
    value: {
      write,
      read(buffer, start, end) {
        const values: number[] = []
        for (let at = start; at < end; at += width) values.push(width === 2 ? buffer.readInt16BE(at) : buffer.readUInt32BE(at))
        return makeVector(elementType, values)
      },
    },
    key:
      width === 2
        ? null
        : {
            write(value, out) {
              out.u32(value.elements.length)
              write(value, out)
            },
            skip: (buffer, start) => start + 4 + 4 * buffer.readUInt32BE(start),
            read(buffer, start) {
              const values: number[] = []
              for (let i = 0; i < buffer.readUInt32BE(start); i++) values.push(buffer.readUInt32BE(start + 4 + 4 * i))
              return makeVector(elementType, values)
            },
            lossless: true,
          },
  })
}

function int2Element(text: string): number {
  if (!/^[+-]?[0-9]+$/.test(text)) throw invalidInput('int2vector', text)
  const value = Number(text)
  if (value < -32768 || value > 32767) throw outOfRangeInput('smallint', text)
  return value
}

export const oidTypes = {
  oid: uint32Type('oid'),
  xid: unordered(uint32Type('xid')),
  cid: unordered(uint32Type('cid')),
  xid8: uint64Type(inputXid8, String),
  pg_lsn: uint64Type(inputLsn, outputLsn),
  tid: defineType<string>({
    input: inputTid,
    output: (value) => value,
    receive: readTid,
    send: writeTid,
    compare: compareTid,
    hashKey: (value) => value,
    size: () => 32,
    value: { write: writeTid, read: readTid },
    key: { write: writeTid, skip: (_buffer, start) => start + 6, read: readTid, lossless: true },
  }),
  oidvector: vectorType(TYPE_OID.oid, (text) => parseUint32(text, 'oid'), 4),
  int2vector: vectorType(TYPE_OID.int2, int2Element, 2),
}

const tidBytes = (value: string): Buffer => {
  const [block, offset] = tidParts(value)
  const bytes = Buffer.allocUnsafe(6)
  bytes.writeUInt16LE(block >>> 16, 0)
  bytes.writeUInt16LE(block & 0xffff, 2)
  bytes.writeUInt16LE(offset, 4)
  return bytes
}
const vectorBytes = (value: ArrayDatum): Buffer => Buffer.from(Uint32Array.from(numbers(value)).buffer)

export const oidProcs = {
  oideq: (a, b) => a === b,
  oidne: (a, b) => a !== b,
  oidlt: (a, b) => a < b,
  oidle: (a, b) => a <= b,
  oidgt: (a, b) => a > b,
  oidge: (a, b) => a >= b,
  btoidcmp: (a, b) => Math.sign(a - b),
  oidlarger: (a, b) => Math.max(a, b),
  oidsmaller: (a, b) => Math.min(a, b),
  hashoid: (a) => hashUint32(a),
  hashoidextended: (a, seed) => hashUint32Extended(a, seed),
  i8tooid(a) {
    if (a < 0 || a > 4294967295) throw new PgError(SQLSTATE.numericValueOutOfRange, 'OID out of range')
    return Number(a)
  },
  oidtoi8: (a) => a,
  xideq: (a, b) => a === b,
  xidneq: (a, b) => a !== b,
  xid8toxid: (a) => Number(BigInt(a) & 0xffffffffn),
  xid8eq: (a, b) => a === b,
  xid8ne: (a, b) => a !== b,
  xid8lt: (a, b) => a < b,
  xid8le: (a, b) => a <= b,
  xid8gt: (a, b) => a > b,
  xid8ge: (a, b) => a >= b,
  xid8cmp: compareUint64,
  xid8_larger: (a, b) => (compareUint64(a, b) > 0 ? a : b),
  xid8_smaller: (a, b) => (compareUint64(a, b) < 0 ? a : b),
  hashxid: (a) => hashUint32(a),
  hashxidextended: (a, seed) => hashUint32Extended(a, seed),
  hashcid: (a) => hashUint32(a),
  hashcidextended: (a, seed) => hashUint32Extended(a, seed),
  hashxid8: (a) => hashUint32(int8HashWord(BigInt.asIntN(64, BigInt(a)))),
  hashxid8extended: (a, seed) => hashUint32Extended(int8HashWord(BigInt.asIntN(64, BigInt(a))), seed),
  cideq: (a, b) => a === b,
  tideq: (a, b) => a === b,
  tidne: (a, b) => a !== b,
  tidlt: (a, b) => compareTid(a, b) < 0,
  tidle: (a, b) => compareTid(a, b) <= 0,
  tidgt: (a, b) => compareTid(a, b) > 0,
  tidge: (a, b) => compareTid(a, b) >= 0,
  bttidcmp: compareTid,
  tidlarger: (a, b) => (compareTid(a, b) >= 0 ? a : b),
  tidsmaller: (a, b) => (compareTid(a, b) <= 0 ? a : b),
  hashtid: (a) => hashBytes(tidBytes(a)),
  hashtidextended: (a, seed) => hashBytesExtended(tidBytes(a), seed),
  pg_lsn_eq: (a, b) => a === b,
  pg_lsn_ne: (a, b) => a !== b,
  pg_lsn_lt: (a, b) => a < b,
  pg_lsn_le: (a, b) => a <= b,
  pg_lsn_gt: (a, b) => a > b,
  pg_lsn_ge: (a, b) => a >= b,
  pg_lsn_cmp: compareUint64,
  pg_lsn_larger: (a, b) => (compareUint64(a, b) > 0 ? a : b),
  pg_lsn_smaller: (a, b) => (compareUint64(a, b) < 0 ? a : b),
  pg_lsn_hash: (a) => hashUint32(int8HashWord(BigInt.asIntN(64, BigInt(a)))),
  pg_lsn_hash_extended: (a, seed) => hashUint32Extended(int8HashWord(BigInt.asIntN(64, BigInt(a))), seed),
  oidvectoreq: (a, b) => compareVectors(a, b) === 0,
  oidvectorne: (a, b) => compareVectors(a, b) !== 0,
  oidvectorlt: (a, b) => compareVectors(a, b) < 0,
  oidvectorle: (a, b) => compareVectors(a, b) <= 0,
  oidvectorgt: (a, b) => compareVectors(a, b) > 0,
  oidvectorge: (a, b) => compareVectors(a, b) >= 0,
  btoidvectorcmp: compareVectors,
  hashoidvector: (a) => hashBytes(vectorBytes(a)),
  hashoidvectorextended: (a, seed) => hashBytesExtended(vectorBytes(a), seed),
} satisfies Procs
