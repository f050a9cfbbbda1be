// EXISTS, IN and NOT IN in WHERE (and in inner joins' ON) become semi- and anti-joins where their meaning allows.

import { provesNotNull } from '../../../catalog/descriptors.ts'
import type { Expr } from '../../analyzer/expr.ts'
import type { Query, RteSubquery } from '../../analyzer/query.ts'
import type { PlannerContext } from '../context.ts'
import { mapExprDeep, replace, some, splitAnd } from '../expr-tree.ts'
import { nullableRels, type TreeFrom, type TreeNode, treeRels } from '../join-tree.ts'
import { isVolatile } from '../volatility.ts'
import { isCorrelated } from './correlate.ts'
import { appendLevel, isPlainSelect, type Level, type Prepare } from './level.ts'

type SubLinkExpr = Expr & { kind: 'SubLink' }

export function pullUpSubLinks(node: TreeNode, level: Level, ctx: PlannerContext, prepare: Prepare): TreeNode {
  if (node.kind === 'rel') return node
  if (node.kind === 'join') {
    return { ...node, left: pullUpSubLinks(node.left, level, ctx, prepare), right: pullUpSubLinks(node.right, level, ctx, prepare) }
  }
  let tree: TreeFrom = { ...node, items: node.items.map((item) => pullUpSubLinks(item, level, ctx, prepare)), quals: [] }
  const quals: Expr[] = []
  for (const qual of node.quals.flatMap((q) => splitAnd(q))) {
    const joined = pullUpOne(qual, tree, level, ctx, prepare)
    if (joined === null) quals.push(qual)
    else tree = { kind: 'from', items: [joined], quals: [] }
  }
  return { ...tree, quals: [...tree.quals, ...quals] }
}

/** The join that stands for the condition, or null. */
function pullUpOne(qual: Expr, left: TreeFrom, level: Level, ctx: PlannerContext, prepare: Prepare): TreeNode | null {
  const negated = qual.kind === 'BoolExpr' && qual.op === 'not'
  const link = negated ? (qual as Expr & { kind: 'BoolExpr' }).args[0]! : qual
  if (link.kind !== 'SubLink' || left.items.length === 0) return null
  if (link.linkType === 'exists') return pullUpExists(link, negated, left, level, ctx, prepare)
  if (link.linkType === 'any') return pullUpAny(link, negated, left, level, ctx)
  return null
}

/** What EXISTS needs of its query: no columns, no order, no LIMIT of one or more rows. Null when it must stay as it is. */
function existsQuery(query: Query): Query | null {
  const limit = query.limitCount
  if (limit !== null && !(limit.kind === 'Const' && limit.value !== null && Number(limit.value) > 0)) return null
  const simple: Query = { ...query, targetList: [], sortClause: [], distinctClause: [], limitCount: null }
  return query.hasTargetSRFs || query.hasDistinctOn || !isPlainSelect(simple) ? null : simple
}

function pullUpExists(
  link: SubLinkExpr,
  negated: boolean,
  left: TreeFrom,
  level: Level,
  ctx: PlannerContext,
  prepare: Prepare,
): TreeNode | null {
  const simple = existsQuery(link.subselect)
  if (simple === null || simple.jointree.fromlist.length === 0 || !isCorrelated(simple)) return null
  const sub = prepare(simple, ctx)
  // Only WHERE may look outside: a join below would have to be run per row.
  const below = sub.tree.items.some((item) => treeLooksOutside(item)) || sub.rtable.some((rte) => rteLooksOutside(rte))
  if (below || sub.tree.quals.some((qual) => isVolatile(qual, ctx.catalog) || hasOuterSubLink(qual))) return null
  if (!sub.tree.quals.some(looksOutside)) return null
  const { tree } = appendLevel(level, sub)
  const inside = treeRels(tree)
  const own: Expr[] = []
  const join: Expr[] = []
  for (const qual of tree.quals) (onlyUses(qual, inside) ? own : join).push(qual)
  return { kind: 'join', type: negated ? 'anti' : 'semi', left: unwrap(left), right: { ...tree, quals: own }, quals: join }
}

function pullUpAny(link: SubLinkExpr, negated: boolean, left: TreeFrom, level: Level, ctx: PlannerContext): TreeNode | null {
  const { testExpr, subselect } = link
  if (testExpr === null || isCorrelated(subselect) || subselect.commandType !== 'select' || isVolatile(testExpr, ctx.catalog)) return null
  if (some(testExpr, (e) => e.kind === 'SubLink')) return null
  const outer = treeRels(left)
  if (!some(testExpr, (e) => e.kind === 'Var' && e.levelsUp === 0 && outer.has(e.varno))) return null
  if (negated && !neverNull(testExpr, left, level, subselect, ctx)) return null
  const rte: RteSubquery = {
    kind: 'subquery',
    subquery: subselect,
    view: 0,
    securityBarrier: false,
    refname: 'ANY_subquery',
    hasAlias: false,
    colNames: subselect.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.resname),
    lateral: false,
    inFromClause: false,
  }
  level.rtable.push(rte)
  const rti = level.rtable.length
  const test = replace(testExpr, (e) => {
    if (e.kind !== 'SubLinkColumn') return undefined
    return { kind: 'Var', varno: rti, attno: e.column, levelsUp: 0, type: e.type, typmod: e.typmod, collation: e.collation, location: -1 }
  })
  return { kind: 'join', type: negated ? 'anti' : 'semi', left: unwrap(left), right: { kind: 'rel', rti }, quals: splitAnd(test) }
}

function unwrap(tree: TreeFrom): TreeNode {
  return tree.items.length === 1 && tree.quals.length === 0 ? tree.items[0]! : tree
}

/** NOT IN is an anti-join only where neither side can be NULL. */
function neverNull(testExpr: Expr, left: TreeFrom, level: Level, subselect: Query, ctx: PlannerContext): boolean {
  if (testExpr.kind !== 'OpExpr' || ctx.catalog.operator(testExpr.opNo)?.oprname !== '=') return false
  const nullable = nullableRels(left)
  return testExpr.args.every((arg) => {
    const inner = arg.kind === 'RelabelType' ? arg.arg : arg
    if (inner.kind === 'SubLinkColumn') {
      const column = subselect.targetList.filter((entry) => !entry.resjunk)[inner.column - 1]
      const plain = isPlainSelect({ ...subselect, distinctClause: [] })
      return column !== undefined && plain && subselect.jointree.fromlist.every((item) => item.kind === 'RangeTblRef')
        ? notNullVar(column.expr, subselect.rtable, ctx)
        : false
    }
    return inner.kind === 'Var' && !nullable.has(inner.varno) && notNullVar(inner, level.rtable, ctx)
  })
}

function notNullVar(expr: Expr, rtable: Query['rtable'], ctx: PlannerContext): boolean {
  if (expr.kind !== 'Var' || expr.levelsUp !== 0 || expr.attno <= 0) return false
  const rte = rtable[expr.varno - 1]
  if (rte?.kind !== 'relation') return false
  const column = ctx.catalog.relation(rte.relation)?.columns[expr.attno - 1]
  return column !== undefined && provesNotNull(column)
}

function looksOutside(expr: Expr): boolean {
  let outside = false
  mapExprDeep(expr, 0, {
    expr(e, depth) {
      if ((e.kind === 'Var' || e.kind === 'Aggref' || e.kind === 'GroupingFunc') && e.levelsUp > depth) outside = true
      return outside ? e : undefined
    },
  })
  return outside
}

/** Range table indexes, of the level so many outside the expression's, that it takes columns from. */
export function relsOfLevel(expr: Expr, levelsUp: number): ReadonlySet<number> {
  const rels = new Set<number>()
  mapExprDeep(expr, 0, {
    expr(e, depth) {
      if (e.kind === 'Var' && e.levelsUp === depth + levelsUp) rels.add(e.varno)
      return undefined
    },
  })
  return rels
}

function hasOuterSubLink(expr: Expr): boolean {
  return some(expr, (e) => e.kind === 'SubLink' && looksOutside(e))
}

export function treeLooksOutside(node: TreeNode): boolean {
  if (node.kind === 'rel') return false
  if (node.quals.some(looksOutside)) return true
  return node.kind === 'from' ? node.items.some(treeLooksOutside) : treeLooksOutside(node.left) || treeLooksOutside(node.right)
}

function rteLooksOutside(rte: Query['rtable'][number]): boolean {
  if (rte.kind === 'subquery') {
    return looksOutside({
      kind: 'SubLink',
      linkType: 'exists',
      testExpr: null,
      subselect: rte.subquery,
      subLinkId: 0,
      type: 16,
      typmod: -1,
      collation: 0,
      location: -1,
    })
  }
  if (rte.kind === 'function') return rte.functions.some((call) => looksOutside(call.expr))
  if (rte.kind === 'values') return rte.lists.some((list) => list.some(looksOutside))
  return false
}

function onlyUses(expr: Expr, rels: ReadonlySet<number>): boolean {
  return !some(expr, (e) => e.kind === 'Var' && e.levelsUp === 0 && !rels.has(e.varno)) && !some(expr, (e) => e.kind === 'SubLink')
}
