// Work over all rows of a table that definitions need: index builds, rewrites, checks of constraints over existing rows, and bulk insertion
// (COPY, CREATE TABLE AS). Batched and cancellable; descriptors are given, not looked up: they may be newer than the catalogue's.

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LIMITS } from '../../base/limits.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ConstraintDescriptor, IndexDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { rowRange } from '../../storage/rows/keys.ts'
import type { IndexLayout, TableLayout } from '../../storage/rows/layout.ts'
import { compileRowReader } from '../../storage/rows/row-codec.ts'
import { type RowBatch, scanTable } from '../../storage/rows/table-reader.ts'
import { compileTableWriter } from '../../storage/rows/table-writer.ts'
import type { Expr } from '../analyzer/expr.ts'
import type { Plan } from '../planner/plan.ts'
import { type StoredValue, storedValue } from '../types/stored-value.ts'
import type { Compilation } from './compilation.ts'
import { findDuplicate } from './deferrable-unique.ts'
import { compileExpr } from './expr/compile.ts'
import { makeForeignKeys } from './foreign-keys.ts'
import { forEachRow } from './init-plan.ts'
import { compileRowChecks, compileRowExpr, containsNulls, violatedBySomeRow } from './row-checks.ts'
import { rowSize } from './row-size.ts'
import { accessOf, FULL_ROW_SCOPE, indexLayout, readStored, type TableAccess, typeSupport } from './table-layout.ts'
import { makeModifierSet } from './table-modifier.ts'

/** Full rows, and their keys where they were asked for; false ends early. */
type Visit = (rows: Row[], keys: Buffer[]) => MaybePromise<boolean | undefined>

/** All rows, batch by batch. */
async function eachBatch(access: TableAccess, cx: Compilation, visit: Visit, withKeys = false): Promise<void> {
  const { layout, descriptor } = access
  const kept = descriptor.columns.map((_, i) => i).filter((i) => !descriptor.columns[i]!.dropped)
  const reader = compileRowReader(layout, kept)
  const whole = kept.length === descriptor.columns.length
  const scanner = scanTable(cx.state.txn, reader, { range: rowRange(layout.id), withKeys })
  const slicer = makeSlicer(cx.state)
  slicer.start()
  const full = (row: Row): Row => {
    const wide: Datum[] = new Array(descriptor.columns.length).fill(null)
    for (let i = 0; i < kept.length; i++) wide[kept[i]!] = row[i]!
    return wide
  }
  try {
    for (;;) {
      const next = scanner.next()
      const batch: RowBatch | null = next instanceof Promise ? await next : next
      if (batch === null) return
      cx.state.rowsExamined += batch.rows.length
      const visited = visit(whole ? batch.rows : batch.rows.map(full), batch.keys ?? [])
      if ((visited instanceof Promise ? await visited : visited) === false) return
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
  } finally {
    scanner.close()
  }
}

/** CREATE INDEX's words for a duplicate. */
const duplicated =
  (index: IndexDescriptor, violation: (row: Row) => PgError) =>
  (row: Row): PgError => {
    const { fields } = violation(row)
    return new PgError(SQLSTATE.uniqueViolation, `could not create unique index "${index.name}"`, {
      ...fields,
      detail: (fields.detail ?? '').replace(/ already exists\.$/, ' is duplicated.'),
    })
  }

const inIndexWords = (index: IndexDescriptor, layout: IndexLayout): IndexLayout => ({
  ...layout,
  violation: duplicated(index, layout.violation),
})

/** A table whose rows are written anew: all its indexes are built. */
function builtLayout({ table, layout, indexes }: TableAccess): TableLayout {
  const words = new Map<IndexLayout, IndexLayout>()
  for (const index of indexes.values()) if (index.layout !== null) words.set(index.layout, inIndexWords(index.descriptor, index.layout))
  const primary = table.indexes.find((index) => index.oid === table.primaryKey)
  const { primaryKeyViolation } = layout
  return {
    ...layout,
    primaryKeyViolation: primary === undefined || primaryKeyViolation === null ? null : duplicated(primary, primaryKeyViolation),
    indexes: layout.indexes.map((index) => words.get(index) ?? index),
  }
}

/** Enters every row into a new index; 23505 in CREATE INDEX's words. */
export async function buildIndex(table: RelationDescriptor, index: IndexDescriptor, cx: Compilation): Promise<void> {
  const access = accessOf(table, cx)
  const inWords = inIndexWords(index, { ...indexLayout(index, table, cx), writes: true })
  const writer = compileTableWriter({ ...access.layout, indexes: [inWords] })
  const enter = async (rows: readonly Row[], keys: readonly Buffer[]): Promise<true> => {
    await writer.backfill(cx.state.txn, inWords, keys, rows)
    return true
  }
  await eachBatch(access, cx, enter, true)
  if (index.deferrable === true) await refuseDuplicates(access, inWords, cx)
}

/** A deferrable constraint's index takes duplicates; one that has all rows now must have none. */
async function refuseDuplicates(access: TableAccess, layout: IndexLayout, cx: Compilation): Promise<void> {
  await eachBatch(access, cx, async (rows) => {
    const duplicate = await findDuplicate(access.layout, layout, cx.state.txn, rows)
    if (duplicate !== null) throw duplicate
    return true
  })
}

/** Copies all rows into a new table id, columns without an expression as they are; checks and indexes included. */
export async function rewriteTable(
  from: RelationDescriptor,
  to: RelationDescriptor,
  values: readonly (Expr | null)[],
  cx: Compilation,
): Promise<void> {
  const source = accessOf(from, cx)
  const target = accessOf(to, cx)
  const writer = compileTableWriter(builtLayout(target))
  const checks = compileRowChecks(to, cx, true)
  const compiled = values.map((expr) => (expr === null ? null : compileRowExpr(expr, from, cx)))
  const width = to.columns.length
  await eachBatch(source, cx, async (rows) => {
    const made: Row[] = []
    for (const row of rows) {
      const next: Datum[] = new Array(width).fill(null)
      for (let i = 0; i < width; i++) {
        const value = compiled[i]
        if (value === null || value === undefined) next[i] = to.columns[i]!.dropped ? null : (row[i] ?? null)
        else {
          const computed = value.eval(row)
          next[i] = computed instanceof Promise ? await computed : computed
        }
      }
      await checks.check(next)
      made.push(next)
    }
    const ids = target.layout.primaryKey === null ? await cx.state.store.rowIds(target.layout.id, made.length) : null
    await writer.insert(cx.state.txn, made, ids)
    return true
  })
  for (const { descriptor, layout } of target.indexes.values())
    if (descriptor.deferrable === true) await refuseDuplicates(target, inIndexWords(descriptor, layout!), cx)
}

/** 23514 when a row violates the check. */
export async function validateCheck(table: RelationDescriptor, constraint: ConstraintDescriptor, cx: Compilation): Promise<void> {
  if (constraint.type !== 'c') return
  const check = compileRowExpr(readStored(constraint.expr, cx), table, cx)
  await eachBatch(accessOf(table, cx), cx, async (rows) => {
    for (const row of rows) {
      const value = check.eval(row)
      if ((value instanceof Promise ? await value : value) === false) {
        throw violatedBySomeRow(table, constraint.name, cx)
      }
    }
    return true
  })
}

/** 23502 when a row has a NULL in one of the columns. */
export async function validateNotNull(table: RelationDescriptor, attnums: readonly number[], cx: Compilation): Promise<void> {
  const columns = attnums.map((attnum) => {
    const column = table.columns[attnum - 1]!
    const computed = column.generated === 'v' ? compileRowExpr(readStored(column.default!.expr, cx), table, cx) : null
    return { column, computed }
  })
  await eachBatch(accessOf(table, cx), cx, async (rows) => {
    for (const row of rows) {
      for (const { column, computed } of columns) {
        const value = computed === null ? row[column.attnum - 1]! : computed.eval(row)
        if ((value instanceof Promise ? await value : value) !== null) continue
        throw containsNulls(table, column.name, cx)
      }
    }
    return true
  })
}

/** 23503 when a row refers to a key that is not there. */
export async function validateForeignKey(table: RelationDescriptor, constraint: ConstraintDescriptor, cx: Compilation): Promise<void> {
  if (constraint.type !== 'f') return
  const own = { ...constraint, deferrable: false, deferred: false }
  const alone: RelationDescriptor = { ...table, table: { ...table.table!, constraints: [own], inboundForeignKeys: [] } }
  const access = accessOf(alone, cx)
  const keys = makeForeignKeys(access, cx, makeModifierSet(cx))
  if (keys === null) return
  const look = async (rows: readonly Row[], rowKeys: readonly Buffer[]): Promise<true> => {
    await keys.inserted(rowKeys, rows)
    await keys.settle()
    return true
  }
  await eachBatch(access, cx, look, true)
}

export async function isEmpty(table: RelationDescriptor, cx: Compilation): Promise<boolean> {
  const scanner = cx.state.txn.scan(rowRange(table.table!.id), { limit: 1, keysOnly: true })
  try {
    return (await scanner.next()) === null
  } finally {
    scanner.close()
  }
}

/** A constant expression's value; undefined when it is not constant. */
export async function constantValue(expr: Expr, cx: Compilation): Promise<{ value: StoredValue | null } | undefined> {
  const compiled = compileExpr(expr, FULL_ROW_SCOPE, cx)
  if (compiled.async) return undefined
  const value = compiled.eval([])
  const datum = value instanceof Promise ? await value : value
  return { value: datum === null ? null : storedValue(datum, expr.type, typeSupport(expr.type, cx)) }
}

export interface BulkInsert {
  /** Full rows: one value per column of the descriptor, by attnum - 1. // hot */
  add(rows: readonly Row[]): MaybePromise<void>
  /** Foreign keys that waited for all rows. */
  finish(): MaybePromise<void>
}

/** Rows into a table as fast as they come, with everything INSERT checks. */
export function bulkInsert(relation: Oid, cx: Compilation): BulkInsert {
  const set = makeModifierSet(cx)
  const modifier = set.of(relation)
  cx.state.txn.lockTimeoutMs = cx.state.store.lockTimeoutMs
  return {
    add(rows) {
      const written = modifier.insert(rows)
      return written instanceof Promise ? written.then(() => undefined) : undefined
    },
    finish: () => set.finish(),
  }
}

/** A planned query's rows into a table, columns in order; answers how many. */
export async function insertPlan(plan: Plan, columns: readonly number[], into: Oid, cx: Compilation): Promise<number> {
  const bulk = bulkInsert(into, cx)
  const width = cx.catalog.relation(into)!.columns.length
  let pending: Row[] = []
  let bytes = 0
  let count = 0
  await forEachRow(cx.compile(plan), cx.state, (row) => {
    const full: Datum[] = new Array(width).fill(null)
    for (let i = 0; i < columns.length; i++) full[columns[i]! - 1] = row[i]!
    pending.push(full)
    bytes += rowSize(full)
    count++
    if (pending.length < LIMITS.batchRows && bytes < LIMITS.batchBytes) return true
    const rows = pending
    pending = []
    bytes = 0
    const added = bulk.add(rows)
    return added instanceof Promise ? added.then(() => true) : true
  })
  if (pending.length > 0) await bulk.add(pending)
  await bulk.finish()
  return count
}
