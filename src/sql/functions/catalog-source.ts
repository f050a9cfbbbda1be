// The small catalogue overload resolution works over: PostgreSQL's builtin rows joined with a tenant's own. The catalogue implements it
// from its snapshot (builtin rows first); `builtinSource` is the same over builtin rows alone.

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
  | 'typelem'
  | 'typarray'
  | 'typbasetype'
  | 'typtypmod'
  | 'typrelid'
  | 'typsubscript'
>

export type OperatorFacts = Pick<PgOperatorRow, 'oid' | 'oprname' | 'oprnamespace' | 'oprleft' | 'oprright' | 'oprresult' | 'oprcode'>

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
  /** Candidates visible under this name, in search path order (`schema` null) or of that schema; the resolver picks among equals by order. */
  procs(schema: string | null, name: string): readonly ProcFacts[]
  operators(schema: string | null, name: string): readonly OperatorFacts[]
  cast(source: Oid, target: Oid): CastFacts | undefined
  /** The subtype of a range type and the range type of a multirange, or 0. */
  rangeSubtype(rangeType: Oid): Oid
  multirangeRange(multirangeType: Oid): Oid
  rangeMultirange(rangeType: Oid): Oid
  /** Whether `child` is a composite type whose relation inherits `parent`'s. */
  inheritsFrom(child: Oid, parent: Oid): boolean
  /** format_type_be: the name as error messages print it. */
  formatType(oid: Oid): string
}
