// The float4 nearest to a decimal. By way of the nearest double it is rounded twice, which differs where that double lies exactly between
// two float4s: which side the decimal itself is on decides there.

const BEYOND = 2 ** 128
const single = new Float32Array(1)
const bits = new Uint32Array(single.buffer)

/** The next float4 of a size; 2^128 stands for infinity. */
function neighbour(size: number, step: 1 | -1): number {
  if (size === BEYOND && step === 1) return size
  single[0] = size
  bits[0] = bits[0]! + step
  const found = single[0]!
  return found === Number.POSITIVE_INFINITY ? BEYOND : found
}

/** Sign of the decimal's size minus `size`. */
export function compareSize(decimal: string, size: number): number {
  const [, whole, fraction = '', exponent = '0'] = /^[+-]?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(decimal)!
  let left = BigInt(`${whole}${fraction}`)
  const power = Number(exponent) - fraction.length
  let scaled = size
  let halvings = 0
  while (!Number.isInteger(scaled)) {
    scaled *= 2
    halvings++
  }
  let right = BigInt(scaled)
  left <<= BigInt(halvings)
  if (power >= 0) left *= 10n ** BigInt(power)
  else right *= 10n ** BigInt(-power)
  return left > right ? 1 : left < right ? -1 : 0
}

/** `value` is the double nearest to `decimal`; too large answers infinity, too small zero. */
export function nearestFloat4(decimal: string, value: number): number {
  const rounded = Math.fround(value)
  if (rounded === value || Number.isNaN(value)) return rounded
  const size = Math.abs(value)
  const found = Math.min(Math.abs(rounded), BEYOND)
  const other = neighbour(found, found > size ? -1 : 1)
  if ((found + other) / 2 !== size) return rounded
  const side = compareSize(decimal, size)
  if (side === 0) return rounded
  const nearest = side > 0 ? Math.max(found, other) : Math.min(found, other)
  const magnitude = nearest === BEYOND ? Number.POSITIVE_INFINITY : nearest
  return value < 0 ? -magnitude : magnitude
}
