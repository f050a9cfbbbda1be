// Definitions, roles, privileges and maintenance: sql/commands runs them; the session lends its transaction, catalogue and ports.

import { notSupported } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { CatalogWriter } from '../../catalog/writer.ts'
import type { ResultSink } from '../../pgwire/backend.ts'
import { makeAnalysis } from '../../sql/commands/analysis.ts'
import type { CommandContext, CommandPorts } from '../../sql/commands/context.ts'
import { executeUtility, isUtility } from '../../sql/commands/utility.ts'
import type { StatementClass } from '../../sql/parser/classify.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import { sourceText } from '../../sql/parser/positions.ts'
import { makeDataPort, noteTableLock } from '../data-port.ts'
import type { Session } from '../session.ts'

type ExecutedQuery = CommandPorts['executedQuery']

/** Of statements that cannot name a prepared one. */
const nothingExecuted: ExecutedQuery = () => Promise.reject(new Error('no EXECUTE in this statement'))

export async function commandContext(
  session: Session,
  statement: ParsedStatement,
  executedQuery: ExecutedQuery = nothingExecuted,
): Promise<CommandContext> {
  const txn = await session.transaction(false, false)
  const catalog = session.catalogTransaction(txn)
  catalog.lockTimeoutMs = session.lockTimeoutMs
  const snapshot = session.planning.transactionSnapshot()
  return {
    catalog,
    snapshot,
    writer: new CatalogWriter(catalog, snapshot),
    txn,
    ctx: session.context,
    analysis: makeAnalysis(() => session.planning.analyzeContext(statement, [], false)),
    ports: {
      data: makeDataPort(session, statement, txn),
      isUsed: (relation) => session.portals.uses(relation),
      hasPendingChecks: (table) => session.deferred.pendingOn(table),
      executedQuery,
      makeVerifier: (password) => session.services.makeVerifier(password, session.settings.get('password_encryption')!),
    },
    inTransactionBlock: session.block.inBlockOfAnyKind,
    preventInTransactionBlock: (command) => session.block.prevent(command),
    source: statement.source.text,
    lock: (oid, mode, name, wait = true) => {
      noteTableLock(txn, oid)
      const locked = session.lockRelation(oid, mode, wait, name)
      // Rows are read as they are now, not as they were before the wait.
      return locked instanceof Promise ? locked.then(() => txn.refreshReadTs()) : locked
    },
  }
}

const NO_STATEMENT: ParsedStatement = { node: null, tenant: null, source: sourceText(''), text: '', start: 0 }

/** For work on the catalogue that no statement asked for. */
export const internalContext = (session: Session): Promise<CommandContext> => commandContext(session, NO_STATEMENT)

export async function runDefinition(
  session: Session,
  statement: ParsedStatement,
  statementClass: StatementClass,
  sink: ResultSink,
  executedQuery: ExecutedQuery,
): Promise<string> {
  if (!isUtility(statement.node!)) throw notSupported(`${statementClass.tag} is not supported`)
  const context = await commandContext(session, statement, executedQuery)
  const result = await (executeUtility(statement.node!, context) as MaybePromise<Awaited<ReturnType<typeof executeUtility>>>)
  if (result.rows !== undefined && result.columns !== undefined) {
    const snapshot = session.planning.snapshot()
    const columns = result.columns.map(({ name, type }) => ({
      name,
      tableOid: 0,
      columnNumber: 0,
      typeOid: type,
      typeLength: snapshot.type(type)?.typlen ?? -1,
      typmod: -1,
      encoder: session.planning.supportOf(type),
    }))
    sink.describe({ columns, formats: [], io: session.settings.io })
    await sink.rows(result.rows)
  }
  return result.tag
}
