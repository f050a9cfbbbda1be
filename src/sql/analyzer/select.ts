// SELECT and VALUES; analyzeSubquery is how every nested query begins.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Node, type NodeOf, nodeAs, nodeTag, type SelectStmt } from '../parser/nodes.ts'
import { checkGrouping, refuseRecursiveAggregates } from './agg.ts'
import { distinctOf, distinctOnOf, groupByOf, limitOf, sortListOf } from './clauses.ts'
import { coerceToCommon, commonType, commonTypmod } from './coerce.ts'
import { assignCollations, assignListCollations, selectCommonCollation } from './collate.ts'
import { type CteEntry, descend, type ExprKind, errorAt, type Mutable, makeState, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { transformFrom } from './from.ts'
import { exprListLocation } from './location.ts'
import { transformLocking } from './locking.ts'
import { targetEntry } from './make.ts'
import { analyzeModify } from './modify.ts'
import type { FromExpr, Query } from './query.ts'
import { addValues, columnVar } from './relation.ts'
import { transformSetOperation } from './setop.ts'
import { expandExpressionList, markOrigins, resolveTargetUnknowns, transformTargetList } from './target.ts'
import { transformCondition } from './transform-expr.ts'
import { windowClausesOf } from './windows.ts'

export interface SubqueryOptions {
  readonly kind: ExprKind
  readonly cte?: CteEntry
  readonly locked?: boolean
  readonly resolveUnknowns?: boolean
  /** Run on the fresh state before anything else. */
  readonly prepare?: (state: ParseState) => void
}

export function analyzeSubquery(parent: ParseState, node: Node, options: SubqueryOptions): Query {
  return descend(() => {
    const saved = parent.kind
    if (options.kind === 'from subselect') parent.kind = 'from subselect'
    const state = makeState(parent.ctx, parent)
    state.parentCte = options.cte ?? null
    state.lockedFromParent = options.locked ?? false
    state.resolveUnknowns = options.resolveUnknowns ?? true
    options.prepare?.(state)
    const query = transformStatement(state, node)
    parent.kind = saved
    return query
  })
}

export function transformStatement(state: ParseState, node: Node): Query {
  const n = node as NodeOf
  switch (nodeTag(node)) {
    case 'SelectStmt': {
      const select = n.SelectStmt
      if (select.valuesLists !== undefined) return transformValues(state, select)
      return select.op === 'SETOP_NONE' || select.op === undefined ? transformSelect(state, select) : transformSetOperation(state, select)
    }
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return analyzeModify(state, node)
    default:
      throw errorAt(state, SQLSTATE.internalError, `unexpected statement: ${nodeTag(node)}`, undefined)
  }
}

/** The parts every kind of query has, from the state. */
export function baseQuery(state: ParseState, from: FromExpr): Query {
  return {
    commandType: 'select',
    rtable: state.rtable,
    permissions: state.permissions.map((permission) => ({
      ...permission,
      selectedColumns: [...permission.selectedColumns],
      insertedColumns: [...permission.insertedColumns],
      updatedColumns: [...permission.updatedColumns],
    })),
    jointree: from,
    resultRelation: 0,
    targetList: [],
    override: 'none',
    onConflict: null,
    mergeActions: [],
    mergeJoinCondition: null,
    returningList: [],
    returningOld: state.returningOld,
    returningNew: state.returningNew,
    cteList: state.ctes.map(({ name, materialized, query, recursive, refcount, columns, search, cycle }) => ({
      name,
      materialized,
      query,
      recursive,
      refcount,
      columns,
      search,
      cycle,
    })),
    hasRecursive: state.hasRecursive,
    hasModifyingCte: state.hasModifyingCte,
    hasAggs: state.hasAggs,
    hasWindowFuncs: state.hasWindowFuncs,
    hasTargetSRFs: state.hasTargetSRFs,
    hasSubLinks: state.hasSubLinks,
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
    rowMarks: [],
    setOperations: null,
    withCheckOptions: [],
  }
}

export const fromExpr = (state: ParseState, quals: Expr | null): FromExpr => ({ kind: 'FromExpr', fromlist: state.joinlist, quals })

export function limitOptionOf(select: SelectStmt): Query['limitOption'] {
  return select.limitOption === 'LIMIT_OPTION_WITH_TIES' ? 'with ties' : 'count'
}

function refuseInto(state: ParseState, select: SelectStmt): void {
  if (select.intoClause !== undefined) {
    throw errorAt(state, SQLSTATE.syntaxError, 'SELECT ... INTO is not allowed here', select.intoClause.rel?.location)
  }
}

function transformSelect(state: ParseState, select: SelectStmt): Query {
  if (select.withClause !== undefined) transformWith(state, select.withClause)
  refuseInto(state, select)
  state.lockedNames = lockedNamesOf(select)
  state.windowDefs = (select.windowClause ?? []).map((node) => nodeAs(node, 'WindowDef')!)
  transformFrom(state, select.fromClause ?? [])
  const entries = transformTargetList(state, select.targetList ?? [], 'select target')
  markOrigins(state, entries)
  const where = select.whereClause === undefined ? null : transformCondition(state, select.whereClause, 'where', 'WHERE')
  const having = select.havingClause === undefined ? null : transformCondition(state, select.havingClause, 'having', 'HAVING')
  const sortClause = sortListOf(state, select.sortClause ?? [], entries, 'order by', false)
  const { groupClause, groupingSets } = groupByOf(state, select.groupClause ?? [], entries, sortClause)
  let distinctClause: Query['distinctClause'] = []
  let hasDistinctOn = false
  if (select.distinctClause !== undefined) {
    if (Object.keys(select.distinctClause[0] ?? {}).length === 0) distinctClause = distinctOf(state, entries, sortClause, false)
    else {
      distinctClause = distinctOnOf(state, select.distinctClause, entries, sortClause)
      hasDistinctOn = true
    }
  }
  const option = limitOptionOf(select)
  const limitOffset = limitOf(state, select.limitOffset, 'offset', false)
  const limitCount = limitOf(state, select.limitCount, 'limit', option === 'with ties')
  const windowClause = windowClausesOf(state, entries)
  if (state.resolveUnknowns) resolveTargetUnknowns(state, entries)
  assignListCollations(state, entries)
  if (state.hasAggs || groupClause.length > 0 || groupingSets.length > 0 || having !== null) {
    if (state.hasAggs && state.parentCte?.open && state.parentCte.selfReferences > 0) {
      refuseRecursiveAggregates(state, { ...baseQuery(state, fromExpr(state, null)), targetList: entries, havingQual: having })
    }
    checkGrouping(state, {
      targetList: entries,
      havingQual: having,
      groupClause,
      groupingSets,
      windowOffsets: windowClause.flatMap((w) => [w.frameStart, w.frameEnd].flatMap((b) => ('offset' in b ? [b.offset] : []))),
    })
  }
  const query: Mutable<Query> = {
    ...baseQuery(state, fromExpr(state, where)),
    targetList: entries,
    havingQual: having,
    sortClause,
    groupClause,
    groupDistinct: select.groupDistinct ?? false,
    groupingSets,
    distinctClause,
    hasDistinctOn,
    limitOffset,
    limitCount,
    limitOption: option,
    windowClause,
  }
  return transformLocking(state, query, select)
}

export function lockedNamesOf(select: SelectStmt): readonly string[] | null {
  if ((select.lockingClause?.length ?? 0) === 0) return null
  const names: string[] = []
  for (const clause of select.lockingClause!) {
    const rels = nodeAs(clause, 'LockingClause')?.lockedRels ?? []
    if (rels.length === 0) return []
    for (const rel of rels) names.push(nodeAs(rel, 'RangeVar')?.relname ?? '')
  }
  return names
}

/** The rows of VALUES as lists of expressions of equal length (42601 otherwise). */
export function valuesLists(state: ParseState, lists: readonly Node[], kind: ExprKind, allowDefault: boolean): Expr[][] {
  const saved = state.kind
  state.kind = kind
  const rows = lists.map((item) => expandExpressionList(state, nodeAs(item, 'List')!.items ?? [], allowDefault))
  state.kind = saved
  const width = rows[0]!.length
  for (const row of rows) {
    if (row.length !== width) {
      throw errorAt(state, SQLSTATE.syntaxError, 'VALUES lists must all be the same length', exprListLocation(row))
    }
  }
  return rows
}

function transformValues(state: ParseState, select: SelectStmt): Query {
  if (select.withClause !== undefined) transformWith(state, select.withClause)
  const rows = valuesLists(state, select.valuesLists!, 'values', false)
  const width = rows[0]!.length
  const types = Array.from({ length: width }, (_, i) => {
    const column = rows.map((row) => row[i]!)
    const type = commonType(state, column, 'VALUES')
    for (const [r, row] of rows.entries()) row[i] = coerceToCommon(state, column[r]!, type, 'VALUES')
    const coerced = rows.map((row) => row[i]!)
    return { type, typmod: commonTypmod(coerced, type), collation: selectCommonCollation(state, coerced, true) }
  })
  for (const row of rows) for (const expr of row) assignCollations(state, expr)
  const lateral = usesThisLevel(rows)
  const item = addValues(state, rows, types, undefined, lateral, true)
  state.namespace = [item]
  state.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex })
  const entries: Mutable<TargetEntry>[] = item.columns.map((column) =>
    targetEntry(columnVar(column!, 0, -1), state.nextResno++, column!.name),
  )
  const sortClause = sortListOf(state, select.sortClause ?? [], entries, 'order by', false)
  const option = limitOptionOf(select)
  const limitOffset = limitOf(state, select.limitOffset, 'offset', false)
  const limitCount = limitOf(state, select.limitCount, 'limit', option === 'with ties')
  if ((select.lockingClause?.length ?? 0) > 0) {
    const strength = nodeAs(select.lockingClause![0], 'LockingClause')?.strength
    throw errorAt(state, SQLSTATE.featureNotSupported, `${lockName(strength)} cannot be applied to VALUES`, undefined)
  }
  assignListCollations(state, entries)
  return {
    ...baseQuery(state, fromExpr(state, null)),
    targetList: entries,
    sortClause,
    limitOffset,
    limitCount,
    limitOption: option,
  }
}

export function lockName(strength: string | undefined): string {
  return (
    { LCS_FORKEYSHARE: 'FOR KEY SHARE', LCS_FORSHARE: 'FOR SHARE', LCS_FORNOKEYUPDATE: 'FOR NO KEY UPDATE', LCS_FORUPDATE: 'FOR UPDATE' }[
      strength ?? ''
    ] ?? 'FOR UPDATE'
  )
}

function usesThisLevel(rows: readonly (readonly Expr[])[]): boolean {
  const walk = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return false
    if ((value as Expr).kind === 'Var' && (value as { levelsUp: number }).levelsUp === 0) return true
    return Object.values(value).some(walk)
  }
  return rows.some((row) => row.some(walk))
}
