// What all kinds of queries share: the Query made from a finished state, VALUES lists, names of lock strengths.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Node, nodeAs, type SelectStmt } from '../parser/nodes.ts'
import { type ExprKind, errorAt, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'
import { exprListLocation } from './location.ts'
import { type FromExpr, NO_CLAUSES, type Query } from './query.ts'
import { expandExpressionList } from './target.ts'
import { eachOf } from './traces.ts'

/** The parts every kind of query has, from the state. */
export function baseQuery(state: ParseState, from: FromExpr): Query {
  return {
    commandType: 'select',
    rtable: state.rtable,
    permissions: state.permissions.map((permission) => ({
      ...permission,
      selectedColumns: [...permission.selectedColumns],
      insertedColumns: [...permission.insertedColumns],
      updatedColumns: [...permission.updatedColumns],
    })),
    jointree: from,
    resultRelation: 0,
    targetList: [],
    override: 'none',
    onConflict: null,
    mergeActions: [],
    mergeJoinCondition: null,
    returningList: [],
    returningOld: state.returningOld,
    returningNew: state.returningNew,
    cteList: state.ctes.map(({ name, materialized, query, recursive, refcount, columns }) => ({
      name,
      materialized,
      query,
      recursive,
      refcount,
      columns,
    })),
    hasRecursive: state.hasRecursive,
    hasModifyingCte: state.hasModifyingCte,
    hasAggs: state.hasAggs,
    hasWindowFuncs: state.hasWindowFuncs,
    hasTargetSRFs: state.hasTargetSRFs,
    hasSubLinks: state.hasSubLinks,
    ...NO_CLAUSES,
    rowMarks: [],
    setOperations: null,
    withCheckOptions: [],
  }
}

export const fromExpr = (state: ParseState, quals: Expr | null): FromExpr => ({ kind: 'FromExpr', fromlist: state.joinlist, quals })

export function limitOptionOf(select: SelectStmt): Query['limitOption'] {
  return select.limitOption === 'LIMIT_OPTION_WITH_TIES' ? 'with ties' : 'count'
}

export function lockedNamesOf(select: SelectStmt): readonly string[] | null {
  if ((select.lockingClause?.length ?? 0) === 0) return null
  const names: string[] = []
  for (const clause of select.lockingClause!) {
    const rels = nodeAs(clause, 'LockingClause')?.lockedRels ?? []
    if (rels.length === 0) return []
    for (const rel of rels) names.push(nodeAs(rel, 'RangeVar')?.relname ?? '')
  }
  return names
}

/** The rows of VALUES as lists of expressions of equal length (42601 otherwise). */
export function valuesLists(state: ParseState, lists: readonly Node[], kind: ExprKind, allowDefault: boolean): Expr[][] {
  const saved = state.kind
  state.kind = kind
  const rows = eachOf(state, lists, (item) => expandExpressionList(state, nodeAs(item, 'List')!.items ?? [], allowDefault))
  state.kind = saved
  const width = rows[0]!.length
  for (const row of rows) {
    if (row.length !== width) {
      throw errorAt(state, SQLSTATE.syntaxError, 'VALUES lists must all be the same length', exprListLocation(row))
    }
  }
  return rows
}

export function lockName(strength: string | undefined): string {
  return (
    { LCS_FORKEYSHARE: 'FOR KEY SHARE', LCS_FORSHARE: 'FOR SHARE', LCS_FORNOKEYUPDATE: 'FOR NO KEY UPDATE', LCS_FORUPDATE: 'FOR UPDATE' }[
      strength ?? ''
    ] ?? 'FOR UPDATE'
  )
}
