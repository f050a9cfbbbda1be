// LIKE and ILIKE: `%` any characters, `_` one, an escape character before a literal one. A pattern is parsed once into pieces between % signs
// and kept; the leftmost place of each piece will do, so matching never goes back and literal parts are left to the engine's own search. // hot

import { PgError } from '../../base/errors.ts'
import { inOneSlice, LONG } from '../../base/long-work.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { casingOf, lower } from './casing.ts'
import type { CallInfo, Procs } from './procs.ts'

type Matcher = (text: string) => boolean

/** `_`: one character. */
const ONE = 1
/** The escape character at the pattern's end: an error, but only for a text that gets that far. */
const DANGLING = 2

/** What stands between two % signs. */
type Piece = readonly (string | typeof ONE | typeof DANGLING)[]

function parse(pattern: string): Piece[] {
  const pieces: (string | typeof ONE | typeof DANGLING)[][] = [[]]
  let literal = ''
  const flush = (): void => {
    if (literal !== '') pieces.at(-1)!.push(literal)
    literal = ''
  }
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i]!
    if (c === '%') {
      flush()
      pieces.push([])
    } else if (c === '_') {
      flush()
      pieces.at(-1)!.push(ONE)
    } else if (c === '\\') {
      if (++i === pattern.length) {
        flush()
        pieces.at(-1)!.push(DANGLING)
      } else literal += pattern[i]!
    } else literal += c
  }
  flush()
  return pieces
}

const isLow = (unit: number): boolean => unit >= 0xdc00 && unit < 0xe000

/** End of `piece` matched at `at`, or -1. */
function matchAt(text: string, at: number, piece: Piece): number {
  for (const part of piece) {
    if (typeof part === 'string') {
      if (!text.startsWith(part, at)) return -1
      at += part.length
    } else {
      if (at >= text.length) return -1
      if (part === DANGLING) throw new PgError(SQLSTATE.invalidEscapeSequence, 'LIKE pattern must not end with escape character')
      const unit = text.charCodeAt(at)
      at += unit >= 0xd800 && unit < 0xdc00 ? 2 : 1
    }
  }
  return at
}

/** End of `piece` at its first place from `from` on, or -1. */
function find(text: string, from: number, piece: Piece): number {
  const first = piece[0]
  for (let at = from; at <= text.length; at++) {
    if (typeof first === 'string') {
      at = text.indexOf(first, at)
      if (at < 0) return -1
    } else if (isLow(text.charCodeAt(at))) continue
    const end = matchAt(text, at, piece)
    if (end >= 0) return end
  }
  return -1
}

/** Whether `piece` ends where the text does, and begins not before `from`. */
function matchEnd(text: string, from: number, piece: Piece): boolean {
  if (piece.at(-1) === DANGLING) return find(text, from, piece) >= 0
  let at = text.length
  for (let i = piece.length - 1; i >= 0; i--) {
    const part = piece[i]!
    if (typeof part === 'string') {
      if (!text.endsWith(part, at)) return false
      at -= part.length
    } else at -= isLow(text.charCodeAt(at - 1)) ? 2 : 1
    if (at < from) return false
  }
  return true
}

function compile(pattern: string): Matcher {
  const pieces = parse(pattern)
  // The usual shapes: exact, prefix%, %suffix, %part%.
  if (pieces.every((piece) => piece.length === 0 || (piece.length === 1 && typeof piece[0] === 'string'))) {
    const texts = pieces.map((piece) => (piece[0] ?? '') as string)
    const [start, inner, end] = texts as [string, string, string]
    if (texts.length === 1) return (text) => text === start
    if (texts.length === 2 && inner === '') return (text) => text.startsWith(start)
    if (texts.length === 2 && start === '') return (text) => text.endsWith(inner)
    if (texts.length === 3 && start === '' && end === '') return (text) => text.includes(inner)
  }
  const [head, ...rest] = pieces as [Piece, ...Piece[]]
  if (rest.length === 0) return (text) => matchAt(text, 0, head) === text.length
  const tail = rest.pop()!
  const middle = rest.filter((piece) => piece.length > 0)
  return (text) => {
    let at = matchAt(text, 0, head)
    for (let i = 0; i < middle.length && at >= 0; i++) at = find(text, at, middle[i]!)
    return at >= 0 && matchEnd(text, at, tail)
  }
}

const cache = new LruMap<string, Matcher>(256)
let lastPattern: string | null = null
let lastMatcher: Matcher = () => false

/** What a pattern means for texts. */
export function likeMatcher(pattern: string): Matcher {
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

const likeNow = (text: string, pattern: string): boolean => likeMatcher(pattern)(text)
export const like = (text: string, pattern: string): boolean => inOneSlice(text.length > LONG, likeNow, text, pattern)
const notLike = (text: string, pattern: string): boolean => !like(text, pattern)
function ilike(text: string, pattern: string, call: CallInfo): boolean {
  const casing = casingOf(call.collation)
  return like(lower(text, casing), lower(pattern, casing))
}

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
  texticlike: (text, pattern, _, call) => ilike(text, pattern, call),
  texticnlike: (text, pattern, _, call) => !ilike(text, pattern, call),
  namelike: like,
  namenlike: notLike,
  nameiclike: (text, pattern, _, call) => ilike(text, pattern, call),
  nameicnlike: (text, pattern, _, call) => !ilike(text, pattern, call),
  like_escape: likeEscape,
} satisfies Procs
