// Calls of set-returning functions: the arguments as usual, the result an iterable of rows.

import type { Datum, Row } from '../../../base/datum.ts'
import { atOnce } from '../../../base/long-work.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Expr } from '../../analyzer/expr.ts'
import { LANGUAGE } from '../../builtin/pg-proc.ts'
import { findBody, procBody } from '../../functions/registry.ts'
import type { RowType } from '../../types/record.ts'
import type { Compilation } from '../compilation.ts'
import { type Call, callInfo, packVariadicAny, procOf, sqlFunction } from './call.ts'
import { compileExpr } from './compile.ts'
import { eagerWaiting } from './compiled.ts'
import { mayRepeat, rowsPatiently } from './patient.ts'
import type { ExprScope } from './scope.ts'

const ANY = 2276
const EMPTY: readonly Datum[] = []
const ONE_NULL: readonly Datum[] = [null]

/** Rows for one input row; the iterable may be lazy and is read once. */
export type SetCall = (row: Row) => MaybePromise<Iterable<Datum>>

/** The set-returning call that an expression is, seen through relabelling; null when it is not one. */
export function setCallOf(expr: Expr): Extract<Expr, { kind: 'FuncExpr' | 'OpExpr' }> | null {
  if (expr.kind === 'RelabelType' || expr.kind === 'CollateExpr') return setCallOf(expr.arg)
  return (expr.kind === 'FuncExpr' || expr.kind === 'OpExpr') && expr.retset ? expr : null
}

/** `resultRow`: of a function that returns record, the columns the query defined. A call that returns one row answers a list of it. */
export function compileSetCall(
  expr: Extract<Expr, { kind: 'FuncExpr' | 'OpExpr' }>,
  scope: ExprScope,
  cx: Compilation,
  resultRow: RowType | null = null,
): SetCall {
  const { state } = cx
  const call: Call = {
    funcId: expr.kind === 'FuncExpr' ? expr.funcId : expr.opFuncId,
    argTypes: expr.args.map((arg) => arg.type),
    type: expr.type,
    typmod: expr.typmod,
    collation: expr.inputCollation,
    variadic: expr.kind === 'FuncExpr' && expr.variadic,
  }
  const proc = procOf(cx, call.funcId)
  const args = expr.args.map((arg) => compileExpr(arg, scope, cx))
  const strict = proc.proisstrict
  let run: (values: Datum[]) => MaybePromise<Iterable<Datum>>
  if (findBody(proc) === undefined && proc.prolang !== LANGUAGE.internal) {
    const prepared = sqlFunction(cx, proc, callInfo(call, proc, 0))
    run = (values) => atOnce((given) => prepared.callSet(given, state), values)
  } else {
    const body = procBody(proc)
    const any = proc.provariadic === ANY
    const plain = callInfo(call, proc, any && call.variadic ? (cx.catalog.type(call.argTypes.at(-1)!)?.typelem ?? 0) : 0)
    const info = resultRow === null ? plain : { ...plain, resultRow }
    run = (values) => {
      const given = any ? packVariadicAny(proc, values, call.variadic) : values
      const result = body(...given, state.ctx, info)
      return (expr.retset ? result : [result]) as MaybePromise<Iterable<Datum>>
    }
  }
  const whole = eagerWaiting(args, ((values: Datum[]) =>
    strict && values.includes(null) ? (expr.retset ? EMPTY : ONE_NULL) : run(values)) as (v: Datum[]) => Datum)
  const evaluate = whole.eval as SetCall
  return mayRepeat(expr, cx) ? rowsPatiently(evaluate, cx) : evaluate
}
