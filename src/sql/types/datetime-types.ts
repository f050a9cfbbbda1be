// TypeSupport of date, time, timetz, timestamp, timestamptz and interval.

import type { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import {
  checkTimestamp,
  daysFromCivil,
  EPOCH_DAYS,
  isValidDate,
  isValidTimestamp,
  joinTimestamp,
  roundMicros,
  roundTimestamp,
  TimeTz,
  timeFromTm,
  USECS_PER_DAY,
  USECS_PER_SEC,
} from './datetime.ts'
import { formatDate, formatTime, formatTimestamp, formatTimestampTz, formatTimeTz } from './datetime-format.ts'
import { currentLocal, decodeDatetime, localSeconds } from './datetime-parse.ts'
import { binaryLength, defineType } from './define.ts'
import type { EvalContext, Micros } from './eval-context.ts'
import { readInt64, writeInt64 } from './int64.ts'
import {
  applyIntervalTypmod,
  compareInterval,
  INTERVAL_INF,
  INTERVAL_NEG_INF,
  type Interval,
  intervalSpan,
  isInfInterval,
  makeInterval,
} from './interval.ts'
import { formatInterval, parseInterval } from './interval-text.ts'
import { offsetAtLocal, sessionZone } from './timezone.ts'
import type { TypeFamily } from './type.ts'

const compareNumbers = (a: Micros, b: Micros): number => (a < b ? -1 : a > b ? 1 : 0)

const outOfRange = (what: string, text: string): PgError => new PgError(SQLSTATE.datetimeValueOutOfRange, `${what} out of range: "${text}"`)

export function parseDate(text: string, ctx: EvalContext): number {
  const decoded = decodeDatetime(text, 'date', ctx)
  switch (decoded.kind) {
    case 'infinity':
      return Infinity
    case '-infinity':
      return -Infinity
    case 'epoch':
      return -EPOCH_DAYS
    default: {
      const { year, month, day } = decoded.tm
      const days = daysFromCivil(year, month, day)
      if (!isValidDate(days)) throw outOfRange('date', text)
      return days
    }
  }
}

export function parseTimestamp(text: string, typmod: number, ctx: EvalContext, withZone: boolean): Micros {
  const decoded = decodeDatetime(text, withZone ? 'timestamp with time zone' : 'timestamp', ctx)
  switch (decoded.kind) {
    case 'infinity':
      return Infinity
    case '-infinity':
      return -Infinity
    case 'epoch':
      return -EPOCH_DAYS * USECS_PER_DAY
    default: {
      const { tm } = decoded
      const days = daysFromCivil(tm.year, tm.month, tm.day)
      let micros = timeFromTm(tm)
      if (withZone) micros -= (decoded.offset ?? offsetAtLocal(sessionZone(ctx.io.timeZone), localSeconds(tm))) * USECS_PER_SEC
      const value = roundTimestamp(joinTimestamp(days, micros), typmod)
      if (!isValidTimestamp(value)) throw outOfRange('timestamp', text)
      return value
    }
  }
}

export function parseTime(text: string, typmod: number, ctx: EvalContext): number {
  return roundMicros(timeFromTm(decodeDatetime(text, 'time', ctx, true).tm), typmod)
}

export function parseTimeTz(text: string, typmod: number, ctx: EvalContext): TimeTz {
  const decoded = decodeDatetime(text, 'time with time zone', ctx, true)
  let offset = decoded.offset
  if (offset === null) {
    // Without a date, the session's zone as of today decides about daylight saving time.
    const tm = decoded.hasDate ? decoded.tm : { ...decoded.tm, ...datePart(ctx) }
    offset = offsetAtLocal(sessionZone(ctx.io.timeZone), localSeconds(tm))
  }
  return new TimeTz(roundMicros(timeFromTm(decoded.tm), typmod), -offset)
}

function datePart(ctx: EvalContext): { year: number; month: number; day: number } {
  const { year, month, day } = currentLocal(ctx).tm
  return { year, month, day }
}

export function compareTimeTz(a: TimeTz, b: TimeTz): number {
  const x = a.micros + a.zone * USECS_PER_SEC
  const y = b.micros + b.zone * USECS_PER_SEC
  return x !== y ? (x < y ? -1 : 1) : a.zone - b.zone
}

const MIN_INT = -2147483648
const MAX_INT = 2147483647

const date = defineType<number>({
  input: (text, _typmod, ctx) => parseDate(text, ctx),
  output: formatDate,
  receive(buffer, start, end) {
    binaryLength(end - start, 4)
    const days = buffer.readInt32BE(start)
    if (days === MAX_INT) return Infinity
    if (days === MIN_INT) return -Infinity
    if (!isValidDate(days)) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'date out of range')
    return days
  },
  send: (value, out) => out.i32(dateInt(value)),
  compare: compareNumbers,
  hashKey: (value) => value,
  size: () => 8,
  value: { write: (value, out) => out.i32(dateInt(value)), read: (buffer, start) => fromDateInt(buffer.readInt32BE(start)) },
  key: {
    write: (value, out) => out.u32(dateInt(value) ^ MIN_INT),
    skip: (_buffer, start) => start + 4,
    read: (buffer, start) => fromDateInt(buffer.readInt32BE(start) ^ MIN_INT),
    lossless: true,
  },
})

function dateInt(days: number): number {
  return days === Infinity ? MAX_INT : days === -Infinity ? MIN_INT : days
}

function fromDateInt(n: number): number {
  return n === MAX_INT ? Infinity : n === MIN_INT ? -Infinity : n
}

/** Microseconds of a day, five bytes. */
const timeBytes = {
  write(value: number, out: ByteWriter): void {
    out.reserve(5)
    out.length = out.buffer.writeUIntBE(value, out.length, 5)
  },
  read: (buffer: Buffer, start: number): number => buffer.readUIntBE(start, 5),
}

function receiveTime(buffer: Buffer, start: number): number {
  const value = readInt64(buffer, start, false, false)
  if (value < 0 || value > USECS_PER_DAY) throw new PgError(SQLSTATE.datetimeValueOutOfRange, 'time out of range')
  return value as number
}

const time = defineType<number>({
  input: parseTime,
  output: formatTime,
  receive(buffer, start, end, typmod) {
    binaryLength(end - start, 8)
    return roundMicros(receiveTime(buffer, start), typmod)
  },
  send: (value, out) => writeInt64(out, value, false),
  compare: compareNumbers,
  hashKey: (value) => value,
  size: () => 8,
  value: timeBytes,
  key: { ...timeBytes, skip: (_buffer, start) => start + 5, lossless: true },
})

const timetz = defineType<TimeTz>({
  input: parseTimeTz,
  output: formatTimeTz,
  receive(buffer, start, end, typmod) {
    binaryLength(end - start, 12)
    const micros = receiveTime(buffer, start)
    const zone = buffer.readInt32BE(start + 8)
    if (Math.abs(zone) >= 16 * 3600) throw new PgError(SQLSTATE.invalidTimeZoneDisplacementValue, 'time zone displacement out of range')
    return new TimeTz(roundMicros(micros, typmod), zone)
  },
  send(value, out) {
    writeInt64(out, value.micros, false)
    out.i32(value.zone)
  },
  compare: compareTimeTz,
  hashKey: (value) => `${value.micros + value.zone * USECS_PER_SEC}:${value.zone}`,
  size: () => 40,
  value: {
    write(value, out) {
      timeBytes.write(value.micros, out)
      out.i32(value.zone)
    },
    read: (buffer, start) => new TimeTz(timeBytes.read(buffer, start), buffer.readInt32BE(start + 5)),
  },
  key: {
    write(value, out) {
      writeInt64(out, value.micros + value.zone * USECS_PER_SEC, true)
      out.u32(value.zone ^ MIN_INT)
    },
    skip: (_buffer, start) => start + 12,
    read(buffer, start) {
      const zone = buffer.readInt32BE(start + 8) ^ MIN_INT
      return new TimeTz((readInt64(buffer, start, true, false) as number) - zone * USECS_PER_SEC, zone)
    },
    lossless: true,
  },
})

function timestampType(withZone: boolean) {
  return defineType<Micros>({
    input: (text, typmod, ctx) => parseTimestamp(text, typmod, ctx, withZone),
    output: withZone ? formatTimestampTz : formatTimestamp,
    writeText(value, out, io) {
      const text = withZone ? formatTimestampTz(value, io) : formatTimestamp(value, io)
      out.reserve(text.length)
      out.length += out.buffer.latin1Write(text, out.length)
    },
    receive(buffer, start, end, typmod) {
      binaryLength(end - start, 8)
      const value = readInt64(buffer, start, false, true)
      if (value !== Infinity && value !== -Infinity) checkTimestamp(value)
      return roundTimestamp(value, typmod)
    },
    send: (value, out) => writeInt64(out, value, false),
    compare: compareNumbers,
    hashKey: (value) => value,
    size: () => 16,
    value: { write: (value, out) => writeInt64(out, value, false), read: (buffer, start) => readInt64(buffer, start, false, true) },
    key: {
      write: (value, out) => writeInt64(out, value, true),
      skip: (_buffer, start) => start + 8,
      read: (buffer, start) => readInt64(buffer, start, true, true),
      lossless: true,
    },
  })
}

function writeInterval(value: Interval, out: ByteWriter): void {
  const infinite = isInfInterval(value)
  const extreme = value.months > 0 ? MAX_INT : MIN_INT
  writeInt64(out, value.micros, false)
  out.i32(infinite ? extreme : value.days)
  out.i32(infinite ? extreme : value.months)
}

function readInterval(buffer: Buffer, start: number): Interval {
  const micros = readInt64(buffer, start, false, false)
  const days = buffer.readInt32BE(start + 8)
  const months = buffer.readInt32BE(start + 12)
  if (months === MAX_INT && days === MAX_INT && micros === 9223372036854775807n) return INTERVAL_INF
  if (months === MIN_INT && days === MIN_INT && micros === -9223372036854775808n) return INTERVAL_NEG_INF
  return makeInterval(months, days, micros)
}

const SPAN_BIAS = 1n << 95n
const SPAN_INF = SPAN_BIAS - 1n

const interval = defineType<Interval>({
  input: (text, typmod, ctx) => parseInterval(text, typmod, ctx.io.intervalStyle),
  output: (value, io) => formatInterval(value, io.intervalStyle),
  receive(buffer, start, end, typmod) {
    binaryLength(end - start, 16)
    return applyIntervalTypmod(readInterval(buffer, start), typmod)
  },
  send: writeInterval,
  compare: compareInterval,
  hashKey: intervalSpan,
  size: () => 48,
  value: { write: writeInterval, read: readInterval },
  key: {
    // The span, twelve bytes with the sign flipped.
    write(value, out) {
      const span = intervalSpan(value)
      const biased = (span === Infinity ? SPAN_INF : span === -Infinity ? -SPAN_BIAS : BigInt(span)) + SPAN_BIAS
      out.u32(Number(biased >> 64n))
      out.u64(biased & 0xffffffffffffffffn)
    },
    skip: (_buffer, start) => start + 12,
    read: () => undefined,
    lossless: false,
  },
})

export const datetimeTypes: TypeFamily = { date, time, timetz, timestamp: timestampType(false), timestamptz: timestampType(true), interval }
