// The arguments of SET, and of ALTER ROLE and ALTER DATABASE … SET, as the one text that a setting reads.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Node, nodeAs } from '../parser/nodes.ts'

/** Lists of names: each item is quoted, so that the value reads back as it was. */
const QUOTED_LISTS = new Set(['search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries'])
const PLAIN_LISTS = new Set(['datestyle', 'wal_consistency_checking', 'createrole_self_grant'])

function argumentText(arg: Node, quoted: boolean): string {
  const constant = nodeAs(arg, 'A_Const')
  if (constant === undefined) {
    const cast = nodeAs(arg, 'TypeCast')
    const inner = cast === undefined ? undefined : nodeAs(cast.arg, 'A_Const')
    // SET TIME ZONE INTERVAL '…' HOUR TO MINUTE
    const interval = /^\s*([-+]?)(\d+):(\d+)(?::(\d+))?\s*$/.exec(inner?.sval?.sval ?? '')
    if (interval === null) throw new PgError(SQLSTATE.syntaxError, 'SET takes constants')
    const seconds = Number(interval[2]) * 3600 + Number(interval[3]) * 60 + Number(interval[4] ?? 0)
    return fixedOffsetZone(interval[1] === '-' ? -seconds : seconds)
  }
  if (constant.sval !== undefined) return quoted ? quoteListItem(constant.sval.sval ?? '') : (constant.sval.sval ?? '')
  if (constant.ival !== undefined) return String(constant.ival.ival ?? 0)
  if (constant.fval !== undefined) return constant.fval.fval ?? ''
  if (constant.boolval !== undefined) return constant.boolval.boolval ? 'true' : 'false'
  return ''
}

export function setText(name: string, args: readonly Node[]): string {
  const folded = name.toLowerCase()
  const quoted = QUOTED_LISTS.has(folded)
  if (args.length > 1 && !quoted && !PLAIN_LISTS.has(folded)) {
    throw new PgError(SQLSTATE.invalidParameterValue, `SET ${name} takes only one argument`)
  }
  return args.map((arg) => argumentText(arg, quoted)).join(', ')
}

/** A time zone of a fixed offset. POSIX's sign is the other way round: `<-03>+03` lies west. */
export function fixedOffsetZone(secondsEast: number): string {
  const part = (n: number) => String(n).padStart(2, '0')
  const size = Math.abs(secondsEast)
  const minutes = Math.floor((size % 3600) / 60)
  const seconds = size % 60
  const clock = `${part(Math.floor(size / 3600))}${minutes > 0 || seconds > 0 ? `:${part(minutes)}` : ''}${seconds > 0 ? `:${part(seconds)}` : ''}`
  return secondsEast < 0 ? `<-${clock}>+${clock}` : `<+${clock}>-${clock}`
}

/** A name as quote_identifier prints it where it must be read back from a list. */
function quoteListItem(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`
}
