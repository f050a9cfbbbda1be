// What sessions need of the server around them; implemented by server/, declared here.

import type { Clock } from '../base/clock.ts'
import type { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { ResultSink, RowShape } from '../pgwire/backend.ts'
import type { SqlFunctionRunner } from '../sql/executor/compilation.ts'
import type { VirtualRelation } from '../sql/executor/store-services.ts'
import type { ParsedStatement } from '../sql/parser/parse.ts'
import type { SystemFunction } from './eval-context.ts'
import type { Session } from './session.ts'

/** Tells metrics and log what happened. No literal of a statement goes to the log. */
export interface SessionObserver {
  opened(session: Session): void
  transaction(session: Session, committed: boolean): void
  /** A statement ended with this command tag, and how long it took, ms. // hot */
  statement(session: Session, tag: string, ms: number): void
  error(session: Session, error: PgError): void
  /** A bug: the full error for the log, under the id its client was given. */
  defect(session: Session, correlation: string, error: unknown): void
  closed(session: Session): void
}

/** pg_cancel_backend, pg_terminate_backend. */
export type BackendSignal = 'cancel' | 'terminate'

export interface Services {
  readonly clock: Clock
  readonly observe: SessionObserver
  readonly limits: {
    /** Bytes one session may hold. */
    readonly maxSessionMemory: number
  }
  /** Server-wide values of settings, by folded name. */
  readonly settings: ReadonlyMap<string, string>
  /** Bodies that need catalogue, sessions or store, by prosrc, made for one session. */
  systemFunctions(session: Session): ReadonlyMap<string, SystemFunction>
  readonly sqlFunctions: SqlFunctionRunner | null
  /** Directory for this process's spill files; exists. */
  spillDir(): string
  /** What a tenant statement that answers rows will answer. */
  tenantColumns(session: Session, statement: ParsedStatement): RowShape['columns'] | null
  /** The rows of a pg_catalog or information_schema table; null when it has none of its own. */
  virtualRelation(session: Session, relation: Oid): VirtualRelation | null
  /** CREATE TENANT and its kin: answers the command tag. */
  tenantStatement(session: Session, statement: ParsedStatement, sink: ResultSink): Promise<string>
  /** Whether that process id is another node's to give. */
  isElsewhere(pid: number): boolean
  /** To a session of the same keyspace on another node, if there is one. */
  signalElsewhere(session: Session, pid: number, signal: BackendSignal): void
  transactionEnded(session: Session, committed: boolean): void
  /** SCRAM verifier of a new password. */
  makeVerifier(password: string, encryption: string): Promise<string | null>
  /** Follows a promise nobody waits for; a rejection is logged. */
  background(work: Promise<unknown>): void
  /** When the server started, as a timestamptz. */
  readonly serverStart: number | bigint
}
