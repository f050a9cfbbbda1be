// numeric's TypeSupport: text, PostgreSQL's base-10000 binary form, a compact form for rows and a memcomparable one for keys.

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { defineType, invalidInput } from './define.ts'
import {
  applyNumericTypmod,
  compareNumeric,
  digitCount,
  formatNumeric,
  isNaNumeric,
  isSpecial,
  makeNumeric,
  NUMERIC_INF,
  NUMERIC_NAN,
  NUMERIC_NEG_INF,
  Numeric,
  normalize,
  parseNumeric,
  pow10,
  stripZeros,
  toBig,
} from './numeric.ts'
import type { TypeFamily } from './type.ts'

const SIGN_POSITIVE = 0x0000
const SIGN_NEGATIVE = 0x4000
const SIGN_NAN = 0xc000
const SIGN_INF = 0xd000
const SIGN_NEG_INF = 0xf000

function send(a: Numeric, out: ByteWriter): void {
  if (isSpecial(a)) {
    out.u16(0)
    out.u16(0)
    out.u16(isNaNumeric(a) ? SIGN_NAN : (a.unscaled as number) > 0 ? SIGN_INF : SIGN_NEG_INF)
    // PostgreSQL shows an infinity's scale as 32 here and reads any.
    out.u16(isNaNumeric(a) ? 0 : 0x20)
    return
  }
  const negative = a.unscaled < 0
  let text = String(negative ? -a.unscaled : a.unscaled)
  // Align the point to a multiple of four digits, then cut into fours.
  const pad = (4 - (a.scale % 4)) % 4
  text += '0'.repeat(pad)
  const fractionGroups = (a.scale + pad) / 4
  const lead = (4 - (text.length % 4)) % 4
  text = '0'.repeat(lead) + text
  const groups: number[] = []
  for (let i = 0; i < text.length; i += 4) groups.push(Number(text.slice(i, i + 4)))
  let weight = groups.length - fractionGroups - 1
  let first = 0
  while (first < groups.length && groups[first] === 0) {
    first++
    weight--
  }
  let last = groups.length
  while (last > first && groups[last - 1] === 0) last--
  if (first === last) weight = 0
  out.u16(last - first)
  out.i16(weight)
  out.u16(negative ? SIGN_NEGATIVE : SIGN_POSITIVE)
  out.u16(a.scale)
  for (let i = first; i < last; i++) out.u16(groups[i]!)
}

function receive(buffer: Buffer, start: number, end: number, typmod: number): Numeric {
  const bad = (what: string): PgError => new PgError(SQLSTATE.invalidBinaryRepresentation, `invalid ${what} in external "numeric" value`)
  if (end - start < 8) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
  const count = buffer.readUInt16BE(start)
  const weight = buffer.readInt16BE(start + 2)
  const sign = buffer.readUInt16BE(start + 4)
  const scale = buffer.readUInt16BE(start + 6)
  if (sign === SIGN_NAN) return NUMERIC_NAN
  if (sign === SIGN_INF) return applyNumericTypmod(NUMERIC_INF, typmod)
  if (sign === SIGN_NEG_INF) return applyNumericTypmod(NUMERIC_NEG_INF, typmod)
  if (sign !== SIGN_POSITIVE && sign !== SIGN_NEGATIVE) throw bad('sign')
  if (scale > 0x3fff) throw bad('scale')
  if (end - start < 8 + count * 2) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
  let text = '0'
  for (let i = 0; i < count; i++) {
    const digit = buffer.readUInt16BE(start + 8 + i * 2)
    if (digit > 9999) throw bad('digit')
    text += String(digit).padStart(4, '0')
  }
  if (end - start > 8 + count * 2) throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'incorrect binary data format')
  const ownScale = (count - 1 - weight) * 4
  let big = BigInt(text)
  // Digits beyond the stated scale are cut, as numeric_recv does.
  if (ownScale > scale) big /= pow10(ownScale - scale)
  else if (big !== 0n) big *= pow10(scale - ownScale)
  return applyNumericTypmod(makeNumeric(sign === SIGN_NEGATIVE ? -big : big, scale), typmod)
}

// Row form: scale (one byte, or 0xF0 and two), then the integer as minimal two's complement; 0xFD..0xFF are the special values.
const WIDE_SCALE = 0xf0
const VALUE_NAN = 0xfd
const VALUE_INF = 0xfe
const VALUE_NEG_INF = 0xff

function writeValue(a: Numeric, out: ByteWriter): void {
  if (isSpecial(a)) {
    out.u8(isNaNumeric(a) ? VALUE_NAN : (a.unscaled as number) > 0 ? VALUE_INF : VALUE_NEG_INF)
    return
  }
  if (a.scale < WIDE_SCALE) out.u8(a.scale)
  else {
    out.u8(WIDE_SCALE)
    out.u16(a.scale)
  }
  const u = a.unscaled
  if (typeof u === 'number' && u >= -0x800000000000 && u < 0x800000000000) {
    const m = u < 0 ? -u - 1 : u
    const size = m < 0x80 ? 1 : m < 0x8000 ? 2 : m < 0x800000 ? 3 : m < 0x80000000 ? 4 : m < 0x8000000000 ? 5 : 6
    out.reserve(size)
    out.length = out.buffer.writeIntBE(u, out.length, size)
    return
  }
  const big = toBig(u)
  const bits = (big < 0n ? -big - 1n : big).toString(16).length * 4 + 1
  const size = Math.ceil(bits / 8)
  out.bytes(
    Buffer.from(
      BigInt.asUintN(size * 8, big)
        .toString(16)
        .padStart(size * 2, '0'),
      'hex',
    ),
  )
}

function readValue(buffer: Buffer, start: number, end: number): Numeric {
  let scale = buffer[start]!
  let at = start + 1
  if (scale === WIDE_SCALE) {
    scale = buffer.readUInt16BE(at)
    at += 2
  } else if (scale >= VALUE_NAN) return scale === VALUE_NAN ? NUMERIC_NAN : scale === VALUE_INF ? NUMERIC_INF : NUMERIC_NEG_INF
  const size = end - at
  if (size <= 6) return new Numeric(buffer.readIntBE(at, size), scale)
  const big = BigInt.asIntN(size * 8, BigInt(`0x${buffer.toString('hex', at, end)}`))
  return new Numeric(normalize(big), scale)
}

// Key form: class byte, then for finite values the exponent of the leading base-100 digit and the digits (each + 1), ended by 0; all
// complemented for negative values. Equal values have one form, whatever their scale.
const KEY_NEG_INF = 1
const KEY_NEGATIVE = 2
const KEY_ZERO = 3
const KEY_POSITIVE = 4
const KEY_INF = 5
const KEY_NAN = 6

function writeKey(a: Numeric, out: ByteWriter): void {
  if (isSpecial(a)) {
    out.u8(isNaNumeric(a) ? KEY_NAN : (a.unscaled as number) > 0 ? KEY_INF : KEY_NEG_INF)
    return
  }
  const u = a.unscaled
  if (u === 0) {
    out.u8(KEY_ZERO)
    return
  }
  const negative = u < 0
  out.u8(negative ? KEY_NEGATIVE : KEY_POSITIVE)
  const flip = negative ? 0xff : 0
  let text = String(negative ? -u : u)
  let exponent = text.length - a.scale
  let end = text.length
  while (text.charCodeAt(end - 1) === 48) end--
  text = text.slice(0, end)
  // Pairs of digits from an even exponent.
  if ((exponent & 1) !== 0) {
    text = `0${text}`
    exponent++
  }
  if ((text.length & 1) !== 0) text += '0'
  const pairs = exponent / 2
  // -0x7000..0x10000+ fits 18 bits: biased into three bytes, the common middle into one.
  if (pairs >= -63 && pairs <= 127) out.u8((pairs + 64) ^ flip)
  else {
    out.u8((pairs > 0 ? 0xf0 : 0x00) ^ flip)
    const biased = pairs + 0x800000
    out.u8((biased >> 16) ^ flip)
    out.u8(((biased >> 8) & 0xff) ^ flip)
    out.u8((biased & 0xff) ^ flip)
  }
  for (let i = 0; i < text.length; i += 2) out.u8(((text.charCodeAt(i) - 48) * 10 + text.charCodeAt(i + 1) - 47) ^ flip)
  out.u8(flip)
}

function skipKey(buffer: Buffer, start: number): number {
  const kind = buffer[start]!
  if (kind !== KEY_POSITIVE && kind !== KEY_NEGATIVE) return start + 1
  const flip = kind === KEY_NEGATIVE ? 0xff : 0
  let at = start + 1
  const exponent = buffer[at]! ^ flip
  at += exponent === 0 || exponent === 0xf0 ? 4 : 1
  while ((buffer[at]! ^ flip) !== 0) at++
  return at + 1
}

const numeric = defineType<Numeric>({
  input(text, typmod) {
    const value = parseNumeric(text)
    if (value === null) throw invalidInput('numeric', text)
    return applyNumericTypmod(value, typmod)
  },
  output: formatNumeric,
  writeText(value, out) {
    const text = formatNumeric(value)
    out.reserve(text.length)
    out.length += out.buffer.latin1Write(text, out.length)
  },
  receive,
  send,
  compare: compareNumeric,
  hashKey(value) {
    const a = stripZeros(value)
    if (isNaNumeric(a)) return 'NaN'
    return a.scale === 0 ? a.unscaled : formatNumeric(a)
  },
  size: (value) => (typeof value.unscaled === 'number' ? 40 : 48 + digitCount(value.unscaled) / 2),
  value: { write: writeValue, read: readValue },
  key: { write: writeKey, skip: skipKey, read: () => undefined, lossless: false },
})

export const numericTypes: TypeFamily = { numeric }
