// CteScan and WorkTableScan: readers of rows that another node owns (a CTE's result, a recursive union's working table).

import { assert } from '../../../base/assert.ts'
import type { CteScan, WorkTableScan } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Operator } from '../operator.ts'
import type { TupleReader, TupleSource } from '../tuple-source.ts'
import { filterProject } from './filter-project.ts'

function scanOf(plan: CteScan | WorkTableScan, find: () => TupleSource | undefined, cx: Compilation): Operator {
  let reader: TupleReader | null = null
  const scan: Operator = {
    open() {
      const source = find()
      assert(source !== undefined, `${plan.kind} without its source`)
      reader = source.reader()
    },
    next: (max) => (reader === null ? null : reader.next(max)),
    close() {
      reader?.close()
      reader = null
    },
  }
  // The source's width is not known here; a projection over it always makes new rows unless it is the identity of its own list.
  return filterProject(scan, plan.quals, plan.targetList, ROW_SCOPE, cx, -1)
}

export function compileCteScan(plan: CteScan, cx: Compilation): Operator {
  return scanOf(plan, () => cx.ctes.get(plan.subPlan), cx)
}

export function compileWorkTableScan(plan: WorkTableScan, cx: Compilation): Operator {
  return scanOf(plan, () => cx.workTables.get(plan.workTable), cx)
}
