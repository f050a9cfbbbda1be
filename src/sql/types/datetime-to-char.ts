// to_char of timestamps and intervals.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  dayOfWeek,
  daysFromCivil,
  isFiniteMicros,
  isoWeek,
  isoYearStart,
  POSTGRES_JDATE,
  type Tm,
  timestampDays,
  timestampTime,
  tmFromParts,
} from './datetime.ts'
import { localParts, offsetOf, unixSecondsOf } from './datetime-format.ts'
import { DAYS, MONTHS, templateOf } from './datetime-template.ts'
import type { Micros } from './eval-context.ts'
import { type Interval, isInfInterval } from './interval.ts'
import { intervalFields } from './interval-text.ts'
import { ordinalSuffix, toRoman } from './number-format.ts'
import type { TimeZone } from './timezone.ts'
import { abbreviationFor } from './timezone-abbreviations.ts'

interface Shown {
  tm: Tm
  /** Days from 2000-01-01, for intervals reckoned from their fields as if they were a date's. */
  days: number
  /** The day's number in its year, from 1; for intervals all their days. */
  dayOfYear: number
  zone: TimeZone | null
  offset: number
  /** The instant, in Unix seconds; 0 without a zone. */
  unix: number
  interval: boolean
}

const pad = (n: number, width: number, fill: boolean): string => {
  if (fill) return String(n)
  return n < 0 ? `-${String(-n).padStart(width, '0')}` : String(n).padStart(width, '0')
}

/** C's %0*d, where the width counts the sign. */
const cpad = (n: number, width: number, fill: boolean): string => (n < 0 ? pad(n, width - 1, fill) : pad(n, width, fill))

/** ADJUST_YEAR: no year 0; intervals keep theirs. */
const shownYear = (year: number, interval: boolean): number => (interval ? year : year <= 0 ? -(year - 1) : year)

function name(list: readonly string[], index: number, key: string, width: number, fill: boolean): string {
  const full = key.length > 3 || key === 'DAY' || key === 'Day' || key === 'day'
  let text = full ? list[index]! : list[index]!.slice(0, 3)
  if (key === key.toUpperCase()) text = text.toUpperCase()
  else if (key === key.toLowerCase()) text = text.toLowerCase()
  return fill || !full ? text : text.padEnd(width)
}

function noInterval(interval: boolean): void {
  if (interval) {
    throw new PgError(SQLSTATE.invalidDatetimeFormat, 'invalid format specification for an interval value', {
      hint: 'Intervals are not tied to specific calendar dates.',
    })
  }
}

function formatKey(key: string, fill: boolean, s: Shown): string {
  const { tm, interval } = s
  const hour12 = tm.hour % 12 === 0 ? 12 : tm.hour % 12
  switch (key) {
    case 'HH':
    case 'HH12':
      return cpad(hour12, tm.hour >= 0 ? 2 : 3, fill)
    case 'HH24':
      return pad(tm.hour, 2, fill)
    case 'MI':
      return pad(tm.minute, 2, fill)
    case 'SS':
      return pad(tm.second, 2, fill)
    case 'FF1':
    case 'FF2':
    case 'FF3':
    case 'FF4':
    case 'FF5':
    case 'FF6': {
      const n = Number(key[2])
      return cpad(Math.trunc(tm.micros / 10 ** (6 - n)), n, false)
    }
    case 'MS':
      return cpad(Math.trunc(tm.micros / 1000), 3, false)
    case 'US':
      return cpad(tm.micros, 6, false)
    case 'SSSS':
    case 'SSSSS':
      return String(tm.hour * 3600 + tm.minute * 60 + tm.second)
    case 'AM':
    case 'PM':
      return tm.hour % 24 >= 12 ? 'PM' : 'AM'
    case 'am':
    case 'pm':
      return tm.hour % 24 >= 12 ? 'pm' : 'am'
    case 'A.M.':
    case 'P.M.':
      return tm.hour % 24 >= 12 ? 'P.M.' : 'A.M.'
    case 'a.m.':
    case 'p.m.':
      return tm.hour % 24 >= 12 ? 'p.m.' : 'a.m.'
    case 'TZ':
    case 'tz': {
      noInterval(interval)
      if (s.zone === null) return ''
      const text = abbreviationFor(s.zone, s.offset, s.unix)
      return key === 'tz' ? text.toLowerCase() : text
    }
    case 'TZH': {
      noInterval(interval)
      const hours = Math.trunc(Math.abs(s.offset) / 3600)
      return `${s.offset < 0 ? '-' : '+'}${String(hours).padStart(2, '0')}`
    }
    case 'TZM':
      noInterval(interval)
      return String(Math.trunc((Math.abs(s.offset) % 3600) / 60)).padStart(2, '0')
    case 'OF': {
      noInterval(interval)
      const hours = pad(Math.trunc(Math.abs(s.offset) / 3600), 2, fill)
      const minutes = Math.trunc((Math.abs(s.offset) % 3600) / 60)
      return `${s.offset < 0 ? '-' : '+'}${hours}${minutes === 0 ? '' : `:${String(minutes).padStart(2, '0')}`}`
    }
    case 'AD':
    case 'BC':
      noInterval(interval)
      return tm.year <= 0 ? 'BC' : 'AD'
    case 'ad':
    case 'bc':
      noInterval(interval)
      return tm.year <= 0 ? 'bc' : 'ad'
    case 'A.D.':
    case 'B.C.':
      noInterval(interval)
      return tm.year <= 0 ? 'B.C.' : 'A.D.'
    case 'a.d.':
    case 'b.c.':
      noInterval(interval)
      return tm.year <= 0 ? 'b.c.' : 'a.d.'
    case 'MONTH':
    case 'Month':
    case 'month':
    case 'MON':
    case 'Mon':
    case 'mon':
      noInterval(interval)
      return name(MONTHS, tm.month - 1, key, 9, fill)
    case 'MM':
      return pad(tm.month, 2, fill)
    case 'DAY':
    case 'Day':
    case 'day':
      noInterval(interval)
      return name(DAYS, dayOfWeek(s.days), key, 9, fill)
    case 'DY':
    case 'Dy':
    case 'dy':
      noInterval(interval)
      return name(DAYS, dayOfWeek(s.days), key, 3, fill)
    case 'DDD':
      return cpad(s.dayOfYear, 3, fill)
    case 'IDDD':
      return cpad(s.days - isoYearStart(isoOf(s).year) + 1, 3, fill)
    case 'DD':
      return cpad(tm.day, 2, fill)
    case 'D':
      noInterval(interval)
      return String(dayOfWeek(s.days) + 1)
    case 'ID':
      noInterval(interval)
      return String(dayOfWeek(s.days) || 7)
    case 'WW':
      return cpad(Math.trunc((s.dayOfYear - 1) / 7) + 1, 2, fill)
    case 'IW':
      return cpad(isoOf(s).week, 2, fill)
    case 'Q':
      return tm.month === 0 ? '' : String(Math.trunc((tm.month - 1) / 3) + 1)
    case 'CC': {
      let century: number
      if (interval) century = Math.trunc(tm.year / 100)
      else century = tm.year > 0 ? Math.floor((tm.year - 1) / 100) + 1 : Math.trunc(tm.year / 100) - 1
      return Math.abs(century) <= 99 ? pad(century, 2, fill) : String(century)
    }
    case 'Y,YYY': {
      const y = shownYear(tm.year, interval)
      return `${Math.trunc(y / 1000)},${cpad(y % 1000, 3, false)}`
    }
    case 'YYYY':
      return pad(shownYear(tm.year, interval), 4, fill)
    case 'YYY':
      return pad(shownYear(tm.year, interval) % 1000, 3, fill)
    case 'YY':
      return pad(shownYear(tm.year, interval) % 100, 2, fill)
    case 'Y':
      return String(shownYear(tm.year, interval) % 10)
    case 'IYYY':
      return isoYear(s, 10_000, 4, fill)
    case 'IYY':
      return isoYear(s, 1000, 3, fill)
    case 'IY':
      return isoYear(s, 100, 2, fill)
    case 'I':
      return String(shownYear(isoOf(s).year, interval) % 10)
    case 'RM':
    case 'rm': {
      if (tm.month === 0 && tm.year === 0) return ''
      // Months of intervals count backwards from the year's end where they are negative.
      const month = tm.month > 0 ? tm.month : tm.month < 0 ? 13 + tm.month : tm.year >= 0 ? 12 : 1
      const roman = toRoman(month)
      const text = key === 'rm' ? roman.toLowerCase() : roman
      return fill ? text : text.padEnd(4)
    }
    case 'W':
      return String(Math.trunc((tm.day - 1) / 7) + 1)
    case 'J':
      return String(s.days + POSTGRES_JDATE)
    default:
      return ''
  }
}

/** date2j, which takes months and days beyond the calendar's as well. */
function julianDay(year: number, month: number, day: number): number {
  const y = month > 2 ? year + 4800 : year + 4799
  const m = month > 2 ? month + 1 : month + 13
  const century = Math.trunc(y / 100)
  return y * 365 - 32167 + Math.trunc(y / 4) - century + Math.trunc(century / 4) + Math.trunc((7834 * m) / 256) + day
}

/** Year and week by ISO; of an interval's fields the years on both sides of its own are looked at. */
function isoOf({ tm, days, interval }: Shown): { year: number; week: number } {
  if (!interval) return isoWeek(days)
  let { year } = tm
  if (days < isoYearStart(year)) year--
  const week = Math.trunc((days - isoYearStart(year)) / 7) + 1
  return week >= 52 && days >= isoYearStart(year + 1)
    ? { year: year + 1, week: Math.trunc((days - isoYearStart(year + 1)) / 7) + 1 }
    : { year, week }
}

/** The last digits; the sign takes room where the year itself has one. */
function isoYear(s: Shown, modulus: number, width: number, fill: boolean): string {
  const year = shownYear(isoOf(s).year, s.interval)
  return cpad(modulus > 1000 ? year : year % modulus, shownYear(s.tm.year, s.interval) >= 0 ? width : width + 1, fill)
}

const NUMBERED: ReadonlySet<string> = new Set(
  'HH HH12 HH24 MI SS MS US FF1 FF2 FF3 FF4 FF5 FF6 SSSS SSSSS MM DDD IDDD DD D ID WW IW Q CC Y,YYY YYYY YYY YY Y IYYY IYY IY I W J'.split(
    ' ',
  ),
)

function render(format: string, s: Shown): string {
  let out = ''
  for (const node of templateOf(format)) {
    if (node.kind === 'text') out += node.text
    else if (node.kind === 'key') {
      if (node.key === 'FX') continue
      const text = formatKey(node.key, node.fill, s)
      out += text
      if (text !== '' && node.suffix !== null && NUMBERED.has(node.key)) out += ordinalSuffix(text, node.suffix === 'TH')
    }
  }
  return out
}

export function timestampToChar(value: Micros, format: string, zone: TimeZone | null): string | null {
  if (format === '' || !isFiniteMicros(value)) return null
  const offset = zone === null ? 0 : offsetOf(value, zone)
  const unix = zone === null ? 0 : unixSecondsOf(value)
  let days = timestampDays(value)
  let time = timestampTime(value, days)
  if (zone !== null) ({ days, time } = localParts(value, offset))
  const tm = tmFromParts(days, time)
  const dayOfYear = days - daysFromCivil(tm.year, 1, 1) + 1
  return render(format, { tm, days, dayOfYear, zone, offset, unix, interval: false })
}

export function intervalToChar(value: Interval, format: string): string | null {
  if (format === '' || isInfInterval(value)) return null
  const f = intervalFields(value)
  const dayOfYear = (f.year * 12 + f.month) * 30 + f.day
  return render(format, {
    tm: f,
    days: julianDay(f.year, f.month, f.day) - POSTGRES_JDATE,
    dayOfYear,
    zone: null,
    offset: 0,
    unix: 0,
    interval: true,
  })
}
