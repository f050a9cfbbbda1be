// UPDATE and DELETE.

import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type DeleteStmt, type Node, nodeAs, type UpdateStmt } from '../parser/nodes.ts'
import { assignListCollations } from './collate.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { transformFrom } from './from.ts'
import { chainAssignments } from './insert.ts'
import { targetEntry } from './make.ts'
import { setTarget } from './modify.ts'
import type { Query } from './query.ts'
import { permissionOf, SYSTEM_COLUMNS } from './relation.ts'
import { transformReturning } from './returning.ts'
import { baseQuery, fromExpr } from './select.ts'
import { assignTo } from './target.ts'
import { transform, transformCondition } from './transform-expr.ts'

export function analyzeUpdate(state: ParseState, stmt: UpdateStmt): Query {
  if (stmt.withClause !== undefined) transformWith(state, stmt.withClause)
  const { item, relation } = setTarget(state, stmt.relation!, true, ['update'])
  state.namespace = [item]
  // The target may not be referred to laterally from FROM.
  item.lateralOnly = true
  item.lateralOk = false
  transformSources(state, stmt.fromClause ?? [])
  item.lateralOnly = false
  item.lateralOk = true
  const entries = updateTargets(state, stmt.targetList ?? [], relation)
  const where = stmt.whereClause === undefined ? null : transformCondition(state, stmt.whereClause, 'where', 'WHERE')
  const returningList = stmt.returningClause === undefined ? [] : transformReturning(state, stmt.returningClause, 'returning')
  assignListCollations(state, entries)
  state.joinlist.unshift({ kind: 'RangeTblRef', rtindex: item.rtindex })
  return {
    ...baseQuery(state, fromExpr(state, where)),
    commandType: 'update',
    resultRelation: item.rtindex,
    targetList: entries,
    returningList,
  }
}

/** FROM or USING beside the target: names may not collide with it. */
function transformSources(state: ParseState, list: readonly Node[]): void {
  const [target] = state.namespace
  transformFrom(state, list)
  target!.lateralOnly = false
}

export function analyzeDelete(state: ParseState, stmt: DeleteStmt): Query {
  if (stmt.withClause !== undefined) transformWith(state, stmt.withClause)
  const { item } = setTarget(state, stmt.relation!, true, ['delete'])
  state.namespace = [item]
  item.lateralOnly = true
  item.lateralOk = false
  transformSources(state, stmt.usingClause ?? [])
  item.lateralOnly = false
  item.lateralOk = true
  const where = stmt.whereClause === undefined ? null : transformCondition(state, stmt.whereClause, 'where', 'WHERE')
  const returningList = stmt.returningClause === undefined ? [] : transformReturning(state, stmt.returningClause, 'returning')
  state.joinlist.unshift({ kind: 'RangeTblRef', rtindex: item.rtindex })
  return { ...baseQuery(state, fromExpr(state, where)), commandType: 'delete', resultRelation: item.rtindex, returningList }
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
      const partial = (e: Expr): boolean =>
        e.kind === 'FieldStore' || (e.kind === 'SubscriptingRef' && e.assign !== null) || e.kind === 'CoerceToDomain'
      if (!partial(value) || !partial(earlier.expr)) {
        throw errorAt(state, SQLSTATE.syntaxError, `multiple assignments to same column "${name}"`, undefined)
      }
      earlier.expr = chainAssignments(earlier.expr, value)
    }
  }
  // The sub-selects of multi-column assignments ride along as junk entries, in the order of their numbers.
  for (const { expr } of state.multiAssign) {
    if (expr.kind === 'SubLink') entries.push(targetEntry(expr, relation.columns.length + 1 + entries.length, null, true))
  }
  state.multiAssign = savedMulti
  state.kind = saved
  return entries
}
