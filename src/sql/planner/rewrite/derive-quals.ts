// Conditions that follow from others and make relations smaller before they are joined: from an OR over several relations what it asks of each
// one alone, and from `left.x = right.y` in an outer join's ON the constant that left.x is known to be.

import type { Expr } from '../../analyzer/expr.ts'
import type { JoinProblem } from '../base-rel.ts'
import type { EquivalenceClass } from '../equivalence.ts'
import { equalityFamily } from '../equivalence.ts'
import { exprKey, isSubPlanExpr, makeAnd, makeBool, some } from '../expr-tree.ts'
import type { Deconstructed, Qual } from '../joins/deconstruct.ts'
import { contains, isSeveral, NO_RELS, type Relids } from '../relids.ts'
import { isVolatile } from '../volatility.ts'
import { splitConditions } from './factor-or.ts'

export function derivedQuals(quals: readonly Qual[], parts: Deconstructed, problem: JoinProblem): Qual[] {
  return [...quals.flatMap((qual) => fromOr(qual, problem)), ...fromOuterJoins(parts, problem)]
}

/** What each relation must meet for any arm to hold. The OR itself stays; its estimate leaves out what is counted here. */
function fromOr(qual: Qual, problem: JoinProblem): Qual[] {
  const { expr } = qual
  const { catalog } = problem.root
  if (expr.kind !== 'BoolExpr' || expr.op !== 'or' || !qual.everywhere || !isSeveral(qual.required)) return []
  if (isVolatile(expr, catalog) || some(expr, isSubPlanExpr)) return []
  const arms = expr.args.map((arm) => splitConditions(arm, catalog))
  const derived: Qual[] = []
  for (const { bit } of problem.rels) {
    if (!contains(qual.required, bit)) continue
    const own = arms.map((arm) => arm.filter((part) => problem.relids(part) === bit))
    if (own.some((parts) => parts.length === 0)) continue
    const restriction = makeBool(
      'or',
      own.map((parts) => makeAnd(parts)!),
    )
    derived.push({ expr: restriction, required: bit, everywhere: true })
    problem.implied.set(expr, [...(problem.implied.get(expr) ?? []), restriction])
  }
  return derived
}

type Known = { readonly ec: EquivalenceClass; readonly constant: Expr }

function fromOuterJoins(parts: Deconstructed, problem: JoinProblem): Qual[] {
  const { ecs } = problem
  const known = new Map<string, Known>()
  for (const ec of ecs.classes) {
    const constant = ec.members.find((member) => member.relids === NO_RELS)?.expr
    if (constant !== undefined) for (const member of ec.members) known.set(exprKey(member.expr), { ec, constant })
  }
  const derived: Qual[] = []
  const derive = (from: Expr, to: Expr, side: Relids): boolean => {
    const found = known.get(exprKey(from))
    const required = problem.relids(to)
    if (found === undefined || known.has(exprKey(to)) || isSeveral(required) || !contains(side, required)) return false
    const clause = ecs.clause(found.ec, to, found.constant)
    if (clause === null) return false
    known.set(exprKey(to), found)
    derived.push({ expr: clause, required, everywhere: false })
    return true
  }
  for (let grown = known.size > 0; grown; ) {
    grown = false
    for (const join of parts.joins) {
      if (join.type === 'full') continue
      for (const qual of join.quals) {
        if (qual.kind !== 'OpExpr' || qual.args.length !== 2 || equalityFamily(qual.opNo) === 0) continue
        const [left, right] = qual.args as [Expr, Expr]
        if (problem.relids(left) === NO_RELS || problem.relids(right) === NO_RELS) continue
        if (contains(join.synLeft, problem.relids(left)) ? derive(left, right, join.synRight) : derive(right, left, join.synRight))
          grown = true
      }
    }
  }
  return derived
}
