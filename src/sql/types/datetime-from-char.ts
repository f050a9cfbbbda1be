// to_date and to_timestamp: text read by a template.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  civilFromDays,
  daysFromCivil,
  daysInMonth,
  EPOCH_DAYS,
  isoYearStart,
  isValidDate,
  isValidTimestamp,
  joinTimestamp,
  POSTGRES_JDATE,
  USECS_PER_SEC,
} from './datetime.ts'
import { DAYS, isSeparator, MONTHS, type TemplateNode, templateOf } from './datetime-template.ts'
import type { EvalContext, IoSettings, Micros } from './eval-context.ts'
import { toRoman } from './number-format.ts'
import { offsetAtLocal, sessionZone, type TimeZone } from './timezone.ts'
import { zoneAbbreviation } from './timezone-abbreviations.ts'

/** Zero is what was not said, as in PostgreSQL: a field set to zero may be set again. */
const NUMBERS = {
  hour: 0,
  minute: 0,
  second: 0,
  secondOfDay: 0,
  millis: 0,
  micros: 0,
  pm: 0,
  bc: 0,
  /** From Sunday, 1. */
  dayOfWeek: 0,
  day: 0,
  dayOfYear: 0,
  month: 0,
  year: 0,
  century: 0,
  week: 0,
  weekOfMonth: 0,
  julian: 0,
  zoneSign: 0,
  zoneHour: 0,
  zoneMinute: 0,
}
type NumberField = keyof typeof NUMBERS

interface Fields extends Record<NumberField, number> {
  /** Digits of the year's key. */
  yearDigits: number
  mode: 'none' | 'gregorian' | 'iso'
  clock12: boolean
  /** FF1 … FF6: the result is rounded to so many. */
  fractionDigits: number
  /** That of an abbreviation. */
  zone: TimeZone | null
}

const invalidFormat = (message: string, detail?: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidDatetimeFormat, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })
const outOfRange = (text: string): PgError => new PgError(SQLSTATE.datetimeFieldOverflow, `date/time field value out of range: "${text}"`)

/** Keys whose values are digits: a number before one of them is as wide as its own key. */
const DIGIT_KEYS: ReadonlySet<string> = new Set(
  'CC DDD DD D FF1 FF2 FF3 FF4 FF5 FF6 HH24 HH12 HH IDDD ID IW IYYY IYY IY I J MI MM MS Q SSSSS SSSS SS TZM US WW W Y,YYY YYYY YYY YY Y'.split(
    ' ',
  ),
)
const ISO_KEYS: ReadonlySet<string> = new Set('IYYY IYY IY I IW ID IDDD'.split(' '))
const GREGORIAN_KEYS: ReadonlySet<string> = new Set('YYYY YYY YY Y Y,YYY MM MONTH MON RM DD DDD D WW W'.split(' '))

/** Keys that set a number to what was read, in as many characters as the key has unless said. */
const PLAIN: Readonly<Record<string, readonly [NumberField, number?]>> = {
  HH: ['hour'],
  HH12: ['hour', 2],
  HH24: ['hour', 2],
  MI: ['minute'],
  SS: ['second'],
  SSSS: ['secondOfDay'],
  SSSSS: ['secondOfDay'],
  MM: ['month'],
  DDD: ['dayOfYear'],
  IDDD: ['dayOfYear', 3],
  DD: ['day'],
  D: ['dayOfWeek'],
  WW: ['week'],
  IW: ['week'],
  W: ['weekOfMonth'],
  CC: ['century'],
  J: ['julian'],
}

const SHORT_MONTHS = MONTHS.map((month) => month.slice(0, 3))
const SHORT_DAYS = DAYS.map((day) => day.slice(0, 3))
/** The longer ones first: the first that fits is taken. */
const ROMAN_MONTHS = MONTHS.map((_, i) => toRoman(12 - i))
const WORDS: Readonly<Record<string, readonly [NumberField, readonly string[], (found: number) => number]>> = {
  AM: ['pm', ['am', 'pm'], (found) => found],
  PM: ['pm', ['am', 'pm'], (found) => found],
  'A.M.': ['pm', ['a.m.', 'p.m.'], (found) => found],
  'P.M.': ['pm', ['a.m.', 'p.m.'], (found) => found],
  AD: ['bc', ['ad', 'bc'], (found) => found],
  BC: ['bc', ['ad', 'bc'], (found) => found],
  'A.D.': ['bc', ['a.d.', 'b.c.'], (found) => found],
  'B.C.': ['bc', ['a.d.', 'b.c.'], (found) => found],
  MONTH: ['month', MONTHS, (found) => found + 1],
  MON: ['month', SHORT_MONTHS, (found) => found + 1],
  RM: ['month', ROMAN_MONTHS, (found) => 12 - found],
  DAY: ['dayOfWeek', DAYS, (found) => found],
  DY: ['dayOfWeek', SHORT_DAYS, (found) => found],
}

const isSpace = (char: string | undefined): boolean => char !== undefined && /^[ \t\n\v\f\r]$/.test(char)

class Reader {
  readonly fields: Fields = { ...NUMBERS, yearDigits: 0, mode: 'none', clock12: false, fractionDigits: 0, zone: null }
  readonly #text: string
  readonly #nodes: readonly TemplateNode[]
  readonly #io: IoSettings
  #at = 0
  /** Blanks passed over beyond those of the template. */
  #skipped = 0

  constructor(text: string, nodes: readonly TemplateNode[], io: IoSettings) {
    this.#text = text
    this.#nodes = nodes
    this.#io = io
  }

  read(): Fields {
    let exact = false
    for (const [n, node] of this.#nodes.entries()) {
      if (this.#at >= this.#text.length) break
      const isFx = node.kind === 'key' && node.key === 'FX'
      if (!exact && !isFx && (node.kind === 'key' || n === 0)) this.#skipSpaces()
      if (node.kind === 'text') this.#pass(node.role, exact)
      else if (isFx) exact = true
      else this.#readKey(node, n)
      if (node.kind === 'key' && !exact) {
        this.#skipped = 0
        this.#skipSpaces()
      }
    }
    return this.fields
  }

  #skipSpaces(): void {
    for (; isSpace(this.#text[this.#at]); this.#at++) this.#skipped++
  }

  #character(): void {
    const code = this.#text.codePointAt(this.#at)
    if (code !== undefined) this.#at += code > 0xffff ? 2 : 1
  }

  /** A character of the template that is no key: what stands in the text at its place does not matter. */
  #pass(role: 'char' | 'space' | 'separator', exact: boolean): void {
    if (exact) this.#character()
    else if (role === 'char') {
      // Blanks that were passed over already may have stood for it.
      if (this.#skipped > 0) this.#skipped--
      else this.#character()
    } else {
      this.#skipped--
      const char = this.#text[this.#at]
      if (isSpace(char) || (char !== undefined && isSeparator(char))) {
        this.#at++
        this.#skipped++
      }
    }
  }

  #set(field: NumberField, value: number, key: string): void {
    const before = this.fields[field]
    if (before !== 0 && before !== value) {
      throw invalidFormat(
        `conflicting values for "${key}" field in formatting string`,
        'This value contradicts a previous setting for the same field type.',
      )
    }
    this.fields[field] = value
  }

  /** A word of `list`, the first that the text goes on with, whatever its case. */
  #word(list: readonly string[], key: string): number {
    const rest = this.#text.slice(this.#at, this.#at + 16).toLowerCase()
    const found = list.findIndex((word) => rest.startsWith(word.toLowerCase()))
    if (found < 0) {
      throw invalidFormat(
        `invalid value "${/^\S*/.exec(this.#text.slice(this.#at))![0]}" for "${key}"`,
        'The given value did not match any of the allowed values for this field.',
      )
    }
    this.#at += list[found]!.length
    return found
  }

  /** A number of exactly `width` characters where digits may follow, else as many as there are; with how many characters it took. */
  #number(node: TemplateNode & { kind: 'key' }, n: number, width = node.key.length): { value: number; used: number } {
    const { name } = node
    const begin = this.#at
    while (isSpace(this.#text[this.#at])) this.#at++
    const copy = this.#text.slice(this.#at, this.#at + width)
    let value = 0
    if (node.fill || this.#endsNumber(node, n)) {
      const match = /^[+-]?\d+/.exec(this.#text.slice(this.#at))
      if (match === null) this.#at = begin
      else {
        value = Number(match[0])
        this.#at += match[0].length
      }
    } else {
      const hint = 'If your source string is not fixed-width, try using the "FM" modifier.'
      if (copy.length < width)
        throw invalidFormat(
          `source string too short for "${name}" formatting field`,
          `Field requires ${width} characters, but only ${copy.length} remain.`,
          hint,
        )
      const match = /^\s*[+-]?\d+/.exec(copy)
      const used = match?.[0].length ?? 0
      if (used > 0 && used < width)
        throw invalidFormat(
          `invalid value "${copy}" for "${name}"`,
          `Field requires ${width} characters, but only ${used} could be parsed.`,
          hint,
        )
      value = Number(match?.[0] ?? 0)
      this.#at += used
    }
    if (this.#at === begin) throw invalidFormat(`invalid value "${copy}" for "${name}"`, 'Value must be an integer.')
    if (value < -2147483648 || value > 2147483647) {
      throw new PgError(SQLSTATE.datetimeFieldOverflow, `value for "${name}" in source string is out of range`, {
        detail: 'Value must be in the range -2147483648 to 2147483647.',
      })
    }
    return { value, used: this.#at - begin }
  }

  /** Whether what follows in the template cannot begin with a digit. */
  #endsNumber(node: TemplateNode & { kind: 'key' }, n: number): boolean {
    if (node.suffix !== null) return true
    const next = this.#nodes[n + 1]
    if (next === undefined) return true
    return next.kind === 'key' ? !DIGIT_KEYS.has(next.key) : !/^[0-9]$/.test(next.text)
  }

  #mode(mode: Fields['mode']): void {
    const { fields } = this
    if (fields.mode !== 'none' && fields.mode !== mode) {
      throw invalidFormat(
        'invalid combination of date conventions',
        undefined,
        'Do not mix Gregorian and ISO week date conventions in a formatting template.',
      )
    }
    fields.mode = mode
  }

  #readKey(node: TemplateNode & { kind: 'key' }, n: number): void {
    const { fields } = this
    const { name } = node
    const key = node.key.toUpperCase()
    if (ISO_KEYS.has(key)) this.#mode('iso')
    else if (GREGORIAN_KEYS.has(key)) this.#mode('gregorian')
    const word = WORDS[key]
    if (word !== undefined) {
      const [field, list, meaning] = word
      this.#set(field, meaning(this.#word(list, name)), name)
      if (field === 'pm') fields.clock12 = true
      if (field === 'dayOfWeek') fields.dayOfWeek++
      return
    }
    const plain = PLAIN[key]
    if (plain !== undefined) {
      const [field, width] = plain
      this.#set(field, this.#number(node, n, width).value, name)
      if (key === 'HH' || key === 'HH12') fields.clock12 = true
    } else if (!this.#readSpecial(node, n, key)) return
    if (node.suffix !== null) {
      this.#character()
      this.#character()
    }
  }

  /** False where TH behind it stands for nothing. */
  #readSpecial(node: TemplateNode & { kind: 'key' }, n: number, key: string): boolean {
    const { fields } = this
    const { name } = node
    switch (key) {
      case 'MS': {
        const { value, used } = this.#number(node, n, 3)
        this.#set('millis', value, name)
        fields.millis = value * (used === 1 ? 100 : used === 2 ? 10 : 1)
        return true
      }
      case 'US':
      case 'FF1':
      case 'FF2':
      case 'FF3':
      case 'FF4':
      case 'FF5':
      case 'FF6': {
        if (key !== 'US') fields.fractionDigits = Number(key[2])
        const { value, used } = this.#number(node, n, key === 'US' ? 6 : fields.fractionDigits)
        this.#set('micros', value, name)
        fields.micros = value * (used < 6 ? 10 ** (6 - used) : 1)
        return true
      }
      case 'ID': {
        this.#set('dayOfWeek', this.#number(node, n, 1).value, name)
        // From Monday, 1.
        if (++fields.dayOfWeek > 7) fields.dayOfWeek = 1
        return true
      }
      case 'Q':
        // Which of its months is meant nobody knows.
        this.#number(node, n)
        return true
      case 'Y,YYY': {
        const match = /^\s*([+-]?\d+),\s*([+-]?\d{1,3})/.exec(this.#text.slice(this.#at))
        if (match === null) throw invalidFormat(`invalid value "${this.#text.slice(this.#at)}" for "Y,YYY"`)
        const year = Number(match[1]) * 1000 + Number(match[2])
        if (Math.abs(year) > 2147483647)
          throw new PgError(SQLSTATE.datetimeFieldOverflow, 'value for "Y,YYY" in source string is out of range')
        this.#set('year', year, name)
        fields.yearDigits = 4
        this.#at += match[0].length
        return true
      }
      case 'YYYY':
      case 'IYYY':
      case 'YYY':
      case 'IYY':
      case 'YY':
      case 'IY':
      case 'Y':
      case 'I': {
        const { value, used } = this.#number(node, n)
        this.#set('year', value, name)
        if (key.length < 4 && used < 4) fields.year = adjustYear(value)
        fields.yearDigits = key.length
        return true
      }
      case 'TZ':
        if (this.#readAbbreviation(name)) return false
        this.#readOffset(node, n)
        return false
      case 'OF':
        this.#readOffset(node, n)
        return false
      case 'TZH':
        this.#readSign()
        this.#set('zoneHour', this.#number(node, n, 2).value, name)
        return false
      case 'TZM':
        if (fields.zoneSign === 0) fields.zoneSign = 1
        this.#set('zoneMinute', this.#number(node, n, 2).value, name)
        return false
    }
    return false
  }

  /** The longest beginning of the letters here that is an abbreviation; false where there are none. */
  #readAbbreviation(key: string): boolean {
    const rest = this.#text.slice(this.#at)
    const letters = /^[A-Za-z]*/.exec(rest)![0].toLowerCase()
    for (let length = letters.length; length > 0; length--) {
      const zone = zoneAbbreviation(letters.slice(0, length), this.#io)
      if (zone === undefined) continue
      this.fields.zone = zone
      this.fields.zoneSign = 0
      this.#at += length
      return true
    }
    if (letters === '') return false
    throw invalidFormat(`invalid value "${rest}" for "${key}"`, 'Time zone abbreviation is not recognized.')
  }

  #readSign(): void {
    const sign = this.#text[this.#at]
    if (sign === '+' || sign === '-' || sign === ' ') {
      this.fields.zoneSign = sign === '-' ? -1 : 1
      this.#at++
    } else {
      // A minus that was taken for a separator.
      this.fields.zoneSign = this.#skipped > 0 && this.#text[this.#at - 1] === '-' ? -1 : 1
    }
  }

  #readOffset(node: TemplateNode & { kind: 'key' }, n: number): void {
    this.#readSign()
    this.#set('zoneHour', this.#number(node, n, 2).value, node.name)
    if (this.#text[this.#at] !== ':') return
    this.#at++
    this.#set('zoneMinute', this.#number(node, n, 2).value, node.name)
  }
}

/** The year nearest to 2020 that ends so. */
function adjustYear(year: number): number {
  if (year < 70) return year + 2000
  if (year < 100) return year + 1900
  if (year < 520) return year + 2000
  return year < 1000 ? year + 1000 : year
}

const LEAST_YEAR = -4713
const MOST_YEAR = 5874898

interface Resolved {
  readonly year: number
  readonly days: number
  readonly time: number
  /** West of Greenwich less than nothing; null: none was given. */
  readonly offset: number | null
}

/** Day and time that the fields mean; `text` for errors. */
function resolve(f: Fields, text: string): Resolved {
  const hour24 = f.hour !== 0 ? f.hour : Math.floor(f.secondOfDay / 3600)
  const minute = f.minute !== 0 ? f.minute : Math.trunc((f.secondOfDay % 3600) / 60)
  const second = f.second !== 0 ? f.second : f.secondOfDay % 60
  let hour = hour24
  if (f.clock12) {
    if (hour < 1 || hour > 12) {
      throw invalidFormat(
        `hour "${hour}" is invalid for the 12-hour clock`,
        undefined,
        'Use the 24-hour clock, or give an hour between 1 and 12.',
      )
    }
    hour = f.pm !== 0 ? (hour < 12 ? hour + 12 : hour) : hour === 12 ? 0 : hour
  }
  const date = resolveDate(f, text)
  const micros = f.millis * 1000 + f.micros
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || micros < 0 || micros >= USECS_PER_SEC)
    throw outOfRange(text)
  const time = ((hour * 60 + minute) * 60 + second) * USECS_PER_SEC + micros
  const days = daysFromCivil(date.year, date.month, 1) + date.day - 1
  let offset: number | null = null
  if (f.zoneSign !== 0) {
    if (f.zoneHour < 0 || f.zoneHour > 15 || f.zoneMinute < 0 || f.zoneMinute > 59)
      throw new PgError(SQLSTATE.invalidTimeZoneDisplacementValue, `time zone displacement out of range: "${text}"`)
    offset = f.zoneSign * (f.zoneHour * 60 + f.zoneMinute) * 60
  } else if (f.zone !== null) offset = offsetAtLocal(f.zone, (days + EPOCH_DAYS) * 86400 + Math.floor(time / USECS_PER_SEC))
  return { year: date.year, days, time, offset }
}

function resolveDate(f: Fields, text: string): { year: number; month: number; day: number } {
  let hasYear = f.year !== 0 || f.century !== 0
  let year = 0
  const century = f.bc !== 0 ? -f.century : f.century
  if (f.year !== 0 && f.century !== 0 && f.yearDigits <= 2) {
    const rest = f.year % 100
    if (rest === 0) year = century * 100 + (century >= 0 ? 0 : 1)
    else year = century >= 0 ? rest + (century - 1) * 100 : (century + 1) * 100 - rest + 1
  } else if (f.year !== 0) {
    year = f.bc !== 0 ? -f.year : f.year
    if (year < 0) year++
  } else if (f.century !== 0) year = century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1
  let month = 1
  let day = 1
  let hasMonth = false
  let hasDay = false
  const whole = (days: number): void => {
    ;({ year, month, day } = civilFromDays(days))
    hasYear = hasMonth = hasDay = true
  }
  if (f.julian !== 0) whole(f.julian - POSTGRES_JDATE)
  let { dayOfYear } = f
  if (f.week !== 0) {
    if (f.mode === 'iso') {
      const weekday = f.dayOfWeek === 0 ? 0 : f.dayOfWeek > 1 ? f.dayOfWeek - 2 : 6
      whole(isoYearStart(year) + (f.week - 1) * 7 + weekday)
    } else dayOfYear = checkInt((f.week - 1) * 7 + 1, text)
  }
  const givenDay = f.weekOfMonth !== 0 ? checkInt((f.weekOfMonth - 1) * 7 + 1, text) : f.day
  if (givenDay !== 0) {
    day = givenDay
    hasDay = true
  }
  if (f.month !== 0) {
    month = f.month
    hasMonth = true
  }
  if (dayOfYear !== 0 && (month <= 1 || day <= 1)) {
    if (year === 0 && f.bc === 0) throw invalidFormat('cannot calculate day of year without year information')
    if (f.mode === 'iso') whole(isoYearStart(year) + dayOfYear - 1)
    else {
      let before = 0
      let i = 1
      for (; i < 12 && dayOfYear > before + daysInMonth(year, i); i++) before += daysInMonth(year, i)
      if (dayOfYear > before + daysInMonth(year, i)) {
        before += daysInMonth(year, i)
        i++
      }
      if (month <= 1) month = i
      if (day <= 1) day = dayOfYear - before
      hasMonth = hasDay = true
    }
  }
  if (hasMonth && (month < 1 || month > 12)) throw outOfRange(text)
  if (hasDay && (day < 1 || day > 31)) throw outOfRange(text)
  if (hasYear && hasMonth && hasDay && day > daysInMonth(year, month)) throw outOfRange(text)
  return { year, month, day }
}

function checkInt(value: number, text: string): number {
  if (value < -2147483648 || value > 2147483647) throw outOfRange(text)
  return value
}

const isReckonable = ({ year }: Resolved): boolean => year >= LEAST_YEAR && year < MOST_YEAR

export function toDate(text: string, format: string, ctx: EvalContext): number {
  const resolved = resolve(new Reader(text, templateOf(format), ctx.io).read(), text)
  if (!isReckonable(resolved) || !isValidDate(resolved.days))
    throw new PgError(SQLSTATE.datetimeValueOutOfRange, `date out of range: "${text}"`)
  return resolved.days
}

export function toTimestamp(text: string, format: string, ctx: EvalContext): Micros {
  const fields = new Reader(text, templateOf(format), ctx.io).read()
  const resolved = resolve(fields, text)
  const { days, time } = resolved
  const tooFar = (): PgError => new PgError(SQLSTATE.datetimeValueOutOfRange, 'timestamp out of range')
  if (!isReckonable(resolved)) throw tooFar()
  const unix = (days + EPOCH_DAYS) * 86400 + Math.floor(time / USECS_PER_SEC)
  const offset = resolved.offset ?? offsetAtLocal(sessionZone(ctx.io.timeZone), unix)
  const rounded = fields.fractionDigits === 0 ? time : roundTo(time, fields.fractionDigits)
  const value = joinTimestamp(days, rounded - offset * USECS_PER_SEC)
  if (!isValidTimestamp(value)) throw tooFar()
  return value
}

const roundTo = (micros: number, digits: number): number => Math.round(micros / 10 ** (6 - digits)) * 10 ** (6 - digits)
