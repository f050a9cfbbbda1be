// Utility statements: those of the session itself go to their files here, tenant statements to the server, definitions to sql/commands.

import type { Datum } from '../../base/datum.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { OBJECT_PREFIX } from '../../catalog/keys.ts'
import type { ObjectRecord } from '../../catalog/records.ts'
import type { ResultSink } from '../../pgwire/backend.ts'
import type { StatementClass } from '../../sql/parser/classify.ts'
import { type Node, type NodeOf, nodeTag } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { runCopy } from '../copy/copy.ts'
import { cannotExecuteReadOnly } from '../read-only.ts'
import type { Session } from '../session.ts'
import { runClose, runDeclare, runFetch } from './cursors.ts'
import { runDefinition } from './definition.ts'
import { runExplain } from './explain.ts'
import { executedQuery, runDeallocate, runExecute, runPrepare } from './prepared-sql.ts'
import { runDiscard, runSet, runShow } from './variables.ts'

export function runUtility(
  session: Session,
  statement: ParsedStatement,
  statementClass: StatementClass,
  params: readonly Datum[],
  sink: ResultSink,
  alone: boolean,
  parameterTypes: readonly Oid[] = [],
): MaybePromise<string> {
  if (session.block.modes.readOnly && !statementClass.readOnly) throw cannotExecuteReadOnly(statementClass.tag)
  if (statement.node === null) {
    session.block.prevent(statementClass.tag)
    return session.services.tenantStatement(session, statement, sink)
  }
  const node = statement.node as NodeOf
  const tag = nodeTag(statement.node)
  switch (tag) {
    case 'VariableSetStmt':
      return runSet(session, node.VariableSetStmt)
    case 'VariableShowStmt':
      return runShow(session, node.VariableShowStmt, sink)
    case 'DiscardStmt':
      return runDiscard(session, node.DiscardStmt)
    case 'PrepareStmt':
      return runPrepare(session, statement, node.PrepareStmt)
    case 'ExecuteStmt':
      return runExecute(session, statement, node.ExecuteStmt, sink, alone)
    case 'DeallocateStmt':
      return runDeallocate(session, node.DeallocateStmt)
    case 'DeclareCursorStmt':
      return runDeclare(session, statement, node.DeclareCursorStmt, params, parameterTypes)
    case 'FetchStmt':
      return runFetch(session, node.FetchStmt, sink)
    case 'ClosePortalStmt':
      return runClose(session, node.ClosePortalStmt)
    case 'ExplainStmt':
      return runExplain(session, statement, node.ExplainStmt, params, sink, parameterTypes)
    case 'CopyStmt':
      return runCopy(session, statement, node.CopyStmt, sink)
    case 'ConstraintsSetStmt':
      return setConstraints(session, node.ConstraintsSetStmt)
    case 'ListenStmt':
    case 'NotifyStmt':
    case 'UnlistenStmt':
      return session.notifications.run(node)
    case 'CreatedbStmt':
    case 'DropdbStmt':
    case 'AlterDatabaseStmt':
      if (tag !== 'AlterDatabaseStmt') session.block.prevent(statementClass.tag)
      throw notSupported('a keyspace is one database', 'Use CREATE TENANT to make another; connect as keyspace.user.')
    case 'DoStmt':
      throw notSupported('DO is not supported', 'Procedural languages are not available.')
    default:
      return runDefinition(session, statement, statementClass, sink, (execute) => executedQuery(session, statement, execute))
  }
}

/** SET CONSTRAINTS … IMMEDIATE checks at once what was put off. */
async function setConstraints(session: Session, node: NodeOf['ConstraintsSetStmt']): Promise<string> {
  if (!session.block.inBlockOfAnyKind)
    session.notice({
      severity: 'WARNING',
      code: SQLSTATE.noActiveSqlTransaction,
      message: 'SET CONSTRAINTS can only be used in transaction blocks',
    })
  const deferred = node.deferred === true
  const constraints = node.constraints === undefined ? null : await constraintsNamed(session, node.constraints, deferred)
  session.deferred.set(constraints, deferred)
  const { txn } = session.block
  if (!deferred && txn !== null) await session.deferred.run(txn, constraints === null ? null : new Set(constraints))
  return 'SET CONSTRAINTS'
}

/** Constraint names are unique within a table only: every one of that name in the first schema that has one is meant. */
async function constraintsNamed(session: Session, items: readonly Node[], deferred: boolean): Promise<Oid[]> {
  const snapshot = session.planning.snapshot()
  const records = await snapshot.reader.scan(OBJECT_PREFIX)
  const oids: Oid[] = []
  for (const item of items) {
    const { relname = '', schemaname } = (item as NodeOf).RangeVar
    const schemas = schemaname === undefined ? session.planning.searchPath().oids : [snapshot.namespaceByName(schemaname)?.oid ?? 0]
    const inSchema = (schema: Oid) =>
      records.flatMap(({ value }) => {
        const record = value as ObjectRecord
        if (record.kind !== 'relation' || record.value.namespace !== schema) return []
        return (record.value.table?.constraints ?? []).filter((constraint) => constraint.name === relname)
      })
    const found = schemas.map(inSchema).find((list) => list.length > 0) ?? []
    if (found.length === 0) throw new PgError(SQLSTATE.undefinedObject, `constraint "${relname}" does not exist`)
    for (const constraint of found) {
      if (constraint.deferrable) oids.push(constraint.oid)
      else if (deferred) throw new PgError(SQLSTATE.wrongObjectType, `constraint "${relname}" is not deferrable`)
    }
  }
  return oids
}
