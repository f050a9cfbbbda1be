// The portals of one session by name: bound statements on their way, and SQL's cursors. // hot

import { PgError } from '../base/errors.ts'
import { LIMITS } from '../base/limits.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Cursor } from './cursor.ts'
import type { Portal } from './prepared.ts'

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

  cursor(name: string): Cursor {
    const cursor = this.cursors.get(name)
    if (cursor === undefined) throw new PgError(SQLSTATE.invalidCursorName, `cursor "${name}" does not exist`)
    return cursor
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
}
