// Queries back to SQL (get_query_def): the layout is PostgreSQL's, blank for blank.

import { notSupported } from '../../../base/errors.ts'
import { quoteIdentifier } from '../../types/quote.ts'
import type { GroupingSet, Query, RangeTblRef, RteSubquery, RteValues, SetOperation } from '../query.ts'
import { bindWriteQuery } from './entry.ts'
import { writeExpr, writeVar } from './expr.ts'
import { writeFrom, writeValues } from './from.ts'
import { levelNames } from './names.ts'
import { writeOrderBy, writeSortItem, writeWindowClause } from './sort.ts'
import { INDENT_STD, Writer } from './writer.ts'

/** `columns`: output names that must come out (a view's); null = as the query names them. */
export function writeQuery(outer: Writer, query: Query, columns: readonly string[] | null, namesVisible = true): void {
  if (query.commandType !== 'select') throw notSupported(`deparsing of ${query.commandType.toUpperCase()} is not supported`)
  const names = levelNames(outer.ctx, query, outer.names)
  const from = query.rtable.filter((rte) => rte.inFromClause || rte.kind === 'values').length
  const w = new Writer(
    outer.ctx,
    { paren: outer.prettyParen, indent: outer.prettyIndent },
    [names, ...outer.names],
    outer.names.length > 0 || from !== 1,
    outer.indent,
  )
  w.windows = query.windowClause
  w.targetList = query.targetList
  writeWith(w, query)
  if (query.setOperations !== null) {
    writeSetOperation(w, query.setOperations, query, columns, namesVisible)
  } else writeSelect(w, query, columns, namesVisible)
  if (query.sortClause.length > 0) {
    w.keyword(' ORDER BY ', query.setOperations === null ? -INDENT_STD : 0, query.setOperations === null ? INDENT_STD : 0, 1)
    writeOrderBy(w, query.sortClause, query.targetList, query.setOperations !== null)
  }
  const shift = query.setOperations === null ? INDENT_STD : 0
  if (query.limitOffset !== null) {
    w.keyword(' OFFSET ', -shift, shift, 0)
    writeExpr(w, query.limitOffset, false)
  }
  if (query.limitCount !== null) {
    if (query.limitOption === 'with ties') {
      w.keyword(' FETCH FIRST ', -shift, shift, 0)
      w.add('(')
      writeExpr(w, query.limitCount, false)
      w.add(') ROWS WITH TIES')
    } else {
      w.keyword(' LIMIT ', -shift, shift, 0)
      if (query.limitCount.kind === 'Const' && query.limitCount.value === null) w.add('ALL')
      else writeExpr(w, query.limitCount, false)
    }
  }
  for (const mark of query.rowMarks) {
    if (mark.pushedDown) continue
    w.keyword(` FOR ${mark.strength.toUpperCase()}`, -shift, shift, 0)
    w.add(` OF ${quoteIdentifier(names.refnames[mark.rti - 1] ?? '')}`)
    if (mark.wait === 'nowait') w.add(' NOWAIT')
    else if (mark.wait === 'skip') w.add(' SKIP LOCKED')
  }
  outer.add(w.text)
}

function writeWith(w: Writer, query: Query): void {
  if (query.cteList.length === 0) return
  if (w.prettyIndent) {
    w.indent += INDENT_STD
    w.add(' ')
  }
  let separator = query.hasRecursive ? 'WITH RECURSIVE ' : 'WITH '
  for (const cte of query.cteList) {
    w.add(`${separator}${quoteIdentifier(cte.name)}`)
    const outputs = (cte.query.commandType === 'select' ? cte.query.targetList : cte.query.returningList).filter((entry) => !entry.resjunk)
    if (cte.columns.some((column, i) => column.name !== outputs[i]?.resname)) {
      w.add(`(${cte.columns.map((column) => quoteIdentifier(column.name)).join(', ')})`)
    }
    w.add(' AS ')
    if (cte.materialized === 'always') w.add('MATERIALIZED ')
    else if (cte.materialized === 'never') w.add('NOT MATERIALIZED ')
    w.add('(')
    if (w.prettyIndent) w.keyword('', 0, 0, 0)
    writeQuery(w, cte.query, null)
    if (w.prettyIndent) w.keyword('', 0, 0, 0)
    w.add(')')
    separator = ', '
  }
  if (w.prettyIndent) {
    w.indent -= INDENT_STD
    w.keyword('', 0, 0, 0)
  } else w.add(' ')
}

/** The VALUES list a query consists of, if it does. */
function valuesOf(query: Query): RteValues | null {
  const [only] = query.rtable.filter((rte) => rte.kind === 'values')
  if (only === undefined || only.kind !== 'values' || query.rtable.length !== 1 || only.hasAlias) return null
  const plain = query.targetList.every((entry) => entry.resjunk || (entry.expr.kind === 'Var' && entry.expr.attno === entry.resno))
  return plain ? only : null
}

function writeSelect(w: Writer, query: Query, columns: readonly string[] | null, namesVisible: boolean): void {
  if (w.prettyIndent) {
    w.indent += INDENT_STD
    w.add(' ')
  }
  const values = valuesOf(query)
  if (values !== null) {
    writeValues(w, values)
    return
  }
  w.add('SELECT')
  if (query.distinctClause.length > 0) {
    w.add(' DISTINCT')
    if (query.hasDistinctOn) {
      w.add(' ON (')
      for (const [i, clause] of query.distinctClause.entries()) {
        if (i > 0) w.add(', ')
        writeSortItem(w, clause.tleSortGroupRef, query.targetList, false)
      }
      w.add(')')
    }
  }
  writeTargetList(w, query, columns, namesVisible)
  writeFrom(w, query)
  if (query.jointree.quals !== null) {
    w.keyword(' WHERE ', -INDENT_STD, INDENT_STD, 1)
    writeExpr(w, query.jointree.quals, false)
  }
  if (query.groupClause.length > 0 || query.groupingSets.length > 0) {
    w.keyword(' GROUP BY ', -INDENT_STD, INDENT_STD, 1)
    if (query.groupDistinct) w.add('DISTINCT ')
    if (query.groupingSets.length === 0) {
      for (const [i, clause] of query.groupClause.entries()) {
        if (i > 0) w.add(', ')
        writeSortItem(w, clause.tleSortGroupRef, query.targetList, false)
      }
    } else {
      for (const [i, set] of query.groupingSets.entries()) {
        if (i > 0) w.add(', ')
        writeGroupingSet(w, set, query, true)
      }
    }
  }
  if (query.havingQual !== null) {
    w.keyword(' HAVING ', -INDENT_STD, INDENT_STD, 0)
    writeExpr(w, query.havingQual, false)
  }
  writeWindowClause(w, query.windowClause)
}

function writeGroupingSet(w: Writer, set: GroupingSet, query: Query, omitParens: boolean): void {
  if (set.kind === 'empty') {
    w.add('()')
    return
  }
  if (set.kind === 'simple') {
    const paren = !omitParens || set.refs.length !== 1
    if (paren) w.add('(')
    for (const [i, ref] of set.refs.entries()) {
      if (i > 0) w.add(', ')
      writeSortItem(w, ref, query.targetList, false)
    }
    if (paren) w.add(')')
    return
  }
  w.add({ rollup: 'ROLLUP(', cube: 'CUBE(', sets: 'GROUPING SETS (' }[set.kind])
  for (const [i, part] of set.content.entries()) {
    if (i > 0) w.add(', ')
    writeGroupingSet(w, part, query, set.kind !== 'sets')
  }
  w.add(')')
}

function writeTargetList(w: Writer, query: Query, columns: readonly string[] | null, namesVisible: boolean): void {
  let column = 0
  for (const entry of query.targetList) {
    if (entry.resjunk) continue
    w.add(column === 0 ? ' ' : ', ')
    let own: string | null = namesVisible ? null : '?column?'
    const item = w.capture(() => {
      if (entry.expr.kind === 'Var') own = writeVar(w, entry.expr, true)
      else writeExpr(w, entry.expr, true)
      const name = columns?.[column] ?? entry.resname
      if (name !== null && own !== name) w.add(` AS ${quoteIdentifier(name)}`)
    })
    w.wrap(item, column === 0)
    column++
  }
}

function writeSetOperation(
  w: Writer,
  node: SetOperation | RangeTblRef,
  query: Query,
  columns: readonly string[] | null,
  namesVisible: boolean,
): void {
  if (node.kind === 'RangeTblRef') {
    const { subquery } = query.rtable[node.rtindex - 1] as RteSubquery
    const paren =
      subquery.cteList.length > 0 ||
      subquery.sortClause.length > 0 ||
      subquery.rowMarks.some((mark) => !mark.pushedDown) ||
      subquery.limitOffset !== null ||
      subquery.limitCount !== null ||
      subquery.setOperations !== null
    if (paren) w.add('(')
    writeQuery(w, subquery, columns, namesVisible)
    if (paren) w.add(')')
    return
  }
  const branch = (child: SetOperation | RangeTblRef, paren: boolean, left: boolean): number => {
    const indent = paren ? INDENT_STD : 0
    if (paren) w.add('(')
    if (paren || !left) w.keyword('', indent, 0, 0)
    writeSetOperation(w, child, query, columns, left && namesVisible)
    return indent
  }
  const { left, right } = node
  const leftParen = left.kind === 'SetOperation' && (left.op !== node.op || left.all !== node.all)
  const leftIndent = branch(left, leftParen, true)
  if (leftParen) w.keyword(') ', -leftIndent, 0, 0)
  else if (w.prettyIndent) w.keyword('', -leftIndent, 0, 0)
  else w.add(' ')
  w.add(`${node.op.toUpperCase()} ${node.all ? 'ALL ' : ''}`)
  const rightParen = right.kind === 'SetOperation'
  const rightIndent = branch(right, rightParen, false)
  if (w.prettyIndent) w.indent -= rightIndent
  if (rightParen) w.keyword(')', 0, 0, 0)
}

bindWriteQuery(writeQuery)
