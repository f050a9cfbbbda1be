// Sizes of tables and indexes, which have no files here: estimated from what ANALYZE saw and from the rows written since.

import type { Oid } from '../base/ids.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { IndexDescriptor, RelationDescriptor } from './descriptors.ts'
import { liveRows, type TableActivity } from './table-activity.ts'

const PAGE = 8192
/** What a row or an entry takes beside its values, and a value whose width nobody has measured. */
const ROW_HEADER = 28
const ENTRY_HEADER = 16
const VALUE = 8

type Parts = 'without' | 'with' | 'only'

/** Bytes of a table without its indexes, with them, or of these only; of an index, its own. Null: there is no such relation. */
export function relationBytes(snapshot: ReaderSnapshot, activity: TableActivity, oid: Oid, indexes: Parts): number | null {
  const relation = snapshot.relation(oid)
  if (relation === null) return null
  if (relation.relkind === 'i') {
    const parent = snapshot.indexTable(oid)?.descriptor?.table
    const index = parent?.indexes.find((one) => one.oid === oid)
    if (parent == null || index === undefined || indexes === 'only') return 0
    return indexBytes(index, rowsOf(parent, activity))
  }
  const descriptor = relation.descriptor
  if (descriptor?.table == null) return 0
  const rows = rowsOf(descriptor.table, activity)
  const own = indexes === 'only' ? 0 : tableBytes(descriptor, rows)
  if (indexes === 'without') return own
  return descriptor.table.indexes.reduce((sum, index) => sum + indexBytes(index, rows), own)
}

type Table = NonNullable<RelationDescriptor['table']>

const rowsOf = (table: Table, activity: TableActivity): number => liveRows(table.relTuples, activity.sinceAnalyze(table.id))

function tableBytes({ table, columns }: RelationDescriptor, rows: number): number {
  const { relTuples, relPages } = table!
  const width = relTuples > 0 ? (relPages * PAGE) / relTuples : ROW_HEADER + VALUE * columns.length
  return Math.ceil((rows * width) / PAGE) * PAGE
}

/** An empty one has a page, as PostgreSQL's. */
function indexBytes(index: IndexDescriptor, rows: number): number {
  return (1 + Math.ceil((rows * (ENTRY_HEADER + VALUE * index.columns.length)) / PAGE)) * PAGE
}
