// SubqueryScan: a subquery's rows under the outer query's conditions and target list.

import type { SubqueryScan } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Operator } from '../operator.ts'
import { filterProject } from './filter-project.ts'

export function compileSubqueryScan(plan: SubqueryScan, cx: Compilation): Operator {
  return filterProject(cx.compile(plan.input), plan.quals, plan.targetList, ROW_SCOPE, cx, plan.input.targetList.length)
}
