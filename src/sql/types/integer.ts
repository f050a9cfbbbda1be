// Integers: what fits their types, and their text in PostgreSQL's literal syntax (sign, 0x 0o 0b, underscores, surrounding blanks). // hot

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type Int8, normalInt8 } from './codecs.ts'
import { invalidInput, outOfRangeInput } from './define.ts'

const SLOW = /^[ \t\n\v\f\r]*([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[oO]((?:_?[0-7])+)|0[bB]((?:_?[01])+)|([0-9](?:_?[0-9])*))[ \t\n\v\f\r]*$/

function parseSlow(text: string, type: string, min: bigint, max: bigint): bigint {
  const match = SLOW.exec(text)
  if (match === null) throw invalidInput(type, text)
  const [, sign, hex, octal, binary, decimal] = match
  const digits = hex !== undefined ? `0x${hex}` : octal !== undefined ? `0o${octal}` : binary !== undefined ? `0b${binary}` : decimal!
  // 19 digits fill an int8; anything much longer is out of range without asking BigInt (quadratic in its length).
  const significant = digits.replaceAll('_', '').replace(/^(0[xob])?0*/, '$1')
  if (significant.length > 70) throw outOfRangeInput(type, text)
  const magnitude = BigInt(significant === '' || /^0[xob]$/.test(significant) ? 0 : significant)
  const value = sign === '-' ? -magnitude : magnitude
  if (value < min || value > max) throw outOfRangeInput(type, text)
  return value
}

/** Digits alone, at most 15 of them; NaN when the slow way must decide. */
function parseFast(text: string): number {
  const length = text.length
  let i = 0
  let negative = false
  if (text.charCodeAt(0) === 0x2d) {
    negative = true
    i = 1
  }
  if (length === i || length > 15) return Number.NaN
  let value = 0
  for (; i < length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return negative ? 0 - value : value
}

/** For int2 and int4. */
export function parseInteger(text: string, type: string, min: number, max: number): number {
  const value = parseFast(text)
  if (value >= min && value <= max) return value
  return Number(parseSlow(text, type, BigInt(min), BigInt(max)))
}

export const INT8_MIN = -(2n ** 63n)
export const INT8_MAX = 2n ** 63n - 1n

export function parseInt8(text: string): Int8 {
  const value = parseFast(text)
  return Number.isNaN(value) ? normalInt8(parseSlow(text, 'bigint', INT8_MIN, INT8_MAX)) : value
}

export const integerOutOfRange = (type: string): PgError => new PgError(SQLSTATE.numericValueOutOfRange, `${type} out of range`)

export function checkInt2(value: number): number {
  if (value < -32768 || value > 32767) throw integerOutOfRange('smallint')
  return value
}

export function checkInt4(value: number): number {
  const int = value | 0
  if (int !== value) throw integerOutOfRange('integer')
  return int
}

export function checkInt8(value: bigint): Int8 {
  if (value < INT8_MIN || value > INT8_MAX) throw integerOutOfRange('bigint')
  return normalInt8(value)
}
