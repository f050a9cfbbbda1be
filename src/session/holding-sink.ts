// A result of which nothing has gone until its first row does, so that a statement which misses a part of the catalogue can begin anew; and values
// whose text needs the catalogue (regclass) are sent as soon as it is there. Only for stores whose catalogue may be missed.

import type { Row } from '../base/datum.ts'
import type { Notice } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { CatalogMiss } from '../catalog/snapshot.ts'
import type { CopySource, CopyTarget, ResultSink, RowShape } from '../pgwire/backend.ts'

export class HoldingSink implements ResultSink {
  readonly #sink: ResultSink
  #shape: RowShape | null = null
  #hasRows = false

  constructor(sink: ResultSink) {
    this.#sink = sink
  }

  /** Takes the statement's output back; false when some of it has gone. */
  discard(): boolean {
    if (this.#hasRows) return false
    this.#shape = null
    return true
  }

  #release(): void {
    const shape = this.#shape
    this.#shape = null
    if (shape !== null) this.#sink.describe(shape)
  }

  describe(shape: RowShape): void {
    this.#shape = shape
  }

  rows(rows: readonly Row[], from = 0, to = rows.length): MaybePromise<void> {
    this.#release()
    for (let i = from; i < to; i++) {
      let sent: MaybePromise<void>
      try {
        sent = this.#sink.rows(rows, i, i + 1)
      } catch (error) {
        if (!(error instanceof CatalogMiss)) throw error
        return error.load().then(() => this.rows(rows, i, to))
      }
      this.#hasRows = true
      if (sent instanceof Promise) return sent.then(() => this.rows(rows, i + 1, to))
    }
  }

  #end(): void {
    this.#release()
    this.#hasRows = false
  }

  complete(tag: string): void {
    this.#end()
    this.#sink.complete(tag)
  }

  suspended(): void {
    this.#end()
    this.#sink.suspended()
  }

  emptyQuery(): void {
    this.#sink.emptyQuery()
  }

  notice(notice: Notice): void {
    this.#sink.notice(notice)
  }

  copyIn(format: 0 | 1, columnCount: number): CopySource {
    this.#release()
    return this.#sink.copyIn(format, columnCount)
  }

  copyOut(format: 0 | 1, columnCount: number): CopyTarget {
    this.#release()
    return this.#sink.copyOut(format, columnCount)
  }
}
