// Functions with a syntax of their own (EXTRACT, SUBSTRING …), written back in it.

import type { Expr, FuncExpr } from '../expr.ts'
import { writeExpr } from './entry.ts'
import { isSimple } from './precedence.ts'
import type { Writer } from './writer.ts'

function writeParts(w: Writer, parts: readonly (string | Expr)[]): true {
  for (const part of parts) {
    if (typeof part === 'string') w.add(part)
    else writeExpr(w, part, false)
  }
  return true
}

/** An operand beside a keyword: in brackets where it is not simple. */
function writeOperands(w: Writer, parent: FuncExpr, parts: readonly (string | Expr)[]): true {
  for (const part of parts) {
    const bare = typeof part === 'string' || !w.prettyParen || isSimple(w, part, parent)
    writeParts(w, bare ? [part] : ['(', part, ')'])
  }
  return true
}

/** False when this function has no such form. */
export function writeSqlSyntax(w: Writer, expr: FuncExpr): boolean {
  const name = w.ctx.catalog.proc(expr.funcId)?.proname ?? ''
  const [a, b, c, d] = expr.args
  switch (name) {
    case 'timezone':
      if (b === undefined) return writeOperands(w, expr, ['(', a!, ' AT LOCAL)'])
      return writeOperands(w, expr, ['(', b, ' AT TIME ZONE ', a!, ')'])
    case 'extract':
      if (a!.kind !== 'Const') return false
      return writeParts(w, [`EXTRACT(${String(a!.value)} FROM `, b!, ')'])
    case 'overlaps':
      return writeParts(w, ['((', a!, ', ', b!, ') OVERLAPS (', c!, ', ', d!, '))'])
    case 'is_normalized':
      return writeOperands(w, expr, [
        '(',
        a!,
        b === undefined ? ' IS NORMALIZED)' : ` IS ${String((b as { value?: unknown }).value)} NORMALIZED)`,
      ])
    case 'normalize':
      return writeParts(w, b === undefined ? ['NORMALIZE(', a!, ')'] : ['NORMALIZE(', a!, `, ${String((b as { value?: unknown }).value)})`])
    case 'pg_collation_for':
      return writeParts(w, ['COLLATION FOR (', a!, ')'])
    case 'overlay':
      return writeParts(w, ['OVERLAY(', a!, ' PLACING ', b!, ' FROM ', c!, ...(d === undefined ? [] : [' FOR ', d]), ')'])
    case 'position':
      return writeParts(w, ['POSITION((', b!, ') IN (', a!, '))'])
    case 'substring':
      return writeParts(w, ['SUBSTRING(', a!, ' FROM ', b!, ...(c === undefined ? [] : [' FOR ', c]), ')'])
    case 'btrim':
    case 'ltrim':
    case 'rtrim': {
      const side = { btrim: 'BOTH', ltrim: 'LEADING', rtrim: 'TRAILING' }[name]
      return writeParts(w, [`TRIM(${side}`, ...(b === undefined ? [] : [' ', b]), ' FROM ', a!, ')'])
    }
    default:
      return false
  }
}
