// What pg_stat_activity shows of a session and through what the tenant's other sessions reach it. One registry per keyspace: nothing of
// another tenant is in it by construction.

import type { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { Micros } from '../sql/types/eval-context.ts'
import type { LockKind, LockWait } from '../storage/lock-party.ts'

export type ActivityState = 'active' | 'idle' | 'idle in transaction' | 'idle in transaction (aborted)'

/** What others see of a session, on whichever node it is. */
export interface SessionView {
  readonly pid: number
  userOid: Oid
  userName: string
  readonly database: string
  applicationName: string
  readonly clientAddress: string | null
  readonly clientPort: number | null
  readonly tls: { readonly version: string; readonly cipher: string; readonly bits: number } | null
  readonly backendStart: Micros
  transactionStart: Micros | null
  queryStart: Micros | null
  stateChange: Micros
  state: ActivityState
  /** The kind of lock it waits for. */
  readonly lockWait: LockKind | null
  /** The text as sent: only superusers, pg_read_all_stats and the same user see it. */
  query: string
}

export interface SessionEntry extends SessionView {
  /** All that it waits for. */
  waits(): Iterable<LockWait>
  /** pg_cancel_backend. */
  cancel(reason: PgError): void
  /** pg_terminate_backend. */
  terminate(reason: PgError): void
}

export class SessionRegistry {
  readonly #sessions = new Map<number, SessionEntry>()

  add(entry: SessionEntry): void {
    this.#sessions.set(entry.pid, entry)
  }

  remove(pid: number): void {
    this.#sessions.delete(pid)
  }

  get(pid: number): SessionEntry | undefined {
    return this.#sessions.get(pid)
  }

  get size(): number {
    return this.#sessions.size
  }

  values(): IterableIterator<SessionEntry> {
    return this.#sessions.values()
  }
}
