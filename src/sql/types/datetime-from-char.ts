// to_date and to_timestamp: text read by a template.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  isoYearStart,
  isValidDate,
  isValidTimestamp,
  joinTimestamp,
  POSTGRES_JDATE,
  USECS_PER_SEC,
} from './datetime.ts'
import { DAYS, MONTHS, type TemplateNode, templateOf } from './datetime-template.ts'
import type { EvalContext, IoSettings, Micros } from './eval-context.ts'
import { toRoman } from './number-format.ts'
import { offsetAtLocal, sessionZone, type TimeZone } from './timezone.ts'
import { zoneAbbreviation } from './timezone-abbreviations.ts'

interface Fields {
  year?: number
  yearDigits: number
  century?: number
  bc: boolean
  month?: number
  day?: number
  dayOfYear?: number
  julian?: number
  isoYear?: number
  isoWeek?: number
  isoDay?: number
  isoDayOfYear?: number
  week?: number
  weekOfMonth?: number
  hour?: number
  hour12?: number
  minute?: number
  second?: number
  secondOfDay?: number
  millis?: number
  micros?: number
  /** FF1 … FF6: the result is rounded to so many. */
  fractionDigits?: number
  pm: boolean | null
  offset: number | null
  /** That of an abbreviation. */
  zone: TimeZone | null
  zoneSign: number
  zoneHour?: number
  zoneMinute?: number
}

const invalidFormat = (message: string, detail?: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidDatetimeFormat, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })

const WIDTH: Readonly<Record<string, number>> = {
  HH24: 2, HH12: 2, HH: 2, MI: 2, SS: 2, MS: 3, US: 6, FF1: 1, FF2: 2, FF3: 3, FF4: 4, FF5: 5, FF6: 6, MM: 2, DDD: 3, IDDD: 3, DD: 2, D: 1, ID: 1, WW: 2, IW: 2,
  Q: 1, CC: 2, YYYY: 4, YYY: 3, YY: 2, Y: 1, IYYY: 4, IYY: 3, IY: 2, I: 1, W: 1, SSSS: 5, SSSSS: 5, J: 7, TZM: 2,
} // biome-ignore format: a table

const ISO_KEYS: ReadonlySet<string> = new Set(['IYYY', 'IYY', 'IY', 'I', 'IW', 'ID', 'IDDD'])
const GREGORIAN_KEYS: ReadonlySet<string> = new Set('YYYY YYY YY Y Y,YYY MM MONTH MON DD DDD WW W CC Q'.split(' '))

function readFields(text: string, format: string, io: IoSettings): Fields {
  const f: Fields = { yearDigits: 4, bc: false, pm: null, offset: null, zone: null, zoneSign: 1 }
  const nodes = templateOf(format)
  let exact = false
  let at = 0
  let iso = false
  let gregorian = false
  const skipSpace = (): void => {
    while (/\s/.test(text[at] ?? 'x')) at++
  }
  const set = <K extends keyof Fields>(key: K, value: Fields[K], shown: string): void => {
    if (f[key] !== undefined && f[key] !== value) {
      throw invalidFormat(
        `conflicting values for "${shown}" field in formatting string`,
        'This value contradicts a previous setting for the same field type.',
      )
    }
    f[key] = value
  }
  for (let n = 0; n < nodes.length; n++) {
    const node = nodes[n]!
    if (node.kind === 'exact') {
      exact = true
      continue
    }
    if (node.kind === 'text') {
      if (at >= text.length) continue
      if (node.separator || /^\s+$/.test(node.text)) {
        // A separator in the template matches one separator of the text, or none; spaces before it are free.
        if (exact) at++
        else {
          skipSpace()
          const c = text[at]
          if (c !== undefined && /^[!-/:-@[-`{-~]$/.test(c) && !((c === '-' || c === '+') && nextIsSigned(nodes, n))) at++
          skipSpace()
        }
      } else at += node.text.length
      continue
    }
    if (at >= text.length) break
    if (!exact) skipSpace()
    const { key } = node
    const upper = key.toUpperCase()
    if (ISO_KEYS.has(upper)) iso = true
    if (GREGORIAN_KEYS.has(upper)) gregorian = true
    if (iso && gregorian) {
      throw invalidFormat(
        'invalid combination of date conventions',
        undefined,
        'Do not mix Gregorian and ISO week date conventions in a formatting template.',
      )
    }
    const rest = text.slice(at)
    const words = (list: readonly string[]): number => {
      const lower = rest.toLowerCase()
      let best = -1
      for (let i = 0; i < list.length; i++)
        if (lower.startsWith(list[i]!.toLowerCase()) && (best < 0 || list[i]!.length > list[best]!.length)) best = i
      if (best < 0)
        throw invalidFormat(
          `invalid value "${/^\S*/.exec(rest)![0]}" for "${key}"`,
          'The given value did not match any of the allowed values for this field.',
        )
      at += list[best]!.length
      return best
    }
    /** A number of at most `width` digits where another number follows directly, else as many as there are. */
    const number = (width: number): { value: number; length: number } => {
      const next = nodes[n + 1]
      const fixedWidth = !node.fill && next?.kind === 'key' && (WIDTH[next.key] !== undefined || next.key === 'Y,YYY')
      const source = fixedWidth ? rest.slice(0, width) : rest
      const hint = 'If your source string is not fixed-width, try using the "FM" modifier.'
      if (fixedWidth && source.length < width) {
        const detail = `Field requires ${width} characters, but only ${source.length} remain.`
        throw invalidFormat(`source string too short for "${key}" formatting field`, detail, hint)
      }
      const match = /^[+-]?\d+/.exec(source)
      if (match === null) {
        throw invalidFormat(`invalid value "${rest.slice(0, width)}" for "${key}"`, 'Value must be an integer.')
      }
      if (fixedWidth && match[0].length < width) {
        const detail = `Field requires ${width} characters, but only ${match[0].length} could be parsed.`
        throw invalidFormat(`invalid value "${source}" for "${key}"`, detail, hint)
      }
      at += match[0].length
      const value = Number(match[0])
      if (Math.abs(value) > 2147483647) {
        throw new PgError(SQLSTATE.datetimeFieldOverflow, `value for "${key}" in source string is out of range`, {
          detail: 'Value must be in the range -2147483648 to 2147483647.',
        })
      }
      return { value, length: match[0].replace(/^[+-]/, '').length }
    }
    const width = WIDTH[upper] ?? 2
    switch (upper) {
      case 'A.M.':
      case 'P.M.':
        f.pm = words(['a.m.', 'p.m.']) === 1
        break
      case 'AM':
      case 'PM':
        f.pm = words(['am', 'pm']) === 1
        break
      case 'A.D.':
      case 'B.C.':
        f.bc = words(['a.d.', 'b.c.']) === 1
        break
      case 'AD':
      case 'BC':
        f.bc = words(['ad', 'bc']) === 1
        break
      case 'HH':
      case 'HH12':
        set('hour12', number(2).value, key)
        break
      case 'HH24':
        set('hour', number(2).value, key)
        break
      case 'MI':
        set('minute', number(2).value, key)
        break
      case 'SS':
        set('second', number(2).value, key)
        break
      case 'MS': {
        const { value, length } = number(3)
        set('millis', length === 1 ? value * 100 : length === 2 ? value * 10 : value, key)
        break
      }
      case 'US':
      case 'FF1':
      case 'FF2':
      case 'FF3':
      case 'FF4':
      case 'FF5':
      case 'FF6': {
        const { value, length } = number(width)
        if (upper !== 'US') f.fractionDigits = width
        set('micros', length <= 6 ? value * 10 ** (6 - length) : value, key)
        break
      }
      case 'SSSS':
      case 'SSSSS':
        set('secondOfDay', number(5).value, key)
        break
      case 'TZ':
      case 'OF': {
        const match = /^([+-])(\d{1,2})(?::?(\d{2}))?/.exec(rest)
        if (match !== null) {
          at += match[0].length
          const seconds = Number(match[2]) * 3600 + Number(match[3] ?? 0) * 60
          f.offset = match[1] === '-' ? -seconds : seconds
          break
        }
        let word = /^[A-Za-z]*/.exec(rest)![0].toLowerCase()
        while (word !== '' && zoneAbbreviation(word, io) === undefined) word = word.slice(0, -1)
        if (word === '') throw invalidFormat(`invalid value "${rest}" for "${key}"`, 'Time zone abbreviation is not recognized.')
        f.zone = zoneAbbreviation(word, io)!
        at += word.length
        break
      }
      case 'TZH': {
        const c = text[at]
        if (c === '+' || c === '-' || c === ' ') {
          f.zoneSign = c === '-' ? -1 : 1
          at++
        }
        const match = /^\d{1,2}/.exec(text.slice(at))
        if (match === null) throw invalidFormat(`invalid value "${text.slice(at, at + 2)}" for "${key}"`, 'Value must be an integer.')
        at += match[0].length
        f.zoneHour = Number(match[0])
        break
      }
      case 'TZM':
        f.zoneMinute = number(2).value
        break
      case 'MONTH':
        set('month', words(MONTHS) + 1, key)
        break
      case 'MON':
        set('month', words(MONTHS.map((month) => month.slice(0, 3))) + 1, key)
        break
      case 'MM':
        set('month', number(2).value, key)
        break
      case 'DAY':
        f.isoDay ??= words(DAYS) || 7
        break
      case 'DY':
        f.isoDay ??= words(DAYS.map((day) => day.slice(0, 3))) || 7
        break
      case 'DDD':
        set('dayOfYear', number(3).value, key)
        break
      case 'IDDD':
        set('isoDayOfYear', number(3).value, key)
        break
      case 'DD':
        set('day', number(2).value, key)
        break
      case 'D':
        f.isoDay = number(1).value - 1 || 7
        break
      case 'ID':
        set('isoDay', number(1).value, key)
        break
      case 'WW':
        set('week', number(2).value, key)
        break
      case 'IW':
        set('isoWeek', number(2).value, key)
        break
      case 'W':
        set('weekOfMonth', number(1).value, key)
        break
      case 'Q':
        number(1)
        break
      case 'CC':
        set('century', number(2).value, key)
        break
      case 'Y,YYY': {
        const match = /^(\d+),(\d{3})/.exec(rest)
        if (match === null) throw invalidFormat('invalid value for "Y,YYY" in source string')
        at += match[0].length
        set('year', Number(match[1]) * 1000 + Number(match[2]), key)
        break
      }
      case 'YYYY':
      case 'IYYY':
        set(upper === 'YYYY' ? 'year' : 'isoYear', number(4).value, key)
        break
      case 'YYY':
      case 'IYY':
      case 'YY':
      case 'IY':
      case 'Y':
      case 'I': {
        const { value, length } = number(width)
        set(upper.startsWith('I') ? 'isoYear' : 'year', length < 4 ? adjustYear(value) : value, key)
        f.yearDigits = upper.startsWith('I') ? upper.length - 1 : upper.length
        if (upper.startsWith('I')) f.yearDigits = upper.length
        break
      }
      case 'RM': {
        const romans = MONTHS.map((_, i) => toRoman(i + 1))
        set('month', words(romans) + 1, key)
        break
      }
      case 'J':
        set('julian', number(7).value, key)
        break
      default:
    }
    if (node.suffix !== null) at += 2
  }
  return f
}

/** adjust_partial_year_to_2020 */
function adjustYear(year: number): number {
  if (year < 70) return year + 2000
  if (year < 100) return year + 1900
  if (year < 520) return year + 2000
  return year < 1000 ? year + 1000 : year
}

function nextIsSigned(nodes: readonly TemplateNode[], at: number): boolean {
  const next = nodes[at + 1]
  return next?.kind === 'key' && (next.key === 'TZH' || next.key.toUpperCase() === 'TZ' || next.key === 'OF')
}

const outOfRange = (text: string): PgError => new PgError(SQLSTATE.datetimeFieldOverflow, `date/time field value out of range: "${text}"`)

const roundTo = (micros: number, digits: number): number => Math.round(micros / 10 ** (6 - digits)) * 10 ** (6 - digits)

/** Day and time that the fields mean; `text` for errors. */
function resolve(f: Fields, text: string): { days: number; time: number } {
  let hour = f.hour ?? 0
  let minute = f.minute ?? 0
  let second = f.second ?? 0
  if (f.secondOfDay !== undefined) {
    hour = Math.floor(f.secondOfDay / 3600)
    minute = Math.floor((f.secondOfDay % 3600) / 60)
    second = f.secondOfDay % 60
  }
  if (f.hour12 !== undefined) {
    if (f.hour12 < 1 || f.hour12 > 12) {
      throw invalidFormat(
        `hour "${f.hour12}" is invalid for the 12-hour clock`,
        undefined,
        'Use the 24-hour clock, or give an hour between 1 and 12.',
      )
    }
    hour = f.pm === true && f.hour12 < 12 ? f.hour12 + 12 : f.pm === false && f.hour12 === 12 ? 0 : f.hour12
  }
  if (minute < 0 || minute > 59 || second < 0 || second > 59 || hour < 0 || hour > 23) throw outOfRange(text)
  const micros = roundTo((f.millis ?? 0) * 1000 + (f.micros ?? 0), f.fractionDigits ?? 6)
  if (micros < 0 || (f.micros ?? 0) >= USECS_PER_SEC || (f.millis ?? 0) >= 1000) throw outOfRange(text)
  const time = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + micros
  if (f.julian !== undefined) return { days: f.julian - POSTGRES_JDATE, time }
  let year = f.year
  if (f.century !== undefined) {
    const century = f.bc ? -f.century : f.century
    if (year === undefined || f.yearDigits <= 2) {
      const inCentury = year === undefined ? null : year % 100
      if (inCentury === null) year = century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1
      else if (inCentury === 0) year = century * 100 + (century >= 0 ? 0 : 1)
      else year = century >= 0 ? (century - 1) * 100 + inCentury : (century + 1) * 100 - inCentury + 1
    } else if (f.bc) year = 1 - year
  } else if (year !== undefined) {
    if (f.bc) year = -year
    if (year < 0) year += 1
  }
  if (f.isoYear !== undefined || f.isoWeek !== undefined || f.isoDayOfYear !== undefined) {
    const start = isoYearStart(f.bc && f.isoYear !== undefined ? 1 - f.isoYear : (f.isoYear ?? 0))
    if (f.isoDayOfYear !== undefined) return { days: start + f.isoDayOfYear - 1, time }
    return { days: start + ((f.isoWeek ?? 1) - 1) * 7 + ((f.isoDay ?? 1) - 1), time }
  }
  const y = year ?? 0
  if (f.dayOfYear !== undefined && f.month === undefined && f.day === undefined) {
    if (year === undefined) throw invalidFormat('cannot calculate day of year without year information')
    if (f.dayOfYear < 1 || f.dayOfYear > 337 + daysInMonth(y, 2)) throw outOfRange(text)
    return { days: daysFromCivil(y, 1, 1) + f.dayOfYear - 1, time }
  }
  let day = f.day
  let month = f.month
  if (f.week !== undefined && month === undefined && day === undefined) {
    const date = civilFromDays(daysFromCivil(y, 1, 1) + (f.week - 1) * 7)
    return { days: daysFromCivil(date.year, date.month, date.day), time }
  }
  if (f.weekOfMonth !== undefined && day === undefined) day = (f.weekOfMonth - 1) * 7 + 1
  month ??= 1
  day ??= 1
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(y, month)) throw outOfRange(text)
  return { days: daysFromCivil(y, month, day), time }
}

export function toDate(text: string, format: string, ctx: EvalContext): number | null {
  if (format === '') return null
  const { days } = resolve(readFields(text, format, ctx.io), text)
  if (!isValidDate(days)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, `date out of range: "${text}"`)
  return days
}

export function toTimestamp(text: string, format: string, ctx: EvalContext): Micros | null {
  if (format === '') return null
  const f = readFields(text, format, ctx.io)
  const { days, time } = resolve(f, text)
  let offset = f.offset
  if (f.zoneHour !== undefined || f.zoneMinute !== undefined) offset = f.zoneSign * ((f.zoneHour ?? 0) * 3600 + (f.zoneMinute ?? 0) * 60)
  offset ??= offsetAtLocal(f.zone ?? sessionZone(ctx.io.timeZone), (days + 10957) * 86400 + Math.floor(time / USECS_PER_SEC))
  const value = joinTimestamp(days, time - offset * USECS_PER_SEC)
  if (!isValidTimestamp(value)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'timestamp out of range')
  return value
}
