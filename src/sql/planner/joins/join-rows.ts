// How many rows a join yields: PostgreSQL's estimates over what is known of both sides of each equality. Equalities that follow a foreign key
// count as one: every referring row finds the row it refers to.

import type { Expr } from '../../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { clampRows } from '../cost.ts'
import { equalJoin, semiJoin } from '../join-selectivity.ts'
import { conjunction } from '../selectivity.ts'
import { type Variable, variableOf } from '../variable.ts'
import type { JoinShape, KeyPair } from './join-path.ts'

interface Pair {
  readonly left: Variable
  readonly right: Variable
}

/** `keys`: the conditions that are equalities between the sides. */
export function joinRows(shape: JoinShape, keys: readonly KeyPair[], problem: JoinProblem): number {
  const { type, left, right, joinQuals, filterQuals } = shape
  const keyed = new Set<Expr>(keys.map((pair) => pair.qual))
  const others = conjunction(
    joinQuals.filter((qual) => !keyed.has(qual)),
    problem,
  )
  const pairs = keys.map((pair): Pair => ({ left: variableOf(problem, pair.left), right: variableOf(problem, pair.right) }))
  const filter = conjunction(filterQuals, problem)
  const inner = left.rows * right.rows * pairSelectivity(pairs) * others
  if (type === 'semi' || type === 'anti') {
    // How many of the left rows find a partner is at most what all pairs together make.
    const found = pairs.length === 0 ? 0.5 : Math.min(...pairs.map((pair) => semiJoin(pair.left, pair.right, right.rows)))
    const partnered = Math.min(left.rows * found * (keyed.size < joinQuals.length ? Math.max(others, 0.3) : 1), Math.max(inner, 1))
    return clampRows((type === 'semi' ? partnered : left.rows - partnered) * filter)
  }
  if (type === 'left') return clampRows(Math.max(inner, left.rows) * filter)
  if (type === 'right') return clampRows(Math.max(inner, right.rows) * filter)
  if (type === 'full') return clampRows(Math.max(inner, left.rows + right.rows - inner) * filter)
  return clampRows(inner * filter)
}

function pairSelectivity(pairs: readonly Pair[]): number {
  const rest = new Set(pairs)
  let pass = 1
  for (const pair of pairs) {
    if (!rest.has(pair)) continue
    const related = pairs.filter((other) => rest.has(other) && other.left.rel === pair.left.rel && other.right.rel === pair.right.rel)
    const followed = related.length > 1 ? followedKey(related) : null
    if (followed === null) continue
    for (const one of followed.pairs) rest.delete(one)
    pass /= Math.max(1, followed.referenced.tuples)
  }
  for (const pair of rest) pass *= equalJoin(pair.left, pair.right)
  return pass
}

const attnoOf = ({ expr }: Variable): number => (expr.kind === 'Var' ? expr.attno : 0)

/** The equalities that follow a foreign key of several columns, either way round. */
function followedKey(pairs: readonly Pair[]): { pairs: Pair[]; referenced: BaseRel } | null {
  const [{ left, right }] = pairs as [Pair]
  if (left.rel === null || right.rel === null) return null
  const ways = [
    { from: left.rel, to: right.rel, own: (pair: Pair) => attnoOf(pair.left), other: (pair: Pair) => attnoOf(pair.right) },
    { from: right.rel, to: left.rel, own: (pair: Pair) => attnoOf(pair.right), other: (pair: Pair) => attnoOf(pair.left) },
  ]
  for (const { from, to, own, other } of ways) {
    for (const constraint of from.table?.constraints ?? []) {
      if (constraint.type !== 'f' || constraint.referencedTable !== to.info?.oid) continue
      const matched = constraint.columns.map((attnum, i) =>
        pairs.find((pair) => own(pair) === attnum && other(pair) === constraint.referencedColumns[i]),
      )
      if (matched.every((pair) => pair !== undefined)) return { pairs: matched, referenced: to }
    }
  }
  return null
}
