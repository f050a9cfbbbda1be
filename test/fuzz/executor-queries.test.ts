// Differential fuzz: random queries over random rows, here (parser, analyzer, planner, executor) and in PGlite. Set FUZZ_SEED and FUZZ_COUNT
// to repeat or lengthen a run; each failure prints its query.

import { isDeepStrictEqual } from 'node:util'
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TYPE_OID } from '../../src/sql/builtin/data/type-oids.ts'
import { randomFrom } from '../support/random.ts'
import { testSeed } from '../support/seed.ts'
import { loadParser, runSql } from '../unit/sql/executor/pipeline.ts'

const SEED = testSeed()
const COUNT = Number(process.env['FUZZ_COUNT'] ?? 150)
const MOST_FAILURES = Number(process.env['FUZZ_FAILURES'] ?? 5)
const RAW = Object.fromEntries(Object.values(TYPE_OID).map((oid) => [oid, (value: string): string => value]))

const { fraction: random, below: int, pick } = randomFrom(SEED)
const chance = (p: number): boolean => random() < p

/** Columns in scope: name and kind. */
interface Column {
  readonly name: string
  readonly kind: 'int' | 'text'
}

const TABLES: Record<string, Column[]> = {
  t: [
    { name: 'a', kind: 'int' },
    { name: 'b', kind: 'int' },
    { name: 'c', kind: 'text' },
  ],
  u: [
    { name: 'a', kind: 'int' },
    { name: 'd', kind: 'int' },
    { name: 'e', kind: 'text' },
  ],
}

function value(kind: Column['kind']): string {
  if (chance(0.2)) return kind === 'int' ? 'null::int' : 'null::text'
  return kind === 'int' ? `${int(7)}` : `'${pick(['x', 'y', 'zz', 'ä', ''])}'`
}

function withTables(): string {
  return `with ${Object.entries(TABLES)
    .map(([name, columns]) => {
      const rows = Array.from({ length: 2 + int(9) }, () => `(${columns.map((column) => value(column.kind)).join(', ')})`)
      return `${name}(${columns.map((column) => column.name).join(', ')}) as (values ${rows.join(', ')})`
    })
    .join(', ')} `
}

function scalar(scope: readonly Column[], kind: Column['kind'], depth: number): string {
  const columns = scope.filter((column) => column.kind === kind)
  if (depth === 0 || chance(0.4)) return columns.length > 0 && chance(0.75) ? pick(columns).name : value(kind)
  const sub = (k: Column['kind'] = kind): string => scalar(scope, k, depth - 1)
  if (kind === 'text')
    return pick([
      () => `(${sub()} || ${sub()})`,
      () => `coalesce(${sub()}, ${sub()})`,
      () => `upper(${sub()})`,
      () => `case when ${condition(scope, depth - 1)} then ${sub()} else ${sub()} end`,
    ])()
  return pick([
    () => `(${sub()} ${pick(['+', '-', '*'])} ${sub()})`,
    () => `coalesce(${sub()}, ${sub()})`,
    () => `case when ${condition(scope, depth - 1)} then ${sub()} else ${sub()} end`,
    () => `length(${sub('text')})`,
    () => `nullif(${sub()}, ${sub()})`,
    () => `greatest(${sub()}, ${sub()})`,
    () => `(select ${pick(['max', 'min', 'count', 'sum'])}(iq.${pick(['a', 'd'])})::int from u iq where ${inner(scope, depth - 1)})`,
  ])()
}

/** A condition of a subquery over u, perhaps on the outer row. */
function inner(scope: readonly Column[], depth: number): string {
  const own: Column[] = [
    { name: 'iq.a', kind: 'int' },
    { name: 'iq.d', kind: 'int' },
    { name: 'iq.e', kind: 'text' },
  ]
  return condition(chance(0.6) ? [...own, ...scope] : own, Math.min(depth, 1))
}

function condition(scope: readonly Column[], depth: number): string {
  const kind = pick(['int', 'int', 'text'] as const)
  const s = (k: Column['kind'] = kind): string => scalar(scope, k, Math.max(0, depth - 1))
  const simple = [
    () => `${s()} ${pick(['=', '<>', '<', '<=', '>', '>='])} ${s()}`,
    () => `${s()} is ${pick(['', 'not '])}null`,
    () => `${s()} in (${s()}, ${s()}, ${s()})`,
    () => `${s()} is ${pick(['', 'not '])}distinct from ${s()}`,
    () => `${s('text')} like ${pick(["'%'", "'x%'", "'_'", "'%z%'"])}`,
    () => `${s('int')} between ${s('int')} and ${s('int')}`,
  ]
  if (depth <= 0) return pick(simple)()
  return pick([
    ...simple,
    () => `(${condition(scope, depth - 1)} and ${condition(scope, depth - 1)})`,
    () => `(${condition(scope, depth - 1)} or ${condition(scope, depth - 1)})`,
    () => `not (${condition(scope, depth - 1)})`,
    () => `${pick(['', 'not '])}exists (select 1 from u iq where ${inner(scope, depth - 1)})`,
    () => `${s('int')} ${pick(['', 'not '])}in (select iq.${pick(['a', 'd'])} from u iq where ${inner(scope, depth - 1)})`,
    () =>
      `${s('int')} ${pick(['<', '>=', '='])} ${pick(['any', 'all'])} (select iq.${pick(['a', 'd'])} from u iq where ${inner(scope, depth - 1)})`,
  ])()
}

/** A FROM clause and what it brings into scope. */
function from(): { text: string; scope: Column[] } {
  const scope: Column[] = []
  let n = 0
  const item = (): string => {
    const table = pick(Object.keys(TABLES))
    const alias = `r${n++}`
    scope.push(...TABLES[table]!.map((column) => ({ ...column, name: `${alias}.${column.name}` })))
    return `${table} ${alias}`
  }
  let text = item()
  const joins = int(3)
  for (let i = 0; i < joins; i++) {
    const type = pick(['join', 'left join', 'right join', 'full join', 'cross join'])
    const right = item()
    const alias = `r${n - 1}`
    const key = `${pick(scope.filter((c) => c.kind === 'int' && !c.name.startsWith(alias))).name} = ${alias}.${pick(['a'])}`
    const on =
      type === 'cross join'
        ? ''
        : ` on ${chance(0.75) ? key : 'true'}${type !== 'full join' && chance(0.4) ? ` and ${condition(scope, 1)}` : ''}`
    text += ` ${type} ${right}${type === 'full join' && !on.includes('=') ? ' on true' : on}`
  }
  return { text, scope }
}

const FRAMES = [
  '',
  ' rows between 1 preceding and 1 following',
  ' rows unbounded preceding',
  ' groups between 1 preceding and current row',
  ' range between unbounded preceding and unbounded following exclude current row',
]

function query(): string {
  const { text, scope } = from()
  const where = chance(0.6) ? ` where ${condition(scope, 2)}` : ''
  const shape = int(4)
  if (shape === 0) {
    const keys = Array.from({ length: 1 + int(2) }, () => pick(scope).name)
    const aggregates = Array.from({ length: 1 + int(3) }, () => {
      const filter = chance(0.2) ? ` filter (where ${condition(scope, 1)})` : ''
      const distinct = chance(0.3) ? 'distinct ' : ''
      return `${pick(['count', 'sum', 'min', 'max', 'avg'])}(${distinct}${scalar(scope, 'int', 1)})${filter}`
    })
    const sets = chance(0.3) ? `rollup (${keys.join(', ')})` : keys.join(', ')
    const having = chance(0.3) ? ` having count(*) > ${int(3)}` : ''
    return `select ${[...keys, ...aggregates, 'count(*)'].join(', ')} from ${text}${where} group by ${sets}${having}`
  }
  if (shape === 1) {
    const all = scope.map((column) => column.name).join(', ')
    const partition = chance(0.5) ? `partition by ${pick(scope).name} ` : ''
    const frame = pick(FRAMES)
    return `select ${all}, ${pick(['sum', 'count', 'min', 'max'])}(${pick(scope.filter((c) => c.kind === 'int')).name}) over (${partition}order by ${all}${frame}), ${pick(['rank', 'dense_rank'])}() over (${partition}order by ${pick(scope).name}) from ${text}${where}`
  }
  const list = Array.from({ length: 1 + int(3) }, () => scalar(scope, pick(['int', 'int', 'text'] as const), 2))
  if (shape === 2) {
    const distinct = chance(0.4) ? 'distinct ' : ''
    return `select ${distinct}${list.join(', ')} from ${text}${where}`
  }
  const other = from()
  const op = pick(['union', 'union all', 'intersect', 'except', 'intersect all', 'except all'])
  return `select ${scalar(scope, 'int', 1)}, ${scalar(scope, 'text', 1)} from ${text}${where} ${op} select ${scalar(other.scope, 'int', 1)}, ${scalar(other.scope, 'text', 1)} from ${other.text}`
}

type Answer = string[] | { code: string }
const sorted = (rows: readonly (readonly (string | null)[])[]): string[] => rows.map((row) => JSON.stringify(row)).sort()

describe(`random queries, seed ${SEED}`, () => {
  let db: PGlite
  beforeAll(async () => {
    await loadParser()
    db = await PGlite.create()
  })
  afterAll(() => db.close())

  it(`${COUNT} of them give PostgreSQL's rows`, async () => {
    const failures: { text: string; want: Answer; got: Answer }[] = []
    for (let i = 0; i < COUNT && failures.length < MOST_FAILURES; i++) {
      const text = withTables() + query()
      const workMem = chance(0.3) ? { workMem: 500 } : {}
      let want: Answer
      try {
        const result = await db.query<(string | null)[]>(text, [], { rowMode: 'array', parsers: RAW })
        want = sorted(result.rows)
      } catch (error) {
        want = { code: (error as { code: string }).code }
      }
      let got: Answer
      try {
        got = sorted(await runSql(text, workMem))
      } catch (error) {
        const { code, stack } = error as { code?: string; stack: string }
        got = { code: code ?? stack }
      }
      if (!isDeepStrictEqual(got, want)) failures.push({ text, want, got })
    }
    const told = failures.map(({ text, want, got }) => `${text}\n  want ${JSON.stringify(want)}\n  got ${JSON.stringify(got)}`)
    if (told.length > 0) throw new Error(told.join('\n\n'))
    expect(failures).toEqual([])
  })
})
