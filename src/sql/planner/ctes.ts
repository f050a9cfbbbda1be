// WITH: each query that was not inlined is planned once, as a shared result; a recursive one as a RecursiveUnion over its working table.

import { PgError } from '../../base/errors.ts'
import type { Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { CommonTableExpr, Query } from '../analyzer/query.ts'
import { makeRoot, type PlannedCte, type Root } from './context.ts'
import { clampRows, DEFAULTS } from './cost.ts'
import { common, passThrough } from './paths/path.ts'
import type { Plan, SubPlan } from './plan.ts'
import type { PlannedLevel, PlanQuery } from './planned-level.ts'
import { planSide } from './set-operations.ts'

export type PlanModify = (query: Query, parent: Root) => Steps<Plan>

/** Plans INSERT, UPDATE, DELETE and MERGE in WITH; set by planner.ts, which knows both sides. */
export const modifying: { plan: PlanModify | null } = { plan: null }

export function* planCtes(root: Root, planQuery: PlanQuery): Steps<void> {
  for (const cte of root.query.cteList) {
    const entry: PlannedCte = { cte, subPlan: null, rows: 0, width: 8, workTable: 0 }
    root.ctes.push(entry)
    const plan = yield* cte.query.commandType !== 'select' ? modifying.plan!(cte.query, root) : selectPlan(cte, entry, root, planQuery)
    const subPlan: SubPlan = {
      id: root.glob.subPlanIds++,
      kind: 'cte',
      name: cte.name,
      plan,
      setParams: [],
      params: [],
      testExpr: null,
      columns: [],
      useHash: false,
    }
    entry.subPlan = subPlan
    entry.rows = plan.rows
    root.initPlans.push(subPlan)
    if (cte.query.commandType !== 'select') root.glob.modifyingCtes.push(subPlan)
  }
}

function finish(planned: PlannedLevel): Plan {
  const plan = planned.path.build(planned.columns)
  return planned.root.initPlans.length === 0 ? plan : { ...plan, initPlans: [...plan.initPlans, ...planned.root.initPlans] }
}

function* selectPlan(cte: CommonTableExpr, entry: PlannedCte, root: Root, planQuery: PlanQuery): Steps<Plan> {
  if (!cte.recursive) return finish(yield* planQuery(cte.query, root, null))
  const operation = cte.query.setOperations
  if (operation === null || operation.op !== 'union') return finish(yield* planQuery(cte.query, root, null))
  if (!operation.all && !operation.groupClauses.every((clause) => clause.hashable)) {
    const detail = 'All column datatypes must be hashable.'
    throw new PgError(SQLSTATE.featureNotSupported, 'could not implement recursive UNION', { detail })
  }
  // The CTE's own query is a level of its own between its terms and its WITH.
  const middle = makeRoot(root.glob, cte.query, root)
  yield* planCtes(middle, planQuery)
  const left = yield* planSide(operation.left, middle, null, planQuery)
  entry.workTable = root.glob.execParams++
  entry.rows = Math.max(1, left.rows)
  const right = yield* planSide(operation.right, middle, null, planQuery)
  const rows = clampRows(left.rows + right.rows * DEFAULTS.cteRecursionFactor)
  const total = left.totalCost + right.totalCost * DEFAULTS.cteRecursionFactor
  const columns = left.targetList.slice(0, operation.columns.length).map((target) => target.expr)
  const keys = operation.groupClauses.map((clause, i) => ({
    slot: clause.tleSortGroupRef,
    sortOp: clause.sortOp,
    eqOp: clause.eqOp,
    collation: operation.columns[i]?.collation ?? 0,
    type: operation.columns[i]?.type ?? 0,
    descending: clause.descending,
    nullsFirst: clause.nullsFirst,
  }))
  const plan: Plan = {
    kind: 'RecursiveUnion',
    ...common(passThrough(columns), [], rows, left.startupCost, total),
    left,
    right,
    workTable: entry.workTable,
    all: operation.all,
    keys,
  }
  return middle.initPlans.length === 0 ? plan : { ...plan, initPlans: middle.initPlans }
}
