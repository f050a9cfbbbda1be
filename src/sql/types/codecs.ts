// Row and key codecs shared by several families, and digits written without an intermediate string. // hot
// Key forms order bytewise as the type's btree order does; integers flip the sign bit, text ends with a zero byte (no text holds one),
// byte strings escape zero as 00 FF and end with 00 01.

import type { ByteWriter } from '../../base/bytes.ts'
import { textOf } from '../../base/utf8.ts'

const TWO32 = 2 ** 32

/** int8, timestamp, timestamptz: a number while it is a safe integer, else a bigint; never both for one value. */
export type Int8 = number | bigint

/** Int8 from its two 32-bit halves: a number while it is safe. */
export function int8FromHalves(high: number, low: number): Int8 {
  const value = high * TWO32 + low
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low)
}

/** The canonical form of an int8: a number while it is safe. */
export function normalInt8(value: bigint): Int8 {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value
}

/** Eight bytes, big-endian two's complement, the high half XORed with `flip`. */
export function writeInt64(value: Int8, out: ByteWriter, flip: number): void {
  let high: number
  let low: number
  if (typeof value === 'number') {
    high = Math.floor(value / TWO32)
    low = value - high * TWO32
  } else {
    high = Number(value >> 32n)
    low = Number(value & 0xffffffffn)
  }
  out.u32((high ^ flip) >>> 0)
  out.u32(low)
}

export function readInt64(buffer: Buffer, at: number, flip: number): number | bigint {
  return int8FromHalves((buffer.readUInt32BE(at) ^ flip) | 0, buffer.readUInt32BE(at + 4))
}

/** Rows keep integers in 1, 2, 4 or 8 bytes; the length says which. */
export const intValueCodec = {
  write(value: number, out: ByteWriter): void {
    if (value >= -0x80 && value < 0x80) out.u8(value & 0xff)
    else if (value >= -0x8000 && value < 0x8000) out.i16(value)
    else out.i32(value)
  },
  read(buffer: Buffer, start: number, end: number): number {
    const length = end - start
    if (length === 1) return (buffer[start]! << 24) >> 24
    return length === 2 ? buffer.readInt16BE(start) : buffer.readInt32BE(start)
  },
}

export const int8ValueCodec = {
  write(value: Int8, out: ByteWriter): void {
    if (typeof value === 'number' && value >= -0x80000000 && value < 0x80000000) intValueCodec.write(value, out)
    else writeInt64(value, out, 0)
  },
  read(buffer: Buffer, start: number, end: number): number | bigint {
    return end - start === 8 ? readInt64(buffer, start, 0) : intValueCodec.read(buffer, start, end)
  },
}

/** Unsigned 32-bit values (oid): 1, 2 or 4 bytes. */
export const uintValueCodec = {
  write(value: number, out: ByteWriter): void {
    if (value < 0x100) out.u8(value)
    else if (value < 0x10000) out.u16(value)
    else out.u32(value)
  },
  read(buffer: Buffer, start: number, end: number): number {
    const length = end - start
    if (length === 1) return buffer[start]!
    return length === 2 ? buffer.readUInt16BE(start) : buffer.readUInt32BE(start)
  },
}

export const int2KeyCodec = {
  write(value: number, out: ByteWriter): void {
    out.u16((value ^ 0x8000) & 0xffff)
  },
  skip: (_buffer: Buffer, start: number): number => start + 2,
  read: (buffer: Buffer, start: number): number => ((buffer.readUInt16BE(start) ^ 0x8000) << 16) >> 16,
  lossless: true,
}

export const int4KeyCodec = {
  write(value: number, out: ByteWriter): void {
    out.u32((value ^ 0x80000000) >>> 0)
  },
  skip: (_buffer: Buffer, start: number): number => start + 4,
  read: (buffer: Buffer, start: number): number => (buffer.readUInt32BE(start) ^ 0x80000000) | 0,
  lossless: true,
}

export const int8KeyCodec = {
  write(value: Int8, out: ByteWriter): void {
    writeInt64(value, out, 0x80000000)
  },
  skip: (_buffer: Buffer, start: number): number => start + 8,
  read: (buffer: Buffer, start: number): number | bigint => readInt64(buffer, start, 0x80000000),
  lossless: true,
}

export const uint4KeyCodec = {
  write(value: number, out: ByteWriter): void {
    out.u32(value)
  },
  skip: (_buffer: Buffer, start: number): number => start + 4,
  read: (buffer: Buffer, start: number): number => buffer.readUInt32BE(start),
  lossless: true,
}

export const textValueCodec = {
  write(value: string, out: ByteWriter): void {
    out.utf8(value)
  },
  read: textOf,
}

export const textKeyCodec = {
  write(value: string, out: ByteWriter): void {
    out.utf8(value)
    out.u8(0)
  },
  skip: (buffer: Buffer, start: number): number => buffer.indexOf(0, start) + 1,
  read: (buffer: Buffer, start: number, end: number): string => buffer.utf8Slice(start, end - 1),
  lossless: true,
}

export const bytesValueCodec = {
  write(value: Uint8Array, out: ByteWriter): void {
    out.bytes(value)
  },
  read: (buffer: Buffer, start: number, end: number): Uint8Array => Buffer.from(buffer.subarray(start, end)),
}

export const bytesKeyCodec = {
  write(value: Uint8Array, out: ByteWriter): void {
    out.reserve(value.length * 2 + 2)
    for (let i = 0; i < value.length; i++) {
      const byte = value[i]!
      out.u8(byte)
      if (byte === 0) out.u8(0xff)
    }
    out.u8(0)
    out.u8(1)
  },
  skip(buffer: Buffer, start: number): number {
    let at = start
    for (;;) {
      const zero = buffer.indexOf(0, at)
      if (buffer[zero + 1] === 1) return zero + 2
      at = zero + 2
    }
  },
  read(buffer: Buffer, start: number, end: number): Uint8Array {
    const bytes = Buffer.allocUnsafe(end - start - 2)
    let length = 0
    for (let i = start; i < end - 2; i++) {
      const byte = buffer[i]!
      bytes[length++] = byte
      if (byte === 0) i++
    }
    return bytes.subarray(0, length)
  },
  lossless: true,
}

/** Decimal digits of a safe integer. */
export function writeInteger(value: number, out: ByteWriter): void {
  if (value > 0x7fffffff || value < -0x7fffffff) {
    writeAscii(String(value), out)
    return
  }
  out.reserve(11)
  const buffer = out.buffer
  let at = out.length
  let rest = value
  if (rest < 0) {
    buffer[at++] = 0x2d
    rest = -rest
  }
  let end = at + 1
  for (let limit = 10; rest >= limit; limit *= 10) end++
  out.length = end
  do {
    const next = (rest / 10) | 0
    buffer[--end] = 0x30 + (rest - next * 10)
    rest = next
  } while (end > at)
}

/** ASCII text. */
export function writeAscii(text: string, out: ByteWriter): void {
  out.reserve(text.length)
  out.length += out.buffer.latin1Write(text, out.length)
}
