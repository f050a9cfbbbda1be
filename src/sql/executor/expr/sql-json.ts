// SQL/JSON expressions: constructors, IS JSON, and the query functions with their ON EMPTY and ON ERROR.

import type { Datum, Row } from '../../../base/datum.ts'
import { PgError } from '../../../base/errors.ts'
import { andThen, type MaybePromise } from '../../../base/maybe-promise.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { Expr, JsonBehavior, JsonConstructorExpr, JsonExpr, JsonIsPredicate } from '../../analyzer/expr.ts'
import { TYPE_OID as T } from '../../builtin/data/type-oids.ts'
import { toJsonbValue, toJsonKey, toJsonText } from '../../types/json-convert.ts'
import { fromJson } from '../../types/json-populate.ts'
import { quoteJson } from '../../types/json-quote.ts'
import { jsonKind, parseJsonText } from '../../types/json-text.ts'
import { formatJsonb, isArrayValue, isScalar, Jsonb, JsonbObject, type JsonbValue, jsonbAsText, makeObject } from '../../types/jsonb.ts'
import type { JsonPath } from '../../types/jsonpath.ts'
import { datetimeItem, isDatetime, passedDatetime, plainItem, sqlText } from '../../types/jsonpath-datetime.ts'
import { isPathError, queryPath } from '../../types/jsonpath-exec.ts'
import type { Compilation } from '../compilation.ts'
import { anyAsync, type Compiled, eager, sync, waiting } from './compiled.ts'
import type { TestCell } from './logic.ts'

/** `test`: what CaseTestExpr reads. */
type Compile = (expr: Expr, test?: TestCell) => Compiled

export function compileJsonConstructor(e: JsonConstructorExpr, args: readonly Compiled[], cx: Compilation): Compiled {
  const { ctx } = cx.state
  const types = e.args.map((arg) => arg.type)
  const binary = e.type === T.jsonb
  if (e.what === 'parse') {
    return eager(args, ([text]) => {
      if (text === null) return null
      const value = parseJsonText(text as string, binary, e.unique)
      return binary ? new Jsonb(value) : (text as string)
    })
  }
  const kept = (value: Datum): boolean => value !== null || !e.absentOnNull
  if (e.what === 'array') {
    if (binary) {
      return eager(args, (values) => new Jsonb(values.flatMap((value, i) => (kept(value) ? [toJsonbValue(value, types[i]!, ctx)] : []))))
    }
    return eager(args, (values) => `[${values.flatMap((value, i) => (kept(value) ? [toJsonText(value, types[i]!, ctx)] : [])).join(', ')}]`)
  }
  return eager(args, (values) => {
    const keys: string[] = []
    const members: number[] = []
    const seen = new Set<string>()
    for (let i = 0; i < values.length; i += 2) {
      if (values[i] === null) throw new PgError(SQLSTATE.nullValueNotAllowed, 'null value not allowed for object key')
      const key = toJsonKey(values[i]!, types[i]!, ctx)
      if (e.unique && seen.has(key))
        throw new PgError(SQLSTATE.duplicateJsonObjectKeyValue, `duplicate JSON object key value${binary ? '' : `: ${quoteJson(key)}`}`)
      seen.add(key)
      if (!kept(values[i + 1]!)) continue
      keys.push(key)
      members.push(i + 1)
    }
    if (binary)
      return new Jsonb(
        makeObject(
          keys,
          members.map((i) => toJsonbValue(values[i]!, types[i]!, ctx)),
        ),
      )
    return `{${keys.map((key, n) => `${quoteJson(key)} : ${toJsonText(values[members[n]!]!, types[members[n]!]!, ctx)}`).join(', ')}}`
  })
}

export function compileJsonIsPredicate(e: JsonIsPredicate, arg: Compiled): Compiled {
  const isItem = (isObject: boolean, isArray: boolean): boolean =>
    e.item === 'any' || (e.item === 'object' ? isObject : e.item === 'array' ? isArray : !isObject && !isArray)
  return eager([arg], ([value]) => {
    if (value === null) return null
    if (value instanceof Jsonb) return isItem(value.root instanceof JsonbObject, isArrayValue(value.root))
    const text = value as string
    try {
      parseJsonText(text, false, e.unique)
    } catch (error) {
      if (error instanceof PgError && error.code.startsWith('22')) return false
      throw error
    }
    const kind = jsonKind(text)
    return isItem(kind === 'object', kind === 'array')
  })
}

const columnText = (e: JsonExpr): string => (e.column === null ? '' : ` of column "${e.column}"`)

/** The item or items found, as one JSON value. */
function queried(e: JsonExpr, items: readonly JsonbValue[]): JsonbValue {
  const wrap = e.wrapper === 'unconditional' || (e.wrapper === 'conditional' && items.length > 1)
  if (wrap) return items
  if (items.length > 1)
    throw new PgError(
      SQLSTATE.moreThanOneSqlJsonItem,
      e.column === null
        ? 'JSON path expression in JSON_QUERY must return single item when no wrapper is requested'
        : `JSON path expression for column "${e.column}" must return single item when no wrapper is requested`,
      { hint: 'Use the WITH WRAPPER clause to wrap SQL/JSON items into an array.' },
    )
  return items[0]!
}

function scalar(e: JsonExpr, items: readonly JsonbValue[]): JsonbValue {
  const where = e.column === null ? 'JSON path expression in JSON_VALUE' : `JSON path expression for column "${e.column}"`
  if (items.length > 1) throw new PgError(SQLSTATE.moreThanOneSqlJsonItem, `${where} must return single scalar item`)
  if (!isScalar(items[0]!)) throw new PgError(SQLSTATE.sqlJsonScalarRequired, `${where} must return single scalar item`)
  return items[0]!
}

/** A string whose quotes are kept is no literal of an array or a composite. */
function notStructured(isArray: boolean): PgError {
  return isArray
    ? new PgError(SQLSTATE.invalidTextRepresentation, 'expected JSON array')
    : new PgError(SQLSTATE.invalidParameterValue, 'cannot call populate_composite on a scalar')
}

/** A found value in the type that RETURNING asks for. */
function makeConverter(e: JsonExpr, cx: Compilation): (node: JsonbValue) => Datum {
  const { ctx } = cx.state
  // A domain's rules come afterwards.
  const { type, typmod } = e.domain?.kind === 'CoerceToDomain' ? e.domain.arg : e
  const support = ctx.catalog.typeSupport(type)
  const row = cx.catalog.type(type)
  const isArray = row?.typcategory === 'A'
  const structured = isArray || row?.typtype === 'c'
  return (node) => {
    const asString = typeof node === 'string' && (e.op === 'value' || e.omitQuotes)
    if (e.op === 'value') {
      if (node === null) return null
      if (type === T.jsonb) return new Jsonb(node)
      if (type === T.json) return formatJsonb(node)
      return support.input(typeof node === 'boolean' ? (node ? 't' : 'f') : jsonbAsText(node)!, typmod, ctx)
    }
    if (asString) return support.input(node, typmod, ctx)
    if (type === T.jsonb) return new Jsonb(node)
    if (structured && typeof node === 'string') throw notStructured(isArray)
    if (structured) return fromJson(node, type, typmod, ctx)
    return support.input(formatJsonb(node), typmod, ctx)
  }
}

/** A value that is none of a domain, RETURNING's own or one inside it. */
const isDomainViolation = (error: unknown): error is PgError =>
  error instanceof PgError && (error.code === SQLSTATE.checkViolation || error.code === SQLSTATE.notNullViolation)

export function compileJsonExpr(e: JsonExpr, compile: Compile, cx: Compilation): Compiled {
  const { ctx } = cx.state
  const args = e.args.map((arg) => compile(arg))
  const emptyDefault = e.emptyDefault === null ? null : compile(e.emptyDefault)
  const errorDefault = e.errorDefault === null ? null : compile(e.errorDefault)
  const passed = e.args.slice(2).map((arg) => arg.type)
  const convert = e.op === 'exists' ? null : makeConverter(e, cx)
  // JSON_VALUE answers SQL's text of a date or time, the others JSON's.
  const inSql = e.op === 'value' && e.type !== T.json && e.type !== T.jsonb
  const cell: TestCell = { value: null }
  const domain = e.domain ? compile(e.domain, cell) : null
  const checked = (value: Datum): Datum => {
    if (domain === null) return value
    cell.value = value
    return domain.eval([]) as Datum
  }
  const plain = (item: JsonbValue): JsonbValue => (inSql && isDatetime(item) ? sqlText(item, ctx) : plainItem(item))
  const instead = (behavior: JsonBehavior, otherwise: Compiled | null, row: Row): MaybePromise<Datum> => {
    switch (behavior) {
      case 'true':
      case 'false':
        return behavior === 'true'
      case 'empty array':
      case 'empty object':
        return convert!(behavior === 'empty array' ? [] : makeObject([], []))
      case 'default':
        return otherwise!.eval(row)
      default:
        return null
    }
  }
  const fallback = (on: 'EMPTY' | 'ERROR', row: Row): MaybePromise<Datum> => {
    const [behavior, otherwise] = on === 'EMPTY' ? [e.onEmpty, emptyDefault] : [e.onError, errorDefault]
    const isMade = behavior === 'empty array' || behavior === 'empty object'
    try {
      const value = instead(behavior, otherwise, row)
      return behavior === 'default' || value instanceof Promise ? value : checked(value)
    } catch (error) {
      if (e.onError === 'error' || !(isDomainViolation(error) || (isMade && isPathError(error)))) throw error
      throw new PgError(
        SQLSTATE.datatypeMismatch,
        `could not coerce ON ${on} expression (${behavior.toUpperCase()}) to the RETURNING type`,
        { detail: error.message },
      )
    }
  }
  const search = (values: readonly Datum[]): { readonly found: Datum } | 'empty' => {
    const vars = makeObject(
      [...e.passingNames],
      passed.map((type, i) => {
        const value = values[i + 2]!
        const datetime = value === null ? null : passedDatetime(type, value)
        return datetime === null ? toJsonbValue(value, type, ctx) : datetimeItem(datetime)
      }),
    )
    const { items } = queryPath(values[1] as JsonPath, values[0] as Jsonb, vars, false, ctx, e.op === 'exists', true, plain)
    if (convert === null) return { found: items.length > 0 }
    if (items.length > 0) return { found: convert(e.op === 'query' ? queried(e, items) : scalar(e, items)) }
    if (e.onEmpty !== 'error') return 'empty'
    throw new EmptyResult(e)
  }
  const answer = (values: readonly Datum[], row: Row): MaybePromise<Datum> => {
    if (values[0] === null || values[1] === null) return null
    let result: ReturnType<typeof search>
    try {
      result = search(values)
    } catch (error) {
      // ERROR ON EMPTY stands, whatever is said of other errors.
      if (error instanceof EmptyResult) throw error.reason
      if (e.onError === 'error' || !(isPathError(error) || isDomainViolation(error))) throw error
      return fallback('ERROR', row)
    }
    if (result === 'empty') return fallback('EMPTY', row)
    try {
      return checked(result.found)
    } catch (error) {
      if (e.onError === 'error' || !isDomainViolation(error)) throw error
      return fallback('ERROR', row)
    }
  }
  const evals = args.map((arg) => arg.eval)
  const collect = (row: Row, values: Datum[], from: number): MaybePromise<Datum> => {
    for (let i = from; i < evals.length; i++) {
      const value = evals[i]!(row)
      if (value instanceof Promise)
        return value.then((v) => {
          values.push(v)
          return collect(row, values, i + 1)
        })
      values.push(value)
    }
    return answer(values, row)
  }
  const all = [...args, ...(emptyDefault === null ? [] : [emptyDefault]), ...(errorDefault === null ? [] : [errorDefault])]
  if (anyAsync(all)) return waiting((row) => andThen(collect(row, [], 0), (value) => value))
  return sync((row) => collect(row, [], 0) as Datum)
}

/** Keeps ERROR ON EMPTY apart from what ON ERROR answers. */
class EmptyResult {
  readonly reason: PgError
  constructor(e: JsonExpr) {
    this.reason = new PgError(SQLSTATE.noSqlJsonItem, `no SQL/JSON item found for specified path${columnText(e)}`)
  }
}
