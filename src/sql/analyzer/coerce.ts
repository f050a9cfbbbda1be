// Coercion of bound expressions (PostgreSQL's parse_coerce.c over trees): literals get their type through its input function, parameters take
// theirs from context, everything else gets the cast node that coercionPath names.

import { assert } from '../../base/assert.ts'
import type { Datum } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE, type Sqlstate } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { canCoerceOne } from '../functions/coerce.ts'
import {
  baseType,
  baseTypmod,
  COERCION,
  type CoercionContext,
  type CoercionPath,
  coercionPath,
  elementType,
  isComposite,
  selectCommonType,
  typmodCoercion,
} from '../functions/coercion-path.ts'
import { isPolymorphic } from '../functions/polymorphic.ts'
import { errorAt, located, type Mutable, type ParseState } from './context.ts'
import type { CoercionForm, Const, Expr, Param } from './expr.ts'
import { exprLocation } from './location.ts'
import { funcExpr, makeConst, relabel } from './make.ts'
import { someExpr } from './walker.ts'

export const typeCollation = (state: ParseState, type: Oid): Oid => state.ctx.catalog.type(type)?.typcollation ?? 0
export const typeName = (state: ParseState, type: Oid): string => state.source.formatType(type)

/** The typmod an expression's result is known to have. */
export function exprTypmod(expr: Expr): number {
  return expr.typmod
}

/** A literal's value through the type's input function; errors point at the literal. */
export function literalValue(state: ParseState, type: Oid, text: string, typmod: number, location: number): Datum {
  return located(state, location, () => state.ctx.eval.catalog.typeSupport(type).input(text, typmod, state.ctx.eval))
}

function coerceUnknownLiteral(
  state: ParseState,
  node: Const,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  format: CoercionForm,
  location: number,
): Expr {
  const plain = arrayWithoutDomain(state, target)
  if (plain !== target) {
    const array = coerceUnknownLiteral(state, node, plain, -1, context, 'implicit', location)
    return coerceType(state, array, target, targetTypmod, COERCION.explicit, 'implicit', location)
  }
  const base = baseType(state.source, target)
  const baseMod = baseTypmod(state.source, target, targetTypmod)
  // Only interval's input looks at the modifier here: the fields decide what "1" means.
  const inputMod = base === T.interval ? baseMod : -1
  const value = node.value === null ? null : literalValue(state, base, node.value as string, inputMod, node.location)
  const result = makeConst(base, inputMod, typeCollation(state, base), value, node.location)
  return target === base ? result : coerceToDomain(state, result, base, baseMod, target, context, false, format, location)
}

/** For an array of a domain the array of its base type, else the type itself: input functions know nothing of domains' checks. */
function arrayWithoutDomain(state: ParseState, type: Oid): Oid {
  const element = elementType(state.source, type)
  const base = element === 0 ? element : baseType(state.source, element)
  return base === element ? type : (state.ctx.catalog.type(base)?.typarray ?? type)
}

/** A parameter whose type context decides: the first use sets it. */
function coerceParam(state: ParseState, node: Param, target: Oid, typmod: number, context: CoercionContext): Expr {
  const { params } = state.ctx
  const known = params.types[node.id - 1] ?? 0
  // A domain is what the parameter is described as; its value, of the base type, is checked here, for a parameter may also be a lifted literal.
  const own = arrayWithoutDomain(state, baseType(state.source, target))
  const typed = (): Expr => {
    const param: Expr = { ...node, type: own, typmod: -1, collation: typeCollation(state, own) }
    return own === target ? param : coerceType(state, param, target, typmod, context, 'implicit', -1)
  }
  if (known === T.unknown) {
    params.types[node.id - 1] = target
    return typed()
  }
  if (known === target) return typed()
  throw errorAt(state, SQLSTATE.ambiguousParameter, `inconsistent types deduced for parameter $${node.id}`, node.location, {
    detail: `${typeName(state, known)} versus ${typeName(state, target)}`,
  })
}

export function coerceType(
  state: ParseState,
  node: Expr,
  target: Oid,
  targetTypmod: number,
  context: CoercionContext,
  format: CoercionForm,
  location: number,
): Expr {
  const input = node.type
  if (target === input) return node
  if (
    target === T.any ||
    target === T.anyelement ||
    target === T.anynonarray ||
    target === T.anycompatible ||
    target === T.anycompatiblenonarray
  ) {
    return node
  }
  if (isPolymorphic(target) && input !== T.unknown) {
    const base = baseType(state.source, input)
    return base === input ? node : relabel(node, base, -1, 'implicit', -1)
  }
  if (input === T.unknown && node.kind === 'Const')
    return coerceUnknownLiteral(state, node, target, targetTypmod, context, format, location)
  if (node.kind === 'Param' && node.paramKind === 'extern' && input === T.unknown && state.ctx.params.variable) {
    return coerceParam(state, node, target, targetTypmod, context)
  }
  if (node.kind === 'CollateExpr') {
    const arg = coerceType(state, node.arg, target, targetTypmod, context, format, location)
    if (typeCollation(state, target) === 0) return arg
    return { ...node, arg, type: arg.type, typmod: arg.typmod }
  }
  const path = coercionPath(state.source, target, input, context)
  if (path !== null) {
    if (path.method !== 'relabel') {
      const base = baseType(state.source, target)
      const baseMod = baseTypmod(state.source, target, targetTypmod)
      const result = buildCoercion(state, node, path, base, baseMod, context, format, location)
      return target === base ? result : coerceToDomain(state, result, base, baseMod, target, context, true, format, location)
    }
    const result = coerceToDomain(state, node, 0, -1, target, context, false, format, location)
    return result !== node ? result : relabel(node, target, -1, format, location)
  }
  if (input === T.record && isComposite(state.source, target)) return coerceRecord(state, node, target, context, format, location)
  if (target === T.record || target === T._record) return node
  assert(false, `no conversion from ${typeName(state, input)} to ${typeName(state, target)}`)
}

function buildCoercion(
  state: ParseState,
  node: Expr,
  path: CoercionPath,
  target: Oid,
  typmod: number,
  context: CoercionContext,
  format: CoercionForm,
  location: number,
): Expr {
  if (path.method === 'func') {
    const proc = state.ctx.catalog.proc(path.proc)
    const args: Expr[] = [node]
    if ((proc?.pronargs ?? 1) >= 2) args.push(makeConst(T.int4, -1, 0, typmod, -1))
    if (proc?.pronargs === 3) args.push(makeConst(T.bool, -1, 0, context === COERCION.explicit, -1))
    const call = funcExpr(path.proc, target, args, format, location)
    return args.length > 1 ? { ...call, typmod } : call
  }
  if (path.method === 'array') {
    const element = elementType(state.source, baseType(state.source, node.type))
    const test: Expr = {
      kind: 'CaseTestExpr',
      type: element,
      typmod: node.typmod,
      collation: typeCollation(state, element),
      location: -1,
    }
    const elementExpr = coerceToTarget(state, test, elementType(state.source, target), typmod, context, format, location)
    assert(elementExpr !== null, 'array elements have a coercion where their arrays have')
    return { kind: 'ArrayCoerceExpr', arg: node, elementExpr, type: target, typmod, collation: 0, format, location }
  }
  assert(path.method === 'io', 'a coercion that needs a node')
  return { kind: 'CoerceViaIO', arg: node, type: target, typmod: -1, collation: 0, format, location }
}

export function coerceToDomain(
  state: ParseState,
  node: Expr,
  base: Oid,
  baseMod: number,
  target: Oid,
  context: CoercionContext,
  hideInput: boolean,
  format: CoercionForm,
  location: number,
): Expr {
  const baseOid = base === 0 ? baseType(state.source, target) : base
  if (baseOid === target) return node
  const mod = base === 0 ? baseTypmod(state.source, target, baseMod) : baseMod
  const input = hideInput ? hideCoercion(node) : node
  const inBase =
    input.type === baseOid || baseType(state.source, input.type) === baseOid ? input : relabel(input, baseOid, -1, 'implicit', -1)
  const arg = applyTypmod(state, inBase, baseOid, mod, context, 'implicit', location, false)
  return { kind: 'CoerceToDomain', arg, type: target, typmod: -1, collation: 0, format, location }
}

/** The same node, printed without its cast: the next cast says it all. */
function hideCoercion(node: Expr): Expr {
  switch (node.kind) {
    case 'FuncExpr':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'RowExpr':
    case 'CoerceToDomain':
      return node.format === 'implicit' ? node : { ...node, format: 'implicit' }
    default:
      return node
  }
}

/** Enforces a type modifier on a value of the right type (varchar(n), numeric(p,s), timestamp(p) …). */
function applyTypmod(
  state: ParseState,
  node: Expr,
  target: Oid,
  typmod: number,
  context: CoercionContext,
  format: CoercionForm,
  location: number,
  hideInput: boolean,
): Expr {
  if (typmod === node.typmod) return node
  if (typmod < 0) return node
  const element = elementType(state.source, target)
  const fn = typmodCoercion(state.source, element !== 0 ? element : target)
  if (fn === 0) return node
  const input = hideInput ? hideCoercion(node) : node
  if (element !== 0) {
    const path: CoercionPath = { method: 'array', element: { method: 'relabel' }, sourceElement: element, targetElement: element }
    return buildCoercion(state, input, path, target, typmod, context, format, location)
  }
  return buildCoercion(state, input, { method: 'func', proc: fn }, target, typmod, context, format, location)
}

/** Null when there is no such coercion in this context. */
export function coerceToTarget(
  state: ParseState,
  expr: Expr,
  target: Oid,
  typmod: number,
  context: CoercionContext,
  format: CoercionForm,
  location: number,
): Expr | null {
  if (!canCoerceOne(state.source, expr.type, target, context)) return null
  let inner = expr
  while (inner.kind === 'CollateExpr') inner = inner.arg
  const result = coerceType(state, inner, target, typmod, context, format, location)
  const done = applyTypmod(state, result, target, typmod, context, format, location, result !== inner && result.kind !== 'Const')
  if (expr.kind === 'CollateExpr' && typeCollation(state, target) !== 0) {
    return { ...expr, arg: done, type: done.type, typmod: done.typmod }
  }
  return done
}

function coerceRecord(state: ParseState, node: Expr, target: Oid, context: CoercionContext, format: CoercionForm, location: number): Expr {
  const composite = baseType(state.source, target)
  const fail = (detail: string | null, at: number): never => {
    const fields = detail === null ? {} : { detail }
    throw errorAt(state, SQLSTATE.cannotCoerce, `cannot cast type record to ${typeName(state, target)}`, at, fields)
  }
  let args: readonly Expr[]
  if (node.kind === 'RowExpr') args = node.args
  else if (node.kind === 'Var' && node.attno === 0) args = wholeRowFields(state, node)
  else return fail(null, exprLocation(node))
  const relation = state.ctx.catalog.relation(state.ctx.catalog.type(composite)?.typrelid ?? 0)
  const columns = relation?.columns ?? []
  const fields: Expr[] = []
  let next = 0
  for (const column of columns) {
    if (column.dropped) continue
    const arg = args[next++]
    if (arg === undefined) return fail('Input has too few columns.', exprLocation(node))
    const cast = coerceToTarget(state, arg, column.type, column.typmod, context, 'implicit', -1)
    if (cast === null) {
      const detail = `Cannot cast type ${typeName(state, arg.type)} to ${typeName(state, column.type)} in column ${next}.`
      return fail(detail, exprLocation(arg))
    }
    fields.push(cast)
  }
  if (next < args.length) return fail('Input has too many columns.', exprLocation(node))
  const row: Expr = { kind: 'RowExpr', args: fields, colNames: null, type: composite, typmod: -1, collation: 0, format, location }
  return composite === target ? row : coerceToDomain(state, row, composite, -1, target, context, false, format, location)
}

function wholeRowFields(state: ParseState, node: Expr & { kind: 'Var' }): Expr[] {
  let level: ParseState | null = state
  for (let i = 0; i < node.levelsUp; i++) level = level?.parent ?? null
  const item = level?.namespace.find((entry) => entry.rtindex === node.varno)
  const columns = (item?.columns ?? []).filter((column) => column !== null)
  return columns.map(({ varno, attno, type, typmod, collation }) => ({
    kind: 'Var',
    varno,
    attno,
    levelsUp: node.levelsUp,
    type,
    typmod,
    collation,
    location: node.location,
  }))
}

/** A condition: `construct` (WHERE, CASE/WHEN …) needs a boolean. */
export function coerceToBoolean(state: ParseState, node: Expr, construct: string): Expr {
  let result = node
  if (node.type !== T.bool) {
    const cast = coerceToTarget(state, node, T.bool, -1, COERCION.assignment, 'implicit', -1)
    if (cast === null) {
      throw errorAt(
        state,
        SQLSTATE.datatypeMismatch,
        `argument of ${construct} must be type boolean, not type ${typeName(state, node.type)}`,
        exprLocation(node),
      )
    }
    result = cast
  }
  return refuseSet(state, result, construct)
}

function refuseSet(state: ParseState, node: Expr, construct: string): Expr {
  if (returnsSet(node)) {
    throw errorAt(state, SQLSTATE.datatypeMismatch, `argument of ${construct} must not return a set`, exprLocation(node))
  }
  return node
}

/** expression_returns_set: a set-returning call anywhere in it. */
function returnsSet(node: Expr): boolean {
  return someExpr(node, (expr) => (expr.kind === 'FuncExpr' || expr.kind === 'OpExpr') && expr.retset)
}

export function coerceToSpecificType(state: ParseState, node: Expr, type: Oid, construct: string, typmod = -1): Expr {
  let result = node
  if (node.type !== type) {
    const cast = coerceToTarget(state, node, type, typmod, COERCION.assignment, 'implicit', -1)
    if (cast === null) {
      throw errorAt(
        state,
        SQLSTATE.datatypeMismatch,
        `argument of ${construct} must be type ${typeName(state, type)}, not type ${typeName(state, node.type)}`,
        exprLocation(node),
      )
    }
    result = cast
  }
  return refuseSet(state, result, construct)
}

/** The type all expressions can be brought to; `context` null = 0 instead of an error. */
export function commonType(state: ParseState, exprs: readonly Expr[], context: string | null): Oid {
  const failing = { index: 0 }
  try {
    return selectCommonType(
      state.source,
      exprs.map((expr) => expr.type),
      context,
      failing,
    )
  } catch (error) {
    return located(state, exprLocation(exprs[failing.index]!), () => {
      throw error
    })
  }
}

/** The typmod all have in common once they are of the common type, or -1. */
export function commonTypmod(exprs: readonly Expr[], type: Oid): number {
  let typmod = -1
  for (const [i, expr] of exprs.entries()) {
    if (expr.type !== type) return -1
    if (i === 0) typmod = expr.typmod
    else if (expr.typmod !== typmod) return -1
  }
  return typmod
}

export function coerceToCommon(state: ParseState, node: Expr, target: Oid, context: string): Expr {
  if (node.type === target) return node
  if (!canCoerceOne(state.source, node.type, target, COERCION.implicit)) {
    throw errorAt(
      state,
      SQLSTATE.cannotCoerce,
      `${context} could not convert type ${typeName(state, node.type)} to ${typeName(state, target)}`,
      exprLocation(node),
    )
  }
  return coerceType(state, node, target, -1, COERCION.implicit, 'implicit', -1)
}

/** What is still unknown becomes text (select outputs). */
export function resolveUnknown(state: ParseState, node: Expr): Expr {
  return node.type === T.unknown ? coerceType(state, node, T.text, -1, COERCION.implicit, 'implicit', -1) : node
}

export function mismatch(state: ParseState, message: string, location: number, hint?: string, code: Sqlstate = SQLSTATE.datatypeMismatch) {
  return errorAt(state, code, message, location, hint === undefined ? {} : { hint })
}

export function mutable<E extends Expr>(expr: E): Mutable<E> {
  return expr
}
