// What was read and written, counted by this process since its start: what pg_stat_user_tables and its like show and what tells the
// background that a table's statistics have aged. Nothing here is kept. Rows written count when their transaction commits; scans count at
// once, whatever becomes of it.

import type { Oid, TableId } from '../base/ids.ts'
import { LruMap } from '../base/lru.ts'

/** Tables and indexes counted; the one used longest ago is forgotten first. */
const RELATIONS = 20_000

export interface RowCounts {
  inserted: number
  updated: number
  deleted: number
}

/** Of a table: without an index; of an index: by it. */
export interface ScanCounts {
  scans: number
  /** Rows or index entries that the scans returned. */
  returned: number
  /** Rows that were read because an index led to them. */
  fetched: number
}

export interface RelationCounts extends RowCounts, ScanCounts {}

export interface DatabaseCounts extends Omit<RelationCounts, 'scans'> {
  commits: number
  rollbacks: number
}

const noRows = (): RowCounts => ({ inserted: 0, updated: 0, deleted: 0 })
const nothing = (): RelationCounts => ({ ...noRows(), scans: 0, returned: 0, fetched: 0 })

function add(into: RowCounts, { inserted, updated, deleted }: RowCounts): void {
  into.inserted += inserted
  into.updated += updated
  into.deleted += deleted
}

/** One keyspace's. */
export class TableActivity {
  /** By table id, since the table was last analysed: a truncated table is a new one. */
  readonly #sinceAnalyze = new LruMap<TableId, RowCounts>(RELATIONS)
  readonly #forgotten = nothing()
  readonly #relations = new LruMap<Oid, RelationCounts>(RELATIONS, (_, counts) => addAll(this.#forgotten, counts))
  #commits = 0
  #rollbacks = 0

  /** Rows written since the table was last analysed. */
  sinceAnalyze(table: TableId): RowCounts | null {
    return this.#sinceAnalyze.peek(table) ?? null
  }

  of(relation: Oid): RelationCounts | null {
    return this.#relations.peek(relation) ?? null
  }

  /** To be counted in. */
  counts(relation: Oid): RelationCounts {
    let known = this.#relations.get(relation)
    if (known === undefined) {
      known = nothing()
      this.#relations.set(relation, known)
    }
    return known
  }

  database(): DatabaseCounts {
    const sum = { ...this.#forgotten }
    for (const [, counts] of this.#relations.entries()) addAll(sum, counts)
    const { scans: _, ...rows } = sum
    return { ...rows, commits: this.#commits, rollbacks: this.#rollbacks }
  }

  // hot
  transactionEnded(committed: boolean): void {
    if (committed) this.#commits++
    else this.#rollbacks++
  }

  add(table: TableId, relation: Oid, rows: RowCounts): void {
    let known = this.#sinceAnalyze.get(table)
    if (known === undefined) {
      known = noRows()
      this.#sinceAnalyze.set(table, known)
    }
    add(known, rows)
    add(this.counts(relation), rows)
  }

  analyzed(table: TableId): void {
    const known = this.#sinceAnalyze.peek(table)
    if (known !== undefined) Object.assign(known, noRows())
  }

  changedTables(): Iterable<[TableId, RowCounts]> {
    return this.#sinceAnalyze.entries()
  }
}

function addAll(into: RelationCounts, counts: RelationCounts): void {
  add(into, counts)
  into.scans += counts.scans
  into.returned += counts.returned
  into.fetched += counts.fetched
}

export const modified = ({ inserted, updated, deleted }: RowCounts): number => inserted + updated + deleted

/** Rows a table has: those ANALYZE counted (-1 = never) and what has come and gone since. */
export function liveRows(relTuples: number, since: RowCounts | null): number {
  return Math.max(0, Math.max(relTuples, 0) + (since === null ? 0 : since.inserted - since.deleted))
}

interface PendingRows extends RowCounts {
  readonly relation: Oid
}

/** What the open transaction has written so far; it counts when it commits. */
export class PendingActivity {
  readonly #rows = new Map<TableId, PendingRows>()
  readonly #analyzed = new Set<TableId>()
  /** Written before their table was analysed: they count as written, and no longer as changes since. */
  #seen: PendingRows[] = []

  note(table: TableId, relation: Oid, inserted: number, updated: number, deleted: number): void {
    const known = this.#rows.get(table)
    if (known === undefined) this.#rows.set(table, { relation, inserted, updated, deleted })
    else add(known, { inserted, updated, deleted })
  }

  noteAnalyzed(table: TableId): void {
    const known = this.#rows.get(table)
    if (known !== undefined) {
      this.#seen.push(known)
      this.#rows.delete(table)
    }
    this.#analyzed.add(table)
  }

  /** The transaction has ended. */
  settle(activity: TableActivity, committed: boolean): void {
    activity.transactionEnded(committed)
    if (this.#rows.size + this.#analyzed.size === 0) return
    if (committed) {
      for (const table of this.#analyzed) activity.analyzed(table)
      for (const rows of this.#seen) add(activity.counts(rows.relation), rows)
      for (const [table, rows] of this.#rows) activity.add(table, rows.relation, rows)
    }
    this.#rows.clear()
    this.#seen = []
    this.#analyzed.clear()
  }
}
