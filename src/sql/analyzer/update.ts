import type { DeleteStmt, Node, UpdateStmt } from '../parser/nodes.ts'
import { updateTargets } from './assignments.ts'
import { assignListCollations } from './collate.ts'
import type { ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import { transformCondition } from './expr-entry.ts'
import { transformFrom } from './from.ts'
import type { Query } from './query.ts'
import { baseQuery, fromExpr } from './query-parts.ts'
import { transformReturning } from './returning.ts'
import { setTarget } from './target-relation.ts'

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
