// A CTE that is read once (or NOT MATERIALIZED), neither recursive nor modifying nor volatile, is a subquery.

import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { CommonTableExpr, Query, RangeTblEntry } from '../../analyzer/query.ts'
import { mapQuery, shiftLevels } from '../expr-tree.ts'
import { queryIsVolatile } from '../volatility.ts'

function inlinable(cte: CommonTableExpr, catalog: CatalogSnapshot): boolean {
  if (cte.recursive || cte.query.commandType !== 'select' || cte.query.hasModifyingCte || cte.query.rowMarks.length > 0) return false
  if (cte.materialized === 'always' || (cte.materialized === 'default' && cte.refcount !== 1)) return false
  return !queryIsVolatile(cte.query, catalog)
}

/** Puts `cte`'s query in the place of each reference to it, `depth` levels below its WITH. */
function inlineInto(query: Query, depth: number, cte: CommonTableExpr): Query {
  const rtable = query.rtable.map((rte): RangeTblEntry => {
    if (rte.kind === 'subquery') {
      const subquery = inlineInto(rte.subquery, depth + 1, cte)
      return subquery === rte.subquery ? rte : { ...rte, subquery }
    }
    if (rte.kind !== 'cte' || rte.levelsUp !== depth || rte.cteName !== cte.name) return rte
    // The CTE's query stood one level below its WITH; here it stands one level below `depth` levels further down.
    const subquery = depth === 0 ? cte.query : mapQuery(cte.query, 0, shiftLevels(depth, 1))
    const { kind: _kind, cteName: _name, levelsUp: _levels, selfReference: _self, columns: _columns, ...common } = rte
    return { ...common, kind: 'subquery', subquery, view: 0, securityBarrier: false }
  })
  const cteList = query.cteList.map((other) => {
    const inner = depth === 0 && other === cte ? other.query : inlineInto(other.query, depth + 1, cte)
    return inner === other.query ? other : { ...other, query: inner }
  })
  const copy = { ...query, rtable, cteList }
  if (!query.hasSubLinks) return copy
  return mapSubLinks(copy, depth, cte)
}

/** Sub-selects in expressions of this level (nested ones are reached through inlineInto). */
function mapSubLinks(query: Query, depth: number, cte: CommonTableExpr): Query {
  const { rtable, cteList } = query
  const mapped = mapQuery({ ...query, rtable: rtable.map((rte) => (rte.kind === 'subquery' ? EMPTY_RTE : rte)), cteList: [] }, 0, {
    expr(expr) {
      if (expr.kind !== 'SubLink') return undefined
      const subselect = inlineInto(expr.subselect, depth + 1, cte)
      return subselect === expr.subselect ? undefined : { ...expr, subselect }
    },
  })
  return { ...mapped, rtable: mapped.rtable.map((rte, i) => (rtable[i]!.kind === 'subquery' ? rtable[i]! : rte)), cteList }
}

/** Stands where nothing is left to scan: indexes of the others stay. */
export const EMPTY_RTE: RangeTblEntry = { kind: 'result', refname: '', hasAlias: false, colNames: [], lateral: false, inFromClause: false }

export function inlineCtes(query: Query, catalog: CatalogSnapshot): Query {
  let result = query
  for (let i = 0; i < result.cteList.length; ) {
    const cte = result.cteList[i]!
    // Read by nobody: a SELECT is never run.
    const unread = cte.refcount === 0 && cte.query.commandType === 'select' && !cte.recursive
    if (!unread && !inlinable(cte, catalog)) {
      i++
      continue
    }
    if (!unread) result = inlineInto(result, 0, cte)
    result = { ...result, cteList: result.cteList.filter((_, j) => j !== i) }
  }
  return result
}
