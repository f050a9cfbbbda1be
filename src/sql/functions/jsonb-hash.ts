// Hashes of jsonb as PostgreSQL computes them: containers leave a mark where they begin, keys and scalars are mixed in as they come.

import type { Int8 } from '../types/codecs.ts'
import { hashBytes, hashBytesExtended, hashUint32Extended, utf8Bytes } from '../types/hash.ts'
import { isArrayValue, type Jsonb, JsonbObject, type JsonbValue } from '../types/jsonb.ts'
import { hashNumeric, hashNumericExtended } from '../types/numeric-hash.ts'

type Scalar = Exclude<JsonbValue, readonly JsonbValue[] | JsonbObject>
type Mark = 'array' | 'object'

/** Depth first: an object's keys before their values. A scalar alone stands in an array of its own. */
function visit(value: JsonbValue, begin: (mark: Mark) => void, scalar: (value: Scalar) => void): void {
  if (isArrayValue(value)) {
    begin('array')
    for (const element of value) visit(element, begin, scalar)
  } else if (value instanceof JsonbObject) {
    begin('object')
    for (let i = 0; i < value.keys.length; i++) {
      scalar(value.keys[i]!)
      visit(value.values[i]!, begin, scalar)
    }
  } else scalar(value)
}

function isEmptyRoot(root: JsonbValue): boolean {
  return isArrayValue(root) ? root.length === 0 : root instanceof JsonbObject && root.keys.length === 0
}

const asContainer = (root: JsonbValue): JsonbValue => (isArrayValue(root) || root instanceof JsonbObject ? root : [root])

const MARKS: Readonly<Record<Mark, number>> = { array: 0x40000000, object: 0x20000000 }

export function hashJsonb({ root }: Jsonb): number {
  if (isEmptyRoot(root)) return 0
  let hash = 0
  const ofScalar = (value: Scalar): number => {
    if (value === null) return 1
    if (typeof value === 'boolean') return value ? 2 : 4
    return typeof value === 'string' ? hashBytes(utf8Bytes(value)) : hashNumeric(value)
  }
  visit(
    asContainer(root),
    (mark) => {
      hash ^= MARKS[mark]
    },
    (value) => {
      hash = ((hash << 1) | (hash >>> 31)) ^ ofScalar(value)
    },
  )
  return hash | 0
}

/** Each half turned left by one bit. */
const rotateHalves = (bits: bigint): bigint => ((bits << 1n) & 0xfffffffefffffffen) | ((bits >> 31n) & 0x100000001n)

export function hashJsonbExtended({ root }: Jsonb, seed: Int8): bigint {
  if (isEmptyRoot(root)) return BigInt(seed)
  let hash = 0n
  const ofScalar = (value: Scalar): bigint => {
    if (value === null) return BigInt(seed) + 1n
    if (typeof value === 'boolean') {
      if (seed !== 0) return BigInt(hashUint32Extended(value ? 1 : 0, seed))
      return value ? 2n : 4n
    }
    return BigInt(typeof value === 'string' ? hashBytesExtended(utf8Bytes(value), seed) : hashNumericExtended(value, seed))
  }
  visit(
    asContainer(root),
    (mark) => {
      hash ^= (BigInt(MARKS[mark]) << 32n) | BigInt(MARKS[mark])
    },
    (value) => {
      hash = rotateHalves(hash) ^ BigInt.asUintN(64, ofScalar(value))
    },
  )
  return BigInt.asIntN(64, hash)
}
