// A query level under rewriting, and how one level is merged into another.

import type { Expr } from '../../analyzer/expr.ts'
import type { Query, RangeTblEntry } from '../../analyzer/query.ts'
import type { PlannerContext } from '../context.ts'
import { mapExprDeep, mapQuery, type QueryMapper, some } from '../expr-tree.ts'
import { mapTree, type TreeFrom, type TreeNode } from '../join-tree.ts'
import { isCorrelated } from './correlate.ts'

/** A query level under rewriting: its join tree stands in `tree`, query.jointree is empty. */
export interface Level {
  query: Query
  rtable: RangeTblEntry[]
  tree: TreeFrom
  /** What pulled-up subqueries' columns stand for; for expressions kept outside the query while it was prepared. */
  substitute: QueryMapper | null
}

/** Rewrites a query level (prepare.ts); handed down because sub-links and subqueries prepare their own. */
export type Prepare = (source: Query, ctx: PlannerContext) => Level

/** What was a reference to an outer query may be one to a neighbour now. */
function markLateral(rte: RangeTblEntry): RangeTblEntry {
  const outside = (expr: Expr) => some(expr, (e) => e.kind === 'Var' && e.levelsUp === 0)
  switch (rte.kind) {
    case 'subquery':
      return rte.lateral || !isCorrelated(rte.subquery) ? rte : { ...rte, lateral: true }
    case 'function':
      return rte.lateral || !rte.functions.some((call) => outside(call.expr)) ? rte : { ...rte, lateral: true }
    case 'values':
      return rte.lateral || !rte.lists.some((list) => list.some((expr) => expr.kind !== 'Const' && outside(expr)))
        ? rte
        : { ...rte, lateral: true }
    default:
      return rte
  }
}

/** Moves a prepared level's relations behind `into`'s, answering the offset of their range table indexes. */
export function appendLevel(into: Level, sub: Level): { query: Query; tree: TreeFrom } {
  const offset = into.rtable.length
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind === 'CurrentOfExpr') return { ...expr, varno: expr.varno + offset }
      if (expr.kind !== 'Var') return undefined
      if (expr.levelsUp === depth) return { ...expr, varno: expr.varno + offset }
      return expr.levelsUp > depth ? { ...expr, levelsUp: expr.levelsUp - 1 } : expr
    },
    // A CTE of an outer level is one level nearer now; the subquery itself has none (it was simple).
    cteLevels: (levelsUp, depth) => (levelsUp > depth ? levelsUp - 1 : levelsUp),
  }
  const query = mapQuery({ ...sub.query, rtable: sub.rtable }, 0, mapper)
  into.rtable.push(...query.rtable.map(markLateral))
  const renumber = (node: TreeNode): TreeNode =>
    node.kind === 'rel'
      ? { kind: 'rel', rti: node.rti + offset }
      : node.kind === 'from'
        ? { ...node, items: node.items.map(renumber) }
        : { ...node, left: renumber(node.left), right: renumber(node.right) }
  const tree = mapTree(renumber(sub.tree), (expr) => mapExprDeep(expr, 0, mapper)) as TreeFrom
  if (query.hasSubLinks) into.query = { ...into.query, hasSubLinks: true }
  if (query.rowMarks.length > 0) {
    into.query = { ...into.query, rowMarks: [...into.query.rowMarks, ...query.rowMarks.map((m) => ({ ...m, rti: m.rti + offset }))] }
  }
  return { query, tree }
}

/** No grouping, ordering, limiting or set operation: nothing but a projection of a join. */
export function isPlainSelect(query: Query): boolean {
  return (
    query.commandType === 'select' &&
    query.setOperations === null &&
    !query.hasAggs &&
    !query.hasWindowFuncs &&
    !query.hasTargetSRFs &&
    query.groupClause.length === 0 &&
    query.groupingSets.length === 0 &&
    query.havingQual === null &&
    query.distinctClause.length === 0 &&
    query.limitCount === null &&
    query.limitOffset === null &&
    query.cteList.length === 0 &&
    query.rowMarks.every((mark) => mark.pushedDown)
  )
}
