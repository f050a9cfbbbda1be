// bytea: byte strings.

import { PgError } from '../../base/errors.ts'
import { inOneSlice, inParts, LONG, longWork, type Steps, workOn } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { checkFieldSize, utf8Of } from './chars.ts'
import { bytesKeyCodec, bytesValueCodec, type Int8, normalInt8, writeAscii } from './codecs.ts'
import { defineType } from './define.ts'
import { hashBytes, hashBytesExtended } from './hash.ts'
import { like } from './like.ts'
import type { Procs } from './procs.ts'

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)

/** Bytes worked on between two moments at which others may have their turn. */
const STEP = 512 * 1024

function* concatSteps(parts: readonly Uint8Array[], size: number): Steps<Buffer> {
  const out = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const part of parts) {
    for (let from = 0; from < part.length; from += STEP) {
      const piece = part.subarray(from, from + STEP)
      out.set(piece, at)
      at += piece.length
      yield
    }
  }
  return out
}

/** The digits as ASCII. */
function* hexDigitSteps(bytes: Uint8Array): Steps<Buffer> {
  const out = Buffer.allocUnsafeSlow(bytes.length * 2)
  for (let from = 0; from < bytes.length; from += STEP) {
    out.latin1Write(asBuffer(bytes.subarray(from, from + STEP)).toString('hex'), from * 2)
    yield
  }
  return out
}

function concat(parts: readonly Uint8Array[]): Buffer {
  let size = 0
  for (const part of parts) size += part.length
  return size > LONG ? longWork(concatSteps, parts, size) : Buffer.concat(parts, size)
}

function* reverseSteps(bytes: Uint8Array): Steps<Uint8Array> {
  const out = Buffer.allocUnsafeSlow(bytes.length)
  for (let from = 0; from < bytes.length; from += STEP) {
    const piece = bytes.subarray(from, from + STEP)
    const at = bytes.length - from - piece.length
    out.set(piece, at)
    out.subarray(at, at + piece.length).reverse()
    yield
  }
  return out
}

/** Hexadecimal digits in pairs; whatever else there is takes the whole text. */
function* hexSteps(text: string): Steps<Buffer> {
  const out = Buffer.allocUnsafeSlow(text.length >> 1)
  for (let from = 0; from < text.length; from += STEP) {
    const piece = text.slice(from, from + STEP)
    // Node stops at the first character that is no digit
    if (out.hexWrite(piece, from >> 1) * 2 !== piece.length) return decodeHexNow(text)
    yield
  }
  return out
}

/** Hexadecimal digits, blanks between pairs ignored. */
export function decodeHex(text: string): Buffer {
  return text.length > LONG ? longWork(hexSteps, text) : decodeHexNow(text)
}

function decodeHexNow(text: string): Buffer {
  if (/^(?:[0-9a-fA-F]{2})*$/.test(text)) return Buffer.from(text, 'hex')
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (/[ \n\t\r]/.test(text[i]!)) continue
    for (let digit = i; digit < i + 2; digit++) {
      if (digit >= text.length) throw invalid('invalid hexadecimal data: odd number of digits')
      if (!/[0-9a-fA-F]/.test(text[digit]!)) {
        const char = String.fromCodePoint(text.codePointAt(digit)!)
        throw invalid(`invalid hexadecimal digit: "${char}"`)
      }
    }
    bytes.push(Number.parseInt(text.slice(i, i + 2), 16))
    i++
  }
  return Buffer.from(bytes)
}

/** The traditional form: \\ and \ooo. */
export function decodeEscape(text: string, fail: () => PgError): Buffer {
  if (!text.includes('\\')) return utf8Of(text)
  const parts: Buffer[] = []
  let from = 0
  for (let i = text.indexOf('\\'); i >= 0; i = text.indexOf('\\', from)) {
    parts.push(Buffer.from(text.slice(from, i)))
    if (text[i + 1] === '\\') {
      parts.push(Buffer.from('\\'))
      from = i + 2
    } else {
      const octal = text.slice(i + 1, i + 4)
      if (!/^[0-3][0-7][0-7]$/.test(octal)) throw fail()
      parts.push(Buffer.from([Number.parseInt(octal, 8)]))
      from = i + 4
    }
  }
  parts.push(Buffer.from(text.slice(from)))
  return Buffer.concat(parts)
}

/** Bytes that `isPlain` does not take as \ooo, backslashes doubled. */
export function escaped(bytes: Uint8Array, isPlain: (byte: number) => boolean): string {
  let size = bytes.length
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === 0x5c) size++
    else if (!isPlain(byte)) size += 3
  }
  const out = Buffer.allocUnsafe(size)
  let at = 0
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte !== 0x5c && isPlain(byte)) {
      out[at++] = byte
      continue
    }
    out[at++] = 0x5c
    if (byte === 0x5c) out[at++] = 0x5c
    else {
      out[at++] = 0x30 + (byte >> 6)
      out[at++] = 0x30 + ((byte >> 3) & 7)
      out[at++] = 0x30 + (byte & 7)
    }
  }
  return out.latin1Slice()
}

const outputEscape = (bytes: Uint8Array): string => escaped(bytes, (byte) => byte >= 0x20 && byte <= 0x7e)

const compare = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b)

export const byteaTypes = {
  bytea: defineType<Uint8Array>({
    input: (text) =>
      text.startsWith('\\x')
        ? decodeHex(text.slice(2))
        : decodeEscape(text, () => new PgError(SQLSTATE.invalidTextRepresentation, 'invalid input syntax for type bytea')),
    output: (value, io) => (io.byteaOutput === 'hex' ? `\\x${asBuffer(value).toString('hex')}` : outputEscape(value)),
    writeText(value, out, io) {
      if (io.byteaOutput === 'escape') writeAscii(outputEscape(value), out)
      else {
        const long = value.length > LONG ? longWork(hexDigitSteps, value) : null
        out.reserve(2 + value.length * 2)
        writeAscii('\\x', out)
        if (long === null) writeAscii(asBuffer(value).toString('hex'), out)
        else out.bytes(long)
      }
    },
    receive: (buffer, start, end) => Buffer.from(buffer.subarray(start, end)),
    send: (value, out) => out.bytes(value),
    compare,
    hashKey: (value) => asBuffer(value).latin1Slice(),
    size: (value) => 96 + value.length,
    value: bytesValueCodec,
    key: bytesKeyCodec,
  }),
}

const substringError = (): PgError => new PgError(SQLSTATE.substringError, 'negative substring length not allowed')

function substring(bytes: Uint8Array, start: number, count: number | null): Uint8Array {
  if (count === null) return bytes.slice(Math.max(start - 1, 0))
  if (count < 0) throw substringError()
  return bytes.slice(Math.max(start - 1, 0), Math.max(start - 1 + count, 0))
}

function overlay(bytes: Uint8Array, placed: Uint8Array, start: number, count: number): Uint8Array {
  if (start <= 0) throw substringError()
  if (start + count > 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
  return concat([bytes.subarray(0, start - 1), placed, bytes.subarray(Math.max(start + count - 1, 0))])
}

const indexOf = (bytes: Uint8Array, part: Uint8Array): number => asBuffer(bytes).indexOf(part)

function trim(bytes: Uint8Array, set: Uint8Array, left: boolean, right: boolean): Uint8Array {
  let from = 0
  let to = bytes.length
  if (left) while (from < to && set.includes(bytes[from]!)) from++
  if (right) while (to > from && set.includes(bytes[to - 1]!)) to--
  return bytes.slice(from, to)
}

function checkIndex(index: Int8, count: number): number {
  if (index < 0 || index >= count) throw new PgError(SQLSTATE.arraySubscriptError, `index ${index} out of valid range, 0..${count - 1}`)
  return Number(index)
}

function toInteger(bytes: Uint8Array, width: number, type: string): bigint {
  if (bytes.length > width) throw new PgError(SQLSTATE.numericValueOutOfRange, `${type} out of range`)
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return bytes.length === width ? BigInt.asIntN(width * 8, value) : value
}

/** Bits set in each byte. */
const BITS = new Uint8Array(256)
for (let i = 1; i < 256; i++) BITS[i] = BITS[i >> 1]! + (i & 1)

const latin1 = (bytes: Uint8Array): string => asBuffer(bytes).latin1Slice()

export const byteaProcs = {
  byteaeq: (a, b) => compare(a, b) === 0,
  byteane: (a, b) => compare(a, b) !== 0,
  bytealt: (a, b) => compare(a, b) < 0,
  byteale: (a, b) => compare(a, b) <= 0,
  byteagt: (a, b) => compare(a, b) > 0,
  byteage: (a, b) => compare(a, b) >= 0,
  byteacmp: compare,
  bytea_larger: (a, b) => (compare(a, b) > 0 ? a : b),
  bytea_smaller: (a, b) => (compare(a, b) < 0 ? a : b),
  hashbytea: (a) => hashBytes(a),
  hashbyteaextended: (a, seed) => hashBytesExtended(a, seed),
  byteacat(a, b) {
    checkFieldSize(a.length + b.length)
    return concat([a, b])
  },
  byteaoctetlen: (a) => a.length,
  bytea_substr: substring,
  bytea_substr_no_len: (bytes, start) => substring(bytes, start, null),
  byteaoverlay: overlay,
  byteaoverlay_no_len: (bytes, placed, start) => overlay(bytes, placed, start, placed.length),
  byteapos: (bytes, part) => inOneSlice(bytes.length > LONG, indexOf, bytes, part) + 1,
  byteatrim: (bytes, set) => trim(bytes, set, true, true),
  bytealtrim: (bytes, set) => trim(bytes, set, true, false),
  byteartrim: (bytes, set) => trim(bytes, set, false, true),
  bytealike: (bytes, pattern) => like(latin1(bytes), latin1(pattern)),
  byteanlike: (bytes, pattern) => !like(latin1(bytes), latin1(pattern)),
  like_escape_bytea(pattern, escapeBytes) {
    if (escapeBytes.length > 1)
      throw new PgError(SQLSTATE.invalidEscapeSequence, 'invalid escape string', { hint: 'Escape string must be empty or one character.' })
    const out: number[] = []
    let escaped = false
    for (const byte of pattern) {
      if (escapeBytes.length === 1 && byte === escapeBytes[0] && !escaped && byte !== 0x5c) {
        out.push(0x5c)
        escaped = true
      } else {
        if (byte === 0x5c && !escaped && escapeBytes[0] !== 0x5c) out.push(0x5c)
        out.push(byte)
        escaped = false
      }
    }
    return Buffer.from(out)
  },
  bytea_reverse: (bytes) => workOn(bytes.length, reverseSteps, bytes),
  bytea_bit_count(bytes) {
    const counted = (before: number, from: number, to: number): number => {
      let count = before
      for (let i = from; i < to; i++) count += BITS[bytes[i]!]!
      return count
    }
    return inParts(bytes.length, 0, counted, STEP)
  },
  byteaGetByte: (bytes, n) => bytes[checkIndex(n, bytes.length)]!,
  byteaGetBit(bytes, n) {
    const bit = checkIndex(n, bytes.length * 8)
    return (bytes[bit >> 3]! >> (bit & 7)) & 1
  },
  byteaSetByte(bytes, n, value) {
    const index = checkIndex(n, bytes.length)
    const result = new Uint8Array(bytes)
    result[index] = value & 0xff
    return result
  },
  byteaSetBit(bytes, n, value) {
    const bit = checkIndex(n, bytes.length * 8)
    if (value !== 0 && value !== 1) throw invalid('new bit must be 0 or 1')
    const result = new Uint8Array(bytes)
    const mask = 1 << (bit & 7)
    result[bit >> 3] = value === 1 ? result[bit >> 3]! | mask : result[bit >> 3]! & ~mask
    return result
  },
  bytea_int2: (bytes) => Number(toInteger(bytes, 2, 'smallint')),
  bytea_int4: (bytes) => Number(toInteger(bytes, 4, 'integer')),
  bytea_int8: (bytes) => normalInt8(toInteger(bytes, 8, 'bigint')),
} satisfies Procs
