// Differential fuzz of the aggregates: random rows through the transition and final functions of pg_aggregate, here and in PGlite; and the
// inverse transitions of moving frames against a fresh start. FUZZ_SEED repeats a run.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Datum } from '../../src/base/datum.ts'
import type { PgAggregateRow } from '../../src/sql/builtin/data/rows.ts'
import { pgAggregates, procByOid } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid } from '../../src/sql/builtin/pg-type.ts'
import { newOrderedSet } from '../../src/sql/functions/ordered-set.ts'
import { findBody } from '../../src/sql/functions/registry.ts'
import { TEXT_IO } from '../../src/sql/types/define.ts'
import type { EvalContext } from '../../src/sql/types/eval-context.ts'
import type { CallInfo, ProcBody } from '../../src/sql/types/procs.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'
import type { Present } from '../../src/sql/types/type.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'

const seed = testSeed()
const { fraction: random, pick } = randomFrom(seed)
const int = (low: number, high: number): string => String(low + Math.floor(random() * (high - low + 1)))

const VALUES: Record<string, () => string> = {
  bool: () => pick(['t', 'f']),
  int2: () => int(-1000, 1000),
  int4: () => int(-2147483648, 2147483647),
  int8: () => pick(['9223372036854775807', '-9223372036854775808', int(-1e6, 1e6), int(-5, 5)]),
  float4: () => pick(['1.5', '-2.25', '1000', '0.125']),
  float8: () => pick(['1.5', '-2.25', '0.1', '1e5', int(-100, 100)]),
  numeric: () => pick(['1.50', '-2.255', '1e20', '0.1', '12345678901234567890.123', int(-100, 100)]),
  interval: () => pick(['1 day', '2 mons -3 days 04:05', '-01:30:00', '1 year']),
  text: () => pick(['a', 'bb', '', 'é']),
  bytea: () => pick(['\\x01', '\\x', '\\xdeadbeef']),
  date: () => `20${int(10, 40)}-01-0${int(1, 9)}`,
  time: () => `1${int(0, 9)}:00`,
  timestamp: () => `20${int(10, 40)}-01-0${int(1, 9)} 10:00`,
  timestamptz: () => `20${int(10, 40)}-01-0${int(1, 9)} 10:00+00`,
}
const POLYMORPHIC: Record<string, string> = { any: 'int4', anyelement: 'text', anynonarray: 'int4', anyarray: '_int4' }
VALUES['_int4'] = () => pick(['{1,2}', '{3,4}'])

const io = TEXT_IO
const ctx = {
  io,
  catalog: { typeSupport: builtinTypeSupport, typeName: (oid: number) => typeByOid(oid)?.typname ?? null },
} as unknown as EvalContext

function argTypes(aggregate: PgAggregateRow): string[] {
  return procByOid(aggregate.aggfnoid)!.proargtypes.map((oid) => {
    const name = typeByOid(oid)!.typname
    return POLYMORPHIC[name] ?? name
  })
}

const subjects = pgAggregates().filter((aggregate) => {
  const proc = procByOid(aggregate.aggfnoid)!
  return (
    aggregate.aggkind === 'n' &&
    argTypes(aggregate).every((type) => type in VALUES) &&
    findBody(procByOid(aggregate.aggtransfn)!) !== undefined &&
    proc.provariadic === 0
  )
})

const oidOf = (name: string): number => {
  const oid = {
    bool: 16,
    bytea: 17,
    int8: 20,
    int2: 21,
    int4: 23,
    text: 25,
    float4: 700,
    float8: 701,
    date: 1082,
    time: 1083,
    timestamp: 1114,
    timestamptz: 1184,
    interval: 1186,
    numeric: 1700,
    _int4: 1007,
  }[name]
  return oid!
}

interface Runner {
  step(state: unknown, row: readonly unknown[]): unknown
  initial(): unknown
  final(state: unknown): string
}

function runner(aggregate: PgAggregateRow, moving: boolean): Runner {
  const types = argTypes(aggregate).map(oidOf)
  const transition = procByOid(moving ? aggregate.aggmtransfn : aggregate.aggtransfn)!
  const body = findBody(transition)!
  const finalOid = moving ? aggregate.aggmfinalfn : aggregate.aggfinalfn
  const final = finalOid === 0 ? null : procByOid(finalOid)!
  const initText = moving ? aggregate.aggminitval : aggregate.agginitval
  const stateType = moving ? aggregate.aggmtranstype : aggregate.aggtranstype
  const call: CallInfo = {
    aggregate: true,
    argTypes: [stateType, ...types],
    resultType: 0,
    resultTypmod: -1,
    collation: 100,
    variadicElementType: 0,
  }
  let result = procByOid(aggregate.aggfnoid)!.prorettype
  const name = typeByOid(result)!.typname
  if (POLYMORPHIC[name] !== undefined) result = name === 'anyarray' ? 1007 : types[0]!
  return {
    initial: () => (initText === null ? null : builtinTypeSupport(stateType).input(initText, -1, ctx)),
    step(before, row) {
      if (transition.proisstrict) {
        if (row.includes(null)) return before
        if (before === null) return row[0]
      }
      return body(before, ...row, ctx, call)
    },
    final(after) {
      let value = after
      if (final !== null) {
        if (final.proisstrict && after === null) value = null
        else value = (findBody(final) as ProcBody)(after, ...new Array(Math.max(0, final.pronargs - 1)).fill(null), ctx, call)
      }
      return value === null ? 'NULL' : builtinTypeSupport(result).output(value as Present, io)
    },
  }
}

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
  await db.exec("set timezone = 'UTC'")
})
afterAll(() => db.close())

function rowsFor(types: readonly string[], count: number): (string | null)[][] {
  return Array.from({ length: count }, () => types.map((type) => (random() < 0.15 && type !== '_int4' ? null : VALUES[type]!())))
}

const parse = (rows: (string | null)[][], types: readonly string[]): unknown[][] =>
  rows.map((row) => row.map((text, i) => (text === null ? null : builtinTypeSupport(oidOf(types[i]!)).input(text, -1, ctx))))

const sqlType = (type: string): string => (type.startsWith('_') ? `${type.slice(1)}[]` : type)

function same(a: string, b: string): boolean {
  if (a === b) return true
  const [x, y] = [Number(a), Number(b)]
  return Math.abs(x - y) <= 1e-13 * Math.max(Math.abs(x), Math.abs(y))
}

test(`aggregates agree with PostgreSQL (seed ${seed}, ${subjects.length} aggregates)`, async () => {
  expect(subjects.length).toBeGreaterThan(80)
  const differences: string[] = []
  for (const aggregate of subjects) {
    const types = argTypes(aggregate)
    const name = procByOid(aggregate.aggfnoid)!.proname
    for (const count of [0, 1, 2, 9]) {
      const rows = rowsFor(types, count)
      const names = types.map((_, i) => `c${i}`)
      const values = rows.map(
        (row) => `(${row.map((text, i) => (text === null ? 'NULL' : `'${text}'::${sqlType(types[i]!)}`)).join(', ')})`,
      )
      const source = `select ${names.map((column, i) => `${column}::${sqlType(types[i]!)} ${column}`).join(', ')} from (values ${values.join(', ')}) v(${names.join(', ')})`
      const from =
        types.length === 0
          ? `generate_series(1, ${count})`
          : count === 0
            ? `(select ${types.map((t, i) => `null::${sqlType(t)} c${i}`).join(', ')} where false) s`
            : `(${source}) s`
      let want: string
      try {
        const { rows: found } = await db.query<{ x: string | null }>(
          `select pg_catalog."${name}"(${types.length === 0 ? '*' : names.join(', ')})::text x from ${from}`,
        )
        want = found[0]!.x ?? 'NULL'
        if (procByOid(aggregate.aggfnoid)!.prorettype === 16 && want !== 'NULL') want = want[0]!
      } catch (error) {
        want = (error as { message: string }).message
      }
      let got: string
      try {
        const run = runner(aggregate, false)
        got = run.final(parse(rows, types).reduce<unknown>((s, row) => run.step(s, row), run.initial()))
      } catch (error) {
        got = (error as Error).message
      }
      if (!same(got, want))
        differences.push(`${name}(${types.join()}) over ${JSON.stringify(rows)}\n  PostgreSQL ${want}\n  here       ${got}`)
    }
  }
  expect(differences.join('\n')).toBe('')
})

test(`moving aggregates equal fresh ones (seed ${seed})`, () => {
  const moving = subjects.filter((aggregate) => aggregate.aggminvtransfn !== 0)
  expect(moving.length).toBeGreaterThan(20)
  for (const aggregate of moving) {
    const types = argTypes(aggregate)
    const rows = parse(rowsFor(types, 12), types)
    const run = runner(aggregate, true)
    const inverse = procByOid(aggregate.aggminvtransfn)!
    const body = findBody(inverse)!
    const call: CallInfo = { argTypes: [0, ...types.map(oidOf)], resultType: 0, resultTypmod: -1, collation: 100, variadicElementType: 0 }
    let moved = run.initial()
    for (let i = 0; i < 4; i++) moved = run.step(moved, rows[i]!)
    for (let i = 4; i < rows.length; i++) {
      const gone = rows[i - 4]!
      moved = run.step(moved, rows[i]!)
      if (!(inverse.proisstrict && gone.includes(null))) {
        const next = body(moved, ...gone, ctx, call)
        moved = next === null ? rows.slice(i - 3, i + 1).reduce<unknown>((s, row) => run.step(s, row), run.initial()) : next
      }
      const fresh = runner(aggregate, true)
      const want = fresh.final(rows.slice(i - 3, i + 1).reduce<unknown>((s, row) => fresh.step(s, row), fresh.initial()))
      expect(run.final(moved), `${procByOid(aggregate.aggfnoid)!.proname}(${types.join()})`).toBe(want)
    }
  }
})

test('ordered-set aggregates over sorted rows', async () => {
  const kept: (readonly Datum[])[] = []
  const store = {
    get count() {
      return kept.length
    },
    add: (row: readonly Datum[]) => void kept.push(row),
    get: (index: number) => kept[index]!,
  }
  const set = newOrderedSet((a, b) => (a[0] as number) - (b[0] as number), store)
  const values = [1, 2, 2, 3, 3, 3, 7]
  const bodyOf = (prosrc: string): ProcBody => findBody({ oid: 0, proname: prosrc, prolang: 12, prosrc, pronargs: 0 })!
  for (const value of values) bodyOf('ordered_set_transition')(set, value)
  const { rows } = await db.query<{ m: number; d: number; c: number; r: string; dr: string; pr: number; cd: number }>(
    `select mode() within group (order by v) m, percentile_disc(0.4) within group (order by v) d, percentile_cont(0.4) within group (order by v::float8) c,
     rank(3) within group (order by v) r, dense_rank(3) within group (order by v) dr, percent_rank(3) within group (order by v) pr,
     cume_dist(3) within group (order by v) cd from unnest(array[${values.join()}]) v`,
  )
  const want = rows[0]!
  expect(bodyOf('mode_final')(set, null)).toBe(want.m)
  expect(bodyOf('percentile_disc_final')(set, 0.4, null)).toBe(want.d)
  expect(bodyOf('percentile_cont_float8_final')(set, 0.4)).toBe(want.c)
  expect(bodyOf('hypothetical_rank_final')(set, [3])).toBe(Number(want.r))
  expect(bodyOf('hypothetical_dense_rank_final')(set, [3])).toBe(Number(want.dr))
  expect(bodyOf('hypothetical_percent_rank_final')(set, [3])).toBe(want.pr)
  expect(bodyOf('hypothetical_cume_dist_final')(set, [3])).toBe(want.cd)
})
