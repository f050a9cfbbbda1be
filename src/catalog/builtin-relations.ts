// pg_catalog's and information_schema's own relations as the analyzer sees relations: names, OIDs and columns from the generated rows.

import type { Oid } from '../base/ids.ts'
import type { PgClassRow } from '../sql/builtin/data/rows.ts'
import { classByName, classByOid, systemViewByOid } from '../sql/builtin/pg-class.ts'
import { relationAttributes } from './extra-columns.ts'
import type { RelationInfo } from './snapshot.ts'

const cache = new Map<Oid, RelationInfo>()

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
