// Character sets of bracket expressions and class escapes: a bitmap for ASCII, a test for the rest.

import type { CharTest } from './ast.ts'
import { regexError } from './ast.ts'

const LETTER = /\p{Alphabetic}/u
const UPPER = /\p{Uppercase}/u
const LOWER = /\p{Lowercase}/u
const SPACE = /\p{White_Space}/u
/** Control characters, surrogates, and what is no character yet. */
const NO_GRAPH = /[\p{Cc}\p{Cs}\p{Cn}]/u
const BLANK = /\p{Zs}/u
const PUNCT = /[\p{P}\p{S}]/u
const char = (code: number): string => String.fromCodePoint(code)
const between = (code: number, low: number, high: number): boolean => code >= low && code <= high
const isDigit: CharTest = (c) => between(c, 48, 57)
const isAlpha: CharTest = (c) => (c < 128 ? between(c | 32, 97, 122) : LETTER.test(char(c)))
const isAlnum: CharTest = (c) => isDigit(c) || isAlpha(c)
const isSpace: CharTest = (c) => (c < 128 ? c === 32 || between(c, 9, 13) : SPACE.test(char(c)))
export const isWord: CharTest = (c) => c === 95 || isAlnum(c)
const isBlank: CharTest = (c) => (c < 128 ? c === 32 || c === 9 : BLANK.test(char(c)))
const isGraph: CharTest = (c) => (c < 128 ? between(c, 33, 126) : !isSpace(c) && !NO_GRAPH.test(char(c)))
const isPrint: CharTest = (c) => isGraph(c) || (c !== 9 && isBlank(c))

const CLASSES: Readonly<Record<string, CharTest>> = {
  alnum: isAlnum,
  alpha: isAlpha,
  ascii: (c) => c < 128,
  blank: (c) => c === 32 || c === 9,
  cntrl: (c) => c < 32 || between(c, 127, 159),
  digit: isDigit,
  graph: isGraph,
  lower: (c) => (c < 128 ? between(c, 97, 122) : LOWER.test(char(c))),
  print: isPrint,
  punct: (c) => (c < 128 ? isGraph(c) && !isAlnum(c) : !isAlpha(c) && PUNCT.test(char(c))),
  space: isSpace,
  upper: (c) => (c < 128 ? between(c, 65, 90) : UPPER.test(char(c))),
  xdigit: (c) => isDigit(c) || between(c | 32, 97, 102),
  word: isWord,
}

/** The class `[:name:]`; case is ignored by making upper and lower mean alpha. */
export function characterClass(name: string, ignoreCase: boolean): CharTest {
  const known = CLASSES[ignoreCase && (name === 'upper' || name === 'lower') ? 'alpha' : name]
  if (known === undefined) throw regexError('invalid character class')
  return known
}

export function classEscape(letter: string): CharTest {
  const test = letter === 'd' || letter === 'D' ? isDigit : letter === 's' || letter === 'S' ? isSpace : isWord
  return letter >= 'a' ? test : (c) => !test(c)
}

/** The other case of a character, or itself. */
export function otherCase(code: number): number {
  const text = char(code)
  const lower = text.toLowerCase()
  const other = lower === text ? text.toUpperCase() : lower
  const mapped = other.codePointAt(0)!
  return other.length === (mapped > 0xffff ? 2 : 1) ? mapped : code
}

/** Wraps a test with a table for ASCII. */
export function tabled(test: CharTest): CharTest {
  const table = Uint8Array.from({ length: 128 }, (_, code) => (test(code) ? 1 : 0))
  return (code) => (code < 128 ? table[code] === 1 : test(code))
}

export interface SetParts {
  singles: number[]
  ranges: [number, number][]
  tests: CharTest[]
}

export function charSet(parts: SetParts, negated: boolean, ignoreCase: boolean, newlineStops: boolean): CharTest {
  const singles = new Set(parts.singles)
  const inside = (code: number): boolean =>
    singles.has(code) || parts.ranges.some(([low, high]) => code >= low && code <= high) || parts.tests.some((test) => test(code))
  const folded = ignoreCase ? (code: number): boolean => inside(code) || inside(otherCase(code)) : inside
  return tabled(negated ? (code) => !folded(code) && !(newlineStops && code === 10) : folded)
}
