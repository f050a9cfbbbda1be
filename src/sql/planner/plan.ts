// The plan (PostgreSQL's plannodes, with a few nodes of our own): what the planner makes and the executor compiles. Immutable plain data.
//
// Columns. Every node outputs rows whose slots are described by `targetList` (by position; junk included until a projection drops it). An
// expression in a node refers to its input rows by Var with varno INNER_VAR or OUTER_VAR (joins: right and left input) or OUTER_VAR (nodes
// with one input), attno = slot from 1. Scans' quals and target lists refer to the scanned relation's columns: varno SCAN_VAR, attno =
// attnum (for functions, values, CTEs and subqueries: column number). Outer queries' columns and InitPlan results arrive as exec Params.

import type { Oid } from '../../base/ids.ts'
import type { RelationLockMode } from '../../catalog/object-locks.ts'
import type { PermissionInfo } from '../../catalog/privileges.ts'
import type { Expr, SortGroupClause, TargetEntry } from '../analyzer/expr.ts'
import type { CommandType, LockStrength, LockWait, MergeAction, WindowClause, WithCheckOption } from '../analyzer/query.ts'

export const OUTER_VAR = -1
export const INNER_VAR = -2
export const SCAN_VAR = -3
/** In RETURNING: the row as it is afterwards (`new.x`); all NULL for DELETE. */
export const NEW_VAR = -4

/** System columns. */
export const CTID_ATTNO = -1
export const XMIN_ATTNO = -2
export const XMAX_ATTNO = -4
export const TABLE_OID_ATTNO = -6

interface Common {
  readonly targetList: readonly TargetEntry[]
  /** Implicitly ANDed conditions checked on each row before projection. */
  readonly quals: readonly Expr[]
  readonly rows: number
  readonly startupCost: number
  readonly totalCost: number
  readonly width: number
  /** InitPlans to be run (lazily, at first use) before this node: they set exec params. */
  readonly initPlans: readonly SubPlan[]
  /** Scans: the name the relation is known by, for EXPLAIN. */
  readonly alias?: string
}

/** A subquery run by the executor. Uncorrelated: an InitPlan, run once. Correlated (`params` not empty): run again per outer row. */
export interface SubPlan {
  readonly id: number
  readonly kind: 'exists' | 'expr' | 'array' | 'any' | 'all' | 'rowcompare' | 'multiexpr' | 'cte'
  /** Of a CTE, for EXPLAIN. */
  readonly name?: string
  readonly plan: Plan
  /** exec param ids that receive the result (expr, exists, array: one; multiexpr: one per column). */
  readonly setParams: readonly number[]
  /** What the outer row passes in: exec param id ← expression over the outer row. */
  readonly params: readonly { readonly id: number; readonly expr: Expr }[]
  /** any, all, rowcompare: the comparison, over exec params `columns` that hold the current sub-row. */
  readonly testExpr: Expr | null
  readonly columns: readonly number[]
  /** any without correlation and with hashable equality: build a hash table of the result once. */
  readonly useHash: boolean
}

/** In planned expressions: the value of a SubPlan for the current row. */
export interface SubPlanExpr {
  readonly kind: 'SubPlanExpr'
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
  readonly location: number
  readonly plan: SubPlan
}

/** One column's condition in an index range, in index column order. */
export interface IndexCondition {
  /** Position in the index, from 0. */
  readonly column: number
  readonly op: '=' | '<' | '<=' | '>' | '>=' | 'is null' | 'is not null' | 'any'
  /** Constant during a scan: constants, params, outer exec params. For 'any': an array. Null for the null tests. */
  readonly value: Expr | null
}

export interface SeqScan extends Common {
  readonly kind: 'SeqScan'
  readonly relation: Oid
  readonly backward: boolean
}
/** By the primary key or an index: bounds from conditions, rows looked up unless `indexOnly`. The primary key's index is the table itself. */
export interface IndexScan extends Common {
  readonly kind: 'IndexScan'
  readonly relation: Oid
  readonly index: Oid
  readonly conditions: readonly IndexCondition[]
  readonly backward: boolean
  readonly indexOnly: boolean
}
/** One row at most, by all columns of the primary key or a unique index: a get instead of a scan. */
export interface PointGet extends Common {
  readonly kind: 'PointGet'
  readonly relation: Oid
  readonly index: Oid
  /** One per index column. */
  readonly key: readonly Expr[]
}
/** Rows by their ctid, or the one that a cursor stands on. */
export interface TidScan extends Common {
  readonly kind: 'TidScan'
  readonly relation: Oid
  /** A tid, an array of them, or a cursor (CurrentOfExpr); constant during the scan. */
  readonly tids: Expr
}
/** A pg_catalog or information_schema table computed from descriptors and built-in rows. */
export interface VirtualScan extends Common {
  readonly kind: 'VirtualScan'
  readonly relation: Oid
  /** Column = constant conditions the provider may use to produce less; still checked in quals. */
  readonly hints: readonly { readonly attnum: number; readonly value: Expr }[]
}
export interface FunctionScan extends Common {
  readonly kind: 'FunctionScan'
  readonly functions: readonly {
    readonly expr: Expr
    readonly columnCount: number
    readonly columnTypes: readonly Oid[]
    readonly columnTypmods: readonly number[]
    readonly columnNames: readonly string[]
  }[]
  readonly ordinality: boolean
}
export interface ValuesScan extends Common {
  readonly kind: 'ValuesScan'
  readonly lists: readonly (readonly Expr[])[]
}
export interface CteScan extends Common {
  readonly kind: 'CteScan'
  /** The SubPlan (kind 'cte') in some ancestor's initPlans. */
  readonly subPlan: number
}
export interface WorkTableScan extends Common {
  readonly kind: 'WorkTableScan'
  readonly workTable: number
}
export interface SubqueryScan extends Common {
  readonly kind: 'SubqueryScan'
  readonly input: Plan
}
/** No input: one row of constants; with an input: a filter and projection. `oneTimeFilter` is checked once. */
export interface Result extends Common {
  readonly kind: 'Result'
  readonly input: Plan | null
  readonly oneTimeFilter: Expr | null
}
export interface ProjectSet extends Common {
  readonly kind: 'ProjectSet'
  readonly input: Plan | null
}
export type PlanJoinType = 'inner' | 'left' | 'full' | 'right' | 'semi' | 'anti'
/** Per left row, the right input run again with exec params set from it. */
export interface NestLoop extends Common {
  readonly kind: 'NestLoop'
  readonly joinType: PlanJoinType
  readonly left: Plan
  readonly right: Plan
  readonly params: readonly { readonly id: number; readonly expr: Expr }[]
  readonly joinQuals: readonly Expr[]
  /** The right side yields at most one row per left row. */
  readonly innerUnique: boolean
}
/** Like NestLoop over an index of the right table, with the keys of a whole left batch fetched in one step. */
export interface LookupJoin extends Common {
  readonly kind: 'LookupJoin'
  readonly joinType: 'inner' | 'left' | 'semi' | 'anti'
  readonly left: Plan
  readonly relation: Oid
  readonly index: Oid
  /** One per leading index column, over the left row. */
  readonly keys: readonly Expr[]
  /** The right side's own quals and projection: over SCAN_VAR. */
  readonly scanQuals: readonly Expr[]
  readonly scanTargetList: readonly TargetEntry[]
  readonly joinQuals: readonly Expr[]
}
export interface HashJoin extends Common {
  readonly kind: 'HashJoin'
  readonly joinType: PlanJoinType
  readonly left: Plan
  /** Built into the hash table. */
  readonly right: Plan
  readonly leftKeys: readonly Expr[]
  readonly rightKeys: readonly Expr[]
  /** The equality operators, one per key pair. */
  readonly operators: readonly Oid[]
  readonly joinQuals: readonly Expr[]
  readonly innerUnique: boolean
}
export interface MergeJoin extends Common {
  readonly kind: 'MergeJoin'
  readonly joinType: PlanJoinType
  readonly left: Plan
  readonly right: Plan
  readonly leftKeys: readonly Expr[]
  readonly rightKeys: readonly Expr[]
  readonly operators: readonly Oid[]
  readonly descending: readonly boolean[]
  readonly nullsFirst: readonly boolean[]
  readonly joinQuals: readonly Expr[]
}
/** A sort key: slot of the input (from 1) and its order. */
export interface SortKey {
  readonly slot: number
  readonly sortOp: Oid
  readonly eqOp: Oid
  readonly collation: Oid
  readonly type: Oid
  readonly descending: boolean
  readonly nullsFirst: boolean
}
export interface Sort extends Common {
  readonly kind: 'Sort'
  readonly input: Plan
  readonly keys: readonly SortKey[]
  /** The first keys the input already satisfies (incremental sort when > 0). */
  readonly presorted: number
  /** Only this many rows will be asked for (top-N heap); null = all. Offset + limit, constant during the run. */
  readonly limit: Expr | null
}
/**
 * Its target list and quals hold Aggrefs (arguments over the input, OUTER_VAR) and OUTER_VAR slots, which mean the group's first input row
 * (the grouping columns and what depends on them; NULL for a grouping column outside the current grouping set, and for an empty input).
 */
export interface Agg extends Common {
  readonly kind: 'Agg'
  readonly input: Plan
  readonly strategy: 'plain' | 'sorted' | 'hashed' | 'mixed'
  readonly keys: readonly SortKey[]
  /** Grouping sets as lists of positions in `keys`; null = one set of all keys. */
  readonly groupingSets: readonly (readonly number[])[] | null
}
export interface WindowAgg extends Common {
  readonly kind: 'WindowAgg'
  readonly input: Plan
  readonly window: WindowClause
  /** The input is sorted by these. */
  readonly partitionKeys: readonly SortKey[]
  readonly orderKeys: readonly SortKey[]
}
export interface Unique extends Common {
  readonly kind: 'Unique'
  readonly input: Plan
  /** Input sorted by these; consecutive equal rows collapse into the first. */
  readonly keys: readonly SortKey[]
}
export interface HashDistinct extends Common {
  readonly kind: 'HashDistinct'
  readonly input: Plan
  readonly keys: readonly SortKey[]
}
export interface Append extends Common {
  readonly kind: 'Append'
  readonly inputs: readonly Plan[]
}
export interface SetOp extends Common {
  readonly kind: 'SetOp'
  readonly op: 'intersect' | 'except'
  readonly all: boolean
  readonly left: Plan
  readonly right: Plan
  readonly keys: readonly SortKey[]
}
export interface RecursiveUnion extends Common {
  readonly kind: 'RecursiveUnion'
  readonly left: Plan
  readonly right: Plan
  /** An exec param that changes with every step. */
  readonly workTable: number
  readonly all: boolean
  readonly keys: readonly SortKey[]
}
export interface Limit extends Common {
  readonly kind: 'Limit'
  readonly input: Plan
  readonly count: Expr | null
  readonly offset: Expr | null
  /** WITH TIES: rows equal to the last by these keys follow. */
  readonly tieKeys: readonly SortKey[] | null
}
export interface Materialize extends Common {
  readonly kind: 'Materialize'
  readonly input: Plan
}
/** FOR UPDATE and friends: locks each row's key (found in junk slots), re-reads and re-checks it as READ COMMITTED asks. */
export interface LockRows extends Common {
  readonly kind: 'LockRows'
  readonly input: Plan
  readonly marks: readonly {
    readonly relation: Oid
    readonly strength: LockStrength
    readonly wait: LockWait
    /** Slot (from 1) of the row's key (bytes; NULL where an outer join found no row). */
    readonly keySlot: number
    /** The row's columns among the input's slots: replaced when the row has changed meanwhile. */
    readonly rowSlots: readonly { readonly attnum: number; readonly slot: number }[]
    /** Of the row's xmin; 0 = nothing asks for it. */
    readonly xminSlot: number
  }[]
  /** Over the input's slots (OUTER_VAR): what must still hold of a row that changed before it was locked. */
  readonly recheck: readonly Expr[]
  /** The rows stand in an outer, semi- or anti-join: a changed one cannot be judged where it stands, the query begins again. */
  readonly restartOnChange: boolean
}
/**
 * INSERT: input slot i holds the value of column `columns[i]`. UPDATE, DELETE, MERGE: the input supplies the row's key (`keySlot`), all the
 * target row's columns (`rowSlots`) and what `set`, actions and RETURNING need of other tables; new values are computed here, over the
 * input's slots (OUTER_VAR), so that they can be computed again when the row changed before it was locked.
 */
export interface ModifyTable extends Common {
  readonly kind: 'ModifyTable'
  readonly command: CommandType
  readonly relation: Oid
  readonly input: Plan
  /** INSERT: attnums in slot order. Otherwise empty. */
  readonly columns: readonly number[]
  /** Slot (from 1) with the row's key bytes; 0 for insert. MERGE: NULL there = no target row. */
  readonly keySlot: number
  readonly rowSlots: readonly { readonly attnum: number; readonly slot: number }[]
  /** Of the row's xmin; 0 = nothing asks for it. */
  readonly xminSlot: number
  /** MERGE: slot that is not NULL where a source row exists; 0 otherwise. */
  readonly sourceSlot: number
  /** UPDATE: new values by resno = attnum, over OUTER_VAR. */
  readonly set: readonly TargetEntry[]
  /** Over OUTER_VAR: conditions a changed row must still meet. */
  readonly recheck: readonly Expr[]
  /** A changed row cannot be judged by `recheck` alone (semi-joins, outer joins): the statement starts again on a new snapshot. */
  readonly restartOnChange: boolean
  readonly onConflict: {
    readonly action: 'nothing' | 'update'
    readonly arbiters: readonly Oid[]
    /** Over the existing row (varno SCAN_VAR) and the proposed one (varno INNER_VAR), both by attnum. */
    readonly set: readonly TargetEntry[]
    readonly where: Expr | null
  } | null
  /** Quals and values over OUTER_VAR slots of the input. */
  readonly mergeActions: readonly MergeAction[]
  /** Over the new row: SCAN_VAR by attnum. */
  readonly checkOptions: readonly WithCheckOption[]
  /**
   * Over the new row (the old one for DELETE): SCAN_VAR by attnum; the row before: INNER_VAR, the row afterwards: NEW_VAR (by attnum, NULLs
   * where there is none); other tables' columns: OUTER_VAR slots of the input. Null = no RETURNING.
   */
  readonly returning: readonly TargetEntry[] | null
}

export type Plan =
  | SeqScan
  | IndexScan
  | PointGet
  | TidScan
  | VirtualScan
  | FunctionScan
  | ValuesScan
  | CteScan
  | WorkTableScan
  | SubqueryScan
  | Result
  | ProjectSet
  | NestLoop
  | LookupJoin
  | HashJoin
  | MergeJoin
  | Sort
  | Agg
  | WindowAgg
  | Unique
  | HashDistinct
  | Append
  | SetOp
  | RecursiveUnion
  | Limit
  | Materialize
  | LockRows
  | ModifyTable

export type PlannedExpr = Expr | SubPlanExpr

export interface RelationLock {
  readonly relation: Oid
  readonly mode: RelationLockMode
}

/** A whole planned statement. */
export interface PlannedStatement {
  readonly command: CommandType
  readonly plan: Plan
  /** All relations' permission needs, checked at each execution's start. */
  readonly permissions: readonly PermissionInfo[]
  /** Slots of the output that are sent, in order (junk left out). */
  readonly output: readonly TargetEntry[]
  /** Modifying CTEs that run to their end even if nobody reads them. */
  readonly subPlans: readonly SubPlan[]
  readonly execParamCount: number
  /** Reads at most single keys: begin the transaction with `latest`. */
  readonly pointRead: boolean
  readonly hasModifyingCte: boolean
  readonly hasRowMarks: boolean
  readonly hasReturning: boolean
  /** Chosen without the parameters' values, which might ask for another plan. */
  readonly valuesMatter: boolean
  /** Taken before the first row and kept until the transaction ends, so that DDL waits for the statement and the statement for it. */
  readonly locks: readonly RelationLock[]
}

export type { SortGroupClause }
