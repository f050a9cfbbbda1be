// UTF-8 from clients: decoded once, refused as PostgreSQL does (22021) when it is not UTF-8 or holds a zero byte. // hot

import { isAscii, isUtf8 } from 'node:buffer'
import { PgError } from './errors.ts'
import { SQLSTATE } from './sqlstate.ts'

/** From so many bytes on it pays to look whether they are ASCII. */
const LONG = 64 * 1024

/** Bytes [start, end), which are known to be UTF-8, as a string. */
export function textOf(buffer: Buffer, start: number, end: number): string {
  return end - start > LONG && isAscii(buffer.subarray(start, end)) ? buffer.latin1Slice(start, end) : buffer.utf8Slice(start, end)
}

/** Bytes [start, end) as a string. The check costs one scan of the result: only text with U+FFFD or NUL in it is looked at again. */
export function decodeUtf8(buffer: Buffer, start: number, end: number): string {
  const text = textOf(buffer, start, end)
  if (text.includes('\ufffd') || text.includes('\0')) checkUtf8(buffer, start, end)
  return text
}

/** Throws 22021 unless bytes [start, end) are UTF-8 without zero bytes. */
export function checkUtf8(buffer: Buffer, start: number, end: number): void {
  const bytes = buffer.subarray(start, end)
  if (isUtf8(bytes) && !bytes.includes(0)) return
  const at = firstInvalid(bytes)
  const width = Math.min(sequenceLength(bytes[at]!), bytes.length - at)
  const shown = Array.from(bytes.subarray(at, at + width), (byte) => `0x${byte.toString(16).padStart(2, '0')}`)
  throw new PgError(SQLSTATE.characterNotInRepertoire, `invalid byte sequence for encoding "UTF8": ${shown.join(' ')}`)
}

function sequenceLength(lead: number): number {
  if (lead < 0xc0) return 1
  if (lead < 0xe0) return 2
  if (lead < 0xf0) return 3
  return lead < 0xf8 ? 4 : 1
}

function firstInvalid(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length) {
    const width = sequenceLength(bytes[at]!)
    if (bytes[at] === 0 || at + width > bytes.length || !isUtf8(bytes.subarray(at, at + width))) return at
    at += width
  }
  return 0
}
