// Bodies of the json and jsonb functions and operators (the path language's are in jsonpath-procs).

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { workIf } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { ArrayDatum } from './array.ts'
import { elementSupport } from './array-procs.ts'
import type { EvalContext } from './eval-context.ts'
import { toJsonbValue, toJsonKey, toJsonText } from './json-convert.ts'
import { type JsonSource, jsonbSource, jsonSource, ofDomain, populateRecord } from './json-populate.ts'
import { quoteJson } from './json-quote.ts'
import { checkJsonEscapes, decodeJsonString, jsonAsText, jsonKind, skipJsonSpace, walkJson } from './json-text.ts'
import {
  compareJsonb,
  formatJsonbSteps,
  getElement,
  getField,
  isArrayValue,
  isScalar,
  Jsonb,
  JsonbObject,
  type JsonbValue,
  jsonbAsText,
  jsonbTypeName,
  makeObject,
} from './jsonb.ts'
import { containsJsonb } from './jsonb-contains.ts'
import { changePath, concatJsonb, deleteIndex, deleteKeys, extractPath, pathOf, stripNulls } from './jsonb-edit.ts'
import { Numeric } from './numeric.ts'
import { numericProcs } from './numeric-procs.ts'
import { argType, type CallInfo, eachOf, type Procs } from './procs.ts'
import { RECORD_OID, RecordDatum, type RowType, rowTypeOf } from './record.ts'
import { findBuiltinType } from './registry.ts'

const TEXT = 25
const JSON_TYPE = 114
const JSONB = 3802

const bad = (message: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidParameterValue, message, hint === undefined ? {} : { hint })

const wrap = (value: JsonbValue | undefined): Jsonb | null => (value === undefined ? null : new Jsonb(value))
/** PostgreSQL stores a scalar as an array of one, and -> shows it. */
const asArray = (root: JsonbValue): JsonbValue => (isScalar(root) ? [root] : root)
const text = (value: JsonbValue | undefined): string | null => (value === undefined ? null : jsonbAsText(value))

function pairType(valueType: number): RowType {
  const field = (name: string, type: number) => ({ name, type, typmod: -1, support: findBuiltinType(type)! })
  return { type: RECORD_OID, fields: [field('key', TEXT), field('value', valueType)] }
}
const pairTypes = new Map<number, RowType>()
function pair(key: string, value: Datum, valueType: number): RecordDatum {
  let rowType = pairTypes.get(valueType)
  if (rowType === undefined) {
    rowType = pairType(valueType)
    pairTypes.set(valueType, rowType)
  }
  return new RecordDatum(rowType, [key, value])
}

// json: text

/** The raw text of a member; null when there is none. The last of equal keys counts. */
function jsonField(json: string, key: string): string | null {
  checkJsonEscapes(json)
  if (jsonKind(json) !== 'object') return null
  let found: string | null = null
  walkJson(json, (name, start, end) => {
    if (name === key) found = json.slice(start, end)
    return true
  })
  return found
}

function jsonElement(json: string, index: number): string | null {
  checkJsonEscapes(json)
  if (jsonKind(json) !== 'array') return null
  let at = index
  if (at < 0) {
    at += jsonLength(json)
    if (at < 0) return null
  }
  let found: string | null = null
  walkJson(json, (_name, start, end) => {
    if (at-- > 0) return true
    found = json.slice(start, end)
    return false
  })
  return found
}

function jsonLength(json: string): number {
  let n = 0
  walkJson(json, () => {
    n++
    return true
  })
  return n
}

function jsonPath(json: string, path: ArrayDatum): string | null {
  checkJsonEscapes(json)
  let at: string | null = json.slice(skipJsonSpace(json, 0)).trimEnd()
  for (const step of path.elements as readonly (string | null)[]) {
    if (step === null || at === null) return null
    const kind = jsonKind(at)
    if (kind === 'object') at = jsonField(at, step)
    else if (kind === 'array' && /^\s*[+-]?\d+$/.test(step)) at = jsonElement(at, Number(step))
    else return null
  }
  return at
}

function members(json: string): { key: string | null; raw: string }[] {
  const list: { key: string | null; raw: string }[] = []
  walkJson(json, (key, start, end) => {
    list.push({ key, raw: json.slice(start, end) })
    return true
  })
  return list
}

function jsonEach(json: string): { key: string | null; raw: string }[] {
  checkJsonEscapes(json)
  const kind = jsonKind(json)
  if (kind === 'array') throw bad('cannot deconstruct an array as an object')
  if (kind !== 'object') throw bad('cannot deconstruct a scalar')
  return members(json)
}

function jsonElements(json: string, name: string): string[] {
  const kind = jsonKind(json)
  if (kind === 'object') throw bad(`cannot call ${name} on a non-array`)
  if (kind !== 'array') throw bad(`cannot call ${name} on a scalar`)
  return members(json).map((member) => member.raw)
}

function stripJson(json: string, arrays: boolean): string {
  const at = skipJsonSpace(json, 0)
  const kind = jsonKind(json, at)
  if (kind === 'object') {
    const kept = members(json).filter((member) => member.raw !== 'null')
    return `{${kept.map((member) => `${quoteJson(member.key!)}:${stripJson(member.raw, arrays)}`).join(',')}}`
  }
  if (kind === 'array') {
    const items = members(json).map((member) => member.raw)
    return `[${(arrays ? items.filter((item) => item !== 'null') : items).map((item) => stripJson(item, arrays)).join(',')}]`
  }
  const raw = json.slice(at).trimEnd()
  return kind === 'string' ? quoteJson(decodeJsonString(raw)) : raw
}

// jsonb

function elementsOf(value: JsonbValue): readonly JsonbValue[] {
  if (isArrayValue(value)) return value
  throw bad(isScalar(value) ? 'cannot extract elements from a scalar' : 'cannot extract elements from an object')
}

function objectOf(value: JsonbValue, name: string): JsonbObject {
  if (value instanceof JsonbObject) return value
  throw bad(`cannot call ${name} on a non-object`)
}

/** A number out of jsonb for a cast; SQL NULL for JSON null. */
function castNumber<T>(a: Jsonb, type: string, convert: (n: Numeric) => T): T | null {
  if (a.root === null) return null
  if (!(a.root instanceof Numeric)) throw bad(`cannot cast jsonb ${castName(a.root)} to type ${type}`)
  return convert(a.root)
}
const castName = (value: JsonbValue): string => (value instanceof Numeric ? 'numeric' : jsonbTypeName(value))

function pairsOf(args: readonly Datum[] | null, call: CallInfo, name: string): [number, number][] {
  if (args === null) return []
  if (args.length % 2 !== 0) {
    throw bad('argument list must have even number of elements', `The arguments of ${name}() must consist of alternating keys and values.`)
  }
  const list: [number, number][] = []
  for (let i = 0; i < args.length; i += 2) {
    if (args[i] === null) {
      if (name === 'json_build_object') throw new PgError(SQLSTATE.nullValueNotAllowed, 'null value not allowed for object key')
      throw bad(`argument ${i + 1}: key must not be null`)
    }
    list.push([argType(call, i), argType(call, i + 1)])
  }
  return list
}

function keysAndValues(a: ArrayDatum, b: ArrayDatum | null): [string, string | null][] {
  const key = (value: Datum): string => {
    if (value === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'null value not allowed for object key')
    return value as string
  }
  if (b !== null) {
    if (a.dims.length > 1 || a.dims.length !== b.dims.length)
      throw new PgError(SQLSTATE.arraySubscriptError, 'wrong number of array subscripts')
    if (a.elements.length !== b.elements.length) throw new PgError(SQLSTATE.arraySubscriptError, 'mismatched array dimensions')
    return a.elements.map((k, i) => [key(k), b.elements[i] as string | null])
  }
  if (a.dims.length > 2) throw new PgError(SQLSTATE.arraySubscriptError, 'wrong number of array subscripts')
  if (a.dims.length === 1 && a.dims[0]! % 2 !== 0)
    throw new PgError(SQLSTATE.arraySubscriptError, 'array must have even number of elements')
  if (a.dims.length === 2 && a.dims[1] !== 2) throw new PgError(SQLSTATE.arraySubscriptError, 'array must have two columns')
  const list: [string, string | null][] = []
  for (let i = 0; i < a.elements.length; i += 2) list.push([key(a.elements[i]!), a.elements[i + 1] as string | null])
  return list
}

const jsonObjectText = (list: [string, string | null][]): string =>
  `{${list.map(([k, v]) => `${quoteJson(k)} : ${v === null ? 'null' : quoteJson(v)}`).join(', ')}}`
const jsonbObjectOf = (list: [string, string | null][]): Jsonb =>
  new Jsonb(
    makeObject(
      list.map(([k]) => k),
      list.map(([, v]) => v),
    ),
  )

function rowTypeFor(base: Datum, call: CallInfo, name: string, ctx: EvalContext): RowType {
  if (base instanceof RecordDatum) {
    if (call.resultRow !== undefined) checkRow(base.rowType, call.resultRow, ctx)
    return base.rowType
  }
  if (call.resultRow !== undefined) return call.resultRow
  const found = rowTypeOf(elementSupport(argType(call, 0), ctx))
  if (found === undefined) {
    if (argType(call, 0) !== RECORD_OID) throw new PgError(SQLSTATE.datatypeMismatch, `first argument of ${name} must be a row type`)
    throw new PgError(SQLSTATE.featureNotSupported, `could not determine row type for result of ${name}`, {
      hint: 'Provide a non-null record argument, or call the function in the FROM clause using a column definition list.',
    })
  }
  return found
}

/** What comes back must be what the query's column definition list says. */
function checkRow(row: RowType, expected: RowType, ctx: EvalContext): void {
  const mismatch = (detail: string): PgError =>
    new PgError(SQLSTATE.datatypeMismatch, 'function return row and query-specified return row do not match', { detail })
  const count = row.fields.length
  if (count !== expected.fields.length)
    throw mismatch(
      `Returned row contains ${count} ${count === 1 ? 'attribute' : 'attributes'}, but query expects ${expected.fields.length}.`,
    )
  for (const [i, { type }] of row.fields.entries()) {
    const wanted = expected.fields[i]!.type
    if (type === wanted) continue
    const text = (oid: number): string => ctx.catalog.typeName(oid) ?? String(oid)
    throw mismatch(`Returned type ${text(type)} at ordinal position ${i + 1}, but query expects ${text(wanted)}.`)
  }
}

function definedRow(call: CallInfo): RowType {
  if (call.resultRow !== undefined) return call.resultRow
  throw new PgError(SQLSTATE.featureNotSupported, 'function returning record called in context that cannot accept type record', {
    hint: 'Try calling the function in the FROM clause using a column definition list.',
  })
}

/** `type`: the row type, or a domain over it. */
function populate(base: Datum, source: JsonSource | null, rowType: RowType, ctx: EvalContext, type = rowType.type): RecordDatum | null {
  const record = base instanceof RecordDatum ? base : null
  return source === null ? record : ofDomain(type, populateRecord(source, rowType, record, ctx), ctx)
}

function* populateSet(
  base: Datum,
  source: JsonSource,
  rowType: RowType,
  name: string,
  ctx: EvalContext,
  type = rowType.type,
): Generator<RecordDatum | null> {
  if (source.kind !== 'array') throw bad(`cannot call ${name} on ${source.kind === 'object' ? 'an object' : 'a scalar'}`)
  for (const item of source.items()) {
    if (item.kind !== 'object') throw bad(`argument of ${name} must be an array of objects`)
    yield populate(base, item, rowType, ctx, type)
  }
}

function setLax(root: Jsonb, path: ArrayDatum, value: Jsonb | null, create: boolean, treatment: string): Jsonb | null {
  if (value !== null) return new Jsonb(changePath(root.root, path, value.root, create ? 'setOrCreate' : 'set'))
  switch (treatment) {
    case 'raise_exception':
      throw new PgError(SQLSTATE.nullValueNotAllowed, 'JSON value must not be null', {
        detail: 'Exception was raised because null_value_treatment is "raise_exception".',
        hint: 'To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.',
      })
    case 'use_json_null':
      return new Jsonb(changePath(root.root, path, null, create ? 'setOrCreate' : 'set'))
    case 'delete_key':
      return new Jsonb(changePath(root.root, path, null, 'delete'))
    case 'return_target':
      return root
    default:
      throw bad('null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"')
  }
}

const exists = (root: JsonbValue, key: Datum): boolean => {
  if (key === null) return false
  if (root instanceof JsonbObject) return getField(root, key as string) !== undefined
  return isArrayValue(root) ? root.includes(key as string) : root === key
}

export const jsonProcs = {
  json_object_field: jsonField,
  json_object_field_text(json, key) {
    const raw = jsonField(json, key)
    return raw === null ? null : jsonAsText(raw)
  },
  json_array_element: jsonElement,
  json_array_element_text(json, index) {
    const raw = jsonElement(json, index)
    return raw === null ? null : jsonAsText(raw)
  },
  json_extract_path: jsonPath,
  json_extract_path_text(json, path) {
    const raw = jsonPath(json, path)
    return raw === null ? null : jsonAsText(raw)
  },
  json_array_length(json) {
    const kind = jsonKind(json)
    if (kind === 'object') throw bad('cannot get array length of a non-array')
    if (kind !== 'array') throw bad('cannot get array length of a scalar')
    return jsonLength(json)
  },
  json_array_elements: (json) => jsonElements(json, 'json_array_elements'),
  json_array_elements_text: (json) => jsonElements(json, 'json_array_elements_text').map(jsonAsText),
  json_each: (json) => jsonEach(json).map(({ key, raw }) => pair(key!, raw, JSON_TYPE)),
  json_each_text: (json) => jsonEach(json).map(({ key, raw }) => pair(key!, jsonAsText(raw), TEXT)),
  json_object_keys(json) {
    const kind = jsonKind(json)
    if (kind === 'array') throw bad('cannot call json_object_keys on an array')
    if (kind !== 'object') throw bad('cannot call json_object_keys on a scalar')
    return members(json).map(({ key }) => key)
  },
  json_typeof: (json) => jsonKind(json),
  json_strip_nulls: (json, arrays) => stripJson(json, arrays),
  to_json: (value, ctx, call) => toJsonText(value, argType(call, 0), ctx),
  array_to_json: (a, ctx, call) => toJsonText(a, argType(call, 0), ctx),
  array_to_json_pretty: (a, lineFeed, ctx, call) => toJsonText(a, argType(call, 0), ctx, lineFeed),
  row_to_json: (record, ctx, call) => toJsonText(record, argType(call, 0), ctx),
  row_to_json_pretty: (record, lineFeed, ctx, call) => toJsonText(record, argType(call, 0), ctx, lineFeed),
  json_build_object(args, ctx, call) {
    const parts = pairsOf(args, call, 'json_build_object').map(
      ([keyType, valueType], i) =>
        `${quoteJson(toJsonKey(args![i * 2]!, keyType, ctx))} : ${toJsonText(args![i * 2 + 1]!, valueType, ctx)}`,
    )
    return args === null ? null : `{${parts.join(', ')}}`
  },
  json_build_object_noargs: () => '{}',
  json_build_array: (args, ctx, call) =>
    args === null ? null : `[${args.map((arg, i) => toJsonText(arg, argType(call, i), ctx)).join(', ')}]`,
  json_build_array_noargs: () => '[]',
  json_object: (a) => jsonObjectText(keysAndValues(a, null)),
  json_object_two_arg: (keys, values) => jsonObjectText(keysAndValues(keys, values)),
  json_populate_record: (base, json, _lower, ctx, call) =>
    populate(base, json === null ? null : jsonSource(json), rowTypeFor(base, call, 'json_populate_record', ctx), ctx, argType(call, 0)),
  json_populate_recordset: (base, json, _lower, ctx, call) =>
    json === null
      ? []
      : populateSet(
          base,
          jsonSource(json),
          rowTypeFor(base, call, 'json_populate_recordset', ctx),
          'json_populate_recordset',
          ctx,
          argType(call, 0),
        ),
  json_to_record: (json, ctx, call) => populate(null, jsonSource(json), definedRow(call), ctx),
  json_to_recordset: (json, ctx, call) =>
    json === null ? [] : populateSet(null, jsonSource(json), definedRow(call), 'json_to_recordset', ctx),

  jsonb_object_field: (a, key) => wrap(getField(a.root, key)),
  jsonb_object_field_text: (a, key) => text(getField(a.root, key)),
  jsonb_array_element: (a, index) => wrap(getElement(asArray(a.root), index)),
  jsonb_array_element_text: (a, index) => text(getElement(asArray(a.root), index)),
  jsonb_extract_path: (a, path) => wrap(extractPath(a.root, path)),
  jsonb_extract_path_text: (a, path) => text(extractPath(a.root, path)),
  jsonb_array_length(a) {
    if (isArrayValue(a.root)) return a.root.length
    throw bad(isScalar(a.root) ? 'cannot get array length of a scalar' : 'cannot get array length of a non-array')
  },
  jsonb_array_elements: (a) => eachOf(elementsOf(a.root), (item) => new Jsonb(item)),
  jsonb_array_elements_text: (a) => eachOf(elementsOf(a.root), jsonbAsText),
  jsonb_each(a) {
    const { keys, values } = objectOf(a.root, 'jsonb_each')
    return eachOf(keys, (key, i) => pair(key, new Jsonb(values[i]!), JSONB))
  },
  jsonb_each_text(a) {
    const { keys, values } = objectOf(a.root, 'jsonb_each_text')
    return eachOf(keys, (key, i) => pair(key, jsonbAsText(values[i]!), TEXT))
  },
  jsonb_object_keys(a) {
    if (isArrayValue(a.root)) throw bad('cannot call jsonb_object_keys on an array')
    if (isScalar(a.root)) throw bad('cannot call jsonb_object_keys on a scalar')
    return a.root.keys
  },
  jsonb_typeof: (a) => jsonbTypeName(a.root),
  jsonb_pretty: (a) => workIf(a.isLong, formatJsonbSteps, a.root, true),
  jsonb_strip_nulls: (a, arrays) => new Jsonb(workIf(a.isLong, stripNulls, a.root, arrays)),
  jsonb_concat: (a, b) => new Jsonb(concatJsonb(a.root, b.root)),
  jsonb_delete: (a, key) => new Jsonb(deleteKeys(a.root, [key])),
  jsonb_delete_array: (a, keys) => new Jsonb(deleteKeys(a.root, pathOf(keys))),
  jsonb_delete_idx: (a, index) => new Jsonb(deleteIndex(a.root, index)),
  jsonb_delete_path: (a, path) => new Jsonb(changePath(a.root, path, null, 'delete')),
  jsonb_set: (a, path, value, create) => new Jsonb(changePath(a.root, path, value.root, create ? 'setOrCreate' : 'set')),
  jsonb_set_lax(a, path, value, create, treatment) {
    if (a === null || path === null || create === null) return null
    if (treatment === null) throw bad('null_value_treatment must be "delete_key", "return_target", "use_json_null", or "raise_exception"')
    return setLax(a, path, value, create, treatment)
  },
  jsonb_insert: (a, path, value, after) => new Jsonb(changePath(a.root, path, value.root, after ? 'insertAfter' : 'insertBefore')),
  jsonb_contains: (a, b, ctx) => containsJsonb(a, b, ctx.cancel),
  jsonb_contained: (a, b, ctx) => containsJsonb(b, a, ctx.cancel),
  jsonb_exists: (a, key) => exists(a.root, key),
  jsonb_exists_any: (a, keys) => keys.elements.some((key) => exists(a.root, key)),
  jsonb_exists_all: (a, keys) => keys.elements.every((key) => key === null || exists(a.root, key)),
  jsonb_cmp: (a, b) => compareJsonb(a, b),
  jsonb_eq: (a, b) => compareJsonb(a, b) === 0,
  jsonb_ne: (a, b) => compareJsonb(a, b) !== 0,
  jsonb_lt: (a, b) => compareJsonb(a, b) < 0,
  jsonb_le: (a, b) => compareJsonb(a, b) <= 0,
  jsonb_gt: (a, b) => compareJsonb(a, b) > 0,
  jsonb_ge: (a, b) => compareJsonb(a, b) >= 0,
  jsonb_bool(a) {
    if (a.root === null) return null
    if (typeof a.root !== 'boolean') throw bad(`cannot cast jsonb ${castName(a.root)} to type boolean`)
    return a.root
  },
  jsonb_numeric: (a) => castNumber(a, 'numeric', (n) => n),
  jsonb_int2: (a) => castNumber(a, 'smallint', numericProcs.numeric_int2),
  jsonb_int4: (a) => castNumber(a, 'integer', numericProcs.numeric_int4),
  jsonb_int8: (a) => castNumber(a, 'bigint', numericProcs.numeric_int8),
  jsonb_float4: (a) => castNumber(a, 'real', numericProcs.numeric_float4),
  jsonb_float8: (a) => castNumber(a, 'double precision', numericProcs.numeric_float8),
  to_jsonb: (value, ctx, call) => new Jsonb(toJsonbValue(value, argType(call, 0), ctx)),
  jsonb_build_object(args, ctx, call) {
    if (args === null) return null
    const keys: string[] = []
    const values: JsonbValue[] = []
    for (const [i, [keyType, valueType]] of pairsOf(args, call, 'jsonb_build_object').entries()) {
      keys.push(toJsonKey(args[i * 2]!, keyType, ctx))
      values.push(toJsonbValue(args[i * 2 + 1]!, valueType, ctx))
    }
    return new Jsonb(makeObject(keys, values))
  },
  jsonb_build_object_noargs: () => new Jsonb(makeObject([], [])),
  jsonb_build_array: (args, ctx, call) =>
    args === null ? null : new Jsonb(args.map((arg, i) => toJsonbValue(arg, argType(call, i), ctx))),
  jsonb_build_array_noargs: () => new Jsonb([]),
  jsonb_object: (a) => jsonbObjectOf(keysAndValues(a, null)),
  jsonb_object_two_arg: (keys, values) => jsonbObjectOf(keysAndValues(keys, values)),
  jsonb_populate_record: (base, json, ctx, call) =>
    populate(
      base,
      json === null ? null : jsonbSource(json.root),
      rowTypeFor(base, call, 'jsonb_populate_record', ctx),
      ctx,
      argType(call, 0),
    ),
  jsonb_populate_recordset: (base, json, ctx, call) =>
    json === null
      ? []
      : populateSet(
          base,
          jsonbSource(json.root),
          rowTypeFor(base, call, 'jsonb_populate_recordset', ctx),
          'jsonb_populate_recordset',
          ctx,
          argType(call, 0),
        ),
  jsonb_to_record: (json, ctx, call) => populate(null, jsonbSource(json.root), definedRow(call), ctx),
  jsonb_to_recordset: (json, ctx, call) =>
    json === null ? [] : populateSet(null, jsonbSource(json.root), definedRow(call), 'jsonb_to_recordset', ctx),
} satisfies Procs
