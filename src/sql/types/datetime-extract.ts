// extract, date_part and date_trunc: the fields of dates, times and intervals.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  civilFromDays,
  dayOfWeek,
  dayOfYear,
  EPOCH_DAYS,
  isoWeek,
  POSTGRES_JDATE,
  type TimeTz,
  timestampDays,
  timestampTime,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import { localParts, offsetOf } from './datetime-format.ts'
import type { Micros } from './eval-context.ts'
import { type Interval, isInfInterval, makeInterval } from './interval.ts'
import type { DatetimeUnit } from './interval-text.ts'
import { intervalFields, intervalUnit } from './interval-text.ts'
import { makeNumeric, NUMERIC_INF, NUMERIC_NEG_INF, Numeric, normalize } from './numeric.ts'
import { addNumeric, divNumeric } from './numeric-math.ts'
import type { TimeZone } from './timezone.ts'

type Field = DatetimeUnit | 'dow' | 'doy' | 'isodow' | 'isoyear' | 'julian' | 'epoch' | 'timezone' | 'timezone_hour' | 'timezone_minute'

const OTHER: Readonly<Record<string, Field>> = {
  dow: 'dow',
  doy: 'doy',
  isodow: 'isodow',
  isoyear: 'isoyear',
  j: 'julian',
  jd: 'julian',
  julian: 'julian',
  epoch: 'epoch',
  timezone: 'timezone',
  timezone_h: 'timezone_hour',
  timezone_m: 'timezone_minute',
}

const fieldOf = (unit: string): Field | undefined => {
  const lower = unit.toLowerCase()
  return OTHER[lower.slice(0, 10)] ?? intervalUnit(lower)
}

function unitError(unit: string, known: boolean, type: string): PgError {
  const lower = unit.toLowerCase()
  return known
    ? notSupported(`unit "${lower}" not supported for type ${type}`)
    : new PgError(SQLSTATE.invalidParameterValue, `unit "${lower}" not recognized for type ${type}`)
}

export function truncUnit(unit: string, type: string): DatetimeUnit {
  const lower = unit.toLowerCase()
  const found = intervalUnit(lower)
  if (found === undefined) throw unitError(unit, lower.startsWith('timezone'), type)
  return found
}

const whole = (n: number): Numeric => new Numeric(n === 0 ? 0 : n, 0)

/** Microseconds as seconds with six digits. */
function seconds(micros: number | bigint): Numeric {
  return typeof micros === 'bigint' ? makeNumeric(micros, 6) : new Numeric(micros, 6)
}

function timeField(field: Field, micros: number): Numeric | null {
  switch (field) {
    case 'microsecond':
      return whole(micros % 60_000_000)
    case 'millisecond':
      return new Numeric(micros % 60_000_000, 3)
    case 'second':
      return new Numeric(micros % 60_000_000, 6)
    case 'minute':
      return whole(Math.floor(micros / 60_000_000) % 60)
    case 'hour':
      return whole(Math.floor(micros / 3_600_000_000))
    default:
      return null
  }
}

const century = (year: number, span: number): number =>
  year > 0 ? Math.floor((year + span - 1) / span) : -Math.floor((span - 1 - (year - 1)) / span)

function dateField(field: Field, days: number): Numeric | null {
  const ymd = civilFromDays(days)
  const { year } = ymd
  switch (field) {
    case 'day':
      return whole(ymd.day)
    case 'month':
      return whole(ymd.month)
    case 'quarter':
      return whole(Math.floor((ymd.month - 1) / 3) + 1)
    case 'week':
      return whole(isoWeek(days).week)
    case 'year':
      return whole(year > 0 ? year : year - 1)
    case 'decade':
      return whole(year >= 0 ? Math.floor(year / 10) : -Math.floor((8 - (year - 1)) / 10))
    case 'century':
      return whole(century(year, 100))
    case 'millennium':
      return whole(century(year, 1000))
    case 'isoyear': {
      const iso = isoWeek(days).year
      return whole(iso <= 0 ? iso - 1 : iso)
    }
    case 'dow':
      return whole(dayOfWeek(days))
    case 'isodow':
      return whole(dayOfWeek(days) || 7)
    case 'doy':
      return whole(dayOfYear(ymd))
    default:
      return null
  }
}

const MONOTONIC: ReadonlySet<Field> = new Set<Field>(['year', 'decade', 'century', 'millennium', 'julian', 'isoyear', 'epoch'])
const ZONED: ReadonlySet<Field> = new Set<Field>(['timezone', 'timezone_hour', 'timezone_minute'])

function infiniteField(field: Field, positive: boolean): Numeric | null {
  if (!MONOTONIC.has(field)) return null
  return positive ? NUMERIC_INF : NUMERIC_NEG_INF
}

function zoneField(field: Field, offset: number): Numeric {
  if (field === 'timezone') return whole(offset)
  if (field === 'timezone_hour') return whole(Math.trunc(offset / 3600))
  return whole(Math.trunc((offset - Math.trunc(offset / 3600) * 3600) / 60))
}

/** Field of a timestamp; with a zone, of a timestamptz. Null for a field that an infinite value does not have. */
export function extractTimestamp(unit: string, value: Micros, zone: TimeZone | null): Numeric | null {
  const field = fieldOf(unit)
  const type = zone === null ? 'timestamp without time zone' : 'timestamp with time zone'
  if (field === undefined) throw unitError(unit, false, type)
  if (zone === null && ZONED.has(field)) throw unitError(unit, true, type)
  if (value === Infinity || value === -Infinity) return infiniteField(field, value > 0)
  const offset = zone === null ? 0 : offsetOf(value, zone)
  if (ZONED.has(field)) return zoneField(field, offset)
  if (field === 'epoch') {
    if (typeof value === 'number') {
      const micros = value + EPOCH_DAYS * USECS_PER_DAY
      if (Number.isSafeInteger(micros)) return new Numeric(micros, 6)
    }
    return makeNumeric(BigInt(value) + BigInt(EPOCH_DAYS) * 86_400_000_000n, 6)
  }
  let days = timestampDays(value)
  let time = timestampTime(value, days)
  if (zone !== null) ({ days, time } = localParts(value, offset))
  if (field === 'julian') return addNumeric(whole(days + POSTGRES_JDATE), divNumeric(whole(time), whole(USECS_PER_DAY)))
  return timeField(field, time) ?? dateField(field, days)!
}

export function extractDate(unit: string, days: number): Numeric | null {
  const field = fieldOf(unit)
  if (field === undefined) throw unitError(unit, false, 'date')
  if (days === Infinity || days === -Infinity) {
    if (timeField(field, 0) !== null || ZONED.has(field)) throw unitError(unit, true, 'date')
    return infiniteField(field, days > 0)
  }
  if (field === 'julian') return whole(days + POSTGRES_JDATE)
  if (field === 'epoch') return whole((days + EPOCH_DAYS) * 86400)
  const result = dateField(field, days)
  if (result === null) throw unitError(unit, true, 'date')
  return result
}

export function extractTime(unit: string, micros: number): Numeric {
  const field = fieldOf(unit)
  const type = 'time without time zone'
  if (field === undefined) throw unitError(unit, false, type)
  if (field === 'epoch') return seconds(micros)
  const result = timeField(field, micros)
  if (result === null) throw unitError(unit, true, type)
  return result
}

export function extractTimeTz(unit: string, value: TimeTz): Numeric {
  const field = fieldOf(unit)
  const type = 'time with time zone'
  if (field === undefined) throw unitError(unit, false, type)
  if (ZONED.has(field)) return zoneField(field, -value.zone)
  if (field === 'epoch') return seconds(value.micros + value.zone * USECS_PER_SEC)
  const result = timeField(field, value.micros)
  if (result === null) throw unitError(unit, true, type)
  return result
}

const INTERVAL_MONOTONIC: ReadonlySet<Field> = new Set<Field>(['hour', 'day', 'year', 'decade', 'century', 'millennium', 'epoch'])
const INTERVAL_FIELDS: ReadonlySet<Field> = new Set<Field>([
  'microsecond',
  'millisecond',
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
  'epoch',
])

export function extractInterval(unit: string, value: Interval): Numeric | null {
  const field = fieldOf(unit)
  if (field === undefined) throw unitError(unit, false, 'interval')
  if (!INTERVAL_FIELDS.has(field)) throw unitError(unit, true, 'interval')
  if (isInfInterval(value)) {
    if (!INTERVAL_MONOTONIC.has(field)) return null
    return value.months > 0 ? NUMERIC_INF : NUMERIC_NEG_INF
  }
  const f = intervalFields(value)
  switch (field) {
    case 'microsecond':
      return whole(f.second * USECS_PER_SEC + f.micros)
    case 'millisecond':
      return new Numeric(f.second * USECS_PER_SEC + f.micros, 3)
    case 'second':
      return new Numeric(f.second * USECS_PER_SEC + f.micros, 6)
    case 'minute':
      return whole(f.minute)
    case 'hour':
      return whole(f.hour)
    case 'day':
      return whole(f.day)
    case 'week':
      return whole(Math.trunc(f.day / 7))
    case 'month':
      return whole(f.month)
    case 'quarter':
      // The field of a negative interval is the negative of the field of its opposite.
      return whole(value.months >= 0 ? Math.trunc(f.month / 3) + 1 : -(Math.trunc(-f.month / 3) + 1))
    case 'year':
      return whole(f.year)
    case 'decade':
      return whole(Math.trunc(f.year / 10))
    case 'century':
      return whole(Math.trunc(f.year / 100))
    case 'millennium':
      return whole(Math.trunc(f.year / 1000))
    default: {
      // A year is 365.25 days here, a month 30.
      const days4 = BigInt(f.year) * 1461n + BigInt(f.month) * 120n + BigInt(f.day) * 4n
      return new Numeric(normalize(days4 * 21_600_000_000n + BigInt(value.micros)), 6)
    }
  }
}

export function truncateInterval(unit: string, value: Interval): Interval {
  const field = intervalUnit(unit.toLowerCase())
  if (field === undefined) throw unitError(unit, unit.toLowerCase().startsWith('timezone'), 'interval')
  if (isInfInterval(value)) {
    if (field === 'week') throw weekError(unit)
    return value
  }
  const { months, days, micros } = value
  const cut = (step: number): Interval => {
    const rest = typeof micros === 'number' ? micros % step : Number(micros % BigInt(step))
    return makeInterval(months, days, typeof micros === 'number' ? micros - rest : micros - BigInt(rest))
  }
  const cutMonths = (step: number): Interval => makeInterval(months - (months % step), 0, 0)
  switch (field) {
    case 'microsecond':
      return value
    case 'millisecond':
      return cut(1000)
    case 'second':
      return cut(1_000_000)
    case 'minute':
      return cut(60_000_000)
    case 'hour':
      return cut(3_600_000_000)
    case 'day':
      return makeInterval(months, days, 0)
    case 'month':
      return makeInterval(months, 0, 0)
    case 'quarter':
      return cutMonths(3)
    case 'year':
      return cutMonths(12)
    case 'decade':
      return cutMonths(120)
    case 'century':
      return cutMonths(1200)
    case 'millennium':
      return cutMonths(12000)
    default:
      throw weekError(unit)
  }
}

function weekError(unit: string): PgError {
  return new PgError(SQLSTATE.featureNotSupported, `unit "${unit.toLowerCase()}" not supported for type interval`, {
    detail: 'Months usually have fractional weeks.',
  })
}
