// SQL values as JSON: to_json, row_to_json, the aggregates. The other way round: json-populate.ts.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { LONG_LIST, longWork, type Steps } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import { ArrayDatum } from './array.ts'
import { elementSupport } from './array-procs.ts'
import { joinTimestamp } from './datetime.ts'
import { formatDate, formatTimestamp, localParts, offsetOf, xsdOffset } from './datetime-format.ts'
import { TEXT_IO } from './define.ts'
import type { EvalContext, Micros } from './eval-context.ts'
import { quoteJson } from './json-quote.ts'
import { parseJsonText } from './json-text.ts'
import { formatJsonb, type Jsonb, type JsonbValue, makeObject } from './jsonb.ts'
import { Numeric, parseNumeric } from './numeric.ts'
import { RecordDatum } from './record.ts'
import { sessionZone } from './timezone.ts'
import type { Present } from './type.ts'

const BOOL = 16
const JSON_TYPE = 114
const JSONB = 3802
const DATE = 1082
const TIMESTAMP = 1114
const TIMESTAMPTZ = 1184
const NUMBERS: ReadonlySet<Oid> = new Set([20, 21, 23, 700, 701, 1700])

export type JsonCategory = 'bool' | 'number' | 'date' | 'timestamp' | 'timestamptz' | 'json' | 'jsonb' | 'array' | 'composite' | 'other'

/** How a type turns into JSON, a domain as its base type does. The value tells arrays and rows. */
export function jsonCategory(type: Oid, value: Datum, ctx: EvalContext): JsonCategory {
  if (value instanceof ArrayDatum) return 'array'
  if (value instanceof RecordDatum) return 'composite'
  if (type === BOOL) return 'bool'
  if (NUMBERS.has(type)) return 'number'
  switch (type) {
    case DATE:
      return 'date'
    case TIMESTAMP:
      return 'timestamp'
    case TIMESTAMPTZ:
      return 'timestamptz'
    case JSON_TYPE:
      return 'json'
    case JSONB:
      return 'jsonb'
    default: {
      const row = typeByOid(type) ?? ctx.catalog.typeShape(type)
      return row?.typtype === 'd' ? jsonCategory(row.typbasetype, value, ctx) : 'other'
    }
  }
}

function timestampText(value: Micros): string {
  return formatTimestamp(value, TEXT_IO).replace(' ', 'T')
}

function datetimeText(category: JsonCategory, value: Present, ctx: EvalContext): string {
  if (category === 'date') return formatDate(value as number, TEXT_IO)
  const micros = value as Micros
  if (category === 'timestamp' || micros === Infinity || micros === -Infinity) return timestampText(micros)
  const offset = offsetOf(micros, sessionZone(ctx.io.timeZone))
  const { days, time } = localParts(micros, offset)
  const text = timestampText(joinTimestamp(days, time))
  return text.endsWith(' BC') ? `${text.slice(0, -3)}${xsdOffset(offset)} BC` : text + xsdOffset(offset)
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** datum_to_json: the value as JSON text. `lineFeed` puts members of this level on lines of their own. */
export function toJsonText(value: Datum, type: Oid, ctx: EvalContext, lineFeed = false): string {
  if (value === null) return 'null'
  const category = jsonCategory(type, value, ctx)
  switch (category) {
    case 'bool':
      return value ? 'true' : 'false'
    case 'number': {
      const text = elementSupport(type, ctx).output(value, ctx.io)
      return JSON_NUMBER.test(text) ? text : quoteJson(text)
    }
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return quoteJson(datetimeText(category, value, ctx))
    case 'json':
      return value as string
    case 'jsonb':
      return formatJsonb((value as Jsonb).root)
    case 'array':
      return arrayText(value as ArrayDatum, ctx, lineFeed)
    case 'composite':
      return compositeText(value as RecordDatum, ctx, lineFeed)
    default:
      return quoteJson(elementSupport(type, ctx).output(value, ctx.io))
  }
}

function arrayText(a: ArrayDatum, ctx: EvalContext, lineFeed: boolean): string {
  if (a.elements.length === 0) return '[]'
  const separator = lineFeed ? ',\n ' : ','
  let next = 0
  const level = (dim: number): string => {
    const inner = dim === a.dims.length - 1
    const parts: string[] = []
    for (let i = 0; i < a.dims[dim]!; i++) parts.push(inner ? toJsonText(a.elements[next++]!, a.elementType, ctx) : level(dim + 1))
    return `[${parts.join(dim === 0 ? separator : ',')}]`
  }
  return level(0)
}

function compositeText(record: RecordDatum, ctx: EvalContext, lineFeed: boolean): string {
  const parts = record.rowType.fields.map((field, i) => `${quoteJson(field.name)}:${toJsonText(record.values[i]!, field.type, ctx)}`)
  return `{${parts.join(lineFeed ? ',\n ' : ',')}}`
}

/** datum_to_jsonb */
export function toJsonbValue(value: Datum, type: Oid, ctx: EvalContext): JsonbValue {
  if (value === null) return null
  const category = jsonCategory(type, value, ctx)
  switch (category) {
    case 'bool':
      return value as boolean
    case 'number': {
      if (value instanceof Numeric)
        return Number.isFinite(value.unscaled as number) || typeof value.unscaled === 'bigint' ? value : String(value)
      const text = elementSupport(type, ctx).output(value, ctx.io)
      return JSON_NUMBER.test(text) ? parseNumeric(text)! : text
    }
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return datetimeText(category, value, ctx)
    case 'json':
      return parseJsonText(value as string, true)
    case 'jsonb':
      return (value as Jsonb).root
    case 'array': {
      const a = value as ArrayDatum
      if (a.dims.length === 1 && a.elements.length > LONG_LIST) return longWork(toJsonbSteps, a, ctx)
      let next = 0
      const level = (dim: number): JsonbValue => {
        if (a.dims.length === 0) return []
        const items: JsonbValue[] = []
        for (let i = 0; i < a.dims[dim]!; i++) {
          items.push(dim === a.dims.length - 1 ? toJsonbValue(a.elements[next++]!, a.elementType, ctx) : level(dim + 1))
        }
        return items
      }
      return level(0)
    }
    case 'composite': {
      const record = value as RecordDatum
      return makeObject(
        record.rowType.fields.map((field) => field.name),
        record.rowType.fields.map((field, i) => toJsonbValue(record.values[i]!, field.type, ctx)),
      )
    }
    default:
      return elementSupport(type, ctx).output(value, ctx.io)
  }
}

function* toJsonbSteps(a: ArrayDatum, ctx: EvalContext): Steps<JsonbValue> {
  const items: JsonbValue[] = []
  for (const element of a.elements) {
    items.push(toJsonbValue(element, a.elementType, ctx))
    if (items.length % LONG_LIST === 0) yield
  }
  return items
}

/** An object's key from any scalar. */
export function toJsonKey(value: Datum, type: Oid, ctx: EvalContext): string {
  if (value === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'null value not allowed for object key')
  const category = jsonCategory(type, value, ctx)
  switch (category) {
    case 'array':
    case 'composite':
    case 'json':
    case 'jsonb':
      throw new PgError(SQLSTATE.invalidParameterValue, 'key value must be scalar, not array, composite, or json')
    case 'bool':
      return value ? 'true' : 'false'
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return datetimeText(category, value, ctx)
    default:
      return elementSupport(type, ctx).output(value, ctx.io)
  }
}
