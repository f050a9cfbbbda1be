// pg_catalog's and information_schema's own relations as the analyzer sees relations: names, OIDs and columns from the generated rows.

import type { Oid } from '../base/ids.ts'
import type { PgClassRow } from '../sql/builtin/data/rows.ts'
import { classByName, classByOid, indexesByRelation, systemViewByOid } from '../sql/builtin/pg-class.ts'
import { relationAttributes } from './extra-columns.ts'
import { LOOKUP_COLUMNS } from './lookup-columns.ts'
import type { CatalogTableFacts, RelationInfo } from './snapshot.ts'

const cache = new Map<Oid, RelationInfo>()

/** What a keyspace of a few hundred tables adds to PostgreSQL's own rows. */
const OWN_ROWS: Readonly<Record<string, number>> = {
  pg_attrdef: 500,
  pg_attribute: 8000,
  pg_class: 1500,
  pg_constraint: 2000,
  pg_depend: 5000,
  pg_index: 1000,
  pg_sequence: 300,
  pg_statistic: 2000,
  pg_type: 1000,
}

function tableFacts(row: PgClassRow): CatalogTableFacts {
  const lookups = new Map<number, number>()
  for (const { attnum, attname } of relationAttributes(row.oid)) {
    const rows = LOOKUP_COLUMNS.get(attname)
    if (rows !== undefined) lookups.set(attnum, rows)
  }
  const unique = indexesByRelation(row.oid).flatMap(({ indisunique, indkey }) => (indisunique && indkey.length === 1 ? [indkey[0]!] : []))
  return { rows: Math.max(row.reltuples, 1) + (OWN_ROWS[row.relname] ?? 0), lookups, unique: new Set(unique) }
}

function build(row: PgClassRow): RelationInfo {
  const view = row.relkind === 'v' ? systemViewByOid(row.oid) : undefined
  return {
    oid: row.oid,
    name: row.relname,
    namespace: row.relnamespace,
    owner: row.relowner,
    relkind: row.relkind,
    columns: relationAttributes(row.oid).map((column) => ({
      attnum: column.attnum,
      name: column.attname,
      type: column.atttypid,
      typmod: column.atttypmod,
      collation: column.attcollation,
      notNull: column.attnotnull,
      dropped: column.attisdropped,
    })),
    rowType: row.reltype,
    descriptor: null,
    systemViewSql: view?.definition ?? null,
    catalogTable: row.relkind === 'r' ? tableFacts(row) : null,
  }
}

function infoOf(row: PgClassRow | undefined): RelationInfo | null {
  if (row === undefined) return null
  let info = cache.get(row.oid)
  if (info === undefined) cache.set(row.oid, (info = build(row)))
  return info
}

export const builtinRelation = (oid: Oid): RelationInfo | null => infoOf(classByOid(oid))
export const builtinRelationByName = (namespace: Oid, name: string): RelationInfo | null => infoOf(classByName(namespace, name))
