// The session's time limits: statement_timeout, transaction_timeout, idle_in_transaction_session_timeout, idle_session_timeout. // hot
//
// A limit of 0 arms nothing: sessions without limits never touch the timer queue.

import type { CancelToken } from '../base/cancel.ts'
import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'

export interface TimedSession {
  readonly settings: { number(name: string): number }
  readonly client: { terminate(reason: PgError): void }
  readonly cancelToken: CancelToken
  cancel(reason: PgError): void
}

export interface Limits {
  statement: number
  transaction: number
  idleInTransaction: number
  idle: number
}

export class Timers {
  readonly #session: TimedSession
  /** Kept in step with the settings by `changed`. */
  readonly #limits: Limits = { statement: 0, transaction: 0, idleInTransaction: 0, idle: 0 }
  #statement: NodeJS.Timeout | null = null
  #idle: NodeJS.Timeout | null = null
  #transaction: NodeJS.Timeout | null = null

  constructor(session: TimedSession) {
    this.#session = session
  }

  /** A setting changed; answers whether it is one of ours. */
  changed(name: string, value: string): boolean {
    const ms = Number(value)
    switch (name) {
      case 'statement_timeout':
        this.#limits.statement = ms
        return true
      case 'transaction_timeout':
        this.#limits.transaction = ms
        return true
      case 'idle_in_transaction_session_timeout':
        this.#limits.idleInTransaction = ms
        return true
      case 'idle_session_timeout':
        this.#limits.idle = ms
        return true
      default:
        return false
    }
  }

  statementBegins(): void {
    if (this.#idle !== null) {
      clearTimeout(this.#idle)
      this.#idle = null
    }
    this.#armStatement()
    if (this.#limits.transaction > 0 && this.#transaction === null) {
      this.#transaction = setTimeout(() => {
        this.#transaction = null
        this.#session.client.terminate(
          new PgError(SQLSTATE.transactionTimeout, 'terminating connection due to transaction timeout', { severity: 'FATAL' }),
        )
      }, this.#limits.transaction)
    }
  }

  /** The next statement of the same message has its time for itself. */
  statementFollows(): void {
    this.statementEnds()
    this.#armStatement()
  }

  #armStatement(): void {
    if (this.#limits.statement === 0 || this.#statement !== null) return
    const reason = (): PgError => new PgError(SQLSTATE.queryCanceled, 'canceling statement due to statement timeout')
    this.#session.cancelToken.expiry = { at: performance.now() + this.#limits.statement, reason }
    this.#statement = setTimeout(() => {
      this.#statement = null
      this.#session.cancel(reason())
    }, this.#limits.statement)
  }

  statementEnds(): void {
    this.#session.cancelToken.expiry = null
    if (this.#statement === null) return
    clearTimeout(this.#statement)
    this.#statement = null
  }

  /** The client's turn. */
  idleBegins(inTransaction: boolean): void {
    if (!inTransaction && this.#transaction !== null) {
      clearTimeout(this.#transaction)
      this.#transaction = null
    }
    const limit = inTransaction ? this.#limits.idleInTransaction : this.#limits.idle
    if (limit === 0) return
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.#idle = null
      this.#session.client.terminate(
        inTransaction
          ? new PgError(SQLSTATE.idleInTransactionSessionTimeout, 'terminating connection due to idle-in-transaction timeout', {
              severity: 'FATAL',
            })
          : new PgError(SQLSTATE.idleSessionTimeout, 'terminating connection due to idle-session timeout', { severity: 'FATAL' }),
      )
    }, limit)
  }

  clear(): void {
    for (const timer of [this.#statement, this.#idle, this.#transaction]) if (timer !== null) clearTimeout(timer)
    this.#statement = null
    this.#idle = null
    this.#transaction = null
  }
}
