// An OR whose arms can each use an index: one scan per arm, each leaving out the rows that an earlier arm has found.

import type { Expr } from '../../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { clampRows } from '../cost.ts'
import { isSubPlanExpr, some } from '../expr-tree.ts'
import type { Plan } from '../plan.ts'
import { splitConditions } from '../rewrite/factor-or.ts'
import { conjunction } from '../selectivity.ts'
import { isVolatile } from '../volatility.ts'
import { addPath, cheapest, common, type Path, passThrough, UNORDERED } from './path.ts'

const MOST_ARMS = 16

/** `indexPaths`: adds a relation's paths other than the sequential scan. */
export function orPaths(rel: BaseRel, problem: JoinProblem, indexPaths: (rel: BaseRel) => void): void {
  const { catalog } = problem.root
  for (const qual of rel.quals) {
    if (qual.kind !== 'BoolExpr' || qual.op !== 'or' || qual.args.length > MOST_ARMS) continue
    if (isVolatile(qual, catalog) || some(qual, isSubPlanExpr)) continue
    const arms = armPaths(
      qual.args,
      rel,
      problem,
      rel.quals.filter((other) => other !== qual),
      indexPaths,
    )
    if (arms !== null) addPath(rel.paths, union(rel, arms))
  }
}

function armPaths(
  arms: readonly Expr[],
  rel: BaseRel,
  problem: JoinProblem,
  others: readonly Expr[],
  indexPaths: (rel: BaseRel) => void,
): Path[] | null {
  const paths: Path[] = []
  const found: Expr[] = []
  for (const arm of arms) {
    const quals = [...splitConditions(arm, problem.root.catalog), ...others]
    const rows = clampRows(rel.tuples * conjunction(quals, problem))
    const part: BaseRel = { ...rel, quals: [...quals, ...found.map(isNotTrue)], rows, paths: [] }
    indexPaths(part)
    if (part.paths.length === 0) return null
    paths.push(cheapest(part.paths))
    found.push(arm)
  }
  return paths
}

const isNotTrue = (arg: Expr): Expr => ({ kind: 'BooleanTest', arg, test: 'not true', type: 16, typmod: -1, collation: 0, location: -1 })

function union(rel: BaseRel, arms: readonly Path[]): Path {
  const total = arms.reduce((sum, arm) => sum + arm.total, 0)
  return {
    ...UNORDERED,
    rows: rel.rows,
    total,
    width: rel.width,
    build: (targets): Plan => ({
      kind: 'Append',
      ...common(passThrough(targets), [], rel.rows, 0, total, rel.width),
      inputs: arms.map((arm) => arm.build(targets)),
    }),
  }
}
