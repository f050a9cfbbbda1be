// MERGE: target and source joined by ON, and the actions for rows that match and rows that do not.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { type MergeStmt, type Node, nodeAs } from '../parser/nodes.ts'
import { updateTargets } from './assignments.ts'
import { assignListCollations } from './collate.ts'
import { errorAt, type Mutable, type NsItem, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import { transformCondition } from './expr-entry.ts'
import { transformFrom } from './from.ts'
import { insertColumns, insertRow, OVERRIDES } from './insert.ts'
import type { MergeAction, Query } from './query.ts'
import { baseQuery, fromExpr } from './query-parts.ts'
import { permissionOf } from './relation.ts'
import { transformReturning } from './returning.ts'
import { expandExpressionList } from './target.ts'
import { setTarget } from './target-relation.ts'

const MATCH_KINDS: Readonly<Record<string, MergeAction['matchKind']>> = {
  MERGE_WHEN_MATCHED: 'matched',
  MERGE_WHEN_NOT_MATCHED_BY_SOURCE: 'not matched by source',
  MERGE_WHEN_NOT_MATCHED_BY_TARGET: 'not matched by target',
}

export function analyzeMerge(state: ParseState, stmt: MergeStmt): Query {
  if (stmt.withClause?.recursive === true) {
    throw errorAt(state, SQLSTATE.syntaxError, 'WITH RECURSIVE is not supported for MERGE statement', undefined)
  }
  if (stmt.withClause !== undefined) transformWith(state, stmt.withClause)
  const clauses = (stmt.mergeWhenClauses ?? []).map((node) => nodeAs(node, 'MergeWhenClause')!)
  const final = new Set<string>()
  const privileges = new Set<'insert' | 'update' | 'delete'>()
  for (const clause of clauses) {
    const kind = clause.matchKind ?? 'MERGE_WHEN_MATCHED'
    if (final.has(kind)) {
      throw errorAt(state, SQLSTATE.syntaxError, 'unreachable WHEN clause specified after unconditional WHEN clause', undefined)
    }
    if (clause.condition === undefined) final.add(kind)
    if (clause.commandType === 'CMD_INSERT') privileges.add('insert')
    if (clause.commandType === 'CMD_UPDATE') privileges.add('update')
    if (clause.commandType === 'CMD_DELETE') privileges.add('delete')
  }
  const { item, relation } = setTarget(state, stmt.relation!, true, [...privileges])
  // who changes nothing reads nevertheless which rows there are
  if (privileges.size === 0) permissionOf(state, item.rtindex)!.requiredSelect = true
  state.namespace = []
  transformFrom(state, [stmt.sourceRelation!])
  const source = state.namespace
  if (source.some((entry) => entry.relVisible && entry.refname === item.refname)) {
    throw errorAt(state, SQLSTATE.duplicateAlias, `name "${item.refname}" specified more than once`, undefined, {
      detail: 'The name is used both as MERGE target table and data source.',
    })
  }
  const both: NsItem[] = [item, ...source]
  state.namespace = both
  const mergeJoinCondition = transformCondition(state, stmt.joinCondition!, 'join on', 'JOIN/ON')
  const actions: MergeAction[] = []
  for (const clause of clauses) {
    const matchKind = MATCH_KINDS[clause.matchKind ?? 'MERGE_WHEN_MATCHED']!
    state.namespace = matchKind === 'matched' ? both : matchKind === 'not matched by source' ? [item] : source
    const qual = clause.condition === undefined ? null : transformCondition(state, clause.condition, 'merge when', 'WHEN')
    const action: Mutable<MergeAction> = {
      matchKind,
      command: 'nothing',
      override: OVERRIDES[clause.override ?? ''] ?? 'none',
      qual,
      targetList: [],
    }
    if (clause.commandType === 'CMD_INSERT') {
      action.command = 'insert'
      const named = clause.targetList !== undefined
      const columns = insertColumns(state, relation, clause.targetList ?? [])
      if (clause.values !== undefined) {
        const saved = state.kind
        state.kind = 'values single'
        const exprs = expandExpressionList(state, clause.values as Node[], true)
        state.kind = saved
        action.targetList = insertRow(state, exprs, columns, named)
      }
      const permission = permissionOf(state, item.rtindex)
      for (const entry of action.targetList) permission?.insertedColumns.add(entry.resno)
    } else if (clause.commandType === 'CMD_UPDATE') {
      action.command = 'update'
      action.targetList = updateTargets(state, clause.targetList ?? [], relation)
    } else if (clause.commandType === 'CMD_DELETE') action.command = 'delete'
    assignListCollations(state, action.targetList)
    actions.push(action)
  }
  // RETURNING * gives the source's columns first.
  state.namespace = [...source, item]
  const returningList = stmt.returningClause === undefined ? [] : transformReturning(state, stmt.returningClause, 'merge returning')
  return {
    ...baseQuery(state, fromExpr(state, null)),
    commandType: 'merge',
    resultRelation: item.rtindex,
    mergeActions: actions,
    mergeJoinCondition,
    returningList,
  }
}
