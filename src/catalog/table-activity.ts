// How many rows of each table were written, counted by this process since its start: what pg_stat_user_tables shows and what tells the
// background that a table's statistics have aged. Committed changes only; nothing here is kept.

import type { TableId } from '../base/ids.ts'
import { LruMap } from '../base/lru.ts'

/** Tables counted; the one unchanged for longest is forgotten first. */
const TABLES = 10_000

export interface RowCounts {
  inserted: number
  updated: number
  deleted: number
}

export interface TableCounts extends RowCounts {
  /** Since the table was last analysed. */
  readonly sinceAnalyze: RowCounts
}

const none = (): RowCounts => ({ inserted: 0, updated: 0, deleted: 0 })

function add(into: RowCounts, { inserted, updated, deleted }: RowCounts): void {
  into.inserted += inserted
  into.updated += updated
  into.deleted += deleted
}

/** One keyspace's. By table id: a truncated table is a new one. */
export class TableActivity {
  readonly #tables = new LruMap<TableId, TableCounts>(TABLES)

  of(table: TableId): TableCounts | null {
    return this.#tables.peek(table) ?? null
  }

  add(table: TableId, counts: RowCounts): void {
    let known = this.#tables.get(table)
    if (known === undefined) {
      known = { ...none(), sinceAnalyze: none() }
      this.#tables.set(table, known)
    }
    add(known, counts)
    add(known.sinceAnalyze, counts)
  }

  analyzed(table: TableId): void {
    const known = this.#tables.peek(table)
    if (known !== undefined) Object.assign(known.sinceAnalyze, none())
  }

  entries(): Iterable<[TableId, TableCounts]> {
    return this.#tables.entries()
  }
}

export const modified = ({ inserted, updated, deleted }: RowCounts): number => inserted + updated + deleted

/** Rows a table has: those ANALYZE counted (-1 = never) and what has come and gone since. */
export function liveRows(relTuples: number, counts: TableCounts | null): number {
  const since = counts?.sinceAnalyze
  return Math.max(0, Math.max(relTuples, 0) + (since === undefined ? 0 : since.inserted - since.deleted))
}

/** What the open transaction has done so far; it counts when it commits. */
export class PendingActivity {
  readonly #rows = new Map<TableId, RowCounts>()
  readonly #analyzed = new Set<TableId>()

  note(table: TableId, inserted: number, updated: number, deleted: number): void {
    const known = this.#rows.get(table)
    if (known === undefined) this.#rows.set(table, { inserted, updated, deleted })
    else add(known, { inserted, updated, deleted })
  }

  noteAnalyzed(table: TableId): void {
    this.#rows.delete(table)
    this.#analyzed.add(table)
  }

  /** The transaction has ended. */
  settle(activity: TableActivity, committed: boolean): void {
    if (this.#rows.size + this.#analyzed.size === 0) return
    if (committed) {
      for (const table of this.#analyzed) activity.analyzed(table)
      for (const [table, counts] of this.#rows) activity.add(table, counts)
    }
    this.#rows.clear()
    this.#analyzed.clear()
  }
}
