// SQL/JSON: constructors (JSON_OBJECT, JSON_ARRAY, JSON, JSON_SCALAR, JSON_SERIALIZE and the aggregates), IS JSON, and the query functions
// (JSON_EXISTS, JSON_VALUE, JSON_QUERY). What ordinary functions, aggregates and casts say as well is turned into those.

import { notSupported } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { baseType, baseTypmod, COERCION } from '../functions/coercion-path.ts'
import { type JsonOutput, type JsonValueExpr, type Node, type NodeOf, nodeAs, type JsonBehavior as RawBehavior } from '../parser/nodes.ts'
import { coerceToBoolean, coerceToDomain, coerceToTarget, typeName } from './coerce.ts'
import { errorAt, type ParseState } from './context.ts'
import type { Expr, JsonBehavior, JsonExpr, SubLink } from './expr.ts'
import { transform, transformExpr } from './expr-entry.ts'
import { parseFunction } from './functions.ts'
import { exprLocation } from './location.ts'
import { makeConst } from './make.ts'
import { type ResolvedType, resolveType } from './type-name.ts'
import { someExpr } from './walker.ts'

const at = (node: { location?: number }): number => node.location ?? 0

function cast(state: ParseState, expr: Expr, target: ResolvedType, location: number): Expr {
  const result = coerceToTarget(state, expr, target.type, target.typmod, COERCION.explicit, 'explicit', location)
  if (result !== null) return result
  throw errorAt(
    state,
    SQLSTATE.cannotCoerce,
    `cannot cast type ${typeName(state, expr.type)} to ${typeName(state, target.type)}`,
    exprLocation(expr),
  )
}

const plain = (type: number): ResolvedType => ({ type, typmod: -1, collation: 0 })

const call = (state: ParseState, name: string, args: readonly Expr[], location: number): Expr =>
  parseFunction(state, { names: ['pg_catalog', name], args, argNames: [], raw: null, filter: null, procCall: false, location })!

/** An argument; FORMAT JSON says that its text is JSON. */
function argument(state: ParseState, value: JsonValueExpr): Expr {
  let expr = transform(state, value.raw_expr!)
  const { format } = value
  if (format?.format_type === 'JS_FORMAT_JSON' && format.encoding !== 'JS_ENC_DEFAULT' && expr.type !== T.bytea)
    throw errorAt(state, SQLSTATE.datatypeMismatch, 'JSON ENCODING clause is only allowed for bytea input type', at(format))
  if (expr.type === T.unknown) expr = cast(state, expr, plain(T.text), exprLocation(expr))
  if (format?.format_type !== 'JS_FORMAT_JSON' || expr.type === T.json || expr.type === T.jsonb) return expr
  return cast(state, textOf(state, expr), plain(T.json), exprLocation(expr))
}

function textOf(state: ParseState, expr: Expr): Expr {
  if (expr.type !== T.bytea) return expr
  return call(state, 'convert_from', [expr, makeConst(T.name, -1, 0, 'UTF8', -1)], exprLocation(expr))
}

function returning(state: ParseState, output: JsonOutput | undefined): ResolvedType | null {
  if (output?.typeName === undefined) return null
  const target = resolveType(state, output.typeName)
  const format = output.returning?.format
  if (format?.format_type !== 'JS_FORMAT_JSON') return target
  const isText = state.ctx.catalog.type(target.type)?.typcategory === 'S'
  if (!isText && target.type !== T.bytea && target.type !== T.json && target.type !== T.jsonb)
    throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot use JSON format with non-string output types', at(format))
  if (format.encoding === 'JS_ENC_DEFAULT') return target
  if (target.type !== T.bytea)
    throw errorAt(state, SQLSTATE.featureNotSupported, 'cannot set JSON encoding for non-bytea output types', at(format))
  if (format.encoding !== 'JS_ENC_UTF8')
    throw errorAt(state, SQLSTATE.featureNotSupported, 'unsupported JSON encoding', at(format), {
      hint: 'Only UTF8 JSON encoding is supported.',
    })
  return target
}

/** What a constructor makes of these arguments if nothing is said: one jsonb makes all of it jsonb. */
const naturalType = (args: readonly Expr[]): number => (args.some((arg) => arg.type === T.jsonb) ? T.jsonb : T.json)

/** A constructor's JSON in the type that RETURNING asks for. */
function returned(state: ParseState, expr: Expr, target: ResolvedType | null, location: number): Expr {
  if (target === null || target.type === expr.type) return expr
  const text = cast(state, expr, plain(T.text), location)
  const typmod = baseTypmod(state.source, target.type, target.typmod)
  if (target.type === T.bytea) return call(state, 'convert_to', [text, makeConst(T.name, -1, 0, 'UTF8', -1)], location)
  const base = limited(state, text, baseType(state.source, target.type), typmod)
  return base === null || base.type !== target.type ? cast(state, base ?? expr, target, location) : base
}

/** Where a type has a limit, what is too long for it is refused, not cut; null: it has none. */
function limited(state: ParseState, expr: Expr, type: number, typmod: number): Expr | null {
  if (typmod <= 0 || expr.type === T.jsonb) return null
  const location = exprLocation(expr)
  const text = expr.type === T.unknown ? expr : cast(state, expr, plain(T.text), location)
  return coerceToTarget(state, text, type, typmod, COERCION.implicit, 'implicit', location)
}

function constructorOf(
  state: ParseState,
  what: 'object' | 'array' | 'parse',
  args: readonly Expr[],
  flags: { readonly absentOnNull: boolean; readonly unique: boolean },
  output: JsonOutput | undefined,
  location: number,
): Expr {
  const target = returning(state, output) ?? plain(naturalType(args))
  const type = target.type === T.jsonb ? T.jsonb : T.json
  return returned(state, { kind: 'JsonConstructorExpr', what, args, ...flags, type, typmod: -1, collation: 0, location }, target, location)
}

export function transformJsonObject(state: ParseState, node: NodeOf['JsonObjectConstructor']): Expr {
  const args = (node.exprs ?? []).flatMap((item) => {
    const { key, value } = (item as NodeOf).JsonKeyValue
    return [argument(state, { raw_expr: key! }), argument(state, value!)]
  })
  const flags = { absentOnNull: node.absent_on_null ?? false, unique: node.unique ?? false }
  return constructorOf(state, 'object', args, flags, node.output, at(node))
}

export function transformJsonArray(state: ParseState, node: NodeOf['JsonArrayConstructor']): Expr {
  const args = (node.exprs ?? []).map((item) => argument(state, (item as NodeOf).JsonValueExpr))
  return constructorOf(state, 'array', args, { absentOnNull: node.absent_on_null ?? false, unique: false }, node.output, at(node))
}

/** JSON_ARRAY(query): (SELECT JSON_ARRAYAGG(a) FROM (query) AS q (a)). */
export function transformJsonArrayQuery(state: ParseState, node: NodeOf['JsonArrayQueryConstructor']): Expr {
  const notOne = () => errorAt(state, SQLSTATE.syntaxError, 'subquery must return only one column', at(node))
  const query = nodeAs(node.query!, 'SelectStmt')!
  if (query.op === 'SETOP_NONE' && query.targetList === undefined && query.valuesLists === undefined) throw notOne()
  const column: Node = { ColumnRef: { fields: [{ String: { sval: 'q' } }, { String: { sval: 'a' } }], location: at(node) } }
  const aggregate: Node = {
    JsonArrayAgg: {
      arg: { raw_expr: column, ...(node.format === undefined ? {} : { format: node.format }) },
      absent_on_null: node.absent_on_null ?? false,
      constructor: { location: at(node), ...(node.output === undefined ? {} : { output: node.output }) },
    },
  }
  const alias = { aliasname: 'q', colnames: [{ String: { sval: 'a' } }] }
  const select: Node = {
    SelectStmt: {
      targetList: [{ ResTarget: { val: aggregate, location: at(node) } }],
      fromClause: [{ RangeSubselect: { subquery: node.query!, alias } }],
      op: 'SETOP_NONE',
      limitOption: 'LIMIT_OPTION_DEFAULT',
    },
  }
  const link = transform(state, { SubLink: { subLinkType: 'EXPR_SUBLINK', subselect: select, location: at(node) } }) as SubLink
  // looked at afterwards: nested ones are analyzed once each
  const source = link.subselect.rtable[0]!
  if (source.kind === 'subquery' && source.subquery.targetList.filter((entry) => !entry.resjunk).length !== 1) throw notOne()
  return link
}

/** JSON_OBJECTAGG and JSON_ARRAYAGG are PostgreSQL's own aggregates in other words. */
function aggregate(state: ParseState, name: string, args: readonly Expr[], own: NonNullable<NodeOf['JsonArrayAgg']['constructor']>): Expr {
  const target = returning(state, own.output) ?? plain(naturalType(args))
  const full = `${target.type === T.jsonb ? 'jsonb' : 'json'}_${name}`
  const filter = own.agg_filter === undefined ? null : coerceToBoolean(state, transformExpr(state, own.agg_filter, 'filter'), 'FILTER')
  const raw: NodeOf['FuncCall'] = {
    funcname: [{ String: { sval: 'pg_catalog' } }, { String: { sval: full } }],
    location: at(own),
    ...(own.agg_order === undefined ? {} : { agg_order: own.agg_order }),
    ...(own.over === undefined ? {} : { over: own.over }),
  }
  const names = ['pg_catalog', full]
  const expr = parseFunction(state, { names, args, argNames: [], raw, filter, procCall: false, location: at(own) })!
  return returned(state, expr, target, at(own))
}

export function transformJsonObjectAgg(state: ParseState, node: NodeOf['JsonObjectAgg']): Expr {
  const args = [argument(state, { raw_expr: node.arg!.key! }), argument(state, node.arg!.value!)]
  return aggregate(state, `object_agg${node.unique ? '_unique' : ''}${node.absent_on_null ? '_strict' : ''}`, args, constructorPart(node))
}

export function transformJsonArrayAgg(state: ParseState, node: NodeOf['JsonArrayAgg']): Expr {
  return aggregate(state, `agg${node.absent_on_null ? '_strict' : ''}`, [argument(state, node.arg!)], constructorPart(node))
}

/** The field named `constructor`, which every object seems to have. */
function constructorPart(node: NodeOf['JsonArrayAgg'] | NodeOf['JsonObjectAgg']): NonNullable<NodeOf['JsonArrayAgg']['constructor']> {
  return Object.hasOwn(node, 'constructor') ? node.constructor! : {}
}

/** JSON(…) */
export function transformJsonParse(state: ParseState, node: NodeOf['JsonParseExpr']): Expr {
  const value = argument(state, node.expr!)
  if (!node.unique_keys)
    return returned(state, cast(state, textOf(state, value), plain(T.json), at(node)), returning(state, node.output), at(node))
  const text = cast(state, textOf(state, value), plain(T.text), at(node))
  return constructorOf(state, 'parse', [text], { absentOnNull: false, unique: true }, node.output, at(node))
}

export function transformJsonScalar(state: ParseState, node: NodeOf['JsonScalarExpr']): Expr {
  const value = argument(state, { raw_expr: node.expr! })
  const target = returning(state, node.output)
  return returned(state, call(state, target?.type === T.jsonb ? 'to_jsonb' : 'to_json', [value], at(node)), target, at(node))
}

export function transformJsonSerialize(state: ParseState, node: NodeOf['JsonSerializeExpr']): Expr {
  let value = argument(state, node.expr!)
  if (value.type !== T.json && value.type !== T.jsonb) value = cast(state, textOf(state, value), plain(T.json), at(node))
  return returned(state, value, returning(state, node.output) ?? plain(T.text), at(node))
}

const ITEM_TYPES = { JS_TYPE_ANY: 'any', JS_TYPE_OBJECT: 'object', JS_TYPE_ARRAY: 'array', JS_TYPE_SCALAR: 'scalar' } as const

export function transformJsonIsPredicate(state: ParseState, node: NodeOf['JsonIsPredicate']): Expr {
  let arg = transform(state, node.expr!)
  if (arg.type === T.unknown) arg = cast(state, arg, plain(T.text), exprLocation(arg))
  const row = state.ctx.catalog.type(baseType(state.source, arg.type))
  if (arg.type !== T.json && arg.type !== T.jsonb && arg.type !== T.bytea && row?.typcategory !== 'S')
    throw errorAt(state, SQLSTATE.datatypeMismatch, `cannot use type ${typeName(state, arg.type)} in IS JSON predicate`, undefined)
  return {
    kind: 'JsonIsPredicate',
    arg: arg.type === T.bytea ? textOf(state, arg) : arg,
    item: ITEM_TYPES[node.item_type as keyof typeof ITEM_TYPES] ?? 'any',
    unique: node.unique_keys ?? false,
    type: T.bool,
    typmod: -1,
    collation: 0,
    location: at(node),
  }
}

// --- JSON_EXISTS, JSON_VALUE, JSON_QUERY -------------------------------------------------------------------------------------------------

const BEHAVIORS: Readonly<Record<string, JsonBehavior>> = {
  JSON_BEHAVIOR_NULL: 'null',
  JSON_BEHAVIOR_ERROR: 'error',
  JSON_BEHAVIOR_EMPTY: 'empty array',
  JSON_BEHAVIOR_TRUE: 'true',
  JSON_BEHAVIOR_FALSE: 'false',
  JSON_BEHAVIOR_UNKNOWN: 'unknown',
  JSON_BEHAVIOR_EMPTY_ARRAY: 'empty array',
  JSON_BEHAVIOR_EMPTY_OBJECT: 'empty object',
  JSON_BEHAVIOR_DEFAULT: 'default',
}

const FUNCTIONS = {
  JSON_EXISTS_OP: {
    op: 'exists',
    name: 'JSON_EXISTS()',
    allowed: ['error', 'true', 'false', 'unknown'],
    says: 'ERROR, TRUE, FALSE, or UNKNOWN',
  },
  JSON_VALUE_OP: { op: 'value', name: 'JSON_VALUE()', allowed: ['error', 'null', 'default'], says: 'ERROR, NULL, or DEFAULT expression' },
  JSON_QUERY_OP: {
    op: 'query',
    name: 'JSON_QUERY()',
    allowed: ['error', 'null', 'empty array', 'empty object', 'default'],
    says: 'ERROR, NULL, EMPTY ARRAY, EMPTY OBJECT, or DEFAULT expression',
  },
} as const

const WRAPPERS: Readonly<Record<string, JsonExpr['wrapper']>> = { JSW_CONDITIONAL: 'conditional', JSW_UNCONDITIONAL: 'unconditional' }

export function transformJsonFunc(state: ParseState, node: NodeOf['JsonFuncExpr']): Expr {
  const fn = FUNCTIONS[node.op as keyof typeof FUNCTIONS]
  if (fn === undefined) throw notSupported(`${node.op} is not supported here`)
  const location = at(node)
  const wrapper = WRAPPERS[node.wrapper ?? ''] ?? 'none'
  const omitQuotes = node.quotes === 'JS_QUOTES_OMIT'
  if (omitQuotes && wrapper !== 'none')
    throw errorAt(state, SQLSTATE.syntaxError, 'SQL/JSON QUOTES behavior must not be specified when WITH WRAPPER is used', location)
  const item = cast(state, textOf(state, argument(state, node.context_item!)), plain(T.jsonb), location)
  const pathText = transform(state, node.pathspec!)
  const path = coerceToTarget(state, pathText, T.jsonpath, -1, COERCION.explicit, 'implicit', exprLocation(pathText))
  if (path === null)
    throw errorAt(
      state,
      SQLSTATE.datatypeMismatch,
      `JSON path expression must be of type jsonpath, not of type ${typeName(state, pathText.type)}`,
      exprLocation(pathText),
    )
  const passing = (node.passing ?? []).map((arg) => nodeAs(arg, 'JsonArgument')!)
  const format = node.output?.returning?.format
  if (fn.op === 'value' && format?.format_type === 'JS_FORMAT_JSON')
    throw errorAt(state, SQLSTATE.syntaxError, `cannot specify FORMAT JSON in RETURNING clause of ${fn.name}`, at(format))
  const target = returning(state, node.output) ?? plain({ exists: T.bool, value: T.text, query: T.jsonb }[fn.op])
  const type = baseType(state.source, target.type)
  const typmod = baseTypmod(state.source, target.type, target.typmod)
  const behavior = (raw: RawBehavior | undefined, otherwise: JsonBehavior, on: string): { what: JsonBehavior; expr: Expr | null } => {
    const what = raw === undefined ? otherwise : BEHAVIORS[raw.btype!]!
    if (!(fn.allowed as readonly string[]).includes(what))
      throw errorAt(state, SQLSTATE.syntaxError, `invalid ${on} behavior${columnText(node.column_name)}`, raw?.location, {
        detail: `Only ${fn.says} is allowed in ${on} for ${fn.name}.`,
      })
    if (what !== 'default') return { what, expr: null }
    const expr = defaultExpression(state, raw!.expr!)
    const value =
      limited(state, expr, type, typmod) ?? coerceToTarget(state, expr, type, typmod, COERCION.explicit, 'implicit', exprLocation(expr))
    if (value === null)
      throw errorAt(
        state,
        SQLSTATE.cannotCoerce,
        `cannot cast behavior expression of type ${typeName(state, expr.type)} to ${typeName(state, target.type)}`,
        exprLocation(expr),
      )
    if (target.type === type) return { what, expr: value }
    return { what, expr: coerceToDomain(state, value, type, -1, target.type, COERCION.explicit, false, 'explicit', exprLocation(value)) }
  }
  const onEmpty = fn.op === 'exists' ? { what: 'null' as const, expr: null } : behavior(node.on_empty, 'null', 'ON EMPTY')
  const onError = behavior(node.on_error, fn.op === 'exists' ? 'false' : 'null', 'ON ERROR')
  const expr: JsonExpr = {
    kind: 'JsonExpr',
    op: fn.op,
    args: [item, path, ...passing.map((arg) => argument(state, arg.val!))],
    passingNames: passing.map((arg) => arg.name ?? ''),
    wrapper,
    omitQuotes,
    onEmpty: onEmpty.what,
    emptyDefault: onEmpty.expr,
    onError: onError.what,
    errorDefault: onError.expr,
    column: node.column_name ?? null,
    domain: fn.op === 'exists' || target.type === type ? null : domainOver(state, type, typmod, target.type, location),
    type: fn.op === 'exists' ? T.bool : target.type,
    typmod: fn.op === 'exists' ? -1 : target.typmod,
    collation: 0,
    location,
  }
  if (fn.op === 'exists' && target.type !== T.bool) {
    if (target.type === T.json || target.type === T.jsonb) return cast(state, cast(state, expr, plain(T.text), location), target, location)
    const number = cast(state, expr, plain(T.int4), location)
    return target.type === T.int4 ? number : cast(state, STRINGS.has(target.type) ? expr : number, target, location)
  }
  return expr
}

/** A value of the base type, of which the query function makes one of the domain. */
function domainOver(state: ParseState, base: number, typmod: number, domain: number, location: number): Expr {
  const arg: Expr = { kind: 'CaseTestExpr', type: base, typmod, collation: 0, location: -1 }
  return coerceToDomain(state, arg, base, -1, domain, COERCION.assignment, false, 'implicit', location)
}

function mayBeDefault(expr: Expr): boolean {
  switch (expr.kind) {
    case 'Const':
    case 'FuncExpr':
    case 'OpExpr':
      return true
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'CoerceToDomain':
    case 'CollateExpr':
      return mayBeDefault(expr.arg)
    default:
      return false
  }
}

/** What DEFAULT may say: it is computed beside the row, not over it. */
function defaultExpression(state: ParseState, raw: Node): Expr {
  const expr = transform(state, raw)
  const refused = (message: string): Error => errorAt(state, SQLSTATE.datatypeMismatch, message, exprLocation(expr))
  if (!mayBeDefault(expr)) throw refused('can only specify a constant, non-aggregate function, or operator expression for DEFAULT')
  if (someExpr(expr, (part) => part.kind === 'Var')) throw refused('DEFAULT expression must not contain column references')
  if (someExpr(expr, (part) => (part.kind === 'FuncExpr' || part.kind === 'OpExpr') && part.retset))
    throw refused('DEFAULT expression must not return a set')
  return expr
}

const STRINGS: ReadonlySet<number> = new Set([T.text, T.varchar, T.bpchar])
const columnText = (name: string | undefined): string => (name === undefined || name === '' ? '' : ` for column "${name}"`)
