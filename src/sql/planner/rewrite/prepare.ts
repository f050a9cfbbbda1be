// The rewrites of one query level before it is planned: aliases flattened, sub-links and subqueries pulled up into one join tree.

import type { Expr } from '../../analyzer/expr.ts'
import type { FromExpr } from '../../analyzer/query.ts'
import { mapTree, toFrom, toTree } from '../join-tree.ts'
import { foldConstants, orToAny } from './fold-constants.ts'
import { groupOverSubquery } from './grouping-subquery.ts'
import { flattenJoinAliases } from './join-aliases.ts'
import type { Level, Prepare } from './level.ts'
import { pullUpSubLinks } from './pull-up-sublinks.ts'
import { pullUpSubqueries } from './pull-up-subqueries.ts'

const NO_FROM: FromExpr = { kind: 'FromExpr', fromlist: [], quals: null }

export const prepareLevel: Prepare = (source, ctx) => {
  const query = groupOverSubquery(flattenJoinAliases(source))
  const fold = (expr: Expr): Expr => orToAny(foldConstants(expr, ctx), ctx.catalog)
  const tree = mapTree(toFrom(toTree(query.jointree)), fold)
  const level: Level = { query: { ...query, jointree: NO_FROM }, rtable: [...query.rtable], tree, substitute: null }
  if (query.hasSubLinks) level.tree = toFrom(pullUpSubLinks(level.tree, level, ctx, prepareLevel))
  if (level.rtable.some((rte) => rte.kind === 'subquery')) pullUpSubqueries(level, ctx, prepareLevel)
  level.query = { ...level.query, rtable: level.rtable }
  return level
}
