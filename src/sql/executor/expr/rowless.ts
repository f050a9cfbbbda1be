// Expressions that no row has a part in and that nothing volatile is called by: they have one value for a whole run of the statement. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { ArrayExpr, Expr, Param } from '../../analyzer/expr.ts'
import { stripRelabel } from '../../planner/expr-tree.ts'
import { ofNode } from '../../planner/volatility.ts'
import { makeArray } from '../../types/array.ts'
import type { Compilation } from '../compilation.ts'
import type { ExecState } from '../operator.ts'
import { type Compiled, evaluator, sync } from './compiled.ts'

/** `inElement`: within a cast of an array's elements, which reads each from a cell. */
export function isRowless(expr: Expr, cx: Compilation, inElement = false): boolean {
  switch (expr.kind) {
    case 'Const':
    case 'SqlValueFunction':
      return true
    case 'Param':
      return expr.paramKind === 'extern'
    case 'CaseTestExpr':
      return inElement
    case 'FuncExpr':
    case 'OpExpr':
      return !expr.retset && ofNode(expr, cx.catalog) !== 'v' && expr.args.every((arg) => isRowless(arg, cx, inElement))
    case 'ArrayExpr':
      return expr.elements.every((element) => isRowless(element, cx, inElement))
    case 'RelabelType':
    case 'CollateExpr':
    case 'CoerceViaIO':
      return isRowless(expr.arg, cx, inElement)
    case 'ArrayCoerceExpr':
      return isRowless(expr.arg, cx, inElement) && isRowless(expr.elementExpr, cx, true)
    default:
      return false
  }
}

/** What `isRowless` says of, evaluated when the first row of a run asks for it. */
export function oncePerRun(part: Compiled, cx: Compilation): Compiled {
  if (part.constant || part.async) return part
  const evaluate = evaluator(part)
  const { state } = cx
  let run = 0
  let params: readonly Datum[] | null = null
  let value: Datum = null
  const next = (row: Row): Datum => {
    // An expression that is compiled by itself has no runs.
    if (cx.run === 0) return evaluate(row)
    value = evaluate(row)
    run = cx.run
    params = state.params
    return value
  }
  return sync((row) => (run === cx.run && run !== 0 && params === state.params ? value : next(row)))
}

/** Whether it is a constant or a parameter. */
export function isPlain(expr: Expr): boolean {
  const plain = stripRelabel(expr)
  return plain.kind === 'Const' || (plain.kind === 'Param' && plain.paramKind === 'extern')
}

/** The value of a plain one. */
export function plainValue(expr: Expr, params: readonly Datum[]): Datum {
  const plain = stripRelabel(expr)
  return plain.kind === 'Const' ? plain.value : (params[(plain as Param).id - 1] ?? null)
}

/** An array of parameters and constants, as IN lists are, without a closure for each; null: it has other elements, or constants only. */
export function compilePlainArray(e: ArrayExpr, state: ExecState): Compiled | null {
  const { elementType, elements } = e
  if (e.multidims || !elements.every(isPlain) || !elements.some((element) => stripRelabel(element).kind === 'Param')) return null
  return sync(() => {
    const { params } = state
    const values = new Array<Datum>(elements.length)
    for (let i = 0; i < elements.length; i++) values[i] = plainValue(elements[i]!, params)
    return makeArray(elementType, values)
  })
}
