// The portals of one session: bound statements on their way, and SQL's cursors. // hot

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { ResultSink } from '../pgwire/backend.ts'
import type { Cursor } from './cursor.ts'
import { type Execution, HeldSink } from './execution.ts'
import type { Portal } from './prepared.ts'
import { commandTag, startExecution } from './run-planned.ts'
import type { ClientSession } from './session.ts'
import { runTransactionStatement } from './utility/transaction.ts'
import { runUtility } from './utility/utility.ts'

export class Portals {
  readonly #portals = new Map<string, Portal>()
  readonly cursors = new Map<string, Cursor>()

  has(name: string): boolean {
    return this.#portals.has(name) || this.cursors.has(name)
  }

  add(portal: Portal): void {
    if (this.#portals.size + this.cursors.size >= LIMITS.portals && !this.#portals.has(portal.name)) {
      throw new PgError(SQLSTATE.configurationLimitExceeded, 'too many open portals', { detail: `A session may have ${LIMITS.portals}.` })
    }
    this.#portals.set(portal.name, portal)
  }

  find(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal === undefined) throw new PgError(SQLSTATE.invalidCursorName, `portal "${name}" does not exist`)
    return portal
  }

  /** The portal that Bind made under this name, if there is one. */
  peek(name: string): Portal | undefined {
    return this.#portals.get(name)
  }

  /** A portal that goes on as a cursor. */
  becomes(name: string, cursor: Cursor): void {
    this.#portals.delete(name)
    this.cursors.set(name, cursor)
  }

  close(name: string): void {
    const portal = this.#portals.get(name)
    if (portal !== undefined) {
      this.#portals.delete(name)
      portal.execution?.close()
      portal.execution = null
      return
    }
    const cursor = this.cursors.get(name)
    if (cursor === undefined) return
    this.cursors.delete(name)
    cursor.close()
  }

  /** Portals live in the transaction that bound them; holdable cursors that were committed live on. */
  transactionEnds(): void {
    if (this.#portals.size > 0) {
      for (const portal of this.#portals.values()) portal.execution?.close()
      this.#portals.clear()
    }
    if (this.cursors.size === 0) return
    for (const [name, cursor] of this.cursors) {
      if (cursor.survives) continue
      this.cursors.delete(name)
      cursor.close()
    }
  }

  closeAll(cursorsToo: boolean): void {
    for (const portal of this.#portals.values()) portal.execution?.close()
    this.#portals.clear()
    if (!cursorsToo) return
    for (const cursor of this.cursors.values()) cursor.close()
    this.cursors.clear()
  }

  /** Execute: the tag, or null when the row limit was reached first. */
  run(session: ClientSession, portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
    const statementClass = portal.prepared.class!
    if (!statementClass.optimizable) return this.#runUtility(session, portal, maxRows, sink)
    const shape = session.planning.portalShape(portal)
    if (shape !== null) sink.describe(shape)
    if (portal.held !== null) return this.#fromHeld(portal, maxRows, sink)
    if (portal.execution !== null) return this.#pump(portal, portal.execution, maxRows, sink)
    if (portal.plan!.catalogVersion !== session.planning.snapshot().version) {
      return andThen(session.planning.replanned(portal), () => this.#start(session, portal, maxRows, sink))
    }
    return this.#start(session, portal, maxRows, sink)
  }

  #start(session: ClientSession, portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
    const plan = portal.plan!
    // A point read in an implicit transaction shares its snapshot with nobody: in READ COMMITTED each statement has its own.
    const latest = plan.planned.pointRead && session.block.state === 'implicit'
    const started = startExecution(session, plan, portal.params, false, latest)
    if (started instanceof Promise) return started.then((execution) => this.#pump(portal, this.#keep(portal, execution), maxRows, sink))
    return this.#pump(portal, this.#keep(portal, started), maxRows, sink)
  }

  #keep(portal: Portal, execution: Execution): Execution {
    portal.execution = execution
    portal.state = 'active'
    return execution
  }

  #pump(portal: Portal, execution: Execution, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
    const { planned } = execution.entry
    // A writing statement runs to its end at once, whatever portion of its rows is asked for.
    if (maxRows > 0 && (planned.command !== 'select' || planned.hasModifyingCte)) {
      const rows: Row[] = []
      const collected = execution.collect(0, rows)
      const hold = () => {
        portal.held = rows
        return this.#fromHeld(portal, maxRows, sink)
      }
      return collected instanceof Promise ? collected.then(hold) : hold()
    }
    const sent = execution.pump(sink, maxRows)
    if (sent instanceof Promise) return sent.then((count) => this.#after(portal, execution, count, maxRows))
    return this.#after(portal, execution, sent, maxRows)
  }

  #after(portal: Portal, execution: Execution, sent: number, maxRows: number): string | null {
    if (maxRows > 0 && sent >= maxRows) return null
    const tag = commandTag(execution.entry.planned, sent, execution.compiled.state.rowsAffected)
    portal.state = 'done'
    portal.execution = null
    execution.close()
    return tag
  }

  #fromHeld(portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
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

  #runUtility(session: ClientSession, portal: Portal, maxRows: number, sink: ResultSink): MaybePromise<string | null> {
    const { prepared } = portal
    const statement = prepared.statement!
    if (portal.held !== null) {
      sink.describe(session.planning.portalShape(portal)!)
      return this.#fromHeld(portal, maxRows, sink)
    }
    if (portal.state === 'done') {
      throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${portal.name}" cannot be run anymore`)
    }
    portal.state = 'done'
    if (prepared.class!.transactionControl) return runTransactionStatement(session, statement)
    if (!prepared.class!.returnsRows)
      return runUtility(session, statement, prepared.class!, portal.params, sink, false, prepared.parameterTypes)
    // Rows of a utility statement are few: they are made at once and handed out in the portions asked for.
    const shape = session.planning.portalShape(portal)
    if (shape !== null) sink.describe(shape)
    const holding = new HeldSink(sink)
    const tag = runUtility(session, statement, prepared.class!, portal.params, holding, false, prepared.parameterTypes)
    const deliver = (text: string) => {
      portal.held = holding.held
      portal.heldTag = text
      return this.#fromHeld(portal, maxRows, sink)
    }
    return tag instanceof Promise ? tag.then(deliver) : deliver(tag)
  }
}
