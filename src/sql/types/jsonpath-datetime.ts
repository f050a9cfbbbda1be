// Dates and times among jsonpath's items: .datetime(), .date(), .time(), .time_tz(), .timestamp(), .timestamp_tz(), their order and their text.
//
// JSON has no such values: they live between two steps of a path and are text again in its result (`plainItem`).

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { isFiniteMicros, joinTimestamp, roundMicros, roundTimestamp, TimeTz, timestampDays, timestampTime } from './datetime.ts'
import { formatDate, formatTime, formatTimestamp, localParts, offsetOf, xsdOffset } from './datetime-format.ts'
import { dateToTimestamp, dateToTimestampTz, fromLocal, toLocal } from './datetime-math.ts'
import { compareTimeTz, parseDate, parseTime, parseTimestamp, parseTimeTz } from './datetime-types.ts'
import { TEXT_IO } from './define.ts'
import type { EvalContext, Micros } from './eval-context.ts'
import type { JsonbValue } from './jsonb.ts'
import { sessionZone } from './timezone.ts'
import { zoneAbbreviation } from './timezone-abbreviations.ts'
import type { Present } from './type.ts'

export type DatetimeKind = 'date' | 'time' | 'timetz' | 'timestamp' | 'timestamptz'

const TYPE_NAMES: Readonly<Record<DatetimeKind, string>> = {
  date: 'date',
  time: 'time without time zone',
  timetz: 'time with time zone',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
}
/** As messages call them. */
const SHORT_NAMES: Readonly<Record<DatetimeKind, string>> = {
  date: 'date',
  time: 'time',
  timetz: 'timetz',
  timestamp: 'timestamp',
  timestamptz: 'timestamptz',
}

export class JsonDatetime {
  readonly kind: DatetimeKind
  readonly value: number | Micros | TimeTz
  /** Seconds east of UTC that a timestamptz was written with. */
  readonly offset: number

  constructor(kind: DatetimeKind, value: number | Micros | TimeTz, offset = 0) {
    this.kind = kind
    this.value = value
    this.offset = offset
  }

  get typeName(): string {
    return TYPE_NAMES[this.kind]
  }

  /** ISO 8601, as to_json writes it. */
  get text(): string {
    switch (this.kind) {
      case 'date':
        return formatDate(this.value as number, TEXT_IO)
      case 'time':
        return formatTime(this.value as number)
      case 'timetz': {
        const { micros, zone } = this.value as TimeTz
        return formatTime(micros) + xsdOffset(-zone)
      }
      case 'timestamp':
        return formatTimestamp(this.value as Micros, TEXT_IO).replace(' ', 'T')
      default: {
        const { days, time } = localParts(this.value as Micros, this.offset)
        return formatTimestamp(joinTimestamp(days, time), TEXT_IO).replace(' ', 'T') + xsdOffset(this.offset)
      }
    }
  }
}

/** The steps of a path pass it on like any other item. */
export const datetimeItem = (datetime: JsonDatetime): JsonbValue => datetime as unknown as JsonbValue
export const isDatetime = (item: unknown): item is JsonDatetime => item instanceof JsonDatetime
/** An item of a result. */
export const plainItem = (item: JsonbValue): JsonbValue => (isDatetime(item) ? item.text : item)

const KINDS: Readonly<Record<Oid, DatetimeKind>> = {
  [T.date]: 'date',
  [T.time]: 'time',
  [T.timetz]: 'timetz',
  [T.timestamp]: 'timestamp',
  [T.timestamptz]: 'timestamptz',
}

/** A value that a path is passed as a variable; null: its type is none of these. */
export function passedDatetime(type: Oid, value: Present): JsonDatetime | null {
  const kind = KINDS[type]
  return kind === undefined ? null : new JsonDatetime(kind, value as number | Micros | TimeTz)
}

/** As SQL writes it, not JSON. */
export function sqlText({ kind, value }: JsonDatetime, ctx: EvalContext): string {
  return ctx.catalog.typeSupport(T[kind]).output(value, ctx.io)
}

const DATE = String.raw`\d{4,}-\d{1,2}-\d{1,2}`
const TIME = String.raw`\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,6})?`
const OFFSET = String.raw`([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?`
/** An abbreviation (Z is one) stands right behind the time. */
const ZONE = ` ?(?:${OFFSET})|([A-Za-z]+)`
const FORMATS: readonly (readonly [DatetimeKind, RegExp])[] = [
  ['date', new RegExp(`^${DATE}$`)],
  // Behind a time the blank is its sign: no minus may follow.
  ['timetz', new RegExp(`^${TIME}(?! -)(?:${ZONE})$`)],
  ['time', new RegExp(`^${TIME}$`)],
  ['timestamptz', new RegExp(`^${DATE}[ T]${TIME}(?:${ZONE})$`)],
  ['timestamp', new RegExp(`^${DATE}[ T]${TIME}$`)],
]

/** What a string says; null when its form is none of ISO 8601's, or there is no such day or time. */
function parse(text: string, ctx: EvalContext): JsonDatetime | null {
  try {
    return parseForm(text, ctx)
  } catch (error) {
    if (error instanceof PgError && error.code.startsWith('22')) return null
    throw error
  }
}

function parseForm(text: string, ctx: EvalContext): JsonDatetime | null {
  for (const [kind, format] of FORMATS) {
    const match = format.exec(text)
    if (match === null) continue
    switch (kind) {
      case 'date':
        return new JsonDatetime(kind, parseDate(text, ctx))
      case 'time':
        return new JsonDatetime(kind, parseTime(text, -1, ctx))
      case 'timetz':
        return new JsonDatetime(kind, parseTimeTz(text, -1, ctx))
      case 'timestamp':
        return new JsonDatetime(kind, parseTimestamp(text, -1, ctx, false))
      default: {
        const part = (at: number): number => Number(match[at] ?? 0)
        const value = parseTimestamp(text, -1, ctx, true)
        const abbreviation = match[5] === undefined ? undefined : zoneAbbreviation(match[5].toLowerCase(), ctx.io)
        const east = abbreviation === undefined ? part(2) * 3600 + part(3) * 60 + part(4) : offsetOf(value, abbreviation)
        return new JsonDatetime(kind, value, match[1] === '-' ? -east : east)
      }
    }
  }
  return null
}

const METHOD_KINDS: Readonly<Record<string, DatetimeKind>> = {
  date: 'date',
  time: 'time',
  time_tz: 'timetz',
  timestamp: 'timestamp',
  timestamp_tz: 'timestamptz',
}

/** One of the item methods applied to a string. `useTz`: the session's time zone may be asked (the functions named …_tz). */
export function datetimeMethod(name: string, text: string, precision: number | null, useTz: boolean, ctx: EvalContext): JsonDatetime {
  const found = parse(text, ctx)
  if (name === 'datetime') {
    if (found !== null) return found
    throw new PgError(SQLSTATE.invalidArgumentForSqlJsonDatetimeFunction, `datetime format is not recognized: "${text}"`, {
      hint: 'Use a datetime template argument to specify the input data format.',
    })
  }
  const kind = METHOD_KINDS[name]!
  const converted = found === null ? null : convert(found, kind, useTz, ctx)
  if (converted === null)
    throw new PgError(SQLSTATE.invalidArgumentForSqlJsonDatetimeFunction, `${name} format is not recognized: "${text}"`)
  return precision === null ? converted : rounded(converted, Math.min(precision, 6))
}

function rounded({ kind, value, offset }: JsonDatetime, digits: number): JsonDatetime {
  if (value instanceof TimeTz) return new JsonDatetime(kind, new TimeTz(roundMicros(value.micros, digits), value.zone))
  if (kind === 'time') return new JsonDatetime(kind, roundMicros(value as number, digits))
  return kind === 'date' ? new JsonDatetime(kind, value) : new JsonDatetime(kind, roundTimestamp(value, digits), offset)
}

function needZone(from: DatetimeKind, to: DatetimeKind, useTz: boolean): void {
  if (useTz) return
  throw notSupported(
    `cannot convert value from ${SHORT_NAMES[from]} to ${SHORT_NAMES[to]} without time zone usage`,
    'Use *_tz() function for time zone support.',
  )
}

const timeOf = (value: Micros): number => timestampTime(value, timestampDays(value))

/** Null: there is no such conversion. 0A000 for one that depends on the time zone where that may not be asked. */
function convert(item: JsonDatetime, to: DatetimeKind, useTz: boolean, ctx: EvalContext): JsonDatetime | null {
  const { kind: from, value } = item
  if (from === to) return item
  const zone = sessionZone(ctx.io.timeZone)
  const withOffset = (micros: Micros): JsonDatetime =>
    new JsonDatetime('timestamptz', micros, isFiniteMicros(micros) ? offsetOf(micros, zone) : 0)
  const local = (): Micros => {
    if (from !== 'timestamptz') return from === 'date' ? dateToTimestamp(value as number) : (value as Micros)
    needZone(from, to, useTz)
    return toLocal(value as Micros, zone)
  }
  switch (to) {
    case 'date':
      return from === 'time' || from === 'timetz' ? null : new JsonDatetime(to, timestampDays(local()))
    case 'timestamp':
      return from === 'time' || from === 'timetz' ? null : new JsonDatetime(to, local())
    case 'timestamptz':
      if (from === 'time' || from === 'timetz') return null
      needZone(from, to, useTz)
      return withOffset(from === 'date' ? dateToTimestampTz(value as number, zone) : fromLocal(value as Micros, zone))
    case 'time':
      if (from === 'date') return null
      if (value instanceof TimeTz) {
        needZone(from, to, useTz)
        return new JsonDatetime(to, value.micros)
      }
      return new JsonDatetime(to, timeOf(local()))
    default: {
      if (from === 'date' || from === 'timestamp') return null
      if (from === 'time') {
        needZone(from, to, useTz)
        return new JsonDatetime(to, parseTimeTz(formatTime(value as number), -1, ctx))
      }
      needZone(from, to, useTz)
      const micros = value as Micros
      return new JsonDatetime(to, new TimeTz(timeOf(toLocal(micros, zone)), -offsetOf(micros, zone)))
    }
  }
}

/** A day later than every timestamp is later than all of them. */
function comparable(item: JsonDatetime, kind: DatetimeKind, useTz: boolean, ctx: EvalContext): number | Micros | TimeTz {
  try {
    return convert(item, kind, useTz, ctx)!.value
  } catch (error) {
    if (item.kind === 'date' && error instanceof PgError && error.code === SQLSTATE.datetimeFieldOverflow) return Number.POSITIVE_INFINITY
    throw error
  }
}

const RANKS: readonly DatetimeKind[] = ['date', 'timestamp', 'timestamptz']

/** Order of two items; null when their kinds cannot be compared. */
export function compareDatetimes(a: JsonDatetime, b: JsonDatetime, useTz: boolean, ctx: EvalContext): number | null {
  const times = (one: JsonDatetime): boolean => one.kind === 'time' || one.kind === 'timetz'
  if (times(a) !== times(b)) return null
  let common: DatetimeKind
  if (times(a)) common = a.kind === b.kind ? a.kind : 'timetz'
  else common = RANKS[Math.max(RANKS.indexOf(a.kind), RANKS.indexOf(b.kind))]!
  const left = comparable(a, common, useTz, ctx)
  const right = comparable(b, common, useTz, ctx)
  if (left instanceof TimeTz || right instanceof TimeTz) return compareTimeTz(left as TimeTz, right as TimeTz)
  return left < right ? -1 : left > right ? 1 : 0
}
