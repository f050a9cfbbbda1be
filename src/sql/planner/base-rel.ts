// A relation of one query level's join problem, and the facts estimates are made from.

import type { TableDescriptor } from '../../catalog/descriptors.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { RangeTblEntry } from '../analyzer/query.ts'
import type { Root } from './context.ts'
import { DEFAULTS } from './cost.ts'
import type { Equivalences } from './equivalence.ts'
import { stripRelabel } from './expr-tree.ts'
import type { Path } from './paths/path.ts'
import type { Relids } from './relids.ts'

export interface BaseRel {
  /** Its bit in relation sets. */
  readonly bit: Relids
  readonly rti: number
  readonly rte: RangeTblEntry
  readonly info: RelationInfo | null
  readonly table: TableDescriptor | null
  readonly tuples: number
  /** Restrictions on this relation alone. */
  readonly quals: Expr[]
  /** attnos that anything in the level needs. */
  readonly needed: ReadonlySet<number>
  rows: number
  width: number
  readonly paths: Path[]
}

/** One level's join problem. */
export interface JoinProblem {
  readonly root: Root
  readonly rels: readonly BaseRel[]
  /** Range table index → bit. */
  readonly bitOf: ReadonlyMap<number, Relids>
  readonly ecs: Equivalences
  relids(expr: Expr): Relids
}

export function relOfVar(problem: JoinProblem, expr: Expr): BaseRel | null {
  if (expr.kind !== 'Var') return null
  const bit = problem.bitOf.get(expr.varno)
  return bit === undefined ? null : problem.rels.find((rel) => rel.bit === bit)!
}

/** How many different values `expr` takes, of `rows` rows. */
export function distinctValues(problem: JoinProblem, expr: Expr, rows: number): number {
  const bare = stripRelabel(expr)
  if (bare.kind === 'Const' || bare.kind === 'Param') return 1
  const rel = relOfVar(problem, bare)
  if (rel === null || bare.kind !== 'Var') return Math.min(rows, DEFAULTS.distinct)
  if (bare.type === 16) return Math.min(rows, 2)
  if (rel.table !== null && rel.info !== null) {
    const found = problem.root.glob.statistics?.(rel.info.oid, bare.attno) ?? null
    if (found !== null && found.distinct !== 0) {
      return Math.max(1, Math.min(rows, found.distinct > 0 ? found.distinct : -found.distinct * rel.tuples))
    }
    for (const index of rel.table.indexes) {
      if (index.unique && index.columns.length === 1 && index.columns[0]!.attnum === bare.attno && index.predicate === null) {
        return Math.max(1, Math.min(rows, rel.tuples))
      }
    }
    // A column of a composite key repeats, but not as often as one that nothing is known of.
    for (const index of rel.table.indexes) {
      if (index.unique && index.columns.some((column) => column.attnum === bare.attno)) return Math.max(1, Math.sqrt(rel.tuples))
    }
  }
  return Math.max(1, Math.min(rows, DEFAULTS.distinct))
}
