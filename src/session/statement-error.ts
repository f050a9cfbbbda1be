// Whatever a statement threw, as the error its client gets. Defects keep their text in the log and show a correlation id.

import { randomBytes } from 'node:crypto'
import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { KvError } from '../storage/kv-error.ts'
import { kvErrorToPgError } from '../storage/kv-error-sqlstate.ts'

/** `log` gets what the client does not see. */
export function toPgError(error: unknown, log: (correlation: string, error: unknown) => void): PgError {
  if (error instanceof PgError) return error
  if (error instanceof KvError) return kvErrorToPgError(error)
  if (error instanceof RangeError && /call stack/i.test(error.message)) {
    return new PgError(SQLSTATE.statementTooComplex, 'stack depth limit exceeded', {
      hint: 'The statement nests too deeply; simplify it.',
    })
  }
  const correlation = randomBytes(6).toString('hex')
  log(correlation, error)
  return new PgError(SQLSTATE.internalError, `internal error (${correlation})`, {
    hint: 'The server log has the details under this id.',
  })
}
