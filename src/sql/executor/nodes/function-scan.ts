// FunctionScan: the rows of one or more functions side by side (ROWS FROM), shorter ones filled with NULL, with an ordinal at the end if
// asked for. Composite results are spread over their columns.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import type { Oid } from '../../../base/ids.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import { findBody } from '../../functions/registry.ts'
import type { FunctionScan } from '../../planner/plan.ts'
import { RecordDatum, type RowType } from '../../types/record.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from '../expr/call.ts'
import { compileExpr } from '../expr/compile.ts'
import { RECORD } from '../expr/record.ts'
import { ROW_SCOPE } from '../expr/scope.ts'
import { compileSetCall, setCallOf } from '../expr/set-returning.ts'
import type { Batch, Operator } from '../operator.ts'
import { done, makeOutput, refill, restart } from './batches.ts'
import { filterProject } from './filter-project.ts'

interface Column {
  readonly start: (row: Row) => MaybePromise<Iterable<Datum>>
  readonly composite: boolean
  readonly width: number
}

function mismatch(returned: number, wanted: number): PgError {
  return new PgError(SQLSTATE.datatypeMismatch, 'function return row and query-specified return row do not match', {
    detail: `Returned row contains ${returned} attribute${returned === 1 ? '' : 's'}, but query expects ${wanted}.`,
  })
}

/** Puts one function's row into columns [at, at + width). */
function spread(value: Datum, row: Row, at: number, { composite, width }: Column): void {
  if (!composite) {
    row[at] = value
    return
  }
  const values = value === null ? null : value instanceof RecordDatum ? value.values : (value as readonly Datum[])
  if (values !== null && values.length !== width) throw mismatch(values.length, width)
  for (let i = 0; i < width; i++) row[at + i] = values === null ? null : values[i]!
}

/** The row that a column definition list (or OUT parameters) gives a function that returns record. */
function definedRow({ columnTypes, columnTypmods, columnNames }: FunctionScan['functions'][number], cx: Compilation): RowType {
  const fields = columnTypes.map((type, i) => ({
    name: columnNames[i]!,
    type,
    typmod: columnTypmods[i]!,
    support: cx.state.ctx.catalog.typeSupport(type),
  }))
  return { type: RECORD, fields }
}

const isBuiltin = (cx: Compilation, funcId: Oid): boolean => findBody(procOf(cx, funcId)) !== undefined

export function compileFunctionScan(plan: FunctionScan, cx: Compilation): Operator {
  const columns: Column[] = plan.functions.map((source) => {
    const { expr, columnCount } = source
    const call = setCallOf(expr)
    const composite = expr.type === RECORD || cx.catalog.type(expr.type)?.typtype === 'c'
    const defined = expr.type === RECORD ? definedRow(source, cx) : null
    if (call !== null) return { start: compileSetCall(call, ROW_SCOPE, cx, defined), composite, width: columnCount }
    if (defined !== null && expr.kind === 'FuncExpr' && isBuiltin(cx, expr.funcId))
      return { start: compileSetCall(expr, ROW_SCOPE, cx, defined), composite, width: columnCount }
    const scalar = compileExpr(expr, ROW_SCOPE, cx).eval
    return { start: (row) => andThen(scalar(row), (value) => [value]), composite, width: columnCount }
  })
  const width = columns.reduce((sum, column) => sum + column.width, 0)
  const total = width + (plan.ordinality ? 1 : 0)
  const out = makeOutput()
  let iterators: (Iterator<Datum> | null)[] | null = null
  let ordinal = 0

  const start = (from: number, started: (Iterator<Datum> | null)[]): MaybePromise<void> => {
    for (let i = from; i < columns.length; i++) {
      const rows = columns[i]!.start([])
      if (rows instanceof Promise) {
        return rows.then((r) => {
          started.push(r[Symbol.iterator]())
          return start(i + 1, started)
        })
      }
      started.push(rows[Symbol.iterator]())
    }
    iterators = started
    return undefined
  }

  const step = (): Row | null => {
    const row = new Array<Datum>(total).fill(null)
    let any = false
    let at = 0
    for (let i = 0; i < columns.length; i++) {
      const iterator = iterators![i]!
      if (iterator !== null) {
        const item = iterator.next()
        if (item.done === true) iterators![i] = null
        else {
          any = true
          spread(item.value, row, at, columns[i]!)
        }
      }
      at += columns[i]!.width
    }
    if (!any) return null
    if (plan.ordinality) row[width] = ++ordinal
    return row
  }

  const fill = (): Batch | null => {
    if (columns.length === 1 && !columns[0]!.composite && !plan.ordinality) {
      const iterator = iterators![0]!
      if (iterator === null) return null
      while (out.count < out.size) {
        const item = iterator.next()
        if (item.done === true) {
          iterators![0] = null
          break
        }
        out.rows[out.count++] = [item.value]
      }
      return done(out)
    }
    while (out.count < out.size) {
      const row = step()
      if (row === null) break
      out.rows[out.count++] = row
    }
    return done(out)
  }

  const scan: Operator = {
    open() {
      restart(out)
      iterators = null
      ordinal = 0
    },
    next(max) {
      cx.state.cancel.check()
      refill(out, max)
      if (iterators !== null) return fill()
      return andThen(start(0, []), fill)
    },
    close() {
      iterators = columns.map(() => null)
    },
  }
  return filterProject(scan, plan.quals, plan.targetList, ROW_SCOPE, cx, total)
}
