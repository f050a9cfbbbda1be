// The protobuf wire format: a reader over received bytes and a writer that fills its buffer from the end towards the start, so that the length
// of an embedded message is known when it is written (one pass, nothing moved). // hot
// Byte fields that are read are views into the received message: who keeps one for long copies it.

const pair = new Uint32Array(2)
const whole = new BigUint64Array(pair.buffer)
const signed = new BigInt64Array(pair.buffer)
// On a big-endian machine the halves of the shared word are the other way round.
const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1
const HIGH = 1 - LOW

export const EMPTY: Buffer = Buffer.alloc(0)

/** A message that is cut short or no protobuf. */
export class WireError extends Error {
  override name = 'WireError'
}

export class Reader {
  readonly buffer: Buffer
  pos: number

  constructor(buffer: Uint8Array) {
    this.buffer = Buffer.isBuffer(buffer) ? buffer : Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    this.pos = 0
  }

  truncated(): never {
    throw new WireError('protobuf message is cut short or malformed')
  }

  /** Reads a varint into the shared word. */
  private varint(): void {
    const buffer = this.buffer
    let pos = this.pos
    let low = 0
    let high = 0
    let byte = 0
    let shift = 0
    for (; shift < 28; shift += 7) {
      byte = buffer[pos++]!
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) {
        pair[LOW] = low
        pair[HIGH] = 0
        this.pos = pos
        return
      }
    }
    byte = buffer[pos++]!
    low |= (byte & 0x7f) << 28
    high = (byte & 0x7f) >>> 4
    if (byte >= 0x80) {
      for (shift = 3; shift < 38; shift += 7) {
        byte = buffer[pos++]!
        high |= (byte & 0x7f) << shift
        if (byte < 0x80) break
      }
    }
    if (!(byte < 0x80)) this.truncated()
    pair[LOW] = low
    pair[HIGH] = high
    this.pos = pos
  }

  uint32(): number {
    const byte = this.buffer[this.pos]!
    if (byte < 0x80) {
      this.pos++
      return byte
    }
    this.varint()
    return pair[LOW]!
  }

  int32(): number {
    return this.uint32() | 0
  }

  bool(): boolean {
    this.varint()
    return pair[LOW] !== 0 || pair[HIGH] !== 0
  }

  uint64(): bigint {
    this.varint()
    return whole[0]!
  }

  int64(): bigint {
    this.varint()
    return signed[0]!
  }

  /** Reads a length and answers the offset behind what it covers. */
  limit(): number {
    const length = this.uint32()
    const end = this.pos + length
    if (!(end <= this.buffer.length)) this.truncated()
    return end
  }

  bytes(): Buffer {
    const end = this.limit()
    const value = this.pos === end ? EMPTY : this.buffer.subarray(this.pos, end)
    this.pos = end
    return value
  }

  string(): string {
    const end = this.limit()
    const value = this.pos === end ? '' : this.buffer.utf8Slice(this.pos, end)
    this.pos = end
    return value
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint()
        return
      case 1:
        this.pos += 8
        return
      case 2:
        this.pos = this.limit()
        return
      case 5:
        this.pos += 4
        return
      default:
        this.truncated()
    }
  }
}

const FIRST_CAPACITY = 64 * 1024
const KEPT_CAPACITY = 1024 * 1024

export class Writer {
  private buffer = Buffer.allocUnsafe(FIRST_CAPACITY)
  /** Everything from here to the end of the buffer is written. */
  private pos = FIRST_CAPACITY

  /** Bytes written so far. */
  get size(): number {
    return this.buffer.length - this.pos
  }

  /** Copies the message out and forgets it. */
  finish(): Buffer {
    const out = Buffer.allocUnsafe(this.buffer.length - this.pos)
    this.buffer.copy(out, 0, this.pos)
    this.reset()
    return out
  }

  reset(): void {
    if (this.buffer.length > KEPT_CAPACITY) this.buffer = Buffer.allocUnsafe(FIRST_CAPACITY)
    this.pos = this.buffer.length
  }

  private reserve(length: number): void {
    if (this.pos >= length) return
    const written = this.buffer.length - this.pos
    const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, written + length))
    this.buffer.copy(grown, grown.length - written, this.pos)
    this.buffer = grown
    this.pos = grown.length - written
  }

  uint32(value: number): void {
    if (this.pos < 5) this.reserve(5)
    const buffer = this.buffer
    if (value < 0x80) {
      buffer[--this.pos] = value
      return
    }
    let pos = this.pos - (value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5)
    this.pos = pos
    let rest = value >>> 0
    while (rest >= 0x80) {
      buffer[pos++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    buffer[pos] = rest
  }

  int32(value: number): void {
    if (value >= 0) this.uint32(value)
    else this.int64(BigInt(value))
  }

  bool(value: boolean): void {
    this.uint32(value ? 1 : 0)
  }

  uint64(value: bigint): void {
    whole[0] = value
    this.word()
  }

  int64(value: bigint): void {
    signed[0] = value
    this.word()
  }

  private word(): void {
    let low = pair[LOW]!
    let high = pair[HIGH]!
    if (high === 0) {
      this.uint32(low)
      return
    }
    if (this.pos < 10) this.reserve(10)
    const bits = 64 - Math.clz32(high)
    let pos = this.pos - Math.ceil(bits / 7)
    this.pos = pos
    const buffer = this.buffer
    while (high !== 0) {
      buffer[pos++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    while (low >= 0x80) {
      buffer[pos++] = (low & 0x7f) | 0x80
      low >>>= 7
    }
    buffer[pos] = low
  }

  /** The bytes alone, without their length. */
  raw(value: Uint8Array): void {
    const length = value.length
    if (this.pos < length) this.reserve(length)
    this.pos -= length
    this.buffer.set(value, this.pos)
  }

  bytes(value: Uint8Array): void {
    this.raw(value)
    this.uint32(value.length)
  }

  string(value: string): void {
    const length = Buffer.byteLength(value)
    if (this.pos < length) this.reserve(length)
    this.pos -= length
    this.buffer.utf8Write(value, this.pos, length)
    this.uint32(length)
  }
}
