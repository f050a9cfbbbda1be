// Messages to the client, appended to a ByteWriter. Each function writes one whole message. // hot

import type { ByteWriter } from '../base/bytes.ts'
import type { Row } from '../base/datum.ts'
import type { Notice, PgError } from '../base/errors.ts'
import type { ResultColumn, RowShape, TransactionStatus } from './backend.ts'
import { BACKEND } from './protocol.ts'

/** Opens a message; answers where its length word stands, for `close`. */
export function open(out: ByteWriter, type: number): number {
  out.reserve(5)
  const at = out.length
  out.buffer[at] = type
  out.length = at + 5
  return at + 1
}

export function close(out: ByteWriter, lengthAt: number): void {
  putInt32(out.buffer, lengthAt, out.length - lengthAt)
}

export function putInt32(buffer: Buffer, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

function cstring(out: ByteWriter, text: string): void {
  out.utf8(text.includes('\0') ? text.replaceAll('\0', '') : text)
  out.u8(0)
}

/** ParseComplete, BindComplete, CloseComplete, NoData, PortalSuspended, EmptyQueryResponse, CopyDone. */
export function empty(out: ByteWriter, type: number): void {
  out.reserve(5)
  const at = out.length
  out.buffer[at] = type
  putInt32(out.buffer, at + 1, 4)
  out.length = at + 5
}

export function readyForQuery(out: ByteWriter, status: TransactionStatus): void {
  out.reserve(6)
  const at = out.length
  out.buffer[at] = BACKEND.readyForQuery
  putInt32(out.buffer, at + 1, 5)
  out.buffer[at + 5] = status
  out.length = at + 6
}

export function commandComplete(out: ByteWriter, tag: string): void {
  const length = tag.length
  out.reserve(6 + length)
  const at = out.length
  const { buffer } = out
  buffer[at] = BACKEND.commandComplete
  putInt32(buffer, at + 1, 5 + length)
  for (let i = 0; i < length; i++) buffer[at + 5 + i] = tag.charCodeAt(i)
  buffer[at + 5 + length] = 0
  out.length = at + 6 + length
}

export function authentication(out: ByteWriter, code: number, data: Uint8Array | null): void {
  const at = open(out, BACKEND.authentication)
  out.i32(code)
  if (data !== null) out.bytes(data)
  close(out, at)
}

export function authenticationSasl(out: ByteWriter, mechanisms: readonly string[]): void {
  const at = open(out, BACKEND.authentication)
  out.i32(10)
  for (const mechanism of mechanisms) cstring(out, mechanism)
  out.u8(0)
  close(out, at)
}

export function negotiateProtocolVersion(out: ByteWriter, version: number, unknownOptions: readonly string[]): void {
  const at = open(out, BACKEND.negotiateProtocolVersion)
  out.i32(version)
  out.i32(unknownOptions.length)
  for (const option of unknownOptions) cstring(out, option)
  close(out, at)
}

export function backendKeyData(out: ByteWriter, processId: number, secret: Uint8Array): void {
  const at = open(out, BACKEND.backendKeyData)
  out.i32(processId)
  out.bytes(secret)
  close(out, at)
}

export function parameterStatus(out: ByteWriter, name: string, value: string): void {
  const at = open(out, BACKEND.parameterStatus)
  cstring(out, name)
  told(out, value)
  close(out, at)
}

export function notification(out: ByteWriter, processId: number, channel: string, payload: string): void {
  const at = open(out, BACKEND.notificationResponse)
  out.i32(processId)
  told(out, channel)
  told(out, payload)
  close(out, at)
}

/** What the client must be told, whether its encoding has all of the characters or not. */
function told(out: ByteWriter, text: string): void {
  cstring(out, out.encoding === null ? text : out.encoding.tellable(text))
}

function field(out: ByteWriter, code: string, value: string | number | undefined): void {
  if (value === undefined) return
  out.u8(code.charCodeAt(0))
  told(out, String(value))
}

export function errorResponse(out: ByteWriter, error: PgError): void {
  const at = open(out, BACKEND.errorResponse)
  const { fields } = error
  field(out, 'S', error.severity)
  field(out, 'V', error.severity)
  field(out, 'C', error.code)
  field(out, 'M', error.message)
  field(out, 'D', fields.detail)
  field(out, 'H', fields.hint)
  field(out, 'P', fields.position)
  field(out, 'p', fields.internalPosition)
  field(out, 'q', fields.internalQuery)
  field(out, 'W', fields.where)
  field(out, 's', fields.schema)
  field(out, 't', fields.table)
  field(out, 'c', fields.column)
  field(out, 'd', fields.dataType)
  field(out, 'n', fields.constraint)
  field(out, 'R', fields.routine)
  out.u8(0)
  close(out, at)
}

export function noticeResponse(out: ByteWriter, notice: Notice): void {
  const at = open(out, BACKEND.noticeResponse)
  field(out, 'S', notice.severity)
  field(out, 'V', notice.severity)
  field(out, 'C', notice.code)
  field(out, 'M', notice.message)
  field(out, 'D', notice.detail)
  field(out, 'H', notice.hint)
  field(out, 'P', notice.position)
  field(out, 'W', notice.where)
  out.u8(0)
  close(out, at)
}

export function parameterDescription(out: ByteWriter, types: readonly number[]): void {
  const at = open(out, BACKEND.parameterDescription)
  out.u16(types.length)
  for (const type of types) out.u32(type)
  close(out, at)
}

/** RowDescription. A described statement's formats are not known yet: pass none. A name that is not in the client's encoding leaves `out` as it was. */
export function rowDescription(out: ByteWriter, columns: readonly ResultColumn[], formats: readonly number[]): void {
  const start = out.length
  try {
    describeRow(out, columns, formats)
  } catch (error) {
    out.length = start
    throw error
  }
}

function describeRow(out: ByteWriter, columns: readonly ResultColumn[], formats: readonly number[]): void {
  const at = open(out, BACKEND.rowDescription)
  out.u16(columns.length)
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i]!
    cstring(out, column.name)
    out.u32(column.tableOid)
    out.i16(column.columnNumber)
    out.u32(column.typeOid)
    out.i16(column.typeLength)
    out.i32(column.typmod)
    out.i16(formats.length === 0 ? 0 : formats.length === 1 ? formats[0]! : formats[i]!)
  }
  close(out, at)
}

/** CopyInResponse, CopyOutResponse: every column has the overall format. */
export function copyResponse(out: ByteWriter, type: number, format: 0 | 1, columnCount: number): void {
  const at = open(out, type)
  out.u8(format)
  out.u16(columnCount)
  for (let i = 0; i < columnCount; i++) out.u16(format)
  close(out, at)
}

/** One DataRow. A value's encoder that throws leaves `out` at the message's start. */
export function dataRow(out: ByteWriter, row: Row, shape: RowShape): void {
  const { columns, formats, io } = shape
  const count = columns.length
  const start = out.length
  out.reserve(7)
  out.buffer[start] = BACKEND.dataRow
  out.buffer[start + 5] = count >>> 8
  out.buffer[start + 6] = count
  out.length = start + 7
  const oneFormat = formats.length === 0 ? 0 : formats.length === 1 ? formats[0]! : -1
  try {
    for (let i = 0; i < count; i++) {
      const value = row[i]!
      out.reserve(4)
      const at = out.length
      out.length = at + 4
      if (value === null) {
        putInt32(out.buffer, at, -1)
        continue
      }
      const { encoder } = columns[i]!
      if ((oneFormat === -1 ? formats[i]! : oneFormat) === 0) encoder.writeText(value, out, io)
      else encoder.send(value, out)
      putInt32(out.buffer, at, out.length - at - 4)
    }
  } catch (error) {
    out.length = start
    throw error
  }
  putInt32(out.buffer, start + 1, out.length - start - 1)
}
