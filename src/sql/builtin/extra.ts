// Functions of pg-keyspace that PostgreSQL does not have: rows of pg_proc from OID 9000 up. Their bodies are found by prosrc like all others.

import type { PgProcRow } from './data/rows.ts'

const TEXT = 25
const FLOAT4 = 700
const FLOAT8 = 701

type Own = Pick<PgProcRow, 'oid' | 'proname' | 'prorettype'> & Partial<PgProcRow>

function own(row: Own): PgProcRow {
  return {
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
    proargtypes: [],
    proallargtypes: null,
    proargmodes: null,
    proargnames: null,
    proargdefaults: null,
    protrftypes: null,
    prosrc: row.proname,
    probin: null,
    prosqlbody: null,
    proconfig: null,
    proacl: null,
    ...row,
  }
}

/** One argument, which may be NULL. */
const checked = (oid: number, proname: string, type: number): PgProcRow =>
  own({ oid, proname, prorettype: type, pronargs: 1, proargtypes: [type], proisstrict: false, provolatile: 'i' })

export const EXTRA_PROCS: readonly PgProcRow[] = [
  /** The tenant this session is bound to (tenancy P3). */
  own({ oid: 9000, proname: 'current_tenant', prorettype: TEXT }),
  /** What TABLESAMPLE and its REPEATABLE are given, refused where it makes no sense. */
  checked(9001, 'tablesample_percentage', FLOAT4),
  checked(9002, 'tablesample_seed', FLOAT8),
]
