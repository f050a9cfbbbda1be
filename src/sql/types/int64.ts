// Eight-byte signed integers that are numbers while safe: reading and writing without BigInt on the common path. // hot

import type { ByteWriter } from '../../base/bytes.ts'

const TWO32 = 4294967296
const MAX = 9223372036854775807n
const MIN = -9223372036854775808n

/** Two's complement, big endian, with the sign bit flipped when `key`. The infinities take the extremes, as PostgreSQL's timestamps do. */
export function writeInt64(out: ByteWriter, value: number | bigint, key: boolean): void {
  if (typeof value === 'number') {
    if (value !== Infinity && value !== -Infinity) {
      const high = Math.floor(value / TWO32)
      out.u32(key ? high ^ 0x80000000 : high)
      out.u32(value - high * TWO32)
      return
    }
    writeInt64(out, value > 0 ? MAX : MIN, key)
    return
  }
  if (key) out.u64(BigInt.asUintN(64, value) ^ 0x8000000000000000n)
  else out.i64(value)
}

/** The infinities come back only when `infinities`. */
export function readInt64(buffer: Buffer, start: number, key: boolean, infinities: boolean): number | bigint {
  let high = buffer.readUInt32BE(start)
  const low = buffer.readUInt32BE(start + 4)
  if (key) high = (high ^ 0x80000000) >>> 0
  high |= 0
  if (high >= -0x200000 && high < 0x200000) {
    const value = high * TWO32 + low
    if (value !== -9007199254740992) return value
  }
  if (infinities) {
    if (high === 0x7fffffff && low === 0xffffffff) return Infinity
    if (high === -0x80000000 && low === 0) return -Infinity
  }
  return BigInt(high) * 4294967296n + BigInt(low)
}
