// Date and time output in every DateStyle. // hot

import {
  civilFromDays,
  dayOfWeek,
  EPOCH_DAYS,
  EPOCH_SECONDS,
  type TimeTz,
  timestampDays,
  timestampTime,
  tmFromParts,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import type { IoSettings, Micros } from './eval-context.ts'
import { offsetText, sessionZone, type TimeZone } from './timezone.ts'
import { abbreviationFor } from './timezone-abbreviations.ts'

const TWO: string[] = []
for (let i = 0; i < 100; i++) TWO.push(i < 10 ? `0${i}` : String(i))
export const two = (n: number): string => TWO[n] ?? String(n)
export const SHORT_MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
export const SHORT_DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

const four = (year: number): string => (year >= 1000 ? String(year) : String(year).padStart(4, '0'))

/** `.5` for 500000; nothing for 0. */
export function fractionText(micros: number): string {
  if (micros === 0) return ''
  let text = String(micros + 1_000_000).slice(1)
  let end = 6
  while (text.charCodeAt(end - 1) === 48) end--
  if (end < 6) text = text.slice(0, end)
  return `.${text}`
}

function dateText(year: number, month: number, day: number, io: IoSettings): string {
  const y = four(year > 0 ? year : 1 - year)
  switch (io.dateStyle) {
    case 'ISO':
      return `${y}-${two(month)}-${two(day)}`
    case 'SQL':
      return io.dateOrder === 'DMY' ? `${two(day)}/${two(month)}/${y}` : `${two(month)}/${two(day)}/${y}`
    case 'German':
      return `${two(day)}.${two(month)}.${y}`
    default:
      return io.dateOrder === 'DMY' ? `${two(day)}-${two(month)}-${y}` : `${two(month)}-${two(day)}-${y}`
  }
}

export function formatDate(days: number, io: IoSettings): string {
  if (days === Infinity) return 'infinity'
  if (days === -Infinity) return '-infinity'
  const { year, month, day } = civilFromDays(days)
  const text = dateText(year, month, day, io)
  return year > 0 ? text : `${text} BC`
}

export function formatTime(micros: number): string {
  const seconds = Math.floor(micros / USECS_PER_SEC)
  const hour = Math.floor(seconds / 3600)
  const rest = seconds - hour * 3600
  const minute = Math.floor(rest / 60)
  return `${two(hour)}:${two(minute)}:${two(rest - minute * 60)}${fractionText(micros - seconds * USECS_PER_SEC)}`
}

export function formatTimeTz(value: TimeTz): string {
  return formatTime(value.micros) + offsetText(-value.zone)
}

/** 0001-01-01: from here on years need no BC. */
const MIN_PLAIN_DAYS = -730119
// Neighbouring rows often share their day.
let isoDays = Number.NaN
let isoText = ''

/** Of a local day and time. */
const unixSeconds = (days: number, time: number, offset: number): number =>
  (days + EPOCH_DAYS) * 86400 + Math.floor(time / USECS_PER_SEC) - offset

function format(days: number, time: number, io: IoSettings, zone: TimeZone | null, offset: number): string {
  const clock = formatTime(time)
  if (io.dateStyle === 'ISO' && days >= MIN_PLAIN_DAYS) {
    if (days !== isoDays) {
      isoDays = days
      const { year, month, day } = civilFromDays(days)
      isoText = `${four(year)}-${two(month)}-${two(day)} `
    }
    return zone === null ? isoText + clock : isoText + clock + offsetText(offset)
  }
  const { year, month, day } = civilFromDays(days)
  let text: string
  if (io.dateStyle === 'ISO') {
    text = `${four(year > 0 ? year : 1 - year)}-${two(month)}-${two(day)} ${clock}`
    if (zone !== null) text += offsetText(offset)
  } else if (io.dateStyle === 'Postgres') {
    const middle = io.dateOrder === 'DMY' ? `${two(day)} ${SHORT_MONTHS[month - 1]}` : `${SHORT_MONTHS[month - 1]} ${two(day)}`
    text = `${SHORT_DAYS[dayOfWeek(days)]} ${middle} ${clock} ${four(year > 0 ? year : 1 - year)}`
    if (zone !== null) text += ` ${abbreviationFor(zone, offset, unixSeconds(days, time, offset))}`
  } else {
    text = `${dateText(year, month, day, io)} ${clock}`
    if (zone !== null) text += ` ${abbreviationFor(zone, offset, unixSeconds(days, time, offset))}`
  }
  return year > 0 ? text : `${text} BC`
}

export function formatTimestamp(value: Micros, io: IoSettings): string {
  if (value === Infinity) return 'infinity'
  if (value === -Infinity) return '-infinity'
  const days = timestampDays(value)
  return format(days, timestampTime(value, days), io, null, 0)
}

/** `+05:30`: always with minutes, as XML Schema wants it. */
export function xsdOffset(offset: number): string {
  const a = Math.abs(offset)
  const two = (n: number): string => String(n).padStart(2, '0')
  const s = a % 60
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(a / 3600))}:${two(Math.floor((a % 3600) / 60))}${s === 0 ? '' : `:${two(s)}`}`
}

/** Offset of `zone` at a timestamptz. */
export function offsetOf(value: Micros, zone: TimeZone): number {
  if (zone.fixed !== null) return zone.fixed
  return zone.offsetAt(unixSecondsOf(value))
}

export function unixSecondsOf(value: Micros): number {
  return (typeof value === 'number' ? Math.floor(value / USECS_PER_SEC) : Number(value / 1_000_000n)) + EPOCH_SECONDS
}

/** Local day and time of a timestamptz in `zone`. */
export function localParts(value: Micros, offset: number): { days: number; time: number } {
  let days = timestampDays(value)
  let time = timestampTime(value, days) + offset * USECS_PER_SEC
  if (time < 0) {
    days--
    time += USECS_PER_DAY
  } else if (time >= USECS_PER_DAY) {
    days++
    time -= USECS_PER_DAY
  }
  return { days, time }
}

export function formatTimestampTz(value: Micros, io: IoSettings): string {
  if (value === Infinity) return 'infinity'
  if (value === -Infinity) return '-infinity'
  const zone = sessionZone(io.timeZone)
  const offset = offsetOf(value, zone)
  const { days, time } = localParts(value, offset)
  return format(days, time, io, zone, offset)
}

/** timeofday()'s form: `Wed Feb 26 13:09:56.123456 2025 CET`. */
export function formatTimeOfDay(value: Micros, timeZone: string): string {
  const zone = sessionZone(timeZone)
  const offset = offsetOf(value, zone)
  const { days, time } = localParts(value, offset)
  const tm = tmFromParts(days, time)
  return `${SHORT_DAYS[dayOfWeek(days)]} ${SHORT_MONTHS[tm.month - 1]} ${two(tm.day)} ${two(tm.hour)}:${two(tm.minute)}:${two(tm.second)}.${String(tm.micros).padStart(6, '0')} ${tm.year} ${abbreviationFor(zone, offset, unixSeconds(days, time, offset))}`
}
