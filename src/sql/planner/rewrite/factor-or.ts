// (a AND x) OR (a AND y) is a AND (x OR y): what all arms of an OR ask for becomes a condition of its own, which can join or use an index.

import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { exprKey, makeAnd, makeBool, mayBeSame, splitAnd } from '../expr-tree.ts'
import { isVolatile } from '../volatility.ts'

/** The conjuncts of a condition, ORs factored. */
export function splitConditions(qual: Expr, catalog: CatalogSnapshot): Expr[] {
  return splitAnd(qual).flatMap((part) => (part.kind === 'BoolExpr' && part.op === 'or' ? factor(part, catalog) : [part]))
}

const isSame = (a: Expr, b: Expr): boolean => mayBeSame(a, b) && exprKey(a) === exprKey(b)

function factor(qual: Expr & { kind: 'BoolExpr' }, catalog: CatalogSnapshot): Expr[] {
  let common: Expr[] | null = null
  const arms: Expr[][] = []
  for (const arg of qual.args) {
    const arm = splitConditions(arg, catalog)
    if (common === null) common = arm.filter((part) => !isVolatile(part, catalog))
    else common = common.filter((part) => arm.some((other) => isSame(part, other)))
    // Mostly the second arm shows it, and there may be thousands.
    if (common.length === 0) return [qual]
    arms.push(arm)
  }
  if (common === null) return [qual]
  const keys = new Set(common.map(exprKey))
  const rest = arms.map((arm) => arm.filter((part) => !keys.has(exprKey(part))))
  // An arm that asks for nothing else makes the others superfluous.
  if (rest.some((arm) => arm.length === 0)) return common
  return [
    ...common,
    makeBool(
      'or',
      rest.map((arm) => makeAnd(arm)!),
    ),
  ]
}
