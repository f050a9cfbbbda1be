// CURRENT_DATE, CURRENT_USER and the other functions that SQL calls without parentheses.

import type { Datum } from '../../../base/datum.ts'
import { notSupported } from '../../../base/errors.ts'
import type { SqlValueFunction } from '../../analyzer/expr.ts'
import { bodyOf } from '../../functions/registry.ts'
import type { CallInfo } from '../../types/procs.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, sync } from './compiled.ts'

export function compileSqlValue(cx: Compilation, e: SqlValueFunction): Compiled {
  const { state } = cx
  const info: CallInfo = { argTypes: [1184, 23], resultType: e.type, resultTypmod: e.typmod, collation: 0, variadicElementType: 0 }
  const call = (prosrc: string, ...args: unknown[]): Datum => {
    const body = bodyOf(prosrc)
    if (body === undefined) throw notSupported(`function ${prosrc} is not implemented`)
    return body(...args, state.ctx, info) as Datum
  }
  /** The transaction's time as another type, rounded to the precision given. */
  const time = (convert: string | null, scale: string): Compiled =>
    sync(() => {
      const value = convert === null ? state.ctx.transactionTimestamp : call(convert, state.ctx.transactionTimestamp)
      return e.typmod < 0 ? value : call(scale, value, e.typmod)
    })
  switch (e.name) {
    case 'current_date':
      return sync(() => call('timestamptz_date', state.ctx.transactionTimestamp))
    case 'current_time':
      return time('timestamptz_timetz', 'timetz_scale')
    case 'current_timestamp':
      return time(null, 'timestamptz_scale')
    case 'localtime':
      return time('timestamptz_time', 'time_scale')
    case 'localtimestamp':
      return time('timestamptz_timestamp', 'timestamp_scale')
    case 'current_role':
    case 'current_user':
    case 'user':
      return sync(() => state.ctx.session.currentUserName)
    case 'session_user':
      return sync(() => state.ctx.session.sessionUserName)
    case 'current_catalog':
      return sync(() => state.ctx.session.database)
    case 'current_schema':
      return sync(() => state.ctx.session.searchPath(false)[0] ?? null)
  }
}
