// Functions over values of any type, through their text form: concat, concat_ws, format, quote_*, || with text.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { charLength, checkFieldSize, trimBlanks } from '../types/chars.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { argType, type CallInfo, type Procs } from '../types/procs.ts'
import { quoteIdentifier, quoteLiteral } from '../types/quote.ts'
import type { Present } from '../types/type.ts'

/** A value's text form. */
export function textOf(value: Present, type: number, ctx: EvalContext): string {
  return typeof value === 'string' && (type === TYPE_OID.text || type === TYPE_OID.varchar || type === TYPE_OID.unknown)
    ? value
    : ctx.catalog.typeSupport(type).output(value, ctx.io)
}

/** Texts of the present values among a VARIADIC "any" list that starts at argument `first`. */
function join(values: readonly Datum[], separator: string, first: number, ctx: EvalContext, call: CallInfo): string {
  let result = ''
  let any = false
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value === null) continue
    if (any) result += separator
    any = true
    result += textOf(value, argType(call, first + i), ctx)
    checkFieldSize(result.length)
  }
  return result
}

const invalid = (message: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidParameterValue, message, hint === undefined ? {} : { hint })
const PERCENT_HINT = 'For a single "%" use "%%".'
const unterminated = (): PgError => invalid('unterminated format() type specifier', PERCENT_HINT)

/** One %-specifier after the percent sign. */
interface Specifier {
  end: number
  /** From 1; 0 = the next one. */
  argument: number
  left: boolean
  width: number
  /** -1 = none; 0 = `*`, the next argument; n = `*n$`. */
  widthArgument: number
  kind: string
}

function readNumber(text: string, at: number): { value: number; end: number } {
  let end = at
  while (end < text.length && text[end]! >= '0' && text[end]! <= '9') end++
  const value = Number(text.slice(at, end))
  if (value > 2147483647) throw new PgError(SQLSTATE.numericValueOutOfRange, 'number is out of range')
  return { value, end }
}

function readSpecifier(text: string, start: number): Specifier {
  const spec: Specifier = { end: start, argument: 0, left: false, width: 0, widthArgument: -1, kind: '' }
  let at = start
  const need = (): void => {
    if (at >= text.length) throw unterminated()
  }
  const first = readNumber(text, at)
  if (first.end > at) {
    if (text[first.end] === '$') {
      if (first.value === 0) throw invalid('format specifies argument 0, but arguments are numbered from 1')
      spec.argument = first.value
      at = first.end + 1
      need()
    } else {
      spec.width = first.value
      spec.end = first.end
      at = first.end
      need()
      spec.kind = text[at]!
      spec.end = at + 1
      return spec
    }
  }
  while (text[at] === '-') {
    spec.left = true
    at++
    need()
  }
  if (text[at] === '*') {
    at++
    need()
    const number = readNumber(text, at)
    if (number.end > at) {
      if (text[number.end] !== '$') throw invalid('width argument position must be ended by "$"')
      if (number.value === 0) throw invalid('format specifies argument 0, but arguments are numbered from 1')
      spec.widthArgument = number.value
      at = number.end + 1
    } else spec.widthArgument = 0
    need()
  } else {
    const number = readNumber(text, at)
    spec.width = number.value
    at = number.end
    need()
  }
  spec.kind = text[at]!
  spec.end = at + 1
  return spec
}

function padTo(text: string, spec: Specifier, width: number): string {
  const left = spec.left || width < 0
  const missing = Math.abs(width) - charLength(text)
  if (missing <= 0) return text
  checkFieldSize(missing)
  return left ? text + ' '.repeat(missing) : ' '.repeat(missing) + text
}

/** format(): `values` are the arguments behind the format string. */
function format(text: string, values: readonly Datum[], ctx: EvalContext, call: CallInfo): string {
  let result = ''
  let next = 1
  let from = 0
  for (let percent = text.indexOf('%'); percent >= 0; percent = text.indexOf('%', from)) {
    result += text.slice(from, percent)
    if (percent + 1 >= text.length) throw unterminated()
    if (text[percent + 1] === '%') {
      result += '%'
      from = percent + 2
      continue
    }
    const spec = readSpecifier(text, percent + 1)
    from = spec.end
    if (!'sIL'.includes(spec.kind)) {
      const char = String.fromCodePoint(text.codePointAt(spec.end - 1)!)
      throw invalid(`unrecognized format() type specifier "${char}"`, PERCENT_HINT)
    }
    const take = (position: number): number => {
      const index = position > 0 ? position : next
      if (index > values.length) throw invalid('too few arguments for format()')
      next = index + 1
      return index
    }
    let width = spec.width
    if (spec.widthArgument >= 0) {
      const index = take(spec.widthArgument)
      const value = values[index - 1]!
      const type = argType(call, index)
      width =
        value === null
          ? 0
          : typeof value === 'number'
            ? value
            : (ctx.catalog.typeSupport(TYPE_OID.int4).input(textOf(value, type, ctx), -1, ctx) as number)
    }
    const index = take(spec.argument)
    const value = values[index - 1]!
    let piece: string
    if (value === null) {
      if (spec.kind === 'I') throw new PgError(SQLSTATE.nullValueNotAllowed, 'null values cannot be formatted as an SQL identifier')
      piece = spec.kind === 'L' ? 'NULL' : ''
    } else {
      piece = textOf(value, argType(call, index), ctx)
      if (spec.kind === 'I') piece = quoteIdentifier(piece)
      else if (spec.kind === 'L') piece = quoteLiteral(piece)
    }
    result += padTo(piece, spec, width)
    checkFieldSize(result.length)
  }
  return result + text.slice(from)
}

export const formatProcs = {
  pg_num_nulls: (values) => values?.filter((value) => value === null).length ?? null,
  pg_num_nonnulls: (values) => values?.filter((value) => value !== null).length ?? null,
  oidvectortypes: (vector, ctx) => vector.elements.map((oid) => ctx.catalog.typeName(oid as number) ?? '???').join(', '),
  text_concat: (values, ctx, call) => (values === null ? null : join(values, '', 0, ctx, call)),
  text_concat_ws: (separator, values, ctx, call) => (separator === null || values === null ? null : join(values, separator, 1, ctx, call)),
  text_format: (text, values, ctx, call) => (text === null ? null : format(text, values ?? [], ctx, call)),
  text_format_nv: (text, ctx, call) => (text === null ? null : format(text, [], ctx, call)),
  quote_ident: quoteIdentifier,
  quote_literal: quoteLiteral,
  quote_nullable: (text) => (text === null ? 'NULL' : quoteLiteral(text)),
} satisfies Procs

/** `value::text`: what a cast makes, where bool and bpchar differ from their output functions. */
export function castToText(value: Present, type: number, ctx: EvalContext): string {
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  return type === TYPE_OID.bpchar ? trimBlanks(value as string) : textOf(value, type, ctx)
}

/** Bodies of the functions PostgreSQL writes in SQL, by OID: text || any, quote_literal(any). */
export const formatSqlBodies = {
  1285: (value: Present, ctx: EvalContext, call: CallInfo) => quoteLiteral(castToText(value, call.argTypes[0]!, ctx)),
  1290: (value: Present | null, ctx: EvalContext, call: CallInfo) =>
    value === null ? 'NULL' : quoteLiteral(castToText(value, call.argTypes[0]!, ctx)),
  2003: (text: string, value: Present, ctx: EvalContext, call: CallInfo) => text + castToText(value, call.argTypes[1]!, ctx),
  2004: (value: Present, text: string, ctx: EvalContext, call: CallInfo) => castToText(value, call.argTypes[0]!, ctx) + text,
}
