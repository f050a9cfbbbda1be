// PointGet: one row at most, by a whole unique key. On a store that answers at once nothing here waits or builds more than the row. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { LONG } from '../../../base/long-work.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { makeSlicer } from '../../../base/slicer.ts'
import { rowKey } from '../../../storage/rows/keys.ts'
import { rowKeyInValue } from '../../../storage/rows/row-codec.ts'
import { uniqueKey } from '../../../storage/rows/table-reader.ts'
import type { PointGet } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { compileProjection, compileQuals, projectRow, testRow } from '../expr/predicate.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { fitKey } from '../key-bounds.ts'
import type { Batch, Operator } from '../operator.ts'
import { tableAccess } from '../table-layout.ts'
import { rawColumns, rawReader } from './scan-output.ts'

const NO_ROW: Row = []

export function compilePointGet(plan: PointGet, cx: Compilation, locksNext: boolean): Operator {
  const { state } = cx
  const access = tableAccess(plan.relation, cx)
  const { layout } = access
  const index = access.indexes.get(plan.index)!
  const raw = rawColumns([...plan.quals, ...plan.targetList.map((entry) => entry.expr)])
  const reader = rawReader(access, raw)
  const predicate = compileQuals(plan.quals, raw.scope, cx)
  const projector = compileProjection(plan.targetList, raw.scope, cx, raw.width)
  const keyExprs = plan.key.map((expr) => compileExpr(expr, ROW_SCOPE, cx))
  const columns = index.descriptor.columns
  const types = columns.map((column) => column.type)
  // The key's row form: expression columns of a unique index have no place in it, so their key parts are bound through a stand-in row.
  const ordinals = columns.map((column) => column.attnum - 1)
  const keyRow: Row = new Array<Datum>(layout.columns.length).fill(null)
  const batch: Batch = { rows: [NO_ROW], count: 1 }
  const slicer = makeSlicer(state)
  const counts = state.store.scanCounts(plan.index)
  let done = true

  const locate = (): Buffer | null => {
    if (index.layout === null) return rowKey(layout, keyRow, 0)
    return uniqueKey(layout, index.layout.predicate === null ? index.layout : { ...index.layout, predicate: null }, keyRow)
  }
  const answer = (row: Row): Batch => {
    batch.rows[0] = row
    batch.count = 1
    return batch
  }
  const project = (row: Row): MaybePromise<Batch | null> => {
    if (projector.identity) return answer(row)
    const projected = projectRow(projector, row)
    return projected instanceof Promise ? projected.then(answer) : answer(projected)
  }
  const decode = (key: Buffer, value: Buffer | null): MaybePromise<Batch | null> => {
    if (value === null) return null
    state.rowsExamined++
    counts.returned++
    counts.fetched++
    const row = reader.readPair(key, value)
    if (raw.withKey) row.push(key)
    if (raw.withTableOid) row.push(plan.relation)
    if (predicate === null) return project(row)
    const ok = testRow(predicate, row)
    if (ok instanceof Promise) return ok.then((yes) => (yes ? project(row) : null))
    return ok === true ? project(row) : null
  }
  const fetch = (key: Buffer): MaybePromise<Batch | null> => {
    const { txn } = state
    // A row that turns out not to be wanted must not stay locked.
    const value =
      locksNext && predicate === null && !state.store.autocommit && txn.getLocking !== undefined ? txn.getLocking(key) : txn.get(key)
    if (value instanceof Promise) return value.then((bytes) => decode(key, bytes))
    // What was copied of megabytes and what is made of them are two slices.
    const pause = value !== null && value.length > LONG ? slicer.pause() : null
    return pause === null ? decode(key, value) : pause.then(() => decode(key, value))
  }
  const byKey = (): MaybePromise<Batch | null> => {
    const key = locate()
    if (key === null) return null
    if (index.layout === null) return fetch(key)
    const entry = state.txn.get(key)
    if (entry instanceof Promise) return entry.then((value) => (value === null ? null : fetch(rowKeyInValue(layout, value))))
    return entry === null ? null : fetch(rowKeyInValue(layout, entry))
  }
  const bind = (from: number): MaybePromise<Batch | null> => {
    for (let i = from; i < keyExprs.length; i++) {
      const value = keyExprs[i]!.eval(NO_ROW)
      if (value instanceof Promise) return value.then((v): MaybePromise<Batch | null> => (set(i, v) ? bind(i + 1) : null))
      if (!set(i, value)) return null
    }
    return byKey()
  }
  /** False: no row can have this value. */
  const set = (i: number, value: Datum): boolean => {
    if (value === null) return false
    const fitted = fitKey(value, types[i]!)
    if (fitted === null) return false
    keyRow[ordinals[i]!] = fitted
    return true
  }
  return {
    open() {
      done = false
    },
    next() {
      if (done) return null
      done = true
      counts.scans++
      return bind(0)
    },
    close() {
      done = true
    },
  }
}
