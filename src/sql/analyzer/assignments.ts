// SET: one target entry per column, partial assignments to the same column chained.

import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type Node, nodeAs } from '../parser/nodes.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { transform } from './expr-entry.ts'
import { targetEntry } from './make.ts'
import { permissionOf, SYSTEM_COLUMNS } from './relation.ts'
import { assignTo } from './target.ts'
import { mapChildren } from './walker.ts'

const isPartial = (expr: Expr): boolean => expr.kind === 'FieldStore' || (expr.kind === 'SubscriptingRef' && expr.assign !== null)

/** What a partial assignment changes. */
function containerOf(expr: Expr): Expr {
  return isPartial(expr) ? containerOf((expr as Expr & { kind: 'FieldStore' | 'SubscriptingRef' }).arg) : expr
}

/**
 * Two partial assignments to one column (a[1] = …, a[2] = …): the second works on the result of the first. A domain is checked once, at the end.
 * Null if one of them assigns the whole column.
 */
export function chainAssignments(first: Expr, second: Expr): Expr | null {
  if (first.kind === 'CoerceToDomain' && second.kind === 'CoerceToDomain') {
    const arg = chainAssignments(first.arg, second.arg)
    return arg === null ? null : { ...second, arg }
  }
  if (!isPartial(first) || !isPartial(second)) return null
  // Deeper steps (f.a[1] = …) fetch what they change from the same container.
  const container = containerOf(second)
  const put = (expr: Expr): Expr => (expr === container ? first : mapChildren(expr, put))
  return put(second)
}

/** The assignments of SET, one entry per column; partial ones to the same column are chained. */
export function updateTargets(state: ParseState, list: readonly Node[], relation: RelationInfo): Mutable<TargetEntry>[] {
  const saved = state.kind
  const savedMulti = state.multiAssign
  state.multiAssign = []
  const raw: { name: string; indirection: readonly Node[]; location: number; expr: Expr }[] = []
  state.kind = 'update source'
  for (const node of list) {
    const target = nodeAs(node, 'ResTarget')!
    const byDefault = nodeAs(target.val, 'SetToDefault')
    const expr: Expr =
      byDefault === undefined
        ? transform(state, target.val!)
        : { kind: 'SetToDefault', type: T.unknown, typmod: -1, collation: 0, location: byDefault.location ?? 0 }
    raw.push({ name: target.name!, indirection: target.indirection ?? [], location: target.location ?? 0, expr })
  }
  state.kind = 'update target'
  const permission = permissionOf(state, state.targetItem!.rtindex)
  const entries: Mutable<TargetEntry>[] = []
  for (const { name, indirection, location, expr } of raw) {
    const column = relation.columns.find((c) => c.name === name && !c.dropped)
    if (column === undefined) {
      if (Object.hasOwn(SYSTEM_COLUMNS, name)) {
        throw errorAt(state, SQLSTATE.featureNotSupported, `cannot assign to system column "${name}"`, location)
      }
      const alias = nodeAs(indirection[0], 'String') !== undefined && state.targetItem!.refname === name
      throw errorAt(
        state,
        SQLSTATE.undefinedColumn,
        `column "${name}" of relation "${relation.name}" does not exist`,
        location,
        alias ? { hint: 'SET target columns cannot be qualified with the relation name.' } : {},
      )
    }
    permission?.updatedColumns.add(column.attnum)
    const value = assignTo(state, expr, column, indirection, 'update target', location)
    const earlier = entries.find((entry) => entry.resno === column.attnum)
    if (earlier === undefined) entries.push(targetEntry(value, column.attnum, column.name))
    else {
      const chained = chainAssignments(earlier.expr, value)
      if (chained === null) throw errorAt(state, SQLSTATE.syntaxError, `multiple assignments to same column "${name}"`, undefined)
      earlier.expr = chained
    }
  }
  // Values are computed in the columns' own order.
  entries.sort((a, b) => a.resno - b.resno)
  // The sub-selects of multi-column assignments ride along as junk entries, in the order of their numbers.
  for (const { expr } of state.multiAssign) {
    if (expr.kind === 'SubLink') entries.push(targetEntry(expr, relation.columns.length + 1 + entries.length, null, true))
  }
  state.multiAssign = savedMulti
  state.kind = saved
  return entries
}
