// COPY's text format: tab-separated lines with backslash escapes. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { checkUtf8 } from '../../base/utf8.ts'
import { ByteQueue } from './byte-queue.ts'
import { type Fields, FORM_DEFAULT, FORM_NULL, FORM_PLAIN, FORM_TEXT, type RecordReader } from './fields.ts'
import type { CopyOptions } from './options.ts'

const NEWLINE = 10
const RETURN = 13
const BACKSLASH = 92

const badFormat = (message: string, hint?: string) => new PgError(SQLSTATE.badCopyFileFormat, message, hint === undefined ? {} : { hint })

export class TextReader implements RecordReader {
  readonly #queue = new ByteQueue()
  readonly #delimiter: number
  readonly #null: Buffer
  readonly #default: Buffer | null
  #eol = 0
  #lineStart = 0
  #lineEnd = 0
  /** Where the search for the line's end goes on, and the bits of what was passed: beyond 0x7f, or zero, means a look at the encoding. */
  #searched = 0
  #seen = 0
  line = 0
  readonly field = -1
  ended = false

  constructor(options: CopyOptions) {
    this.#delimiter = options.delimiter
    this.#null = Buffer.from(options.null)
    this.#default = options.default === null ? null : Buffer.from(options.default)
  }

  feed(chunk: Buffer): void {
    this.#searched -= this.#queue.at
    this.#queue.feed(chunk)
  }

  finish(): void {
    this.#queue.finished = true
  }

  lineText(): string {
    return this.#queue.data.utf8Slice(this.#lineStart, this.#lineEnd)
  }

  /** Finds the end of the next line; false when it is not here yet. A backslash takes the end of line behind it into the data. */
  #nextLine(): boolean {
    const queue = this.#queue
    const data = queue.data
    const start = queue.at
    const length = data.length
    if (start >= length) return false
    let seen = this.#seen
    let at = this.#searched
    for (; at < length; at++) {
      const byte = data[at]!
      // zero less one has the high bits, too
      seen |= byte | (byte - 1)
      if (byte === BACKSLASH) {
        at++
        const next = at < length ? data[at]! : 0
        seen |= next | (next - 1)
        continue
      }
      if (byte === RETURN) {
        if (this.#eol === NEWLINE) throw badFormat('literal carriage return found in data', 'Use "\\r" to represent carriage return.')
        if (at + 1 === length && !queue.finished) break
        const crlf = data[at + 1] === NEWLINE
        if (this.#eol === 0) this.#eol = crlf ? RETURN + NEWLINE : RETURN
        else if (crlf !== (this.#eol === RETURN + NEWLINE)) {
          throw badFormat('literal carriage return found in data', 'Use "\\r" to represent carriage return.')
        }
        this.#seen = seen
        this.#take(start, at, at + (crlf ? 2 : 1))
        return true
      }
      if (byte === NEWLINE) {
        if (this.#eol === 0) this.#eol = NEWLINE
        else if (this.#eol !== NEWLINE) throw badFormat('literal newline found in data', 'Use "\\n" to represent newline.')
        this.#seen = seen
        this.#take(start, at, at + 1)
        return true
      }
    }
    this.#seen = seen
    if (!queue.finished) {
      // beyond the end when a backslash was the last byte: what it takes along has not come yet
      this.#searched = at
      return false
    }
    this.#take(start, length, length)
    return true
  }

  #take(start: number, end: number, next: number): void {
    this.#lineStart = start
    this.#lineEnd = end
    this.#queue.at = next
    this.#searched = next
    this.line++
  }

  next(fields: Fields): boolean {
    if (this.ended || !this.#nextLine()) return false
    const data = this.#queue.data
    const start = this.#lineStart
    const end = this.#lineEnd
    if (end - start === 2 && data[start] === BACKSLASH && data[start + 1] === 46) {
      this.ended = true
      return false
    }
    if ((this.#seen & ~0x7f) !== 0) checkUtf8(data, start, end)
    this.#seen = 0
    fields.data = data
    fields.count = 0
    const delimiter = this.#delimiter
    let from = start
    let escaped = false
    for (let at = start; at <= end; at++) {
      const byte = at === end ? delimiter : data[at]!
      if (byte === BACKSLASH && at < end) {
        escaped = true
        at++
        continue
      }
      if (byte !== delimiter) continue
      this.#field(fields, data, from, Math.min(at, end), escaped)
      from = at + 1
      escaped = false
      if (at >= end) break
    }
    return true
  }

  #field(fields: Fields, data: Buffer, start: number, end: number, escaped: boolean): void {
    const length = end - start
    if (length === this.#null.length && data.compare(this.#null, 0, length, start, end) === 0) {
      fields.push(start, end, FORM_NULL, '')
    } else if (this.#default !== null && length === this.#default.length && data.compare(this.#default, 0, length, start, end) === 0) {
      fields.push(start, end, FORM_DEFAULT, '')
    } else if (escaped) {
      fields.push(start, end, FORM_TEXT, unescapeText(data, start, end))
    } else {
      fields.push(start, end, FORM_PLAIN, '')
    }
  }
}

const isOctal = (byte: number | undefined) => byte !== undefined && byte >= 48 && byte <= 55
const hexValue = (byte: number | undefined) =>
  byte === undefined
    ? -1
    : byte >= 48 && byte <= 57
      ? byte - 48
      : byte >= 65 && byte <= 70
        ? byte - 55
        : byte >= 97 && byte <= 102
          ? byte - 87
          : -1

/** Undoes \b \f \n \r \t \v, \digits, \xdigits and \anything. */
function unescapeText(data: Buffer, start: number, end: number): string {
  const out = Buffer.allocUnsafe(end - start)
  let size = 0
  let numeric = false
  for (let at = start; at < end; at++) {
    let byte = data[at]!
    if (byte === BACKSLASH && at + 1 < end) {
      byte = data[++at]!
      if (isOctal(byte)) {
        let value = byte - 48
        for (let i = 0; i < 2 && at + 1 < end && isOctal(data[at + 1]); i++) value = value * 8 + data[++at]! - 48
        byte = value & 0xff
        numeric = true
      } else if (byte === 120 && at + 1 < end && hexValue(data[at + 1]) >= 0) {
        let value = 0
        for (let i = 0; i < 2 && at + 1 < end && hexValue(data[at + 1]) >= 0; i++) value = value * 16 + hexValue(data[++at])
        byte = value
        numeric = true
      } else if (byte === 98) byte = 8
      else if (byte === 102) byte = 12
      else if (byte === 110) byte = 10
      else if (byte === 114) byte = 13
      else if (byte === 116) byte = 9
      else if (byte === 118) byte = 11
    }
    out[size++] = byte
  }
  if (numeric) checkUtf8(out, 0, size)
  return out.utf8Slice(0, size)
}
