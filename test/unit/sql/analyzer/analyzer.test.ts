// The analyzer beside PostgreSQL: for every statement of the corpus the same parameter types, column names and types, or the same error
// (SQLSTATE, message, position, detail, hint).

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PgError } from '../../../../src/base/errors.ts'
import { analyzeStatement } from '../../../../src/sql/analyzer/analyze.ts'
import type { Query } from '../../../../src/sql/analyzer/query.ts'
import { lift, templateOf } from '../../../../src/sql/parser/lift.ts'
import { loadParser, parse } from '../../../../src/sql/parser/parse.ts'
import { type FakeCatalog, fakeCatalog, SCHEMA } from '../../../support/fake-catalog.ts'
import { CORPUS } from './corpus.ts'

let oracle: PGlite
let fake: FakeCatalog

beforeAll(async () => {
  await loadParser()
  fake = fakeCatalog()
  oracle = new PGlite()
  for (const statement of SCHEMA) await oracle.exec(statement)
}, 300_000)
afterAll(() => oracle.close())

/** OIDs of user objects differ; domains are reported as their base types on the wire. */
function typeLabel(oid: number): string {
  const row = fake.catalog.type(oid)
  if (row?.typtype === 'd') return typeLabel(row.typbasetype)
  return oid >= 16384 ? 'user type' : String(oid)
}
const shape = (params: readonly number[], columns: readonly { name: string; type: number }[]): string =>
  `(${params.map(typeLabel).join(', ')}) ${columns.map(({ name, type }) => `${name}:${typeLabel(type)}`).join(' ')}`

interface OracleError {
  code?: string
  message: string
  position?: string
  detail?: string
  hint?: string
}
const failure = (code: string, message: string, position: unknown, detail: unknown, hint: unknown): string =>
  [code, message, `at ${position ?? '-'}`, `detail: ${detail ?? '-'}`, `hint: ${hint ?? '-'}`].join('\n')

async function postgres(sql: string): Promise<string> {
  try {
    const { queryParams, resultFields } = await oracle.describeQuery(sql)
    return shape(
      queryParams.map((p) => p.dataTypeID),
      resultFields.map((f) => ({ name: f.name, type: f.dataTypeID })),
    )
  } catch (error) {
    const { code, message, position, detail, hint } = error as OracleError
    return failure(code!, message, position, detail, hint)
  }
}

function outputs(query: Query): { name: string; type: number }[] {
  const list = query.commandType === 'select' ? query.targetList : query.returningList
  return list.filter((entry) => !entry.resjunk).map((entry) => ({ name: entry.resname!, type: entry.expr.type }))
}

function ours(sql: string): string {
  try {
    const context = fake.context(sql)
    const query = analyzeStatement(parse(sql)[0]!.node!, context)
    return shape(context.params.types, outputs(query))
  } catch (error) {
    if (!(error instanceof PgError)) throw error
    const { position, detail, hint } = error.fields
    return failure(error.code, error.message, position, detail, hint)
  }
}

describe('analyzer', () => {
  it.each(CORPUS.map((sql) => [sql]))('%s', async (sql) => {
    expect(ours(sql)).toBe(await postgres(sql))
  })

  it('refuses nesting that is too deep, and goes on working', () => {
    const deep = `select ${'('.repeat(500)}1${' + 1)'.repeat(500)}`
    expect(ours(deep)).toContain(':23')
    expect(ours(`select ${'abs('.repeat(4000)}1${')'.repeat(4000)}`)).toMatch(/^54001\nstack depth limit exceeded/)
    expect(ours('select 1')).toBe('() ?column?:23')
  })
})

describe('lifting of literals', () => {
  const CLASSES = { int4: 23, int8: 20, numeric: 1700, unknown: 705 } as const
  it('never changes column names and types', () => {
    let lifted = 0
    for (const sql of CORPUS) {
      const found = lift(sql)
      if (found === null) continue
      const { text, classes } = templateOf(found.key)
      const plain = ours(sql)
      const context = fake.context(text)
      classes.forEach((name, i) => {
        context.params.types[i] = CLASSES[name]
      })
      let query: Query
      try {
        query = analyzeStatement(parse(text)[0]!.node!, context)
      } catch (error) {
        // The session then takes the text as it is: nothing to compare.
        expect(error).toBeInstanceOf(PgError)
        continue
      }
      lifted++
      // A literal whose value its type refuses fails when it is bound, not here.
      if (!/^22/.test(plain)) expect(shape([], outputs(query)), sql).toBe(plain)
    }
    expect(lifted).toBeGreaterThan(20)
  })
})
