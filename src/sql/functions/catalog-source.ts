// The small catalogue overload resolution works over: PostgreSQL's builtin rows joined with a tenant's own. The catalogue implements it
// from its snapshot; `builtin-source.ts` is the same over builtin rows alone.

import type { Oid } from '../../base/ids.ts'
import type { PgCastRow, PgOperatorRow, PgProcRow, PgTypeRow } from '../builtin/data/rows.ts'

/** The columns of pg_type that resolution reads; a builtin row is one. */
export type TypeFacts = Pick<
  PgTypeRow,
  | 'oid'
  | 'typname'
  | 'typnamespace'
  | 'typtype'
  | 'typcategory'
  | 'typispreferred'
  | 'typisdefined'
  | 'typlen'
  | 'typelem'
  | 'typarray'
  | 'typbasetype'
  | 'typtypmod'
  | 'typrelid'
>

export type OperatorFacts = Pick<
  PgOperatorRow,
  'oid' | 'oprname' | 'oprnamespace' | 'oprkind' | 'oprleft' | 'oprright' | 'oprresult' | 'oprcode'
>

/** The columns of pg_proc that resolution reads; a builtin row is one. */
export type ProcFacts = Pick<
  PgProcRow,
  | 'oid'
  | 'proname'
  | 'pronamespace'
  | 'prokind'
  | 'provariadic'
  | 'pronargs'
  | 'pronargdefaults'
  | 'prorettype'
  | 'proargtypes'
  | 'proallargtypes'
  | 'proargmodes'
  | 'proargnames'
  | 'proargdefaults'
  | 'proisstrict'
  | 'proretset'
  | 'provolatile'
>

export type CastFacts = Pick<PgCastRow, 'castsource' | 'casttarget' | 'castfunc' | 'castcontext' | 'castmethod'>

export interface CatalogSource {
  type(oid: Oid): TypeFacts | undefined
  /** A type by name: in the search path when `schema` is null. */
  typeByName(schema: string | null, name: string): TypeFacts | undefined
  /** All functions visible under this name, those of earlier schemas of the search path first; or those of `schema`. */
  procs(schema: string | null, name: string): readonly ProcFacts[]
  /** All operators visible under this name, in search path order; or those of `schema`. */
  operators(schema: string | null, name: string): readonly OperatorFacts[]
  /** The first of them with exactly these operand types (`left` 0 = prefix). */
  operatorExact(schema: string | null, name: string, left: Oid, right: Oid): OperatorFacts | undefined
  cast(source: Oid, target: Oid): CastFacts | undefined
  /** 0 where there is none. */
  rangeSubtype(rangeType: Oid): Oid
  multirangeOfRange(rangeType: Oid): Oid
  rangeOfMultirange(multirangeType: Oid): Oid
  /** Whether `child` is a composite type whose relation inherits from `parent`'s. */
  inheritsFrom(child: Oid, parent: Oid): boolean
  /** format_type_be: the name as error messages print it. */
  formatType(oid: Oid): string
}
