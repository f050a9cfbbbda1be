// Arithmetic over dates, times, timestamps and intervals, time zones included: what the bodies in datetime-procs are made of. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  addMicros,
  checkTimestamp,
  civilFromDays,
  dateOutOfRange,
  dayOfWeek,
  daysFromCivil,
  daysInMonth,
  END_TIMESTAMP_DAYS,
  EPOCH_DAYS,
  isFiniteMicros,
  isValidDate,
  isValidTimestamp,
  joinTimestamp,
  makeTimestamp,
  normalizeMicros,
  type Tm,
  timeFromTm,
  timestampDays,
  timestampOutOfRange,
  timestampTime,
  tmFromParts,
  tmFromTimestamp,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import { localParts, offsetOf } from './datetime-format.ts'
import type { IoSettings, Micros } from './eval-context.ts'
import {
  INTERVAL_INF,
  INTERVAL_NEG_INF,
  type Interval,
  intervalOutOfRange,
  isInfInterval,
  justifyHours,
  makeInterval,
  negateInterval,
} from './interval.ts'
import { type DatetimeUnit, formatInterval } from './interval-text.ts'
import { findZone, fixedZone, offsetAtLocal, type TimeZone } from './timezone.ts'
import { zoneAbbreviation } from './timezone-abbreviations.ts'

/** Zone of AT TIME ZONE: an abbreviation first, then a name. */
export function zoneByName(name: string, io: IoSettings): TimeZone {
  const abbreviation = zoneAbbreviation(name.toLowerCase(), io)
  if (abbreviation !== undefined) return abbreviation
  const zone = findZone(name)
  if (zone !== null) return zone
  // A bare offset reads as POSIX does: positive is west of Greenwich.
  const match = /^([+-])(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?$/.exec(name)
  if (match !== null) {
    const seconds = Number(match[2]) * 3600 + Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0)
    return fixedZone(name, match[1] === '+' ? -seconds : seconds)
  }
  throw new PgError(SQLSTATE.invalidParameterValue, `time zone "${name}" not recognized`)
}

/** Zone to reckon in: an abbreviation with a history stands for its zone. */
export function wholeZoneByName(name: string, io: IoSettings): TimeZone {
  const zone = zoneByName(name, io)
  return zone.base ?? zone
}

/** Zone of AT TIME ZONE INTERVAL. */
export function zoneByInterval(a: Interval): TimeZone {
  if (isInfInterval(a))
    throw new PgError(SQLSTATE.invalidParameterValue, `interval time zone "${formatInterval(a, 'postgres')}" must be finite`)
  if (a.months !== 0 || a.days !== 0) {
    throw new PgError(
      SQLSTATE.invalidParameterValue,
      `interval time zone "${formatInterval(a, 'postgres')}" must not include months or days`,
    )
  }
  return fixedZone('', Math.trunc(Number(a.micros) / USECS_PER_SEC))
}

/** timestamptz → timestamp in `zone`. */
export function toLocal(value: Micros, zone: TimeZone): Micros {
  if (!isFiniteMicros(value)) return value
  return addMicros(value, offsetOf(value, zone) * USECS_PER_SEC)
}

/** timestamp read in `zone` → timestamptz. */
export function fromLocal(value: Micros, zone: TimeZone): Micros {
  if (!isFiniteMicros(value)) return value
  const days = timestampDays(value)
  return fromLocalParts(days, timestampTime(value, days), zone)
}

/** Local day and time of day (may exceed a day) → timestamptz. */
export function fromLocalParts(days: number, time: number, zone: TimeZone): Micros {
  return checkTimestamp(instantOfLocal(days, time, zone))
}

/** The same, whether or not timestamptz can hold it. */
function instantOfLocal(days: number, time: number, zone: TimeZone): Micros {
  const seconds = (days + EPOCH_DAYS) * 86400 + Math.floor(time / USECS_PER_SEC)
  return joinTimestamp(days, time - offsetAtLocal(zone, seconds) * USECS_PER_SEC)
}

/** Adds months, keeping the day within the month. */
export function addMonths(days: number, months: number): number {
  const { year, month, day } = civilFromDays(days)
  const index = month - 1 + months
  const y = year + Math.floor(index / 12)
  const m = index - Math.floor(index / 12) * 12 + 1
  const result = daysFromCivil(y, m, Math.min(day, daysInMonth(y, m)))
  if (result < -2451545 || result >= END_TIMESTAMP_DAYS) throw timestampOutOfRange()
  return result
}

/** timestamp + interval; `zone` null for timestamp, the session's (or given) for timestamptz. */
export function addInterval(value: Micros, span: Interval, zone: TimeZone | null): Micros {
  if (isInfInterval(span)) {
    const result = span.months > 0 ? Infinity : -Infinity
    if (!isFiniteMicros(value) && value !== result) throw timestampOutOfRange()
    return result
  }
  if (!isFiniteMicros(value)) return value
  let result = value
  if (span.months !== 0 || span.days !== 0) {
    let days: number
    let time: number
    if (zone === null) {
      days = timestampDays(value)
      time = timestampTime(value, days)
    } else ({ days, time } = localParts(value, offsetOf(value, zone)))
    if (span.months !== 0) days = addMonths(days, span.months)
    days += span.days
    if (Math.abs(days) > 200_000_000) throw timestampOutOfRange()
    result = zone === null ? makeTimestamp(days, time) : fromLocalParts(days, time, zone)
  }
  return span.micros === 0 ? result : addMicros(result, span.micros)
}

export function subtractInterval(value: Micros, span: Interval, zone: TimeZone | null): Micros {
  return addInterval(value, negateInterval(span), zone)
}

/** timestamp - timestamp: days and time. */
export function subtractTimestamps(a: Micros, b: Micros): Interval {
  if (!isFiniteMicros(a) || !isFiniteMicros(b)) {
    if (a === b) throw intervalOutOfRange()
    return a > b ? INTERVAL_INF : INTERVAL_NEG_INF
  }
  if (typeof a === 'number' && typeof b === 'number') {
    const diff = a - b
    if (Number.isSafeInteger(diff)) {
      const days = Math.trunc(diff / USECS_PER_DAY)
      return makeInterval(0, days, diff - days * USECS_PER_DAY)
    }
  }
  return justifyHours(makeInterval(0, 0, normalizeMicros(BigInt(a) - BigInt(b))))
}

/** age(a, b) over wall-clock fields. */
export function ageBetween(a: Tm, b: Tm, order: number): Interval {
  const sign = order < 0 ? -1 : 1
  let year = (a.year - b.year) * sign
  let month = (a.month - b.month) * sign
  let day = (a.day - b.day) * sign
  let time = (timeFromTm(a) - timeFromTm(b)) * sign
  while (time < 0) {
    time += USECS_PER_DAY
    day--
  }
  const later = order < 0 ? a : b
  while (day < 0) {
    day += daysInMonth(later.year, later.month)
    month--
  }
  while (month < 0) {
    month += 12
    year--
  }
  return makeInterval((year * 12 + month) * sign, day * sign, time * sign)
}

export function age(a: Micros, b: Micros, zone: TimeZone | null): Interval {
  if (!isFiniteMicros(a) || !isFiniteMicros(b)) {
    if (a === b) throw intervalOutOfRange()
    return a > b ? INTERVAL_INF : INTERVAL_NEG_INF
  }
  const tm = (value: Micros): Tm => {
    if (zone === null) return tmFromTimestamp(value)
    const { days, time } = localParts(value, offsetOf(value, zone))
    return tmFromParts(days, time)
  }
  return ageBetween(tm(a), tm(b), a < b ? -1 : 1)
}

const TIME_UNIT: Partial<Record<DatetimeUnit, number>> = { microsecond: 1, millisecond: 1000, second: 1e6, minute: 6e7, hour: 3.6e9 }

/** date_trunc over a wall-clock day and time. */
export function truncateParts(days: number, time: number, unit: DatetimeUnit): { days: number; time: number } {
  const step = TIME_UNIT[unit]
  if (step !== undefined) return { days, time: time - (time % step) }
  if (unit === 'day') return { days, time: 0 }
  if (unit === 'week') return { days: days - ((dayOfWeek(days) + 6) % 7), time: 0 }
  let { year, month } = civilFromDays(days)
  switch (unit) {
    case 'month':
      break
    case 'quarter':
      month -= (month - 1) % 3
      break
    case 'year':
      month = 1
      break
    case 'decade':
      year = Math.floor(year / 10) * 10
      month = 1
      break
    case 'century':
      year = Math.floor((year - 1) / 100) * 100 + 1
      month = 1
      break
    default:
      year = Math.floor((year - 1) / 1000) * 1000 + 1
      month = 1
  }
  return { days: daysFromCivil(year, month, 1), time: 0 }
}

export function truncateTimestamp(value: Micros, unit: DatetimeUnit, zone: TimeZone | null): Micros {
  if (!isFiniteMicros(value)) return value
  if (zone === null) {
    const days = timestampDays(value)
    const cut = truncateParts(days, timestampTime(value, days), unit)
    return makeTimestamp(cut.days, cut.time)
  }
  const offset = offsetOf(value, zone)
  const local = localParts(value, offset)
  const cut = truncateParts(local.days, local.time, unit)
  // Within a day the offset stays; a whole day or more finds its own.
  if (TIME_UNIT[unit] !== undefined) return makeTimestamp(cut.days, cut.time - offset * USECS_PER_SEC)
  return fromLocalParts(cut.days, cut.time, zone)
}

/** date_bin */
export function binTimestamp(stride: Interval, value: Micros, origin: Micros): Micros {
  if (!isFiniteMicros(value)) return value
  if (!isFiniteMicros(origin)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'origin out of range')
  if (isInfInterval(stride)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'timestamps cannot be binned into infinite intervals')
  if (stride.months !== 0) {
    throw new PgError(SQLSTATE.featureNotSupported, 'timestamps cannot be binned into intervals containing months or years')
  }
  const step = BigInt(stride.days) * 86_400_000_000n + BigInt(stride.micros)
  if (step <= 0n) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'stride must be greater than zero')
  const diff = BigInt(value) - BigInt(origin)
  if (BigInt.asIntN(64, diff) !== diff) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'interval out of range')
  const rest = diff % step
  let result = BigInt(value) - rest
  if (rest < 0n) result -= step
  return checkTimestamp(normalizeMicros(result))
}

/** date → timestamp at midnight. */
export function dateToTimestamp(days: number): Micros {
  if (days === Infinity || days === -Infinity) return days
  if (days >= END_TIMESTAMP_DAYS) throw dateOutOfTimestampRange()
  return makeTimestamp(days, 0)
}

const dateOutOfTimestampRange = (): PgError => new PgError(SQLSTATE.datetimeValueOutOfRange, 'date out of range for timestamp')

/** date → timestamptz at the zone's midnight. */
export function dateToTimestampTz(days: number, zone: TimeZone): Micros {
  if (days === Infinity || days === -Infinity) return days
  if (days >= END_TIMESTAMP_DAYS) throw dateOutOfTimestampRange()
  const micros = instantOfLocal(days, 0, zone)
  if (!isValidTimestamp(micros)) throw dateOutOfTimestampRange()
  return micros
}

/** date ± days. */
export function addDays(date: number, days: number): number {
  if (date === Infinity || date === -Infinity) return date
  const result = date + days
  if (!isValidDate(result)) throw dateOutOfRange()
  return result
}
