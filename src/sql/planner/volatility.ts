// What functions an expression calls: whether it may be folded, moved, repeated or left out, and whether NULL in gives NULL out.

import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { Query } from '../analyzer/query.ts'
import { mapExprDeep, mapQuery, some } from './expr-tree.ts'

/** pg_proc.provolatile, worst of all; 'i' < 's' < 'v'. */
export type Volatility = 'i' | 's' | 'v'

function ofProc(oid: number, catalog: CatalogSnapshot): Volatility {
  return (catalog.proc(oid)?.provolatile ?? 'v') as Volatility
}

/** Of one node by itself. */
export function ofNode(expr: Expr, catalog: CatalogSnapshot): Volatility {
  switch (expr.kind) {
    case 'FuncExpr':
      return ofProc(expr.funcId, catalog)
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr':
    case 'ScalarArrayOpExpr':
      return ofProc(expr.opFuncId, catalog)
    case 'NextValueExpr':
    case 'CurrentOfExpr':
      return 'v'
    case 'SqlValueFunction':
    case 'JsonConstructorExpr':
    case 'JsonExpr':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      return 's'
    default:
      return 'i'
  }
}

/** Of everything in `expr`, sub-selects included. */
export function volatility(expr: Expr, catalog: CatalogSnapshot): Volatility {
  let worst: Volatility = 'i'
  mapExprDeep(expr, 0, {
    expr(node) {
      const own = ofNode(node, catalog)
      if (own > worst) worst = own
      return worst === 'v' ? node : undefined
    },
  })
  return worst
}

export function isVolatile(expr: Expr, catalog: CatalogSnapshot): boolean {
  return volatility(expr, catalog) === 'v'
}

export function queryIsVolatile(query: Query, catalog: CatalogSnapshot): boolean {
  let found = false
  mapQuery(query, 0, {
    expr(node) {
      if (!found && ofNode(node, catalog) === 'v') found = true
      return found ? node : undefined
    },
  })
  return found
}

export function returnsSet(expr: Expr): boolean {
  return some(expr, (e) => (e.kind === 'FuncExpr' || e.kind === 'OpExpr') && e.retset)
}

function strictProc(oid: number, catalog: CatalogSnapshot): boolean {
  return catalog.proc(oid)?.proisstrict ?? false
}

/**
 * Calls `found` for each Var (of this level) that makes `expr` NULL, or, for conditions (`condition` true), NULL or false, when it is NULL.
 */
export function strictVars(expr: Expr, condition: boolean, catalog: CatalogSnapshot, found: (varno: number, attno: number) => void): void {
  switch (expr.kind) {
    case 'Var':
      if (expr.levelsUp === 0) found(expr.varno, expr.attno)
      return
    case 'FuncExpr':
      if (strictProc(expr.funcId, catalog)) for (const arg of expr.args) strictVars(arg, false, catalog, found)
      return
    case 'OpExpr':
      if (strictProc(expr.opFuncId, catalog)) for (const arg of expr.args) strictVars(arg, false, catalog, found)
      return
    case 'ScalarArrayOpExpr':
      if (expr.useOr && strictProc(expr.opFuncId, catalog)) strictVars(expr.args[0]!, false, catalog, found)
      return
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'CollateExpr':
      strictVars(expr.arg, condition, catalog, found)
      return
    case 'NullTest':
      if (condition && !expr.isNull && !expr.argIsRow) strictVars(expr.arg, false, catalog, found)
      return
    case 'BooleanTest':
      if (condition && (expr.test === 'true' || expr.test === 'false' || expr.test === 'not unknown')) {
        strictVars(expr.arg, false, catalog, found)
      }
      return
    case 'BoolExpr':
      if (expr.op === 'not') strictVars(expr.args[0]!, false, catalog, found)
      else if (expr.op === 'and' && condition) for (const arg of expr.args) strictVars(arg, true, catalog, found)
      else strictInAll(expr.args, condition, catalog, found)
      return
    default:
  }
}

/** More than a relation has of columns, and than it has of system columns, which count downwards. */
const ATTNOS = 4096
const SYSTEM_ATTNOS = 256

/** OR (and AND as a value): NULL only where every arm is. */
function strictInAll(args: readonly Expr[], condition: boolean, catalog: CatalogSnapshot, found: (varno: number, attno: number) => void) {
  let common: Set<number> | null = null
  for (const arg of args) {
    const here = new Set<number>()
    strictVars(arg, condition, catalog, (varno, attno) => void here.add(varno * ATTNOS + attno + SYSTEM_ATTNOS))
    if (common === null) common = here
    else for (const column of common) if (!here.has(column)) common.delete(column)
    if (common.size === 0) return
  }
  for (const column of common ?? []) found(Math.floor(column / ATTNOS), (column % ATTNOS) - SYSTEM_ATTNOS)
}
