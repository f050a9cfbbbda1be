// Rows that several readers share: a CTE's result, a recursive union's working table, a materialised inner side.

import type { Row } from '../../base/datum.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Batch } from './operator.ts'

export interface TupleReader {
  next(max?: number): MaybePromise<Batch | null>
  rewind(): void
  close(): void
}

export interface TupleSource {
  /** Exec params its rows depend on. */
  readonly free: readonly number[]
  /** From the first row; each reader has its own position. */
  reader(): TupleReader
  /** Runs whatever fills it to the end (a modifying CTE that nobody reads to the end must still run). */
  drain(): MaybePromise<void>
}

export type { Row }
