// Functions on long values: the work comes in steps, gives the same answer as at once, and ends when the statement is cancelled.

import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { LONG, longWork, Suspended, suspendable } from '../../../../src/base/long-work.ts'
import { makeArray } from '../../../../src/sql/types/array.ts'
import { arrayProcs } from '../../../../src/sql/types/array-procs.ts'
import { encodeProcs } from '../../../../src/sql/types/encode.ts'
import { LONG_PROCS } from '../../../../src/sql/types/long-procs.ts'
import { regexpProcs } from '../../../../src/sql/types/regexp.ts'
import { stringProcs } from '../../../../src/sql/types/string.ts'

const procs: Readonly<Record<string, unknown>> = { ...arrayProcs, ...encodeProcs, ...regexpProcs, ...stringProcs }
const ctx = { cancel: { poll() {}, check() {} } }
const text = 'Some words, é and 😀 too; '.repeat(Math.ceil((2 * LONG) / 26))
const bytes = Buffer.from(text)
const hex = bytes.toString('hex')

const array = makeArray(
  25,
  Array.from({ length: 10_000 }, (_, i) => (i % 7 === 0 ? null : `word ${(i * 7919) % 10_007}`)),
)

const ARGUMENTS: Readonly<Record<string, readonly unknown[]>> = {
  array_sort: [array, ctx],
  array_sort_order: [array, true, ctx],
  array_sort_order_nulls_first: [array, true, false, ctx],
  array_to_text: [array, ', ', ctx],
  array_to_text_null: [array, ', ', 'none', ctx],
  binary_decode: [hex, 'hex'],
  binary_encode: [bytes, 'base64'],
  initcap: [text],
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
  test.each([...LONG_PROCS])('%s', async (name) => {
    const body = procs[name] as (...args: unknown[]) => unknown
    const args = ARGUMENTS[name]!
    const atOnce = body(...args)
    let suspended: unknown
    try {
      suspendable([], () => body(...args), null)
    } catch (error) {
      suspended = error
    }
    expect(suspended).toBeInstanceOf(Suspended)
    let steps = 0
    const result = await (suspended as Suspended).run(() => {
      steps++
      return null
    })
    // regexp_replace of the first match alone is done in one step
    if (!/no(opt|_n)$/.test(name)) expect(steps).toBeGreaterThan(1)
    const again = args.map((arg) => (arg instanceof Uint8Array ? Buffer.from(arg) : arg))
    expect(
      isDeepStrictEqual(
        suspendable([result], () => body(...again), null),
        atOnce,
      ),
    ).toBe(true)
  })

  test('in pieces as in one', () => {
    expect((procs['initcap'] as (a: string) => string)(text)).toBe(
      (procs['initcap'] as (a: string) => string)(text.slice(0, 26)).repeat(text.length / 26),
    )
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
