// The rewrite (PostgreSQL's rewriteHandler): from the query as written to the query as the planner reads it. Views become subqueries whose
// permissions are their owner's, virtual generated columns become their expressions (virtual-columns.ts), INSERT and UPDATE get defaults (defaults.ts), and
// changes of simple views become changes of their tables (updatable-view.ts).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { AnalyzeContext } from './context.ts'
import { fillDefaults, fillViewDefaults } from './defaults.ts'
import type { Expr } from './expr.ts'
import { lockInside } from './locking.ts'
import type { Query, RangeTblEntry, RowMark, RteRelation } from './query.ts'
import { alignSetOperation } from './setop-align.ts'
import { rewriteViewTarget } from './updatable-view.ts'
import { viewQuery } from './view-query.ts'
import { expandVirtualColumns, hasVirtualColumns } from './virtual-columns.ts'
import { mapChildren, mapQuery } from './walker.ts'

const _PG_CATALOG: Oid = 11

/** `inside`: the views that the query stands in. */
export function rewriteQuery(query: Query, ctx: AnalyzeContext, inside: readonly Oid[] = []): Query {
  let result = query
  if (query.commandType !== 'select') {
    const targets: Oid[] = []
    for (;;) {
      const target = result.rtable[result.resultRelation - 1] as RteRelation
      if (target.relkind !== 'v') break
      if (targets.includes(target.relation)) throw recursive(target.relation, ctx)
      targets.push(target.relation)
      result = rewriteViewTarget(fillViewDefaults(result, ctx), ctx)
    }
    result = fillDefaults(result, ctx)
  }
  if (isPlain(result, ctx)) return result
  result = expandVirtualColumns(result, ctx)
  const enter = (expr: Expr): Expr => mapChildren(expr, enter, (sub) => rewriteQuery(sub, ctx, inside))
  result = mapQuery(result, enter, (sub) => rewriteQuery(sub, ctx, inside))
  const rtable = result.rtable.map((rte, i): RangeTblEntry => {
    if (rte.kind !== 'relation' || rte.relkind !== 'v' || i + 1 === result.resultRelation) return rte
    return expandView(rte, result.rowMarks.find(({ rti }) => rti === i + 1) ?? null, ctx, inside)
  })
  result = { ...result, rtable }
  return result.setOperations === null ? result : alignSetOperation(result, ctx)
}

/** Nothing to rewrite: most statements. // hot */
function isPlain(query: Query, ctx: AnalyzeContext): boolean {
  if (query.hasSubLinks || query.cteList.length > 0 || query.setOperations !== null) return false
  for (const rte of query.rtable) {
    if (rte.kind === 'subquery') return false
    if (rte.kind !== 'relation') continue
    if (rte.relkind === 'v') return false
    if (hasVirtualColumns(rte, ctx)) return false
  }
  return true
}

/** CREATE OR REPLACE VIEW can make a view read itself. */
function recursive(view: Oid, ctx: AnalyzeContext): PgError {
  const name = ctx.catalog.relation(view)?.name
  return new PgError(SQLSTATE.invalidObjectDefinition, `infinite recursion detected in rules for relation "${name}"`)
}

function expandView(rte: RteRelation, mark: RowMark | null, ctx: AnalyzeContext, inside: readonly Oid[]): RangeTblEntry {
  if (inside.includes(rte.relation)) throw recursive(rte.relation, ctx)
  const info = ctx.catalog.relation(rte.relation)
  if (info === null) throw new PgError(SQLSTATE.undefinedTable, `relation with OID ${rte.relation} does not exist`)
  const stored = viewQuery(info, ctx)
  const view = mark === null ? stored : lockInside(stored, mark.strength, mark.wait, true)
  const securityInvoker = info.descriptor?.view?.securityInvoker ?? false
  const subquery = rewriteQuery(securityInvoker ? view : checkedAs(view, info.owner), ctx, [...inside, info.oid])
  return {
    kind: 'subquery',
    subquery,
    view: info.oid,
    securityBarrier: info.descriptor?.view?.securityBarrier ?? false,
    refname: rte.refname,
    hasAlias: rte.hasAlias,
    colNames: rte.colNames,
    lateral: false,
    inFromClause: rte.inFromClause,
  }
}

/** Every permission inside is checked as `owner`: at any depth, for nothing in a view belongs to its reader. */
function checkedAs(query: Query, owner: Oid): Query {
  const enter = (expr: Expr): Expr => mapChildren(expr, enter, (sub) => checkedAs(sub, owner))
  const inner = mapQuery(query, enter, (sub) => checkedAs(sub, owner))
  return { ...inner, permissions: query.permissions.map((permission) => ({ ...permission, checkAs: owner })) }
}
