// Where every file enters the transformation of expressions. The dispatcher (transform-expr.ts) needs them all and they need it: it puts
// itself here when it is loaded, so that no two files import each other.

import type { Node } from '../parser/nodes.ts'
import { coerceToBoolean } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { type ExprKind, enter, leave, type ParseState } from './context.ts'
import type { Expr } from './expr.ts'

type Dispatch = (state: ParseState, node: Node) => Expr
let dispatch: Dispatch | null = null

export function bindDispatch(own: Dispatch): void {
  dispatch = own
}

/** Transforms in the given clause. */
export function transformExpr(state: ParseState, node: Node, kind: ExprKind): Expr {
  const saved = state.kind
  state.kind = kind
  try {
    return transform(state, node)
  } finally {
    state.kind = saved
  }
}

/** A boolean condition with its collations assigned. */
export function transformCondition(state: ParseState, node: Node, kind: ExprKind, construct: string): Expr {
  const expr = coerceToBoolean(state, transformExpr(state, node, kind), construct)
  assignCollations(state, expr)
  return expr
}

export function transform(state: ParseState, node: Node): Expr {
  // Frames are what nesting costs: no closure here.
  enter()
  try {
    return dispatch!(state, node)
  } finally {
    leave()
  }
}
