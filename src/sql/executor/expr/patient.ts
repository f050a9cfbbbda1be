// Expressions that may work long on one value: evaluated so that the work gives way to other sessions (base/long-work.ts).

import type { Row } from '../../../base/datum.ts'
import { patiently } from '../../../base/long-work.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { isSubPlanExpr, some } from '../../planner/expr-tree.ts'
import { ofNode } from '../../planner/volatility.ts'
import { LONG_PROCS, LONG_TYPES } from '../../types/long-procs.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from './call.ts'
import { isInPortions } from './portions.ts'

/** Whether some function in them mostly works so long that it costs nothing beside it to wait for each row by itself. */
export function areDear(exprs: readonly Expr[], cx: Compilation): boolean {
  const dear = (expr: Expr): boolean =>
    (expr.kind === 'FuncExpr' && LONG_PROCS.has(procOf(cx, expr.funcId).prosrc)) ||
    ((expr.kind === 'FuncExpr' || expr.kind === 'OpExpr') && expr.args.some((arg) => LONG_TYPES.has(arg.type))) ||
    (expr.kind === 'CoerceViaIO' && (LONG_TYPES.has(expr.type) || LONG_TYPES.has(expr.arg.type)))
  return exprs.some((expr) => !isInPortions(expr) && some(expr, dear))
}

/** Columns, constants and parameters take no work (an InitPlan does its own). */
const EASY: ReadonlySet<string> = new Set(['Var', 'Const', 'Param'])

export const isEasy = (expr: Expr): boolean => EASY.has(expr.kind)

/** Whether it may be evaluated twice: not what is volatile, and may be within a sub-select. */
export function mayRepeat(expr: Expr, cx: Compilation): boolean {
  return cx.inPortions.has(expr) || !some(expr, (part) => isSubPlanExpr(part) || ofNode(part, cx.catalog) === 'v')
}

/** `evaluate` for rows, waiting where long work suspends one. */
export function rowsPatiently<T>(evaluate: (row: Row) => MaybePromise<T>, cx: Compilation): (row: Row) => MaybePromise<T> {
  const slicer = makeSlicer(cx.state)
  return (row) => patiently(evaluate, row, slicer)
}
