// TypeSupport of range and multirange types, composed from the subtype's: text with PostgreSQL's quoting, binary, rows and keys.

import { ByteWriter } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { defineType } from './define.ts'
import type { EvalContext, IoSettings } from './eval-context.ts'
import {
  compareMultiranges,
  compareRanges,
  emptyRange,
  MultirangeDatum,
  makeMultirange,
  makeRange,
  RangeDatum,
  type RangeInfo,
} from './range.ts'
import type { Present, TypeSupport } from './type.ts'
import { readVarint, readVarintSize, writeVarint } from './varint.ts'

const EMPTY = 0x01
const LB_INC = 0x02
const UB_INC = 0x04
const LB_INF = 0x08
const UB_INF = 0x10

export const rangeFlags = (r: RangeDatum): number =>
  r.empty ? EMPTY : (r.lower === null ? LB_INF : r.lowerInc ? LB_INC : 0) | (r.upper === null ? UB_INF : r.upperInc ? UB_INC : 0)

const isSpace = (c: string | undefined): boolean => c !== undefined && /[ \t\n\v\f\r]/.test(c)

interface Cursor {
  readonly text: string
  at: number
}

function skipSpace(cursor: Cursor): void {
  while (isSpace(cursor.text[cursor.at])) cursor.at++
}

/** A bound's text, null when there is none. */
function parseBound(cursor: Cursor, fail: (detail: string) => PgError): string | null {
  const { text } = cursor
  if (',)]'.includes(text[cursor.at] ?? ' ')) return null
  let value = ''
  let quoted = false
  for (;;) {
    const c = text[cursor.at]
    if (c === undefined) throw fail('Unexpected end of input.')
    if (!quoted && (c === ',' || c === ')' || c === ']')) return value
    cursor.at++
    if (c === '\\') {
      const escaped = text[cursor.at++]
      if (escaped === undefined) throw fail('Unexpected end of input.')
      value += escaped
    } else if (c === '"') {
      if (!quoted) quoted = true
      else if (text[cursor.at] === '"') {
        value += '"'
        cursor.at++
      } else quoted = false
    } else value += c
  }
}

function parseRange(info: RangeInfo, cursor: Cursor, whole: string, ctx: EvalContext): RangeDatum {
  const { text } = cursor
  const fail = (detail: string): PgError =>
    new PgError(SQLSTATE.invalidTextRepresentation, `malformed range literal: "${whole}"`, { detail })
  skipSpace(cursor)
  if (text.slice(cursor.at, cursor.at + 5).toLowerCase() === 'empty') {
    cursor.at += 5
    skipSpace(cursor)
    if (cursor.at < text.length) throw fail('Junk after "empty" key word.')
    return emptyRange(info)
  }
  const open = text[cursor.at]
  if (open !== '[' && open !== '(') throw fail('Missing left parenthesis or bracket.')
  cursor.at++
  const lower = parseBound(cursor, fail)
  if (text[cursor.at] !== ',') throw fail('Missing comma after lower bound.')
  cursor.at++
  const upper = parseBound(cursor, fail)
  const close = text[cursor.at]
  if (close !== ']' && close !== ')') throw fail('Too many commas.')
  cursor.at++
  skipSpace(cursor)
  if (cursor.at < text.length) throw fail('Junk after right parenthesis or bracket.')
  const bound = (value: string | null): Present | null => (value === null ? null : info.support.input(value, -1, ctx))
  return makeRange(info, bound(lower), bound(upper), open === '[', close === ']')
}

function escapeBound(text: string): string {
  return text === '' || /["\\()[\],\s]/.test(text) ? `"${text.replace(/["\\]/g, '$&$&')}"` : text
}

export function formatRange(r: RangeDatum, io: IoSettings): string {
  if (r.empty) return 'empty'
  const bound = (value: Present | null): string => (value === null ? '' : escapeBound(r.info.support.output(value, io)))
  return `${r.lowerInc ? '[' : '('}${bound(r.lower)},${bound(r.upper)}${r.upperInc ? ']' : ')'}`
}

const scratch: ByteWriter[] = []

/** A length and what `write` puts behind it, through a borrowed writer (ranges nest). */
function writeCounted(out: ByteWriter, length: (size: number) => void, write: (inner: ByteWriter) => void): void {
  const inner = scratch.pop() ?? new ByteWriter(64)
  write(inner.reset())
  length(inner.length)
  out.bytes(inner.view())
  scratch.push(inner)
}

function sendRange(r: RangeDatum, out: ByteWriter): void {
  out.u8(rangeFlags(r))
  for (const bound of [r.lower, r.upper]) {
    if (bound === null) continue
    writeCounted(
      out,
      (size) => out.i32(size),
      (inner) => r.info.support.send(bound, inner),
    )
  }
}

const shortMessage = (): PgError => new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')

function receiveRange(info: RangeInfo, buffer: Buffer, start: number, end: number, ctx: EvalContext): RangeDatum {
  if (end - start < 1) throw shortMessage()
  const flags = buffer[start]! & (EMPTY | LB_INC | LB_INF | UB_INC | UB_INF)
  let at = start + 1
  const bound = (absent: number): Present | null => {
    if ((flags & (EMPTY | absent)) !== 0) return null
    if (end - at < 4) throw shortMessage()
    const length = buffer.readInt32BE(at)
    if (length < 0 || end - at - 4 < length) throw shortMessage()
    at += 4 + length
    return info.support.receive(buffer, at - length, at, -1, ctx)
  }
  const lower = bound(LB_INF)
  const upper = bound(UB_INF)
  if (at !== end) throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'incorrect binary data format')
  return (flags & EMPTY) !== 0 ? emptyRange(info) : makeRange(info, lower, upper, (flags & LB_INC) !== 0, (flags & UB_INC) !== 0)
}

function writeValue(r: RangeDatum, out: ByteWriter): void {
  out.u8(rangeFlags(r))
  for (const bound of [r.lower, r.upper]) {
    if (bound === null) continue
    writeCounted(
      out,
      (size) => writeVarint(out, size),
      (inner) => r.info.support.value.write(bound, inner),
    )
  }
}

function readValue(info: RangeInfo, buffer: Buffer, start: number): { range: RangeDatum; end: number } {
  const flags = buffer[start]!
  let at = start + 1
  const bound = (absent: number): Present | null => {
    if ((flags & (EMPTY | absent)) !== 0) return null
    const length = readVarint(buffer, at)
    at += readVarintSize(buffer, at) + length
    return info.support.value.read(buffer, at - length, at)
  }
  const lower = bound(LB_INF)
  const upper = bound(UB_INF)
  const range = new RangeDatum(info, (flags & EMPTY) !== 0, lower, upper, (flags & LB_INC) !== 0, (flags & UB_INC) !== 0)
  return { range, end: at }
}

// Key: 0 = empty; 1, then the lower bound (0 = unbounded; 1, key, 0 inclusive | 1 exclusive), then the upper one (1, key, 0 exclusive |
// 1 inclusive; 2 = unbounded).
function writeKey(r: RangeDatum, out: ByteWriter): void {
  if (r.empty) {
    out.u8(0)
    return
  }
  out.u8(1)
  const key = r.info.support.key!
  if (r.lower === null) out.u8(0)
  else {
    out.u8(1)
    key.write(r.lower, out)
    out.u8(r.lowerInc ? 0 : 1)
  }
  if (r.upper === null) out.u8(2)
  else {
    out.u8(1)
    key.write(r.upper, out)
    out.u8(r.upperInc ? 1 : 0)
  }
}

function skipKey(info: RangeInfo, buffer: Buffer, start: number): number {
  if (buffer[start] === 0) return start + 1
  let at = start + 1
  for (let side = 0; side < 2; side++) at = buffer[at] === 1 ? info.support.key!.skip(buffer, at + 1) + 1 : at + 1
  return at
}

function hashKeyOf(r: RangeDatum): string {
  const bound = (value: Present | null): string => {
    if (value === null) return ''
    const text = String(r.info.support.hashKey!(value))
    return `${text.length}:${text}`
  }
  return `${rangeFlags(r)};${bound(r.lower)};${bound(r.upper)}`
}

const rangeSize = (r: RangeDatum): number =>
  96 + (r.lower === null ? 0 : r.info.support.size(r.lower)) + (r.upper === null ? 0 : r.info.support.size(r.upper))

export function rangeTypeSupport(info: RangeInfo): TypeSupport {
  return defineType<RangeDatum>({
    input: (text, _typmod, ctx) => parseRange(info, { text, at: 0 }, text, ctx),
    output: formatRange,
    receive: (buffer, start, end, _typmod, ctx) => receiveRange(info, buffer, start, end, ctx),
    send: sendRange,
    compare: compareRanges,
    hashKey: hashKeyOf,
    size: rangeSize,
    value: { write: writeValue, read: (buffer, start) => readValue(info, buffer, start).range },
    key:
      info.support.key === null
        ? null
        : {
            write: writeKey,
            skip: (buffer, start) => skipKey(info, buffer, start),
            // The row is read: subtypes may lose digits in keys.
            read: () => undefined,
            lossless: false,
          },
  })
}

/** The text of each range between the braces, and where an error stands. */
function parseMultirange(info: RangeInfo, text: string, ctx: EvalContext): MultirangeDatum {
  const fail = (detail: string): PgError =>
    new PgError(SQLSTATE.invalidTextRepresentation, `malformed multirange literal: "${text}"`, { detail })
  const ranges: RangeDatum[] = []
  let at = 0
  const skip = (): void => {
    while (isSpace(text[at])) at++
  }
  skip()
  if (text[at] !== '{') throw fail('Missing left brace.')
  at++
  skip()
  let closed = false
  if (text[at] === '}') {
    at++
    closed = true
  }
  while (!closed) {
    skip()
    const start = at
    if (text[at] === undefined) throw fail('Unexpected end of input.')
    if (text.slice(at, at + 5).toLowerCase() === 'empty') at += 5
    else {
      if (text[at] !== '[' && text[at] !== '(') throw fail('Expected range start.')
      let quoted = false
      for (at++; ; at++) {
        const c = text[at]
        if (c === undefined) throw fail('Unexpected end of input.')
        if (c === '\\') at++
        else if (c === '"') quoted = !quoted
        else if (!quoted && (c === ')' || c === ']')) break
      }
      at++
    }
    const part = text.slice(start, at)
    ranges.push(parseRange(info, { text: part, at: 0 }, part, ctx))
    skip()
    if (text[at] === undefined) throw fail('Unexpected end of input.')
    if (text[at] === '}') closed = true
    else if (text[at] !== ',') throw fail('Expected comma or end of multirange.')
    at++
  }
  skip()
  if (at < text.length) throw fail('Junk after closing right brace.')
  return makeMultirange(info, ranges)
}

export function multirangeTypeSupport(info: RangeInfo): TypeSupport {
  return defineType<MultirangeDatum>({
    input: (text, _typmod, ctx) => parseMultirange(info, text, ctx),
    output: (value, io) => `{${value.ranges.map((range) => formatRange(range, io)).join(',')}}`,
    receive(buffer, start, end, _typmod, ctx) {
      if (end - start < 4) throw shortMessage()
      const count = buffer.readInt32BE(start)
      const ranges: RangeDatum[] = []
      let at = start + 4
      for (let i = 0; i < count; i++) {
        if (end - at < 4) throw shortMessage()
        const length = buffer.readInt32BE(at)
        if (length < 0 || end - at - 4 < length) throw shortMessage()
        at += 4 + length
        ranges.push(receiveRange(info, buffer, at - length, at, ctx))
      }
      if (at !== end) throw new PgError(SQLSTATE.invalidBinaryRepresentation, 'incorrect binary data format')
      return makeMultirange(info, ranges)
    },
    send(value, out) {
      out.i32(value.ranges.length)
      for (const range of value.ranges)
        writeCounted(
          out,
          (size) => out.i32(size),
          (inner) => sendRange(range, inner),
        )
    },
    compare: compareMultiranges,
    hashKey: (value) => value.ranges.map(hashKeyOf).join('|'),
    size: (value) => value.ranges.reduce((sum, range) => sum + rangeSize(range), 96),
    value: {
      write(value, out) {
        for (const range of value.ranges) writeValue(range, out)
      },
      read(buffer, start, end) {
        const ranges: RangeDatum[] = []
        for (let at = start; at < end; ) {
          const found = readValue(info, buffer, at)
          ranges.push(found.range)
          at = found.end
        }
        return new MultirangeDatum(info, ranges)
      },
    },
    key:
      info.support.key === null
        ? null
        : {
            write(value, out) {
              for (const range of value.ranges) writeKey(range, out)
              out.u8(0)
            },
            // No range within is empty: 0 ends the list.
            skip(buffer, start) {
              let at = start
              while (buffer[at] !== 0) at = skipKey(info, buffer, at)
              return at + 1
            },
            read: () => undefined,
            lossless: false,
          },
  })
}
