// Raw expression → bound expression: the dispatcher and the simple kinds. Calls are in functions.ts, columns in column-ref.ts, sub-selects
// in sublink.ts, rows and arrays in row-expr.ts.

import { onceFor } from '../../base/begun-anew.ts'
import { notSupported } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID as T } from '../builtin/data/type-oids.ts'
import { COERCION } from '../functions/coercion-path.ts'
import {
  type A_Const,
  type A_Expr,
  type Node,
  type NodeOf,
  nameList,
  nodeAs,
  nodeTag,
  type SQLValueFunctionOp,
  type TypeCast,
} from '../parser/nodes.ts'
import { aggregateLevel } from './agg.ts'
import { coerceToBoolean, coerceToCommon, coerceToTarget, coerceType, commonType, literalValue, typeCollation, typeName } from './coerce.ts'
import { assignCollations } from './collate.ts'
import { transformColumnRef, transformIndirection } from './column-ref.ts'
import { errorAt, type ParseState } from './context.ts'
import type { BooleanTest, Expr, SqlValueFunctionName } from './expr.ts'
import { bindDispatch, transform, transformExpr } from './expr-entry.ts'
import { parseFunction } from './functions.ts'
import { exprLocation } from './location.ts'
import { boolExpr, makeConst } from './make.ts'
import { transformMergeAction } from './merge-action.ts'
import { makeOp, makeScalarArrayOp, operatorName } from './operators.ts'
import { distinct, rowComparison, rowDistinct, transformArray, transformRow } from './row-expr.ts'
import {
  transformJsonArray,
  transformJsonArrayAgg,
  transformJsonArrayQuery,
  transformJsonFunc,
  transformJsonIsPredicate,
  transformJsonObject,
  transformJsonObjectAgg,
  transformJsonParse,
  transformJsonScalar,
  transformJsonSerialize,
} from './sql-json.ts'
import { transformMultiAssign, transformSubLink } from './sublink.ts'
import { eachOf } from './traces.ts'
import { lookupCollation, resolveType } from './type-name.ts'

const loc = (node: { location?: number }): number => node.location ?? 0

/** The kinds that nest deeply come first, in a function with a small frame. */
function dispatch(state: ParseState, node: Node): Expr {
  const n = node as NodeOf
  switch (nodeTag(node)) {
    case 'A_Expr':
      return n.A_Expr.kind === 'AEXPR_OP' ? transformPlainOperator(state, n.A_Expr) : transformOperator(state, n.A_Expr)
    case 'FuncCall':
      return transformCall(state, n.FuncCall)
    case 'TypeCast':
      return transformCast(state, n.TypeCast)
    case 'CaseExpr':
      return transformCase(state, n.CaseExpr)
    case 'SubLink':
      return transformSubLink(state, n.SubLink)
    default:
      return dispatchOther(state, node)
  }
}

function dispatchOther(state: ParseState, node: Node): Expr {
  const n = node as NodeOf
  const tag = nodeTag(node)
  switch (tag) {
    case 'A_Const':
      return transformConst(state, n.A_Const)
    case 'ColumnRef':
      return transformColumnRef(state, n.ColumnRef)
    case 'ParamRef':
      return transformParam(state, n.ParamRef.number ?? 0, loc(n.ParamRef))
    case 'BoolExpr': {
      const op = n.BoolExpr.boolop === 'AND_EXPR' ? 'and' : n.BoolExpr.boolop === 'OR_EXPR' ? 'or' : 'not'
      const args = eachOf(state, n.BoolExpr.args ?? [], (arg) => coerceToBoolean(state, transform(state, arg), op.toUpperCase()))
      return boolExpr(op, args, loc(n.BoolExpr))
    }
    case 'NullTest': {
      const arg = transform(state, n.NullTest.arg!)
      const row = state.ctx.catalog.type(arg.type)
      const argIsRow =
        arg.type === T.record || row?.typtype === 'c' || (row?.typtype === 'd' && state.ctx.catalog.type(row.typbasetype)?.typtype === 'c')
      return {
        kind: 'NullTest',
        arg,
        isNull: n.NullTest.nulltesttype !== 'IS_NOT_NULL',
        argIsRow,
        type: T.bool,
        typmod: -1,
        collation: 0,
        location: loc(n.NullTest),
      }
    }
    case 'BooleanTest': {
      const test = BOOLEAN_TESTS[n.BooleanTest.booltesttype ?? 'IS_TRUE']!
      const arg = coerceToBoolean(state, transform(state, n.BooleanTest.arg!), `IS ${test.toUpperCase()}`)
      return { kind: 'BooleanTest', arg, test, type: T.bool, typmod: -1, collation: 0, location: loc(n.BooleanTest) }
    }
    case 'CoalesceExpr': {
      const before = state.lastSrf
      const raw = (n.CoalesceExpr.args ?? []).map((arg) => transform(state, arg))
      const type = commonType(state, raw, 'COALESCE')
      const args = raw.map((arg) => coerceToCommon(state, arg, type, 'COALESCE'))
      refuseSrf(state, before, 'COALESCE')
      return { kind: 'CoalesceExpr', args, type, typmod: commonMod(args), collation: 0, location: loc(n.CoalesceExpr) }
    }
    case 'MinMaxExpr': {
      const op = n.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest'
      const raw = (n.MinMaxExpr.args ?? []).map((arg) => transform(state, arg))
      const type = commonType(state, raw, op.toUpperCase())
      const args = raw.map((arg) => coerceToCommon(state, arg, type, op.toUpperCase()))
      return { kind: 'MinMaxExpr', op, args, inputCollation: 0, type, typmod: commonMod(args), collation: 0, location: loc(n.MinMaxExpr) }
    }
    case 'A_Indirection':
      return transformIndirection(state, transform(state, n.A_Indirection.arg!), n.A_Indirection.indirection ?? [])
    case 'A_ArrayExpr':
      return transformArray(state, n.A_ArrayExpr, 0, 0, -1)
    case 'RowExpr':
      return transformRow(state, n.RowExpr)
    case 'MergeSupportFunc':
      return transformMergeAction(state, n.MergeSupportFunc)
    case 'CollateClause': {
      const arg = transform(state, n.CollateClause.arg!)
      if (arg.type !== T.unknown && typeCollation(state, arg.type) === 0) {
        throw errorAt(
          state,
          SQLSTATE.datatypeMismatch,
          `collations are not supported by type ${typeName(state, arg.type)}`,
          loc(n.CollateClause),
        )
      }
      const collation = lookupCollation(state, nameList(n.CollateClause.collname), loc(n.CollateClause))
      return { kind: 'CollateExpr', arg, type: arg.type, typmod: arg.typmod, collation, location: loc(n.CollateClause) }
    }
    case 'SQLValueFunction':
      return transformValueFunction(state, n.SQLValueFunction.op!, n.SQLValueFunction.typmod ?? -1, loc(n.SQLValueFunction))
    case 'GroupingFunc': {
      const args = (n.GroupingFunc.args ?? []).map((arg) => transform(state, arg))
      if (args.length > 31)
        throw errorAt(state, SQLSTATE.tooManyArguments, 'GROUPING must have fewer than 32 arguments', loc(n.GroupingFunc))
      const levelsUp = aggregateLevel(state, args, [], null, loc(n.GroupingFunc), true)
      return { kind: 'GroupingFunc', args, refs: [], levelsUp, type: T.int4, typmod: -1, collation: 0, location: loc(n.GroupingFunc) }
    }
    case 'JsonObjectConstructor':
      return transformJsonObject(state, n.JsonObjectConstructor)
    case 'JsonArrayConstructor':
      return transformJsonArray(state, n.JsonArrayConstructor)
    case 'JsonArrayQueryConstructor':
      return transformJsonArrayQuery(state, n.JsonArrayQueryConstructor)
    case 'JsonObjectAgg':
      return transformJsonObjectAgg(state, n.JsonObjectAgg)
    case 'JsonArrayAgg':
      return transformJsonArrayAgg(state, n.JsonArrayAgg)
    case 'JsonParseExpr':
      return transformJsonParse(state, n.JsonParseExpr)
    case 'JsonScalarExpr':
      return transformJsonScalar(state, n.JsonScalarExpr)
    case 'JsonSerializeExpr':
      return transformJsonSerialize(state, n.JsonSerializeExpr)
    case 'JsonIsPredicate':
      return transformJsonIsPredicate(state, n.JsonIsPredicate)
    case 'JsonFuncExpr':
      return transformJsonFunc(state, n.JsonFuncExpr)
    case 'SetToDefault':
      throw errorAt(state, SQLSTATE.syntaxError, 'DEFAULT is not allowed in this context', loc(n.SetToDefault))
    case 'MultiAssignRef':
      return transformMultiAssign(state, n.MultiAssignRef)
    case 'CurrentOfExpr':
      if (n.CurrentOfExpr.cursor_name === undefined) throw notSupported('WHERE CURRENT OF with a parameter is not supported')
      return {
        kind: 'CurrentOfExpr',
        varno: state.targetItem?.rtindex ?? 0,
        cursorName: n.CurrentOfExpr.cursor_name,
        type: T.bool,
        typmod: -1,
        collation: 0,
        location: -1,
      }
    case 'NamedArgExpr':
      throw errorAt(state, SQLSTATE.syntaxError, 'named arguments are not allowed here', loc(n.NamedArgExpr))
    default:
      throw notSupported(`${tag} expressions are not supported`).with(
        errorAt(state, SQLSTATE.featureNotSupported, '', (n[tag] as { location?: number }).location).fields,
      )
  }
}

const BOOLEAN_TESTS: Readonly<Record<string, BooleanTest['test']>> = {
  IS_TRUE: 'true',
  IS_NOT_TRUE: 'not true',
  IS_FALSE: 'false',
  IS_NOT_FALSE: 'not false',
  IS_UNKNOWN: 'unknown',
  IS_NOT_UNKNOWN: 'not unknown',
}

function commonMod(args: readonly Expr[]): number {
  const [first] = args
  return first !== undefined && args.every((arg) => arg.type === first.type && arg.typmod === first.typmod) ? first.typmod : -1
}

export function refuseSrf(state: ParseState, before: Expr | null, construct: string): void {
  if (state.lastSrf === before || state.lastSrf === null) return
  throw errorAt(
    state,
    SQLSTATE.featureNotSupported,
    `set-returning functions are not allowed in ${construct}`,
    exprLocation(state.lastSrf),
    {
      hint: 'You might be able to move the set-returning function into a LATERAL FROM item.',
    },
  )
}

/** The longest text of an int8: binary, with an underscore between all digits. */
const MAX_INT8_TEXT = 132

export function transformConst(state: ParseState, node: A_Const): Expr {
  const location = loc(node)
  if (node.isnull) return makeConst(T.unknown, -1, 0, null, location)
  if (node.ival !== undefined) return makeConst(T.int4, -1, 0, node.ival.ival ?? 0, location)
  if (node.sval !== undefined) return makeConst(T.unknown, -1, 0, node.sval.sval ?? '', location)
  if (node.boolval !== undefined) return makeConst(T.bool, -1, 0, node.boolval.boolval ?? false, location)
  if (node.fval !== undefined) {
    const text = node.fval.fval ?? '0'
    // Decimal, or with the prefix of another base, possibly with underscores.
    const integer = /^([-+]?)(\d[\d_]*|0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+)$/.exec(text)
    if (integer !== null && text.length <= MAX_INT8_TEXT) {
      const size = BigInt(integer[2]!.replaceAll('_', ''))
      const big = integer[1] === '-' ? -size : size
      if (big >= -(2n ** 31n) && big < 2n ** 31n) return makeConst(T.int4, -1, 0, Number(big), location)
      if (big >= -(2n ** 63n) && big < 2n ** 63n) {
        const value = Number(big)
        return makeConst(T.int8, -1, 0, Number.isSafeInteger(value) ? value : big, location)
      }
    }
    return makeConst(T.numeric, -1, 0, literalValue(state, T.numeric, text, -1, location), location)
  }
  const bits = node.bsval?.bsval ?? ''
  return makeConst(T.bit, -1, 0, literalValue(state, T.bit, bits, -1, location), location)
}

function transformParam(state: ParseState, number: number, location: number): Expr {
  const { params } = state.ctx
  const known = params.types[number - 1]
  if (number <= 0 || number > 65535 || (known === undefined && !params.variable)) {
    throw errorAt(state, SQLSTATE.undefinedParameter, `there is no parameter $${number}`, location)
  }
  if (params.variable) {
    while (params.types.length < number) params.types.push(0)
    if (params.types[number - 1] === 0) params.types[number - 1] = T.unknown
  } else if (known === 0) throw errorAt(state, SQLSTATE.undefinedParameter, `there is no parameter $${number}`, location)
  const type = params.types[number - 1]!
  return { kind: 'Param', paramKind: 'extern', id: number, type, typmod: -1, collation: typeCollation(state, type), location }
}

// --- operators

function transformPlainOperator(state: ParseState, node: A_Expr): Expr {
  const location = loc(node)
  const op = () => operatorName(state, nameList(node.name), location)
  const leftRow = nodeAs(node.lexpr, 'RowExpr')
  if (leftRow !== undefined) {
    const link = nodeAs(node.rexpr, 'SubLink')
    if (link?.subLinkType === 'EXPR_SUBLINK') {
      return transformSubLink(state, {
        ...link,
        subLinkType: 'ROWCOMPARE_SUBLINK',
        testexpr: node.lexpr!,
        operName: node.name!,
        location,
      })
    }
    const rightRow = nodeAs(node.rexpr, 'RowExpr')
    if (rightRow !== undefined) {
      const left = transformRow(state, leftRow)
      const right = transformRow(state, rightRow)
      return rowComparison(state, op(), fields(left), fields(right), location)
    }
  }
  const left = node.lexpr === undefined ? null : transform(state, node.lexpr)
  return makeOp(state, op(), left, transform(state, node.rexpr!), location)
}

function transformOperator(state: ParseState, node: A_Expr): Expr {
  const location = loc(node)
  const names = nameList(node.name)
  const op = () => operatorName(state, names, location)
  switch (node.kind) {
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL': {
      const left = transform(state, node.lexpr!)
      return makeScalarArrayOp(state, op(), node.kind === 'AEXPR_OP_ANY', left, transform(state, node.rexpr!), location)
    }
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT': {
      const left = transform(state, node.lexpr!)
      const right = transform(state, node.rexpr!)
      const negate = node.kind === 'AEXPR_NOT_DISTINCT'
      if (isNullConst(right) || isNullConst(left)) {
        // x IS DISTINCT FROM NULL is a null test; rows keep their own meaning of null.
        const arg = isNullConst(right) ? left : right
        return { kind: 'NullTest', arg, isNull: negate, argIsRow: false, type: T.bool, typmod: -1, collation: 0, location }
      }
      const both = left.kind === 'RowExpr' && right.kind === 'RowExpr'
      const result = both ? rowDistinct(state, op(), fields(left), fields(right), location) : distinct(state, names, left, right, location)
      return negate ? boolExpr('not', [result], location) : result
    }
    case 'AEXPR_NULLIF': {
      const made = makeOp(state, op(), transform(state, node.lexpr!), transform(state, node.rexpr!), location)
      if (made.type !== T.bool) throw errorAt(state, SQLSTATE.datatypeMismatch, 'NULLIF requires = operator to yield boolean', location)
      if (made.retset) throw errorAt(state, SQLSTATE.datatypeMismatch, 'NULLIF must not return a set', location)
      const [first] = made.args
      return {
        kind: 'NullIfExpr',
        opNo: made.opNo,
        opFuncId: made.opFuncId,
        args: made.args,
        inputCollation: 0,
        type: first!.type,
        typmod: first!.typmod,
        collation: 0,
        location,
      }
    }
    case 'AEXPR_IN':
      return transformIn(state, node)
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE':
    case 'AEXPR_SIMILAR':
      return makeOp(state, op(), transform(state, node.lexpr!), transform(state, node.rexpr!), location)
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM': {
      const [low, high] = nodeAs(node.rexpr, 'List')!.items!
      const compare = (name: string, right: Node): Node => ({
        A_Expr: { kind: 'AEXPR_OP', name: [{ String: { sval: name } }], lexpr: node.lexpr!, rexpr: right, location },
      })
      const both = (boolop: 'AND_EXPR' | 'OR_EXPR', ...args: Node[]): Node => ({ BoolExpr: { boolop, args, location } })
      const tree = {
        AEXPR_BETWEEN: () => both('AND_EXPR', compare('>=', low!), compare('<=', high!)),
        AEXPR_NOT_BETWEEN: () => both('OR_EXPR', compare('<', low!), compare('>', high!)),
        AEXPR_BETWEEN_SYM: () =>
          both(
            'OR_EXPR',
            both('AND_EXPR', compare('>=', low!), compare('<=', high!)),
            both('AND_EXPR', compare('>=', high!), compare('<=', low!)),
          ),
        AEXPR_NOT_BETWEEN_SYM: () =>
          both(
            'AND_EXPR',
            both('OR_EXPR', compare('<', low!), compare('>', high!)),
            both('OR_EXPR', compare('<', high!), compare('>', low!)),
          ),
      }[node.kind]()
      return transform(state, tree)
    }
    default:
      throw notSupported(`operator form ${node.kind} is not supported`)
  }
}

const fields = (row: Expr): readonly Expr[] => (row.kind === 'RowExpr' ? row.args : [row])

function isNullConst(expr: Expr): boolean {
  return expr.kind === 'Const' && expr.value === null && expr.type === T.unknown
}

function hasVars(node: unknown): boolean {
  if (typeof node !== 'object' || node === null) return false
  if (Array.isArray(node)) return node.some(hasVars)
  if ('A_Const' in node) return false
  for (const [key, value] of Object.entries(node)) if (key === 'ColumnRef' || hasVars(value)) return true
  return false
}

function transformIn(state: ParseState, node: A_Expr): Expr {
  const location = loc(node)
  const names = nameList(node.name)
  const useOr = names[0] !== '<>'
  const left = transform(state, node.lexpr!)
  const constants: Expr[] = []
  const variables: Expr[] = []
  const items = nodeAs(node.rexpr, 'List')?.items ?? []
  const all = eachOf(state, items, (item) => transform(state, item))
  const isVariable = (item: Expr, source: Node): boolean => item.kind !== 'Const' && item.kind !== 'Param' && hasVars(source)
  for (let i = 0; i < all.length; i++) (isVariable(all[i]!, items[i]!) ? variables : constants).push(all[i]!)
  let result = null as Expr | null
  let rest: readonly Expr[] = all
  if (constants.length > 1) {
    const scalar = onceFor(constants.length, () => commonType(state, [left, ...constants], null))
    const array = scalar === 0 || scalar === T.record ? 0 : (state.ctx.catalog.type(scalar)?.typarray ?? 0)
    if (array !== 0) {
      const elements = eachOf(state, constants, (item) => coerceToCommon(state, item, scalar, 'IN'))
      const list: Expr = {
        kind: 'ArrayExpr',
        elementType: scalar,
        elements,
        multidims: false,
        type: array,
        typmod: -1,
        collation: 0,
        location: -1,
      }
      result = makeScalarArrayOp(state, operatorName(state, names, location), useOr, left, list, location)
      rest = variables
    }
  }
  for (const item of rest) {
    const op = operatorName(state, names, location)
    const comparison =
      left.kind === 'RowExpr' && item.kind === 'RowExpr'
        ? rowComparison(state, op, left.args, item.args, location)
        : makeOp(state, op, left, item, location)
    const bool = coerceToBoolean(state, comparison, 'IN')
    if (result === null) result = bool
    else if (result.kind === 'BoolExpr' && result.location === location && result.op === (useOr ? 'or' : 'and')) {
      result = { ...result, args: [...result.args, bool] }
    } else result = boolExpr(useOr ? 'or' : 'and', [result, bool], location)
  }
  return result!
}

// --- calls and casts

function transformCall(state: ParseState, node: NodeOf['FuncCall']): Expr {
  const location = loc(node)
  const args: Expr[] = []
  const argNames: string[] = []
  for (const item of node.args ?? []) {
    const named = nodeAs(item, 'NamedArgExpr')
    if (named !== undefined) {
      if (argNames.includes(named.name!)) {
        throw errorAt(state, SQLSTATE.syntaxError, `argument name "${named.name}" used more than once`, loc(named))
      }
      argNames.push(named.name!)
      args.push(transform(state, named.arg!))
    } else {
      const expr = transform(state, item)
      if (argNames.length > 0) {
        throw errorAt(state, SQLSTATE.syntaxError, 'positional argument cannot follow named argument', exprLocation(expr))
      }
      args.push(expr)
    }
  }
  if (node.agg_within_group) {
    for (const item of node.agg_order ?? []) args.push(transformExpr(state, (item as NodeOf).SortBy.node!, 'order by'))
  }
  const filter = node.agg_filter === undefined ? null : coerceToBoolean(state, transformExpr(state, node.agg_filter, 'filter'), 'FILTER')
  return parseFunction(state, { names: nameList(node.funcname), args, argNames, raw: node, filter, procCall: false, location })!
}

function transformCast(state: ParseState, node: TypeCast): Expr {
  const target = resolveType(state, node.typeName!)
  const array = nodeAs(node.arg, 'A_ArrayExpr')
  let expr: Expr
  if (array !== undefined) {
    const base = state.ctx.catalog.type(target.type)
    const typelem = base?.typtype === 'd' ? (state.ctx.catalog.type(base.typbasetype)?.typelem ?? 0) : (base?.typelem ?? 0)
    const arrayType = base?.typtype === 'd' ? base.typbasetype : target.type
    expr =
      typelem !== 0 && state.ctx.catalog.type(arrayType)?.typlen === -1
        ? transformArray(state, array, arrayType, typelem, target.typmod)
        : transform(state, node.arg!)
  } else expr = transform(state, node.arg!)
  let location = node.location ?? 0
  if (location < 0) location = node.typeName!.location ?? 0
  const result = coerceToTarget(state, expr, target.type, target.typmod, COERCION.explicit, 'explicit', location)
  if (result === null) {
    throw errorAt(
      state,
      SQLSTATE.cannotCoerce,
      `cannot cast type ${typeName(state, expr.type)} to ${typeName(state, target.type)}`,
      location >= 0 ? location : exprLocation(expr),
    )
  }
  return result
}

function transformCase(state: ParseState, node: NodeOf['CaseExpr']): Expr {
  const before = state.lastSrf
  let arg: Expr | null = null
  let test: Expr | null = null
  if (node.arg !== undefined) {
    arg = transform(state, node.arg)
    if (arg.type === T.unknown) arg = coerceType(state, arg, T.text, -1, COERCION.implicit, 'implicit', -1)
    assignCollations(state, arg)
    test = { kind: 'CaseTestExpr', type: arg.type, typmod: arg.typmod, collation: arg.collation, location: -1 }
  }
  const whens = eachOf(state, node.args ?? [], (item) => {
    const when = (item as NodeOf).CaseWhen
    const condition = transform(state, when.expr!)
    const full = test === null ? condition : makeOp(state, { schema: null, name: '=' }, test, condition, loc(when))
    return { condition: coerceToBoolean(state, full, 'CASE/WHEN'), result: transform(state, when.result!) }
  })
  const results = whens.map((when) => when.result)
  const otherwise = node.defresult === undefined ? makeConst(T.unknown, -1, 0, null, -1) : transform(state, node.defresult)
  const type = commonType(state, [otherwise, ...results], 'CASE')
  const defaultResult = coerceToCommon(state, otherwise, type, 'CASE/ELSE')
  const typed = eachOf(state, results, (result) => coerceToCommon(state, result, type, 'CASE/WHEN'))
  refuseSrf(state, before, 'CASE')
  const typmod = commonMod([defaultResult, ...typed])
  return {
    kind: 'CaseExpr',
    arg,
    whens: whens.map(({ condition }, i) => ({ condition, result: typed[i]! })),
    defaultResult,
    type,
    typmod,
    collation: 0,
    location: loc(node),
  }
}

const VALUE_FUNCTIONS: Readonly<Record<string, readonly [SqlValueFunctionName, number]>> = {
  SVFOP_CURRENT_DATE: ['current_date', T.date],
  SVFOP_CURRENT_TIME: ['current_time', T.timetz],
  SVFOP_CURRENT_TIME_N: ['current_time', T.timetz],
  SVFOP_CURRENT_TIMESTAMP: ['current_timestamp', T.timestamptz],
  SVFOP_CURRENT_TIMESTAMP_N: ['current_timestamp', T.timestamptz],
  SVFOP_LOCALTIME: ['localtime', T.time],
  SVFOP_LOCALTIME_N: ['localtime', T.time],
  SVFOP_LOCALTIMESTAMP: ['localtimestamp', T.timestamp],
  SVFOP_LOCALTIMESTAMP_N: ['localtimestamp', T.timestamp],
  SVFOP_CURRENT_ROLE: ['current_role', T.name],
  SVFOP_CURRENT_USER: ['current_user', T.name],
  SVFOP_USER: ['user', T.name],
  SVFOP_SESSION_USER: ['session_user', T.name],
  SVFOP_CURRENT_CATALOG: ['current_catalog', T.name],
  SVFOP_CURRENT_SCHEMA: ['current_schema', T.name],
}

function transformValueFunction(state: ParseState, op: SQLValueFunctionOp, typmod: number, location: number): Expr {
  const [name, type] = VALUE_FUNCTIONS[op]!
  const precise = op.endsWith('_N')
  return {
    kind: 'SqlValueFunction',
    name,
    type,
    typmod: precise ? Math.min(typmod, 6) : -1,
    collation: typeCollation(state, type),
    location,
  }
}

bindDispatch(dispatch)
