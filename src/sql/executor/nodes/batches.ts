// Helpers for operators that produce rows of their own: output batches that grow from small to large. // hot

import type { Row } from '../../../base/datum.ts'
import { LIMITS } from '../../../base/limits.ts'
import type { Batch } from '../operator.ts'

/** An output batch and how many rows the next one should have. */
export interface Output extends Batch {
  size: number
}

export function makeOutput(): Output {
  return { rows: [], count: 0, size: LIMITS.firstBatchRows }
}

/** Before the first batch of a run. */
export function restart(out: Output): void {
  out.size = LIMITS.firstBatchRows
  out.count = 0
}

/** Empties the batch for the next call and grows its target size. */
export function refill(out: Output): void {
  if (out.count > 0 && out.size < LIMITS.batchRows) out.size *= 2
  out.count = 0
}

export const done = (out: Output): Batch | null => (out.count > 0 ? out : null)

export function nullRow(width: number): Row {
  return new Array<null>(width).fill(null)
}
