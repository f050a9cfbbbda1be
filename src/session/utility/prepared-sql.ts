// PREPARE, EXECUTE, DEALLOCATE.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { withCatalog } from '../../catalog/snapshot.ts'
import type { ResultSink, RowShape } from '../../pgwire/backend.ts'
import { analyzeStatement } from '../../sql/analyzer/analyze.ts'
import { analyzeParameterValues } from '../../sql/analyzer/expression.ts'
import { makeConst } from '../../sql/analyzer/make.ts'
import type { Query } from '../../sql/analyzer/query.ts'
import { resolveTypeName } from '../../sql/analyzer/type-name.ts'
import { formatType } from '../../sql/analyzer/types.ts'
import { type Node, type NodeOf, nodeAs, type TypeName } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { mapQuery } from '../../sql/planner/expr-tree.ts'
import { evaluateAll } from '../evaluate.ts'
import type { PlanEntry } from '../plan-cache.ts'
import type { ColumnsOf, PreparedStatement } from '../prepared.ts'
import { runPlanned } from '../run-planned.ts'
import type { Session } from '../session.ts'
import { innerStatement } from './cursors.ts'

export function runPrepare(session: Session, statement: ParsedStatement, node: NodeOf['PrepareStmt']): MaybePromise<string> {
  const name = node.name ?? ''
  if (session.statements.has(name)) {
    throw new PgError(SQLSTATE.duplicatePstatement, `prepared statement "${name}" already exists`)
  }
  const types = withCatalog(() => {
    const context = session.planning.analyzeContext(statement, [])
    return (node.argtypes ?? []).map((type) => resolveTypeName((type as { TypeName: TypeName }).TypeName, context).type)
  })
  return andThen(types, (declared) =>
    andThen(session.planning.prepare(name, innerStatement(statement, node.query!), declared, true), (prepared) => {
      session.storeStatement(prepared)
      return 'PREPARE'
    }),
  )
}

export function executeColumns(session: Session, node: NodeOf['ExecuteStmt'], columnsOf: ColumnsOf): RowShape['columns'] | null {
  const prepared = session.statements.get(node.name ?? '')
  return prepared === undefined ? null : columnsOf(prepared)
}

/** EXECUTE's arguments, coerced to the parameters' types as by assignment. */
export function executeParameters(
  session: Session,
  statement: ParsedStatement,
  prepared: PreparedStatement,
  params: readonly Node[],
): MaybePromise<Datum[]> {
  const { parameterTypes } = prepared
  if (params.length !== parameterTypes.length) {
    throw new PgError(SQLSTATE.syntaxError, `wrong number of parameters for prepared statement "${prepared.name}"`, {
      detail: `Expected ${parameterTypes.length} parameters but got ${params.length}.`,
    })
  }
  if (params.length === 0) return []
  const exprs = withCatalog(() => {
    const context = session.planning.analyzeContext(statement, [], false)
    return analyzeParameterValues(params, parameterTypes, context, (type) => formatType(context.catalog, type))
  })
  return andThen(exprs, (bound) => evaluateAll(session, bound))
}

/** The plan that EXECUTE runs, and its arguments' values. */
export function executedPlan(
  session: Session,
  statement: ParsedStatement,
  node: NodeOf['ExecuteStmt'],
): MaybePromise<{ readonly entry: PlanEntry; readonly values: readonly Datum[] }> {
  const prepared = session.findStatement(node.name ?? '')
  if (prepared.class === null || !prepared.class.optimizable) {
    throw new PgError(SQLSTATE.featureNotSupported, `EXECUTE of a ${prepared.class?.tag ?? 'n empty'} statement is not supported`)
  }
  return andThen(session.planning.current(prepared), () =>
    andThen(executeParameters(session, statement, prepared, node.params ?? []), (values) => ({
      entry: session.planning.forValues(prepared.plan!, values),
      values,
    })),
  )
}

export function runExecute(
  session: Session,
  statement: ParsedStatement,
  node: NodeOf['ExecuteStmt'],
  sink: ResultSink,
  alone: boolean,
): MaybePromise<string> {
  return andThen(executedPlan(session, statement, node), ({ entry, values }) => runPlanned(session, entry, values, sink, alone))
}

/** The query that CREATE TABLE AS EXECUTE runs: the parameters in it are constants. */
export async function executedQuery(session: Session, statement: ParsedStatement, node: NodeOf['ExecuteStmt']): Promise<Query> {
  const prepared = session.findStatement(node.name ?? '')
  const inner = prepared.statement
  if (inner?.node == null || nodeAs(inner.node, 'SelectStmt') === undefined)
    throw new PgError(SQLSTATE.wrongObjectType, 'prepared statement is not a SELECT')
  await session.planning.current(prepared)
  const values = await executeParameters(session, statement, prepared, node.params ?? [])
  const query = await withCatalog(() => analyzeStatement(inner.node!, session.planning.analyzeContext(inner, prepared.parameterTypes)))
  return mapQuery(query, 0, {
    expr(expr) {
      if (expr.kind !== 'Param') return undefined
      return makeConst(expr.type, expr.typmod, expr.collation, values[expr.id - 1]!, expr.location)
    },
  })
}

export function runDeallocate(session: Session, node: NodeOf['DeallocateStmt']): string {
  if (node.name === undefined || node.isall) {
    session.statements.clear()
    return 'DEALLOCATE ALL'
  }
  if (!session.statements.delete(node.name)) {
    throw new PgError(SQLSTATE.invalidSqlStatementName, `prepared statement "${node.name}" does not exist`)
  }
  return 'DEALLOCATE'
}
