// AND, OR, NOT, CASE, COALESCE and the tests for NULL and truth: what decides which of its arguments are evaluated at all. Each has a
// synchronous form and one that may wait, with the same order and the same laziness. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import type { BooleanTest } from '../../analyzer/expr.ts'
import { RecordDatum } from '../../types/record.ts'
import type { AsyncEvaluator } from '../operator.ts'
import { anyAsync, type Compiled, evaluator, sync, waiting } from './compiled.ts'

/** AND (`stop` false) and OR (`stop` true) from argument `from` on. */
function connect(evals: readonly AsyncEvaluator[], stop: boolean, row: Row, from: number, sawNull: boolean): MaybePromise<Datum> {
  let unknown = sawNull
  for (let i = from; i < evals.length; i++) {
    const value = evals[i]!(row)
    if (value instanceof Promise) {
      const before = unknown
      return value.then((v) => (v === stop ? stop : connect(evals, stop, row, i + 1, before || v === null)))
    }
    if (value === stop) return stop
    if (value === null) unknown = true
  }
  return unknown ? null : !stop
}

export function compileAndOr(args: readonly Compiled[], stop: boolean): Compiled {
  if (anyAsync(args)) {
    const evals = args.map((arg) => arg.eval)
    return waiting((row) => connect(evals, stop, row, 0, false))
  }
  const evals = args.map(evaluator)
  if (evals.length === 2) {
    const [f, g] = evals as [(row: Row) => Datum, (row: Row) => Datum]
    return sync((row) => {
      const a = f(row)
      if (a === stop) return stop
      const b = g(row)
      return b === stop ? stop : a === null || b === null ? null : !stop
    })
  }
  const n = evals.length
  return sync((row) => {
    let unknown = false
    for (let i = 0; i < n; i++) {
      const value = evals[i]!(row)
      if (value === stop) return stop
      if (value === null) unknown = true
    }
    return unknown ? null : !stop
  })
}

/** A step over one argument, in both forms. */
export function unary(arg: Compiled, step: (value: Datum) => Datum): Compiled {
  if (arg.async) return waiting((row) => andThen(arg.eval(row), step))
  const f = evaluator(arg)
  return sync((row) => step(f(row)))
}

export function compileNot(arg: Compiled): Compiled {
  if (arg.async) return unary(arg, (value) => (value === null ? null : value !== true))
  const f = evaluator(arg)
  return sync((row) => {
    const value = f(row)
    return value === null ? null : value !== true
  })
}

/** IS [NOT] NULL of a row value: every field NULL, or none. */
function rowTest(isNull: boolean): (value: Datum) => boolean {
  return (value) => {
    if (value === null) return isNull
    if (!(value instanceof RecordDatum)) return !isNull
    for (const field of value.values) if ((field === null) !== isNull) return false
    return true
  }
}

export function compileNullTest(arg: Compiled, isNull: boolean, argIsRow: boolean): Compiled {
  if (argIsRow) return unary(arg, rowTest(isNull))
  if (arg.slot >= 0) {
    const i = arg.slot
    return isNull ? sync((row) => row[i] === null) : sync((row) => row[i] !== null)
  }
  return unary(arg, (value) => (value === null) === isNull)
}

export function compileBooleanTest(arg: Compiled, test: BooleanTest['test']): Compiled {
  switch (test) {
    case 'true':
      return unary(arg, (value) => value === true)
    case 'not true':
      return unary(arg, (value) => value !== true)
    case 'false':
      return unary(arg, (value) => value === false)
    case 'not false':
      return unary(arg, (value) => value !== false)
    case 'unknown':
      return unary(arg, (value) => value === null)
    case 'not unknown':
      return unary(arg, (value) => value !== null)
  }
}

function chooseFrom(
  conditions: readonly AsyncEvaluator[],
  results: readonly AsyncEvaluator[],
  otherwise: AsyncEvaluator,
  row: Row,
  from: number,
): MaybePromise<Datum> {
  for (let i = from; i < conditions.length; i++) {
    const value = conditions[i]!(row)
    if (value instanceof Promise) {
      return value.then((v) => (v === true ? results[i]!(row) : chooseFrom(conditions, results, otherwise, row, i + 1)))
    }
    if (value === true) return results[i]!(row)
  }
  return otherwise(row)
}

/** The operand of a simple CASE, or the element of an array cast: where CaseTestExpr finds it. */
export interface TestCell {
  value: Datum
}

export function compileCase(
  operand: { arg: Compiled; cell: TestCell } | null,
  conditions: readonly Compiled[],
  results: readonly Compiled[],
  otherwise: Compiled,
): Compiled {
  const all = [...conditions, ...results, otherwise, ...(operand === null ? [] : [operand.arg])]
  if (anyAsync(all)) {
    const c = conditions.map((part) => part.eval)
    const r = results.map((part) => part.eval)
    const last = otherwise.eval
    if (operand === null) return waiting((row) => chooseFrom(c, r, last, row, 0))
    const { arg, cell } = operand
    return waiting((row) =>
      andThen(arg.eval(row), (value) => {
        cell.value = value
        return chooseFrom(c, r, last, row, 0)
      }),
    )
  }
  const c = conditions.map(evaluator)
  const r = results.map(evaluator)
  const last = evaluator(otherwise)
  const n = c.length
  const choose = (row: Row): Datum => {
    for (let i = 0; i < n; i++) if (c[i]!(row) === true) return r[i]!(row)
    return last(row)
  }
  if (operand === null) return sync(choose)
  const { cell } = operand
  const f = evaluator(operand.arg)
  return sync((row) => {
    cell.value = f(row)
    return choose(row)
  })
}

function coalesceFrom(evals: readonly AsyncEvaluator[], row: Row, from: number): MaybePromise<Datum> {
  for (let i = from; i < evals.length; i++) {
    const value = evals[i]!(row)
    if (value instanceof Promise) return value.then((v) => (v !== null ? v : coalesceFrom(evals, row, i + 1)))
    if (value !== null) return value
  }
  return null
}

export function compileCoalesce(args: readonly Compiled[]): Compiled {
  if (anyAsync(args)) {
    const evals = args.map((arg) => arg.eval)
    return waiting((row) => coalesceFrom(evals, row, 0))
  }
  const evals = args.map(evaluator)
  const n = evals.length
  return sync((row) => {
    for (let i = 0; i < n; i++) {
      const value = evals[i]!(row)
      if (value !== null) return value
    }
    return null
  })
}
