// What one planning carries along: of the whole statement (Glob), and of one query level (Root).

import type { Datum } from '../../base/datum.ts'
import type { StoredNode } from '../../catalog/descriptors.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { CommonTableExpr, Query } from '../analyzer/query.ts'
import type { SubPlan } from './plan.ts'
import type { StatisticsSource } from './statistics.ts'

export interface PlannerContext {
  readonly catalog: CatalogSnapshot
  /** Values an expression of constants and immutable functions; undefined where that cannot be done now. Errors mean "not now" too. */
  readonly evaluate: ((expr: Expr) => Datum | undefined) | null
  /** Reads a stored expression (index expression or predicate); only needed where tenants' own types may occur in them. */
  readonly stored?: (node: StoredNode) => Expr
  /** ANALYZE's findings; null = defaults. */
  readonly statistics: StatisticsSource | null
  /** The parameters' values the plan is to run with, and no others. Null = the plan holds for all values. */
  readonly paramValues?: readonly Datum[] | null
}

export interface Glob extends PlannerContext {
  readonly stored: (node: StoredNode) => Expr
  execParams: number
  subPlanIds: number
  /** Modifying CTEs. */
  readonly modifyingCtes: SubPlan[]
  hasRowMarks: boolean
  readonly paramValues: readonly Datum[] | null
  /** An estimate would be another one if the parameters' values were known. */
  valuesMatter: boolean
}

export interface PlannedCte {
  readonly cte: CommonTableExpr
  /** Null while its own recursive term is being planned: then `workTable` stands for it. */
  subPlan: SubPlan | null
  rows: number
  width: number
  /** An exec param's id. */
  workTable: number
}

/** A query level being planned. */
export interface Root {
  readonly glob: Glob
  readonly catalog: CatalogSnapshot
  readonly parent: Root | null
  query: Query
  readonly initPlans: SubPlan[]
  readonly ctes: PlannedCte[]
  /** exec params of multi-column assignments: `subLinkId` → param ids. */
  readonly multiExpr: Map<number, readonly number[]>
}

export function makeRoot(glob: Glob, query: Query, parent: Root | null): Root {
  return { glob, catalog: glob.catalog, parent, query, initPlans: [], ctes: [], multiExpr: new Map() }
}

export function execParam(glob: Glob, like: Pick<Expr, 'type' | 'typmod' | 'collation'>): Expr & { kind: 'Param' } {
  return {
    kind: 'Param',
    paramKind: 'exec',
    id: glob.execParams++,
    type: like.type,
    typmod: like.typmod,
    collation: like.collation,
    location: -1,
  }
}
