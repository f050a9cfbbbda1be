import type { AnalyzeContext } from './context.ts'
import type { Query } from './query.ts'
export function rewriteQuery(query: Query, _ctx: AnalyzeContext): Query {
  return query
}
