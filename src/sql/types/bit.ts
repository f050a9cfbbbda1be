// bit and varbit: a string of '0' and '1', whose text order is their order (bits first, then length).

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { inParts, LONG, longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ArrayDatum } from './array.ts'
import { byCharacter, pieces } from './chars.ts'
import { normalInt8, textKeyCodec, writeAscii } from './codecs.ts'
import { defineType } from './define.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

const MAX_LENGTH = 83886080
const MAX_BITS = 2147483640

const wrongLength = (message: string): PgError => new PgError(SQLSTATE.stringDataLengthMismatch, message)
const tooLong = (typmod: number): PgError =>
  new PgError(SQLSTATE.stringDataRightTruncation, `bit string too long for type bit varying(${typmod})`)
const checkSize = (length: number): void => {
  if (length > MAX_BITS) throw new PgError(SQLSTATE.programLimitExceeded, `bit string length exceeds the maximum allowed (${MAX_BITS})`)
}

/** The first character that is no digit. */
const findForeign = (body: string, hex: boolean): string | undefined => (hex ? /[^0-9a-fA-F]/u : /[^01]/u).exec(body)?.[0]

function* findForeignSteps(body: string, hex: boolean): Steps<string | undefined> {
  for (const piece of pieces(body, LONG)) {
    const found = findForeign(piece, hex)
    if (found !== undefined) return found
    yield
  }
  return undefined
}

function digits(text: string): string {
  const hex = /^[xX]/.test(text)
  const body = /^[bBxX]/.test(text) ? text.slice(1) : text
  const bad = body.length > LONG ? longWork(findForeignSteps, body, hex) : findForeign(body, hex)
  if (bad !== undefined)
    throw new PgError(SQLSTATE.invalidTextRepresentation, `"${bad}" is not a valid ${hex ? 'hexadecimal' : 'binary'} digit`)
  if (!hex) return body
  checkSize(body.length * 4)
  return byCharacter(body, (part) => part.replace(/./g, (digit) => Number.parseInt(digit, 16).toString(2).padStart(4, '0')))
}

function fixed(bits: string, typmod: number): string {
  if (typmod > 0 && bits.length !== typmod) throw wrongLength(`bit string length ${bits.length} does not match type bit(${typmod})`)
  return bits
}
function varying(bits: string, typmod: number): string {
  if (typmod > 0 && bits.length > typmod) throw tooLong(typmod)
  return bits
}

function writePacked(bits: string, out: ByteWriter): void {
  for (let at = 0; at < bits.length; at += 8) {
    let byte = 0
    for (let i = at; i < at + 8; i++) byte = byte * 2 + (i < bits.length ? bits.charCodeAt(i) & 1 : 0)
    out.u8(byte)
  }
}
function readPacked(buffer: Buffer, start: number, end: number, length: number): string {
  const bits = Buffer.allocUnsafe((end - start) * 8)
  let n = 0
  for (let at = start; at < end; at++) for (let shift = 7; shift >= 0; shift--) bits[n++] = 0x30 + ((buffer[at]! >> shift) & 1)
  return bits.latin1Slice(0, length)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function bitType(check: (bits: string, typmod: number) => string): TypeSupport {
  return defineType<string>({
    input: (text, typmod) => check(digits(text), typmod),
    output: (value) => value,
    writeText: writeAscii,
    receive(buffer, start, end, typmod) {
      if (end - start < 4) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
      const length = buffer.readInt32BE(start)
      if (length < 0 || end - start - 4 !== Math.ceil(length / 8))
        throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'invalid length in external bit string')
      return check(readPacked(buffer, start + 4, end, length), typmod)
    },
    send(value, out) {
      out.i32(value.length)
      writePacked(value, out)
    },
    compare,
    hashKey: (value) => value,
    size: (value) => 32 + value.length,
    value: {
      write(value, out) {
        out.u8((8 - (value.length % 8)) % 8)
        writePacked(value, out)
      },
      read: (buffer, start, end) => readPacked(buffer, start + 1, end, (end - start - 1) * 8 - buffer[start]!),
    },
    key: { ...textKeyCodec, read: textKeyCodec.read },
  })
}

export const bitTypes = { bit: bitType(fixed), varbit: bitType(varying) }

function combine(a: string, b: string, verb: string, bit: (x: boolean, y: boolean) => boolean): string {
  if (a.length !== b.length) throw wrongLength(`cannot ${verb} bit strings of different sizes`)
  const result = Buffer.allocUnsafe(a.length)
  for (let i = 0; i < a.length; i++) result[i] = bit(a[i] === '1', b[i] === '1') ? 0x31 : 0x30
  return result.latin1Slice()
}

function shift(bits: string, by: number): string {
  const length = bits.length
  if (by >= length || by <= -length) return '0'.repeat(length)
  return by >= 0 ? bits.slice(by) + '0'.repeat(by) : '0'.repeat(-by) + bits.slice(0, length + by)
}

const negativeLength = (): PgError => new PgError(SQLSTATE.substringError, 'negative substring length not allowed')

function substring(bits: string, start: number, count: number | null): string {
  if (count === null) return bits.slice(Math.max(start - 1, 0))
  if (count < 0) throw negativeLength()
  return bits.slice(Math.max(start - 1, 0), Math.max(start - 1 + count, 0))
}

function overlay(bits: string, placed: string, start: number, count: number): string {
  if (start <= 0) throw negativeLength()
  if (start + count > 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
  return bits.slice(0, start - 1) + placed + bits.slice(Math.max(start + count - 1, 0))
}

function fromInteger(value: number | bigint, typmod: number, width: number): string {
  const length = typmod <= 0 || typmod > MAX_BITS ? 1 : typmod
  const full = BigInt.asUintN(width, BigInt(value)).toString(2).padStart(width, '0')
  return length <= width ? full.slice(width - length) : full.padStart(length, value < 0 ? '1' : '0')
}

function toInteger(bits: string, width: number, type: string): bigint {
  if (bits.length > width) throw new PgError(SQLSTATE.numericValueOutOfRange, `${type} out of range`)
  return BigInt.asIntN(width, bits === '' ? 0n : BigInt(`0b${bits}`))
}

function checkIndex(bits: string, n: number): void {
  if (n < 0 || n >= bits.length)
    throw new PgError(SQLSTATE.arraySubscriptError, `bit index ${n} out of valid range (0..${bits.length - 1})`)
}

function typmodIn(modifiers: ArrayDatum, type: string): number {
  const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)
  if (modifiers.elements.length !== 1) throw invalid('invalid type modifier')
  const length = Number(modifiers.elements[0])
  if (length < 1) throw invalid(`length for type ${type} must be at least 1`)
  if (length > MAX_LENGTH) throw invalid(`length for type ${type} cannot exceed ${MAX_LENGTH}`)
  return length
}

const typmodOut = (typmod: number): string => (typmod >= 0 ? `(${typmod})` : '')

export const bitProcs = {
  bitcmp: compare,
  biteq: (a, b) => a === b,
  bitne: (a, b) => a !== b,
  bitlt: (a, b) => a < b,
  bitle: (a, b) => a <= b,
  bitgt: (a, b) => a > b,
  bitge: (a, b) => a >= b,
  bittypmodin: (modifiers) => typmodIn(modifiers, 'bit'),
  bittypmodout: typmodOut,
  varbittypmodin: (modifiers) => typmodIn(modifiers, 'varbit'),
  varbittypmodout: typmodOut,
  bit(bits, length, explicit) {
    if (length <= 0 || length > MAX_BITS || length === bits.length) return bits
    if (!explicit) return fixed(bits, length)
    return bits.slice(0, length).padEnd(length, '0')
  },
  varbit(bits, length, explicit) {
    if (length <= 0 || length >= bits.length) return bits
    if (!explicit) throw tooLong(length)
    return bits.slice(0, length)
  },
  bit_and: (a, b) => combine(a, b, 'AND', (x, y) => x && y),
  bit_or: (a, b) => combine(a, b, 'OR', (x, y) => x || y),
  bitxor: (a, b) => combine(a, b, 'XOR', (x, y) => x !== y),
  bitnot: (a) => byCharacter(a, (part) => part.replace(/./g, (bit) => (bit === '1' ? '0' : '1'))),
  bitshiftleft: (a, by) => shift(a, by),
  bitshiftright: (a, by) => shift(a, -by),
  bitcat(a, b) {
    checkSize(a.length + b.length)
    return a + b
  },
  bitsubstr: substring,
  bitsubstr_no_len: (bits, start) => substring(bits, start, null),
  bitoverlay: overlay,
  bitoverlay_no_len: (bits, placed, start) => overlay(bits, placed, start, placed.length),
  bitlength: (bits) => bits.length,
  bitoctetlength: (bits) => Math.ceil(bits.length / 8),
  bit_bit_count(bits) {
    const counted = (before: number, from: number, to: number): number => {
      let count = before
      for (let i = from; i < to; i++) count += bits.charCodeAt(i) & 1
      return count
    }
    return inParts(bits.length, 0, counted, LONG)
  },
  bitposition: (bits, part) => (bits === '' ? 0 : bits.indexOf(part) + 1),
  bitfromint4: (value, typmod) => fromInteger(value, typmod, 32),
  bitfromint8: (value, typmod) => fromInteger(value, typmod, 64),
  bittoint4: (bits) => Number(toInteger(bits, 32, 'integer')),
  bittoint8: (bits) => normalInt8(toInteger(bits, 64, 'bigint')),
  bitgetbit(bits, n) {
    checkIndex(bits, n)
    return bits[n] === '1' ? 1 : 0
  },
  bitsetbit(bits, n, value) {
    checkIndex(bits, n)
    if (value !== 0 && value !== 1) throw new PgError(SQLSTATE.invalidParameterValue, 'new bit must be 0 or 1')
    return `${bits.slice(0, n)}${value}${bits.slice(n + 1)}`
  },
} satisfies Procs
