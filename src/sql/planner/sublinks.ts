// Sub-selects in expressions that no rewrite turned into joins: uncorrelated ones become InitPlans, run once; the others SubPlans, run per row.

import { leavesTraces } from '../../base/begun-anew.ts'
import type { Expr, TargetEntry } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import { operatorByOid } from '../builtin/pg-operator.ts'
import { execParam, type Root } from './context.ts'
import { replace, subPlanExpr } from './expr-tree.ts'
import type { Plan, SubPlan } from './plan.ts'
import { correlateQuery, outerParams } from './rewrite/correlate.ts'

/** Plans a query below `parent` (plan-level.ts; handed down because the two need each other). */
export type PlanSubquery = (query: Query, parent: Root, fetch: number | null) => { plan: Plan; columns: readonly Expr[] }

type SubLinkExpr = Expr & { kind: 'SubLink' }

/** The sub-select of SET (a, b) = (SELECT …). */
interface MultiAssignment {
  readonly link: SubLinkExpr
  /** One per column once it is planned as an InitPlan; null while it is not. */
  params: readonly Expr[] | null
}

/** The sub-selects of multi-column assignments, by the id that the assigned columns know them by. */
export type MultiAssignments = ReadonlyMap<number, MultiAssignment>

export function multiAssignments(targets: readonly TargetEntry[]): MultiAssignments {
  const links = new Map<number, MultiAssignment>()
  for (const { expr } of targets)
    if (expr.kind === 'SubLink' && expr.linkType === 'multiexpr') links.set(expr.subLinkId, { link: expr, params: null })
  return links
}

/** `expr` with its sub-links planned. */
export function planSubLinks(expr: Expr, root: Root, planSubquery: PlanSubquery, multi: MultiAssignments): Expr {
  return replace(expr, (e) => {
    if (e.kind === 'SubLinkColumn' && multi.has(e.subLinkId)) return planColumn(e, multi.get(e.subLinkId)!, root, planSubquery, multi)
    return e.kind === 'SubLink' ? planOne(e, root, planSubquery, multi) : undefined
  })
}

/** One column of a multi-column assignment: of the one row an InitPlan finds, or of the sub-select reduced to that column. */
function planColumn(
  e: Expr & { kind: 'SubLinkColumn' },
  assignment: MultiAssignment,
  root: Root,
  planSubquery: PlanSubquery,
  multi: MultiAssignments,
): Expr {
  const { link } = assignment
  if (assignment.params !== null) return assignment.params[e.column - 1]!
  leavesTraces()
  const { glob } = root
  const params = outerParams()
  const query = correlateQuery(link.subselect, glob, params)
  if (params.list.length === 0) {
    const { plan, columns } = planSubquery(query, root, 1)
    const results = columns.map((column) => execParam(glob, column))
    const setParams = results.map((param) => param.id)
    root.initPlans.push({ id: glob.subPlanIds++, kind: 'expr', plan, params: [], setParams, testExpr: null, columns: [], useHash: false })
    assignment.params = results
    return results[e.column - 1]!
  }
  const own = link.subselect.targetList.filter((entry) => !entry.resjunk)[e.column - 1]!
  const targetList = link.subselect.targetList.map((entry) => (entry === own || entry.resjunk ? entry : { ...entry, resjunk: true }))
  const subselect: Query = { ...link.subselect, targetList }
  return planOne(
    { ...link, linkType: 'expr', subselect, type: e.type, typmod: e.typmod, collation: e.collation },
    root,
    planSubquery,
    multi,
  )
}

/** Of EXISTS only the existence of a row matters: what the rows would be is not computed. */
function existsQuery(query: Query): Query {
  const { limitCount } = query
  const kept =
    query.commandType !== 'select' ||
    query.setOperations !== null ||
    query.hasAggs ||
    query.hasWindowFuncs ||
    query.hasTargetSRFs ||
    query.groupingSets.length > 0 ||
    query.havingQual !== null ||
    query.limitOffset !== null ||
    query.rowMarks.length > 0 ||
    query.cteList.some((cte) => cte.query.commandType !== 'select') ||
    (limitCount !== null && !(limitCount.kind === 'Const' && Number(limitCount.value) > 0))
  if (kept) return { ...query, sortClause: [] }
  const one: Expr = { kind: 'Const', value: 1, type: 23, typmod: -1, collation: 0, location: -1 }
  const entry = { expr: one, resno: 1, resname: null, ressortgroupref: 0, resorigtbl: 0, resorigcol: 0, resjunk: false }
  return { ...query, targetList: [entry], groupClause: [], distinctClause: [], sortClause: [], limitCount: null }
}

function planOne(link: SubLinkExpr, root: Root, planSubquery: PlanSubquery, multi: MultiAssignments): Expr {
  leavesTraces()
  const { glob } = root
  const params = outerParams()
  const query = correlateQuery(link.subselect, glob, params)
  const exists = link.linkType === 'exists'
  const { plan, columns } = planSubquery(exists ? existsQuery(query) : query, root, exists || link.linkType === 'expr' ? 1 : null)
  const correlated = params.list.length > 0
  const id = glob.subPlanIds++
  const base = {
    id,
    plan,
    params: params.list.map((param) => ({ id: param.id, expr: planSubLinks(param.expr, root, planSubquery, multi) })),
  }
  switch (link.linkType) {
    case 'exists':
    case 'expr':
    case 'array': {
      const kind = link.linkType
      if (correlated) return subPlanExpr({ ...base, kind, setParams: [], testExpr: null, columns: [], useHash: false }, link)
      const result = execParam(glob, link)
      root.initPlans.push({ ...base, kind, setParams: [result.id], testExpr: null, columns: [], useHash: false })
      return result
    }
    case 'multiexpr':
      return { kind: 'Const', value: null, type: link.type, typmod: -1, collation: 0, location: -1 }
    default: {
      const own = columns.map((column) => execParam(glob, column))
      const testExpr =
        link.testExpr === null
          ? null
          : replace(planSubLinks(link.testExpr, root, planSubquery, multi), (e) =>
              e.kind === 'SubLinkColumn' ? own[e.column - 1] : undefined,
            )
      const useHash = link.linkType === 'any' && !correlated && testExpr !== null && hashable(testExpr, new Set(own.map((p) => p.id)))
      const subPlan: SubPlan = { ...base, kind: link.linkType, setParams: [], testExpr, columns: own.map((param) => param.id), useHash }
      return subPlanExpr(subPlan, link)
    }
  }
}

/** Every part compares the outer side with one column by an equality that can be hashed. */
function hashable(test: Expr, columns: ReadonlySet<number>): boolean {
  if (test.kind === 'BoolExpr' && test.op === 'and') return test.args.every((arg) => hashable(arg, columns))
  if (test.kind !== 'OpExpr' || operatorByOid(test.opNo)?.oprcanhash !== true) return false
  const right = test.args[1]
  const bare = right?.kind === 'RelabelType' ? right.arg : right
  return bare?.kind === 'Param' && bare.paramKind === 'exec' && columns.has(bare.id)
}
