// ORDER BY, GROUP BY, DISTINCT and LIMIT.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { type Node, type NodeOf, nameList, nodeAs } from '../parser/nodes.ts'
import { containsCall } from './agg.ts'
import { coerceToSpecificType, resolveUnknown } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { type ExprKind, errorAt, type Mutable, type ParseState } from './context.ts'
import type { Expr, SortGroupClause, TargetEntry } from './expr.ts'
import { transformExpr } from './expr-entry.ts'
import { kindName } from './expr-kind.ts'
import { exprLocation } from './location.ts'
import { makeOp, operatorName, orderingOperator, sortGroupOperators } from './operators.ts'
import type { GroupingSet } from './query.ts'
import { columnByName } from './relation.ts'
import { transformTarget } from './target.ts'
import { equalExpr, someExpr } from './walker.ts'

type Entries = Mutable<TargetEntry>[]

/** The entry an item of ORDER BY or GROUP BY means: an output name, a position, or an expression (added as junk if new). */
function findEntry(state: ParseState, node: Node, entries: Entries, kind: ExprKind, sql99: boolean): Mutable<TargetEntry> {
  if (!sql99) {
    const found = findByNameOrPosition(state, node, entries, kind)
    if (found !== null) {
      checkGroupItem(state, found.expr, kind)
      return found
    }
  }
  const expr = transformExpr(state, node, kind)
  const strip = (e: Expr): Expr => (e.kind === 'RelabelType' && e.format === 'implicit' ? e.arg : e)
  for (const entry of entries) if (equalExpr(expr, strip(entry.expr))) return entry
  const saved = state.kind
  state.kind = kind
  const entry = transformTarget(state, node, expr, null, true)
  state.kind = saved
  entries.push(entry)
  return entry
}

function checkGroupItem(state: ParseState, expr: Expr, kind: ExprKind): void {
  if (kind !== 'group by') return
  const first = (test: (e: Expr) => boolean): number => {
    let at = -1
    someExpr(expr, (e) => {
      if (at < 0 && test(e)) at = e.location
      return false
    })
    return at
  }
  if (containsCall([expr], 'Aggref')) {
    throw errorAt(
      state,
      SQLSTATE.groupingError,
      'aggregate functions are not allowed in GROUP BY',
      first((e) => e.kind === 'Aggref'),
    )
  }
  if (containsCall([expr], 'WindowFunc')) {
    throw errorAt(
      state,
      SQLSTATE.windowingError,
      'window functions are not allowed in GROUP BY',
      first((e) => e.kind === 'WindowFunc'),
    )
  }
}

function findByNameOrPosition(state: ParseState, node: Node, entries: Entries, kind: ExprKind): Mutable<TargetEntry> | null {
  const ref = nodeAs(node, 'ColumnRef')
  if (ref !== undefined && ref.fields?.length === 1 && nodeAs(ref.fields[0], 'String') !== undefined) {
    const name = nameList(ref.fields)[0]!
    const location = ref.location ?? 0
    // GROUP BY prefers a column of FROM to an output name.
    if (kind === 'group by' && columnByName(state, name, true, location) !== null) return null
    let result: Mutable<TargetEntry> | null = null
    for (const entry of entries) {
      if (entry.resjunk || entry.resname !== name) continue
      if (result !== null && !equalExpr(result.expr, entry.expr)) {
        throw errorAt(state, SQLSTATE.ambiguousColumn, `${kindName(kind)} "${name}" is ambiguous`, location)
      }
      result ??= entry
    }
    return result
  }
  const constant = nodeAs(node, 'A_Const')
  if (constant === undefined) return null
  const location = constant.location ?? 0
  if (constant.ival === undefined) {
    throw errorAt(state, SQLSTATE.syntaxError, `non-integer constant in ${kindName(kind)}`, location)
  }
  const position = constant.ival.ival ?? 0
  const entry = entries.filter((e) => !e.resjunk)[position - 1]
  if (entry === undefined) {
    throw errorAt(state, SQLSTATE.invalidColumnReference, `${kindName(kind)} position ${position} is not in select list`, location)
  }
  return entry
}

function assignRef(entry: Mutable<TargetEntry>, entries: Entries): number {
  if (entry.ressortgroupref === 0) entry.ressortgroupref = 1 + entries.reduce((max, e) => Math.max(max, e.ressortgroupref), 0)
  return entry.ressortgroupref
}

/** ORDER BY → sort clauses; `fixed` = the sort key is this very entry's expression (ordered-set aggregates). */
export function sortListOf(state: ParseState, list: readonly Node[], entries: Entries, kind: ExprKind, sql99: boolean): SortGroupClause[] {
  const result: SortGroupClause[] = []
  for (const item of list) {
    const sort = (item as NodeOf).SortBy
    addSort(state, findEntry(state, sort.node!, entries, kind, sql99), entries, sort, result)
  }
  return result
}

/** WITHIN GROUP (ORDER BY …): the i-th item sorts by the i-th entry. */
export function sortEntries(state: ParseState, list: readonly Node[], entries: Entries): SortGroupClause[] {
  const result: SortGroupClause[] = []
  for (const [i, item] of list.entries()) addSort(state, entries[i]!, entries, (item as NodeOf).SortBy, result)
  return result
}

/** Where an error about a sort item points: at the item as written (a column number or output name included). */
function sortLocation(sort: NodeOf['SortBy'], expr: Expr): number {
  const written = nodeAs(sort.node, 'ColumnRef') ?? nodeAs(sort.node, 'A_Const')
  return written === undefined ? exprLocation(expr) : (written.location ?? 0)
}

function addSort(
  state: ParseState,
  entry: Mutable<TargetEntry>,
  entries: Entries,
  sort: NodeOf['SortBy'],
  result: SortGroupClause[],
): void {
  entry.expr = resolveUnknown(state, entry.expr)
  const { type } = entry.expr
  const location = (sort.location ?? 0) >= 0 && sort.sortby_dir === 'SORTBY_USING' ? (sort.location ?? 0) : sortLocation(sort, entry.expr)
  let descending = sort.sortby_dir === 'SORTBY_DESC'
  let sortOp: number
  let eqOp: number
  let hashable: boolean
  if (sort.sortby_dir === 'SORTBY_USING') {
    const op = operatorName(state, nameList(sort.useOp), location)
    const made = makeOp(state, op, entry.expr, entry.expr, location)
    const ordering = orderingOperator(made.opNo)
    if (ordering === null) {
      throw errorAt(state, SQLSTATE.wrongObjectType, `operator ${op.name} is not a valid ordering operator`, location, {
        hint: 'Ordering operators must be "<" or ">" members of btree operator families.',
      })
    }
    sortOp = made.opNo
    eqOp = ordering.equal
    descending = ordering.descending
    hashable = sortGroupOperators(state, type, false, false, location).hashable
  } else {
    const ops = sortGroupOperators(state, type, true, true, location)
    sortOp = descending ? ops.greater : ops.less
    eqOp = ops.equal
    hashable = ops.hashable
  }
  const known =
    entry.ressortgroupref !== 0 &&
    result.some((clause) => clause.tleSortGroupRef === entry.ressortgroupref && (clause.sortOp === sortOp || clause.eqOp === eqOp))
  if (known) return
  const nullsFirst = sort.sortby_nulls === 'SORTBY_NULLS_FIRST' || (sort.sortby_nulls !== 'SORTBY_NULLS_LAST' && descending)
  result.push({ tleSortGroupRef: assignRef(entry, entries), eqOp, sortOp, descending, nullsFirst, hashable })
}

function groupClauseOf(state: ParseState, entry: Mutable<TargetEntry>, entries: Entries, location: number): SortGroupClause {
  entry.expr = resolveUnknown(state, entry.expr)
  const ops = sortGroupOperators(state, entry.expr.type, false, true, location)
  return {
    tleSortGroupRef: assignRef(entry, entries),
    eqOp: ops.equal,
    sortOp: ops.less,
    descending: false,
    nullsFirst: false,
    hashable: ops.hashable,
  }
}

export interface GroupResult {
  readonly groupClause: SortGroupClause[]
  readonly groupingSets: GroupingSet[]
}

export function groupByOf(
  state: ParseState,
  list: readonly Node[],
  entries: Entries,
  sort: readonly SortGroupClause[],
  kind: 'group by' | 'window partition' = 'group by',
): GroupResult {
  const groupClause: SortGroupClause[] = []
  const add = (node: Node): number => {
    const entry = findEntry(state, node, entries, kind, kind === 'window partition')
    const ref = entry.ressortgroupref
    if (ref !== 0 && groupClause.some((clause) => clause.tleSortGroupRef === ref)) return ref
    // The same column in ORDER BY lends its direction, so that one sort can serve both.
    const ordered = ref === 0 ? undefined : sort.find((clause) => clause.tleSortGroupRef === ref)
    const clause = ordered ?? groupClauseOf(state, entry, entries, exprLocation(entry.expr))
    groupClause.push(clause)
    return clause.tleSortGroupRef
  }
  const flatten = (node: Node): Node[] => {
    const row = nodeAs(node, 'RowExpr')
    return row?.row_format === 'COERCE_IMPLICIT_CAST' ? (row.args ?? []).flatMap(flatten) : [node]
  }
  const setOf = (node: Node): GroupingSet => {
    const set = nodeAs(node, 'GroupingSet')
    if (set === undefined) {
      const nested = nodeAs(node, 'List')?.items
      const refs = (nested ?? flatten(node)).map(add)
      return { kind: 'simple', refs }
    }
    switch (set.kind) {
      case 'GROUPING_SET_EMPTY':
        return { kind: 'empty' }
      case 'GROUPING_SET_ROLLUP':
      case 'GROUPING_SET_CUBE':
        if (set.kind === 'GROUPING_SET_CUBE' && (set.content?.length ?? 0) > 12) {
          throw errorAt(state, SQLSTATE.tooManyColumns, 'CUBE is limited to 12 elements', set.location ?? 0)
        }
        return {
          kind: set.kind === 'GROUPING_SET_CUBE' ? 'cube' : 'rollup',
          content: (set.content ?? []).map((part) => setOf(part)),
        }
      default:
        return { kind: 'sets', content: (set.content ?? []).map((part) => setOf(part)) }
    }
  }
  const hasSets = list.some((node) => nodeAs(node, 'GroupingSet') !== undefined)
  if (!hasSets) {
    for (const node of list) for (const part of flatten(node)) add(part)
    return { groupClause, groupingSets: [] }
  }
  return { groupClause, groupingSets: list.map((node) => setOf(node)) }
}

export function distinctOf(state: ParseState, entries: Entries, sort: readonly SortGroupClause[], isAggregate: boolean): SortGroupClause[] {
  const result: SortGroupClause[] = []
  for (const clause of sort) {
    const entry = entries.find((e) => e.ressortgroupref === clause.tleSortGroupRef)!
    if (entry.resjunk) {
      throw errorAt(
        state,
        SQLSTATE.invalidColumnReference,
        isAggregate
          ? 'in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list'
          : 'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
        exprLocation(entry.expr),
      )
    }
    result.push(clause)
  }
  for (const entry of entries) {
    if (entry.resjunk) continue
    if (entry.ressortgroupref !== 0 && result.some((clause) => clause.tleSortGroupRef === entry.ressortgroupref)) continue
    result.push(groupClauseOf(state, entry, entries, exprLocation(entry.expr)))
  }
  if (result.length === 0) {
    throw errorAt(
      state,
      SQLSTATE.syntaxError,
      isAggregate ? 'an aggregate with DISTINCT must have at least one argument' : 'SELECT DISTINCT must have at least one column',
      undefined,
    )
  }
  return result
}

export function distinctOnOf(
  state: ParseState,
  list: readonly Node[],
  entries: Entries,
  sort: readonly SortGroupClause[],
): SortGroupClause[] {
  const wanted = list.map((node) => {
    const entry = findEntry(state, node, entries, 'distinct on', false)
    return { ref: assignRef(entry, entries), entry, node }
  })
  const result: SortGroupClause[] = []
  let skipped = false
  const mismatch = ({ entry, node }: (typeof wanted)[number]) =>
    errorAt(
      state,
      SQLSTATE.invalidColumnReference,
      'SELECT DISTINCT ON expressions must match initial ORDER BY expressions',
      nodeAs(node, 'ColumnRef')?.location ?? nodeAs(node, 'A_Const')?.location ?? exprLocation(entry.expr),
    )
  for (const clause of sort) {
    const match = wanted.find((item) => item.ref === clause.tleSortGroupRef)
    if (match === undefined) skipped = true
    else if (skipped) throw mismatch(match)
    else result.push(clause)
  }
  for (const item of wanted) {
    if (result.some((clause) => clause.tleSortGroupRef === item.ref)) continue
    if (skipped) throw mismatch(item)
    result.push(groupClauseOf(state, item.entry, entries, exprLocation(item.entry.expr)))
  }
  return result
}

export function limitOf(state: ParseState, node: Node | undefined, kind: 'limit' | 'offset', withTies: boolean): Expr | null {
  if (node === undefined) return null
  const name = kind === 'limit' ? 'LIMIT' : 'OFFSET'
  const expr = coerceToSpecificType(state, transformExpr(state, node, kind), T.int8, name)
  refuseVariables(state, expr, name)
  if (withTies && kind === 'limit' && nodeAs(node, 'A_Const')?.isnull) {
    throw errorAt(state, SQLSTATE.invalidRowCountInLimitClause, 'row count cannot be null in FETCH FIRST ... WITH TIES clause', undefined)
  }
  assignCollations(state, expr)
  return expr
}

export function refuseVariables(state: ParseState, expr: Expr, construct: string): void {
  let at: Expr | null = null
  someExpr(expr, (e) => {
    if (at === null && e.kind === 'Var' && e.levelsUp === 0) at = e
    return false
  })
  if (at !== null) {
    throw errorAt(state, SQLSTATE.invalidColumnReference, `argument of ${construct} must not contain variables`, exprLocation(at))
  }
}
