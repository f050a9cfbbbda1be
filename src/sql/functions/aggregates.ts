// Transition, inverse and final functions of the builtin aggregates, found through pg_aggregate like any function. The executor calls a
// transition as (state, arguments…, ctx, call) where `call.argTypes` is [state type, argument types…], PostgreSQL's convention; strictness
// is pg_proc's. A state of type `internal` is an object of this file, changed in place and never shared between groups. // hot

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import { ArrayDatum, emptyArray, makeArray, nestArrays } from '../types/array.ts'
import type { EvalContext } from '../types/eval-context.ts'
import {
  addInterval,
  divInterval,
  INTERVAL_INF,
  INTERVAL_NEG_INF,
  Interval,
  isInfInterval,
  makeInterval,
  subInterval,
} from '../types/interval.ts'
import {
  isNaNumeric,
  isSpecial,
  makeNumeric,
  NUMERIC_INF,
  NUMERIC_NAN,
  NUMERIC_NEG_INF,
  NUMERIC_ZERO,
  Numeric,
  normalize,
  rescaleUnscaled,
  toBig,
  type Unscaled,
} from '../types/numeric.ts'
import { addNumeric, divNumeric, divToScale, mulNumeric, selectDivScale, sqrtToScale } from '../types/numeric-math.ts'
import { argType, type CallInfo, type Procs } from '../types/procs.ts'

const INT8 = 20
const FLOAT8 = 701

const addInteger = (a: Unscaled, b: Unscaled): Unscaled => {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b
    if (Number.isSafeInteger(sum)) return sum
  }
  return normalize(BigInt(a) + BigInt(b))
}

const square = (a: Unscaled): Unscaled => {
  if (typeof a === 'number') {
    const product = a * a
    if (Number.isSafeInteger(product)) return product
  }
  return normalize(BigInt(a) * BigInt(a))
}

function checkInt8(value: Unscaled): Unscaled {
  if (typeof value === 'bigint' && (value > 9223372036854775807n || value < -9223372036854775808n)) {
    throw new PgError(SQLSTATE.numericValueOutOfRange, 'bigint out of range')
  }
  return value
}

/** State of the integer aggregates whose sums exceed bigint: exact integers. */
interface IntSum {
  n: number
  sum: Unscaled
  squares: Unscaled
}

const intSum = (): IntSum => ({ n: 0, sum: 0, squares: 0 })

function intAccum(state: IntSum | null, value: Unscaled | null): IntSum {
  const s = state ?? intSum()
  if (value !== null) {
    s.n++
    s.sum = addInteger(s.sum, value)
    s.squares = addInteger(s.squares, square(value))
  }
  return s
}

function intAccumInverse(state: IntSum | null, value: Unscaled | null): IntSum {
  const s = state!
  if (value !== null) {
    s.n--
    s.sum = addInteger(s.sum, -value as Unscaled)
    s.squares = addInteger(s.squares, -square(value) as Unscaled)
  }
  return s
}

/** State of the numeric aggregates. The sum keeps the largest scale seen; special values are counted apart. */
interface NumericSum {
  n: number
  sum: Unscaled
  scale: number
  squares: Numeric
  /** Rows that had the largest scale, so that a moving frame knows when it leaves. */
  scaleCount: number
  nan: number
  positive: number
  negative: number
}

const numericSum = (): NumericSum => ({ n: 0, sum: 0, scale: 0, squares: NUMERIC_ZERO, scaleCount: 0, nan: 0, positive: 0, negative: 0 })

function numericAdd(s: NumericSum, value: Numeric, squares: boolean): void {
  const u = value.unscaled
  if (value.scale === s.scale && typeof u === 'number' && typeof s.sum === 'number') {
    const sum = s.sum + u
    if (Number.isSafeInteger(sum)) {
      s.n++
      s.sum = sum
      s.scaleCount++
      if (squares) s.squares = addExact(s.squares, mulExact(value, value))
      return
    }
  }
  s.n++
  if (isSpecial(value)) {
    if (isNaNumeric(value)) s.nan++
    else if ((u as number) > 0) s.positive++
    else s.negative++
    return
  }
  if (value.scale > s.scale) {
    s.sum = normalize(rescaleUnscaled(new Numeric(s.sum, s.scale), value.scale))
    s.scale = value.scale
    s.scaleCount = 1
  } else if (value.scale === s.scale) s.scaleCount++
  s.sum = normalize(toBig(s.sum) + rescaleUnscaled(value, s.scale))
  if (squares) s.squares = addExact(s.squares, mulExact(value, value))
}

/** False when the scale of what remains cannot be known: the executor then starts the frame anew. */
function numericRemove(s: NumericSum, value: Numeric): boolean {
  if (isSpecial(value)) {
    s.n--
    if (isNaNumeric(value)) s.nan--
    else if ((value.unscaled as number) > 0) s.positive--
    else s.negative--
    return true
  }
  if (value.scale === s.scale) {
    if (s.scaleCount > 1 || s.scale === 0) s.scaleCount--
    else if (s.n === 1) {
      Object.assign(s, numericSum())
      return true
    } else return false
  }
  s.n--
  s.sum = normalize(toBig(s.sum) - rescaleUnscaled(value, s.scale))
  s.squares = subExact(s.squares, mulExact(value, value))
  return true
}

function specialSum(s: NumericSum): Numeric | null {
  if (s.nan > 0 || (s.positive > 0 && s.negative > 0)) return NUMERIC_NAN
  if (s.positive > 0) return NUMERIC_INF
  return s.negative > 0 ? NUMERIC_NEG_INF : null
}

const total = (s: NumericSum): Numeric => makeNumeric(toBig(s.sum), s.scale)

// Sums of squares are kept without the limits of stored numbers.

function mulExact(a: Numeric, b: Numeric): Numeric {
  const product = typeof a.unscaled === 'number' && typeof b.unscaled === 'number' ? a.unscaled * b.unscaled : Number.NaN
  if (Number.isSafeInteger(product)) return new Numeric(product, a.scale + b.scale)
  return new Numeric(normalize(toBig(a.unscaled) * toBig(b.unscaled)), a.scale + b.scale)
}

function addExact(a: Numeric, b: Numeric): Numeric {
  const sum = a.scale === b.scale && typeof a.unscaled === 'number' && typeof b.unscaled === 'number' ? a.unscaled + b.unscaled : Number.NaN
  if (Number.isSafeInteger(sum)) return new Numeric(sum, a.scale)
  const scale = Math.max(a.scale, b.scale)
  return new Numeric(normalize(rescaleUnscaled(a, scale) + rescaleUnscaled(b, scale)), scale)
}

const subExact = (a: Numeric, b: Numeric): Numeric =>
  addExact(a, new Numeric(typeof b.unscaled === 'bigint' ? -b.unscaled : 0 - b.unscaled, b.scale))

/** numeric_stddev_internal */
function deviation(n: number, sum: Numeric, squares: Numeric, variance: boolean, sample: boolean): Numeric | null {
  if (sample ? n <= 1 : n === 0) return null
  const count = new Numeric(n, 0)
  const numerator = subExact(mulExact(count, squares), mulExact(sum, sum))
  if (numerator.unscaled <= 0) return NUMERIC_ZERO
  const denominator = sample ? mulNumeric(count, new Numeric(n - 1, 0)) : mulNumeric(count, count)
  const scale = selectDivScale(numerator, denominator)
  const result = divToScale(numerator, denominator, scale)
  return variance ? result : sqrtToScale(result, scale)
}

function numericDeviation(s: NumericSum | null, variance: boolean, sample: boolean): Numeric | null {
  if (s === null || s.n === 0) return null
  if (s.nan > 0 || s.positive > 0 || s.negative > 0) return sample && s.n <= 1 ? null : NUMERIC_NAN
  return deviation(s.n, new Numeric(s.sum, s.scale), s.squares, variance, sample)
}

function intDeviation(s: IntSum | null, variance: boolean, sample: boolean): Numeric | null {
  return s === null ? null : deviation(s.n, new Numeric(s.sum, 0), new Numeric(s.squares, 0), variance, sample)
}

/** `_int8` states {count, sum}. */
function countSum(state: ArrayDatum, count: number, value: number, call: CallInfo): ArrayDatum {
  const elements = state.elements as [number, Unscaled]
  if (call.aggregate === true && state.lowerBounds === OWN) {
    elements[0] += count
    elements[1] = checkInt8(addInteger(elements[1], value))
    return state
  }
  return new ArrayDatum(INT8, state.dims, OWN, [elements[0] + count, checkInt8(addInteger(elements[1], value))])
}

/** Lower bounds that mark a state made here: in an aggregate it may be changed in place. */
const OWN: readonly number[] = [1]

// float8 arrays: N, Sx, Sxx (Youngs-Cramer).

function overflow(): PgError {
  return new PgError(SQLSTATE.numericValueOutOfRange, 'value out of range: overflow')
}

function floatAccum(state: ArrayDatum, value: number, _ctx: EvalContext, call: CallInfo): ArrayDatum {
  const before = state.elements as readonly [number, number, number]
  const n = before[0] + 1
  const sx = before[1] + value
  let sxx = before[2]
  if (before[0] > 0) {
    const tmp = value * n - sx
    sxx += (tmp * tmp) / (n * before[0])
    if (!Number.isFinite(sx) || !Number.isFinite(sxx)) {
      if ((Math.abs(sx) === Infinity || Math.abs(sxx) === Infinity) && Number.isFinite(before[1]) && Number.isFinite(value))
        throw overflow()
      sxx = Number.NaN
    }
  } else if (!Number.isFinite(value)) sxx = Number.NaN
  if (call.aggregate === true && state.lowerBounds === OWN) {
    const own = state.elements as [number, number, number]
    own[0] = n
    own[1] = sx
    own[2] = sxx
    return state
  }
  return new ArrayDatum(FLOAT8, state.dims, OWN, [n, sx, sxx])
}

/** N, Sx, Sxx, Sy, Syy, Sxy */
function regressionAccum(state: ArrayDatum, y: number, x: number): ArrayDatum {
  let [n, sx, sxx, sy, syy, sxy] = state.elements as [number, number, number, number, number, number]
  const [n0, sx0, , sy0] = state.elements as [number, number, number, number]
  n++
  sx += x
  sy += y
  if (n0 > 0) {
    const tx = x * n - sx
    const ty = y * n - sy
    const scale = 1 / (n * n0)
    sxx += tx * tx * scale
    syy += ty * ty * scale
    sxy += tx * ty * scale
    const infinite = (v: number): boolean => v === Infinity || v === -Infinity
    if (infinite(sx) || infinite(sxx) || infinite(sy) || infinite(syy) || infinite(sxy)) {
      const inputs = !infinite(sx0) && !infinite(x) && !infinite(sy0) && !infinite(y)
      if (inputs) throw overflow()
      if (infinite(sxx)) sxx = Number.NaN
      if (infinite(syy)) syy = Number.NaN
      if (infinite(sxy)) sxy = Number.NaN
    }
  } else {
    if (!Number.isFinite(x)) sxx = sxy = Number.NaN
    if (!Number.isFinite(y)) syy = sxy = Number.NaN
  }
  return new ArrayDatum(FLOAT8, state.dims, state.lowerBounds, [n, sx, sxx, sy, syy, sxy])
}

type Regression = readonly [number, number, number, number, number, number]
const regression = (state: ArrayDatum): Regression => state.elements as unknown as Regression
type Float3 = readonly [number, number, number]
const float3 = (state: ArrayDatum): Float3 => state.elements as unknown as Float3

interface Text {
  text: string
}
interface Bytes {
  parts: Uint8Array[]
}

interface IntervalSum {
  n: number
  sum: Interval
  positive: number
  negative: number
}

function intervalAccum(state: IntervalSum | null, value: Interval | null, sign: 1 | -1): IntervalSum {
  const s = state ?? { n: 0, sum: new Interval(0, 0, 0), positive: 0, negative: 0 }
  if (value === null) return s
  if (isInfInterval(value)) {
    if (value.months > 0) s.positive += sign
    else s.negative += sign
    return s
  }
  s.n += sign
  s.sum = sign > 0 ? addInterval(s.sum, value) : subInterval(s.sum, value)
  if (s.n === 0) s.sum = makeInterval(0, 0, 0)
  return s
}

function intervalInfinite(s: IntervalSum): Interval | null {
  if (s.positive > 0 && s.negative > 0) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'interval out of range')
  return s.positive > 0 ? INTERVAL_INF : s.negative > 0 ? INTERVAL_NEG_INF : null
}

interface Elements {
  elementType: number
  elements: Datum[]
}

interface BoolCount {
  count: number
  trues: number
}

export const aggregateProcs = {
  any_value_transfn: (state) => state,

  // count, sum, avg of integers
  int2_sum: (state, value) => (value === null ? state : state === null ? value : checkInt8(addInteger(state, value))),
  int4_sum: (state, value) => (value === null ? state : state === null ? value : checkInt8(addInteger(state, value))),
  int8_sum: (state, value) => (value === null ? state : state === null ? new Numeric(value, 0) : addNumeric(state, new Numeric(value, 0))),
  int2_avg_accum: (state, value, _ctx, call) => countSum(state, 1, value, call),
  int4_avg_accum: (state, value, _ctx, call) => countSum(state, 1, value, call),
  int2_avg_accum_inv: (state, value, _ctx, call) => countSum(state, -1, -value, call),
  int4_avg_accum_inv: (state, value, _ctx, call) => countSum(state, -1, -value, call),
  int4_avg_combine(a, b) {
    const [n, sum] = a.elements as [number, Unscaled]
    const [m, more] = b.elements as [number, Unscaled]
    return new ArrayDatum(INT8, a.dims, a.lowerBounds, [n + m, checkInt8(addInteger(sum, more))])
  },
  int8_avg(state) {
    const [n, sum] = state.elements as [number, Unscaled]
    return n === 0 ? null : divNumeric(new Numeric(sum, 0), new Numeric(n, 0))
  },
  int2int4_sum(state) {
    const [n, sum] = state.elements as [number, Unscaled]
    return n === 0 ? null : sum
  },
  int8_avg_accum(state: IntSum | null, value) {
    const s = state ?? intSum()
    if (value !== null) {
      s.n++
      s.sum = addInteger(s.sum, value)
    }
    return s
  },
  int8_avg_accum_inv(state: IntSum | null, value) {
    const s = state!
    if (value !== null) {
      s.n--
      s.sum = addInteger(s.sum, -value as Unscaled)
    }
    return s
  },
  int8_avg_combine: combineInts,
  int2_accum: intAccum,
  int4_accum: intAccum,
  int8_accum: intAccum,
  int2_accum_inv: intAccumInverse,
  int4_accum_inv: intAccumInverse,
  int8_accum_inv: intAccumInverse,
  numeric_poly_combine: combineInts,
  numeric_poly_sum: (s: IntSum | null) => (s === null || s.n === 0 ? null : new Numeric(s.sum, 0)),
  numeric_poly_avg: (s: IntSum | null) => (s === null || s.n === 0 ? null : divNumeric(new Numeric(s.sum, 0), new Numeric(s.n, 0))),
  numeric_poly_var_pop: (s: IntSum | null) => intDeviation(s, true, false),
  numeric_poly_var_samp: (s: IntSum | null) => intDeviation(s, true, true),
  numeric_poly_stddev_pop: (s: IntSum | null) => intDeviation(s, false, false),
  numeric_poly_stddev_samp: (s: IntSum | null) => intDeviation(s, false, true),

  // numeric; int8's deviation shares the finals
  numeric_accum(state: NumericSum | null, value) {
    const s = state ?? numericSum()
    if (value !== null) numericAdd(s, value, true)
    return s
  },
  numeric_avg_accum(state: NumericSum | null, value) {
    const s = state ?? numericSum()
    if (value !== null) numericAdd(s, value, false)
    return s
  },
  numeric_accum_inv(state: NumericSum | null, value) {
    return value === null || numericRemove(state!, value) ? state : null
  },
  numeric_combine: combineNumerics,
  numeric_avg_combine: combineNumerics,
  numeric_sum(s: NumericSum | null) {
    return s === null || s.n === 0 ? null : (specialSum(s) ?? total(s))
  },
  numeric_avg(s: NumericSum | null) {
    return s === null || s.n === 0 ? null : (specialSum(s) ?? divNumeric(total(s), new Numeric(s.n, 0)))
  },
  numeric_var_pop: (s: NumericSum | IntSum | null) => anyDeviation(s, true, false),
  numeric_var_samp: (s: NumericSum | IntSum | null) => anyDeviation(s, true, true),
  numeric_stddev_pop: (s: NumericSum | IntSum | null) => anyDeviation(s, false, false),
  numeric_stddev_samp: (s: NumericSum | IntSum | null) => anyDeviation(s, false, true),

  // floats
  float4_accum: floatAccum,
  float8_accum: floatAccum,
  float8_combine(a, b) {
    const [n1, sx1, sxx1] = float3(a)
    const [n2, sx2, sxx2] = float3(b)
    if (n1 === 0) return b
    if (n2 === 0) return a
    const n = n1 + n2
    const tmp = sx1 / n1 - sx2 / n2
    return new ArrayDatum(FLOAT8, a.dims, a.lowerBounds, [n, sx1 + sx2, sxx1 + sxx2 + (n1 * n2 * tmp * tmp) / n])
  },
  float8_avg: (s) => (float3(s)[0] === 0 ? null : float3(s)[1] / float3(s)[0]),
  float8_var_pop: (s) => (float3(s)[0] === 0 ? null : float3(s)[2] / float3(s)[0]),
  float8_var_samp: (s) => (float3(s)[0] <= 1 ? null : float3(s)[2] / (float3(s)[0] - 1)),
  float8_stddev_pop: (s) => (float3(s)[0] === 0 ? null : Math.sqrt(float3(s)[2] / float3(s)[0])),
  float8_stddev_samp: (s) => (float3(s)[0] <= 1 ? null : Math.sqrt(float3(s)[2] / (float3(s)[0] - 1))),
  float8_regr_accum: regressionAccum,
  float8_regr_sxx: (s) => (regression(s)[0] < 1 ? null : regression(s)[2]),
  float8_regr_syy: (s) => (regression(s)[0] < 1 ? null : regression(s)[4]),
  float8_regr_sxy: (s) => (regression(s)[0] < 1 ? null : regression(s)[5]),
  float8_regr_avgx: (s) => (regression(s)[0] < 1 ? null : regression(s)[1] / regression(s)[0]),
  float8_regr_avgy: (s) => (regression(s)[0] < 1 ? null : regression(s)[3] / regression(s)[0]),
  float8_covar_pop: (s) => (regression(s)[0] < 1 ? null : regression(s)[5] / regression(s)[0]),
  float8_covar_samp: (s) => (regression(s)[0] < 2 ? null : regression(s)[5] / (regression(s)[0] - 1)),
  float8_corr(s) {
    const [n, , sxx, , syy, sxy] = regression(s)
    return n < 1 || sxx === 0 || syy === 0 ? null : sxy / Math.sqrt(sxx * syy)
  },
  float8_regr_r2(s) {
    const [n, , sxx, , syy, sxy] = regression(s)
    if (n < 1 || sxx === 0) return null
    return syy === 0 ? 1 : (sxy * sxy) / (sxx * syy)
  },
  float8_regr_slope(s) {
    const [n, , sxx, , , sxy] = regression(s)
    return n < 1 || sxx === 0 ? null : sxy / sxx
  },
  float8_regr_intercept(s) {
    const [n, sx, sxx, sy, , sxy] = regression(s)
    return n < 1 || sxx === 0 ? null : (sy - (sx * sxy) / sxx) / n
  },

  // bool over moving frames
  bool_accum(state: BoolCount | null, value) {
    const s = state ?? { count: 0, trues: 0 }
    if (value !== null) {
      s.count++
      if (value) s.trues++
    }
    return s
  },
  bool_accum_inv(state: BoolCount | null, value) {
    const s = state!
    if (value !== null) {
      s.count--
      if (value) s.trues--
    }
    return s
  },
  bool_alltrue: (s: BoolCount) => (s.count === 0 ? null : s.trues === s.count),
  bool_anytrue: (s: BoolCount) => (s.count === 0 ? null : s.trues > 0),

  // interval
  interval_avg_accum: (state: IntervalSum | null, value) => intervalAccum(state, value, 1),
  interval_avg_accum_inv: (state: IntervalSum | null, value) => intervalAccum(state, value, -1),
  interval_sum(s: IntervalSum | null) {
    if (s === null || s.n + s.positive + s.negative === 0) return null
    return intervalInfinite(s) ?? s.sum
  },
  interval_avg(s: IntervalSum | null) {
    if (s === null || s.n + s.positive + s.negative === 0) return null
    return intervalInfinite(s) ?? divInterval(s.sum, s.n)
  },

  // strings
  string_agg_transfn(state: Text | null, value, delimiter) {
    if (value === null) return state
    if (state === null) return { text: value }
    state.text += delimiter === null ? value : delimiter + value
    return state
  },
  string_agg_finalfn: (s: Text | null) => (s === null ? null : s.text),
  bytea_string_agg_transfn(state: Bytes | null, value, delimiter) {
    if (value === null) return state
    if (state === null) return { parts: [value] }
    if (delimiter !== null) state.parts.push(delimiter)
    state.parts.push(value)
    return state
  },
  bytea_string_agg_finalfn: (s: Bytes | null) => (s === null ? null : Buffer.concat(s.parts)),

  // arrays
  array_agg_transfn(state: Elements | null, value, _ctx, call) {
    const s = state ?? { elementType: argType(call, 1), elements: [] }
    s.elements.push(value)
    return s
  },
  array_agg_finalfn: (s: Elements | null) => (s === null ? null : makeArray(s.elementType, s.elements.slice())),
  array_agg_array_transfn(state: Elements | null, value, _ctx, call) {
    if (value === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'cannot accumulate null arrays')
    if (value.dims.length === 0) throw new PgError(SQLSTATE.arraySubscriptError, 'cannot accumulate empty arrays')
    const s = state ?? { elementType: typeByOid(argType(call, 1))?.typelem ?? value.elementType, elements: [] }
    const first = s.elements[0] as ArrayDatum | undefined
    if (first !== undefined && (first.dims.length !== value.dims.length || first.dims.some((d, i) => d !== value.dims[i]))) {
      throw new PgError(SQLSTATE.arraySubscriptError, 'cannot accumulate arrays of different dimensionality')
    }
    s.elements.push(value)
    return s
  },
  array_agg_array_finalfn(s: Elements | null) {
    if (s === null) return null
    const arrays = s.elements as ArrayDatum[]
    return arrays.length === 0 ? emptyArray(s.elementType) : nestArrays(arrays[0]!.elementType, arrays)
  },
} satisfies Procs

function combineInts(a: IntSum | null, b: IntSum | null): IntSum | null {
  if (a === null || b === null) return a ?? b
  a.n += b.n
  a.sum = addInteger(a.sum, b.sum)
  a.squares = addInteger(a.squares, b.squares)
  return a
}

function combineNumerics(a: NumericSum | null, b: NumericSum | null): NumericSum | null {
  if (a === null || b === null) return a ?? b
  const scale = Math.max(a.scale, b.scale)
  a.scaleCount = (a.scale === scale ? a.scaleCount : 0) + (b.scale === scale ? b.scaleCount : 0)
  a.sum = normalize(rescaleUnscaled(new Numeric(a.sum, a.scale), scale) + rescaleUnscaled(new Numeric(b.sum, b.scale), scale))
  a.scale = scale
  a.squares = addNumeric(a.squares, b.squares)
  a.n += b.n
  a.nan += b.nan
  a.positive += b.positive
  a.negative += b.negative
  return a
}

/** int8's deviation shares numeric's final functions. */
function anyDeviation(s: NumericSum | IntSum | null, variance: boolean, sample: boolean): Numeric | null {
  return s !== null && 'nan' in s ? numericDeviation(s, variance, sample) : intDeviation(s, variance, sample)
}
