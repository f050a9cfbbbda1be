// to_char over numbers.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Template, templateOf } from './number-template.ts'
import { digitCount, formatNumeric, isSpecial, Numeric, roundNumeric, type Unscaled } from './numeric.ts'
import { mulNumeric } from './numeric-math.ts'

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
        out += ' '
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

/** What has no such form, as wide as the template has it. */
const noScientific = ({ pre, post }: Template): string => ` ${'#'.repeat(pre)}.${'#'.repeat(post + 4)}`

/** d.ddde+xx */
function scientificText(value: Numeric, post: number): string {
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

export function numericToChar(value: Numeric, format: string): string {
  const t = templateOf(format)
  if (t.roman !== null) return fillTemplate(t, '', false, 0, 0, () => (isSpecial(value) ? 0 : Number(roundNumeric(value, 0).unscaled)))
  // The template's literals are left out beside it.
  if (t.scientific) return isSpecial(value) ? noScientific(t) : scientificText(value, t.post)
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
    if (!Number.isFinite(value)) return noScientific(t)
    const [mantissa, exponent] = value.toExponential(Math.min(t.post, 100)).split('e') as [string, string]
    const e = Math.abs(Number(exponent))
    return `${value < 0 ? '' : ' '}${mantissa}e${exponent[0]}${e < 10 ? `0${e}` : e}`
  }
  const x = t.multi > 0 ? value * 10 ** t.multi : value
  if (!Number.isFinite(x)) return render(t, Number.isNaN(x) ? 'NaN' : x > 0 ? 'Infinity' : '-Infinity', t.pre + t.multi, () => 0)
  const whole = fixed(Math.abs(x), 0).length
  const post = whole >= maxDigits ? 0 : Math.min(t.post, maxDigits - whole)
  const text = `${Object.is(x, -0) ? '-' : ''}${fixed(x, post)}`
  return render(post === t.post ? t : { ...t, post }, text, t.pre + t.multi, () => 0)
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
