// Bind: a client's bytes become parameter values of the statement's types. // hot

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { decodeUtf8 } from '../base/utf8.ts'
import type { BindParameters } from '../pgwire/backend.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { findBuiltinType } from '../sql/types/registry.ts'

const TEXT = 0
const BINARY = 1

/** Errors name the parameter as PostgreSQL's CONTEXT does. 22P03, 22021, and whatever the type's input says. */
export function bindParameters(parameters: BindParameters, types: readonly Oid[], ctx: EvalContext): Datum[] {
  const { buffer, count, start, end, formatCount, formats } = parameters
  const values: Datum[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const to = end[i]!
    if (to < 0) {
      values[i] = null
      continue
    }
    const from = start[i]!
    const format = formatCount === 0 ? TEXT : formatCount === 1 ? formats[0]! : formats[i]!
    const support = findBuiltinType(types[i]!) ?? ctx.catalog.typeSupport(types[i]!)
    try {
      if (format === BINARY) values[i] = support.receive(buffer, from, to, -1, ctx)
      else if (format === TEXT) {
        values[i] = support.input(decodeUtf8(buffer, from, to), -1, ctx)
      } else throw new PgError(SQLSTATE.invalidParameterValue, `unsupported format code: ${format}`)
    } catch (error) {
      if (error instanceof PgError) throw error.with({ where: `unnamed portal parameter $${i + 1}` })
      throw error
    }
  }
  return values
}

/** 08P01 as PostgreSQL says it. `columns` null: the statement returns no rows, formats are not looked at. */
export function checkResultFormats(formats: readonly number[], columns: number | null): void {
  for (const format of formats) {
    if (format !== TEXT && format !== BINARY) throw new PgError(SQLSTATE.invalidParameterValue, `unsupported format code: ${format}`)
  }
  if (columns === null || formats.length <= 1 || formats.length === columns) return
  throw new PgError(SQLSTATE.protocolViolation, `bind message has ${formats.length} result formats but query has ${columns} columns`)
}
