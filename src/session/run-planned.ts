// A planned statement from its start to its command tag, for those who want all of it at once. // hot
//
// `alone`: the statement is its whole transaction. It is then committed here, and run again from the start if the store asks for it and
// nothing has been sent; rows of a writing statement are held back until the commit, as far as they are few.

import type { Datum, Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { checkFunctions, checkPermissions } from '../catalog/privileges.ts'
import { isTemporary } from '../catalog/temporary.ts'
import type { ResultSink, RowShape } from '../pgwire/backend.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import { KvError } from '../storage/kv-error.ts'
import type { Transaction } from '../storage/store.ts'
import { Execution, type RowTarget } from './execution.ts'
import { lockRelations } from './gates.ts'
import { type PlanEntry, StalePlan } from './plan-cache.ts'
import { readOnlyViolation } from './read-only.ts'
import type { Session } from './session.ts'
import { abortTransaction, commitTransaction } from './utility/transaction.ts'

/** Rows of INSERT … RETURNING and its like that are kept until the commit. */
const HELD_ROWS = 1024
const MAX_RETRIES = 10

export function commandTag(planned: PlannedStatement, sent: number, affected: number): string {
  switch (planned.command) {
    case 'select':
      return `SELECT ${sent}`
    case 'insert':
      return `INSERT 0 ${affected}`
    case 'update':
      return `UPDATE ${affected}`
    case 'delete':
      return `DELETE ${affected}`
    case 'merge':
      return `MERGE ${affected}`
  }
}

export const writes = (planned: PlannedStatement): boolean => planned.command !== 'select' || planned.hasModifyingCte || planned.hasRowMarks

/** Whether a read-only transaction must refuse it: temporary tables may be written there. */
const writesPermanent = (planned: PlannedStatement): boolean =>
  writes(planned) &&
  planned.permissions.some((need) => (need.requiredInsert || need.requiredUpdate || need.requiredDelete) && !isTemporary(need.relation))

/**
 * Everything before the first row: privileges, read-only check, relation locks, the store's transaction. `latest`: the statement is a point
 * read that needs no snapshot shared with others.
 */
export function startExecution(
  session: Session,
  entry: PlanEntry,
  params: readonly Datum[],
  autocommit: boolean,
  latest = autocommit && entry.planned.pointRead,
): MaybePromise<Execution> {
  const { planned } = entry
  if (session.block.modes.readOnly && writesPermanent(planned)) readOnlyViolation(planned)
  checkPermissions(session.planning.snapshot(), planned.permissions, session.roles.current)
  const locked = lockRelations(session, planned.locks)
  if (locked instanceof Promise) {
    return locked.then(() => {
      checkVersion(session, entry)
      return begin(session, entry, params, autocommit, latest)
    })
  }
  // Where the catalogue may have to be fetched, it may also have changed since the plan was made.
  if (session.keyspace.capabilities.multiNode) checkVersion(session, entry)
  return begin(session, entry, params, autocommit, latest)
}

function checkVersion(session: Session, { planned, catalogVersion }: PlanEntry): void {
  if (planned.locks.length > 0 && catalogVersion !== session.planning.snapshot().version) throw new StalePlan()
}

function begin(
  session: Session,
  entry: PlanEntry,
  params: readonly Datum[],
  autocommit: boolean,
  latest: boolean,
): MaybePromise<Execution> {
  const txn = session.transaction(autocommit, latest)
  if (txn instanceof Promise) return txn.then((ready) => prepare(session, entry, params, ready, autocommit))
  return prepare(session, entry, params, txn, autocommit)
}

function prepare(session: Session, entry: PlanEntry, params: readonly Datum[], txn: Transaction, autocommit: boolean): Execution {
  const compiled = session.planning.compiled(entry)
  const { state } = compiled
  if (state.restricted.size > 0) checkFunctions(session.planning.snapshot(), state.restricted, session.roles.current)
  state.txn = txn
  state.ctx = session.context
  state.catalog = session.planning.snapshot()
  state.params = params
  state.memory = session.memory
  state.workMem = session.workMem
  state.cancel = session.cancelToken
  state.store = session.storeServices
  // Locks of a store that has them all cost nothing: taken always, they also wait for those who only hold a row's key.
  state.store.autocommit = autocommit && !state.store.capabilities.sharedLocks
  state.rowsExamined = 0
  state.rowsAffected = 0
  return new Execution(entry, compiled)
}

export function runPlanned(
  session: Session,
  entry: PlanEntry,
  params: readonly Datum[],
  sink: ResultSink,
  alone: boolean,
): MaybePromise<string> {
  const { columns } = entry
  const shape: RowShape | null = columns === null ? null : { columns, formats: [], io: session.settings.io }
  if (!alone) return runOnce(session, entry, params, shape, sink, false)
  if (!writes(entry.planned)) {
    // Nothing to commit, nothing to conflict with: straight through.
    return runOnce(session, entry, params, shape, sink, true)
  }
  return runAlone(session, entry, params, shape, sink)
}

function runOnce(
  session: Session,
  entry: PlanEntry,
  params: readonly Datum[],
  shape: RowShape | null,
  sink: ResultSink,
  autocommit: boolean,
): MaybePromise<string> {
  const started = startExecution(session, entry, params, autocommit)
  if (started instanceof Promise) {
    return started.then((execution) => {
      if (shape !== null) sink.describe(shape)
      return drain(execution, sink)
    })
  }
  if (shape !== null) sink.describe(shape)
  return drain(started, sink)
}

/** Runs to the end; closes whatever happens. */
export function drain(execution: Execution, target: RowTarget | null): MaybePromise<string> {
  let sent: MaybePromise<number>
  try {
    sent = execution.pump(target, 0)
  } catch (error) {
    execution.close()
    throw error
  }
  const { planned } = execution.entry
  if (sent instanceof Promise) {
    return sent.then((count) => commandTag(planned, count, execution.compiled.state.rowsAffected)).finally(() => execution.close())
  }
  const tag = commandTag(planned, sent, execution.compiled.state.rowsAffected)
  execution.close()
  return tag
}

/** Keeps rows until the commit; lets go when they are too many. */
class HeldRows implements RowTarget {
  readonly rowsHeld: Row[] = []
  readonly #sink: ResultSink
  readonly #shape: RowShape
  sent = false

  constructor(sink: ResultSink, shape: RowShape) {
    this.#sink = sink
    this.#shape = shape
  }

  rows(rows: readonly Row[], from: number, to: number): MaybePromise<void> {
    if (!this.sent && this.rowsHeld.length + (to - from) <= HELD_ROWS) {
      for (let i = from; i < to; i++) this.rowsHeld.push(rows[i]!)
      return
    }
    const released = this.release()
    if (released instanceof Promise) return released.then(() => this.#sink.rows(rows, from, to))
    return this.#sink.rows(rows, from, to)
  }

  release(): MaybePromise<void> {
    if (!this.sent) {
      this.sent = true
      this.#sink.describe(this.#shape)
    }
    if (this.rowsHeld.length === 0) return
    return this.#sink.rows(this.rowsHeld.splice(0))
  }
}

/** True when the statement may be run again from its start: nothing was sent, and it is a transaction of its own. */
const mayRetry = (session: Session, error: unknown): boolean => error instanceof KvError && error.retryable && !session.block.inBlock

/** Classes of errors that a row can be the cause of: cardinality, data, constraints, WITH CHECK OPTION. */
const ROW_ERRORS: ReadonlySet<string> = new Set(['21', '22', '23', '44'])

/** Where duplicates are left to the commit, an error met before it need not be the first one: a run that looks at once tells. */
const mayHideDuplicate = (session: Session, error: unknown): boolean =>
  error instanceof PgError &&
  ROW_ERRORS.has(error.code.slice(0, 2)) &&
  error.code !== SQLSTATE.uniqueViolation &&
  !session.keyspace.capabilities.sharedLocks &&
  !session.block.inBlock

/** A writing statement with its commit: run again where its conflict lets it. */
export function runAlone(
  session: Session,
  entry: PlanEntry,
  params: readonly Datum[],
  shape: RowShape | null,
  sink: ResultSink,
  attempt = 0,
): MaybePromise<string> {
  const held = shape === null ? null : new HeldRows(sink, shape)
  /** It has run to its end: what fails now is its commit. */
  let ran = false
  const retry = (error: unknown): MaybePromise<string> => {
    const again = mayRetry(session, error) || (attempt === 0 && entry.planned.command !== 'delete' && mayHideDuplicate(session, error))
    if (!again || attempt >= MAX_RETRIES || held?.sent === true) {
      // PostgreSQL has sent the rows when a deferred constraint finds something. Where all duplicates are left to the commit, it need not have.
      if (ran && held !== null && !held.sent && session.keyspace.capabilities.sharedLocks) {
        return andThen(held.release(), (): never => {
          throw error
        })
      }
      throw error
    }
    const rolledBack = abortTransaction(session)
    return andThen(rolledBack, () => {
      session.startImplicit()
      return runAlone(session, entry, params, shape, sink, attempt + 1)
    })
  }
  const once = (): MaybePromise<string> => {
    const started = startExecution(session, entry, params, attempt === 0)
    const tag = started instanceof Promise ? started.then((execution) => drain(execution, held)) : drain(started, held)
    const committed = (text: string): MaybePromise<string> => {
      ran = true
      const done = commitTransaction(session)
      const tell = (): MaybePromise<string> => {
        const released = held?.release()
        return released instanceof Promise ? released.then(() => text) : text
      }
      return done instanceof Promise ? done.then(tell) : tell()
    }
    return tag instanceof Promise ? tag.then(committed) : committed(tag)
  }
  let result: MaybePromise<string>
  try {
    result = once()
  } catch (error) {
    return retry(error)
  }
  return result instanceof Promise ? result.catch(retry) : result
}
