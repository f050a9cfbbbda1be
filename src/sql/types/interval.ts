// interval's value: months, days and microseconds kept apart, as PostgreSQL keeps them. Immutable. ±infinity has all three infinite.
// The order counts a month as 30 days and a day as 24 hours. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { normalizeMicros, roundTimestamp, USECS_PER_DAY } from './datetime.ts'
import type { Micros } from './eval-context.ts'

export class Interval {
  readonly months: number
  readonly days: number
  readonly micros: Micros

  constructor(months: number, days: number, micros: Micros) {
    this.months = months
    this.days = days
    this.micros = micros
  }
}

export const INTERVAL_INF = new Interval(Infinity, Infinity, Infinity)
export const INTERVAL_NEG_INF = new Interval(-Infinity, -Infinity, -Infinity)

export const isInfInterval = (a: Interval): boolean => a.months === Infinity || a.months === -Infinity

export function intervalOutOfRange(): PgError {
  return new PgError(SQLSTATE.datetimeValueOutOfRange, 'interval out of range')
}

const MAX_INT = 2147483647
const inInt = (n: number): boolean => n >= -MAX_INT - 1 && n <= MAX_INT

/** A finite interval, its parts checked to fit int4, int4 and int8. */
export function makeInterval(months: number, days: number, micros: Micros): Interval {
  if (!inInt(months) || !inInt(days)) throw intervalOutOfRange()
  if (typeof micros === 'number') {
    if (Number.isSafeInteger(micros)) return new Interval(months === 0 ? 0 : months, days === 0 ? 0 : days, micros === 0 ? 0 : micros)
    if (!Number.isFinite(micros)) throw intervalOutOfRange()
  }
  const big = BigInt(micros)
  if (big > 9223372036854775807n || big < -9223372036854775808n) throw intervalOutOfRange()
  // The extreme of all three parts at once is how PostgreSQL spells infinity.
  if (months === MAX_INT && days === MAX_INT && big === 9223372036854775807n) throw intervalOutOfRange()
  if (months === -MAX_INT - 1 && days === -MAX_INT - 1 && big === -9223372036854775808n) throw intervalOutOfRange()
  return new Interval(months, days, normalizeMicros(big))
}

/** The span as one number of microseconds for comparison: exact number when safe, else bigint. */
export function intervalSpan(a: Interval): Micros {
  if (isInfInterval(a)) return a.micros
  const days = a.months * 30 + a.days
  if (typeof a.micros === 'number') {
    const span = days * USECS_PER_DAY + a.micros
    if (Number.isSafeInteger(span)) return span
  }
  return normalizeMicros(BigInt(days) * 86_400_000_000n + BigInt(a.micros))
}

export function compareInterval(a: Interval, b: Interval): number {
  const x = intervalSpan(a)
  const y = intervalSpan(b)
  return x < y ? -1 : x > y ? 1 : 0
}

export function intervalSign(a: Interval): number {
  const span = intervalSpan(a)
  return span < 0 ? -1 : span > 0 ? 1 : 0
}

function addParts(x: Micros, y: Micros): Micros {
  if (typeof x === 'number' && typeof y === 'number') {
    const sum = x + y
    if (Number.isSafeInteger(sum)) return sum
  }
  return normalizeMicros(BigInt(x) + BigInt(y))
}

export function negateInterval(a: Interval): Interval {
  if (isInfInterval(a)) return a.months > 0 ? INTERVAL_NEG_INF : INTERVAL_INF
  return makeInterval(-a.months, -a.days, -a.micros as Micros)
}

export function addInterval(a: Interval, b: Interval): Interval {
  if (isInfInterval(a) || isInfInterval(b)) {
    if (isInfInterval(a) && isInfInterval(b) && a.months !== b.months) throw intervalOutOfRange()
    return isInfInterval(a) ? a : b
  }
  return makeInterval(a.months + b.months, a.days + b.days, addParts(a.micros, b.micros))
}

export function subInterval(a: Interval, b: Interval): Interval {
  if (isInfInterval(a) || isInfInterval(b)) {
    if (isInfInterval(a) && isInfInterval(b) && a.months === b.months) throw intervalOutOfRange()
    return isInfInterval(a) ? a : negateInterval(b)
  }
  return makeInterval(a.months - b.months, a.days - b.days, addParts(a.micros, -b.micros as Micros))
}

/** Half to even, as C's rint. */
export function rint(x: number): number {
  const floor = Math.floor(x)
  const rest = x - floor
  if (rest < 0.5) return floor
  if (rest > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** interval_mul: months and days truncate, what is left of them cascades down. */
export function mulInterval(a: Interval, factor: number): Interval {
  if (Number.isNaN(factor)) throw intervalOutOfRange()
  if (isInfInterval(a)) {
    if (factor === 0) throw intervalOutOfRange()
    return factor > 0 === a.months > 0 ? INTERVAL_INF : INTERVAL_NEG_INF
  }
  if (!Number.isFinite(factor)) {
    const sign = intervalSign(a)
    if (sign === 0) throw intervalOutOfRange()
    return factor > 0 === sign > 0 ? INTERVAL_INF : INTERVAL_NEG_INF
  }
  return scaled(
    a,
    a.months * factor,
    a.days * factor,
    Number(a.micros) * factor,
    (days) => days * factor,
    (months) => months * factor,
  )
}

export function divInterval(a: Interval, divisor: number): Interval {
  if (divisor === 0) throw new PgError(SQLSTATE.divisionByZero, 'division by zero')
  if (Number.isNaN(divisor)) throw intervalOutOfRange()
  if (isInfInterval(a)) {
    if (!Number.isFinite(divisor)) throw intervalOutOfRange()
    return divisor > 0 === a.months > 0 ? INTERVAL_INF : INTERVAL_NEG_INF
  }
  return scaled(
    a,
    a.months / divisor,
    a.days / divisor,
    Number(a.micros) / divisor,
    (days) => days / divisor,
    (months) => months / divisor,
  )
}

const tsround = (x: number): number => rint(x * 1_000_000) / 1_000_000

function scaled(
  a: Interval,
  exactMonths: number,
  exactDays: number,
  exactMicros: number,
  scaleDays: (n: number) => number,
  scaleMonths: (n: number) => number,
): Interval {
  const months = Math.trunc(exactMonths)
  let days = Math.trunc(exactDays)
  if (!inInt(months) || !inInt(days)) throw intervalOutOfRange()
  let monthRest = tsround((scaleMonths(a.months) - months) * 30)
  let secondRest = tsround((scaleDays(a.days) - days + monthRest - Math.trunc(monthRest)) * 86400)
  // Over a day's worth of seconds can come from rounding: it belongs to the days.
  if (Math.abs(secondRest) >= 86400) {
    const extra = Math.trunc(secondRest / 86400)
    days += extra
    secondRest -= extra * 86400
  }
  monthRest = Math.trunc(monthRest)
  days += monthRest
  const micros = rint(exactMicros + secondRest * 1_000_000)
  if (Math.abs(micros) >= 2 ** 63) throw intervalOutOfRange()
  return makeInterval(months, days, Number.isSafeInteger(micros) ? micros : BigInt(micros))
}

export function justifyHours(a: Interval): Interval {
  if (isInfInterval(a)) return a
  const micros = BigInt(a.micros)
  const whole = micros / 86_400_000_000n
  let days = a.days + Number(whole)
  let rest = micros - whole * 86_400_000_000n
  if (days > 0 && rest < 0n) {
    rest += 86_400_000_000n
    days--
  } else if (days < 0 && rest > 0n) {
    rest -= 86_400_000_000n
    days++
  }
  return makeInterval(a.months, days, normalizeMicros(rest))
}

export function justifyDays(a: Interval): Interval {
  if (isInfInterval(a)) return a
  const whole = Math.trunc(a.days / 30)
  let months = a.months + whole
  let days = a.days - whole * 30
  if (months > 0 && days < 0) {
    days += 30
    months--
  } else if (months < 0 && days > 0) {
    days -= 30
    months++
  }
  return makeInterval(months, days, a.micros)
}

export function justifyInterval(a: Interval): Interval {
  if (isInfInterval(a)) return a
  let months = a.months
  let days = a.days
  let micros = BigInt(a.micros)
  // Days first when they and the time pull the same way, so that nothing overflows early.
  if ((days > 0 && micros > 0n) || (days < 0 && micros < 0n)) {
    const whole = Math.trunc(days / 30)
    days -= whole * 30
    months += whole
  }
  const wholeDays = micros / 86_400_000_000n
  micros -= wholeDays * 86_400_000_000n
  days += Number(wholeDays)
  const wholeMonths = Math.trunc(days / 30)
  days -= wholeMonths * 30
  months += wholeMonths
  if (months > 0 && (days < 0 || (days === 0 && micros < 0n))) {
    days += 30
    months--
  } else if (months < 0 && (days > 0 || (days === 0 && micros > 0n))) {
    days -= 30
    months++
  }
  if (days > 0 && micros < 0n) {
    micros += 86_400_000_000n
    days--
  } else if (days < 0 && micros > 0n) {
    micros -= 86_400_000_000n
    days++
  }
  return makeInterval(months, days, normalizeMicros(micros))
}

// Interval typmods: the fields' mask in the high half, the precision in the low one.
export const MASK = {
  month: 1 << 1,
  year: 1 << 2,
  day: 1 << 3,
  hour: 1 << 10,
  minute: 1 << 11,
  second: 1 << 12,
} as const
export const FULL_RANGE = 0x7fff
const FULL_PRECISION = 0xffff
export const intervalRange = (typmod: number): number => (typmod >> 16) & 0x7fff
export const intervalPrecision = (typmod: number): number => typmod & 0xffff

/** AdjustIntervalForTypmod: drops what lies below the lowest field of the range and rounds the seconds. */
export function applyIntervalTypmod(a: Interval, typmod: number): Interval {
  if (typmod < 0 || isInfInterval(a)) return a
  const range = intervalRange(typmod)
  const precision = intervalPrecision(typmod)
  let { months, days, micros } = a
  if (range !== FULL_RANGE) {
    if (range === MASK.year) {
      months = Math.trunc(months / 12) * 12
      days = 0
      micros = 0
    } else if ((range & (MASK.day | MASK.hour | MASK.minute | MASK.second)) === 0) {
      days = 0
      micros = 0
    } else if ((range & (MASK.hour | MASK.minute | MASK.second)) === 0) micros = 0
    else if ((range & (MASK.minute | MASK.second)) === 0) micros = truncMicros(micros, 3_600_000_000n)
    else if ((range & MASK.second) === 0) micros = truncMicros(micros, 60_000_000n)
  }
  if (precision !== FULL_PRECISION) micros = roundTimestamp(micros, precision)
  return makeInterval(months, days, micros)
}

function truncMicros(micros: Micros, unit: bigint): Micros {
  return normalizeMicros((BigInt(micros) / unit) * unit)
}
