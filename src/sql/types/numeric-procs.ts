// Bodies of numeric's operators, functions and casts.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { EvalContext } from './eval-context.ts'
import { nearestFloat4 } from './float4-rounding.ts'
import {
  applyNumericTypmod,
  checkedNumericTypmod,
  compareNumeric,
  isNaNumeric,
  isSpecial,
  makeNumeric,
  NUMERIC_NAN,
  NUMERIC_ONE,
  NUMERIC_TEN,
  Numeric,
  numericFromFloat,
  numericFromInteger,
  numericToNumber,
  numericTypmod,
  rescaleUnscaled,
  roundNumeric,
  signOf,
  stripZeros,
  truncNumeric,
  type Unscaled,
} from './numeric.ts'
import {
  absNumeric,
  addNumeric,
  ceilNumeric,
  divNumeric,
  divTruncNumeric,
  expNumeric,
  factorial,
  floorNumeric,
  gcdNumeric,
  lcmNumeric,
  lnNumeric,
  logNumeric,
  modNumeric,
  mulNumeric,
  negateNumeric,
  powerNumeric,
  sqrtNumeric,
  subNumeric,
  widthBucketNumeric,
} from './numeric-math.ts'
import type { Procs } from './procs.ts'

function toInteger(a: Numeric, name: string, low: Unscaled, high: Unscaled): Unscaled {
  if (isSpecial(a)) {
    throw new PgError(SQLSTATE.featureNotSupported, `cannot convert ${isNaNumeric(a) ? 'NaN' : 'infinity'} to ${name}`)
  }
  const value = roundNumeric(a, 0).unscaled
  if (value < low || value > high) throw new PgError(SQLSTATE.numericValueOutOfRange, `${name} out of range`)
  return value
}

function toFloat(a: Numeric, type: 'real' | 'double precision'): number {
  const exact = numericToNumber(a)
  const value = type === 'real' ? nearestFloat4(String(a), exact) : exact
  if (!isSpecial(a) && ((value === 0 && a.unscaled !== 0) || !Number.isFinite(value))) {
    throw new PgError(SQLSTATE.numericValueOutOfRange, `"${a}" is out of range for type ${type}`)
  }
  return value
}

function* series(start: Numeric, stop: Numeric, step: Numeric): Generator<Numeric> {
  const bad = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)
  if (isSpecial(start)) throw bad(`start value cannot be ${isNaNumeric(start) ? 'NaN' : 'infinity'}`)
  if (isSpecial(stop)) throw bad(`stop value cannot be ${isNaNumeric(stop) ? 'NaN' : 'infinity'}`)
  if (isSpecial(step)) throw bad(`step size cannot be ${isNaNumeric(step) ? 'NaN' : 'infinity'}`)
  const direction = signOf(step)
  if (direction === 0) throw bad('step size cannot equal zero')
  // The last step may lead to where no numeric is: it is not made.
  const last = subNumeric(stop, step)
  for (let at = start; compareNumeric(at, stop) * direction <= 0; at = addNumeric(at, step)) {
    yield at
    if (compareNumeric(at, last) * direction > 0) return
  }
}

/** Scales are clamped as PostgreSQL clamps them before rounding. */
const clampRoundScale = (scale: number): number => Math.max(-131073, Math.min(16383, scale))

export const numericProcs = {
  numeric: (a, typmod) => applyNumericTypmod(a, typmod),
  numeric_abs: absNumeric,
  numeric_uminus: negateNumeric,
  numeric_uplus: (a) => a,
  numeric_sign: (a) => (isNaNumeric(a) ? NUMERIC_NAN : new Numeric(signOf(a), 0)),
  numeric_add: addNumeric,
  numeric_sub: subNumeric,
  numeric_mul: mulNumeric,
  numeric_div: divNumeric,
  numeric_div_trunc: divTruncNumeric,
  numeric_mod: modNumeric,
  numeric_inc: (a) => addNumeric(a, NUMERIC_ONE),
  numeric_round: (a, scale) => roundNumeric(a, clampRoundScale(scale)),
  numeric_trunc: (a, scale) => truncNumeric(a, clampRoundScale(scale)),
  numeric_ceil: ceilNumeric,
  numeric_floor: floorNumeric,
  numeric_sqrt: sqrtNumeric,
  numeric_exp: (a, ctx) => expNumeric(a, ctx.cancel),
  numeric_ln: (a, ctx) => lnNumeric(a, ctx.cancel),
  numeric_log: (base, a, ctx) => logNumeric(base, a, ctx.cancel),
  numeric_power: (base, exponent, ctx) => powerNumeric(base, exponent, ctx.cancel),
  numeric_fac: (n, ctx) => factorial(n, ctx.cancel),
  numeric_gcd: gcdNumeric,
  numeric_lcm: lcmNumeric,
  numeric_scale: (a) => (isSpecial(a) ? null : a.scale),
  numeric_min_scale: (a) => (isSpecial(a) ? null : stripZeros(a).scale),
  numeric_trim_scale: (a) => stripZeros(a),
  width_bucket_numeric: widthBucketNumeric,
  numeric_cmp: compareNumeric,
  numeric_eq: (a, b) => compareNumeric(a, b) === 0,
  numeric_ne: (a, b) => compareNumeric(a, b) !== 0,
  numeric_lt: (a, b) => compareNumeric(a, b) < 0,
  numeric_le: (a, b) => compareNumeric(a, b) <= 0,
  numeric_gt: (a, b) => compareNumeric(a, b) > 0,
  numeric_ge: (a, b) => compareNumeric(a, b) >= 0,
  numeric_larger: (a, b) => (compareNumeric(a, b) > 0 ? a : b),
  numeric_smaller: (a, b) => (compareNumeric(a, b) < 0 ? a : b),
  int2_numeric: numericFromInteger,
  int4_numeric: numericFromInteger,
  int8_numeric: numericFromInteger,
  float4_numeric: (a) => numericFromFloat(a, 6),
  float8_numeric: (a) => numericFromFloat(a, 15),
  numeric_int2: (a) => toInteger(a, 'smallint', -32768, 32767) as number,
  numeric_int4: (a) => toInteger(a, 'integer', -2147483648, 2147483647) as number,
  numeric_int8: (a) => toInteger(a, 'bigint', -9223372036854775808n, 9223372036854775807n),
  numeric_float4: (a) => toFloat(a, 'real'),
  numeric_float8: (a) => toFloat(a, 'double precision'),
  generate_series_numeric: (start, stop) => series(start, stop, NUMERIC_ONE),
  generate_series_step_numeric: series,
  in_range_numeric_numeric(value, base, offset, sub, less) {
    if (isNaNumeric(offset) || signOf(offset) < 0) {
      throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, 'invalid preceding or following size in window function')
    }
    if (isNaNumeric(value)) return isNaNumeric(base) || !less
    if (isNaNumeric(base)) return less
    // An infinite offset reaches an infinite base of the other sign: the sum is NaN, and every value is within.
    if (isSpecial(offset) && isSpecial(base) && (sub ? signOf(base) > 0 : signOf(base) < 0)) return true
    const bound = sub ? subNumeric(base, offset) : addNumeric(base, offset)
    return less ? compareNumeric(value, bound) <= 0 : compareNumeric(value, bound) >= 0
  },
  numerictypmodin(parts) {
    const numbers = parts.elements.map((part) => Number(part))
    const [precision, scale = 0] = numbers
    if (numbers.length < 1 || numbers.length > 2 || precision === undefined) {
      throw new PgError(SQLSTATE.invalidParameterValue, 'invalid NUMERIC type modifier')
    }
    return checkedNumericTypmod(precision, scale)
  },
  numerictypmodout(typmod) {
    if (typmod < 4) return ''
    const { precision, scale } = numericTypmod(typmod)
    return `(${precision},${scale})`
  },
  numeric_random(low, high, ctx) {
    const bad = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)
    if (isNaNumeric(low)) throw bad('lower bound cannot be NaN')
    if (isSpecial(low)) throw bad('lower bound cannot be infinity')
    if (isNaNumeric(high)) throw bad('upper bound cannot be NaN')
    if (isSpecial(high)) throw bad('upper bound cannot be infinity')
    if (compareNumeric(low, high) > 0) throw bad('lower bound must be less than or equal to upper bound')
    const scale = Math.max(low.scale, high.scale)
    const from = rescaleUnscaled(low, scale)
    const span = rescaleUnscaled(high, scale) - from + 1n
    // 48 random bits at a time; a spare word makes the bias of the remainder immeasurable.
    let random = 0n
    for (let bits = span.toString(16).length * 4 + 64; bits > 0; bits -= 48) {
      random = (random << 48n) | BigInt(Math.floor(ctx.random() * 281474976710656))
    }
    return makeNumeric(from + (random % span), scale)
  },
} satisfies Procs

/** Bodies of the functions that PostgreSQL writes in SQL, by OID: log, log10, round, trunc of one numeric. */
export const numericSqlBodies: Readonly<Record<number, (...args: never[]) => unknown>> = {
  1741: (a: Numeric, ctx: EvalContext) => logNumeric(NUMERIC_TEN, a, ctx.cancel),
  1481: (a: Numeric, ctx: EvalContext) => logNumeric(NUMERIC_TEN, a, ctx.cancel),
  1708: (a: Numeric) => roundNumeric(a, 0),
  1710: (a: Numeric) => truncNumeric(a, 0),
}
