// A condition on a subquery's columns becomes one of its own conditions where that cannot change which rows come out.

import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { Expr } from '../../analyzer/expr.ts'
import type { Query, RangeTblEntry, RangeTblRef, SetOperation } from '../../analyzer/query.ts'
import { foldLeft, type SetOperand } from '../../analyzer/setop-tree.ts'
import { isSubPlanExpr, makeAnd, replace, some } from '../expr-tree.ts'
import { isVolatile, returnsSet } from '../volatility.ts'

/** The subquery with `qual` (over `rti`'s columns) inside, or null where it must stay outside. */
export function pushIntoSubquery(query: Query, qual: Expr, rti: number, catalog: CatalogSnapshot): Query | null {
  if (isVolatile(qual, catalog) || some(qual, (e) => isSubPlanExpr(e) || e.kind === 'SubLink')) return null
  const columns = new Set<number>()
  some(qual, (e) => {
    if (e.kind === 'Var' && e.varno === rti) columns.add(e.attno)
    return false
  })
  return columns.has(0) ? null : push(query, qual, rti, columns, catalog)
}

function push(query: Query, qual: Expr, rti: number, columns: ReadonlySet<number>, catalog: CatalogSnapshot): Query | null {
  if (
    query.commandType !== 'select' ||
    query.limitCount !== null ||
    query.limitOffset !== null ||
    query.rowMarks.some((mark) => !mark.pushedDown)
  )
    return null
  if (query.setOperations !== null) return pushIntoLeaves(query, query.setOperations, qual, rti, columns, catalog)
  const targets = query.targetList.filter((entry) => !entry.resjunk)
  for (const column of columns) {
    const target = targets[column - 1]
    if (target === undefined || returnsSet(target.expr) || isVolatile(target.expr, catalog)) return null
    if (some(target.expr, (e) => e.kind === 'WindowFunc' || e.kind === 'SubLink')) return null
    const ref = target.ressortgroupref
    const inList = (list: readonly { tleSortGroupRef: number }[]) => ref !== 0 && list.some((item) => item.tleSortGroupRef === ref)
    if (query.hasWindowFuncs && !query.windowClause.every((window) => inList(window.partition))) return null
    if (query.hasDistinctOn && !inList(query.distinctClause)) return null
  }
  // A grouping column's expression does not say where the column is NULL.
  if (query.groupingSets.length > 0) return null
  const inner = replace(qual, (e) => (e.kind === 'Var' && e.varno === rti && e.levelsUp === 0 ? targets[e.attno - 1]!.expr : undefined))
  if (query.hasAggs || query.groupClause.length > 0 || query.havingQual !== null) {
    return { ...query, havingQual: and(query.havingQual, inner) }
  }
  return { ...query, jointree: { ...query.jointree, quals: and(query.jointree.quals, inner) } }
}

function and(a: Expr | null, b: Expr): Expr {
  return makeAnd(a === null ? [b] : [a, b])!
}

function pushIntoLeaves(
  query: Query,
  operation: SetOperation,
  qual: Expr,
  rti: number,
  columns: ReadonlySet<number>,
  catalog: CatalogSnapshot,
): Query | null {
  const rtable: RangeTblEntry[] = [...query.rtable]
  const visit = (node: SetOperand): boolean => foldLeft(node, visitLeaf, (done, { right }) => done && visit(right))
  const visitLeaf = (node: RangeTblRef): boolean => {
    const rte = rtable[node.rtindex - 1]!
    if (rte.kind !== 'subquery') return false
    const leaf = rte.subquery.targetList.filter((entry) => !entry.resjunk)
    // A leaf column of another type than the result's compares differently.
    for (const column of columns) if (leaf[column - 1]?.expr.type !== operation.columns[column - 1]?.type) return false
    const subquery = push(rte.subquery, qual, rti, columns, catalog)
    if (subquery === null) return false
    rtable[node.rtindex - 1] = { ...rte, subquery }
    return true
  }
  return visit(operation) ? { ...query, rtable } : null
}
