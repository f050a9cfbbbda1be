// Functions on long values: the work comes in steps, gives the same answer as at once, and ends when the statement is cancelled.

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LONG, type LongResult, longWork, patiently, Suspended, suspendable } from '../../../../src/base/long-work.ts'
import { makeSlicer } from '../../../../src/base/slicer.ts'
import { makeArray } from '../../../../src/sql/types/array.ts'
import { arrayProcs } from '../../../../src/sql/types/array-procs.ts'
import { bitProcs } from '../../../../src/sql/types/bit.ts'
import { byteaProcs } from '../../../../src/sql/types/bytea.ts'
import { encodeProcs } from '../../../../src/sql/types/encode.ts'
import { jsonProcs } from '../../../../src/sql/types/json-procs.ts'
import { Jsonb, makeObject } from '../../../../src/sql/types/jsonb.ts'
import { jsonpathProcs, jsonpathTypes } from '../../../../src/sql/types/jsonpath-procs.ts'
import { likeProcs } from '../../../../src/sql/types/like.ts'
import { LONG_PROCS } from '../../../../src/sql/types/long-procs.ts'
import { regexpProcs } from '../../../../src/sql/types/regexp.ts'
import { stringProcs } from '../../../../src/sql/types/string.ts'
import { textProcs } from '../../../../src/sql/types/text.ts'

const procs: Readonly<Record<string, unknown>> = {
  ...arrayProcs,
  ...bitProcs,
  ...byteaProcs,
  ...encodeProcs,
  ...jsonProcs,
  ...jsonpathProcs,
  ...likeProcs,
  ...textProcs,
  ...regexpProcs,
  ...stringProcs,
}
const ctx = { cancel: { poll() {}, check() {} } }
/** With the default collation. */
const call = { collation: 100 }
const text = 'Some words, é and 😀 too; '.repeat(Math.ceil((2 * LONG) / 26))
const bytes = Buffer.from(text)
const hex = bytes.toString('hex')

const array = makeArray(
  25,
  Array.from({ length: 10_000 }, (_, i) => (i % 7 === 0 ? null : `word ${(i * 7919) % 10_007}`)),
)

const list = new Jsonb(Array.from({ length: 6000 }, (_, i) => makeObject(['id', 'name'], [`${i}`, i % 3 === 0 ? null : `name ${i}`])))
const object = new Jsonb(
  makeObject(
    Array.from({ length: 6000 }, (_, i) => `key ${i}`),
    Array.from({ length: 6000 }, (_, i) => `value ${i}`),
  ),
)
const path = (source: string) => jsonpathTypes['jsonpath']!.input(source, -1, ctx as never)
const none = new Jsonb(makeObject([], []))

const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  array_sort: [array, ctx],
  array_sort_order: [array, true, ctx],
  array_sort_order_nulls_first: [array, true, false, ctx],
  array_to_text: [array, ', ', ctx],
  array_to_text_null: [array, ', ', 'none', ctx],
  array_position: [array, 'none', ctx],
  array_remove: [array, null, ctx],
  array_replace: [array, 'word 0', 'x', ctx],
  arraycontains: [
    array,
    makeArray(
      25,
      array.elements.filter((e) => e !== null),
    ),
    ctx,
  ],
  arrayoverlap: [array, makeArray(25, ['none']), ctx],
  bit_bit_count: ['10'.repeat(LONG)],
  bitnot: ['10'.repeat(LONG)],
  bytea_bit_count: [bytes],
  bytea_reverse: [bytes],
  byteacat: [bytes, bytes],
  byteaoverlay: [bytes, Buffer.from('xyz'), 77, 5],
  byteapos: [bytes, Buffer.from('xyz')],
  hashbytea: [bytes],
  hashtext: [text],
  hashtextextended: [text, 7],
  jsonb_concat: [object, object],
  jsonb_contains: [object, object, ctx],
  jsonb_eq: [list, list],
  jsonb_lt: [object, object],
  jsonb_path_exists: [list, path('$[*] ? (@.name == "none")'), none, false, ctx],
  jsonb_path_query_array: [list, path('$.name'), none, false, ctx],
  jsonb_pretty: [list],
  jsonb_strip_nulls: [list, false],
  lower: [text, ctx, call],
  pg_convert_to: [text, 'UTF8'],
  split_part: [text, ',', 100],
  text_to_array: [text, ' '],
  textlike: [text, '%none%'],
  textpos: [text, 'none'],
  textregexeq: [text, '(none|never)', ctx],
  to_jsonb: [array, ctx, { argTypes: [1009] }],
  upper: [text, ctx, call],
  binary_decode: [hex, 'hex'],
  binary_encode: [bytes, 'base64'],
  initcap: [text, ctx, call],
  md5_bytea: [bytes],
  md5_text: [text],
  regexp_count: [text, 'w(or)ds', 1, 'i', ctx],
  regexp_count_no_flags: [text, 'w(or)ds', 1, ctx],
  regexp_count_no_start: [text, 'w(or)ds', ctx],
  regexp_split_to_array: [text, ',\\s*', '', ctx],
  regexp_split_to_array_no_flags: [text, ',\\s*', ctx],
  replace_text: [text, 'words, é', 'x'],
  sha224_bytea: [bytes],
  sha256_bytea: [bytes],
  sha384_bytea: [bytes],
  sha512_bytea: [bytes],
  text_reverse: [text],
  textregexreplace: [text, '(o)(.)', '\\2\\1', 'g', ctx],
  textregexreplace_extended: [text, 'o', 'x', 5, 0, 'i', ctx],
  textregexreplace_extended_no_flags: [text, 'o', 'x', 5, 0, ctx],
  textregexreplace_extended_no_n: [text, 'o', 'x', 5, ctx],
  textregexreplace_noopt: [text, 'o', 'x', ctx],
  translate: [text, 'aé😀', 'bc'],
}

describe('long work', () => {
  test('is known of the dear functions', () => {
    expect([...LONG_PROCS].filter((name) => ARGUMENTS[name] === undefined)).toEqual([])
  })

  test.each(Object.keys(ARGUMENTS))('%s', async (name) => {
    const body = procs[name] as (...args: unknown[]) => unknown
    const args = ARGUMENTS[name]!
    const atOnce = body(...args)
    let steps = 0
    const results: LongResult[] = []
    for (;;) {
      const again = args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg) : arg))
      try {
        const result = suspendable(results, () => body(...again), null)
        expect(isDeepStrictEqual(result, atOnce)).toBe(true)
        break
      } catch (error) {
        if (!(error instanceof Suspended)) throw error
        results.push(
          await error.run(() => {
            steps++
            return null
          }),
        )
      }
    }
    expect(results.length).toBeGreaterThan(0)
    // regexp_replace of the first match alone is done in one step
    if (!/no(opt|_n)$/.test(name)) expect(steps).toBeGreaterThan(1)
  })

  test('in pieces as in one', () => {
    const initcap = (value: string) => (procs['initcap'] as (...args: unknown[]) => string)(value, ctx, call)
    expect(initcap(text)).toBe(initcap(text.slice(0, 26)).repeat(text.length / 26))
    expect((procs['binary_encode'] as (a: Uint8Array, f: string) => string)(bytes, 'base64').replaceAll('\n', '')).toBe(
      bytes.toString('base64'),
    )
    for (const line of (procs['binary_encode'] as (a: Uint8Array, f: string) => string)(bytes, 'base64').split('\n').slice(0, -1))
      if (line.length !== 76) throw new Error(line)
    expect((procs['translate'] as (a: string, b: string, c: string) => string)(text, 'é😀', 'xy')).toBe(
      text.replaceAll('é', 'x').replaceAll('😀', 'y'),
    )
    const replace = procs['replace_text'] as (a: string, b: string, c: string) => string
    expect(replace(text, 'words, é', 'x') === text.replaceAll('words, é', 'x')).toBe(true)
    const letters = 'aab'.repeat(LONG)
    for (const from of ['aa', 'aba', 'baaba', 'b'.repeat(3), letters.slice(0, LONG - 1)])
      if (replace(letters, from, '-') !== letters.replaceAll(from, '-')) throw new Error(from.slice(0, 10))
    const reverse = procs['text_reverse'] as (a: string) => string
    expect(reverse(text) === Array.from(text).reverse().join('')).toBe(true)
  })

  test('fails where the row asks for it', async () => {
    function* work(): Generator<unknown, number> {
      yield
      throw new Error('no such thing')
    }
    const forgiving = (): number => {
      try {
        return longWork(work)
      } catch (error) {
        if (error instanceof Suspended) throw error
        return 7
      }
    }
    expect(await patiently(forgiving, null, makeSlicer())).toBe(7)
  })

  test('results are told apart by their order', async () => {
    function* work(a: { readonly n: number }): Generator<unknown, number> {
      yield
      return a.n
    }
    // each evaluation makes its objects anew
    expect(await patiently(() => [1, 2, 3].map((n) => longWork(work, { n })), null, makeSlicer())).toEqual([1, 2, 3])
    const many = Array.from({ length: 100 }, (_, n) => n)
    expect(await patiently(() => many.map((n) => longWork(work, { n })), null, makeSlicer())).toEqual(many)
  })

  test('what is no row’s is done at once', () => {
    function* work(): Generator<unknown, number> {
      yield
      return 7
    }
    expect(longWork(work)).toBe(7)
  })

  test('ends with the statement', async () => {
    function* endless(): Generator<unknown, never> {
      for (;;) yield
    }
    let steps = 0
    let suspended: unknown
    try {
      suspendable([], () => longWork(endless), null)
    } catch (error) {
      suspended = error
    }
    const run = (suspended as Suspended).run(() => {
      if (++steps === 3) throw new Error('cancelled')
      return null
    })
    await expect(run).rejects.toThrow('cancelled')
  })
})
