// Aggregates and window functions: to which query level a call belongs, where it may stand, and the rule of GROUP BY.

import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { WindowDef } from '../parser/nodes.ts'
import { type ExprKind, errorAt, type Mutable, type ParseState } from './context.ts'
import type { Aggref, Expr, GroupingFunc, SortGroupClause, TargetEntry, WindowFunc } from './expr.ts'
import { kindName, placeName } from './expr-kind.ts'
import { exprListLocation, exprLocation } from './location.ts'
import type { GroupingSet, Query, RangeTblEntry } from './query.ts'
import { levelState, systemColumnName } from './relation.ts'
import { equalExpr, forEachChild, forEachQueryExpr } from './walker.ts'

// --- which level

interface Levels {
  minVar: number
  minAgg: number
}

/** Lowest levels of Vars and aggregates in the arguments, counted from the call's own query. */
function scanLevels(state: ParseState, args: readonly Expr[]): Levels {
  const levels: Levels = { minVar: -1, minAgg: -1 }
  const note = (key: keyof Levels, level: number): void => {
    if (level >= 0 && (levels[key] < 0 || level < levels[key])) levels[key] = level
  }
  const walk = (expr: Expr, depth: number): void => {
    if (expr.kind === 'Var') note('minVar', expr.levelsUp - depth)
    else if (expr.kind === 'Aggref' || expr.kind === 'GroupingFunc') note('minAgg', expr.levelsUp - depth)
    else if (expr.kind === 'SubLink') {
      if (expr.testExpr !== null) walk(expr.testExpr, depth)
      walkQuery(expr.subselect, depth + 1)
      return
    } else if (depth === 0) {
      if ((expr.kind === 'FuncExpr' || expr.kind === 'OpExpr') && expr.retset) {
        throw errorAt(
          state,
          SQLSTATE.featureNotSupported,
          'aggregate function calls cannot contain set-returning function calls',
          exprLocation(expr),
          { hint: 'You might be able to move the set-returning function into a LATERAL FROM item.' },
        )
      }
      if (expr.kind === 'WindowFunc') {
        throw errorAt(state, SQLSTATE.groupingError, 'aggregate function calls cannot contain window function calls', expr.location)
      }
    }
    forEachChild(expr, (child) => walk(child, depth))
  }
  const walkQuery = (query: Query, depth: number): void => {
    forEachQueryExpr(query, (expr) => walk(expr, depth))
    for (const rte of query.rtable) if (rte.kind === 'subquery') walkQuery(rte.subquery, depth + 1)
    for (const cte of query.cteList) walkQuery(cte.query, depth + 1)
  }
  for (const arg of args) walk(arg, 0)
  return levels
}

function locate(args: readonly Expr[], test: (expr: Expr) => boolean): number {
  let found = -1
  const walk = (expr: Expr): void => {
    if (found >= 0) return
    if (test(expr)) found = expr.location
    else forEachChild(expr, walk)
  }
  args.forEach(walk)
  return found
}

/** The level an aggregate over these arguments belongs to; refuses it where that level does not allow one. */
export function aggregateLevel(
  state: ParseState,
  args: readonly Expr[],
  directArgs: readonly Expr[],
  filter: Expr | null,
  location: number,
  grouping = false,
): number {
  const all = filter === null ? args : [...args, filter]
  const levels = scanLevels(state, all)
  let level = levels.minVar < 0 ? levels.minAgg : levels.minAgg < 0 ? levels.minVar : Math.min(levels.minVar, levels.minAgg)
  if (level < 0) level = 0
  if (levels.minAgg === level && levels.minAgg >= 0) {
    const where = locate(all, (expr) => expr.kind === 'Aggref' || expr.kind === 'GroupingFunc')
    throw errorAt(state, SQLSTATE.groupingError, 'aggregate function calls cannot be nested', where)
  }
  if (directArgs.length > 0) {
    const direct = scanLevels(state, directArgs)
    if (direct.minVar >= 0 && direct.minVar < level) {
      throw errorAt(
        state,
        SQLSTATE.groupingError,
        'outer-level aggregate cannot contain a lower-level variable in its direct arguments',
        exprListLocation(directArgs),
      )
    }
    if (direct.minAgg >= 0 && direct.minAgg <= level) {
      throw errorAt(state, SQLSTATE.groupingError, 'aggregate function calls cannot be nested', exprListLocation(directArgs))
    }
  }
  const owner = levelState(state, level)
  owner.hasAggs = true
  checkAggregatePlace(state, owner.kind, location, grouping)
  return level
}

const AGG_ALLOWED: ReadonlySet<ExprKind> = new Set([
  'other',
  'having',
  'window partition',
  'window order',
  'select target',
  'order by',
  'distinct on',
])

function checkAggregatePlace(state: ParseState, kind: ExprKind, location: number, grouping: boolean): void {
  if (AGG_ALLOWED.has(kind)) return
  const what = grouping ? 'grouping operations' : 'aggregate functions'
  const code = SQLSTATE.groupingError
  if (kind === 'none') throw errorAt(state, code, `${what} are not allowed here`, location)
  if (kind === 'from subselect') {
    throw errorAt(state, code, `${what} are not allowed in FROM clause of their own query level`, location)
  }
  if (kind === 'window frame range' || kind === 'window frame rows' || kind === 'window frame groups') {
    throw errorAt(state, code, `${what} are not allowed in ${kindName(kind)}`, location)
  }
  throw errorAt(state, code, `${what} are not allowed in ${placeName(kind)}`, location)
}

// --- window functions

const WINDOW_ALLOWED: ReadonlySet<ExprKind> = new Set(['other', 'select target', 'order by', 'distinct on'])

/** Finds or makes the window of `OVER …`; answers its winRef. */
export function windowReference(state: ParseState, args: readonly Expr[], over: WindowDef, location: number): number {
  const inner = locate(args, (expr) => expr.kind === 'WindowFunc')
  if (inner >= 0 || args.some((arg) => hasWindow(arg))) {
    throw errorAt(state, SQLSTATE.windowingError, 'window function calls cannot be nested', inner)
  }
  const { kind } = state
  if (!WINDOW_ALLOWED.has(kind)) {
    if (kind === 'none') throw errorAt(state, SQLSTATE.windowingError, 'window functions are not allowed here', location)
    throw errorAt(state, SQLSTATE.windowingError, `window functions are not allowed in ${placeName(kind)}`, location)
  }
  state.hasWindowFuncs = true
  if (over.name !== undefined) {
    const index = state.windowDefs.findIndex((window) => window.name === over.name)
    if (index < 0) throw errorAt(state, SQLSTATE.undefinedObject, `window "${over.name}" does not exist`, over.location ?? 0)
    return index + 1
  }
  for (const [i, known] of state.windowDefs.entries()) {
    if (
      known.refname === over.refname &&
      sameRaw(known.partitionClause, over.partitionClause) &&
      sameRaw(known.orderClause, over.orderClause) &&
      known.frameOptions === over.frameOptions &&
      sameRaw(known.startOffset, over.startOffset) &&
      sameRaw(known.endOffset, over.endOffset)
    ) {
      return i + 1
    }
  }
  state.windowDefs.push(over)
  return state.windowDefs.length
}

function hasWindow(expr: Expr): boolean {
  if (expr.kind === 'WindowFunc') return true
  let found = false
  forEachChild(expr, (child) => {
    found ||= hasWindow(child)
  })
  return found
}

/** Equality of raw trees, locations aside. */
export function sameRaw(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const x = a as Record<string, unknown>
  const y = b as Record<string, unknown>
  const keys = new Set([...Object.keys(x), ...Object.keys(y)])
  for (const key of keys) {
    if (key === 'location' || key.startsWith('rexpr_list') || key === 'list_start' || key === 'list_end') continue
    if (!sameRaw(x[key], y[key])) return false
  }
  return true
}

export function hasAggregate(expr: Expr): boolean {
  if (expr.kind === 'Aggref' && expr.levelsUp === 0) return true
  let found = false
  forEachChild(expr, (child) => {
    found ||= hasAggregate(child)
  })
  return found
}

// --- GROUP BY

/** Every combination of columns that the grouping sets group by. */
export function expandGroupingSets(sets: readonly GroupingSet[]): number[][] {
  const one = (set: GroupingSet): number[][] => {
    switch (set.kind) {
      case 'empty':
        return [[]]
      case 'simple':
        return [[...set.refs]]
      case 'rollup': {
        const parts = set.content.map((part) => (part.kind === 'simple' ? part.refs : []))
        return Array.from({ length: parts.length + 1 }, (_, i) => parts.slice(0, parts.length - i).flat())
      }
      case 'cube': {
        const parts = set.content.map((part) => (part.kind === 'simple' ? part.refs : []))
        return Array.from({ length: 2 ** parts.length }, (_, bits) =>
          parts.filter((_part, i) => ((2 ** parts.length - 1 - bits) >> (parts.length - 1 - i)) & 1).flat(),
        )
      }
      default:
        return set.content.flatMap(one)
    }
  }
  let result: number[][] = [[]]
  for (const set of sets) {
    const next = one(set)
    result = result.flatMap((left) => next.map((right) => [...new Set([...left, ...right])]))
  }
  return result
}

export interface GroupCheck {
  readonly targetList: readonly TargetEntry[]
  readonly havingQual: Expr | null
  readonly groupClause: readonly SortGroupClause[]
  readonly groupingSets: readonly GroupingSet[]
  readonly windowOffsets: readonly Expr[]
}

/** Every column outside aggregates must be grouped by, or depend on a primary key that is (42803). Answers those primary keys. */
export function checkGrouping(state: ParseState, check: GroupCheck): readonly Oid[] {
  const { targetList, groupClause } = check
  const groups = groupClause.map((clause) => targetList.find((entry) => entry.ressortgroupref === clause.tleSortGroupRef)!)
  let keyGroups = groups
  if (check.groupingSets.length > 0) {
    const sets = expandGroupingSets(check.groupingSets)
    keyGroups = groups.filter((entry) => sets.every((set) => set.includes(entry.ressortgroupref)))
  }
  const simple = groups.map((entry) => entry.expr)
  const keyVars = keyGroups.map((entry) => entry.expr).filter((expr) => expr.kind === 'Var')
  const dependent = new Set<number>()
  const primaryKeys = new Set<Oid>()

  const functionallyDependent = (varno: number): boolean => {
    if (dependent.has(varno)) return true
    const table = state.relations[varno - 1]?.descriptor?.table
    if (table === null || table === undefined || table.primaryKey === 0) return false
    const key = table.indexes.find((index) => index.oid === table.primaryKey)
    if (key === undefined) return false
    const covered = key.columns.every((column) => keyVars.some((v) => v.varno === varno && v.attno === column.attnum && v.levelsUp === 0))
    if (covered) {
      dependent.add(varno)
      const constraint = table.constraints.find((other) => other.type === 'p')
      if (constraint !== undefined) primaryKeys.add(constraint.oid)
    }
    return covered
  }
  const columnName = (rte: RangeTblEntry, attno: number): string => rte.colNames[attno - 1] ?? '?column?'

  const walk = (expr: Expr, depth: number): void => {
    if (expr.kind === 'Const' || expr.kind === 'Param') return
    if (expr.kind === 'Aggref') {
      if (expr.levelsUp === depth) {
        for (const arg of expr.directArgs) walk(arg, depth)
        return
      }
      if (expr.levelsUp > depth) return
    }
    if (expr.kind === 'GroupingFunc') {
      if (expr.levelsUp === depth) bindGrouping(state, expr, groups, depth)
      if (expr.levelsUp >= depth) return
    }
    if (simple.some((group) => sameAtDepth(group, expr, depth))) return
    if (expr.kind === 'Var') {
      if (expr.levelsUp !== depth) return
      if (functionallyDependent(expr.varno)) return
      const rte = state.rtable[expr.varno - 1]!
      const name = expr.attno === 0 ? '*' : expr.attno < 0 ? (systemColumnName(expr.attno) ?? '?column?') : columnName(rte, expr.attno)
      if (depth === 0) {
        throw errorAt(
          state,
          SQLSTATE.groupingError,
          `column "${rte.refname}.${name}" must appear in the GROUP BY clause or be used in an aggregate function`,
          expr.location,
        )
      }
      throw errorAt(
        state,
        SQLSTATE.groupingError,
        `subquery uses ungrouped column "${rte.refname}.${name}" from outer query`,
        expr.location,
      )
    }
    forEachChild(expr, (child) => walk(child, depth))
    if (expr.kind === 'SubLink') walkQuery(expr.subselect, depth + 1)
  }
  const walkQuery = (query: Query, depth: number): void => {
    forEachQueryExpr(query, (expr) => walk(expr, depth))
    for (const rte of query.rtable) if (rte.kind === 'subquery') walkQuery(rte.subquery, depth + 1)
    for (const cte of query.cteList) walkQuery(cte.query, depth + 1)
  }
  for (const entry of targetList) walk(entry.expr, 0)
  if (check.havingQual !== null) walk(check.havingQual, 0)
  for (const offset of check.windowOffsets) walk(offset, 0)
  return [...primaryKeys]
}

/** A grouping expression met `depth` queries deeper: its Vars are then that many levels up. */
function sameAtDepth(group: Expr, expr: Expr, depth: number): boolean {
  if (group.kind !== expr.kind) return false
  if (group.kind === 'Var' && expr.kind === 'Var') {
    return group.varno === expr.varno && group.attno === expr.attno && expr.levelsUp === group.levelsUp + depth
  }
  return depth === 0 && equalExpr(group, expr)
}

function bindGrouping(state: ParseState, expr: GroupingFunc, groups: readonly TargetEntry[], depth: number): void {
  const refs = expr.args.map((arg) => {
    const group = groups.find((entry) => sameAtDepth(entry.expr, arg, depth))
    if (group === undefined) {
      throw errorAt(
        state,
        SQLSTATE.groupingError,
        'arguments to GROUPING must be grouping expressions of the associated query level',
        exprLocation(arg),
      )
    }
    return group.ressortgroupref
  })
  ;(expr as Mutable<GroupingFunc>).refs = refs
}

/** Aggregates or window functions anywhere directly in these expressions. */
export function containsCall(exprs: readonly Expr[], kind: (Aggref | WindowFunc)['kind']): boolean {
  return locate(exprs, (expr) => expr.kind === kind) >= 0 || exprs.some((expr) => expr.kind === kind)
}

export function refuseRecursiveAggregates(state: ParseState, query: Query): void {
  let found = -1
  forEachQueryExpr(query, (expr) => {
    if (found < 0) found = locate([expr], (node) => node.kind === 'Aggref')
  })
  if (found >= 0) {
    throw errorAt(state, SQLSTATE.invalidRecursion, "aggregate functions are not allowed in a recursive query's recursive term", found)
  }
}
