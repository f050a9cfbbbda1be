// What store nodes need of the session and the catalogue, declared here and implemented above: hidden row ids, virtual relations, deferred
// constraint checks.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid, TableId } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ScanCounts } from '../../catalog/table-activity.ts'
import type { StoreCapabilities, Transaction } from '../../storage/store.ts'
import type { EvalContext } from '../types/eval-context.ts'

/** Rows of a catalogue relation, made from descriptors and built-in rows. Columns by attnum - 1. */
export interface VirtualRelation {
  /** `hints`: column = value conditions the rows will be filtered by; a provider may produce less. The rows belong to others, too. */
  rows(ctx: EvalContext, hints: readonly { readonly attnum: number; readonly value: Datum }[]): MaybePromise<readonly Row[]>
}

/** A constraint check put off to the end of the transaction (or to SET CONSTRAINTS … IMMEDIATE). */
export interface DeferredCheck {
  readonly constraint: Oid
  /** The table that must stay as it is until then; 0 = none. */
  readonly relation: Oid
  /** Throws the violation. */
  run(txn: Transaction): MaybePromise<void>
}

/** Of one transaction; the session drains it before COMMIT and when SET CONSTRAINTS says so. */
export interface DeferredChecks {
  /** Whether a deferrable constraint is deferred now (SET CONSTRAINTS, else its own INITIALLY). */
  isDeferred(constraint: Oid, initiallyDeferred: boolean): boolean
  add(check: DeferredCheck): void
}

export interface StoreServices {
  readonly capabilities: StoreCapabilities
  /** The transaction was begun with `autocommit`: the store checks for conflicts at commit, rows need no locks of their own. */
  autocommit: boolean
  /** lock_timeout; 0 = none. */
  lockTimeoutMs: number
  /** Rows written, for the statistics of the table's activity. // hot */
  rowsChanged(table: TableId, relation: Oid, inserted: number, updated: number, deleted: number): void
  /** Where scans of a table or an index are counted; the same object for as long as it is used. */
  scanCounts(relation: Oid): ScanCounts
  rowIds(table: TableId, count: number): MaybePromise<readonly number[]>
  /** A transaction that reads what is committed now; the caller rolls it back. */
  readNow(): Transaction
  /** Null: the relation has no rows of its own here. */
  virtualRelation(relation: Oid): VirtualRelation | null
  /** The key of the table's row that a cursor stands on (WHERE CURRENT OF). */
  cursorRow(cursor: string, relation: Oid): Buffer
  /** attnums of the columns the current user may read; null = all. For what errors tell of rows. */
  readableColumns(relation: Oid): ReadonlySet<number> | null
  readonly deferred: DeferredChecks
}
