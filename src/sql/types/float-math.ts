// The mathematical functions over float8, with PostgreSQL's domain and range errors.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { overflow, roundHalfEven, underflow } from './float.ts'
import type { Procs } from './procs.ts'

const outOfRange = (): PgError => new PgError(SQLSTATE.numericValueOutOfRange, 'input is out of range')
const isInfinite = (value: number): boolean => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY

function power(a: number, b: number): number {
  if (Number.isNaN(a)) return b === 0 ? 1 : a
  if (Number.isNaN(b)) return a === 1 ? 1 : b
  const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidArgumentForPowerFunction, message)
  if (a === 0 && b < 0) throw invalid('zero raised to a negative power is undefined')
  if (a < 0 && Math.floor(b) !== b) throw invalid('a negative number raised to a non-integer power yields a complex result')
  if (isInfinite(b) && (a === 1 || a === -1)) return 1
  const result = a ** b
  if (isInfinite(a) || isInfinite(b)) return result
  if (isInfinite(result)) throw overflow()
  if (result === 0 && a !== 0) throw underflow()
  return result
}

function exp(value: number): number {
  const result = Math.exp(value)
  if (isInfinite(value)) return result
  if (isInfinite(result)) throw overflow()
  if (result === 0) throw underflow()
  return result
}

function logarithm(value: number, log: (value: number) => number): number {
  if (value === 0) throw new PgError(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of zero')
  if (value < 0) throw new PgError(SQLSTATE.invalidArgumentForLog, 'cannot take logarithm of a negative number')
  return log(value)
}

/** sin, cos, tan of a finite angle. */
const periodic =
  (fn: (value: number) => number) =>
  (value: number): number => {
    if (isInfinite(value)) throw outOfRange()
    return fn(value)
  }

/** asin, acos, atanh …: defined on [low, high]. */
const within =
  (fn: (value: number) => number, low: number, high: number) =>
  (value: number): number => {
    if (value < low || value > high) throw outOfRange()
    return fn(value)
  }

// --- degrees: exact at multiples of 30 and 45, by scaling with the library's own values there

const DEGREE = Math.PI / 180
const SIN_30 = Math.sin(30 * DEGREE)
const ONE_MINUS_COS_60 = 1 - Math.cos(60 * DEGREE)
const ASIN_HALF = Math.asin(0.5)
const ACOS_HALF = Math.acos(0.5)
const ATAN_ONE = Math.atan(1)
const sin0to30 = (x: number): number => Math.sin(x * DEGREE) / SIN_30 / 2
const cos0to60 = (x: number): number => 1 - (1 - Math.cos(x * DEGREE)) / ONE_MINUS_COS_60 / 2
const sinQuadrant = (x: number): number => (x <= 30 ? sin0to30(x) : cos0to60(90 - x))
const cosQuadrant = (x: number): number => (x <= 60 ? cos0to60(x) : sin0to30(90 - x))
const TAN_45 = sinQuadrant(45) / cosQuadrant(45)
const COT_45 = cosQuadrant(45) / sinQuadrant(45)

const finiteAngle = (value: number): number => {
  if (isInfinite(value)) throw outOfRange()
  return value % 360
}

function sinDegrees(value: number): number {
  if (Number.isNaN(value)) return value
  let x = finiteAngle(value)
  let sign = 1
  if (x < 0) {
    x = -x
    sign = -sign
  }
  if (x > 180) {
    x = 360 - x
    sign = -sign
  }
  if (x > 90) x = 180 - x
  return sign * sinQuadrant(x)
}

function cosDegrees(value: number): number {
  if (Number.isNaN(value)) return value
  let x = Math.abs(finiteAngle(value))
  let sign = 1
  if (x > 180) x = 360 - x
  if (x > 90) {
    x = 180 - x
    sign = -sign
  }
  return sign * cosQuadrant(x)
}

/** tan and cot share their folding; `ratio` is of the first quadrant, scaled to 1 at 45°. */
function tangentDegrees(value: number, ratio: (x: number) => number): number {
  if (Number.isNaN(value)) return value
  let x = finiteAngle(value)
  let sign = 1
  if (x < 0) {
    x = -x
    sign = -sign
  }
  if (x > 180) {
    x = 360 - x
    sign = -sign
  }
  if (x > 90) {
    x = 180 - x
    sign = -sign
  }
  return sign * ratio(x) + 0
}

const asinQuadrant = (x: number): number => (x <= 0.5 ? (Math.asin(x) / ASIN_HALF) * 30 : 90 - (Math.acos(x) / ACOS_HALF) * 60)
const acosQuadrant = (x: number): number => (x <= 0.5 ? 90 - (Math.asin(x) / ASIN_HALF) * 30 : (Math.acos(x) / ACOS_HALF) * 60)

// --- erf and gamma

/** The complementary error function for x ≥ 2, by Lentz's continued fraction. */
function erfcTail(x: number): number {
  let f = 0
  for (let k = 120; k >= 1; k--) f = k / 2 / (x + f)
  return Math.exp(-x * x) / (x + f) / Math.sqrt(Math.PI)
}

function erfSeries(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; n < 200; n++) {
    term *= (-x * x) / n
    const part = term / (2 * n + 1)
    sum += part
    if (Math.abs(part) < Math.abs(sum) * 1e-17) break
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}

function erf(x: number): number {
  if (Number.isNaN(x)) return x
  const size = Math.abs(x)
  if (size < 2) return erfSeries(x)
  return x > 0 ? 1 - erfcTail(size) : erfcTail(size) - 1
}

function erfc(x: number): number {
  if (Number.isNaN(x)) return x
  if (x < 2) return 1 - erf(x)
  return x === Number.POSITIVE_INFINITY ? 0 : erfcTail(x)
}

const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

function lanczos(z: number): number {
  let sum = LANCZOS[0]!
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i]! / (z + i)
  return sum
}

function gamma(x: number): number {
  if (Number.isNaN(x)) return x
  if (x === Number.NEGATIVE_INFINITY || x === 0 || (x < 0 && Number.isInteger(x))) throw overflow()
  if (x === Number.POSITIVE_INFINITY) return x
  let result: number
  if (Number.isInteger(x) && x < 171) {
    result = 1
    for (let i = 2; i < x; i++) result *= i
    return result
  }
  if (x < 0.5) result = Math.PI / (Math.sin(Math.PI * x) * gamma(1 - x))
  else {
    const z = x - 1
    const t = z + 7.5
    // Two halves of the power, so that it does not overflow before the exponential brings it back.
    const half = t ** ((z + 0.5) / 2)
    result = Math.sqrt(2 * Math.PI) * half * Math.exp(-t) * half * lanczos(z)
  }
  // Beyond the range the parts overflow against each other.
  if (isInfinite(result) || Number.isNaN(result)) throw overflow()
  if (result === 0) throw underflow()
  return result
}

function logGamma(x: number): number {
  if (Number.isNaN(x)) return x
  if (isInfinite(x)) return Number.POSITIVE_INFINITY
  if (x <= 0 && Number.isInteger(x)) throw overflow()
  if (x === 1 || x === 2) return 0
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - logGamma(1 - x)
  const z = x - 1
  const t = z + 7.5
  const result = 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(lanczos(z))
  if (isInfinite(result)) throw overflow()
  return result
}

function widthBucket(operand: number, low: number, high: number, count: number): number {
  const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidArgumentForWidthBucketFunction, message)
  if (count <= 0) throw invalid('count must be greater than zero')
  if (Number.isNaN(operand) || Number.isNaN(low) || Number.isNaN(high)) throw invalid('operand, lower bound, and upper bound cannot be NaN')
  if (isInfinite(low) || isInfinite(high)) throw invalid('lower and upper bounds must be finite')
  if (low === high) throw invalid('lower bound cannot equal upper bound')
  const after = (): number => {
    if (count === 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
    return count + 1
  }
  const span = high - low
  if (low < high) {
    if (operand < low) return 0
    if (operand >= high) return after()
  } else {
    if (operand > low) return 0
    if (operand <= high) return after()
  }
  const share = isInfinite(span) ? (operand / 2 - low / 2) / (high / 2 - low / 2) : (operand - low) / span
  return Math.min(Math.floor(count * share), count - 1) + 1
}

export const floatMathProcs = {
  dround: roundHalfEven,
  dtrunc: (a) => Math.trunc(a),
  dceil: (a) => Math.ceil(a),
  dfloor: (a) => Math.floor(a),
  dsign: (a) => (a > 0 ? 1 : a < 0 ? -1 : Number.isNaN(a) ? 0 : 0),
  dsqrt(a) {
    if (a < 0) throw new PgError(SQLSTATE.invalidArgumentForPowerFunction, 'cannot take square root of a negative number')
    return Math.sqrt(a)
  },
  dcbrt: (a) => Math.cbrt(a),
  dpow: power,
  dexp: exp,
  dlog1: (a) => logarithm(a, Math.log),
  dlog10: (a) => logarithm(a, Math.log10),
  dacos: within(Math.acos, -1, 1),
  dasin: within(Math.asin, -1, 1),
  datan: (a) => Math.atan(a),
  datan2: (a, b) => Math.atan2(a, b),
  dcos: periodic(Math.cos),
  dsin: periodic(Math.sin),
  dtan: periodic(Math.tan),
  dcot: periodic((value) => 1 / Math.tan(value)),
  dsinh: (a) => Math.sinh(a),
  dcosh: (a) => Math.cosh(a),
  dtanh: (a) => Math.tanh(a),
  dasinh: (a) => Math.asinh(a),
  dacosh: within(Math.acosh, 1, Number.POSITIVE_INFINITY),
  datanh: within(Math.atanh, -1, 1),
  dacosd: within((x) => (x >= 0 ? acosQuadrant(x) : 90 + asinQuadrant(-x)), -1, 1),
  dasind: within((x) => (x >= 0 ? asinQuadrant(x) : -asinQuadrant(-x)), -1, 1),
  datand: (a) => (Math.atan(a) / ATAN_ONE) * 45,
  datan2d: (a, b) => (Math.atan2(a, b) / ATAN_ONE) * 45,
  dcosd: cosDegrees,
  dsind: sinDegrees,
  dtand: (a) => tangentDegrees(a, (x) => sinQuadrant(x) / cosQuadrant(x) / TAN_45),
  dcotd: (a) => tangentDegrees(a, (x) => cosQuadrant(x) / sinQuadrant(x) / COT_45),
  degrees(a) {
    const result = a / DEGREE
    if (isInfinite(result) && !isInfinite(a)) throw overflow()
    return result
  },
  radians(a) {
    const result = a * DEGREE
    if (result === 0 && a !== 0) throw underflow()
    return result
  },
  dpi: () => Math.PI,
  derf: erf,
  derfc: erfc,
  dgamma: gamma,
  dlgamma: logGamma,
  width_bucket_float8: widthBucket,
  drandom: (ctx) => ctx.random(),
  drandom_normal(mean, deviation, ctx) {
    // Box-Muller; 1 - random() is never zero.
    const radius = Math.sqrt(-2 * Math.log(1 - ctx.random()))
    return mean + deviation * radius * Math.cos(2 * Math.PI * ctx.random())
  },
  setseed(seed, ctx) {
    if (seed < -1 || seed > 1 || Number.isNaN(seed))
      throw new PgError(SQLSTATE.invalidParameterValue, `setseed parameter ${seed} is out of allowed range [-1,1]`)
    ctx.setSeed(seed)
    return ''
  },
} satisfies Procs
