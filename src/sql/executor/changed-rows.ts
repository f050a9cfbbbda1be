// Rows that changed between a statement's snapshot and the lock on them (READ COMMITTED): read again, put in the place of their old
// versions, and judged anew. PostgreSQL calls it EvalPlanQual.

import type { Row } from '../../base/datum.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import type { RowReader } from '../../storage/rows/row-codec.ts'
import { LOCK_SKIPPED, LOCKED_CHANGED, type LockResult, type Transaction } from '../../storage/store.ts'
import type { Predicate } from './expr/predicate.ts'
import { xminOf } from './system-columns.ts'

export interface RowSlot {
  readonly attnum: number
  readonly slot: number
}

/** Where the input rows carry what may change of the relation that is locked. */
export interface VersionSlots {
  readonly columns: readonly RowSlot[]
  /** Of xmin; 0 = not there. */
  readonly xmin: number
}

/** Input row `row` with the target's columns replaced by those of a newer version: decoded, and as it is stored. */
function withVersion(row: Row, version: Row, stored: Buffer, slots: VersionSlots): Row {
  const copy = row.slice()
  for (const { attnum, slot } of slots.columns) copy[slot - 1] = version[attnum - 1]!
  if (slots.xmin > 0) copy[slots.xmin - 1] = xminOf(stored)
  return copy
}

/**
 * The input rows that may go on, in place: `rows` holds them afterwards (with their newest versions), `keys` their keys. `txn` holds the locks that
 * `locked` tells of.
 */
export function keepLocked(
  rows: Row[],
  keys: Buffer[],
  txn: Transaction,
  locked: LockResult,
  slots: VersionSlots,
  reader: RowReader,
  recheck: Predicate | null,
  onChange: () => void,
): MaybePromise<void> {
  const { status } = locked
  let kept = 0
  const keep = (i: number, row: Row): void => {
    rows[kept] = row
    keys[kept++] = keys[i]!
  }
  const changed = (i: number): MaybePromise<void> =>
    andThen(txn.newest([keys[i]!]), ([value]) => {
      if (value == null) return undefined
      onChange()
      const row = withVersion(rows[i]!, reader.readPair(keys[i]!, value), value, slots)
      if (recheck === null) {
        keep(i, row)
        return undefined
      }
      return andThen(recheck.test(row), (still) => {
        if (still) keep(i, row)
      })
    })
  const from = (start: number): MaybePromise<void> => {
    for (let i = start; i < status.length; i++) {
      // Skipped, or deleted meanwhile: as if it had never been found.
      if (status[i]! >= LOCK_SKIPPED) continue
      if (status[i] !== LOCKED_CHANGED) {
        keep(i, rows[i]!)
        continue
      }
      const done = changed(i)
      if (done instanceof Promise) return done.then(() => from(i + 1))
    }
    rows.length = kept
    keys.length = kept
    return undefined
  }
  return from(0)
}
