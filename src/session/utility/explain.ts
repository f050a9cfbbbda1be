// EXPLAIN.

import type { Datum } from '../../base/datum.ts'
import { notSupported } from '../../base/errors.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { ResultSink, RowShape } from '../../pgwire/backend.ts'
import type { NodeOf } from '../../sql/parser/nodes.ts'
import type { ParsedStatement } from '../../sql/parser/parse.ts'
import type { ClientSession } from '../session.ts'

export function explainColumns(session: ClientSession, _node: NodeOf['ExplainStmt']): RowShape['columns'] {
  return session.textColumns(['QUERY PLAN'])
}

export function runExplain(
  _session: ClientSession,
  _statement: ParsedStatement,
  _node: NodeOf['ExplainStmt'],
  _params: readonly Datum[],
  _sink: ResultSink,
): MaybePromise<string> {
  throw notSupported('EXPLAIN is not supported')
}
