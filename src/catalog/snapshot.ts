// The catalogue as the analyzer and planner see it: synchronous and consistent. What is not in memory yet makes a look-up throw
// CatalogMiss; whoever called the analyzer loads it and analyses again (analysis is pure, so that costs only a cold cache some time). The
// embedded store loads at once and never misses.

import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { PgAggregateRow, PgCastRow, PgOperatorRow, PgProcRow, PgTypeRow } from '../sql/builtin/data/rows.ts'
import type { NamespaceDescriptor, NotNullConstraint, RelationDescriptor, RoleDescriptor, TypeDescriptor } from './descriptors.ts'
import type { StatisticsRecord } from './statistics.ts'

/** Thrown by a look-up whose answer has to be fetched first; `load` brings it. Never reaches a client. */
export class CatalogMiss {
  readonly load: () => Promise<void>
  constructor(load: () => Promise<void>) {
    this.load = load
  }
}

/** A relation by whatever way it exists: a user's descriptor, or a virtual one of pg_catalog / information_schema. */
export interface RelationInfo {
  readonly oid: Oid
  readonly name: string
  readonly namespace: Oid
  readonly owner: Oid
  /** pg_class.relkind: r, v, S, i, c. Virtual catalogue tables are 'r', system views 'v'. */
  readonly relkind: string
  /** For Var numbering; dropped columns included (attnum - 1 → column). */
  readonly columns: readonly RelationColumn[]
  readonly rowType: Oid
  /** Null for virtual relations. */
  readonly descriptor: RelationDescriptor | null
  /** A system view's definition (SELECT text, to be analysed in search_path pg_catalog); null otherwise. */
  readonly systemViewSql: string | null
  /** Of a catalogue table: what the planner may take to be true of its rows. */
  readonly catalogTable: CatalogTableFacts | null
}
export interface CatalogTableFacts {
  /** About so many rows. */
  readonly rows: number
  /** Columns by whose values rows are found without looking at all of them: attnum → about so many rows with one value. */
  readonly lookups: ReadonlyMap<number, number>
  /** Columns in which no value occurs twice. */
  readonly unique: ReadonlySet<number>
}
export interface RelationColumn {
  readonly attnum: number
  readonly name: string
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
  /** The constraint, where a tenant's table has one. */
  readonly notNullConstraint?: NotNullConstraint | null
  readonly notNull: boolean
  readonly dropped: boolean
}

export interface CatalogSnapshot {
  /** Same number = same answers to everything below: caches key on it. Differs while the transaction has catalogue changes of its own. */
  readonly version: string
  namespace(oid: Oid): NamespaceDescriptor | null
  namespaceByName(name: string): NamespaceDescriptor | null
  /** Tables, views, sequences, indexes, composite types; virtual ones too. */
  relation(oid: Oid): RelationInfo | null
  relationByName(namespace: Oid, name: string): RelationInfo | null
  /** What ANALYZE found out about a table; null = nothing yet. */
  statistics(table: Oid): StatisticsRecord | null
  /** The table an index belongs to, or null. */
  indexTable(index: Oid): RelationInfo | null
  /** Built-in and user types in pg_type form (row types, arrays, enums, domains). */
  type(oid: Oid): PgTypeRow | null
  typeByName(namespace: Oid, name: string): PgTypeRow | null
  userType(oid: Oid): TypeDescriptor | null
  /** OIDs of an enum's labels that this transaction has added to what others see of it; none where nobody sees it yet. */
  uncommittedLabels(type: TypeDescriptor): ReadonlySet<Oid>
  /** Every function, procedure and aggregate of that name in a schema. */
  procsByName(namespace: Oid, name: string): readonly PgProcRow[]
  proc(oid: Oid): PgProcRow | null
  /** Whether some may not execute it, or may not have been able to: its calls look (privileges.ts). */
  isRestricted(proc: PgProcRow): boolean
  aggregate(fn: Oid): PgAggregateRow | null
  operatorsByName(namespace: Oid, name: string): readonly PgOperatorRow[]
  operator(oid: Oid): PgOperatorRow | null
  cast(source: Oid, target: Oid): PgCastRow | null
  collationByName(namespace: Oid, name: string): { readonly oid: Oid; readonly name: string } | null
  role(oid: Oid): RoleDescriptor | null
  roleByName(name: string): RoleDescriptor | null
  comment(classOid: Oid, objOid: Oid, subId: number): string | null
}

/** Runs `attempt` until no look-up misses any more. Bounded: a statement that misses more often than it has names is a defect. */
export function withCatalog<T>(attempt: () => T, misses = 0): MaybePromise<T> {
  try {
    return attempt()
  } catch (error) {
    if (!(error instanceof CatalogMiss) || misses > 1000) throw error
    return error.load().then(() => withCatalog(attempt, misses + 1))
  }
}
