// Function bodies here against PostgreSQL's: random arguments, same value or same SQLSTATE. The seed is printed and can be given in
// PROCS_SEED. The short form calls the functions in random order, once each, PROCS_CALLS (600) of them; the long form (LONG=1) calls each
// PROCS_ROUNDS (200) times. PROCS_ONLY is a regular expression over prosrc.
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../src/base/errors.ts'
import type { PgProcRow } from '../../src/sql/builtin/data/rows.ts'
import { TYPE_OID } from '../../src/sql/builtin/data/type-oids.ts'
import { pgProcs } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid } from '../../src/sql/builtin/pg-type.ts'
import { findBody } from '../../src/sql/functions/registry.ts'
import { quoteLiteral } from '../../src/sql/types/quote.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'
import type { Present } from '../../src/sql/types/type.ts'
import { testContext } from '../support/eval-context.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { hasSamples, sample, sampleType } from '../support/type-samples.ts'

const seed = testSeed('PROCS_SEED')
const long = process.env['LONG'] === '1'
const rounds = Number(process.env['PROCS_ROUNDS'] ?? (long ? 200 : 1))
/** Calls per round: a number and not a time, so that the same seed makes the same calls on every machine. */
const limit = Number(process.env['PROCS_CALLS'] ?? (long ? Number.POSITIVE_INFINITY : 600))
/** Comma-separated typnames: only functions over these. */
const types = process.env['PROCS_TYPES']?.split(',') ?? null
const only = process.env['PROCS_ONLY'] === undefined ? null : new RegExp(process.env['PROCS_ONLY'])
const random = randomFrom(seed).below
const ctx = testContext()

/** Functions whose answer is no function of their arguments. */
const SKIP = new Set([
  'array_in',
  'length_in_encoding',
  'numeric_to_number',
  'to_timestamp',
  'to_date',
  'pg_convert',
  'numeric_fac',
  'generate_series_timestamp',
  'generate_series_timestamptz',
  'generate_series_numeric',
  'generate_series_step_numeric',
  'pg_sleep',
  'setseed',
  'pg_typeof',
  'pg_collation_for',
  'unicode_version',
  'pgsql_version',
  'pg_get_userbyid',
])
/** Functions whose last digits are the C library's own business. */
const LIBM =
  /^d(exp|log1|log10|pow|sin|cos|tan|cot|sinh|cosh|tanh|asin|acos|atan|atan2|asinh|acosh|atanh|sind|cosd|tand|cotd|asind|acosd|atand|atan2d|cbrt|erf|erfc|gamma|lgamma)$|^(degrees|radians|float8_|width_bucket)/

const typeName = (oid: number): string => typeByOid(oid)!.typname
const oidOf = (name: string): number => TYPE_OID[name as keyof typeof TYPE_OID]
const sqlName = (name: string): string => (name === 'char' ? '"char"' : name)

function candidates(): PgProcRow[] {
  return pgProcs().filter((row) => {
    if (row.prokind !== 'f' || row.provolatile === 'v' || SKIP.has(row.prosrc) || only?.test(row.prosrc) === false) return false
    // Formats are their own test; names, settings and clocks are not functions of their arguments.
    if (row.prosrc.endsWith('_to_char') || /^(to_)?reg|_regclass$|^show_config|typmodout$/.test(row.prosrc)) return false
    if (row.provolatile !== 'i' && row.pronargs === 0) return false
    // Input functions and length coercions take OIDs and modifiers that only the server makes.
    if (row.proargtypes[0] === TYPE_OID.cstring || row.prosrc === 'interval_scale') return false
    if (row.pronamespace !== 11 || row.provariadic !== 0 || row.prorettype === TYPE_OID.record) return false
    if (!row.proargtypes.every((oid) => hasSamples(typeName(oid)) && (types === null || types.includes(typeName(oid))))) return false
    const result = typeByOid(row.prorettype)!
    if (result.typtype === 'p' && !result.typname.startsWith('any') && result.typname !== 'cstring') return false
    return findBody(row) !== undefined
  })
}

interface Case {
  row: PgProcRow
  args: (string | null)[]
  sql: string
}

function makeCase(row: PgProcRow): Case {
  // Lengths and counts beside a string stay small: neither side should spend its time filling memory.
  const stringly = row.proargtypes.some((oid) => ['text', 'bytea', 'bpchar', 'varchar'].includes(typeName(oid)))
  const args = row.proargtypes.map((oid) => {
    if (random(15) === 0) return null
    return stringly && (oid === TYPE_OID.int4 || oid === TYPE_OID.int8) ? String(random(24) - 6) : sample(typeName(oid), random)
  })
  const literals = args.map((arg, i) => {
    const type = sqlName(sampleType(typeName(row.proargtypes[i]!)))
    return `${arg === null ? 'NULL' : quoteLiteral(arg)}::${type}`
  })
  const call = `pg_catalog."${row.proname}"(${literals.join(', ')})`
  const sql = row.proretset
    ? `select string_agg(format('%L', x), ' ') from (select ${call} as x limit 50) s`
    : `select format('%L', ${call})`
  return { row, args, sql }
}

function ours({ row, args }: Case): string {
  try {
    const argTypes = row.proargtypes.map((oid) => oidOf(sampleType(typeName(oid))))
    const values = args.map((arg, i) => (arg === null ? null : builtinTypeSupport(argTypes[i]!).input(arg, -1, ctx)))
    const result = oidOf(sampleType(typeName(row.prorettype)))
    const call = { argTypes, resultType: result, resultTypmod: -1, collation: 950, variadicElementType: 0 }
    const strictNull = row.proisstrict && values.includes(null)
    const value = strictNull ? (row.proretset ? [] : null) : findBody(row)!(...values, ctx, call)
    const support = builtinTypeSupport(result)
    const print = (v: unknown): string => (v === null ? 'NULL' : quoteLiteral(support.output(v as Present, ctx.io)))
    if (!row.proretset) return print(value)
    const list: string[] = []
    for (const item of value as Iterable<unknown>) {
      if (list.length === 50) break
      list.push(print(item))
    }
    return list.join(' ')
  } catch (error) {
    return error instanceof PgError ? `ERROR ${error.code}` : `DEFECT ${(error as Error).stack}`
  }
}

/** The same number but for its last digits. */
function close(a: string, b: string): boolean {
  const [x, y] = [Number(a.slice(1, -1)), Number(b.slice(1, -1))]
  return Math.abs(x - y) <= Math.max(Math.abs(x), Math.abs(y)) * 1e-13 + 1e-300
}

let db: PGlite
beforeAll(async () => {
  db = new PGlite()
  await db.exec(`set timezone = 'UTC'; create function try(statement text) returns text language plpgsql as $$
    declare result text;
    begin execute statement into result; return coalesce(result, '');
    exception when others then return 'ERROR ' || sqlstate; end $$`)
}, 180_000)
afterAll(() => db.close())

test(`function bodies, seed ${seed}`, { timeout: long ? 3_600_000 : 120_000 }, async () => {
  const wrong = new Map<string, string[]>()
  const rows = candidates()
  for (let i = rows.length - 1; i > 0; i--) {
    const j = random(i + 1)
    ;[rows[i], rows[j]] = [rows[j]!, rows[i]!]
  }
  let compared = 0
  expect(rows.length).toBeGreaterThan(only === null && types === null ? 300 : 0)
  for (let round = 0; round < rounds; round++) {
    for (let from = 0; from < Math.min(rows.length, limit); from += 50) {
      const cases = rows.slice(from, from + 50).map(makeCase)
      const { rows: answers } = await db.query<{ answer: string }>(
        'select try(s) as answer from json_array_elements_text($1) with ordinality u(s, n) order by n',
        [JSON.stringify(cases.map((c) => c.sql))],
      )
      for (const [i, c] of cases.entries()) {
        const theirs = answers[i]!.answer
        const mine = ours(c)
        compared++
        if (
          mine === theirs ||
          (/cmp$/.test(c.row.prosrc) && Math.sign(Number(mine.slice(1, -1))) === Math.sign(Number(theirs.slice(1, -1)))) ||
          (LIBM.test(c.row.prosrc) && !theirs.startsWith('ERROR') && close(mine, theirs))
        )
          continue
        const list = wrong.get(c.row.prosrc) ?? []
        list.push(`${c.sql}\n     ours   ${mine.slice(0, 300)}\n     theirs ${theirs.slice(0, 300)}`)
        wrong.set(c.row.prosrc, list)
      }
    }
  }
  console.log(`procs: seed ${seed}, ${compared} calls compared`)
  expect(compared).toBeGreaterThan(0)
  const report = [...wrong].map(([prosrc, list]) => `${prosrc} (${list.length}): ${list.slice(0, 3).join('\n   ')}`)
  expect(report.join('\n')).toBe('')
})
