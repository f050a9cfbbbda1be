// Bodies of the date and time functions, operators and casts.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ArrayDatum } from './array.ts'
import {
  addMicros,
  checkTimestamp,
  daysFromCivil,
  daysInMonth,
  EPOCH_DAYS,
  isFiniteMicros,
  isValidDate,
  makeTimestamp,
  roundMicros,
  roundTimestamp,
  TimeTz,
  timestampDays,
  timestampTime,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import {
  extractDate,
  extractInterval,
  extractTime,
  extractTimestamp,
  extractTimeTz,
  truncateInterval,
  truncUnit,
} from './datetime-extract.ts'
import { formatTimeOfDay, localParts, offsetOf } from './datetime-format.ts'
import {
  addDays,
  addInterval,
  age,
  binTimestamp,
  dateToTimestamp,
  dateToTimestampTz,
  fromLocal,
  fromLocalParts,
  subtractInterval,
  subtractTimestamps,
  toLocal,
  truncateTimestamp,
  wholeZoneByName,
  zoneByInterval,
  zoneByName,
} from './datetime-math.ts'
import { offsetOrNull } from './datetime-parse.ts'
import { compareTimeTz } from './datetime-types.ts'
import type { EvalContext, Micros } from './eval-context.ts'
import { overflow } from './float.ts'
import {
  addInterval as addIntervals,
  applyIntervalTypmod,
  compareInterval,
  divInterval,
  FULL_RANGE,
  type Interval,
  intervalSign,
  isInfInterval,
  justifyDays,
  justifyHours,
  justifyInterval,
  MASK,
  makeInterval,
  mulInterval,
  negateInterval,
  rint,
  subInterval,
} from './interval.ts'
import { type Numeric, numericToNumber } from './numeric.ts'
import type { Procs } from './procs.ts'
import { fixedZone, sessionZone, type TimeZone } from './timezone.ts'

const order = (a: Micros, b: Micros): number => (a < b ? -1 : a > b ? 1 : 0)
const later = <T extends Micros>(a: T, b: T): T => (order(a, b) > 0 ? a : b)
const earlier = <T extends Micros>(a: T, b: T): T => (order(a, b) < 0 ? a : b)
const zoneOf = (ctx: EvalContext): TimeZone => sessionZone(ctx.io.timeZone)
const toFloat = (value: Numeric | null): number | null => (value === null ? null : numericToNumber(value))

/** A date compared as a timestamp: beyond timestamp's range it sorts above all of them. */
const dateMicros = (days: number): Micros => (days >= 106_751_991 && Number.isFinite(days) ? Infinity : dateToTimestamp(days))
function compareDateTimestamp(days: number, value: Micros): number {
  const at = dateMicros(days)
  // A finite date too large for timestamp is still below infinity.
  if (at === Infinity && days !== Infinity && value === Infinity) return -1
  return order(at, value)
}
function compareDateTimestampTz(days: number, value: Micros, ctx: EvalContext): number {
  if (!Number.isFinite(days)) return order(days, value)
  return compareInstant(() => dateToTimestampTz(days, zoneOf(ctx)), days, value)
}
function compareLocalTz(local: Micros, value: Micros, ctx: EvalContext): number {
  return isFiniteMicros(local) ? compareInstant(() => fromLocal(local, zoneOf(ctx)), local, value) : order(local, value)
}

/** A finite local time (`local` tells on which side of 2000 it is) whose instant timestamptz cannot hold lies beyond all that it can. */
function compareInstant(instant: () => Micros, local: Micros, value: Micros): number {
  let at: Micros
  try {
    at = instant()
  } catch (error) {
    if (!(error instanceof PgError) || error.code !== SQLSTATE.datetimeValueOutOfRange) throw error
    if (local > 0) return value === Infinity ? -1 : 1
    return value === -Infinity ? 1 : -1
  }
  return order(at, value)
}

function scaleTimestamp(value: Micros, typmod: number): Micros {
  if (isFiniteMicros(value) && typmod !== -1 && (typmod < 0 || typmod > 6)) {
    throw new PgError(SQLSTATE.invalidParameterValue, `timestamp(${typmod}) precision must be between 0 and 6`)
  }
  return roundTimestamp(value, typmod)
}

const wrapDay = (micros: number): number => {
  const rest = micros % USECS_PER_DAY
  return rest < 0 ? rest + USECS_PER_DAY : rest
}
/** What an interval adds to a time of day. */
function timeOffset(span: Interval, sign: number, type: string): number {
  if (isInfInterval(span)) {
    throw new PgError(
      SQLSTATE.datetimeValueOutOfRange,
      `cannot ${sign > 0 ? 'add' : 'subtract'} infinite interval ${sign > 0 ? 'to' : 'from'} ${type}`,
    )
  }
  return sign * Number(typeof span.micros === 'bigint' ? span.micros % 86_400_000_000n : span.micros % USECS_PER_DAY)
}

function inRange<T>(compare: number, less: boolean): boolean
function inRange(compare: number, less: boolean): boolean {
  return less ? compare <= 0 : compare >= 0
}

function checkOffset(offset: Interval): void {
  if (intervalSign(offset) < 0) {
    throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, 'invalid preceding or following size in window function')
  }
}

/** Of a time of day only the clock part counts. */
function checkTimeOffset(offset: Interval): void {
  if (offset.micros < 0) {
    throw new PgError(SQLSTATE.invalidPrecedingOrFollowingSize, 'invalid preceding or following size in window function')
  }
}

function timestampInRange(value: Micros, base: Micros, offset: Interval, sub: boolean, less: boolean, zone: TimeZone | null): boolean {
  checkOffset(offset)
  if (isInfInterval(offset) && (sub ? base === Infinity : base === -Infinity)) return true
  const bound = sub ? subtractInterval(base, offset, zone) : addInterval(base, offset, zone)
  return inRange(order(value, bound), less)
}

function overlaps<T>(s1: T | null, e1: T | null, s2: T | null, e2: T | null, compare: (a: T, b: T) => number): boolean | null {
  let [ts1, te1, ts2, te2] = [s1, e1, s2, e2]
  if (ts1 === null) {
    if (te1 === null) return null
    ;[ts1, te1] = [te1, null]
  } else if (te1 !== null && compare(ts1, te1) > 0) [ts1, te1] = [te1, ts1]
  if (ts2 === null) {
    if (te2 === null) return null
    ;[ts2, te2] = [te2, null]
  } else if (te2 !== null && compare(ts2, te2) > 0) [ts2, te2] = [te2, ts2]
  const first = compare(ts1, ts2)
  if (first > 0) {
    if (te2 === null) return null
    if (compare(ts1, te2) < 0) return true
    return te1 === null ? null : false
  }
  if (first < 0) {
    if (te1 === null) return null
    if (compare(ts2, te1) < 0) return true
    return te2 === null ? null : false
  }
  return te1 === null || te2 === null ? null : true
}

function makeDays(year: number, month: number, day: number, fail: () => PgError): number {
  // There is no year 0; years before Christ come as negative numbers.
  if (year === 0) throw fail()
  const y = year < 0 ? year + 1 : year
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(y, month)) throw fail()
  return daysFromCivil(y, month, day)
}

function makeTime(hour: number, minute: number, second: number, fail: () => PgError): number {
  const micros = rint(second * USECS_PER_SEC)
  const total = (hour * 60 + minute) * 60 * USECS_PER_SEC + micros
  if (Number.isNaN(second) || hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || second > 60 || total > USECS_PER_DAY)
    throw fail()
  return total
}

function makeTimestampParts(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): { days: number; time: number } {
  const two = (n: number): string => String(n).padStart(2, '0')
  const days = makeDays(year, month, day, () => fieldError(`date field value out of range: ${year}-${two(month)}-${two(day)}`))
  const time = makeTime(hour, minute, second, () =>
    fieldError(`time field value out of range: ${hour}:${two(minute)}:${secondText(second)}`),
  )
  if (!isValidDate(days)) throw fieldError(`date out of range: ${year}-${two(month)}-${two(day)}`)
  return { days, time }
}
const fieldError = (message: string): PgError => new PgError(SQLSTATE.datetimeFieldOverflow, message)
/** C's %02g */
function secondText(second: number): string {
  const exponent = second === 0 ? 0 : Math.floor(Math.log10(Math.abs(second)))
  const text = exponent >= 6 ? second.toExponential(5).replace(/\.?0+e/, 'e') : String(Number(second.toPrecision(6)))
  return text.length < 2 ? `0${text}` : text
}

/** A zone given to make_timestamptz: a name, or an offset in ISO's sense. */
function makeZone(name: string, ctx: EvalContext): TimeZone {
  if (/^\d/.test(name)) {
    throw new PgError(SQLSTATE.invalidParameterValue, `invalid input syntax for type numeric time zone: "${name}"`, {
      hint: 'Numeric time zones must have "-" or "+" as first character.',
    })
  }
  if (/^[+-]\d+(?::\d*){0,2}$/.test(name)) {
    const offset = offsetOrNull(name)
    if (offset === null) throw new PgError(SQLSTATE.invalidParameterValue, `numeric time zone "${name}" out of range`)
    return fixedZone(name, offset)
  }
  return zoneByName(name, ctx.io)
}

function* series(start: Micros, stop: Micros, step: Interval, zone: TimeZone | null): Generator<Micros> {
  const direction = intervalSign(step)
  if (direction === 0) throw new PgError(SQLSTATE.invalidParameterValue, 'step size cannot equal zero')
  if (isInfInterval(step)) throw new PgError(SQLSTATE.invalidParameterValue, 'step size cannot be infinite')
  for (let at = start; direction > 0 ? at <= stop : at >= stop; at = addInterval(at, step, zone)) {
    yield at
  }
}

function precisionTypmod(parts: ArrayDatum, name: string): number {
  const precision = Number(parts.elements[0])
  if (parts.elements.length !== 1) throw new PgError(SQLSTATE.invalidParameterValue, 'invalid type modifier')
  if (precision < 0) throw new PgError(SQLSTATE.invalidParameterValue, `${name} precision must not be negative`)
  return Math.min(precision, 6)
}

const INTERVAL_RANGE_TEXT: readonly (readonly [number, string])[] = [
  [MASK.year, ' year'],
  [MASK.month, ' month'],
  [MASK.day, ' day'],
  [MASK.hour, ' hour'],
  [MASK.minute, ' minute'],
  [MASK.second, ' second'],
  [MASK.year | MASK.month, ' year to month'],
  [MASK.day | MASK.hour, ' day to hour'],
  [MASK.day | MASK.hour | MASK.minute, ' day to minute'],
  [MASK.day | MASK.hour | MASK.minute | MASK.second, ' day to second'],
  [MASK.hour | MASK.minute, ' hour to minute'],
  [MASK.hour | MASK.minute | MASK.second, ' hour to second'],
  [MASK.minute | MASK.second, ' minute to second'],
]

function timestampTz(year: number, month: number, day: number, hour: number, minute: number, second: number, zone: () => TimeZone): Micros {
  const { days, time } = makeTimestampParts(year, month, day, hour, minute, second)
  return fromLocalParts(days, time, zone())
}

/** timestamp(tz)'s local day and time; null when infinite. */
function partsOf(value: Micros, zone: TimeZone | null): { days: number; time: number } | null {
  if (!isFiniteMicros(value)) return null
  if (zone !== null) return localParts(value, offsetOf(value, zone))
  const days = timestampDays(value)
  return { days, time: timestampTime(value, days) }
}

export const datetimeProcs = {
  // date
  date_cmp: order,
  date_eq: (a, b) => a === b,
  date_ne: (a, b) => a !== b,
  date_lt: (a, b) => a < b,
  date_le: (a, b) => a <= b,
  date_gt: (a, b) => a > b,
  date_ge: (a, b) => a >= b,
  date_larger: later,
  date_smaller: earlier,
  date_finite: (a) => Number.isFinite(a),
  date_mi(a, b) {
    if (!Number.isFinite(a) || !Number.isFinite(b)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'cannot subtract infinite dates')
    return a - b
  },
  date_pli: addDays,
  date_mii: (date, days) => addDays(date, -days),
  date_pl_interval: (date, span) => addInterval(dateToTimestamp(date), span, null),
  date_mi_interval: (date, span) => subtractInterval(dateToTimestamp(date), span, null),
  date_timestamp: dateToTimestamp,
  date_timestamptz: (date, ctx) => dateToTimestampTz(date, zoneOf(ctx)),
  datetime_timestamp: (date, time) => (Number.isFinite(date) ? addMicros(dateToTimestamp(date), time) : date),
  datetimetz_timestamptz: (date, time) =>
    Number.isFinite(date) ? checkTimestamp(addMicros(dateToTimestamp(date), time.micros + time.zone * USECS_PER_SEC)) : date,
  date_eq_timestamp: (a, b) => compareDateTimestamp(a, b) === 0,
  date_ne_timestamp: (a, b) => compareDateTimestamp(a, b) !== 0,
  date_lt_timestamp: (a, b) => compareDateTimestamp(a, b) < 0,
  date_le_timestamp: (a, b) => compareDateTimestamp(a, b) <= 0,
  date_gt_timestamp: (a, b) => compareDateTimestamp(a, b) > 0,
  date_ge_timestamp: (a, b) => compareDateTimestamp(a, b) >= 0,
  date_cmp_timestamp: compareDateTimestamp,
  timestamp_eq_date: (a, b) => compareDateTimestamp(b, a) === 0,
  timestamp_ne_date: (a, b) => compareDateTimestamp(b, a) !== 0,
  timestamp_lt_date: (a, b) => compareDateTimestamp(b, a) > 0,
  timestamp_le_date: (a, b) => compareDateTimestamp(b, a) >= 0,
  timestamp_gt_date: (a, b) => compareDateTimestamp(b, a) < 0,
  timestamp_ge_date: (a, b) => compareDateTimestamp(b, a) <= 0,
  timestamp_cmp_date: (a, b) => -compareDateTimestamp(b, a),
  date_eq_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) === 0,
  date_ne_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) !== 0,
  date_lt_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) < 0,
  date_le_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) <= 0,
  date_gt_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) > 0,
  date_ge_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx) >= 0,
  date_cmp_timestamptz: (a, b, ctx) => compareDateTimestampTz(a, b, ctx),
  timestamptz_eq_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) === 0,
  timestamptz_ne_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) !== 0,
  timestamptz_lt_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) > 0,
  timestamptz_le_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) >= 0,
  timestamptz_gt_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) < 0,
  timestamptz_ge_date: (a, b, ctx) => compareDateTimestampTz(b, a, ctx) <= 0,
  timestamptz_cmp_date: (a, b, ctx) => -compareDateTimestampTz(b, a, ctx),
  extract_date: extractDate,
  make_date(year, month, day) {
    const two = (n: number): string => String(n).padStart(2, '0')
    const days = makeDays(year, month, day, () =>
      fieldError(`date field value out of range: ${year < 0 ? year + 1 : year}-${two(month)}-${two(day)}`),
    )
    if (!isValidDate(days)) throw fieldError(`date out of range: ${year}-${two(month)}-${two(day)}`)
    return days
  },

  // time, timetz
  time_cmp: order,
  time_eq: (a, b) => a === b,
  time_ne: (a, b) => a !== b,
  time_lt: (a, b) => a < b,
  time_le: (a, b) => a <= b,
  time_gt: (a, b) => a > b,
  time_ge: (a, b) => a >= b,
  time_larger: later,
  time_smaller: earlier,
  time_interval: (a) => makeInterval(0, 0, a),
  time_mi_time: (a, b) => makeInterval(0, 0, a - b),
  time_pl_interval: (a, span) => wrapDay(a + timeOffset(span, 1, 'time')),
  time_mi_interval: (a, span) => wrapDay(a + timeOffset(span, -1, 'time')),
  time_part: (unit, a) => toFloat(extractTime(unit, a)),
  extract_time: extractTime,
  time_scale: (a, typmod) => roundMicros(a, typmod),
  time_timetz(a, ctx) {
    const now = partsOf(ctx.transactionTimestamp, zoneOf(ctx))!
    const at = fromLocalParts(now.days, a, zoneOf(ctx))
    return new TimeTz(a, -offsetOf(at, zoneOf(ctx)))
  },
  interval_time(span) {
    if (isInfInterval(span)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'cannot convert infinite interval to time')
    return wrapDay(timeOffset(span, 1, 'time'))
  },
  timetz_time: (a) => a.micros,
  timetz_cmp: compareTimeTz,
  timetz_eq: (a, b) => compareTimeTz(a, b) === 0,
  timetz_ne: (a, b) => compareTimeTz(a, b) !== 0,
  timetz_lt: (a, b) => compareTimeTz(a, b) < 0,
  timetz_le: (a, b) => compareTimeTz(a, b) <= 0,
  timetz_gt: (a, b) => compareTimeTz(a, b) > 0,
  timetz_ge: (a, b) => compareTimeTz(a, b) >= 0,
  timetz_larger: (a, b) => (compareTimeTz(a, b) > 0 ? a : b),
  timetz_smaller: (a, b) => (compareTimeTz(a, b) < 0 ? a : b),
  timetz_pl_interval: (a, span) => new TimeTz(wrapDay(a.micros + timeOffset(span, 1, 'time')), a.zone),
  timetz_mi_interval: (a, span) => new TimeTz(wrapDay(a.micros + timeOffset(span, -1, 'time')), a.zone),
  timetz_part: (unit, a) => toFloat(extractTimeTz(unit, a)),
  extract_timetz: extractTimeTz,
  timetz_scale: (a, typmod) => new TimeTz(roundMicros(a.micros, typmod), a.zone),
  timetz_zone(name, a, ctx) {
    const zone = zoneByName(name, ctx.io)
    const offset = zone.fixed ?? offsetOf(ctx.transactionTimestamp, zone)
    return new TimeTz(wrapDay(a.micros + (a.zone + offset) * USECS_PER_SEC), -offset)
  },
  timetz_izone(span, a) {
    const offset = zoneByInterval(span).fixed!
    return new TimeTz(wrapDay(a.micros + (a.zone + offset) * USECS_PER_SEC), -offset)
  },
  timetz_at_local(a, ctx) {
    const offset = offsetOf(ctx.transactionTimestamp, zoneOf(ctx))
    return new TimeTz(wrapDay(a.micros + (a.zone + offset) * USECS_PER_SEC), -offset)
  },
  make_time: (hour, minute, second) =>
    makeTime(hour, minute, second, () =>
      fieldError(`time field value out of range: ${hour}:${String(minute).padStart(2, '0')}:${secondText(second)}`),
    ),

  // timestamp, timestamptz
  timestamp_cmp: order,
  timestamp_eq: (a, b) => a === b,
  timestamp_ne: (a, b) => a !== b,
  timestamp_lt: (a, b) => a < b,
  timestamp_le: (a, b) => a <= b,
  timestamp_gt: (a, b) => a > b,
  timestamp_ge: (a, b) => a >= b,
  timestamp_larger: later,
  timestamp_smaller: earlier,
  timestamp_finite: (a) => isFiniteMicros(a),
  timestamp_cmp_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx),
  timestamp_eq_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) === 0,
  timestamp_ne_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) !== 0,
  timestamp_lt_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) < 0,
  timestamp_le_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) <= 0,
  timestamp_gt_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) > 0,
  timestamp_ge_timestamptz: (a, b, ctx) => compareLocalTz(a, b, ctx) >= 0,
  timestamptz_cmp_timestamp: (a, b, ctx) => -compareLocalTz(b, a, ctx),
  timestamptz_eq_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) === 0,
  timestamptz_ne_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) !== 0,
  timestamptz_lt_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) > 0,
  timestamptz_le_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) >= 0,
  timestamptz_gt_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) < 0,
  timestamptz_ge_timestamp: (a, b, ctx) => compareLocalTz(b, a, ctx) <= 0,
  timestamp_mi: subtractTimestamps,
  timestamp_pl_interval: (a, span) => addInterval(a, span, null),
  timestamp_mi_interval: (a, span) => subtractInterval(a, span, null),
  timestamptz_pl_interval: (a, span, ctx) => addInterval(a, span, zoneOf(ctx)),
  timestamptz_mi_interval: (a, span, ctx) => subtractInterval(a, span, zoneOf(ctx)),
  timestamptz_pl_interval_at_zone: (a, span, zone, ctx) => addInterval(a, span, wholeZoneByName(zone, ctx.io)),
  timestamptz_mi_interval_at_zone: (a, span, zone, ctx) => subtractInterval(a, span, wholeZoneByName(zone, ctx.io)),
  timestamp_age: (a, b) => age(a, b, null),
  timestamptz_age: (a, b, ctx) => age(a, b, zoneOf(ctx)),
  timestamp_scale: scaleTimestamp,
  timestamptz_scale: scaleTimestamp,
  timestamp_date: (a) => (isFiniteMicros(a) ? timestampDays(a) : (a as number)),
  timestamptz_date: (a, ctx) => partsOf(a, zoneOf(ctx))?.days ?? (a as number),
  timestamp_time: (a) => partsOf(a, null)?.time ?? null,
  timestamptz_time: (a, ctx) => partsOf(a, zoneOf(ctx))?.time ?? null,
  timestamptz_timetz(a, ctx) {
    const parts = partsOf(a, zoneOf(ctx))
    return parts === null ? null : new TimeTz(parts.time, -offsetOf(a, zoneOf(ctx)))
  },
  timestamp_timestamptz: (a, ctx) => fromLocal(a, zoneOf(ctx)),
  timestamptz_timestamp: (a, ctx) => toLocal(a, zoneOf(ctx)),
  timestamp_at_local: (a, ctx) => fromLocal(a, zoneOf(ctx)),
  timestamptz_at_local: (a, ctx) => toLocal(a, zoneOf(ctx)),
  timestamp_zone: (zone, a, ctx) => (isFiniteMicros(a) ? fromLocal(a, zoneByName(zone, ctx.io)) : a),
  timestamptz_zone: (zone, a, ctx) => (isFiniteMicros(a) ? toLocal(a, zoneByName(zone, ctx.io)) : a),
  timestamp_izone: (zone, a) => (isFiniteMicros(a) ? fromLocal(a, zoneByInterval(zone)) : a),
  timestamptz_izone: (zone, a) => (isFiniteMicros(a) ? toLocal(a, zoneByInterval(zone)) : a),
  timestamp_part: (unit, a) => toFloat(extractTimestamp(unit, a, null)),
  timestamptz_part: (unit, a, ctx) => toFloat(extractTimestamp(unit, a, zoneOf(ctx))),
  extract_timestamp: (unit, a) => extractTimestamp(unit, a, null),
  extract_timestamptz: (unit, a, ctx) => extractTimestamp(unit, a, zoneOf(ctx)),
  timestamp_trunc: (unit, a) => truncateTimestamp(a, truncUnit(unit, 'timestamp without time zone'), null),
  timestamptz_trunc: (unit, a, ctx) => truncateTimestamp(a, truncUnit(unit, 'timestamp with time zone'), zoneOf(ctx)),
  timestamptz_trunc_zone(unit, a, zone, ctx) {
    const at = wholeZoneByName(zone, ctx.io)
    return truncateTimestamp(a, truncUnit(unit, 'timestamp with time zone'), at)
  },
  timestamp_bin: binTimestamp,
  timestamptz_bin: binTimestamp,
  make_timestamp(year, month, day, hour, minute, second) {
    const { days, time } = makeTimestampParts(year, month, day, hour, minute, second)
    return makeTimestamp(days, time)
  },
  make_timestamptz: (year, month, day, hour, minute, second, ctx) => timestampTz(year, month, day, hour, minute, second, () => zoneOf(ctx)),
  make_timestamptz_at_timezone: (year, month, day, hour, minute, second, zone, ctx) =>
    timestampTz(year, month, day, hour, minute, second, () => makeZone(zone, ctx)),
  float8_timestamptz(seconds) {
    if (Number.isNaN(seconds)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'timestamp cannot be NaN')
    if (!Number.isFinite(seconds)) return seconds
    if (seconds < -210866803200 || seconds >= 9224318016000) {
      throw new PgError(SQLSTATE.datetimeValueOutOfRange, `timestamp out of range: "${seconds}"`)
    }
    const micros = rint((seconds - EPOCH_DAYS * 86400) * USECS_PER_SEC)
    return checkTimestamp(Number.isSafeInteger(micros) ? micros : BigInt(micros))
  },
  generate_series_timestamp: (start, stop, step) => series(start, stop, step, null),
  generate_series_timestamptz: (start, stop, step, ctx) => series(start, stop, step, zoneOf(ctx)),
  generate_series_timestamptz_at_zone: (start, stop, step, zone, ctx) => series(start, stop, step, wholeZoneByName(zone, ctx.io)),
  overlaps_timestamp: (a, b, c, d) => overlaps(a, b, c, d, order),
  overlaps_time: (a, b, c, d) => overlaps(a, b, c, d, order),
  overlaps_timetz: (a, b, c, d) => overlaps(a, b, c, d, compareTimeTz),
  now: (ctx) => ctx.transactionTimestamp,
  statement_timestamp: (ctx) => ctx.statementTimestamp,
  clock_timestamp: (ctx) => ctx.clockTimestamp(),
  timeofday: (ctx) => formatTimeOfDay(ctx.clockTimestamp(), ctx.io.timeZone),

  // interval
  interval_cmp: compareInterval,
  interval_eq: (a, b) => compareInterval(a, b) === 0,
  interval_ne: (a, b) => compareInterval(a, b) !== 0,
  interval_lt: (a, b) => compareInterval(a, b) < 0,
  interval_le: (a, b) => compareInterval(a, b) <= 0,
  interval_gt: (a, b) => compareInterval(a, b) > 0,
  interval_ge: (a, b) => compareInterval(a, b) >= 0,
  interval_larger: (a, b) => (compareInterval(a, b) > 0 ? a : b),
  interval_smaller: (a, b) => (compareInterval(a, b) < 0 ? a : b),
  interval_finite: (a) => !isInfInterval(a),
  interval_um: negateInterval,
  interval_pl: addIntervals,
  interval_mi: subInterval,
  interval_mul: mulInterval,
  mul_d_interval: (factor, a) => mulInterval(a, factor),
  interval_div: divInterval,
  interval_part: (unit, a) => toFloat(extractInterval(unit, a)),
  extract_interval: extractInterval,
  interval_trunc: truncateInterval,
  interval_scale: (a, typmod) => applyIntervalTypmod(a, typmod),
  interval_justify_days: justifyDays,
  interval_justify_hours: justifyHours,
  interval_justify_interval: justifyInterval,
  make_interval(years, months, weeks, days, hours, minutes, seconds) {
    if (!Number.isFinite(seconds)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'interval out of range')
    const micros = rint(seconds * USECS_PER_SEC)
    if (!Number.isFinite(micros)) throw overflow()
    const total = BigInt(hours) * 3_600_000_000n + BigInt(minutes) * 60_000_000n + BigInt(micros)
    return makeInterval(years * 12 + months, weeks * 7 + days, total)
  },

  in_range_date_interval: (value, base, offset, sub, less) =>
    timestampInRange(dateToTimestamp(value), dateToTimestamp(base), offset, sub, less, null),
  in_range_timestamp_interval: (value, base, offset, sub, less) => timestampInRange(value, base, offset, sub, less, null),
  in_range_timestamptz_interval: (value, base, offset, sub, less, ctx) => timestampInRange(value, base, offset, sub, less, zoneOf(ctx)),
  in_range_interval_interval(value, base, offset, sub, less) {
    checkOffset(offset)
    if (isInfInterval(offset) && isInfInterval(base) && (sub ? base.months > 0 : base.months < 0)) return true
    return inRange(compareInterval(value, sub ? subInterval(base, offset) : addIntervals(base, offset)), less)
  },
  in_range_time_interval(value, base, offset, sub, less) {
    checkTimeOffset(offset)
    const bound = sub ? base - Number(offset.micros) : base + Number(offset.micros)
    return inRange(order(value, bound), less)
  },
  in_range_timetz_interval(value, base, offset, sub, less) {
    checkTimeOffset(offset)
    const bound = new TimeTz(sub ? base.micros - Number(offset.micros) : base.micros + Number(offset.micros), base.zone)
    return inRange(compareTimeTz(value, bound), less)
  },

  timetypmodin: (parts) => precisionTypmod(parts, 'TIME'),
  timestamptypmodin: (parts) => precisionTypmod(parts, 'TIMESTAMP'),
  timetypmodout: (typmod) => (typmod >= 0 ? `(${typmod}) without time zone` : ' without time zone'),
  timestamptypmodout: (typmod) => (typmod >= 0 ? `(${typmod}) without time zone` : ' without time zone'),
  intervaltypmodin(parts) {
    const [range = FULL_RANGE, precision] = parts.elements.map((part) => Number(part))
    if (precision !== undefined && precision < 0) {
      throw new PgError(SQLSTATE.invalidParameterValue, `INTERVAL(${precision}) precision must not be negative`)
    }
    if (range !== FULL_RANGE && !INTERVAL_RANGE_TEXT.some(([mask]) => mask === range)) {
      throw new PgError(SQLSTATE.invalidParameterValue, 'invalid INTERVAL type modifier')
    }
    return ((range & 0x7fff) << 16) | (precision === undefined ? 0xffff : Math.min(precision, 6))
  },
  intervaltypmodout(typmod) {
    if (typmod < 0) return ''
    const range = (typmod >> 16) & 0x7fff
    const precision = typmod & 0xffff
    const fields = INTERVAL_RANGE_TEXT.find(([mask]) => mask === range)?.[1] ?? ''
    return `${fields}${precision === 0xffff ? '' : `(${precision})`}`
  },
} satisfies Procs

/** Bodies of the functions that PostgreSQL writes in SQL, by OID. */
export const datetimeSqlBodies: Readonly<Record<number, (...args: never[]) => unknown>> = {
  // age(timestamptz), age(timestamp)
  1386: (a: Micros, ctx: EvalContext) => age(dateToTimestampTz(today(ctx), zoneOf(ctx)), a, zoneOf(ctx)),
  2059: (a: Micros, ctx: EvalContext) => age(dateToTimestamp(today(ctx)), a, null),
  // date_part(text, date)
  1384: (unit: string, date: number) => toFloat(extractTimestamp(unit, dateToTimestamp(date), null)),
  2550: (days: number, date: number) => addDays(date, days),
  2546: (span: Interval, date: number) => addInterval(dateToTimestamp(date), span, null),
  1848: (span: Interval, time: number) => wrapDay(time + timeOffset(span, 1, 'time')),
  2548: (span: Interval, a: Micros) => addInterval(a, span, null),
  2549: (span: Interval, a: Micros, ctx: EvalContext) => addInterval(a, span, zoneOf(ctx)),
  2547: (span: Interval, a: TimeTz) => new TimeTz(wrapDay(a.micros + timeOffset(span, 1, 'time')), a.zone),
  // time + date, timetz + date, timestamptz(date, time)
  1296: (time: number, date: number) => (Number.isFinite(date) ? addMicros(dateToTimestamp(date), time) : date),
  1298: (time: TimeTz, date: number) => datetimeProcs.datetimetz_timestamptz(date, time),
  1176: (date: number, time: number, ctx: EvalContext) =>
    Number.isFinite(date) ? fromLocal(addMicros(dateToTimestamp(date), time), zoneOf(ctx)) : date,
  // overlaps with intervals
  1305: (a: Micros | null, b: Interval | null, c: Micros | null, d: Interval | null, ctx: EvalContext) =>
    overlaps(a, plus(a, b, zoneOf(ctx)), c, plus(c, d, zoneOf(ctx)), order),
  1306: (a: Micros | null, b: Micros | null, c: Micros | null, d: Interval | null, ctx: EvalContext) =>
    overlaps(a, b, c, plus(c, d, zoneOf(ctx)), order),
  1307: (a: Micros | null, b: Interval | null, c: Micros | null, d: Micros | null, ctx: EvalContext) =>
    overlaps(a, plus(a, b, zoneOf(ctx)), c, d, order),
  2042: (a: Micros | null, b: Interval | null, c: Micros | null, d: Interval | null) =>
    overlaps(a, plus(a, b, null), c, plus(c, d, null), order),
  2043: (a: Micros | null, b: Micros | null, c: Micros | null, d: Interval | null) => overlaps(a, b, c, plus(c, d, null), order),
  2044: (a: Micros | null, b: Interval | null, c: Micros | null, d: Micros | null) => overlaps(a, plus(a, b, null), c, d, order),
  1309: (a: number | null, b: Interval | null, c: number | null, d: Interval | null) =>
    overlaps(a, plusTime(a, b), c, plusTime(c, d), order),
  1310: (a: number | null, b: number | null, c: number | null, d: Interval | null) => overlaps(a, b, c, plusTime(c, d), order),
  1311: (a: number | null, b: Interval | null, c: number | null, d: number | null) => overlaps(a, plusTime(a, b), c, d, order),
}

const today = (ctx: EvalContext): number => partsOf(ctx.transactionTimestamp, zoneOf(ctx))!.days
const plus = (a: Micros | null, span: Interval | null, zone: TimeZone | null): Micros | null =>
  a === null || span === null ? null : addInterval(a, span, zone)
const plusTime = (a: number | null, span: Interval | null): number | null =>
  a === null || span === null ? null : wrapDay(a + timeOffset(span, 1, 'time'))
