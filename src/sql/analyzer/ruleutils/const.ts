// Constants as SQL literals, with their type where the text alone would not say it.

import { TYPE_OID as T } from '../../builtin/data/type-oids.ts'
import { quoteIdentifier } from '../../types/quote.ts'
import type { Const } from '../expr.ts'
import { collationText, functionName, relationName, typeText } from './names.ts'
import type { Writer } from './writer.ts'

/** The value in its type's output form; names for the reg* types, however they are kept. */
function constText(w: Writer, expr: Const): string {
  const { value } = expr
  if (expr.type === T.unknown) return value as string
  if (typeof value === 'number' && value !== 0) {
    if (expr.type === T.regclass && w.ctx.catalog.relation(value) !== null) return relationName(w.ctx, value)
    if (expr.type === T.regtype && w.ctx.catalog.type(value) !== null) return typeText(w.ctx, value, -1)
    if (expr.type === T.regproc && w.ctx.catalog.proc(value) !== null) return functionName(w.ctx, value)
    if (expr.type === T.regnamespace) return quoteIdentifier(w.ctx.catalog.namespace(value)?.name ?? String(value))
    if (expr.type === T.regrole) return quoteIdentifier(w.ctx.catalog.role(value)?.name ?? String(value))
  }
  return w.ctx.typeSupport(expr.type).output(value!, w.ctx.io)
}

/** showType: -1 never, 0 where needed, 1 always a type label. */
export function writeConst(w: Writer, expr: Const, showType: number): void {
  const label = (): void => {
    w.add(`::${typeText(w.ctx, expr.type, expr.typmod)}`)
    const natural = w.ctx.catalog.type(expr.type)?.typcollation ?? 0
    if (expr.collation !== 0 && expr.collation !== natural) w.add(` COLLATE ${collationText(expr.collation)}`)
  }
  if (expr.value === null) {
    w.add('NULL')
    if (showType >= 0) label()
    return
  }
  const text = constText(w, expr)
  let needLabel = false
  switch (expr.type) {
    case T.int4:
      needLabel = text.startsWith('-')
      w.add(needLabel ? `'${text}'` : text)
      break
    case T.numeric:
      if (/^\d/.test(text) && /[eE.]/.test(text)) w.add(text)
      else {
        w.add(`'${text}'`)
        needLabel = true
      }
      break
    case T.bool:
      w.add(expr.value ? 'true' : 'false')
      break
    default:
      w.add(`'${text.replaceAll("'", "''")}'`)
  }
  if (showType < 0) return
  if (expr.type === T.numeric) needLabel ||= expr.typmod >= 0
  else if (expr.type !== T.int4) needLabel = expr.type !== T.bool && expr.type !== T.unknown
  if (needLabel || showType > 0) label()
}
