// One plan for statements that differ only in literals: a lexer that turns a text into a template ($1, $2 … for its literals) and the
// literals' values, without libpg-query. // hot
//
// The rules. A text is lifted only if it is one SELECT, INSERT, UPDATE or DELETE without parameters, comments, dollar quotes or a second
// statement. A literal is lifted only where a parameter of the same type means the same:
//  * integers become int4, int8 or numeric parameters by magnitude, decimals numeric; the class is part of the key (it chooses operators);
//  * '…' strings become parameters of unknown type, which take their type from context exactly as an unknown literal does;
//  * a sign stays outside, and -2147483648 / -9223372036854775808 (which the grammar folds into a narrower type) are left alone;
//  * nothing after ORDER, GROUP, DISTINCT ON, PARTITION, LIMIT, OFFSET, FETCH, WINDOW, OVER, RETURNING, ON CONFLICT, FOR is lifted:
//    there a number is a position, a count, or must equal another expression literally;
//  * nothing inside the brackets of a type modifier (varchar(10), numeric(10,2)), nor a literal right after a word that is not a keyword
//    in front of an expression (interval '1 day', date '…', E'…', B'…', COPY options);
//  * a SELECT's own output list is not lifted (its literals decide types and names of columns), except in INSERT … VALUES.
//  * nothing right after LIKE and ILIKE: the pattern's beginning decides whether an index serves.
// Whoever uses a template and finds that it does not parse or analyse must fall back to the text itself: positions and errors are then
// those of the original. `// invariant` of the fuzz test: with and without lifting give the same rows and column types.

import { LIMITS } from '../../base/limits.ts'

export type LiteralClass = 'int4' | 'int8' | 'numeric' | 'unknown'
export interface Lifted {
  /** The statement with $n in place of its literals, and the literals' classes behind it: equal keys mean equal plans. */
  readonly key: string
  /** The literals' text: digits as written, strings unquoted. */
  readonly values: readonly string[]
}

/** The SQL text of a key and the classes of its parameters. */
export function templateOf(key: string): { text: string; classes: LiteralClass[] } {
  const split = key.lastIndexOf('\0')
  return { text: key.slice(0, split), classes: Array.from(key.slice(split + 1), (c) => CLASSES[c.charCodeAt(0) - 48]!) }
}
const CLASSES: readonly LiteralClass[] = ['int4', 'int8', 'numeric', 'unknown']

const SPACE = 1
const WORD = 2
const DIGIT = 3
const kinds = new Uint8Array(128)
for (const c of ' \t\n\r\f\v') kinds[c.charCodeAt(0)] = SPACE
for (let c = 65; c <= 90; c++) kinds[c] = kinds[c + 32] = WORD
kinds[95] = WORD
for (let c = 48; c <= 57; c++) kinds[c] = DIGIT

/** After these, to the end of the statement, nothing is lifted. */
const STOP = new Set([
  'order',
  'group',
  'limit',
  'offset',
  'fetch',
  'window',
  'over',
  'returning',
  'conflict',
  'for',
  'partition',
  'tablesample',
  'union',
  'intersect',
  'except',
  'having',
  'filter',
  'within',
  'with',
  'json_table',
  'xmltable',
  'select_into',
])
/** Words an expression may follow directly. */
const BEFORE_EXPRESSION = new Set([
  'and',
  'or',
  'not',
  'where',
  'on',
  'in',
  'between',
  'to',
  'from',
  'values',
  'set',
  'when',
  'then',
  'else',
  'any',
  'all',
  'some',
  'case',
  'is',
  'symmetric',
  'similar',
  'escape',
])
const FIRST = new Set(['select', 'insert', 'update', 'delete'])

/** Null when the text is not to be lifted (or holds no literal). */
export function lift(text: string): Lifted | null {
  const length = text.length
  if (length > LIMITS.parseCacheTextLength) return null
  const values: string[] = []
  let classes = ''
  let key = ''
  let copied = 0
  let word = ''
  let first = ''
  // The SELECT output list being skipped: depth at which its SELECT stood, or -1.
  let outputList = -1
  let stopped = false
  let depth = 0
  // Depth of the bracket that holds a type modifier, or -1.
  let typmod = -1
  // What came before: 0 something an expression may follow, 1 an operand, word or closing bracket.
  let operand = 0
  let afterCast = false
  let i = 0
  while (i < length) {
    const c = text.charCodeAt(i)
    const kind = c < 128 ? kinds[c]! : WORD
    if (kind === SPACE) {
      i++
      continue
    }
    if (kind === WORD) {
      const start = i++
      while (i < length) {
        const d = text.charCodeAt(i)
        const k = d < 128 ? kinds[d]! : WORD
        if (k !== WORD && k !== DIGIT && d !== 36) break
        i++
      }
      word = text.slice(start, i).toLowerCase()
      if (first === '') {
        if (!FIRST.has(word)) return null
        first = word
      }
      if (afterCast && !BEFORE_EXPRESSION.has(word) && !STOP.has(word) && word !== 'select') {
        operand = 1
        continue
      }
      if (word === 'select') outputList = depth
      else if (word === 'from' && outputList === depth) outputList = -1
      else if (STOP.has(word)) stopped = true
      afterCast = word === 'as'
      operand = BEFORE_EXPRESSION.has(word) ? 0 : 1
      continue
    }
    if (kind === DIGIT) {
      const start = i++
      let integer = true
      while (i < length) {
        const d = text.charCodeAt(i)
        if (d >= 48 && d <= 57) i++
        else if (d === 46 && integer) {
          integer = false
          i++
        } else break
      }
      const d = i < length ? text.charCodeAt(i) : 32
      // 1e5, 0x1F, 1_000, 1..: rare forms are left to the grammar.
      if (d === 46 || (d < 128 ? kinds[d] === WORD : true)) return null
      if (!stopped && outputList < 0 && typmod < 0 && operand === 0) {
        const digits = text.slice(start, i)
        let literalClass = 2
        if (integer) literalClass = i - start < 10 ? 0 : integerClass(digits)
        if (literalClass < 0) return null
        key += `${text.slice(copied, start)}$${values.push(digits)}`
        classes += literalClass
        copied = i
      }
      operand = 1
      continue
    }
    if (c === 39) {
      const start = i
      let quotes = false
      for (;;) {
        i = text.indexOf("'", i + 1)
        if (i < 0) return null
        if (text.charCodeAt(i + 1) !== 39) break
        quotes = true
        i++
      }
      i++
      if (!stopped && outputList < 0 && typmod < 0 && operand === 0) {
        if (continues(text, i)) return null
        const content = text.slice(start + 1, i - 1)
        key += `${text.slice(copied, start)}$${values.push(quotes ? content.replaceAll("''", "'") : content)}`
        classes += '3'
        copied = i
      }
      operand = 1
      afterCast = false
      continue
    }
    i++
    switch (c) {
      case 40: // (
        depth++
        if (afterCast && operand === 1 && typmod < 0) typmod = depth
        afterCast = false
        operand = 0
        break
      case 41: // )
        if (typmod === depth) typmod = -1
        depth--
        if (outputList > depth) outputList = -1
        afterCast = false
        operand = 1
        break
      case 34: // "
        for (;;) {
          i = text.indexOf('"', i)
          if (i < 0) return null
          if (text.charCodeAt(++i) !== 34) break
          i++
        }
        operand = 1
        break
      case 58: // ::
        afterCast = text.charCodeAt(i) === 58
        if (!afterCast) return null
        i++
        operand = 1
        break
      case 46: // . of a qualified name, or of a number like .5
        if (i < length && kinds[text.charCodeAt(i)] === DIGIT) return null
        operand = 1
        break
      case 59: // ;
        while (i < length) if (kinds[text.charCodeAt(i++)] !== SPACE) return null
        break
      case 36: // $
      case 0:
        return null
      case 45: // -
        if (text.charCodeAt(i) === 45) return null
        if (operand === 0 && foldsWithSign(text, i)) return null
        operand = 0
        afterCast = false
        break
      case 47: // /
        if (text.charCodeAt(i) === 42) return null
        operand = 0
        afterCast = false
        break
      case 93: // ]
        operand = 1
        break
      default:
        operand = 0
        afterCast = false
    }
  }
  if (values.length === 0 || values.length > LIMITS.maxLiftedLiterals) return null
  return { key: `${key}${text.slice(copied)}\0${classes}`, values }
}

function integerClass(digits: string): number {
  if (digits.length > 25) return -1
  const value = BigInt(digits)
  // The two magnitudes whose negation is narrower: a sign before them, if any, was seen apart.
  if (value <= 2147483647n) return 0
  return value <= 9223372036854775807n ? 1 : 2
}

/** A minus sign directly before 2147483648 or 9223372036854775808. */
function foldsWithSign(text: string, i: number): boolean {
  let j = i
  while (kinds[text.charCodeAt(j)] === SPACE) j++
  return text.startsWith('2147483648', j) || text.startsWith('9223372036854775808', j)
}

/** A string continued on the next line ('a' newline 'b'). */
function continues(text: string, i: number): boolean {
  let newline = false
  for (let j = i; j < text.length; j++) {
    const c = text.charCodeAt(j)
    if (c === 10 || c === 13) newline = true
    else if (c === 39) return newline
    else if (kinds[c] !== SPACE) return false
  }
  return false
}
