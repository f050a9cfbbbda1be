// UNION, INTERSECT, EXCEPT: leaves become subquery entries, columns get a common type, the result is named by the leftmost leaf.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { collationByOid } from '../builtin/catalogs.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { COERCION } from '../functions/coercion-path.ts'
import { type Node, nodeAs, type SelectStmt } from '../parser/nodes.ts'
import { limitOf, sortListOf } from './clauses.ts'
import { coerceToCommon, coerceType, commonType } from './coerce.ts'
import { assignListCollations, selectCommonCollation } from './collate.ts'
import { type CteEntry, descend, errorAt, type Mutable, type NsColumn, type NsItem, type ParseState } from './context.ts'
import { transformWith } from './cte.ts'
import { findSelfReference } from './cte-scan.ts'
import type { Expr, SortGroupClause, TargetEntry } from './expr.ts'
import { exprLocation } from './location.ts'
import { makeVar, targetEntry } from './make.ts'
import { sortGroupOperators } from './operators.ts'
import type { Query, RteColumn, SetOperation } from './query.ts'
import { baseQuery, fromExpr, limitOptionOf, lockName } from './query-parts.ts'
import { addSubquery } from './relation.ts'
import { leftmostLeaf, type SetOperand } from './setop-tree.ts'
import { analyzeSubquery } from './subquery.ts'
import { formatType } from './types.ts'

export function transformSetOperation(state: ParseState, select: SelectStmt): Query {
  if (select.withClause !== undefined) transformWith(state, select.withClause)
  let leftmostSelect: SelectStmt = select
  while (leftmostSelect.larg !== undefined && leftmostSelect.op !== 'SETOP_NONE') leftmostSelect = leftmostSelect.larg
  if (leftmostSelect.intoClause !== undefined) {
    throw errorAt(state, SQLSTATE.syntaxError, 'SELECT ... INTO is not allowed here', leftmostSelect.intoClause.rel?.location)
  }
  if (select.lockingClause !== undefined) {
    throw errorAt(
      state,
      SQLSTATE.featureNotSupported,
      `${lockName(nodeAs(select.lockingClause[0], 'LockingClause')?.strength)} is not allowed with UNION/INTERSECT/EXCEPT`,
      undefined,
    )
  }
  // The clauses of the whole are not those of its tree.
  const tree: SelectStmt = { ...select }
  delete tree.sortClause
  delete tree.limitCount
  delete tree.limitOffset
  delete tree.lockingClause
  delete tree.withClause
  const { node } = transformTree(state, tree, true)
  const operation = node as SetOperation
  const left = leftmostLeaf(operation)
  const leftmost = state.rtable[left.rtindex - 1]!
  const leftQuery = (leftmost as { subquery: Query }).subquery
  const names = leftQuery.targetList.filter((entry) => !entry.resjunk)
  const entries: Mutable<TargetEntry>[] = operation.columns.map((column, i) => {
    const source = names[i]!
    return targetEntry(makeVar(left.rtindex, i + 1, column, 0, exprLocation(source.expr)), state.nextResno++, source.resname)
  })
  // ORDER BY sees the result's columns only.
  const columns: NsColumn[] = entries.map((entry) => ({
    name: entry.resname ?? '?column?',
    varno: left.rtindex,
    attno: entry.resno,
    type: entry.expr.type,
    typmod: entry.expr.typmod,
    collation: entry.expr.collation,
    hidden: false,
  }))
  const visible: NsItem = {
    rtindex: left.rtindex,
    rte: leftmost,
    refname: '*RESULT*',
    columns,
    relation: null,
    relVisible: false,
    colsVisible: true,
    lateralOnly: false,
    lateralOk: true,
    returning: 'default',
  }
  const savedNamespace = state.namespace
  state.namespace = [visible]
  const before = entries.length
  const sortClause = sortListOf(state, select.sortClause ?? [], entries, 'order by', false)
  state.namespace = savedNamespace
  if (entries.length > before) {
    throw errorAt(
      state,
      SQLSTATE.featureNotSupported,
      'invalid UNION/INTERSECT/EXCEPT ORDER BY clause',
      exprLocation(entries[before]!.expr),
      {
        detail: 'Only result column names can be used, not expressions or functions.',
        hint: 'Add the expression/function to every SELECT, or move the UNION into a FROM clause.',
      },
    )
  }
  const option = limitOptionOf(select)
  const limitOffset = limitOf(state, select.limitOffset, 'offset', false)
  const limitCount = limitOf(state, select.limitCount, 'limit', option === 'with ties')
  assignListCollations(state, entries)
  return {
    ...baseQuery(state, fromExpr(state, null)),
    targetList: entries,
    sortClause,
    limitOffset,
    limitCount,
    limitOption: option,
    setOperations: operation,
  }
}

interface Branch {
  readonly node: SetOperand
  /** One expression per column, for types and positions; of leaves the target entries, which literals' types are written into. */
  readonly columns: Mutable<TargetEntry>[]
  readonly leaf: boolean
}

function isLeaf(select: SelectStmt): boolean {
  return (
    select.op === undefined ||
    select.op === 'SETOP_NONE' ||
    select.sortClause !== undefined ||
    select.limitCount !== undefined ||
    select.limitOffset !== undefined ||
    select.lockingClause !== undefined ||
    select.withClause !== undefined
  )
}

/** The left side, which may be long, in a loop; right sides, which only parentheses make deep, by recursion. */
function transformTree(state: ParseState, select: SelectStmt, top: boolean): Branch {
  return descend(() => {
    const operations: SelectStmt[] = []
    let current = select
    for (;;) {
      if (current.intoClause !== undefined) {
        throw errorAt(
          state,
          SQLSTATE.syntaxError,
          'INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT',
          current.intoClause.rel?.location,
        )
      }
      if (isLeaf(current)) break
      operations.push(current)
      current = current.larg!
    }
    const cte = top ? recursiveTerm(state) : null
    const early = cte === null || operations.length === 0 ? null : findSelfReference(select.larg, cte.name)
    if (early !== null) {
      throw errorAt(
        state,
        SQLSTATE.invalidRecursion,
        `recursive reference to query "${cte!.name}" must not appear within its non-recursive term`,
        early,
      )
    }
    let branch = transformLeaf(state, current)
    for (let i = operations.length - 1; i >= 0; i--) branch = transformNode(state, branch, operations[i]!, i === 0 ? cte : null)
    return branch
  })
}

/** The WITH item whose recursion the set operation at this level's top is. */
function recursiveTerm(state: ParseState): CteEntry | null {
  const cte = state.isTerm ? null : state.parentCte
  return cte?.recursive === true && cte.open ? cte : null
}

function transformLeaf(state: ParseState, select: SelectStmt): Branch {
  const query = analyzeSubquery(state, { SelectStmt: select } as Node, {
    kind: 'other',
    resolveUnknowns: false,
    ...(state.parentCte === null ? {} : { term: state.parentCte }),
  })
  const name = `*SELECT* ${state.rtable.length + 1}`
  const item = addSubquery(state, query, { aliasname: name }, false, false)
  const columns = (query.targetList as Mutable<TargetEntry>[]).filter((entry) => !entry.resjunk)
  return { node: { kind: 'RangeTblRef', rtindex: item.rtindex }, columns, leaf: true }
}

/** A literal or a parameter, with or without COLLATE. */
const isUntyped = (expr: Expr): boolean =>
  expr.kind === 'Const' || expr.kind === 'Param' || (expr.kind === 'CollateExpr' && isUntyped(expr.arg))

function transformNode(state: ParseState, left: Branch, select: SelectStmt, cte: CteEntry | null): Branch {
  const op = select.op === 'SETOP_UNION' ? 'union' : select.op === 'SETOP_INTERSECT' ? 'intersect' : 'except'
  const context = op.toUpperCase()
  const all = select.all ?? false
  if (cte !== null) {
    // From here on the CTE has the columns of its first term.
    for (const entry of left.columns)
      entry.expr = entry.expr.type === T.unknown ? coerceType(state, entry.expr, T.text, -1, COERCION.implicit, 'implicit', -1) : entry.expr
    assignListCollations(state, left.columns)
    cte.columns = left.columns.map(({ expr, resname }, i) => ({
      name: cte.columns[i]?.name ?? resname ?? '?column?',
      type: expr.type,
      typmod: expr.typmod,
      collation: expr.collation,
    }))
  }
  const right = transformTree(state, select.rarg!, false)
  if (left.columns.length !== right.columns.length) {
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      `each ${context} query must have the same number of columns`,
      right.columns.length === 0 ? undefined : exprLocation(right.columns[0]!.expr),
    )
  }
  const columns: RteColumn[] = []
  const results: Mutable<TargetEntry>[] = []
  const groupClauses: SortGroupClause[] = []
  for (const [i, l] of left.columns.entries()) {
    const r = right.columns[i]!
    const type = commonType(state, [l.expr, r.expr], context)
    const adapt = (branch: Branch, entry: Mutable<TargetEntry>): void => {
      const { expr } = entry
      if (expr.type !== T.unknown) coerceToCommon(state, expr, type, context)
      else if (branch.leaf && isUntyped(expr)) entry.expr = coerceToCommon(state, expr, type, context)
    }
    adapt(left, l)
    adapt(right, r)
    const typmod = l.expr.type === type && r.expr.type === type && l.expr.typmod === r.expr.typmod ? l.expr.typmod : -1
    const collation =
      (state.ctx.catalog.type(type)?.typcollation ?? 0) === 0 ? 0 : selectCommonCollation(state, [l.expr, r.expr], op === 'union' && all)
    columns.push({ type, typmod, collation })
    const location = exprLocation(l.expr)
    const dummy: Expr = { kind: 'SetToDefault', type, typmod, collation, location }
    results.push(targetEntry(dummy, i + 1, l.resname))
    if (!(op === 'union' && all)) {
      const ops = sortGroupOperators(state, type, false, true, location)
      groupClauses.push({
        tleSortGroupRef: i + 1,
        eqOp: ops.equal,
        sortOp: ops.less,
        descending: false,
        nullsFirst: false,
        hashable: ops.hashable,
      })
    }
    if (cte !== null && (type !== cte.columns[i]!.type || typmod !== cte.columns[i]!.typmod)) {
      const first = cte.columns[i]!
      const text = (oid: number, mod: number): string => formatType(state.ctx.catalog, oid, mod)
      throw errorAt(
        state,
        SQLSTATE.datatypeMismatch,
        `recursive query "${cte.name}" column ${i + 1} has type ${text(first.type, first.typmod)} in non-recursive term but type ${text(type, typmod)} overall`,
        location,
        { hint: 'Cast the output of the non-recursive term to the correct type.' },
      )
    }
    if (cte !== null && collation !== cte.columns[i]!.collation) {
      const text = (oid: number): string => collationByOid(oid)?.collname ?? '(null)'
      throw errorAt(
        state,
        SQLSTATE.collationMismatch,
        `recursive query "${cte.name}" column ${i + 1} has collation "${text(cte.columns[i]!.collation)}" in non-recursive term but collation "${text(collation)}" overall`,
        location,
        { hint: 'Use the COLLATE clause to set the collation of the non-recursive term.' },
      )
    }
  }
  refreshLeaves(state, left)
  refreshLeaves(state, right)
  const node: SetOperation = { kind: 'SetOperation', op, all, left: left.node, right: right.node, columns, groupClauses }
  return { node, columns: results, leaf: false }
}

/** Literals of a leaf that got their type only now: collations follow. */
function refreshLeaves(state: ParseState, branch: Branch): void {
  if (branch.leaf) assignListCollations(state, branch.columns)
}
