// Work on rows that definitions need (sql/commands DataPort), done by the executor inside the same transaction.

import { notSupported } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { RelationDescriptor } from '../catalog/descriptors.ts'
import { objectKey } from '../catalog/keys.ts'
import { checkPermissions } from '../catalog/privileges.ts'
import { liveRows } from '../catalog/table-activity.ts'
import { rewriteQuery } from '../sql/analyzer/rewrite.ts'
import type { DataPort } from '../sql/commands/context.ts'
import { analyzeTable } from '../sql/executor/analyze.ts'
import type { Compilation } from '../sql/executor/compilation.ts'
import { makeCompilation } from '../sql/executor/compile.ts'
import { constantEvaluator } from '../sql/executor/evaluate.ts'
import {
  buildIndex,
  constantValue,
  insertPlan,
  isEmpty,
  rewriteTable,
  validateCheck,
  validateForeignKey,
  validateNotNull,
} from '../sql/executor/table-work.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import { planStatement } from '../sql/planner/planner.ts'
import { statisticsSource } from '../sql/planner/statistics.ts'
import { KvError } from '../storage/kv-error.ts'
import type { Transaction } from '../storage/store.ts'
import { lockRelations } from './gates.ts'
import type { Session } from './session.ts'

/** Tables whose lock was taken before the transaction's snapshot: in REPEATABLE READ only these are seen as they are. */
const lockedFirst = new WeakMap<Transaction, Set<Oid>>()

/** A statement that may work on the table's rows is about to lock it. */
export function noteTableLock(txn: Transaction, table: Oid): void {
  if (txn.isolation === 'read committed' || txn.readTs !== null) return
  const tables = lockedFirst.get(txn)
  if (tables === undefined) lockedFirst.set(txn, new Set([table]))
  else tables.add(table)
}

/** What was committed to the table since the snapshot would be missed, and an index without it would be wrong. */
async function checkSnapshot(session: Session, txn: Transaction, table: RelationDescriptor): Promise<void> {
  if (txn.isolation === 'read committed' || lockedFirst.get(txn)?.has(table.oid)) return
  if ((await session.keyspace.catalog.fetch(objectKey(table.oid))) === null) return
  throw notSupported(
    `relation "${table.name}" cannot be rebuilt or checked under a snapshot that was taken before it was locked`,
    'Run this statement in a READ COMMITTED transaction, or as the first one of its transaction.',
  )
}

export function makeDataPort(session: Session, statement: ParsedStatement, txn: Transaction): DataPort {
  const current = async <T>(table: RelationDescriptor, work: () => Promise<T>): Promise<T> => {
    await checkSnapshot(session, txn, table)
    return work()
  }
  // The catalogue changes while the statement runs: each piece of work sees it as it is then.
  const compilation = (): Compilation => {
    const state = session.planning.execState(txn)
    state.store.autocommit = false
    return makeCompilation({ ...state, catalog: session.planning.transactionSnapshot() }, session.planning.compileOptions)
  }
  const { sequences } = session.keyspace
  return {
    buildIndex: (table, index) => current(table, () => buildIndex(table, index, compilation())),
    rewriteTable: (from, to, values) => current(from, () => rewriteTable(from, to, values, compilation())),
    validateCheck: (table, constraint) => current(table, () => validateCheck(table, constraint, compilation())),
    validateNotNull: (table, attnums) => current(table, () => validateNotNull(table, attnums, compilation())),
    validateForeignKey: (table, constraint) => current(table, () => validateForeignKey(table, constraint, compilation())),
    missingValue: (expr) => constantValue(expr, compilation()),
    async insertQuery(query, into) {
      const cx = compilation()
      const context = session.planning.analyzeContext(statement, [], false)
      const planned = planStatement(rewriteQuery(query, context), {
        catalog: cx.catalog,
        evaluate: constantEvaluator({ ...cx.state, catalog: cx.catalog }),
        statistics: statisticsSource(cx.catalog, (type) => session.planning.supportOf(type), session.context),
        stored: session.planning.readStored,
      })
      checkPermissions(session.planning.transactionSnapshot(), planned.permissions, session.roles.current)
      const { version } = cx.catalog
      await lockRelations(session, planned.locks)
      if (session.planning.snapshot().version !== version) {
        throw new KvError('schemaChanged', 'the relations read were changed by another session', { retryable: true })
      }
      cx.run++
      const columns = into.columns.filter((column) => !column.dropped).map((column) => column.attnum)
      return insertPlan(planned.plan, columns.slice(0, planned.output.length), into.oid, cx)
    },
    isEmpty: (table) => isEmpty(table, compilation()),
    async analyze(table, request) {
      const { id, relTuples } = table.table!
      const known = relTuples < 0 ? null : liveRows(relTuples, session.keyspace.activity.sinceAnalyze(id))
      const found = await analyzeTable(table, { ...request, knownRows: known }, compilation())
      session.pendingActivity.noteAnalyzed(id)
      return found
    },
    resetSequence: (counterId, lastValue, isCalled) => sequences.initialize(counterId, { lastValue: BigInt(lastValue), isCalled }),
    async sequenceState(counterId) {
      const state = await sequences.stored(counterId)
      return state === null ? null : { lastValue: String(state.lastValue), isCalled: state.isCalled }
    },
  }
}
