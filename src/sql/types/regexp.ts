// The regular expression operators and functions over text, and SIMILAR TO, which is translated to a regular expression.

import { PgError } from '../../base/errors.ts'
import { type Steps, workOn } from '../../base/long-work.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { TYPE_OID } from '../builtin/data/type-oids.ts'
import { type ArrayDatum, makeArray } from './array.ts'
import { checkFieldSize } from './chars.ts'
import type { EvalContext } from './eval-context.ts'
import type { Procs } from './procs.ts'
import type { Options } from './regex/ast.ts'
import { compileRegex, exec, type Match, type Regex, test, toCodes } from './regex/match.ts'
import type { Codes } from './regex/nfa.ts'

const invalid = (message: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidParameterValue, message, hint === undefined ? {} : { hint })

const PLAIN: Options = { ignoreCase: false, newlineStops: false, newlineAnchors: false, expanded: false, quoted: false, flavor: 'advanced' }
const IGNORE_CASE: Options = { ...PLAIN, ignoreCase: true }

interface Flags {
  readonly options: Options
  readonly global: boolean
}

function parseFlags(flags: string): Flags {
  const options = { ...PLAIN }
  let global = false
  for (const flag of flags) {
    switch (flag) {
      case 'g':
        global = true
        break
      case 'b':
        options.flavor = 'basic'
        break
      case 'c':
        options.ignoreCase = false
        break
      case 'e':
        options.flavor = 'extended'
        break
      case 'i':
        options.ignoreCase = true
        break
      case 'm':
      case 'n':
        options.newlineStops = options.newlineAnchors = true
        break
      case 'p':
        options.newlineStops = true
        options.newlineAnchors = false
        break
      case 'q':
        options.quoted = true
        break
      case 's':
        options.newlineStops = options.newlineAnchors = false
        break
      case 't':
        options.expanded = false
        break
      case 'w':
        options.newlineStops = false
        options.newlineAnchors = true
        break
      case 'x':
        options.expanded = true
        break
      default:
        throw invalid(`invalid regular expression option: "${flag}"`)
    }
  }
  return { options, global }
}

function notGlobal(flags: string, name: string, hint?: string): Options {
  const { options, global } = parseFlags(flags)
  if (global) throw invalid(`${name}() does not support the "global" option`, hint)
  return options
}

const poll = (ctx: EvalContext) => (): void => ctx.cancel.poll()

const matches = (text: string, pattern: string, ctx: EvalContext): boolean => test(compileRegex(pattern, PLAIN), text, poll(ctx))
const matchesIgnoreCase = (text: string, pattern: string, ctx: EvalContext): boolean =>
  test(compileRegex(pattern, IGNORE_CASE), text, poll(ctx))

/** A text being searched: its characters, and pieces of it by character offsets. */
interface Subject {
  readonly codes: Codes
  piece(from: number, to: number): string
}

/** Characters [from, to): offsets into the text itself would have to be counted from its beginning. */
function textOf(codes: Codes, from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; at += 4096) text += String.fromCodePoint(...codes.subarray(at, Math.min(at + 4096, to)))
  return text
}

function subject(text: string): Subject {
  const codes = toCodes(text)
  return { codes, piece: codes.length === text.length ? (from, to) => text.slice(from, to) : (from, to) => textOf(codes, from, to) }
}

/**
 * The matches one after the other. `skipEmpty` (for splitting) leaves out empty matches at the end and right behind the match before.
 */
function* allMatches(
  regex: Regex,
  codes: Codes,
  from: number,
  global: boolean,
  captures: boolean,
  skipEmpty: boolean,
  ctx: EvalContext,
): Generator<Match> {
  let search = from
  let previousEnd = 0
  let tries = 0
  while (search <= codes.length) {
    // each search has steps of its own, which may be few
    if ((++tries & 255) === 0) ctx.cancel.poll()
    const match = exec(regex, codes, search, captures, poll(ctx))
    if (match === null) return
    const [start, end] = [match[0]!, match[1]!]
    if (!skipEmpty || (start < codes.length && end > previousEnd)) yield match
    previousEnd = end
    if (!global) return
    search = start === end ? end + 1 : end
  }
}

/** The groups of a match, or the whole when the expression has none. */
function groupArray(regex: Regex, s: Subject, match: Match): ArrayDatum {
  if (regex.groups === 0) return makeArray(TYPE_OID.text, [s.piece(match[0]!, match[1]!)])
  const parts: (string | null)[] = []
  for (let i = 1; i <= regex.groups; i++) parts.push(match[2 * i]! < 0 ? null : s.piece(match[2 * i]!, match[2 * i + 1]!))
  return makeArray(TYPE_OID.text, parts)
}

function firstMatch(text: string, pattern: string, flags: string, ctx: EvalContext): ArrayDatum | null {
  const regex = compileRegex(pattern, notGlobal(flags, 'regexp_match', 'Use the regexp_matches function instead.'))
  const s = subject(text)
  const match = exec(regex, s.codes, 0, true, poll(ctx))
  return match === null ? null : groupArray(regex, s, match)
}

function* everyMatch(text: string, pattern: string, flags: string, ctx: EvalContext): Generator<ArrayDatum> {
  const { options, global } = parseFlags(flags)
  const regex = compileRegex(pattern, options)
  const s = subject(text)
  for (const match of allMatches(regex, s.codes, 0, global, true, false, ctx)) yield groupArray(regex, s, match)
}

function* splitBy(text: string, pattern: string, flags: string, name: string, ctx: EvalContext): Generator<string> {
  const regex = compileRegex(pattern, notGlobal(flags, name))
  const s = subject(text)
  let from = 0
  for (const match of allMatches(regex, s.codes, 0, true, false, true, ctx)) {
    yield s.piece(from, match[0]!)
    from = match[1]!
  }
  yield s.piece(from, s.codes.length)
}

const splitToArray = (text: string, pattern: string, flags: string, ctx: EvalContext): ArrayDatum =>
  workOn(text.length, splitSteps, text, pattern, flags, ctx)

function* splitSteps(text: string, pattern: string, flags: string, ctx: EvalContext): Steps<ArrayDatum> {
  const parts: string[] = []
  for (const part of splitBy(text, pattern, flags, 'regexp_split_to_array', ctx)) if ((parts.push(part) & STEP) === 0) yield
  return makeArray(TYPE_OID.text, parts)
}

/** \1 … \9, \& and \\ in a replacement. */
function expand(replacement: string, s: Subject, match: Match): string {
  return replacement.replace(/\\([1-9&\\])/g, (_all, what: string) => {
    if (what === '\\') return '\\'
    const group = what === '&' ? 0 : Number(what)
    const start = match[2 * group]
    return start === undefined || start < 0 ? '' : s.piece(start, match[2 * group + 1]!)
  })
}

/** Long texts are gone through in steps of so many matches (less one). */
const STEP = 127

/** regexp_replace: the n-th match from character `start`, or all when `n` is 0. */
function* replaceSteps(text: string, regex: Regex, replacement: string, start: number, n: number, ctx: EvalContext): Steps<string> {
  const s = subject(text)
  const escapes = replacement.includes('\\')
  let result = ''
  let copied = 0
  let count = 0
  for (const match of allMatches(regex, s.codes, start, true, escapes, false, ctx)) {
    count++
    if ((count & STEP) === 0) yield
    if (n > 0 && count !== n) continue
    result += s.piece(copied, match[0]!) + (escapes ? expand(replacement, s, match) : replacement)
    checkFieldSize(result.length)
    copied = match[1]!
    if (n > 0) break
  }
  return copied === 0 && result === '' ? text : result + s.piece(copied, s.codes.length)
}

const replace = (text: string, regex: Regex, replacement: string, start: number, n: number, ctx: EvalContext): string =>
  workOn(text.length, replaceSteps, text, regex, replacement, start, n, ctx)

function checkParameter(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): number {
  if (value < low || value > high) throw invalid(`invalid value for parameter "${name}": ${value}`)
  return value
}

function replaceFlags(text: string, pattern: string, replacement: string, flags: string, ctx: EvalContext): string {
  if (/^[0-9]/.test(flags))
    throw invalid(
      `invalid regular expression option: "${flags[0]}"`,
      'If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.',
    )
  const { options, global } = parseFlags(flags)
  return replace(text, compileRegex(pattern, options), replacement, 0, global ? 0 : 1, ctx)
}

function replaceFrom(
  text: string,
  pattern: string,
  replacement: string,
  start: number,
  n: number,
  flags: string,
  ctx: EvalContext,
): string {
  checkParameter('start', start, 1)
  checkParameter('n', n, 0)
  return replace(text, compileRegex(pattern, parseFlags(flags).options), replacement, start - 1, n, ctx)
}

function count(text: string, pattern: string, start: number, flags: string, ctx: EvalContext): number {
  checkParameter('start', start, 1)
  const regex = compileRegex(pattern, notGlobal(flags, 'regexp_count'))
  return workOn(text.length, countSteps, text, regex, start, ctx)
}

function* countSteps(text: string, regex: Regex, start: number, ctx: EvalContext): Steps<number> {
  let total = 0
  for (const _ of allMatches(regex, toCodes(text), start - 1, true, false, false, ctx)) if ((++total & STEP) === 0) yield
  return total
}

/** The n-th match from `start`, or null. */
function nth(regex: Regex, s: Subject, start: number, n: number, ctx: EvalContext): Match | null {
  let seen = 0
  for (const match of allMatches(regex, s.codes, start - 1, true, true, false, ctx)) if (++seen === n) return match
  return null
}

function instr(
  text: string,
  pattern: string,
  start: number,
  n: number,
  end: number,
  flags: string,
  group: number,
  ctx: EvalContext,
): number {
  checkParameter('start', start, 1)
  checkParameter('n', n, 1)
  checkParameter('endoption', end, 0, 1)
  checkParameter('subexpr', group, 0)
  const regex = compileRegex(pattern, notGlobal(flags, 'regexp_instr'))
  if (group > regex.groups) return 0
  const match = nth(regex, subject(text), start, n, ctx)
  if (match === null || match[2 * group]! < 0) return 0
  return match[2 * group + end]! + 1
}

function substr(text: string, pattern: string, start: number, n: number, flags: string, group: number, ctx: EvalContext): string | null {
  checkParameter('start', start, 1)
  checkParameter('n', n, 1)
  checkParameter('subexpr', group, 0)
  const regex = compileRegex(pattern, notGlobal(flags, 'regexp_substr'))
  if (group > regex.groups) return null
  const s = subject(text)
  const match = nth(regex, s, start, n, ctx)
  return match === null || match[2 * group]! < 0 ? null : s.piece(match[2 * group]!, match[2 * group + 1]!)
}

/** substring(text from pattern): the first group if there is one, else the whole match. */
function substring(text: string, pattern: string, ctx: EvalContext): string | null {
  const regex = compileRegex(pattern, PLAIN)
  const s = subject(text)
  const match = exec(regex, s.codes, 0, regex.groups > 0, poll(ctx))
  if (match === null) return null
  const at = regex.groups > 0 ? 2 : 0
  return match[at]! < 0 ? null : s.piece(match[at]!, match[at + 1]!)
}

/** A SIMILAR TO pattern as a regular expression; `escape` null = backslash, '' = none. */
export function similarToRegex(pattern: string, escapeText: string | null): string {
  const escapeChar = escapeText ?? '\\'
  if (Array.from(escapeChar).length > 1)
    throw new PgError(SQLSTATE.invalidEscapeSequence, 'invalid escape string', { hint: 'Escape string must be empty or one character.' })
  let result = '^(?:'
  let escaped = false
  let quotes = 0
  /** 0 outside brackets; 1 right behind [, 2 behind [^, 3 inside. */
  let bracket = 0
  for (const char of pattern) {
    if (escaped) {
      if (char === '"' && bracket === 0) {
        if (quotes === 0) result += '){1,1}?('
        else if (quotes === 1) result += '){1,1}(?:'
        else
          throw new PgError(
            SQLSTATE.invalidUseOfEscapeCharacter,
            'SQL regular expression may not contain more than two escape-double-quote separators',
          )
        quotes++
      } else {
        result += `\\${char}`
        if (bracket > 0) bracket = 3
      }
      escaped = false
    } else if (char === escapeChar) escaped = true
    else if (bracket > 0) {
      result += char === '\\' ? '\\\\' : char
      if (char === ']' && bracket === 3) bracket = 0
      else bracket = char === '^' && bracket === 1 ? 2 : 3
    } else if (char === '[') {
      result += char
      bracket = 1
    } else if (char === '%') result += '.*'
    else if (char === '_') result += '.'
    else if (char === '(') result += '(?:'
    else if (char === '\\' || char === '.' || char === '^' || char === '$') result += `\\${char}`
    else result += char
  }
  return `${result})$`
}

export const regexpProcs = {
  textregexeq: matches,
  textregexne: (text, pattern, ctx) => !matches(text, pattern, ctx),
  texticregexeq: matchesIgnoreCase,
  texticregexne: (text, pattern, ctx) => !matchesIgnoreCase(text, pattern, ctx),
  nameregexeq: matches,
  nameregexne: (text, pattern, ctx) => !matches(text, pattern, ctx),
  nameicregexeq: matchesIgnoreCase,
  nameicregexne: (text, pattern, ctx) => !matchesIgnoreCase(text, pattern, ctx),
  regexp_like_no_flags: matches,
  regexp_like: (text, pattern, flags, ctx) => test(compileRegex(pattern, notGlobal(flags, 'regexp_like')), text, poll(ctx)),
  regexp_count_no_start: (text, pattern, ctx) => count(text, pattern, 1, '', ctx),
  regexp_count_no_flags: (text, pattern, start, ctx) => count(text, pattern, start, '', ctx),
  regexp_count: count,
  regexp_instr_no_start: (text, pattern, ctx) => instr(text, pattern, 1, 1, 0, '', 0, ctx),
  regexp_instr_no_n: (text, pattern, start, ctx) => instr(text, pattern, start, 1, 0, '', 0, ctx),
  regexp_instr_no_endoption: (text, pattern, start, n, ctx) => instr(text, pattern, start, n, 0, '', 0, ctx),
  regexp_instr_no_flags: (text, pattern, start, n, end, ctx) => instr(text, pattern, start, n, end, '', 0, ctx),
  regexp_instr_no_subexpr: (text, pattern, start, n, end, flags, ctx) => instr(text, pattern, start, n, end, flags, 0, ctx),
  regexp_instr: instr,
  regexp_substr_no_start: (text, pattern, ctx) => substr(text, pattern, 1, 1, '', 0, ctx),
  regexp_substr_no_n: (text, pattern, start, ctx) => substr(text, pattern, start, 1, '', 0, ctx),
  regexp_substr_no_flags: (text, pattern, start, n, ctx) => substr(text, pattern, start, n, '', 0, ctx),
  regexp_substr_no_subexpr: (text, pattern, start, n, flags, ctx) => substr(text, pattern, start, n, flags, 0, ctx),
  regexp_substr: substr,
  regexp_match_no_flags: (text, pattern, ctx) => firstMatch(text, pattern, '', ctx),
  regexp_match: firstMatch,
  regexp_matches_no_flags: (text, pattern, ctx) => everyMatch(text, pattern, '', ctx),
  regexp_matches: everyMatch,
  regexp_split_to_array_no_flags: (text, pattern, ctx) => splitToArray(text, pattern, '', ctx),
  regexp_split_to_array: splitToArray,
  regexp_split_to_table_no_flags: (text, pattern, ctx) => splitBy(text, pattern, '', 'regexp_split_to_table', ctx),
  regexp_split_to_table: (text, pattern, flags, ctx) => splitBy(text, pattern, flags, 'regexp_split_to_table', ctx),
  textregexreplace_noopt: (text, pattern, replacement, ctx) => replace(text, compileRegex(pattern, PLAIN), replacement, 0, 1, ctx),
  textregexreplace: replaceFlags,
  textregexreplace_extended: replaceFrom,
  textregexreplace_extended_no_flags: (text, pattern, replacement, start, n, ctx) =>
    replaceFrom(text, pattern, replacement, start, n, '', ctx),
  textregexreplace_extended_no_n: (text, pattern, replacement, start, ctx) => replaceFrom(text, pattern, replacement, start, 1, '', ctx),
  textregexsubstr: substring,
  similar_escape: (pattern, escapeText) => (pattern === null ? null : similarToRegex(pattern, escapeText)),
  similar_to_escape_1: (pattern) => similarToRegex(pattern, null),
  similar_to_escape_2: similarToRegex,
} satisfies Procs

/** Bodies of the functions PostgreSQL writes in SQL, by OID: substring(text similar pattern escape). */
export const regexpSqlBodies = {
  2074: (text: string, pattern: string, escapeText: string, ctx: EvalContext) => substring(text, similarToRegex(pattern, escapeText), ctx),
}
