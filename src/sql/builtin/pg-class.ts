// The system catalogues and views themselves: pg_class, pg_attribute, pg_index and pg_constraint rows with PostgreSQL's OIDs, and the
// views' definitions as SQL text.

import { pgAttribute } from './data/pg_attribute.ts'
import { pgClass } from './data/pg_class.ts'
import { pgConstraint } from './data/pg_constraint.ts'
import { pgIndex } from './data/pg_index.ts'
import type { PgAttributeRow, PgClassRow, PgConstraintRow, PgIndexRow } from './data/rows.ts'
import { systemViews } from './data/views.ts'
import { multiIndex, table, uniqueIndex } from './table.ts'

export const pgClasses = table<PgClassRow>(pgClass)
export const classByOid = uniqueIndex(pgClasses, (row) => row.oid)
const byNamespaceAndName = uniqueIndex(pgClasses, (row) => `${row.relnamespace} ${row.relname}`)
export function classByName(namespace: number, name: string): PgClassRow | undefined {
  return byNamespaceAndName(`${namespace} ${name}`)
}

export const pgAttributes = table<PgAttributeRow>(pgAttribute)
/** User columns only (attnum > 0), by attnum. */
export const attributesByRelation = multiIndex(
  () =>
    pgAttributes()
      .filter((row) => row.attnum > 0)
      .sort((a, b) => a.attnum - b.attnum),
  (row) => row.attrelid,
)

export const pgIndexes = table<PgIndexRow>(pgIndex)
export const indexesByRelation = multiIndex(pgIndexes, (row) => row.indrelid)
export const indexByOid = uniqueIndex(pgIndexes, (row) => row.indexrelid)

/** `conbin` holds pg_get_constraintdef's text. */
export const pgConstraints = table<PgConstraintRow>(pgConstraint)

export interface SystemViewRow {
  readonly oid: number
  readonly nspname: string
  readonly relname: string
  /** pg_get_viewdef's text. */
  readonly definition: string
}
export const systemViewRows = table<SystemViewRow>(systemViews)
export const systemViewByOid = uniqueIndex(systemViewRows, (row) => row.oid)
