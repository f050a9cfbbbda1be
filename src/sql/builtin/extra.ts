// Functions of pg-keyspace that PostgreSQL does not have: rows of pg_proc from OID 9000 up. Their bodies are found by prosrc like all others.

import type { PgProcRow } from './data/rows.ts'

const TEXT = 25

/** A function of no arguments, answered by a higher room (EvalContext.system). */
function stable(oid: number, name: string, result: number): PgProcRow {
  return {
    oid,
    proname: name,
    pronamespace: 11,
    proowner: 10,
    prolang: 12,
    procost: 1,
    prorows: 0,
    provariadic: 0,
    prosupport: 0,
    prokind: 'f',
    prosecdef: false,
    proleakproof: false,
    proisstrict: true,
    proretset: false,
    provolatile: 's',
    proparallel: 's',
    pronargs: 0,
    pronargdefaults: 0,
    prorettype: result,
    proargtypes: [],
    proallargtypes: null,
    proargmodes: null,
    proargnames: null,
    proargdefaults: null,
    protrftypes: null,
    prosrc: name,
    probin: null,
    prosqlbody: null,
    proconfig: null,
    proacl: null,
  }
}

export const EXTRA_PROCS: readonly PgProcRow[] = [
  /** The tenant this session is bound to (tenancy P3). */
  stable(9000, 'current_tenant', TEXT),
]
