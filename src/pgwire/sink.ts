// The ResultSink of one connection: what a statement answers, as messages in the shared buffer. // hot

import { assert } from '../base/assert.ts'
import type { Row } from '../base/datum.ts'
import type { Notice } from '../base/errors.ts'
import { hastily, patiently } from '../base/long-work.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import type { CopySource, CopyTarget, ResultSink, RowShape } from './backend.ts'
import { CopyIn, CopyOut } from './copy.ts'
import type { Link } from './link.ts'
import { commandComplete, copyResponse, dataRow, empty, noticeResponse, rowDescription } from './messages.ts'
import { BACKEND } from './protocol.ts'
import { FLUSH_AT } from './shared-buffers.ts'

const NONE: readonly Row[] = []

export class Sink implements ResultSink {
  /** Query is answered with RowDescription, Execute without. */
  describeRows = false
  /** The latest COPY FROM STDIN of the message. */
  copy: CopyIn | null = null
  readonly #link: Link
  #shape: RowShape | null = null
  /** The rows being written, the next of them, and the end. */
  #rows: readonly Row[] = NONE
  #at = 0
  #to = 0
  #slicer: Slicer | null = null

  constructor(link: Link) {
    this.#link = link
  }

  describe(shape: RowShape): void {
    this.#shape = shape
    if (this.describeRows) rowDescription(this.#link.out(), shape.columns, shape.formats)
  }

  rows(rows: readonly Row[], from = 0, to = rows.length): MaybePromise<void> {
    assert(this.#shape !== null, 'rows before describe')
    this.#rows = rows
    this.#at = from
    this.#to = to
    const all = hastily(Sink.#write, this)
    this.#rows = NONE
    return all ? this.#link.relieve() : this.#writePatiently(rows)
  }

  /** Rows up to the end, or to one with a value that has to wait. */
  static #write(this: void, sink: Sink): void {
    const link = sink.#link
    const shape = sink.#shape!
    const rows = sink.#rows
    let out = link.out()
    for (; sink.#at < sink.#to; sink.#at++) {
      dataRow(out, rows[sink.#at]!, shape)
      if (out.length >= FLUSH_AT) {
        link.flush()
        out = link.out()
      }
    }
  }

  /** A row with values that take long, then the others. */
  #writePatiently(rows: readonly Row[]): MaybePromise<void> {
    const link = this.#link
    const shape = this.#shape!
    this.#slicer ??= makeSlicer()
    const rest = rows.slice(this.#at + 1, this.#to)
    const written = patiently((row: Row) => dataRow(link.out(), row, shape), rows[this.#at]!, this.#slicer)
    return andThen(written, () => andThen(link.relieve(), () => this.rows(rest)))
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
    // One message may hold several COPY statements, each with data of its own.
    assert(this.copy === null || this.copy.over, 'COPY inside COPY')
    copyResponse(this.#link.out(), BACKEND.copyInResponse, format, columnCount)
    this.copy = new CopyIn(this.#link, format === 0 ? this.#link.encoding : null)
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
