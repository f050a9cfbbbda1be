// Composite values: the fields and what describes them. Rows of one shape share one RowType. Immutable. // hot

import type { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { defineType } from './define.ts'
import type { EvalContext, IoSettings } from './eval-context.ts'
import type { Present, TypeFamily, TypeSupport } from './type.ts'
import { readVarint, readVarintSize, writeVarint } from './varint.ts'

export interface RowField {
  readonly name: string
  readonly type: Oid
  readonly typmod: number
  readonly support: TypeSupport
  /** Where the attribute stood when nothing was dropped from its type yet; without it, where it stands. */
  readonly attnum?: number
}

/** `type` is 2249 (record) for anonymous rows. */
export interface RowType {
  readonly type: Oid
  readonly fields: readonly RowField[]
}

export class RecordDatum {
  readonly rowType: RowType
  readonly values: readonly Datum[]

  constructor(rowType: RowType, values: readonly Datum[]) {
    this.rowType = rowType
    this.values = values
  }
}

export const RECORD_OID = 2249

/** Where the values have an attribute; -1 where they have none such. */
export function fieldIndex({ fields }: RowType, attnum: number): number {
  const field = fields[attnum - 1]
  if (field !== undefined && (field.attnum ?? attnum) === attnum) return attnum - 1
  return fields.findIndex((one, i) => (one.attnum ?? i + 1) === attnum)
}

function needsQuotes(text: string): boolean {
  if (text.length === 0) return true
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    // " \ ( ) , space \t..\r
    if (c === 34 || c === 92 || c === 40 || c === 41 || c === 44 || c === 32 || (c >= 9 && c <= 13)) return true
  }
  return false
}

export function formatRecord(record: RecordDatum, io: IoSettings): string {
  const fields = record.rowType.fields
  let out = '('
  for (let i = 0; i < fields.length; i++) {
    if (i > 0) out += ','
    const value = record.values[i] ?? null
    if (value === null) continue
    const text = fields[i]!.support.output(value, io)
    out += needsQuotes(text) ? `"${text.replace(/["\\]/g, '$&$&')}"` : text
  }
  return `${out})`
}

function malformed(text: string, detail: string): PgError {
  return new PgError(SQLSTATE.invalidTextRepresentation, `malformed record literal: "${text}"`, { detail })
}

/** record_in's field texts: null where nothing stands between the commas. */
export function splitRecord(text: string, count: number): (string | null)[] {
  let at = 0
  while (/\s/.test(text[at] ?? 'x')) at++
  if (text[at] !== '(') throw malformed(text, 'Missing left parenthesis.')
  at++
  const fields: (string | null)[] = []
  for (let i = 0; i < count; i++) {
    if (i > 0) {
      if (text[at] !== ',') throw malformed(text, 'Too few columns.')
      at++
    }
    if (text[at] === ',' || text[at] === ')') {
      fields.push(null)
      continue
    }
    let value = ''
    let quoted = false
    for (;;) {
      const c = text[at]
      if (c === undefined) throw malformed(text, 'Unexpected end of input.')
      if (!quoted && (c === ',' || c === ')')) break
      at++
      if (c === '\\') {
        if (at >= text.length) throw malformed(text, 'Unexpected end of input.')
        value += text[at++]
      } else if (c === '"') {
        if (!quoted) quoted = true
        else if (text[at] === '"') {
          value += '"'
          at++
        } else quoted = false
      } else value += c
    }
    fields.push(value)
  }
  if (text[at] === ',') throw malformed(text, 'Too many columns.')
  if (text[at] !== ')') throw malformed(text, 'Too few columns.')
  at++
  while (/\s/.test(text[at] ?? 'x')) at++
  if (at < text.length) throw malformed(text, 'Junk after right parenthesis.')
  return fields
}

function compareField(a: Datum, b: Datum, support: TypeSupport): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  if (support.compare === null)
    throw new PgError(SQLSTATE.undefinedFunction, 'could not identify a comparison function for a field of the record')
  return support.compare(a, b)
}

/** record_cmp: field by field, NULLs last; types must agree. */
export function compareRecords(a: RecordDatum, b: RecordDatum, ctx?: EvalContext): number {
  return compareFields(a, b, compareField, ctx)
}

/** Up to the first field that differs. `ctx` has the types' names for the error. */
export function compareFields(
  a: RecordDatum,
  b: RecordDatum,
  compare: (a: Datum, b: Datum, support: TypeSupport) => number,
  ctx?: EvalContext,
): number {
  const x = a.rowType.fields
  const y = b.rowType.fields
  const n = Math.min(x.length, y.length)
  for (let i = 0; i < n; i++) {
    if (x[i]!.type !== y[i]!.type) {
      const name = (field: RowField) => ctx?.catalog.typeName(field.type) ?? String(field.type)
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `cannot compare dissimilar column types ${name(x[i]!)} and ${name(y[i]!)} at record column ${i + 1}`,
      )
    }
    const order = compare(a.values[i]!, b.values[i]!, x[i]!.support)
    if (order !== 0) return order < 0 ? -1 : 1
  }
  if (x.length !== y.length) throw new PgError(SQLSTATE.datatypeMismatch, 'cannot compare record types with different numbers of columns')
  return 0
}

function recordHashKey(record: RecordDatum): string {
  let out = ''
  const fields = record.rowType.fields
  for (let i = 0; i < fields.length; i++) {
    const value = record.values[i]!
    if (value === null) {
      out += 'N;'
      continue
    }
    const hashKey = fields[i]!.support.hashKey
    if (hashKey === null) throw new PgError(SQLSTATE.undefinedFunction, 'could not identify a hash function for a field of the record')
    const key = hashKey(value)
    const text = String(key)
    out += typeof key === 'string' ? `s${text.length}:${text};` : `${text};`
  }
  return out
}

function sendRecord(record: RecordDatum, out: ByteWriter): void {
  const fields = record.rowType.fields
  out.i32(fields.length)
  for (let i = 0; i < fields.length; i++) {
    out.u32(fields[i]!.type)
    const value = record.values[i]!
    if (value === null) {
      out.i32(-1)
      continue
    }
    out.i32(0)
    const from = out.length
    fields[i]!.support.send(value, out)
    out.buffer.writeInt32BE(out.length - from, from - 4)
  }
}

function receiveRecord(buffer: Buffer, start: number, end: number, rowType: RowType, ctx: EvalContext): RecordDatum {
  const bad = (message: string): PgError => new PgError(SQLSTATE.invalidBinaryRepresentation, message)
  const need = (at: number, size: number): void => {
    if (at + size > end) throw new PgError(SQLSTATE.protocolViolation, 'insufficient data left in message')
  }
  need(start, 4)
  const count = buffer.readInt32BE(start)
  const fields = rowType.fields
  if (count !== fields.length) throw new PgError(SQLSTATE.datatypeMismatch, `wrong number of columns: ${count}, expected ${fields.length}`)
  let at = start + 4
  const values: Datum[] = []
  for (let i = 0; i < count; i++) {
    need(at, 8)
    const field = fields[i]!
    const type = buffer.readUInt32BE(at)
    if (type !== field.type) {
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `binary data has type ${type} instead of expected ${field.type} in record column ${i + 1}`,
      )
    }
    const size = buffer.readInt32BE(at + 4)
    at += 8
    if (size === -1) values.push(null)
    else {
      if (size < -1) throw bad(`improper binary format in record column ${i + 1}`)
      need(at, size)
      values.push(field.support.receive(buffer, at, at + size, field.typmod, ctx))
      at += size
    }
  }
  if (at !== end) throw bad('incorrect binary data format')
  return new RecordDatum(rowType, values)
}

const rowTypes = new WeakMap<TypeSupport, RowType>()
/** The fields behind a composite type's support; undefined for other types. */
export const rowTypeOf = (support: TypeSupport): RowType | undefined => rowTypes.get(support)

/** `support` is another form of `base` and of the same row type, if of one. */
export function withRowTypeOf(base: TypeSupport, support: TypeSupport): TypeSupport {
  const rowType = rowTypes.get(base)
  if (rowType !== undefined) rowTypes.set(support, rowType)
  return support
}

/** Support of a named composite type: its fields come from the catalogue that composes it. */
export function compositeTypeSupport(rowType: RowType): TypeSupport {
  const support = defineType<RecordDatum>({
    input(text, _typmod, ctx) {
      const parts = splitRecord(text, rowType.fields.length)
      return new RecordDatum(
        rowType,
        rowType.fields.map((field, i) => (parts[i] === null ? null : field.support.input(parts[i]!, field.typmod, ctx))),
      )
    },
    output: formatRecord,
    receive: (buffer, start, end, _typmod, ctx) => receiveRecord(buffer, start, end, rowType, ctx),
    send: sendRecord,
    compare: compareRecords,
    hashKey: recordHashKey,
    size: recordSize,
    value: {
      write: (record, out) => writeRecordValue(record, out, rowType),
      read: (buffer, start) => readRecordValue(buffer, start, rowType),
    },
    key: rowType.fields.every((field) => field.support.key !== null) ? recordKey(rowType) : null,
  })
  rowTypes.set(support, rowType)
  return support
}

function recordSize(record: RecordDatum): number {
  return record.rowType.fields.reduce((sum, field, i) => {
    const value = record.values[i]!
    return sum + (value === null ? 8 : 8 + field.support.size(value))
  }, 48)
}

/**
 * Number of attributes (so that a type may gain some), then each as length + 1 (0 = NULL) and bytes. Dropped ones keep their places, where what was
 * stored before still has them.
 */
function writeRecordValue(record: RecordDatum, out: ByteWriter, { fields }: RowType): void {
  writeVarint(out, fields.at(-1)?.attnum ?? fields.length)
  for (let i = 0, place = 1; i < fields.length; i++, place++) {
    for (const { attnum = place } = fields[i]!; place < attnum; place++) out.u32(0)
    const value = record.values[i] ?? null
    if (value === null) {
      out.u32(0)
      continue
    }
    out.u32(0)
    const from = out.length
    fields[i]!.support.value.write(value, out)
    out.buffer.writeUInt32BE(out.length - from + 1, from - 4)
  }
}

function readRecordValue(buffer: Buffer, start: number, rowType: RowType): RecordDatum {
  const { fields } = rowType
  const count = readVarint(buffer, start)
  let at = start + readVarintSize(buffer, start)
  const values: Datum[] = []
  for (let place = 1; place <= count && values.length < fields.length; place++) {
    const { attnum = place, support } = fields[values.length]!
    const size = buffer.readUInt32BE(at)
    at += 4
    if (attnum === place) values.push(size === 0 ? null : support.value.read(buffer, at, at + size - 1))
    if (size > 0) at += size - 1
  }
  while (values.length < fields.length) values.push(null)
  return new RecordDatum(rowType, values)
}

function recordKey(rowType: RowType) {
  return {
    lossless: rowType.fields.every((field) => field.support.key!.lossless),
    write(record: RecordDatum, out: ByteWriter): void {
      for (let i = 0; i < rowType.fields.length; i++) {
        const value = record.values[i]!
        out.u8(value === null ? 2 : 1)
        if (value !== null) rowType.fields[i]!.support.key!.write(value, out)
      }
    },
    skip(buffer: Buffer, start: number): number {
      let at = start
      for (const field of rowType.fields) if (buffer[at++] === 1) at = field.support.key!.skip(buffer, at)
      return at
    },
    read(buffer: Buffer, start: number): RecordDatum | undefined {
      let at = start
      const values: Present[] | Datum[] = []
      for (const field of rowType.fields) {
        if (buffer[at++] !== 1) {
          values.push(null as never)
          continue
        }
        const end = field.support.key!.skip(buffer, at)
        const value = field.support.key!.read(buffer, at, end)
        if (value === undefined) return undefined
        values.push(value as never)
        at = end
      }
      return new RecordDatum(rowType, values)
    },
  }
}

/** The pseudo-type record: values print and compare by what they carry; nothing can be read without knowing the fields. */
const record: TypeSupport = defineType<RecordDatum>({
  input() {
    throw new PgError(SQLSTATE.featureNotSupported, 'input of anonymous composite types is not implemented')
  },
  output: formatRecord,
  receive() {
    throw new PgError(SQLSTATE.featureNotSupported, 'input of anonymous composite types is not implemented')
  },
  send: sendRecord,
  compare: compareRecords,
  hashKey: recordHashKey,
  size: recordSize,
  value: {
    write: (record, out) => writeRecordValue(record, out, record.rowType),
    read() {
      throw new PgError(SQLSTATE.featureNotSupported, 'input of anonymous composite types is not implemented')
    },
  },
  key: null,
})

export const recordTypes: TypeFamily = { record }
