// The portals of one session by name: bound statements on their way, and SQL's cursors. // hot

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import type { Cursor } from './cursor.ts'
import type { Portal } from './prepared.ts'

function closePortal(portal: Portal): void {
  portal.execution?.close()
  portal.execution = null
  portal.held?.clear()
  portal.held = null
}

export class Portals {
  readonly #portals = new Map<string, Portal>()
  readonly #cursors = new Map<string, Cursor>()
  /** How many portals and cursors there ever were. */
  #made = 0
  /** What is being executed: an error is its own. */
  running: Portal | null = null

  get cursors(): ReadonlyMap<string, Cursor> {
    return this.#cursors
  }

  /** Those that Bind made. */
  get bound(): Iterable<Portal> {
    return this.#portals.values()
  }

  has(name: string): boolean {
    return this.#portals.has(name) || this.#cursors.has(name)
  }

  add(portal: Portal): void {
    if (this.#portals.size + this.#cursors.size >= LIMITS.portals && !this.#portals.has(portal.name)) {
      throw new PgError(SQLSTATE.configurationLimitExceeded, 'too many open portals', { detail: `A session may have ${LIMITS.portals}.` })
    }
    portal.number = this.#made++
    this.#portals.set(portal.name, portal)
  }

  find(name: string): Portal {
    const portal = this.#portals.get(name)
    if (portal === undefined) throw new PgError(SQLSTATE.invalidCursorName, `portal "${name}" does not exist`)
    return portal
  }

  cursor(name: string): Cursor {
    const cursor = this.#cursors.get(name)
    if (cursor === undefined) throw new PgError(SQLSTATE.invalidCursorName, `cursor "${name}" does not exist`)
    return cursor
  }

  /** The portal that Bind made under this name, if there is one. */
  peek(name: string): Portal | undefined {
    return this.#portals.get(name)
  }

  addCursor(name: string, cursor: Cursor): void {
    cursor.number = this.#made++
    this.#cursors.set(name, cursor)
  }

  /** A portal that goes on as a cursor, which has taken over its execution. */
  becomes(name: string, cursor: Cursor): void {
    cursor.number = this.#portals.get(name)!.number
    this.#portals.delete(name)
    this.#cursors.set(name, cursor)
  }

  /** A position for rollbackTo. */
  mark(): number {
    return this.#made
  }

  /** What a savepoint's end undoes are the portals and cursors made since; positions of older ones stay. */
  rollbackTo(mark: number): void {
    for (const [name, { number }] of this.#portals) if (number >= mark) this.close(name)
    for (const [name, { number }] of this.#cursors) if (number >= mark) this.close(name)
  }

  /**
   * A statement of a block failed: what it ran, and what its subtransaction has made (`mark`; 0 = the whole transaction), runs no more and holds
   * nothing, but keeps its name until the block goes back or ends. What an earlier one has made goes on after ROLLBACK TO.
   */
  fail(mark: number): void {
    for (const portal of this.#portals.values()) {
      if (portal.number < mark && portal !== this.running) continue
      closePortal(portal)
      portal.state = 'failed'
    }
    this.running = null
    for (const cursor of this.#cursors.values()) if (cursor.number >= mark && !cursor.survives) cursor.fail()
  }

  /** Whether a query that is on its way reads the relation. */
  uses(relation: Oid): boolean {
    const reads = ({ locks }: PlannedStatement): boolean => locks.some((lock) => lock.relation === relation)
    for (const cursor of this.#cursors.values()) if (!cursor.survives && reads(cursor.options.plan)) return true
    for (const { execution, state, plan } of this.#portals.values())
      if (execution !== null && state !== 'done' && plan !== null && reads(plan.planned)) return true
    return false
  }

  close(name: string): void {
    const portal = this.#portals.get(name)
    if (portal !== undefined) {
      this.#portals.delete(name)
      closePortal(portal)
      return
    }
    const cursor = this.#cursors.get(name)
    if (cursor === undefined) return
    this.#cursors.delete(name)
    cursor.close()
  }

  /** Portals live in the transaction that bound them; holdable cursors that were committed live on. */
  transactionEnds(committed: boolean): void {
    this.closeAll(false)
    if (this.#cursors.size === 0) return
    for (const [name, cursor] of this.#cursors) {
      if (committed && cursor.options.holdable) cursor.survives = true
      if (cursor.survives) continue
      this.#cursors.delete(name)
      cursor.close()
    }
  }

  closeAll(cursorsToo: boolean): void {
    if (this.#portals.size > 0) {
      for (const portal of this.#portals.values()) closePortal(portal)
      this.#portals.clear()
    }
    if (!cursorsToo) return
    for (const cursor of this.#cursors.values()) cursor.close()
    this.#cursors.clear()
  }
}
