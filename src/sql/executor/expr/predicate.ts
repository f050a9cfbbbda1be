// Conditions and target lists over batches: the two things every node does with its rows. `instanceof Promise` is tested per batch unless
// an expression may wait. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { PlannedExpr } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import type { AsyncEvaluator, Evaluator } from '../operator.ts'
import { compileExpr } from './compile.ts'
import { anyAsync, type Compiled, evaluator } from './compiled.ts'
import { mayBeLong, rowsPatiently } from './patient.ts'
import type { ExprScope } from './scope.ts'

/** True when all conditions are true. */
export interface Predicate {
  readonly async: boolean
  test(row: Row): MaybePromise<boolean>
}

/** AND is a list of conditions where only "true" counts. */
function flatten(quals: readonly Expr[]): Expr[] {
  return quals.flatMap((qual) => (qual.kind === 'BoolExpr' && qual.op === 'and' ? flatten(qual.args) : [qual]))
}

function testFrom(evals: readonly AsyncEvaluator[], row: Row, from: number): MaybePromise<boolean> {
  for (let i = from; i < evals.length; i++) {
    const value = evals[i]!(row)
    if (value instanceof Promise) return value.then((v) => v === true && testFrom(evals, row, i + 1))
    if (value !== true) return false
  }
  return true
}

/** Null when there is nothing to check. */
export function compileQuals(quals: readonly Expr[], scope: ExprScope, cx: Compilation): Predicate | null {
  const parts = flatten(quals).map((qual) => compileExpr(qual, scope, cx))
  if (parts.length === 0) return null
  if (anyAsync(parts)) {
    const evals = parts.map((part) => part.eval)
    const test = (row: Row): MaybePromise<boolean> => testFrom(evals, row, 0)
    return { async: true, test: mayBeLong(quals, cx) ? rowsPatiently(test, cx) : test }
  }
  const test = conjunction(parts.map(evaluator))
  return mayBeLong(quals, cx) ? { async: true, test: rowsPatiently(test, cx) } : { async: false, test }
}

function conjunction(evals: readonly Evaluator[]): (row: Row) => boolean {
  if (evals.length === 1) {
    const f = evals[0]!
    return (row) => f(row) === true
  }
  if (evals.length === 2) {
    const [f, g] = evals as [Evaluator, Evaluator]
    return (row) => f(row) === true && g(row) === true
  }
  const n = evals.length
  return (row) => {
    for (let i = 0; i < n; i++) if (evals[i]!(row) !== true) return false
    return true
  }
}

/** Keeps the rows of `rows[0..count)` that pass, in place; answers how many. */
export function filterRows(predicate: Predicate, rows: Row[], count: number): MaybePromise<number> {
  if (predicate.async) return filterFrom(predicate, rows, count, 0, 0)
  const test = predicate.test as (row: Row) => boolean
  let kept = 0
  for (let i = 0; i < count; i++) {
    const row = rows[i]!
    if (test(row)) rows[kept++] = row
  }
  return kept
}

function filterFrom(predicate: Predicate, rows: Row[], count: number, from: number, kept: number): MaybePromise<number> {
  let passed = kept
  for (let i = from; i < count; i++) {
    const row = rows[i]!
    const ok = predicate.test(row)
    if (ok instanceof Promise) {
      const before = passed
      return ok.then((yes) => {
        if (yes) rows[before] = row
        return filterFrom(predicate, rows, count, i + 1, before + (yes ? 1 : 0))
      })
    }
    if (ok === true) rows[passed++] = row
  }
  return passed
}

/** A target list over one row. */
export interface Projector {
  readonly async: boolean
  project(row: Row): MaybePromise<Row>
  /** The output is the argument row itself. */
  readonly identity: boolean
}

function projectFrom(evals: readonly AsyncEvaluator[], row: Row, out: Datum[], from: number): MaybePromise<Row> {
  for (let i = from; i < evals.length; i++) {
    const value = evals[i]!(row)
    if (value instanceof Promise) {
      return value.then((v) => {
        out[i] = v
        return projectFrom(evals, row, out, i + 1)
      })
    }
    out[i] = value
  }
  return out
}

/** Slots only: no closure call per column. */
function pick(slots: readonly number[]): (row: Row) => Row {
  const n = slots.length
  const [a, b, c, d] = slots as [number, number, number, number]
  if (n === 1) return (row) => [row[a]!]
  if (n === 2) return (row) => [row[a]!, row[b]!]
  if (n === 3) return (row) => [row[a]!, row[b]!, row[c]!]
  if (n === 4) return (row) => [row[a]!, row[b]!, row[c]!, row[d]!]
  return (row) => {
    const out = new Array<Datum>(n)
    for (let i = 0; i < n; i++) out[i] = row[slots[i]!]!
    return out
  }
}

export function projectorOf(parts: readonly Compiled[], inputWidth: number): Projector {
  const n = parts.length
  if (anyAsync(parts)) {
    const evals = parts.map((part) => part.eval)
    return { async: true, identity: false, project: (row) => projectFrom(evals, row, new Array<Datum>(n), 0) }
  }
  if (n === inputWidth && parts.every((part, i) => part.slot === i)) return { async: false, identity: true, project: (row) => row }
  if (n > 0 && parts.every((part) => part.slot >= 0))
    return { async: false, identity: false, project: pick(parts.map((part) => part.slot)) }
  const evals = parts.map(evaluator)
  const [f, g, h] = evals as [Evaluator, Evaluator, Evaluator]
  if (n === 1) return { async: false, identity: false, project: (row) => [f(row)] }
  if (n === 2) return { async: false, identity: false, project: (row) => [f(row), g(row)] }
  if (n === 3) return { async: false, identity: false, project: (row) => [f(row), g(row), h(row)] }
  return {
    async: false,
    identity: false,
    project: (row) => {
      const out = new Array<Datum>(n)
      for (let i = 0; i < n; i++) out[i] = evals[i]!(row)
      return out
    },
  }
}

/** `inputWidth`: slots of the argument row, to recognise a projection that changes nothing; -1 = always make a new row. */
export function compileProjection(targetList: readonly TargetEntry[], scope: ExprScope, cx: Compilation, inputWidth = -1): Projector {
  const exprs = targetList.map((entry) => entry.expr)
  const projector = projectorOf(
    exprs.map((expr) => compileExpr(expr, scope, cx)),
    inputWidth,
  )
  return mayBeLong(exprs, cx) ? { async: true, identity: false, project: rowsPatiently(projector.project, cx) } : projector
}

export function compileList(exprs: readonly PlannedExpr[], scope: ExprScope, cx: Compilation): Compiled[] {
  return exprs.map((expr) => compileExpr(expr, scope, cx))
}

/** Projects `rows[0..count)` into `out`. */
export function projectRows(projector: Projector, rows: readonly Row[], count: number, out: Row[]): MaybePromise<void> {
  if (projector.async) return projectRowsFrom(projector, rows, count, out, 0)
  const project = projector.project as (row: Row) => Row
  for (let i = 0; i < count; i++) out[i] = project(rows[i]!)
  return undefined
}

function projectRowsFrom(projector: Projector, rows: readonly Row[], count: number, out: Row[], from: number): MaybePromise<void> {
  for (let i = from; i < count; i++) {
    const row = projector.project(rows[i]!)
    if (row instanceof Promise) {
      return row.then((r) => {
        out[i] = r
        return projectRowsFrom(projector, rows, count, out, i + 1)
      })
    }
    out[i] = row
  }
  return undefined
}
