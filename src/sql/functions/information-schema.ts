// Bodies, by OID, of the helper functions PostgreSQL writes in SQL for the views of information_schema: type, length, precision of a column.

import { assert } from '../../base/assert.ts'
import type { Datum } from '../../base/datum.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { EvalContext } from '../types/eval-context.ts'
import type { RecordDatum } from '../types/record.ts'

function column(row: RecordDatum, name: string): Datum {
  const index = row.rowType.fields.findIndex((field) => field.name === name)
  assert(index >= 0, `no column ${name}`)
  return row.values[index]!
}

function charMaxLength(type: number, typmod: number): number | null {
  if (typmod === -1) return null
  if (type === T.bpchar || type === T.varchar) return typmod - 4
  return type === T.bit || type === T.varbit ? typmod : null
}

function charOctetLength(type: number, typmod: number): number | null {
  if (type !== T.text && type !== T.bpchar && type !== T.varchar) return null
  // UTF-8 takes at most four bytes.
  return typmod === -1 ? 2 ** 30 : (charMaxLength(type, typmod) ?? 0) * 4
}

const PRECISIONS: Readonly<Record<number, number>> = { [T.int2]: 16, [T.int4]: 32, [T.int8]: 64, [T.float4]: 24, [T.float8]: 53 }
const isInteger = (type: number): boolean => type === T.int2 || type === T.int4 || type === T.int8

function numericPrecision(type: number, typmod: number): number | null {
  if (type === T.numeric) return typmod === -1 ? null : ((typmod - 4) >> 16) & 0xffff
  return PRECISIONS[type] ?? null
}

function datetimePrecision(type: number, typmod: number): number | null {
  switch (type) {
    case T.date:
      return 0
    case T.time:
    case T.timetz:
    case T.timestamp:
    case T.timestamptz:
      return typmod < 0 ? 6 : typmod
    case T.interval:
      return typmod < 0 || (typmod & 0xffff) === 0xffff ? 6 : typmod & 0xffff
    default:
      return null
  }
}

const isDomain = (type: RecordDatum): boolean => column(type, 'typtype') === 'd'

export const informationSchemaSqlBodies = {
  12427: (attribute: RecordDatum, type: RecordDatum) => (isDomain(type) ? column(type, 'typbasetype') : column(attribute, 'atttypid')),
  12428: (attribute: RecordDatum, type: RecordDatum) => (isDomain(type) ? column(type, 'typtypmod') : column(attribute, 'atttypmod')),
  12429: charMaxLength,
  12430: charOctetLength,
  12432: numericPrecision,
  12433: (type: number) => (type === T.numeric ? 10 : PRECISIONS[type] === undefined ? null : 2),
  12434: (type: number, typmod: number) => (isInteger(type) ? 0 : type === T.numeric && typmod !== -1 ? (typmod - 4) & 0xffff : null),
  12435: datetimePrecision,
  12436: (type: number, typmod: number, ctx: EvalContext) =>
    type === T.interval ? (/^interval[()0-9]* (.*)$/.exec(ctx.catalog.typeName(type, typmod) ?? '')?.[1]?.toUpperCase() ?? null) : null,
}
