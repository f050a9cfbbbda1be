// What ANALYZE found out about a table's columns: one record per table beside its descriptor, so that it commits and is seen by other nodes
// as definitions are, and the descriptor itself stays small. Values are kept as the type's text, which outlives changes of its stored form.

import type { Oid } from '../base/ids.ts'

/** pg_statistic's row of one column, its slots by name. */
export interface ColumnStatistics {
  readonly nullFraction: number
  /** Average bytes of a present value, as PostgreSQL would store it. */
  readonly width: number
  /** stadistinct: > 0 a number, < 0 minus a fraction of the rows, 0 unknown. */
  readonly distinct: number
  /** Most common first. */
  readonly mostCommon: { readonly values: readonly string[]; readonly frequencies: readonly number[] } | null
  /** Bounds of groups with about equally many of the values that are not most common ones. */
  readonly histogram: readonly string[] | null
  /** Between the order of the rows and the order of the values; null for types without order. */
  readonly correlation: number | null
}

export interface StatisticsRecord {
  readonly kind: 'statistics'
  readonly table: Oid
  /** By attnum. */
  readonly columns: Readonly<Record<string, ColumnStatistics>>
  /** Of index expressions: by the index's OID, then by the column's place in it, from 1. */
  readonly expressions: Readonly<Record<string, Readonly<Record<string, ColumnStatistics>>>>
  /** When, timestamptz µs; and how often. */
  readonly analyzed: { readonly last: number; readonly count: number } | null
  readonly autoanalyzed: { readonly last: number; readonly count: number } | null
}

export const noStatistics = (table: Oid): StatisticsRecord => ({
  kind: 'statistics',
  table,
  columns: {},
  expressions: {},
  analyzed: null,
  autoanalyzed: null,
})
