// COPY's binary format: signature, flags, header extension, then tuples of length-prefixed fields, and a trailer of -1. // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ByteQueue } from './byte-queue.ts'
import { type Fields, FORM_NULL, FORM_PLAIN, type RecordReader } from './fields.ts'

export const BINARY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1')

const bad = (message: string) => new PgError(SQLSTATE.badCopyFileFormat, message)

export class BinaryReader implements RecordReader {
  readonly #queue = new ByteQueue()
  readonly #columns: number
  #header = false
  #trailer = false
  line = 0
  field = -1
  /** Only with the stream: what follows the trailer is an error. */
  readonly ended = false

  constructor(columns: number) {
    this.#columns = columns
  }

  feed(chunk: Buffer): void {
    this.#queue.feed(chunk)
  }

  finish(): void {
    this.#queue.finished = true
  }

  lineText(): string {
    return ''
  }

  #short(what: string): false {
    if (this.#queue.finished) throw bad(what)
    return false
  }

  #readHeader(): boolean {
    const { data, at } = this.#queue
    if (data.length - at < 19)
      return this.#short(data.length - at < 11 ? 'COPY file signature not recognized' : 'invalid COPY file header (missing flags)')
    if (data.compare(BINARY_SIGNATURE, 0, 11, at, at + 11) !== 0) throw bad('COPY file signature not recognized')
    const flags = data.readUInt32BE(at + 11)
    if ((flags & 0x10000) !== 0) throw bad('invalid COPY file header (WITH OIDS)')
    if (flags >>> 16 !== 0) throw bad('unrecognized critical flags in COPY file header')
    const extension = data.readInt32BE(at + 15)
    if (extension < 0) throw bad('invalid COPY file header (missing length)')
    if (data.length - at < 19 + extension) return this.#short('invalid COPY file header (wrong length)')
    this.#queue.at = at + 19 + extension
    this.#header = true
    return true
  }

  next(fields: Fields): boolean {
    if (!this.#header && !this.#readHeader()) return false
    const { data, finished } = this.#queue
    let at = this.#queue.at
    if (this.#trailer) {
      if (at < data.length) throw bad('received copy data after EOF marker')
      return false
    }
    // without a trailer the end of the stream is that of the data, even behind half a count
    if (data.length - at < 2) return false
    const count = data.readInt16BE(at)
    at += 2
    if (count === -1) {
      this.line++
      this.#trailer = true
      this.#queue.at = at
      return this.next(fields)
    }
    if (count !== this.#columns) {
      this.line++
      throw bad(`row field count is ${count}, expected ${this.#columns}`)
    }
    fields.data = data
    fields.count = 0
    for (let i = 0; i < count; i++) {
      const size = data.length - at < 4 ? null : data.readInt32BE(at)
      at += 4
      if (size === -1) {
        fields.push(at, at, FORM_NULL, '')
      } else if (size === null || (size >= 0 && data.length - at < size)) {
        if (finished) throw this.#failed(i, 'unexpected EOF in COPY data')
        return false
      } else if (size < 0) {
        throw this.#failed(i, 'invalid field size')
      } else {
        fields.push(at, at + size, FORM_PLAIN, '')
        at += size
      }
    }
    this.line++
    this.#queue.at = at
    return true
  }

  #failed(field: number, what: string): PgError {
    this.line++
    this.field = field
    return bad(what)
  }
}
