// Execute: a portal run for the rows asked for, now or in portions. // hot

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { ResultSink } from '../pgwire/backend.ts'
import { type Execution, HeldSink } from './execution.ts'
import type { Portal } from './prepared.ts'
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
  if (portal.execution !== null) return pump(portal, portal.execution, maxRows, sink)
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
  if (started instanceof Promise) return started.then((execution) => pump(portal, keep(portal, execution), maxRows, sink))
  return pump(portal, keep(portal, started), maxRows, sink)
}

function keep(portal: Portal, execution: Execution): Execution {
  portal.execution = execution
  portal.state = 'active'
  return execution
}

function pump(portal: Portal, execution: Execution, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const { planned } = execution.entry
  // A writing statement runs to its end at once, whatever portion of its rows is asked for.
  if (maxRows > 0 && (planned.command !== 'select' || planned.hasModifyingCte)) {
    const rows: Row[] = []
    const collected = execution.collect(0, rows)
    const hold = () => {
      portal.held = rows
      return fromHeld(portal, maxRows, sink)
    }
    return collected instanceof Promise ? collected.then(hold) : hold()
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

function fromHeld(portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const held = portal.held!
  const from = portal.heldAt
  const to = maxRows > 0 ? Math.min(held.length, from + maxRows) : held.length
  portal.heldAt = to
  const wait = to > from ? sink.rows(held, from, to) : undefined
  const finish = (): string | null => {
    if (maxRows > 0 && to - from >= maxRows) return null
    portal.state = 'done'
    const { execution } = portal
    portal.held = null
    portal.execution = null
    if (execution === null) return portal.heldTag ?? ''
    const tag = commandTag(execution.entry.planned, to - from, execution.compiled.state.rowsAffected)
    execution.close()
    return tag
  }
  return wait instanceof Promise ? wait.then(finish) : finish()
}

function runUtilityPortal(session: Session, portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
  const { prepared } = portal
  const statement = prepared.statement!
  if (portal.held !== null) {
    sink.describe(portalShape(session, portal)!)
    return fromHeld(portal, maxRows, sink)
  }
  if (portal.state === 'done') {
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${portal.name}" cannot be run anymore`)
  }
  portal.state = 'done'
  if (prepared.class!.transactionControl) return runTransactionStatement(session, statement)
  if (!prepared.class!.returnsRows)
    return runUtility(session, statement, prepared.class!, portal.params, sink, false, prepared.parameterTypes)
  // Rows of a utility statement are few: they are made at once and handed out in the portions asked for.
  const shape = portalShape(session, portal)
  if (shape !== null) sink.describe(shape)
  const holding = new HeldSink(sink)
  const tag = runUtility(session, statement, prepared.class!, portal.params, holding, false, prepared.parameterTypes)
  const deliver = (text: string) => {
    portal.held = holding.held
    portal.heldTag = text
    return fromHeld(portal, maxRows, sink)
  }
  return tag instanceof Promise ? tag.then(deliver) : deliver(tag)
}
