// The transaction block of one session (PostgreSQL's xact.c): idle, implicit, explicit, failed; isolation; savepoints.
//
// The store's transaction begins with the first statement that needs it. Invariant: `failed` holds nothing but what was done before the innermost
// savepoint, which ROLLBACK TO may return to.

import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { GateMark } from '../catalog/relation-gates.ts'
import type { CatalogSpace } from '../catalog/space.ts'
import type { TemporaryCatalog } from '../catalog/temporary.ts'
import type { LockParty } from '../storage/lock-party.ts'
import type { BeginOptions, IsolationLevel, Keyspace, Savepoint, Transaction } from '../storage/store.ts'
import type { DeferredMark } from './deferred.ts'

/** As a client asks for it and SHOW tells it. */
export type ClientIsolation = IsolationLevel | 'read uncommitted'

/** READ UNCOMMITTED behaves as READ COMMITTED, as in PostgreSQL. */
export function isolationOf({ isolation }: TransactionModes): IsolationLevel {
  return isolation === 'read uncommitted' ? 'read committed' : isolation
}

export interface TransactionModes {
  isolation: ClientIsolation
  readOnly: boolean
  deferrable: boolean
}

interface SavepointEntry {
  readonly name: string
  /** Null: set before the store's transaction began; rolling back to it ends that transaction. */
  readonly store: Savepoint | null
  /** Whether the transaction was read-only: it is so again when the savepoint is released or returned to. */
  readonly readOnly: boolean
  /** What the owner keeps (settings mark, catalogue mark, deferred checks …). */
  readonly marks: Marks
}

/** What must go back with a savepoint besides the store: by owner. */
export interface Marks {
  readonly settings: number
  readonly catalog: number
  readonly deferred: DeferredMark
  /** How many object locks were held. */
  readonly locks: number
  /** How many advisory locks the transaction had taken. */
  readonly advisory: number
  /** Null: no gate was shut. */
  readonly gates: GateMark | null
  readonly notifications: { said: number; actions: number }
  /** Portals.mark(). */
  readonly portals: number
}

export type BlockState = 'idle' | 'implicit' | 'block' | 'failed'

export const noActiveTransaction = (command: string): PgError =>
  new PgError(SQLSTATE.noActiveSqlTransaction, `${command} can only be used in transaction blocks`)

export class TransactionBlock {
  readonly #keyspace: Keyspace
  readonly #catalog: CatalogSpace
  readonly #temporary: TemporaryCatalog
  /** CatalogVersions.epoch when the store's transaction began. */
  catalogEpoch = 0
  state: BlockState = 'idle'
  txn: Transaction | null = null
  modes: TransactionModes
  /** The store's transaction was begun for one point read at the newest version: any further statement gets another. */
  #latest = false
  /** A statement has run in this transaction: its isolation level stands. */
  used = false
  #savepoints: SavepointEntry[] = []
  /** The implicit transaction is not of one statement alone: its message has several, or one was executed before in the pipeline. */
  #several = false
  /** A statement has run that must be the only one of its transaction. */
  #single = false

  constructor(catalog: CatalogSpace, temporary: TemporaryCatalog, modes: TransactionModes) {
    this.#keyspace = catalog.keyspace
    this.#catalog = catalog
    this.#temporary = temporary
    this.modes = modes
  }

  get inBlock(): boolean {
    return this.state === 'block' || this.state === 'failed'
  }

  /** What counts as a transaction block for a statement that must be in none, or in one: BEGIN's, or an implicit one of several statements. */
  get inBlockOfAnyKind(): boolean {
    return this.inBlock || (this.state === 'implicit' && this.#several)
  }

  /** The implicit transaction of a statement outside a block. */
  startImplicit(modes: TransactionModes, several: boolean): void {
    this.state = 'implicit'
    this.modes = modes
    this.used = false
    this.#several = several
    this.#single = false
  }

  /** A statement of a pipeline is done: what comes before the Sync is in one implicit transaction with it. */
  othersFollow(): void {
    this.#several = true
  }

  /** For a statement that must be the only one of its transaction (PostgreSQL's PreventInTransactionBlock). */
  prevent(command: string): void {
    if (this.inBlockOfAnyKind) throw new PgError(SQLSTATE.activeSqlTransaction, `${command} cannot run inside a transaction block`)
    this.#single = true
  }

  /** Whether the transaction ends with the statement that has run, whatever follows before the Sync. */
  get endsWithStatement(): boolean {
    return this.#single && this.state === 'implicit'
  }

  /** BEGIN; of an implicit transaction it makes a block, with what was done in it. */
  begin(modes: TransactionModes): void {
    const fresh = this.state === 'idle'
    this.state = 'block'
    this.modes = modes
    if (fresh) this.used = false
  }

  /** The store's transaction, begun now if it was not; a READ COMMITTED statement gets its snapshot. // hot */
  forStatement(options: {
    autocommit: boolean
    latest: boolean
    cancel: BeginOptions['cancel']
    party?: LockParty
  }): MaybePromise<Transaction> {
    if (this.txn !== null && this.#latest) {
      const ended = this.txn.commit()
      this.txn = null
      this.#latest = false
      if (ended instanceof Promise) return ended.then(() => this.forStatement(options))
    }
    const isolation = isolationOf(this.modes)
    if (this.txn === null) {
      const latest = options.latest && isolation === 'read committed'
      const begin: BeginOptions = {
        isolation,
        // temporary tables may be written in a read-only transaction
        readOnly: this.modes.readOnly && this.#temporary.isEmpty,
        autocommit: options.autocommit,
        latest,
      }
      if (options.cancel !== undefined) begin.cancel = options.cancel
      if (options.party !== undefined) begin.party = options.party
      this.txn = this.#keyspace.begin(begin)
      this.catalogEpoch = this.#catalog.versions.epoch
      this.#latest = latest
      this.used = true
      return this.txn
    }
    const { txn } = this
    if (isolation !== 'read committed') return txn
    const refreshed = txn.refreshReadTs()
    return refreshed instanceof Promise ? refreshed.then(() => txn) : txn
  }

  setSavepoint(name: string, marks: Marks): void {
    this.#savepoints.push({ name, store: this.txn === null ? null : this.txn.savepoint(), readOnly: this.modes.readOnly, marks })
  }

  /** Within a savepoint (PostgreSQL's subtransaction). */
  get inSubtransaction(): boolean {
    return this.#savepoints.length > 0
  }

  /** Where the present subtransaction began; null outside of any. */
  get subtransactionStart(): Marks | null {
    return this.#savepoints.at(-1)?.marks ?? null
  }

  #find(name: string): number {
    for (let i = this.#savepoints.length - 1; i >= 0; i--) if (this.#savepoints[i]!.name === name) return i
    throw new PgError(SQLSTATE.sEInvalidSpecification, `savepoint "${name}" does not exist`)
  }

  release(name: string): void {
    const at = this.#find(name)
    this.modes = { ...this.modes, readOnly: this.#savepoints[at]!.readOnly }
    this.#savepoints.length = at
  }

  /** ROLLBACK TO: the savepoint stays. Answers what the owner must go back to. */
  rollbackTo(name: string): MaybePromise<Marks> {
    const at = this.#find(name)
    this.modes = { ...this.modes, readOnly: this.#savepoints[at]!.readOnly }
    this.#savepoints.length = at + 1
    this.state = 'block'
    return this.#toInnermost()
  }

  #toInnermost(): MaybePromise<Marks> {
    const entry = this.#savepoints.at(-1)!
    const { txn } = this
    if (txn === null) return entry.marks
    let done: MaybePromise<void>
    if (entry.store === null) {
      this.txn = null
      done = txn.rollback()
    } else done = txn.rollbackTo(entry.store)
    return done instanceof Promise ? done.then(() => entry.marks) : entry.marks
  }

  /** A statement of a block failed: undone in the store at once is what it can only end so, back to the innermost savepoint or all (null). */
  fail(): MaybePromise<Marks | null> {
    this.state = 'failed'
    if (this.#savepoints.length > 0) return this.#toInnermost()
    const { txn } = this
    this.txn = null
    return txn === null ? null : andThen(txn.rollback(), () => null)
  }

  /** The end, either way: answers the store's transaction for the caller to commit or roll back. */
  end(): Transaction | null {
    const { txn } = this
    this.state = 'idle'
    this.#forget()
    return txn
  }

  #forget(): void {
    this.#latest = false
    this.txn = null
    this.used = false
    if (this.#savepoints.length > 0) this.#savepoints = []
  }
}
