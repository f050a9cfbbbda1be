// One run of a planned statement: rows pulled from its operators into a sink, all at once or in portions. // hot

import type { Row } from '../base/datum.ts'
import type { Notice } from '../base/errors.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import type { CopySource, CopyTarget, ResultSink, RowShape } from '../pgwire/backend.ts'
import type { Batch } from '../sql/executor/operator.ts'
import type { TupleStore } from '../sql/executor/tuple-store.ts'
import { type Compiled, giveBack, type PlanEntry } from './plan-cache.ts'

/** Where rows go; pgwire's ResultSink is one. */
export interface RowTarget {
  rows(rows: readonly Row[], from: number, to: number): MaybePromise<void>
}

export class Execution {
  readonly entry: PlanEntry
  readonly compiled: Compiled
  /** Rows sent so far, over all portions. */
  rows = 0
  #opened = false
  #ended = false
  #batch: Batch | null = null
  #at = 0
  #isFirst = true
  #slicer: Slicer | null = null

  constructor(entry: PlanEntry, compiled: Compiled) {
    this.entry = entry
    this.compiled = compiled
  }

  get ended(): boolean {
    return this.#ended
  }

  open(): MaybePromise<void> {
    if (this.#opened) return
    this.#opened = true
    return this.compiled.root.open()
  }

  /** Sends up to `max` rows (0 = all); answers how many. Fewer than `max` means that `ended` is true. */
  pump(sink: RowTarget | null, max: number): MaybePromise<number> {
    const opened = this.open()
    if (opened instanceof Promise) return opened.then(() => this.#loop(sink, max, 0))
    return this.#loop(sink, max, 0)
  }

  #loop(sink: RowTarget | null, max: number, sent: number): MaybePromise<number> {
    for (;;) {
      if (this.#batch === null) {
        if (this.#ended) return sent
        const next = this.compiled.root.next(max > 0 ? max - sent : undefined)
        if (next instanceof Promise) {
          const before = sent
          return next.then((batch) => {
            this.#take(batch)
            return this.#loop(sink, max, before)
          })
        }
        this.#take(next)
        if (this.#batch === null) return sent
      }
      const batch: Batch = this.#batch
      const left = batch.count - this.#at
      const count = max > 0 && left > max - sent ? max - sent : left
      const wait = sink?.rows(batch.rows, this.#at, this.#at + count)
      sent += count
      this.rows += count
      this.#at += count
      if (this.#at === batch.count) this.#batch = null
      const full = max > 0 && sent >= max
      if (wait instanceof Promise) {
        if (full) return wait.then(() => sent)
        const before = sent
        return wait.then(() => this.#loop(sink, max, before))
      }
      if (full) return sent
      const pause = this.#pause()
      if (pause !== null) {
        const before = sent
        return pause.then(() => this.#loop(sink, max, before))
      }
    }
  }

  /** After a batch: a promise when other sessions should have a turn. The first batch is the only one of most statements, and not timed. */
  #pause(): Promise<void> | null {
    if (this.#slicer !== null) return this.#slicer.pause()
    if (this.#isFirst) {
      this.#isFirst = false
      return null
    }
    this.#slicer = makeSlicer(this.compiled.state)
    this.#slicer.start()
    return null
  }

  #take(batch: Batch | null): void {
    this.#batch = batch
    this.#at = 0
    if (batch === null) this.#ended = true
  }

  /** Rows into an array instead of a sink, for cursors and commands. */
  collect(max: number, into: Row[]): MaybePromise<number> {
    return this.pump(
      {
        rows: (rows, from, to) => {
          for (let i = from; i < to; i++) into.push(rows[i]!)
        },
      },
      max,
    )
  }

  /** Frees the run; the compiled instance goes back to its pool. */
  close(): void {
    giveBack(this.entry, this.compiled)
  }
}

/** The output of a statement whose form has been told already: rows into a store, for results handed out in portions, or straight on. */
export class DescribedSink implements ResultSink {
  readonly #sink: ResultSink
  readonly #store: TupleStore | null

  constructor(sink: ResultSink, store: TupleStore | null) {
    this.#sink = sink
    this.#store = store
  }

  describe(_shape: RowShape): void {}

  rows(rows: readonly Row[], from = 0, to = rows.length): MaybePromise<void> {
    if (this.#store === null) return this.#sink.rows(rows, from, to)
    for (let i = from; i < to; i++) this.#store.add(rows[i]!)
  }

  complete(_tag: string): void {}

  suspended(): void {}

  emptyQuery(): void {}

  notice(notice: Notice): void {
    this.#sink.notice(notice)
  }

  copyIn(format: 0 | 1, columnCount: number): CopySource {
    return this.#sink.copyIn(format, columnCount)
  }

  copyOut(format: 0 | 1, columnCount: number): CopyTarget {
    return this.#sink.copyOut(format, columnCount)
  }
}
