// Work on rows that definitions need (sql/commands DataPort), done by the executor inside the same transaction.

import { checkPermissions } from '../catalog/privileges.ts'
import { rewriteQuery } from '../sql/analyzer/rewrite.ts'
import type { DataPort } from '../sql/commands/context.ts'
import type { Compilation } from '../sql/executor/compilation.ts'
import { makeCompilation } from '../sql/executor/compile.ts'
import { constantEvaluator } from '../sql/executor/evaluate.ts'
import {
  buildIndex,
  constantText,
  countRows,
  insertPlan,
  isEmpty,
  rewriteTable,
  validateCheck,
  validateForeignKey,
  validateNotNull,
} from '../sql/executor/table-work.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import { planStatement } from '../sql/planner/planner.ts'
import type { Transaction } from '../storage/store.ts'
import type { ClientSession } from './session.ts'

export function makeDataPort(session: ClientSession, statement: ParsedStatement, txn: Transaction): DataPort {
  // The catalogue changes while the statement runs: each piece of work sees it as it is then.
  const compilation = (): Compilation => {
    const state = session.planning.execState(txn)
    state.store.autocommit = false
    return makeCompilation({ ...state, catalog: session.planning.transactionSnapshot() }, session.planning.compileOptions)
  }
  const { sequences } = session.keyspace
  return {
    buildIndex: (table, index) => buildIndex(table, index, compilation()),
    rewriteTable: (from, to, values) => rewriteTable(from, to, values, compilation()),
    validateCheck: (table, constraint) => validateCheck(table, constraint, compilation()),
    validateNotNull: (table, attnums) => validateNotNull(table, attnums, compilation()),
    validateForeignKey: (table, constraint) => validateForeignKey(table, constraint, compilation()),
    missingValue: (expr) => constantText(expr, compilation()),
    async insertQuery(query, into) {
      const cx = compilation()
      const context = session.planning.analyzeContext(statement, [], false)
      const planned = planStatement(rewriteQuery(query, context), {
        catalog: cx.catalog,
        evaluate: constantEvaluator({ ...cx.state, catalog: cx.catalog }),
        statistics: null,
        stored: session.planning.readStored,
      })
      checkPermissions(session.planning.transactionSnapshot(), planned.permissions, session.roles.current)
      cx.run++
      const columns = into.columns.filter((column) => !column.dropped).map((column) => column.attnum)
      return insertPlan(planned.plan, columns.slice(0, planned.output.length), into.oid, cx)
    },
    isEmpty: (table) => isEmpty(table, compilation()),
    countRows: (table) => countRows(table, compilation()),
    resetSequence: (counterId, lastValue, isCalled) => sequences.initialize(counterId, { lastValue: BigInt(lastValue), isCalled }),
    async sequenceState(counterId) {
      const state = await sequences.stored(counterId)
      return state === null ? null : { lastValue: String(state.lastValue), isCalled: state.isCalled }
    },
  }
}
