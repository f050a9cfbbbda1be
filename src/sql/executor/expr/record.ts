// Row constructors, their fields, and comparisons of rows.

import type { Datum } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { FieldSelect, FieldStore, RowCompareExpr, RowExpr } from '../../analyzer/expr.ts'
import { fieldIndex, RecordDatum, type RowType } from '../../types/record.ts'
import { crossCompare, supportOf } from '../comparison.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, eager } from './compiled.ts'
import { type TestCell, unary } from './logic.ts'

export const RECORD = 2249

/** The shape of a named composite type, asked for when it is first needed. */
export function compositeShape(cx: Compilation, type: Oid): () => RowType {
  let shape: RowType | null = null
  return () => {
    if (shape === null) {
      const columns = cx.state.ctx.catalog.compositeColumns(type)
      shape = {
        type,
        fields: columns.map(({ name, type, typmod, attnum }) => ({ name, type, typmod, attnum, support: supportOf(cx, type) })),
      }
    }
    return shape
  }
}

export function compileRow(cx: Compilation, e: RowExpr, args: readonly Compiled[]): Compiled {
  if (e.type !== RECORD) {
    const shape = compositeShape(cx, e.type)
    return eager(args, (values) => new RecordDatum(shape(), values))
  }
  let shape: RowType | null = null
  const anonymous = (): RowType => ({
    type: RECORD,
    fields: e.args.map((arg, i) => ({
      name: e.colNames?.[i] ?? `f${i + 1}`,
      type: arg.type,
      typmod: arg.typmod,
      support: supportOf(cx, arg.type),
    })),
  })
  return eager(args, (values) => new RecordDatum((shape ??= anonymous()), values))
}

export function compileFieldSelect(e: FieldSelect, arg: Compiled): Compiled {
  return unary(arg, (value) => {
    if (value === null) return null
    const record = value as RecordDatum
    const i = fieldIndex(record.rowType, e.fieldNum)
    if (i < 0) throw new PgError(SQLSTATE.datatypeMismatch, `attribute ${e.fieldNum} of type record does not exist`)
    return record.values[i]!
  })
}

/** `oldFields`: where a new value that is itself an assignment to a part finds the old field. */
export function compileFieldStore(
  cx: Compilation,
  e: FieldStore,
  arg: Compiled,
  newValues: readonly Compiled[],
  oldFields: readonly TestCell[],
): Compiled {
  const shape = compositeShape(cx, e.type)
  const container = unary(arg, (old) => {
    for (let i = 0; i < oldFields.length; i++)
      oldFields[i]!.value = old === null ? null : (old as RecordDatum).values[fieldIndex(shape(), e.fieldNums[i]!)]!
    return old
  })
  return eager([container, ...newValues], ([old, ...values]) => {
    const fields: Datum[] = old === null ? shape().fields.map(() => null) : [...(old as RecordDatum).values]
    for (let i = 0; i < values.length; i++) fields[fieldIndex(shape(), e.fieldNums[i]!)] = values[i]!
    return new RecordDatum(shape(), fields)
  })
}

/** (a, b) < (c, d): the first pair that differs decides; a NULL met before makes it unknown. */
export function compileRowCompare(cx: Compilation, e: RowCompareExpr, left: readonly Compiled[], right: readonly Compiled[]): Compiled {
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
export function compileConvertRowtype(cx: Compilation, type: Oid, arg: Compiled): Compiled {
  const shape = compositeShape(cx, type)
  return unary(arg, (value) => {
    if (value === null) return null
    const record = value as RecordDatum
    const target = shape()
    return new RecordDatum(
      target,
      target.fields.map(({ name }) => record.values[record.rowType.fields.findIndex((field) => field.name === name)] ?? null),
    )
  })
}
