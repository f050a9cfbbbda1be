// The regular expression engine against PostgreSQL's: chosen and random patterns over random texts, whole match and groups.
import { PGlite } from '@electric-sql/pglite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PgError } from '../../../../src/base/errors.ts'
import type { ArrayDatum } from '../../../../src/sql/types/array.ts'
import { regexpProcs } from '../../../../src/sql/types/regexp.ts'
import { testContext } from '../../../support/eval-context.ts'
import { randomFrom } from '../../../support/random.ts'

let db: PGlite
beforeAll(async () => {
  db = new PGlite()
  await db.exec(`create function try(t text, p text) returns text language plpgsql as $$
    begin return coalesce(regexp_match(t, '(' || p || ')')::text, 'none');
    exception when others then return sqlstate || ' ' || sqlerrm; end $$;
    create function try_similar(t text, p text) returns text language plpgsql as $$
    begin return (t similar to p)::text;
    exception when others then return sqlstate; end $$`)
}, 180_000)
afterAll(() => db.close())

const ctx = testContext()
const TEXT_ARRAY = 1009

function ours(text: string, pattern: string): string {
  try {
    const match = regexpProcs.regexp_match_no_flags(text, `(${pattern})`, ctx)
    return match === null ? 'none' : ctx.catalog.typeSupport(TEXT_ARRAY).output(match as ArrayDatum, ctx.io)
  } catch (error) {
    if (error instanceof PgError) return `${error.code} ${error.message}`
    throw error
  }
}

async function compare(cases: [string, string][]): Promise<string[]> {
  const { rows } = await db.query<{ answer: string }>(
    `select try(c ->> 0, c ->> 1) as answer from json_array_elements($1) with ordinality u(c, n) order by n`,
    [JSON.stringify(cases)],
  )
  const wrong: string[] = []
  for (const [i, [text, pattern]] of cases.entries()) {
    const theirs = rows[i]!.answer
    const mine = ours(text, pattern)
    if (mine !== theirs) wrong.push(`'${text}' ~ '${pattern}': ours ${mine}, theirs ${theirs}`)
  }
  return wrong
}

// biome-ignore format: a table
const CHOSEN: [string, string][] = [
  ['abcd', '(a|ab)(c|bcd)(d*)'], ['foobarbequebaz', 'ba.'], ['abc', ''], ['xaaay', 'a*'], ['xaaay', 'a+'], ['xaaay', 'a+?'], ['xabyabbbz', 'ab{2,3}'],
  ['xyz123', '[[:alpha:]]+'], ['xyz123', '\\d+'], ['a.b', 'a\\.b'], ['foo bar', '\\mbar\\M'], ['foobar', '\\mbar'], ['abab', '(ab)\\1'], ['aXbxb', '(?i)x(b)'],
  ['abc', '(?:a)(b)(?=c)'], ['abd', 'b(?!c)'], ['abc', '(?<=a)b'], ['XY1234Z', 'Y*([0-9]{1,3})'], ['XY1234Z', 'Y*?([0-9]{1,3})'], ['a\nb', 'a.b'], ['a\nb', '(?n)a.b'],
  ['a\nb', '(?n)^b'], ['abc', '['], ['abc', '('], ['abc', ')'], ['abc', '*'], ['abc', 'a{2'], ['abc', 'a{5,2}'], ['abc', '[z-a]'], ['abc', '[[:foo:]]'], ['abc', '\\1'], ['abc', 'a**'],
  ['abc', 'a{256}'], ['aaa', '(a*)*'], ['aaa', '(a*)+'], ['abcabc', '(abc|abcabc)'], ['ab', '(a|b)*'], ['😀x', '.x'], ['äÖ', '(?i)Äö'], ['tab\tx', '\\t'], ['a-b', '[a\\-]+'], ['a]b', '[]]'], ['a^b', '[b^]+'],
  ['aaaa', '(a{1,2})(a{1,2})'], ['abcde', '((a)(b)?)+'], ['xx', '(x)|(y)'], ['foo.bar', '***=o.b'], ['abc', '(?q)a'], ['ab c', '(?x)a b # c'], ['abc', 'a(?#comment)b'], ['zzz', '(^|z)z$'], ['abc', '^(t)$'], ['t', '^(t)$'],
]

test('chosen patterns', async () => {
  expect((await compare(CHOSEN)).join('\n')).toBe('')
})

test('random patterns', async () => {
  const { below: random, pick } = randomFrom(7)
  const atom = (depth: number): string => {
    switch (random(depth > 0 ? 9 : 5)) {
      case 0:
      case 1:
      case 2:
        return pick(['a', 'b', 'c', 'ab'])
      case 3:
        return pick(['.', '[ab]', '[^a]', '\\w', '[[:alpha:]]'])
      case 4:
        return pick(['a', 'b', '\\y', '^', '$'])
      case 5:
      case 6:
        return `(${branches(depth - 1)})`
      case 7:
        return `(?:${branches(depth - 1)})`
      default:
        return pick([`(?=${branches(depth - 1)})`, `(?!${branches(depth - 1)})`, 'c'])
    }
  }
  const piece = (depth: number): string => {
    const a = atom(depth)
    return /^(\\y|\^|\$|\(\?[=!])/.test(a) ? a : a + pick(['', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{1,2}?'])
  }
  const branch = (depth: number): string => Array.from({ length: 1 + random(3) }, () => piece(depth)).join('')
  const branches = (depth: number): string => Array.from({ length: random(4) === 0 ? 2 : 1 }, () => branch(depth)).join('|')
  const cases = Array.from({ length: 1500 }, (): [string, string] => [
    Array.from({ length: random(8) }, () => pick(['a', 'b', 'c', ' '])).join(''),
    branches(2),
  ])
  const wrong = await compare(cases)
  expect(wrong.join('\n')).toBe('')
})

test('random patterns with back references', async () => {
  const { below: random, pick } = randomFrom(11)
  let groups = 0
  // The whole pattern is the first group of what is asked.
  const backref = (): string => (groups === 0 ? 'a' : `\\${2 + random(groups)}`)
  const around = (): string => {
    const parts = ['a', 'b', '.', '[ab]', 'a*', 'b+?', 'c?', '(?:ab)*', '$', '^']
    return Array.from({ length: 1 + random(3) }, () => pick(parts)).join('')
  }
  const atom = (depth: number): string => {
    switch (random(depth > 0 ? 10 : 6)) {
      case 0:
      case 1:
        return pick(['a', 'b', 'c', 'ab', 'A'])
      case 2:
        return pick(['.', '[ab]', '[^a]', '\\w', '[[:alpha:]]', '[[:space:]]', '[a-c]', '\\S', '[[=a=]]', '[[.a.]b]', '[^[:space:]a]'])
      case 3:
        return pick(['\\y', '^', '$', '\\m', '\\M', '\\A', '\\Z', '\\Y', '[[:<:]]', '[[:>:]]'])
      case 4:
      case 5:
        return backref()
      case 6:
      case 7: {
        const body = `(${branches(depth - 1)})`
        groups++
        return body
      }
      case 8:
        return `(?:${branches(depth - 1)})`
      default:
        return `${pick(['(?=', '(?!', '(?<=', '(?<!'])}${around()})`
    }
  }
  const piece = (depth: number): string => {
    const a = atom(depth)
    if (/^(\\[ymMAYZ]|\^|\$|\(\?<?[=!]|\[\[:[<>]:)/.test(a)) return a
    return a + pick(['', '', '', '', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{1,2}?', '{0,1}', '{0}'])
  }
  const branch = (depth: number): string => Array.from({ length: 1 + random(3) }, () => piece(depth)).join('')
  const branches = (depth: number): string => Array.from({ length: random(4) === 0 ? 2 : 1 }, () => branch(depth)).join('|')
  const cases = Array.from({ length: 1500 }, (): [string, string] => {
    groups = 0
    return [Array.from({ length: random(8) }, () => pick(['a', 'b', 'c', ' ', 'A', '\n'])).join(''), branches(2)]
  })
  expect((await compare(cases)).join('\n')).toBe('')
})

test('SIMILAR TO', async () => {
  const cases: [string, string][] = [
    ['abc', 'a%'],
    ['abc', '_b_'],
    ['abc', '%(b|d)%'],
    ['abc', '(b|c)%'],
    ['a.c', 'a.c'],
    ['abc', 'a.c'],
    ['a%', 'a\\%'],
    ['abbb', 'ab{3}'],
    ['xyz', '[a-z]+'],
    ['', '%'],
  ]
  const { rows } = await db.query<{ answer: string }>(
    `select try_similar(c ->> 0, c ->> 1) as answer from json_array_elements($1) with ordinality u(c, n) order by n`,
    [JSON.stringify(cases)],
  )
  const mine = cases.map(([text, pattern]) => String(regexpProcs.textregexeq(text, regexpProcs.similar_to_escape_1(pattern), ctx)))
  expect(mine).toEqual(rows.map((row) => row.answer))
})

test('a catastrophic pattern ends in linear time or with an error, never hangs', () => {
  expect(regexpProcs.textregexeq(`${'a'.repeat(5000)}b`, '^(a+)+$', ctx)).toBe(false)
  expect(() => regexpProcs.textregexeq('a'.repeat(60), '^(a+)(a+)(a+)(a+)(a+)(a+)\\1\\2\\3\\4\\5\\6a$', ctx)).toThrowError(/too complex/)
})
