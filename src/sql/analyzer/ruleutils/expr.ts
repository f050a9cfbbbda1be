// Expressions back to SQL (get_rule_expr).

import { unreachable } from '../../../base/assert.ts'
import type { Oid } from '../../../base/ids.ts'
import { TYPE_OID as T } from '../../builtin/data/type-oids.ts'
import { quoteIdentifier, quoteLiteral } from '../../types/quote.ts'
import type { Aggref, Expr, FuncExpr, SubLink, SubscriptingRef, Var, WindowFunc } from '../expr.ts'
import { systemColumnName } from '../relation.ts'
import { writeConst } from './const.ts'
import { bindWriteExpr, writeQuery } from './entry.ts'
import { collationText, functionName, operatorText, relationName, typeText } from './names.ts'
import { isSimple } from './precedence.ts'
import { writeOrderBy, writeWindowSpec } from './sort.ts'
import { writeJsonConstructor, writeJsonExpr, writeJsonIsPredicate } from './sql-json.ts'
import { writeSqlSyntax } from './sql-syntax.ts'
import { INDENT_VAR, type Writer } from './writer.ts'

export function writeParen(w: Writer, expr: Expr, showImplicit: boolean, parent: Expr): void {
  const paren = w.prettyParen && !isSimple(w, expr, parent)
  if (paren) w.add('(')
  writeExpr(w, expr, showImplicit)
  if (paren) w.add(')')
}

/** An expression in a list where a bare `t.*` would become its columns: a whole row says its type. */
export function writeField(w: Writer, expr: Expr, showImplicit: boolean): void {
  if (expr.kind === 'Var') writeVar(w, expr, true)
  else writeExpr(w, expr, showImplicit)
}

/** Brackets that are always there unless the pretty form can do without. */
function bracketed(w: Writer, body: () => void): void {
  if (!w.prettyParen) w.add('(')
  body()
  if (!w.prettyParen) w.add(')')
}

export function writeList(w: Writer, list: readonly Expr[], separator = ', ', showImplicit = true): void {
  for (const [i, expr] of list.entries()) {
    if (i > 0) w.add(separator)
    writeExpr(w, expr, showImplicit)
  }
}

export function writeExpr(w: Writer, expr: Expr, showImplicit: boolean): void {
  switch (expr.kind) {
    case 'Var':
      writeVar(w, expr)
      return
    case 'Const':
      writeConst(w, expr, 0)
      return
    case 'Param':
      w.add(`$${expr.id}`)
      return
    case 'FuncExpr':
      writeFunction(w, expr, showImplicit)
      return
    case 'OpExpr':
      bracketed(w, () => {
        const name = operatorText(w.ctx, expr.opNo)
        const [left, right] = expr.args
        if (right === undefined) {
          w.add(`${name} `)
          writeParen(w, left!, true, expr)
        } else {
          writeParen(w, left!, true, expr)
          w.add(` ${name} `)
          writeParen(w, right, true, expr)
        }
      })
      return
    case 'DistinctExpr':
      bracketed(w, () => {
        writeParen(w, expr.args[0]!, true, expr)
        w.add(' IS DISTINCT FROM ')
        writeParen(w, expr.args[1]!, true, expr)
      })
      return
    case 'NullIfExpr':
      w.add('NULLIF(')
      writeList(w, expr.args)
      w.add(')')
      return
    case 'ScalarArrayOpExpr':
      bracketed(w, () => {
        const [left, right] = expr.args
        writeParen(w, left!, true, expr)
        w.add(` ${operatorText(w.ctx, expr.opNo)} ${expr.useOr ? 'ANY' : 'ALL'} (`)
        writeParen(w, right!, true, expr)
        // Without it `= ANY ((SELECT …))` would be read as a sub-select of rows.
        if (right!.kind === 'SubLink' && right!.linkType === 'expr') w.add(`::${typeText(w.ctx, right!.type, right!.typmod)}`)
        w.add(')')
      })
      return
    case 'BoolExpr':
      bracketed(w, () => {
        if (expr.op === 'not') w.add('NOT ')
        for (const [i, arg] of expr.args.entries()) {
          if (i > 0) w.add(expr.op === 'and' ? ' AND ' : ' OR ')
          writeParen(w, arg, false, expr)
        }
      })
      return
    case 'NullTest':
      bracketed(w, () => {
        writeParen(w, expr.arg, true, expr)
        const type = w.ctx.catalog.type(expr.arg.type)
        const row = type?.typtype === 'c' || expr.arg.type === T.record
        if (row && !expr.argIsRow) w.add(expr.isNull ? ' IS NOT DISTINCT FROM NULL' : ' IS DISTINCT FROM NULL')
        else w.add(expr.isNull ? ' IS NULL' : ' IS NOT NULL')
      })
      return
    case 'BooleanTest':
      bracketed(w, () => {
        writeParen(w, expr.arg, false, expr)
        w.add(` IS ${expr.test.toUpperCase()}`)
      })
      return
    case 'CaseExpr':
      w.keyword('CASE', 0, INDENT_VAR, 0)
      if (expr.arg !== null) {
        w.add(' ')
        writeExpr(w, expr.arg, true)
      }
      for (const when of expr.whens) {
        if (!w.prettyIndent) w.add(' ')
        w.keyword('WHEN ', 0, 0, 0)
        writeExpr(w, expr.arg === null ? when.condition : simpleCondition(when.condition), false)
        w.add(' THEN ')
        writeExpr(w, when.result, true)
      }
      if (!w.prettyIndent) w.add(' ')
      w.keyword('ELSE ', 0, 0, 0)
      writeExpr(w, expr.defaultResult, true)
      if (!w.prettyIndent) w.add(' ')
      w.keyword('END', -INDENT_VAR, 0, 0)
      return
    case 'CaseTestExpr':
      w.add('CASE_TEST_EXPR')
      return
    case 'CoalesceExpr':
      w.add('COALESCE(')
      writeList(w, expr.args)
      w.add(')')
      return
    case 'MinMaxExpr':
      w.add(`${expr.op.toUpperCase()}(`)
      writeList(w, expr.args)
      w.add(')')
      return
    case 'SqlValueFunction':
      w.add(expr.name.toUpperCase())
      if (expr.typmod >= 0 && expr.type !== T.name && expr.type !== T.date) w.add(`(${expr.typmod})`)
      return
    case 'ArrayExpr':
      w.add('ARRAY[')
      writeList(w, expr.elements)
      w.add(']')
      if (expr.elements.length === 0) w.add(`::${typeText(w.ctx, expr.type, -1)}`)
      return
    case 'RowExpr':
      w.add('ROW(')
      for (const [i, arg] of expr.args.entries()) {
        if (i > 0) w.add(', ')
        writeField(w, arg, true)
      }
      w.add(')')
      if (expr.format === 'explicit') w.add(`::${typeText(w.ctx, expr.type, -1)}`)
      return
    case 'RowCompareExpr':
      w.add('(ROW(')
      writeList(w, expr.largs)
      w.add(`) ${operatorText(w.ctx, expr.opNos[0]!)} ROW(`)
      writeList(w, expr.rargs)
      w.add('))')
      return
    case 'FieldSelect': {
      const paren = expr.arg.kind !== 'SubscriptingRef' && expr.arg.kind !== 'FieldSelect'
      if (paren) w.add('(')
      writeExpr(w, expr.arg, true)
      if (paren) w.add(')')
      w.add(`.${quoteIdentifier(fieldName(w, expr.arg, expr.fieldNum))}`)
      return
    }
    case 'FieldStore':
      writeExpr(w, expr.newValues[0]!, showImplicit)
      return
    case 'SubscriptingRef':
      writeSubscripts(w, expr)
      return
    case 'RelabelType':
    case 'CoerceViaIO':
    case 'ArrayCoerceExpr':
    case 'ConvertRowtypeExpr':
    case 'CoerceToDomain':
      if (expr.format === 'implicit' && !showImplicit) writeParen(w, expr.arg, false, expr)
      else writeCast(w, expr.arg, expr.type, expr.kind === 'CoerceViaIO' || expr.kind === 'ConvertRowtypeExpr' ? -1 : expr.typmod, expr)
      return
    case 'CoerceToDomainValue':
      w.add('VALUE')
      return
    case 'CollateExpr':
      bracketed(w, () => {
        writeParen(w, expr.arg, showImplicit, expr)
        w.add(` COLLATE ${collationText(expr.collation)}`)
      })
      return
    case 'SetToDefault':
      w.add('DEFAULT')
      return
    case 'SubLink':
      writeSubLink(w, expr)
      return
    case 'SubLinkColumn':
      w.add(`$${expr.column}`)
      return
    case 'Aggref':
      writeAggregate(w, expr)
      return
    case 'WindowFunc':
      writeWindow(w, expr)
      return
    case 'GroupingFunc':
      w.add('GROUPING(')
      writeList(w, expr.args)
      w.add(')')
      return
    case 'NextValueExpr':
      w.add(`nextval(${quoteLiteral(relationName(w.ctx, expr.sequence))})`)
      return
    case 'CurrentOfExpr':
      w.add(`CURRENT OF ${quoteIdentifier(expr.cursorName)}`)
      return
    case 'JsonConstructorExpr':
      writeJsonConstructor(w, expr, (part) => writeExpr(w, part, true))
      return
    case 'JsonIsPredicate':
      writeJsonIsPredicate(w, expr, (part) => writeExpr(w, part, true))
      return
    case 'JsonExpr':
      writeJsonExpr(w, expr, (part) => writeExpr(w, part, true))
      return
    default:
      unreachable(expr, 'expression')
      return
  }
}

/** WHEN of a simple CASE: the right side of the comparison with the operand. */
function simpleCondition(condition: Expr): Expr {
  let inner = condition
  if (inner.kind === 'RelabelType') inner = inner.arg
  return inner.kind === 'OpExpr' && inner.args.length === 2 ? inner.args[1]! : condition
}

/** The column's name, for comparison with an output name. */
export function varName(w: Writer, expr: Var): string | null {
  if (expr.attno <= 0) return expr.attno === 0 ? null : (systemColumnName(expr.attno) ?? null)
  return w.names[expr.levelsUp]?.columns[expr.varno - 1]?.[expr.attno - 1] ?? null
}

export function writeVar(w: Writer, expr: Var, topLevel = false): string | null {
  const level = w.names[expr.levelsUp]
  const refname = level?.refnames[expr.varno - 1] ?? null
  if (expr.attno === 0) {
    // A whole row: `t.*`, which at the top of a target list would be taken apart.
    w.add(refname === null ? '*' : `${quoteIdentifier(refname)}.*`)
    if (topLevel) w.add(`::${typeText(w.ctx, expr.type, -1)}`)
    return null
  }
  const name = varName(w, expr) ?? '?dropped?'
  if (refname !== null && (w.varPrefix || expr.levelsUp > 0)) w.add(`${quoteIdentifier(refname)}.`)
  w.add(quoteIdentifier(name))
  return name
}

export function writeCast(w: Writer, arg: Expr, type: Oid, typmod: number, parent: Expr): void {
  if (arg.kind === 'Const' && arg.type === type && arg.typmod === -1) writeConst(w, arg, -1)
  else bracketed(w, () => writeParen(w, arg, false, parent))
  w.add(`::${typeText(w.ctx, type, typmod)}`)
}

/** The typmod a length coercion applies, or -1. */
function lengthCoercion(expr: FuncExpr): number {
  const [, typmod] = expr.args
  if (expr.args.length < 2 || expr.args.length > 3 || typmod?.kind !== 'Const' || typmod.type !== T.int4 || typmod.value === null) return -1
  return typmod.value as number
}

function writeFunction(w: Writer, expr: FuncExpr, showImplicit: boolean): void {
  const [first] = expr.args
  if (expr.format === 'implicit' && !showImplicit) {
    writeParen(w, first!, false, expr)
    return
  }
  if (expr.format === 'implicit' || expr.format === 'explicit') {
    writeCast(w, first!, expr.type, lengthCoercion(expr), expr)
    return
  }
  if (expr.format === 'sql-syntax' && writeSqlSyntax(w, expr)) return
  w.add(`${functionName(w.ctx, expr.funcId)}(`)
  writeArguments(w, expr.args, expr.variadic, expr.funcId)
  w.add(')')
}

function writeArguments(w: Writer, args: readonly Expr[], variadic: boolean, fn: Oid): void {
  // Arguments the analyzer packed stay an array: VARIADIC says so. Of VARIADIC "any" functions only what was given that way.
  const marked = variadic && args.length > 0
  for (const [i, arg] of args.entries()) {
    if (i > 0) w.add(', ')
    if (marked && i === args.length - 1 && (w.ctx.catalog.proc(fn)?.provariadic ?? 0) !== 0) w.add('VARIADIC ')
    writeExpr(w, arg, true)
  }
}

function writeAggregate(w: Writer, expr: Aggref): void {
  w.add(`${functionName(w.ctx, expr.aggFnOid)}(${expr.distinct.length > 0 ? 'DISTINCT ' : ''}`)
  if (expr.aggKind !== 'normal') {
    writeList(w, expr.directArgs)
    w.add(') WITHIN GROUP (ORDER BY ')
    writeOrderBy(w, expr.order, expr.args, false)
  } else if (expr.star) w.add('*')
  else {
    writeArguments(
      w,
      expr.args.filter((entry) => !entry.resjunk).map((entry) => entry.expr),
      expr.variadic,
      expr.aggFnOid,
    )
    if (expr.order.length > 0) {
      w.add(' ORDER BY ')
      writeOrderBy(w, expr.order, expr.args, false)
    }
  }
  if (expr.filter !== null) {
    w.add(') FILTER (WHERE ')
    writeExpr(w, expr.filter, false)
  }
  w.add(')')
}

function writeWindow(w: Writer, expr: WindowFunc): void {
  w.add(`${functionName(w.ctx, expr.winFnOid)}(`)
  if (expr.star) w.add('*')
  else writeArguments(w, expr.args, false, expr.winFnOid)
  if (expr.filter !== null) {
    w.add(') FILTER (WHERE ')
    writeExpr(w, expr.filter, false)
  }
  w.add(') OVER ')
  const window = w.windows.find((clause) => clause.winRef === expr.winRef)
  if (window === undefined) w.add('(?)')
  else if (window.name !== null) w.add(quoteIdentifier(window.name))
  else writeWindowSpec(w, window)
}

function fieldName(w: Writer, row: Expr, field: number): string {
  const type = w.ctx.catalog.type(row.type)
  const base = type?.typtype === 'd' ? w.ctx.catalog.type(type.typbasetype) : type
  if (base?.typtype === 'c') return w.ctx.catalog.relation(base.typrelid)?.columns[field - 1]?.name ?? `f${field}`
  if (row.kind === 'RowExpr') return row.colNames?.[field - 1] ?? `f${field}`
  if (row.kind === 'FuncExpr') {
    const proc = w.ctx.catalog.proc(row.funcId)
    const outs = (proc?.proargnames ?? []).filter((_, i) => ['o', 'b', 't'].includes(proc?.proargmodes?.[i] ?? 'i'))
    return outs[field - 1] ?? `f${field}`
  }
  if (row.kind === 'Var') {
    const rte = w.names[row.levelsUp]?.query?.rtable[row.varno - 1]
    if (rte?.kind === 'subquery') {
      const inner = rte.subquery.targetList.find((entry) => !entry.resjunk && entry.resno === row.attno)?.expr
      if (inner !== undefined && inner.kind !== 'Var') return fieldName(w, inner, field)
    }
    if (rte !== undefined && row.attno === 0) return rte.colNames[field - 1] ?? `f${field}`
  }
  return `f${field}`
}

function writeSubscripts(w: Writer, expr: SubscriptingRef): void {
  const paren = expr.arg.kind !== 'Var' && expr.arg.kind !== 'FieldSelect'
  if (paren) w.add('(')
  writeExpr(w, expr.arg, true)
  if (paren) w.add(')')
  for (const [i, upper] of expr.upper.entries()) {
    w.add('[')
    if (expr.isSlice) {
      const lower = expr.lower[i]
      if (lower) writeExpr(w, lower, false)
      w.add(':')
    }
    if (upper !== null) writeExpr(w, upper, false)
    w.add(']')
  }
}

function writeSubLink(w: Writer, expr: SubLink): void {
  w.add(expr.linkType === 'array' ? 'ARRAY(' : '(')
  let op = ''
  const test = expr.testExpr
  if (test !== null) {
    if (test.kind === 'OpExpr') {
      writeExpr(w, test.args[0]!, true)
      op = operatorText(w.ctx, test.opNo)
    } else if (test.kind === 'BoolExpr') {
      const pairs = test.args.filter((arg) => arg.kind === 'OpExpr')
      w.add('(')
      writeList(
        w,
        pairs.map((pair) => pair.args[0]!),
      )
      w.add(')')
      op = operatorText(w.ctx, pairs[0]!.opNo)
    } else if (test.kind === 'RowCompareExpr') {
      w.add('(')
      writeList(w, test.largs)
      w.add(')')
      op = operatorText(w.ctx, test.opNos[0]!)
    }
  }
  let paren = true
  switch (expr.linkType) {
    case 'exists':
      w.add('EXISTS ')
      break
    case 'any':
      w.add(op === '=' ? ' IN ' : ` ${op} ANY `)
      break
    case 'all':
      w.add(` ${op} ALL `)
      break
    case 'rowcompare':
      w.add(` ${op} `)
      break
    default:
      paren = false
  }
  if (paren) w.add('(')
  writeQuery(w, expr.subselect, null, false)
  w.add(paren ? '))' : ')')
}

bindWriteExpr(writeExpr)
