// Bytes: comparison, prefix arithmetic, and a growing writer. // hot

/** Byte-wise comparison, as every store orders its keys: negative, 0 or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b)
}

/** The smallest key above every key that starts with `prefix` (carry propagates); null if there is none (all bytes 0xFF). */
export function prefixEnd(prefix: Uint8Array): Buffer | null {
  let last = prefix.length - 1
  while (last >= 0 && prefix[last] === 0xff) last--
  if (last < 0) return null
  const end = Buffer.from(prefix.subarray(0, last + 1))
  end[last] = end[last]! + 1
  return end
}

/** The smallest key above `key` itself. */
export function keyAfter(key: Uint8Array): Buffer {
  const next = Buffer.allocUnsafe(key.length + 1)
  next.set(key)
  next[key.length] = 0
  return next
}

/** Up to so many bytes a loop beats the call of a native copy. */
const LOOP_BYTES = 96
/** Up to so many ASCII characters a loop beats the call of a native encoder. */
const LOOP_CHARS = 48

/** Bytes [start, end) in a buffer of their own. */
export function copyOf(from: Buffer, start: number, end: number): Buffer {
  const length = end - start
  const out = Buffer.allocUnsafe(length)
  if (length <= LOOP_BYTES) for (let i = 0; i < length; i++) out[i] = from[start + i]!
  else from.copy(out, 0, start, end)
  return out
}

/** Writes text in another encoding than UTF-8. ASCII is the same in it. */
export interface TextEncoding {
  /** Answers the number of bytes written. */
  write(text: string, out: ByteWriter): number
  /** The text with a question mark for what cannot be written. */
  tellable(text: string): string
}

/** Appends to a buffer that doubles when full. `finish` copies out; `view` lends the bytes until the next write. */
export class ByteWriter {
  buffer: Buffer
  length = 0
  /** What text is written in; null: UTF-8. */
  encoding: TextEncoding | null = null

  constructor(capacity = 256) {
    this.buffer = Buffer.allocUnsafe(capacity)
  }

  reset(): this {
    this.length = 0
    return this
  }

  /** Makes room for `size` more bytes. */
  reserve(size: number): void {
    const needed = this.length + size
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }

  u8(value: number): void {
    this.reserve(1)
    this.buffer[this.length++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    const at = this.length
    this.buffer[at] = value >>> 8
    this.buffer[at + 1] = value
    this.length = at + 2
  }

  i16(value: number): void {
    this.reserve(2)
    this.length = this.buffer.writeInt16BE(value, this.length)
  }

  u32(value: number): void {
    this.reserve(4)
    const at = this.length
    this.buffer[at] = value >>> 24
    this.buffer[at + 1] = value >>> 16
    this.buffer[at + 2] = value >>> 8
    this.buffer[at + 3] = value
    this.length = at + 4
  }

  i32(value: number): void {
    this.reserve(4)
    this.length = this.buffer.writeInt32BE(value, this.length)
  }

  i64(value: bigint): void {
    this.reserve(8)
    this.length = this.buffer.writeBigInt64BE(value, this.length)
  }

  u64(value: bigint): void {
    this.reserve(8)
    this.length = this.buffer.writeBigUInt64BE(value, this.length)
  }

  f32(value: number): void {
    this.reserve(4)
    this.length = this.buffer.writeFloatBE(value, this.length)
  }

  f64(value: number): void {
    this.reserve(8)
    this.length = this.buffer.writeDoubleBE(value, this.length)
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length)
    this.buffer.set(value, this.length)
    this.length += value.length
  }

  /** Text, UTF-8 unless told otherwise; answers the number of bytes written. */
  utf8(text: string): number {
    const { length } = text
    this.reserve(length * 3)
    const { buffer, length: start } = this
    if (length <= LOOP_CHARS) {
      let i = 0
      for (; i < length; i++) {
        const unit = text.charCodeAt(i)
        if (unit > 0x7f) break
        buffer[start + i] = unit
      }
      if (i === length) {
        this.length = start + length
        return length
      }
    }
    if (this.encoding !== null) return this.encoding.write(text, this)
    const size = buffer.utf8Write(text, start)
    this.length = start + size
    return size
  }

  view(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  finish(): Buffer {
    return copyOf(this.buffer, 0, this.length)
  }
}
