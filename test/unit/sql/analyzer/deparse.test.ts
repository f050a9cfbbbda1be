// Deparsing beside PostgreSQL: view definitions, expressions, index and constraint definitions, letter for letter; and every system view,
// analysed and written back.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { analyzeQuery } from '../../../../src/sql/analyzer/analyze.ts'
import { analyzeExpression } from '../../../../src/sql/analyzer/expression.ts'
import {
  constraintDefinition,
  expressionText,
  indexDefinition,
  viewDefinition,
} from '../../../../src/sql/analyzer/ruleutils/definitions.ts'
import type { DeparseContext } from '../../../../src/sql/analyzer/ruleutils/writer.ts'
import { readStoredQuery, writeStoredQuery } from '../../../../src/sql/analyzer/stored.ts'
import { systemViewRows } from '../../../../src/sql/builtin/pg-class.ts'
import type { NodeOf } from '../../../../src/sql/parser/nodes.ts'
import { loadParser, parse } from '../../../../src/sql/parser/parse.ts'
import { TEXT_IO } from '../../../../src/sql/types/define.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'
import { type FakeCatalog, fakeCatalog, SCHEMA } from '../../../support/fake-catalog.ts'
import { CHECK_CORPUS, VIEW_CORPUS } from './deparse-corpus.ts'

let oracle: PGlite
let fake: FakeCatalog
let names: DeparseContext

beforeAll(async () => {
  await loadParser()
  fake = fakeCatalog()
  names = { catalog: fake.catalog, searchPath: [11, 2200], typeSupport: builtinTypeSupport, io: TEXT_IO }
  oracle = new PGlite()
  for (const statement of SCHEMA) await oracle.exec(statement)
}, 300_000)
afterAll(() => oracle.close())

async function row(sql: string): Promise<Record<string, string>> {
  return (await oracle.query<Record<string, string>>(sql)).rows[0]!
}

describe('pg_get_viewdef', () => {
  it.each(VIEW_CORPUS.map((sql) => [sql]))('%s', async (sql) => {
    await oracle.exec(`create view vv as ${sql}`)
    const { plain, pretty } = await row("select pg_get_viewdef('vv'::regclass) as plain, pg_get_viewdef('vv'::regclass, true) as pretty")
    await oracle.exec('drop view vv')
    const query = readStoredQuery(writeStoredQuery(analyzeQuery(parse(sql)[0]!.node!, fake.context(sql))))
    const columns = query.targetList.filter((entry) => !entry.resjunk).map((entry) => entry.resname!)
    expect(viewDefinition(query, columns, names, false)).toBe(plain)
    expect(viewDefinition(query, columns, names, true)).toBe(pretty)
  })
})

describe('pg_get_constraintdef and pg_get_expr', () => {
  it.each(CHECK_CORPUS.map((sql) => [sql]))('%s', async (sql) => {
    await oracle.exec(`create table ck (like t, constraint kk check (${sql}))`)
    const found = await row(
      "select pg_get_constraintdef(oid) as plain, pg_get_constraintdef(oid, true) as pretty, pg_get_expr(conbin, conrelid) as expr from pg_constraint where conname = 'kk'",
    )
    await oracle.exec('drop table ck')
    const table = fake.catalog.relationByName(2200, 't')!
    const text = `select ${sql}`
    const raw = ((parse(text)[0]!.node as NodeOf).SelectStmt.targetList![0] as NodeOf).ResTarget.val!
    const expr = analyzeExpression(raw, fake.context(text), 'check', { relation: table })
    expect(`CHECK (${expressionText(expr, table, names, false)})`).toBe(found['plain'])
    expect(`CHECK (${expressionText(expr, table, names, true)})`).toBe(found['pretty'])
    expect(expressionText(expr, table, names, false)).toBe(found['expr'])
  })

  it('primary keys', async () => {
    const { def } = await row("select pg_get_constraintdef(oid) as def from pg_constraint where conname = 't_pkey'")
    const table = fake.catalog.relationByName(2200, 't')!
    expect(constraintDefinition(table, table.descriptor!.table!.constraints[0]!, names, false)).toBe(def)
  })
})

describe('pg_get_indexdef', () => {
  it.each([['t_pkey'], ['u_x'], ['people_pkey'], ['people_lower']])('%s', async (name) => {
    const found = await row(
      `select indrelid::regclass::text as rel, pg_get_indexdef(indexrelid) as plain, pg_get_indexdef(indexrelid, 0, true) as pretty, pg_get_indexdef(indexrelid, 1, false) as first from pg_index where indexrelid = '${name}'::regclass`,
    )
    const table = fake.catalog.relationByName(2200, found['rel']!)!
    const index = table.descriptor!.table!.indexes.find((item) => item.name === name)!
    expect(indexDefinition(table, index, names, false)).toBe(found['plain'])
    expect(indexDefinition(table, index, names, true)).toBe(found['pretty'])
    expect(indexDefinition(table, index, names, false, 1)).toBe(found['first'])
  })
})

describe('system views', () => {
  // Their stored text gives an alias list that repeats the columns' names, which a bound query does not keep.
  const ALIAS_LIST = new Set(['routine_privileges', 'column_privileges', 'table_privileges', 'udt_privileges', 'usage_privileges'])
  it('come back as they are written', () => {
    let compared = 0
    for (const view of systemViewRows()) {
      const schema = fake.catalog.namespaceByName(view.nspname)!.oid
      const info = fake.catalog.relationByName(schema, view.relname)!
      const query = analyzeQuery(parse(view.definition)[0]!.node!, { ...fake.context(view.definition), searchPath: [11] })
      if (ALIAS_LIST.has(view.relname)) continue
      const columns = info.columns.map((column) => column.name)
      expect(viewDefinition(query, columns, { ...names, searchPath: [11] }, false).trim(), view.relname).toBe(view.definition)
      compared++
    }
    expect(compared).toBeGreaterThan(100)
  })
})
