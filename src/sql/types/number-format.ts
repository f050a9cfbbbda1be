// to_char and to_number over numbers: the template language with its digit, sign and literal patterns.

import { PgError } from '../../base/errors.ts'
import { LruMap } from '../../base/lru.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { digitCount, formatNumeric, isSpecial, Numeric, parseNumeric, roundNumeric, type Unscaled } from './numeric.ts'
import { mulNumeric } from './numeric-math.ts'

type Pattern =
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
type Node = { readonly pattern: Pattern } | { readonly literal: string }

interface Template {
  readonly nodes: readonly Node[]
  readonly pre: number
  readonly post: number
  readonly multi: number
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
    if (scientific) throw bad('"EEEE" must be the last pattern used')
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
        if (blank || sign !== 'none' || bracket || minus || plus || isMulti || decimal || pre > 0) {
          throw bad('"RN" is incompatible with other formats', '"RN" may only be used together with "FM".')
        }
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
  }
  return { nodes, pre, post, multi, zeroStart, zeroEnd, hasZero, decimal, fill, sign, signAt, minus, plus, bracket, roman, scientific }
}

const cache = new LruMap<string, Template>(256)
function templateOf(format: string): Template {
  let template = cache.get(format)
  if (template === undefined) {
    template = parse(format)
    cache.set(format, template)
  }
  return template
}

const ROMAN: readonly (readonly [number, string])[] = [
  [1000, 'M'],
  [900, 'CM'],
  [500, 'D'],
  [400, 'CD'],
  [100, 'C'],
  [90, 'XC'],
  [50, 'L'],
  [40, 'XL'],
  [10, 'X'],
  [9, 'IX'],
  [5, 'V'],
  [4, 'IV'],
  [1, 'I'],
]

export function toRoman(n: number): string {
  if (!(n >= 1 && n <= 3999)) return '#'.repeat(15)
  let rest = n
  let out = ''
  for (const [value, text] of ROMAN) {
    while (rest >= value) {
      out += text
      rest -= value
    }
  }
  return out
}

/** `st`, `nd`, `rd`, `th` for a number's text. */
export function ordinalSuffix(digits: string, upper: boolean): string {
  if (!/\d$/.test(digits)) throw new PgError(SQLSTATE.invalidTextRepresentation, `"${digits}" is not a number`)
  const last = digits[digits.length - 1]
  const teen = digits.length > 1 && digits[digits.length - 2] === '1'
  const suffix = teen ? 'th' : last === '1' ? 'st' : last === '2' ? 'nd' : last === '3' ? 'rd' : 'th'
  return upper ? suffix.toUpperCase() : suffix
}

/** Fills the template with |number| written as `digits` (`##.##` when it does not fit). NUM_processor and NUM_numpart_to_char. */
function fillTemplate(t: Template, numberText: string, negative: boolean, pre: number, outPreSpaces: number, value: () => number): string {
  const sign = negative ? '-' : '+'
  let lsign = t.sign
  let bracket = t.bracket
  let signWrote: boolean
  if (t.plus || t.minus) signWrote = !(t.plus && !t.minus)
  else {
    if (!negative && t.fill) bracket = false
    signWrote = !negative && t.fill && t.sign === 'none'
    if (lsign === 'pre' && pre === t.signAt) lsign = 'post'
  }
  let lastRelevant = -1
  if (t.fill && t.decimal) {
    const point = numberText.indexOf('.')
    if (point >= 0) {
      let end = numberText.length - 1
      while (end > point && numberText[end] === '0') end--
      lastRelevant = end
      if (t.zeroEnd > outPreSpaces) {
        const lastZero = Math.min(numberText.length - 1, t.zeroEnd - outPreSpaces)
        if (lastRelevant < lastZero) lastRelevant = lastZero
      }
    }
  }
  let count = t.post + pre - 1
  if (!signWrote && outPreSpaces === 0) count++
  let out = ''
  let numIn = false
  let curr = 0
  let p = 0
  let ended = false
  const predecSpace = (): boolean => !t.hasZero && p === 0 && numberText[0] === '0' && t.post !== 0
  const lastIsPoint = (): boolean => lastRelevant >= 0 && numberText[lastRelevant] === '.'
  const part = (pattern: '9' | '0' | '.'): void => {
    numIn = false
    if (!signWrote && (curr >= outPreSpaces || (t.hasZero && t.zeroStart === curr)) && (!predecSpace() || lastIsPoint())) {
      if (lsign !== 'none') {
        if (lsign === 'pre') {
          out += sign
          signWrote = true
        }
      } else if (bracket) {
        out += negative ? '<' : ' '
        signWrote = true
      } else if (!negative) {
        if (!t.fill) out += ' '
        signWrote = true
      } else {
        out += '-'
        signWrote = true
      }
    }
    if (curr < outPreSpaces && (t.zeroStart > curr || !t.hasZero)) {
      if (!t.fill) out += ' '
    } else if (t.hasZero && curr < outPreSpaces && t.zeroStart <= curr) {
      out += '0'
      numIn = true
    } else {
      const c = numberText[p]
      if (c === '.') {
        if (lastRelevant < 0 || !lastIsPoint() || t.fill) out += '.'
      } else if (lastRelevant >= 0 && p > lastRelevant && pattern !== '0') {
        // a trailing zero that FM drops
      } else if (predecSpace()) {
        if (!t.fill) out += ' '
        else if (lastIsPoint()) out += '0'
      } else if (c === undefined) ended = true
      else {
        out += c
        numIn = true
      }
      if (c !== undefined) p++
    }
    let end = count + (outPreSpaces > 0 ? 1 : 0) + (t.decimal ? 1 : 0)
    if (lastRelevant >= 0 && lastRelevant === p) end = curr
    if (curr + 1 === end) {
      if (signWrote && bracket) out += negative ? '>' : ' '
      else if (lsign === 'post') out += sign
    }
    curr++
  }
  for (const node of t.nodes) {
    if (ended) break
    if ('literal' in node) {
      out += node.literal
      continue
    }
    switch (node.pattern) {
      case '9':
        part('9')
        break
      case '0':
        part('0')
        break
      case '.':
      case 'D':
        part('.')
        break
      case ',':
      case 'G':
        if (numIn) out += ','
        else if (!t.fill) out += ' '
        break
      case 'L':
        out += t.fill ? '' : ' '
        break
      case 'RN':
      case 'rn': {
        const roman = toRoman(value())
        const text = node.pattern === 'rn' ? roman.toLowerCase() : roman
        out += t.fill ? text : text.padStart(15)
        break
      }
      case 'TH':
      case 'th':
        if (t.roman === null && numberText[0] !== '#' && !negative && !t.decimal) out += ordinalSuffix(numberText, node.pattern === 'TH')
        break
      case 'MI':
        out += negative ? '-' : t.fill ? '' : ' '
        break
      case 'PL':
        out += !negative ? '+' : t.fill ? '' : ' '
        break
      case 'SG':
        out += sign
        break
      default:
    }
  }
  return out
}

/** `text` is the plain decimal form, already rounded to the template's digits. */
function render(t: Template, text: string, pre: number, value: () => number): string {
  const negative = text.startsWith('-')
  let number = negative ? text.slice(1) : text
  const point = number.indexOf('.')
  const whole = point < 0 ? number.length : point
  let spaces = 0
  if (whole < pre) spaces = pre - whole
  else if (whole > pre) number = `${'#'.repeat(pre)}.${'#'.repeat(t.post)}`
  return fillTemplate(t, number, negative, pre, spaces, value)
}

/** d.ddde+xx */
function scientificText(value: Numeric, post: number): string {
  if (isSpecial(value)) return ` ${'#'.repeat(1)}.${'#'.repeat(post)}${'####'}`
  if (value.unscaled === 0) return ` ${post > 0 ? `0.${'0'.repeat(post)}` : '0'}e+00`
  const n = digitCount(value.unscaled)
  let exponent = n - 1 - value.scale
  let mantissa = roundNumeric(new Numeric(value.unscaled, n - 1), post)
  if (digitCount(mantissa.unscaled) > post + 1) {
    exponent++
    mantissa = roundNumeric(new Numeric(value.unscaled, n), post)
  }
  const text = formatNumeric(mantissa)
  const e = Math.abs(exponent)
  return `${text.startsWith('-') ? '' : ' '}${text}e${exponent < 0 ? '-' : '+'}${e < 10 ? `0${e}` : e}`
}

function withLiterals(t: Template, text: string): string {
  return text + t.nodes.map((node) => ('literal' in node ? node.literal : '')).join('')
}

export function numericToChar(value: Numeric, format: string): string {
  const t = templateOf(format)
  if (t.roman !== null) return fillTemplate(t, '', false, 0, 0, () => (isSpecial(value) ? 0 : Number(roundNumeric(value, 0).unscaled)))
  if (t.scientific) return withLiterals(t, scientificText(value, t.post))
  let x = value
  if (t.multi > 0 && !isSpecial(value)) x = mulNumeric(value, new Numeric(10 ** t.multi, 0))
  return render(t, formatNumeric(isSpecial(x) ? x : roundNumeric(x, t.post)), t.pre + t.multi, () => 0)
}

export function integerToChar(value: Unscaled, format: string, type: 'integer' | 'bigint'): string {
  const { multi } = templateOf(format)
  if (multi > 0) {
    const scaled = BigInt(value) * 10n ** BigInt(multi)
    const limit = type === 'integer' ? 2147483648n : 9223372036854775808n
    if (scaled >= limit || scaled < -limit) throw new PgError(SQLSTATE.numericValueOutOfRange, `${type} out of range`)
  }
  return numericToChar(new Numeric(value, 0), format)
}

/** Floats have 15 (or 6) digits: no more are shown behind the point. */
export function floatToChar(value: number, format: string, maxDigits: number): string {
  const t = templateOf(format)
  if (t.roman !== null) return fillTemplate(t, '', false, 0, 0, () => Math.round(value))
  if (t.scientific) {
    if (!Number.isFinite(value)) return withLiterals(t, ` #.${'#'.repeat(t.post)}####`)
    const [mantissa, exponent] = value.toExponential(Math.min(t.post, 100)).split('e') as [string, string]
    const e = Math.abs(Number(exponent))
    return withLiterals(t, `${value < 0 ? '' : ' '}${mantissa}e${exponent[0]}${e < 10 ? `0${e}` : e}`)
  }
  const x = t.multi > 0 ? value * 10 ** t.multi : value
  if (!Number.isFinite(x)) return render(t, Number.isNaN(x) ? 'NaN' : x > 0 ? 'Infinity' : '-Infinity', t.pre + t.multi, () => 0)
  const whole = fixed(Math.abs(x), 0).length
  const post = whole >= maxDigits ? 0 : Math.min(t.post, maxDigits - whole)
  const text = fixed(x, post)
  return render(post === t.post ? t : { ...t, post }, /^-0?\.?0*$/.test(text) ? text.slice(1) : text, t.pre + t.multi, () => 0)
}

/** C's %.*f: of two equally near decimals the even one, where toFixed takes the larger. */
function fixed(value: number, digits: number): string {
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}${digits > 0 ? `.${'0'.repeat(digits)}` : ''}`
  const text = value.toFixed(digits)
  const longer = value.toFixed(Math.min(100, digits + 30))
  const rest = longer.slice(text.length + (digits === 0 ? 1 : 0))
  if (!/^50*$/.test(rest) || !/[13579]$/.test(text)) return text
  const down = longer.slice(0, longer.length - rest.length - (digits === 0 ? 1 : 0))
  return /[02468]$/.test(down) ? down : text
}

/** to_number: reads by the template, leniently about what stands between the digits. */
export function toNumber(text: string, format: string): Numeric | null {
  const t = templateOf(format)
  if (t.scientific) throw new PgError(SQLSTATE.featureNotSupported, '"EEEE" not supported for input')
  if (format === '') return null
  if (t.roman !== null) {
    const word = text.trim().toUpperCase()
    for (let n = 1; n <= 3999; n++) if (toRoman(n) === word) return new Numeric(n, 0)
    throw new PgError(SQLSTATE.invalidTextRepresentation, 'invalid Roman numeral')
  }
  let negative = false
  let digits = ''
  let post = 0
  let pointSeen = false
  let at = 0
  const takeSign = (): void => {
    const c = text[at]
    if (c === '-' || c === '<') {
      negative = true
      at++
    } else if (c === '+') at++
  }
  for (const node of t.nodes) {
    if (at >= text.length) break
    if ('literal' in node) {
      at += node.literal.length
      continue
    }
    switch (node.pattern) {
      case '9':
      case '0': {
        if (digits === '') while (text[at] === ' ') at++
        if (digits === '' && !pointSeen) takeSign()
        const c = text[at]
        if (c !== undefined && c >= '0' && c <= '9') {
          if (pointSeen) post++
          digits += c
          at++
        }
        break
      }
      case '.':
      case 'D':
        if (digits === '' && text[at] !== '.') takeSign()
        if (text[at] === '.') {
          pointSeen = true
          at++
        }
        break
      case ',':
      case 'G':
        if (text[at] === ',') at++
        break
      case 'S':
      case 'MI':
      case 'PL':
      case 'SG':
        if (node.pattern !== 'S' || text[at] === '-' || text[at] === '+' || text[at] === ' ') {
          if (text[at] === ' ') at++
          takeSign()
        }
        break
      case 'PR':
        if (text[at] === '>') at++
        break
      case 'L':
        at++
        break
      case 'TH':
      case 'th':
        at += 2
        break
      default:
    }
  }
  if (text[at] === '-' && t.sign === 'post') negative = true
  if (digits === '')
    throw new PgError(SQLSTATE.invalidTextRepresentation, `invalid input syntax for type numeric: "${negative ? '-' : ' '}"`)
  let value = roundNumeric(
    parseNumeric(`${negative ? '-' : ''}${post > 0 ? `${digits.slice(0, digits.length - post) || '0'}.${digits.slice(-post)}` : digits}`)!,
    t.post,
  )
  if (t.multi > 0) value = new Numeric(value.unscaled, value.scale + t.multi)
  return value
}
