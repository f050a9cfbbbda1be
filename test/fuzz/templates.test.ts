// Differential fuzz: random templates of to_char, to_date and to_timestamp, here and in PGlite, over values that they are likely to fit and texts
// that they are likely not to. FUZZ_SEED repeats a run, FUZZ_COUNT sets the calls of each kind.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../src/base/errors.ts'
import { TYPE_OID } from '../../src/sql/builtin/data/type-oids.ts'
import { quoteLiteral } from '../../src/sql/types/quote.ts'
import { builtinTypeSupport } from '../../src/sql/types/registry.ts'
import { templateProcs } from '../../src/sql/types/template-procs.ts'
import type { Present } from '../../src/sql/types/type.ts'
import { testContext } from '../support/eval-context.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'

const seed = testSeed()
const count = Number(process.env['FUZZ_COUNT'] ?? 300)
const { below, pick } = randomFrom(seed)
const ctx = testContext()

// biome-ignore format: a table
const KEYS = [
  'YYYY', 'YYY', 'YY', 'Y', 'Y,YYY', 'MM', 'Mon', 'MONTH', 'mon', 'Month', 'DD', 'DDD', 'D', 'ID', 'IW', 'WW', 'W', 'IYYY', 'IYY', 'IDDD', 'Q', 'CC', 'J',
  'HH24', 'HH12', 'HH', 'MI', 'SS', 'MS', 'US', 'FF3', 'FF6', 'SSSS', 'SSSSS', 'AM', 'p.m.', 'BC', 'a.d.', 'Day', 'DY', 'day', 'RM', 'rm', 'TZ', 'TZH', 'TZM', 'OF',
  'hh24', 'yyyy', 'mm', 'tz',
]
const BETWEEN = ['-', '/', ' ', '  ', '.', ':', ',', 'T', '"x"', '\\"', '"a\\"b"', '\\', '_', '"YYYY"', '', 'ä']
// biome-ignore format: a table
const WORDS = [
  '2024', '24', '02', '2', 'Feb', 'FEBRUARY', '29', '07', ' ', '-', '/', ':', '13', '5', '09', '.123', 'AM', 'pm', 'P.M.', 'BC', 'Mon', 'Monday', 'XII', 'iv', '+05',
  '-08:30', 'PST', 'MSK', 'utc', 'x', 'T', '123', '1', '00', '2460000', 'th', 'st', '  ', '44', '366', '53', 'abc', ',',
]
const several = (most: number, make: () => string, by = ''): string => Array.from({ length: 1 + below(most) }, make).join(by)
const template = (): string =>
  pick(['', '', '', 'FX', 'FM']) +
  several(4, () => pick(['', '', '', 'FM', 'TM']) + pick(KEYS) + pick(['', '', '', '', 'th', 'TH', 'SP']) + pick(BETWEEN))
const instant = (): string =>
  pick([
    '2024-02-29 13:05:09.123456',
    '1999-12-31 23:59:59.999',
    '0044-03-15 00:00:00 BC',
    '2000-01-01',
    '12345-06-07 12:00',
    '0001-01-01 01:02:03',
  ])
const span = (): string =>
  pick(['1 year 2 mons 3 days 04:05:06.789', '-1 day -02:03:04', '100:00:00', '15 years', '1 day', '-13 mons', '1000 days'])

interface Kind {
  readonly result: keyof typeof TYPE_OID
  /** The value's type and text, and the template. */
  make(): readonly [type: keyof typeof TYPE_OID, value: string, template: string]
  run(value: never, template: string): unknown
}
const KINDS: Readonly<Record<string, Kind>> = {
  'to_char(timestamptz)': {
    result: 'text',
    make: () => ['timestamptz', instant(), template()],
    run: (value, format) => templateProcs.timestamptz_to_char(value, format, ctx),
  },
  'to_char(interval)': {
    result: 'text',
    make: () => ['interval', span(), template()],
    run: (value, format) => templateProcs.interval_to_char(value, format),
  },
  to_date: {
    result: 'date',
    make: () => ['text', several(6, () => pick(WORDS), pick(['', ' ', '-'])), template()],
    run: (value, format) => templateProcs.to_date(value, format, ctx),
  },
  to_timestamp: {
    result: 'timestamptz',
    make: () => ['text', several(6, () => pick(WORDS), pick(['', ' ', '-'])), template()],
    run: (value, format) => templateProcs.to_timestamp(value, format, ctx),
  },
}

let db: PGlite
beforeAll(async () => {
  db = new PGlite()
  await db.exec(`set timezone = 'UTC'; create function try(statement text) returns text language plpgsql as $$
    declare result text;
    begin execute statement into result; return coalesce(result, 'NULL');
    exception when others then return 'ERROR ' || sqlstate || ' ' || sqlerrm; end $$`)
}, 180_000)
afterAll(() => db.close())

function printed(type: keyof typeof TYPE_OID, make: () => unknown): string {
  try {
    const value = make()
    return value === null ? 'NULL' : builtinTypeSupport(TYPE_OID[type]).output(value as Present, ctx.io)
  } catch (error) {
    return error instanceof PgError ? `ERROR ${error.code} ${error.message}` : `DEFECT ${(error as Error).stack}`
  }
}

for (const [name, kind] of Object.entries(KINDS)) {
  test(`${name}, seed ${seed}`, { timeout: 300_000 }, async () => {
    const cases = Array.from({ length: count }, () => kind.make())
    const called = name.replace(/\(.*/, '')
    const statements = cases.map(
      ([type, value, format]) => `select ${called}(${quoteLiteral(value)}::${type}, ${quoteLiteral(format)})::text`,
    )
    const { rows } = await db.query<{ answer: string }>(
      'select try(s) as answer from json_array_elements_text($1) with ordinality u(s, n) order by n',
      [JSON.stringify(statements)],
    )
    const wrong: string[] = []
    for (const [i, [type, value, format]] of cases.entries()) {
      const mine = printed(kind.result, () => kind.run(builtinTypeSupport(TYPE_OID[type]).input(value, -1, ctx) as never, format))
      if (mine !== rows[i]!.answer) wrong.push(`${statements[i]}\n   ours   ${mine}\n   theirs ${rows[i]!.answer}`)
    }
    expect(wrong.slice(0, 10).join('\n')).toBe('')
  })
}
