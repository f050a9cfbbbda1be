// pg_proc and pg_aggregate: the builtin functions. Bodies are found by `prosrc` (sql/functions/registry.ts).

import { pgAggregate } from './data/pg_aggregate.ts'
import { pgProc } from './data/pg_proc.ts'
import type { PgAggregateRow, PgProcRow } from './data/rows.ts'
import { EXTRA_PROCS } from './extra.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

const generated = table<PgProcRow>(pgProc)
let all: readonly PgProcRow[] | null = null
/** PostgreSQL's rows and our own (extra.ts). */
export const pgProcs = (): readonly PgProcRow[] => (all ??= [...generated(), ...EXTRA_PROCS])
export const procByOid = uniqueIndex(pgProcs, (row) => row.oid)
export const procsByName = multiIndex(pgProcs, (row) => row.proname)
export const procsByProsrc = multiIndex(pgProcs, (row) => row.prosrc)

export const pgAggregates = table<PgAggregateRow>(pgAggregate)
export const aggregateByProc = uniqueIndex(pgAggregates, (row) => row.aggfnoid)

/** pg_language OIDs. */
export const LANGUAGE = { internal: 12, c: 13, sql: 14 } as const
