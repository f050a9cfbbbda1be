// ORDER BY, GROUP BY items and window specifications back to SQL.

import { quoteIdentifier } from '../../types/quote.ts'
import type { SortGroupClause, TargetEntry } from '../expr.ts'
import type { FrameBound, WindowClause } from '../query.ts'
import { writeConst } from './const.ts'
import { writeExpr } from './entry.ts'
import { operatorText } from './names.ts'
import type { Writer } from './writer.ts'

export function writeSortItem(w: Writer, ref: number, list: readonly TargetEntry[], forceNumber: boolean): void {
  const entry = list.find((e) => e.ressortgroupref === ref)!
  const { expr } = entry
  if (forceNumber) {
    w.add(String(list.filter((e) => !e.resjunk).indexOf(entry) + 1))
    return
  }
  // A bare constant would be taken for a position.
  if (expr.kind === 'Const') {
    writeConst(w, expr, 1)
    return
  }
  if (expr.kind === 'Var') {
    writeExpr(w, expr, true)
    return
  }
  const paren = w.prettyParen || expr.kind === 'FuncExpr' || expr.kind === 'Aggref' || expr.kind === 'WindowFunc'
  if (paren) w.add('(')
  writeExpr(w, expr, true)
  if (paren) w.add(')')
}

export function writeOrderBy(w: Writer, clauses: readonly SortGroupClause[], list: readonly TargetEntry[], forceNumber: boolean): void {
  for (const [i, clause] of clauses.entries()) {
    if (i > 0) w.add(', ')
    writeSortItem(w, clause.tleSortGroupRef, list, forceNumber)
    const name = w.ctx.catalog.operator(clause.sortOp)?.oprname
    if (name === '<') {
      if (clause.nullsFirst) w.add(' NULLS FIRST')
    } else if (name === '>') {
      w.add(clause.nullsFirst ? ' DESC' : ' DESC NULLS LAST')
    } else {
      w.add(` USING ${operatorText(w.ctx, clause.sortOp)} NULLS ${clause.nullsFirst ? 'FIRST' : 'LAST'}`)
    }
  }
}

export function writeWindowSpec(w: Writer, window: WindowClause): void {
  w.add('(')
  let space = ''
  if (window.partition.length > 0) {
    w.add('PARTITION BY ')
    for (const [i, clause] of window.partition.entries()) {
      if (i > 0) w.add(', ')
      writeSortItem(w, clause.tleSortGroupRef, w.targetList, false)
    }
    space = ' '
  }
  if (window.order.length > 0) {
    w.add(`${space}ORDER BY `)
    writeOrderBy(w, window.order, w.targetList, false)
    space = ' '
  }
  const { frameMode, frameStart, frameEnd, exclusion } = window
  const standard = frameMode === 'range' && frameStart.kind === 'unbounded preceding' && frameEnd.kind === 'current row'
  if (!standard || exclusion !== 'no others') {
    w.add(`${space}${frameMode.toUpperCase()} BETWEEN `)
    writeBound(w, frameStart)
    w.add(' AND ')
    writeBound(w, frameEnd)
    if (exclusion !== 'no others') w.add(` EXCLUDE ${exclusion.toUpperCase()}`)
  }
  w.add(')')
}

function writeBound(w: Writer, bound: FrameBound): void {
  if (bound.kind === 'preceding' || bound.kind === 'following') {
    writeExpr(w, bound.offset, false)
    w.add(` ${bound.kind.toUpperCase()}`)
  } else w.add(bound.kind.toUpperCase())
}

export function writeWindowClause(w: Writer, windows: readonly WindowClause[]): void {
  let first = true
  for (const window of windows) {
    if (window.name === null) continue
    if (first) w.keyword(' WINDOW ', -8, 8, 1)
    else w.add(', ')
    first = false
    w.add(`${quoteIdentifier(window.name)} AS `)
    writeWindowSpec(w, window)
  }
}
