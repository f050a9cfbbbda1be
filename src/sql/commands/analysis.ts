// The analyzer as DDL uses it (context.ts): single expressions, queries, type names, stored trees and what they depend on.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { withCatalog } from '../../catalog/snapshot.ts'
import { analyzeQuery } from '../analyzer/analyze.ts'
import type { AnalyzeContext, ExprKind } from '../analyzer/context.ts'
import { type Dependency, dependenciesOf } from '../analyzer/dependencies.ts'
import type { Expr } from '../analyzer/expr.ts'
import { analyzeExpression, resolveCollation } from '../analyzer/expression.ts'
import type { Query } from '../analyzer/query.ts'
import { storedExpressionText } from '../analyzer/ruleutils/definitions.ts'
import { readStoredExpr, writeStoredExpr, writeStoredQuery } from '../analyzer/stored.ts'
import { resolveTypeName } from '../analyzer/type-name.ts'
import { isMutable } from '../planner/mutability.ts'
import { TEXT_IO } from '../types/define.ts'
import type { Analysis, ExpressionScope } from './context.ts'

const KIND: Readonly<Record<ExpressionScope['purpose'], ExprKind>> = {
  default: 'column default',
  generated: 'generated',
  check: 'check',
  index: 'index expression',
  'index predicate': 'index predicate',
  using: 'alter column',
  'domain check': 'domain check',
}

/** What must not change with time or session, and what to say if it would. */
const MUTABLE: Readonly<Partial<Record<ExpressionScope['purpose'], string>>> = {
  generated: 'generation expression is not immutable',
  index: 'functions in index expression must be marked IMMUTABLE',
  'index predicate': 'functions in index predicate must be marked IMMUTABLE',
}

const CLASS_OF: Readonly<Record<Dependency['kind'], Oid>> = {
  relation: CLASS.relation,
  function: CLASS.proc,
  constraint: CLASS.constraint,
  operator: CLASS.operator,
  type: CLASS.type,
  collation: CLASS.collation,
}

const isQuery = (tree: Expr | Query): tree is Query => 'commandType' in tree

/** `contextOf` answers the context of the statement as it is now: the catalogue changes while a statement runs. */
export function makeAnalysis(contextOf: () => AnalyzeContext): Analysis {
  const support = (type: Oid) => contextOf().eval.catalog.typeSupport(type)
  return {
    typeName: async (node) =>
      withCatalog(() => {
        const context = contextOf()
        const { type, typmod } = resolveTypeName(node, context)
        return { type, typmod, collation: context.catalog.type(type)?.typcollation ?? 0, dims: node.arrayBounds?.length ?? 0 }
      }),
    collation: async (names, location = -1) => withCatalog(() => resolveCollation(names, location, contextOf())),
    expression: async (node, scope) =>
      withCatalog(() => {
        const context = contextOf()
        try {
          const mutable = MUTABLE[scope.purpose]
          return analyzeExpression(node, context, KIND[scope.purpose], {
            relation: scope.relation,
            ...(scope.target === null
              ? {}
              : { target: { name: scope.target.column, type: scope.target.type, typmod: scope.target.typmod } }),
            ...(scope.domain === undefined
              ? {}
              : { domain: { ...scope.domain, collation: context.catalog.type(scope.domain.type)?.typcollation ?? 0 } }),
            ...(mutable === undefined
              ? {}
              : {
                  inspect: (expr) => {
                    if (isMutable(expr, context.catalog)) throw new PgError(SQLSTATE.invalidObjectDefinition, mutable)
                  },
                }),
          })
        } catch (error) {
          if (scope.automatic !== undefined && error instanceof PgError && error.code === SQLSTATE.datatypeMismatch)
            throw scope.automatic(error)
          throw error
        }
      }),
    query: async (node) => withCatalog(() => analyzeQuery(node, contextOf())),
    store: (tree) => (isQuery(tree) ? writeStoredQuery(tree, support) : writeStoredExpr(tree, support)),
    loadExpression: (stored) => readStoredExpr(stored, support),
    dependencies: (tree, relation): ObjectAddress[] =>
      dependenciesOf(tree, relation).map(({ kind, oid, subId }) => ({ classId: CLASS_OF[kind], objId: oid, subId })),
    deparse(stored, relation) {
      const { catalog, searchPath } = contextOf()
      return storedExpressionText(stored, relation === 0 ? null : catalog.relation(relation), {
        catalog,
        searchPath,
        typeSupport: support,
        io: TEXT_IO,
      })
    },
  }
}
