// The ResultSink of one connection: what a statement answers, as messages in the shared buffer. // hot

import { assert } from '../base/assert.ts'
import type { Row } from '../base/datum.ts'
import type { Notice } from '../base/errors.ts'
import { patiently } from '../base/long-work.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import type { CopySource, CopyTarget, ResultSink, RowShape } from './backend.ts'
import { CopyIn, CopyOut } from './copy.ts'
import type { Link } from './link.ts'
import { commandComplete, copyResponse, dataRow, empty, noticeResponse, rowDescription } from './messages.ts'
import { BACKEND } from './protocol.ts'
import { FLUSH_AT } from './shared-buffers.ts'

export class Sink implements ResultSink {
  /** Query is answered with RowDescription, Execute without. */
  describeRows = false
  /** A COPY FROM STDIN that the statement reads. */
  copy: CopyIn | null = null
  readonly #link: Link
  #shape: RowShape | null = null
  #slow = false
  #slicer: Slicer | null = null

  constructor(link: Link) {
    this.#link = link
  }

  describe(shape: RowShape): void {
    this.#shape = shape
    this.#slow = shape.columns.some((column) => column.encoder.slow === true)
    if (this.describeRows) rowDescription(this.#link.out(), shape.columns, shape.formats)
  }

  rows(rows: readonly Row[], from = 0, to = rows.length): MaybePromise<void> {
    const shape = this.#shape
    assert(shape !== null, 'rows before describe')
    if (this.#slow) return this.#slowRows(rows, from, to, shape)
    const link = this.#link
    let out = link.out()
    for (let i = from; i < to; i++) {
      dataRow(out, rows[i]!, shape)
      if (out.length >= FLUSH_AT) {
        link.flush()
        out = link.out()
      }
    }
    return link.relieve()
  }

  /** Rows with values that may be long work: that gives way. */
  #slowRows(rows: readonly Row[], from: number, to: number, shape: RowShape): MaybePromise<void> {
    const link = this.#link
    this.#slicer ??= makeSlicer()
    const write = (row: Row): void => dataRow(link.out(), row, shape)
    for (let i = from; i < to; i++) {
      const written = patiently(write, rows[i]!, this.#slicer)
      if (written instanceof Promise) {
        const rest = rows.slice(i + 1, to)
        return written.then(() => link.relieve()).then(() => this.rows(rest))
      }
      if (link.out().length >= FLUSH_AT) link.flush()
    }
    return link.relieve()
  }

  complete(tag: string): void {
    commandComplete(this.#link.out(), tag)
  }

  suspended(): void {
    empty(this.#link.out(), BACKEND.portalSuspended)
  }

  emptyQuery(): void {
    empty(this.#link.out(), BACKEND.emptyQueryResponse)
  }

  notice(notice: Notice): void {
    noticeResponse(this.#link.out(), notice)
    this.#link.flushSoon()
  }

  copyIn(format: 0 | 1, columnCount: number): CopySource {
    assert(this.copy === null, 'COPY inside COPY')
    copyResponse(this.#link.out(), BACKEND.copyInResponse, format, columnCount)
    this.copy = new CopyIn(this.#link)
    return this.copy
  }

  copyOut(format: 0 | 1, columnCount: number): CopyTarget {
    copyResponse(this.#link.out(), BACKEND.copyOutResponse, format, columnCount)
    return new CopyOut(this.#link)
  }

  /** The call is over: lets go of its result; answers how much of an unread CopyData message is still to come. */
  reset(): number {
    this.#shape = null
    const { copy } = this
    this.copy = null
    return copy === null ? 0 : copy.remaining
  }
}
