// Functions of pg-keyspace that PostgreSQL does not have: rows of pg_proc from OID 9000 up. Their bodies are found by prosrc like all others.

import type { PgProcRow } from './data/rows.ts'

export const EXTRA_PROCS: readonly PgProcRow[] = []
