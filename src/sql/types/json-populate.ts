// JSON as SQL values: json_populate_record, json_to_record and their sets. Of json the parts keep the text they were written with.

import type { Datum } from '../../base/datum.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { typeByOid } from '../builtin/pg-type.ts'
import { ArrayDatum, emptyArray } from './array.ts'
import { elementSupport } from './array-procs.ts'
import { DOMAIN_CHECK, type EvalContext } from './eval-context.ts'
import { decodeJsonString, type JsonKind, jsonKind, parseJsonText, skipJsonSpace, walkJson } from './json-text.ts'
import { formatJsonb, isArrayValue, Jsonb, JsonbObject, type JsonbValue } from './jsonb.ts'
import { Numeric } from './numeric.ts'
import { RECORD_OID, RecordDatum, type RowType, rowTypeOf } from './record.ts'

const JSON_TYPE = 114
const JSONB = 3802
/** Types of the catalogue's own domains need no checks. */
const FIRST_USER_OID = 16384

/** A value inside a json text or a jsonb. */
export interface JsonSource {
  readonly kind: JsonKind
  /** As json. */
  text(): string
  jsonb(): JsonbValue
  /** A string's characters. */
  string(): string
  /** Of an array. */
  items(): Iterable<JsonSource>
  /** Of an object: the last one of that name. */
  member(name: string): JsonSource | undefined
}

/** A json value, known to be valid. */
export function jsonSource(json: string): JsonSource {
  const start = skipJsonSpace(json, 0)
  const raw = json.slice(start).trimEnd()
  let members: Map<string, JsonSource> | null = null
  return {
    kind: jsonKind(raw, 0),
    text: () => raw,
    jsonb: () => parseJsonText(raw, true),
    string: () => decodeJsonString(raw),
    items() {
      const items: JsonSource[] = []
      walkJson(raw, (_key, from, to) => {
        items.push(jsonSource(raw.slice(from, to)))
        return true
      })
      return items
    },
    member(name) {
      if (members === null) {
        const found = new Map<string, JsonSource>()
        walkJson(raw, (key, from, to) => {
          found.set(key!, jsonSource(raw.slice(from, to)))
          return true
        })
        members = found
      }
      return members.get(name)
    },
  }
}

function kindOf(value: JsonbValue): JsonKind {
  if (value === null) return 'null'
  if (typeof value === 'string') return 'string'
  if (typeof value === 'boolean') return 'boolean'
  if (value instanceof Numeric) return 'number'
  return isArrayValue(value) ? 'array' : 'object'
}

export function jsonbSource(value: JsonbValue): JsonSource {
  return {
    kind: kindOf(value),
    text: () => formatJsonb(value),
    jsonb: () => value,
    string: () => value as string,
    *items() {
      for (const item of value as readonly JsonbValue[]) yield jsonbSource(item)
    },
    member(name) {
      const object = value as JsonbObject
      const at = object instanceof JsonbObject ? object.keys.indexOf(name) : -1
      return at < 0 ? undefined : jsonbSource(object.values[at]!)
    },
  }
}

/** populate_record_field: a value of `type`; `name` is the key it stands under, if there is one, and `base` what the field was before. */
function populateField(source: JsonSource, name: string | null, type: Oid, typmod: number, base: Datum, ctx: EvalContext): Datum {
  const shape = typeByOid(type) ?? ctx.catalog.typeShape(type)
  if (shape !== null && shape.typtype === 'd' && type >= FIRST_USER_OID) {
    return ofDomain(type, populateField(source, name, shape.typbasetype, shape.typtypmod, base, ctx), ctx)
  }
  if (source.kind === 'null') return null
  if (type === JSONB) return new Jsonb(source.jsonb())
  if (type === JSON_TYPE) return source.text()
  const support = elementSupport(type, ctx)
  if (source.kind === 'string') return support.input(source.string(), typmod, ctx)
  if (shape !== null && shape.typcategory === 'A' && shape.typelem !== 0) return populateArray(source, name, shape.typelem, typmod, ctx)
  const rowType = rowTypeOf(support)
  if (rowType !== undefined) return populateRecord(source, rowType, base instanceof RecordDatum ? base : null, ctx)
  if (type === RECORD_OID) throw notSupported('a column of type record cannot be populated from JSON')
  return support.input(source.text(), typmod, ctx)
}

/** The value, if `type` is no domain or one that allows it. */
export function ofDomain<T extends Datum>(type: Oid, value: T, ctx: EvalContext): T {
  if (type >= FIRST_USER_OID && ctx.catalog.typeShape(type)?.typtype === 'd') ctx.system(DOMAIN_CHECK)?.(type, value)
  return value
}

/** A jsonb as a value of an array or composite type. */
export function fromJson(value: JsonbValue, type: Oid, typmod: number, ctx: EvalContext): Datum {
  return populateField(jsonbSource(value), null, type, typmod, null, ctx)
}

function populateArray(source: JsonSource, name: string | null, elementType: Oid, typmod: number, ctx: EvalContext): Datum {
  /** Elements seen so far, by dimension. */
  const sizes: number[] = []
  const dims: number[] = []
  const elements: Datum[] = []
  let depthOfElements = 0
  const expected = (depth: number): PgError => {
    const path = sizes
      .slice(0, depth)
      .map((size) => `[${size}]`)
      .join('')
    const where = depth === 0 ? 'the value' : `the array element ${path}`
    const hint = name !== null ? `See ${where} of key "${name}".` : depth === 0 ? null : `See ${where}.`
    return new PgError(SQLSTATE.invalidTextRepresentation, 'expected JSON array', hint === null ? {} : { hint })
  }
  const walk = (at: JsonSource, depth: number): void => {
    if (at.kind !== 'array') throw expected(depth)
    sizes[depth] = 0
    for (const item of at.items()) {
      const isElement = depthOfElements > 0 ? depth + 1 >= depthOfElements : item.kind !== 'array'
      if (isElement) {
        depthOfElements = depth + 1
        elements.push(populateField(item, name, elementType, typmod, null, ctx))
      } else walk(item, depth + 1)
      sizes[depth]!++
    }
    if (depthOfElements === 0) depthOfElements = depth + 1
    if (dims[depth] === undefined) dims[depth] = sizes[depth]!
    else if (dims[depth] !== sizes[depth]) {
      throw new PgError(SQLSTATE.invalidTextRepresentation, 'malformed JSON array', {
        detail: 'Multidimensional arrays must have sub-arrays with matching dimensions.',
      })
    }
  }
  walk(source, 0)
  if (elements.length === 0) return emptyArray(elementType)
  return new ArrayDatum(
    elementType,
    dims,
    dims.map(() => 1),
    elements,
  )
}

const ABSENT = jsonbSource(null)

/** An object as a row; members that are absent keep the base's value. */
export function populateRecord(source: JsonSource, rowType: RowType, base: RecordDatum | null, ctx: EvalContext): RecordDatum {
  if (source.kind !== 'object') {
    const what = source.kind === 'array' ? 'an array' : 'a scalar'
    throw new PgError(SQLSTATE.invalidParameterValue, `cannot call populate_composite on ${what}`)
  }
  const values = rowType.fields.map((field, i) => {
    const member = source.member(field.name)
    const before = base === null ? null : base.values[i]!
    // what a given row has is allowed; where there is none, a domain has a say in the NULL
    if (member === undefined && base !== null) return before
    return populateField(member ?? ABSENT, field.name, field.type, field.typmod, before, ctx)
  })
  return new RecordDatum(rowType, values)
}
