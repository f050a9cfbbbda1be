// Rows that a session keeps between messages: those of cursors, and of portals whose statement had to run to its end at once.

import type { ResultColumn } from '../pgwire/backend.ts'
import { TupleStore } from '../sql/executor/tuple-store.ts'
import type { Session } from './session.ts'

/** In memory within work_mem, beyond it in a temporary file. */
export function rowStore(session: Session, columns: readonly ResultColumn[]): TupleStore {
  const { memory, workMem, context: ctx } = session
  return new TupleStore(
    { state: { memory, workMem, ctx, spillDir: () => session.services.spillDir() } },
    columns.map((column) => column.typeOid),
  )
}
