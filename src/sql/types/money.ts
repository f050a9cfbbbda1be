// money: cents as an int8. The locale is C, whose missing currency PostgreSQL replaces by the dollar's conventions.

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, int8KeyCodec, int8ValueCodec, normalInt8 } from './codecs.ts'
import { binaryLength, defineType, invalidInput } from './define.ts'
import { checkInt8 } from './integer.ts'
import { isNaNumeric, isSpecial, makeNumeric, type Numeric, rescaleUnscaled } from './numeric.ts'
import type { Procs } from './procs.ts'

const outOfRange = (): PgError => new PgError(SQLSTATE.numericValueOutOfRange, 'money out of range')
const MIN = -(2n ** 63n)
const MAX = 2n ** 63n - 1n

/** Sign or parentheses, currency sign, digits with commas; what follows the second decimal rounds. */
const FORM = /^\s*(?:(\()|(-)|(\+))?\s*\$?\s*(-)?\s*([0-9,]*)(?:\.([0-9]*))?\s*(\))?\s*(-)?\s*\$?\s*$/

function input(text: string): Int8 {
  const match = FORM.exec(text)
  if (match === null || (match[5] === '' && !match[6])) throw invalidInput('money', text)
  const fraction = (match[6] ?? '').padEnd(2, '0')
  let cents = BigInt(`${match[5]!.replaceAll(',', '') || '0'}${fraction.slice(0, 2)}`)
  if (fraction.length > 2 && fraction[2]! >= '5') cents += 1n
  if (match[1] || match[2] || match[4] || match[8]) cents = -cents
  if (cents < MIN || cents > MAX) throw new PgError(SQLSTATE.numericValueOutOfRange, `value "${text}" is out of range for type money`)
  return normalInt8(cents)
}

function output(value: Int8): string {
  const negative = value < 0
  const digits = String(value).replace('-', '').padStart(3, '0')
  const whole = digits.slice(0, -2).replace(/\B(?=(?:[0-9]{3})+$)/g, ',')
  return `${negative ? '-' : ''}$${whole}.${digits.slice(-2)}`
}

const compare = (a: Int8, b: Int8): number => (a < b ? -1 : a > b ? 1 : 0)

export const moneyTypes = {
  money: defineType<Int8>({
    input,
    output,
    receive(buffer, start, end) {
      binaryLength(end - start, 8)
      return normalInt8(buffer.readBigInt64BE(start))
    },
    send: (value, out) => out.i64(BigInt(value)),
    compare,
    hashKey: (value) => value,
    size: () => 16,
    value: int8ValueCodec,
    key: int8KeyCodec,
  }),
}

function checked(value: bigint): Int8 {
  if (value < MIN || value > MAX) throw outOfRange()
  return normalInt8(value)
}

/** Rounds half to even, as rint does. */
function fromFloat(value: number): Int8 {
  if (!(value >= -(2 ** 63) && value < 2 ** 63)) throw outOfRange()
  const floor = Math.floor(value)
  const rest = value - floor
  return checked(BigInt(rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor))
}

const divisionByZero = (): PgError => new PgError(SQLSTATE.divisionByZero, 'division by zero')

const timesFloat = (a: Int8, by: number): Int8 => fromFloat(Number(a) * by)
function overFloat(a: Int8, by: number): Int8 {
  if (by === 0) throw divisionByZero()
  return fromFloat(Number(a) / by)
}
const timesInt = (a: Int8, by: Int8): Int8 => checked(BigInt(a) * BigInt(by))
function overInt(a: Int8, by: Int8): Int8 {
  if (by === 0) throw divisionByZero()
  return checked(BigInt(a) / BigInt(by))
}

function numericToCents(a: Numeric): Int8 {
  if (isSpecial(a)) throw new PgError(SQLSTATE.featureNotSupported, `cannot convert ${isNaNumeric(a) ? 'NaN' : 'infinity'} to bigint`)
  return checkInt8(rescaleUnscaled(a, 2))
}

// biome-ignore format: one table
const SMALL = [
  'zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve', 'thirteen', 'fourteen',
  'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen',
]
const TENS = ['', '', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety']
const GROUPS = ['', ' thousand', ' million', ' billion', ' trillion', ' quadrillion']

/** A number below 1000 as cash_words says it: "and" before tens and ones of a number with hundreds. */
function words(value: number): string {
  const below = value % 100
  const small = (n: number): string => (n < 20 ? SMALL[n]! : `${TENS[Math.floor(n / 10)]}${n % 10 === 0 ? '' : ` ${SMALL[n % 10]}`}`)
  if (value < 100) return small(value)
  const hundreds = `${SMALL[Math.floor(value / 100)]} hundred`
  if (below === 0) return hundreds
  return below <= 20 && below % 10 !== 0
    ? `${hundreds} and ${small(below)}`
    : `${hundreds} ${below < 20 || below % 10 === 0 ? 'and ' : ''}${small(below)}`
}

function cashWords(value: Int8): string {
  const cents = value < 0 ? -BigInt(value) : BigInt(value)
  const dollars = cents / 100n
  const parts: string[] = []
  for (let group = GROUPS.length - 1; group >= 0; group--) {
    const part = Number((dollars / 1000n ** BigInt(group)) % 1000n)
    if (part > 0) parts.push(`${words(part)}${GROUPS[group]}`)
  }
  const text = parts.length === 0 ? 'zero' : parts.join(' ')
  const rest = Number(cents % 100n)
  const full = `${value < 0 ? 'minus ' : ''}${text}${dollars === 1n ? ' dollar' : ' dollars'} and ${words(rest)}${rest === 1 ? ' cent' : ' cents'}`
  return full[0]!.toUpperCase() + full.slice(1)
}

export const moneyProcs = {
  cash_cmp: compare,
  cash_eq: (a, b) => a === b,
  cash_ne: (a, b) => a !== b,
  cash_lt: (a, b) => a < b,
  cash_le: (a, b) => a <= b,
  cash_gt: (a, b) => a > b,
  cash_ge: (a, b) => a >= b,
  cashlarger: (a, b) => (compare(a, b) > 0 ? a : b),
  cashsmaller: (a, b) => (compare(a, b) < 0 ? a : b),
  cash_pl: (a, b) => checked(BigInt(a) + BigInt(b)),
  cash_mi: (a, b) => checked(BigInt(a) - BigInt(b)),
  cash_mul_flt8: timesFloat,
  cash_mul_flt4: timesFloat,
  flt8_mul_cash: (by, a) => timesFloat(a, by),
  flt4_mul_cash: (by, a) => timesFloat(a, by),
  cash_div_flt8: overFloat,
  cash_div_flt4: overFloat,
  cash_mul_int8: timesInt,
  cash_mul_int4: timesInt,
  cash_mul_int2: timesInt,
  int8_mul_cash: (by, a) => timesInt(a, by),
  int4_mul_cash: (by, a) => timesInt(a, by),
  int2_mul_cash: (by, a) => timesInt(a, by),
  cash_div_int8: overInt,
  cash_div_int4: overInt,
  cash_div_int2: overInt,
  cash_div_cash(a, b) {
    if (b === 0) throw divisionByZero()
    return Number(a) / Number(b)
  },
  cash_words: cashWords,
  cash_numeric: (a) => makeNumeric(BigInt(a), 2),
  numeric_cash: numericToCents,
  int4_cash: (a) => checkInt8(BigInt(a) * 100n),
  int8_cash: (a) => checkInt8(BigInt(a) * 100n),
} satisfies Procs
