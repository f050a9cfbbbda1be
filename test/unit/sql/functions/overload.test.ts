// Overload resolution against PostgreSQL's own choice: for random operators and functions over random argument types, the result type,
// or the SQLSTATE and text of the error, must be PGlite's. A fixed seed: the same questions each run.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../../../src/base/errors.ts'
import { TYPE_OID } from '../../../../src/sql/builtin/data/type-oids.ts'
import { EXTRA_PROCS } from '../../../../src/sql/builtin/extra.ts'
import { pgOperators } from '../../../../src/sql/builtin/pg-operator.ts'
import { pgProcs } from '../../../../src/sql/builtin/pg-proc.ts'
import { builtinSource as source } from '../../../../src/sql/functions/builtin-source.ts'
import { selectCommonType } from '../../../../src/sql/functions/coercion-path.ts'
import {
  functionAmbiguous,
  functionNotFound,
  operatorAmbiguous,
  operatorNotFound,
  resolveFunction,
  resolveOperator,
} from '../../../../src/sql/functions/overload.ts'
import { randomFrom } from '../../../support/random.ts'

let db: PGlite
beforeAll(() => {
  db = new PGlite()
}, 180_000)
afterAll(() => db.close())

const { below: random, pick } = randomFrom(20260101)

// biome-ignore format: a list
const TYPES = ['bool', 'int2', 'int4', 'int8', 'numeric', 'float4', 'float8', 'text', 'varchar', 'bpchar', 'name', 'bytea', 'date', 'time',
  'timestamp', 'timestamptz', 'interval', 'uuid', 'json', 'jsonb', 'oid', 'regclass', '_int4', '_text', '_varchar', 'int4range', 'char', 'unknown', 'unknown', 'unknown'] as const
const sqlValue = (name: string): string => (name === 'unknown' ? 'NULL' : `NULL::${name === 'char' ? '"char"' : name}`)

async function oracle(sql: string): Promise<string> {
  try {
    const described = await db.describeQuery(sql)
    return String(described.resultFields[0]!.dataTypeID)
  } catch (error) {
    const { code, message, hint } = error as { code: string; message: string; hint?: string }
    return `${code} ${message} ${hint ?? ''}`
  }
}
const failure = (error: PgError): string => `${error.code} ${error.message} ${error.fields.hint ?? ''}`
const attempt = (fn: () => string): string => {
  try {
    return fn()
  } catch (error) {
    if (error instanceof PgError) return failure(error)
    throw error
  }
}

test('operators', async () => {
  const names = [...new Set(pgOperators().map((row) => row.oprname))]
  const wrong: string[] = []
  for (let i = 0; i < 600; i++) {
    const name = random(2) === 0 ? pick(names) : pick(['=', '<', '+', '-', '*', '/', '||', '->', '@>', '~', '~~', '&&'])
    const left = random(8) === 0 ? null : pick(TYPES)
    const right = pick(TYPES)
    const l = left === null ? 0 : TYPE_OID[left]
    const ours = attempt(() => {
      const found = resolveOperator(source, null, name, l, TYPE_OID[right])
      if (found.kind === 'notFound') throw operatorNotFound(source, name, l, TYPE_OID[right])
      if (found.kind === 'ambiguous') throw operatorAmbiguous(source, name, l, TYPE_OID[right])
      return String(found.resultType)
    })
    const sql = `select ${left === null ? '' : sqlValue(left)} ${name} ${sqlValue(right)}`
    const theirs = await oracle(sql)
    if (ours !== theirs && !theirs.startsWith('42601')) wrong.push(`${sql}\n   ours   ${ours}\n   theirs ${theirs}`)
  }
  expect(wrong.join('\n')).toBe('')
})

test('functions', async () => {
  const names = [
    ...new Set(
      pgProcs()
        .filter(
          (row) =>
            row.prokind === 'f' &&
            !EXTRA_PROCS.includes(row) &&
            row.pronamespace === 11 &&
            row.pronargs > 0 &&
            row.pronargs < 4 &&
            !row.proargtypes.includes(TYPE_OID.internal),
        )
        .map((row) => row.proname),
    ),
  ]
  const wrong: string[] = []
  for (let i = 0; i < 800; i++) {
    const name = pick(names)
    const proc = pick(pgProcs().filter((row) => row.proname === name))
    const args = Array.from({ length: random(10) === 0 ? random(4) : proc.pronargs }, (_, n) => {
      const declared = Object.entries(TYPE_OID).find(([, oid]) => oid === proc.proargtypes[n])?.[0]
      return random(2) === 0 && declared !== undefined && (TYPES as readonly string[]).includes(declared)
        ? (declared as (typeof TYPES)[number])
        : pick(TYPES)
    })
    const call = { schema: null, name, argTypes: args.map((type) => TYPE_OID[type]), argNames: [], variadic: false }
    const ours = attempt(() => {
      const found = resolveFunction(source, call)
      if (found.kind === 'notFound') throw functionNotFound(source, call)
      if (found.kind === 'ambiguous') throw functionAmbiguous(source, call)
      return String(found.kind === 'coercion' ? found.type : found.resultType)
    })
    const sql = `select "${name}"(${args.map(sqlValue).join(', ')})`
    const theirs = await oracle(sql)
    if (ours !== theirs && !/^(42P13|0A000|42809)/.test(theirs)) wrong.push(`${sql}\n   ours   ${ours}\n   theirs ${theirs}`)
  }
  expect(wrong.join('\n')).toBe('')
})

test('common types', async () => {
  const wrong: string[] = []
  for (let i = 0; i < 300; i++) {
    const args = Array.from({ length: 2 + random(2) }, () => pick(TYPES))
    const ours = attempt(() =>
      String(
        selectCommonType(
          source,
          args.map((type) => TYPE_OID[type]),
          'COALESCE',
        ),
      ),
    )
    const theirs = await oracle(`select coalesce(${args.map(sqlValue).join(', ')})`)
    if (ours !== theirs.trim() && !(ours.startsWith('42804') && theirs.startsWith(ours.trim())) && !theirs.startsWith('42846'))
      wrong.push(`${args}\n   ours   ${ours}\n   theirs ${theirs}`)
  }
  expect(wrong.join('\n')).toBe('')
})

test('named arguments, defaults and VARIADIC', () => {
  const { int4, unknown, text, float8, _text } = TYPE_OID
  const call = (name: string, argTypes: number[], argNames: string[] = [], variadic = false) =>
    resolveFunction(source, { schema: null, name, argTypes, argNames, variadic })
  expect(call('make_interval', [int4], ['days'])).toMatchObject({
    kind: 'function',
    proc: { proname: 'make_interval' },
    argTypes: [int4, int4, int4, int4, int4, int4, float8],
  })
  expect(call('make_interval', [int4], ['nodays'])).toEqual({ kind: 'notFound' })
  expect(call('concat', [int4, unknown, text])).toMatchObject({
    kind: 'function',
    packFrom: -1,
    argTypes: [TYPE_OID.any, TYPE_OID.any, TYPE_OID.any],
  })
  expect(call('concat', [_text], [], true)).toMatchObject({ kind: 'function', argTypes: [TYPE_OID.any] })
  expect(call('json_extract_path', [TYPE_OID.json, unknown, unknown])).toMatchObject({ packFrom: 1, variadicElement: text })
  expect(call('array_append', [unknown, int4])).toMatchObject({ argTypes: [TYPE_OID._int4, int4], resultType: TYPE_OID._int4 })
  expect(call('text', [int4])).toEqual({ kind: 'coercion', type: text })
})
