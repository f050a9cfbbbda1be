// planStatement: a bound statement becomes a plan. Parameters stay parameters: a plan holds for all their values and may be cached as long
// as the descriptors it rests on stand.

import { finished, type Steps } from '../../base/long-work.ts'
import type { PermissionInfo } from '../../catalog/privileges.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { TargetEntry } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import { readStoredExpr } from '../analyzer/stored.ts'
import { type Glob, makeRoot, type PlannerContext } from './context.ts'
import { modifying } from './ctes.ts'
import { mapQuery } from './expr-tree.ts'
import { planModify } from './modify.ts'
import type { Plan, PlannedStatement } from './plan.ts'
import { finishLevel, planQuery } from './plan-level.ts'
import { relationLocks } from './relation-locks.ts'

modifying.plan = planModify

/** Calls `visit` on the query and on every query inside it. */
function visitQueries(query: Query, visit: (query: Query) => void): void {
  visit(query)
  for (const rte of query.rtable) if (rte.kind === 'subquery') visitQueries(rte.subquery, visit)
  for (const cte of query.cteList) visitQueries(cte.query, visit)
  if (!query.hasSubLinks) return
  mapQuery({ ...query, rtable: query.rtable.filter((rte) => rte.kind !== 'subquery'), cteList: [] }, 0, {
    expr(expr) {
      if (expr.kind === 'SubLink') visitQueries(expr.subselect, visit)
      return undefined
    },
  })
}

function permissionsOf(query: Query): PermissionInfo[] {
  const permissions: PermissionInfo[] = []
  visitQueries(query, (q) => permissions.push(...q.permissions))
  return permissions
}

/** One get by primary key and nothing else that reads. */
function isPointRead(plan: Plan, catalog: CatalogSnapshot): boolean {
  switch (plan.kind) {
    case 'PointGet':
      return catalog.relation(plan.relation)?.descriptor?.table?.primaryKey === plan.index
    case 'Result':
      return plan.input !== null && isPointRead(plan.input, catalog)
    case 'Limit':
    case 'Sort':
      return isPointRead(plan.input, catalog)
    default:
      return false
  }
}

/** In one go. */
export function planStatement(query: Query, context: PlannerContext): PlannedStatement {
  return finished(planSteps(query, context))
}

export function* planSteps(query: Query, context: PlannerContext): Steps<PlannedStatement> {
  const stored = context.stored ?? ((node: string) => readStoredExpr(node))
  const glob: Glob = {
    ...context,
    stored,
    execParams: 0,
    subPlanIds: 1,
    modifyingCtes: [],
    hasRowMarks: false,
    paramValues: context.paramValues ?? null,
    valuesMatter: false,
  }
  const permissions = permissionsOf(query)
  const root = makeRoot(glob, query, null)
  let plan: Plan
  let output: readonly TargetEntry[]
  if (query.commandType === 'select') {
    const planned = yield* planQuery(query, null, null, root)
    yield
    plan = finishLevel(planned.path.build(planned.columns), root)
    output = query.targetList.filter((entry) => !entry.resjunk)
  } else {
    plan = yield* planModify(query, null, root)
    output = query.returningList.filter((entry) => !entry.resjunk)
  }
  return {
    command: query.commandType,
    plan,
    permissions,
    output,
    subPlans: glob.modifyingCtes,
    execParamCount: glob.execParams,
    pointRead: query.commandType === 'select' && glob.execParams === 0 && !glob.hasRowMarks && isPointRead(plan, context.catalog),
    hasModifyingCte: glob.modifyingCtes.length > 0,
    hasRowMarks: glob.hasRowMarks,
    hasReturning: query.returningList.length > 0,
    valuesMatter: glob.valuesMatter,
    locks: relationLocks(permissions, context.catalog),
  }
}
