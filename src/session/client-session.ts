// What a client's messages do to its session (PostgreSQL's tcop): statements and portals, errors and their consequences. // hot
//
// What can be answered at once is: every method stays synchronous as long as analyser, planner, operators and store do.

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import type {
  BindParameters,
  Client,
  ResultSink,
  RowShape,
  StatementDescription,
  TransactionStatus,
  Session as WireSession,
} from '../pgwire/backend.ts'
import { classify } from '../sql/parser/classify.ts'
import { lift } from '../sql/parser/lift.ts'
import { type ParsedStatement, parse } from '../sql/parser/parse.ts'
import { isLarge, type ParsedText, parseLarge } from '../sql/parser/parse-large.ts'
import { truncatedIdentifiers } from '../sql/parser/truncation.ts'
import { KvError } from '../storage/kv-error.ts'
import type { ActivityState } from './activity.ts'
import { bindParameters, checkResultFormats } from './bind.ts'
import { type Cursor, cannotRun } from './cursor.ts'
import { HoldingSink } from './holding-sink.ts'
import { IncomingText } from './incoming-text.ts'
import { type PlanEntry, StalePlan } from './plan-cache.ts'
import type { Portal, PreparedStatement } from './prepared.ts'
import { runPlanned } from './run-planned.ts'
import { finishedTag, runPortal } from './run-portal.ts'
import type { Services } from './services.ts'
import { Session, type SessionIdentity } from './session.ts'
import { toPgError } from './statement-error.ts'
import { forgetTemporary } from './temporary.ts'
import { columnsOf, portalShape } from './utility/describe.ts'
import { abortTransaction, commitTransaction, failTransaction, runTransactionStatement } from './utility/transaction.ts'
import { runUtility } from './utility/utility.ts'

/** A statement that misses more often than it has names is a defect. */
const MAX_MISSES = 1000
const IDLE: TransactionStatus = 73
const IN_BLOCK: TransactionStatus = 84
const FAILED: TransactionStatus = 69

const ENDS_BLOCK = /^\s*(?:commit|end|rollback|abort)\b/i

const aborted = () =>
  new PgError(SQLSTATE.inFailedSqlTransaction, 'current transaction is aborted, commands ignored until end of transaction block')

export class ClientSession implements WireSession {
  readonly #session: Session
  #statementStart = 0
  #holding: HoldingSink | null = null
  /** Between the steps of a long text. */
  readonly #slicer: Slicer

  constructor(services: Services, identity: SessionIdentity, client: Client) {
    this.#session = new Session(services, identity, client)
    this.#slicer = makeSlicer({ cancel: this.#session.cancelToken })
    this.#session.keyspace.sessions.add(this.#session.entry)
    services.observe.opened(this.#session)
  }

  get parameters(): Iterable<readonly [string, string]> {
    return this.#session.settings.reported()
  }

  get transactionStatus(): TransactionStatus {
    const { state } = this.#session.block
    return state === 'block' ? IN_BLOCK : state === 'failed' ? FAILED : IDLE
  }

  get connectionCheckMs(): number {
    return this.#session.connectionCheckMs
  }

  cancel(reason: PgError): void {
    this.#session.cancel(reason)
  }

  // --- messages -------------------------------------------------------------------------------------------------------------------------

  query(text: string, client: ResultSink): MaybePromise<void> {
    this.#statementStart = performance.now()
    const sink = this.#held(client)
    let large: Promise<ParsedText> | null = null
    const done = this.#guard(text, () => {
      this.closePortal('')
      const lifted = this.#lifted(text)
      if (lifted !== null) return this.#runLifted(lifted, sink)
      if (isLarge(text)) {
        // a plan that turns out to be stale asks for the statements once more
        large ??= parseLarge(text, this.#session.cancelToken)
        return large.then(({ statements, truncated }) => this.#parsed(statements, truncated ?? truncatedIdentifiers(text), sink))
      }
      this.#slicer.start()
      return this.#parsed(parse(text), truncatedIdentifiers(text), sink)
    })
    if (done instanceof Promise) return done.finally(() => this.#becomeIdle())
    this.#becomeIdle()
  }

  #parsed(statements: readonly ParsedStatement[], truncated: readonly string[], sink: ResultSink): MaybePromise<void> {
    this.#tellTruncated(truncated)
    if (statements.length === 0) {
      sink.emptyQuery()
      return
    }
    return andThen(this.#slicer.pause() ?? undefined, () => this.#statements(statements, 0, sink))
  }

  parse(name: string, text: string, parameterTypes: readonly number[]): MaybePromise<void> {
    const session = this.#session
    let large: Promise<ParsedText> | null = null
    const prepare = (statements: readonly ParsedStatement[], truncated: readonly string[]): MaybePromise<void> => {
      this.#tellTruncated(truncated)
      if (statements.length > 1) throw new PgError(SQLSTATE.syntaxError, 'cannot insert multiple commands into a prepared statement')
      const prepared = session.planning.prepare(name, statements[0] ?? null, parameterTypes, false)
      if (prepared instanceof Promise) return prepared.then((ready) => session.storeStatement(ready))
      session.storeStatement(prepared)
    }
    return this.#guard(text, () => {
      if (name !== '' && session.statements.has(name)) {
        throw new PgError(SQLSTATE.duplicatePstatement, `prepared statement "${name}" already exists`)
      }
      if (isLarge(text)) {
        large ??= parseLarge(text, session.cancelToken)
        return large.then(({ statements, truncated }) => prepare(statements, truncated ?? truncatedIdentifiers(text)))
      }
      return prepare(parse(text), truncatedIdentifiers(text))
    })
  }

  #tellTruncated(messages: readonly string[]): void {
    for (const message of messages) this.#session.notice({ severity: 'NOTICE', code: SQLSTATE.nameTooLong, message })
  }

  bind(portal: string, statement: string, parameters: BindParameters, resultFormats: readonly number[]): MaybePromise<void> {
    return this.#guard(null, () => {
      const prepared = this.#session.findStatement(statement)
      this.#allowed(prepared)
      if (portal !== '' && this.#session.portals.has(portal))
        throw new PgError(SQLSTATE.duplicateCursor, `cursor "${portal}" already exists`)
      if (portal === '') this.closePortal('')
      const planned = this.#session.planning.current(prepared)
      if (planned instanceof Promise) return planned.then(() => this.#bind(portal, prepared, parameters, resultFormats))
      return this.#bind(portal, prepared, parameters, resultFormats)
    })
  }

  #bind(name: string, prepared: PreparedStatement, parameters: BindParameters, resultFormats: readonly number[]): MaybePromise<void> {
    if (parameters.count !== prepared.parameterTypes.length) {
      throw new PgError(
        SQLSTATE.protocolViolation,
        `bind message supplies ${parameters.count} parameters, but prepared statement "${prepared.name}" requires ${prepared.parameterTypes.length}`,
      )
    }
    const session = this.#session
    const encoding = session.clientEncoding === null ? null : new IncomingText(session.clientEncoding, session.planning.snapshot())
    const params = bindParameters(parameters, prepared.parameterTypes, session.context, this.#slicer, encoding)
    if (params instanceof Promise) return params.then((values) => this.#bound(name, prepared, values, resultFormats))
    this.#bound(name, prepared, params, resultFormats)
  }

  #bound(name: string, prepared: PreparedStatement, params: readonly Datum[], resultFormats: readonly number[]): void {
    const columns = prepared.plan?.columns ?? prepared.describedColumns
    checkResultFormats(resultFormats, columns?.length ?? null)
    const session = this.#session
    session.portals.add({
      name,
      prepared,
      params,
      resultFormats,
      boundAt: name === '' ? null : session.context.statementTimestamp,
      shape: null,
      execution: null,
      held: null,
      heldAt: 0,
      state: 'ready',
      number: 0,
      plan: prepared.plan === null ? null : session.planning.forValues(prepared.plan, params),
    })
  }

  describeStatement(name: string): MaybePromise<StatementDescription> {
    const session = this.#session
    return this.#guard(null, () => {
      const prepared = session.findStatement(name)
      if (prepared.class !== null && !prepared.class.transactionControl && session.block.state === 'failed') throw aborted()
      const current = session.planning.current(prepared)
      const answer = (): StatementDescription => {
        const columns = columnsOf(session, prepared)
        return {
          parameterTypes: prepared.parameterTypes,
          shape: columns === null ? null : { columns, formats: [], io: session.settings.io },
        }
      }
      return current instanceof Promise ? current.then(answer) : answer()
    })
  }

  describePortal(name: string): MaybePromise<RowShape | null> {
    const session = this.#session
    return this.#guard(null, () => {
      const cursor = session.portals.cursors.get(name)
      const shape = cursor === undefined ? portalShape(session, session.portals.find(name)) : cursor.shape(session.settings.io)
      if (shape !== null && session.block.state === 'failed') throw aborted()
      return shape
    })
  }

  execute(name: string, maxRows: number, client: ResultSink, isLast: boolean): MaybePromise<void> {
    this.#statementStart = performance.now()
    const session = this.#session
    const sink = this.#held(client)
    return this.#guard(null, () => {
      const cursor = session.portals.cursors.get(name)
      if (cursor !== undefined) return this.#executeCursor(cursor, maxRows, sink)
      const portal = session.portals.find(name)
      const { prepared } = portal
      session.entry.query = prepared.text
      if (prepared.statement === null) {
        sink.emptyQuery()
        return
      }
      this.#allowed(prepared)
      if (portal.state === 'failed') throw cannotRun(name)
      if (portal.state === 'done' && portal.held === null && portal.execution === null) {
        const tag = finishedTag(portal)
        if (tag !== null) return this.#completed(tag, sink)
        throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${name}" cannot be run`)
      }
      const alone = isLast && session.block.state === 'idle'
      session.startImplicit()
      const isFirst = portal.state === 'ready'
      session.portals.running = portal
      const tag = runPortal(session, portal, maxRows, sink, alone)
      return tag instanceof Promise ? tag.then((text) => this.#ran(text, sink, portal, isFirst)) : this.#ran(tag, sink, portal, isFirst)
    })
  }

  /** A cursor of SQL is a portal too: Execute fetches from it. */
  #executeCursor(cursor: Cursor, maxRows: number, sink: ResultSink): MaybePromise<void> {
    if (this.#session.block.state === 'failed') throw aborted()
    sink.describe(cursor.shape(this.#session.settings.io))
    return andThen(cursor.fetch(maxRows > 0 ? maxRows : Number.POSITIVE_INFINITY, false, sink), (rows) =>
      this.#completed(maxRows > 0 && rows === maxRows ? null : `SELECT ${rows}`, sink),
    )
  }

  // hot
  #ran(tag: string | null, sink: ResultSink, portal: Portal, isFirst: boolean): MaybePromise<void> {
    if (this.#session.mustConfirm) return this.#confirmed(() => this.#completed(tag, sink), portal, isFirst)
    return this.#completed(tag, sink)
  }

  #completed(tag: string | null, sink: ResultSink): MaybePromise<void> {
    if (tag === null) return sink.suspended()
    const { block } = this.#session
    if (block.endsWithStatement) return this.#finish(tag, sink)
    block.othersFollow()
    return this.#complete(tag, sink)
  }

  /** An end of a statement or of a portion of it: what was read without a lease on the catalogue is told if that still stands, else read again. */
  async #confirmed(tell: () => MaybePromise<void>, portal: Portal | null = null, isFirst = true): Promise<void> {
    const { catalog } = this.#session.keyspace
    this.#session.mustConfirm = false
    if (await catalog.versions.confirm()) return tell()
    await catalog.syncNow()
    if (!isFirst) throw new KvError('schemaChanged', 'another node changed the catalogue between two portions', { retryable: true })
    if (portal !== null) {
      portal.execution?.close()
      portal.execution = null
      portal.state = 'ready'
    }
    throw new StalePlan()
  }

  #complete(tag: string, sink: ResultSink): MaybePromise<void> {
    return this.#session.mustConfirm ? this.#confirmed(() => this.#told(tag, sink)) : this.#told(tag, sink)
  }

  #told(tag: string, sink: ResultSink): MaybePromise<void> {
    const now = performance.now()
    this.#session.services.observe.statement(this.#session, tag, now - this.#statementStart)
    this.#statementStart = now
    return sink.complete(tag)
  }

  closeStatement(name: string): void {
    this.#session.statements.delete(name)
  }

  closePortal(name: string): void {
    this.#session.portals.close(name)
  }

  sync(): MaybePromise<void> {
    if (this.#session.block.state !== 'implicit') {
      this.#becomeIdle()
      return
    }
    return this.#guard(null, () => {
      const done = commitTransaction(this.#session)
      if (done instanceof Promise) return done.then(() => this.#becomeIdle())
      this.#becomeIdle()
    })
  }

  fail(error: PgError): void {
    this.#session.services.observe.error(this.#session, error)
    const done = this.#abortAfterError()
    if (done instanceof Promise) this.#session.services.background(done)
  }

  /** Called when the session has ended. */
  onClosed: (() => void) | null = null

  close(): MaybePromise<void> {
    const session = this.#session
    session.timers.clear()
    session.keyspace.sessions.remove(session.entry.pid)
    session.statements.clear()
    session.notifications.close()
    const finish = () => {
      session.advisory.unlockAll()
      session.portals.closeAll(true)
      session.planning.close()
      session.services.observe.closed(session)
      session.memory.releaseAll()
      this.onClosed?.()
    }
    let done: MaybePromise<void>
    try {
      done = andThen(abortTransaction(session), () => forgetTemporary(session))
    } catch (error) {
      finish()
      throw error
    }
    if (done instanceof Promise) return done.finally(finish)
    finish()
  }

  // --- statements -----------------------------------------------------------------------------------------------------------------------

  #allowed(prepared: PreparedStatement): void {
    if (this.#session.block.state === 'failed' && prepared.class !== null && !prepared.class.transactionControl) throw aborted()
  }

  /** A text that differs from an earlier one only in literals runs without being parsed. Null: take the long way. // hot */
  #lifted(text: string): { entry: PlanEntry; params: readonly Datum[] } | null {
    if (this.#session.block.state === 'failed') return null
    const lifted = lift(text)
    return lifted === null ? null : this.#session.planning.lifted(lifted)
  }

  #runLifted(found: { entry: PlanEntry; params: readonly Datum[] }, sink: ResultSink): MaybePromise<void> {
    const alone = this.#session.block.state === 'idle'
    this.#session.startImplicit()
    const tag = runPlanned(this.#session, found.entry, found.params, sink, alone)
    if (tag instanceof Promise) return tag.then((done) => this.#finish(done, sink))
    return this.#finish(tag, sink)
  }

  /** The statements of one Query from `index` on, in one implicit transaction unless they make another. */
  #statements(statements: readonly ParsedStatement[], index: number, sink: ResultSink): MaybePromise<void> {
    for (let i = index; i < statements.length; i++) {
      if (i > 0) this.#session.timers.statementFollows()
      const done = this.#current(() => this.#statement(statements[i]!, sink, statements.length === 1, i === statements.length - 1))
      const wait = done instanceof Promise ? done : this.#slicer.pause()
      if (wait !== null) return wait.then(() => this.#statements(statements, i + 1, sink))
    }
  }

  #statement(statement: ParsedStatement, sink: ResultSink, only: boolean, last: boolean): MaybePromise<void> {
    const session = this.#session
    const statementClass = classify(statement)
    if (session.block.state === 'failed' && !statementClass.transactionControl) throw aborted()
    const alone = only && session.block.state === 'idle'
    session.startImplicit(!only)
    session.cancelToken.check()
    let tag: MaybePromise<string>
    if (statementClass.optimizable) {
      const prepared = session.planning.simple(statement)
      if (prepared instanceof Promise) tag = prepared.then((ready) => runPlanned(session, ready.plan!, [], sink, alone))
      else tag = runPlanned(session, prepared.plan!, [], sink, alone)
    } else if (statementClass.transactionControl) {
      tag = runTransactionStatement(session, statement)
    } else {
      tag = runUtility(session, statement, statementClass, [], sink, alone)
    }
    if (!last) return tag instanceof Promise ? tag.then((text) => this.#complete(text, sink)) : this.#complete(tag, sink)
    if (tag instanceof Promise) return tag.then((text) => this.#finish(text, sink))
    return this.#finish(tag, sink)
  }

  /** The last statement of its implicit transaction: that commits before its completion is told. */
  #finish(tag: string, sink: ResultSink): MaybePromise<void> {
    if (this.#session.block.state === 'implicit') {
      const committed = commitTransaction(this.#session)
      if (committed instanceof Promise) return committed.then(() => this.#complete(tag, sink))
    }
    return this.#complete(tag, sink)
  }

  #held(sink: ResultSink): ResultSink {
    if (!this.#session.keyspace.capabilities.multiNode) return sink
    this.#holding = new HoldingSink(sink)
    return this.#holding
  }

  /** Runs what may have to begin anew because its plan turned out to be stale. // hot */
  #current<T>(attempt: () => MaybePromise<T>): MaybePromise<T> {
    if (this.#session.keyspace.capabilities.multiNode) return this.#fetching(attempt)
    try {
      const result = attempt()
      return result instanceof Promise ? result.catch((error: unknown) => this.#replanned(error, attempt)) : result
    } catch (error) {
      return this.#replanned(error, attempt)
    }
  }

  #replanned<T>(error: unknown, attempt: () => MaybePromise<T>): MaybePromise<T> {
    if (error instanceof StalePlan) return this.#current(attempt)
    throw error
  }

  /** The same where parts of the catalogue may be missed: undoes what was written on the way, fetches the part and begins anew. */
  #fetching<T>(attempt: () => MaybePromise<T>, misses = 0): MaybePromise<T> {
    const session = this.#session
    const before = session.block.txn
    const mark = before?.savepoint() ?? null
    const catalogMark = session.catalogTxn?.savepoint() ?? 0
    const again = async (error: unknown): Promise<T> => {
      if (misses > MAX_MISSES) throw error
      if (!(error instanceof CatalogMiss || error instanceof StalePlan)) throw error
      if (this.#holding?.discard() === false) {
        if (error instanceof CatalogMiss) await error.load()
        throw new KvError('schemaChanged', 'a part of the catalogue had to be fetched after rows were sent', { retryable: true })
      }
      if (error instanceof StalePlan) return this.#fetching(attempt, misses + 1)
      const { txn } = session.block
      if (txn !== null && txn === before) {
        await txn.rollbackTo(mark!)
        session.catalogTxn?.rollbackTo(catalogMark)
      } else if (txn !== null) {
        session.block.txn = null
        session.catalogTxn?.aborted()
        session.catalogTxn = null
        await txn.rollback()
      }
      await error.load()
      return this.#fetching(attempt, misses + 1)
    }
    try {
      const result = attempt()
      return result instanceof Promise ? result.catch(again) : result
    } catch (error) {
      if (error instanceof CatalogMiss || error instanceof StalePlan) return again(error)
      throw error
    }
  }

  // --- around every message -------------------------------------------------------------------------------------------------------------

  #guard<T>(text: string | null, body: () => MaybePromise<T>): MaybePromise<T> {
    this.#becomeActive(text)
    let result: MaybePromise<T>
    try {
      const synced = this.#endsBlock(text) ? undefined : this.#session.keyspace.catalog.sync()
      result = synced instanceof Promise ? synced.then(() => this.#current(body)) : this.#current(body)
    } catch (error) {
      return this.#failed(error)
    }
    if (result instanceof Promise) {
      return result.then(
        (value) => {
          this.#succeeded()
          return this.#settled(value)
        },
        (error: unknown) => this.#failed(error),
      )
    }
    this.#succeeded()
    return this.#settled(result)
  }

  /** What ends a block needs nothing of the catalogue, and neither waits nor fails for it. // hot */
  #endsBlock(text: string | null): boolean {
    const { keyspace, block } = this.#session
    return keyspace.capabilities.multiNode && text !== null && block.inBlock && ENDS_BLOCK.test(text)
  }

  /** An answer waits until what it says was given up is free for others. */
  #settled<T>(value: T): MaybePromise<T> {
    const { releasing } = this.#session.advisory
    return releasing === null ? value : releasing.then(() => value)
  }

  #succeeded(): void {
    const session = this.#session
    session.running = false
    session.portals.running = null
    session.timers.statementEnds()
    // A cancellation that came too late is not for the next statement.
    if (session.cancelToken.reason !== null) session.cancelToken.reset()
  }

  #becomeActive(text: string | null): void {
    const session = this.#session
    session.running = true
    session.mustConfirm = false
    const starts = session.block.state === 'idle'
    if (text !== null || starts) session.context.statementBegins(starts)
    const { entry } = session
    if (text !== null) entry.query = text
    entry.state = 'active'
    entry.queryStart = session.context.statementTimestamp
    if (starts) entry.transactionStart = session.context.transactionTimestamp
    session.timers.statementBegins()
  }

  #becomeIdle(): void {
    const session = this.#session
    const { state } = session.block
    const idle: ActivityState = state === 'block' ? 'idle in transaction' : state === 'failed' ? 'idle in transaction (aborted)' : 'idle'
    session.entry.state = idle
    session.entry.stateChange = session.context.statementTimestamp
    if (idle === 'idle') {
      session.entry.transactionStart = null
      session.notifications.deliver()
    }
    session.timers.idleBegins(idle !== 'idle')
  }

  #failed(error: unknown): never | Promise<never> {
    const session = this.#session
    session.running = false
    session.timers.statementEnds()
    const pgError = toPgError(error, (correlation, cause) => session.services.observe.defect(session, correlation, cause))
    session.services.observe.error(session, pgError)
    session.cancelToken.reset()
    const rolledBack = this.#abortAfterError()
    this.#becomeIdle()
    if (rolledBack instanceof Promise) {
      return rolledBack.then(
        () => Promise.reject(pgError),
        (second: unknown) => {
          session.services.observe.defect(session, 'rollback', second)
          return Promise.reject(pgError)
        },
      )
    }
    throw pgError
  }

  /** An error ends an implicit transaction and fails a block. */
  #abortAfterError(): MaybePromise<void> {
    const session = this.#session
    const { state } = session.block
    if (state === 'idle') return
    if (state === 'implicit') {
      session.portals.closeAll(false)
      return abortTransaction(session)
    }
    return failTransaction(session)
  }
}
