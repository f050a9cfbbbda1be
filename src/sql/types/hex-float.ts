// Hexadecimal floating-point numbers, as C writes them: `0x1.8p-3`. Rounded once, to the width asked for, ties to even.

const HEX = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?(?:p([+-]?\d+))?$/i

export interface BinaryFormat {
  /** Bits of the significand. */
  readonly precision: number
  /** The exponent of the smallest number. */
  readonly least: number
  /** What is too large. */
  readonly beyond: number
}

export const BINARY64: BinaryFormat = { precision: 53, least: -1074, beyond: Number.POSITIVE_INFINITY }
export const BINARY32: BinaryFormat = { precision: 24, least: -149, beyond: 2 ** 128 }

/** Exponents beyond make infinity or zero of every significand that a text can hold. */
const FAR = 2 ** 32

/** The nearest number of the format (infinity, zero) and whether the text means zero; null where it is none of these. */
export function parseHexFloat(text: string, { precision, least, beyond }: BinaryFormat): { value: number; isZero: boolean } | null {
  const match = HEX.exec(text)
  if (match === null) return null
  const [, sign, whole = '', fraction = '', power = '0'] = match
  if (whole === '' && fraction === '') return null
  const significand = BigInt(`0x${whole}${fraction}`)
  const exponent = Math.max(-FAR, Math.min(FAR, Number(power))) - 4 * fraction.length
  const found = significand === 0n ? 0 : nearest(significand, exponent, precision, least)
  const size = found >= beyond ? Number.POSITIVE_INFINITY : found
  return { value: sign === '-' ? -size : size, isZero: significand === 0n }
}

function nearest(significand: bigint, exponent: number, precision: number, least: number): number {
  const length = significand.toString(2).length
  const shift = Math.max(length - precision, least - exponent)
  if (shift <= 0) return Number(significand) * 2 ** exponent
  if (shift > length + 1) return 0
  const by = BigInt(shift)
  let kept = significand >> by
  const rest = significand - (kept << by)
  const half = 1n << (by - 1n)
  if (rest > half || (rest === half && (kept & 1n) === 1n)) kept++
  return Number(kept) * 2 ** (exponent + shift)
}
