// The executor's contract: batches of rows pulled through a tree of operators. // hot
//
// A plan compiles once into an operator tree that can be run again and again (`open` resets it), by one user at a time. Closures capture the
// ExecState object; each run fills its fields anew.

import type { CancelToken } from '../../base/cancel.ts'
import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { MemoryAccount } from '../../base/memory.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Transaction } from '../../storage/store.ts'
import type { EvalContext } from '../types/eval-context.ts'
import type { StoreServices } from './store-services.ts'

/** Rows of one step. The Batch object and its array are the operator's own and change at its next call; the rows may be kept. `count` ≥ 1. */
export interface Batch {
  rows: Row[]
  count: number
}

export interface Operator {
  /** Ready to produce from the start with the state's present parameters; also after a partial run. */
  open(): MaybePromise<void>
  /**
   * The next rows, or null at the end (and ever after, until open). First batch small (LIMITS.firstBatchRows), doubling to batchRows.
   * `max`: no more rows may ever be asked for than these; expressions that can fail or have effects are not evaluated beyond them. A batch
   * may be larger all the same where its rows cost nothing.
   */
  next(max?: number): MaybePromise<Batch | null>
  /** Frees memory, scanners and temporary files. May be called at any time, more than once. */
  close(): void
}

/** One run's world. Fields are replaced between runs, never the object. */
export interface ExecState {
  txn: Transaction
  ctx: EvalContext
  catalog: CatalogSnapshot
  /** Functions called that not everybody may execute, known from the compilation: who runs the statement must be allowed to. */
  readonly restricted: Set<Oid>
  /** $1 … at index 0 …, already of the declared types. */
  params: readonly Datum[]
  /** Values of exec Params by id: InitPlans, outer columns of Apply and lookup joins. */
  exec: Datum[]
  memory: MemoryAccount
  /** Bytes one sort, hash or materialisation may hold before it spills. */
  workMem: number
  /** Where spill files go; made on first use, deleted with the session. */
  spillDir: () => string
  cancel: CancelToken
  /** What nodes that read and write tables need besides the transaction. */
  store: StoreServices
  /** Rows read from the store, for EXPLAIN ANALYZE, tests and metering. */
  rowsExamined: number
  /** Rows changed by the top-level INSERT/UPDATE/DELETE/MERGE, for its command tag. */
  rowsAffected: number
}

/** The common form of a compiled expression: synchronous. */
export type Evaluator = (row: Row) => Datum
/** The form for expressions that may have to wait (nextval, advisory locks, functions written in SQL). */
export type AsyncEvaluator = (row: Row) => MaybePromise<Datum>
