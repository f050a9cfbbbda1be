// PostgreSQL's own hash functions (Jenkins' lookup3), so that hashtext() and hash partitions answer what PostgreSQL answers.

import { ByteWriter } from '../../base/bytes.ts'
import { LONG, longWork, type Steps } from '../../base/long-work.ts'
import { utf8Of } from './chars.ts'
import { normalInt8 } from './codecs.ts'

const rot = (x: number, k: number): number => (x << k) | (x >>> (32 - k))
const INIT = 0x9e3779b9
/** Bytes of a round. */
const WORD = 12
/** A round over these mixes the state, as a seed asks for. */
const NOTHING = new Uint8Array(WORD)

// lookup3's state, left here by the last hash: c is its low half, b its high one. Nothing runs between a hash and its reading.
let a = 0
let b = 0
let c = 0

function start(length: number, seed: number | bigint): void {
  a = b = c = (INIT + length + 3923095) | 0
  if (seed === 0) return
  const bits = BigInt.asUintN(64, BigInt(seed))
  a = (a + Number(bits >> 32n)) | 0
  b = (b + Number(bits & 0xffffffffn)) | 0
  rounds(NOTHING, 0, WORD)
}

function final(): void {
  c = ((c ^ b) - rot(b, 14)) | 0
  a = ((a ^ c) - rot(c, 11)) | 0
  b = ((b ^ a) - rot(a, 25)) | 0
  c = ((c ^ b) - rot(b, 16)) | 0
  a = ((a ^ c) - rot(c, 4)) | 0
  b = ((b ^ a) - rot(a, 14)) | 0
  c = ((c ^ b) - rot(b, 24)) | 0
}

function lookup3(bytes: Uint8Array, seed: number | bigint): void {
  start(bytes.length, seed)
  const whole = bytes.length - (bytes.length % WORD)
  if (whole > 0) rounds(bytes, 0, whole)
  finish(bytes, whole)
}

function rounds(bytes: Uint8Array, from: number, to: number): void {
  // The state in locals: a long value is hashed several times as fast.
  let x = a
  let y = b
  let z = c
  for (let at = from; at < to; at += WORD) {
    x = (x + (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))) | 0
    y = (y + (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24))) | 0
    z = (z + (bytes[at + 8]! | (bytes[at + 9]! << 8) | (bytes[at + 10]! << 16) | (bytes[at + 11]! << 24))) | 0
    x = ((x - z) ^ rot(z, 4)) | 0
    z = (z + y) | 0
    y = ((y - x) ^ rot(x, 6)) | 0
    x = (x + z) | 0
    z = ((z - y) ^ rot(y, 8)) | 0
    y = (y + x) | 0
    x = ((x - z) ^ rot(z, 16)) | 0
    z = (z + y) | 0
    y = ((y - x) ^ rot(x, 19)) | 0
    x = (x + z) | 0
    z = ((z - y) ^ rot(y, 4)) | 0
    y = (y + x) | 0
  }
  a = x
  b = y
  c = z
}

function finish(bytes: Uint8Array, at: number): void {
  const length = bytes.length - at
  const byte = (i: number, shift: number): number => (length > i ? bytes[at + i]! << shift : 0)
  // The lowest byte of c is reserved for the length.
  c = (c + (byte(8, 8) | byte(9, 16) | byte(10, 24))) | 0
  b = (b + (byte(4, 0) | byte(5, 8) | byte(6, 16) | byte(7, 24))) | 0
  a = (a + (byte(0, 0) | byte(1, 8) | byte(2, 16) | byte(3, 24))) | 0
  final()
}

function hashWord(value: number, seed: number | bigint): void {
  start(4, seed)
  a = (a + value) | 0
  final()
}

const extended = (): number | bigint => normalInt8(BigInt.asIntN(64, (BigInt(b >>> 0) << 32n) | BigInt(c >>> 0)))

/** Bytes hashed between two moments at which others may have their turn. */
const STEP = WORD * 64 * 1024

function* hashSteps(bytes: Uint8Array, seed: number | bigint, read: () => number | bigint): Steps<number | bigint> {
  start(bytes.length, seed)
  const whole = bytes.length - (bytes.length % WORD)
  for (let from = 0; from < whole; from += STEP) {
    rounds(bytes, from, Math.min(from + STEP, whole))
    const state = [a, b, c] as const
    yield
    ;[a, b, c] = state
  }
  finish(bytes, whole)
  return read()
}

const low = (): number => c

/** hash_any: an int4. */
export function hashBytes(bytes: Uint8Array): number {
  if (bytes.length > LONG) return longWork(hashSteps, bytes, 0, low) as number
  lookup3(bytes, 0)
  return c
}
/** hash_any_extended: an int8. */
export function hashBytesExtended(bytes: Uint8Array, seed: number | bigint): number | bigint {
  if (bytes.length > LONG) return longWork(hashSteps, bytes, seed, extended)
  lookup3(bytes, seed)
  return extended()
}
/** hash_uint32. */
export function hashUint32(value: number): number {
  hashWord(value, 0)
  return c
}
export function hashUint32Extended(value: number, seed: number | bigint): number | bigint {
  hashWord(value, seed)
  return extended()
}

/** An int8 hashes as the int4 of the same value does. */
export function int8HashWord(value: number | bigint): number {
  const bits = BigInt(value)
  const low = Number(bits & 0xffffffffn)
  const high = Number(BigInt.asUintN(32, bits >> 32n))
  return (low ^ (bits >= 0n ? high : ~high)) | 0
}

const scratch = new ByteWriter(256)
/** What is longer gets bytes of its own: the lent ones have room for three to a character, and stay. */
const LENT = 64 * 1024
/** A string's UTF-8 bytes, lent until the next call. */
export function utf8Bytes(text: string): Uint8Array {
  if (text.length > LENT) return utf8Of(text)
  scratch.reset().utf8(text)
  return scratch.view()
}

export function float8Bytes(value: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(8)
  // One zero and one NaN, whatever their sign.
  bytes.writeDoubleLE(value === 0 ? 0 : Number.isNaN(value) ? Number.NaN : value)
  return bytes
}
