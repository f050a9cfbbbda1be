// Bodies of the client's messages, read in place. Errors are PostgreSQL's own: 08P01, the frame itself being whole, so the session goes on. // hot

import { PgError } from '../base/errors.ts'
import type { SingleByteEncoding } from '../base/single-byte-encodings.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { decodeUtf8 } from '../base/utf8.ts'
import type { BindParameters } from './backend.ts'

export function protocolViolation(message: string): PgError {
  return new PgError(SQLSTATE.protocolViolation, message)
}

/** Walks one message body. One reader per server is enough: a body is read in one go. */
export class MessageReader {
  buffer: Buffer = Buffer.alloc(0)
  pos = 0
  end = 0
  /** Of text; null: UTF-8. */
  encoding: SingleByteEncoding | null = null

  over(buffer: Buffer, start: number, end: number): this {
    this.buffer = buffer
    this.pos = start
    this.end = end
    return this
  }

  u8(): number {
    if (this.pos >= this.end) throw protocolViolation('no data left in message')
    return this.buffer[this.pos++]!
  }

  i16(): number {
    const at = this.#skip(2)
    return (this.buffer[at]! << 8) | this.buffer[at + 1]!
  }

  i32(): number {
    return this.buffer.readInt32BE(this.#skip(4))
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.#skip(4))
  }

  cstring(): string {
    const { buffer, pos } = this
    if (pos < this.end && buffer[pos] === 0) {
      this.pos = pos + 1
      return ''
    }
    const zero = buffer.indexOf(0, pos)
    if (zero < 0 || zero >= this.end) throw protocolViolation('invalid string in message')
    this.pos = zero + 1
    return this.encoding === null ? decodeUtf8(buffer, pos, zero) : this.encoding.decode(buffer.subarray(pos, zero))
  }

  rest(): Buffer {
    const bytes = this.buffer.subarray(this.pos, this.end)
    this.pos = this.end
    return bytes
  }

  done(): void {
    if (this.pos !== this.end) throw protocolViolation('invalid message format')
  }

  #skip(size: number): number {
    const at = this.pos
    if (size > this.end - at) throw protocolViolation('insufficient data left in message')
    this.pos = at + size
    return at
  }

  /** Skips `size` bytes; answers where they stand. */
  skip(size: number): number {
    return this.#skip(size)
  }
}

const NO_FORMATS: readonly number[] = []
const ALL_TEXT: readonly number[] = [0]
const ALL_BINARY: readonly number[] = [1]

function checkFormat(code: number): number {
  if (code !== 0 && code !== 1) throw new PgError(SQLSTATE.invalidParameterValue, `unsupported format code: ${code}`)
  return code
}

export class ParameterSlots implements BindParameters {
  buffer: Buffer = Buffer.alloc(0)
  count = 0
  formatCount = 0
  start = new Int32Array(16)
  end = new Int32Array(16)
  formats = new Int32Array(16)

  #grow(size: number): void {
    if (size <= this.start.length) return
    this.start = new Int32Array(size)
    this.end = new Int32Array(size)
    const formats = new Int32Array(size)
    formats.set(this.formats)
    this.formats = formats
  }

  read(reader: MessageReader): void {
    const formatCount = reader.i16()
    this.#grow(formatCount)
    for (let i = 0; i < formatCount; i++) this.formats[i] = checkFormat(reader.i16())
    const count = reader.i16()
    if (formatCount > 1 && formatCount !== count) {
      throw protocolViolation(`bind message has ${formatCount} parameter formats but ${count} parameters`)
    }
    this.#grow(count)
    for (let i = 0; i < count; i++) {
      const length = reader.i32()
      if (length === -1) {
        this.start[i] = 0
        this.end[i] = -1
        continue
      }
      if (length < 0) throw protocolViolation('insufficient data left in message')
      const at = reader.skip(length)
      this.start[i] = at
      this.end[i] = at + length
    }
    this.buffer = reader.buffer
    this.count = count
    this.formatCount = formatCount
  }
}

export function resultFormats(reader: MessageReader): readonly number[] {
  const count = reader.i16()
  if (count === 0) return NO_FORMATS
  if (count === 1) return checkFormat(reader.i16()) === 0 ? ALL_TEXT : ALL_BINARY
  const formats: number[] = []
  for (let i = 0; i < count; i++) formats.push(checkFormat(reader.i16()))
  return formats
}
