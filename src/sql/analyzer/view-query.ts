// A view's own query, and its expressions moved to where they are used.

import { notSupported } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { parse } from '../parser/parse.ts'
import { type AnalyzeContext, makeState, paramTypes } from './context.ts'
import type { Expr } from './expr.ts'
import type { Query } from './query.ts'
import { readStoredQuery } from './stored.ts'
import { transformStatement } from './subquery.ts'
import { mapVars } from './walker.ts'

const PG_CATALOG: Oid = 11
const systemViews = new Map<Oid, Query>()

/** A view's query as it was written. */
export function viewQuery(info: RelationInfo, ctx: AnalyzeContext): Query {
  const view = info.descriptor?.view
  if (view) return readStoredQuery(view.query, (type) => ctx.eval.catalog.typeSupport(type))
  if (info.systemViewSql === null) throw notSupported(`view "${info.name}" has no definition here`)
  const known = systemViews.get(info.oid)
  if (known !== undefined) return known
  const [statement] = parse(info.systemViewSql)
  const own: AnalyzeContext = { ...ctx, searchPath: [PG_CATALOG], source: null, params: paramTypes([], false) }
  const query = transformStatement(makeState(own, null), statement!.node!)
  systemViews.set(info.oid, query)
  return query
}

/** An expression stored over relation 1 as one over entry `varno`, `levelsUp` queries out. */
export function rebase(expr: Expr, varno: number, levelsUp: number): Expr {
  return mapVars(expr, (node, depth) =>
    node.kind === 'Var' && node.levelsUp === depth ? { ...node, varno, levelsUp: levelsUp + depth } : null,
  )
}
