// Which brackets the pretty form can do without (isSimpleNode).

import type { Expr } from '../expr.ts'
import { operatorText } from './names.ts'
import type { Writer } from './writer.ts'

/** Parents inside whose own brackets or commas anything may stand bare. */
function enclosing(parent: Expr): boolean {
  switch (parent.kind) {
    case 'FuncExpr':
      return parent.format !== 'explicit' && parent.format !== 'implicit' && parent.format !== 'sql-syntax'
    case 'ArrayExpr':
    case 'RowExpr':
    case 'CoalesceExpr':
    case 'MinMaxExpr':
    case 'JsonConstructorExpr':
    case 'JsonExpr':
    case 'NullIfExpr':
    case 'Aggref':
    case 'GroupingFunc':
    case 'WindowFunc':
    case 'CaseExpr':
    case 'SubscriptingRef':
      return true
    default:
      return false
  }
}

export function isSimple(w: Writer, node: Expr, parent: Expr): boolean {
  switch (node.kind) {
    case 'Var':
    case 'Const':
    case 'Param':
    case 'CoerceToDomainValue':
    case 'SetToDefault':
    case 'CurrentOfExpr':
    case 'SubscriptingRef':
    case 'ArrayExpr':
    case 'RowExpr':
    case 'CoalesceExpr':
    case 'MinMaxExpr':
    case 'JsonConstructorExpr':
    case 'JsonExpr':
    case 'SqlValueFunction':
    case 'NullIfExpr':
    case 'Aggref':
    case 'GroupingFunc':
    case 'WindowFunc':
    case 'FuncExpr':
    case 'NextValueExpr':
    case 'CaseExpr':
    case 'CaseTestExpr':
    case 'SubLinkColumn':
      return true
    case 'FieldSelect':
    case 'FieldStore':
      return parent.kind !== 'FieldSelect'
    case 'CoerceToDomain':
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
      return isSimple(w, node.arg, node)
    case 'OpExpr':
      if (parent.kind === 'OpExpr') return bindsTighter(w, node, parent)
      return parent.kind === 'BoolExpr' || enclosing(parent)
    case 'SubLink':
    case 'NullTest':
    case 'BooleanTest':
    case 'DistinctExpr':
      return parent.kind === 'BoolExpr' || enclosing(parent)
    case 'BoolExpr':
      if (parent.kind === 'BoolExpr') {
        if (parent.op === 'not') return false
        if (node.op === 'not') return true
        return parent.op === 'or' ? true : node.op === 'and'
      }
      return enclosing(parent)
    default:
      return false
  }
}

const LEVEL: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2 }

/** a + b * c and a + b + c need no brackets; everything else is bracketed to be safe. */
function bindsTighter(w: Writer, node: Expr & { kind: 'OpExpr' }, parent: Expr & { kind: 'OpExpr' }): boolean {
  const own = LEVEL[operatorText(w.ctx, node.opNo)]
  const outer = LEVEL[operatorText(w.ctx, parent.opNo)]
  if (own === undefined || outer === undefined || node.args.length < 2 || parent.args.length < 2) return false
  return own > outer || (own === outer && parent.args[0] === node)
}
