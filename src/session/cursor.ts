// SQL cursors: a running statement with a position. Rows that were read are kept when the cursor may go back, or when it must outlive its
// transaction; a forward-only cursor keeps none.

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import type { MemoryAccount } from '../base/memory.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { RowShape } from '../pgwire/backend.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import type { Micros } from '../sql/types/eval-context.ts'
import type { Execution } from './execution.ts'

export interface CursorOptions {
  readonly name: string
  readonly text: string
  readonly columns: RowShape['columns']
  /** Where its rows carry the keys of stored rows, by table. */
  readonly rowKeys: ReadonlyMap<Oid, number>
  readonly plan: PlannedStatement
  /** FOR UPDATE or its kin. */
  readonly locks: boolean
  readonly holdable: boolean
  readonly binary: boolean
  /** How Execute sends its rows, for a cursor that was bound as a portal. */
  readonly formats?: readonly number[]
  readonly scroll: 'yes' | 'no' | 'while small'
  /** How much a cursor that is scrollable while small may keep. */
  readonly keepBytes: number
  readonly createdAt: Micros
}

/** Estimated bytes of one kept row, charged to the session. */
const rowBytes = (row: Row) => 64 + row.length * 24

export class Cursor {
  readonly options: CursorOptions
  #execution: Execution | null
  readonly #memory: MemoryAccount
  /** Rows 1 … n read so far, when kept. */
  #kept: Row[] = []
  #charged = 0
  #scrollable: boolean
  /** Rows taken from the execution so far. */
  #read = 0
  /** 0 = before the first row; n = on row n; read + 1 with `atEnd` = after the last. */
  #position = 0
  /** Its transaction committed: everything is in #kept. */
  survives = false
  /** Counted by Portals: what was declared since a savepoint goes with it. */
  number = 0
  /** An error while it ran: it runs no more. */
  #failed = false

  constructor(options: CursorOptions, execution: Execution | null, memory: MemoryAccount) {
    this.options = options
    this.#execution = execution
    this.#memory = memory
    this.#scrollable = options.scroll !== 'no'
  }

  shape(io: RowShape['io']): RowShape {
    const { columns, binary, formats } = this.options
    return { columns, formats: formats ?? (binary ? [1] : []), io }
  }

  get position(): number {
    return this.#position
  }

  /** The row it stands on; null before the first and after the last. */
  current(): Row | null {
    const at = this.#position - 1 - this.#keptFrom
    return this.#kept[at] ?? null
  }

  /** The next `count` rows (Infinity = all) in the direction given, moving there. */
  fetch(count: number, backward: boolean): MaybePromise<Row[]> {
    this.#mustRun()
    if (backward) {
      this.#mustScroll()
      return this.#backward(count)
    }
    if (count === 0) return this.relative(0)
    const from = this.#position
    return andThen(this.#readTo(from + count), (available) => {
      const to = Math.min(from + count, available)
      const rows = this.#slice(from, to)
      this.#position = to < from + count ? to + 1 : to
      return rows
    })
  }

  #backward(count: number): Row[] {
    // Position p is on row p; going back gives rows p-1, p-2, …
    const top = Math.min(this.#position, this.#read + 1)
    const rows: Row[] = []
    let at = top - 1
    for (; at >= 1 && rows.length < count; at--) rows.push(this.#kept[at - 1]!)
    this.#position = rows.length < count ? 0 : at + 1
    return rows
  }

  /** FETCH ABSOLUTE n: the row n, counted from the end when negative; none when there is no such row. */
  absolute(n: number): MaybePromise<Row[]> {
    this.#mustRun()
    if (n < 0) {
      this.#mustScroll()
      return andThen(this.#readTo(Number.POSITIVE_INFINITY), (available) => this.#on(available + 1 + n, available))
    }
    if (n <= this.#position && this.#position > 0) this.#mustScroll(n === this.#position)
    return andThen(this.#readTo(n), (available) => this.#on(n, available))
  }

  relative(n: number): MaybePromise<Row[]> {
    this.#mustRun()
    if (n === 0) {
      if (this.#position > 0 && this.#position <= this.#read) this.#mustScroll(true)
      return this.#on(this.#position, this.#read)
    }
    return n > 0 ? this.absolute(this.#position + n) : andThen(undefined, () => this.#relativeBack(n))
  }

  #relativeBack(n: number): Row[] {
    this.#mustScroll()
    return this.#on(Math.max(0, Math.min(this.#position, this.#read + 1) + n), this.#read)
  }

  #on(n: number, available: number): Row[] {
    if (n < 1) {
      this.#position = 0
      return []
    }
    if (n > available) {
      this.#position = available + 1
      return []
    }
    this.#position = n
    return this.#slice(n - 1, n)
  }

  /** `here`: only to the row it stands on, which a cursor that has just grown too large to be kept still has. */
  #mustScroll(here = false): void {
    if (this.#scrollable || (here && this.options.scroll !== 'no')) return
    this.#failed = true
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'cursor can only scan forward', {
      hint: 'Declare it with SCROLL option to enable backward scan.',
    })
  }

  /** Reads until `row` rows were taken or the end; answers how many there are up to then. */
  #readTo(row: number): MaybePromise<number> {
    const execution = this.#execution
    if (execution === null || execution.ended || this.#read >= row) return this.#read
    const fresh: Row[] = []
    const wanted = row === Number.POSITIVE_INFINITY ? 0 : row - this.#read
    return andThen(this.#collect(execution, wanted, fresh), () => {
      let keep = this.#scrollable || this.survives
      const bytes = keep ? fresh.reduce((sum, one) => sum + rowBytes(one), 0) : 0
      if (keep && !this.survives && this.options.scroll === 'while small' && this.#charged + bytes > this.options.keepBytes) {
        keep = false
        this.#scrollable = false
        this.#memory.release(this.#charged)
        this.#charged = 0
      }
      if (keep && bytes > 0) {
        this.#memory.charge(bytes)
        this.#charged += bytes
      }
      // A forward-only cursor keeps just the portion it is about to hand out.
      if (keep) for (const one of fresh) this.#kept.push(one)
      else {
        this.#kept = fresh
        this.#keptFrom = this.#read
      }
      this.#read += fresh.length
      return this.#read
    })
  }

  /** An error ends the cursor: what it had read may be half of a batch. */
  #collect(execution: Execution, max: number, into: Row[]): MaybePromise<unknown> {
    const fail = (error: unknown): never => {
      this.#failed = true
      throw error
    }
    try {
      const done = execution.collect(max, into)
      return done instanceof Promise ? done.catch(fail) : done
    } catch (error) {
      return fail(error)
    }
  }

  #mustRun(): void {
    if (this.#failed) throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${this.options.name}" cannot be run`)
  }

  /** Row number (from 0) of #kept[0]. */
  #keptFrom = 0

  #slice(from: number, to: number): Row[] {
    return this.#kept.slice(Math.max(0, from - this.#keptFrom), Math.max(0, to - this.#keptFrom))
  }

  /** COMMIT of a WITH HOLD cursor: reads the rest, which then no longer needs the transaction. */
  hold(): MaybePromise<void> {
    this.survives = true
    return andThen(this.#readTo(Number.POSITIVE_INFINITY), () => {
      this.#execution?.close()
      this.#execution = null
    })
  }

  close(): void {
    this.#execution?.close()
    this.#execution = null
    this.#memory.release(this.#charged)
    this.#charged = 0
    this.#kept = []
  }
}
