// What the steps of planning one query level hand on: the joined level to the stages above the join, the planned one to whoever stands above.

import type { Steps } from '../../base/long-work.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import type { JoinProblem } from './base-rel.ts'
import type { Root } from './context.ts'
import type { Equivalences } from './equivalence.ts'
import type { QueryMapper } from './expr-tree.ts'
import type { SpecialJoin } from './joins/deconstruct.ts'
import type { Path } from './paths/path.ts'

export interface JoinedLevel {
  readonly root: Root
  readonly query: Query
  readonly problem: JoinProblem
  /** Alternatives for FROM and WHERE, not yet compared. */
  readonly paths: readonly Path[]
  /** Conditions on inner-joined rows, as written, over base Vars: what a row must meet to be in the result. */
  readonly quals: readonly Expr[]
  readonly having: readonly Expr[]
  /** Outer, semi- and anti-joins. */
  readonly special: readonly SpecialJoin[]
  readonly substitute: QueryMapper | null
}

export interface PlannedLevel {
  readonly path: Path
  /** The output columns (junk left out), in terms of `path`. */
  readonly columns: readonly Expr[]
  readonly root: Root
  readonly query: Query
  readonly ecs: Equivalences
}

/** Plans a SELECT. `fetch`: only so many rows will be asked for; null = all. */
export type PlanQuery = (query: Query, parent: Root, fetch: number | null) => Steps<PlannedLevel>
