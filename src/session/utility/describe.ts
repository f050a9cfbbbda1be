// What columns a statement answers, known before it runs: for Describe, and for its own RowDescription.

import type { RowShape } from '../../pgwire/backend.ts'
import { nodeAs } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import type { ColumnsOf, Portal, PreparedStatement } from '../prepared.ts'
import type { Session } from '../session.ts'
import { fetchColumns } from './cursors.ts'
import { explainColumns } from './explain.ts'
import { executeColumns } from './prepared-sql.ts'
import { showColumns } from './variables.ts'

function utilityColumns(session: Session, statement: ParsedStatement): RowShape['columns'] | null {
  const others: ColumnsOf = (prepared) => columnsOf(session, prepared)
  if (statement.node === null) return session.services.tenantColumns(session, statement)
  const show = nodeAs(statement.node, 'VariableShowStmt')
  if (show !== undefined) return showColumns(session, show)
  const explain = nodeAs(statement.node, 'ExplainStmt')
  if (explain !== undefined) return explainColumns(session, explain)
  const fetch = nodeAs(statement.node, 'FetchStmt')
  if (fetch !== undefined) return fetchColumns(session, fetch, others)
  const execute = nodeAs(statement.node, 'ExecuteStmt')
  if (execute !== undefined) return executeColumns(session, execute, others)
  return null
}

export function columnsOf(session: Session, prepared: PreparedStatement): RowShape['columns'] | null {
  if (prepared.class === null) return null
  if (prepared.class.optimizable) return prepared.plan!.columns
  if (!prepared.class.returnsRows) return null
  return utilityColumns(session, prepared.statement!)
}

export function portalShape(session: Session, portal: Portal): RowShape | null {
  const columns = columnsOf(session, portal.prepared)
  if (columns === null) return null
  portal.shape ??= { columns, formats: portal.resultFormats, io: session.settings.io }
  return portal.shape
}
