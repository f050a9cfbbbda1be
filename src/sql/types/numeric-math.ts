// numeric's arithmetic with PostgreSQL's rules for the scale of every result. Exact where PostgreSQL is exact; the transcendental functions
// compute with guard digits and round half away from zero. // hot

import type { CancelToken } from '../../base/cancel.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  compareNumeric,
  digitCount,
  divRound,
  isInfNumeric,
  isNaNumeric,
  isSpecial,
  isZero,
  leadingDigits,
  MAX_INTEGER_DIGITS,
  MAX_SCALE,
  makeNumeric,
  NUMERIC_INF,
  NUMERIC_NAN,
  NUMERIC_NEG_INF,
  NUMERIC_ONE,
  NUMERIC_ZERO,
  Numeric,
  normalize,
  numericToNumber,
  overflow,
  pow10,
  rescaleUnscaled,
  roundNumeric,
  signOf,
  stripZeros,
  toBig,
  truncNumeric,
  weightAndFirstDigit,
} from './numeric.ts'

const MIN_SIG_DIGITS = 16
const MAX_DISPLAY_SCALE = 1000
const MAX_RESULT_SCALE = 2000
/** log10(e), to the digits PostgreSQL's scale rules use. */
const LOG10_E = Number('0.434294481903252')

export function divisionByZero(): PgError {
  return new PgError(SQLSTATE.divisionByZero, 'division by zero')
}

const clampScale = (scale: number): number => Math.min(Math.max(scale, 0), MAX_DISPLAY_SCALE)

function special(value: number): Numeric {
  return Number.isNaN(value) ? NUMERIC_NAN : value > 0 ? NUMERIC_INF : NUMERIC_NEG_INF
}

/** A stand-in with the sign and class of the operand, so that IEEE arithmetic gives the special results: NaN, ±Inf, ±1, 0. */
const asIeee = (a: Numeric): number => (isSpecial(a) ? (a.unscaled as number) : signOf(a))

export function addNumeric(a: Numeric, b: Numeric): Numeric {
  const x = a.unscaled
  const y = b.unscaled
  if (a.scale === b.scale && typeof x === 'number' && typeof y === 'number') {
    const sum = x + y
    if (Number.isSafeInteger(sum)) return new Numeric(sum, a.scale)
  }
  if (isSpecial(a) || isSpecial(b)) return special(asIeee(a) + asIeee(b))
  const scale = Math.max(a.scale, b.scale)
  return makeNumeric(rescaleUnscaled(a, scale) + rescaleUnscaled(b, scale), scale)
}

export function negateNumeric(a: Numeric): Numeric {
  const u = a.unscaled
  return u === 0 || Number.isNaN(u as number) ? a : new Numeric(-u, a.scale)
}

export function subNumeric(a: Numeric, b: Numeric): Numeric {
  const x = a.unscaled
  const y = b.unscaled
  if (a.scale === b.scale && typeof x === 'number' && typeof y === 'number') {
    const difference = x - y
    if (Number.isSafeInteger(difference)) return new Numeric(difference, a.scale)
  }
  if (isSpecial(a) || isSpecial(b)) return special(asIeee(a) - asIeee(b))
  const scale = Math.max(a.scale, b.scale)
  return makeNumeric(rescaleUnscaled(a, scale) - rescaleUnscaled(b, scale), scale)
}

export function mulNumeric(a: Numeric, b: Numeric): Numeric {
  const x = a.unscaled
  const y = b.unscaled
  const scale = a.scale + b.scale
  if (typeof x === 'number' && typeof y === 'number') {
    const product = x * y
    if (Number.isSafeInteger(product) && scale <= MAX_SCALE) return new Numeric(product === 0 ? 0 : product, scale)
    if (isSpecial(a) || isSpecial(b)) return special(asIeee(a) * asIeee(b))
  } else if (isSpecial(a) || isSpecial(b)) return special(asIeee(a) * asIeee(b))
  const product = toBig(x) * toBig(y)
  if (scale > MAX_SCALE) return makeNumeric(divRound(product, pow10(scale - MAX_SCALE)), MAX_SCALE)
  return makeNumeric(product, scale)
}

/** select_div_scale: at least 16 significant digits, at least both inputs' scales. */
export function selectDivScale(a: Numeric, b: Numeric): number {
  const p = weightAndFirstDigit(a)
  const q = weightAndFirstDigit(b)
  let weight = p.weight - q.weight
  if (p.first <= q.first) weight--
  return clampScale(Math.max(MIN_SIG_DIGITS - weight * 4, a.scale, b.scale))
}

/** a / b rounded (or cut) to `scale` digits; both finite, b not zero. */
export function divToScale(a: Numeric, b: Numeric, scale: number, round = true): Numeric {
  const shift = scale - a.scale + b.scale
  const dividend = shift > 0 ? toBig(a.unscaled) * pow10(shift) : toBig(a.unscaled)
  const divisor = shift < 0 ? toBig(b.unscaled) * pow10(-shift) : toBig(b.unscaled)
  return makeNumeric(round ? divRound(dividend, divisor) : dividend / divisor, scale)
}

function divSpecial(a: Numeric, b: Numeric): Numeric {
  if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN
  if (isInfNumeric(a)) {
    if (isInfNumeric(b)) return NUMERIC_NAN
    if (isZero(b)) throw divisionByZero()
    return signOf(a) === signOf(b) ? NUMERIC_INF : NUMERIC_NEG_INF
  }
  return NUMERIC_ZERO
}

export function divNumeric(a: Numeric, b: Numeric): Numeric {
  if (isSpecial(a) || isSpecial(b)) return divSpecial(a, b)
  if (isZero(b)) throw divisionByZero()
  return divToScale(a, b, selectDivScale(a, b))
}

/** numeric_div_trunc: the integer quotient. */
export function divTruncNumeric(a: Numeric, b: Numeric): Numeric {
  if (isSpecial(a) || isSpecial(b)) return divSpecial(a, b)
  if (isZero(b)) throw divisionByZero()
  return divToScale(a, b, 0, false)
}

export function modNumeric(a: Numeric, b: Numeric): Numeric {
  if (isSpecial(a) || isSpecial(b)) {
    if (isNaNumeric(a) || isNaNumeric(b)) return NUMERIC_NAN
    if (isInfNumeric(a)) {
      if (isZero(b)) throw divisionByZero()
      return NUMERIC_NAN
    }
    return a
  }
  if (isZero(b)) throw divisionByZero()
  const x = a.unscaled
  const y = b.unscaled
  if (a.scale === b.scale && typeof x === 'number' && typeof y === 'number') {
    const r = x % y
    return new Numeric(r === 0 ? 0 : r, a.scale)
  }
  const scale = Math.max(a.scale, b.scale)
  return makeNumeric(rescaleUnscaled(a, scale) % rescaleUnscaled(b, scale), scale)
}

export function absNumeric(a: Numeric): Numeric {
  return a.unscaled < 0 ? negateNumeric(a) : a
}

export function floorNumeric(a: Numeric): Numeric {
  if (isSpecial(a) || a.scale === 0) return a
  const t = truncNumeric(a, 0)
  return signOf(a) < 0 && compareNumeric(t, a) !== 0 ? subNumeric(t, NUMERIC_ONE) : t
}

export function ceilNumeric(a: Numeric): Numeric {
  if (isSpecial(a) || a.scale === 0) return a
  const t = truncNumeric(a, 0)
  return signOf(a) > 0 && compareNumeric(t, a) !== 0 ? addNumeric(t, NUMERIC_ONE) : t
}

function gcdBig(x: bigint, y: bigint): bigint {
  let a = x < 0n ? -x : x
  let b = y < 0n ? -y : y
  while (b !== 0n) {
    const r = a % b
    a = b
    b = r
  }
  return a
}

export function gcdNumeric(a: Numeric, b: Numeric): Numeric {
  if (isSpecial(a) || isSpecial(b)) return NUMERIC_NAN
  const scale = Math.max(a.scale, b.scale)
  return makeNumeric(gcdBig(rescaleUnscaled(a, scale), rescaleUnscaled(b, scale)), scale)
}

export function lcmNumeric(a: Numeric, b: Numeric): Numeric {
  if (isSpecial(a) || isSpecial(b)) return NUMERIC_NAN
  const scale = Math.max(a.scale, b.scale)
  const x = rescaleUnscaled(a, scale)
  const y = rescaleUnscaled(b, scale)
  if (x === 0n || y === 0n) return new Numeric(0, scale)
  const product = (x / gcdBig(x, y)) * y
  return makeNumeric(product < 0n ? -product : product, scale)
}

/** n! by a balanced product tree. */
export function factorial(n: number | bigint, cancel: CancelToken | null = null): Numeric {
  if (n < 0) throw new PgError(SQLSTATE.numericValueOutOfRange, 'factorial of a negative number is undefined')
  if (n > 32177) throw overflow()
  const product = (low: number, high: number): bigint => {
    if (high - low < 16) {
      let p = 1n
      for (let i = low; i <= high; i++) p *= BigInt(i)
      return p
    }
    cancel?.check()
    const middle = (low + high) >> 1
    return product(low, middle) * product(middle + 1, high)
  }
  return makeNumeric(n < 2 ? 1n : product(2, Number(n)), 0)
}

/** floor of the square root. */
function isqrt(n: bigint): bigint {
  if (n < 2n) return n
  if (n < 4503599627370496n) return BigInt(Math.floor(Math.sqrt(Number(n))))
  const bits = n.toString(16).length * 4
  // Newton from a float estimate of the leading bits; doubles its correct digits each round.
  const shift = BigInt(Math.max(0, (bits - 100) & ~1))
  let x = BigInt(Math.ceil(Math.sqrt(Number(n >> shift)) * 1.000000001)) << (shift / 2n)
  x += 1n
  for (;;) {
    const y = (x + n / x) >> 1n
    if (y >= x) return x
    x = y
  }
}

/** sqrt_var: rounded to `scale` digits. */
export function sqrtToScale(a: Numeric, scale: number): Numeric {
  // floor(sqrt(a * 10^(2(scale+1)))) decides the rounding digit exactly.
  const shift = 2 * (scale + 1) - a.scale
  const big = toBig(a.unscaled)
  const root = isqrt(shift >= 0 ? big * pow10(shift) : big / pow10(-shift))
  return makeNumeric((root + 5n) / 10n, scale)
}

export function sqrtNumeric(a: Numeric): Numeric {
  if (isSpecial(a)) {
    if (signOf(a) > 0 || isNaNumeric(a)) return a
    throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'cannot take square root of a negative number')
  }
  if (signOf(a) < 0) throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'cannot take square root of a negative number')
  const { weight } = weightAndFirstDigit(a)
  const sweight = Math.trunc(((weight + 1) * 4) / 2) - 1
  return sqrtToScale(a, clampScale(Math.max(MIN_SIG_DIGITS - sweight, a.scale)))
}

// Fixed-point transcendental functions: integers scaled by 10^digits.

const ln10Cache = { digits: 0, value: 0n }
const ln2Cache = { digits: 0, value: 0n }

/** 2·atanh(1/n) · 10^digits */
function atanhInverse2(n: bigint, digits: number): bigint {
  const guard = 10
  const one = pow10(digits + guard)
  let term = one / n
  let sum = term
  const square = n * n
  for (let k = 3n; term !== 0n; k += 2n) {
    term /= square
    sum += term / k
  }
  return (sum * 2n) / pow10(guard)
}

function ln2Fixed(digits: number): bigint {
  if (ln2Cache.digits < digits) {
    ln2Cache.value = atanhInverse2(3n, digits + 5)
    ln2Cache.digits = digits + 5
  }
  return ln2Cache.value / pow10(ln2Cache.digits - digits)
}

function ln10Fixed(digits: number): bigint {
  if (ln10Cache.digits < digits) {
    // ln 10 = 3 ln 2 + ln 1.25 = 3 ln 2 + 2 atanh(1/9)
    ln10Cache.value = 3n * ln2Fixed(digits + 5) + atanhInverse2(9n, digits + 5)
    ln10Cache.digits = digits + 5
  }
  return ln10Cache.value / pow10(ln10Cache.digits - digits)
}

/** ln(a) · 10^digits, error of a few units; a > 0. */
function lnFixed(a: Numeric, digits: number, cancel: CancelToken | null): bigint {
  const n = digitCount(a.unscaled)
  const exponent = n - a.scale
  const work = digits + 12
  const one = pow10(work)
  // near 1 the direct form keeps all significant digits; elsewhere a = m · 10^exponent with m in [0.1, 1).
  const near = exponent === 1 || exponent === 0
  const shift = near ? work - a.scale : work - n
  let m = shift >= 0 ? toBig(a.unscaled) * pow10(shift) : toBig(a.unscaled) / pow10(-shift)
  let result = near ? 0n : BigInt(exponent) * ln10Fixed(work)
  // Bring m near 1 by powers of two, then by square roots, then atanh's series.
  let twos = 0
  while (m * 3n < one * 2n) {
    m *= 2n
    twos++
  }
  while (m * 3n > one * 4n) {
    m /= 2n
    twos--
  }
  if (twos !== 0) result -= BigInt(twos) * ln2Fixed(work)
  const roots = digits > 400 ? 8 : digits > 60 ? 4 : 0
  for (let i = 0; i < roots; i++) m = isqrt(m * one)
  const z = ((m - one) * one) / (m + one)
  const square = (z * z) / one
  let term = z
  let sum = z
  for (let k = 3n; ; k += 2n) {
    if (digits > 100) cancel?.check()
    term = (term * square) / one
    if (term === 0n) break
    sum += term / k
  }
  result += (sum * 2n) << BigInt(roots)
  return result / pow10(12)
}

/** exp(x / 10^digits) · 10^digits for |x| within reach; relative error tiny. */
function expFixed(x: bigint, digits: number, cancel: CancelToken | null): bigint {
  const guard = 15
  const work = digits + guard
  const one = pow10(work)
  const halvings = digits > 400 ? 32 : digits > 60 ? 16 : 8
  const r = (x * pow10(guard)) >> BigInt(halvings)
  let term = one
  let sum = one
  for (let k = 1n; ; k++) {
    if (digits > 100) cancel?.check()
    term = (term * r) / (one * k)
    if (term === 0n || term === -1n) break
    sum += term
  }
  for (let i = 0; i < halvings; i++) sum = (sum * sum) / one
  return sum / pow10(guard)
}

/** The decimal weight of ln(a), as estimate_ln_dweight. */
function estimateLnWeight(a: Numeric): number {
  if (signOf(a) <= 0) return 0
  if (compareNumeric(a, new Numeric(9, 1)) >= 0 && compareNumeric(a, new Numeric(11, 1)) <= 0) {
    const x = subNumeric(a, NUMERIC_ONE)
    if (isZero(x)) return 0
    const { weight, first } = weightAndFirstDigit(x)
    return weight * 4 + Math.trunc(Math.log10(first))
  }
  const n = digitCount(a.unscaled)
  const exponent = n - 1 - a.scale
  const weight = Math.floor(exponent / 4)
  const firstSize = exponent - weight * 4 + 1
  const lead = leadingDigits(a.unscaled, n, firstSize)
  const more = isIntegerMultiple(a, n, firstSize)
  let digits = lead
  let decimal = weight * 4
  if (!more) {
    digits = leadingDigits(a.unscaled, n, firstSize + 4)
    decimal -= 4
  }
  return Math.trunc(Math.log10(Math.abs(Math.log(digits) + decimal * Math.LN10)))
}

/** True when nothing but zeros follows the first `take` digits: PostgreSQL's value has one base-10000 digit then. */
function isIntegerMultiple(a: Numeric, n: number, take: number): boolean {
  return n <= take || toBig(a.unscaled) % pow10(n - take) === 0n
}

/** ln_var: rounded to `scale` digits; a > 0. */
function lnToScale(a: Numeric, scale: number, cancel: CancelToken | null): Numeric {
  const digits = scale + 12
  const fixed = lnFixed(a, digits, cancel)
  return makeNumeric(divRound(fixed, pow10(12)), scale)
}

export function lnNumeric(a: Numeric, cancel: CancelToken | null = null): Numeric {
  if (isNaNumeric(a)) return a
  checkLogArgument(a)
  if (isSpecial(a)) return NUMERIC_INF
  return lnToScale(a, clampScale(Math.max(MIN_SIG_DIGITS - estimateLnWeight(a), a.scale)), cancel)
}

function checkLogArgument(a: Numeric): void {
  const sign = signOf(a)
  if (sign < 0) throw new PgError(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of a negative number')
  if (sign === 0) throw new PgError(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of zero')
}

/** log(base, a) */
export function logNumeric(base: Numeric, a: Numeric, cancel: CancelToken | null = null): Numeric {
  if (isNaNumeric(base) || isNaNumeric(a)) return NUMERIC_NAN
  // A negative one of either is told first where one is infinite.
  if ((isSpecial(base) || isSpecial(a)) && signOf(a) < 0) checkLogArgument(a)
  checkLogArgument(base)
  checkLogArgument(a)
  if (isSpecial(base)) return isSpecial(a) ? NUMERIC_NAN : NUMERIC_ZERO
  if (isSpecial(a)) return NUMERIC_INF
  const baseWeight = estimateLnWeight(base)
  const weight = estimateLnWeight(a)
  const scale = clampScale(Math.max(MIN_SIG_DIGITS - (weight - baseWeight), base.scale, a.scale))
  const digits = scale + 2 * Math.max(0, -baseWeight) + Math.max(0, weight) + 20
  const lnBase = lnFixed(base, digits, cancel)
  if (lnBase === 0n) throw divisionByZero()
  const lnA = lnFixed(a, digits, cancel)
  return makeNumeric(divRound(lnA * pow10(scale), lnBase), scale)
}

/** exp_var: rounded to `scale` digits. */
function expToScale(a: Numeric, scale: number, cancel: CancelToken | null): Numeric {
  const value = numericToNumber(a)
  if (Math.abs(value) >= MAX_RESULT_SCALE * 3) {
    if (value > 0) throw overflow()
    return new Numeric(0, scale)
  }
  // |error| of the result is that of x times the result, so carry the result's own digits besides.
  const weight = Math.max(0, Math.ceil(value * Math.LOG10E))
  const digits = scale + weight + 15
  const fixed = expFixed(rescaleUnscaled(a, digits), digits, cancel)
  return makeNumeric(divRound(fixed, pow10(digits - scale)), scale)
}

export function expNumeric(a: Numeric, cancel: CancelToken | null = null): Numeric {
  if (isSpecial(a)) return isNaNumeric(a) ? a : signOf(a) > 0 ? a : NUMERIC_ZERO
  const value = Math.max(-MAX_RESULT_SCALE, Math.min(MAX_RESULT_SCALE, numericToNumber(a) * LOG10_E))
  return expToScale(a, clampScale(Math.max(MIN_SIG_DIGITS - Math.trunc(value), a.scale)), cancel)
}

export function powerNumeric(base: Numeric, exponent: Numeric, cancel: CancelToken | null = null): Numeric {
  if (isSpecial(base) || isSpecial(exponent)) return powerSpecial(base, exponent)
  if (signOf(base) === 0 && signOf(exponent) < 0) {
    throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'zero raised to a negative power is undefined')
  }
  const whole = stripZeros(exponent)
  if (whole.scale === 0) {
    const n = whole.unscaled
    if (typeof n === 'number' && n >= -2147483648 && n <= 2147483647) return powerInteger(base, n, exponent.scale, cancel)
  } else if (signOf(base) < 0) {
    throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'a negative number raised to a non-integer power yields a complex result')
  }
  if (isZero(base)) return new Numeric(0, MIN_SIG_DIGITS)
  const positive = absNumeric(base)
  const odd = signOf(base) < 0 && toBig(whole.unscaled) % 2n !== 0n
  const weight = estimateLnWeight(positive)
  const rough = lnToScale(positive, Math.max(8 - weight, 0), cancel)
  let value = roughProduct(rough, exponent)
  if (Math.abs(value) > MAX_RESULT_SCALE * 3.01) {
    if (value > 0) throw overflow()
    return new Numeric(0, MAX_DISPLAY_SCALE)
  }
  value *= LOG10_E
  const scale = clampScale(Math.max(MIN_SIG_DIGITS - Math.trunc(value), base.scale, exponent.scale))
  const digits = scale + Math.max(0, Math.trunc(value)) + digitCount(exponent.unscaled) + 20
  const ln = new Numeric(lnFixed(positive, digits, cancel), digits)
  const product = new Numeric(normalize(toBig(ln.unscaled) * toBig(exponent.unscaled)), digits + exponent.scale)
  const result = expToScale(roundBig(product, digits), scale, cancel)
  return odd ? negateNumeric(result) : result
}

/** To a few digits; factors that no float holds may have a product that one does. */
function roughProduct(a: Numeric, b: Numeric): number {
  const product = toBig(a.unscaled) * toBig(b.unscaled)
  if (product === 0n) return 0
  const n = digitCount(product)
  const take = Math.min(n, 17)
  return Math.sign(Number(product)) * leadingDigits(product, n, take) * 10 ** (n - take - a.scale - b.scale)
}

/** Rounds without the limits of stored values (intermediate results have more digits). */
function roundBig(a: Numeric, scale: number): Numeric {
  return new Numeric(rescaleUnscaled(a, scale), scale)
}

function powerSpecial(base: Numeric, exponent: Numeric): Numeric {
  if (isNaNumeric(base)) return isZero(exponent) ? NUMERIC_ONE : NUMERIC_NAN
  if (isNaNumeric(exponent)) return compareNumeric(base, NUMERIC_ONE) === 0 ? NUMERIC_ONE : NUMERIC_NAN
  if (isZero(base) && signOf(exponent) < 0) {
    throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'zero raised to a negative power is undefined')
  }
  if (compareNumeric(base, NUMERIC_ONE) === 0) return NUMERIC_ONE
  if (isZero(exponent)) return NUMERIC_ONE
  if (isZero(base)) return NUMERIC_ZERO
  if (isInfNumeric(exponent)) {
    const magnitude = compareNumeric(absNumeric(base), NUMERIC_ONE)
    if (magnitude === 0) return NUMERIC_ONE
    return magnitude > 0 === signOf(exponent) > 0 ? NUMERIC_INF : NUMERIC_ZERO
  }
  // base is infinite
  const whole = stripZeros(exponent)
  if (signOf(base) < 0 && whole.scale !== 0) {
    throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'a negative number raised to a non-integer power yields a complex result')
  }
  if (signOf(exponent) < 0) return NUMERIC_ZERO
  if (signOf(base) > 0) return NUMERIC_INF
  return toBig(whole.unscaled) % 2n === 0n ? NUMERIC_INF : NUMERIC_NEG_INF
}

/** power_var_int */
function powerInteger(base: Numeric, exponent: number, exponentScale: number, cancel: CancelToken | null): Numeric {
  let weight = 0
  if (!isZero(base)) {
    const n = digitCount(base.unscaled)
    const take = Math.min(n, 17)
    weight = exponent * (Math.log10(leadingDigits(base.unscaled, n, take)) + (n - take - base.scale))
  }
  if (weight > MAX_INTEGER_DIGITS) throw overflow()
  if (weight + 1 < -MAX_DISPLAY_SCALE) return new Numeric(0, MAX_DISPLAY_SCALE)
  const scale = clampScale(Math.max(MIN_SIG_DIGITS - Math.trunc(weight), base.scale, exponentScale))
  switch (exponent) {
    case 0:
      return roundNumeric(NUMERIC_ONE, scale)
    case 1:
      return roundNumeric(base, scale)
    case -1:
      return divToScale(base.scale === 0 ? NUMERIC_ONE : NUMERIC_ONE, base, scale)
    case 2:
      return makeNumeric(rescaleUnscaled(new Numeric(toBig(base.unscaled) * toBig(base.unscaled), base.scale * 2), scale), scale)
  }
  if (isZero(base)) {
    if (exponent < 0) throw divisionByZero()
    return new Numeric(0, scale)
  }
  // Square and multiply, keeping as many significant digits as the result needs and a few that absorb the roundings.
  const keep = 1 + scale + Math.max(Math.trunc(weight), 0) + Math.trunc(Math.log(Math.abs(exponent))) + 16
  let mask = Math.abs(exponent)
  let result = new Numeric(1, 0)
  let power = base
  while (mask > 0) {
    cancel?.check()
    if (mask % 2 === 1) result = significant(result, power, keep)
    mask = Math.floor(mask / 2)
    if (mask > 0) power = significant(power, power, keep)
  }
  if (exponent < 0) {
    const shift = scale + result.scale
    if (shift < 0) return new Numeric(0, scale)
    return makeNumeric(divRound(pow10(shift), toBig(result.unscaled)), scale)
  }
  if (result.scale < 0) return makeNumeric(toBig(result.unscaled) * pow10(scale - result.scale), scale)
  return makeNumeric(rescaleUnscaled(result, scale), scale)
}

/** a · b cut to `keep` significant digits; the scale may become negative here, inside only. */
function significant(a: Numeric, b: Numeric, keep: number): Numeric {
  const product = toBig(a.unscaled) * toBig(b.unscaled)
  const scale = a.scale + b.scale
  const n = product === 0n ? 1 : digitCount(product)
  if (n <= keep) return new Numeric(product, scale)
  return new Numeric(divRound(product, pow10(n - keep)), scale - (n - keep))
}

/** width_bucket for finite operands is exact; the bucket of `operand` among `count` between two bounds. */
export function widthBucketNumeric(operand: Numeric, low: Numeric, high: Numeric, count: number): number {
  const bad = (message: string): PgError => new PgError(SQLSTATE.invalidArgumentForWidthBucketFunction, message)
  if (count <= 0) throw bad('count must be greater than zero')
  if (isNaNumeric(operand) || isNaNumeric(low) || isNaNumeric(high)) throw bad('operand, lower bound, and upper bound cannot be NaN')
  if (isSpecial(low) || isSpecial(high)) throw bad('lower and upper bounds must be finite')
  const order = compareNumeric(low, high)
  if (order === 0) throw bad('lower bound cannot equal upper bound')
  const outOfRange = (): number => {
    if (count === 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
    return count + 1
  }
  if (order < 0) {
    if (compareNumeric(operand, low) < 0) return 0
    if (compareNumeric(operand, high) >= 0) return outOfRange()
  } else {
    if (compareNumeric(operand, low) > 0) return 0
    if (compareNumeric(operand, high) <= 0) return outOfRange()
  }
  const scale = Math.max(operand.scale, low.scale, high.scale)
  const x = rescaleUnscaled(operand, scale) - rescaleUnscaled(low, scale)
  const span = rescaleUnscaled(high, scale) - rescaleUnscaled(low, scale)
  return Number((x * BigInt(count)) / span) + 1
}
