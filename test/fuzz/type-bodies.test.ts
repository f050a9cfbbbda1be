// Differential fuzz: every body of the numeric, date/time, json, array and record families with random arguments, here and in PGlite.
// FUZZ_SEED repeats a run, FUZZ_CALLS sets the calls per function (3 by default), FUZZ_ONLY picks functions by name.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../src/base/errors.ts'
import type { PgProcRow } from '../../src/sql/builtin/data/rows.ts'
import { pgProcs } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid, typesByName } from '../../src/sql/builtin/pg-type.ts'
import { findBody } from '../../src/sql/functions/registry.ts'
import { arrayProcs } from '../../src/sql/types/array-procs.ts'
import { datetimeProcs, datetimeSqlBodies } from '../../src/sql/types/datetime-procs.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { EvalContext } from '../../src/sql/types/eval-context.ts'
import { jsonProcs } from '../../src/sql/types/json-procs.ts'
import { jsonpathProcs } from '../../src/sql/types/jsonpath-procs.ts'
import { numericProcs, numericSqlBodies } from '../../src/sql/types/numeric-procs.ts'
import type { CallInfo } from '../../src/sql/types/procs.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'
import type { Present } from '../../src/sql/types/type.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'

const seed = testSeed()
const calls = Number(process.env['FUZZ_CALLS'] ?? 3)
const only = process.env['FUZZ_ONLY'] === undefined ? null : new RegExp(process.env['FUZZ_ONLY'])

const { fraction: random, pick } = randomFrom(seed)
const int = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1))
const digits = (n: number): string => Array.from({ length: n }, () => int(0, 9)).join('')

const UNITS = [
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
  'epoch',
  'dow',
  'isodow',
  'doy',
  'isoyear',
  'julian',
  'milliseconds',
  'microseconds',
  'timezone',
  'timezone_hour',
  'foo',
]
const ZONES = ['UTC', 'America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'EST', '+03', 'pdt', 'Australia/Lord_Howe', 'nowhere']

const two = (n: number): string => String(n).padStart(2, '0')
const date = (): string =>
  random() < 0.1
    ? pick(['infinity', '-infinity', '0044-03-15 BC', '4713-01-01 BC', '9999-12-31', '2000-02-29'])
    : `${pick([1, 2]) === 1 ? int(1950, 2050) : int(1000, 3000)}-${two(int(1, 12))}-${two(int(1, 28))}`
const time = (): string => `${two(int(0, 23))}:${two(int(0, 59))}:${two(int(0, 59))}${random() < 0.5 ? '' : `.${digits(int(1, 6))}`}`
const json = (depth = 0): string => {
  const kind = depth > 2 ? int(0, 4) : int(0, 6)
  switch (kind) {
    case 0:
      return pick(['null', 'true', 'false'])
    case 1:
    case 2:
      return pick(['0', '1', '-1.50', '1e3', '12345678901234567890', '2', '3.0'])
    case 3:
    case 4:
      return pick(['"a"', '"b"', '""', '"\\u00e9\\n"', '"2024-01-02"', '"12"'])
    case 5:
      return `[${Array.from({ length: int(0, 3) }, () => json(depth + 1)).join(', ')}]`
    default:
      return `{${Array.from({ length: int(0, 3) }, () => `${pick(['"a"', '"b"', '"aa"', '"c d"'])}: ${json(depth + 1)}`).join(', ')}}`
  }
}

const NUMBER_PARTS = ['9', '0', '9', '9', ',', 'G', '99', '999', '00']
const numberTemplate = (): string =>
  `${pick(['', 'FM', '', 'S', 'MI', 'PL', 'SG', 'L'])}${Array.from({ length: int(1, 5) }, () => pick(NUMBER_PARTS)).join('')}${pick(['', '.99', 'D0', '.09', 'V9'])}${pick(['', '', '', 'PR', 'th', ' x'])}`
const DATE_PARTS = [
  'YYYY',
  'YYY',
  'YY',
  'Y',
  'Y,YYY',
  'MM',
  'Mon',
  'MONTH',
  'Month',
  'month',
  'DD',
  'DDD',
  'D',
  'ID',
  'IW',
  'WW',
  'W',
  'IYYY',
  'IDDD',
  'Q',
  'CC',
  'J',
  'HH24',
  'HH12',
  'HH',
  'MI',
  'SS',
  'MS',
  'US',
  'FF3',
  'SSSS',
  'AM',
  'p.m.',
  'BC',
  'Day',
  'DY',
  'RM',
  'TZ',
  'OF',
  'TZH',
  'FMDD',
  'FMMonth',
  'DDth',
  'FMHH24',
  '"at"',
]
const dateTemplate = (): string => Array.from({ length: int(1, 5) }, () => pick(DATE_PARTS)).join(pick([' ', '-', '/', ':']))

const GENERATORS: Record<string, (proc: PgProcRow, index: number) => string> = {
  bool: () => pick(['true', 'false']),
  int2: () => String(int(-100, 100)),
  int4: () => (random() < 0.7 ? String(int(-3, 30)) : String(int(-1000, 5000))),
  int8: () => pick(['0', '1', '-7', '123456789012345', '9223372036854775807', String(int(-1000, 1000))]),
  float4: () => pick(['0', '1.5', '-2.25', '1e10', 'NaN', 'Infinity']),
  float8: () => pick(['0', '1.5', '-2.25', '0.1', '1e10', '3', '1000.0005', 'NaN', 'Infinity', '-Infinity']),
  numeric: () =>
    random() < 0.15
      ? pick(['NaN', 'Infinity', '-Infinity', '0', '0.00', '1', '10', '-1', '1e-20', '1e40'])
      : `${pick(['', '-'])}${digits(int(1, random() < 0.2 ? 30 : 8))}${random() < 0.6 ? `.${digits(int(1, random() < 0.2 ? 25 : 6))}` : ''}`,
  text(proc) {
    if (proc.proname === 'to_char')
      return proc.prosrc.startsWith('timestamp')
        ? dateTemplate()
        : proc.prosrc.startsWith('interval')
          ? pick(['HH24:MI:SS', 'HH12 MI', 'DD YY MM', 'YYYY-MM-DD', 'SSSS', 'MS US', 'DDD'])
          : numberTemplate()
    if (/part|trunc|extract/.test(proc.proname)) return random() < 0.7 ? pick(UNITS) : pick(ZONES)
    if (/zone|series|interval|make_timestamptz|date_add|date_subtract/.test(proc.proname)) return pick(ZONES)
    return pick(['a', 'b', 'aa', '', ',', 'a,b,,c', '2', 'x', 'delete_key', 'use_json_null'])
  },
  date,
  time,
  timetz: () => `${time()}${pick(['+00', '-08', '+05:30', '+02'])}`,
  timestamp: () =>
    random() < 0.08
      ? pick(['infinity', '-infinity'])
      : `${date()
          .replace(/^-?infinity$/, '2001-01-01')
          .replace(' BC', '')} ${time()}`,
  timestamptz: () =>
    random() < 0.08
      ? pick(['infinity', '-infinity'])
      : `${date()
          .replace(/^-?infinity$/, '2001-01-01')
          .replace(' BC', '')} ${time()}${pick(['+00', '-08', ''])}`,
  interval: () =>
    random() < 0.08
      ? pick(['infinity', '-infinity', '0'])
      : `${pick(['', `${int(-5, 30)} years `])}${pick(['', `${int(-20, 20)} mons `])}${int(-100, 100)} days ${pick(['', '-'])}${time()}`,
  json: () => json(),
  jsonb: (proc, index) => (index === 2 && proc.prosrc.startsWith('jsonb_path') ? pick(['{}', '{"x": 1}', '{"x": "a"}']) : json()),
  jsonpath: () =>
    pick(['', '', 'strict ', 'lax ']) +
    pick([
      '$',
      '$.a',
      '$.a.b',
      '$[*]',
      '$[0]',
      '$[last]',
      '$[0 to 1].a',
      '$.*',
      '$.**',
      '$.**{1}',
      '$.**{1 to last}',
      '$.a[*] ? (@ > 1)',
      '$ ? (@.a == "b")',
      '$.a + 1',
      '-$[*]',
      '$[*].type()',
      '$.size()',
      '$[*].abs()',
      '$.a.double()',
      '$ ? (exists(@.a))',
      '$.a > $x',
      '$[*] ? (@ >= 1 && @ < 10 || @ == null)',
      '!($.a == 1)',
      '($.a > 1) is unknown',
      '$.a starts with "a"',
      '$.keyvalue().key',
      '$.a.string()',
      '$.a.integer()',
      '$.a.boolean()',
      '$[*].floor() * 2',
      '$.a ? (@ != "x").b',
      '1 + 2 * 3',
      '$.a.number()',
      '$ ? (!(@.a > 1))',
    ]),
  _int4: () => pick(['{}', '{1,2,3}', '{3,1,2,NULL}', '{{1,2},{3,4}}', '[0:2]={5,6,7}', '{1}', '{2,2,1}', '{NULL}']),
  _text: () => pick(['{}', '{a}', '{a,b}', '{0}', '{a,0}', '{b,aa,1}', '{"",NULL}', '{-1}', '{{a,b},{c,d}}', '{1,a}']),
}
GENERATORS['_cstring'] = () => pick(['{10}', '{10,2}', '{3}', '{0}', '{1,2,3}'])
GENERATORS['anyarray'] = GENERATORS['_int4']!
GENERATORS['anycompatiblearray'] = GENERATORS['_int4']!
GENERATORS['anyelement'] = GENERATORS['int4']!
GENERATORS['anycompatible'] = GENERATORS['int4']!
const CONCRETE: Record<string, string> = { anyarray: '_int4', anycompatiblearray: '_int4', anyelement: 'int4', anycompatible: 'int4' }

const oidOf = (name: string): number => typesByName(name)!.find((row) => row.typnamespace === 11)!.oid
const sqlType = (name: string): string => (name.startsWith('_') ? `${name.slice(1)}[]` : `"${name}"`)

const io = { ...TEXT_IO, timeZone: 'America/New_York' }
const ctx = {
  io,
  transactionTimestamp: 820000000000000,
  statementTimestamp: 820000000000000,
  random,
  cancel: { check() {} },
  catalog: { typeSupport: builtinTypeSupport, typeName: (oid: number) => typeByOid(oid)?.typname ?? null },
} as unknown as EvalContext

const SKIP =
  /^(now|statement_timestamp|clock_timestamp|timeofday|transaction_timestamp|array_sample|array_shuffle|random|float8_timestamptz)$/
/** Depends on today's date, or takes typmods that only the analyzer makes. */
const LEFT_OUT = new Set(['time_timetz', 'timetz_zone', 'timetz_at_local', 'interval_scale', 'intervaltypmodout'])

const own = new Set([
  ...Object.keys(numericProcs),
  ...Object.keys(datetimeProcs),
  ...Object.keys(arrayProcs),
  ...Object.keys(jsonProcs),
  ...Object.keys(jsonpathProcs),
  'int4_to_char',
  'int8_to_char',
  'numeric_to_char',
  'float8_to_char',
  'timestamp_to_char',
  'timestamptz_to_char',
  'interval_to_char',
])
const ownSql = new Set([...Object.keys(numericSqlBodies), ...Object.keys(datetimeSqlBodies)].map(Number))

const subjects = pgProcs().filter((proc) => {
  if (proc.pronamespace !== 11 || SKIP.test(proc.proname) || LEFT_OUT.has(proc.prosrc) || proc.provolatile === 'v') return false
  if (!(proc.prolang === 14 ? ownSql.has(proc.oid) : own.has(proc.prosrc)) || proc.prokind !== 'f') return false
  if (proc.oid === 1386 || proc.oid === 2059) return false
  if (/^(json|jsonb)_(populate|to_record)/.test(proc.prosrc) || /_(in|recv|send|out)$/.test(proc.prosrc)) return false
  if (only !== null && !only.test(proc.proname)) return false
  const types = proc.proargtypes.map((oid) => typeByOid(oid)!.typname)
  return proc.provariadic !== 2276 && types.every((type) => type in GENERATORS)
})

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
  await db.exec("set timezone = 'America/New_York'; set intervalstyle = 'postgres'; set datestyle = 'ISO, MDY'")
})
afterAll(() => db.close())

function ours(proc: PgProcRow, args: readonly (string | null)[]): string {
  const types = proc.proargtypes.map((oid) => CONCRETE[typeByOid(oid)!.typname] ?? typeByOid(oid)!.typname)
  const oids = types.map(oidOf)
  let result = typeByOid(proc.prorettype)!.typname
  result = CONCRETE[result] ?? result
  const call: CallInfo = { argTypes: oids, resultType: oidOf(result), resultTypmod: -1, collation: 100, variadicElementType: 0 }
  try {
    const values = args.map((arg, i) => (arg === null ? null : builtinTypeSupport(oids[i]!).input(arg, -1, ctx)))
    if (proc.proisstrict && values.includes(null)) return proc.proretset ? '' : 'NULL'
    const print = (value: unknown): string => (value === null ? 'NULL' : builtinTypeSupport(oidOf(result)).output(value as Present, io))
    const value = findBody(proc)!(...values, ctx, call)
    if (!proc.proretset) return print(value)
    const rows: string[] = []
    for (const row of value as Iterable<unknown>) {
      rows.push(print(row))
      if (rows.length >= 20) break
    }
    return rows.join(';')
  } catch (error) {
    if (error instanceof PgError) return `${error.code} ${error.message}`
    throw error
  }
}

async function theirs(proc: PgProcRow, args: readonly (string | null)[]): Promise<string> {
  const list = proc.proargtypes.map((oid, i) => {
    const name = typeByOid(oid)!.typname
    const type = sqlType(CONCRETE[name] ?? name)
    const literal = args[i] === null ? 'NULL' : `'${args[i]!.replaceAll("'", "''")}'`
    return `${proc.provariadic !== 0 && i === proc.proargtypes.length - 1 ? 'VARIADIC ' : ''}${literal}::${type}`
  })
  const call = `pg_catalog."${proc.proname}"(${list.join(', ')})`
  try {
    if (proc.proretset) {
      const { rows } = await db.query<{ x: string | null }>(`select x::text x from (select ${call} x limit 20) s`)
      return rows.map((row) => row.x ?? 'NULL').join(';')
    }
    const cast = proc.prorettype === 16 ? `case when ${call} then 't' else 'f' end` : `(${call})::text`
    const { rows } = await db.query<{ x: string | null; n: boolean }>(`select ${cast} x, (${call}) is null n`)
    return rows[0]!.n ? 'NULL' : rows[0]!.x!
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return `${code} ${message}`
  }
}

/** The last digits of a float may differ by the library's rounding. */
function same(a: string, b: string, proc: PgProcRow): boolean {
  if (a === b) return true
  // Comparison functions promise no more than a sign.
  if (/cmp/.test(proc.prosrc)) return Math.sign(Number(a)) === Math.sign(Number(b))
  if (proc.prorettype !== 701 && proc.prorettype !== 700) return false
  const [x, y] = [Number(a), Number(b)]
  return Math.abs(x - y) <= 1e-14 * Math.max(Math.abs(x), Math.abs(y))
}

test(`bodies agree with PostgreSQL (seed ${seed}, ${subjects.length} functions)`, async () => {
  const differences: string[] = []
  for (const proc of subjects) {
    for (let i = 0; i < calls; i++) {
      const args = proc.proargtypes.map((oid, index) => (random() < 0.04 ? null : GENERATORS[typeByOid(oid)!.typname]!(proc, index)))
      let got: string
      try {
        got = ours(proc, args)
      } catch (error) {
        got = `defect ${(error as Error).stack?.split('\n').slice(0, 3).join(' | ')}`
      }
      const want = await theirs(proc, args)
      if (!same(got, want, proc)) {
        differences.push(
          `${proc.proname} [${proc.prosrc}] (${args.map((arg) => JSON.stringify(arg)).join(', ')})\n  PostgreSQL ${want}\n  here       ${got}`,
        )
      }
    }
  }
  expect(differences.join('\n'), `seed ${seed}`).toBe('')
}, 600_000)
