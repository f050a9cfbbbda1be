// One client's SQL life (PostgreSQL's tcop): statements and portals, the transaction block around them, errors and their consequences. // hot
//
// What can be answered at once is: every method stays synchronous as long as analyser, planner, operators and store do.

import { CancelToken } from '../base/cancel.ts'
import type { Datum } from '../base/datum.ts'
import { type Notice, PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { MemoryAccount } from '../base/memory.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { objectKey } from '../catalog/keys.ts'
import { LOCK, lockHolder, type RelationLockMode } from '../catalog/object-locks.ts'
import { GateHold, type GateKeepers } from '../catalog/relation-gates.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import { TemporaryCatalog } from '../catalog/temporary.ts'
import { CatalogTransaction } from '../catalog/transaction.ts'
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
import { truncatedIdentifiers } from '../sql/parser/truncation.ts'
import { KvError } from '../storage/kv-error.ts'
import type { Transaction } from '../storage/store.ts'
import type { ActivityState, SessionEntry } from './activity.ts'
import { AdvisoryLocks } from './advisory-locks.ts'
import { bindParameters, checkResultFormats } from './bind.ts'
import type { Cursor } from './cursor.ts'
import { DeferredWork } from './deferred.ts'
import type { SessionEvalContext, SystemFunction } from './eval-context.ts'
import { HoldingSink } from './holding-sink.ts'
import type { KeyspaceContext } from './keyspace-context.ts'
import { SessionNotifications } from './notifications.ts'
import { type PlanEntry, StalePlan } from './plan-cache.ts'
import { Planning } from './planning.ts'
import { Portals } from './portals.ts'
import type { PreparedStatement } from './prepared.ts'
import { runPlanned } from './run-planned.ts'
import type { Services } from './services.ts'
import { applyStartupSettings, makeSessionContext } from './session-context.ts'
import type { SessionSequences } from './session-sequences.ts'
import type { Settings } from './settings/settings.ts'
import { toPgError } from './statement-error.ts'
import { SessionStoreServices } from './store-services.ts'
import { forgetTemporary } from './temporary.ts'
import { Timers } from './timers.ts'
import { TransactionBlock, type TransactionModes } from './transaction-block.ts'
import { abortTransaction, commitTransaction, failTransaction, runTransactionStatement } from './utility/transaction.ts'
import { runUtility } from './utility/utility.ts'

/** Who the login proved to be. */
export interface SessionIdentity {
  readonly keyspace: KeyspaceContext
  readonly roleOid: Oid
  readonly roleName: string
  readonly superuser: boolean
  /** Sessions the role may have; -1 = any number. */
  readonly connectionLimit: number
  /** ALTER ROLE … SET and the like, weakest first. */
  readonly roleSettings: readonly (readonly [string, string])[]
  /** Told to the client once, after the login. */
  readonly notice: Notice | null
}

/** A statement that misses more often than it has names is a defect. */
const MAX_MISSES = 1000
const TEXT: Oid = 25
const IDLE: TransactionStatus = 73
const IN_BLOCK: TransactionStatus = 84
const FAILED: TransactionStatus = 69

const aborted = () =>
  new PgError(SQLSTATE.inFailedSqlTransaction, 'current transaction is aborted, commands ignored until end of transaction block')

export class ClientSession implements WireSession {
  readonly services: Services
  readonly keyspace: KeyspaceContext
  readonly client: Client
  /** Any name is accepted and answered by current_database(). */
  readonly database: string
  readonly settings: Settings
  readonly block: TransactionBlock
  readonly context: SessionEvalContext
  readonly cancelToken = new CancelToken()
  readonly memory: MemoryAccount
  readonly entry: SessionEntry
  readonly planning: Planning
  readonly portals: Portals
  readonly deferred = new DeferredWork()
  readonly advisory: AdvisoryLocks
  readonly notifications: SessionNotifications
  readonly storeServices: SessionStoreServices
  readonly timers: Timers
  readonly statements = new Map<string, PreparedStatement>()
  /** The role whose privileges count (SET ROLE), the session's, and the one that logged in. */
  roles: { current: Oid; currentName: string; session: Oid; sessionName: string; readonly authenticated: Oid; superuser: boolean }
  /** Its temporary objects, as far as they are committed. */
  readonly temporary = new TemporaryCatalog()
  /** Catalogue changes of the open transaction; null until its first DDL. */
  catalogTxn: CatalogTransaction | null = null
  /** Relation locks of the open transaction that hold on every node. */
  gateHold: GateHold | null = null
  /** Bytes per sort or hash; kept in step with work_mem. */
  workMem = 4 * 1024 * 1024
  lockTimeoutMs = 0
  readonly lockHolder = lockHolder(this)
  #system: ReadonlyMap<string, SystemFunction> | null = null
  #started = false
  #statementStart = 0
  #holding: HoldingSink | null = null
  #running = false

  constructor(services: Services, identity: SessionIdentity, client: Client) {
    this.services = services
    this.keyspace = identity.keyspace
    this.client = client
    this.database = client.request.parameters.get('database') ?? identity.keyspace.name
    this.roles = {
      current: identity.roleOid,
      currentName: identity.roleName,
      session: identity.roleOid,
      sessionName: identity.roleName,
      authenticated: identity.roleOid,
      superuser: identity.superuser,
    }
    this.memory = new MemoryAccount('session', services.limits.maxSessionMemory, identity.keyspace.memory)
    const made = makeSessionContext(this, identity)
    this.settings = made.settings
    this.context = made.context
    this.entry = made.entry
    this.block = new TransactionBlock(this.keyspace.catalog, this.defaultModes())
    this.planning = new Planning(this)
    this.storeServices = new SessionStoreServices(this)
    this.portals = new Portals()
    this.advisory = new AdvisoryLocks(this)
    this.notifications = new SessionNotifications(this)
    this.timers = new Timers(this)
    applyStartupSettings(this, identity)
    this.#started = true
    this.keyspace.sessions.add(this.entry)
    services.observe.opened(this)
  }

  get parameters(): Iterable<readonly [string, string]> {
    return this.settings.reported()
  }

  get transactionStatus(): TransactionStatus {
    const { state } = this.block
    return state === 'block' ? IN_BLOCK : state === 'failed' ? FAILED : IDLE
  }

  defaultModes(): TransactionModes {
    const isolation = this.settings.get('default_transaction_isolation')!
    return {
      isolation: isolation === 'read uncommitted' ? 'read committed' : (isolation as TransactionModes['isolation']),
      readOnly: this.settings.bool('default_transaction_read_only'),
      deferrable: this.settings.bool('default_transaction_deferrable'),
    }
  }

  notice(notice: Notice): void {
    this.client.notice(notice)
  }

  // --- messages -------------------------------------------------------------------------------------------------------------------------

  query(text: string, client: ResultSink): MaybePromise<void> {
    const sink = this.#held(client)
    const done = this.#guard(text, () => {
      this.closePortalNamed('')
      const lifted = this.#lifted(text)
      if (lifted !== null) return this.#runLifted(lifted, sink)
      const statements = parse(text)
      this.#tellTruncated(text)
      if (statements.length === 0) {
        sink.emptyQuery()
        return
      }
      return this.#statements(statements, 0, sink)
    })
    if (done instanceof Promise) return done.finally(() => this.#becomeIdle())
    this.#becomeIdle()
  }

  parse(name: string, text: string, parameterTypes: readonly number[]): MaybePromise<void> {
    return this.#guard(text, () => {
      if (name !== '' && this.statements.has(name)) {
        throw new PgError(SQLSTATE.duplicatePstatement, `prepared statement "${name}" already exists`)
      }
      const statements = parse(text)
      this.#tellTruncated(text)
      if (statements.length > 1) throw new PgError(SQLSTATE.syntaxError, 'cannot insert multiple commands into a prepared statement')
      const prepared = this.planning.prepare(name, statements[0] ?? null, parameterTypes, false)
      if (prepared instanceof Promise) return prepared.then((ready) => this.storeStatement(ready))
      this.storeStatement(prepared)
    })
  }

  #tellTruncated(text: string): void {
    for (const message of truncatedIdentifiers(text)) this.notice({ severity: 'NOTICE', code: SQLSTATE.nameTooLong, message })
  }

  storeStatement(prepared: PreparedStatement): void {
    if (this.statements.size >= LIMITS.preparedStatements && !this.statements.has(prepared.name)) {
      throw new PgError(SQLSTATE.tooManyConnections, `too many prepared statements`, {
        detail: `A session may have ${LIMITS.preparedStatements}.`,
        hint: 'DEALLOCATE those no longer used.',
      })
    }
    this.statements.set(prepared.name, prepared)
  }

  bind(portal: string, statement: string, parameters: BindParameters, resultFormats: readonly number[]): MaybePromise<void> {
    return this.#guard(null, () => {
      const prepared = this.findStatement(statement)
      if (portal !== '' && this.portals.has(portal)) throw new PgError(SQLSTATE.duplicateCursor, `cursor "${portal}" already exists`)
      this.#allowed(prepared)
      if (portal === '') this.closePortalNamed('')
      const planned = this.planning.current(prepared)
      if (planned instanceof Promise) return planned.then(() => this.#bind(portal, prepared, parameters, resultFormats))
      this.#bind(portal, prepared, parameters, resultFormats)
    })
  }

  #bind(name: string, prepared: PreparedStatement, parameters: BindParameters, resultFormats: readonly number[]): void {
    if (parameters.count !== prepared.parameterTypes.length) {
      throw new PgError(
        SQLSTATE.protocolViolation,
        `bind message supplies ${parameters.count} parameters, but prepared statement "${prepared.name}" requires ${prepared.parameterTypes.length}`,
      )
    }
    const params = bindParameters(parameters, prepared.parameterTypes, this.context)
    const columns = prepared.plan?.columns ?? prepared.describedColumns
    checkResultFormats(resultFormats, columns?.length ?? null)
    this.portals.add({
      name,
      prepared,
      params,
      resultFormats,
      shape: null,
      execution: null,
      held: null,
      heldAt: 0,
      state: 'ready',
      plan: prepared.plan,
    })
  }

  describeStatement(name: string): MaybePromise<StatementDescription> {
    return this.#guard(null, () => {
      const prepared = this.findStatement(name)
      if (prepared.class !== null && !prepared.class.transactionControl && this.block.state === 'failed') throw aborted()
      const current = this.planning.current(prepared)
      const answer = (): StatementDescription => {
        const columns = this.planning.columnsOf(prepared)
        return { parameterTypes: prepared.parameterTypes, shape: columns === null ? null : { columns, formats: [], io: this.settings.io } }
      }
      return current instanceof Promise ? current.then(answer) : answer()
    })
  }

  describePortal(name: string): MaybePromise<RowShape | null> {
    return this.#guard(null, () => {
      const cursor = this.portals.cursors.get(name)
      if (cursor !== undefined) return cursor.shape(this.settings.io)
      return this.planning.portalShape(this.portals.find(name))
    })
  }

  execute(name: string, maxRows: number, client: ResultSink): MaybePromise<void> {
    const sink = this.#held(client)
    return this.#guard(null, () => {
      const cursor = this.portals.cursors.get(name)
      if (cursor !== undefined) return this.#executeCursor(cursor, maxRows, sink)
      const portal = this.portals.find(name)
      const { prepared } = portal
      this.entry.query = prepared.text
      if (prepared.statement === null) {
        sink.emptyQuery()
        return
      }
      this.#allowed(prepared)
      if (portal.state === 'done' && portal.held === null && portal.execution === null) {
        throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${name}" cannot be run anymore`)
      }
      this.#implicit()
      const tag = this.runPortal(portal, maxRows, sink)
      if (tag instanceof Promise) return tag.then((text) => this.#completed(text, sink))
      this.#completed(tag, sink)
    })
  }

  /** A cursor of SQL is a portal too: Execute fetches from it. */
  #executeCursor(cursor: Cursor, maxRows: number, sink: ResultSink): MaybePromise<void> {
    if (this.block.state === 'failed') throw aborted()
    sink.describe(cursor.shape(this.settings.io))
    return andThen(cursor.fetch(maxRows > 0 ? maxRows : Number.POSITIVE_INFINITY, false), (rows) =>
      andThen(rows.length === 0 ? undefined : sink.rows(rows), () =>
        this.#completed(maxRows > 0 && rows.length === maxRows ? null : `SELECT ${rows.length}`, sink),
      ),
    )
  }

  #completed(tag: string | null, sink: ResultSink): void {
    if (tag === null) sink.suspended()
    else this.#complete(tag, sink)
  }

  #complete(tag: string, sink: ResultSink): void {
    const now = performance.now()
    this.services.observe.statement(this, tag, now - this.#statementStart)
    this.#statementStart = now
    sink.complete(tag)
  }

  closeStatement(name: string): void {
    this.statements.delete(name)
  }

  closePortal(name: string): void {
    this.closePortalNamed(name)
  }

  closePortalNamed(name: string): void {
    this.portals.close(name)
  }

  sync(): MaybePromise<void> {
    if (this.block.state !== 'implicit') {
      this.#becomeIdle()
      return
    }
    return this.#guard(null, () => {
      const done = commitTransaction(this)
      if (done instanceof Promise) return done.then(() => this.#becomeIdle())
      this.#becomeIdle()
    })
  }

  fail(error: PgError): void {
    this.services.observe.error(this, error)
    const done = this.#abortAfterError()
    if (done instanceof Promise) this.services.background(done)
  }

  cancel(reason: PgError): void {
    if (this.#running) this.cancelToken.cancel(reason)
  }

  /** Called when the session has ended. */
  onClosed: (() => void) | null = null

  close(): MaybePromise<void> {
    this.timers.clear()
    this.keyspace.sessions.remove(this.entry.pid)
    this.statements.clear()
    this.notifications.close()
    const finish = () => {
      this.advisory.unlockAll()
      this.portals.closeAll(true)
      this.services.observe.closed(this)
      this.memory.releaseAll()
      this.onClosed?.()
    }
    let done: MaybePromise<void>
    try {
      done = andThen(abortTransaction(this), () => forgetTemporary(this))
    } catch (error) {
      finish()
      throw error
    }
    if (done instanceof Promise) return done.finally(finish)
    finish()
  }

  // --- statements -----------------------------------------------------------------------------------------------------------------------

  findStatement(name: string): PreparedStatement {
    const prepared = this.statements.get(name)
    if (prepared !== undefined) return prepared
    throw new PgError(
      SQLSTATE.invalidSqlStatementName,
      name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`,
    )
  }

  #allowed(prepared: PreparedStatement): void {
    if (this.block.state === 'failed' && prepared.class !== null && !prepared.class.transactionControl) throw aborted()
  }

  /** The implicit transaction around a statement outside a block. */
  #implicit(): void {
    if (this.block.state !== 'idle') return
    const modes = this.defaultModes()
    this.block.startImplicit(modes)
    this.settings.beginTransaction()
    if (modes.isolation !== 'read committed' || modes.readOnly || modes.deferrable) this.showModes()
  }

  /** A text that differs from an earlier one only in literals runs without being parsed. Null: take the long way. // hot */
  #lifted(text: string): { entry: PlanEntry; params: readonly Datum[] } | null {
    if (this.block.state === 'failed') return null
    const lifted = lift(text)
    return lifted === null ? null : this.planning.lifted(lifted)
  }

  #runLifted(found: { entry: PlanEntry; params: readonly Datum[] }, sink: ResultSink): MaybePromise<void> {
    const alone = this.block.state === 'idle'
    this.#implicit()
    const tag = runPlanned(this, found.entry, found.params, sink, alone)
    if (tag instanceof Promise) return tag.then((done) => this.#finish(done, sink))
    return this.#finish(tag, sink)
  }

  /** The statements of one Query from `index` on, in one implicit transaction unless they make another. */
  #statements(statements: readonly ParsedStatement[], index: number, sink: ResultSink): MaybePromise<void> {
    for (let i = index; i < statements.length; i++) {
      if (i > 0) this.timers.statementFollows()
      const done = this.#current(() => this.#statement(statements[i]!, sink, statements.length === 1, i === statements.length - 1))
      if (done instanceof Promise) return done.then(() => this.#statements(statements, i + 1, sink))
    }
  }

  #statement(statement: ParsedStatement, sink: ResultSink, only: boolean, last: boolean): MaybePromise<void> {
    const statementClass = classify(statement)
    if (this.block.state === 'failed' && !statementClass.transactionControl) throw aborted()
    const alone = only && this.block.state === 'idle'
    this.#implicit()
    this.cancelToken.check()
    let tag: MaybePromise<string>
    if (statementClass.optimizable) {
      const prepared = this.planning.simple(statement)
      if (prepared instanceof Promise) tag = prepared.then((ready) => runPlanned(this, ready.plan!, [], sink, alone))
      else tag = runPlanned(this, prepared.plan!, [], sink, alone)
    } else if (statementClass.transactionControl) {
      tag = runTransactionStatement(this, statement)
    } else {
      tag = runUtility(this, statement, statementClass, [], sink, alone)
    }
    if (!last) {
      if (tag instanceof Promise) return tag.then((text) => this.#complete(text, sink))
      this.#complete(tag, sink)
      return
    }
    if (tag instanceof Promise) return tag.then((text) => this.#finish(text, sink))
    return this.#finish(tag, sink)
  }

  /** The last statement of a Query: an implicit transaction commits before its completion is told. */
  #finish(tag: string, sink: ResultSink): MaybePromise<void> {
    if (this.block.state === 'implicit') {
      const committed = commitTransaction(this)
      if (committed instanceof Promise) {
        return committed.then(() => this.#complete(tag, sink))
      }
    }
    this.#complete(tag, sink)
  }

  /** Runs a portal for up to `maxRows` rows. Null: suspended. */
  runPortal(portal: Parameters<Portals['add']>[0], maxRows: number, sink: ResultSink): MaybePromise<string | null> {
    return this.portals.run(this, portal, maxRows, sink)
  }

  // --- transactions ---------------------------------------------------------------------------------------------------------------------

  /** The store's transaction for one statement. */
  transaction(autocommit: boolean, latest: boolean): MaybePromise<Transaction> {
    return this.block.forStatement({ autocommit, latest, cancel: this.cancelToken })
  }

  /** The catalogue as this transaction changes it. */
  catalogTransaction(txn: Transaction): CatalogTransaction {
    if (this.catalogTxn === null || this.catalogTxn.txn !== txn)
      this.catalogTxn = new CatalogTransaction(this.keyspace.catalog, txn, this.temporary)
    return this.catalogTxn
  }

  /** True when the statement may be run again from its start: nothing was sent, and it is a transaction of its own. */
  mayRetry(error: unknown): boolean {
    return error instanceof KvError && error.retryable && !this.block.inBlock
  }

  /** The implicit transaction of a statement that is run again. */
  restartImplicit(): void {
    this.#implicit()
  }

  /** A relation lock until the transaction ends: at once, or later. // hot */
  lockRelation(oid: Oid, mode: RelationLockMode, wait: boolean, name = String(oid)): MaybePromise<void> {
    if (mode >= LOCK.share && this.keyspace.gates !== null) return this.#shutGate(this.keyspace.gates, oid, mode, wait, name)
    return this.keyspace.locks.acquire(this.lockHolder, oid, mode, {
      wait,
      timeoutMs: this.lockTimeoutMs,
      cancel: this.cancelToken,
      name,
    })
  }

  /** A lock that other nodes' sessions must respect, too. What this transaction has made nobody else knows. */
  async #shutGate(gates: GateKeepers, oid: Oid, mode: RelationLockMode, wait: boolean, name: string): Promise<void> {
    const options = { wait, timeoutMs: this.lockTimeoutMs, cancel: this.cancelToken, name }
    if ((await gates.space.fetch(objectKey(oid))) === null) return gates.locks.acquire(this.lockHolder, oid, mode, options)
    this.gateHold ??= new GateHold(gates, this.lockHolder, this.cancelToken)
    await this.gateHold.shut(oid, mode, options)
  }

  /** Called once by every end of a transaction. */
  transactionEnded(committed: boolean): void {
    this.keyspace.locks.releaseTo(this.lockHolder)
    const { gateHold } = this
    if (gateHold !== null) {
      this.gateHold = null
      this.services.background(gateHold.open(committed))
    }
    this.advisory.transactionEnds()
    this.notifications.transactionEnds(committed)
    this.services.transactionEnded(this, committed)
  }

  /** transaction_isolation and transaction_read_only as SHOW tells them. */
  showModes(): void {
    const { modes } = this.block
    this.settings.assign('transaction_isolation', modes.isolation, true)
    this.settings.assign('transaction_read_only', modes.readOnly ? 'on' : 'off', true)
    this.settings.assign('transaction_deferrable', modes.deferrable ? 'on' : 'off', true)
  }

  /** A setting has a new value (also by a roll-back). */
  settingChanged(name: string, value: string): void {
    switch (name) {
      case 'work_mem':
        this.workMem = Number(value) * 1024
        break
      case 'lock_timeout':
        this.lockTimeoutMs = Number(value)
        break
      case 'application_name':
        this.entry.applicationName = value
        break
      case 'role':
        this.#roleSettingChanged(value)
        break
      case 'session_authorization':
        this.#sessionAuthorizationChanged(value)
        break
      default:
        this.timers.changed(name, value)
    }
    if (this.#started && this.settings.isReported(name)) this.client.parameterStatus(name, this.settings.show(name) ?? '')
  }

  /** SET ROLE. */
  becomeRole(_oid: Oid, _name: string, setting: string, local: boolean): void {
    this.settings.assign('role', setting, local)
  }

  becomeSessionUser(_oid: Oid, name: string, local: boolean): void {
    this.settings.assign('session_authorization', name, local)
    this.settings.assign('role', 'none', local)
  }

  #roleSettingChanged(name: string): void {
    const role = name === 'none' ? null : this.planning.snapshot().roleByName(name)
    this.roles.current = role?.oid ?? this.roles.session
    this.roles.currentName = role?.name ?? this.roles.sessionName
    this.#rolesChanged()
  }

  #sessionAuthorizationChanged(name: string): void {
    const role = this.planning.snapshot().roleByName(name)
    if (role === null) return
    this.roles.session = role.oid
    this.roles.sessionName = role.name
    this.roles.current = role.oid
    this.roles.currentName = role.name
    this.#rolesChanged()
  }

  #rolesChanged(): void {
    this.roles.superuser = this.planning.snapshot().role(this.roles.current)?.superuser === true
    this.settings.assign('is_superuser', this.roles.superuser ? 'on' : 'off', false)
  }

  systemFunction(prosrc: string): SystemFunction | undefined {
    this.#system ??= this.services.systemFunctions(this)
    return this.#system.get(prosrc)
  }

  /** Columns of type text, for utility results. */
  textColumns(names: readonly string[]): RowShape['columns'] {
    const encoder = this.planning.supportOf(TEXT)
    return names.map((name) => ({ name, tableOid: 0, columnNumber: 0, typeOid: TEXT, typeLength: -1, typmod: -1, encoder }))
  }

  /** DISCARD ALL: advisory locks, listens, sequence values. */
  releaseSessionState(): void {
    this.advisory.unlockAll()
    this.notifications.unlistenAll()
    this.forgetSequences()
  }

  get sequences(): SessionSequences {
    return this.context.sequences as SessionSequences
  }

  forgetSequences(): void {
    this.sequences.forget()
  }

  #held(sink: ResultSink): ResultSink {
    if (!this.keyspace.capabilities.multiNode) return sink
    this.#holding = new HoldingSink(sink)
    return this.#holding
  }

  /** Runs what may have to begin anew because its plan turned out to be stale. // hot */
  #current<T>(attempt: () => MaybePromise<T>): MaybePromise<T> {
    if (this.keyspace.capabilities.multiNode) return this.#fetching(attempt)
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
    const before = this.block.txn
    const mark = before?.savepoint() ?? null
    const catalogMark = this.catalogTxn?.savepoint() ?? 0
    const again = async (error: unknown): Promise<T> => {
      if (misses > MAX_MISSES) throw error
      if (error instanceof StalePlan) return this.#fetching(attempt, misses + 1)
      if (!(error instanceof CatalogMiss)) throw error
      if (this.#holding?.discard() === false) {
        await error.load()
        throw new KvError('schemaChanged', 'a part of the catalogue had to be fetched after rows were sent', { retryable: true })
      }
      const { txn } = this.block
      if (txn !== null && txn === before) {
        await txn.rollbackTo(mark!)
        this.catalogTxn?.rollbackTo(catalogMark)
      } else if (txn !== null) {
        this.block.txn = null
        this.catalogTxn?.aborted()
        this.catalogTxn = null
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
      const synced = this.keyspace.catalog.sync()
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

  /** An answer waits until what it says was given up is free for others. */
  #settled<T>(value: T): MaybePromise<T> {
    const { releasing } = this.advisory
    return releasing === null ? value : releasing.then(() => value)
  }

  #succeeded(): void {
    this.#running = false
    this.timers.statementEnds()
    // A cancellation that came too late is not for the next statement.
    if (this.cancelToken.reason !== null) this.cancelToken.reset()
  }

  #becomeActive(text: string | null): void {
    this.#running = true
    this.#statementStart = performance.now()
    const starts = this.block.state === 'idle'
    if (text !== null || starts) this.context.statementBegins(starts)
    const { entry } = this
    if (text !== null) entry.query = text
    entry.state = 'active'
    entry.queryStart = this.context.statementTimestamp
    if (starts) entry.transactionStart = this.context.transactionTimestamp
    this.timers.statementBegins()
  }

  #becomeIdle(): void {
    const { state } = this.block
    const idle: ActivityState = state === 'block' ? 'idle in transaction' : state === 'failed' ? 'idle in transaction (aborted)' : 'idle'
    this.entry.state = idle
    this.entry.stateChange = this.context.statementTimestamp
    if (idle === 'idle') {
      this.entry.transactionStart = null
      this.notifications.deliver()
    }
    this.timers.idleBegins(idle !== 'idle')
  }

  #failed(error: unknown): never | Promise<never> {
    this.#running = false
    this.timers.statementEnds()
    const pgError = toPgError(error, (correlation, cause) => this.services.observe.defect(this, correlation, cause))
    this.services.observe.error(this, pgError)
    this.cancelToken.reset()
    const rolledBack = this.#abortAfterError()
    this.#becomeIdle()
    if (rolledBack instanceof Promise) {
      return rolledBack.then(
        () => Promise.reject(pgError),
        (second: unknown) => {
          this.services.observe.defect(this, 'rollback', second)
          return Promise.reject(pgError)
        },
      )
    }
    throw pgError
  }

  /** An error ends an implicit transaction and fails a block; portals of the transaction cannot go on. */
  #abortAfterError(): MaybePromise<void> {
    const { state } = this.block
    if (state === 'idle') return
    this.portals.transactionEnds()
    if (state === 'implicit') return abortTransaction(this)
    return failTransaction(this)
  }
}
