// The parser's front: statements and positions, syntax errors, tenant statements, limits, lifting of literals.

import { beforeAll, describe, expect, it } from 'vitest'
import { PgError } from '../../../../src/base/errors.ts'
import { classify } from '../../../../src/sql/parser/classify.ts'
import { lift, templateOf } from '../../../../src/sql/parser/lift.ts'
import { loadParser, parse } from '../../../../src/sql/parser/parse.ts'

beforeAll(() => loadParser())

function failure(text: string): { code: string; message: string; position: number | undefined } {
  try {
    parse(text)
  } catch (error) {
    if (error instanceof PgError) return { code: error.code, message: error.message, position: error.fields.position }
    throw error
  }
  throw new Error(`no error from: ${text}`)
}

describe('parse', () => {
  it('cuts a text into statements with their own text', () => {
    expect(parse("select 'é;'; ; insert into t values (1);").map((s) => [s.text, s.start])).toEqual([
      ["select 'é;'", 0],
      ['insert into t values (1)', 15],
    ])
    expect(parse(' -- nothing\n ;')).toEqual([])
  })

  it('reports syntax errors in characters, not bytes', () => {
    expect(failure("select 'é' frm x y")).toEqual({ code: '42601', message: 'syntax error at or near "x"', position: 16 })
    expect(failure('select (')).toEqual({ code: '42601', message: 'syntax error at end of input', position: 9 })
  })

  it('survives nesting that is too deep', async () => {
    for (const text of [`select 1${'+1'.repeat(60_000)}`, `select ${'(select '.repeat(3000)}1${')'.repeat(3000)}`]) {
      expect(failure(text)).toMatchObject({ code: '54001', message: 'stack depth limit exceeded' })
      expect(parse(`select ${Math.random()}`)).toHaveLength(1)
      await loadParser()
    }
    expect(failure(`select ${'('.repeat(30_000)}`)).toMatchObject({ code: '42601', message: 'memory exhausted at or near "("' })
  })

  it('classifies', () => {
    const of = (text: string) => {
      const { tag, readOnly, returnsRows, transactionControl } = classify(parse(text)[0]!)
      return [tag, readOnly, returnsRows, transactionControl]
    }
    expect(of('select 1')).toEqual(['SELECT', true, true, false])
    expect(of('select 1 from t for update')).toEqual(['SELECT', false, true, false])
    expect(of('with x as (delete from t returning *) select * from x')).toEqual(['SELECT', false, true, false])
    expect(of('insert into t values (1) returning a')).toEqual(['INSERT', false, true, false])
    expect(of('rollback to a')).toEqual(['ROLLBACK', true, false, true])
    expect(of('drop view a')).toEqual(['DROP VIEW', false, false, false])
    expect(of('alter table a rename b to c')).toEqual(['ALTER TABLE', false, false, false])
    expect(of('show tenants')).toEqual(['SHOW TENANTS', true, true, false])
  })
})

describe('tenant statements', () => {
  const tenant = (text: string) => parse(text)[0]!.tenant
  it('reads names and ids as written', () => {
    expect(tenant("ALTER TENANT Acme-2 SUSPEND 'late'")).toMatchObject({
      kind: 'suspend tenant',
      tenant: { name: 'Acme-2' },
      reason: 'late',
    })
    expect(tenant('drop tenant if exists 42')).toMatchObject({ kind: 'drop tenant', tenant: { id: 42, name: null }, ifExists: true })
    expect(tenant('show tenant "Quoted name"')).toMatchObject({ kind: 'show tenant', tenant: { name: 'Quoted name' } })
    expect(tenant("create tenant a with (region = 'eu', retention = '2555 days') clone b as of '5 minutes ago'")).toMatchObject({
      options: [
        { name: 'region', value: 'eu' },
        { name: 'retention', value: '2555 days' },
      ],
      clone: { source: { name: 'b' }, asOf: '5 minutes ago' },
    })
  })
  it('stands beside ordinary statements in one text', () => {
    const all = parse("select 1; /* x */ purge tenant a confirm; select 'tenant'")
    expect(all.map((s) => s.tenant?.kind ?? s.text)).toEqual(['select 1', 'purge tenant', "select 'tenant'"])
  })
  it('leaves what merely looks like one to the grammar', () => {
    expect(tenant('grant select on t to tenant')).toBeNull()
    expect(tenant('create table tenant (id int)')).toBeNull()
  })
  it('reports its own errors with position', () => {
    expect(failure('create tenant')).toEqual({ code: '42601', message: 'syntax error at end of input', position: 14 })
    expect(failure("select 'é'; purge tenant a sure")).toEqual({ code: '42601', message: 'syntax error at or near "sure"', position: 28 })
    expect(failure("alter tenant a set retention 'x")).toMatchObject({
      code: '42601',
      message: 'unterminated quoted string at or near "\'x"',
    })
  })
})

describe('lift', () => {
  const of = (text: string) => {
    const lifted = lift(text)
    if (lifted === null) return null
    const { text: template, classes } = templateOf(lifted.key)
    return [template, classes.join(' '), lifted.values]
  }
  it('lifts literals where a parameter means the same', () => {
    expect(of('select a from t where a = 12')).toEqual(['select a from t where a = $1', 'int4', ['12']])
    expect(of("insert into t values (3000000000, 'it''s', 1.50)")).toEqual([
      'insert into t values ($1, $2, $3)',
      'int8 unknown numeric',
      ['3000000000', "it's", '1.50'],
    ])
    expect(of("update t set a = -5, b = 'x'::text where c in (1,2)")).toEqual([
      'update t set a = -$1, b = $2::text where c in ($3,$4)',
      'int4 unknown int4 int4',
      ['5', 'x', '1', '2'],
    ])
  })
  it('keeps literals that are more than values', () => {
    expect(of('select a from t where b = 1 order by 2 limit 3')).toEqual(['select a from t where b = $1 order by 2 limit 3', 'int4', ['1']])
    expect(of("select 1, 'x' from t")).toBeNull()
    expect(of("select a from t where d > interval '1 day'")).toBeNull()
    expect(of('select a from t where b::numeric(10,2) > 1')).toEqual(['select a from t where b::numeric(10,2) > $1', 'int4', ['1']])
    expect(of('select a from t where b = -2147483648')).toBeNull()
  })
  it('refuses what it does not read', () => {
    for (const text of [
      'select 1; select 2',
      'select $1 where a = 1',
      'select a -- 1\nwhere b = 2',
      'select a where b = $$x$$',
      'set x = 1',
      'select a where b = 0x10',
      "select a from t where b = 'x'\n'y'",
    ]) {
      expect(of(text)).toBeNull()
    }
  })
})
