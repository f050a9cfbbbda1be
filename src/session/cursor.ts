// SQL cursors: a running statement with a position. Rows that were read are kept when the cursor may go back, or when it must outlive its
// transaction; a forward-only cursor keeps none but the one it stands on.

import type { Row } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { andThen, loop, type MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { RowShape } from '../pgwire/backend.ts'
import type { TupleStore } from '../sql/executor/tuple-store.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import type { Micros } from '../sql/types/eval-context.ts'
import type { Execution, RowTarget } from './execution.ts'

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
  /** 'while small': as long as its rows are within work_mem. */
  readonly scroll: 'yes' | 'no' | 'while small'
  readonly createdAt: Micros
}

/** Rows that go back are handed on in so many. */
const PORTION = 256

/** What an error has ended: a cursor or a portal. */
export function cannotRun(name: string): PgError {
  return new PgError(SQLSTATE.objectNotInPrerequisiteState, `portal "${name}" cannot be run`)
}

export class Cursor {
  readonly options: CursorOptions
  #execution: Execution | null
  /** Rows from number #storedFrom (from 0) on, when kept. */
  readonly #store: TupleStore
  #storedFrom = 0
  #keeps: boolean
  #scrollable: boolean
  /** It gives up going back, and its rows, when they are too many. */
  #whileSmall: boolean
  /** Rows taken from the execution so far, and the last of them. */
  #read = 0
  #last: Row | null = null
  /** 0 = before the first row; n = on row n; #read + 1 = after the last. */
  #position = 0
  /** Everything is stored: its transaction's end takes nothing away. */
  #held = false
  /** Its transaction committed. */
  survives = false
  /** Counted by Portals: what was declared since a savepoint goes with it. */
  number = 0
  /** An error while it ran: it runs no more. */
  #failed = false

  /** `store`: empty. */
  constructor(options: CursorOptions, execution: Execution | null, store: TupleStore) {
    this.options = options
    this.#execution = execution
    this.#store = store
    this.#scrollable = options.scroll !== 'no'
    this.#whileSmall = options.scroll === 'while small'
    this.#keeps = this.#scrollable
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
    return this.#rowAt(this.#position)
  }

  /** The row of that number (from 1), where it is known. */
  #rowAt(n: number): Row | null {
    if (n < 1 || n > this.#read) return null
    const at = n - 1 - this.#storedFrom
    if (this.#keeps && at >= 0 && at < this.#store.count) return this.#store.get(at)
    return n === this.#read ? this.#last : null
  }

  /** Sends the next `count` rows (Infinity = all) in the direction given, moving there; answers how many there were. `target`: none for MOVE. */
  fetch(count: number, backward: boolean, target: RowTarget | null): MaybePromise<number> {
    this.#mustRun()
    if (backward) {
      this.#mustScroll()
      return this.#backward(count, target)
    }
    if (count === 0) return this.relative(0, target)
    const from = this.#position
    const known = Math.min(count, Math.max(0, this.#read - from))
    return andThen(this.#sendStored(from, known, target), () =>
      andThen(known < count ? this.#pull(count - known, target) : 0, (fresh) => {
        const sent = known + fresh
        this.#position = sent < count ? this.#read + 1 : from + sent
        return sent
      }),
    )
  }

  /** Rows [from, from + count) of those stored. */
  #sendStored(from: number, count: number, target: RowTarget | null): MaybePromise<void> {
    if (target === null || count === 0) return undefined
    const batch = { rows: [] as Row[], count: 0 }
    let at = from - this.#storedFrom
    const end = at + count
    return loop(() => {
      if (at >= end) return false
      this.#store.read(batch, at, Math.min(PORTION, end - at))
      at += batch.count
      return andThen(target.rows(batch.rows, 0, batch.count), () => true)
    })
  }

  #backward(count: number, target: RowTarget | null): MaybePromise<number> {
    // Position p is on row p; going back gives rows p-1, p-2, …
    const top = Math.min(this.#position, this.#read + 1)
    const sent = Math.min(count, Math.max(0, top - 1))
    this.#position = sent < count ? 0 : top - sent
    if (target === null) return sent
    let next = top - 1
    const last = top - sent
    return andThen(
      loop(() => {
        if (next < last) return false
        const rows: Row[] = []
        for (; next >= last && rows.length < PORTION; next--) rows.push(this.#store.get(next - 1))
        return andThen(target.rows(rows, 0, rows.length), () => true)
      }),
      () => sent,
    )
  }

  /** FETCH ABSOLUTE n: the row n, counted from the end when negative; none when there is no such row. */
  absolute(n: number, target: RowTarget | null): MaybePromise<number> {
    this.#mustRun()
    if (n < 0) {
      this.#mustScroll()
      this.#whileSmall = false
      return andThen(this.#pull(Number.POSITIVE_INFINITY, null), () => this.#on(this.#read + 1 + n, target))
    }
    if (n <= this.#position && this.#position > 0) this.#mustScroll(n === this.#position)
    return andThen(n > this.#read ? this.#pull(n - this.#read, null) : 0, () => this.#on(n, target))
  }

  relative(n: number, target: RowTarget | null): MaybePromise<number> {
    this.#mustRun()
    if (n === 0) {
      if (this.#position > 0 && this.#position <= this.#read) this.#mustScroll(true)
      return this.#on(this.#position, target)
    }
    if (n > 0) return this.absolute(this.#position + n, target)
    this.#mustScroll()
    return this.#on(Math.max(0, Math.min(this.#position, this.#read + 1) + n), target)
  }

  /** Moves to row n; answers how many rows that is. */
  #on(n: number, target: RowTarget | null): MaybePromise<number> {
    if (n < 1 || n > this.#read) {
      this.#position = n < 1 ? 0 : this.#read + 1
      return 0
    }
    this.#position = n
    const row = this.#rowAt(n)
    if (row === null) return 0
    return andThen(target?.rows([row], 0, 1), () => 1)
  }

  /** `here`: only to the row it stands on, which a cursor that has just grown too large to be kept still has. */
  #mustScroll(here = false): void {
    if (this.#scrollable || (here && this.options.scroll !== 'no')) return
    this.#failed = true
    throw new PgError(SQLSTATE.objectNotInPrerequisiteState, 'cursor can only scan forward', {
      hint: 'Declare it with SCROLL option to enable backward scan.',
    })
  }

  /** Takes up to `count` rows from the execution, keeps them where they are to be kept, and sends them on; answers how many there were. */
  #pull(count: number, target: RowTarget | null): MaybePromise<number> {
    const execution = this.#execution
    if (execution === null || execution.ended) return 0
    const take: RowTarget = {
      rows: (rows, from, to) => {
        this.#read += to - from
        this.#last = rows[to - 1]!
        if (this.#keeps) this.#keep(rows, from, to)
        return target?.rows(rows, from, to)
      },
    }
    // An error ends the cursor: what it had read may be half of a batch.
    const fail = (error: unknown): never => {
      this.#failed = true
      throw error
    }
    try {
      const done = execution.pump(take, count === Number.POSITIVE_INFINITY ? 0 : count)
      return done instanceof Promise ? done.catch(fail) : done
    } catch (error) {
      return fail(error)
    }
  }

  #keep(rows: readonly Row[], from: number, to: number): void {
    const store = this.#store
    for (let i = from; i < to; i++) store.add(rows[i]!)
    if (!this.#whileSmall || !store.spilled) return
    this.#keeps = false
    this.#scrollable = false
    store.clear()
  }

  #mustRun(): void {
    if (this.#failed) throw cannotRun(this.options.name)
  }

  /** COMMIT of a WITH HOLD cursor: reads the rest, which then no longer needs the transaction. */
  hold(): MaybePromise<void> {
    if (this.#held) return undefined
    this.#held = true
    this.#whileSmall = false
    if (!this.#keeps) this.#storedFrom = this.#read
    this.#keeps = true
    return andThen(this.#pull(Number.POSITIVE_INFINITY, null), () => {
      this.#execution?.close()
      this.#execution = null
    })
  }

  /** Its transaction failed. */
  fail(): void {
    this.#failed = true
    this.close()
  }

  close(): void {
    this.#execution?.close()
    this.#execution = null
    this.#store.clear()
    this.#last = null
  }
}
