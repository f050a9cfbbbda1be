// One client's session: settings, roles, the transaction block and all that lives with it, statements and portals. What its messages do to it is
// client-session.ts; the parts it is made of know it by this type.

import { CancelToken } from '../base/cancel.ts'
import { type Notice, PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { MemoryAccount } from '../base/memory.ts'
import { type SingleByteEncoding, singleByteEncoding } from '../base/single-byte-encodings.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { objectKey } from '../catalog/keys.ts'
import { LOCK, type LockHolder, lockHolder, type RelationLockMode } from '../catalog/object-locks.ts'
import { GateHold, type GateKeepers, type GateMark } from '../catalog/relation-gates.ts'
import { PendingActivity } from '../catalog/table-activity.ts'
import { TemporaryCatalog } from '../catalog/temporary.ts'
import { CatalogTransaction } from '../catalog/transaction.ts'
import type { Client, RowShape } from '../pgwire/backend.ts'
import { LockParty } from '../storage/lock-party.ts'
import type { Transaction } from '../storage/store.ts'
import type { SessionEntry } from './activity.ts'
import { AdvisoryLocks } from './advisory-locks.ts'
import { DeferredWork } from './deferred.ts'
import type { SessionEvalContext, SystemFunction } from './eval-context.ts'
import type { KeyspaceContext } from './keyspace-context.ts'
import { SessionNotifications } from './notifications.ts'
import { StalePlan } from './plan-cache.ts'
import { Planning } from './planning.ts'
import { Portals } from './portals.ts'
import type { PreparedStatement } from './prepared.ts'
import type { Services } from './services.ts'
import { applyStartupSettings, makeSessionContext } from './session-context.ts'
import type { SessionSequences } from './session-sequences.ts'
import { isSent } from './settings/client-messages.ts'
import { NO_ROLE, type RoleValue, type Settings, type Source } from './settings/settings.ts'
import { SessionStoreServices } from './store-services.ts'
import { Timers } from './timers.ts'
import { isolationOf, TransactionBlock, type TransactionModes } from './transaction-block.ts'

/** What a session starts with because somebody said so before. */
export interface LoginSetting {
  readonly name: string
  readonly value: string
  readonly source: Source
}

/** Who the login proved to be. */
export interface SessionIdentity {
  readonly keyspace: KeyspaceContext
  readonly roleOid: Oid
  readonly roleName: string
  readonly superuser: boolean
  /** Sessions the role may have; -1 = any number. */
  readonly connectionLimit: number
  /** ALTER DATABASE … SET, ALTER ROLE … SET and ALTER ROLE … IN DATABASE … SET, weakest first. */
  readonly settings: readonly LoginSetting[]
  /** Told to the client once, after the login. */
  readonly notice: Notice | null
}

const TEXT: Oid = 25

export class Session {
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
  /** What parameters are written in; null: UTF-8. */
  clientEncoding: SingleByteEncoding | null = null
  readonly deferred = new DeferredWork({ cancel: this.cancelToken })
  readonly advisory: AdvisoryLocks
  readonly notifications: SessionNotifications
  readonly storeServices: SessionStoreServices
  readonly pendingActivity = new PendingActivity()
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
  /** Kept in step with client_connection_check_interval. */
  connectionCheckMs = 0
  lockTimeoutMs = 0
  /** What it waits for, whatever the lock. */
  readonly party: LockParty
  readonly lockHolder: LockHolder
  /** A statement is under way: there is something to cancel. */
  running = false
  /** The statement reads at the newest versions without a lease on the catalogue: CatalogVersions.confirm before its end is told. */
  mustConfirm = false
  #system: ReadonlyMap<string, SystemFunction> | null = null
  #started = false

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
    const pid = client.processId
    this.party = new LockParty({
      pid,
      name: `p${pid}`,
      watcher: this.keyspace.deadlocks,
      timeoutMs: () => Number(this.settings.get('deadlock_timeout')),
      refuse: (error) => this.cancel(error as PgError),
    })
    this.lockHolder = lockHolder(this, this.party)
    this.block = new TransactionBlock(this.keyspace.catalog, this.temporary, this.defaultModes())
    this.planning = new Planning(this)
    this.storeServices = new SessionStoreServices(this)
    this.portals = new Portals()
    this.advisory = new AdvisoryLocks(this)
    this.notifications = new SessionNotifications(this)
    this.timers = new Timers(this)
    applyStartupSettings(this, identity)
    this.clientEncoding = singleByteEncoding(this.settings.get('client_encoding') ?? '')
    if (identity.notice !== null) this.notice(identity.notice)
    this.#started = true
  }

  defaultModes(): TransactionModes {
    return {
      isolation: this.settings.get('default_transaction_isolation') as TransactionModes['isolation'],
      readOnly: this.settings.bool('default_transaction_read_only'),
      deferrable: this.settings.bool('default_transaction_deferrable'),
    }
  }

  notice(notice: Notice): void {
    if (isSent(notice.severity, this.settings.get('client_min_messages')!)) this.client.notice(notice)
  }

  // --- statements -----------------------------------------------------------------------------------------------------------------------

  storeStatement(prepared: PreparedStatement): void {
    if (this.statements.size >= LIMITS.preparedStatements && !this.statements.has(prepared.name)) {
      throw new PgError(SQLSTATE.tooManyConnections, `too many prepared statements`, {
        detail: `A session may have ${LIMITS.preparedStatements}.`,
        hint: 'DEALLOCATE those no longer used.',
      })
    }
    this.statements.set(prepared.name, prepared)
  }

  findStatement(name: string): PreparedStatement {
    const prepared = this.statements.get(name)
    if (prepared !== undefined) return prepared
    throw new PgError(
      SQLSTATE.invalidSqlStatementName,
      name === '' ? 'unnamed prepared statement does not exist' : `prepared statement "${name}" does not exist`,
    )
  }

  cancel(reason: PgError): void {
    if (this.running) this.cancelToken.cancel(reason)
  }

  // --- transactions ---------------------------------------------------------------------------------------------------------------------

  /** The implicit transaction around a statement outside a block; `several`: its message has more. */
  startImplicit(several = false): void {
    if (this.block.state !== 'idle') return
    const modes = this.defaultModes()
    this.block.startImplicit(modes, several)
    this.settings.beginTransaction()
    if (modes.isolation !== 'read committed' || modes.readOnly || modes.deferrable) this.showModes()
  }

  /** The store's transaction for one statement; StalePlan when the catalogue turns out to have changed since it was looked at. // hot */
  transaction(autocommit: boolean, latest: boolean): MaybePromise<Transaction> {
    const { catalog } = this.keyspace
    if (catalog.versions.leased) return this.#transaction(autocommit, latest)
    if (latest && isolationOf(this.block.modes) === 'read committed') {
      this.mustConfirm = true
      return this.#transaction(autocommit, latest)
    }
    const { version } = catalog
    return andThen(catalog.lease(), () => {
      if (catalog.version !== version) throw new StalePlan()
      return this.#transaction(autocommit, latest)
    })
  }

  #transaction(autocommit: boolean, latest: boolean): MaybePromise<Transaction> {
    return this.block.forStatement({ autocommit, latest, cancel: this.cancelToken, party: this.party })
  }

  /** The catalogue as this transaction changes it. */
  catalogTransaction(txn: Transaction): CatalogTransaction {
    if (this.catalogTxn === null || this.catalogTxn.txn !== txn)
      this.catalogTxn = new CatalogTransaction(this.keyspace.catalog, txn, this.temporary, this.cancelToken)
    return this.catalogTxn
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

  /** Back to a savepoint: gates shut since open. One that cannot be opened now is when the transaction ends. */
  async openGates(mark: GateMark | null): Promise<void> {
    const hold = this.gateHold!
    if (mark === null) this.gateHold = null
    const opened = mark === null ? hold.open(false) : hold.rollbackTo(mark)
    await opened.catch((error: unknown) => this.services.background(Promise.reject(error)))
  }

  /** Gives up all relation locks, here and on the other nodes: at the end, and when an error leaves only ROLLBACK. */
  releaseRelations(committed: boolean): void {
    this.keyspace.locks.releaseTo(this.lockHolder)
    const { gateHold } = this
    if (gateHold === null) return
    this.gateHold = null
    this.services.background(gateHold.open(committed))
  }

  /** Called once by every end of a transaction. */
  transactionEnded(committed: boolean): void {
    this.releaseRelations(committed)
    this.pendingActivity.settle(this.keyspace.activity, committed)
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
      case 'client_connection_check_interval':
        this.connectionCheckMs = Number(value)
        break
      case 'application_name':
        this.entry.applicationName = value
        break
      case 'client_encoding':
        this.clientEncoding = singleByteEncoding(value)
        break
      case 'role':
      case 'session_authorization':
        this.#rolesChanged()
        break
      default:
        this.timers.changed(name, value)
    }
    if (this.#started && this.settings.isReported(name)) this.client.parameterStatus(name, this.settings.show(name) ?? '')
  }

  /** SET SESSION AUTHORIZATION, which undoes SET ROLE; null: RESET, of both. */
  becomeSessionUser(value: RoleValue | null, local: boolean): void {
    this.settings.assignRole('session_authorization', value, local)
    this.settings.assignRole('role', value === null ? null : NO_ROLE, local)
  }

  /** Who the session is follows from the two settings alone, whichever of them has changed, and how. */
  #rolesChanged(): void {
    const { roles, settings } = this
    const user = settings.namedRole('session_authorization')!
    const role = settings.namedRole('role') ?? user
    roles.session = user.oid
    roles.sessionName = user.name
    roles.current = role.oid
    roles.currentName = role.name
    roles.superuser = role.superuser
    const isSuperuser = role.superuser ? 'on' : 'off'
    if (settings.get('is_superuser') !== isSuperuser) settings.preset('is_superuser', isSuperuser)
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
}
