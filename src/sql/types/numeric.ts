// numeric's value: an integer and a decimal scale, exact. The integer is a number while it is safe, else a bigint, never both for one
// value, so that ordinary amounts cost float arithmetic. NaN and the infinities are JavaScript's own with scale 0. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

export type Unscaled = number | bigint

/** PostgreSQL's NUMERIC_DSCALE_MAX and the digits before the point that NUMERIC_WEIGHT_MAX allows. */
export const MAX_SCALE = 16383
export const MAX_INTEGER_DIGITS = 131072

/** value = unscaled / 10^scale; scale is what PostgreSQL calls dscale, the digits shown after the point. */
export class Numeric {
  readonly unscaled: Unscaled
  readonly scale: number

  constructor(unscaled: Unscaled, scale: number) {
    this.unscaled = unscaled
    this.scale = scale
  }

  toString(): string {
    return formatNumeric(this)
  }
}

export const NUMERIC_NAN = new Numeric(Number.NaN, 0)
export const NUMERIC_INF = new Numeric(Number.POSITIVE_INFINITY, 0)
export const NUMERIC_NEG_INF = new Numeric(Number.NEGATIVE_INFINITY, 0)
export const NUMERIC_ZERO = new Numeric(0, 0)
export const NUMERIC_ONE = new Numeric(1, 0)
export const NUMERIC_TEN = new Numeric(10, 0)

const BIG_POWERS: bigint[] = [1n]
const POWERS: number[] = [1]
for (let i = 1; i <= 15; i++) POWERS.push(POWERS[i - 1]! * 10)
for (let i = 1; i <= 128; i++) BIG_POWERS.push(BIG_POWERS[i - 1]! * 10n)

export function pow10(n: number): bigint {
  return n < BIG_POWERS.length ? BIG_POWERS[n]! : 10n ** BigInt(n)
}

/** The one form of an integer: a number if safe. -0 becomes 0. */
export function normalize(value: bigint): Unscaled {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
}

export function toBig(value: Unscaled): bigint {
  return typeof value === 'bigint' ? value : BigInt(value)
}

export function overflow(): PgError {
  return new PgError(SQLSTATE.numericValueOutOfRange, 'value overflows numeric format')
}

export const isNaNumeric = (a: Numeric): boolean => typeof a.unscaled === 'number' && Number.isNaN(a.unscaled)
export const isInfNumeric = (a: Numeric): boolean => a.unscaled === Number.POSITIVE_INFINITY || a.unscaled === Number.NEGATIVE_INFINITY
export const isSpecial = (a: Numeric): boolean => typeof a.unscaled === 'number' && !Number.isFinite(a.unscaled)
export const isZero = (a: Numeric): boolean => a.unscaled === 0

/** -1, 0, 1; NaN counts as 1. */
export function signOf(a: Numeric): number {
  const u = a.unscaled
  return u === 0 ? 0 : u < 0 ? -1 : 1
}

/** Decimal digits of |value|; 1 for 0. */
export function digitCount(value: Unscaled): number {
  if (typeof value === 'number') {
    const a = Math.abs(value)
    let n = 1
    while (n < 16 && a >= POWERS[n]!) n++
    return n === 16 && a < 1e15 ? 15 : n
  }
  const a = value < 0n ? -value : value
  let estimate: number
  const approx = Number(a)
  if (approx < 1e300) estimate = Math.floor(Math.log10(approx)) + 1
  else {
    const hex = a.toString(16)
    const lead = Number.parseInt(hex.slice(0, 12), 16)
    estimate = Math.floor((hex.length - 12) * 1.2041199826559248 + Math.log10(lead)) + 1
  }
  if (a >= pow10(estimate)) return estimate + 1
  if (estimate > 1 && a < pow10(estimate - 1)) return estimate - 1
  return estimate
}

/** A finite result checked against the format's limits, as make_result does. */
export function makeNumeric(unscaled: bigint, scale: number): Numeric {
  const u = normalize(unscaled)
  if (typeof u === 'number') return new Numeric(u, checkScale(scale))
  checkScale(scale)
  // 131072 digits are more than 435400 bits: only then count exactly.
  if (u > BIG_LIMIT || u < -BIG_LIMIT) {
    if (digitCount(u) - scale > MAX_INTEGER_DIGITS) throw overflow()
  }
  return new Numeric(u, scale)
}
const BIG_LIMIT = 1n << 435000n

function checkScale(scale: number): number {
  if (scale > MAX_SCALE) throw overflow()
  return scale
}

export function numericFromInteger(value: Unscaled): Numeric {
  return new Numeric(value, 0)
}

export function numericFromBig(value: bigint): Numeric {
  return new Numeric(normalize(value), 0)
}

/** |a| / 10^digits rounded half away from zero, on bigints. */
export function divRound(a: bigint, divisor: bigint): bigint {
  const q = a / divisor
  const r = a - q * divisor
  const twice = (r < 0n ? -r : r) * 2n
  if (twice < (divisor < 0n ? -divisor : divisor)) return q
  return a < 0n === divisor < 0n ? q + 1n : q - 1n
}

/** The unscaled integer of `a` at `scale` (≥ its own or rounded half away from zero). Finite only. */
export function rescaleUnscaled(a: Numeric, scale: number): bigint {
  if (scale >= a.scale) return scale === a.scale ? toBig(a.unscaled) : toBig(a.unscaled) * pow10(scale - a.scale)
  return divRound(toBig(a.unscaled), pow10(a.scale - scale))
}

/** round_var: to `scale` digits after the point, negative allowed; the display scale is never negative. */
export function roundNumeric(a: Numeric, scale: number): Numeric {
  if (a.scale === scale || isSpecial(a)) return a
  const u = a.unscaled
  if (scale > a.scale) {
    const by = scale - a.scale
    if (typeof u === 'number' && by <= 15) {
      const r = u * POWERS[by]!
      if (Number.isSafeInteger(r)) return new Numeric(r, scale)
    }
    return makeNumeric(toBig(u) * pow10(by), scale)
  }
  const by = a.scale - scale
  if (typeof u === 'number' && by <= 15 && scale >= 0) {
    const p = POWERS[by]!
    const m = Math.abs(u)
    const rest = m % p
    let q = (m - rest) / p
    if (rest * 2 >= p) q++
    return new Numeric(u < 0 && q !== 0 ? -q : q, scale)
  }
  if (by > 140000) return new Numeric(0, Math.max(scale, 0))
  const q = divRound(toBig(u), pow10(by))
  return scale >= 0 ? makeNumeric(q, scale) : makeNumeric(q * pow10(-scale), 0)
}

/** trunc_var, same conventions. */
export function truncNumeric(a: Numeric, scale: number): Numeric {
  if (scale >= a.scale || isSpecial(a)) return roundNumeric(a, scale)
  const by = a.scale - scale
  if (by > 140000) return new Numeric(0, Math.max(scale, 0))
  const q = toBig(a.unscaled) / pow10(by)
  return scale >= 0 ? makeNumeric(q, scale) : makeNumeric(q * pow10(-scale), 0)
}

/** Without trailing zeros after the point: equal values, equal form. */
export function stripZeros(a: Numeric): Numeric {
  let { unscaled, scale } = a
  if (scale === 0) return a
  if (unscaled === 0) return NUMERIC_ZERO
  if (typeof unscaled === 'bigint') {
    // Halving steps, so that thousands of zeros cost few divisions.
    for (let step = 4096; step >= 1; step >>= 1) {
      const p = pow10(step)
      while (scale >= step && typeof unscaled === 'bigint' && unscaled % p === 0n) {
        unscaled = unscaled / p
        scale -= step
      }
    }
    unscaled = normalize(unscaled)
  }
  if (typeof unscaled === 'number') {
    while (scale > 0 && unscaled % 10 === 0) {
      unscaled /= 10
      scale--
    }
  }
  return scale === a.scale ? a : new Numeric(unscaled, scale)
}

/** Position of the first significant base-10000 digit and that digit, as PostgreSQL's weight and digits[0]; 0 and 0 for zero. */
export function weightAndFirstDigit(a: Numeric): { weight: number; first: number } {
  if (a.unscaled === 0) return { weight: 0, first: 0 }
  const n = digitCount(a.unscaled)
  const exponent = n - 1 - a.scale
  const weight = Math.floor(exponent / 4)
  const take = exponent - weight * 4 + 1
  return { weight, first: leadingDigits(a.unscaled, n, take) }
}

/** The first `take` decimal digits of |value| (which has `n`), zeros appended when it has fewer. */
export function leadingDigits(value: Unscaled, n: number, take: number): number {
  const a = typeof value === 'bigint' ? (value < 0n ? -value : value) : BigInt(Math.abs(value))
  return n >= take ? Number(a / pow10(n - take)) : Number(a) * 10 ** (take - n)
}

export function compareNumeric(a: Numeric, b: Numeric): number {
  const x = a.unscaled
  const y = b.unscaled
  if (a.scale === b.scale && typeof x === 'number' && typeof y === 'number') {
    if (x < y) return -1
    if (x > y) return 1
    if (x === y) return 0
    return Number.isNaN(x) ? (Number.isNaN(y) ? 0 : 1) : -1
  }
  if (typeof x === 'number' && !Number.isFinite(x)) {
    if (Number.isNaN(x)) return isNaNumeric(b) ? 0 : 1
    if (typeof y === 'number' && !Number.isFinite(y)) return Number.isNaN(y) ? -1 : x < y ? -1 : x > y ? 1 : 0
    return x < 0 ? -1 : 1
  }
  if (typeof y === 'number' && !Number.isFinite(y)) return y < 0 ? 1 : -1
  const sx = signOf(a)
  const sy = signOf(b)
  if (sx !== sy) return sx < sy ? -1 : 1
  const by = a.scale - b.scale
  if (typeof x === 'number' && typeof y === 'number' && by <= 15 && by >= -15) {
    const p = by < 0 ? x * POWERS[-by]! : x
    const q = by > 0 ? y * POWERS[by]! : y
    if (Number.isSafeInteger(p) && Number.isSafeInteger(q)) return p < q ? -1 : p > q ? 1 : 0
  }
  const p = by < 0 ? toBig(x) * pow10(-by) : toBig(x)
  const q = by > 0 ? toBig(y) * pow10(by) : toBig(y)
  return p < q ? -1 : p > q ? 1 : 0
}

export function formatNumeric(a: Numeric): string {
  const u = a.unscaled
  if (typeof u === 'number' && !Number.isFinite(u)) return Number.isNaN(u) ? 'NaN' : u > 0 ? 'Infinity' : '-Infinity'
  if (a.scale === 0) return String(u)
  const negative = u < 0
  let digits = String(u)
  if (negative) digits = digits.slice(1)
  const scale = a.scale
  if (digits.length <= scale) digits = '0'.repeat(scale - digits.length + 1) + digits
  const point = digits.length - scale
  return `${negative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`
}

const DECIMAL = /^([+-]?)(\d+(?:_\d+)*|)(?:\.(\d+(?:_\d+)*|))?(?:[eE]([+-]?\d+(?:_\d+)*))?$/
const RADIX = /^([+-]?)0([xX](?:_?[0-9a-fA-F])+|[oO](?:_?[0-7])+|[bB](?:_?[01])+)$/

/** numeric_in without the typmod; null when the text is no number. Throws 22003 when it is one too large. */
export function parseNumeric(source: string): Numeric | null {
  const text = trimSpace(source)
  const match = DECIMAL.exec(text)
  if (match === null) return parseOther(text)
  let whole = match[2]!
  let fraction = match[3] ?? ''
  if (whole === '' && fraction === '') return null
  if (whole.includes('_')) whole = whole.replaceAll('_', '')
  if (fraction.includes('_')) fraction = fraction.replaceAll('_', '')
  let exponent = 0
  if (match[4] !== undefined) {
    exponent = Number(match[4].replaceAll('_', ''))
    if (Math.abs(exponent) >= 1073741823) throw overflow()
  }
  const negative = match[1] === '-'
  const digits = whole + fraction
  let scale = fraction.length - exponent
  let unscaled: Unscaled
  if (digits.length <= 15) unscaled = Number(digits)
  else unscaled = normalize(BigInt(digits))
  if (unscaled === 0) return new Numeric(0, checkScale(Math.max(scale, 0)))
  if (scale < 0) {
    if (digitCount(unscaled) - scale > MAX_INTEGER_DIGITS) throw overflow()
    unscaled = normalize(toBig(unscaled) * pow10(-scale))
    scale = 0
  }
  if (scale > MAX_SCALE) throw overflow()
  if (typeof unscaled === 'number') return new Numeric(negative ? -unscaled : unscaled, scale)
  return makeNumeric(negative ? -unscaled : unscaled, scale)
}

function parseOther(text: string): Numeric | null {
  switch (text.toLowerCase()) {
    case 'nan':
      return NUMERIC_NAN
    case 'inf':
    case 'infinity':
    case '+inf':
    case '+infinity':
      return NUMERIC_INF
    case '-inf':
    case '-infinity':
      return NUMERIC_NEG_INF
  }
  const match = RADIX.exec(text)
  if (match === null) return null
  const value = BigInt(`0${match[2]!.replaceAll('_', '').toLowerCase()}`)
  return makeNumeric(match[1] === '-' ? -value : value, 0)
}

/** C's isspace at both ends. */
export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpaceCode(text.charCodeAt(start))) start++
  while (end > start && isSpaceCode(text.charCodeAt(end - 1))) end--
  return start === 0 && end === text.length ? text : text.slice(start, end)
}

const isSpaceCode = (c: number): boolean => c === 32 || (c >= 9 && c <= 13)

/** Precision and scale of a typmod; scale may be negative. */
export function numericTypmod(typmod: number): { precision: number; scale: number } {
  const packed = typmod - 4
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 }
}

export function makeNumericTypmod(precision: number, scale: number): number {
  return ((precision << 16) | (scale & 0x7ff)) + 4
}

/** numeric(precision, scale)'s typmod; 22023 for one that there is not. */
export function checkedNumericTypmod(precision: number, scale: number): number {
  if (precision < 1 || precision > 1000)
    throw new PgError(SQLSTATE.invalidParameterValue, `NUMERIC precision ${precision} must be between 1 and 1000`)
  if (scale < -1000 || scale > 1000)
    throw new PgError(SQLSTATE.invalidParameterValue, `NUMERIC scale ${scale} must be between -1000 and 1000`)
  return makeNumericTypmod(precision, scale)
}

/** apply_typmod: rounds to the declared scale, 22003 when the precision does not hold it. */
export function applyNumericTypmod(a: Numeric, typmod: number): Numeric {
  if (typmod < 4) return a
  const { precision, scale } = numericTypmod(typmod)
  if (isSpecial(a)) {
    if (isNaNumeric(a)) return a
    throw new PgError(SQLSTATE.numericValueOutOfRange, 'numeric field overflow', {
      detail: `A field with precision ${precision}, scale ${scale} cannot hold an infinite value.`,
    })
  }
  const rounded = roundNumeric(a, scale)
  if (rounded.unscaled === 0) return rounded
  const whole = digitCount(rounded.unscaled) - rounded.scale
  if (whole > precision - scale) {
    const most = precision - scale
    throw new PgError(SQLSTATE.numericValueOutOfRange, 'numeric field overflow', {
      detail: `A field with precision ${precision}, scale ${scale} must round to an absolute value less than ${most === 0 ? '' : '10^'}${most === 0 ? 1 : most}.`,
    })
  }
  return rounded
}

/** The nearest float8, as numeric_float8 finds it. */
export function numericToNumber(a: Numeric): number {
  const u = a.unscaled
  if (a.scale === 0 && typeof u === 'number') return u
  if (typeof u === 'number' && a.scale <= 15) return u / POWERS[a.scale]!
  return Number(formatNumeric(a))
}

/** float8_numeric / float4_numeric: the shortest decimal of `digits` significant digits (15 or 6). */
export function numericFromFloat(value: number, digits: number): Numeric {
  if (Number.isNaN(value)) return NUMERIC_NAN
  if (value === Number.POSITIVE_INFINITY) return NUMERIC_INF
  if (value === Number.NEGATIVE_INFINITY) return NUMERIC_NEG_INF
  if (Number.isSafeInteger(value) && Math.abs(value) < (digits === 15 ? 1e15 : 1e6)) return new Numeric(value === 0 ? 0 : value, 0)
  // %.*g drops trailing zeros; toPrecision keeps them.
  const text = value.toPrecision(digits)
  const [mantissa, exponent] = text.split('e') as [string, string | undefined]
  const trimmed = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa
  return parseNumeric(exponent === undefined ? trimmed : `${trimmed}e${exponent}`)!
}
