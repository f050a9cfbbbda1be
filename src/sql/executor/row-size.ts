// Estimated bytes a row holds, for memory accounts. // hot

import type { Datum, Row } from '../../base/datum.ts'
import { ArrayDatum } from '../types/array.ts'
import { RecordDatum } from '../types/record.ts'

export function datumSize(value: Datum): number {
  switch (typeof value) {
    case 'number':
    case 'boolean':
      return 8
    case 'string':
      return 32 + value.length
    case 'bigint':
      return 32
    default:
      if (value === null) return 8
      if (value instanceof Uint8Array) return 112 + value.length
      if (value instanceof ArrayDatum) return 96 + listSize(value.elements)
      if (value instanceof RecordDatum) return 48 + listSize(value.values)
      return 64
  }
}

function listSize(values: readonly Datum[]): number {
  let size = 16
  for (let i = 0; i < values.length; i++) size += datumSize(values[i]!)
  return size
}

export function rowSize(row: Row): number {
  let size = 48
  for (let i = 0; i < row.length; i++) size += datumSize(row[i]!)
  return size
}

export function rowsSize(rows: readonly Row[], count: number): number {
  let size = 0
  for (let i = 0; i < count; i++) size += rowSize(rows[i]!)
  return size
}
