// Vars of join entries (USING's merged columns, aliases of joins) become what they stand for, so that later steps see base relations only.

import type { Expr } from '../../analyzer/expr.ts'
import type { Query } from '../../analyzer/query.ts'
import { mapExprDeep, mapQuery, shiftLevels } from '../expr-tree.ts'

export function flattenJoinAliases(query: Query): Query {
  if (!query.rtable.some((rte) => rte.kind === 'join')) return query
  const resolved = new Map<string, Expr>()
  const resolve = (varno: number, attno: number, like: Expr): Expr => {
    const key = `${varno}.${attno}`
    const known = resolved.get(key)
    if (known !== undefined) return known
    const rte = query.rtable[varno - 1]!
    if (rte.kind !== 'join') return like
    const expr: Expr =
      attno === 0
        ? {
            kind: 'RowExpr',
            args: rte.aliasVars.map((alias) => deep(alias, 0)),
            colNames: rte.colNames.map((name) => name ?? ''),
            format: 'implicit',
            type: like.type,
            typmod: like.typmod,
            collation: like.collation,
            location: -1,
          }
        : deep(rte.aliasVars[attno - 1]!, 0)
    resolved.set(key, expr)
    return expr
  }
  const mapper = {
    expr(expr: Expr, depth: number): Expr | undefined {
      if (expr.kind !== 'Var' || expr.levelsUp !== depth) return undefined
      if (query.rtable[expr.varno - 1]!.kind !== 'join') return expr
      const flat = resolve(expr.varno, expr.attno, { ...expr, levelsUp: 0 })
      return depth === 0 ? flat : mapExprDeep(flat, 0, shiftLevels(depth))
    },
  }
  const deep = (expr: Expr, depth: number): Expr => mapExprDeep(expr, depth, mapper)
  // Nothing refers to the join entries any more; what they list would be walked by every rewrite that follows.
  const rtable = query.rtable.map((rte) => (rte.kind === 'join' ? { ...rte, aliasVars: [] } : rte))
  return mapQuery({ ...query, rtable }, 0, mapper)
}
