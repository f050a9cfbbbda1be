// SELECT and VALUES; analyzeSubquery is how every nested query begins.

import { mapLong, onceFor } from '../../base/begun-anew.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Node, type NodeOf, nodeAs, nodeTag, type SelectStmt } from '../parser/nodes.ts'
import { checkGrouping, refuseRecursiveAggregates } from './agg.ts'
import { distinctOf, distinctOnOf, groupByOf, limitOf, sortListOf } from './clauses.ts'
import { coerceToCommon, commonType, commonTypmod } from './coerce.ts'
import { assignCollations, assignListCollations, selectCommonCollation } from './collate.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { transformCondition } from './expr-entry.ts'
import { transformFrom } from './from.ts'
import { transformLocking } from './locking.ts'
import { targetEntry } from './make.ts'
import { analyzeModify } from './modify.ts'
import type { Query } from './query.ts'
import { baseQuery, fromExpr, limitOptionOf, lockedNamesOf, lockName, valuesLists } from './query-parts.ts'
import { addValues, columnVar } from './relation.ts'
import { transformSetOperation } from './setop.ts'
import { bindStatement } from './subquery.ts'
import { checkTargetCount, markOrigins, resolveTargetUnknowns, transformTargetList } from './target.ts'
import { eachOf } from './traces.ts'
import { windowClausesOf } from './windows.ts'

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
  checkTargetCount(entries)
  const option = limitOptionOf(select)
  const limitOffset = limitOf(state, select.limitOffset, 'offset', false)
  const limitCount = limitOf(state, select.limitCount, 'limit', option === 'with ties')
  const windowClause = windowClausesOf(state, entries)
  if (state.resolveUnknowns) resolveTargetUnknowns(state, entries)
  assignListCollations(state, entries)
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
  const locked = transformLocking(state, query, select)
  if (state.hasAggs || groupClause.length > 0 || groupingSets.length > 0 || having !== null) {
    if (state.hasAggs && state.rtable.some((rte) => rte.kind === 'cte' && rte.selfReference)) {
      refuseRecursiveAggregates(state, { ...baseQuery(state, fromExpr(state, null)), targetList: entries, havingQual: having })
    }
    const constraintDeps = checkGrouping(state, {
      targetList: entries,
      havingQual: having,
      groupClause,
      groupingSets,
      windowOffsets: windowClause.flatMap((w) => [w.frameStart, w.frameEnd].flatMap((b) => ('offset' in b ? [b.offset] : []))),
    })
    if (constraintDeps.length > 0) return { ...locked, constraintDeps }
  }
  return locked
}

function transformValues(state: ParseState, select: SelectStmt): Query {
  if (select.withClause !== undefined) transformWith(state, select.withClause)
  const rows = valuesLists(state, select.valuesLists!, 'values', false)
  const width = rows[0]!.length
  const columns: Expr[][] = []
  const types = Array.from({ length: width }, (_, i) => {
    const { column, type } = onceFor(rows.length, () => {
      const column = rows.map((row) => row[i]!)
      return { column, type: commonType(state, column, 'VALUES') }
    })
    const coerced = eachOf(state, column, (expr) => coerceToCommon(state, expr, type, 'VALUES'))
    columns.push(coerced)
    return onceFor(rows.length, () => ({
      type,
      typmod: commonTypmod(coerced, type),
      collation: selectCommonCollation(state, coerced, true),
    }))
  })
  const lists = eachOf(state, rows, (_, r) => {
    const list = columns.map((column) => column[r]!)
    for (const expr of list) assignCollations(state, expr)
    return list
  })
  const lateral = mapLong(lists, (list) => list.some(usesThisLevel)).includes(true)
  const item = addValues(state, lists, types, undefined, lateral, true)
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

function usesThisLevel(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { kind } = value as { kind?: unknown }
  if (kind === 'Const') return false
  if (kind === 'Var' && (value as { levelsUp: number }).levelsUp === 0) return true
  return Object.values(value).some(usesThisLevel)
}

bindStatement(transformStatement)
