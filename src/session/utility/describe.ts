// What columns a utility statement answers, known before it runs: for Describe, and for its own RowDescription.

import type { RowShape } from '../../pgwire/backend.ts'
import { nodeAs } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import type { ClientSession } from '../session.ts'
import { fetchColumns } from './cursors.ts'
import { explainColumns } from './explain.ts'
import { executeColumns } from './prepared-sql.ts'
import { showColumns } from './variables.ts'

export function utilityColumns(session: ClientSession, statement: ParsedStatement): RowShape['columns'] | null {
  if (statement.node === null) return session.services.tenantColumns(session, statement)
  const show = nodeAs(statement.node, 'VariableShowStmt')
  if (show !== undefined) return showColumns(session, show)
  const explain = nodeAs(statement.node, 'ExplainStmt')
  if (explain !== undefined) return explainColumns(session, explain)
  const fetch = nodeAs(statement.node, 'FetchStmt')
  if (fetch !== undefined) return fetchColumns(session, fetch)
  const execute = nodeAs(statement.node, 'ExecuteStmt')
  if (execute !== undefined) return executeColumns(session, execute)
  return null
}
