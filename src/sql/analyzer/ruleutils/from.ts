// FROM back to SQL: items, joins, aliases.

import { quoteIdentifier } from '../../types/quote.ts'
import type { Expr } from '../expr.ts'
import type { JoinTreeNode, Query, RangeTblEntry, RteJoin, RteValues } from '../query.ts'
import { writeExpr, writeQuery } from './entry.ts'
import { writeField } from './expr.ts'
import { collationText, relationName, typeText } from './names.ts'
import { INDENT_JOIN, INDENT_STD, type Writer } from './writer.ts'

export function writeFrom(w: Writer, query: Query): void {
  let first = true
  for (const node of query.jointree.fromlist) {
    if (node.kind === 'RangeTblRef' && !query.rtable[node.rtindex - 1]!.inFromClause) continue
    if (first) {
      w.keyword(' FROM ', -INDENT_STD, INDENT_STD, 2)
      first = false
      writeItem(w, node, query)
      continue
    }
    w.add(', ')
    w.wrap(
      w.capture(() => writeItem(w, node, query)),
      false,
    )
  }
}

function writeItem(w: Writer, node: JoinTreeNode, query: Query): void {
  if (node.kind === 'FromExpr') return
  if (node.kind === 'RangeTblRef') {
    writeEntry(w, query.rtable[node.rtindex - 1]!, node.rtindex)
    return
  }
  const rte = query.rtable[node.rtindex - 1]!
  const right = node.right
  const rightAliased = right.kind === 'JoinExpr' && query.rtable[right.rtindex - 1]!.hasAlias
  const rightParen = w.prettyParen && right.kind !== 'RangeTblRef' && !rightAliased
  const paren = !w.prettyParen || rte.hasAlias
  if (paren) w.add('(')
  writeItem(w, node.left, query)
  const merged = rte.kind === 'join' ? rte.mergedCols : 0
  const keywords = {
    inner: node.quals === null ? ' CROSS JOIN ' : ' JOIN ',
    left: ' LEFT JOIN ',
    right: ' RIGHT JOIN ',
    full: ' FULL JOIN ',
  }
  w.keyword(keywords[node.joinType], -INDENT_STD, INDENT_STD, INDENT_JOIN)
  if (rightParen) w.add('(')
  writeItem(w, right, query)
  if (rightParen) w.add(')')
  if (merged > 0) {
    const names = w.names[0]!.columns[node.rtindex - 1]!.slice(0, merged)
    w.add(` USING (${names.map((name) => quoteIdentifier(name ?? '')).join(', ')})`)
    if (rte.kind === 'join' && rte.usingAlias !== undefined) w.add(` AS ${quoteIdentifier(rte.usingAlias)}`)
  } else if (node.quals !== null) {
    w.add(' ON ')
    if (!w.prettyParen) w.add('(')
    writeExpr(w, node.quals, false)
    if (!w.prettyParen) w.add(')')
  } else if (node.joinType !== 'inner') w.add(' ON TRUE')
  if (paren) w.add(')')
  if (rte.hasAlias) {
    w.add(` ${quoteIdentifier(w.names[0]!.refnames[node.rtindex - 1] ?? rte.refname)}`)
    if (rte.kind === 'join') writeColumnAliases(w, joinAliases(w, rte))
  }
}

/** A named join's columns, if one that was not merged goes by another name than on its side. */
function joinAliases(w: Writer, rte: RteJoin): readonly (string | null)[] {
  const { columns } = w.names[0]!
  const other = rte.aliasVars.some(
    (side, i) => i >= rte.mergedCols && side.kind === 'Var' && columns[side.varno - 1]![side.attno - 1] !== rte.colNames[i],
  )
  return other ? rte.colNames : []
}

function writeColumnAliases(w: Writer, names: readonly (string | null)[]): void {
  if (names.length === 0) return
  const shown = names.filter((name) => name !== null).map((name) => quoteIdentifier(name))
  w.add(`(${shown.join(', ')})`)
}

function writeEntry(w: Writer, rte: RangeTblEntry, rtindex: number): void {
  const refname = w.names[0]!.refnames[rtindex - 1] ?? rte.refname
  if (rte.lateral) w.add('LATERAL ')
  let alias = rte.hasAlias
  let columnAliases: readonly (string | null)[] = []
  switch (rte.kind) {
    case 'relation': {
      if (!rte.inh) w.add('ONLY ')
      const ctes = new Set(w.names.flatMap((level) => level.query?.cteList.map((cte) => cte.name) ?? []))
      w.add(relationName(w.ctx, rte.relation, ctes))
      const relation = w.ctx.catalog.relation(rte.relation)
      alias ||= refname !== relation?.name
      const live = (relation?.columns ?? []).filter((column) => !column.dropped)
      const names = live.map((column) => w.names[0]!.columns[rtindex - 1]![column.attnum - 1] ?? column.name)
      if (live.some((column, i) => names[i] !== column.name)) columnAliases = names
      alias ||= columnAliases.length > 0
      break
    }
    case 'subquery':
      w.add('(')
      writeQuery(w, rte.subquery, null)
      w.add(')')
      alias = true
      columnAliases = renamed(
        rte.colNames,
        rte.subquery.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.resname),
      )
      break
    case 'function': {
      const [only] = rte.functions
      if (rte.functions.length === 1) writeCall(w, only!.expr)
      else {
        w.add('ROWS FROM(')
        for (const [i, fn] of rte.functions.entries()) {
          if (i > 0) w.add(', ')
          writeCall(w, fn.expr)
        }
        w.add(')')
      }
      if (rte.ordinality) w.add(' WITH ORDINALITY')
      alias = true
      columnAliases = rte.colNames
      if (
        rte.functions.length === 1 &&
        only!.expr.type === 2249 &&
        only!.expr.kind === 'FuncExpr' &&
        !hasOutParameters(w, only!.expr.funcId)
      ) {
        w.add(` ${quoteIdentifier(refname)}(`)
        for (const [i, column] of only!.columns.entries()) {
          if (i > 0) w.add(', ')
          w.add(`${quoteIdentifier(column.name)} ${typeText(w.ctx, column.type, column.typmod)}`)
          const natural = w.ctx.catalog.type(column.type)?.typcollation ?? 0
          if (column.collation !== 0 && column.collation !== natural) w.add(` COLLATE ${collationText(column.collation)}`)
        }
        w.add(')')
        return
      }
      break
    }
    case 'values':
      w.add('(')
      if (w.prettyIndent) w.add(' ')
      writeValues(w, rte)
      w.add(')')
      alias = true
      columnAliases = rte.hasAlias
        ? renamed(
            rte.colNames,
            rte.columns.map((_, i) => `column${i + 1}`),
          )
        : []
      break
    case 'cte':
      w.add(quoteIdentifier(rte.cteName))
      alias ||= refname !== rte.cteName
      break
    default:
  }
  if (alias) w.add(` ${quoteIdentifier(refname)}`)
  writeColumnAliases(w, columnAliases)
}

/** Kinds of expressions that look like a call, as FROM wants it. */
const CALLS: ReadonlySet<Expr['kind']> = new Set(['CoalesceExpr', 'MinMaxExpr', 'NullIfExpr', 'SqlValueFunction', 'JsonExpr'])

/** A function in FROM; what has become of a cast or was put in a function's place is written as a cast. */
function writeCall(w: Writer, expr: Expr): void {
  const isCall = expr.kind === 'FuncExpr' ? expr.format === 'call' || expr.format === 'sql-syntax' : CALLS.has(expr.kind)
  if (isCall) {
    writeExpr(w, expr, true)
    return
  }
  w.add('CAST(')
  writeExpr(w, expr, false)
  w.add(` AS ${typeText(w.ctx, expr.type, expr.typmod)})`)
}

function renamed(names: readonly (string | null)[], natural: readonly (string | null)[]): readonly (string | null)[] {
  return names.every((name, i) => name === natural[i]) ? [] : names
}

function hasOutParameters(w: Writer, fn: number): boolean {
  return (w.ctx.catalog.proc(fn)?.proargmodes ?? []).some((mode) => mode === 'o' || mode === 't' || mode === 'b')
}

export function writeValues(w: Writer, values: RteValues): void {
  w.add('VALUES ')
  for (const [i, list] of values.lists.entries()) {
    if (i > 0) w.add(', ')
    w.add('(')
    for (const [j, expr] of list.entries()) {
      if (j > 0) w.add(',')
      writeField(w, expr, false)
    }
    w.add(')')
  }
}
