// (a AND x) OR (a AND y) is a AND (x OR y): what all arms of an OR ask for becomes a condition of its own, which can join or use an index.

import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { exprKey, makeAnd, makeBool, splitAnd } from '../expr-tree.ts'
import { isVolatile } from '../volatility.ts'

/** The conjuncts of a condition, ORs factored. */
export function splitConditions(qual: Expr, catalog: CatalogSnapshot): Expr[] {
  return splitAnd(qual).flatMap((part) => (part.kind === 'BoolExpr' && part.op === 'or' ? factor(part, catalog) : [part]))
}

function factor(qual: Expr & { kind: 'BoolExpr' }, catalog: CatalogSnapshot): Expr[] {
  const arms = qual.args.map((arg) => splitConditions(arg, catalog))
  const [first, ...others] = arms as [Expr[], ...Expr[][]]
  const common = first.filter((part) => {
    const key = exprKey(part)
    return others.every((arm) => arm.some((other) => exprKey(other) === key)) && !isVolatile(part, catalog)
  })
  if (common.length === 0) return [qual]
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
