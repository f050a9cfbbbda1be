// pg_cast: the builtin casts. castcontext: i implicit, a assignment, e explicit; castmethod: f function, b binary-coercible, i through I/O.

import { pgCast } from './data/pg_cast.ts'
import type { PgCastRow } from './data/rows.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const pgCasts = table<PgCastRow>(pgCast)
export const castsBySource = multiIndex(pgCasts, (row) => row.castsource)
export const castsByTarget = multiIndex(pgCasts, (row) => row.casttarget)

const byTypes = uniqueIndex(pgCasts, (row) => row.castsource * 2 ** 24 + row.casttarget)
/** Builtin type OIDs are below 2^24. */
export function castByTypes(source: number, target: number): PgCastRow | undefined {
  return source < 2 ** 24 && target < 2 ** 24 ? byTypes(source * 2 ** 24 + target) : undefined
}
