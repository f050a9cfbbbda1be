// What every scan of a stored table shares: which columns are decoded and where they stand in the raw row, then filter and projection. // hot

import type { Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { compileRowReader, type RowReader } from '../../../storage/rows/row-codec.ts'
import { type Expr, ROW_KEY_ATTNO, type TargetEntry } from '../../analyzer/expr.ts'
import { some } from '../../planner/expr-tree.ts'
import { SCAN_VAR, TABLE_OID_ATTNO } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileProjection, compileQuals, filterRows, projectRows } from '../expr/predicate.ts'
import { isQuiet } from '../expr/quiet.ts'
import type { ExprScope } from '../expr/scope.ts'
import type { Batch, Operator } from '../operator.ts'
import { checkSystemColumn, withSystemColumns } from '../system-columns.ts'
import { FULL_ROW_SCOPE, type TableAccess } from '../table-layout.ts'

/** The raw row of a scan: the wanted columns, then system columns, the row's key and the table's OID, as far as they are asked for. */
export interface RawColumns {
  /** Ordinals (attnum - 1) in slot order. */
  readonly wanted: readonly number[]
  /** attnos of system columns that the row itself tells. */
  readonly system: readonly number[]
  readonly withKey: boolean
  readonly withTableOid: boolean
  readonly width: number
  readonly scope: ExprScope
}

export function rawColumns(exprs: readonly Expr[]): RawColumns {
  const attnos = new Set<number>()
  // Not into the plans of sub-selects: their SCAN_VARs are of their own scans.
  for (const expr of exprs) {
    some(expr, (node) => {
      if (node.kind === 'Var' && node.varno === SCAN_VAR) attnos.add(node.attno)
      return false
    })
  }
  const wanted = [...attnos].filter((attno) => attno > 0).sort((a, b) => a - b)
  const withKey = attnos.has(ROW_KEY_ATTNO)
  const withTableOid = attnos.has(TABLE_OID_ATTNO)
  const system = [...attnos].filter((attno) => attno < 0 && attno !== ROW_KEY_ATTNO && attno !== TABLE_OID_ATTNO)
  for (const attno of system) checkSystemColumn(attno)
  const slots = new Map([...wanted, ...system].map((attno, slot) => [attno, slot]))
  let width = slots.size
  if (withKey) slots.set(ROW_KEY_ATTNO, width++)
  if (withTableOid) slots.set(TABLE_OID_ATTNO, width++)
  const scope: ExprScope = { ...FULL_ROW_SCOPE, slotOf: (_varno, attno) => slots.get(attno)! }
  return { wanted: wanted.map((attno) => attno - 1), system, withKey, withTableOid, width, scope }
}

/** Reads rows as `raw` describes them, up to their system columns. */
export const rawReader = (access: TableAccess, raw: RawColumns): RowReader =>
  withSystemColumns(compileRowReader(access.layout, raw.wanted), raw.system, access)

/** Where raw rows come from. `next` answers an array it will not touch again until its next call; null at the end. */
export interface RowSource {
  open(): MaybePromise<void>
  next(): MaybePromise<Row[] | null>
  close(): void
}

/** A source filtered and projected. */
export function scanOperator(
  source: RowSource,
  quals: readonly Expr[],
  targetList: readonly TargetEntry[],
  raw: RawColumns,
  cx: Compilation,
): Operator {
  const { state } = cx
  const predicate = compileQuals(quals, raw.scope, cx)
  const projector = compileProjection(targetList, raw.scope, cx, raw.width)
  const slicer = makeSlicer(state)
  const batch: Batch = { rows: [], count: 0 }
  const out: Row[] = []
  const quiet = isQuiet([...quals, ...targetList.map((entry) => entry.expr)], cx)
  let wanted: number | undefined
  /** Rows of the source that are worked off in portions, so that nothing is evaluated for rows nobody asks for. */
  let held: Row[] | null = null
  let at = 0
  const portion = (rows: Row[] | null): Row[] | null => {
    if (rows === null || wanted === undefined || rows.length <= wanted) return rows
    held = rows
    at = 0
    return more(rows)
  }
  const more = (rows: Row[]): Row[] => {
    const part = rows.slice(at, wanted === undefined ? rows.length : at + wanted)
    at += part.length
    if (at >= rows.length) held = null
    return part
  }
  const fetch = (): MaybePromise<Row[] | null> => {
    if (held !== null) return more(held)
    const rows = source.next()
    if (quiet || wanted === undefined) return rows
    return rows instanceof Promise ? rows.then(portion) : portion(rows)
  }

  const emit = (rows: Row[], count: number): MaybePromise<Batch> => {
    batch.count = count
    if (projector.identity) {
      batch.rows = rows
      return batch
    }
    const projected = projectRows(projector, rows, count, out)
    batch.rows = out
    return projected instanceof Promise ? projected.then(() => batch) : batch
  }
  const afterFilter = (rows: Row[], count: number): MaybePromise<Batch | null> => {
    if (count > 0) return emit(rows, count)
    const pause = slicer.pause()
    return pause === null ? next() : pause.then(next)
  }
  const take = (rows: Row[] | null): MaybePromise<Batch | null> => {
    if (rows === null) return null
    state.rowsExamined += rows.length
    if (predicate === null) return rows.length > 0 ? emit(rows, rows.length) : next()
    const kept = filterRows(predicate, rows, rows.length)
    return kept instanceof Promise ? kept.then((count) => afterFilter(rows, count)) : afterFilter(rows, kept)
  }
  const next = (): MaybePromise<Batch | null> => {
    for (;;) {
      const rows = fetch()
      if (rows instanceof Promise) return rows.then(take)
      if (rows === null) return null
      state.rowsExamined += rows.length
      if (predicate === null) {
        if (rows.length > 0) return emit(rows, rows.length)
        continue
      }
      const kept = filterRows(predicate, rows, rows.length)
      if (kept instanceof Promise) return kept.then((count) => afterFilter(rows, count))
      if (kept > 0) return emit(rows, kept)
      const pause = slicer.pause()
      if (pause !== null) return pause.then(next)
    }
  }
  return {
    open() {
      slicer.start()
      held = null
      return source.open()
    },
    next(max) {
      wanted = max
      return next()
    },
    close() {
      held = null
      source.close()
    },
  }
}
