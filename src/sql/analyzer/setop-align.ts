// Branches of a set operation whose columns are not yet of the common type get casts, so that the planner sees equal types everywhere.
// A leaf with clauses that look at its own columns (DISTINCT, ORDER BY, grouping, a set operation) is wrapped instead of changed.

import { COERCION } from '../functions/coercion-path.ts'
import { coerceToTarget } from './coerce.ts'
import { type AnalyzeContext, makeState, type ParseState } from './context.ts'
import type { Expr, TargetEntry } from './expr.ts'
import { makeVar, targetEntry } from './make.ts'
import type { Query, RangeTblEntry, RangeTblRef, RteColumn, RteSubquery, SetOperation } from './query.ts'
import { baseQuery } from './query-parts.ts'
import { foldLeft, leftmostLeaf, type SetOperand } from './setop-tree.ts'
import { oneDeeper } from './walker.ts'

export function alignSetOperation(query: Query, ctx: AnalyzeContext): Query {
  const state = makeState(ctx, null)
  const rtable: RangeTblEntry[] = [...query.rtable]
  const alignLeaf = (node: RangeTblRef, wanted: readonly RteColumn[]): RangeTblRef => {
    const rte = rtable[node.rtindex - 1] as RteSubquery
    rtable[node.rtindex - 1] = { ...rte, subquery: castOutputs(state, rte.subquery, wanted) }
    return node
  }
  const align = (node: SetOperand, wanted: readonly RteColumn[]): SetOperand =>
    foldLeft<SetOperand>(
      node,
      (leaf, above) => alignLeaf(leaf, above?.columns ?? wanted),
      (left, operation, above) => join(left, operation, above?.columns ?? wanted),
    )
  const join = (left: SetOperand, node: SetOperation, wanted: readonly RteColumn[]): SetOperand => {
    const right = align(node.right, node.columns)
    if (node.columns.every((column, i) => column.type === wanted[i]!.type)) return { ...node, left, right }
    // A branch that is itself a set operation of other types: a leaf of its own, cast outside.
    rtable.push(subqueryEntry(castOutputs(state, detached({ ...node, left, right }, rtable, ctx), wanted)))
    return { kind: 'RangeTblRef', rtindex: rtable.length }
  }
  const top = query.setOperations!
  const setOperations = align(top, top.columns) as SetOperation
  return { ...query, rtable, setOperations }
}

/** The operation as a query with its own leaves alone, which stand one level deeper there. */
function detached(operation: SetOperation, rtable: readonly RangeTblEntry[], ctx: AnalyzeContext): Query {
  const leaves: RteSubquery[] = []
  const move = (operand: SetOperand): SetOperand =>
    foldLeft<SetOperand>(
      operand,
      ({ rtindex }) => {
        const rte = rtable[rtindex - 1] as RteSubquery
        leaves.push({ ...rte, subquery: oneDeeper(rte.subquery) })
        return { kind: 'RangeTblRef', rtindex: leaves.length }
      },
      (left, above) => ({ ...above, left, right: move(above.right) }),
    )
  const setOperations = move(operation) as SetOperation
  const { rtindex } = leftmostLeaf(setOperations)
  const names = leaves[rtindex - 1]!.colNames
  return {
    ...baseQuery(makeState(ctx, null), { kind: 'FromExpr', fromlist: [], quals: null }),
    rtable: leaves,
    targetList: operation.columns.map((column, i) => targetEntry(makeVar(rtindex, i + 1, column, 0, -1), i + 1, names[i] ?? null)),
    setOperations,
  }
}

function subqueryEntry(subquery: Query): RteSubquery {
  return {
    kind: 'subquery',
    subquery,
    view: 0,
    securityBarrier: false,
    refname: '*SELECT*',
    hasAlias: true,
    colNames: subquery.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.resname),
    lateral: false,
    inFromClause: false,
  }
}

function castOutputs(state: ParseState, query: Query, wanted: readonly RteColumn[]): Query {
  const outputs = query.targetList.filter((entry) => !entry.resjunk)
  if (outputs.every((entry, i) => entry.expr.type === wanted[i]!.type)) return query
  const cast = (expr: Expr, column: RteColumn): Expr => {
    if (expr.type === column.type) return expr
    const result = coerceToTarget(state, expr, column.type, column.typmod, COERCION.implicit, 'implicit', -1)
    return result === null ? expr : { ...result, collation: column.collation }
  }
  const plain =
    query.distinctClause.length === 0 &&
    query.sortClause.length === 0 &&
    query.groupClause.length === 0 &&
    query.groupingSets.length === 0 &&
    query.windowClause.length === 0 &&
    query.setOperations === null &&
    query.commandType === 'select'
  if (plain) {
    let next = 0
    const targetList = query.targetList.map(
      (entry): TargetEntry => (entry.resjunk ? entry : { ...entry, expr: cast(entry.expr, wanted[next++]!) }),
    )
    return { ...query, targetList }
  }
  const targetList = outputs.map((entry, i) =>
    targetEntry(cast(makeVar(1, entry.resno, entry.expr, 0, -1), wanted[i]!), i + 1, entry.resname),
  )
  return {
    ...baseQuery(makeState(state.ctx, null), { kind: 'FromExpr', fromlist: [{ kind: 'RangeTblRef', rtindex: 1 }], quals: null }),
    rtable: [subqueryEntry(oneDeeper(query))],
    targetList,
  }
}
