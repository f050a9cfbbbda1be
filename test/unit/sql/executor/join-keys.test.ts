// A join whose keys may wait compares pair by pair: its right keys are then read from the inner row, but a subquery's own plan is not touched.

import { expect, test } from 'vitest'
import { keyEqualities } from '../../../../src/sql/executor/nodes/join-pair.ts'
import { makeVar, subPlanExpr } from '../../../../src/sql/planner/expr-tree.ts'
import { INNER_VAR, OUTER_VAR, type Plan, SCAN_VAR } from '../../../../src/sql/planner/plan.ts'

const INT4 = { type: 23, typmod: -1, collation: 0 }

test('a subquery among the right keys keeps its plan', () => {
  const column = makeVar(SCAN_VAR, 3, INT4)
  const plan = { kind: 'SeqScan', targetList: [{ expr: column }] } as unknown as Plan
  const base = { id: 1, kind: 'expr', setParams: [], testExpr: null, columns: [], useHash: false } as const
  const key = subPlanExpr({ ...base, plan, params: [{ id: 0, expr: makeVar(OUTER_VAR, 2, INT4) }] }, INT4)
  const [equality] = keyEqualities({ leftKeys: [makeVar(OUTER_VAR, 1, INT4)], rightKeys: [key], operators: [96] })
  const right = (equality as unknown as { args: { plan: { plan: Plan; params: { expr: unknown }[] } }[] }).args[1]!
  expect(right.plan.params[0]!.expr).toMatchObject({ varno: INNER_VAR, attno: 2 })
  expect(right.plan.plan).toBe(plan)
})
