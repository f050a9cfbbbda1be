// pg_relation_is_updatable and pg_column_is_updatable: what information_schema says about views that stand for a relation.

import type { Oid } from '../base/ids.ts'
import { readStoredQuery } from '../sql/analyzer/stored.ts'
import { updatableColumns } from '../sql/analyzer/updatable-view.ts'
import type { Session } from './session.ts'

/** Bits 1 << CmdType. */
const UPDATE = 4
const INSERT = 8
const DELETE = 16
const ALL = INSERT | UPDATE | DELETE

/** What may be done to a relation; with `column` (from 1), as far as it concerns that column. `above`: the views that stand for it. */
export function updatableEvents(session: Session, relation: Oid, column: number | null, above: readonly Oid[] = []): number {
  // a view that stands for itself
  if (above.includes(relation)) return 0
  const found = session.planning.snapshot().relation(relation)
  if (found === null) return 0
  if (found.relkind === 'r' || found.relkind === 'p') return ALL
  const view = found.descriptor?.view
  if (view == null) return 0
  const below = updatableColumns(readStoredQuery(view.query, (type) => session.planning.supportOf(type)))
  if (below === null) return 0
  const own = column === null ? (below.columns.find((attnum) => attnum > 0) ?? 0) : (below.columns[column - 1] ?? 0)
  const events = own === 0 ? DELETE : ALL
  return events & updatableEvents(session, below.base, column === null || own === 0 ? null : own, [...above, relation])
}

export function columnIsUpdatable(session: Session, relation: Oid, column: number): boolean {
  const needed = UPDATE | DELETE
  return column > 0 && (updatableEvents(session, relation, column) & needed) === needed
}
