// The template language of to_char and to_number over numbers: digit, sign and literal patterns.

import { PgError } from '../../base/errors.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

export type Pattern =
  | '9'
  | '0'
  | '.'
  | 'D'
  | ','
  | 'G'
  | 'S'
  | 'MI'
  | 'PL'
  | 'SG'
  | 'PR'
  | 'RN'
  | 'rn'
  | 'TH'
  | 'th'
  | 'V'
  | 'EEEE'
  | 'L'
  | 'B'
  | 'FM'
  /** PostgreSQL knows the word and does nothing for it. */
  | 'SP'
type Node = { readonly pattern: Pattern } | { readonly literal: string }

export interface Template {
  readonly nodes: readonly Node[]
  readonly pre: number
  readonly post: number
  readonly multi: number
  readonly isMulti: boolean
  readonly zeroStart: number
  readonly zeroEnd: number
  readonly hasZero: boolean
  readonly decimal: boolean
  readonly fill: boolean
  readonly sign: 'none' | 'pre' | 'post'
  readonly signAt: number
  readonly minus: boolean
  readonly plus: boolean
  readonly bracket: boolean
  readonly roman: 'RN' | 'rn' | null
  readonly scientific: boolean
}

const WORDS: readonly (readonly [string, Pattern])[] = [
  ['EEEE', 'EEEE'],
  ['eeee', 'EEEE'],
  ['FM', 'FM'],
  ['fm', 'FM'],
  ['MI', 'MI'],
  ['mi', 'MI'],
  ['PL', 'PL'],
  ['pl', 'PL'],
  ['PR', 'PR'],
  ['pr', 'PR'],
  ['RN', 'RN'],
  ['rn', 'rn'],
  ['SG', 'SG'],
  ['sg', 'SG'],
  ['SP', 'SP'],
  ['sp', 'SP'],
  ['TH', 'TH'],
  ['th', 'th'],
  ['9', '9'],
  ['0', '0'],
  ['.', '.'],
  [',', ','],
  ['B', 'B'],
  ['b', 'B'],
  ['D', 'D'],
  ['d', 'D'],
  ['G', 'G'],
  ['g', 'G'],
  ['L', 'L'],
  ['l', 'L'],
  ['S', 'S'],
  ['s', 'S'],
  ['V', 'V'],
  ['v', 'V'],
]

const bad = (message: string, detail?: string): PgError =>
  new PgError(SQLSTATE.syntaxError, message, detail === undefined ? {} : { detail })

function parse(format: string): Template {
  const nodes: Node[] = []
  let pre = 0
  let post = 0
  let multi = 0
  let zeroStart = 0
  let zeroEnd = 0
  let hasZero = false
  let decimal = false
  let fill = false
  let sign: Template['sign'] = 'none'
  let signAt = 0
  let minus = false
  let plus = false
  let bracket = false
  let roman: Template['roman'] = null
  let scientific = false
  let isMulti = false
  let blank = false
  const together = (): PgError => bad('cannot use "S" and "PL"/"MI"/"SG"/"PR" together')
  let at = 0
  while (at < format.length) {
    const c = format[at]!
    if (c === '"') {
      let literal = ''
      for (at++; at < format.length && format[at] !== '"'; at++) {
        if (format[at] === '\\' && at + 1 < format.length) at++
        literal += format[at]
      }
      at++
      nodes.push({ literal })
      continue
    }
    const word = WORDS.find(([text]) => format.startsWith(text, at))
    if (word === undefined) {
      if (c === '\\' && format[at + 1] === '"') at++
      const code = format.codePointAt(at)!
      const literal = String.fromCodePoint(code)
      nodes.push({ literal })
      at += literal.length
      continue
    }
    at += word[0].length
    const pattern = word[1]
    nodes.push({ pattern })
    if (scientific) throw bad(pattern === 'EEEE' ? 'cannot use "EEEE" twice' : '"EEEE" must be the last pattern used')
    switch (pattern) {
      case '9':
        if (bracket) throw bad('"9" must be ahead of "PR"')
        if (isMulti) multi++
        else if (decimal) post++
        else pre++
        break
      case '0':
        if (bracket) throw bad('"0" must be ahead of "PR"')
        if (!hasZero && !decimal) {
          hasZero = true
          zeroStart = pre
        }
        if (decimal) post++
        else pre++
        zeroEnd = pre + post
        break
      case 'B':
        if (pre === 0 && post === 0 && !hasZero) blank = true
        break
      case '.':
      case 'D':
        if (decimal) throw bad('multiple decimal points')
        if (isMulti) throw bad('cannot use "V" and decimal point together')
        decimal = true
        break
      case 'FM':
        fill = true
        break
      case 'S':
        if (sign !== 'none') throw bad('cannot use "S" twice')
        if (plus || minus || bracket) throw together()
        if (!decimal) {
          sign = 'pre'
          signAt = pre
        } else sign = 'post'
        break
      case 'MI':
        if (sign !== 'none') throw bad('cannot use "S" and "MI" together')
        minus = true
        break
      case 'PL':
        if (sign !== 'none') throw bad('cannot use "S" and "PL" together')
        plus = true
        break
      case 'SG':
        if (sign !== 'none') throw bad('cannot use "S" and "SG" together')
        minus = true
        plus = true
        break
      case 'PR':
        if (sign !== 'none' || plus || minus) throw bad('cannot use "PR" and "S"/"PL"/"MI"/"SG" together')
        bracket = true
        break
      case 'RN':
      case 'rn':
        if (roman !== null) throw bad('cannot use "RN" twice')
        roman = pattern
        break
      case 'V':
        if (decimal) throw bad('cannot use "V" and decimal point together')
        isMulti = true
        break
      case 'EEEE':
        if (blank || fill || sign !== 'none' || bracket || minus || plus || roman !== null || isMulti) {
          throw bad('"EEEE" is incompatible with other formats', '"EEEE" may only be used together with digit and decimal point patterns.')
        }
        scientific = true
        break
      default:
    }
    if (roman !== null && (blank || hasZero || decimal || sign !== 'none' || bracket || minus || plus || isMulti))
      throw bad('"RN" is incompatible with other formats', '"RN" may only be used together with "FM".')
  }
  return {
    nodes,
    pre,
    post,
    multi,
    isMulti,
    zeroStart,
    zeroEnd,
    hasZero,
    decimal,
    fill,
    sign,
    signAt,
    minus,
    plus,
    bracket,
    roman,
    scientific,
  }
}

const cache = new LruMap<string, Template>(256)
export function templateOf(format: string): Template {
  let template = cache.get(format)
  if (template === undefined) {
    template = parse(format)
    cache.set(format, template)
  }
  return template
}
