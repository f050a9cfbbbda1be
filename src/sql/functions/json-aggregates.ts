// json_agg, jsonb_agg, json_object_agg and their variants. States are built in place; see aggregates.ts for the calling convention.

import type { Datum } from '../../base/datum.ts'
import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { EvalContext } from '../types/eval-context.ts'
import { jsonCategory, toJsonbValue, toJsonKey, toJsonText } from '../types/json-convert.ts'
import { quoteJson } from '../types/json-quote.ts'
import { Jsonb, type JsonbValue, makeObject } from '../types/jsonb.ts'
import { argType, type CallInfo, type Procs } from '../types/procs.ts'

interface JsonText {
  text: string
  keys: Set<string> | null
  /** Anything behind the opening bracket. */
  any: boolean
}

interface JsonbItems {
  items: JsonbValue[]
}

interface JsonbMembers {
  keys: string[]
  values: JsonbValue[]
  seen: Set<string> | null
}

function jsonItem(state: JsonText | null, value: Datum, skipNull: boolean, ctx: EvalContext, call: CallInfo): JsonText {
  const s = state ?? { text: '[', keys: null, any: false }
  if (value === null && skipNull) return s
  const type = argType(call, 1)
  if (s.any) {
    const category = jsonCategory(type, value, ctx)
    s.text += category === 'array' || category === 'composite' ? ', \n ' : ', '
  }
  s.text += toJsonText(value, type, ctx)
  s.any = true
  return s
}

function objectKey(key: Datum, ctx: EvalContext, call: CallInfo): string {
  if (key === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'null value not allowed for object key')
  return toJsonKey(key, argType(call, 1), ctx)
}

const duplicate = (key: string): PgError =>
  new PgError(SQLSTATE.duplicateJsonObjectKeyValue, `duplicate JSON object key value: ${quoteJson(key)}`)

function jsonMember(
  state: JsonText | null,
  key: Datum,
  value: Datum,
  skipNull: boolean,
  unique: boolean,
  ctx: EvalContext,
  call: CallInfo,
): JsonText {
  const s = state ?? { text: '{ ', keys: unique ? new Set<string>() : null, any: false }
  const name = objectKey(key, ctx, call)
  // A key counts even where its null is left out.
  if (s.keys !== null) {
    if (s.keys.has(name)) throw duplicate(name)
    s.keys.add(name)
  }
  if (value === null && skipNull) return s
  s.text += `${s.any ? ', ' : ''}${quoteJson(name)} : ${toJsonText(value, argType(call, 2), ctx)}`
  s.any = true
  return s
}

function jsonbItem(state: JsonbItems | null, value: Datum, skipNull: boolean, ctx: EvalContext, call: CallInfo): JsonbItems {
  const s = state ?? { items: [] }
  if (value !== null || !skipNull) s.items.push(toJsonbValue(value, argType(call, 1), ctx))
  return s
}

function jsonbMember(
  state: JsonbMembers | null,
  key: Datum,
  value: Datum,
  skipNull: boolean,
  unique: boolean,
  ctx: EvalContext,
  call: CallInfo,
): JsonbMembers {
  const s = state ?? { keys: [], values: [], seen: unique ? new Set<string>() : null }
  if (key === null) throw new PgError(SQLSTATE.invalidParameterValue, 'field name must not be null')
  const name = toJsonKey(key, argType(call, 1), ctx)
  if (s.seen !== null) {
    if (s.seen.has(name)) throw new PgError(SQLSTATE.duplicateJsonObjectKeyValue, 'duplicate JSON object key value')
    s.seen.add(name)
  }
  if (value === null && skipNull) return s
  s.keys.push(name)
  s.values.push(toJsonbValue(value, argType(call, 2), ctx))
  return s
}

export const jsonAggregateProcs = {
  json_agg_transfn: (s: JsonText | null, value, ctx, call) => jsonItem(s, value, false, ctx, call),
  json_agg_strict_transfn: (s: JsonText | null, value, ctx, call) => jsonItem(s, value, true, ctx, call),
  json_agg_finalfn: (s: JsonText | null) => (s === null ? null : `${s.text}]`),
  json_object_agg_transfn: (s: JsonText | null, key, value, ctx, call) => jsonMember(s, key, value, false, false, ctx, call),
  json_object_agg_strict_transfn: (s: JsonText | null, key, value, ctx, call) => jsonMember(s, key, value, true, false, ctx, call),
  json_object_agg_unique_transfn: (s: JsonText | null, key, value, ctx, call) => jsonMember(s, key, value, false, true, ctx, call),
  json_object_agg_unique_strict_transfn: (s: JsonText | null, key, value, ctx, call) => jsonMember(s, key, value, true, true, ctx, call),
  json_object_agg_finalfn: (s: JsonText | null) => (s === null ? null : `${s.text} }`),
  jsonb_agg_transfn: (s: JsonbItems | null, value, ctx, call) => jsonbItem(s, value, false, ctx, call),
  jsonb_agg_strict_transfn: (s: JsonbItems | null, value, ctx, call) => jsonbItem(s, value, true, ctx, call),
  jsonb_agg_finalfn: (s: JsonbItems | null) => (s === null ? null : new Jsonb(s.items.slice())),
  jsonb_object_agg_transfn: (s: JsonbMembers | null, key, value, ctx, call) => jsonbMember(s, key, value, false, false, ctx, call),
  jsonb_object_agg_strict_transfn: (s: JsonbMembers | null, key, value, ctx, call) => jsonbMember(s, key, value, true, false, ctx, call),
  jsonb_object_agg_unique_transfn: (s: JsonbMembers | null, key, value, ctx, call) => jsonbMember(s, key, value, false, true, ctx, call),
  jsonb_object_agg_unique_strict_transfn: (s: JsonbMembers | null, key, value, ctx, call) =>
    jsonbMember(s, key, value, true, true, ctx, call),
  jsonb_object_agg_finalfn: (s: JsonbMembers | null) => (s === null ? null : new Jsonb(makeObject([...s.keys], [...s.values]))),
} satisfies Procs
