// float4 and float8: text form (shortest that reads back), order (NaN last and equal to itself), arithmetic with PostgreSQL's range checks.
// The mathematical functions are in float-math.ts. // hot

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, normalInt8, writeAscii } from './codecs.ts'
import { binaryLength, defineType, invalidInput } from './define.ts'
import { compareSize, nearestFloat4 } from './float4-rounding.ts'
import { float8Bytes, hashBytes, hashBytesExtended } from './hash.ts'
import { BINARY32, BINARY64, type BinaryFormat, parseHexFloat } from './hex-float.ts'
import type { Procs } from './procs.ts'

export const overflow = (): PgError => new PgError(SQLSTATE.numericValueOutOfRange, 'value out of range: overflow')
export const underflow = (): PgError => new PgError(SQLSTATE.numericValueOutOfRange, 'value out of range: underflow')
const divisionByZero = (): PgError => new PgError(SQLSTATE.divisionByZero, 'division by zero')

// --- text

/** `digits` (no dot) with the decimal exponent of its first digit, as %g would print it: fixed between 1e-4 and 10^fixedDigits. */
function arrange(negative: boolean, digits: string, exponent: number, fixedDigits: number): string {
  const minus = negative ? '-' : ''
  if (exponent < -4 || exponent >= fixedDigits) {
    const mantissa = digits.length === 1 ? digits : `${digits[0]}.${digits.slice(1)}`
    const size = Math.abs(exponent)
    return `${minus}${mantissa}e${exponent < 0 ? '-' : '+'}${size < 10 ? '0' : ''}${size}`
  }
  if (exponent < 0) return `${minus}0.${'0'.repeat(-exponent - 1)}${digits}`
  if (digits.length <= exponent + 1) return minus + digits.padEnd(exponent + 1, '0')
  return `${minus}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return 'Infinity'
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  return null
}

/** From toExponential's form. */
function fromExponential(text: string, fixedDigits: number): string {
  const e = text.indexOf('e')
  const negative = text.charCodeAt(0) === 0x2d
  const digits = text
    .slice(negative ? 1 : 0, e)
    .replace('.', '')
    .replace(/0+$/, '')
  return arrange(negative, digits === '' ? '0' : digits, Number(text.slice(e + 1)), fixedDigits)
}

export function formatFloat8(value: number, extraFloatDigits: number): string {
  const odd = special(value)
  if (odd !== null) return odd
  if (extraFloatDigits <= 0) {
    const precision = Math.max(15 + extraFloatDigits, 1)
    return fromExponential(value.toExponential(precision - 1), precision)
  }
  const size = Math.abs(value)
  // JavaScript prints the same shortest digits, without an exponent, over most of the fixed range.
  if (size >= 1e-4 && size < 1e15) return String(value)
  return fromExponential(value.toExponential(), 15)
}

/** Whether a decimal lies exactly between two floats: it reads back only by the tie rule, and PostgreSQL then prints one more digit. */
function isMidpoint(text: string, decimal: number, value: number): boolean {
  if (decimal === value) return false
  float4[0] = value
  const bits = words4[0]!
  words4[0] = bits + (Math.abs(decimal) > Math.abs(value) ? 1 : -1)
  return (value + float4[0]!) / 2 === decimal && compareSize(text, Math.abs(decimal)) === 0
}
const float4 = new Float32Array(1)
const words4 = new Uint32Array(float4.buffer)

export function formatFloat4(value: number, extraFloatDigits: number): string {
  const odd = special(value)
  if (odd !== null) return odd
  if (extraFloatDigits <= 0) {
    const precision = Math.max(6 + extraFloatDigits, 1)
    return fromExponential(value.toExponential(precision - 1), precision)
  }
  for (let digits = 0; digits < 8; digits++) {
    const text = value.toExponential(digits)
    const read = Number(text)
    if (nearestFloat4(text, read) === value && !isMidpoint(text, read, value)) return fromExponential(text, 6)
  }
  return fromExponential(value.toExponential(8), 6)
}

const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/
const SPECIAL = /^([+-]?)(?:(nan)(?:\([0-9a-z_]*\))?|inf(?:inity)?)$/i

/** `hex`: already of the width that is asked for. */
function parse(text: string, type: string, format: BinaryFormat): { value: number; trimmed: string; hex: boolean } {
  const trimmed = text.replace(/^[ \t\n\v\f\r]+|[ \t\n\v\f\r]+$/g, '')
  if (NUMBER.test(trimmed)) return { value: Number(trimmed), trimmed, hex: false }
  const hex = parseHexFloat(trimmed, format)
  if (hex !== null) {
    if (!Number.isFinite(hex.value) || (hex.value === 0 && !hex.isZero)) throw tooBig(trimmed, type)
    return { value: hex.value, trimmed, hex: true }
  }
  const odd = SPECIAL.exec(trimmed)
  if (odd !== null) {
    if (odd[2] !== undefined) return { value: Number.NaN, trimmed, hex: false }
    return { value: odd[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY, trimmed, hex: false }
  }
  throw invalidInput(type, text)
}

const tooBig = (trimmed: string, type: string): PgError =>
  new PgError(SQLSTATE.numericValueOutOfRange, `"${trimmed}" is out of range for type ${type}`)
const saysZero = (trimmed: string): boolean => /^[+-]?[0.]*(?:[eE]|$)/.test(trimmed)
const saysInfinity = (trimmed: string): boolean => /^[+-]?i/i.test(trimmed)

function inputFloat8(text: string): number {
  const { value, trimmed, hex } = parse(text, 'double precision', BINARY64)
  if (hex) return value
  if ((value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) && !saysInfinity(trimmed))
    throw tooBig(trimmed, 'double precision')
  if (value === 0 && !saysZero(trimmed)) throw tooBig(trimmed, 'double precision')
  return value
}

function inputFloat4(text: string): number {
  const { value, trimmed, hex } = parse(text, 'real', BINARY32)
  if (hex) return value
  const rounded = nearestFloat4(trimmed, value)
  if ((rounded === Number.POSITIVE_INFINITY || rounded === Number.NEGATIVE_INFINITY) && !saysInfinity(trimmed))
    throw tooBig(trimmed, 'real')
  if (rounded === 0 && !saysZero(trimmed)) throw tooBig(trimmed, 'real')
  return rounded
}

// --- order and codecs

export function compareFloat(a: number, b: number): number {
  if (a < b) return -1
  if (a > b) return 1
  if (a === b) return 0
  const nan = Number.isNaN(a)
  return nan === Number.isNaN(b) ? 0 : nan ? 1 : -1
}

const NAN_BITS = 0x7ff80000

const float8Key = {
  write(value: number, out: ByteWriter): void {
    out.reserve(8)
    const at = out.length
    if (Number.isNaN(value)) {
      out.u32((NAN_BITS ^ 0x80000000) >>> 0)
      out.u32(0)
      return
    }
    out.f64(value === 0 ? 0 : value)
    const buffer = out.buffer
    if ((buffer[at]! & 0x80) === 0) buffer[at] = buffer[at]! ^ 0x80
    else for (let i = at; i < at + 8; i++) buffer[i] = buffer[i]! ^ 0xff
  },
  skip: (_buffer: Buffer, start: number): number => start + 8,
  read(buffer: Buffer, start: number): number | undefined {
    let high = buffer.readUInt32BE(start)
    let low = buffer.readUInt32BE(start + 4)
    if (high >= 0x80000000) high = (high ^ 0x80000000) >>> 0
    else {
      high = ~high >>> 0
      low = ~low >>> 0
    }
    words[1] = high
    words[0] = low
    // Zero's key says nothing of its sign.
    return float[0] === 0 ? undefined : float[0]
  },
  lossless: false,
}
const float = new Float64Array(1)
const words = new Uint32Array(float.buffer)

const hashFloat = (value: number): number => (value === 0 ? 0 : value)
const hashable = (value: number): Uint8Array => float8Bytes(value)

export const floatTypes = {
  float8: defineType<number>({
    input: inputFloat8,
    output: (value, io) => formatFloat8(value, io.extraFloatDigits),
    writeText: (value, out, io) => writeAscii(formatFloat8(value, io.extraFloatDigits), out),
    receive(buffer, start, end) {
      binaryLength(end - start, 8)
      return buffer.readDoubleBE(start)
    },
    send: (value, out) => out.f64(value),
    compare: compareFloat,
    hashKey: hashFloat,
    size: () => 16,
    value: { write: (value, out) => out.f64(value), read: (buffer, start) => buffer.readDoubleBE(start) },
    key: float8Key,
  }),
  float4: defineType<number>({
    input: inputFloat4,
    output: (value, io) => formatFloat4(value, io.extraFloatDigits),
    writeText: (value, out, io) => writeAscii(formatFloat4(value, io.extraFloatDigits), out),
    receive(buffer, start, end) {
      binaryLength(end - start, 4)
      return buffer.readFloatBE(start)
    },
    send: (value, out) => out.f32(value),
    compare: compareFloat,
    hashKey: hashFloat,
    size: () => 16,
    value: { write: (value, out) => out.f32(value), read: (buffer, start) => buffer.readFloatBE(start) },
    key: float8Key,
  }),
}

// --- arithmetic

const isInfinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY

/** Throws when a result is infinite although no operand was. */
function checked(result: number, a: number, b: number): number {
  if (isInfinite(result) && !isInfinite(a) && !isInfinite(b)) throw overflow()
  return result
}
const add = (a: number, b: number): number => checked(a + b, a, b)
const subtract = (a: number, b: number): number => checked(a - b, a, b)
function multiply(a: number, b: number): number {
  const result = checked(a * b, a, b)
  if (result === 0 && a !== 0 && b !== 0) throw underflow()
  return result
}
function divide(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw divisionByZero()
  const result = a / b
  if (isInfinite(result) && !isInfinite(a)) throw overflow()
  if (result === 0 && a !== 0 && !isInfinite(b)) throw underflow()
  return result
}
const add4 = (a: number, b: number): number => checked(Math.fround(a + b), a, b)
const subtract4 = (a: number, b: number): number => checked(Math.fround(a - b), a, b)
function multiply4(a: number, b: number): number {
  const result = checked(Math.fround(a * b), a, b)
  if (result === 0 && a !== 0 && b !== 0) throw underflow()
  return result
}
function divide4(a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw divisionByZero()
  const result = Math.fround(a / b)
  if (isInfinite(result) && !isInfinite(a)) throw overflow()
  if (result === 0 && a !== 0 && !isInfinite(b)) throw underflow()
  return result
}

const eq = (a: number, b: number): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b))
const ne = (a: number, b: number): boolean => !eq(a, b)
const lt = (a: number, b: number): boolean => compareFloat(a, b) < 0
const le = (a: number, b: number): boolean => compareFloat(a, b) <= 0
const gt = (a: number, b: number): boolean => compareFloat(a, b) > 0
const ge = (a: number, b: number): boolean => compareFloat(a, b) >= 0
const larger = (a: number, b: number): number => (compareFloat(a, b) > 0 ? a : b)
const smaller = (a: number, b: number): number => (compareFloat(a, b) < 0 ? a : b)

/** rint: halves to even. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const part = value - floor
  if (part < 0.5) return floor === 0 && value < 0 ? -0 : floor
  if (part > 0.5) return floor + 1 === 0 ? -0 : floor + 1
  return floor % 2 === 0 ? floor : floor + 1 === 0 ? -0 : floor + 1
}

function toInteger(value: number, min: number, end: number, type: string): number {
  const rounded = roundHalfEven(value)
  if (!(rounded >= min && rounded < end)) throw new PgError(SQLSTATE.numericValueOutOfRange, `${type} out of range`)
  return rounded + 0
}
const toInt8 = (value: number): Int8 => {
  const rounded = toInteger(value, -(2 ** 63), 2 ** 63, 'bigint')
  return Number.isSafeInteger(rounded) ? rounded : normalInt8(BigInt(rounded))
}
function toFloat4(value: number): number {
  const rounded = Math.fround(value)
  if (isInfinite(rounded) && !isInfinite(value)) throw overflow()
  if (rounded === 0 && value !== 0) throw underflow()
  return rounded
}

/** in_range for RANGE frames over floats. */
function inRange(value: number, base: number, offset: number, subtractIt: boolean, less: boolean): boolean {
  if (Number.isNaN(offset) || offset < 0)
    throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, 'invalid preceding or following size in window function')
  if (Number.isNaN(value)) return Number.isNaN(base) ? true : !less
  if (Number.isNaN(base)) return less
  if (isInfinite(offset) && isInfinite(base) && (subtractIt ? base > 0 : base < 0)) return true
  const edge = subtractIt ? base - offset : base + offset
  return less ? value <= edge : value >= edge
}

export const floatProcs = {
  float8eq: eq,
  float8ne: ne,
  float8lt: lt,
  float8le: le,
  float8gt: gt,
  float8ge: ge,
  float4eq: eq,
  float4ne: ne,
  float4lt: lt,
  float4le: le,
  float4gt: gt,
  float4ge: ge,
  float48eq: eq,
  float48ne: ne,
  float48lt: lt,
  float48le: le,
  float48gt: gt,
  float48ge: ge,
  float84eq: eq,
  float84ne: ne,
  float84lt: lt,
  float84le: le,
  float84gt: gt,
  float84ge: ge,
  btfloat8cmp: compareFloat,
  btfloat4cmp: compareFloat,
  btfloat48cmp: compareFloat,
  btfloat84cmp: compareFloat,
  float8larger: larger,
  float8smaller: smaller,
  float4larger: larger,
  float4smaller: smaller,
  hashfloat8: (a) => (a === 0 ? 0 : hashBytes(hashable(a))),
  hashfloat4: (a) => (a === 0 ? 0 : hashBytes(hashable(a))),
  hashfloat8extended: (a, seed) => (a === 0 ? seed : hashBytesExtended(hashable(a), seed)),
  hashfloat4extended: (a, seed) => (a === 0 ? seed : hashBytesExtended(hashable(a), seed)),
  float8pl: add,
  float8mi: subtract,
  float8mul: multiply,
  float8div: divide,
  float8um: (a) => -a,
  float8up: (a) => a,
  float8abs: (a) => Math.abs(a),
  float4pl: add4,
  float4mi: subtract4,
  float4mul: multiply4,
  float4div: divide4,
  float4um: (a) => -a,
  float4up: (a) => a,
  float4abs: (a) => Math.abs(a),
  float48pl: add,
  float48mi: subtract,
  float48mul: multiply,
  float48div: divide,
  float84pl: add,
  float84mi: subtract,
  float84mul: multiply,
  float84div: divide,
  ftod: (a) => a,
  dtof: toFloat4,
  i2tod: (a) => a,
  i4tod: (a) => a,
  i8tod: (a) => Number(a),
  i2tof: (a) => a,
  i4tof: (a) => Math.fround(a),
  i8tof: (a) => (typeof a === 'number' ? Math.fround(a) : nearestFloat4(String(a), Number(a))),
  dtoi2: (a) => toInteger(a, -32768, 32768, 'smallint'),
  dtoi4: (a) => toInteger(a, -2147483648, 2147483648, 'integer'),
  dtoi8: toInt8,
  ftoi2: (a) => toInteger(a, -32768, 32768, 'smallint'),
  ftoi4: (a) => toInteger(a, -2147483648, 2147483648, 'integer'),
  ftoi8: toInt8,
  in_range_float8_float8: inRange,
  in_range_float4_float8: inRange,
} satisfies Procs
