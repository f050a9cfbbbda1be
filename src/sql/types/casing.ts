// Upper, lower, title case and case folding, as the collation has it: ASCII letters alone (C), one character for one (C.UTF-8, the default), or all
// that Unicode knows (PG_UNICODE_FAST), where a character may become several and a word's last sigma differs.

import { byCharacter, isAscii } from './chars.ts'

export type Casing = 'ascii' | 'simple' | 'full'

const ASCII_COLLATIONS: ReadonlySet<number> = new Set([950, 951, 962])
const FULL_COLLATIONS: ReadonlySet<number> = new Set([6411, 963])

export function casingOf(collation: number): Casing {
  return ASCII_COLLATIONS.has(collation) ? 'ascii' : FULL_COLLATIONS.has(collation) ? 'full' : 'simple'
}

const isOne = (text: string): boolean => text.length === 1 || (text.length === 2 && text.codePointAt(0)! > 0xffff)

/** Small letters with iota subscript have capitals of their own, although all of Unicode's rules give them two. */
function simpleUpper(char: string): string {
  const mapped = char.toUpperCase()
  if (isOne(mapped)) return mapped
  const code = char.codePointAt(0)!
  if (code >= 0x1f80 && code <= 0x1faf) return (code & 8) === 0 ? String.fromCodePoint(code + 8) : char
  return code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3 ? String.fromCodePoint(code + 9) : char
}

function simpleLower(char: string): string {
  const mapped = char.toLowerCase()
  return isOne(mapped) ? mapped : char === 'İ' ? 'i' : char
}

function mapChars(text: string, map: (char: string) => string): string {
  let result = ''
  for (const char of text) result += map(char)
  return result
}

const asciiUpper = (text: string): string => text.replace(/[a-z]+/g, (letters) => letters.toUpperCase())
const asciiLower = (text: string): string => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
const upperSimple = (text: string): string => (isAscii(text) ? text.toUpperCase() : mapChars(text, simpleUpper))
const lowerSimple = (text: string): string => (isAscii(text) ? text.toLowerCase() : mapChars(text, simpleLower))
const upperFull = (text: string): string => text.toUpperCase()

/** A sigma is a last one by what stands around it, however far: the text is not taken apart. */
const lowerFull = (text: string): string => text.toLowerCase()

const UPPER = { ascii: asciiUpper, simple: upperSimple, full: upperFull }

export const upper = (text: string, casing: Casing = 'simple'): string => byCharacter(text, UPPER[casing])

export function lower(text: string, casing: Casing = 'simple'): string {
  if (casing === 'full') return lowerFull(text)
  return byCharacter(text, casing === 'ascii' ? asciiLower : lowerSimple)
}

// --- folding ----------------------------------------------------------------------------------------------------------

const CHEROKEE_SMALL = /[\u{13f8}-\u{13fd}\u{ab70}-\u{abbf}]/u
const CHEROKEE = /[\u{13a0}-\u{13f5}]/u

/** What differs in nothing but case folds to the same: capitals' small letters, except that Cherokee has it the other way round. */
function foldFull(char: string): string {
  if (char === 'ı' || CHEROKEE.test(char)) return char
  if (CHEROKEE_SMALL.test(char)) return char.toUpperCase()
  if (char === 'İ') return char.toLowerCase()
  if (char === 'ẞ') return 'ss'
  return mapChars(char.toLowerCase().toUpperCase(), (part) => part.toLowerCase())
}

/** The same letters with the same marks, under two numbers each. */
const ALIKE: ReadonlyMap<string, string> = new Map([
  ['\u1fd3', '\u0390'],
  ['\u1fe3', '\u03b0'],
  ['\ufb05', '\ufb06'],
])

function foldSimple(char: string): string {
  if (char === 'ı' || char === 'İ' || CHEROKEE.test(char)) return char
  if (CHEROKEE_SMALL.test(char)) return char.toUpperCase()
  const alike = ALIKE.get(char)
  if (alike !== undefined) return alike
  const folded = simpleLower(simpleUpper(simpleLower(char)))
  return isOne(folded) ? folded : char
}

const casefoldSimple = (text: string): string => (isAscii(text) ? text.toLowerCase() : mapChars(text, foldSimple))
const casefoldFull = (text: string): string => (isAscii(text) ? text.toLowerCase() : mapChars(text, foldFull))
const FOLD = { ascii: asciiLower, simple: casefoldSimple, full: casefoldFull }

export const casefold = (text: string, casing: Casing): string => byCharacter(text, FOLD[casing])

// --- words ------------------------------------------------------------------------------------------------------------

const WORD: Readonly<Record<Casing, RegExp>> = {
  ascii: /[0-9A-Za-z]/,
  simple: /[\p{Alphabetic}0-9]/u,
  full: /[\p{Alphabetic}\p{Nd}]/u,
}

/** Letters that look like two, in their three cases, and Georgian letters, whose capitals begin no word. */
const DIGRAPHS: readonly string[] = ['ǄǅǆǄ', 'ǇǈǉǇ', 'ǊǋǌǊ', 'ǱǲǳǱ']
const GEORGIAN = /[\u{10d0}-\u{10fa}\u{10fd}-\u{10ff}]/u

function titleFull(char: string): string {
  if (GEORGIAN.test(char)) return char
  const digraph = DIGRAPHS.find((forms) => forms.includes(char))
  if (digraph !== undefined) return digraph[1]!
  const single = simpleUpper(char)
  const full = char.toUpperCase()
  if (isOne(full) || single !== char) return single
  // Already a capital with an iota beside it, or a letter behind an apostrophe.
  if (char.toLowerCase() !== char || char === 'ŉ') return char === 'ŉ' ? full : char
  const [first = '', ...rest] = full
  // Letters behind the first become small, an iota the mark below.
  return first + rest.join('').replace('Ι', '\u0345').toLowerCase()
}

const isWordByte = (byte: number): boolean =>
  (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)

/** In place, letter by letter: a string grown by single characters costs a hundred times as much. */
function initcapAscii(text: string): string {
  const bytes = Buffer.from(text.toLowerCase(), 'latin1')
  let inside = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (!inside && byte >= 0x61 && byte <= 0x7a) bytes[i] = byte - 32
    inside = isWordByte(byte)
  }
  return bytes.latin1Slice()
}

export function initcap(text: string, casing: Casing = 'simple'): string {
  if (isAscii(text)) return initcapAscii(text)
  const word = WORD[casing]
  const first = casing === 'ascii' ? asciiUpper : casing === 'simple' ? simpleUpper : titleFull
  // A word's last sigma is known by the whole text only.
  const small = casing === 'full' && text.includes('Σ') ? lastSigmas(text) : null
  let result = ''
  let inside = false
  let at = 0
  for (const char of text) {
    if (!inside) result += first(char)
    else if (char === 'Σ' && small !== null) result += small.has(at) ? 'ς' : 'σ'
    else result += casing === 'ascii' ? asciiLower(char) : casing === 'simple' ? simpleLower(char) : char.toLowerCase()
    inside = word.test(char)
    at += char.length
  }
  return result
}

/** Where capital sigmas stand that end a word. */
function lastSigmas(text: string): Set<number> {
  const found = new Set<number>()
  let at = 0
  let out = 0
  const small = text.toLowerCase()
  for (const char of text) {
    if (char === 'Σ') {
      if (small[out] === 'ς') found.add(at)
      out++
    } else out += char.toLowerCase().length
    at += char.length
  }
  return found
}
