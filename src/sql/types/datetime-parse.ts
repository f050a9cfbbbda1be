// Date and time input: PostgreSQL's tokenizer and its field-by-field decoding, so that every format it reads is read the same way and every
// ambiguity falls the same way. The result is broken-down time plus an offset; callers make a value of it.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  EPOCH_DAYS,
  EPOCH_SECONDS,
  POSTGRES_JDATE,
  type Tm,
  tmFromTimestamp,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import type { EvalContext, Micros } from './eval-context.ts'
import { findZone, offsetAtLocal, sessionZone, type TimeZone } from './timezone.ts'
import { zoneAbbreviation } from './timezone-abbreviations.ts'

/** Why decoding failed; `datetimeError` words it. */
export type DatetimeFault = 'format' | 'field' | 'monthDay' | 'interval' | 'displacement' | 'zone'

class Fault {
  readonly kind: DatetimeFault
  readonly text: string
  constructor(kind: DatetimeFault, text = '') {
    this.kind = kind
    this.text = text
  }
}

export function datetimeError(kind: DatetimeFault, type: string, text: string, zone = ''): PgError {
  switch (kind) {
    case 'field':
      return new PgError(SQLSTATE.datetimeFieldOverflow, `date/time field value out of range: "${text}"`)
    case 'monthDay':
      return new PgError(SQLSTATE.datetimeFieldOverflow, `date/time field value out of range: "${text}"`, {
        hint: 'Perhaps you need a different "DateStyle" setting.',
      })
    case 'interval':
      return new PgError(SQLSTATE.intervalFieldOverflow, `interval field value out of range: "${text}"`)
    case 'displacement':
      return new PgError(SQLSTATE.invalidTimeZoneDisplacementValue, `time zone displacement out of range: "${text}"`)
    case 'zone':
      return new PgError(SQLSTATE.invalidParameterValue, `time zone "${zone}" not recognized`)
    default:
      return new PgError(SQLSTATE.invalidDatetimeFormat, `invalid input syntax for type ${type}: "${text}"`)
  }
}

export type FieldType = 'number' | 'string' | 'date' | 'time' | 'tz' | 'special'

const MAX_LENGTH = 128
const MAX_FIELDS = 25

const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9'
const isAlpha = (c: string | undefined): boolean => c !== undefined && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
const isSpace = (c: string | undefined): boolean => c === ' ' || (c !== undefined && c >= '\t' && c <= '\r')

/** ParseDateTime: splits into typed fields, lower-cased; null on a character that fits nowhere. */
export function splitFields(text: string): { texts: string[]; types: FieldType[] } | null {
  const texts: string[] = []
  const types: FieldType[] = []
  let at = 0
  let total = 0
  while (at < text.length) {
    const c = text[at]!
    if (isSpace(c)) {
      at++
      continue
    }
    const start = at
    let type: FieldType
    let field: string | null = null
    if (isDigit(c)) {
      while (isDigit(text[at])) at++
      const d = text[at]
      if (d === ':') {
        type = 'time'
        while (isDigit(text[at]) || text[at] === ':' || text[at] === '.') at++
      } else if (d === '-' || d === '/' || d === '.') {
        at++
        if (isDigit(text[at])) {
          type = d === '.' ? 'number' : 'date'
          while (isDigit(text[at])) at++
          if (text[at] === d) {
            type = 'date'
            while (isDigit(text[at]) || text[at] === d) at++
          }
        } else {
          type = 'date'
          while (isDigit(text[at]) || isAlpha(text[at]) || text[at] === d) at++
        }
      } else type = 'number'
    } else if (c === '.') {
      at++
      while (isDigit(text[at])) at++
      type = 'number'
    } else if (isAlpha(c)) {
      type = 'string'
      while (isAlpha(text[at])) at++
      const d = text[at]
      let date = d === '-' || d === '/' || d === '.'
      if (!date && (d === '+' || isDigit(d))) date = !KEYWORDS.has(text.slice(start, at).toLowerCase())
      if (date) {
        type = 'date'
        for (;;) {
          const e = text[at]
          if (e === undefined || !(isDigit(e) || isAlpha(e) || '+-/_.:'.includes(e))) break
          at++
        }
      }
    } else if (c === '+' || c === '-') {
      at++
      while (isSpace(text[at])) at++
      if (isDigit(text[at])) {
        type = 'tz'
        const digits = at
        while (isDigit(text[at]) || text[at] === ':' || text[at] === '.' || text[at] === '-') at++
        field = c + text.slice(digits, at)
      } else if (isAlpha(text[at])) {
        type = 'special'
        const letters = at
        while (isAlpha(text[at])) at++
        field = c + text.slice(letters, at)
      } else return null
    } else if (c > ' ' && c < '\x7f') {
      at++
      continue
    } else return null
    const part = (field ?? text.slice(start, at)).toLowerCase()
    total += part.length + 1
    if (texts.length >= MAX_FIELDS || total > MAX_LENGTH) return null
    texts.push(part)
    types.push(type)
  }
  return { texts, types }
}

type Keyword =
  | readonly ['month' | 'dow' | 'ampm' | 'adbc' | 'units' | 'isotime' | 'ignore' | 'dtzmod', number | string]
  | readonly ['reserved', 'now' | 'today' | 'tomorrow' | 'yesterday' | 'epoch' | 'infinity' | '-infinity' | 'allballs']

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december']
const DAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

const KEYWORDS = new Map<string, Keyword>([
  ['-infinity', ['reserved', '-infinity']],
  ['ad', ['adbc', 'ad']],
  ['allballs', ['reserved', 'allballs']],
  ['am', ['ampm', 'am']],
  ['at', ['ignore', 0]],
  ['bc', ['adbc', 'bc']],
  ['d', ['units', 'day']],
  ['dow', ['units', 'dow']],
  ['doy', ['units', 'doy']],
  ['dst', ['dtzmod', 3600]],
  ['epoch', ['reserved', 'epoch']],
  ['h', ['units', 'hour']],
  ['infinity', ['reserved', 'infinity']],
  ['+infinity', ['reserved', 'infinity']],
  ['isodow', ['units', 'isodow']],
  ['isoyear', ['units', 'isoyear']],
  ['j', ['units', 'julian']],
  ['jd', ['units', 'julian']],
  ['julian', ['units', 'julian']],
  ['m', ['units', 'month']],
  ['mm', ['units', 'minute']],
  ['now', ['reserved', 'now']],
  ['on', ['ignore', 0]],
  ['pm', ['ampm', 'pm']],
  ['s', ['units', 'second']],
  ['sept', ['month', 9]],
  ['t', ['isotime', 't']],
  ['thur', ['dow', 4]],
  ['thurs', ['dow', 4]],
  ['today', ['reserved', 'today']],
  ['tomorrow', ['reserved', 'tomorrow']],
  ['tue', ['dow', 2]],
  ['tues', ['dow', 2]],
  ['wednes', ['dow', 3]],
  ['y', ['units', 'year']],
  ['yesterday', ['reserved', 'yesterday']],
])
MONTHS.forEach((name, i) => {
  KEYWORDS.set(name, ['month', i + 1])
  KEYWORDS.set(name.slice(0, 3), ['month', i + 1])
})
DAYS.forEach((name, i) => {
  KEYWORDS.set(name, ['dow', i])
  KEYWORDS.set(name.slice(0, 3), ['dow', i])
})
/** PostgreSQL compares keywords in ten characters. */
const keyword = (word: string): Keyword | undefined => KEYWORDS.get(word.slice(0, 10)) ?? KEYWORDS.get(word)

// Field masks.
const YEAR = 1
const MONTH = 2
const DAY = 4
const HOUR = 8
const MINUTE = 16
const SECOND = 32
const TZ = 64
const DTZ = 128
const DOY = 256
const DOW = 512
const AMPM = 1024
const ADBC = 2048
const DATE = YEAR | MONTH | DAY
const TIME = HOUR | MINUTE | SECOND

/** What decoding found. `zone` seconds east of UTC; null when none was given. */
export interface Decoded {
  tm: Tm
  /** Seconds east of UTC; null when the text has no zone. */
  offset: number | null
  kind: 'value' | 'infinity' | '-infinity' | 'epoch'
  hasDate: boolean
  hasTime: boolean
}

interface State {
  tm: Tm
  yday: number
  twoDigits: boolean
  haveTextMonth: boolean
  dateOrder: 'MDY' | 'DMY' | 'YMD'
}

/** `.5` → microseconds, rounded as PostgreSQL does through a double. */
function fraction(text: string): number {
  if (text === '.') return 0
  const digits = text.slice(1)
  if (!/^\d*$/.test(digits)) throw new Fault('format')
  return Math.round(Number(`0.${digits || '0'}`) * USECS_PER_SEC)
}

function integer(text: string): number {
  const n = Number(text)
  if (n > 2147483647) throw new Fault('field')
  return n
}

/** DecodeTimezone: `+hh`, `+hhmm`, `+hh:mm[:ss]` → seconds east. */
export function decodeOffset(text: string): number {
  const match = /^([+-])(\d+)(?::(\d*)(?::(\d*))?)?$/.exec(text)
  if (match === null) throw new Fault('format')
  let hours = integer(match[2]!)
  let minutes = match[3] === undefined ? 0 : integer(match[3] || '0')
  const seconds = match[4] === undefined ? 0 : integer(match[4] || '0')
  if (match[3] === undefined && text.length > 3) {
    minutes = hours % 100
    hours = Math.floor(hours / 100)
  }
  if (hours > 15 || minutes > 59 || seconds > 59) throw new Fault('displacement')
  const total = (hours * 60 + minutes) * 60 + seconds
  return match[1] === '-' ? -total : total
}

/** The same for text of the right shape; null when it is out of range. */
export function offsetOrNull(text: string): number | null {
  try {
    return decodeOffset(text)
  } catch (error) {
    if (error instanceof Fault) return null
    throw error
  }
}

/** DecodeTime: hh:mm[:ss[.f]] or mm:ss.f; answers microseconds of the second apart from whole fields. */
export function decodeTime(text: string): { hour: number; minute: number; second: number; micros: number; form: 'hm' | 'ms' | 'hms' } {
  const match = /^(\d+):(\d+)(?::(\d+)(\.\d*)?|(\.\d*))?$/.exec(text)
  if (match === null) throw new Fault('format')
  let hour = Number(match[1])
  let minute = integer(match[2]!)
  let second = 0
  let micros = 0
  let form: 'hm' | 'ms' | 'hms' = 'hm'
  if (match[3] !== undefined) {
    second = integer(match[3])
    if (match[4] !== undefined) micros = fraction(match[4])
    form = 'hms'
  } else if (match[5] !== undefined) {
    micros = fraction(match[5])
    second = minute
    minute = hour
    hour = 0
    form = 'ms'
  }
  if (minute > 59 || second > 60) throw new Fault('field')
  return { hour, minute, second, micros, form }
}

function decodeNumberField(text: string, mask: number, s: State): number {
  // Parts of dates come here too, and those may hold anything.
  if (!/^[0-9.]*$/.test(text)) throw new Fault('format')
  let digits = text
  const point = text.indexOf('.')
  if (point >= 0) {
    s.tm.micros = fraction(text.slice(point))
    digits = text.slice(0, point)
  } else if ((mask & DATE) !== DATE && digits.length >= 6) {
    const n = digits.length
    s.tm.day = Number(digits.slice(n - 2))
    s.tm.month = Number(digits.slice(n - 4, n - 2))
    s.tm.year = integer(digits.slice(0, n - 4))
    if (n - 4 === 2) s.twoDigits = true
    return DATE
  }
  if ((mask & TIME) !== TIME) {
    if (digits.length === 6) {
      s.tm.second = Number(digits.slice(4))
      s.tm.minute = Number(digits.slice(2, 4))
      s.tm.hour = Number(digits.slice(0, 2))
      return TIME
    }
    if (digits.length === 4) {
      s.tm.second = 0
      s.tm.minute = Number(digits.slice(2))
      s.tm.hour = Number(digits.slice(0, 2))
      return TIME
    }
  }
  throw new Fault('format')
}

function decodeNumber(text: string, mask: number, s: State): number {
  const match = /^(\d+)(\.\d*)?$/.exec(text)
  if (match === null) throw new Fault('format')
  const value = integer(match[1]!)
  if (match[2] !== undefined) {
    if (match[1]!.length > 2) return decodeNumberField(text, mask | DATE, s)
    s.tm.micros = fraction(match[2])
  }
  const length = text.length
  if (length === 3 && (mask & DATE) === YEAR && value >= 1 && value <= 366) {
    s.yday = value
    return DOY | MONTH | DAY
  }
  let field: number
  switch (mask & DATE) {
    case 0:
      if (length >= 3 || s.dateOrder === 'YMD') field = YEAR
      else field = s.dateOrder === 'DMY' ? DAY : MONTH
      break
    case YEAR:
      field = MONTH
      break
    case MONTH:
      if (s.haveTextMonth) field = length >= 3 || s.dateOrder === 'YMD' ? YEAR : DAY
      else field = DAY
      break
    case YEAR | MONTH:
      if (s.haveTextMonth && length >= 3 && s.twoDigits) {
        s.tm.day = s.tm.year
        s.tm.year = value
        s.twoDigits = false
        return DAY
      }
      field = DAY
      break
    case DAY:
      field = MONTH
      break
    case MONTH | DAY:
      field = YEAR
      break
    case DATE:
      return decodeNumberField(text, mask, s)
    default:
      throw new Fault('format')
  }
  if (field === YEAR) {
    s.tm.year = value
    s.twoDigits = length <= 2
  } else if (field === MONTH) s.tm.month = value
  else s.tm.day = value
  return field
}

function decodeDate(text: string, mask: number, s: State): number {
  const parts: string[] = []
  let at = 0
  while (at < text.length) {
    while (at < text.length && !isDigit(text[at]) && !isAlpha(text[at])) at++
    if (at >= text.length) throw new Fault('format')
    const start = at
    if (isDigit(text[at])) while (isDigit(text[at])) at++
    else while (isAlpha(text[at])) at++
    parts.push(text.slice(start, at))
    at++
  }
  let have = mask
  let found = 0
  const rest: string[] = []
  for (const part of parts) {
    if (!isAlpha(part[0])) {
      rest.push(part)
      continue
    }
    const word = keyword(part)
    if (word?.[0] === 'ignore') continue
    if (word?.[0] !== 'month' || (have & MONTH) !== 0) throw new Fault('format')
    s.tm.month = word[1] as number
    s.haveTextMonth = true
    have |= MONTH
    found |= MONTH
  }
  for (const part of rest) {
    const field = decodeNumber(part, have, s)
    if ((have & field) !== 0) throw new Fault('format')
    have |= field
    found |= field
  }
  if ((have & ~(DOY | TZ)) !== DATE) throw new Fault('format')
  return found
}

/** ValidateDate */
function validateDate(mask: number, julian: boolean, bc: boolean, s: State): void {
  const tm = s.tm
  if ((mask & YEAR) !== 0 && !julian) {
    if (bc) {
      if (tm.year <= 0) throw new Fault('field')
      tm.year = -(tm.year - 1)
    } else if (s.twoDigits) {
      if (tm.year < 70) tm.year += 2000
      else if (tm.year < 100) tm.year += 1900
    } else if (tm.year <= 0) throw new Fault('field')
  }
  if ((mask & DOY) !== 0) {
    const date = civilFromDays(daysFromCivil(tm.year, 1, 1) + s.yday - 1)
    tm.year = date.year
    tm.month = date.month
    tm.day = date.day
  }
  if ((mask & MONTH) !== 0 && (tm.month < 1 || tm.month > 12)) throw new Fault('monthDay')
  if ((mask & DAY) !== 0 && (tm.day < 1 || tm.day > 31)) throw new Fault('monthDay')
  if ((mask & DATE) === DATE && tm.day > daysInMonth(tm.year, tm.month)) throw new Fault('field')
}

/** Seconds from the Unix epoch of wall-clock fields read as UTC. */
export function localSeconds(tm: Tm): number {
  return (daysFromCivil(tm.year, tm.month, tm.day) + EPOCH_DAYS) * 86400 + (tm.hour * 60 + tm.minute) * 60 + tm.second
}

function resetTime(tm: Tm): void {
  tm.hour = 0
  tm.minute = 0
  tm.second = 0
  tm.micros = 0
}

/** Wall clock of the session at the statement's transaction start. */
export function currentLocal(ctx: EvalContext): { tm: Tm; offset: number } {
  const zone = sessionZone(ctx.io.timeZone)
  const now = ctx.transactionTimestamp
  const offset = zone.offsetAt(Math.floor(Number(now) / USECS_PER_SEC) + EPOCH_SECONDS)
  return { tm: tmFromTimestamp((Number(now) + offset * USECS_PER_SEC) as Micros), offset }
}

/**
 * DecodeDateTime and DecodeTimeOnly. `timeOnly` reads a time that may carry a date (then ignored but for the zone). Throws PostgreSQL's
 * error for `type`.
 */
export function decodeDatetime(text: string, type: string, ctx: EvalContext, timeOnly = false): Decoded {
  try {
    return decode(text, ctx, timeOnly)
  } catch (error) {
    if (error instanceof Fault) throw datetimeError(error.kind, type, text, error.text)
    throw error
  }
}

function decode(text: string, ctx: EvalContext, timeOnly: boolean): Decoded {
  const fields = splitFields(text)
  if (fields === null || fields.texts.length === 0) throw new Fault('format')
  const { texts, types } = fields
  const count = texts.length
  const tm: Tm = { year: 2000, month: 1, day: 1, hour: 0, minute: 0, second: 0, micros: 0 }
  const s: State = { tm, yday: 0, twoDigits: false, haveTextMonth: false, dateOrder: ctx.io.dateOrder }
  let mask = 0
  let pending: 'julian' | 't' | null = null
  let offset: number | null = null
  let zone: TimeZone | null = null
  let meridian: 'am' | 'pm' | null = null
  let bc = false
  let julian = false
  let kind: Decoded['kind'] = 'value'

  const namedZone = (name: string): TimeZone => {
    const found = findZone(name)
    if (found === null) throw new Fault('zone', name)
    return found
  }

  for (let i = 0; i < count; i++) {
    const field = texts[i]!
    let found = 0
    switch (types[i]!) {
      case 'date': {
        if (pending === 'julian') {
          const match = /^(\d+)(.*)$/.exec(field)
          if (match === null) throw new Fault('format')
          setJulian(tm, integer(match[1]!))
          julian = true
          offset = decodeOffset(match[2]!)
          found = DATE | TIME | TZ
          pending = null
          break
        }
        const haveDay = (mask & (MONTH | DAY)) === (MONTH | DAY)
        const dateFirst = timeOnly && i === 0 && count >= 2 && (types[count - 1] === 'date' || types[1] === 'time')
        if (timeOnly ? !dateFirst : pending !== null || haveDay) {
          if (isDigit(field[0]) || (pending !== null && !timeOnly)) {
            if (pending !== null) {
              if (pending !== 't') throw new Fault('format')
              pending = null
            }
            if ((mask & TIME) === TIME) throw new Fault('format')
            const dash = field.indexOf('-')
            if (dash < 0) throw new Fault('format')
            offset = decodeOffset(field.slice(dash))
            found = decodeNumberField(field.slice(0, dash), mask | (timeOnly ? DATE : 0), s) | TZ
          } else {
            zone = namedZone(field)
            found = TZ
          }
        } else found = decodeDate(field, mask, s)
        break
      }
      case 'time': {
        if (pending !== null) {
          if (pending !== 't') throw new Fault('format')
          pending = null
        }
        const time = decodeTime(field)
        tm.hour = time.hour
        tm.minute = time.minute
        tm.second = time.second
        tm.micros = time.micros
        if (timeOverflows(tm)) throw new Fault('field')
        found = TIME
        break
      }
      case 'tz':
        offset = decodeOffset(field)
        found = TZ
        break
      case 'number': {
        if (pending !== null) {
          const match = /^(\d+)(\.\d*)?$/.exec(field)
          if (match === null) throw new Fault('format')
          if (pending === 'julian') {
            setJulian(tm, integer(match[1]!))
            julian = true
            found = DATE
            if (match[2] !== undefined) {
              let rest = Math.round(Number(`0${match[2]}`) * USECS_PER_DAY)
              tm.hour = Math.floor(rest / 3_600_000_000)
              rest -= tm.hour * 3_600_000_000
              tm.minute = Math.floor(rest / 60_000_000)
              rest -= tm.minute * 60_000_000
              tm.second = Math.floor(rest / USECS_PER_SEC)
              tm.micros = rest - tm.second * USECS_PER_SEC
              found |= TIME
            }
          } else {
            found = decodeNumberField(field, mask | DATE, s)
            if (found !== TIME) throw new Fault('format')
          }
          pending = null
          break
        }
        const point = field.indexOf('.')
        if (timeOnly) {
          // A number can only be a run-together time here.
          if (point >= 0 && i === 0 && count >= 2 && types[count - 1] === 'date') found = decodeDate(field, mask, s)
          else if (point > 2 || (point < 0 && field.length > 4) || point < 0) found = decodeNumberField(field, mask | DATE, s)
          else throw new Fault('format')
          break
        }
        if (point >= 0 && (mask & DATE) === 0) found = decodeDate(field, mask, s)
        else if (point > 2) found = decodeNumberField(field, mask, s)
        else if (field.length >= 6 && ((mask & DATE) === 0 || (mask & TIME) === 0)) found = decodeNumberField(field, mask, s)
        else found = decodeNumber(field, mask, s)
        break
      }
      case 'string':
      case 'special': {
        const abbreviation = types[i] === 'string' ? zoneAbbreviation(field, ctx.io) : undefined
        if (abbreviation !== undefined) {
          if (abbreviation.fixed === null) zone = abbreviation
          else offset = abbreviation.fixed
          found = TZ
          break
        }
        const word = keyword(field)
        if (word === undefined) {
          const named = findZone(field)
          if (named === null) throw new Fault('format')
          zone = named
          found = TZ
          break
        }
        switch (word[0]) {
          case 'ignore':
            continue
          case 'reserved': {
            const special = word[1]
            if (timeOnly && special !== 'now' && special !== 'allballs') throw new Fault('format')
            switch (special) {
              case 'now': {
                const now = currentLocal(ctx)
                Object.assign(tm, now.tm)
                offset = now.offset
                found = timeOnly ? TIME : DATE | TIME | TZ
                break
              }
              case 'today':
              case 'yesterday':
              case 'tomorrow': {
                const now = currentLocal(ctx).tm
                const shift = special === 'today' ? 0 : special === 'tomorrow' ? 1 : -1
                Object.assign(tm, civilFromDays(daysFromCivil(now.year, now.month, now.day) + shift))
                found = DATE
                break
              }
              case 'allballs':
                resetTime(tm)
                offset = 0
                found = TIME | TZ
                break
              default:
                kind = special
                found = DATE | TIME | TZ
            }
            // What these words set is final: no two-digit years, no BC.
            if ((found & YEAR) !== 0) julian = true
            break
          }
          case 'month':
            if ((mask & MONTH) !== 0 && !s.haveTextMonth && (mask & DAY) === 0 && tm.month >= 1 && tm.month <= 31) {
              tm.day = tm.month
              found = DAY
            } else found = MONTH
            s.haveTextMonth = true
            tm.month = word[1] as number
            break
          case 'dtzmod':
            found = DTZ
            offset = (offset ?? 0) + 3600
            break
          case 'ampm':
            meridian = word[1] as 'am' | 'pm'
            found = AMPM
            break
          case 'adbc':
            bc = word[1] === 'bc'
            found = ADBC
            break
          case 'dow':
            found = DOW
            break
          case 'units':
            if (pending !== null || word[1] !== 'julian') throw new Fault('format')
            pending = 'julian'
            break
          case 'isotime': {
            if (!timeOnly && (mask & DATE) !== DATE) throw new Fault('format')
            const next = types[i + 1]
            if (next !== 'number' && next !== 'time' && next !== 'date') throw new Fault('format')
            pending = 't'
            break
          }
        }
        break
      }
    }
    if ((found & mask) !== 0) throw new Fault('format')
    mask |= found
  }
  if (pending !== null) throw new Fault('format')

  const hasDate = (mask & DATE) === DATE
  const hasTime = (mask & TIME) === TIME
  if (kind === 'value') {
    validateDate(timeOnly && !hasDate ? mask & ~DATE : mask, julian, bc, s)
    if (meridian !== null) {
      if (tm.hour > 12) throw new Fault('field')
      if (meridian === 'am' && tm.hour === 12) tm.hour = 0
      else if (meridian === 'pm' && tm.hour !== 12) tm.hour += 12
    }
    if (timeOnly) {
      if (!hasTime) throw new Fault('format')
      if (timeOverflows(tm)) throw new Fault('field')
    } else {
      if (!hasDate) throw new Fault('format')
      if (tm.year > 5874898 || tm.year < -4713) {
        // Far outside every range; callers word the error.
        return { tm, offset: 0, kind, hasDate, hasTime }
      }
    }
    if (zone !== null) {
      if (zone.fixed !== null) offset = zone.fixed
      else {
        // An abbreviation whose meaning depends on the day means today's beside a time alone.
        const today = zone.base !== null && (mask & DATE) === 0
        if (!hasDate && !today) throw new Fault('format')
        if ((mask & DTZ) !== 0) throw new Fault('format')
        const { year, month, day } = today ? currentLocal(ctx).tm : tm
        offset = offsetAtLocal(zone, localSeconds({ ...tm, year, month, day }))
      }
    }
  }
  return { tm, offset, kind, hasDate, hasTime }
}

function setJulian(tm: Tm, day: number): void {
  const date = civilFromDays(day - POSTGRES_JDATE)
  tm.year = date.year
  tm.month = date.month
  tm.day = date.day
}

/** More than 24:00:00. */
export function timeOverflows(tm: Tm): boolean {
  return tm.hour > 24 || ((tm.hour * 60 + tm.minute) * 60 + tm.second) * USECS_PER_SEC + tm.micros > USECS_PER_DAY
}
