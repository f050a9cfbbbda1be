// pg_type and pg_range: the builtin types.

import { pgRange } from './data/pg_range.ts'
import { pgType } from './data/pg_type.ts'
import type { PgRangeRow, PgTypeRow } from './data/rows.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const pgTypes = table<PgTypeRow>(pgType)
export const typeByOid = uniqueIndex(pgTypes, (row) => row.oid)
/** By typname; information_schema's domains share the list with pg_catalog's types. */
export const typesByName = multiIndex(pgTypes, (row) => row.typname)

export const pgRanges = table<PgRangeRow>(pgRange)
export const rangeByType = uniqueIndex(pgRanges, (row) => row.rngtypid)
export const rangeByMultirange = uniqueIndex(pgRanges, (row) => row.rngmultitypid)
