// AND, OR and CASE of thousands of parts are compiled when a row first gets there, in steps, so that the statement gives way (base/long-work.ts).
// What the parts call is looked up at once: whether all of it may be executed is known before the first row. // hot

import { isLong } from '../../../base/begun-anew.ts'
import type { Row } from '../../../base/datum.ts'
import { longWorkOnce, type Steps } from '../../../base/long-work.ts'
import type { CaseExpr, Expr } from '../../analyzer/expr.ts'
import { findBody } from '../../functions/registry.ts'
import { some } from '../../planner/expr-tree.ts'
import type { Compilation } from '../compilation.ts'
import type { Evaluator } from '../operator.ts'
import { mayWait, procOf } from './call.ts'
import { type Compiled, evaluator, sync } from './compiled.ts'
import { compileAndOr, compileCase, type TestCell } from './logic.ts'

/** Compiled in one step. */
const FEW = 16

export const isInPortions = (expr: Expr): boolean =>
  (expr.kind === 'BoolExpr' && isLong(expr.args)) || (expr.kind === 'CaseExpr' && isLong(expr.whens))

/** They answer at once, whatever they are made of. */
const AT_ONCE: ReadonlySet<string> = new Set([
  'Var',
  'Const',
  'BoolExpr',
  'NullTest',
  'BooleanTest',
  'RelabelType',
  'CaseExpr',
  'CaseTestExpr',
  'CoalesceExpr',
])

/** Whether nothing in it ever waits, or is volatile; noted in `cx`. */
function fitsPortions(expr: Expr, cx: Compilation): boolean {
  if (!isInPortions(expr)) return false
  const mayNot = (part: Expr): boolean => {
    if (AT_ONCE.has(part.kind)) return false
    if (part.kind === 'Param') return part.paramKind !== 'extern'
    if (part.kind !== 'OpExpr' && part.kind !== 'FuncExpr' && part.kind !== 'ScalarArrayOpExpr') return true
    const proc = procOf(cx, part.kind === 'FuncExpr' ? part.funcId : part.opFuncId)
    return proc.provolatile === 'v' || findBody(proc) === undefined || mayWait(proc)
  }
  if (some(expr, mayNot)) return false
  cx.inPortions.add(expr)
  return true
}

function* inSteps<T>(parts: readonly T[], compile: (part: T) => Compiled, into: Compiled[]): Steps<void> {
  for (let i = 0; i < parts.length; i++) {
    into.push(compile(parts[i]!))
    if (i % FEW === FEW - 1) yield
  }
}

function later(compile: () => Steps<Compiled>): Compiled {
  let made: Evaluator | null = null
  function* work(): Steps<void> {
    made = evaluator(yield* compile())
  }
  const first = (row: Row) => {
    longWorkOnce(work)
    return made!(row)
  }
  return sync((row) => (made ?? first)(row))
}

/** Of AND and OR; null: to be compiled at once. */
export function laterAndOr(expr: Expr & { kind: 'BoolExpr' }, compile: (expr: Expr) => Compiled, cx: Compilation): Compiled | null {
  if (!fitsPortions(expr, cx)) return null
  return later(function* () {
    const args: Compiled[] = []
    yield* inSteps(expr.args, compile, args)
    return compileAndOr(args, expr.op === 'or')
  })
}

/** `condition` compiles what reads the operand's value from `cell`. */
export function laterCase(
  expr: CaseExpr,
  cell: TestCell,
  condition: (expr: Expr) => Compiled,
  compile: (expr: Expr) => Compiled,
  cx: Compilation,
): Compiled | null {
  if (!fitsPortions(expr, cx)) return null
  return later(function* () {
    const conditions: Compiled[] = []
    const results: Compiled[] = []
    yield* inSteps(expr.whens, (when) => condition(when.condition), conditions)
    yield* inSteps(expr.whens, (when) => compile(when.result), results)
    return compileCase(expr.arg === null ? null : { arg: compile(expr.arg), cell }, conditions, results, compile(expr.defaultResult))
  })
}
