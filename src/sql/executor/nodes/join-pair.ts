// What all joins share: conditions on a pair of rows and the row made of it. The left row is the evaluator's argument (OUTER_VAR), the right
// one is in a holder (INNER_VAR). // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { Expr, OpExpr, TargetEntry, Var } from '../../analyzer/expr.ts'
import { operatorByOid } from '../../builtin/pg-operator.ts'
import { replace } from '../../planner/expr-tree.ts'
import { INNER_VAR, OUTER_VAR, type PlanJoinType } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileProjection, compileQuals } from '../expr/predicate.ts'
import type { ExprScope, RowHolder } from '../expr/scope.ts'
import type { Operator } from '../operator.ts'
import { filterProject } from './filter-project.ts'

export interface JoinPlan {
  readonly joinType: PlanJoinType
  readonly joinQuals: readonly Expr[]
  readonly quals: readonly Expr[]
  readonly targetList: readonly TargetEntry[]
}

export interface PairStep {
  /** ON's remaining conditions; null = none. Synchronous. */
  readonly test: ((left: Row, right: Row) => boolean) | null
  /** The output row, or null when the node's own conditions reject it. */
  readonly make: (left: Row, right: Row) => Row | null
  /** What the whole join is wrapped into, for expressions that may wait. */
  readonly wrap: (join: Operator) => Operator
}

/** Rows of both sides side by side. */
function concat(leftWidth: number, rightWidth: number): (left: Row, right: Row) => Row {
  const n = leftWidth + rightWidth
  return (left, right) => {
    const row = new Array<Datum>(n)
    for (let i = 0; i < leftWidth; i++) row[i] = left[i]!
    for (let i = 0; i < rightWidth; i++) row[leftWidth + i] = right[i]!
    return row
  }
}

/** A target list of plain columns: where each comes from; null if it is more than that. */
function plainColumns(targetList: readonly TargetEntry[]): { side: number; slot: number }[] | null {
  const columns: { side: number; slot: number }[] = []
  for (const { expr } of targetList) {
    if (expr.kind !== 'Var' || expr.attno <= 0 || ((expr as Var).varno !== OUTER_VAR && expr.varno !== INNER_VAR)) return null
    columns.push({ side: expr.varno === OUTER_VAR ? 0 : 1, slot: expr.attno - 1 })
  }
  return columns
}

function pickPair(columns: readonly { side: number; slot: number }[]): (left: Row, right: Row) => Row {
  const n = columns.length
  const right = columns.map((column) => column.side === 1)
  const slots = columns.map((column) => column.slot)
  return (l, r) => {
    const row = new Array<Datum>(n)
    for (let i = 0; i < n; i++) row[i] = right[i]! ? r[slots[i]!]! : l[slots[i]!]!
    return row
  }
}

/** Null when the ON conditions may wait and the join type does not let them be checked afterwards: see async-join.ts. */
export function compilePair(plan: JoinPlan, leftWidth: number, rightWidth: number, cx: Compilation): PairStep | null {
  const holder: RowHolder = { row: [] }
  const scope: ExprScope = { holders: new Map([[INNER_VAR, holder]]) }
  const on = compileQuals(plan.joinQuals, scope, cx)
  if (on?.async === true && plan.joinType !== 'inner') return null
  const filter = compileQuals(plan.quals, scope, cx)
  const projector = compileProjection(plan.targetList, scope, cx)
  if (on?.async === true || filter?.async === true || projector.async) {
    const waiting: ExprScope = {
      holders: new Map(),
      slotOf: (varno, attno) => (varno === INNER_VAR ? leftWidth : 0) + attno - 1,
    }
    const later = on?.async === true ? [...plan.joinQuals, ...plan.quals] : plan.quals
    const now = on === null || on.async ? null : (on.test as (row: Row) => boolean)
    return {
      test:
        now === null
          ? null
          : (left, right) => {
              holder.row = right
              return now(left)
            },
      make: concat(leftWidth, rightWidth),
      wrap: (join) => filterProject(join, later, plan.targetList, waiting, cx, -1),
    }
  }
  const test = on === null ? null : (on.test as (row: Row) => boolean)
  const project = projector.project as (row: Row) => Row
  const columns = plainColumns(plan.targetList)
  const build =
    columns !== null
      ? pickPair(columns)
      : (left: Row, right: Row): Row => {
          holder.row = right
          return project(left)
        }
  const passes = filter === null ? null : (filter.test as (row: Row) => boolean)
  return {
    test:
      test === null
        ? null
        : (left, right) => {
            holder.row = right
            return test(left)
          },
    make:
      passes === null
        ? build
        : (left, right) => {
            holder.row = right
            return passes(left) ? build(left, right) : null
          },
    wrap: (join) => join,
  }
}

interface KeyedJoin {
  readonly leftKeys: readonly Expr[]
  readonly rightKeys: readonly Expr[]
  readonly operators: readonly number[]
}

/** The key pairs as conditions. Right keys may name the right row as the only input there is; here they must name it as the inner one. */
export function keyEqualities(plan: KeyedJoin): Expr[] {
  return plan.leftKeys.map((left, i): OpExpr => {
    const op = operatorByOid(plan.operators[i]!)!
    const right = plan.rightKeys[i]!
    return {
      kind: 'OpExpr',
      opNo: op.oid,
      opFuncId: op.oprcode,
      args: [left, asInner(right)],
      type: 16,
      typmod: -1,
      collation: 0,
      location: -1,
      inputCollation: left.collation,
      retset: false,
    }
  })
}

/** The same expression over the inner side. What runs inside a subquery's plan has inputs of its own and stays as it is. */
function asInner(expr: Expr): Expr {
  return replace(expr, (e) => (e.kind === 'Var' ? { ...e, varno: INNER_VAR } : undefined))
}
