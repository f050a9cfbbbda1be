// String functions: positions and lengths count characters (code points).

import { PgError } from '../../base/errors.ts'
import { inOneSlice, LONG, LONG_LIST, longWork, type Steps, workOn } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { makeArray } from './array.ts'
import { type Casing, casefold, casingOf, initcap, lower, upper } from './casing.ts'
import { byCharacter, charLength, chars, checkFieldSize, hasSurrogates, isAscii, pieces, sliceChars, trimBlanks } from './chars.ts'
import type { Procs } from './procs.ts'

const invalid = (message: string): PgError => new PgError(SQLSTATE.invalidParameterValue, message)

/** substring(text from start for count): start may lie before the text; the end is exclusive. */
export function substring(text: string, start: number, count: number | null): string {
  if (count === null) return sliceChars(text, start - 1, Number.MAX_SAFE_INTEGER)
  if (count < 0) throw new PgError(SQLSTATE.substringError, 'negative substring length not allowed')
  return sliceChars(text, Math.max(start - 1, 0), start - 1 + count)
}

function overlay(text: string, placed: string, start: number, count: number): string {
  if (start <= 0) throw new PgError(SQLSTATE.substringError, 'negative substring length not allowed')
  if (start + count > 2147483647 || start + count < -2147483648) throw new PgError(SQLSTATE.numericValueOutOfRange, 'integer out of range')
  return sliceChars(text, 0, start - 1) + placed + sliceChars(text, start + count - 1, Number.MAX_SAFE_INTEGER)
}

const indexOf = (text: string, part: string): number => text.indexOf(part)

/** position(part in text), from 1; 0 = not there. */
function position(text: string, part: string): number {
  const at = inOneSlice(text.length > LONG, indexOf, text, part)
  if (at < 0) return 0
  return (hasSurrogates(text) ? charLength(text.slice(0, at)) : at) + 1
}

function trim(text: string, set: string, left: boolean, right: boolean): string {
  if (set === '' || text === '') return text
  if (!hasSurrogates(set)) {
    let from = 0
    let to = text.length
    if (left) while (from < to && set.includes(text[from]!)) from++
    if (right) while (to > from && set.includes(text[to - 1]!)) to--
    return text.slice(from, to)
  }
  const wanted = new Set(chars(set))
  const list = chars(text)
  let from = 0
  let to = list.length
  if (left) while (from < to && wanted.has(list[from]!)) from++
  if (right) while (to > from && wanted.has(list[to - 1]!)) to--
  return list.slice(from, to).join('')
}

function pad(text: string, length: number, fill: string, left: boolean): string {
  const wanted = Math.max(length, 0)
  const have = charLength(text)
  if (have >= wanted) return sliceChars(text, 0, wanted)
  if (fill === '') return text
  const missing = wanted - have
  checkFieldSize(missing * (hasSurrogates(fill) ? 2 : 1))
  const fillLength = charLength(fill)
  const padding = fill.repeat(Math.floor(missing / fillLength)) + sliceChars(fill, 0, missing % fillLength)
  return left ? padding + text : text + padding
}

function repeat(text: string, count: number): string {
  if (count <= 0 || text === '') return ''
  checkFieldSize(Buffer.byteLength(text) * count)
  return text.repeat(count)
}

function replace(text: string, from: string, to: string): string {
  if (from === '' || !text.includes(from)) return text
  return workOn(text.length, replaceSteps, text, from, to)
}

/** In pieces, each with what may be the beginning of an occurrence that ends in the next. */
function* replaceSteps(text: string, from: string, to: string): Steps<string> {
  const step = Math.max(LONG, 4 * from.length)
  let done = ''
  for (let at = 0; at < text.length; ) {
    const end = Math.min(at + step, text.length)
    const parts = text.slice(at, end).split(from)
    const last = parts[parts.length - 1]!
    const kept = end === text.length ? 0 : Math.min(last.length, from.length - 1)
    parts[parts.length - 1] = last.slice(0, last.length - kept)
    done += parts.join(to)
    checkFieldSize(done.length)
    at = end - kept
    yield
  }
  return done
}

/** In pieces, each with the character before it, which tells whether a word goes on. */
function* initcapSteps(text: string, casing: Casing): Steps<string> {
  let done = ''
  let before = ''
  for (const piece of pieces(text, LONG)) {
    done += initcap(before + piece, casing).slice(initcap(before, casing).length)
    yield
    before = chars(piece.slice(-2)).at(-1)!
  }
  return done
}

const translate = (text: string, from: string, to: string): string => byCharacter(text, (piece) => translateNow(piece, from, to))

function translateNow(text: string, from: string, to: string): string {
  const map = new Map<string, string>()
  const targets = chars(to)
  for (const [i, char] of chars(from).entries()) if (!map.has(char)) map.set(char, targets[i] ?? '')
  if (hasSurrogates(text) || hasSurrogates(from) || hasSurrogates(to)) {
    const parts: string[] = []
    for (const char of text) parts.push(map.get(char) ?? char)
    return parts.join('')
  }
  // Unit by unit into one buffer: a string grown by single characters costs many times as much.
  const units = new Map([...map].map(([char, target]) => [char.charCodeAt(0), target === '' ? -1 : target.charCodeAt(0)]))
  const out = new Uint16Array(text.length)
  let n = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    const target = units.get(unit) ?? unit
    if (target >= 0) out[n++] = target
  }
  return textOfUnits(out, n)
}

/** UTF-16 code units as a string. */
const textOfUnits = (units: Uint16Array, count: number): string => Buffer.from(units.buffer, 0, count * 2).toString('utf16le')

/** In pieces, the last one first. */
function* reverseSteps(text: string): Steps<string> {
  let done = ''
  for (const piece of pieces(text, LONG)) {
    done = reverseNow(piece) + done
    yield
  }
  return done
}

function reverseNow(text: string): string {
  if (isAscii(text)) return Buffer.from(text, 'latin1').reverse().latin1Slice()
  return chars(text).reverse().join('')
}

function splitPart(text: string, delimiter: string, n: number): string {
  if (n === 0) throw invalid('field position must not be zero')
  if (text === '') return ''
  if (delimiter === '') return n === 1 || n === -1 ? text : ''
  const parts = split(text, delimiter)
  return parts[n > 0 ? n - 1 : parts.length + n] ?? ''
}

/** Characters from the left, or all but the last −n. */
const left = (text: string, n: number): string => sliceChars(text, 0, n < 0 ? charLength(text) + n : n)
const right = (text: string, n: number): string => {
  const length = charLength(text)
  return sliceChars(text, Math.max(n < 0 ? -n : length - n, 0), length)
}

function chr(code: number): string {
  if (code < 0) throw invalid('character number must be positive')
  if (code === 0) throw new PgError(SQLSTATE.programLimitExceeded, 'null character not permitted')
  if (code > 0x10ffff) throw new PgError(SQLSTATE.programLimitExceeded, `requested character too large for encoding: ${code}`)
  if (code >= 0xd800 && code < 0xe000)
    throw new PgError(SQLSTATE.programLimitExceeded, `requested character not valid for encoding: ${code}`)
  return String.fromCodePoint(code)
}

/** string_to_array: a NULL delimiter separates characters, an empty one nothing. */
function split(text: string, delimiter: string | null): string[] {
  if (text === '') return []
  if (delimiter === '') return [text]
  if (text.length > LONG) return longWork(splitSteps, text, delimiter)
  return delimiter === null ? chars(text) : text.split(delimiter)
}

function* splitSteps(text: string, delimiter: string | null): Steps<string[]> {
  const parts: string[] = []
  if (delimiter === null) {
    for (const piece of pieces(text, LONG_LIST)) {
      for (const char of chars(piece)) parts.push(char)
      yield
    }
    return parts
  }
  let from = 0
  for (let at = text.indexOf(delimiter); at >= 0; at = text.indexOf(delimiter, from)) {
    parts.push(text.slice(from, at))
    from = at + delimiter.length
    if (parts.length % LONG_LIST === 0) yield
  }
  parts.push(text.slice(from))
  return parts
}

const textArray = (parts: readonly (string | null)[]) => makeArray(TYPE_OID.text, parts)
const nullable = (parts: readonly string[], nullText: string | null): (string | null)[] =>
  parts.map((part) => (part === nullText ? null : part))

const FORMS: Readonly<Record<string, 'NFC' | 'NFD' | 'NFKC' | 'NFKD'>> = { nfc: 'NFC', nfd: 'NFD', nfkc: 'NFKC', nfkd: 'NFKD' }
function normalForm(form: string): 'NFC' | 'NFD' | 'NFKC' | 'NFKD' {
  const known = FORMS[form.toLowerCase()]
  if (known === undefined) throw invalid(`invalid normalization form: ${form}`)
  return known
}

/** \XXXX, \+XXXXXX, \uXXXX, \UXXXXXXXX, \\. */
function unistr(text: string): string {
  const result = text.replace(
    /\\(?:(\\)|\+([0-9a-fA-F]{6})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-9a-fA-F]{4})|())/g,
    (_all, slash: string | undefined, six?: string, four?: string, eight?: string, plain?: string) => {
      if (slash !== undefined) return '\\'
      const digits = six ?? four ?? eight ?? plain
      if (digits === undefined)
        throw new PgError(SQLSTATE.syntaxError, 'invalid Unicode escape', {
          hint: 'Unicode escapes must be \\XXXX, \\+XXXXXX, \\uXXXX, or \\UXXXXXXXX.',
        })
      const code = Number.parseInt(digits, 16)
      if (code === 0 || code > 0x10ffff)
        throw new PgError(SQLSTATE.invalidParameterValue, `invalid Unicode code point: ${code.toString(16).toUpperCase().padStart(4, '0')}`)
      // Two escapes may make a surrogate pair; an unpaired one is caught below.
      return code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code)
    },
  )
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(result))
    throw new PgError(SQLSTATE.syntaxError, 'invalid Unicode surrogate pair')
  return result
}

export const stringProcs = {
  textlen: charLength,
  textoctetlen: (a) => Buffer.byteLength(a),
  textcat(a, b) {
    checkFieldSize(a.length + b.length)
    return a + b
  },
  lower: (a, _, call) => lower(a, casingOf(call.collation)),
  upper: (a, _, call) => upper(a, casingOf(call.collation)),
  initcap: (a, _, call) => {
    const casing = casingOf(call.collation)
    return a.length > LONG ? longWork(initcapSteps, a, casing) : initcap(a, casing)
  },
  casefold: (a, _, call) => casefold(a, casingOf(call.collation)),
  text_substr: substring,
  text_substr_no_len: (text, start) => substring(text, start, null),
  textoverlay: overlay,
  textoverlay_no_len: (text, placed, start) => overlay(text, placed, start, charLength(placed)),
  textpos: position,
  btrim: (text, set) => trim(text, set, true, true),
  btrim1: (text) => trim(text, ' ', true, true),
  ltrim: (text, set) => trim(text, set, true, false),
  ltrim1: (text) => trim(text, ' ', true, false),
  rtrim: (text, set) => trim(text, set, false, true),
  rtrim1: trimBlanks,
  lpad: (text, length, fill) => pad(text, length, fill, true),
  rpad: (text, length, fill) => pad(text, length, fill, false),
  repeat,
  replace_text: replace,
  translate,
  split_part: splitPart,
  text_left: left,
  text_right: right,
  text_reverse: (text) => workOn(text.length, reverseSteps, text),
  text_starts_with: (a, b) => a.startsWith(b),
  ascii: (a) => (a === '' ? 0 : a.codePointAt(0)!),
  chr,
  text_to_array(text, delimiter) {
    return text === null ? null : textArray(split(text, delimiter))
  },
  text_to_array_null(text, delimiter, nullText) {
    return text === null ? null : textArray(nullable(split(text, delimiter), nullText))
  },
  text_to_table: (text, delimiter) => (text === null ? [] : split(text, delimiter)),
  text_to_table_null: (text, delimiter, nullText) => (text === null ? [] : nullable(split(text, delimiter), nullText)),
  unicode_normalize_func: (text, form) => text.normalize(normalForm(form)),
  unicode_is_normalized: (text, form) => text === text.normalize(normalForm(form)),
  unicode_assigned: (text) => !/\p{Cn}/u.test(text),
  unicode_version: () => process.versions['unicode'] ?? '15.0',
  unistr,
  getdatabaseencoding: () => 'UTF8',
  pg_client_encoding: (ctx) => ctx.settings.show('client_encoding', false),
} satisfies Procs

/** Bodies of the functions PostgreSQL writes in SQL, by OID. */
export const stringSqlBodies = {
  879: (text: string, length: number) => pad(text, length, ' ', true),
  880: (text: string, length: number) => pad(text, length, ' ', false),
  1811: (text: string) => Buffer.byteLength(text) * 8,
  1810: (bytes: Uint8Array) => bytes.length * 8,
}
