// What the data-modifying nodes share: scopes for RETURNING, locking with re-checks, old versions from input rows.

import type { Datum, Row } from '../../../base/datum.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import type { IndexLayout, TableLayout } from '../../../storage/rows/layout.ts'
import { lockRows } from '../../../storage/rows/locks.ts'
import { uniqueKey } from '../../../storage/rows/table-reader.ts'
import { INNER_VAR, type ModifyTable, NEW_VAR, SCAN_VAR } from '../../planner/plan.ts'
import { keepLocked, type VersionSlots } from '../changed-rows.ts'
import type { Compilation } from '../compilation.ts'
import { compileQuals, type Predicate } from '../expr/predicate.ts'
import { type ExprScope, ROW_SCOPE, type RowHolder } from '../expr/scope.ts'
import type { TableModifier } from '../modifier-set.ts'
import type { PartKeys } from '../statement-writes.ts'

export const NO_ROW: Row = []

/** RETURNING and check options: the argument row is the input's, the table's rows are in holders. */
export interface TargetScope {
  readonly scope: ExprScope
  readonly current: RowHolder
  readonly old: RowHolder
  readonly fresh: RowHolder
}

export function targetScope(): TargetScope {
  const current: RowHolder = { row: NO_ROW }
  const old: RowHolder = { row: NO_ROW }
  const fresh: RowHolder = { row: NO_ROW }
  const holders = new Map([
    [SCAN_VAR, current],
    [INNER_VAR, old],
    [NEW_VAR, fresh],
  ])
  return { scope: { holders }, current, old, fresh }
}

/** One row written: what RETURNING may look at. */
export interface Change {
  readonly input: Row
  readonly old: Row | null
  readonly fresh: Row | null
}

export interface ModifyContext {
  readonly plan: ModifyTable
  readonly cx: Compilation
  readonly modifier: TableModifier
  /**
   * Writes `rows` rows: now, or with what the statement's other parts write when all have read. Throws 44000 for one of `fresh`, when they are
   * written, that the view they were written through would not show.
   */
  write(rows: number, work: () => MaybePromise<unknown>, fresh: readonly Row[]): MaybePromise<void>
  /** Unique keys of rows inserted but not written yet (WITH that writes); null where rows are written at once. */
  readonly inserts: PartKeys | null
  /** Keys of rows that this statement has changed; null where one row cannot come twice. */
  readonly seen: SeenKeys | null
}

export interface SeenKeys {
  /** Notes the key; false if it was there. */
  add(key: string): boolean
  has(key: string): boolean
  clear(): void
}

/** The row's keys in the unique indexes given (null = the primary key). */
export function uniqueKeys(layout: TableLayout, indexes: readonly (IndexLayout | null)[], row: Row): string[] {
  return indexes.flatMap((index) => uniqueKey(layout, index, row)?.latin1Slice() ?? [])
}

/** ON CONFLICT of the statement's other parts is to see these rows, which are not written yet. */
export function noteInserts({ inserts, modifier }: ModifyContext, rows: readonly Row[]): void {
  if (inserts === null) return
  const { layout } = modifier.access
  const indexes = [...(layout.primaryKey === null ? [] : [null]), ...layout.indexes.filter((index) => index.unique)]
  for (const row of rows) for (const key of uniqueKeys(layout, indexes, row)) inserts.own.add(key)
}

/** Calls `fn` on each row in order. */
export function eachRow(rows: readonly Row[], fn: (row: Row, i: number) => MaybePromise<void>, from = 0): MaybePromise<void> {
  for (let i = from; i < rows.length; i++) {
    const done = fn(rows[i]!, i)
    if (done instanceof Promise) return done.then(() => eachRow(rows, fn, i + 1))
  }
  return undefined
}

/** Thrown inside ModifyTable only. */
export const RESTART = Symbol('restart')

export interface Locking {
  /** Locks the rows and drops from the lists those that are gone or no longer meet the conditions. */
  lock(rows: Row[], keys: Buffer[], mode: WriteLock): MaybePromise<void>
}
export type WriteLock = 'no key update' | 'removal'

export function compileLocking(context: ModifyContext): Locking {
  const { plan, cx, modifier } = context
  const { state } = cx
  const recheck: Predicate | null = compileQuals(plan.recheck, ROW_SCOPE, cx)
  const slots: VersionSlots = { columns: plan.rowSlots, xmin: plan.xminSlot }
  return {
    lock(rows, keys, mode) {
      const { txn, store } = state
      if (store.autocommit || keys.length === 0) return undefined
      const locked = lockRows(txn, store.capabilities, keys, mode, { wait: 'block', timeoutMs: store.lockTimeoutMs })
      return andThen(locked, (result) =>
        keepLocked(rows, keys, txn, result, slots, modifier.reader, recheck, () => {
          if (plan.restartOnChange) throw RESTART
        }),
      )
    },
  }
}

export function oldRow(row: Row, width: number, slots: ModifyTable['rowSlots']): Row {
  const old: Datum[] = new Array(width).fill(null)
  for (let i = 0; i < slots.length; i++) old[slots[i]!.attnum - 1] = row[slots[i]!.slot - 1]!
  return old
}
