// WHERE CURRENT OF: where a cursor of this session stands.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Session } from './session.ts'

/** The key of the stored row of `relation` that the cursor stands on. */
export function currentRowKey(session: Session, name: string, relation: Oid): Buffer {
  const cursor = session.portals.cursor(name)
  const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidCursorState, message)
  if (cursor.survives) throw invalid(`cursor "${name}" is held from a previous transaction`)
  const slot = cursor.options.rowKeys.get(relation)
  if (slot === undefined) {
    const table = session.planning.snapshot().relation(relation)?.name ?? ''
    const what = cursor.options.locks ? 'does not have a FOR UPDATE/SHARE reference to' : 'is not a simply updatable scan of'
    throw invalid(`cursor "${name}" ${what} table "${table}"`)
  }
  const key = cursor.current()?.[slot] ?? null
  if (key === null) throw invalid(`cursor "${name}" is not positioned on a row`)
  return key as Buffer
}
