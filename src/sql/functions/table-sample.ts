// What TABLESAMPLE's arguments have to be (builtin/extra.ts); the analyzer puts these calls around them.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ProcBody } from '../types/procs.ts'

export const tableSampleProcs: Readonly<Record<string, ProcBody>> = {
  tablesample_percentage(value) {
    if (value === null) throw new PgError(SQLSTATE.invalidTablesampleArgument, 'TABLESAMPLE parameter cannot be null')
    if (!((value as number) >= 0 && (value as number) <= 100))
      throw new PgError(SQLSTATE.invalidTablesampleArgument, 'sample percentage must be between 0 and 100')
    return value
  },
  tablesample_seed(value) {
    if (value === null) throw new PgError(SQLSTATE.invalidTablesampleRepeat, 'TABLESAMPLE REPEATABLE parameter cannot be null')
    return value
  },
}
