// SeqScan and IndexScan: ranges of a table or of one of its indexes, as raw rows. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import type { ScanCounts } from '../../../catalog/table-activity.ts'
import { indexPrefix, rowKey, rowPrefix, rowRange } from '../../../storage/rows/keys.ts'
import { compileEntryReader, type RowReader } from '../../../storage/rows/row-codec.ts'
import { getRows, type RowBatch, type RowScanner, scanIndex, scanIndexOnly, scanTable } from '../../../storage/rows/table-reader.ts'
import type { KeyRange } from '../../../storage/store.ts'
import type { IndexCondition, IndexScan, SeqScan } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { compileExpr } from '../expr/compile.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { type BoundCondition, type KeyBounds, keyBounds } from '../key-bounds.ts'
import type { Operator } from '../operator.ts'
import { type TableAccess, tableAccess } from '../table-layout.ts'
import { type RawColumns, type RowSource, rawColumns, rawReader, scanOperator } from './scan-output.ts'

/** Rows read ahead by one batch of gets. */
export const GETS_PER_BATCH = 1024

/** Appends the junk columns a raw row carries behind its columns. */
export function finishRows(rows: Row[], keys: readonly Buffer[] | null, raw: RawColumns, tableOid: number): Row[] {
  if (!raw.withKey && !raw.withTableOid) return rows
  for (let i = 0; i < rows.length; i++) {
    if (raw.withKey) rows[i]!.push(keys![i]!)
    if (raw.withTableOid) rows[i]!.push(tableOid)
  }
  return rows
}

/** The rows there are of those that were asked for by key. */
export function presentRows(found: readonly (Row | null)[], keys: readonly Buffer[], raw: RawColumns, tableOid: number): Row[] {
  const rows: Row[] = []
  const present: Buffer[] = []
  for (let i = 0; i < found.length; i++) {
    const row = found[i]!
    if (row === null) continue
    rows.push(row)
    present.push(keys[i]!)
  }
  return finishRows(rows, present, raw, tableOid)
}

/** Several scanners one after the other. */
function rangesSource(open: () => MaybePromise<(() => RowScanner)[]>, raw: RawColumns, tableOid: number): RowSource {
  let pending: (() => RowScanner)[] = []
  let at = 0
  let scanner: RowScanner | null = null
  const take = (batch: RowBatch | null): MaybePromise<Row[] | null> => {
    if (batch !== null) return finishRows(batch.rows, batch.keys, raw, tableOid)
    scanner!.close()
    scanner = null
    return next()
  }
  const next = (): MaybePromise<Row[] | null> => {
    for (;;) {
      if (scanner === null) {
        if (at >= pending.length) return null
        scanner = pending[at++]!()
      }
      const batch = scanner.next()
      if (batch instanceof Promise) return batch.then(take)
      if (batch !== null) return finishRows(batch.rows, batch.keys, raw, tableOid)
      scanner.close()
      scanner = null
    }
  }
  return {
    open() {
      scanner?.close()
      scanner = null
      at = 0
      return andThen(open(), (list) => {
        pending = list
      })
    },
    next,
    close() {
      scanner?.close()
      scanner = null
      pending = []
      at = 0
    },
  }
}

/** The source, with what it is opened for and returns counted. */
function countedSource(source: RowSource, counts: ScanCounts, fetches: boolean): RowSource {
  const count = (rows: Row[] | null): Row[] | null => {
    if (rows === null) return rows
    counts.returned += rows.length
    if (fetches) counts.fetched += rows.length
    return rows
  }
  return {
    open() {
      counts.scans++
      return source.open()
    },
    next() {
      const rows = source.next()
      return rows instanceof Promise ? rows.then(count) : count(rows)
    },
    close: () => source.close(),
  }
}

export function compileSeqScan(plan: SeqScan, cx: Compilation): Operator {
  const access = tableAccess(plan.relation, cx)
  const raw = rawColumns([...plan.quals, ...plan.targetList.map((entry) => entry.expr)])
  const reader = rawReader(access, raw)
  const range = rowRange(access.layout.id)
  const options = { range, reverse: plan.backward, withKeys: raw.withKey }
  const source = rangesSource(() => [() => scanTable(cx.state.txn, reader, options)], raw, plan.relation)
  const counted = countedSource(source, cx.state.store.scanCounts(plan.relation), false)
  return scanOperator(counted, plan.quals, plan.targetList, raw, cx)
}

/** Computes the conditions' values; constant during the scan. */
export function compileBounds(
  conditions: readonly IndexCondition[],
  access: TableAccess,
  index: number,
  cx: Compilation,
): () => MaybePromise<KeyBounds> {
  const { descriptor, layout: indexLayout } = access.indexes.get(index)!
  const { layout } = access
  const primary = indexLayout === null
  const parts = primary ? layout.primaryKey! : indexLayout.parts
  const prefix = primary ? rowPrefix(layout.id) : indexPrefix(layout.id, indexLayout.id)
  const types = descriptor.columns.map((column) => column.type)
  const compiled = conditions.map((condition) => (condition.value === null ? null : compileExpr(condition.value, ROW_SCOPE, cx)))
  const values: Datum[] = conditions.map(() => null)
  const finish = (): KeyBounds => {
    const bound: BoundCondition[] = conditions.map((condition, i) => ({ column: condition.column, op: condition.op, value: values[i]! }))
    return keyBounds(bound, prefix, parts, types, primary)
  }
  const from = (start: number): MaybePromise<KeyBounds> => {
    for (let i = start; i < compiled.length; i++) {
      const expr = compiled[i]
      if (expr == null) continue
      const value = expr.eval([])
      if (value instanceof Promise) {
        return value.then((v) => {
          values[i] = v
          return from(i + 1)
        })
      }
      values[i] = value
    }
    return finish()
  }
  return () => from(0)
}

export function compileIndexScan(plan: IndexScan, cx: Compilation): Operator {
  const { state } = cx
  const access = tableAccess(plan.relation, cx)
  const { layout } = access
  const index = access.indexes.get(plan.index)!
  const raw = rawColumns([...plan.quals, ...plan.targetList.map((entry) => entry.expr)])
  const bounds = compileBounds(plan.conditions, access, plan.index, cx)
  const scan = (range: KeyRange): (() => RowScanner) => {
    const options = { range, reverse: plan.backward, withKeys: raw.withKey }
    if (index.layout === null) {
      return () => scanTable(state.txn, reader(), options)
    }
    const { layout: indexLayout } = index
    if (plan.indexOnly) {
      const entry = compileEntryReader(layout, indexLayout, raw.wanted)
      return () => scanIndexOnly(state.txn, entry, options)
    }
    return () => scanIndex(state.txn, layout, indexLayout, reader(), options)
  }
  let made: RowReader | null = null
  const reader = () => (made ??= rawReader(access, raw))
  // Many whole primary keys: gets instead of one scan each.
  const byKeys = plan.conditions.some((condition) => condition.op === 'any') && index.layout === null
  let keys: Buffer[] | null = null
  let keyAt = 0
  const scans = rangesSource(
    () =>
      andThen(bounds(), (found) => {
        keys = null
        keyAt = 0
        if (byKeys && found.complete) {
          keys = found.equals.map((equal) =>
            rowKey(
              layout,
              rowOfKey(
                layout.primaryKey!.map((part) => part.column),
                equal,
              ),
              0,
            ),
          )
          if (plan.backward) keys.reverse()
          return []
        }
        const ranges = plan.backward ? [...found.ranges].reverse() : found.ranges
        return ranges.map(scan)
      }),
    raw,
    plan.relation,
  )
  const source: RowSource = {
    open: () => scans.open(),
    next() {
      if (keys === null) return scans.next()
      if (keyAt >= keys.length) return null
      const chunk = keys.slice(keyAt, keyAt + GETS_PER_BATCH)
      keyAt += chunk.length
      return andThen(getRows(state.txn, reader(), chunk), (found) => presentRows(found, chunk, raw, plan.relation))
    },
    close() {
      keys = null
      scans.close()
    },
  }
  const counted = countedSource(source, state.store.scanCounts(plan.index), !plan.indexOnly)
  return scanOperator(counted, plan.quals, plan.targetList, raw, cx)
}

/** A row that holds only its key columns. */
export function rowOfKey(columns: readonly number[], values: readonly Datum[]): Row {
  const row: Row = []
  for (let i = 0; i < columns.length; i++) row[columns[i]!] = values[i]!
  return row
}
