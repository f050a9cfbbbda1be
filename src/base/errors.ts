// The one error class that reaches a client (PostgreSQL's ErrorResponse fields). Everything else thrown is a defect: XX000.

import { SQLSTATE, type Sqlstate } from './sqlstate.ts'

export type Severity = 'ERROR' | 'FATAL' | 'PANIC'
export type NoticeSeverity = 'WARNING' | 'NOTICE' | 'DEBUG' | 'INFO' | 'LOG'

/** The optional fields of an error or notice, named as in protocol-error-fields; `position` counts characters from 1. */
export interface ErrorFields {
  severity?: Severity
  detail?: string
  hint?: string
  position?: number
  internalPosition?: number
  internalQuery?: string
  where?: string
  schema?: string
  table?: string
  column?: string
  dataType?: string
  constraint?: string
  /** PostgreSQL's function that finds the error; only where clients decide by it. */
  routine?: string
  cause?: unknown
}

/** An error as PostgreSQL words it. `severity` FATAL ends the session after it was sent. */
export class PgError extends Error {
  readonly code: Sqlstate
  readonly severity: Severity
  readonly fields: Omit<ErrorFields, 'severity' | 'cause'>

  constructor(code: Sqlstate, message: string, fields: ErrorFields = {}) {
    const { severity = 'ERROR', cause, ...rest } = fields
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'PgError'
    this.code = code
    this.severity = severity
    this.fields = rest
  }

  /** The same error with further fields; what is set already stays (the innermost place knows best). */
  with(fields: ErrorFields): PgError {
    return new PgError(this.code, this.message, { severity: this.severity, cause: this.cause, ...fields, ...this.fields })
  }
}

/** A notice or warning on its way to a client. */
export interface Notice {
  severity: NoticeSeverity
  code: Sqlstate
  message: string
  detail?: string
  hint?: string
  position?: number
  where?: string
}

/** 0A000: what the product does not do, said clearly. */
export function notSupported(what: string, hint?: string): PgError {
  return new PgError(SQLSTATE.featureNotSupported, what, hint === undefined ? {} : { hint })
}
