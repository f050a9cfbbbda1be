// Result: one row of constants, or its input's rows through a filter and a target list; nothing at all when the one-time filter is not true.

import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import type { Result } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileQuals, testRow } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { filterProject } from './filter-project.ts'

/** A row without columns, once. */
function singleRow(): Operator {
  const batch: Batch = { rows: [[]], count: 1 }
  let given = false
  return {
    open() {
      given = false
    },
    next() {
      if (given) return null
      given = true
      batch.rows[0] = []
      batch.count = 1
      return batch
    },
    close() {
      given = true
    },
  }
}

export function compileResult(plan: Result, cx: Compilation): Operator {
  const oneTime = plan.oneTimeFilter === null ? null : compileQuals([plan.oneTimeFilter], ROW_SCOPE, cx)
  const input = plan.input === null ? singleRow() : cx.compile(plan.input)
  const width = plan.input === null ? 0 : plan.input.targetList.length
  const body = filterProject(input, plan.quals, plan.targetList, ROW_SCOPE, cx, width)
  if (oneTime === null) return body
  let runs = false
  return {
    open(): MaybePromise<void> {
      runs = false
      return andThen(testRow(oneTime, []), (ok) => {
        runs = ok
        return ok ? body.open() : undefined
      })
    },
    next: (max) => (runs ? body.next(max) : null),
    close() {
      body.close()
    },
  }
}
