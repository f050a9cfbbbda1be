// GROUP BY with several grouping sets reads from a subquery that computes the grouping columns. A grouping column is NULL in the rows of
// sets it does not belong to, so it must stay one: not fold into a constant, and not become one with another of equal value. So does GROUP BY
// a set-returning function, whose rows are there before they are grouped.

import type { Expr, TargetEntry, Var } from '../../analyzer/expr.ts'
import { NO_CLAUSES, type Query, type RteSubquery } from '../../analyzer/query.ts'
import { exprKey, makeVar, mapChildren, mapExprDeep, mapQuery, type QueryMapper, shiftLevels, targetEntry } from '../expr-tree.ts'
import { returnsSet } from '../volatility.ts'

/** Of the subquery in the new query's range table. */
const RTI = 1

/** The query with join columns taken apart. */
export function groupOverSubquery(query: Query): Query {
  if (query.groupingSets.length === 0 && !query.hasTargetSRFs) return query
  const indexOfRef = new Map(query.groupClause.map((clause, i) => [clause.tleSortGroupRef, i]))
  const groups = query.groupClause.map((clause) => query.targetList.find((entry) => entry.ressortgroupref === clause.tleSortGroupRef)!.expr)
  if (query.groupingSets.length === 0 && !groups.some(returnsSet)) return query
  const columns: TargetEntry[] = groups.map((expr, i) => targetEntry(expr, i + 1))
  const placeOf = new Map<string, number>()
  for (const [i, expr] of groups.entries()) if (!placeOf.has(exprKey(expr))) placeOf.set(exprKey(expr), i + 1)

  const column = (place: number, levelsUp: number): Expr => ({ ...makeVar(RTI, place, columns[place - 1]!.expr), levelsUp })
  /** A column of the subquery with the Var's own value. */
  const plain = (v: Var, depth: number): Expr => {
    const own: Var = { ...v, levelsUp: 0 }
    let place = placeOf.get(exprKey(own))
    if (place === undefined) {
      place = columns.push(targetEntry(own, columns.length + 1))
      placeOf.set(exprKey(own), place)
    }
    return column(place, depth)
  }
  /** What aggregates are made of: the rows themselves, whatever they are grouped by. */
  const ungrouped: QueryMapper = {
    expr: (e, depth) => (e.kind === 'Var' && e.levelsUp === depth ? plain(e, depth) : undefined),
  }
  const grouped: QueryMapper = {
    expr(e, depth) {
      if (e.kind === 'Aggref' && e.levelsUp === depth) {
        const directArgs = e.directArgs.map((arg) => mapExprDeep(arg, depth, grouped))
        return { ...mapChildren({ ...e, directArgs: [] }, (child) => mapExprDeep(child, depth, ungrouped)), directArgs } as Expr
      }
      if (e.kind === 'GroupingFunc' && e.levelsUp === depth) {
        return { ...e, args: e.refs.map((ref) => column(indexOfRef.get(ref)! + 1, depth)) }
      }
      if (e.kind === 'Const') return e
      if (e.kind === 'Var') return e.levelsUp === depth ? plain(e, depth) : e
      const place = depth === 0 ? placeOf.get(exprKey(e)) : undefined
      return place === undefined ? undefined : column(place, 0)
    },
  }
  const over = (expr: Expr): Expr => mapExprDeep(expr, 0, grouped)
  const targetList = query.targetList.map((entry): TargetEntry => {
    const group = indexOfRef.get(entry.ressortgroupref)
    return { ...entry, expr: group === undefined ? over(entry.expr) : column(group + 1, 0) }
  })
  const havingQual = query.havingQual === null ? null : over(query.havingQual)
  const windowClause = query.windowClause.map((window) => ({
    ...window,
    frameStart: 'offset' in window.frameStart ? { ...window.frameStart, offset: over(window.frameStart.offset) } : window.frameStart,
    frameEnd: 'offset' in window.frameEnd ? { ...window.frameEnd, offset: over(window.frameEnd.offset) } : window.frameEnd,
  }))
  const subquery: RteSubquery = {
    kind: 'subquery',
    subquery: oneLevelDown(ungroupedRows(query, columns)),
    view: 0,
    securityBarrier: true,
    refname: '*GROUP*',
    hasAlias: true,
    colNames: columns.map((_, i) => `column${i + 1}`),
    lateral: false,
    inFromClause: true,
  }
  return {
    ...query,
    rtable: [subquery],
    jointree: { kind: 'FromExpr', fromlist: [{ kind: 'RangeTblRef', rtindex: RTI }], quals: null },
    targetList,
    havingQual,
    windowClause,
    hasTargetSRFs: targetList.some((entry) => returnsSet(entry.expr)),
  }
}

/** FROM and WHERE alone. */
function ungroupedRows(query: Query, targetList: readonly TargetEntry[]): Query {
  return {
    ...query,
    targetList,
    hasTargetSRFs: targetList.some((entry) => returnsSet(entry.expr)),
    cteList: [],
    hasRecursive: false,
    hasModifyingCte: false,
    hasAggs: false,
    hasWindowFuncs: false,
    ...NO_CLAUSES,
  }
}

/** The same query where it stands one level further in; its CTEs stay outside. */
function oneLevelDown(query: Query): Query {
  const mapper: QueryMapper = { ...shiftLevels(1, 1), cteLevels: (levelsUp, depth) => (levelsUp >= depth ? levelsUp + 1 : levelsUp) }
  return mapQuery(query, 0, mapper)
}
