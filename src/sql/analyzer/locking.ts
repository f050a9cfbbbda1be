// SELECT … FOR UPDATE and its weaker forms: which range table entries they lock.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type LockingClause, nodeAs, type SelectStmt } from '../parser/nodes.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import type { LockStrength, LockWait, Query, RangeTblEntry, RowMark } from './query.ts'
import { lockName } from './query-parts.ts'
import { permissionOf } from './relation.ts'

const STRENGTHS: Readonly<Record<string, LockStrength>> = {
  LCS_FORKEYSHARE: 'key share',
  LCS_FORSHARE: 'share',
  LCS_FORNOKEYUPDATE: 'no key update',
  LCS_FORUPDATE: 'update',
}
const WAITS: Readonly<Record<string, LockWait>> = { LockWaitBlock: 'block', LockWaitSkip: 'skip', LockWaitError: 'nowait' }
const ORDER: readonly LockStrength[] = ['key share', 'share', 'no key update', 'update']
const WAIT_ORDER: readonly LockWait[] = ['block', 'skip', 'nowait']

export function transformLocking(state: ParseState, query: Mutable<Query>, select: SelectStmt): Query {
  if ((select.lockingClause?.length ?? 0) === 0) return query
  const marks = new Map<number, RowMark>()
  for (const node of select.lockingClause!) apply(state, query, nodeAs(node, 'LockingClause')!, marks)
  query.rowMarks = [...marks.values()].sort((a, b) => a.rti - b.rti)
  query.permissions = state.permissions.map((permission) => ({
    ...permission,
    selectedColumns: [...permission.selectedColumns],
    insertedColumns: [...permission.insertedColumns],
    updatedColumns: [...permission.updatedColumns],
  }))
  return query
}

/** Row locks need rows that can be told apart. */
export function checkLockable(query: Query, strength: LockStrength): void {
  const refuse = (what: string): never => {
    throw new PgError(SQLSTATE.featureNotSupported, `FOR ${strength.toUpperCase()} is not allowed with ${what}`)
  }
  if (query.setOperations !== null) refuse('UNION/INTERSECT/EXCEPT')
  if (query.distinctClause.length > 0) refuse('DISTINCT clause')
  if (query.groupClause.length > 0 || query.groupingSets.length > 0) refuse('GROUP BY clause')
  if (query.havingQual !== null) refuse('HAVING clause')
  if (query.hasAggs) refuse('aggregate functions')
  if (query.hasWindowFuncs) refuse('window functions')
  if (query.hasTargetSRFs) refuse('set-returning functions in the target list')
}

function apply(state: ParseState, query: Query, clause: LockingClause, marks: Map<number, RowMark>): void {
  const strength = STRENGTHS[clause.strength ?? 'LCS_FORUPDATE']!
  checkLockable(query, strength)
  const wait = WAITS[clause.waitPolicy ?? 'LockWaitBlock']!
  const mark = (rti: number): void => {
    const known = marks.get(rti)
    marks.set(rti, {
      rti,
      strength: known !== undefined && ORDER.indexOf(known.strength) > ORDER.indexOf(strength) ? known.strength : strength,
      wait: known !== undefined && WAIT_ORDER.indexOf(known.wait) > WAIT_ORDER.indexOf(wait) ? known.wait : wait,
      pushedDown: false,
    })
  }
  const lock = (rti: number): void => {
    const rte = state.rtable[rti - 1]!
    if (rte.kind === 'relation') {
      const permission = permissionOf(state, rti)
      if (permission !== null) {
        permission.requiredUpdate = true
        permission.rowMarked = true
      }
      mark(rti)
    } else if (rte.kind === 'subquery') {
      mark(rti)
      // A sub-select's rows are locked where they come from.
      state.rtable[rti - 1] = { ...rte, subquery: lockInside(rte.subquery, strength, wait, false) }
    }
  }
  const names = clause.lockedRels ?? []
  if (names.length === 0) {
    for (const [i, rte] of state.rtable.entries()) if (rte.inFromClause) lock(i + 1)
    return
  }
  for (const node of names) {
    const range = nodeAs(node, 'RangeVar')!
    const location = range.location ?? 0
    if (range.schemaname !== undefined) {
      throw errorAt(state, SQLSTATE.syntaxError, `${lockName(clause.strength)} must specify unqualified relation names`, location)
    }
    const index = state.rtable.findIndex(
      (rte, i) => rte.inFromClause && rte.refname === range.relname && (rte.kind !== 'join' || rte.hasAlias) && i >= 0,
    )
    const rte = state.rtable[index]
    if (rte === undefined) {
      throw errorAt(
        state,
        SQLSTATE.undefinedTable,
        `relation "${range.relname}" in ${lockName(clause.strength)} clause not found in FROM clause`,
        location,
      )
    }
    if (rte.kind !== 'relation' && rte.kind !== 'subquery') {
      const what = { join: 'a join', function: 'a function', values: 'VALUES', cte: 'a WITH query', result: 'a result' }[rte.kind]
      throw errorAt(state, SQLSTATE.featureNotSupported, `${lockName(clause.strength)} cannot be applied to ${what}`, location)
    }
    lock(index + 1)
  }
}

/**
 * The query of a sub-select or view whose rows are to be locked: they are locked in the relations they come from. A view that has none (a
 * UNION) locks nothing, where the sub-select is refused: PostgreSQL looks at that one while it reads the clause, at views only when it plans.
 */
export function lockInside(query: Query, strength: LockStrength, wait: LockWait, inView: boolean): Query {
  if (!inView || query.rtable.some((rte) => rte.inFromClause && (rte.kind === 'relation' || rte.kind === 'subquery')))
    checkLockable(query, strength)
  const rowMarks = [...query.rowMarks]
  const permissions = [...query.permissions]
  const rtable = query.rtable.map((rte, i): RangeTblEntry => {
    if (!rte.inFromClause) return rte
    if (rte.kind !== 'relation' && rte.kind !== 'subquery') return rte
    if (!rowMarks.some((mark) => mark.rti === i + 1)) rowMarks.push({ rti: i + 1, strength, wait, pushedDown: true })
    if (rte.kind === 'subquery') return { ...rte, subquery: lockInside(rte.subquery, strength, wait, inView) }
    if (rte.permission >= 0) permissions[rte.permission] = { ...permissions[rte.permission]!, requiredUpdate: true, rowMarked: true }
    return rte
  })
  return { ...query, rtable, permissions, rowMarks }
}
