// Constant folding: immutable functions of constants, strict functions of NULL, and the logic of AND, OR, NOT, CASE and COALESCE.

import { mapLong } from '../../../base/begun-anew.ts'
import type { Datum } from '../../../base/datum.ts'
import type { Oid } from '../../../base/ids.ts'
import type { CatalogSnapshot } from '../../../catalog/snapshot.ts'
import type { ArrayExpr, Const, Expr } from '../../analyzer/expr.ts'
import { collationUse } from '../../functions/collation-needed.ts'
import { makeArray } from '../../types/array.ts'
import { relabelled } from '../../types/oid.ts'
import type { PlannerContext } from '../context.ts'
import { BOOL, boolConst, innerKey, makeBool, mapChildren, mayBeSame } from '../expr-tree.ts'

export function foldConstants(expr: Expr, ctx: PlannerContext): Expr {
  switch (expr.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
      return expr
    case 'CaseExpr':
      return foldCase(mapWith(expr, ctx) as typeof expr)
    case 'BoolExpr':
      return foldBool(
        withArgs(
          expr,
          mapLong(expr.args, (arg) => foldConstants(arg, ctx)),
        ),
      )
    case 'CoalesceExpr': {
      const folded = mapWith(expr, ctx) as typeof expr
      const args: Expr[] = []
      for (const arg of folded.args) {
        if (isNull(arg)) continue
        args.push(arg)
        if (arg.kind === 'Const') break
      }
      if (args.length === 0) return folded.args[0] ?? folded
      return args.length === 1 ? args[0]! : args.length === folded.args.length ? folded : { ...folded, args }
    }
    case 'NullIfExpr': {
      // Nothing equals NULL.
      const folded = mapWith(expr, ctx) as typeof expr
      return folded.args.some(isNull) && !folded.args.some((arg) => isSureToFail(arg, ctx)) ? folded.args[0]! : folded
    }
    case 'NullTest': {
      const folded = mapWith(expr, ctx) as typeof expr
      if (folded.arg.kind === 'Const' && !folded.argIsRow) return boolConst((folded.arg.value === null) === folded.isNull)
      return folded
    }
    case 'RelabelType': {
      const folded = mapWith(expr, ctx) as typeof expr
      if (folded.arg.kind !== 'Const') return folded
      const value = relabelled(folded.arg.type, folded.type, folded.arg.value)
      return { ...folded.arg, value, type: folded.type, typmod: folded.typmod, collation: folded.collation }
    }
    case 'CoerceToDomain': {
      const folded = mapWith(expr, ctx) as typeof expr
      return isUnrestricted(folded.type, ctx.catalog) ? foldConstants({ ...folded, kind: 'RelabelType' }, ctx) : folded
    }
    case 'FuncExpr':
      return foldCall(mapWith(expr, ctx), expr.funcId, expr.retset, ctx)
    case 'OpExpr':
      return opaque(foldCall(mapWith(expr, ctx), expr.opFuncId, expr.retset, ctx), ctx.catalog)
    case 'ScalarArrayOpExpr':
      return foldCall(mapWith(expr, ctx), expr.opFuncId, false, ctx)
    case 'ArrayExpr':
      return foldArray(
        expr,
        mapLong(expr.elements, (element) => foldConstants(element, ctx)),
        ctx,
      )
    default:
      return mapWith(expr, ctx)
  }
}

/** A domain that allows all that its base type does, as every domain of ours in information_schema. */
function isUnrestricted(type: Oid, catalog: CatalogSnapshot): boolean {
  const definition = catalog.userType(type)?.definition
  if (definition?.kind === 'domain' && (definition.notNullConstraint !== null || definition.checks.length > 0)) return false
  const row = catalog.type(type)
  return row !== null && (row.typtype !== 'd' || isUnrestricted(row.typbasetype, catalog))
}

/** A comparison without the collation it needs answers nothing but an error: no index and no join by keys may do without calling it. */
function opaque(expr: Expr, catalog: CatalogSnapshot): Expr {
  if (expr.kind !== 'OpExpr' || expr.inputCollation !== 0) return expr
  const proc = catalog.proc(expr.opFuncId)
  if (proc === null || collationUse(proc.prosrc) === null) return expr
  const { opNo: _, opFuncId, ...call } = expr
  return { ...call, kind: 'FuncExpr', funcId: opFuncId, variadic: false, format: 'call' }
}

/** The same expression where its arguments are. */
function withArgs<E extends Expr & { readonly args: readonly Expr[] }>(expr: E, args: readonly Expr[]): E {
  return args.every((arg, i) => arg === expr.args[i]) ? expr : { ...expr, args }
}

function mapWith(expr: Expr, ctx: PlannerContext): Expr {
  return mapChildren(expr, (child) => foldConstants(child, ctx))
}

function isNull(expr: Expr): boolean {
  return expr.kind === 'Const' && expr.value === null
}

function callArgs(expr: Expr): readonly Expr[] {
  return (expr as { args?: readonly Expr[] }).args ?? []
}

function foldCall(expr: Expr, funcId: number, retset: boolean, ctx: PlannerContext): Expr {
  if (retset) return expr
  const proc = ctx.catalog.proc(funcId)
  if (proc === null) return expr
  const args = callArgs(expr)
  const scalarArray = expr.kind === 'ScalarArrayOpExpr'
  const isNullCall = proc.proisstrict && args.some(isNull) && (!scalarArray || isNull(args[1]!)) && !(proc.provariadic === 2276)
  // The other arguments are evaluated as well: where one is sure to fail, so does the call.
  if (isNullCall && !args.some((arg) => isSureToFail(arg, ctx))) {
    return { kind: 'Const', value: null, type: expr.type, typmod: expr.typmod, collation: expr.collation, location: expr.location }
  }
  // Who runs the statement may differ from who plans it.
  if (isNullCall || proc.provolatile !== 'i' || args.length === 0 || ctx.catalog.isRestricted(proc)) return expr
  return tryEvaluate(expr, args, ctx)
}

/** An immutable call of constants that is still there: it was tried, and failed. */
function isSureToFail(expr: Expr, ctx: PlannerContext): boolean {
  switch (expr.kind) {
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'CollateExpr':
      return isSureToFail(expr.arg, ctx)
    case 'NullIfExpr':
    case 'DistinctExpr':
    case 'MinMaxExpr':
      return expr.args.some((arg) => isSureToFail(arg, ctx))
    case 'FuncExpr':
    case 'OpExpr': {
      if (expr.retset) return false
      if (expr.args.some((arg) => isSureToFail(arg, ctx))) return true
      const proc = ctx.catalog.proc(expr.kind === 'FuncExpr' ? expr.funcId : expr.opFuncId)
      return (
        expr.args.length > 0 &&
        expr.args.every((arg) => arg.kind === 'Const') &&
        proc?.provolatile === 'i' &&
        !ctx.catalog.isRestricted(proc)
      )
    }
    default:
      return false
  }
}

/** Lists of IN may have very many elements: nothing is compiled for those. */
function foldArray(expr: ArrayExpr, elements: readonly Expr[], ctx: PlannerContext): Expr {
  const { elementType, type, typmod, collation, location } = expr
  const folded = (): Expr => (elements.every((element, i) => element === expr.elements[i]) ? expr : { ...expr, elements })
  if (expr.multidims) return tryEvaluate(folded(), elements, ctx)
  const values = new Array<Datum>(elements.length)
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!
    if (element.kind !== 'Const') return folded()
    values[i] = element.value
  }
  return { kind: 'Const', value: makeArray(elementType, values), type, typmod, collation, location }
}

function tryEvaluate(expr: Expr, args: readonly Expr[], ctx: PlannerContext): Expr {
  if (ctx.evaluate === null || !args.every((arg) => arg.kind === 'Const')) return expr
  let value: ReturnType<NonNullable<PlannerContext['evaluate']>>
  try {
    value = ctx.evaluate(expr)
  } catch {
    // The statement may never reach it (CASE, LIMIT 0): the error belongs to run time.
    return expr
  }
  if (value === undefined) return expr
  const folded: Const = { kind: 'Const', value, type: expr.type, typmod: expr.typmod, collation: expr.collation, location: expr.location }
  return folded
}

/** Neither decides anything nor is a list of the same kind. */
const isPlainArm = (arg: Expr, op: 'and' | 'or'): boolean => arg.kind !== 'Const' && (arg.kind !== 'BoolExpr' || arg.op !== op)

function foldBool(expr: Expr & { kind: 'BoolExpr' }): Expr {
  if (expr.op === 'not') {
    const arg = expr.args[0]!
    if (arg.kind === 'Const') return boolConst(arg.value === null ? null : arg.value !== true)
    if (arg.kind === 'BoolExpr' && arg.op === 'not') return arg.args[0]!
    return expr
  }
  // The value that decides alone: true for OR, false for AND.
  const deciding = expr.op === 'or'
  const [first, second] = expr.args as [Expr, Expr]
  if (expr.args.length === 2 && !mayBeSame(first, second) && isPlainArm(first, expr.op) && isPlainArm(second, expr.op)) return expr
  const args: Expr[] = []
  const seen = new Set<string>()
  let changed = false
  const keys = mapLong(expr.args, innerKey)
  for (const [i, arg] of expr.args.entries()) {
    if (arg.kind === 'Const' && arg.value === deciding) return boolConst(deciding)
    if (arg.kind === 'Const' && arg.value === !deciding) {
      changed = true
      continue
    }
    const nested = arg.kind === 'BoolExpr' && arg.op === expr.op ? arg.args : [arg]
    if (nested.length !== 1) changed = true
    for (const one of nested) {
      const key = one === arg ? keys[i]! : innerKey(one)
      if (one.kind !== 'FuncExpr' && seen.has(key)) {
        changed = true
        continue
      }
      seen.add(key)
      args.push(one)
    }
  }
  if (args.length === 0) return boolConst(!deciding)
  if (args.length === 1) return args[0]!
  return changed ? makeBool(expr.op, args) : expr
}

function foldCase(expr: Expr & { kind: 'CaseExpr' }): Expr {
  if (expr.arg !== null) return expr
  const whens: { condition: Expr; result: Expr }[] = []
  for (const when of expr.whens) {
    if (when.condition.kind !== 'Const') {
      whens.push(when)
      continue
    }
    if (when.condition.value !== true) continue
    if (whens.length === 0) return when.result
    return { ...expr, whens, defaultResult: when.result }
  }
  if (whens.length === 0) return expr.defaultResult
  return whens.length === expr.whens.length ? expr : { ...expr, whens }
}

/** `a = 1 OR a = 2` as `a = ANY`: one index condition instead of a filter. Only constants, so that nothing moves. */
export function orToAny(expr: Expr, catalog: CatalogSnapshot): Expr {
  if (expr.kind !== 'BoolExpr' || expr.op !== 'or' || expr.args.length < 2) return expr
  let left: Expr | null = null
  let leftKey = ''
  let opNo = 0
  const elements: Expr[] = []
  for (const arg of expr.args) {
    if (arg.kind !== 'OpExpr' || arg.args.length !== 2) return expr
    const value = arg.args[1]!
    if ((value.kind !== 'Const' && !(value.kind === 'Param' && value.paramKind === 'extern')) || arg.args[0]!.kind !== 'Var') return expr
    const key = innerKey(arg.args[0]!)
    if (left !== null && (leftKey !== key || arg.opNo !== opNo || value.type !== elements[0]!.type)) return expr
    left = arg.args[0]!
    leftKey = key
    opNo = arg.opNo
    elements.push(value)
  }
  const operator = catalog.operator(opNo)
  const arrayType = catalog.type(elements[0]!.type)?.typarray ?? 0
  if (left === null || operator?.oprname !== '=' || arrayType === 0) return expr
  const first = expr.args[0] as Expr & { kind: 'OpExpr' }
  const array: Expr = {
    kind: 'ArrayExpr',
    elementType: elements[0]!.type,
    elements,
    multidims: false,
    type: arrayType,
    typmod: -1,
    collation: elements[0]!.collation,
    location: -1,
  }
  return {
    kind: 'ScalarArrayOpExpr',
    opNo,
    opFuncId: first.opFuncId,
    useOr: true,
    args: [left, array],
    inputCollation: first.inputCollation,
    type: BOOL,
    typmod: -1,
    collation: 0,
    location: first.location,
  }
}
