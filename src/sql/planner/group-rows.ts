// How many groups rows fall into: per relation the product of what its columns can take, as many as a selection of its rows can show.

import type { Expr } from '../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from './base-rel.ts'
import { clampRows } from './cost.ts'
import { exprKey, some } from './expr-tree.ts'
import { NO_RELS } from './relids.ts'
import { type Variable, variableOf } from './variable.ts'

/** Several columns of one relation are rarely independent. */
const CORRELATED = 10

export function groupRows(exprs: readonly Expr[], rows: number, problem: JoinProblem): number {
  const byRel = new Map<BaseRel, Variable[]>()
  const seen = new Set<string>()
  let groups = 1
  const add = (expr: Expr): void => {
    const key = exprKey(expr)
    if (seen.has(key)) return
    seen.add(key)
    const variable = variableOf(problem, expr)
    const { rel } = variable
    if (rel !== null && (expr.kind === 'Var' || variable.estimates !== null || variable.unique || expr.type === 16)) {
      const list = byRel.get(rel)
      if (list === undefined) byRel.set(rel, [variable])
      else list.push(variable)
      return
    }
    // Of an expression nothing is known but its columns.
    some(expr, (e) => {
      if (e.kind === 'Var' && e !== expr) add(e)
      return false
    })
  }
  for (const expr of exprs) if (problem.relids(expr) !== NO_RELS) add(expr)
  for (const [rel, variables] of byRel) groups *= relGroups(rel, variables)
  return clampRows(Math.min(rows, groups))
}

function relGroups(rel: BaseRel, variables: readonly Variable[]): number {
  let distinct = 1
  let most = 1
  for (const variable of variables) {
    distinct *= variable.distinct
    most = Math.max(most, variable.distinct)
  }
  const { tuples } = rel
  let bound = tuples
  if (variables.length > 1) bound = Math.max(tuples / CORRELATED, Math.min(most, tuples))
  distinct = Math.min(distinct, bound)
  // Yao's formula: how many of the values show in a part of the rows.
  if (tuples > 0 && rel.rows < tuples) distinct *= 1 - ((tuples - rel.rows) / tuples) ** (tuples / Math.max(1, distinct))
  return Math.max(1, distinct)
}
