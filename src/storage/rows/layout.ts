// A table as this room sees it. The catalogue builds it from descriptors; columns are meant by ordinal in `columns`, rows by that order.

import type { ColumnCodec, KeyCodec } from '../../base/codec.ts'
import type { Datum, Row } from '../../base/datum.ts'
import type { PgError } from '../../base/errors.ts'
import type { IndexId, TableId } from '../../base/ids.ts'

export interface ColumnLayout {
  /** attnum: never used again after a drop; stands in stored rows. */
  readonly id: number
  readonly codec: ColumnCodec
  /** What rows written before the column was added have. */
  readonly missingDefault: Datum
}

/** One column of a primary key: never null, so nothing marks NULLs. */
export interface PrimaryKeyPart {
  readonly column: number
  readonly descending: boolean
  readonly codec: KeyCodec
}

export interface IndexPart {
  /** Ordinal of the column, or -1: `value` computes it. */
  readonly column: number
  readonly value: ((row: Row) => Datum) | null
  readonly codec: KeyCodec
  readonly descending: boolean
  readonly nullsFirst: boolean
}

export interface IndexLayout {
  readonly id: IndexId
  readonly unique: boolean
  readonly nullsNotDistinct: boolean
  readonly parts: readonly IndexPart[]
  /** INCLUDE columns, by ordinal. */
  readonly include: readonly number[]
  /** Partial index: rows it answers false for have no entry. */
  readonly predicate: ((row: Row) => boolean) | null
  /** The error for a duplicate (23505 with the constraint's name and the key's text). */
  readonly violation: (row: Row) => PgError
  /** False while entries must only be removed (CREATE INDEX CONCURRENTLY, delete-only). */
  readonly writes: boolean
}

export interface TableLayout {
  readonly id: TableId
  readonly columns: readonly ColumnLayout[]
  /** Null: rows have hidden row ids. */
  readonly primaryKey: readonly PrimaryKeyPart[] | null
  readonly primaryKeyViolation: ((row: Row) => PgError) | null
  readonly indexes: readonly IndexLayout[]
  /** Foreign keys refer to this table: deletions and key changes must be seen by holders of key locks. */
  readonly referenced: boolean
}
