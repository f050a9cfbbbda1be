// UNION, INTERSECT and EXCEPT: leaves are planned as queries of their own, equal operators next to each other become one Append.

import type { Expr } from '../analyzer/expr.ts'
import type { Query, RangeTblRef, SetOperation } from '../analyzer/query.ts'
import type { Root } from './context.ts'
import { COST, clampRows } from './cost.ts'
import { Equivalences } from './equivalence.ts'
import { makeVar, mapTargets } from './expr-tree.ts'
import { common, type Path, passThrough, project, Slots } from './paths/path.ts'
import type { Plan, SortKey } from './plan.ts'
import type { PlannedLevel } from './plan-level.ts'
import { NO_RELS } from './relids.ts'
import { foldConstants } from './rewrite/fold-constants.ts'
import { limitPath, orderItems, type StageContext, significant, sortPath } from './stages.ts'

type PlanQuery = (query: Query, parent: Root, fetch: number | null) => PlannedLevel

interface Side {
  readonly plan: Plan
  readonly width: number
}

export function setOperationPath(root: Root, fetch: number | null, planQuery: PlanQuery): PlannedLevel {
  const { query } = root
  const operation = query.setOperations!
  const unlimited = query.sortClause.length > 0 || query.limitCount !== null
  const side = planSide(operation, root, unlimited ? null : fetch, planQuery)
  const leaf = leftmost(operation)
  const fold = (expr: Expr | null) => (expr === null ? null : foldConstants(expr, root.glob))
  const targetList = mapTargets(query.targetList, (expr) => foldConstants(expr, root.glob))
  const columns = operation.columns.map((column, i) => makeVar(leaf, i + 1, column))
  const slots = new Slots(columns)
  const ecs = new Equivalences(root.catalog)
  const base: Path = {
    rows: side.plan.rows,
    startup: side.plan.startupCost,
    total: side.plan.totalCost,
    width: columns.length * 8,
    order: [],
    outer: NO_RELS,
    params: [],
    single: false,
    build: (targets) => project(side.plan, slots, targets),
  }
  const limitCount = fold(query.limitCount)
  const limitOffset = fold(query.limitOffset)
  const ctx: StageContext = { root, query: { ...query, targetList }, ecs }
  const order = orderItems(query.sortClause, targetList, ecs)
  const plainLimit = limitCount !== null && limitOffset === null && query.limitOption === 'count'
  const rows = limitCount?.kind === 'Const' && limitCount.value !== null ? Number(limitCount.value) : null
  let path = order.length === 0 ? base : sortPath(base, order, plainLimit ? { rows, expr: limitCount } : null, ctx)
  if (limitCount !== null || limitOffset !== null) {
    path = limitPath(path, limitCount, limitOffset, query.limitOption === 'with ties' ? significant(order, ecs) : null)
  }
  const output = targetList.filter((entry) => !entry.resjunk).map((entry) => entry.expr)
  return { path, columns: output, root, query: ctx.query, ecs }
}

function leftmost(node: SetOperation | RangeTblRef): number {
  return node.kind === 'RangeTblRef' ? node.rtindex : leftmost(node.left)
}

function keysOf(operation: SetOperation): SortKey[] {
  return operation.groupClauses.map((clause, i) => ({
    slot: clause.tleSortGroupRef === 0 ? i + 1 : clause.tleSortGroupRef,
    sortOp: clause.sortOp,
    eqOp: clause.eqOp,
    collation: operation.columns[i]!.collation,
    type: operation.columns[i]!.type,
    descending: clause.descending,
    nullsFirst: clause.nullsFirst,
  }))
}

function planSide(node: SetOperation | RangeTblRef, root: Root, fetch: number | null, planQuery: PlanQuery): Side {
  if (node.kind === 'RangeTblRef') {
    const rte = root.query.rtable[node.rtindex - 1]!
    if (rte.kind !== 'subquery') throw new Error('a leaf of a set operation is no subquery')
    const planned = planQuery(rte.subquery, root, fetch)
    const plan = planned.path.build(planned.columns)
    const { initPlans } = planned.root
    return {
      plan: initPlans.length === 0 ? plan : { ...plan, initPlans: [...plan.initPlans, ...initPlans] },
      width: planned.columns.length,
    }
  }
  const columns: Expr[] = node.columns.map((column, i) => makeVar(1, i + 1, column))
  if (node.op === 'union') {
    const inputs: Plan[] = []
    collect(node, node.all, root, node.all ? fetch : null, planQuery, inputs)
    const rows = clampRows(inputs.reduce((sum, input) => sum + input.rows, 0))
    const total = inputs.reduce((sum, input) => sum + input.totalCost, 0) + rows * COST.operator
    const append: Plan = { kind: 'Append', ...common(passThrough(columns), [], rows, inputs[0]!.startupCost, total), inputs }
    if (node.all) return { plan: append, width: columns.length }
    const distinct = total + rows * COST.hashTuple
    const keys = keysOf(node)
    const hashable = node.groupClauses.every((clause) => clause.hashable)
    if (hashable) {
      return {
        plan: { kind: 'HashDistinct', ...common(passThrough(columns), [], rows, 0, distinct), input: append, keys },
        width: columns.length,
      }
    }
    const sort: Plan = {
      kind: 'Sort',
      ...common(passThrough(columns), [], rows, distinct, distinct),
      input: append,
      keys,
      presorted: 0,
      limit: null,
    }
    return {
      plan: { kind: 'Unique', ...common(passThrough(columns), [], rows, distinct, distinct), input: sort, keys },
      width: columns.length,
    }
  }
  const left = planSide(node.left, root, null, planQuery).plan
  const right = planSide(node.right, root, null, planQuery).plan
  const total = left.totalCost + right.totalCost + (left.rows + right.rows) * COST.hashTuple
  const rows = clampRows(node.op === 'except' ? left.rows * 0.5 : Math.min(left.rows, right.rows) * 0.5)
  const plan: Plan = {
    kind: 'SetOp',
    ...common(passThrough(columns), [], rows, total, total),
    op: node.op,
    all: node.all,
    left,
    right,
    keys: keysOf(node),
  }
  return { plan, width: columns.length }
}

/** UNION in UNION of the same kind (and UNION ALL in UNION) is one list. */
function collect(
  node: SetOperation | RangeTblRef,
  all: boolean,
  root: Root,
  fetch: number | null,
  planQuery: PlanQuery,
  into: Plan[],
): void {
  if (node.kind === 'SetOperation' && node.op === 'union' && (node.all === all || !all)) {
    collect(node.left, all, root, fetch, planQuery, into)
    collect(node.right, all, root, fetch, planQuery, into)
    return
  }
  into.push(planSide(node, root, fetch, planQuery).plan)
}
