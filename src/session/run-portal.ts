// Execute: a portal run for the rows asked for, now or in portions. // hot

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, loop, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { ResultSink } from '../pgwire/backend.ts'
import { DescribedSink, type Execution } from './execution.ts'
import type { Portal } from './prepared.ts'
import { planRowStore, rowStore } from './row-store.ts'
import { commandTag, runAlone, startExecution, writes } from './run-planned.ts'
import type { Session } from './session.ts'
import { portalShape } from './utility/describe.ts'
import { runTransactionStatement } from './utility/transaction.ts'
import { runUtility } from './utility/utility.ts'

/** Execute: the tag, or null when the row limit was reached first. `alone`: nothing else is or will be in its implicit transaction. */
export function runPortal(
  session: Session,
  portal: Portal,
  maxRows: number,
  sink: ResultSink,
  alone: boolean,
): MaybePromise<string | null> {
  const statementClass = portal.prepared.class!
  if (!statementClass.optimizable) return runUtilityPortal(session, portal, maxRows, sink)
  const shape = portalShape(session, portal)
  if (shape !== null) sink.describe(shape)
  if (portal.held !== null) return fromHeld(portal, maxRows, sink)
  if (portal.execution !== null) return pump(session, portal, portal.execution, maxRows, sink)
  if (portal.plan!.catalogVersion !== session.planning.snapshot().version) {
    return andThen(session.planning.replanned(portal), () => start(session, portal, maxRows, sink, alone))
  }
  return start(session, portal, maxRows, sink, alone)
}

function start(session: Session, portal: Portal, maxRows: number, sink: ResultSink, alone: boolean): MaybePromise<string | null> {
  const plan = portal.plan!
  // Where locks cost requests, a statement that commits itself takes none: it is committed here, and its Sync finds nothing to do.
  if (alone && maxRows === 0 && !session.keyspace.capabilities.sharedLocks && writes(plan.planned)) {
    return andThen(runAlone(session, plan, portal.params, portalShape(session, portal), sink), (tag) => {
      portal.state = 'done'
      return tag
    })
  }
  // A point read in an implicit transaction shares its snapshot with nobody: in READ COMMITTED each statement has its own.
  const latest = plan.planned.pointRead && session.block.state === 'implicit'
  const started = startExecution(session, plan, portal.params, false, latest)
  if (started instanceof Promise) return started.then((execution) => pump(session, portal, keep(portal, execution), maxRows, sink))
  return pump(session, portal, keep(portal, started), maxRows, sink)
}

function keep(portal: Portal, execution: Execution): Execution {
  portal.execution = execution
  portal.state = 'active'
  return execution
}

function pump(session: Session, portal: Portal, execution: Execution, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const { planned } = execution.entry
  // A writing statement runs to its end at once, whatever portion of its rows is asked for.
  if (maxRows > 0 && (planned.command !== 'select' || planned.hasModifyingCte)) {
    const store = planRowStore(session, planned)
    portal.held = store
    return andThen(execution.pump(new DescribedSink(sink, store), 0), () => fromHeld(portal, maxRows, sink))
  }
  const sent = execution.pump(sink, maxRows)
  if (sent instanceof Promise) return sent.then((count) => after(portal, execution, count, maxRows))
  return after(portal, execution, sent, maxRows)
}

function after(portal: Portal, execution: Execution, sent: number, maxRows: number): string | null {
  if (maxRows > 0 && sent >= maxRows) return null
  const tag = commandTag(execution.entry.planned, sent, execution.compiled.state.rowsAffected)
  portal.state = 'done'
  portal.execution = null
  execution.close()
  return tag
}

/** What an Execute answers that comes after the last row; null of a portal without rows, which runs only once. */
export function finishedTag(portal: Portal): string | null {
  if (portal.heldTag !== undefined) return heldTag(portal.heldTag, 0)
  return portal.plan?.columns == null ? null : commandTag(portal.plan.planned, 0, 0)
}

/** A portion's tag counts the rows of that portion, as PostgreSQL's does. */
const heldTag = (tag: string, rows: number): string => tag.replace(/\d+$/, String(rows))

function fromHeld(portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const held = portal.held!
  const from = portal.heldAt
  const to = maxRows > 0 ? Math.min(held.count, from + maxRows) : held.count
  const batch = { rows: [] as Row[], count: 0 }
  const sent = loop(() => {
    if (portal.heldAt >= to) return false
    held.read(batch, portal.heldAt, Math.min(to - portal.heldAt, LIMITS.batchRows))
    portal.heldAt += batch.count
    return andThen(sink.rows(batch.rows, 0, batch.count), () => true)
  })
  return andThen(sent, () => {
    if (maxRows > 0 && to - from >= maxRows) return null
    portal.state = 'done'
    const { execution } = portal
    const answers = held.count > 0
    held.clear()
    portal.held = null
    portal.execution = null
    if (execution === null) return heldTag(portal.heldTag ?? '', to - from)
    // What a RETURNING answered is counted by what this Execute sent of it.
    const affected = answers ? to - from : execution.compiled.state.rowsAffected
    const tag = commandTag(execution.entry.planned, to - from, affected)
    execution.close()
    return tag
  })
}

function runUtilityPortal(session: Session, portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const { prepared } = portal
  const statement = prepared.statement!
  if (portal.held !== null) {
    sink.describe(portalShape(session, portal)!)
    return fromHeld(portal, maxRows, sink)
  }
  if (portal.state === 'done') {
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${portal.name}" cannot be run`)
  }
  portal.state = 'done'
  if (prepared.class!.transactionControl) return runTransactionStatement(session, statement)
  if (!prepared.class!.returnsRows)
    return runUtility(session, statement, prepared.class!, portal.params, sink, false, prepared.parameterTypes)
  const shape = portalShape(session, portal)
  if (shape !== null) sink.describe(shape)
  // Where a portion is asked for, the statement runs to its end all the same.
  const store = maxRows > 0 ? rowStore(session, shape?.columns.map((column) => column.typeOid) ?? []) : null
  portal.held = store
  const described = new DescribedSink(sink, store)
  return andThen(runUtility(session, statement, prepared.class!, portal.params, described, false, prepared.parameterTypes), (tag) => {
    portal.heldTag = tag
    return store === null ? tag : fromHeld(portal, maxRows, sink)
  })
}
