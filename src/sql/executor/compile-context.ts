// What compiling a plan needs besides the plan: the state its closures capture, the catalogue it was made under, and the places that nodes
// of one statement share (InitPlans, CTEs, work tables).

import type { Datum } from '../../base/datum.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { StoredNode } from '../../catalog/descriptors.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { PgProcRow } from '../builtin/data/rows.ts'
import type { Plan } from '../planner/plan.ts'
import type { CallInfo } from '../types/procs.ts'
import type { InitPlan } from './init-plan.ts'
import type { ExecState, Operator } from './operator.ts'
import type { TupleSource } from './tuple-source.ts'

/** One call site of a function written in SQL. `args` as pg_proc declares them, NULLs included (strictness was applied by the caller). */
export interface SqlFunctionCall {
  /** The scalar result (for a set: its first row's), composites as PgRecord. */
  call(args: readonly Datum[], state: ExecState): MaybePromise<Datum>
  /** The rows of a set-returning call: datums, or PgRecords for composite results. */
  callSet(args: readonly Datum[], state: ExecState): MaybePromise<Iterable<Datum>>
}

/** Runs functions whose body is SQL text or a stored query. Declared here, implemented where statements are analysed and planned. */
export interface SqlFunctionRunner {
  prepare(proc: PgProcRow, call: CallInfo, catalog: CatalogSnapshot): SqlFunctionCall
}

export interface CompileContext {
  readonly state: ExecState
  readonly catalog: CatalogSnapshot
  /** Plan → Operator (compile.ts). */
  readonly compilePlan: (plan: Plan, cx: CompileContext) => Operator
  /** By exec param id: the InitPlan that sets it. */
  readonly initParams: Map<number, InitPlan>
  /** By SubPlan id: the shared result of a CTE. */
  readonly ctes: Map<number, TupleSource>
  /** By work table number: the working table of a recursive union in progress. */
  readonly workTables: Map<number, TupleSource>
  readonly sqlFunctions: SqlFunctionRunner | null
  /** Reads a stored expression (domain checks, defaults); null where no analyzer is at hand. */
  readonly readStored: ((node: StoredNode) => Expr) | null
  /** Operators of SubPlans, which hang in no tree: closed with the root. */
  readonly owned: Operator[]
  /** Grows with each run of the whole statement: what InitPlans and CTEs kept from an earlier run is stale. */
  run: number
}

export function makeCompileContext(
  state: ExecState,
  catalog: CatalogSnapshot,
  compilePlan: CompileContext['compilePlan'],
  sqlFunctions: SqlFunctionRunner | null = null,
  readStored: CompileContext['readStored'] = null,
): CompileContext {
  return {
    state,
    catalog,
    compilePlan,
    initParams: new Map(),
    ctes: new Map(),
    workTables: new Map(),
    sqlFunctions,
    readStored,
    owned: [],
    run: 0,
  }
}
