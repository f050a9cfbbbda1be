// Walking and rewriting bound expressions and whole queries. Trees are immutable: a mapper answers the same object where nothing changed,
// so that what is cached per object (keys, relation sets) stays valid.

import type { Datum } from '../../base/datum.ts'
import type { Expr, TargetEntry, Var } from '../analyzer/expr.ts'
import type { CommonTableExpr, FromExpr, JoinTreeNode, Query, RangeTblEntry } from '../analyzer/query.ts'
import { mapArbiter } from '../analyzer/walker.ts'
import type { SubPlan, SubPlanExpr } from './plan.ts'

/** Fields that hold expressions, by kind. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  FuncExpr: ['args'],
  OpExpr: ['args'],
  DistinctExpr: ['args'],
  NullIfExpr: ['args'],
  ScalarArrayOpExpr: ['args'],
  BoolExpr: ['args'],
  NullTest: ['arg'],
  BooleanTest: ['arg'],
  CaseExpr: ['arg', 'whens', 'defaultResult'],
  CoalesceExpr: ['args'],
  MinMaxExpr: ['args'],
  JsonConstructorExpr: ['args'],
  JsonIsPredicate: ['arg'],
  JsonExpr: ['args', 'emptyDefault', 'errorDefault', 'domain'],
  ArrayExpr: ['elements'],
  RowExpr: ['args'],
  RowCompareExpr: ['largs', 'rargs'],
  FieldSelect: ['arg'],
  FieldStore: ['arg', 'newValues'],
  SubscriptingRef: ['upper', 'lower', 'arg', 'assign'],
  RelabelType: ['arg'],
  CoerceViaIO: ['arg'],
  ArrayCoerceExpr: ['arg', 'elementExpr'],
  ConvertRowtypeExpr: ['arg'],
  CoerceToDomain: ['arg'],
  CollateExpr: ['arg'],
  SubLink: ['testExpr'],
  Aggref: ['directArgs', 'args', 'filter'],
  WindowFunc: ['args', 'filter'],
  GroupingFunc: ['args'],
}
const NONE: readonly string[] = []

type ExprFn = (expr: Expr) => Expr

function mapField(value: unknown, fn: ExprFn): unknown {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) {
    let changed: unknown[] | null = null
    for (let i = 0; i < value.length; i++) {
      const next = mapField(value[i], fn)
      if (next !== value[i]) (changed ??= value.slice())[i] = next
    }
    return changed ?? value
  }
  if ('kind' in value) return fn(value as Expr)
  if ('condition' in value) {
    const when = value as { condition: Expr; result: Expr }
    const condition = fn(when.condition)
    const result = fn(when.result)
    return condition === when.condition && result === when.result ? when : { condition, result }
  }
  const entry = value as TargetEntry
  const expr = fn(entry.expr)
  return expr === entry.expr ? entry : { ...entry, expr }
}

/** `expr` with each direct child replaced by fn(child). A SubLink's query is not entered; a SubPlan's parameters and test are. */
export function mapChildren(expr: Expr, fn: ExprFn): Expr {
  switch (expr.kind) {
    // what long conditions are made of, the fast way
    case 'Var':
    case 'Const':
    case 'Param':
      return expr
    case 'OpExpr':
    case 'FuncExpr':
    case 'BoolExpr': {
      const args = mapList(expr.args, fn)
      return args === expr.args ? expr : { ...expr, args }
    }
  }
  if (isSubPlanExpr(expr)) return mapSubPlan(expr, fn)
  let copy: Record<string, unknown> | null = null
  const source = expr as unknown as Record<string, unknown>
  for (const field of CHILDREN[expr.kind] ?? NONE) {
    const next = mapField(source[field], fn)
    if (next !== source[field]) (copy ??= { ...source })[field] = next
  }
  return (copy ?? expr) as unknown as Expr
}

function mapSubPlan(expr: Expr, fn: ExprFn): Expr {
  const { plan } = expr as unknown as SubPlanExpr
  let changed = false
  const params = plan.params.map((param) => {
    const next = fn(param.expr)
    if (next === param.expr) return param
    changed = true
    return { id: param.id, expr: next }
  })
  const testExpr = plan.testExpr === null ? null : fn(plan.testExpr)
  if (!changed && testExpr === plan.testExpr) return expr
  return { ...(expr as unknown as SubPlanExpr), plan: { ...plan, params, testExpr } } as unknown as Expr
}

export function isSubPlanExpr(expr: Expr): boolean {
  return (expr.kind as string) === 'SubPlanExpr'
}

/** A SubPlan where an expression is expected: planned trees hold them, the analyzer's union does not know them. */
export function subPlanExpr(plan: SubPlan, like: Pick<Expr, 'type' | 'typmod' | 'collation'>): Expr {
  const node: SubPlanExpr = { kind: 'SubPlanExpr', type: like.type, typmod: like.typmod, collation: like.collation, location: -1, plan }
  return node as unknown as Expr
}

/** Calls `visit` on `expr` and everything below until it answers true; answers whether it did. */
export function some(expr: Expr, visit: (expr: Expr) => boolean): boolean {
  if (visit(expr)) return true
  switch (expr.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
      return false
    case 'OpExpr':
    case 'FuncExpr':
    case 'BoolExpr': {
      const { args } = expr
      for (let i = 0; i < args.length; i++) if (some(args[i]!, visit)) return true
      return false
    }
  }
  if (isSubPlanExpr(expr)) {
    const { params, testExpr } = (expr as unknown as SubPlanExpr).plan
    return params.some((param) => some(param.expr, visit)) || (testExpr !== null && some(testExpr, visit))
  }
  const source = expr as unknown as Record<string, unknown>
  for (const field of CHILDREN[expr.kind] ?? NONE) if (someIn(source[field], visit)) return true
  return false
}

function someIn(value: unknown, visit: (expr: Expr) => boolean): boolean {
  if (value === null || typeof value !== 'object') return false
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (someIn(value[i], visit)) return true
    return false
  }
  if ('kind' in value) return some(value as Expr, visit)
  if ('condition' in value) {
    const when = value as { condition: Expr; result: Expr }
    return some(when.condition, visit) || some(when.result, visit)
  }
  return some((value as TargetEntry).expr, visit)
}

/** Rewrites top-down: where `fn` answers an expression that stands, otherwise its children are rewritten. */
export function replace(expr: Expr, fn: (expr: Expr) => Expr | undefined): Expr {
  return fn(expr) ?? mapChildren(expr, (child) => replace(child, fn))
}

export interface QueryMapper {
  /** Of all but constants. depth = how many queries below the starting one. Undefined: rewrite the children. */
  expr(expr: Expr, depth: number): Expr | undefined
  cteLevels?(levelsUp: number, depth: number): number
}

/** `expr` rewritten, sub-selects included. */
export function mapExprDeep(expr: Expr, depth: number, mapper: QueryMapper): Expr {
  if (expr.kind === 'Const') return expr
  const replaced = mapper.expr(expr, depth)
  if (replaced !== undefined) return replaced
  const mapped = mapChildren(expr, (child) => mapExprDeep(child, depth, mapper))
  if (mapped.kind !== 'SubLink') return mapped
  const subselect = mapQuery(mapped.subselect, depth + 1, mapper)
  return subselect === mapped.subselect ? mapped : { ...mapped, subselect }
}

/** The list itself where nothing changed. */
export function mapList<T>(list: readonly T[], fn: (item: T) => T): readonly T[] {
  let changed: T[] | null = null
  for (let i = 0; i < list.length; i++) {
    const next = fn(list[i]!)
    if (next !== list[i]) (changed ??= list.slice())[i] = next
  }
  return changed ?? list
}

export function mapTargets(list: readonly TargetEntry[], fn: ExprFn): readonly TargetEntry[] {
  return mapList(list, (entry) => {
    const expr = fn(entry.expr)
    return expr === entry.expr ? entry : { ...entry, expr }
  })
}

function mapJoinTree<T extends JoinTreeNode>(node: T, fn: ExprFn): T {
  if (node.kind === 'RangeTblRef') return node
  const quals = node.quals === null ? null : fn(node.quals)
  if (node.kind === 'FromExpr') {
    const fromlist = mapList(node.fromlist, (item) => mapJoinTree(item, fn))
    return quals === node.quals && fromlist === node.fromlist ? node : { ...node, fromlist, quals }
  }
  const left = mapJoinTree(node.left, fn)
  const right = mapJoinTree(node.right, fn)
  return left === node.left && right === node.right && quals === node.quals ? node : { ...node, left, right, quals }
}

/** VALUES lists that hold nothing but constants: there may be very many. */
const constantRows = new WeakSet<object>()

function isConstant(lists: readonly (readonly Expr[])[]): boolean {
  if (constantRows.has(lists)) return true
  for (const list of lists) for (let i = 0; i < list.length; i++) if (list[i]!.kind !== 'Const') return false
  constantRows.add(lists)
  return true
}

function mapRte(rte: RangeTblEntry, depth: number, mapper: QueryMapper, fn: ExprFn): RangeTblEntry {
  switch (rte.kind) {
    case 'subquery': {
      const subquery = mapQuery(rte.subquery, depth + 1, mapper)
      return subquery === rte.subquery ? rte : { ...rte, subquery }
    }
    case 'join':
      return { ...rte, aliasVars: mapList(rte.aliasVars, fn) }
    case 'function':
      return { ...rte, functions: rte.functions.map((call) => ({ ...call, expr: fn(call.expr) })) }
    case 'values': {
      if (isConstant(rte.lists)) return rte
      return { ...rte, lists: mapList(rte.lists, (list) => mapList(list, fn)) }
    }
    case 'cte': {
      const levelsUp = mapper.cteLevels?.(rte.levelsUp, depth) ?? rte.levelsUp
      return levelsUp === rte.levelsUp ? rte : { ...rte, levelsUp }
    }
    default:
      return rte
  }
}

/** Every expression of a query rewritten, nested queries included. `depth` is that of the query itself. */
export function mapQuery(query: Query, depth: number, mapper: QueryMapper): Query {
  const fn: ExprFn = (expr) => mapExprDeep(expr, depth, mapper)
  const maybe = (expr: Expr | null): Expr | null => (expr === null ? null : fn(expr))
  return {
    ...query,
    rtable: query.rtable.map((rte) => mapRte(rte, depth, mapper, fn)),
    jointree: mapJoinTree<FromExpr>(query.jointree, fn),
    targetList: mapTargets(query.targetList, fn),
    onConflict:
      query.onConflict === null
        ? null
        : {
            ...query.onConflict,
            arbiter: mapArbiter(query.onConflict.arbiter, fn),
            set: mapTargets(query.onConflict.set, fn),
            where: maybe(query.onConflict.where),
          },
    mergeActions: query.mergeActions.map((action) => ({
      ...action,
      qual: maybe(action.qual),
      targetList: mapTargets(action.targetList, fn),
    })),
    mergeJoinCondition: maybe(query.mergeJoinCondition),
    returningList: mapTargets(query.returningList, fn),
    cteList: query.cteList.map((cte): CommonTableExpr => ({ ...cte, query: mapQuery(cte.query, depth + 1, mapper) })),
    havingQual: maybe(query.havingQual),
    windowClause: query.windowClause.map((window) => ({
      ...window,
      frameStart: 'offset' in window.frameStart ? { ...window.frameStart, offset: fn(window.frameStart.offset) } : window.frameStart,
      frameEnd: 'offset' in window.frameEnd ? { ...window.frameEnd, offset: fn(window.frameEnd.offset) } : window.frameEnd,
    })),
    limitOffset: maybe(query.limitOffset),
    limitCount: maybe(query.limitCount),
    withCheckOptions: query.withCheckOptions.map((option) => ({ ...option, qual: fn(option.qual) })),
  }
}

/** Adds `delta` to the level of every Var, Aggref and CTE reference that points outside (level ≥ `from`). */
export function shiftLevels(delta: number, from = 0): QueryMapper {
  return {
    expr(expr, depth) {
      if (expr.kind === 'Var') return expr.levelsUp >= depth + from ? { ...expr, levelsUp: expr.levelsUp + delta } : expr
      if ((expr.kind === 'Aggref' || expr.kind === 'GroupingFunc') && expr.levelsUp >= depth + from) {
        const children = mapChildren(expr, (child) => mapExprDeep(child, depth, this)) as typeof expr
        return { ...children, levelsUp: expr.levelsUp + delta }
      }
      return undefined
    },
    cteLevels: (levelsUp, depth) => (levelsUp >= depth + from ? levelsUp + delta : levelsUp),
  }
}

// --- structural keys ------------------------------------------------------------------------------------------------

const keys = new WeakMap<object, string>()

function datumKey(value: Datum): unknown {
  if (typeof value === 'bigint') return `n${value}`
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))) return `f${Object.is(value, -0) ? '-0' : value}`
  return value
}

/** Equal for expressions that are the same but for where they were written. */
export function exprKey(expr: Expr): string {
  // made as fast as it is found
  if (expr.kind === 'Var') return makeKey(expr)
  const known = keys.get(expr)
  if (known !== undefined) return known
  const key = makeKey(expr)
  keys.set(expr, key)
  return key
}

/** False for expressions whose keys need not be compared. */
export const mayBeSame = (a: Expr, b: Expr): boolean =>
  a.kind === b.kind && a.type === b.type && (a.kind !== 'OpExpr' || a.opNo === (b as typeof a).opNo)

/** Its fields stand in different orders: a constant of a stored expression was read, another one made. */
const isConst = (value: unknown): value is Expr & { kind: 'Const' } =>
  typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Const'

/** Without remembering it: for parts, and where an expression's key is asked for once. A WeakMap of very many entries is dear to collect. */
export const innerKey = (expr: Expr): string => keys.get(expr) ?? makeKey(expr)

function makeKey(expr: Expr): string {
  switch (expr.kind) {
    case 'Var':
      return `v${expr.levelsUp === 0 ? '' : `${expr.levelsUp}^`}${expr.varno}.${expr.attno}`
    case 'OpExpr':
      // the commonest by far, and what keys of long conditions are made of
      return `o${expr.opNo}.${expr.opFuncId}.${expr.type}.${expr.typmod}.${expr.collation}.${expr.inputCollation}.${expr.retset}(${expr.args.map(innerKey).join()})`
    case 'BoolExpr':
      return `b${expr.op}(${expr.args.map(innerKey).join()})`
    case 'Const':
      if (typeof expr.value === 'number' || typeof expr.value === 'string') {
        return `c${expr.type}.${expr.typmod}.${expr.collation}.${JSON.stringify(datumKey(expr.value))}`
      }
  }
  if (isSubPlanExpr(expr)) return `subplan${(expr as unknown as SubPlanExpr).plan.id}`
  return JSON.stringify(expr, (name, value: unknown) => {
    if (name === 'location' || name === 'format') return undefined
    if (typeof value === 'bigint') return `n${value}`
    return isConst(value) ? [value.type, value.typmod, value.collation, datumKey(value.value)] : value
  })
}

// --- small constructors and tests -----------------------------------------------------------------------------------

export const BOOL = 16

export function makeVar(varno: number, attno: number, like: Pick<Expr, 'type' | 'typmod' | 'collation'>): Var {
  return { kind: 'Var', varno, attno, levelsUp: 0, type: like.type, typmod: like.typmod, collation: like.collation, location: -1 }
}

export function boolConst(value: boolean | null): Expr {
  return { kind: 'Const', value, type: BOOL, typmod: -1, collation: 0, location: -1 }
}

export function makeBool(op: 'and' | 'or' | 'not', args: readonly Expr[]): Expr {
  return { kind: 'BoolExpr', op, args, type: BOOL, typmod: -1, collation: 0, location: -1 }
}

/** The conjuncts of a condition. */
export function splitAnd(expr: Expr | null, into: Expr[] = []): Expr[] {
  if (expr === null) return into
  if (expr.kind === 'BoolExpr' && expr.op === 'and') for (const arg of expr.args) splitAnd(arg, into)
  else into.push(expr)
  return into
}

export function makeAnd(quals: readonly Expr[]): Expr | null {
  return quals.length === 0 ? null : quals.length === 1 ? quals[0]! : makeBool('and', quals)
}

/** Without casts that change nothing. */
export function stripRelabel(expr: Expr): Expr {
  let inner = expr
  while (inner.kind === 'RelabelType') inner = inner.arg
  return inner
}

export function targetEntry(expr: Expr, resno: number): TargetEntry {
  return { expr, resno, resname: null, ressortgroupref: 0, resorigtbl: 0, resorigcol: 0, resjunk: false }
}
