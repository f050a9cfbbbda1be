// The rewrites of one query level before it is planned: aliases flattened, sub-links and subqueries pulled up into one join tree.

import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { FromExpr } from '../../analyzer/query.ts'
import type { PlannerContext } from '../context.ts'
import { mapExprDeep, mapQuery, type QueryMapper, shiftLevels } from '../expr-tree.ts'
import { mapTree, type TreeNode, toFrom, toTree } from '../join-tree.ts'
import { isVolatile } from '../volatility.ts'
import { foldConstants, orToAny } from './fold-constants.ts'
import { groupOverSubquery } from './grouping-subquery.ts'
import { EMPTY_RTE } from './inline-ctes.ts'
import { flattenJoinAliases } from './join-aliases.ts'
import { appendLevel, isPlainSelect, type Level, type Prepare } from './level.ts'
import { pullUpSubLinks, treeLooksOutside } from './pull-up-sublinks.ts'

const NO_FROM: FromExpr = { kind: 'FromExpr', fromlist: [], quals: null }

export const prepareLevel: Prepare = (source, ctx) => {
  const query = groupOverSubquery(flattenJoinAliases(source))
  const fold = (expr: Expr): Expr => orToAny(foldConstants(expr, ctx), ctx.catalog)
  const tree = mapTree(toFrom(toTree(query.jointree)), fold)
  const level: Level = { query: { ...query, jointree: NO_FROM }, rtable: [...query.rtable], tree, substitute: null }
  if (query.hasSubLinks) level.tree = toFrom(pullUpSubLinks(level.tree, level, ctx, prepareLevel))
  if (level.rtable.some((rte) => rte.kind === 'subquery')) {
    const pulled: Pulled = new Map()
    level.tree = toFrom(pullUpSubqueries(level.tree, level, ctx, pulled, { nullable: false, inFrom: true, outer: false }))
    if (pulled.size > 0) substitute(level, pulled)
  }
  level.query = { ...level.query, rtable: level.rtable }
  return level
}

interface PullUpContext {
  readonly nullable: boolean
  readonly inFrom: boolean
  /** Somewhere below an outer, semi- or anti-join: lateral references stay where they are. */
  readonly outer: boolean
}

/** Pulled-up subqueries' columns by range table index: put in place all over the level once the tree has been walked. */
type Pulled = Map<number, readonly TargetEntry[]>

function pullUpSubqueries(node: TreeNode, level: Level, ctx: PlannerContext, pulled: Pulled, where: PullUpContext): TreeNode {
  if (node.kind === 'from') {
    return { ...node, items: node.items.map((item) => pullUpSubqueries(item, level, ctx, pulled, { ...where, inFrom: true })) }
  }
  if (node.kind === 'join') {
    const { nullable } = where
    const outerJoin = node.type === 'left' || node.type === 'full'
    const below = { inFrom: false, outer: true }
    const left = pullUpSubqueries(node.left, level, ctx, pulled, { ...below, nullable: nullable || node.type === 'full' })
    const right = pullUpSubqueries(node.right, level, ctx, pulled, { ...below, nullable: nullable || outerJoin })
    return { ...node, left, right }
  }
  const rte = level.rtable[node.rti - 1]!
  if (rte.kind !== 'subquery' || rte.securityBarrier || !isPlainSelect(rte.subquery) || rte.subquery.sortClause.length > 0) return node
  if (rte.lateral && where.outer) return node
  const sub = prepareLevel(rte.subquery, ctx)
  if (sub.tree.items.length === 0 && (!where.inFrom || where.outer)) return node
  const targets = sub.query.targetList.filter((entry) => !entry.resjunk)
  if (targets.some((entry) => isVolatile(entry.expr, ctx.catalog))) return node
  // Below an outer join a column must become NULL with its row: only plain columns do that by themselves.
  if (where.nullable && !targets.every((entry) => entry.expr.kind === 'Var' && entry.expr.levelsUp === 0)) return node
  // A condition that looks outside may wait there for its relations only as long as no outer join has to know it.
  if (sub.tree.items.some(treeLooksOutside)) return node
  if (where.nullable && usesWholeRow(level, node.rti)) return node
  const { query, tree } = appendLevel(level, sub)
  // Nothing scans it any more: what it held would be walked with every rewrite above.
  level.rtable[node.rti - 1] = EMPTY_RTE
  const columns = query.targetList.filter((entry) => !entry.resjunk)
  // As a whole row it has the names that the alias gives.
  pulled.set(
    node.rti,
    columns.map((entry, i) => ({ ...entry, resname: rte.colNames[i] ?? entry.resname })),
  )
  return tree
}

/** Whether the row as such is asked for: below an outer join it is NULL, which a row of NULLs is not. */
function usesWholeRow(level: Level, rti: number): boolean {
  let found = false
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind === 'Var' && expr.varno === rti && expr.attno === 0 && expr.levelsUp === depth) found = true
      return found ? expr : undefined
    },
  }
  mapQuery({ ...level.query, rtable: level.rtable }, 0, mapper)
  mapTree(level.tree, (expr) => mapExprDeep(expr, 0, mapper))
  return found
}

function substitute(level: Level, pulled: Pulled): void {
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind !== 'Var' || expr.levelsUp !== depth) return undefined
      const targets = pulled.get(expr.varno)
      if (targets === undefined) return expr
      const local = mapExprDeep(columnOf(targets, expr), 0, mapper)
      return depth === 0 ? local : mapExprDeep(local, 0, shiftLevels(depth))
    },
  }
  level.substitute = mapper
  const query = mapQuery({ ...level.query, rtable: level.rtable }, 0, mapper)
  level.rtable = [...query.rtable]
  level.query = query
  level.tree = mapTree(level.tree, (expr) => mapExprDeep(expr, 0, mapper))
}

function columnOf(targets: readonly TargetEntry[], wanted: Expr & { kind: 'Var' }): Expr {
  if (wanted.attno !== 0) return targets[wanted.attno - 1]!.expr
  return {
    kind: 'RowExpr',
    args: targets.map((entry) => entry.expr),
    colNames: targets.map((entry) => entry.resname ?? ''),
    format: 'implicit',
    type: wanted.type,
    typmod: wanted.typmod,
    collation: wanted.collation,
    location: -1,
  }
}
