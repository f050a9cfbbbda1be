// SQL/JSON expressions as text.

import { quoteIdentifier } from '../../types/quote.ts'
import type { Expr, JsonConstructorExpr, JsonExpr, JsonIsPredicate } from '../expr.ts'
import { writeConst } from './const.ts'
import { typeText } from './names.ts'
import type { Writer } from './writer.ts'

type Write = (expr: Expr) => void

export function writeJsonConstructor(w: Writer, expr: JsonConstructorExpr, write: Write): void {
  w.add(expr.what === 'parse' ? 'JSON(' : `JSON_${expr.what.toUpperCase()}(`)
  expr.args.forEach((arg, i) => {
    if (i > 0) w.add(expr.what === 'object' && i % 2 === 1 ? ' : ' : ', ')
    write(arg)
  })
  if (expr.what === 'object' && expr.absentOnNull) w.add(' ABSENT ON NULL')
  if (expr.what === 'array' && !expr.absentOnNull) w.add(' NULL ON NULL')
  if (expr.unique) w.add(' WITH UNIQUE KEYS')
  if (expr.what !== 'parse') w.add(` RETURNING ${typeText(w.ctx, expr.type, -1)}`)
  w.add(')')
}

export function writeJsonIsPredicate(w: Writer, expr: JsonIsPredicate, write: Write): void {
  write(expr.arg)
  w.add(` IS JSON${expr.item === 'any' ? '' : ` ${expr.item.toUpperCase()}`}${expr.unique ? ' WITH UNIQUE KEYS' : ''}`)
}

export function writeJsonExpr(w: Writer, expr: JsonExpr, write: Write): void {
  const [item, path, ...passing] = expr.args as [Expr, Expr, ...Expr[]]
  w.add(`JSON_${expr.op.toUpperCase()}(`)
  write(item)
  w.add(', ')
  if (path.kind === 'Const') writeConst(w, path, -1)
  else write(path)
  passing.forEach((value, i) => {
    w.add(i === 0 ? ' PASSING ' : ', ')
    write(value)
    w.add(` AS ${quoteIdentifier(expr.passingNames[i]!)}`)
  })
  if (expr.op !== 'exists') w.add(` RETURNING ${typeText(w.ctx, expr.type, expr.typmod)}`)
  if (expr.op === 'query') {
    w.add(expr.wrapper === 'none' ? ' WITHOUT WRAPPER' : ` WITH ${expr.wrapper.toUpperCase()} WRAPPER`)
    w.add(expr.omitQuotes ? ' OMIT QUOTES' : ' KEEP QUOTES')
  }
  const behavior = (what: JsonExpr['onError'], value: Expr | null, on: string): void => {
    w.add(` ${what.toUpperCase()}`)
    if (value !== null) {
      w.add(' ')
      write(value)
    }
    w.add(` ON ${on}`)
  }
  if (expr.op !== 'exists' && expr.onEmpty !== 'null') behavior(expr.onEmpty, expr.emptyDefault, 'EMPTY')
  if (expr.onError !== (expr.op === 'exists' ? 'false' : 'null')) behavior(expr.onError, expr.errorDefault, 'ERROR')
  w.add(')')
}
