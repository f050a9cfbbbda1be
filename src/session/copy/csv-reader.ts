// COPY's csv format: quoted fields, which may hold line ends. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { checkUtf8 } from '../../base/utf8.ts'
import { ByteQueue } from './byte-queue.ts'
import { type Fields, FORM_DEFAULT, FORM_NULL, FORM_PLAIN, FORM_TEXT, type RecordReader } from './fields.ts'
import type { CopyOptions } from './options.ts'

const NEWLINE = 10
const RETURN = 13

const badFormat = (message: string, hint?: string) => new PgError(SQLSTATE.badCopyFileFormat, message, hint === undefined ? {} : { hint })

export class CsvReader implements RecordReader {
  readonly #queue = new ByteQueue()
  readonly #delimiter: number
  readonly #quote: number
  readonly #escape: number
  readonly #null: string
  readonly #default: string | null
  readonly #forceNotNull: (column: number) => boolean
  readonly #forceNull: (column: number) => boolean
  #eol = 0
  #recordStart = 0
  #recordEnd = 0
  #newlines = 0
  /** Of an incomplete record: bytes looked through, and how things stood there. */
  #searched = 0
  #inQuote = false
  #seenNewlines = 0
  line = 0
  readonly field = -1
  ended = false

  constructor(options: CopyOptions, forceNotNull: (column: number) => boolean, forceNull: (column: number) => boolean) {
    this.#delimiter = options.delimiter
    this.#quote = options.quote
    this.#escape = options.escape
    this.#null = options.null
    this.#default = options.default
    this.#forceNotNull = forceNotNull
    this.#forceNull = forceNull
  }

  feed(chunk: Buffer): void {
    this.#queue.feed(chunk)
  }

  finish(): void {
    this.#queue.finished = true
  }

  lineText(): string {
    return this.#queue.data.utf8Slice(this.#recordStart, this.#recordEnd)
  }

  /** Finds the end of the record that starts at the queue's head, line ends within quotes being data. Goes on where the last chunk ended. */
  #nextRecord(): boolean {
    const queue = this.#queue
    const data = queue.data
    const length = data.length
    const start = queue.at
    if (start >= length) return false
    const quote = this.#quote
    const escapeByte = this.#escape
    let inQuote = this.#inQuote
    let newlines = this.#seenNewlines
    let at = start + this.#searched
    for (; at < length; at++) {
      const byte = data[at]!
      if (inQuote && byte === escapeByte && escapeByte !== quote) {
        if (at + 1 === length && !queue.finished) break
        if (data[at + 1] === quote || data[at + 1] === escapeByte) at++
        continue
      }
      if (byte === quote) {
        inQuote = !inQuote
        continue
      }
      if (byte === RETURN && !inQuote) {
        if (at + 1 === length && !queue.finished) break
        const crlf = data[at + 1] === NEWLINE
        if (this.#eol === 0) this.#eol = crlf ? RETURN + NEWLINE : RETURN
        else if (this.#eol === NEWLINE || crlf !== (this.#eol === RETURN + NEWLINE)) {
          throw badFormat('unquoted carriage return found in data', 'Use quoted CSV field to represent carriage return.')
        }
        this.#take(start, at, at + (crlf ? 2 : 1), newlines)
        return true
      }
      if (byte === NEWLINE) {
        if (inQuote) {
          newlines++
          continue
        }
        if (this.#eol === 0) this.#eol = NEWLINE
        else if (this.#eol !== NEWLINE) throw badFormat('unquoted newline found in data', 'Use quoted CSV field to represent newline.')
        this.#take(start, at, at + 1, newlines)
        return true
      }
    }
    if (!queue.finished) {
      this.#searched = at - start
      this.#inQuote = inQuote
      this.#seenNewlines = newlines
      return false
    }
    this.#take(start, length, length, newlines)
    if (inQuote) throw badFormat('unterminated CSV quoted field')
    return true
  }

  #take(start: number, end: number, next: number, newlines: number): void {
    this.#recordStart = start
    this.#recordEnd = end
    this.#queue.at = next
    this.#searched = 0
    this.#inQuote = false
    this.#seenNewlines = 0
    this.line += 1 + this.#newlines
    this.#newlines = newlines
  }

  next(fields: Fields): boolean {
    if (this.ended || !this.#nextRecord()) return false
    const data = this.#queue.data
    const start = this.#recordStart
    const end = this.#recordEnd
    // psql still sends \. after inline data.
    if (end - start === 2 && data[start] === 92 && data[start + 1] === 46) {
      this.ended = true
      return false
    }
    checkUtf8(data, start, end)
    fields.data = data
    fields.count = 0
    const delimiter = this.#delimiter
    const quote = this.#quote
    let at = start
    for (;;) {
      const from = at
      while (at < end && data[at] !== delimiter && data[at] !== quote) at++
      if (at === end || data[at] === delimiter) this.#field(fields, from, at, null, false)
      else {
        const [text, next] = this.#quoted(data, from, at, end)
        at = next
        this.#field(fields, from, at, text, true)
      }
      if (at >= end) return true
      at++
      if (at === end) {
        this.#field(fields, at, at, null, false)
        return true
      }
    }
  }

  /** A field with quotes somewhere in it: its text, and where it ends. */
  #quoted(data: Buffer, from: number, firstQuote: number, end: number): [string, number] {
    const quote = this.#quote
    const escapeByte = this.#escape
    const out = Buffer.allocUnsafe(end - from)
    let size = data.copy(out, 0, from, firstQuote)
    let at = firstQuote
    let inQuote = false
    for (; at < end; at++) {
      const byte = data[at]!
      if (!inQuote) {
        if (byte === this.#delimiter) break
        if (byte === quote) inQuote = true
        else out[size++] = byte
      } else if (byte === escapeByte && at + 1 < end && (data[at + 1] === quote || data[at + 1] === escapeByte)) {
        out[size++] = data[++at]!
      } else if (byte === quote) inQuote = false
      else out[size++] = byte
    }
    if (inQuote) throw badFormat('unterminated CSV quoted field')
    return [out.utf8Slice(0, size), at]
  }

  #field(fields: Fields, start: number, end: number, text: string | null, quoted: boolean): void {
    const column = fields.count
    const length = end - start
    if (this.#isMarker(this.#null, fields.data, start, end, text, length)) {
      if (quoted ? this.#forceNull(column) : !this.#forceNotNull(column)) {
        fields.push(start, end, FORM_NULL, '')
        return
      }
    } else if (!quoted && this.#default !== null && this.#isMarker(this.#default, fields.data, start, end, text, length)) {
      fields.push(start, end, FORM_DEFAULT, '')
      return
    }
    if (text === null) fields.push(start, end, FORM_PLAIN, '')
    else fields.push(start, end, FORM_TEXT, text)
  }

  #isMarker(marker: string, data: Buffer, start: number, end: number, text: string | null, length: number): boolean {
    if (text !== null) return text === marker
    if (length === 0) return marker === ''
    return length <= marker.length * 3 && marker !== '' && data.utf8Slice(start, end) === marker
  }
}
