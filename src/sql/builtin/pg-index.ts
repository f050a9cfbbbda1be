// pg_am, pg_opclass, pg_opfamily, pg_amop, pg_amproc: which operators and support functions an index of a type uses.

import { pgAm } from './data/pg_am.ts'
import { pgAmop } from './data/pg_amop.ts'
import { pgAmproc } from './data/pg_amproc.ts'
import { pgOpclass } from './data/pg_opclass.ts'
import { pgOpfamily } from './data/pg_opfamily.ts'
import type { PgAmopRow, PgAmprocRow, PgAmRow, PgOpclassRow, PgOpfamilyRow } from './data/rows.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const ACCESS_METHOD = { heap: 2, btree: 403, hash: 405, gist: 783, gin: 2742, spgist: 4000, brin: 3580 } as const
/** btree strategy numbers. */
export const STRATEGY = { less: 1, lessEqual: 2, equal: 3, greaterEqual: 4, greater: 5 } as const

export const pgAms = table<PgAmRow>(pgAm)
export const amByOid = uniqueIndex(pgAms, (row) => row.oid)
export const amByName = uniqueIndex(pgAms, (row) => row.amname)

export const pgOpclasses = table<PgOpclassRow>(pgOpclass)
export const opclassByOid = uniqueIndex(pgOpclasses, (row) => row.oid)
const opclassByMethodAndName = multiIndex(pgOpclasses, (row) => `${row.opcmethod} ${row.opcname}`)
const defaultOpclasses = uniqueIndex(
  () => pgOpclasses().filter((row) => row.opcdefault),
  (row) => `${row.opcmethod} ${row.opcintype}`,
)
/** The default operator class of exactly this input type (binary-coercible and polymorphic types: the caller walks them). */
export function defaultOpclass(method: number, type: number): PgOpclassRow | undefined {
  return defaultOpclasses(`${method} ${type}`)
}
export function opclassesByName(method: number, name: string): readonly PgOpclassRow[] {
  return opclassByMethodAndName(`${method} ${name}`)
}

export const pgOpfamilies = table<PgOpfamilyRow>(pgOpfamily)
export const opfamilyByOid = uniqueIndex(pgOpfamilies, (row) => row.oid)

export const pgAmops = table<PgAmopRow>(pgAmop)
/** Every family an operator belongs to, and as what. */
export const amopsByOperator = multiIndex(pgAmops, (row) => row.amopopr)
export const amopsByFamily = multiIndex(pgAmops, (row) => row.amopfamily)
const amopByStrategy = uniqueIndex(
  () => pgAmops().filter((row) => row.amoppurpose === 's'),
  (row) => `${row.amopfamily} ${row.amoplefttype} ${row.amoprighttype} ${row.amopstrategy}`,
)
/** The search operator of a strategy in a family for these operand types. */
export function amop(family: number, left: number, right: number, strategy: number): PgAmopRow | undefined {
  return amopByStrategy(`${family} ${left} ${right} ${strategy}`)
}

export const pgAmprocs = table<PgAmprocRow>(pgAmproc)
const amprocByNumber = uniqueIndex(pgAmprocs, (row) => `${row.amprocfamily} ${row.amproclefttype} ${row.amprocrighttype} ${row.amprocnum}`)
/** A family's support function (btree 1 = compare, hash 1 = hash). */
export function amproc(family: number, left: number, right: number, number: number): PgAmprocRow | undefined {
  return amprocByNumber(`${family} ${left} ${right} ${number}`)
}
