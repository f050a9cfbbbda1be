// A type's name in a text of its own ('character varying(20)[]'), read by the grammar: for regtype, to_regtype and function signatures.

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { AnalyzeContext } from '../sql/analyzer/context.ts'
import { resolveTypeName } from '../sql/analyzer/type-name.ts'
import { type NodeOf, nodeAs, type TypeName } from '../sql/parser/nodes.ts'
import { parse } from '../sql/parser/parse.ts'

const BEFORE = 'SELECT CAST(NULL AS '

/** The grammar's error, without what stands around the type here. */
function syntaxError(text: string, error: PgError): PgError {
  const position = (error.fields.position ?? 0) - BEFORE.length
  return position > text.length
    ? new PgError(SQLSTATE.syntaxError, 'syntax error at end of input', { position: text.length + 1 })
    : new PgError(error.code, error.message, position > 0 ? { position } : {})
}

function typeNode(text: string): TypeName {
  const invalid = () => new PgError(SQLSTATE.syntaxError, `invalid type name "${text}"`)
  if (text.trim() === '') throw invalid()
  // The text must be nothing but a type: it may not end the cast and begin something else.
  let statements: ReturnType<typeof parse>
  try {
    statements = parse(`${BEFORE}${text})`)
  } catch (error) {
    if (error instanceof PgError) throw syntaxError(text, error)
    throw error
  }
  const select = statements.length === 1 && statements[0]!.node !== null ? nodeAs(statements[0]!.node, 'SelectStmt') : undefined
  const target = select?.targetList?.length === 1 ? (select.targetList[0] as NodeOf).ResTarget : undefined
  const cast = target === undefined || target.name !== undefined ? undefined : nodeAs(target.val, 'TypeCast')
  if (cast?.typeName === undefined || cast.typeName.setof === true) throw invalid()
  if (select?.fromClause !== undefined || select?.whereClause !== undefined) throw invalid()
  return cast.typeName
}

/** 42704 or 3F000 when there is no such type; 42601 when it is no type name at all. */
export function typeNamed(text: string, context: AnalyzeContext): { oid: Oid; typmod: number } {
  const { type, typmod } = resolveTypeName(typeNode(text), context)
  return { oid: type, typmod }
}
