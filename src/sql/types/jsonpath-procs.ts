// jsonpath's TypeSupport and the jsonb_path_* functions with their operators.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { decodeUtf8 } from '../../base/utf8.ts'
import { defineType } from './define.ts'
import type { EvalContext } from './eval-context.ts'
import { Jsonb, type JsonbValue } from './jsonb.ts'
import { formatPath, type JsonPath, parseJsonPath } from './jsonpath.ts'
import { queryPath } from './jsonpath-exec.ts'
import { eachOf, type Procs } from './procs.ts'
import type { TypeFamily } from './type.ts'

const jsonpath = defineType<JsonPath>({
  input: parseJsonPath,
  output: formatPath,
  receive(buffer, start, end) {
    if (buffer[start] !== 1) throw new PgError(SQLSTATE.internalError, `unsupported jsonpath version number: ${buffer[start]}`)
    return parseJsonPath(decodeUtf8(buffer, start + 1, end))
  },
  send(value, out) {
    out.u8(1)
    out.utf8(formatPath(value))
  },
  size: () => 256,
  value: {
    write: (value, out) => void out.utf8(formatPath(value)),
    read: (buffer, start, end) => parseJsonPath(buffer.utf8Slice(start, end)),
  },
  key: null,
})

export const jsonpathTypes: TypeFamily = { jsonpath }

/** The functions of one kind: those named …_tz may ask for the session's time zone. */
function bodies(useTz: boolean) {
  const items = (target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): readonly JsonbValue[] =>
    queryPath(path, target, vars.root, silent, ctx, false, useTz).items
  return {
    query: (target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Iterable<Jsonb> =>
      eachOf(items(target, path, vars, silent, ctx), (item) => new Jsonb(item)),
    exists(target: Jsonb, path: JsonPath, vars: Jsonb | null, silent: boolean, ctx: EvalContext): boolean | null {
      // In lax mode the first item answers; in strict mode an error anywhere counts.
      const { items, failed } = queryPath(path, target, vars?.root ?? null, silent, ctx, path.lax, useTz)
      return failed ? null : items.length > 0
    },
    match(target: Jsonb, path: JsonPath, vars: Jsonb | null, silent: boolean, ctx: EvalContext): boolean | null {
      const { items } = queryPath(path, target, vars?.root ?? null, silent, ctx, false, useTz)
      if (items.length === 1) {
        const value = items[0]!
        if (typeof value === 'boolean' || value === null) return value
      }
      if (silent) return null
      throw new PgError(SQLSTATE.singletonSqlJsonItemRequired, 'single boolean result is expected')
    },
    first(target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Jsonb | null {
      const [item] = items(target, path, vars, silent, ctx)
      return item === undefined ? null : new Jsonb(item)
    },
    all: (target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Jsonb =>
      new Jsonb(items(target, path, vars, silent, ctx)),
  }
}

const plain = bodies(false)
const zoned = bodies(true)

export const jsonpathProcs = {
  jsonb_path_exists: plain.exists,
  jsonb_path_exists_tz: zoned.exists,
  jsonb_path_exists_opr: (target, path, ctx) => plain.exists(target, path, null, true, ctx),
  jsonb_path_match: plain.match,
  jsonb_path_match_tz: zoned.match,
  jsonb_path_match_opr: (target, path, ctx) => plain.match(target, path, null, true, ctx),
  jsonb_path_query: plain.query,
  jsonb_path_query_tz: zoned.query,
  jsonb_path_query_first: plain.first,
  jsonb_path_query_first_tz: zoned.first,
  jsonb_path_query_array: plain.all,
  jsonb_path_query_array_tz: zoned.all,
} satisfies Procs
