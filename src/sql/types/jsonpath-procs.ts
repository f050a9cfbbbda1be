// jsonpath's TypeSupport and the jsonb_path_* functions with their operators.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { defineType } from './define.ts'
import type { EvalContext } from './eval-context.ts'
import { Jsonb } from './jsonb.ts'
import { formatPath, type JsonPath, parseJsonPath } from './jsonpath.ts'
import { queryPath } from './jsonpath-exec.ts'
import type { Procs } from './procs.ts'
import type { TypeFamily } from './registry.ts'

const jsonpath = defineType<JsonPath>({
  input: parseJsonPath,
  output: formatPath,
  receive(buffer, start, end) {
    if (buffer[start] !== 1) throw new PgError(SQLSTATE.internalError, `unsupported jsonpath version number: ${buffer[start]}`)
    return parseJsonPath(buffer.utf8Slice(start + 1, end))
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

function query(target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Jsonb[] {
  return queryPath(path, target.root, vars.root, silent, ctx).items.map((item) => new Jsonb(item))
}

function exists(target: Jsonb, path: JsonPath, vars: Jsonb | null, silent: boolean, ctx: EvalContext): boolean | null {
  // In lax mode the first item answers; in strict mode an error anywhere counts.
  const { items, failed } = queryPath(path, target.root, vars?.root ?? null, silent, ctx, path.lax)
  return failed ? null : items.length > 0
}

function match(target: Jsonb, path: JsonPath, vars: Jsonb | null, silent: boolean, ctx: EvalContext): boolean | null {
  const { items } = queryPath(path, target.root, vars?.root ?? null, silent, ctx)
  if (items.length === 1) {
    const value = items[0]!
    if (typeof value === 'boolean' || value === null) return value
  }
  if (silent) return null
  throw new PgError(SQLSTATE.singletonSqlJsonItemRequired, 'single boolean result is expected')
}

const first = (target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Jsonb | null =>
  query(target, path, vars, silent, ctx)[0] ?? null
const all = (target: Jsonb, path: JsonPath, vars: Jsonb, silent: boolean, ctx: EvalContext): Jsonb =>
  new Jsonb(queryPath(path, target.root, vars.root, silent, ctx).items)

export const jsonpathProcs = {
  jsonb_path_exists: exists,
  jsonb_path_exists_tz: exists,
  jsonb_path_exists_opr: (target, path, ctx) => exists(target, path, null, true, ctx),
  jsonb_path_match: match,
  jsonb_path_match_tz: match,
  jsonb_path_match_opr: (target, path, ctx) => match(target, path, null, true, ctx),
  jsonb_path_query: query,
  jsonb_path_query_tz: query,
  jsonb_path_query_first: first,
  jsonb_path_query_first_tz: first,
  jsonb_path_query_array: all,
  jsonb_path_query_array_tz: all,
} satisfies Procs
