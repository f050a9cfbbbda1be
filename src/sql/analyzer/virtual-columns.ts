// Virtual generated columns: stored nowhere, they are their expressions wherever a row is read. Most become them here. What an outer join may
// fill with NULLs keeps its Vars: the scan below the join computes those (planner/paths/scan.ts), so that the join can make them NULL.

import type { RelationDescriptor, StoredNode } from '../../catalog/descriptors.ts'
import type { AnalyzeContext } from './context.ts'
import type { Expr, Var } from './expr.ts'
import { makeVar } from './make.ts'
import type { JoinTreeNode, Query, RteRelation } from './query.ts'
import { unlessMissing } from './row-presence.ts'
import { readStoredExpr } from './stored.ts'
import { rebase } from './view-query.ts'
import { mapQueryVars, mapVars } from './walker.ts'

/** By attnum; null when the relation has none. Over relation 1 = the table. */
export type VirtualColumns = ReadonlyMap<number, Expr>

export function virtualColumns(relation: RelationDescriptor, read: (node: StoredNode) => Expr): VirtualColumns | null {
  let found: Map<number, Expr> | null = null
  for (const column of relation.columns) {
    if (column.generated !== 'v' || column.default === null) continue
    found ??= new Map()
    found.set(column.attnum, read(column.default.expr))
  }
  return found
}

/** A stored expression of the table, over what is stored of a row. */
export function overStored(expr: Expr, virtual: VirtualColumns | null): Expr {
  if (virtual === null) return expr
  return mapVars(expr, (node) => (node.kind === 'Var' ? (virtual.get(node.attno) ?? null) : null))
}

/** The row of a relation's columns, in the place of its whole-row Var. */
export function rowOfColumns(
  relation: RelationDescriptor,
  column: (like: RelationDescriptor['columns'][number]) => Expr,
  like: Expr,
): Expr {
  return {
    kind: 'RowExpr',
    args: relation.columns.filter((one) => !one.dropped).map(column),
    colNames: null,
    format: 'implicit',
    type: like.type,
    typmod: like.typmod,
    collation: like.collation,
    location: -1,
  }
}

export function expandVirtualColumns(query: Query, ctx: AnalyzeContext): Query {
  const tables = new Map<number, { relation: RelationDescriptor; virtual: VirtualColumns }>()
  for (const [i, rte] of query.rtable.entries()) {
    if (rte.kind !== 'relation') continue
    const relation = ctx.catalog.relation(rte.relation)?.descriptor
    const virtual = relation ? virtualColumns(relation, (node) => readStoredExpr(node, (type) => ctx.eval.catalog.typeSupport(type))) : null
    if (virtual !== null) tables.set(i + 1, { relation: relation!, virtual })
  }
  for (const rti of nullable(query)) tables.delete(rti)
  if (tables.size === 0) return query
  return mapQueryVars(
    query,
    (expr, depth) => {
      if (expr.kind !== 'Var' || expr.levelsUp !== depth) return null
      const table = tables.get(expr.varno)
      if (table === undefined) return null
      const column = (attnum: number, like: Pick<Var, 'type' | 'typmod' | 'collation'>): Expr => {
        const computed = table.virtual.get(attnum)
        return computed === undefined ? makeVar(expr.varno, attnum, like, depth, -1) : rebase(computed, expr.varno, depth)
      }
      if (expr.attno !== 0 && !table.virtual.has(expr.attno)) return null
      const computed = expr.attno === 0 ? rowOfColumns(table.relation, (like) => column(like.attnum, like), expr) : column(expr.attno, expr)
      return mayBeMissing(query, expr.varno) ? unlessMissing(expr.varno, depth, computed) : computed
    },
    0,
  )
}

/** Range table indexes of what an outer join may fill with NULLs; not the target, which a statement changes only where it is there. */
function nullable(query: Query): Set<number> {
  const found = new Set<number>()
  const visit = (node: JoinTreeNode, inside: boolean): void => {
    switch (node.kind) {
      case 'RangeTblRef':
        if (inside && node.rtindex !== query.resultRelation) found.add(node.rtindex)
        return
      case 'FromExpr':
        for (const item of node.fromlist) visit(item, inside)
        return
      case 'JoinExpr':
        visit(node.left, inside || node.joinType === 'right' || node.joinType === 'full')
        visit(node.right, inside || node.joinType === 'left' || node.joinType === 'full')
    }
  }
  visit(
    query.jointree,
    query.mergeActions.some((action) => action.matchKind === 'not matched by source'),
  )
  return found
}

/** Of RETURNING's OLD and NEW: whether there may be no such row. */
function mayBeMissing(query: Query, varno: number): boolean {
  if (varno === query.returningOld) return query.commandType !== 'update'
  return varno === query.returningNew && query.commandType !== 'update' && query.commandType !== 'insert'
}

/** Whether the query reads a table that has such columns. */
export function hasVirtualColumns(rte: RteRelation, ctx: AnalyzeContext): boolean {
  const columns = ctx.catalog.relation(rte.relation)?.descriptor?.columns
  return columns?.some((column) => column.generated === 'v') ?? false
}
