// The same queries here and in PGlite: rows must be equal, in order where the query orders them, and errors must have the same SQLSTATE.

import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TYPE_OID } from '../../../../src/sql/builtin/data/type-oids.ts'
import { loadParser, runSql } from './pipeline.ts'
import { QUERIES } from './queries.ts'

let db: PGlite
beforeAll(async () => {
  await loadParser()
  db = await PGlite.create()
  await db.exec("SET timezone = 'UTC'")
})
afterAll(() => db.close())

/** Values as the text the server sent. */
const RAW = Object.fromEntries(Object.values(TYPE_OID).map((oid) => [oid, (value: string): string => value]))

async function oracle(text: string): Promise<{ rows: (string | null)[][] } | { code: string; message: string }> {
  try {
    const result = await db.query<(string | null)[]>(text, [], { rowMode: 'array', parsers: RAW })
    return { rows: result.rows.map((row) => row.map((value) => (value === null ? null : String(value)))) }
  } catch (error) {
    return { code: (error as { code: string }).code, message: (error as Error).message }
  }
}

async function ours(text: string, workMem: number | undefined): ReturnType<typeof oracle> {
  try {
    return { rows: await runSql(text, workMem === undefined ? {} : { workMem }) }
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === undefined) throw error
    return { code, message: (error as Error).message }
  }
}

const sorted = (rows: (string | null)[][]): string[] => rows.map((row) => JSON.stringify(row)).sort()

describe.each(Object.entries(QUERIES))('%s', (_, queries) => {
  it.each(queries)('%s', async (text) => {
    const want = await oracle(text)
    for (const workMem of [undefined, 1000]) {
      const got = await ours(text, workMem)
      if ('rows' in want && 'rows' in got) {
        if (/order by [^)]*$/i.test(text)) expect(got.rows).toEqual(want.rows)
        else expect(sorted(got.rows)).toEqual(sorted(want.rows))
      } else expect(got).toEqual(want)
    }
  })
})
