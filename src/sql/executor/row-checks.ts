// What a row must be before it is written: generated columns computed, NOT NULL and CHECK held. PostgreSQL's errors, with the failing row.

import type { Datum, Row } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { provesNotNull, type RelationDescriptor } from '../../catalog/descriptors.ts'
import type { Expr } from '../analyzer/expr.ts'
import { overStored, type VirtualColumns, virtualColumns } from '../analyzer/virtual-columns.ts'
import { replace } from '../planner/expr-tree.ts'
import { TEXT_IO } from '../types/define.ts'
import type { Compilation } from './compilation.ts'
import { compileExpr } from './expr/compile.ts'
import type { Compiled } from './expr/compiled.ts'
import { FULL_ROW_SCOPE, readStored, typeSupport } from './table-layout.ts'

/** Characters of a value in an error's detail. */
const MAX_FIELD = 64

export interface RowChecks {
  /** Fills the row's generated columns and checks it; throws 23502, 23514. */
  check(row: Row): MaybePromise<void>
}

/** DETAIL of a row that is refused: `(1, null, abc)`, or of the columns that the user may read `(a, c) = (1, abc)`; nothing without any. */
export function failingRow(descriptor: RelationDescriptor, row: Row, cx: Compilation): { detail?: string } {
  const readable = cx.state.store.readableColumns(descriptor.oid)
  const columns = descriptor.columns.filter((column) => !column.dropped && readable?.has(column.attnum) !== false)
  if (columns.length === 0) return {}
  const names = readable === null ? '' : `(${columns.map((column) => column.name).join(', ')}) = `
  return { detail: `Failing row contains ${names}${describeColumns(columns, row, cx)}.` }
}

function describeColumns(columns: RelationDescriptor['columns'], row: Row, cx: Compilation): string {
  const fields: string[] = []
  for (const column of columns) {
    const value = row[column.attnum - 1]!
    if (column.generated === 'v') fields.push('virtual')
    else if (value === null || value === undefined) fields.push('null')
    else {
      const text = typeSupport(column.type, cx).output(value, TEXT_IO)
      fields.push(Buffer.byteLength(text) > MAX_FIELD ? `${Buffer.from(text).utf8Slice(0, MAX_FIELD)}...` : text)
    }
  }
  return `(${fields.join(', ')})`
}

export function relationFields(descriptor: RelationDescriptor, cx: Compilation): { schema?: string; table: string } {
  const schema = cx.catalog.namespace(descriptor.namespace)?.name
  return schema === undefined ? { table: descriptor.name } : { schema, table: descriptor.name }
}

const TABLEOID = -6

/** The one system column that a constraint may use is the same in every row. */
function ofRelation(expr: Expr, relation: Oid): Expr {
  return replace(expr, (e) =>
    e.kind === 'Var' && e.attno === TABLEOID
      ? { kind: 'Const', value: relation, type: e.type, typmod: -1, collation: 0, location: -1 }
      : undefined,
  )
}

/** 23502 of a row that is there. */
export function containsNulls(descriptor: RelationDescriptor, column: string, cx: Compilation): PgError {
  return new PgError(SQLSTATE.notNullViolation, `column "${column}" of relation "${descriptor.name}" contains null values`, {
    ...relationFields(descriptor, cx),
    column,
  })
}

/** 23514 of a row that is there. */
export function violatedBySomeRow(descriptor: RelationDescriptor, constraint: string, cx: Compilation): PgError {
  const message = `check constraint "${constraint}" of relation "${descriptor.name}" is violated by some row`
  return new PgError(SQLSTATE.checkViolation, message, { ...relationFields(descriptor, cx), constraint })
}

const virtualOf = (descriptor: RelationDescriptor, cx: Compilation): VirtualColumns | null =>
  virtualColumns(descriptor, (node) => readStored(node, cx))

/** An expression that the table keeps for its rows, over what is stored of one. */
export function compileRowExpr(
  expr: Expr,
  descriptor: RelationDescriptor,
  cx: Compilation,
  virtual: VirtualColumns | null = virtualOf(descriptor, cx),
): Compiled {
  return compileExpr(ofRelation(overStored(expr, virtual), descriptor.oid), FULL_ROW_SCOPE, cx)
}

/** `existing`: rows that ALTER TABLE writes anew. What nobody has validated they need not hold, and what they break is said of the table. */
export function compileRowChecks(descriptor: RelationDescriptor, cx: Compilation, existing = false): RowChecks {
  const virtual = virtualOf(descriptor, cx)
  const compile = (node: string) => compileRowExpr(readStored(node, cx), descriptor, cx, virtual)
  /** Slots of the stored columns that must not be NULL, and the expressions of the virtual ones. */
  const notNull: number[] = []
  const virtualNotNull: { slot: number; expr: Compiled }[] = []
  for (const column of descriptor.columns) {
    if (!(existing ? provesNotNull(column) : column.notNull) || column.dropped) continue
    if (column.generated !== 'v') notNull.push(column.attnum - 1)
    else if (column.default !== null) virtualNotNull.push({ slot: column.attnum - 1, expr: compile(column.default.expr) })
  }
  const generated = descriptor.columns
    .filter((column) => column.generated === 's' && !column.dropped && column.default !== null)
    .map((column) => ({ slot: column.attnum - 1, expr: compile(column.default!.expr) }))
  const checks = (descriptor.table?.constraints ?? [])
    .flatMap((constraint) => (constraint.type === 'c' && constraint.enforced && (constraint.validated || !existing) ? [constraint] : []))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
    .map((constraint) => ({ name: constraint.name, expr: compile(constraint.expr) }))

  const nullViolation = (slot: number, row: Row): PgError => {
    const column = descriptor.columns[slot]!.name
    if (existing) return containsNulls(descriptor, column, cx)
    return new PgError(
      SQLSTATE.notNullViolation,
      `null value in column "${column}" of relation "${descriptor.name}" violates not-null constraint`,
      { ...failingRow(descriptor, row, cx), ...relationFields(descriptor, cx), column },
    )
  }
  const checkViolation = (name: string, row: Row): PgError => {
    if (existing) return violatedBySomeRow(descriptor, name, cx)
    return new PgError(SQLSTATE.checkViolation, `new row for relation "${descriptor.name}" violates check constraint "${name}"`, {
      ...failingRow(descriptor, row, cx),
      ...relationFields(descriptor, cx),
      constraint: name,
    })
  }
  const virtualFrom = (row: Row, from: number): MaybePromise<void> => {
    for (let i = from; i < virtualNotNull.length; i++) {
      const { slot, expr } = virtualNotNull[i]!
      const value: MaybePromise<Datum> = expr.eval(row)
      if (value instanceof Promise) {
        return value.then((v) => {
          if (v === null) throw nullViolation(slot, row)
          return virtualFrom(row, i + 1)
        })
      }
      if (value === null) throw nullViolation(slot, row)
    }
    return checks.length === 0 ? undefined : checkFrom(row, 0)
  }
  const checkFrom = (row: Row, from: number): MaybePromise<void> => {
    for (let i = from; i < checks.length; i++) {
      const value = checks[i]!.expr.eval(row)
      if (value instanceof Promise) {
        return value.then((v) => {
          if (v === false) throw checkViolation(checks[i]!.name, row)
          return checkFrom(row, i + 1)
        })
      }
      if (value === false) throw checkViolation(checks[i]!.name, row)
    }
    return undefined
  }
  const generateFrom = (row: Row, from: number): MaybePromise<void> => {
    for (let i = from; i < generated.length; i++) {
      const { slot, expr } = generated[i]!
      const value: MaybePromise<Datum> = expr.eval(row)
      if (value instanceof Promise) {
        return value.then((v) => {
          row[slot] = v
          return generateFrom(row, i + 1)
        })
      }
      row[slot] = value
    }
    return undefined
  }
  const constraints = (row: Row): MaybePromise<void> => {
    for (let i = 0; i < notNull.length; i++) if (row[notNull[i]!] === null) throw nullViolation(notNull[i]!, row)
    if (virtualNotNull.length > 0) return virtualFrom(row, 0)
    return checks.length === 0 ? undefined : checkFrom(row, 0)
  }
  return {
    check(row) {
      if (generated.length === 0) return constraints(row)
      return andThen(generateFrom(row, 0), () => constraints(row))
    },
  }
}

/** Runs `check` over rows in order. */
export function checkRows(checks: RowChecks, rows: readonly Row[], from = 0): MaybePromise<void> {
  for (let i = from; i < rows.length; i++) {
    const checked = checks.check(rows[i]!)
    if (checked instanceof Promise) return checked.then(() => checkRows(checks, rows, i + 1))
  }
  return undefined
}
