// Row constructors, their fields, and comparisons of rows.

import type { Datum } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { FieldSelect, FieldStore, RowCompareExpr, RowExpr } from '../../analyzer/expr.ts'
import { PgRecord, type RecordShape } from '../../types/record-value.ts'
import { crossCompare } from '../comparison.ts'
import type { CompileContext } from '../compile-context.ts'
import { type Compiled, eager } from './compiled.ts'
import { unary } from './logic.ts'

export const RECORD = 2249

/** The shape of a named composite type, asked for when it is first needed. */
export function compositeShape(cx: CompileContext, type: Oid): () => RecordShape {
  let shape: RecordShape | null = null
  return () => {
    if (shape === null) {
      const columns = cx.state.ctx.catalog.compositeColumns(type)
      shape = {
        type,
        names: columns.map((column) => column.name),
        types: columns.map((column) => column.type),
        typmods: columns.map((column) => column.typmod),
      }
    }
    return shape
  }
}

export function compileRow(cx: CompileContext, e: RowExpr, args: readonly Compiled[]): Compiled {
  if (e.type !== RECORD) {
    const shape = compositeShape(cx, e.type)
    return eager(args, (values) => new PgRecord(shape(), values))
  }
  const shape: RecordShape = {
    type: RECORD,
    names: e.colNames ?? e.args.map((_, i) => `f${i + 1}`),
    types: e.args.map((arg) => arg.type),
    typmods: e.args.map((arg) => arg.typmod),
  }
  return eager(args, (values) => new PgRecord(shape, values))
}

export function compileFieldSelect(e: FieldSelect, arg: Compiled): Compiled {
  const i = e.fieldNum - 1
  return unary(arg, (value) => {
    if (value === null) return null
    const record = value as PgRecord
    if (i >= record.values.length) throw new PgError(SQLSTATE.datatypeMismatch, `attribute ${e.fieldNum} of type record does not exist`)
    return record.values[i]!
  })
}

export function compileFieldStore(cx: CompileContext, e: FieldStore, arg: Compiled, newValues: readonly Compiled[]): Compiled {
  const shape = compositeShape(cx, e.type)
  return eager([arg, ...newValues], ([old, ...values]) => {
    const fields: Datum[] = old === null ? shape().names.map(() => null) : [...(old as PgRecord).values]
    for (let i = 0; i < values.length; i++) fields[e.fieldNums[i]! - 1] = values[i]!
    return new PgRecord(shape(), fields)
  })
}

/** (a, b) < (c, d): the first pair that differs decides; a NULL met before makes it unknown. */
export function compileRowCompare(cx: CompileContext, e: RowCompareExpr, left: readonly Compiled[], right: readonly Compiled[]): Compiled {
  const n = left.length
  const compares = e.opNos.map((op, i) => crossCompare(cx, op, e.largs[i]!.type, e.rargs[i]!.type, e.inputCollations[i] ?? 0))
  const decide: (order: number) => boolean =
    e.op === '<' ? (o) => o < 0 : e.op === '<=' ? (o) => o <= 0 : e.op === '>' ? (o) => o > 0 : (o) => o >= 0
  return eager([...left, ...right], (values) => {
    for (let i = 0; i < n; i++) {
      const a = values[i]!
      const b = values[n + i]!
      if (a === null || b === null) return null
      const order = compares[i]!(a, b)
      if (order !== 0) return decide(order)
    }
    return decide(0)
  })
}

/** A value of one composite type read as another: columns by name. */
export function compileConvertRowtype(cx: CompileContext, type: Oid, arg: Compiled): Compiled {
  const shape = compositeShape(cx, type)
  return unary(arg, (value) => {
    if (value === null) return null
    const record = value as PgRecord
    const target = shape()
    return new PgRecord(
      target,
      target.names.map((name) => record.values[record.shape.names.indexOf(name)] ?? null),
    )
  })
}
