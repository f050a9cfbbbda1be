// What writes to tables are asked of, whoever writes: ModifyTable, COPY, foreign keys' actions.

import type { Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { RowReader } from '../../storage/rows/row-codec.ts'
import type { TableWriter } from '../../storage/rows/table-writer.ts'
import type { RowChecks } from './row-checks.ts'
import type { TableAccess } from './table-layout.ts'

export interface TableModifier {
  readonly relation: Oid
  readonly access: TableAccess
  readonly writer: TableWriter
  readonly checks: RowChecks
  /** Decodes every column, by ordinal. */
  readonly reader: RowReader
  /** Full rows, defaults in place. */
  insert(rows: readonly Row[]): MaybePromise<Buffer[]>
  /** Checks and writes; the rows are locked. `columns`: ordinals that may have changed. */
  update(keys: readonly Buffer[], oldRows: readonly Row[], newRows: readonly Row[], columns: ReadonlySet<number>): MaybePromise<Buffer[]>
  delete(keys: readonly Buffer[], oldRows: readonly Row[]): MaybePromise<void>
  /** An update of these columns needs a FOR UPDATE lock (others may hold KEY SHARE meanwhile). */
  changesKey(columns: ReadonlySet<number>): boolean
  /** Whether the rows differ in such a column. */
  keysDiffer(before: Row, after: Row): boolean
  /** What is left to check or do; answers whether anything was. */
  settle(): MaybePromise<boolean>
  reset(): void
}

/** Every table a statement writes, cascades included. */
export interface ModifierSet {
  of(relation: Oid): TableModifier
  /** End of the statement: foreign keys, until nothing is left. */
  finish(): MaybePromise<void>
  reset(): void
}
