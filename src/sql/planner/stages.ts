// What stands above the join: aggregation, window functions, set-returning targets, DISTINCT, ORDER BY and LIMIT, each a path over a path.

import type { Expr, SortGroupClause, TargetEntry } from '../analyzer/expr.ts'
import type { Query, WindowClause } from '../analyzer/query.ts'
import type { Root } from './context.ts'
import { COST, clampRows, sortCost } from './cost.ts'
import type { Equivalences } from './equivalence.ts'
import { exprKey, isSubPlanExpr, replace, some } from './expr-tree.ts'
import { expandGroupingSets } from './grouping-sets.ts'
import {
  collectAtoms,
  common,
  commonOrder,
  orderSatisfies,
  overInput,
  type Path,
  type PathKey,
  passThrough,
  project,
  Slots,
  targetList,
} from './paths/path.ts'
import type { Plan, SortKey } from './plan.ts'
import { NO_RELS } from './relids.ts'
import { isVolatile, returnsSet } from './volatility.ts'

/** One item of an order: the expression sorted by and how. */
export interface OrderItem {
  readonly expr: Expr
  readonly clause: SortGroupClause
  readonly pathKey: PathKey
}

export interface StageContext {
  readonly root: Root
  readonly query: Query
  readonly ecs: Equivalences
}

export function sortKeyOf(expr: Expr, clause: SortGroupClause, slot: number): SortKey {
  const { sortOp, eqOp, descending, nullsFirst } = clause
  return { slot, sortOp, eqOp, collation: expr.collation, type: expr.type, descending, nullsFirst }
}

export function targetByRef(list: readonly TargetEntry[], ref: number): Expr {
  return list.find((entry) => entry.ressortgroupref === ref)!.expr
}

function isConstant(expr: Expr, ecs: Equivalences): boolean {
  if (expr.kind === 'Const' || expr.kind === 'Param') return true
  return ecs.classOf(expr)?.members.some((member) => member.relids === NO_RELS) ?? false
}

/** The items of a sort clause; `significant` leaves out constants and repetitions. */
export function orderItems(clauses: readonly SortGroupClause[], list: readonly TargetEntry[], ecs: Equivalences): OrderItem[] {
  return clauses.map((clause) => {
    const expr = targetByRef(list, clause.tleSortGroupRef)
    return { expr, clause, pathKey: { key: ecs.orderKey(expr), descending: clause.descending, nullsFirst: clause.nullsFirst } }
  })
}

export function significant(items: readonly OrderItem[], ecs: Equivalences): OrderItem[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    if (isConstant(item.expr, ecs) || seen.has(item.pathKey.key)) return false
    seen.add(item.pathKey.key)
    return true
  })
}

/** Sorts unless the order is there already. `limit`: only so many rows will be asked for. */
export function sortPath(
  path: Path,
  items: readonly OrderItem[],
  limit: { rows: number | null; expr: Expr } | null,
  ctx: StageContext,
): Path {
  const wanted = significant(items, ctx.ecs)
  const order = wanted.map((item) => item.pathKey)
  if (orderSatisfies(path.order, order)) return path
  const presorted = commonOrder(path.order, order)
  const groups = presorted === 0 ? 1 : Math.max(1, Math.min(path.rows, 200))
  const sort = sortCost(path.rows / groups, limit?.rows ?? null) * groups
  const startup = presorted === 0 ? path.total + sort : path.startup + (path.total - path.startup + sort) / groups
  const total = path.total + sort + path.rows * COST.operator
  const { catalog } = ctx.root
  return {
    ...path,
    startup,
    total,
    order,
    build: (targets) => {
      // What is volatile or returns sets is computed on the sorted rows, sub-selects on those of them that are left; but all sets go side by
      // side, below if the order (or DISTINCT above) is by one.
      const setsBelow = path.computesSets === true
      const isLate = (target: Expr): boolean =>
        returnsSet(target) ? !setsBelow : isVolatile(target, catalog) || (limit !== null && some(target, isSubPlanExpr))
      const late = targets.some(isLate)
      const slots = new Slots(late ? [] : targets)
      const whole = [...wanted.map((item) => item.expr), ...(setsBelow ? targets.filter(returnsSet) : [])]
      if (late) collectAtoms(targets, slots, new Set(whole.map(exprKey)))
      const keys = wanted.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
      const plan: Plan = {
        kind: 'Sort',
        ...common(passThrough(slots.exprs), [], path.rows, startup, total, path.width),
        input: path.build(slots.exprs),
        keys,
        presorted,
        limit: limit?.expr ?? null,
      }
      return project(plan, slots, targets)
    },
  }
}

// --- aggregation ------------------------------------------------------------------------------------------------------

function hasSortedAggregates(exprs: readonly Expr[]): boolean {
  let found = false
  for (const expr of exprs) {
    replace(expr, (e) => {
      if (e.kind === 'Aggref' && (e.order.length > 0 || e.distinct.length > 0)) found = true
      return undefined
    })
  }
  return found
}

/** The ways to aggregate: sorted, hashed, or all rows into one. */
export function aggPaths(path: Path, having: readonly Expr[], groupRows: number, ctx: StageContext): Path[] {
  const { query, ecs } = ctx
  const sets = expandGroupingSets(query)
  const items = orderItems(query.groupClause, query.targetList, ecs)
  const exprs = query.targetList.map((entry) => entry.expr)
  const rows = clampRows(groupRows)
  const aggregateCost = path.rows * COST.operator * 2
  if (items.length === 0 && sets === null) {
    const total = path.total + aggregateCost + COST.tuple
    return [aggPath(path, 'plain', [], null, having, { rows: 1, startup: total, total, order: [], single: true })]
  }
  const paths: Path[] = []
  const hashable = query.groupClause.every((clause) => clause.hashable)
  const sortable = query.groupClause.every((clause) => clause.sortOp !== 0)
  if (sets !== null) {
    const positions = sets.map((set) => set.map((ref) => query.groupClause.findIndex((clause) => clause.tleSortGroupRef === ref)))
    const total = path.total + aggregateCost * sets.length + rows * COST.tuple
    const facts = { rows: rows * sets.length, startup: total - rows * COST.tuple, total, order: [], single: false }
    return [aggPath(path, hashable ? 'hashed' : 'mixed', items, positions, having, facts)]
  }
  if (sortable) {
    for (const sorted of groupOrders(path, items, ctx)) {
      const total = sorted.total + aggregateCost + path.rows * COST.operator * items.length + rows * COST.tuple
      const facts = { rows, startup: sorted.startup, total, order: sorted.order, single: false }
      paths.push(aggPath(sorted, 'sorted', items, null, having, facts))
    }
  }
  if (hashable && !(hasSortedAggregates(exprs) && sortable && path.rows > 100_000)) {
    const total = path.total + aggregateCost + path.rows * COST.operator * items.length * 1.5 + rows * COST.tuple
    paths.push(aggPath(path, 'hashed', items, null, having, { rows, startup: total - rows * COST.tuple, total, order: [], single: false }))
  }
  return paths
}

/** Grouping works in any order of its columns: the input's own where it has one, ORDER BY's where it is one of them, else as written. */
function groupOrders(path: Path, items: readonly OrderItem[], ctx: StageContext): Path[] {
  const wanted = significant(items, ctx.ecs)
  const keys = new Map(wanted.map((item) => [item.pathKey.key, item]))
  if (path.order.length >= wanted.length && path.order.slice(0, wanted.length).every((key) => keys.has(key.key))) return [path]
  const arranged: OrderItem[] = []
  for (const item of significant(orderItems(ctx.query.sortClause, ctx.query.targetList, ctx.ecs), ctx.ecs)) {
    if (!keys.has(item.pathKey.key)) break
    arranged.push(item)
    keys.delete(item.pathKey.key)
  }
  return [sortPath(path, [...arranged, ...keys.values()], null, ctx)]
}

function aggPath(
  path: Path,
  strategy: 'plain' | 'sorted' | 'hashed' | 'mixed',
  items: readonly OrderItem[],
  groupingSets: readonly (readonly number[])[] | null,
  having: readonly Expr[],
  facts: Pick<Path, 'rows' | 'startup' | 'total' | 'order' | 'single'>,
): Path {
  const groupKeys = new Set(items.map((item) => exprKey(item.expr)))
  return {
    ...path,
    ...facts,
    build: (targets) => {
      const slots = new Slots()
      const keys = items.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
      // Below an Aggref stand plain columns; beside it the grouping expressions and what depends on them.
      for (const expr of [...targets, ...having]) {
        replace(expr, (e) => {
          if (groupKeys.has(exprKey(e)) && e.kind !== 'Const') return e
          if (e.kind !== 'Aggref' && e.kind !== 'GroupingFunc') {
            if (e.kind !== 'Var') return undefined
            slots.add(e)
            return e
          }
          if (e.kind === 'GroupingFunc') return e
          for (const part of [...e.directArgs, ...e.args.map((arg) => arg.expr), ...(e.filter === null ? [] : [e.filter])]) {
            collectAtoms([part], slots, groupKeys)
          }
          return e
        })
      }
      const over = (expr: Expr) => overInput(expr, slots)
      return {
        kind: 'Agg',
        ...common(targetList(targets.map(over)), having.map(over), facts.rows, facts.startup, facts.total, path.width),
        input: path.build(slots.exprs),
        strategy,
        keys,
        groupingSets,
      }
    },
  }
}

// --- windows ----------------------------------------------------------------------------------------------------------

/** One WindowAgg per window; windows whose sort order begins alike stand next to each other so that one sort serves them. */
export function windowPath(path: Path, ctx: StageContext, whole: ReadonlySet<string> | null): Path {
  const { query, ecs } = ctx
  const used = new Set<number>()
  for (const entry of query.targetList) {
    replace(entry.expr, (e) => {
      if (e.kind === 'WindowFunc') used.add(e.winRef)
      return undefined
    })
  }
  const windows = query.windowClause
    .filter((window) => used.has(window.winRef))
    .map((window) => {
      const partition = orderItems(window.partition, query.targetList, ecs)
      const order = orderItems(window.order, query.targetList, ecs)
      return { window, partition, order, sort: significant([...partition, ...order], ecs) }
    })
    .sort((a, b) => b.sort.length - a.sort.length)
  const done: typeof windows = []
  let result = path
  while (windows.length > 0) {
    let next = windows.findIndex((w) =>
      orderSatisfies(
        result.order,
        w.sort.map((item) => item.pathKey),
      ),
    )
    if (next < 0) next = 0
    const [window] = windows.splice(next, 1)
    done.push(window!)
    result = windowAggPath(
      result,
      window!,
      done.slice(0, -1).map((w) => w.window.winRef),
      ctx,
      whole,
    )
  }
  return result
}

function windowAggPath(
  path: Path,
  spec: { window: WindowClause; partition: OrderItem[]; order: OrderItem[]; sort: OrderItem[] },
  below: readonly number[],
  ctx: StageContext,
  whole: ReadonlySet<string> | null,
): Path {
  const sorted = sortPath(path, spec.sort, null, ctx)
  const total = sorted.total + path.rows * (COST.tuple + COST.operator * 2)
  return {
    ...sorted,
    total,
    build: (targets) => {
      const slots = new Slots()
      const partitionKeys = spec.partition.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
      const orderKeys = spec.order.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
      const need = (expr: Expr): void => {
        replace(expr, (e) => {
          if (e.kind === 'WindowFunc') {
            if (below.includes(e.winRef)) slots.add(e)
            else for (const part of [...e.args, ...(e.filter === null ? [] : [e.filter])]) collectAtoms([part], slots, whole)
            return e
          }
          if (
            e.kind === 'Var' ||
            e.kind === 'Aggref' ||
            e.kind === 'GroupingFunc' ||
            (whole?.has(exprKey(e)) === true && e.kind !== 'Const')
          ) {
            slots.add(e)
            return e
          }
          return undefined
        })
      }
      for (const target of targets) need(target)
      const frame = [spec.window.frameStart, spec.window.frameEnd]
      for (const bound of frame) if ('offset' in bound) need(bound.offset)
      const over = (expr: Expr) => overInput(expr, slots)
      const overBound = (bound: WindowClause['frameStart']) => ('offset' in bound ? { ...bound, offset: over(bound.offset) } : bound)
      return {
        kind: 'WindowAgg',
        ...common(targetList(targets.map(over)), [], path.rows, sorted.startup, total, path.width),
        input: sorted.build(slots.exprs),
        window: { ...spec.window, frameStart: overBound(spec.window.frameStart), frameEnd: overBound(spec.window.frameEnd) },
        partitionKeys,
        orderKeys,
      }
    },
  }
}

// --- DISTINCT, LIMIT --------------------------------------------------------------------------------------------------

/** `groups`: how many different rows there are. */
export function distinctPaths(path: Path, groups: number, ctx: StageContext): Path[] {
  const { query, ecs } = ctx
  const items = orderItems(query.distinctClause, query.targetList, ecs)
  const keysOver = (slots: Slots) => items.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
  const rows = clampRows(Math.min(path.rows, groups))
  const paths: Path[] = []
  if (query.distinctClause.every((clause) => clause.sortOp !== 0)) {
    // DISTINCT ON keeps the first row of ORDER BY, of which its expressions are a prefix.
    const order = orderItems(query.sortClause, query.targetList, ecs)
    const extended = [...order, ...items.filter((item) => !order.some((o) => o.pathKey.key === item.pathKey.key))]
    const prefixed = query.hasDistinctOn && order.length < items.length ? extended : order.length > 0 ? extended : items
    const sorted = sortPath(path, prefixed, null, ctx)
    const total = sorted.total + path.rows * COST.operator * items.length
    paths.push({
      ...sorted,
      rows,
      total,
      build: (targets) => {
        const slots = new Slots(targets)
        const keys = keysOver(slots)
        const input = sorted.build(slots.exprs)
        return { kind: 'Unique', ...common(passThrough(slots.exprs), [], rows, sorted.startup, total, path.width), input, keys }
      },
    })
  }
  if (!query.hasDistinctOn && query.distinctClause.every((clause) => clause.hashable)) {
    const total = path.total + path.rows * COST.hashTuple
    paths.push({
      ...path,
      rows,
      startup: path.startup,
      total,
      build: (targets) => {
        const slots = new Slots(targets)
        const keys = keysOver(slots)
        const input = path.build(slots.exprs)
        return { kind: 'HashDistinct', ...common(passThrough(slots.exprs), [], rows, path.startup, total, path.width), input, keys }
      },
    })
  }
  return paths
}

export function limitPath(path: Path, count: Expr | null, offset: Expr | null, ties: readonly OrderItem[] | null): Path {
  const known = (expr: Expr | null, fallback: number): number =>
    expr?.kind === 'Const' && expr.value !== null ? Number(expr.value) : fallback
  const skip = offset === null ? 0 : known(offset, path.rows * 0.1)
  const rows = clampRows(Math.min(count === null ? path.rows : known(count, path.rows * 0.1), Math.max(path.rows - skip, 0)))
  const fraction = Math.min(1, (rows + skip) / Math.max(path.rows, 1))
  const total = path.startup + (path.total - path.startup) * fraction
  return {
    ...path,
    rows,
    total,
    single: path.single || (count?.kind === 'Const' && count.value !== null && Number(count.value) <= 1),
    build: (targets) => {
      const slots = new Slots(targets)
      const tieKeys = ties === null ? null : ties.map((item) => sortKeyOf(item.expr, item.clause, slots.add(item.expr)))
      const input = path.build(slots.exprs)
      return {
        kind: 'Limit',
        ...common(passThrough(slots.exprs), [], rows, path.startup, total, path.width),
        input,
        count,
        offset,
        tieKeys,
      }
    },
  }
}
