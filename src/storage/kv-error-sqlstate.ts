// KvError → PgError: the one place where a store's failure becomes a SQLSTATE and PostgreSQL's words.

import { type ErrorFields, PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { KvError } from './kv-error.ts'

export interface KvErrorContext {
  /** The relation worked on, for messages that name it. */
  readonly relation?: string
}

/** The error a client sees. What no statement should have let through ('alreadyExists', directory errors) keeps the store's words. */
export function kvErrorToPgError(error: KvError, context: KvErrorContext = {}): PgError {
  const make = (code: (typeof SQLSTATE)[keyof typeof SQLSTATE], message: string, fields: ErrorFields = {}): PgError =>
    new PgError(code, message, { cause: error, ...fields })
  switch (error.kind) {
    case 'writeConflict':
      return make(SQLSTATE.tRSerializationFailure, 'could not serialize access due to concurrent update')
    case 'serialization':
      return make(SQLSTATE.tRSerializationFailure, 'could not serialize access due to read/write dependencies among transactions', {
        hint: 'The transaction might succeed if retried.',
      })
    case 'schemaChanged':
      return make(SQLSTATE.tRSerializationFailure, 'could not serialize access due to concurrent schema change', {
        hint: 'The transaction might succeed if retried.',
      })
    case 'deadlock':
      return make(SQLSTATE.tRDeadlockDetected, 'deadlock detected', {
        ...(error.detail === null ? {} : { detail: error.detail }),
        hint: 'See server log for query details.',
      })
    case 'lockTimeout':
      return make(SQLSTATE.lockNotAvailable, 'canceling statement due to lock timeout')
    case 'lockNotAvailable':
      return make(
        SQLSTATE.lockNotAvailable,
        context.relation === undefined ? 'could not obtain lock on row' : `could not obtain lock on row in relation "${context.relation}"`,
      )
    case 'alreadyExists':
      return make(SQLSTATE.uniqueViolation, 'duplicate key value violates unique constraint')
    case 'undetermined':
      return make(SQLSTATE.transactionResolutionUnknown, 'the outcome of the transaction is unknown', { detail: error.message })
    case 'unavailable':
      return make(SQLSTATE.connectionFailure, 'the storage is not available', { detail: error.message })
    case 'snapshotTooOld':
      return make(SQLSTATE.snapshotTooOld, 'snapshot too old')
    case 'transactionTooLarge':
      return make(SQLSTATE.programLimitExceeded, 'the transaction is too large', { detail: error.message })
    case 'keyTooLarge':
      return make(SQLSTATE.programLimitExceeded, 'index row size exceeds the maximum', { detail: error.message })
    case 'valueTooLarge':
      return make(SQLSTATE.programLimitExceeded, 'row is too big', { detail: error.message })
    case 'diskFull':
      return make(SQLSTATE.diskFull, 'could not extend the storage: No space left on device', {
        detail: error.message,
        hint: 'Check free disk space.',
      })
    case 'corrupt':
      return make(SQLSTATE.dataCorrupted, 'stored data is damaged', { detail: error.message })
    case 'format':
      return make(SQLSTATE.dataCorrupted, 'stored data has a format this server cannot read', { detail: error.message })
    case 'keyspaceUnavailable':
      return make(SQLSTATE.cannotConnectNow, 'the keyspace is not available', { detail: error.message })
    case 'keyspaceExists':
      return make(SQLSTATE.duplicateObject, error.message)
    case 'invalidName':
      return make(SQLSTATE.invalidName, error.message)
    case 'readOnly':
      return make(SQLSTATE.readOnlySqlTransaction, 'cannot execute a writing statement in a read-only transaction')
    case 'closed':
      return make(SQLSTATE.adminShutdown, 'terminating connection due to administrator command', { severity: 'FATAL' })
  }
}

/** PgErrors and defects as they are, KvErrors as PgErrors. */
export function toPgError(error: unknown, context: KvErrorContext = {}): unknown {
  return error instanceof KvError ? kvErrorToPgError(error, context) : error
}
