// How every nested query begins: a state of its own under the outer one. select.ts puts its entry here when it is loaded.

import type { Node } from '../parser/nodes.ts'
import { type CteEntry, descend, type ExprKind, makeState, type ParseState } from './context.ts'
import type { Query } from './query.ts'

type Statement = (state: ParseState, node: Node) => Query
let statement: Statement | null = null

export function bindStatement(own: Statement): void {
  statement = own
}

/** A statement in a state that is already made. */
export function transformStatement(state: ParseState, node: Node): Query {
  return statement!(state, node)
}

export interface SubqueryOptions {
  readonly kind: ExprKind
  readonly cte?: CteEntry
  /** The query is a leaf of this WITH item's set operation. */
  readonly term?: CteEntry
  readonly locked?: boolean
  readonly resolveUnknowns?: boolean
  /** Run on the fresh state before anything else. */
  readonly prepare?: (state: ParseState) => void
}

export function analyzeSubquery(parent: ParseState, node: Node, options: SubqueryOptions): Query {
  return descend(() => {
    const saved = parent.kind
    if (options.kind === 'from subselect') parent.kind = 'from subselect'
    const state = makeState(parent.ctx, parent)
    state.parentCte = options.cte ?? options.term ?? null
    state.isTerm = options.term !== undefined
    state.lockedFromParent = options.locked ?? false
    state.resolveUnknowns = options.resolveUnknowns ?? true
    options.prepare?.(state)
    const query = transformStatement(state, node)
    parent.kind = saved
    return query
  })
}
