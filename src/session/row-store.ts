// Rows that a session keeps between messages: those of cursors, and of portals whose statement had to run to its end at once.

import type { Oid } from '../base/ids.ts'
import { TupleStore } from '../sql/executor/tuple-store.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import type { Session } from './session.ts'

/** In memory within work_mem, beyond it in a temporary file. */
export function rowStore(session: Session, types: readonly Oid[]): TupleStore {
  const { memory, workMem, context: ctx } = session
  return new TupleStore({ state: { memory, workMem, ctx, spillDir: () => session.services.spillDir() } }, types)
}

/** For a plan's rows: behind the columns that are told they have what only orders them, or their keys. */
export const planRowStore = (session: Session, { plan }: PlannedStatement): TupleStore =>
  rowStore(
    session,
    plan.targetList.map((entry) => entry.expr.type),
  )
