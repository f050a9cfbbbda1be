// Access paths of one stored table: sequential scan (in primary key order), index ranges, point gets; and what later joins need to look
// rows up by key.

import { type IndexDescriptor, isRowKey, provesUnique } from '../../../catalog/descriptors.ts'
import { type Expr, ROW_KEY_ATTNO, type TargetEntry } from '../../analyzer/expr.ts'
import { rebase } from '../../analyzer/view-query.ts'
import { findBuiltinType } from '../../types/registry.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { COST, clampRows } from '../cost.ts'
import { exprKey, makeVar, replace } from '../expr-tree.ts'
import { isLongCondition } from '../long-conditions.ts'
import { CTID_ATTNO, type Plan, SCAN_VAR } from '../plan.ts'
import { NO_RELS } from '../relids.ts'
import { arrayLength, conjunction } from '../selectivity.ts'
import { type IndexClause, indexClauses, indexColumnExpr, indexUsable, matchIndex, predicateImplied } from './index-match.ts'
import { orPaths } from './or-scan.ts'
import { addPath, common, type Path, type PathKey, targetList, UNORDERED } from './path.ts'

const TID = 27

/** Expressions of this relation as a scan sees them; a whole-row Var becomes the row of its columns, a virtual column its expression. */
export function overScan(expr: Expr, rel: BaseRel): Expr {
  return replace(expr, (e) => {
    if (e.kind !== 'Var' || e.varno !== rel.rti || e.levelsUp !== 0) return undefined
    return e.attno === 0 ? wholeRow(rel, e) : scanColumn(rel, e.attno, e)
  })
}

function scanColumn(rel: BaseRel, attno: number, like: Pick<Expr, 'type' | 'typmod' | 'collation'>): Expr {
  const computed = rel.virtual?.get(attno)
  return computed === undefined ? makeVar(SCAN_VAR, attno, like) : rebase(computed, SCAN_VAR, 0)
}

/** Arms of long conditions as a scan sees them. */
const arms = new WeakMap<Expr, Expr>()

export function armOverScan(arm: Expr, rel: BaseRel): Expr {
  const known = arms.get(arm)
  if (known !== undefined) return known
  const found = overScan(arm, rel)
  arms.set(arm, found)
  return found
}

/** Of many nodes where there are many: for the path that is taken only. */
export const allOverScan = (exprs: readonly Expr[], rel: BaseRel): Expr[] =>
  exprs.map((expr) => (isLongCondition(expr) ? { ...expr, args: expr.args.map((arm) => armOverScan(arm, rel)) } : overScan(expr, rel)))
const scanTargets = (targets: readonly Expr[], rel: BaseRel): TargetEntry[] => targetList(allOverScan(targets, rel))

function wholeRow(rel: BaseRel, like: Expr): Expr {
  const columns = rel.info === null ? rteColumns(rel) : rel.info.columns.filter((column) => !column.dropped)
  return {
    kind: 'RowExpr',
    args: columns.map((column) => scanColumn(rel, column.attnum, column)),
    colNames: rel.info === null ? columns.map((column) => column.name) : null,
    format: 'implicit',
    type: like.type,
    typmod: like.typmod,
    collation: like.collation,
    location: -1,
  }
}

function rteColumns(rel: BaseRel): { attnum: number; name: string; type: number; typmod: number; collation: number }[] {
  const { rte } = rel
  const typed =
    rte.kind === 'subquery'
      ? rte.subquery.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.expr)
      : rte.kind === 'function'
        ? rte.functions.flatMap((call) => call.columns)
        : rte.kind === 'values' || rte.kind === 'cte'
          ? rte.columns
          : []
  const columns = typed.map((column, i) => ({
    attnum: i + 1,
    name: rte.colNames[i] ?? '',
    type: column.type,
    typmod: column.typmod,
    collation: column.collation,
  }))
  if (rte.kind === 'function' && rte.ordinality) {
    columns.push({ attnum: columns.length + 1, name: rte.colNames[columns.length] ?? 'ordinality', type: 20, typmod: -1, collation: 0 })
  }
  return columns
}

export function indexKeys(index: IndexDescriptor, rel: BaseRel, problem: JoinProblem): string[] {
  return index.columns.map((_, column) => exprKey(indexColumnExpr(index, column, rel, problem)))
}

/** The order of an index's entries from column `from` on, as far as it is of use. */
export function indexOrder(index: IndexDescriptor, rel: BaseRel, problem: JoinProblem, from: number, backward: boolean): PathKey[] {
  const order: PathKey[] = []
  for (let i = from; i < index.columns.length; i++) {
    const column = index.columns[i]!
    const key = problem.ecs.orderKey(indexColumnExpr(index, i, rel, problem))
    if (!problem.usefulKeys.has(key)) break
    order.push({ key, descending: column.descending !== backward, nullsFirst: column.nullsFirst !== backward })
  }
  return order
}

export function primaryIndex(rel: BaseRel): IndexDescriptor | null {
  const { table } = rel
  if (table === null || table.primaryKey === 0) return null
  return table.indexes.find((index) => index.oid === table.primaryKey) ?? null
}

/** The entries hold every needed column, in a form that gives the value back. */
export function coversNeeded(index: IndexDescriptor, rel: BaseRel): boolean {
  if (isRowKey(index)) return false
  const held = new Set<number>(index.include)
  const keyed = [...index.columns, ...(primaryIndex(rel)?.columns ?? [])]
  for (const column of keyed) {
    if (column.attnum > 0 && (findBuiltinType(column.type)?.key?.lossless ?? false)) held.add(column.attnum)
  }
  for (const attno of rel.needed) if (attno !== ROW_KEY_ATTNO && !held.has(attno)) return false
  return true
}

/** All paths of a stored table. */
export function tablePaths(rel: BaseRel, problem: JoinProblem): void {
  const quals = rel.quals
  const qualCost = quals.length * COST.operator
  const primary = primaryIndex(rel)
  const seqTotal = COST.request + rel.tuples * (COST.scanTuple + qualCost)
  for (const backward of primary === null ? [false] : [false, true]) {
    const path: Path = {
      rows: rel.rows,
      startup: 0,
      total: seqTotal + (backward ? 0.01 : 0),
      width: rel.width,
      order: primary === null ? [] : indexOrder(primary, rel, problem, 0, backward),
      outer: NO_RELS,
      params: [],
      single: false,
      build: (targets) => ({
        kind: 'SeqScan',
        alias: rel.rte.refname,
        ...common(scanTargets(targets, rel), allOverScan(quals, rel), rel.rows, 0, seqTotal, rel.width),
        relation: rel.info!.oid,
        backward,
      }),
    }
    addPath(rel.paths, path)
  }
  otherPaths(rel, problem)
  if (!quals.some((qual) => qual.kind === 'CurrentOfExpr')) orPaths(rel, problem, (part) => otherPaths(part, problem))
}

/** All but the sequential scan. */
function otherPaths(rel: BaseRel, problem: JoinProblem): void {
  const { quals } = rel
  const clauses = quals.flatMap((qual) => indexClauses(qual, rel, problem, NO_RELS))
  tidPath(rel, clauses)
  if (quals.some((qual) => qual.kind === 'CurrentOfExpr')) return
  for (const index of rel.table!.indexes) {
    if (!indexUsable(index)) continue
    if (index.predicate !== null && !predicateImplied(index.predicate, rel, problem, quals)) continue
    indexPaths(index, rel, problem, clauses)
  }
}

/** ctid = value, ctid = ANY (values), CURRENT OF cursor. */
function tidPath(rel: BaseRel, clauses: readonly IndexClause[]): void {
  const key = exprKey(makeVar(rel.rti, CTID_ATTNO, { type: TID, typmod: -1, collation: 0 }))
  const current = rel.quals.find((qual) => qual.kind === 'CurrentOfExpr')
  if (current !== undefined) {
    // There is no other way.
    rel.paths.length = 0
    addTidPath(rel, current, current, 1)
    return
  }
  const clause = clauses.find((one) => one.key === key && (one.op === '=' || one.op === 'any'))
  if (clause !== undefined) addTidPath(rel, clause.qual, clause.value!, clause.op === '=' ? 1 : arrayLength(clause.value!))
}

function addTidPath(rel: BaseRel, answered: Expr, tids: Expr, rows: number): void {
  const quals = rel.quals.filter((qual) => qual !== answered)
  const total = rows * COST.get
  addPath(rel.paths, {
    ...UNORDERED,
    rows,
    total,
    width: rel.width,
    single: rows === 1,
    build: (targets) => ({
      kind: 'TidScan',
      alias: rel.rte.refname,
      ...common(scanTargets(targets, rel), allOverScan(quals, rel), rows, 0, total, rel.width),
      relation: rel.info!.oid,
      tids,
    }),
  })
}

function indexPaths(index: IndexDescriptor, rel: BaseRel, problem: JoinProblem, clauses: readonly IndexClause[]): void {
  const keys = indexKeys(index, rel, problem)
  const match = matchIndex(index, keys, clauses)
  const covered = coversNeeded(index, rel)
  if (match.conditions.length === 0 && isRowKey(index)) return
  const rest = rel.quals.filter((qual) => !match.answered.has(qual))
  if (match.allEqual && provesUnique(index) && index.columns.every((column) => column.attnum > 0)) {
    pointGet(
      index,
      rel,
      match.conditions.map((condition) => condition.value!),
      rest,
    )
    return
  }
  const fraction = conjunction([...new Set(match.used)], problem)
  const predicate = index.predicate === null ? 1 : 0.5
  const entries = clampRows(rel.tuples * fraction * predicate)
  const ranges = match.conditions.reduce((n, condition) => (condition.op === 'any' ? n * arrayLength(condition.value!) : n), 1)
  const perRow = (covered ? COST.indexTuple : isRowKey(index) ? COST.scanTuple : COST.indexTuple + COST.get) + rest.length * COST.operator
  const total = COST.request * Math.min(ranges, 100) + entries * perRow
  const isOrdered = indexOrder(index, rel, problem, match.equalColumns, false).length > 0
  if (match.conditions.length === 0 && !isOrdered && !covered) return
  for (const backward of isOrdered ? [false, true] : [false]) {
    addPath(rel.paths, {
      rows: rel.rows,
      startup: COST.request,
      total: total + (backward ? 0.01 : 0),
      width: rel.width,
      order: indexOrder(index, rel, problem, match.equalColumns, backward),
      outer: NO_RELS,
      params: [],
      single: false,
      build: (targets): Plan => ({
        kind: 'IndexScan',
        alias: rel.rte.refname,
        ...common(scanTargets(targets, rel), allOverScan(rest, rel), rel.rows, COST.request, total, rel.width),
        relation: rel.info!.oid,
        index: index.oid,
        conditions: match.conditions,
        backward,
        indexOnly: covered,
      }),
    })
  }
}

function pointGet(index: IndexDescriptor, rel: BaseRel, key: readonly Expr[], quals: readonly Expr[]): void {
  const total = isRowKey(index) ? COST.get : 2 * COST.get
  addPath(rel.paths, {
    ...UNORDERED,
    rows: 1,
    total,
    width: rel.width,
    single: true,
    build: (targets) => ({
      kind: 'PointGet',
      alias: rel.rte.refname,
      ...common(scanTargets(targets, rel), allOverScan(quals, rel), 1, 0, total, rel.width),
      relation: rel.info!.oid,
      index: index.oid,
      key,
    }),
  })
}
