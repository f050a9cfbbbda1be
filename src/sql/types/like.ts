// LIKE and ILIKE: `%` any characters, `_` one, an escape character before a literal one. Patterns are compiled once and kept; matching
// never backtracks past the last `%`, so it is linear in text × pattern at worst. // hot

import { PgError } from '../../base/errors.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { hasSurrogates, lower } from './chars.ts'
import type { Procs } from './procs.ts'

type Matcher = (text: string) => boolean

/** Pattern elements: a character (code point), ANY_ONE or ANY_RUN. */
const ANY_ONE = -1
const ANY_RUN = -2
/** The escape character at the pattern's end: an error, but only for a text that gets that far. */
const DANGLING = -4

function elements(pattern: string): number[] {
  const result: number[] = []
  for (let i = 0; i < pattern.length; ) {
    let code = pattern.codePointAt(i)!
    i += code > 0xffff ? 2 : 1
    if (code === 0x25) {
      if (result[result.length - 1] !== ANY_RUN) result.push(ANY_RUN)
      continue
    }
    if (code === 0x5f) {
      result.push(ANY_ONE)
      continue
    }
    if (code === 0x5c) {
      if (i >= pattern.length) {
        result.push(DANGLING)
        break
      }
      code = pattern.codePointAt(i)!
      i += code > 0xffff ? 2 : 1
    }
    result.push(code)
  }
  return result
}

/** The general case, over code units or, where surrogates occur, code points. */
function general(codes: readonly number[]): Matcher {
  const wide = codes.some((code) => code > 0xffff)
  return (text) => {
    const points = wide || hasSurrogates(text) ? Array.from(text, (char) => char.codePointAt(0)!) : null
    const length = points === null ? text.length : points.length
    let t = 0
    let p = 0
    let runAt = -1
    let resume = 0
    while (t < length) {
      const code = p < codes.length ? codes[p]! : -3
      if (code === DANGLING) throw new PgError(SQLSTATE.invalidEscapeSequence, 'LIKE pattern must not end with escape character')
      if (code === ANY_RUN) {
        runAt = ++p
        resume = t
      } else if (code === ANY_ONE || code === (points === null ? text.charCodeAt(t) : points[t])) {
        t++
        p++
      } else if (runAt >= 0) {
        p = runAt
        t = ++resume
      } else return false
    }
    while (p < codes.length && codes[p] === ANY_RUN) p++
    return p === codes.length
  }
}

/** The usual shapes (exact, prefix%, %suffix, %part%) go to the engine's own string search. */
function compile(pattern: string): Matcher {
  const codes = elements(pattern)
  const inner = codes.slice(codes[0] === ANY_RUN ? 1 : 0, codes.length > 1 && codes[codes.length - 1] === ANY_RUN ? -1 : undefined)
  if (codes.length === 1 && codes[0] === ANY_RUN) return () => true
  if (inner.some((code) => code < 0)) return general(codes)
  const literal = String.fromCodePoint(...inner)
  const open = codes[0] === ANY_RUN
  const rest = codes[codes.length - 1] === ANY_RUN
  if (open && rest) return (text) => text.includes(literal)
  if (open) return (text) => text.endsWith(literal)
  if (rest) return (text) => text.startsWith(literal)
  return (text) => text === literal
}

const cache = new LruMap<string, Matcher>(256)
let lastPattern: string | null = null
let lastMatcher: Matcher = () => false

function matcher(pattern: string): Matcher {
  if (pattern === lastPattern) return lastMatcher
  let found = cache.get(pattern)
  if (found === undefined) {
    found = compile(pattern)
    if (pattern.length < 1024) cache.set(pattern, found)
  }
  lastPattern = pattern
  lastMatcher = found
  return found
}

export const like = (text: string, pattern: string): boolean => matcher(pattern)(text)
const notLike = (text: string, pattern: string): boolean => !matcher(pattern)(text)
const ilike = (text: string, pattern: string): boolean => matcher(lower(pattern))(lower(text))
const notIlike = (text: string, pattern: string): boolean => !ilike(text, pattern)

/** LIKE … ESCAPE: the pattern with its own escape character turned into backslashes. */
function likeEscape(pattern: string, escapeChar: string): string {
  if (escapeChar === '') return pattern.replaceAll('\\', '\\\\')
  if (Array.from(escapeChar).length !== 1)
    throw new PgError(SQLSTATE.invalidEscapeSequence, 'invalid escape string', {
      hint: 'Escape string must be empty or one character.',
    })
  if (escapeChar === '\\') return pattern
  let result = ''
  let escaped = false
  for (const char of pattern) {
    if (char === escapeChar && !escaped) {
      result += '\\'
      escaped = true
    } else {
      result += char === '\\' && !escaped ? '\\\\' : char
      escaped = false
    }
  }
  return result
}

export const likeProcs = {
  textlike: like,
  textnlike: notLike,
  texticlike: ilike,
  texticnlike: notIlike,
  namelike: like,
  namenlike: notLike,
  nameiclike: ilike,
  nameicnlike: notIlike,
  like_escape: likeEscape,
} satisfies Procs
