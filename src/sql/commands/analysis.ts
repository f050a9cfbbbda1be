import { CLASS } from '../../catalog/keys.ts'
import { withCatalog } from '../../catalog/snapshot.ts'
import { analyzeQuery } from '../analyzer/analyze.ts'
import type { AnalyzeContext } from '../analyzer/context.ts'
import { dependenciesOf } from '../analyzer/dependencies.ts'
import { analyzeExpression, resolveCollation } from '../analyzer/expression.ts'
import { readStoredExpr, writeStoredExpr, writeStoredQuery } from '../analyzer/stored.ts'
import { resolveTypeName } from '../analyzer/type-name.ts'
import type { Analysis } from './context.ts'

const KIND = {
  default: 'column default',
  generated: 'generated',
  check: 'check',
  index: 'index expression',
  'index predicate': 'index predicate',
  using: 'alter column',
  'domain check': 'domain check',
} as const
export function makeAnalysis(ctx: () => AnalyzeContext): Analysis {
  const support = (t: number) => ctx().eval.catalog.typeSupport(t)
  return {
    typeName: async (n) => withCatalog(() => resolveTypeName(n, ctx())),
    collation: async (n) => withCatalog(() => resolveCollation(n, -1, ctx())),
    expression: async (node, scope) =>
      withCatalog(() => {
        const rel =
          scope.relation === null
            ? null
            : {
                ...(ctx().catalog.relation(scope.relation.oid) ?? {
                  namespace: 0,
                  owner: 0,
                  relkind: 'r',
                  rowType: 0,
                  descriptor: null,
                  systemViewSql: null,
                }),
                oid: scope.relation.oid,
                name: scope.relation.name,
                columns: scope.relation.columns,
              }
        return analyzeExpression(node, ctx(), KIND[scope.purpose], {
          relation: rel as never,
          ...(scope.target === null ? {} : { target: { name: scope.target.column, type: scope.target.type, typmod: scope.target.typmod } }),
        })
      }),
    query: async (node) => withCatalog(() => analyzeQuery(node, ctx())),
    store: (t) => ('kind' in t ? writeStoredExpr(t, support) : writeStoredQuery(t, support)),
    loadExpression: (s) => readStoredExpr(s, support),
    dependencies: (t) =>
      dependenciesOf(t, 0)
        .filter((d) => d.oid !== 0)
        .map((d) => ({ classId: d.kind === 'relation' ? CLASS.relation : 1255, objId: d.oid, subId: d.subId })),
    deparse: () => 'expr',
  }
}
