// LIKE with a constant pattern: parsed once into literal pieces between % signs. // hot

import { PgError } from '../../../base/errors.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { Evaluator } from '../operator.ts'
import type { Compiled } from './compiled.ts'
import { evaluator } from './compiled.ts'

/** Literal texts and single-character wildcards (null) between two % signs. */
type Piece = readonly (string | null)[]

/** Null when the pattern ends with a lone escape: matching then fails with 22025, and only if it gets there. */
function parse(pattern: string): Piece[] | null {
  const pieces: (string | null)[][] = [[]]
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
      pieces.at(-1)!.push(null)
    } else if (c === '\\') {
      if (++i === pattern.length) return null
      literal += pattern[i]!
    } else literal += c
  }
  flush()
  return pieces
}

/** End of `piece` matched at `at`, or -1. */
function matchAt(text: string, at: number, piece: Piece): number {
  for (const part of piece) {
    if (part === null) {
      if (at >= text.length) return -1
      const unit = text.charCodeAt(at)
      at += unit >= 0xd800 && unit < 0xdc00 ? 2 : 1
    } else {
      if (!text.startsWith(part, at)) return -1
      at += part.length
    }
  }
  return at
}

function find(text: string, from: number, piece: Piece): number {
  const first = piece[0]
  for (let at = from; at <= text.length; at++) {
    if (typeof first === 'string') {
      at = text.indexOf(first, at)
      if (at < 0) return -1
    } else {
      const unit = text.charCodeAt(at)
      if (unit >= 0xdc00 && unit < 0xe000) continue
    }
    const end = matchAt(text, at, piece)
    if (end >= 0) return end
  }
  return -1
}

/** The last piece must end where the text does: its possible starts are tried from `from`. */
function matchEnd(text: string, from: number, piece: Piece): boolean {
  if (piece.length === 0) return true
  if (piece.length === 1 && piece[0] !== null) return text.length - piece[0]!.length >= from && text.endsWith(piece[0]!)
  for (let at = from; at <= text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit >= 0xdc00 && unit < 0xe000) continue
    if (matchAt(text, at, piece) === text.length) return true
  }
  return false
}

export function likeMatcher(pattern: string): (text: string) => boolean {
  const pieces = parse(pattern)
  if (pieces === null) {
    return () => {
      throw new PgError(SQLSTATE.invalidEscapeSequence, 'LIKE pattern must not end with escape character')
    }
  }
  const simple = pieces.every((piece) => piece.length === 0 || (piece.length === 1 && piece[0] !== null))
  const texts = pieces.map((piece) => piece[0] ?? '')
  if (simple && pieces.length === 1) return (text) => text === texts[0]
  if (simple && pieces.length === 2) {
    const [start, end] = texts as [string, string]
    if (end === '') return (text) => text.startsWith(start)
    if (start === '') return (text) => text.endsWith(end)
  }
  if (simple && pieces.length === 3 && texts[0] === '' && texts[2] === '') {
    const inner = texts[1]!
    return (text) => text.includes(inner)
  }
  const [head, ...rest] = pieces as [Piece, ...Piece[]]
  if (rest.length === 0) return (text) => matchAt(text, 0, head) === text.length
  const tail = rest.pop()!
  return (text) => {
    let at = matchAt(text, 0, head)
    for (let i = 0; i < rest.length && at >= 0; i++) at = find(text, at, rest[i]!)
    return at >= 0 && matchEnd(text, at, tail)
  }
}

/** textlike and textnlike over a constant pattern; null for everything else. */
export function compileLike(prosrc: string, l: Compiled, r: Compiled): Evaluator | null {
  if (!r.constant || typeof r.value !== 'string') return null
  if (prosrc !== 'textlike' && prosrc !== 'textnlike' && prosrc !== 'namelike' && prosrc !== 'namenlike') return null
  const matches = likeMatcher(r.value)
  const text = evaluator(l)
  const wanted = prosrc === 'textlike' || prosrc === 'namelike'
  return (row) => {
    const value = text(row)
    return value === null ? null : matches(value as string) === wanted
  }
}
