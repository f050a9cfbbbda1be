// Where a set-returning call may stand.

import { SQLSTATE } from '../../base/sqlstate.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'
import { placeName } from './expr-kind.ts'
import { exprLocation } from './location.ts'

export function checkSrfPlacement(state: ParseState, node: Expr, location: number): void {
  const refuse = (what: string, hint?: string): never => {
    throw errorAt(state, SQLSTATE.featureNotSupported, what, location, hint === undefined ? {} : { hint })
  }
  const last = state.lastSrf
  switch (state.kind) {
    case 'from function':
      if (last !== null && last !== node && isSet(last) && hasArgument(node, last)) {
        throw errorAt(state, SQLSTATE.featureNotSupported, 'set-returning functions must appear at top level of FROM', exprLocation(last))
      }
      return
    case 'select target':
    case 'insert target':
    case 'group by':
    case 'distinct on':
    case 'order by':
    case 'window partition':
    case 'window order':
      state.hasTargetSRFs = true
      return
    case 'none':
    case 'other':
      return
    case 'values':
      refuse('set-returning functions are not allowed in VALUES')
      return
    case 'values single':
      state.hasTargetSRFs = true
      return
    case 'window frame range':
    case 'window frame rows':
    case 'window frame groups':
      refuse('set-returning functions are not allowed in window definitions')
      return
    case 'limit':
    case 'offset':
      refuse(`set-returning functions are not allowed in ${placeName(state.kind)}`)
      return
    default:
      refuse(`set-returning functions are not allowed in ${placeName(state.kind)}`)
      return
  }
}

function isSet(node: Expr): boolean {
  return (node.kind === 'FuncExpr' || node.kind === 'OpExpr') && node.retset
}

function hasArgument(node: Expr, inner: Expr): boolean {
  return (node.kind === 'FuncExpr' || node.kind === 'OpExpr') && node.args.some((arg) => arg === inner || hasArgument(arg, inner))
}
