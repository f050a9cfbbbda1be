// Conditions and target lists over batches: the two things every node does with its rows. `instanceof Promise` is tested per batch unless
// an expression may wait. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import { hastily } from '../../../base/long-work.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Expr, TargetEntry } from '../../analyzer/expr.ts'
import type { PlannedExpr } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import type { AsyncEvaluator, Evaluator } from '../operator.ts'
import { compileExpr } from './compile.ts'
import { anyAsync, type Compiled, evaluator } from './compiled.ts'
import { areDear, isEasy, mayRepeat, rowsPatiently } from './patient.ts'
import type { ExprScope } from './scope.ts'

/** True when all conditions are true. */
export interface Predicate {
  readonly async: boolean
  test(row: Row): MaybePromise<boolean>
  /** `test` that waits for long work; null where it cannot, or where `test` does so itself. */
  readonly testPatiently: ((row: Row) => MaybePromise<boolean>) | null
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
  const now = anyAsync(parts) ? null : conjunction(parts.map(evaluator))
  const evals = parts.map((part) => part.eval)
  const test = now ?? ((row: Row): MaybePromise<boolean> => testFrom(evals, row, 0))
  const testPatiently = quals.every((qual) => mayRepeat(qual, cx)) ? rowsPatiently(test, cx) : null
  if (now === null || (testPatiently !== null && areDear(quals, cx)))
    return { async: true, test: testPatiently ?? test, testPatiently: null }
  return { async: false, test, testPatiently }
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

/** How far a batch has come. */
interface Progress {
  at: number
  kept: number
}

/** Keeps the rows of `rows[0..count)` that pass, in place; answers how many. */
export function filterRows(predicate: Predicate, rows: Row[], count: number): MaybePromise<number> {
  if (predicate.async) return filterFrom(predicate.test, rows, count, 0, 0)
  const test = predicate.test as (row: Row) => boolean
  const { testPatiently } = predicate
  if (testPatiently === null) return filterNow(test, rows, count, null)
  const progress: Progress = { at: 0, kept: 0 }
  const done = hastily(() => filterNow(test, rows, count, progress), undefined)
  return done ? progress.kept : filterFrom(testPatiently, rows, count, progress.at, progress.kept)
}

function filterNow(test: (row: Row) => boolean, rows: Row[], count: number, progress: Progress | null): number {
  let kept = 0
  let i = 0
  try {
    for (; i < count; i++) {
      const row = rows[i]!
      if (test(row)) rows[kept++] = row
    }
    return kept
  } finally {
    if (progress !== null) {
      progress.at = i
      progress.kept = kept
    }
  }
}

function filterFrom(
  test: (row: Row) => MaybePromise<boolean>,
  rows: Row[],
  count: number,
  from: number,
  kept: number,
): MaybePromise<number> {
  let passed = kept
  for (let i = from; i < count; i++) {
    const row = rows[i]!
    const ok = test(row)
    if (ok instanceof Promise) {
      const before = passed
      return ok.then((yes) => {
        if (yes) rows[before] = row
        return filterFrom(test, rows, count, i + 1, before + (yes ? 1 : 0))
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
  /** As a predicate's. */
  readonly projectPatiently: ((row: Row) => MaybePromise<Row>) | null
  /** The output is the argument row itself. */
  readonly identity: boolean
}

/** Values over one row, those from `from` on, into `out`. */
export function projectFrom(evals: readonly AsyncEvaluator[], row: Row, out: Datum[], from: number): MaybePromise<Row> {
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
    const project = (row: Row): MaybePromise<Row> => projectFrom(evals, row, new Array<Datum>(n), 0)
    return { async: true, identity: false, project, projectPatiently: null }
  }
  const identity = n === inputWidth && parts.every((part, i) => part.slot === i)
  return { async: false, identity, project: identity ? (row) => row : projectNow(parts), projectPatiently: null }
}

function projectNow(parts: readonly Compiled[]): (row: Row) => Row {
  const n = parts.length
  if (n > 0 && parts.every((part) => part.slot >= 0)) return pick(parts.map((part) => part.slot))
  const evals = parts.map(evaluator)
  const [f, g, h] = evals as [Evaluator, Evaluator, Evaluator]
  if (n === 1) return (row) => [f(row)]
  if (n === 2) return (row) => [f(row), g(row)]
  if (n === 3) return (row) => [f(row), g(row), h(row)]
  return (row) => {
    const out = new Array<Datum>(n)
    for (let i = 0; i < n; i++) out[i] = evals[i]!(row)
    return out
  }
}

/** `inputWidth`: slots of the argument row, to recognise a projection that changes nothing; -1 = always make a new row. */
export function compileProjection(targetList: readonly TargetEntry[], scope: ExprScope, cx: Compilation, inputWidth = -1): Projector {
  const exprs = targetList.map((entry) => entry.expr)
  const parts = exprs.map((expr) => compileExpr(expr, scope, cx))
  const projector = projectorOf(parts, inputWidth)
  const patient = exprs.map((expr) => !isEasy(expr) && mayRepeat(expr, cx))
  if (!patient.includes(true)) return projector
  // Column by column: only what had to wait is evaluated anew.
  const evals = parts.map((part, i) => (patient[i]! ? rowsPatiently(part.eval, cx) : part.eval))
  const project = (row: Row): MaybePromise<Row> => projectFrom(evals, row, new Array<Datum>(parts.length), 0)
  const areAnyDear = areDear(
    exprs.filter((_, i) => patient[i]),
    cx,
  )
  if (projector.async || areAnyDear) return { async: true, identity: false, project, projectPatiently: null }
  return { ...projector, projectPatiently: exprs.every((expr, i) => patient[i] || isEasy(expr)) ? project : null }
}

export function compileList(exprs: readonly PlannedExpr[], scope: ExprScope, cx: Compilation): Compiled[] {
  return exprs.map((expr) => compileExpr(expr, scope, cx))
}

/** Projects `rows[0..count)` into `out`. */
export function projectRows(projector: Projector, rows: readonly Row[], count: number, out: Row[]): MaybePromise<void> {
  if (projector.async) return projectRowsFrom(projector.project, rows, count, out, 0)
  const project = projector.project as (row: Row) => Row
  const { projectPatiently } = projector
  const now = (): void => {
    for (let i = 0; i < count; i++) out[i] = project(rows[i]!)
  }
  if (projectPatiently === null) return now()
  return hastily(now, undefined) ? undefined : projectRowsFrom(projectPatiently, rows, count, out, 0)
}

function projectRowsFrom(
  project: (row: Row) => MaybePromise<Row>,
  rows: readonly Row[],
  count: number,
  out: Row[],
  from: number,
): MaybePromise<void> {
  for (let i = from; i < count; i++) {
    const row = project(rows[i]!)
    if (row instanceof Promise) {
      return row.then((r) => {
        out[i] = r
        return projectRowsFrom(project, rows, count, out, i + 1)
      })
    }
    out[i] = row
  }
  return undefined
}

/** For a row by itself, waiting for long work. */
export const testRow = (predicate: Predicate, row: Row): MaybePromise<boolean> => (predicate.testPatiently ?? predicate.test)(row)
export const projectRow = (projector: Projector, row: Row): MaybePromise<Row> => (projector.projectPatiently ?? projector.project)(row)
