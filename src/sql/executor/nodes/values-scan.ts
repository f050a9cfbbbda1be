// ValuesScan: the rows of a VALUES list, evaluated as they are asked for. For rows of constants, of which a statement may have very many,
// nothing is compiled.

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Const, Expr } from '../../analyzer/expr.ts'
import type { ValuesScan } from '../../planner/plan.ts'
import { isVolatile } from '../../planner/volatility.ts'
import type { Compilation } from '../compilation.ts'
import { compileList, projectorOf } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { done, makeOutput, refill, restart } from './batches.ts'
import { filterProject } from './filter-project.ts'

const NO_ROW: Row = []

const isConst = (expr: Expr): boolean => expr.kind === 'Const'
const constant = (expr: Expr): Datum => (expr as Const).value

export function compileValuesScan(plan: ValuesScan, cx: Compilation): Operator {
  const { lists } = plan
  const projectors = lists.map((list) => (list.every(isConst) ? null : projectorOf(compileList(list, ROW_SCOPE, cx), -1)))
  const volatile = (expr: Expr): boolean => isVolatile(expr, cx.catalog)
  /** A row's own functions and those over it take turns (INSERT with sequences in both). */
  const single = plan.targetList.some((entry) => volatile(entry.expr)) && plan.lists.some((list) => list.some(volatile))
  const out = makeOutput()
  let at = 0
  const fill = (): MaybePromise<Batch | null> => {
    while (out.count < out.size && at < lists.length) {
      const projector = projectors[at]!
      const row = projector === null ? lists[at]!.map(constant) : projector.project(NO_ROW)
      at++
      if (row instanceof Promise) {
        return row.then((r) => {
          out.rows[out.count++] = r
          return fill()
        })
      }
      out.rows[out.count++] = row
    }
    return done(out)
  }
  const scan: Operator = {
    open() {
      restart(out)
      at = 0
    },
    next(max) {
      refill(out, single ? 1 : max)
      return fill()
    },
    close() {
      at = lists.length
    },
  }
  return filterProject(scan, plan.quals, plan.targetList, ROW_SCOPE, cx, plan.lists[0]?.length ?? 0)
}
