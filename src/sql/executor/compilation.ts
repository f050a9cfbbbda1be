// What compiling a plan needs besides the plan: the state its closures capture, the catalogue it was made under, and the places that nodes
// of one statement share (InitPlans, CTEs, work tables).

import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { StoredNode } from '../../catalog/descriptors.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { PgProcRow } from '../builtin/data/rows.ts'
import type { Plan } from '../planner/plan.ts'
import type { CallInfo } from '../types/procs.ts'
import type { ExecState, Operator } from './operator.ts'
import type { StatementWrites } from './statement-writes.ts'
import type { TupleSource } from './tuple-source.ts'

/** One call site of a function written in SQL. `args` as pg_proc declares them, NULLs included (strictness was applied by the caller). */
export interface SqlFunctionCall {
  /** The scalar result (for a set: its first row's), composites as RecordDatum. */
  call(args: readonly Datum[], state: ExecState): MaybePromise<Datum>
  /** The rows of a set-returning call: datums, or RecordDatums for composite results. */
  callSet(args: readonly Datum[], state: ExecState): MaybePromise<Iterable<Datum>>
}

/** Runs functions whose body is SQL text or a stored query. Declared here, implemented where statements are analysed and planned. */
export interface SqlFunctionRunner {
  prepare(proc: PgProcRow, call: CallInfo, catalog: CatalogSnapshot): SqlFunctionCall
}

/** What higher rooms lend to the compiler; all optional. */
export interface CompileOptions {
  /** EXPLAIN ANALYZE: called with each node's operator, answers the operator to use. */
  readonly instrument?: ((plan: Plan, operator: Operator) => Operator) | null
  readonly sqlFunctions?: SqlFunctionRunner | null
  /** Reads a stored expression (a domain's checks). */
  readonly readStored?: ((node: StoredNode) => Expr) | null
}

/** A subquery that is run at most once for all who read its result. */
export interface InitPlan {
  /** Exec params its result depends on. */
  readonly free: readonly number[]
  /** Runs the subquery if its result is not known, then answers the param's value. */
  value(param: number): MaybePromise<Datum>
}

export interface Compilation {
  /** The operators' closures capture this object; its fields are filled anew for each run. */
  readonly state: ExecState
  /** The catalogue of the compilation. */
  readonly catalog: CatalogSnapshot
  /**
   * Compiles an input or a subquery. Memoised for nothing: each call makes an operator. `locksNext`: whatever row it answers is locked next, FOR NO
   * KEY UPDATE.
   */
  readonly compile: (plan: Plan, locksNext?: boolean) => Operator
  /** Functions looked up so far: whether each may be executed is noted once. */
  readonly procs: Map<Oid, PgProcRow>
  /** Conditions and CASE that are compiled in portions (expr/portions.ts). */
  readonly inPortions: Set<Expr>
  /** By exec param id: the InitPlan that sets it. */
  readonly initParams: Map<number, InitPlan>
  /** By SubPlan id: the shared result of a CTE. */
  readonly ctes: Map<number, TupleSource>
  /** CTEs that write: run to their end whether or not anybody reads them. */
  readonly modifying: TupleSource[]
  /** Null unless the statement has several parts that write. */
  writes: StatementWrites | null
  /** By work table number: the working table of a recursive union in progress. */
  readonly workTables: Map<number, TupleSource>
  readonly sqlFunctions: SqlFunctionRunner | null
  readonly readStored: ((node: StoredNode) => Expr) | null
  /** Operators of SubPlans, which hang in no tree: closed with the root. */
  readonly owned: Operator[]
  /** Grows with each run of the whole statement: what InitPlans and CTEs kept from an earlier run is stale. */
  run: number
  /** The whole statement is being closed: what is kept between opens of one run goes too. */
  closing: boolean
}

/** For work that outlives the statement (deferred checks): this run's world as it is now, and nothing that the next run will touch. */
export function detached(cx: Compilation): Compilation {
  return {
    ...cx,
    state: { ...cx.state, exec: [] },
    initParams: new Map(),
    ctes: new Map(),
    modifying: [],
    writes: null,
    workTables: new Map(),
    owned: [],
    run: 0,
    closing: false,
  }
}
