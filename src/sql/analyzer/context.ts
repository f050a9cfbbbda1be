// What analysis knows of the session (AnalyzeContext) and of the query level it is in (ParseState, PostgreSQL's pstate). Analysis is pure
// over the catalogue snapshot: the same text, snapshot and context give the same tree; only `params` collects types on the way.

import { type ErrorFields, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import type { CatalogSnapshot, RelationInfo } from '../../catalog/snapshot.ts'
import type { CatalogSource } from '../functions/catalog-source.ts'
import type { Node, WindowDef } from '../parser/nodes.ts'
import { positionOfByte, type SourceText } from '../parser/positions.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { catalogSource } from './catalog-source.ts'
import type { Expr } from './expr.ts'
import type { CommonTableExpr, JoinTreeNode, Query, RangeTblEntry, WindowClause } from './query.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Types of $1, $2 …: 0 not seen, `unknown` to be inferred from context. With `variable` false an unknown number is an error (42P02). */
export interface ParamTypes {
  types: Oid[]
  readonly variable: boolean
}
export function paramTypes(given: readonly Oid[] = [], variable = true): ParamTypes {
  return { types: [...given], variable }
}

export interface AnalyzeContext {
  readonly catalog: CatalogSnapshot
  /** Schemas in which unqualified names are looked up, in order, pg_catalog included where it stands. */
  readonly searchPath: readonly Oid[]
  readonly currentUser: Oid
  readonly params: ParamTypes
  /** For error positions; null when the tree comes from elsewhere. */
  readonly source: SourceText | null
  /** Input functions of literals. */
  readonly eval: EvalContext
}

/** Which clause an expression stands in: decides what is allowed and what errors say. */
export type ExprKind =
  | 'none'
  | 'other'
  | 'join on'
  | 'join using'
  | 'from subselect'
  | 'from function'
  | 'where'
  | 'having'
  | 'filter'
  | 'window partition'
  | 'window order'
  | 'window frame range'
  | 'window frame rows'
  | 'window frame groups'
  | 'select target'
  | 'insert target'
  | 'update source'
  | 'update target'
  | 'merge when'
  | 'group by'
  | 'order by'
  | 'distinct on'
  | 'limit'
  | 'offset'
  | 'returning'
  | 'merge returning'
  | 'values'
  | 'values single'
  | 'check'
  | 'domain check'
  | 'column default'
  | 'function default'
  | 'index expression'
  | 'index predicate'
  | 'statistics expression'
  | 'alter column'
  | 'execute'
  | 'trigger when'
  | 'policy'
  | 'partition bound'
  | 'partition expression'
  | 'call argument'
  | 'copy where'
  | 'generated'
  | 'cycle mark'

export interface NsColumn {
  readonly name: string
  readonly varno: number
  readonly attno: number
  readonly type: Oid
  readonly typmod: number
  readonly collation: Oid
  /** What SEARCH and CYCLE add, inside the WITH: in no *. */
  readonly hidden: boolean
}
export interface NsItem {
  readonly rtindex: number
  readonly rte: RangeTblEntry
  readonly refname: string
  /** Null entries: dropped columns. */
  readonly columns: readonly (NsColumn | null)[]
  readonly relation: RelationInfo | null
  relVisible: boolean
  colsVisible: boolean
  lateralOnly: boolean
  lateralOk: boolean
  readonly returning: 'default' | 'old' | 'new'
}

export interface MutablePermission {
  relation: Oid
  requiredSelect: boolean
  requiredInsert: boolean
  requiredUpdate: boolean
  requiredDelete: boolean
  rowMarked: boolean
  selectedColumns: Set<number>
  insertedColumns: Set<number>
  updatedColumns: Set<number>
  checkAs: Oid
}

export interface CteEntry extends Mutable<CommonTableExpr> {
  /** Being analysed: the recursive term's references have the non-recursive term's columns. */
  open: boolean
  /** How many of its columns, the last ones, SEARCH and CYCLE add. */
  readonly carried: number
  raw: Node
}

export interface ParseState {
  readonly parent: ParseState | null
  readonly ctx: AnalyzeContext
  readonly source: CatalogSource
  readonly rtable: RangeTblEntry[]
  readonly relations: (RelationInfo | null)[]
  readonly permissions: MutablePermission[]
  joinlist: JoinTreeNode[]
  namespace: NsItem[]
  ctes: CteEntry[]
  /** WITH items not visible yet, for a better error. */
  futureCtes: readonly string[]
  /** The CTE this level is the query of, if any. */
  parentCte: CteEntry | null
  /** …or a leaf of its set operation. */
  isTerm: boolean
  kind: ExprKind
  nextResno: number
  hasAggs: boolean
  hasWindowFuncs: boolean
  hasTargetSRFs: boolean
  hasSubLinks: boolean
  hasModifyingCte: boolean
  hasRecursive: boolean
  lateralActive: boolean
  windowDefs: WindowDef[]
  windows: Mutable<WindowClause>[]
  /** Sub-selects of multi-column assignments met so far. */
  multiAssign: { source: Node; expr: Expr; columns: number }[]
  target: RelationInfo | null
  targetItem: NsItem | null
  /** OLD and NEW of RETURNING: range table indexes, 0 = not there. */
  returningOld: number
  returningNew: number
  /** A FOR UPDATE outside applies to everything in here. */
  lockedFromParent: boolean
  /** Relations a FOR UPDATE OF names. */
  lockedNames: readonly string[] | null
  /** The last set-returning call seen, to refuse nested placements. */
  lastSrf: Expr | null
  /** VALUE in a domain's CHECK. */
  domainValue: Expr | null
  /** Resolve bare `unknown` outputs to text. */
  resolveUnknowns: boolean
}

export function makeState(ctx: AnalyzeContext, parent: ParseState | null): ParseState {
  return {
    parent,
    ctx,
    source: parent === null ? catalogSource(ctx.catalog, ctx.searchPath) : parent.source,
    rtable: [],
    relations: [],
    permissions: [],
    joinlist: [],
    namespace: [],
    ctes: [],
    futureCtes: [],
    parentCte: null,
    isTerm: false,
    kind: 'none',
    nextResno: 1,
    hasAggs: false,
    hasWindowFuncs: false,
    hasTargetSRFs: false,
    hasSubLinks: false,
    hasModifyingCte: false,
    hasRecursive: false,
    lateralActive: false,
    windowDefs: [],
    windows: [],
    multiAssign: [],
    target: null,
    targetItem: null,
    returningOld: 0,
    returningNew: 0,
    lockedFromParent: false,
    lockedNames: null,
    lastSrf: null,
    domainValue: parent?.domainValue ?? null,
    resolveUnknowns: true,
  }
}

export function positionFields(ctx: AnalyzeContext, location: number | undefined): ErrorFields {
  if (ctx.source === null || location === undefined || location < 0) return {}
  const position = positionOfByte(ctx.source, location)
  return position === undefined ? {} : { position }
}

/** An error at a byte location of the statement. */
export function errorAt(
  state: ParseState,
  code: Sqlstate,
  message: string,
  location: number | undefined,
  fields: ErrorFields = {},
): PgError {
  return new PgError(code, message, { ...fields, ...positionFields(state.ctx, location) })
}

/** Runs `body`; a PgError without position gets this one (PostgreSQL's setup_parser_errposition_callback). */
export function located<T>(state: ParseState, location: number, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (error instanceof PgError && error.fields.position === undefined && location >= 0)
      throw error.with(positionFields(state.ctx, location))
    throw error
  }
}

export function stackDepthError(): PgError {
  return new PgError(SQLSTATE.statementTooComplex, 'stack depth limit exceeded', {
    hint: 'Nest the expressions and sub-selects of the statement less deeply.',
  })
}

let depth = 0
/** Recursion guard of the analyzer (single-threaded and synchronous, so one counter is enough); always paired with `leave`. */
export function enter(): void {
  if (depth >= LIMITS.maxExpressionDepth) throw stackDepthError()
  depth++
}
export function leave(): void {
  depth--
}
export function descend<T>(body: () => T): T {
  enter()
  try {
    return body()
  } finally {
    leave()
  }
}

export function querySubselect(query: Query): readonly { type: Oid; typmod: number; collation: Oid; name: string }[] {
  const list = query.commandType === 'select' ? query.targetList : query.returningList
  return list
    .filter((entry) => !entry.resjunk)
    .map(({ expr, resname }) => ({ type: expr.type, typmod: expr.typmod, collation: expr.collation, name: resname ?? '?column?' }))
}
