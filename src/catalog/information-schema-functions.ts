// The helper functions of information_schema, which PostgreSQL writes in SQL: types' precisions and lengths from typmods.

import type { Datum } from '../base/datum.ts'
import type { Oid } from '../base/ids.ts'
import { formatType } from '../sql/functions/format-type.ts'
import type { RecordDatum } from '../sql/types/record.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { SystemFunction } from './system-function.ts'

const field = (record: Datum, name: string): Datum => {
  const row = record as RecordDatum
  return row.values[row.rowType.fields.findIndex((other) => other.name === name)] ?? null
}

const CHARACTER = new Set([1042, 1043])
const BIT = new Set([1560, 1562])
const PRECISION: Readonly<Record<Oid, number>> = { 21: 16, 23: 32, 20: 64, 700: 24, 701: 53 }
const MAX_OCTETS = 2 ** 30

function maxLength(type: Oid, typmod: number): number | null {
  if (typmod === -1) return null
  if (CHARACTER.has(type)) return typmod - 4
  return BIT.has(type) ? typmod : null
}

function octetLength(type: Oid, typmod: number): number | null {
  if (type !== 25 && !CHARACTER.has(type)) return null
  return typmod === -1 ? MAX_OCTETS : Math.min((typmod - 4) * 4, MAX_OCTETS)
}

function numericPrecision(type: Oid, typmod: number): number | null {
  if (type === 1700) return typmod === -1 ? null : ((typmod - 4) >> 16) & 0xffff
  return PRECISION[type] ?? null
}

function numericScale(type: Oid, typmod: number): number | null {
  if (type === 21 || type === 23 || type === 20) return 0
  return type === 1700 && typmod !== -1 ? (typmod - 4) & 0x7ff : null
}

function datetimePrecision(type: Oid, typmod: number): number | null {
  if (type === 1082) return 0
  if ([1083, 1114, 1184, 1266].includes(type)) return typmod < 0 ? 6 : typmod
  if (type === 1186) return typmod < 0 || (typmod & 0xffff) === 0xffff ? 6 : typmod & 0xffff
  return null
}

function intervalType(type: Oid, typmod: number): string | null {
  if (type !== 1186) return null
  const text = formatType(
    type,
    typmod,
    () => ({ oid: 1186, typname: 'interval', typelem: 0, typsubscript: 0, typstorage: 'p' }),
    () => 'interval',
  )
  return text
    .replace(/^interval(?:\([0-9]+\))?\s*/, '')
    .replace(/\([0-9]+\)$/, '')
    .toUpperCase()
}

export function informationSchemaFunctions(snapshotOf: () => ReaderSnapshot): Map<string, SystemFunction> {
  const strict =
    (body: (type: Oid, typmod: number) => Datum): SystemFunction =>
    (type, typmod) =>
      type === null || typmod === null ? null : body(type as Oid, typmod as number)
  return new Map<string, SystemFunction>([
    ['_pg_char_max_length', strict(maxLength)],
    ['_pg_char_octet_length', strict(octetLength)],
    ['_pg_numeric_precision', strict(numericPrecision)],
    ['_pg_numeric_precision_radix', strict((type) => (type === 1700 ? 10 : PRECISION[type] === undefined ? null : 2))],
    ['_pg_numeric_scale', strict(numericScale)],
    ['_pg_datetime_precision', strict(datetimePrecision)],
    ['_pg_interval_type', strict(intervalType)],
    [
      '_pg_truetypid',
      (attribute, type) =>
        field(type as Datum, 'typtype') === 'd' ? field(type as Datum, 'typbasetype') : field(attribute as Datum, 'atttypid'),
    ],
    [
      '_pg_truetypmod',
      (attribute, type) =>
        field(type as Datum, 'typtype') === 'd' ? field(type as Datum, 'typtypmod') : field(attribute as Datum, 'atttypmod'),
    ],
    [
      '_pg_index_position',
      (oid, attnum) => {
        const table = snapshotOf().indexTable(oid as Oid)?.descriptor
        const index = table?.table?.indexes.find((other) => other.oid === oid)
        const at = index?.columns.findIndex((key) => key.attnum === attnum) ?? -1
        return at < 0 ? null : at + 1
      },
    ],
  ])
}
