// Conditions of thousands of arms (`a AND b OR c AND d OR …`): what planning asks of each arm is found in steps, and remembered for when the whole
// is asked.

import { isLong } from '../../base/begun-anew.ts'
import { eachInSteps, type Steps } from '../../base/long-work.ts'
import type { Expr } from '../analyzer/expr.ts'

type BoolExpr = Expr & { kind: 'BoolExpr' }

export const isLongCondition = (expr: Expr): expr is BoolExpr => expr.kind === 'BoolExpr' && isLong(expr.args)

/** Calls `visit` for each arm of the long ones among `quals`. */
export function* eachArm(quals: readonly Expr[], visit: (arm: Expr) => void): Steps<void> {
  for (const qual of quals) if (isLongCondition(qual)) yield* eachInSteps(qual.args, visit)
}

/** Calls `visit` for each expression, for the arms of a long one in its place. */
export function* eachPart(exprs: readonly Expr[], visit: (part: Expr) => void): Steps<void> {
  for (const expr of exprs) {
    if (isLongCondition(expr)) yield* eachInSteps(expr.args, visit)
    else visit(expr)
  }
}
