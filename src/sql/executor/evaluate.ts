// The planner's evaluator: the value of an expression of constants, now. What would have to wait, or needs a row, has none.

import type { Datum } from '../../base/datum.ts'
import { Suspended, suspendable } from '../../base/long-work.ts'
import type { Expr } from '../analyzer/expr.ts'
import { makeCompilation } from './compile.ts'
import { compileExpr } from './expr/compile.ts'
import { ROW_SCOPE } from './expr/scope.ts'
import type { ExecState } from './operator.ts'

/** For PlannerContext.evaluate; `state` needs its context and catalogue only. Undefined: not now. */
export function constantEvaluator(state: ExecState): (expr: Expr) => Datum | undefined {
  const cx = makeCompilation(state)
  return (expr) => {
    const compiled = compileExpr(expr, ROW_SCOPE, cx)
    if (compiled.async) return undefined
    try {
      const value = suspendable([], compiled.eval, [])
      return value instanceof Promise ? undefined : value
    } catch (error) {
      // what takes long belongs to run time, where it can give way
      if (error instanceof Suspended) return undefined
      throw error
    }
  }
}
