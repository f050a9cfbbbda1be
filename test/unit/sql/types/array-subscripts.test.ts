// Subscripting, slicing and assignment of arrays, against PGlite's answers to the same statements.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../../../src/base/errors.ts'
import { type ArrayDatum, arrayElement, arraySlice, assignElement, assignSlice } from '../../../../src/sql/types/array.ts'
import { TEXT_IO } from '../../../../src/sql/types/define.ts'
import type { EvalContext } from '../../../../src/sql/types/eval-context.ts'
import { builtinTypeSupport } from '../../../../src/sql/types/registry.ts'

const INT4 = 23
const support = builtinTypeSupport(1007)
const ctx = { io: TEXT_IO } as unknown as EvalContext
const read = (text: string): ArrayDatum => support.input(text, -1, ctx) as ArrayDatum
const print = (a: ArrayDatum): string => support.output(a, TEXT_IO)

let db: PGlite
beforeAll(async () => {
  db = await PGlite.create()
})
afterAll(() => db.close())

const ARRAYS = ['{}', '{1,2,3}', '[0:2]={5,6,7}', '{{1,2},{3,4}}', '{NULL,2}']

async function ask(sql: string): Promise<string> {
  try {
    return (await db.query<{ x: string | null }>(sql)).rows[0]!.x ?? 'NULL'
  } catch (error) {
    return (error as { message: string }).message
  }
}
function attempt(body: () => string): string {
  try {
    return body()
  } catch (error) {
    if (error instanceof PgError) return error.message
    throw error
  }
}

test.each(ARRAYS)('%s', async (text) => {
  for (const at of [[0], [1], [3], [1, 1], [2, 2], [3, 1]]) {
    const subscript = at.map((n) => `[${n}]`).join('')
    const element = arrayElement(read(text), at)
    expect(element === null ? 'NULL' : String(element), `${text}${subscript}`).toBe(
      await ask(`select ('${text}'::int[])${subscript}::text x`),
    )
    await db.exec(`drop table if exists t; create table t as select '${text}'::int[] a`)
    const assigned = attempt(() => print(assignElement(read(text), INT4, at, 9)))
    expect(assigned, `${text}${subscript} := 9`).toBe(await ask(`update t set a${subscript} = 9 returning a::text x`))
  }
  for (const [low, high] of [
    [1, 2],
    [2, 1],
    [0, 5],
    [null, 2],
    [2, null],
    [3, 4],
  ] as const) {
    const subscript = `[${low ?? ''}:${high ?? ''}]`
    expect(print(arraySlice(read(text), [low], [high])), `${text}${subscript}`).toBe(
      await ask(`select ('${text}'::int[])${subscript}::text x`),
    )
    await db.exec(`drop table if exists t; create table t as select '${text}'::int[] a`)
    const assigned = attempt(() => print(assignSlice(read(text), INT4, [low], [high], read('{7,8,9,10,11,12}'))))
    expect(assigned, `${text}${subscript} :=`).toBe(await ask(`update t set a${subscript} = '{7,8,9,10,11,12}' returning a::text x`))
  }
})
