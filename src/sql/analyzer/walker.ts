// Walking and rebuilding of bound trees: the one place that knows which fields of each node hold expressions.

import { unreachable } from '../../base/assert.ts'
import type { Expr, SubLink, TargetEntry } from './expr.ts'
import type { Arbiter, CommonTableExpr, FromExpr, JoinTreeNode, Query, RangeTblEntry, WindowClause } from './query.ts'

type List = readonly (Expr | null)[]

function eachOf(list: List, visit: (child: Expr) => void): void {
  for (const child of list) if (child !== null) visit(child)
}

/** Calls `visit` for each direct sub-expression. A SubLink's query is not entered: see forEachQueryExpr. */
export function forEachChild(expr: Expr, visit: (child: Expr) => void): void {
  switch (expr.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
    case 'CaseTestExpr':
    case 'SqlValueFunction':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'SubLinkColumn':
    case 'NextValueExpr':
    case 'CurrentOfExpr':
      return
    case 'FuncExpr':
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
    case 'BoolExpr':
    case 'CoalesceExpr':
    case 'MinMaxExpr':
    case 'RowExpr':
    case 'GroupingFunc':
    case 'JsonConstructorExpr':
      eachOf(expr.args, visit)
      return
    case 'JsonExpr':
      eachOf(expr.args, visit)
      if (expr.emptyDefault !== null) visit(expr.emptyDefault)
      if (expr.errorDefault !== null) visit(expr.errorDefault)
      if (expr.domain) visit(expr.domain)
      return
    case 'NullTest':
    case 'BooleanTest':
    case 'FieldSelect':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ConvertRowtypeExpr':
    case 'CoerceToDomain':
    case 'CollateExpr':
    case 'JsonIsPredicate':
      visit(expr.arg)
      return
    case 'ArrayCoerceExpr':
      visit(expr.arg)
      visit(expr.elementExpr)
      return
    case 'CaseExpr':
      if (expr.arg !== null) visit(expr.arg)
      for (const when of expr.whens) {
        visit(when.condition)
        visit(when.result)
      }
      visit(expr.defaultResult)
      return
    case 'ArrayExpr':
      eachOf(expr.elements, visit)
      return
    case 'RowCompareExpr':
      eachOf(expr.largs, visit)
      eachOf(expr.rargs, visit)
      return
    case 'FieldStore':
      visit(expr.arg)
      eachOf(expr.newValues, visit)
      return
    case 'SubscriptingRef':
      eachOf(expr.upper, visit)
      eachOf(expr.lower, visit)
      visit(expr.arg)
      if (expr.assign !== null) visit(expr.assign)
      return
    case 'SubLink':
      if (expr.testExpr !== null) visit(expr.testExpr)
      return
    case 'Aggref':
      eachOf(expr.directArgs, visit)
      for (const entry of expr.args) visit(entry.expr)
      if (expr.filter !== null) visit(expr.filter)
      return
    case 'WindowFunc':
      eachOf(expr.args, visit)
      if (expr.filter !== null) visit(expr.filter)
      return
    default:
      unreachable(expr, 'expression')
      return
  }
}

/** True when `test` holds for the expression or anything below it (sub-selects not entered). */
export function someExpr(expr: Expr, test: (expr: Expr) => boolean): boolean {
  if (test(expr)) return true
  let found = false
  forEachChild(expr, (child) => {
    found ||= someExpr(child, test)
  })
  return found
}

export const mapEntries = (list: readonly TargetEntry[], map: (expr: Expr) => Expr): TargetEntry[] =>
  list.map((entry) => {
    const expr = map(entry.expr)
    return expr === entry.expr ? entry : { ...entry, expr }
  })

/** The node with each direct sub-expression replaced; the node itself when nothing changed. `mapQuery` rebuilds a SubLink's query. */
export function mapChildren(
  expr: Expr,
  map: (child: Expr) => Expr,
  mapQuery: (query: Query, link: SubLink) => Query = (query) => query,
): Expr {
  let changed = false
  const one = (child: Expr): Expr => {
    const next = map(child)
    if (next !== child) changed = true
    return next
  }
  const maybe = (child: Expr | null): Expr | null => (child === null ? null : one(child))
  const all = (list: readonly Expr[]): Expr[] => list.map(one)
  const some = (list: List): (Expr | null)[] => list.map(maybe)
  const result = ((): Expr => {
    switch (expr.kind) {
      case 'Var':
      case 'Const':
      case 'Param':
      case 'CaseTestExpr':
      case 'SqlValueFunction':
      case 'CoerceToDomainValue':
      case 'SetToDefault':
      case 'SubLinkColumn':
      case 'NextValueExpr':
      case 'CurrentOfExpr':
        return expr
      case 'FuncExpr':
      case 'OpExpr':
      case 'DistinctExpr':
      case 'NullIfExpr':
      case 'ScalarArrayOpExpr':
      case 'BoolExpr':
      case 'CoalesceExpr':
      case 'MinMaxExpr':
      case 'RowExpr':
      case 'GroupingFunc':
      case 'JsonConstructorExpr':
        return { ...expr, args: all(expr.args) }
      case 'JsonExpr': {
        const optional = (part: Expr | null): Expr | null => (part === null ? null : one(part))
        return {
          ...expr,
          args: all(expr.args),
          emptyDefault: optional(expr.emptyDefault),
          errorDefault: optional(expr.errorDefault),
          domain: optional(expr.domain ?? null),
        }
      }
      case 'NullTest':
      case 'BooleanTest':
      case 'FieldSelect':
      case 'RelabelType':
      case 'CoerceViaIO':
      case 'ConvertRowtypeExpr':
      case 'CoerceToDomain':
      case 'CollateExpr':
      case 'JsonIsPredicate':
        return { ...expr, arg: one(expr.arg) }
      case 'ArrayCoerceExpr':
        return { ...expr, arg: one(expr.arg), elementExpr: one(expr.elementExpr) }
      case 'CaseExpr':
        return {
          ...expr,
          arg: maybe(expr.arg),
          whens: expr.whens.map((when) => ({ condition: one(when.condition), result: one(when.result) })),
          defaultResult: one(expr.defaultResult),
        }
      case 'ArrayExpr':
        return { ...expr, elements: all(expr.elements) }
      case 'RowCompareExpr':
        return { ...expr, largs: all(expr.largs), rargs: all(expr.rargs) }
      case 'FieldStore':
        return { ...expr, arg: one(expr.arg), newValues: all(expr.newValues) }
      case 'SubscriptingRef':
        return { ...expr, upper: some(expr.upper), lower: some(expr.lower), arg: one(expr.arg), assign: maybe(expr.assign) }
      case 'SubLink': {
        const testExpr = maybe(expr.testExpr)
        const subselect = mapQuery(expr.subselect, expr)
        if (subselect !== expr.subselect) changed = true
        return { ...expr, testExpr, subselect }
      }
      case 'Aggref':
        return { ...expr, directArgs: all(expr.directArgs), args: mapEntries(expr.args, one), filter: maybe(expr.filter) }
      case 'WindowFunc':
        return { ...expr, args: all(expr.args), filter: maybe(expr.filter) }
      default:
        return unreachable(expr, 'expression')
    }
  })()
  return changed ? result : expr
}

/** Every expression that stands directly in the query (not those of its sub-queries). */
export function forEachQueryExpr(query: Query, visit: (expr: Expr) => void): void {
  const entries = (list: readonly TargetEntry[]): void => {
    for (const entry of list) visit(entry.expr)
  }
  const maybe = (expr: Expr | null): void => {
    if (expr !== null) visit(expr)
  }
  const join = (node: JoinTreeNode): void => {
    if (node.kind === 'RangeTblRef') return
    if (node.kind === 'FromExpr') node.fromlist.forEach(join)
    else {
      join(node.left)
      join(node.right)
    }
    maybe(node.quals)
  }
  entries(query.targetList)
  join(query.jointree)
  entries(query.returningList)
  maybe(query.havingQual)
  maybe(query.limitOffset)
  maybe(query.limitCount)
  maybe(query.mergeJoinCondition)
  for (const window of query.windowClause) {
    for (const bound of [window.frameStart, window.frameEnd])
      if (bound.kind === 'preceding' || bound.kind === 'following') visit(bound.offset)
  }
  if (query.onConflict !== null) {
    const { arbiter, set, where } = query.onConflict
    for (const element of arbiter?.elements ?? []) visit(element.expr)
    maybe(arbiter?.where ?? null)
    entries(set)
    maybe(where)
  }
  for (const action of query.mergeActions) {
    maybe(action.qual)
    entries(action.targetList)
  }
  for (const option of query.withCheckOptions) visit(option.qual)
  for (const rte of query.rtable) {
    if (rte.kind === 'function') for (const fn of rte.functions) visit(fn.expr)
    else if (rte.kind === 'values') for (const list of rte.lists) for (const expr of list) visit(expr)
    else if (rte.kind === 'join') for (const expr of rte.aliasVars) visit(expr)
  }
}

/** Every query directly inside: range table, CTEs, SubLinks. */
export function forEachSubquery(query: Query, visit: (query: Query) => void): void {
  for (const rte of query.rtable) if (rte.kind === 'subquery') visit(rte.subquery)
  for (const cte of query.cteList) visit(cte.query)
  const links = (expr: Expr): void => {
    if (expr.kind === 'SubLink') visit(expr.subselect)
    forEachChild(expr, links)
  }
  forEachQueryExpr(query, links)
}

export function mapArbiter(arbiter: Arbiter | null, map: (expr: Expr) => Expr): Arbiter | null {
  if (arbiter === null) return null
  return {
    ...arbiter,
    elements: arbiter.elements.map((element) => ({ ...element, expr: map(element.expr) })),
    where: arbiter.where === null ? null : map(arbiter.where),
  }
}

/** The query with every direct expression and every direct sub-query rebuilt. SubLinks are the expression mapper's to enter. */
export function mapQuery(query: Query, map: (expr: Expr) => Expr, mapSub: (query: Query) => Query): Query {
  const maybe = (expr: Expr | null): Expr | null => (expr === null ? null : map(expr))
  const join = (node: JoinTreeNode): JoinTreeNode => {
    switch (node.kind) {
      case 'RangeTblRef':
        return node
      case 'FromExpr':
        return { ...node, fromlist: node.fromlist.map(join), quals: maybe(node.quals) }
      case 'JoinExpr':
        return { ...node, left: join(node.left), right: join(node.right), quals: maybe(node.quals) }
      default:
        return unreachable(node, 'join tree node')
    }
  }
  const rte = (entry: RangeTblEntry): RangeTblEntry => {
    switch (entry.kind) {
      case 'subquery':
        return { ...entry, subquery: mapSub(entry.subquery) }
      case 'function':
        return { ...entry, functions: entry.functions.map((fn) => ({ ...fn, expr: map(fn.expr) })) }
      case 'values':
        return { ...entry, lists: entry.lists.map((list) => list.map(map)) }
      case 'join':
        return { ...entry, aliasVars: entry.aliasVars.map(map) }
      default:
        return entry
    }
  }
  const bound = (b: WindowClause['frameStart']): WindowClause['frameStart'] =>
    b.kind === 'preceding' || b.kind === 'following' ? { ...b, offset: map(b.offset) } : b
  return {
    ...query,
    rtable: query.rtable.map(rte),
    jointree: join(query.jointree) as FromExpr,
    targetList: mapEntries(query.targetList, map),
    returningList: mapEntries(query.returningList, map),
    havingQual: maybe(query.havingQual),
    limitOffset: maybe(query.limitOffset),
    limitCount: maybe(query.limitCount),
    mergeJoinCondition: maybe(query.mergeJoinCondition),
    windowClause: query.windowClause.map((window) => ({
      ...window,
      frameStart: bound(window.frameStart),
      frameEnd: bound(window.frameEnd),
    })),
    onConflict:
      query.onConflict === null
        ? null
        : {
            ...query.onConflict,
            arbiter: mapArbiter(query.onConflict.arbiter, map),
            set: mapEntries(query.onConflict.set, map),
            where: maybe(query.onConflict.where),
          },
    mergeActions: query.mergeActions.map((action) => ({
      ...action,
      qual: maybe(action.qual),
      targetList: mapEntries(action.targetList, map),
    })),
    withCheckOptions: query.withCheckOptions.map((option) => ({ ...option, qual: map(option.qual) })),
    cteList: query.cteList.map((cte): CommonTableExpr => ({ ...cte, query: mapSub(cte.query) })),
  }
}

/** Rebuilds every Var, at any depth, that belongs to the level where the walk began; `depth` = how many queries deeper it stands. */
export function mapVars(expr: Expr, map: (expr: Expr, depth: number) => Expr | null, depth = 0): Expr {
  const replaced = map(expr, depth)
  if (replaced !== null) return replaced
  return mapChildren(
    expr,
    (child) => mapVars(child, map, depth),
    (query) => mapQueryVars(query, map, depth + 1),
  )
}

export function mapQueryVars(query: Query, map: (expr: Expr, depth: number) => Expr | null, depth: number): Query {
  return mapQuery(
    query,
    (expr) => mapVars(expr, map, depth),
    (sub) => mapQueryVars(sub, map, depth + 1),
  )
}

/** The query as it reads one level further down: its references to outer queries and their WITH items reach one further. */
export function oneDeeper(query: Query, depth = 0): Query {
  const shift = (expr: Expr): Expr => {
    const rebuilt = mapChildren(expr, shift, (sub) => oneDeeper(sub, depth + 1))
    const { kind } = rebuilt
    const leveled = kind === 'Var' || kind === 'Aggref' || kind === 'GroupingFunc'
    return leveled && rebuilt.levelsUp > depth ? { ...rebuilt, levelsUp: rebuilt.levelsUp + 1 } : rebuilt
  }
  const result = mapQuery(query, shift, (sub) => oneDeeper(sub, depth + 1))
  const rtable = result.rtable.map((rte) => (rte.kind === 'cte' && rte.levelsUp > depth ? { ...rte, levelsUp: rte.levelsUp + 1 } : rte))
  return { ...result, rtable }
}

/** Structural equality of two expressions, locations and coercion forms aside (PostgreSQL's equal()). */
export function equalExpr(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b)
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, i) => equalExpr(item, b[i]))
  const x = a as Record<string, unknown>
  const y = b as Record<string, unknown>
  const keys = Object.keys(x)
  if (keys.length !== Object.keys(y).length || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  return keys.every((key) => key === 'location' || key === 'format' || equalExpr(x[key], y[key]))
}
