// Planned expressions as EXPLAIN prints them. Vars over a node's input are followed down to the column they come from.

import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { Expr } from '../analyzer/expr.ts'
import { systemColumnName } from '../analyzer/relation.ts'
import { TEXT_IO } from '../types/define.ts'
import { quoteIdentifier } from '../types/quote.ts'
import { findBuiltinType } from '../types/registry.ts'
import { isSubPlanExpr } from './expr-tree.ts'
import { INNER_VAR, type Plan, SCAN_VAR, type SubPlanExpr } from './plan.ts'

export interface ExprContext {
  readonly catalog: CatalogSnapshot
  /** More than one relation is in the plan: columns are shown with their relation's name. */
  readonly qualify: boolean
  /** exec param → the InitPlan that sets it. */
  readonly initParams: ReadonlyMap<number, string>
  /** exec param → what an outer row passes in. */
  readonly outerParams: ReadonlyMap<number, { readonly expr: Expr; readonly node: Plan }>
}

const NUMERIC_TYPES: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701, 1700])

function inputOf(node: Plan, varno: number): Plan | null {
  if ('left' in node && 'right' in node) return varno === INNER_VAR ? node.right : node.left
  if (node.kind === 'LookupJoin') return varno === INNER_VAR ? null : node.left
  if ('input' in node) return node.input
  if (node.kind === 'Append') return node.inputs[0] ?? null
  return null
}

function relationName(node: Plan, catalog: CatalogSnapshot): string {
  if (node.alias !== undefined && node.alias !== '') return node.alias
  return 'relation' in node ? (catalog.relation(node.relation)?.name ?? '') : ''
}

function columnText(node: Plan, varno: number, attno: number, cx: ExprContext): string {
  if (varno === SCAN_VAR || (node.kind === 'LookupJoin' && varno === INNER_VAR)) {
    if (node.kind === 'LookupJoin' && varno === INNER_VAR) {
      const entry = node.scanTargetList[attno - 1]
      return entry === undefined ? '?' : exprText(entry.expr, node, cx)
    }
    if ('relation' in node) {
      const column = cx.catalog.relation(node.relation)?.columns[attno - 1]?.name ?? systemColumnName(attno) ?? 'rowkey'
      const name = relationName(node, cx.catalog)
      return cx.qualify && name !== '' ? `${quoteIdentifier(name)}.${quoteIdentifier(column)}` : quoteIdentifier(column)
    }
    if (node.kind === 'SubqueryScan') {
      const entry = node.input.targetList[attno - 1]
      return entry === undefined ? '?' : exprText(entry.expr, node.input, cx)
    }
    return cx.qualify && node.alias !== undefined ? `${quoteIdentifier(node.alias)}.column${attno}` : `column${attno}`
  }
  const input = inputOf(node, varno)
  const entry = input?.targetList[attno - 1]
  return input === null || entry === undefined ? `?column${attno}?` : exprText(entry.expr, input, cx)
}

function constText(expr: Expr & { kind: 'Const' }, cx: ExprContext): string {
  const name = typeName(expr.type, cx)
  if (expr.value === null) return expr.type === 705 ? 'NULL' : `NULL::${name}`
  if (expr.type === 16) return expr.value === true ? 'true' : 'false'
  const text = findBuiltinType(expr.type)?.output(expr.value, TEXT_IO) ?? String(expr.value)
  if (NUMERIC_TYPES.has(expr.type) && /^\d/.test(text))
    return expr.type === 23 || expr.type === 1700 || expr.type === 20 ? text : `'${text}'::${name}`
  return `'${text.replaceAll("'", "''")}'::${name}`
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  bool: 'boolean',
  varchar: 'character varying',
  bpchar: 'character',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  time: 'time without time zone',
}

function typeName(type: number, cx: ExprContext): string {
  const row = cx.catalog.type(type)
  if (row === null) return `type ${type}`
  if (row.typelem !== 0 && row.typlen === -1 && row.typcategory === 'A') return `${typeName(row.typelem, cx)}[]`
  return TYPE_NAMES[row.typname] ?? row.typname
}

const list = (exprs: readonly Expr[], node: Plan, cx: ExprContext): string => exprs.map((e) => exprText(e, node, cx)).join(', ')

export function exprText(expr: Expr, node: Plan, cx: ExprContext): string {
  const text = (e: Expr): string => exprText(e, node, cx)
  if (isSubPlanExpr(expr)) {
    const { plan } = expr as unknown as SubPlanExpr
    if (plan.kind === 'exists') return `EXISTS(SubPlan ${plan.id})`
    if (plan.kind === 'any') return `(ANY (${plan.useHash ? 'hashed ' : ''}SubPlan ${plan.id}))`
    return plan.kind === 'all' ? `(ALL (SubPlan ${plan.id}))` : `(SubPlan ${plan.id})`
  }
  switch (expr.kind) {
    case 'Var':
      return columnText(node, expr.varno, expr.attno, cx)
    case 'Const':
      return constText(expr, cx)
    case 'Param': {
      if (expr.paramKind === 'extern') return `$${expr.id}`
      const outer = cx.outerParams.get(expr.id)
      if (outer !== undefined) return exprText(outer.expr, outer.node, cx)
      return cx.initParams.get(expr.id) ?? `$${expr.id}`
    }
    case 'OpExpr':
    case 'DistinctExpr':
    case 'NullIfExpr': {
      const name = cx.catalog.operator(expr.opNo)?.oprname ?? '?'
      const [left, right] = expr.args
      if (expr.kind === 'DistinctExpr') return `(${text(left!)} IS DISTINCT FROM ${text(right!)})`
      if (expr.kind === 'NullIfExpr') return `NULLIF(${list(expr.args, node, cx)})`
      return right === undefined ? `(${name} ${text(left!)})` : `(${text(left!)} ${name} ${text(right)})`
    }
    case 'ScalarArrayOpExpr':
      return `(${text(expr.args[0]!)} ${cx.catalog.operator(expr.opNo)?.oprname ?? '?'} ${expr.useOr ? 'ANY' : 'ALL'} (${text(expr.args[1]!)}))`
    case 'BoolExpr':
      return expr.op === 'not' ? `(NOT ${text(expr.args[0]!)})` : `(${expr.args.map(text).join(expr.op === 'and' ? ' AND ' : ' OR ')})`
    case 'NullTest':
      return `(${text(expr.arg)} IS ${expr.isNull ? '' : 'NOT '}NULL)`
    case 'BooleanTest':
      return `(${text(expr.arg)} IS ${expr.test.toUpperCase()})`
    case 'FuncExpr': {
      if (expr.format === 'implicit') return text(expr.args[0]!)
      if (expr.format === 'explicit') return `(${text(expr.args[0]!)})::${typeName(expr.type, cx)}`
      return `${cx.catalog.proc(expr.funcId)?.proname ?? '?'}(${list(expr.args, node, cx)})`
    }
    case 'RelabelType':
      return expr.format === 'implicit' || expr.type === expr.arg.type ? text(expr.arg) : `(${text(expr.arg)})::${typeName(expr.type, cx)}`
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'CoerceToDomain':
      return expr.format === 'implicit' ? text(expr.arg) : `(${text(expr.arg)})::${typeName(expr.type, cx)}`
    case 'CollateExpr':
      return text(expr.arg)
    case 'Aggref': {
      const args = expr.star
        ? '*'
        : `${expr.distinct.length > 0 ? 'DISTINCT ' : ''}${list(
            expr.args.filter((a) => !a.resjunk).map((a) => a.expr),
            node,
            cx,
          )}`
      const filter = expr.filter === null ? '' : ` FILTER (WHERE ${text(expr.filter)})`
      return `${cx.catalog.proc(expr.aggFnOid)?.proname ?? '?'}(${args})${filter}`
    }
    case 'WindowFunc':
      return `${cx.catalog.proc(expr.winFnOid)?.proname ?? '?'}(${expr.star ? '*' : list(expr.args, node, cx)}) OVER w${expr.winRef}`
    case 'GroupingFunc':
      return `GROUPING(${list(expr.args, node, cx)})`
    case 'CoalesceExpr':
      return `COALESCE(${list(expr.args, node, cx)})`
    case 'MinMaxExpr':
      return `${expr.op.toUpperCase()}(${list(expr.args, node, cx)})`
    case 'CaseExpr': {
      const whens = expr.whens.map((when) => ` WHEN ${text(when.condition)} THEN ${text(when.result)}`).join('')
      return `CASE${expr.arg === null ? '' : ` ${text(expr.arg)}`}${whens} ELSE ${text(expr.defaultResult)} END`
    }
    case 'ArrayExpr':
      return `ARRAY[${list(expr.elements, node, cx)}]`
    case 'RowExpr':
      return `ROW(${list(expr.args, node, cx)})`
    case 'RowCompareExpr':
      return `(ROW(${list(expr.largs, node, cx)}) ${expr.op} ROW(${list(expr.rargs, node, cx)}))`
    case 'SqlValueFunction':
      return expr.name.toUpperCase()
    case 'FieldSelect':
      return `(${text(expr.arg)}).f${expr.fieldNum}`
    case 'SubscriptingRef':
      return `${text(expr.arg)}[${expr.upper.map((e) => (e === null ? '' : text(e))).join(', ')}]`
    default:
      return expr.kind
  }
}

export { relationName }
