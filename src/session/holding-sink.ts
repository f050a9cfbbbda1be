// A result whose first rows are held back, so that a statement which misses a part of the catalogue can begin anew; and values whose text needs the
// catalogue (regclass) are sent as soon as it is there. Only for stores whose catalogue may be missed.

import type { Row } from '../base/datum.ts'
import type { Notice } from '../base/errors.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import type { CopySource, CopyTarget, ResultSink, RowShape } from '../pgwire/backend.ts'
import { rowSize } from '../sql/executor/row-size.ts'

/** What a statement reads of the catalogue it has usually read by then. */
const HELD_ROWS = 256
const HELD_BYTES = 64 * 1024

export class HoldingSink implements ResultSink {
  readonly #sink: ResultSink
  #shape: RowShape | null = null
  #held: Row[] = []
  #heldBytes = 0
  #hasGone = false

  constructor(sink: ResultSink) {
    this.#sink = sink
  }

  /** Takes the statement's output back; false when some of it has gone. */
  discard(): boolean {
    if (this.#hasGone) return false
    this.#shape = null
    this.#forget()
    return true
  }

  describe(shape: RowShape): void {
    this.#shape = shape
  }

  rows(rows: readonly Row[], from = 0, to = rows.length): MaybePromise<void> {
    if (this.#hasGone) return this.#send(rows, from, to)
    for (let i = from; i < to; i++) {
      this.#held.push(rows[i]!)
      this.#heldBytes += rowSize(rows[i]!)
    }
    return this.#held.length < HELD_ROWS && this.#heldBytes < HELD_BYTES ? undefined : this.#release()
  }

  #forget(): void {
    this.#held = []
    this.#heldBytes = 0
  }

  /** What is held goes. */
  #release(): MaybePromise<void> {
    const shape = this.#shape
    this.#shape = null
    if (shape !== null) this.#sink.describe(shape)
    const held = this.#held
    if (held.length === 0) return undefined
    this.#forget()
    this.#hasGone = true
    return this.#send(held, 0, held.length)
  }

  #send(rows: readonly Row[], from: number, to: number): MaybePromise<void> {
    for (let i = from; i < to; i++) {
      let sent: MaybePromise<void>
      try {
        sent = this.#sink.rows(rows, i, i + 1)
      } catch (error) {
        if (!(error instanceof CatalogMiss)) throw error
        return error.load().then(() => this.#send(rows, i, to))
      }
      if (sent instanceof Promise) return sent.then(() => this.#send(rows, i + 1, to))
    }
  }

  #end(last: () => MaybePromise<void>): MaybePromise<void> {
    return andThen(this.#release(), () => {
      this.#hasGone = false
      return last()
    })
  }

  complete(tag: string): MaybePromise<void> {
    return this.#end(() => this.#sink.complete(tag))
  }

  suspended(): MaybePromise<void> {
    return this.#end(() => this.#sink.suspended())
  }

  emptyQuery(): void {
    this.#sink.emptyQuery()
  }

  notice(notice: Notice): void {
    this.#sink.notice(notice)
  }

  copyIn(format: 0 | 1, columnCount: number): CopySource {
    this.#copies()
    return this.#sink.copyIn(format, columnCount)
  }

  copyOut(format: 0 | 1, columnCount: number): CopyTarget {
    this.#copies()
    return this.#sink.copyOut(format, columnCount)
  }

  /** COPY has no rows before its own. */
  #copies(): void {
    const shape = this.#shape
    this.#shape = null
    if (shape !== null) this.#sink.describe(shape)
  }
}
