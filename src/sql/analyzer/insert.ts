// INSERT in all its forms.

import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationColumn, RelationInfo } from '../../catalog/snapshot.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type InsertStmt, type Node, nodeAs, type SelectStmt } from '../parser/nodes.ts'
import { chainAssignments } from './assignments.ts'
import { assignCollations, assignListCollations } from './collate.ts'
import { errorAt, type Mutable, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { exprLocation } from './location.ts'
import { makeVar, targetEntry } from './make.ts'
import { transformOnConflict } from './on-conflict.ts'
import type { OnConflict, Query } from './query.ts'
import { baseQuery, fromExpr, valuesLists } from './query-parts.ts'
import { addSubquery, addValues, columnVar } from './relation.ts'
import { transformReturning } from './returning.ts'
import { analyzeSubquery } from './subquery.ts'
import { assignTo, expandExpressionList } from './target.ts'
import { setTarget } from './target-relation.ts'
import { eachOf } from './traces.ts'

interface InsertColumn {
  readonly column: RelationColumn
  readonly indirection: readonly Node[]
  readonly location: number
}

export const OVERRIDES: Readonly<Record<string, Query['override']>> = {
  OVERRIDING_NOT_SET: 'none',
  OVERRIDING_USER_VALUE: 'user',
  OVERRIDING_SYSTEM_VALUE: 'system',
}

export function analyzeInsert(state: ParseState, stmt: InsertStmt): Query {
  if (stmt.withClause !== undefined) transformWith(state, stmt.withClause)
  const conflict = stmt.onConflictClause
  const { item, relation } = setTarget(
    state,
    stmt.relation!,
    false,
    conflict?.action === 'ONCONFLICT_UPDATE' ? ['insert', 'update'] : ['insert'],
  )
  const columns = insertColumns(state, relation, stmt.cols ?? [])
  const named = stmt.cols !== undefined
  const select = nodeAs(stmt.selectStmt, 'SelectStmt')
  let entries: Mutable<TargetEntry>[]
  if (select === undefined) entries = []
  else if (select.valuesLists === undefined || isWrapped(select)) entries = fromSelect(state, select, columns, named)
  else if (select.valuesLists.length > 1) entries = fromValues(state, select, columns, named)
  else entries = fromRow(state, select, columns, named)

  const permission = state.permissions[(item.rte as { permission: number }).permission]!
  for (const { column } of columns.slice(0, named ? columns.length : Math.max(entries.length, 0)))
    permission.insertedColumns.add(column.attnum)
  assignListCollations(state, entries)

  let onConflict: OnConflict | null = null
  if (conflict !== undefined) onConflict = transformOnConflict(state, conflict, relation)
  let returningList: TargetEntry[] = []
  if (stmt.returningClause !== undefined) {
    item.relVisible = true
    item.colsVisible = true
    state.namespace = [item]
    returningList = transformReturning(state, stmt.returningClause, 'returning')
  }
  return {
    ...baseQuery(state, fromExpr(state, null)),
    commandType: 'insert',
    resultRelation: item.rtindex,
    targetList: entries,
    override: OVERRIDES[stmt.override ?? ''] ?? 'none',
    onConflict,
    returningList,
  }
}

/** VALUES with ORDER BY, LIMIT … or WITH is an ordinary query. */
function isWrapped(select: SelectStmt): boolean {
  return (
    select.sortClause !== undefined ||
    select.limitOffset !== undefined ||
    select.limitCount !== undefined ||
    select.lockingClause !== undefined ||
    select.withClause !== undefined
  )
}

export function insertColumns(state: ParseState, relation: RelationInfo, cols: readonly Node[]): InsertColumn[] {
  if (cols.length === 0) {
    return relation.columns.filter((column) => !column.dropped).map((column) => ({ column, indirection: [], location: -1 }))
  }
  const whole = new Set<string>()
  const partial = new Set<string>()
  return cols.map((node) => {
    const target = nodeAs(node, 'ResTarget')!
    const name = target.name!
    const location = target.location ?? 0
    const column = relation.columns.find((c) => c.name === name && !c.dropped)
    if (column === undefined) {
      throw errorAt(state, SQLSTATE.undefinedColumn, `column "${name}" of relation "${relation.name}" does not exist`, location)
    }
    const indirection = target.indirection ?? []
    if (whole.has(name) || (indirection.length === 0 && partial.has(name))) {
      throw errorAt(state, SQLSTATE.duplicateColumn, `column "${name}" specified more than once`, location)
    }
    ;(indirection.length === 0 ? whole : partial).add(name)
    return { column, indirection, location }
  })
}

/** As many expressions as columns, or fewer where no columns were named. */
function checkWidth(state: ParseState, exprs: readonly Expr[], columns: readonly InsertColumn[], named: boolean): void {
  if (exprs.length > columns.length) {
    throw errorAt(state, SQLSTATE.syntaxError, 'INSERT has more expressions than target columns', exprLocation(exprs[columns.length]!))
  }
  if (named && exprs.length < columns.length) {
    const [only] = exprs
    const rowLike = exprs.length === 1 && only!.kind === 'RowExpr' && only!.args.length === columns.length
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      'INSERT has more target columns than expressions',
      columns[exprs.length]!.location,
      rowLike
        ? {
            hint: 'The insertion source is a row expression containing the same number of columns expected by the INSERT. Did you accidentally use extra parentheses?',
          }
        : {},
    )
  }
}

/** transformInsertRow: as many expressions as columns, each fit for its column. */
export function insertRow(
  state: ParseState,
  exprs: readonly Expr[],
  columns: readonly InsertColumn[],
  named: boolean,
): Mutable<TargetEntry>[] {
  checkWidth(state, exprs, columns, named)
  const entries: Mutable<TargetEntry>[] = []
  for (const [i, expr] of exprs.entries()) {
    const { column, indirection, location } = columns[i]!
    const value = assignTo(state, expr, column, indirection, 'insert target', location)
    const earlier = indirection.length > 0 ? entries.find((entry) => entry.resno === column.attnum) : undefined
    if (earlier !== undefined)
      earlier.expr = chainAssignments(earlier.expr, value)! // insertColumns refuses a column named whole and in part
    else entries.push(targetEntry(value, column.attnum, column.name))
  }
  return entries
}

function fromSelect(state: ParseState, select: SelectStmt, columns: readonly InsertColumn[], named: boolean): Mutable<TargetEntry>[] {
  // The target is not visible in its source.
  const query = analyzeSubquery(state, { SelectStmt: select }, { kind: 'other', resolveUnknowns: false })
  const item = addSubquery(state, query, { aliasname: '*SELECT*' }, false, false)
  state.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex })
  const exprs = query.targetList
    .filter((entry) => !entry.resjunk)
    .map((entry): Expr => {
      const { expr } = entry
      // Literals and parameters of unknown type take the column's.
      if (expr.type === T.unknown && (expr.kind === 'Const' || expr.kind === 'Param')) return expr
      return makeVar(item.rtindex, entry.resno, expr, 0, exprLocation(expr))
    })
  return insertRow(state, exprs, columns, named)
}

/** What an assignment to an element or a field puts there. */
function assignedPart(expr: Expr): Expr {
  if (expr.kind === 'FieldStore') return assignedPart(expr.newValues[0]!)
  if (expr.kind === 'SubscriptingRef' && expr.assign !== null) return assignedPart(expr.assign)
  if (
    expr.kind === 'CoerceToDomain' &&
    (expr.arg.kind === 'FieldStore' || (expr.arg.kind === 'SubscriptingRef' && expr.arg.assign !== null))
  )
    return assignedPart(expr.arg)
  return expr
}

function fromValues(state: ParseState, select: SelectStmt, columns: readonly InsertColumn[], named: boolean): Mutable<TargetEntry>[] {
  const rows = valuesLists(state, select.valuesLists!, 'values', true)
  const plain = columns.every((column) => column.indirection.length === 0)
  const assigned = (row: readonly Expr[]): Expr[] => {
    if (plain) return insertRow(state, row, columns, named).map((entry) => entry.expr)
    checkWidth(state, row, columns, named)
    return row.map((expr, i) => {
      const { column, indirection, location } = columns[i]!
      return assignedPart(assignTo(state, expr, column, indirection, 'insert target', location))
    })
  }
  const lists = eachOf(state, rows, (row) => {
    const list = assigned(row)
    for (const expr of list) assignCollations(state, expr)
    return list
  })
  const types = lists[0]!.map(({ type, typmod, collation }) => ({ type, typmod, collation }))
  const item = addValues(state, lists, types, undefined, false, true)
  state.joinlist.push({ kind: 'RangeTblRef', rtindex: item.rtindex })
  const exprs = item.columns.map((column) => columnVar(column!, 0, -1))
  if (plain) return exprs.map((expr, i) => targetEntry(expr, columns[i]!.column.attnum, columns[i]!.column.name))
  return insertRow(state, exprs, columns, named)
}

function fromRow(state: ParseState, select: SelectStmt, columns: readonly InsertColumn[], named: boolean): Mutable<TargetEntry>[] {
  const saved = state.kind
  state.kind = 'values single'
  const exprs = expandExpressionList(state, nodeAs(select.valuesLists![0]!, 'List')!.items ?? [], true)
  state.kind = saved
  return insertRow(state, exprs, columns, named)
}
