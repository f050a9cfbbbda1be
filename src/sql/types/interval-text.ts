// interval's text forms: input in PostgreSQL's, SQL's and ISO 8601's syntax, output in every IntervalStyle.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { fractionText, two } from './datetime-format.ts'
import { datetimeError, decodeTime, type FieldType, splitFields } from './datetime-parse.ts'
import type { IoSettings, Micros } from './eval-context.ts'
import {
  applyIntervalTypmod,
  FULL_RANGE,
  INTERVAL_INF,
  INTERVAL_NEG_INF,
  type Interval,
  intervalRange,
  isInfInterval,
  MASK,
  makeInterval,
  negateInterval,
  rint,
} from './interval.ts'

/** The units that both intervals and date_trunc know. */
export type DatetimeUnit =
  | 'microsecond'
  | 'millisecond'
  | 'second'
  | 'minute'
  | 'hour'
  | 'day'
  | 'week'
  | 'month'
  | 'quarter'
  | 'year'
  | 'decade'
  | 'century'
  | 'millennium'

const UNITS: Readonly<Record<DatetimeUnit, string>> = {
  microsecond: 'microsecond microseconds us usec usecond useconds usecs',
  millisecond: 'millisecond milliseconds ms msec msecond mseconds msecs',
  second: 's sec second seconds secs',
  minute: 'm min mins minute minutes',
  hour: 'h hour hours hr hrs',
  day: 'd day days',
  week: 'w week weeks',
  month: 'mon mons month months',
  quarter: 'qtr quarter',
  year: 'y year years yr yrs',
  decade: 'dec decade decades decs',
  century: 'c cent centuries century',
  millennium: 'mil millennia millennium mils',
}
const UNIT_BY_WORD = new Map<string, DatetimeUnit>()
for (const [unit, words] of Object.entries(UNITS)) {
  for (const word of words.split(' ')) UNIT_BY_WORD.set(word.slice(0, 10), unit as DatetimeUnit)
}
/** The unit a word names (extract, date_trunc and interval input share them); undefined when none. Compared in ten characters. */
export const intervalUnit = (word: string): DatetimeUnit | undefined => UNIT_BY_WORD.get(word.slice(0, 10))

class Bad extends Error {
  readonly kind: 'format' | 'field' | 'interval'
  constructor(kind: 'format' | 'field' | 'interval') {
    super(kind)
    this.kind = kind
  }
}

const MICROS: Partial<Record<DatetimeUnit, number>> = {
  microsecond: 1,
  millisecond: 1000,
  second: 1e6,
  minute: 6e7,
  hour: 3.6e9,
  day: 8.64e10,
}

const fitsInt4 = (n: number): boolean => n >= -2147483648 && n <= 2147483647

/** Sums the parts as they are read. */
class Parts {
  wholeYears = 0
  months = 0
  days = 0
  micros = 0n

  /** value (whole part) and fraction of `unit`. */
  add(unit: DatetimeUnit, value: number | bigint, fraction: number): void {
    switch (unit) {
      case 'microsecond':
        this.micros += BigInt(value) + BigInt(rint(fraction))
        break
      case 'millisecond':
      case 'second':
      case 'minute':
      case 'hour':
        this.micros += BigInt(value) * BigInt(MICROS[unit]!) + BigInt(rint(fraction * MICROS[unit]!))
        break
      case 'day':
        this.days += this.int(value)
        this.micros += BigInt(rint(fraction * 8.64e10))
        break
      case 'week':
        this.days += this.int(value) * 7
        this.fractionDays(fraction, 7)
        break
      case 'month':
        this.months += this.int(value)
        if (!fitsInt4(this.months)) throw new Bad('field')
        this.fractionDays(fraction, 30)
        break
      case 'year':
        this.years(value, fraction, 1)
        break
      case 'decade':
        this.years(value, fraction, 10)
        break
      case 'century':
        this.years(value, fraction, 100)
        break
      case 'millennium':
        this.years(value, fraction, 1000)
        break
      default:
        throw new Bad('format')
    }
    if (!fitsInt4(this.days)) throw new Bad('field')
    if (this.micros > 9223372036854775807n || this.micros < -9223372036854775808n) throw new Bad('field')
  }

  private int(value: number | bigint): number {
    const n = Number(value)
    if (n > 2147483647 || n < -2147483648) throw new Bad('field')
    return n
  }

  private years(value: number | bigint, fraction: number, scale: number): void {
    this.wholeYears += this.int(value) * scale
    if (!fitsInt4(this.wholeYears)) throw new Bad('field')
    this.months += rint(fraction * scale * 12)
    if (!fitsInt4(this.months)) throw new Bad('field')
  }

  /** The sum; years that are too many months are no fault of one field. */
  interval(): Interval {
    const months = this.wholeYears * 12 + this.months
    if (!fitsInt4(months)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'interval out of range')
    if (months === -2147483648 && this.days === -2147483648 && this.micros === -9223372036854775808n) return INTERVAL_NEG_INF
    if (months === 2147483647 && this.days === 2147483647 && this.micros === 9223372036854775807n) return INTERVAL_INF
    return makeInterval(months, this.days, this.micros as Micros)
  }

  private fractionDays(fraction: number, scale: number): void {
    if (fraction === 0) return
    const days = fraction * scale
    const whole = Math.trunc(days)
    this.days += whole
    this.micros += BigInt(rint((days - whole) * 8.64e10))
  }
}

const RANGE_UNIT: readonly (readonly [number, DatetimeUnit])[] = [
  [MASK.second, 'second'],
  [MASK.minute, 'minute'],
  [MASK.hour, 'hour'],
  [MASK.day, 'day'],
  [MASK.month, 'month'],
  [MASK.year, 'year'],
]

/** The unit of a bare number: the lowest field of the declared range. */
function rangeUnit(range: number): DatetimeUnit {
  if (range === FULL_RANGE) return 'second'
  for (const [mask, unit] of RANGE_UNIT) if ((range & mask) !== 0) return unit
  return 'second'
}

/** interval_in */
export function parseInterval(text: string, typmod: number, style: IoSettings['intervalStyle'] = 'postgres'): Interval {
  const range = typmod >= 0 ? intervalRange(typmod) : FULL_RANGE
  let result: Interval
  try {
    const fields = splitFields(text)
    if (fields === null) throw new Bad('format')
    result = decode(fields.texts, fields.types, range, style)
  } catch (error) {
    if (!(error instanceof Bad)) throw error
    if (error.kind !== 'format' || text[0] !== 'P') throw datetimeError(error.kind === 'field' ? 'interval' : error.kind, 'interval', text)
    result = parseIso(text)
  }
  return applyIntervalTypmod(result, typmod)
}

function decode(texts: string[], types: FieldType[], range: number, style: IoSettings['intervalStyle']): Interval {
  const parts = new Parts()
  const seen = new Set<string>()
  let unit: DatetimeUnit | null = null
  let unitWaits = false
  let ago = false
  let infinite: Interval | null = null
  const count = texts.length
  const forceNegative =
    style === 'sql_standard' && texts[0]?.[0] === '-' && !texts.slice(1).some((field) => field[0] === '-' || field[0] === '+')
  const mark = (name: string): void => {
    if (seen.has(name)) throw new Bad('format')
    seen.add(name)
  }
  const time = (text: string, negative: boolean): void => {
    let t: ReturnType<typeof decodeTime>
    try {
      t = decodeTime(text)
    } catch (error) {
      throw new Bad((error as { kind?: string }).kind === 'field' ? 'field' : 'format')
    }
    let { hour, minute, second } = t
    if (t.form === 'hm' && range === (MASK.minute | MASK.second)) {
      second = minute
      minute = hour
      hour = 0
    }
    for (const name of ['hour', 'minute', 'second', 'millisecond', 'microsecond']) mark(name)
    const micros = BigInt(hour) * 3_600_000_000n + BigInt(minute * 60 + second) * 1_000_000n + BigInt(t.micros)
    if (micros > 9223372036854775807n) throw new Bad('field')
    parts.micros += negative || forceNegative ? -micros : micros
  }
  for (let i = count - 1; i >= 0; i--) {
    const field = texts[i]!
    const type = types[i]!
    if (infinite !== null) throw new Bad('format')
    if (type === 'time') {
      time(field, false)
      unit = 'day'
      unitWaits = false
      continue
    }
    if (type === 'tz' && field.includes(':')) {
      time(field.slice(1), field[0] === '-')
      unit = 'day'
      unitWaits = false
      continue
    }
    if (type === 'tz' || type === 'date' || type === 'number') {
      unit ??= rangeUnit(range)
      const match = /^([+-]?\d*)(?:-(\d+)|(\.\d*))?$/.exec(field)
      if (match === null || (match[1] === '' && match[3] === undefined)) throw new Bad('format')
      const negative = field[0] === '-'
      let value: number | bigint = BigInt(match[1] === '' || match[1] === '-' || match[1] === '+' ? '0' : match[1]!)
      if (value > 9223372036854775807n || value < -9223372036854775808n) throw new Bad('field')
      let fraction = 0
      if (match[2] !== undefined) {
        const months = Number(match[2])
        if (months >= 12) throw new Bad('field')
        unit = 'month'
        value = value * 12n + BigInt(negative ? -months : months)
      } else if (match[3] !== undefined) {
        fraction = match[3] === '.' ? 0 : Number(`0${match[3]}`)
        if (negative) fraction = -fraction
      }
      if (forceNegative) {
        if (value > 0n) value = -value
        if (fraction > 0) fraction = -fraction
      }
      if (unit === 'second' && fraction !== 0) for (const name of ['second', 'millisecond', 'microsecond']) mark(name)
      else mark(unit)
      parts.add(unit, value, fraction)
      // `1 2 hours`: what stands before hours is days.
      if (unit === 'hour') unit = 'day'
      unitWaits = false
      continue
    }
    // words
    if (unitWaits) throw new Bad('format')
    const found = intervalUnit(field)
    if (found !== undefined) {
      unit = found
      unitWaits = true
      continue
    }
    switch (field) {
      case 'ago':
        if (i !== count - 1) throw new Bad('format')
        ago = true
        break
      case 'infinity':
      case '+infinity':
      case '-infinity':
        if (seen.size > 0 || i !== count - 1) throw new Bad('format')
        infinite = field[0] === '-' ? INTERVAL_NEG_INF : INTERVAL_INF
        break
      case 'at':
      case 'on':
        break
      default:
        throw new Bad('format')
    }
  }
  if (infinite !== null) {
    if (count > 1) throw new Bad('format')
    return infinite
  }
  if (seen.size === 0 || unitWaits) throw new Bad('format')
  const result = parts.interval()
  if (!ago) return result
  // as far as the parts can be: what has no negative is out of range, and so is what would read as infinity
  const { months, days, micros } = result
  if (isInfInterval(result) || months === -2147483648 || days === -2147483648 || BigInt(micros) === -9223372036854775808n)
    throw new Bad('field')
  return negateInterval(result)
}

const ISO_TIME: Readonly<Record<string, DatetimeUnit>> = { H: 'hour', M: 'minute', S: 'second' }
const ISO_DATE: Readonly<Record<string, DatetimeUnit>> = { Y: 'year', M: 'month', W: 'week', D: 'day' }

/** A number at `at`: its whole part, its fraction, how many digits the whole part was written with, and where it ends. */
function isoNumber(text: string, at: number): { value: number; fraction: number; digits: number; end: number } {
  const match = /^-?(\d*)(?:\.\d*)?(?:[eE][+-]?\d+)?/.exec(text.slice(at))!
  const number = Number(match[0])
  if (match[0] === '' || Number.isNaN(number)) throw new Bad('format')
  if (Math.abs(number) > 1e15) throw new Bad('field')
  const value = Math.trunc(number)
  return { value, fraction: number - value, digits: match[1]!.length, end: at + match[0].length }
}

/** ISO 8601: with designators `P1Y2M3DT4H5M6S`, or the alternative forms `P0001-02-03T04:05:06` and `P00010203T040506`. */
function parseIso(text: string): Interval {
  const parts = new Parts()
  try {
    readIso(text, parts)
    return parts.interval()
  } catch (error) {
    if (error instanceof Bad) throw datetimeError(error.kind === 'field' ? 'interval' : error.kind, 'interval', text)
    throw error
  }
}

function readIso(text: string, parts: Parts): void {
  if (text.length < 2) throw new Bad('format')
  let inTime = false
  let any = false
  let at = 1
  while (at < text.length) {
    if (text[at] === 'T') {
      inTime = true
      any = false
      at++
      continue
    }
    const { value, fraction, digits, end } = isoNumber(text, at)
    const designator = text[end] ?? ''
    const unit = (inTime ? ISO_TIME : ISO_DATE)[designator]
    at = end
    if (unit !== undefined) {
      parts.add(unit, value, fraction)
      any = true
      at++
      continue
    }
    if (any) throw new Bad('format')
    const basic = digits === (inTime ? 6 : 8) && designator !== (inTime ? ':' : '-')
    if (designator !== '' && designator !== (inTime ? ':' : '-') && !(designator === 'T' && !inTime)) throw new Bad('format')
    const units: readonly DatetimeUnit[] = inTime ? ['hour', 'minute', 'second'] : ['year', 'month', 'day']
    if (basic) {
      parts.add(units[0]!, Math.trunc(value / 10000), 0)
      parts.add(units[1]!, Math.trunc(value / 100) % 100, 0)
      parts.add(units[2]!, value % 100, fraction)
      continue
    }
    parts.add(units[0]!, value, fraction)
    for (const next of units.slice(1)) {
      if (at === text.length || (text[at] === 'T' && !inTime)) break
      if (text[at] !== (inTime ? ':' : '-')) throw new Bad('format')
      const field = isoNumber(text, at + 1)
      parts.add(next, field.value, field.fraction)
      at = field.end
    }
    if (at < text.length && (inTime || text[at] !== 'T')) throw new Bad('format')
  }
}

/** Years, months, days, and the signed clock fields of an interval, as itm. */
export interface IntervalFields {
  year: number
  month: number
  day: number
  /** Up to 2^63/3.6e9: a safe number. */
  hour: number
  minute: number
  second: number
  micros: number
}

export function intervalFields(a: Interval): IntervalFields {
  const year = Math.trunc(a.months / 12)
  let hour: number
  let rest: number
  if (typeof a.micros === 'number') {
    hour = Math.trunc(a.micros / 3_600_000_000)
    rest = a.micros - hour * 3_600_000_000
  } else {
    const whole = a.micros / 3_600_000_000n
    hour = Number(whole)
    rest = Number(a.micros - whole * 3_600_000_000n)
  }
  const minute = Math.trunc(rest / 60_000_000)
  rest -= minute * 60_000_000
  const second = Math.trunc(rest / 1_000_000)
  return { year, month: a.months - year * 12, day: a.days, hour, minute, second, micros: rest - second * 1_000_000 }
}

export function formatInterval(a: Interval, style: IoSettings['intervalStyle']): string {
  if (isInfInterval(a)) return a.months > 0 ? 'infinity' : '-infinity'
  const f = intervalFields(a)
  switch (style) {
    case 'postgres':
      return formatPostgres(f)
    case 'postgres_verbose':
      return formatVerbose(f)
    case 'iso_8601':
      return formatIso(f)
    default:
      return formatSql(f)
  }
}

const seconds = (f: IntervalFields, pad: boolean): string => {
  const s = Math.abs(f.second)
  return `${pad ? two(s) : s}${fractionText(Math.abs(f.micros))}`
}

function formatPostgres(f: IntervalFields): string {
  let out = ''
  let before = false
  const part = (value: number, unit: string): void => {
    if (value === 0) return
    out += `${out === '' ? '' : ' '}${before && value > 0 ? '+' : ''}${value} ${unit}${value !== 1 ? 's' : ''}`
    before = value < 0
  }
  part(f.year, 'year')
  part(f.month, 'mon')
  part(f.day, 'day')
  if (out === '' || f.hour !== 0 || f.minute !== 0 || f.second !== 0 || f.micros !== 0) {
    const minus = f.hour < 0 || f.minute < 0 || f.second < 0 || f.micros < 0
    out += `${out === '' ? '' : ' '}${minus ? '-' : before ? '+' : ''}${two(Math.abs(f.hour))}:${two(Math.abs(f.minute))}:${seconds(f, true)}`
  }
  return out
}

function formatVerbose(f: IntervalFields): string {
  let out = '@'
  let zero = true
  let before = false
  const part = (amount: number, unit: string): void => {
    if (amount === 0) return
    let value = amount
    if (zero) {
      before = value < 0
      value = Math.abs(value)
    } else if (before) value = -value
    out += ` ${value} ${unit}${value === 1 ? '' : 's'}`
    zero = false
  }
  part(f.year, 'year')
  part(f.month, 'mon')
  part(f.day, 'day')
  part(f.hour, 'hour')
  part(f.minute, 'min')
  if (f.second !== 0 || f.micros !== 0) {
    out += ' '
    if (f.second < 0 || (f.second === 0 && f.micros < 0)) {
      if (zero) before = true
      else if (!before) out += '-'
    } else if (before) out += '-'
    out += `${seconds(f, false)} sec${Math.abs(f.second) !== 1 || f.micros !== 0 ? 's' : ''}`
    zero = false
  }
  if (zero) out += ' 0'
  return before ? `${out} ago` : out
}

function formatIso(f: IntervalFields): string {
  if (f.year === 0 && f.month === 0 && f.day === 0 && f.hour === 0 && f.minute === 0 && f.second === 0 && f.micros === 0) return 'PT0S'
  const part = (value: number, unit: string): string => (value === 0 ? '' : `${value}${unit}`)
  let out = `P${part(f.year, 'Y')}${part(f.month, 'M')}${part(f.day, 'D')}`
  if (f.hour !== 0 || f.minute !== 0 || f.second !== 0 || f.micros !== 0) out += 'T'
  out += part(f.hour, 'H') + part(f.minute, 'M')
  if (f.second !== 0 || f.micros !== 0) out += `${f.second < 0 || f.micros < 0 ? '-' : ''}${seconds(f, false)}S`
  return out
}

function formatSql(f: IntervalFields): string {
  const all = [f.year, f.month, f.day, f.hour, f.minute, f.second, f.micros]
  const negative = all.some((n) => n < 0)
  const positive = all.some((n) => n > 0)
  if (!negative && !positive) return '0'
  const yearMonth = f.year !== 0 || f.month !== 0
  const dayTime = f.day !== 0 || f.hour !== 0 || f.minute !== 0 || f.second !== 0 || f.micros !== 0
  const abs = Math.abs
  if ((negative && positive) || (yearMonth && dayTime)) {
    const ym = f.year < 0 || f.month < 0 ? '-' : '+'
    const d = f.day < 0 ? '-' : '+'
    const t = f.hour < 0 || f.minute < 0 || f.second < 0 || f.micros < 0 ? '-' : '+'
    return `${ym}${abs(f.year)}-${abs(f.month)} ${d}${abs(f.day)} ${t}${abs(f.hour)}:${two(abs(f.minute))}:${seconds(f, true)}`
  }
  const sign = negative ? '-' : ''
  if (yearMonth) return `${sign}${abs(f.year)}-${abs(f.month)}`
  const clock = `${abs(f.hour)}:${two(abs(f.minute))}:${seconds(f, true)}`
  return f.day !== 0 ? `${sign}${abs(f.day)} ${clock}` : `${sign}${clock}`
}
