// int2, int4, int8: support, operators, casts among themselves. int8 is a number while it is safe, else a bigint. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  type Int8,
  int2KeyCodec,
  int4KeyCodec,
  int8KeyCodec,
  int8ValueCodec,
  intValueCodec,
  normalInt8,
  readInt64,
  writeAscii,
  writeInt64,
  writeInteger,
} from './codecs.ts'
import { binaryLength, defineType } from './define.ts'
import { hashUint32, hashUint32Extended, int8HashWord } from './hash.ts'
import { checkInt2, checkInt4, checkInt8, INT8_MAX, INT8_MIN, integerOutOfRange, parseInt8, parseInteger } from './integer.ts'
import type { Procs } from './procs.ts'

const divisionByZero = (): PgError => new PgError(SQLSTATE.divisionByZero, 'division by zero')

const compareNumbers = (a: number, b: number): number => a - b
const compareInt8 = (a: Int8, b: Int8): number => (a < b ? -1 : a > b ? 1 : 0)
const sign = (n: number): number => (n < 0 ? -1 : n > 0 ? 1 : 0)

export const intTypes = {
  int2: defineType<number>({
    input: (text) => parseInteger(text, 'smallint', -32768, 32767),
    output: (value) => String(value),
    writeText: writeInteger,
    receive(buffer, start, end) {
      binaryLength(end - start, 2)
      return buffer.readInt16BE(start)
    },
    send: (value, out) => out.i16(value),
    compare: compareNumbers,
    hashKey: (value) => value,
    size: () => 8,
    value: intValueCodec,
    key: int2KeyCodec,
  }),
  int4: defineType<number>({
    input: (text) => parseInteger(text, 'integer', -2147483648, 2147483647),
    output: (value) => String(value),
    writeText: writeInteger,
    receive(buffer, start, end) {
      binaryLength(end - start, 4)
      return buffer.readInt32BE(start)
    },
    send: (value, out) => out.i32(value),
    compare: compareNumbers,
    hashKey: (value) => value,
    size: () => 8,
    value: intValueCodec,
    key: int4KeyCodec,
  }),
  int8: defineType<Int8>({
    input: parseInt8,
    output: (value) => String(value),
    writeText(value, out) {
      if (typeof value === 'number') writeInteger(value, out)
      else writeAscii(String(value), out)
    },
    receive(buffer, start, end) {
      binaryLength(end - start, 8)
      return readInt64(buffer, start, 0)
    },
    send: (value, out) => writeInt64(value, out, 0),
    compare: compareInt8,
    hashKey: (value) => value,
    size: (value) => (typeof value === 'number' ? 8 : 24),
    value: int8ValueCodec,
    key: int8KeyCodec,
  }),
}

// --- arithmetic

function add2(a: number, b: number): number {
  return checkInt2(a + b)
}
function sub2(a: number, b: number): number {
  return checkInt2(a - b)
}
function mul2(a: number, b: number): number {
  return checkInt2((a * b) | 0)
}
function add4(a: number, b: number): number {
  return checkInt4(a + b)
}
function sub4(a: number, b: number): number {
  return checkInt4(a - b)
}
function mul4(a: number, b: number): number {
  return checkInt4(a * b)
}
function div4(a: number, b: number): number {
  if (b === 0) throw divisionByZero()
  if (b === -1) return checkInt4(0 - a)
  return (a / b) | 0
}
function mod4(a: number, b: number): number {
  if (b === 0) throw divisionByZero()
  return (a % b) | 0
}

export function add8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return checkInt8(BigInt(a) + BigInt(b))
}
export function sub8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b
    if (Number.isSafeInteger(difference)) return difference
  }
  return checkInt8(BigInt(a) - BigInt(b))
}
export function mul8(a: Int8, b: Int8): Int8 {
  if (typeof a === 'number' && typeof b === 'number') {
    const product = a * b
    if (Number.isSafeInteger(product)) return product + 0
  }
  return checkInt8(BigInt(a) * BigInt(b))
}
function div8(a: Int8, b: Int8): Int8 {
  if (b === 0) throw divisionByZero()
  // The quotient of two safe integers never rounds up to the next integer.
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b) + 0
  return checkInt8(BigInt(a) / BigInt(b))
}
function mod8(a: Int8, b: Int8): Int8 {
  if (b === 0) throw divisionByZero()
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0
  return normalInt8(BigInt(a) % BigInt(b))
}
function neg8(a: Int8): Int8 {
  return typeof a === 'number' ? 0 - a : checkInt8(-a)
}
function abs8(a: Int8): Int8 {
  return a < 0 ? neg8(a) : a
}

function gcd4(a: number, b: number): number {
  let [x, y] = [a, b]
  while (y !== 0) [x, y] = [y, x % y]
  return checkInt4(Math.abs(x))
}
function gcd8(a: Int8, b: Int8): Int8 {
  let [x, y] = [BigInt(a), BigInt(b)]
  while (y !== 0n) [x, y] = [y, x % y]
  return checkInt8(x < 0n ? -x : x)
}

const bits8 = (value: bigint): Int8 => normalInt8(BigInt.asIntN(64, value))

/** to_hex and its kin: two's complement, no leading zeros. */
const radix = (value: Int8, bits: number, base: number): string => BigInt.asUintN(bits, BigInt(value)).toString(base)

/** generate_series over integers; ends instead of overflowing, as PostgreSQL's does. */
function series(start: Int8, stop: Int8, step: Int8, max: Int8, min: Int8): Iterable<Int8> {
  if (step === 0) throw new PgError(SQLSTATE.invalidParameterValue, 'step size cannot equal zero')
  return {
    [Symbol.iterator]() {
      let next: Int8 | null = start
      return {
        next() {
          if (next === null || (step > 0 ? next > stop : next < stop)) return { done: true, value: undefined }
          const value = next
          const after: Int8 =
            typeof value === 'number' && typeof step === 'number' && Number.isSafeInteger(value + step)
              ? value + step
              : normalInt8(BigInt(value) + BigInt(step))
          next = after > max || after < min ? null : after
          return { done: false, value }
        },
      }
    },
  }
}
const INT4_MAX = 2147483647
const series4 = (start: number, stop: number, step: number): Iterable<number> =>
  series(start, stop, step, INT4_MAX, -2147483648) as Iterable<number>
const series8 = (start: Int8, stop: Int8, step: Int8): Iterable<Int8> => series(start, stop, step, INT8_MAX, INT8_MIN)

/** in_range for RANGE frames: base ± offset compared with value. */
function inRange(value: Int8, base: Int8, offset: Int8, subtract: boolean, less: boolean): boolean {
  if (offset < 0) throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, 'invalid preceding or following size in window function')
  const edge = subtract ? BigInt(base) - BigInt(offset) : BigInt(base) + BigInt(offset)
  return less ? value <= edge : value >= edge
}

function randomBetween(min: Int8, max: Int8, random: () => number): Int8 {
  if (min > max) throw new PgError(SQLSTATE.invalidParameterValue, 'lower bound must be less than or equal to upper bound')
  const span = BigInt(max) - BigInt(min) + 1n
  if (span <= 2n ** 53n) return normalInt8(BigInt(min) + BigInt(Math.floor(random() * Number(span))))
  const wide = (BigInt(Math.floor(random() * 2 ** 32)) << 32n) | BigInt(Math.floor(random() * 2 ** 32))
  return normalInt8(BigInt(min) + (wide % span))
}

const number = {
  eq: (a: number, b: number): boolean => a === b,
  ne: (a: number, b: number): boolean => a !== b,
  lt: (a: number, b: number): boolean => a < b,
  le: (a: number, b: number): boolean => a <= b,
  gt: (a: number, b: number): boolean => a > b,
  ge: (a: number, b: number): boolean => a >= b,
}
const wide = {
  eq: (a: Int8, b: Int8): boolean => a === b,
  ne: (a: Int8, b: Int8): boolean => a !== b,
  lt: (a: Int8, b: Int8): boolean => a < b,
  le: (a: Int8, b: Int8): boolean => a <= b,
  gt: (a: Int8, b: Int8): boolean => a > b,
  ge: (a: Int8, b: Int8): boolean => a >= b,
}

export const intProcs = {
  int2eq: number.eq,
  int2ne: number.ne,
  int2lt: number.lt,
  int2le: number.le,
  int2gt: number.gt,
  int2ge: number.ge,
  int4eq: (a, b) => a === b,
  int4ne: (a, b) => a !== b,
  int4lt: (a, b) => a < b,
  int4le: (a, b) => a <= b,
  int4gt: (a, b) => a > b,
  int4ge: (a, b) => a >= b,
  int24eq: number.eq,
  int24ne: number.ne,
  int24lt: number.lt,
  int24le: number.le,
  int24gt: number.gt,
  int24ge: number.ge,
  int42eq: number.eq,
  int42ne: number.ne,
  int42lt: number.lt,
  int42le: number.le,
  int42gt: number.gt,
  int42ge: number.ge,
  int8eq: (a, b) => a === b,
  int8ne: (a, b) => a !== b,
  int8lt: (a, b) => a < b,
  int8le: (a, b) => a <= b,
  int8gt: (a, b) => a > b,
  int8ge: (a, b) => a >= b,
  int28eq: wide.eq,
  int28ne: wide.ne,
  int28lt: wide.lt,
  int28le: wide.le,
  int28gt: wide.gt,
  int28ge: wide.ge,
  int82eq: wide.eq,
  int82ne: wide.ne,
  int82lt: wide.lt,
  int82le: wide.le,
  int82gt: wide.gt,
  int82ge: wide.ge,
  int48eq: wide.eq,
  int48ne: wide.ne,
  int48lt: wide.lt,
  int48le: wide.le,
  int48gt: wide.gt,
  int48ge: wide.ge,
  int84eq: wide.eq,
  int84ne: wide.ne,
  int84lt: wide.lt,
  int84le: wide.le,
  int84gt: wide.gt,
  int84ge: wide.ge,
  btint2cmp: (a, b) => a - b,
  btint4cmp: (a, b) => sign(a - b),
  btint24cmp: (a, b) => sign(a - b),
  btint42cmp: (a, b) => sign(a - b),
  btint8cmp: compareInt8,
  btint28cmp: compareInt8,
  btint82cmp: compareInt8,
  btint48cmp: compareInt8,
  btint84cmp: compareInt8,
  int2larger: (a, b) => Math.max(a, b),
  int2smaller: (a, b) => Math.min(a, b),
  int4larger: (a, b) => Math.max(a, b),
  int4smaller: (a, b) => Math.min(a, b),
  int8larger: (a, b) => (compareInt8(a, b) < 0 ? b : a),
  int8smaller: (a, b) => (compareInt8(a, b) > 0 ? b : a),
  hashint2: (a) => hashUint32(a),
  hashint4: (a) => hashUint32(a),
  hashint8: (a) => hashUint32(int8HashWord(a)),
  hashint2extended: (a, seed) => hashUint32Extended(a, seed),
  hashint4extended: (a, seed) => hashUint32Extended(a, seed),
  hashint8extended: (a, seed) => hashUint32Extended(int8HashWord(a), seed),

  int2pl: add2,
  int2mi: sub2,
  int2mul: mul2,
  int2div(a, b) {
    if (b === 0) throw divisionByZero()
    return checkInt2(Math.trunc(a / b) + 0)
  },
  int2mod: mod4,
  int2um: (a) => checkInt2(0 - a),
  int2up: (a) => a,
  int2abs: (a) => checkInt2(Math.abs(a)),
  int2and: (a, b) => a & b,
  int2or: (a, b) => a | b,
  int2xor: (a, b) => a ^ b,
  int2not: (a) => ~a,
  int2shl: (a, n) => ((a << n) << 16) >> 16,
  int2shr: (a, n) => a >> n,
  int4pl: add4,
  int4mi: sub4,
  int4mul: mul4,
  int4div: div4,
  int4mod: mod4,
  int4um: (a) => checkInt4(0 - a),
  int4up: (a) => a,
  int4abs: (a) => checkInt4(Math.abs(a)),
  int4inc: (a) => checkInt4(a + 1),
  int4and: (a, b) => a & b,
  int4or: (a, b) => a | b,
  int4xor: (a, b) => a ^ b,
  int4not: (a) => ~a,
  int4shl: (a, n) => a << n,
  int4shr: (a, n) => a >> n,
  int4gcd: gcd4,
  int4lcm(a, b) {
    if (a === 0 || b === 0) return 0
    return checkInt4(Math.abs((a / gcd4(a, b)) * b))
  },
  int24pl: add4,
  int24mi: sub4,
  int24mul: mul4,
  int24div: div4,
  int42pl: add4,
  int42mi: sub4,
  int42mul: mul4,
  int42div: div4,
  int8pl: add8,
  int8mi: sub8,
  int8mul: mul8,
  int8div: div8,
  int8mod: mod8,
  int8um: neg8,
  int8up: (a) => a,
  int8abs: abs8,
  int8inc: (a) => add8(a, 1),
  int8dec: (a) => sub8(a, 1),
  int8inc_any: (a) => add8(a, 1),
  int8dec_any: (a) => sub8(a, 1),
  int8inc_float8_float8: (a) => add8(a, 1),
  int8and: (a, b) => normalInt8(BigInt(a) & BigInt(b)),
  int8or: (a, b) => normalInt8(BigInt(a) | BigInt(b)),
  int8xor: (a, b) => normalInt8(BigInt(a) ^ BigInt(b)),
  int8not: (a) => normalInt8(~BigInt(a)),
  int8shl: (a, n) => bits8(BigInt(a) << BigInt(n & 63)),
  int8shr: (a, n) => bits8(BigInt(a) >> BigInt(n & 63)),
  int8gcd: gcd8,
  int8lcm(a, b) {
    if (a === 0 || b === 0) return 0
    const product = (BigInt(a) / BigInt(gcd8(a, b))) * BigInt(b)
    return checkInt8(product < 0n ? -product : product)
  },
  int84pl: add8,
  int84mi: sub8,
  int84mul: mul8,
  int84div: div8,
  int48pl: add8,
  int48mi: sub8,
  int48mul: mul8,
  int48div: div8,
  int82pl: add8,
  int82mi: sub8,
  int82mul: mul8,
  int82div: div8,
  int28pl: add8,
  int28mi: sub8,
  int28mul: mul8,
  int28div: div8,

  i2toi4: (a) => a,
  i4toi2: (a) => checkInt2(a),
  int48: (a) => a,
  int28: (a) => a,
  int84(a) {
    if (a < -2147483648 || a > INT4_MAX) throw integerOutOfRange('integer')
    return Number(a)
  },
  int82(a) {
    if (a < -32768 || a > 32767) throw integerOutOfRange('smallint')
    return Number(a)
  },
  int4_bool: (a) => a !== 0,
  i4tochar(a) {
    if (a < -128 || a > 127) throw new PgError(SQLSTATE.numericValueOutOfRange, '"char" out of range')
    return a === 0 ? '' : String.fromCharCode(a & 0xff)
  },
  int2_bytea: (a) => Buffer.from([(a >> 8) & 0xff, a & 0xff]),
  int4_bytea: (a) => Buffer.from([(a >> 24) & 0xff, (a >> 16) & 0xff, (a >> 8) & 0xff, a & 0xff]),
  int8_bytea(a) {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigInt64BE(BigInt(a))
    return bytes
  },

  to_hex32: (a) => radix(a, 32, 16),
  to_hex64: (a) => radix(a, 64, 16),
  to_oct32: (a) => radix(a, 32, 8),
  to_oct64: (a) => radix(a, 64, 8),
  to_bin32: (a) => radix(a, 32, 2),
  to_bin64: (a) => radix(a, 64, 2),

  generate_series_int4: (start, stop) => series4(start, stop, 1),
  generate_series_step_int4: series4,
  generate_series_int8: (start, stop) => series8(start, stop, 1),
  generate_series_step_int8: series8,
  in_range_int2_int2: inRange,
  in_range_int2_int4: inRange,
  in_range_int2_int8: inRange,
  in_range_int4_int2: inRange,
  in_range_int4_int4: inRange,
  in_range_int4_int8: inRange,
  in_range_int8_int8: inRange,
  int4random: (min, max, ctx) => Number(randomBetween(min, max, () => ctx.random())),
  int8random: (min, max, ctx) => randomBetween(min, max, () => ctx.random()),
} satisfies Procs
