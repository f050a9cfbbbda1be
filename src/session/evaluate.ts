// Values of expressions without rows: EXECUTE's arguments, COPY's defaults, constants that commands need.

import type { Datum } from '../base/datum.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Expr, TargetEntry } from '../sql/analyzer/expr.ts'
import type { Plan, PlannedStatement } from '../sql/planner/plan.ts'
import type { PlanEntry } from './plan-cache.ts'
import { startExecution } from './run-planned.ts'
import type { Session } from './session.ts'

/** A one-row plan of these expressions. */
export function resultPlan(exprs: readonly Expr[]): Plan {
  const targetList: TargetEntry[] = exprs.map((expr, i) => ({
    expr,
    resno: i + 1,
    resname: null,
    ressortgroupref: 0,
    resorigtbl: 0,
    resorigcol: 0,
    resjunk: false,
  }))
  return {
    kind: 'Result',
    targetList,
    quals: [],
    rows: 1,
    startupCost: 0,
    totalCost: 0,
    width: 0,
    initPlans: [],
    input: null,
    oneTimeFilter: null,
  }
}

/** All of them, once, in the session's present transaction. */
export function evaluateAll(session: Session, exprs: readonly Expr[]): MaybePromise<Datum[]> {
  const plan = resultPlan(exprs)
  const planned: PlannedStatement = {
    command: 'select',
    plan,
    permissions: [],
    output: plan.targetList,
    subPlans: [],
    execParamCount: 0,
    pointRead: false,
    hasModifyingCte: false,
    hasRowMarks: false,
    hasReturning: false,
    valuesMatter: false,
    locks: [],
  }
  const entry: PlanEntry = {
    planned,
    parameterTypes: [],
    columns: null,
    catalogVersion: '',
    lookups: null,
    rowKeys: new Map(),
    shareable: false,
    custom: null,
    idle: [],
  }
  const run = (execution: Awaited<ReturnType<typeof startExecution>>): MaybePromise<Datum[]> => {
    const rows: Datum[][] = []
    const done = execution.collect(0, rows)
    if (done instanceof Promise) return done.then(() => rows[0] ?? []).finally(() => execution.close())
    execution.close()
    return rows[0] ?? []
  }
  const started = startExecution(session, entry, [], false)
  return started instanceof Promise ? started.then(run) : run(started)
}
