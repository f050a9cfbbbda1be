// One row at a time from an input: `row` is the current one, null at the end. `advance` waits only when a batch has to be fetched. // hot

import type { Row } from '../../../base/datum.ts'
import type { Batch, Operator } from '../operator.ts'

export interface RowCursor {
  row: Row | null
  /** Undefined: done at once. */
  advance(): Promise<void> | undefined
  reset(): void
}

export function rowCursor(input: Operator): RowCursor {
  let rows: Row[] = []
  let count = 0
  let at = 0
  const take = (batch: Batch | null): void => {
    if (batch === null) {
      cursor.row = null
      count = 0
      at = 0
      return
    }
    rows = batch.rows
    count = batch.count
    at = 1
    cursor.row = rows[0]!
  }
  const cursor: RowCursor = {
    row: null,
    advance() {
      if (at < count) {
        cursor.row = rows[at++]!
        return undefined
      }
      const batch = input.next()
      if (batch instanceof Promise) return batch.then(take)
      take(batch)
      return undefined
    },
    reset() {
      cursor.row = null
      count = 0
      at = 0
    },
  }
  return cursor
}
