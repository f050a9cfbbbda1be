// Access paths of what is no stored table: virtual catalogue relations, functions, VALUES, CTEs and subqueries.

import type { Expr } from '../../analyzer/expr.ts'
import type { BaseRel, JoinProblem } from '../base-rel.ts'
import { execParam, type Root } from '../context.ts'
import { COST, clampRows, DEFAULTS } from '../cost.ts'
import { exprKey, stripRelabel } from '../expr-tree.ts'
import type { Plan } from '../plan.ts'
import { NO_RELS, type Relids } from '../relids.ts'
import { correlateExpr, outerParams } from '../rewrite/correlate.ts'
import { conjunction } from '../selectivity.ts'
import { indexClauses } from './index-match.ts'
import { addPath, common, type Path, type PathKey, targetList, UNORDERED } from './path.ts'
import { allOverScan, overScan } from './scan.ts'

/** Conditions column = value on a catalogue table, from `quals`; values are made of relations in `outer` only. */
function catalogConditions(rel: BaseRel, quals: readonly Expr[], problem: JoinProblem, outer: Relids): CatalogCondition[] {
  const conditions: CatalogCondition[] = []
  for (const qual of quals) {
    for (const clause of indexClauses(qual, rel, problem, outer)) {
      const key = qual.kind === 'OpExpr' ? qual.args.map(stripRelabel).find((arg) => exprKey(arg) === clause.key) : undefined
      if (clause.op === '=' && key?.kind === 'Var') conditions.push({ attnum: key.attno, value: clause.value!, qual })
    }
  }
  return conditions
}

interface CatalogCondition {
  readonly attnum: number
  readonly value: Expr
  readonly qual: Expr
}

/** What it takes to read a catalogue table under these conditions, and how many rows come of it. */
function catalogCost(rel: BaseRel, conditions: readonly CatalogCondition[]): { total: number; rows: number } {
  let rows = rel.tuples
  for (const { attnum } of conditions) rows = Math.min(rows, rel.info!.catalogTable?.lookups.get(attnum) ?? rows)
  return { rows, total: (rows < rel.tuples ? COST.catalogLookup : 0) + rows * (COST.tuple + rel.quals.length * COST.operator) }
}

function catalogScan(rel: BaseRel, targets: readonly Expr[], conditions: readonly CatalogCondition[], rows: number, total: number): Plan {
  return {
    kind: 'VirtualScan',
    alias: rel.rte.refname,
    ...common(targetList(targets.map((t) => overScan(t, rel))), allOverScan(rel.quals, rel), rows, 0, total, rel.width),
    relation: rel.info!.oid,
    hints: conditions.map(({ attnum, value }) => ({ attnum, value })),
  }
}

export function virtualPaths(rel: BaseRel, problem: JoinProblem): void {
  const conditions = catalogConditions(rel, rel.quals, problem, NO_RELS)
  const { total } = catalogCost(rel, conditions)
  addPath(rel.paths, {
    ...UNORDERED,
    rows: rel.rows,
    total,
    width: rel.width,
    build: (targets) => catalogScan(rel, targets, conditions, rel.rows, total),
  })
}

/** By relation and value: a relation is looked up in one place of a plan, so that all its paths may use the same. */
const joinParams = new WeakMap<BaseRel, Map<string, Expr & { kind: 'Param' }>>()

function joinParam(rel: BaseRel, value: Expr, root: Root): Expr & { kind: 'Param' } {
  const ofRel = joinParams.get(rel) ?? new Map<string, Expr & { kind: 'Param' }>()
  joinParams.set(rel, ofRel)
  const key = exprKey(value)
  const param = ofRel.get(key) ?? execParam(root.glob, value)
  ofRel.set(key, param)
  return param
}

/** A catalogue table's rows looked up for each row of `outer` by what `joinQuals` say; null where they lead to no column it is looked up by. */
export function catalogLookupPath(rel: BaseRel, joinQuals: readonly Expr[], problem: JoinProblem, outer: Relids): Path | null {
  const facts = rel.info?.catalogTable ?? null
  if (facts === null) return null
  const joining = catalogConditions(rel, joinQuals, problem, outer)
  if (!joining.some(({ attnum }) => facts.lookups.has(attnum))) return null
  const params: { readonly id: number; readonly expr: Expr }[] = []
  const bound = joining.map((condition) => {
    if (problem.relids(condition.value) === NO_RELS) return condition
    const param = joinParam(rel, condition.value, problem.root)
    params.push({ id: param.id, expr: condition.value })
    return { ...condition, value: param }
  })
  const conditions = [...bound, ...catalogConditions(rel, rel.quals, problem, NO_RELS)]
  const { rows: found, total } = catalogCost(rel, conditions)
  const rows = clampRows(found * conjunction(rel.quals, problem))
  return {
    ...UNORDERED,
    rows,
    total,
    width: rel.width,
    outer: params.reduce((set, param) => set | problem.relids(param.expr), NO_RELS),
    params,
    single: conditions.some(({ attnum }) => facts.unique.has(attnum)),
    build: (targets) => catalogScan(rel, targets, conditions, rows, total),
  }
}

export function functionPaths(rel: BaseRel, problem: JoinProblem): void {
  const { rte } = rel
  if (rte.kind !== 'function') return
  const quals = allOverScan(rel.quals, rel)
  const { functions, outer, params } = lateralExprs(
    rel,
    problem,
    rte.functions.map((call) => call.expr),
  )
  const total = rel.tuples * COST.tuple
  addPath(rel.paths, {
    ...UNORDERED,
    rows: rel.rows,
    total,
    width: rel.width,
    outer,
    params,
    build: (targets) => ({
      kind: 'FunctionScan',
      alias: rel.rte.refname,
      ...common(targetList(targets.map((t) => overScan(t, rel))), quals, rel.rows, 0, total, rel.width),
      functions: rte.functions.map((call, i) => ({
        expr: functions[i]!,
        columnCount: call.columns.length,
        columnTypes: call.columns.map((column) => column.type),
        columnTypmods: call.columns.map((column) => column.typmod),
        columnNames: call.columns.map((column) => column.name),
      })),
      ordinality: rte.ordinality,
    }),
  })
}

function lateralExprs(rel: BaseRel, problem: JoinProblem, exprs: readonly Expr[]) {
  const found = outerParams()
  const functions = exprs.map((expr) => correlateExpr(expr, problem.root.glob, found))
  const outer = found.list.reduce((set, param) => set | problem.relids(param.expr), NO_RELS) & ~rel.bit
  return { functions, outer, params: found.list }
}

export function valuesPaths(rel: BaseRel, problem: JoinProblem): void {
  const { rte } = rel
  if (rte.kind !== 'values') return
  const width = rte.columns.length
  const quals = allOverScan(rel.quals, rel)
  const { functions, outer, params } = lateralExprs(rel, problem, rte.lateral ? rte.lists.flat() : [])
  const lists = rte.lateral ? rte.lists.map((_, i) => functions.slice(i * width, (i + 1) * width)) : rte.lists
  const total = rel.tuples * COST.tuple
  addPath(rel.paths, {
    ...UNORDERED,
    rows: rel.rows,
    total,
    width: rel.width,
    outer,
    params,
    single: lists.length === 1,
    build: (targets) => ({
      kind: 'ValuesScan',
      alias: rel.rte.refname,
      ...common(targetList(targets.map((t) => overScan(t, rel))), quals, rel.rows, 0, total, rel.width),
      lists,
    }),
  })
}

/** A CTE's shared result, or, inside its own recursive term, the working table. */
export function ctePaths(rel: BaseRel, root: Root): void {
  const { rte } = rel
  if (rte.kind !== 'cte') return
  const planned = findCte(root, rte.cteName, rte.levelsUp)
  const quals = allOverScan(rel.quals, rel)
  const total = rel.tuples * COST.tuple
  const workTable = planned.subPlan === null
  addPath(rel.paths, {
    ...UNORDERED,
    rows: rel.rows,
    total,
    width: rel.width,
    build: (targets): Plan => {
      const fields = common(targetList(targets.map((t) => overScan(t, rel))), quals, rel.rows, 0, total, rel.width)
      return workTable
        ? { kind: 'WorkTableScan', alias: rel.rte.refname, ...fields, workTable: planned.workTable }
        : { kind: 'CteScan', alias: rel.rte.refname, ...fields, subPlan: planned.subPlan!.id }
    },
  })
}

export function findCte(root: Root, name: string, levelsUp: number) {
  let level: Root | null = root
  for (let i = 0; i < levelsUp && level !== null; i++) level = level.parent
  const planned = level?.ctes.find((cte) => cte.cte.name === name)
  if (planned === undefined) throw new Error(`WITH query "${name}" was not planned`)
  return planned
}

/** A subquery's result as a relation. `path.build` takes the subquery's own columns; `columns` are they. */
export function subqueryPaths(
  rel: BaseRel,
  path: Path,
  columns: readonly Expr[],
  finish: (plan: Plan) => Plan,
  order: readonly PathKey[],
  outer: Relids,
  params: Path['params'],
): void {
  const quals = allOverScan(rel.quals, rel)
  const total = path.total + path.rows * COST.operator * (1 + quals.length)
  addPath(rel.paths, {
    rows: rel.rows,
    startup: path.startup,
    total,
    width: rel.width,
    order,
    outer,
    params,
    single: path.single,
    build: (targets) => {
      const input = finish(path.build(columns))
      const identity = targets.every((t, i) => t.kind === 'Var' && t.varno === rel.rti && t.attno === i + 1 && t.levelsUp === 0)
      if (identity && quals.length === 0) return input
      return {
        kind: 'SubqueryScan',
        alias: rel.rte.refname,
        ...common(targetList(targets.map((t) => overScan(t, rel))), quals, rel.rows, path.startup, total, rel.width),
        input,
      }
    },
  })
}

/** Rows a relation is taken to have before its restrictions. */
export function functionRows(exprs: readonly Expr[], root: Root): number {
  let most = 1
  for (const expr of exprs) {
    if (expr.kind !== 'FuncExpr' || !expr.retset) continue
    const proc = root.catalog.proc(expr.funcId)
    let rows = proc?.prorows ?? DEFAULTS.functionRows
    if (proc?.proname === 'generate_series' && expr.args.length >= 2) {
      const [from, to, step] = expr.args
      if (from?.kind === 'Const' && to?.kind === 'Const' && typeof from.value === 'number' && typeof to.value === 'number') {
        const by = step?.kind === 'Const' && typeof step.value === 'number' && step.value !== 0 ? step.value : 1
        rows = Math.max(1, Math.floor((to.value - from.value) / by) + 1)
      }
    } else if (proc?.proname === 'unnest') rows = DEFAULTS.arrayRows
    most = Math.max(most, rows)
  }
  return most
}

export function restrict(rel: BaseRel, problem: JoinProblem): void {
  rel.rows = clampRows(rel.tuples * conjunction(rel.quals, problem))
}
