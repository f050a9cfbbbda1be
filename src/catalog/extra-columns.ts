// Columns that PostgreSQL 18's catalogues no longer have and that clients of the versions before still ask for: psql 15 and 16 read
// pg_database.daticulocale (now datlocale) in \\l, pg_collation.colliculocale (now colllocale) in \\dO. They stand behind PostgreSQL's own columns.

import type { Oid } from '../base/ids.ts'
import type { PgAttributeRow } from '../sql/builtin/data/rows.ts'
import { attributesByRelation } from '../sql/builtin/pg-class.ts'

const PG_DATABASE: Oid = 1262
const PG_COLLATION: Oid = 3456
/** New name → old name. */
const RENAMED: Readonly<Record<Oid, readonly (readonly [string, string])[]>> = {
  [PG_DATABASE]: [['datlocale', 'daticulocale']],
  [PG_COLLATION]: [['colllocale', 'colliculocale']],
}

const cache = new Map<Oid, readonly PgAttributeRow[]>()

/** attributesByRelation and the extra columns. */
export function relationAttributes(relation: Oid): readonly PgAttributeRow[] {
  const own = attributesByRelation(relation)
  const renamed = RENAMED[relation]
  if (renamed === undefined) return own
  let all = cache.get(relation)
  if (all === undefined) {
    const extra = renamed.map(([from, to], i) => ({ ...own.find((row) => row.attname === from)!, attname: to, attnum: own.length + 1 + i }))
    cache.set(relation, (all = [...own, ...extra]))
  }
  return all
}

/** The column whose value an extra column repeats; any other column's own name. */
export function columnSource(relation: Oid, name: string): string {
  return RENAMED[relation]?.find(([, old]) => old === name)?.[0] ?? name
}
