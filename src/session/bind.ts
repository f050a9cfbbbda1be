// Bind: a client's bytes become parameter values of the statement's types. // hot

import type { Datum } from '../base/datum.ts'
import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { LONG, patiently } from '../base/long-work.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Slicer } from '../base/slicer.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { decodeUtf8 } from '../base/utf8.ts'
import type { BindParameters } from '../pgwire/backend.ts'
import type { EvalContext } from '../sql/types/eval-context.ts'
import { findBuiltinType } from '../sql/types/registry.ts'
import type { IncomingText } from './incoming-text.ts'

const TEXT = 0
const BINARY = 1

/** Errors name the parameter as PostgreSQL's CONTEXT does. 22P03, 22021, and whatever the type's input says. */
export function bindParameters(
  parameters: BindParameters,
  types: readonly Oid[],
  ctx: EvalContext,
  slicer: Slicer,
  encoding: IncomingText | null,
): MaybePromise<Datum[]> {
  const values: Datum[] = new Array(parameters.count)
  for (let i = 0; i < values.length; i++) {
    if (parameters.end[i]! - parameters.start[i]! > LONG) return bindSlowly(parameters, types, ctx, slicer, encoding, values, i)
    values[i] = bindValue(parameters, i, types[i]!, ctx, encoding)
  }
  return values
}

function bindValue(
  { buffer, start, end, formatCount, formats }: BindParameters,
  i: number,
  type: Oid,
  ctx: EvalContext,
  encoding: IncomingText | null,
): Datum {
  const to = end[i]!
  if (to < 0) return null
  const from = start[i]!
  const format = formatCount === 0 ? TEXT : formatCount === 1 ? formats[0]! : formats[i]!
  const support = findBuiltinType(type) ?? ctx.catalog.typeSupport(type)
  try {
    if (encoding !== null && (format === TEXT || format === BINARY)) {
      const bytes = buffer.subarray(from, to)
      if (format === TEXT) return support.input(encoding.text(bytes), -1, ctx)
      const converted = encoding.binary(bytes, type)
      return support.receive(converted, 0, converted.length, -1, ctx)
    }
    if (format === BINARY) return support.receive(buffer, from, to, -1, ctx)
    if (format === TEXT) return support.input(decodeUtf8(buffer, from, to), -1, ctx)
    throw new PgError(SQLSTATE.invalidParameterValue, `unsupported format code: ${format}`)
  } catch (error) {
    throw ofParameter(error, i)
  }
}

const ofParameter = (error: unknown, i: number): unknown =>
  error instanceof PgError ? error.with({ where: `unnamed portal parameter $${i + 1}` }) : error

/** From a value on that may be long work: that gives way. */
async function bindSlowly(
  parameters: BindParameters,
  types: readonly Oid[],
  ctx: EvalContext,
  slicer: Slicer,
  encoding: IncomingText | null,
  values: Datum[],
  from: number,
): Promise<Datum[]> {
  slicer.start()
  for (let i = from; i < values.length; i++) {
    try {
      values[i] = await patiently(() => bindValue(parameters, i, types[i]!, ctx, encoding), null, slicer)
    } catch (error) {
      throw ofParameter(error, i)
    }
    const pause = slicer.pause()
    if (pause !== null) await pause
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
