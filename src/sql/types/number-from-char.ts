// to_number: reads a number by the template of to_char, leniently about what stands between the digits.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { toRoman } from './number-format.ts'
import { type Pattern, type Template, templateOf } from './number-template.ts'
import { applyNumericTypmod, makeNumericTypmod, NUMERIC_TEN, Numeric, parseNumeric } from './numeric.ts'
import { mulNumeric, powerNumeric } from './numeric-math.ts'

const ROMAN_LENGTH = 15

const isDigit = (c: string | undefined): boolean => c !== undefined && c >= '0' && c <= '9'

class NumberReader {
  readonly #text: string
  readonly #template: Template
  #at = 0
  #sign = ''
  #number = ''
  /** Digits before and behind the point. */
  #whole = 0
  #fraction = 0
  #pointSeen = false

  constructor(text: string, template: Template) {
    this.#text = text
    this.#template = template
  }

  get #ended(): boolean {
    return this.#at >= this.#text.length
  }

  get #next(): string | undefined {
    return this.#text[this.#at]
  }

  #skipCharacter(): void {
    this.#at += String.fromCodePoint(this.#text.codePointAt(this.#at)!).length
  }

  /** Up to `count` characters that belong to no number. */
  #skipOthers(count: number): void {
    for (let i = 0; i < count && !this.#ended && !/[0-9.,+-]/.test(this.#next!); i++) this.#skipCharacter()
  }

  /** The sign if it stands here as one of `signs`. */
  #takeSign(signs: string): boolean {
    const c = this.#next
    if (c === undefined || !signs.includes(c)) return false
    this.#sign = c === '+' ? '+' : '-'
    this.#at++
    return true
  }

  /** One digit or the point, with a sign before the first or behind the last. */
  #digit(pattern: Pattern): void {
    const { sign, bracket, decimal, post, plus, minus } = this.#template
    if (this.#next === ' ') this.#at++
    if (this.#ended) return
    const begun = this.#whole + this.#fraction > 0
    if (this.#sign === '' && !begun && (pattern === '0' || pattern === '9')) this.#takeSign(bracket ? '-+<' : '-+')
    if (this.#ended) return
    let read = false
    if (isDigit(this.#next)) {
      if (this.#pointSeen && this.#fraction === post) return
      this.#number += this.#next
      if (this.#pointSeen) this.#fraction++
      else this.#whole++
      read = true
    } else if (decimal && !this.#pointSeen && this.#next === '.') {
      this.#number += '.'
      this.#pointSeen = true
      read = true
    }
    if (this.#sign !== '' || this.#whole + this.#fraction === 0) return
    if (sign !== 'none') {
      const behind = this.#text[this.#at + 1]
      if (!read || behind === undefined || isDigit(behind)) return
      // the caller steps over the sign
      if (behind === '-' || behind === '+') {
        this.#sign = behind
        this.#at++
      }
    } else if (!read && (plus || minus) && (this.#next === '-' || this.#next === '+')) this.#sign = this.#next
  }

  /** Answers whether the character here was used up. */
  #step(pattern: Pattern): boolean {
    const { fill, decimal } = this.#template
    switch (pattern) {
      case '9':
      case '0':
      case '.':
      case 'D':
        this.#digit(pattern)
        return true
      case ',':
      case 'G':
        return !fill && this.#next === ','
      case 'L':
        this.#skipOthers(1)
        return false
      case 'TH':
      case 'th':
        if (this.#sign !== '-' && !decimal) this.#skipOthers(2)
        return false
      case 'MI':
      case 'PL':
      case 'SG': {
        const signs = pattern === 'MI' ? '-' : pattern === 'PL' ? '+' : '-+'
        if (signs.includes(this.#next!)) {
          this.#sign = this.#next!
          return true
        }
        this.#skipOthers(1)
        return false
      }
      default:
        return false
    }
  }

  read(): string {
    for (const node of this.#template.nodes) {
      if (this.#ended) break
      if ('literal' in node) this.#skipCharacter()
      else if (this.#step(node.pattern)) this.#at++
    }
    const number = this.#number.endsWith('.') ? this.#number.slice(0, -1) : this.#number
    return `${this.#sign === '' ? ' ' : this.#sign}${number}`
  }

  get fraction(): number {
    return this.#fraction
  }

  roman(): number {
    for (const node of this.#template.nodes) {
      if (this.#ended || ('pattern' in node && (node.pattern === 'RN' || node.pattern === 'rn'))) break
      if ('literal' in node) this.#skipCharacter()
    }
    const word = /^\s*([MDCLXVI]+)/i.exec(this.#text.slice(this.#at))?.[1]?.slice(0, ROMAN_LENGTH).toUpperCase()
    for (let n = 1; n <= 3999; n++) if (toRoman(n) === word) return n
    throw new PgError(SQLSTATE.invalidTextRepresentation, 'invalid Roman numeral')
  }
}

export function toNumber(text: string, format: string): Numeric | null {
  if (format === '') return null
  const template = templateOf(format)
  if (template.scientific) throw new PgError(SQLSTATE.featureNotSupported, '"EEEE" not supported for input')
  const reader = new NumberReader(text, template)
  if (template.roman !== null) return new Numeric(reader.roman(), 0)
  const number = reader.read()
  const value = parseNumeric(number)
  if (value === null) throw new PgError(SQLSTATE.invalidTextRepresentation, `invalid input syntax for type numeric: "${number}"`)
  const fitted = applyNumericTypmod(value, makeNumericTypmod(template.pre + template.multi + reader.fraction, reader.fraction))
  return template.isMulti ? mulNumeric(fitted, powerNumeric(NUMERIC_TEN, new Numeric(-template.multi, 0))) : fitted
}
