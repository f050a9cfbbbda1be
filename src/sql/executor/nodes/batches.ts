// Helpers for operators that produce rows of their own: output batches that grow from small to large. // hot

import type { Row } from '../../../base/datum.ts'
import { LIMITS } from '../../../base/limits.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Slicer } from '../../../base/slicer.ts'
import type { Batch, Operator } from '../operator.ts'
import { rowSize } from '../row-size.ts'

/** An output batch and how many rows the next one should have. */
export interface Output extends Batch {
  size: number
  /** When the last one was asked for. */
  at: number
}

export function makeOutput(): Output {
  return { rows: [], count: 0, size: LIMITS.firstBatchRows, at: 0 }
}

/** Before the first batch of a run. */
export function restart(out: Output): void {
  out.size = LIMITS.firstBatchRows
  out.count = 0
  out.at = 0
}

/** How many rows the next batch should have, whose last one took so long: nobody gives way within one. */
export function nextSize(size: number, ms: number): number {
  return ms > LIMITS.sliceMs ? Math.max(1, size >> 1) : Math.min(LIMITS.batchRows, size * 2)
}

/** No more rows than may take `batchBytes`, by one from the middle and the last one. */
export function withinBytes(size: number, { rows, count }: Batch): number {
  const bytes = Math.max(rowSize(rows[count >> 1]!), rowSize(rows[count - 1]!))
  return bytes * size > LIMITS.batchBytes ? Math.max(1, Math.floor(LIMITS.batchBytes / bytes)) : size
}

/**
 * Empties the batch for the next call and grows its target size, or makes it smaller where a batch takes long to make and use. No more than
 * `max` rows.
 */
export function refill(out: Output, max?: number): void {
  if (out.count > 0) {
    const now = performance.now()
    out.size = withinBytes(nextSize(out.size, out.at > 0 ? now - out.at : 0), out)
    out.at = now
  }
  out.count = 0
  if (max !== undefined && max < out.size) out.size = Math.max(1, max)
}

export const done = (out: Output): Batch | null => (out.count > 0 ? out : null)

export function nullRow(width: number): Row {
  return new Array<null>(width).fill(null)
}

/** `input` in batches that are never larger than the `max` asked for: for nodes whose expressions must not run ahead. */
export function portions(input: Operator): Operator {
  const out: Batch = { rows: [], count: 0 }
  /** The input's batch that is being handed out; the input is not asked again before its end. */
  let held: Batch | null = null
  let at = 0
  const part = (batch: Batch, max: number): Batch => {
    const count = Math.min(max, batch.count - at)
    for (let i = 0; i < count; i++) out.rows[i] = batch.rows[at + i]!
    out.count = count
    at += count
    held = at < batch.count ? batch : null
    return out
  }
  const cut = (batch: Batch | null, max: number | undefined): Batch | null => {
    if (batch === null || max === undefined || batch.count <= max) return batch
    at = 0
    return part(batch, max)
  }
  return {
    open() {
      held = null
      return input.open()
    },
    next(max) {
      if (held !== null) return part(held, max ?? held.count)
      const batch = input.next(max)
      return batch instanceof Promise ? batch.then((b) => cut(b, max)) : cut(batch, max)
    },
    close() {
      held = null
      input.close()
    },
  }
}

/** The rows of a batch for which `keep` is true. */
export function selecting(keep: (row: Row) => boolean): (batch: Batch) => Batch | null {
  const out: Batch = { rows: [], count: 0 }
  return (batch) => {
    out.count = 0
    for (let i = 0; i < batch.count; i++) {
      const row = batch.rows[i]!
      if (keep(row)) out.rows[out.count++] = row
    }
    return out.count > 0 ? out : null
  }
}

/** Asks `input` until `step` leaves something of a batch, giving way between batches; after the input's end `atEnd` answers. */
export function puller(
  input: Operator,
  slicer: Slicer,
  step: (batch: Batch) => MaybePromise<Batch | null>,
  atEnd: () => MaybePromise<Batch | null>,
): (max?: number) => MaybePromise<Batch | null> {
  let wanted: number | undefined
  const goOn = (made: Batch | null): MaybePromise<Batch | null> => made ?? pull()
  const resume = (batch: Batch | null): MaybePromise<Batch | null> => {
    if (batch === null) return atEnd()
    const made = step(batch)
    return made instanceof Promise ? made.then(goOn) : goOn(made)
  }
  const pull = (): MaybePromise<Batch | null> => {
    for (;;) {
      const batch = input.next(wanted)
      if (batch instanceof Promise) return batch.then(resume)
      if (batch === null) return atEnd()
      const made = step(batch)
      if (made instanceof Promise) return made.then(goOn)
      if (made !== null) return made
      const pause = slicer.pause()
      if (pause !== null) return pause.then(pull)
    }
  }
  return (max) => {
    wanted = max
    return pull()
  }
}

export const nothing = (): null => null
