// The analyzer's door: a raw statement becomes a Query. `analyzeQuery` is what a view stores; `analyzeStatement` goes on to what the planner
// reads: views expanded, defaults put in (rewrite.ts).

import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import type { Node } from '../parser/nodes.ts'
import { type AnalyzeContext, errorAt, makeState, type ParseState, stackDepthError } from './context.ts'
import type { Query } from './query.ts'
import { rewriteQuery } from './rewrite.ts'
import { transformStatement } from './select.ts'
// Puts itself into expr-entry.ts.
import './transform-expr.ts'

/** As written, before the rewrite: for view definitions and deparsing. */
export function analyzeQuery(raw: Node, ctx: AnalyzeContext): Query {
  const state = makeState(ctx, null)
  try {
    const query = transformStatement(state, raw)
    checkParameters(state)
    return query
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message)) throw stackDepthError()
    throw error
  }
}

/** SELECT, VALUES, INSERT, UPDATE, DELETE or MERGE, ready for the planner. Throws CatalogMiss when the snapshot has to load something first. */
export function analyzeStatement(raw: Node, ctx: AnalyzeContext): Query {
  return rewriteQuery(analyzeQuery(raw, ctx), ctx)
}

/** Every parameter has found its type (42P18). */
function checkParameters(state: ParseState): void {
  const { params } = state.ctx
  if (!params.variable) return
  for (const [i, type] of params.types.entries()) {
    if (type === T.unknown || type === 0) {
      throw errorAt(state, SQLSTATE.indeterminateDatatype, `could not determine data type of parameter $${i + 1}`, undefined)
    }
  }
}
