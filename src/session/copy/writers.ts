// COPY TO: one row's bytes in text, csv or binary format. // hot

import type { ByteWriter } from '../../base/bytes.ts'
import type { Row } from '../../base/datum.ts'
import type { IoSettings } from '../../sql/types/eval-context.ts'
import type { TypeSupport } from '../../sql/types/type.ts'
import { BINARY_SIGNATURE } from './binary-reader.ts'
import type { CopyOptions } from './options.ts'

export interface RowWriter {
  header(out: ByteWriter): boolean
  row(row: Row, out: ByteWriter): void
  /** False when the format has no trailer. */
  trailer(out: ByteWriter): boolean
}

export interface CopyColumn {
  readonly name: string
  readonly support: TypeSupport
  readonly forceQuote: boolean
}

const NEWLINE = 10
const BACKSLASH = 92

/** Escapes what text format needs escaped in out[start, length), in place (the writer grows if it must). */
function escapeText(out: ByteWriter, start: number, delimiter: number): void {
  let extra = 0
  for (let at = start; at < out.length; at++) if (needsEscape(out.buffer[at]!, delimiter)) extra++
  if (extra === 0) return
  const end = out.length
  out.reserve(extra)
  const data = out.buffer
  out.length = end + extra
  let to = out.length - 1
  for (let from = end - 1; from >= start; from--) {
    const byte = data[from]!
    if (!needsEscape(byte, delimiter)) {
      data[to--] = byte
      continue
    }
    data[to--] = byte === 8 ? 98 : byte === 9 ? 116 : byte === 10 ? 110 : byte === 11 ? 118 : byte === 12 ? 102 : byte === 13 ? 114 : byte
    data[to--] = BACKSLASH
  }
}

function needsEscape(byte: number, delimiter: number): boolean {
  return byte === BACKSLASH || byte === delimiter || (byte >= 8 && byte <= 13)
}

/** What makes a field's bytes out[start, length) fit its format. `force`: FORCE_QUOTE; false for the header. */
type FinishField = (out: ByteWriter, start: number, force: boolean) => void

function delimitedWriter(columns: readonly CopyColumn[], options: CopyOptions, io: IoSettings, finish: FinishField): RowWriter {
  const nullBytes = Buffer.from(options.null)
  const { delimiter } = options
  return {
    header(out) {
      if (options.header === 'off') return false
      columns.forEach((column, i) => {
        if (i > 0) out.u8(delimiter)
        const start = out.length
        out.utf8(column.name)
        finish(out, start, false)
      })
      out.u8(NEWLINE)
      return true
    },
    row(row, out) {
      for (let i = 0; i < columns.length; i++) {
        if (i > 0) out.u8(delimiter)
        const value = row[i]
        if (value === null || value === undefined) {
          out.bytes(nullBytes)
          continue
        }
        const start = out.length
        columns[i]!.support.writeText(value, out, io)
        finish(out, start, columns[i]!.forceQuote)
      }
      out.u8(NEWLINE)
    },
    trailer: () => false,
  }
}

export function textWriter(columns: readonly CopyColumn[], options: CopyOptions, io: IoSettings): RowWriter {
  return delimitedWriter(columns, options, io, (out, start) => escapeText(out, start, options.delimiter))
}

export function csvWriter(columns: readonly CopyColumn[], options: CopyOptions, io: IoSettings): RowWriter {
  const nullBytes = Buffer.from(options.null)
  const single = columns.length === 1
  return delimitedWriter(columns, options, io, (out, start, force) => quoteField(out, start, force, options, nullBytes, single))
}

/** Quotes a csv field that needs it, in place (the writer grows if it must). `single`: the only column, where `\.` would end the data. */
function quoteField(out: ByteWriter, start: number, force: boolean, options: CopyOptions, nullBytes: Buffer, single: boolean): void {
  const { delimiter, quote, escape: escapeByte } = options
  let quoted = force
  let doubled = 0
  const end = out.length
  for (let at = start; at < end; at++) {
    const byte = out.buffer[at]!
    if (byte === quote || byte === escapeByte) {
      doubled++
      if (byte === quote) quoted = true
    } else if (byte === delimiter || byte === NEWLINE || byte === 13) quoted = true
  }
  if (!quoted) {
    const length = end - start
    quoted =
      (length === nullBytes.length && out.buffer.compare(nullBytes, 0, length, start, end) === 0) ||
      (single && length === 2 && out.buffer[start] === BACKSLASH && out.buffer[start + 1] === 46)
  }
  if (!quoted) return
  out.reserve(doubled + 2)
  const data = out.buffer
  out.length = end + doubled + 2
  let to = out.length - 1
  data[to--] = quote
  for (let from = end - 1; from >= start; from--) {
    const byte = data[from]!
    data[to--] = byte
    if (byte === quote || byte === escapeByte) data[to--] = escapeByte
  }
  data[to] = quote
}

export function binaryWriter(columns: readonly CopyColumn[]): RowWriter {
  return {
    header(out) {
      out.bytes(BINARY_SIGNATURE)
      out.u32(0)
      out.u32(0)
      return true
    },
    row(row, out) {
      out.u16(columns.length)
      for (let i = 0; i < columns.length; i++) {
        const value = row[i]
        if (value === null || value === undefined) {
          out.i32(-1)
          continue
        }
        out.i32(0)
        const start = out.length
        columns[i]!.support.send(value, out)
        out.buffer.writeInt32BE(out.length - start, start - 4)
      }
    },
    trailer(out) {
      out.u16(0xffff)
      return true
    },
  }
}
