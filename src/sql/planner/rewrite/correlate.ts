// A query below this level sees our columns as exec Params: what it takes from level 0 (as seen from here) is replaced in it and listed.

import type { Expr } from '../../analyzer/expr.ts'
import type { Query } from '../../analyzer/query.ts'
import { execParam, type Glob } from '../context.ts'
import { exprKey, mapChildren, mapExprDeep, mapQuery, type QueryMapper } from '../expr-tree.ts'

export interface OuterParam {
  readonly id: number
  readonly expr: Expr
}

export interface OuterParams {
  readonly list: OuterParam[]
  readonly byKey: Map<string, Expr & { kind: 'Param' }>
}

export function outerParams(): OuterParams {
  return { list: [], byKey: new Map() }
}

/** A mapper for trees whose depth-0 level is one (`levels` = 1) below the level whose columns are passed in. */
function correlator(glob: Glob, params: OuterParams, levels: number): QueryMapper {
  const paramFor = (local: Expr): Expr => {
    const key = exprKey(local)
    const known = params.byKey.get(key)
    if (known !== undefined) return known
    const param = execParam(glob, local)
    params.byKey.set(key, param)
    params.list.push({ id: param.id, expr: local })
    return param
  }
  const mapper: QueryMapper = {
    expr(expr, depth) {
      if (expr.kind === 'Var') return expr.levelsUp === depth + levels ? paramFor({ ...expr, levelsUp: 0 }) : expr
      if ((expr.kind === 'Aggref' || expr.kind === 'GroupingFunc') && expr.levelsUp === depth + levels) {
        const lowered: QueryMapper = {
          expr: (inner, below) =>
            inner.kind === 'Var' && inner.levelsUp >= below + levels + depth
              ? { ...inner, levelsUp: inner.levelsUp - levels - depth }
              : undefined,
        }
        const local = mapChildren(expr, (child) => mapExprDeep(child, 0, lowered)) as typeof expr
        return paramFor({ ...local, levelsUp: 0 })
      }
      return undefined
    },
  }
  return mapper
}

export function correlateQuery(query: Query, glob: Glob, params: OuterParams): Query {
  return mapQuery(query, 0, correlator(glob, params, 1))
}

/** Expressions of a LATERAL function or VALUES: their level-0 Vars are other relations' columns. */
export function correlateExpr(expr: Expr, glob: Glob, params: OuterParams): Expr {
  return mapExprDeep(expr, 0, correlator(glob, params, 0))
}

/** Whether the query takes anything from the level right outside it. */
export function isCorrelated(query: Query): boolean {
  let found = false
  mapQuery(query, 0, {
    expr(expr, depth) {
      if ((expr.kind === 'Var' || expr.kind === 'Aggref' || expr.kind === 'GroupingFunc') && expr.levelsUp === depth + 1) found = true
      return found ? expr : undefined
    },
  })
  return found
}
