// UNION, INTERSECT and EXCEPT: leaves are planned as queries of their own, equal operators next to each other become one Append.

import type { Steps } from '../../base/long-work.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { SetOperation } from '../analyzer/query.ts'
import { leftmostLeaf, type SetOperand } from '../analyzer/setop-tree.ts'
import type { Root } from './context.ts'
import { COST, clampRows } from './cost.ts'
import { Equivalences } from './equivalence.ts'
import { makeVar, mapTargets } from './expr-tree.ts'
import { common, type Path, passThrough, project, Slots } from './paths/path.ts'
import type { Plan, SortKey } from './plan.ts'
import type { PlannedLevel, PlanQuery } from './planned-level.ts'
import { NO_RELS } from './relids.ts'
import { foldConstants } from './rewrite/fold-constants.ts'
import { limitPath, orderItems, type StageContext, significant, sortPath } from './stages.ts'

export function* setOperationPath(root: Root, fetch: number | null, planQuery: PlanQuery): Steps<PlannedLevel> {
  const { query } = root
  const operation = query.setOperations!
  const unlimited = query.sortClause.length > 0 || query.limitCount !== null
  const side = yield* planSide(operation, root, unlimited ? null : fetch, planQuery)
  const leaf = leftmostLeaf(operation).rtindex
  const fold = (expr: Expr | null) => (expr === null ? null : foldConstants(expr, root.glob))
  const targetList = mapTargets(query.targetList, (expr) => foldConstants(expr, root.glob))
  const columns = operation.columns.map((column, i) => makeVar(leaf, i + 1, column))
  const slots = new Slots(columns)
  const ecs = new Equivalences(root.catalog)
  const base: Path = {
    rows: side.rows,
    startup: side.startupCost,
    total: side.totalCost,
    width: columns.length * 8,
    order: [],
    outer: NO_RELS,
    params: [],
    single: false,
    build: (targets) => project(side, slots, targets),
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

/** One side of an operation of `root`'s query. */
export function* planSide(node: SetOperand, root: Root, fetch: number | null, planQuery: PlanQuery): Steps<Plan> {
  if (node.kind === 'RangeTblRef') {
    const rte = root.query.rtable[node.rtindex - 1]!
    if (rte.kind !== 'subquery') throw new Error('a leaf of a set operation is no subquery')
    const planned = yield* planQuery(rte.subquery, root, fetch)
    const plan = planned.path.build(planned.columns)
    const { initPlans } = planned.root
    return initPlans.length === 0 ? plan : { ...plan, initPlans: [...plan.initPlans, ...initPlans] }
  }
  if (node.op === 'union') {
    const limit = node.all ? fetch : null
    return unionPlan(node, yield* planSides(unionOperands(node), root, limit, planQuery))
  }
  // a EXCEPT b EXCEPT c is a without what b and c have together.
  const operations = sameOperations(node)
  const first = yield* planSide(operations.at(-1)!.left, root, null, planQuery)
  const rights = operations.map((operation) => operation.right)
  const others = (yield* planSides(rights, root, null, planQuery)).reverse()
  if (node.op === 'except') return setOpPlan(node, first, others.length === 1 ? others[0]! : appendPlan(node, others))
  return intersectPlan(node, [first, ...others])
}

function* planSides(nodes: readonly SetOperand[], root: Root, fetch: number | null, planQuery: PlanQuery): Steps<Plan[]> {
  const plans: Plan[] = []
  for (const node of nodes) plans.push(yield* planSide(node, root, fetch, planQuery))
  return plans
}

/** In halves, so that many of them do not nest deeply. */
function intersectPlan(node: SetOperation, sides: readonly Plan[]): Plan {
  if (sides.length === 1) return sides[0]!
  const middle = Math.ceil(sides.length / 2)
  return setOpPlan(node, intersectPlan(node, sides.slice(0, middle)), intersectPlan(node, sides.slice(middle)))
}

/** The operation and those on its left side that are the same one. */
function sameOperations(node: SetOperation): SetOperation[] {
  const operations = [node]
  for (let left = node.left; left.kind === 'SetOperation' && left.op === node.op && left.all === node.all; left = left.left)
    operations.push(left)
  return operations
}

/** UNION in UNION of the same kind (and UNION ALL in UNION) is one list. */
function unionOperands(node: SetOperation): SetOperand[] {
  const operands: SetOperand[] = []
  const pending: SetOperand[] = [node]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.kind === 'SetOperation' && next.op === 'union' && (next.all || !node.all)) pending.push(next.right, next.left)
    else operands.push(next)
  }
  return operands
}

const columnsOf = (node: SetOperation): Expr[] => node.columns.map((column, i) => makeVar(1, i + 1, column))

function appendPlan(node: SetOperation, inputs: readonly Plan[]): Plan {
  const rows = clampRows(inputs.reduce((sum, input) => sum + input.rows, 0))
  const total = inputs.reduce((sum, input) => sum + input.totalCost, 0) + rows * COST.operator
  return { kind: 'Append', ...common(passThrough(columnsOf(node)), [], rows, inputs[0]!.startupCost, total), inputs }
}

function unionPlan(node: SetOperation, inputs: readonly Plan[]): Plan {
  const append = appendPlan(node, inputs)
  if (node.all) return append
  const { rows } = append
  const columns = columnsOf(node)
  const distinct = append.totalCost + rows * COST.hashTuple
  const keys = keysOf(node)
  if (node.groupClauses.every((clause) => clause.hashable))
    return { kind: 'HashDistinct', ...common(passThrough(columns), [], rows, 0, distinct), input: append, keys }
  const sort: Plan = {
    kind: 'Sort',
    ...common(passThrough(columns), [], rows, distinct, distinct),
    input: append,
    keys,
    presorted: 0,
    limit: null,
  }
  return { kind: 'Unique', ...common(passThrough(columns), [], rows, distinct, distinct), input: sort, keys }
}

function setOpPlan(node: SetOperation, left: Plan, right: Plan): Plan {
  const total = left.totalCost + right.totalCost + (left.rows + right.rows) * COST.hashTuple
  const rows = clampRows(node.op === 'except' ? left.rows * 0.5 : Math.min(left.rows, right.rows) * 0.5)
  return {
    kind: 'SetOp',
    ...common(passThrough(columnsOf(node)), [], rows, total, total),
    op: node.op as 'intersect' | 'except',
    all: node.all,
    left,
    right,
    keys: keysOf(node),
  }
}
