// exprLocation: the leftmost place of an expression in the statement, where errors about the whole of it point.

import type { Expr } from './expr.ts'

function leftmost(a: number, b: number): number {
  return a < 0 ? b : b < 0 ? a : Math.min(a, b)
}

export function exprListLocation(list: readonly Expr[]): number {
  for (const expr of list) {
    const location = exprLocation(expr)
    if (location >= 0) return location
  }
  return -1
}

export function exprLocation(expr: Expr | null): number {
  if (expr === null) return -1
  switch (expr.kind) {
    case 'FuncExpr':
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
    case 'BoolExpr':
      return leftmost(expr.location, exprListLocation(expr.args))
    case 'SubscriptingRef':
    case 'FieldSelect':
    case 'FieldStore':
      return exprLocation(expr.arg)
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'CoerceToDomain':
    case 'CollateExpr':
    case 'NullTest':
    case 'BooleanTest':
      return leftmost(expr.location, exprLocation(expr.arg))
    case 'RowCompareExpr':
      return exprListLocation(expr.largs)
    case 'SubLink':
      return leftmost(exprLocation(expr.testExpr), expr.location)
    default:
      return expr.location
  }
}
