// 25006: what a read-only transaction may not do.

import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'

export function cannotExecuteReadOnly(command: string): PgError {
  return new PgError(SQLSTATE.readOnlySqlTransaction, `cannot execute ${command} in a read-only transaction`)
}

export function readOnlyViolation(planned: PlannedStatement): never {
  if (planned.command !== 'select') throw cannotExecuteReadOnly(planned.command.toUpperCase())
  throw cannotExecuteReadOnly(planned.hasModifyingCte ? 'INSERT, UPDATE or DELETE' : 'SELECT FOR UPDATE')
}
