// Whether anybody could tell that an expression was evaluated for one row too many: not when it only reads columns and calls functions that
// PostgreSQL marks leakproof (they never fail, and they have no effects).

import type { Expr } from '../../analyzer/expr.ts'
import { some } from '../../planner/expr-tree.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from './call.ts'
import { isInPortions } from './portions.ts'

const SILENT: ReadonlySet<string> = new Set([
  'Var',
  'Const',
  'NullTest',
  'BooleanTest',
  'BoolExpr',
  'RelabelType',
  'CoalesceExpr',
  'CaseExpr',
])

export function isQuiet(exprs: readonly Expr[], cx: Compilation): boolean {
  const loud = (expr: Expr): boolean => {
    if (SILENT.has(expr.kind)) return false
    if (expr.kind === 'Param') return expr.paramKind === 'exec' && cx.initParams.has(expr.id)
    if (expr.kind === 'OpExpr' || expr.kind === 'ScalarArrayOpExpr') return !procOf(cx, expr.opFuncId).proleakproof
    if (expr.kind === 'FuncExpr') return !procOf(cx, expr.funcId).proleakproof
    return true
  }
  return exprs.every((expr) => !isInPortions(expr) && !some(expr, loud))
}
