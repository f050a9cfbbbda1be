// The rows of a pg_catalog table: PostgreSQL's own first, then the keyspace's. Tables of objects nobody can have made are empty.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { classByOid } from '../../sql/builtin/pg-class.ts'
import { PG_CATALOG_NAMESPACE } from '../records.ts'
import {
  domainConstraints,
  pgAuthid,
  pgAuthMembers,
  pgDatabase,
  pgDbRoleSetting,
  pgDefaultAcl,
  pgDepend,
  pgDescription,
  pgEnum,
  pgNamespace,
  pgShdescription,
  pgType,
} from './objects.ts'
import { pgAttrdef, pgAttribute, pgClass, pgConstraint, pgIndex, pgRewrite, pgSequence, type Rows } from './relations.ts'
import { builtinRows, Hints, type RowObject, type Shape, shapeOf, toRow } from './rows.ts'
import type { VirtualSource } from './source.ts'
import { pgStatistic } from './statistics.ts'

const constraints: Rows = (source, hints) =>
  andThen(pgConstraint(source, hints), (own) =>
    hints.oid('conrelid') !== null ? own : andThen(domainConstraints(source, hints), (more) => [...own, ...more]),
  )

const OWN: Readonly<Record<string, Rows>> = {
  pg_attrdef: pgAttrdef,
  pg_attribute: pgAttribute,
  pg_auth_members: pgAuthMembers,
  pg_authid: pgAuthid,
  pg_class: pgClass,
  pg_constraint: constraints,
  pg_database: pgDatabase,
  pg_db_role_setting: pgDbRoleSetting,
  pg_default_acl: pgDefaultAcl,
  pg_depend: pgDepend,
  pg_description: pgDescription,
  pg_enum: pgEnum,
  pg_index: pgIndex,
  pg_namespace: pgNamespace,
  pg_rewrite: pgRewrite,
  pg_sequence: pgSequence,
  pg_shdescription: pgShdescription,
  pg_statistic: pgStatistic,
  pg_type: pgType,
}

/** Whose rows are all the keyspace's. */
const WITHOUT_BUILTIN = new Set(['pg_database'])
const PUBLIC_NAMESPACE = 2200

export interface VirtualRelationRows {
  rows(ctx: unknown, hints: readonly { readonly attnum: number; readonly value: Datum }[]): MaybePromise<Iterable<Row>>
}

/** Null for what is no pg_catalog table. `source` is asked at each scan. */
export function virtualRelation(relation: Oid, source: () => VirtualSource): VirtualRelationRows | null {
  const row = classByOid(relation)
  if (row === undefined || row.relkind !== 'r') return null
  // information_schema's own tables (sql_features …) and pg_catalog's
  const table = row.relname
  if (row.relnamespace !== PG_CATALOG_NAMESPACE) return { rows: () => [] }
  return {
    rows(_ctx, given) {
      const hints = Hints.of(table, given)
      // a NULL in a condition finds nothing
      for (const value of hints.values.values()) if (value === null) return []
      const shape = shapeOf(table)
      const builtin = WITHOUT_BUILTIN.has(table) ? [] : builtinRows(table, hints)
      const own = OWN[table]
      if (own === undefined) return builtin
      return andThen(own(source(), hints), (objects: RowObject[]) => {
        const base = overridden(table, builtin, objects)
        return objects.length === 0 ? base : both(base, shape, objects)
      })
    },
  }
}

/** Made as they are asked for. */
function* both(builtin: readonly Row[], shape: Shape, objects: readonly RowObject[]): Iterable<Row> {
  yield* builtin
  for (const object of objects) yield toRow(shape, object)
}

/** A builtin row whose object the keyspace keeps a record of (schema public, a predefined role with memberships) gives way. */
function overridden(table: string, builtin: readonly Row[], objects: readonly RowObject[]): readonly Row[] {
  if (table !== 'pg_authid' && table !== 'pg_namespace') return builtin
  const own = new Set(objects.map((object) => object.oid))
  return builtin.filter((row) => !own.has(row[0]) && (table !== 'pg_namespace' || row[0] !== PUBLIC_NAMESPACE) && row[0] !== null)
}
