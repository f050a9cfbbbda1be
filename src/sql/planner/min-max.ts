// min(x) and max(x) over one stored table: the first non-NULL entry of an index, instead of all rows.

import type { Expr } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import { amopsByOperator, STRATEGY } from '../builtin/pg-index.ts'
import { execParam } from './context.ts'
import { COST } from './cost.ts'
import { exprKey, replace, some } from './expr-tree.ts'
import { common, type Path, targetList } from './paths/path.ts'
import type { Plan, SubPlan } from './plan.ts'
import type { JoinedLevel } from './planned-level.ts'
import { NO_RELS } from './relids.ts'
import type { PlanSubquery } from './sublinks.ts'

type Aggregate = Expr & { kind: 'Aggref' }

/** A path without any scan of the whole table, or null where some aggregate has no index. */
export function minMaxPath(joined: JoinedLevel, planSubquery: PlanSubquery): Path | null {
  const { query, problem, root, having } = joined
  if (query.groupClause.length > 0 || query.groupingSets.length > 0 || problem.rels.length !== 1 || joined.special.length > 0) return null
  const rel = problem.rels[0]!
  if (rel.table === null || rel.table.indexes.length === 0) return null
  const aggregates = new Map<string, Aggregate>()
  for (const expr of [...query.targetList.map((entry) => entry.expr), ...having]) {
    some(expr, (e) => {
      if (e.kind === 'Aggref') aggregates.set(exprKey(e), e)
      return false
    })
    // Whatever else looks at the row needs the scan.
    let bare = false
    replace(expr, (e) => {
      if (e.kind === 'Aggref') return e
      if (e.kind === 'Var') bare = true
      return undefined
    })
    if (bare) return null
  }
  if (aggregates.size === 0 || aggregates.size > 4) return null
  const values = new Map<string, Expr>()
  const initPlans: SubPlan[] = []
  for (const [key, aggregate] of aggregates) {
    const planned = planOne(aggregate, joined, planSubquery)
    if (planned === null) return null
    const param = execParam(root.glob, aggregate)
    values.set(key, param)
    const id = root.glob.subPlanIds++
    initPlans.push({ id, kind: 'expr', plan: planned, setParams: [param.id], params: [], testExpr: null, columns: [], useHash: false })
  }
  root.initPlans.push(...initPlans)
  const put = (expr: Expr): Expr => replace(expr, (e) => (e.kind === 'Aggref' ? values.get(exprKey(e)) : undefined))
  const total = COST.request * aggregates.size
  return {
    rows: 1,
    startup: total,
    total,
    width: 8,
    order: [],
    outer: NO_RELS,
    params: [],
    single: true,
    build: (targets) => ({
      kind: 'Result',
      ...common(targetList(targets.map(put)), having.map(put), 1, total, total),
      input: null,
      oneTimeFilter: null,
    }),
  }
}

/** SELECT x FROM t WHERE … AND x IS NOT NULL ORDER BY x LIMIT 1, if an index gives that order. */
function planOne(aggregate: Aggregate, joined: JoinedLevel, planSubquery: PlanSubquery): Plan | null {
  const { query, root, problem } = joined
  const sortOp = root.catalog.aggregate(aggregate.aggFnOid)?.aggsortop ?? 0
  const argument = aggregate.args[0]?.expr
  if (sortOp === 0 || argument === undefined || aggregate.args.length !== 1 || aggregate.filter !== null || aggregate.order.length > 0)
    return null
  const amop = amopsByOperator(sortOp).find((row) => row.amopmethod === 403)
  if (amop === undefined) return null
  const descending = amop.amopstrategy === STRATEGY.greater
  const rti = problem.rels[0]!.rti
  const bool = { type: 16, typmod: -1, collation: 0, location: -1 }
  const notNull: Expr = { kind: 'NullTest', arg: argument, isNull: false, argIsRow: false, ...bool }
  const quals = [...joined.quals, notNull]
  if (quals.some((qual) => (qual.kind as string) === 'SubPlanExpr' || some(qual, (e) => (e.kind as string) === 'SubPlanExpr'))) return null
  const one: Expr = { kind: 'Const', value: 1, type: 20, typmod: -1, collation: 0, location: -1 }
  const subquery: Query = {
    ...query,
    jointree: {
      kind: 'FromExpr',
      fromlist: [{ kind: 'RangeTblRef', rtindex: rti }],
      quals: { kind: 'BoolExpr', op: 'and', args: quals, ...bool },
    },
    targetList: [{ expr: argument, resno: 1, resname: null, ressortgroupref: 1, resorigtbl: 0, resorigcol: 0, resjunk: false }],
    permissions: [],
    cteList: [],
    hasAggs: false,
    hasSubLinks: false,
    hasWindowFuncs: false,
    windowClause: [],
    havingQual: null,
    distinctClause: [],
    sortClause: [{ tleSortGroupRef: 1, eqOp: 0, sortOp, descending, nullsFirst: descending, hashable: false }],
    limitCount: one,
    limitOffset: null,
    limitOption: 'count',
    rowMarks: [],
  }
  const { plan } = planSubquery(subquery, root, 1)
  const input = plan.kind === 'Limit' ? plan.input : plan
  return input.kind === 'IndexScan' || input.kind === 'SeqScan' ? plan : null
}
