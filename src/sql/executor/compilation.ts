// What compiling a plan needs, shared by every node's compile function: the run's state and the rows' layout for expressions.

import type { Plan } from '../planner/plan.ts'
import type { ExecState, Operator } from './operator.ts'

/** Where the columns of Vars stand in the row an expression is evaluated over: index into the row, resolved once at compile time. */
export type RowScope = (varno: number, attno: number) => number

export interface Compilation {
  /** The operators' closures capture this object; its fields are filled anew for each run. */
  readonly state: ExecState
  /** Compiles an input. Memoised for nothing: each call makes an operator. */
  compile(plan: Plan): Operator
  /** Shared results by SubPlan id (CTEs) and work table number; filled by the nodes that own them. */
  readonly shared: Map<string, object>
  /** EXPLAIN ANALYZE: called with each node's operator, answers the operator to use. Null otherwise. */
  readonly instrument: ((plan: Plan, operator: Operator) => Operator) | null
}
