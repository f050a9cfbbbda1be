// Hashes of numeric as PostgreSQL computes them: over its digits to the base 10,000 without zeros at either end, so that equal numbers of
// different scales agree.

import { type Int8, normalInt8 } from './codecs.ts'
import { hashBytes, hashBytesExtended } from './hash.ts'
import { isSpecial, type Numeric, pow10, toBig } from './numeric.ts'

interface Digits {
  /** int16, little-endian. */
  readonly bytes: Buffer
  /** Power of 10,000 of the first digit. */
  readonly weight: number
}

/** Null for zero. */
function significantDigits(value: Numeric): Digits | null {
  const unscaled = toBig(value.unscaled)
  if (unscaled === 0n) return null
  const behind = Math.ceil(value.scale / 4)
  const text = String((unscaled < 0n ? -unscaled : unscaled) * pow10(behind * 4 - value.scale))
  const groups: number[] = []
  for (let end = text.length; end > 0; end -= 4) groups.push(Number(text.slice(Math.max(0, end - 4), end)))
  groups.reverse()
  const weight = groups.length - behind - 1
  while (groups.at(-1) === 0) groups.pop()
  const bytes = Buffer.alloc(groups.length * 2)
  for (const [i, digit] of groups.entries()) bytes.writeInt16LE(digit, i * 2)
  return { bytes, weight }
}

export function hashNumeric(value: Numeric): number {
  if (isSpecial(value)) return 0
  const digits = significantDigits(value)
  return digits === null ? -1 : hashBytes(digits.bytes) ^ digits.weight
}

export function hashNumericExtended(value: Numeric, seed: Int8): Int8 {
  if (isSpecial(value)) return seed
  const digits = significantDigits(value)
  const bits = digits === null ? BigInt(seed) - 1n : BigInt(hashBytesExtended(digits.bytes, seed)) ^ BigInt(digits.weight)
  return normalInt8(BigInt.asIntN(64, bits))
}
