// Differential fuzz: random nested expressions over the scalar types, here (parser, analyzer, planner, executor) and in PGlite: the same value, or an
// error on both sides (which of several comes first is the planner's business). FUZZ_SEED repeats a run, FUZZ_COUNT lengthens it.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../src/base/errors.ts'
import { pgOperators } from '../../src/sql/builtin/pg-operator.ts'
import { pgProcs } from '../../src/sql/builtin/pg-proc.ts'
import { typeByOid } from '../../src/sql/builtin/pg-type.ts'
import { findBody } from '../../src/sql/functions/registry.ts'
import { quoteLiteral } from '../../src/sql/types/quote.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { hasSamples, sample } from '../support/type-samples.ts'
import { loadParser, runSql } from '../unit/sql/executor/pipeline.ts'

const seed = testSeed()
const count = Number(process.env['FUZZ_COUNT'] ?? 600)
const { below, pick } = randomFrom(seed)

// biome-ignore format: a table
const TYPES = new Set([
  'int2', 'int4', 'int8', 'numeric', 'float8', 'text', 'varchar', 'bpchar', 'bool', 'date', 'time', 'timestamp', 'interval', 'uuid', 'inet', 'macaddr', 'varbit', 'bytea',
  'jsonb', 'int4range', 'numrange', 'daterange', 'oid',
])
/** Names, settings, encodings and digests of the C library's; what PostgreSQL asks memory for by the gigabyte. */
const SKIP =
  /^(pg_|has_|to_|txid|inet_(?:client|server)|binary|convert|like_escape|overlay|set_b|age|timezone|random|setseed|repeat|[lr]pad|power|pow|exp|factorial|d(?:sin|cos|tan|log|exp|pow)|numeric_(?:exp|power|ln|log|fac)|ln|log|erf|gamma|lgamma|a?(?:sin|cos|tan|cot)|cbrt|date_trunc|date_bin|make_|timestamp|bit|varbit|hash|normalize|is_normalized|xml|ts_|array_)|(?:in|out|recv|send|support|accum|combine|cmp|inv|typmodin|typmodout|scale|_sum|subdiff)$/

/** Our own functions' OIDs begin here. */
const OWN_OIDS = 9000

interface Made {
  readonly result: string
  readonly args: readonly string[]
  write(args: readonly string[]): string
}
const nameOf = (oid: number): string => typeByOid(oid)?.typname ?? ''
const isMade = (oids: readonly number[]): boolean => oids.every((oid) => TYPES.has(nameOf(oid)) && hasSamples(nameOf(oid)))

function makers(): Map<string, Made[]> {
  const found = new Map<string, Made[]>()
  const add = (made: Made): void => void found.set(made.result, [...(found.get(made.result) ?? []), made])
  for (const row of pgProcs()) {
    if (row.prokind !== 'f' || row.proretset || row.provolatile !== 'i' || row.provariadic !== 0 || row.pronamespace !== 11) continue
    // Of a length coercion's arguments one is a type modifier, which only the server makes.
    if (TYPES.has(row.proname) && row.pronargs > 1) continue
    if (row.oid >= OWN_OIDS) continue
    if (SKIP.test(row.proname) || row.pronargs === 0 || !isMade([...row.proargtypes, row.prorettype]) || findBody(row) === undefined)
      continue
    const args = row.proargtypes.map(nameOf)
    add({ result: nameOf(row.prorettype), args, write: (list) => `"${row.proname}"(${list.join(', ')})` })
  }
  for (const row of pgOperators()) {
    if (row.oprleft === 0 || /[\^]|<<|>>/.test(row.oprname) || !isMade([row.oprleft, row.oprright, row.oprresult])) continue
    const args = [nameOf(row.oprleft), nameOf(row.oprright)]
    add({ result: nameOf(row.oprresult), args, write: ([l, r]) => `(${l} operator(pg_catalog.${row.oprname}) ${r})` })
  }
  return found
}
const MAKERS = makers()

function expression(type: string, depth: number): string {
  const sub = (of = type): string => expression(of, depth - 1)
  if (depth === 0 || below(6) === 0) return below(12) === 0 ? `NULL::${type}` : `${quoteLiteral(sample(type, below))}::${type}`
  switch (below(10)) {
    case 0:
      return `coalesce(${sub()}, ${sub()})`
    case 1:
      return `case when ${sub('bool')} then ${sub()} else ${sub()} end`
    case 2:
      return `nullif(${sub()}, ${sub()})`
    case 3:
      return `greatest(${sub()}, ${sub()})`
    case 4:
      if (type !== 'bool') break
      return pick([
        () => `(${sub('numeric')} is distinct from ${sub('numeric')})`,
        () => `(${sub('text')} in (${sub('text')}, ${sub('text')}))`,
        () => `(${sub('date')} is null)`,
      ])()
    default:
  }
  const made = MAKERS.get(type)
  if (made === undefined) return expression(type, 0)
  const one = pick(made)
  return one.write(one.args.map(sub))
}

let db: PGlite
beforeAll(async () => {
  await loadParser()
  db = new PGlite()
  await db.exec(`set timezone = 'UTC'; create function try(statement text) returns text language plpgsql as $$
    declare result text;
    begin execute statement into result; return coalesce(result, 'NULL');
    exception when others then return 'ERROR ' || sqlstate; end $$`)
}, 180_000)
afterAll(() => db.close())

async function ours(sql: string): Promise<string> {
  try {
    const [row] = await runSql(sql)
    return row![0] ?? 'NULL'
  } catch (error) {
    return error instanceof PgError ? `ERROR ${error.code}` : `DEFECT ${(error as Error).stack}`
  }
}

/** The same but for the last digits. */
function isClose(a: string, b: string): boolean {
  const [x, y] = [Number(a), Number(b)]
  return Math.abs(x - y) <= Math.max(Math.abs(x), Math.abs(y)) * 1e-13
}

test(`expressions, seed ${seed}`, { timeout: 600_000 }, async () => {
  const types = [...TYPES].filter((type) => MAKERS.has(type))
  expect(types.length).toBeGreaterThan(12)
  const statements = Array.from({ length: count }, () => `select (${expression(pick(types), 1 + below(3))})::text`)
  const { rows } = await db.query<{ answer: string }>(
    'select try(s) as answer from json_array_elements_text($1) with ordinality u(s, n) order by n',
    [JSON.stringify(statements)],
  )
  const wrong: string[] = []
  for (const [i, sql] of statements.entries()) {
    const theirs = rows[i]!.answer
    const mine = await ours(sql)
    // PostgreSQL evaluates calls of constants before it looks whether anybody asks for them.
    if (mine === 'NULL' && theirs.startsWith('ERROR') && sql.includes('NULL')) continue
    // 0A000: what is not there yet says so.
    if (mine === theirs || mine === 'ERROR 0A000' || (mine.startsWith('ERROR') && theirs.startsWith('ERROR')) || isClose(mine, theirs))
      continue
    wrong.push(`${sql}\n   ours   ${mine.slice(0, 300)}\n   theirs ${theirs.slice(0, 300)}`)
  }
  expect(wrong.slice(0, 10).join('\n')).toBe('')
})
