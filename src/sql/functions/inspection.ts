// Functions that look at text, types and values as such: parse_ident, pg_get_keywords, pg_input_is_valid, pg_column_size.

import { ByteWriter } from '../../base/bytes.ts'
import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { keywordRows } from '../builtin/catalogs.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import { ArrayDatum, makeArray } from '../types/array.ts'
import { utf8Length } from '../types/chars.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { isSpecial, type Numeric } from '../types/numeric.ts'
import type { CallInfo, Procs } from '../types/procs.ts'
import { RECORD_OID, RecordDatum, type RowType } from '../types/record.ts'
import { builtinTypeSupport } from '../types/registry.ts'
import type { Present } from '../types/type.ts'

const SPACE = /[ \t\n\v\f\r]/
const IDENT_START = /[A-Za-z_\u0080-\u{10ffff}]/u
const IDENT = /[A-Za-z0-9_$\u0080-\u{10ffff}]/u

function parseIdent(text: string, strict: boolean): string[] {
  const invalid = (detail?: string): PgError =>
    new PgError(SQLSTATE.invalidParameterValue, `string is not a valid identifier: "${text}"`, detail === undefined ? {} : { detail })
  const parts: string[] = []
  let at = 0
  const skip = (): void => {
    while (SPACE.test(text[at] ?? '')) at++
  }
  skip()
  for (let afterDot = false; ; afterDot = true) {
    if (text[at] === '"') {
      const start = ++at
      while (text[at] !== undefined && (text[at] !== '"' || text[at + 1] === '"')) at += text[at] === '"' ? 2 : 1
      if (text[at] === undefined) throw invalid('String has unclosed double quotes.')
      if (at === start) throw invalid('Quoted identifier must not be empty.')
      parts.push(text.slice(start, at).replaceAll('""', '"'))
      at++
    } else if (IDENT_START.test(text[at] ?? '')) {
      const start = at
      while (IDENT.test(text[at] ?? '')) at++
      parts.push(text.slice(start, at).replace(/[A-Z]+/g, (upper) => upper.toLowerCase()))
    } else if (text[at] === '.') throw invalid('No valid identifier before ".".')
    else throw invalid(afterDot ? 'No valid identifier after ".".' : undefined)
    skip()
    if (text[at] !== '.') break
    at++
    skip()
  }
  if (strict && at < text.length) throw invalid()
  return parts
}

const textFields = (names: readonly string[]): RowType => ({
  type: RECORD_OID,
  fields: names.map((name) => ({ name, type: TYPE_OID.text, typmod: -1, support: builtinTypeSupport(TYPE_OID.text) })),
})
let errorRow: RowType | null = null
let keywordRow: RowType | null = null

function keywordType(): RowType {
  const { fields } = textFields(['word', 'catcode', 'barelabel', 'catdesc', 'baredesc'])
  const typed = (index: number, type: number) => ({ ...fields[index]!, type, support: builtinTypeSupport(type) })
  return { type: RECORD_OID, fields: [fields[0]!, typed(1, TYPE_OID.char), typed(2, TYPE_OID.bool), fields[3]!, fields[4]!] }
}

/** What reading `text` as the type named `typeName` fails with; null when it does not. */
function inputError(text: string, typeName: string, ctx: EvalContext): PgError | null {
  const type = ctx.catalog.toType(typeName)
  if (type === null) throw new PgError(SQLSTATE.undefinedObject, `type "${typeName}" does not exist`)
  try {
    ctx.catalog.typeSupport(type.oid).input(text, type.typmod, ctx)
    return null
  } catch (error) {
    if (error instanceof PgError) return error
    throw error
  }
}

const scratch = new ByteWriter(256)

/** Bytes of a numeric: header, then base 10000 digits. */
function numericSize(value: Numeric): number {
  if (isSpecial(value)) return 6
  const digits = String(value.unscaled).replace('-', '')
  if (digits === '0') return 6
  // Digits stand in groups of four on either side of the point; leading and trailing zero groups are not kept.
  const whole = digits.slice(0, Math.max(digits.length - value.scale, 0))
  const fraction = digits.padStart(value.scale, '0').slice(digits.padStart(value.scale, '0').length - value.scale)
  const text = whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0')
  return 6 + 2 * (text.replace(/^(?:0000)+/, '').replace(/(?:0000)+$/, '').length / 4)
}

/** The size PostgreSQL would hold the value in, uncompressed, with a four-byte header when it has a length. */
function columnSize(value: Present, type: number, ctx: EvalContext): number {
  const row = typeByOid(type)
  if (row !== undefined && row.typlen > 0) return row.typlen
  if (typeof value === 'string') return utf8Length(value) + (row?.typlen === -2 ? 1 : 4)
  if (value instanceof Uint8Array) return value.length + 4
  if (type === TYPE_OID.numeric) return numericSize(value as Numeric)
  if (value instanceof ArrayDatum) {
    const nulls = value.elements.includes(null) ? Math.ceil(value.elements.length / 8) : 0
    const head = 16 + value.dims.length * 8 + nulls
    return (
      (nulls === 0 ? head : Math.ceil(head / 8) * 8) +
      value.elements.reduce((sum: number, element) => sum + elementSize(element, value.elementType, ctx), 0)
    )
  }
  ctx.catalog.typeSupport(type).value.write(value, scratch.reset())
  return scratch.length + 4
}

/** Elements with a length are aligned to four bytes. */
function elementSize(element: Datum, type: number, ctx: EvalContext): number {
  return element === null ? 0 : Math.ceil(columnSize(element, type, ctx) / 4) * 4
}

export const inspectionProcs = {
  parse_ident: (text, strict) => makeArray(TYPE_OID.text, parseIdent(text, strict)),
  pg_get_keywords() {
    const rowType = (keywordRow ??= keywordType())
    return keywordRows().map((row) => new RecordDatum(rowType, [row.word, row.catcode, row.barelabel, row.catdesc, row.baredesc]))
  },
  pg_input_is_valid: (text, typeName, ctx) => inputError(text, typeName, ctx) === null,
  pg_input_error_info(text, typeName, ctx) {
    const rowType = (errorRow ??= textFields(['message', 'detail', 'hint', 'sql_error_code']))
    const error = inputError(text, typeName, ctx)
    return new RecordDatum(
      rowType,
      error === null ? [null, null, null, null] : [error.message, error.fields.detail ?? null, error.fields.hint ?? null, error.code],
    )
  },
  pg_column_size: (value, ctx, call: CallInfo) => columnSize(value, call.argTypes[0]!, ctx),
  // Values are stored neither compressed nor out of line.
  pg_column_compression: () => null,
  pg_column_toast_chunk_id: () => null,
} satisfies Procs
