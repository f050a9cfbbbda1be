// The bound statement (PostgreSQL's Query): what the analyzer makes and the planner reads. Immutable. Views are expanded (rewritten into
// subquery entries) before the planner sees it.

import type { Oid } from '../../base/ids.ts'
import type { PermissionInfo } from '../../catalog/privileges.ts'
import type { Expr, SortGroupClause, TargetEntry } from './expr.ts'

export type CommandType = 'select' | 'insert' | 'update' | 'delete' | 'merge'
export type JoinType = 'inner' | 'left' | 'full' | 'right'

/** A reference to a range table entry in the join tree; `rtindex` from 1. */
export interface RangeTblRef {
  readonly kind: 'RangeTblRef'
  readonly rtindex: number
}
export interface JoinExpr {
  readonly kind: 'JoinExpr'
  readonly joinType: JoinType
  readonly left: JoinTreeNode
  readonly right: JoinTreeNode
  readonly quals: Expr | null
  /** The join's own range table entry (its visible columns), from 1. */
  readonly rtindex: number
}
export interface FromExpr {
  readonly kind: 'FromExpr'
  readonly fromlist: readonly JoinTreeNode[]
  readonly quals: Expr | null
}
export type JoinTreeNode = RangeTblRef | JoinExpr | FromExpr

export interface RteColumn {
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
}
export interface NamedRteColumn extends RteColumn {
  readonly name: string
}
interface RteCommon {
  /** The name it is known by: alias or relation name. */
  readonly refname: string
  readonly hasAlias: boolean
  /** Visible column names by attnum - 1; null for dropped columns of relations. */
  readonly colNames: readonly (string | null)[]
  readonly lateral: boolean
  readonly inFromClause: boolean
}
export interface RteRelation extends RteCommon {
  readonly kind: 'relation'
  readonly relation: Oid
  /** pg_class.relkind. */
  readonly relkind: string
  readonly inh: boolean
  /** Index into Query.permissions, or -1. */
  readonly permission: number
  /** How many columns the alias gives names of its own: t AS x(a, b). Absent = none. */
  readonly aliasedCols?: number
}
export interface RteSubquery extends RteCommon {
  readonly kind: 'subquery'
  readonly subquery: Query
  /** A view's expansion: the view's OID, else 0. */
  readonly view: Oid
  readonly securityBarrier: boolean
}
export interface RteJoin extends RteCommon {
  readonly kind: 'join'
  readonly joinType: JoinType
  /** One expression per visible column: a Var of a side, or COALESCE for merged columns of a full join. */
  readonly aliasVars: readonly Expr[]
  /** How many leading columns USING/NATURAL merged. */
  readonly mergedCols: number
  /** `USING (…) AS alias`. Absent = none. */
  readonly usingAlias?: string
}
export interface RteFunction extends RteCommon {
  readonly kind: 'function'
  /** ROWS FROM (…): one or more calls side by side. */
  readonly functions: readonly { readonly expr: Expr; readonly columns: readonly NamedRteColumn[] }[]
  readonly ordinality: boolean
}
export interface RteValues extends RteCommon {
  readonly kind: 'values'
  readonly lists: readonly (readonly Expr[])[]
  readonly columns: readonly RteColumn[]
}
export interface RteCte extends RteCommon {
  readonly kind: 'cte'
  readonly cteName: string
  readonly levelsUp: number
  /** A reference inside the recursive term to the CTE itself. */
  readonly selfReference: boolean
  readonly columns: readonly RteColumn[]
}
/** FROM-less: one row, no columns. */
export interface RteResult extends RteCommon {
  readonly kind: 'result'
}
export type RangeTblEntry = RteRelation | RteSubquery | RteJoin | RteFunction | RteValues | RteCte | RteResult

export interface CommonTableExpr {
  readonly name: string
  readonly materialized: 'default' | 'always' | 'never'
  readonly query: Query
  readonly recursive: boolean
  readonly refcount: number
  readonly columns: readonly NamedRteColumn[]
}

export type FrameBound =
  | { readonly kind: 'unbounded preceding' | 'current row' | 'unbounded following' }
  /** inRangeFunc: the in_range support function's OID for RANGE frames, else 0. */
  | { readonly kind: 'preceding' | 'following'; readonly offset: Expr; readonly inRangeFunc: Oid }
export interface WindowClause {
  readonly name: string | null
  readonly partition: readonly SortGroupClause[]
  readonly order: readonly SortGroupClause[]
  readonly frameMode: 'range' | 'rows' | 'groups'
  readonly frameStart: FrameBound
  readonly frameEnd: FrameBound
  readonly exclusion: 'no others' | 'current row' | 'group' | 'ties'
  readonly winRef: number
}

export type GroupingSet =
  | { readonly kind: 'empty' }
  | { readonly kind: 'simple'; readonly refs: readonly number[] }
  | { readonly kind: 'rollup' | 'cube' | 'sets'; readonly content: readonly GroupingSet[] }

export type LockStrength = 'key share' | 'share' | 'no key update' | 'update'
export type LockWait = 'block' | 'skip' | 'nowait'
export interface RowMark {
  readonly rti: number
  readonly strength: LockStrength
  readonly wait: LockWait
  /** An outer query's clause asks for it, not one of the query's own. */
  readonly pushedDown: boolean
}

/** A column or expression that the indexes of ON CONFLICT (…) have to be over. */
export interface ArbiterElement {
  readonly expr: Expr
  /** 0 and null where none was written. */
  readonly collation: Oid
  readonly opclass: string | null
}

/** What stands after ON CONFLICT: a constraint's index, or what indexes are inferred from when the statement is planned. */
export interface Arbiter {
  readonly index: Oid
  readonly elements: readonly ArbiterElement[]
  readonly where: Expr | null
}

export interface OnConflict {
  readonly action: 'nothing' | 'update'
  /** Null = any unique index (only with 'nothing'). */
  readonly arbiter: Arbiter | null
  readonly set: readonly TargetEntry[]
  readonly where: Expr | null
  /** Range table index of EXCLUDED (a relation entry of the target); 0 with 'nothing'. */
  readonly excludedRti: number
}

export interface MergeAction {
  readonly matchKind: 'matched' | 'not matched by source' | 'not matched by target'
  readonly command: 'insert' | 'update' | 'delete' | 'nothing'
  readonly override: 'none' | 'user' | 'system'
  readonly qual: Expr | null
  readonly targetList: readonly TargetEntry[]
}

/** UNION/INTERSECT/EXCEPT: leaves are subquery entries of the range table. */
export interface SetOperation {
  readonly kind: 'SetOperation'
  readonly op: 'union' | 'intersect' | 'except'
  readonly all: boolean
  readonly left: SetOperation | RangeTblRef
  readonly right: SetOperation | RangeTblRef
  readonly columns: readonly RteColumn[]
  /** How to tell equal rows, one per column (tleSortGroupRef = column number from 1); empty for UNION ALL. */
  readonly groupClauses: readonly SortGroupClause[]
}

/** A condition that a row written through a view WITH CHECK OPTION must meet, over the target relation's columns. */
export interface WithCheckOption {
  readonly relname: string
  readonly qual: Expr
}

export interface Query {
  readonly commandType: CommandType
  readonly rtable: readonly RangeTblEntry[]
  readonly permissions: readonly PermissionInfo[]
  readonly jointree: FromExpr
  /** INSERT/UPDATE/DELETE/MERGE: the target's range table index, else 0. */
  readonly resultRelation: number
  /**
   * SELECT: the output. INSERT: one entry per target column that gets a value, defaults filled in (every column not named stands here with its
   * default if it has one). UPDATE: one entry per assigned column. DELETE: empty. Stored generated columns stand in neither: the executor
   * computes them from the finished row (`generatedColumns` in defaults.ts). Virtual ones are replaced where they are read.
   */
  readonly targetList: readonly TargetEntry[]
  readonly override: 'none' | 'user' | 'system'
  readonly onConflict: OnConflict | null
  readonly mergeActions: readonly MergeAction[]
  readonly mergeJoinCondition: Expr | null
  readonly returningList: readonly TargetEntry[]
  /** Range table indexes by which RETURNING names the old and the new row (RETURNING old.x); 0 = not used. */
  readonly returningOld: number
  readonly returningNew: number
  readonly cteList: readonly CommonTableExpr[]
  readonly hasRecursive: boolean
  readonly hasModifyingCte: boolean
  readonly hasAggs: boolean
  readonly hasWindowFuncs: boolean
  readonly hasTargetSRFs: boolean
  readonly hasSubLinks: boolean
  readonly groupClause: readonly SortGroupClause[]
  readonly groupDistinct: boolean
  readonly groupingSets: readonly GroupingSet[]
  /** Primary keys by whose grouping the other columns of their tables need none. Absent = none. */
  readonly constraintDeps?: readonly Oid[]
  readonly havingQual: Expr | null
  readonly windowClause: readonly WindowClause[]
  readonly distinctClause: readonly SortGroupClause[]
  readonly hasDistinctOn: boolean
  readonly sortClause: readonly SortGroupClause[]
  readonly limitOffset: Expr | null
  readonly limitCount: Expr | null
  readonly limitOption: 'count' | 'with ties'
  readonly rowMarks: readonly RowMark[]
  readonly setOperations: SetOperation | null
  readonly withCheckOptions: readonly WithCheckOption[]
}

/** A query without GROUP BY, HAVING, WINDOW, DISTINCT, ORDER BY and LIMIT. */
export const NO_CLAUSES = {
  groupClause: [],
  groupDistinct: false,
  groupingSets: [],
  havingQual: null,
  windowClause: [],
  distinctClause: [],
  hasDistinctOn: false,
  sortClause: [],
  limitOffset: null,
  limitCount: null,
  limitOption: 'count',
} as const satisfies Partial<Query>
