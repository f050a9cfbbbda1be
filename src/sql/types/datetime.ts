// Dates and times as numbers: days and microseconds from 2000-01-01, the infinities as JavaScript's own. A timestamp is a number while it is
// a safe integer, otherwise a bigint, never both; arithmetic goes through (days, microseconds of the day), which always fit a number. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { Micros } from './eval-context.ts'

export const USECS_PER_DAY = 86_400_000_000
export const USECS_PER_HOUR = 3_600_000_000
export const USECS_PER_MINUTE = 60_000_000
export const USECS_PER_SEC = 1_000_000
/** Days from 1970-01-01 to 2000-01-01, and seconds. */
export const EPOCH_DAYS = 10957
export const EPOCH_SECONDS = 946_684_800
/** Julian day of 2000-01-01. */
export const POSTGRES_JDATE = 2451545
/** 4713-11-24 BC and 5874898-01-01 (date), 294277-01-01 (timestamp), as days from 2000-01-01. */
export const MIN_DAYS = -POSTGRES_JDATE
export const END_DATE_DAYS = 2147483494 - POSTGRES_JDATE
export const END_TIMESTAMP_DAYS = 109203528 - POSTGRES_JDATE

/** Local time without a date may carry a zone: seconds east of UTC negated as PostgreSQL keeps it (`zone` = seconds west). */
export class TimeTz {
  readonly micros: number
  readonly zone: number

  constructor(micros: number, zone: number) {
    this.micros = micros
    this.zone = zone
  }
}

export interface Ymd {
  year: number
  month: number
  day: number
}

/** Broken-down time. `year` is astronomical (0 = 1 BC). */
export interface Tm extends Ymd {
  hour: number
  minute: number
  second: number
  micros: number
}

export const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

export function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

export function daysInMonth(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : MONTH_DAYS[month - 1]!
}

/** Days from 2000-01-01 of a proleptic Gregorian date; months beyond 1..12 carry. */
export function daysFromCivil(year: number, month: number, day: number): number {
  let y = year
  let m = month
  if (m < 1 || m > 12) {
    y += Math.floor((m - 1) / 12)
    m = ((((m - 1) % 12) + 12) % 12) + 1
  }
  if (m <= 2) y--
  const era = Math.floor(y / 400)
  const yoe = y - era * 400
  const doy = Math.floor((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const doe = yoe * 365 + Math.floor(yoe / 4) - Math.floor(yoe / 100) + doy
  return era * 146097 + doe - 730425
}

export function civilFromDays(days: number): Ymd {
  const z = days + 730425
  const era = Math.floor(z / 146097)
  const doe = z - era * 146097
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) - Math.floor(doe / 146096)) / 365)
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100))
  const mp = Math.floor((5 * doy + 2) / 153)
  const month = mp < 10 ? mp + 3 : mp - 9
  return { year: yoe + era * 400 + (month <= 2 ? 1 : 0), month, day: doy - Math.floor((153 * mp + 2) / 5) + 1 }
}

/** 0 = Sunday. */
export function dayOfWeek(days: number): number {
  return (((days + 6) % 7) + 7) % 7
}

export function dayOfYear(ymd: Ymd): number {
  return daysFromCivil(ymd.year, ymd.month, ymd.day) - daysFromCivil(ymd.year, 1, 1) + 1
}

/** Days of the Monday that starts ISO week 1 of `year`. */
export function isoYearStart(year: number): number {
  const fourth = daysFromCivil(year, 1, 4)
  return fourth - ((dayOfWeek(fourth) + 6) % 7)
}

export function isoWeek(days: number): { year: number; week: number } {
  const { year } = civilFromDays(days)
  let isoYear = year
  let start = isoYearStart(year)
  if (days < start) {
    isoYear--
    start = isoYearStart(isoYear)
  } else {
    const next = isoYearStart(year + 1)
    if (days >= next) {
      isoYear++
      start = next
    }
  }
  return { year: isoYear, week: Math.floor((days - start) / 7) + 1 }
}

/** The one form of a microsecond count. */
export function normalizeMicros(value: bigint): Micros {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
}

export const isFiniteMicros = (value: Micros): boolean => typeof value === 'bigint' || (value !== Infinity && value !== -Infinity)

export function timestampOutOfRange(): PgError {
  return new PgError(SQLSTATE.datetimeValueOutOfRange, 'timestamp out of range')
}

export function dateOutOfRange(): PgError {
  return new PgError(SQLSTATE.datetimeValueOutOfRange, 'date out of range')
}

/** Day part of a finite timestamp. */
export function timestampDays(value: Micros): number {
  if (typeof value === 'number') return Math.floor(value / USECS_PER_DAY)
  const q = value / 86_400_000_000n
  return Number(value < 0n && q * 86_400_000_000n !== value ? q - 1n : q)
}

/** Microseconds since midnight of a finite timestamp whose day part is `days`. */
export function timestampTime(value: Micros, days: number): number {
  return typeof value === 'number' && days > -104249 && days < 104249
    ? value - days * USECS_PER_DAY
    : Number(BigInt(value) - BigInt(days) * 86_400_000_000n)
}

/** A timestamp from days and microseconds (any finite number, may exceed a day); 22008 outside PostgreSQL's range. */
export function makeTimestamp(days: number, micros: number): Micros {
  const result = joinTimestamp(days, micros)
  checkTimestamp(result)
  return result
}

export function joinTimestamp(days: number, micros: number): Micros {
  const value = days * USECS_PER_DAY + micros
  if (value >= -9007199254740991 && value <= 9007199254740991) return value
  return normalizeMicros(BigInt(days) * 86_400_000_000n + BigInt(micros))
}

/** A date as PostgreSQL stores it: the infinities are the extremes of int4. */
export const storedDay = (days: number): number => (days === Infinity ? 2147483647 : days === -Infinity ? -2147483648 : days)

const MIN_TIMESTAMP = BigInt(MIN_DAYS) * 86_400_000_000n
const END_TIMESTAMP = BigInt(END_TIMESTAMP_DAYS) * 86_400_000_000n

export function isValidTimestamp(value: Micros): boolean {
  return typeof value === 'number' || (value >= MIN_TIMESTAMP && value < END_TIMESTAMP)
}

export function checkTimestamp(value: Micros): Micros {
  if (!isValidTimestamp(value)) throw timestampOutOfRange()
  return value
}

/** value + delta microseconds, range-checked; both finite. */
export function addMicros(value: Micros, delta: Micros): Micros {
  if (typeof value === 'number' && typeof delta === 'number') {
    const sum = value + delta
    if (Number.isSafeInteger(sum)) return sum
  }
  return checkTimestamp(normalizeMicros(BigInt(value) + BigInt(delta)))
}

export function isValidDate(days: number): boolean {
  return days >= MIN_DAYS && days < END_DATE_DAYS
}

export function tmFromTimestamp(value: Micros): Tm {
  const days = timestampDays(value)
  return tmFromParts(days, timestampTime(value, days))
}

export function tmFromParts(days: number, time: number): Tm {
  const { year, month, day } = civilFromDays(days)
  const hour = Math.floor(time / USECS_PER_HOUR)
  let rest = time - hour * USECS_PER_HOUR
  const minute = Math.floor(rest / USECS_PER_MINUTE)
  rest -= minute * USECS_PER_MINUTE
  const second = Math.floor(rest / USECS_PER_SEC)
  return { year, month, day, hour, minute, second, micros: rest - second * USECS_PER_SEC }
}

export function timeFromTm(tm: Tm): number {
  return ((tm.hour * 60 + tm.minute) * 60 + tm.second) * USECS_PER_SEC + tm.micros
}

const PRECISION_SCALE = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1]

/** Rounds microseconds to `typmod` digits of seconds, half away from zero; -1 and 6 leave as is. */
export function roundMicros(value: number, typmod: number): number {
  if (typmod < 0 || typmod >= 6) return value
  const unit = PRECISION_SCALE[typmod]!
  const rest = Math.abs(value) % unit
  if (rest === 0) return value
  const down = Math.abs(value) - rest
  const rounded = rest * 2 >= unit ? down + unit : down
  return value < 0 ? -rounded : rounded
}

/** AdjustTimestampForTypmod */
export function roundTimestamp(value: Micros, typmod: number): Micros {
  if (typmod < 0 || typmod >= 6 || !isFiniteMicros(value)) return value
  if (typeof value === 'number') return roundMicros(value, typmod)
  const unit = BigInt(PRECISION_SCALE[typmod]!)
  const a = value < 0n ? -value : value
  const rounded = ((a + unit / 2n) / unit) * unit
  return normalizeMicros(value < 0n ? -rounded : rounded)
}
