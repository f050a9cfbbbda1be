// COPY FROM's rows on their way into the table: the columns it names in their places, defaults for the others, WHERE. // hot

import type { Datum, Row } from '../../base/datum.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { RelationDescriptor } from '../../catalog/descriptors.ts'
import type { AnalyzeContext } from '../../sql/analyzer/context.ts'
import { columnDefault } from '../../sql/analyzer/defaults.ts'
import type { Expr } from '../../sql/analyzer/expr.ts'
import { makeCompilation } from '../../sql/executor/compile.ts'
import { compileExpr } from '../../sql/executor/expr/compile.ts'
import type { Compiled } from '../../sql/executor/expr/compiled.ts'
import { ROW_SCOPE } from '../../sql/executor/expr/scope.ts'
import { bulkInsert } from '../../sql/executor/table-work.ts'
import type { Transaction } from '../../storage/store.ts'
import type { Session } from '../session.ts'

export interface CopyInsert {
  /** Values by position in the column list, and which of them ask for the column's default; answers how many rows went in. */
  rows(rows: readonly Row[], defaulted: readonly (Uint8Array | null)[]): MaybePromise<number>
  finish(): MaybePromise<void>
}

interface Default {
  readonly ordinal: number
  readonly value: Compiled
}

export function copyInsert(
  session: Session,
  relation: RelationDescriptor,
  attnums: readonly number[],
  where: Expr | null,
  txn: Transaction,
  context: AnalyzeContext,
): CopyInsert {
  const state = session.planning.execState(txn)
  state.store.autocommit = false
  const cx = makeCompilation(state, session.planning.compileOptions)
  const bulk = bulkInsert(relation.oid, cx)
  const width = relation.columns.length
  const condition = where === null ? null : compileExpr(where, ROW_SCOPE, cx)
  const defaultOf = (attnum: number): Default | null => {
    const expr = columnDefault(relation.columns[attnum - 1]!, context)
    return expr === null ? null : { ordinal: attnum - 1, value: compileExpr(expr, ROW_SCOPE, cx) }
  }
  const omitted: Default[] = []
  for (const column of relation.columns) {
    if (column.dropped || attnums.includes(column.attnum)) continue
    const made = defaultOf(column.attnum)
    if (made !== null) omitted.push(made)
  }
  const named = new Map<number, Default | null>()
  const namedDefault = (position: number): Default | null => {
    let made = named.get(position)
    if (made === undefined) {
      made = defaultOf(attnums[position]!)
      named.set(position, made)
    }
    return made
  }
  /** The columns are named in the table's own order: the values as they come are the row. */
  const inPlace = attnums.length === width && attnums.every((attnum, i) => attnum === i + 1)
  const mayWait = omitted.some((one) => one.value.async) || condition?.async === true

  /** Null: WHERE turned the row away. */
  const place = (values: Row, marks: Uint8Array | null): Row => {
    const full: Datum[] = new Array(width).fill(null)
    for (let i = 0; i < attnums.length; i++) full[attnums[i]! - 1] = values[i]!
    if (marks === null) return full
    for (let i = 0; i < attnums.length; i++) {
      const made = marks[i] === 1 ? namedDefault(i) : null
      if (made !== null && !made.value.async) full[made.ordinal] = made.value.eval(full) as Datum
    }
    return full
  }
  const placeWaiting = async (values: Row, marks: Uint8Array | null): Promise<Row | null> => {
    const full = place(values, marks)
    if (marks !== null) {
      for (let i = 0; i < attnums.length; i++) {
        const made = marks[i] === 1 ? namedDefault(i) : null
        if (made?.value.async) full[made.ordinal] = (await made.value.eval(full)) as Datum
      }
    }
    for (const { ordinal, value } of omitted) full[ordinal] = (await value.eval(full)) as Datum
    return condition === null || (await condition.eval(full)) === true ? full : null
  }
  return {
    rows(rows, defaulted) {
      const marked = defaulted.some((marks) => marks !== null)
      if (mayWait || marked) {
        return (async () => {
          const full: Row[] = []
          for (let i = 0; i < rows.length; i++) {
            const row = await placeWaiting(rows[i]!, defaulted[i] ?? null)
            if (row !== null) full.push(row)
          }
          if (full.length > 0) await bulk.add(full)
          return full.length
        })()
      }
      const full: Row[] = []
      for (let i = 0; i < rows.length; i++) {
        const row = inPlace ? rows[i]! : place(rows[i]!, null)
        for (let d = 0; d < omitted.length; d++) row[omitted[d]!.ordinal] = omitted[d]!.value.eval(row) as Datum
        if (condition !== null && condition.eval(row) !== true) continue
        full.push(row)
      }
      if (full.length === 0) return 0
      const added = bulk.add(full)
      return added instanceof Promise ? added.then(() => full.length) : full.length
    },
    finish: () => bulk.finish(),
  }
}
