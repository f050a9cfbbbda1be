// Characters of a JavaScript string as PostgreSQL counts them: code points, ordered by code point (C.UTF-8), not UTF-16 units. Nearly all
// text has no surrogates; each helper asks that first and then works on units. // hot

import { ByteWriter, type TextEncoding } from '../../base/bytes.ts'
import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { inParts, LONG, longWork, type Steps } from '../../base/long-work.ts'
import type { SingleByteEncoding } from '../../base/single-byte-encodings.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'

const HIGH = /[\ud800-\udbff]/

/** Whether the text has characters beyond the basic plane, so that units are not characters. */
export function hasSurrogates(text: string): boolean {
  return HIGH.test(text)
}

const COMPARED_AT_ONCE = 4096

/** Code point order: as the UTF-8 bytes compare. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  if (length <= COMPARED_AT_ONCE && a === b) return 0
  let i = 0
  // What long texts have in common is passed over in steps.
  while (length - i > COMPARED_AT_ONCE && a.slice(i, i + COMPARED_AT_ONCE) === b.slice(i, i + COMPARED_AT_ONCE)) i += COMPARED_AT_ONCE
  for (; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) {
      // A surrogate stands for a character above every unit from U+E000 on.
      if (x >= 0xd800 && y >= 0xd800) {
        const xs = x < 0xe000
        if (xs !== y < 0xe000) return xs ? 1 : -1
      }
      return x < y ? -1 : 1
    }
  }
  return a.length === b.length ? 0 : a.length < b.length ? -1 : 1
}

/** Surrogate pairs among units [from, to). */
function pairsIn(text: string, from: number, to: number): number {
  let pairs = 0
  for (let i = from; i < to; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit < 0xdc00) pairs++
  }
  return pairs
}

export function charLength(text: string): number {
  const { length } = text
  if (length > LONG) return length - inParts(length, 0, (pairs, from, to) => pairs + pairsIn(text, from, to), LONG)
  return HIGH.test(text) ? length - pairsIn(text, 0, length) : length
}

/** The unit offset of character `index` (from 0), at most the length. */
export function unitOffset(text: string, index: number): number {
  if (index <= 0) return 0
  if (!HIGH.test(text)) return Math.min(index, text.length)
  let at = 0
  for (let left = index; left > 0 && at < text.length; left--) {
    const unit = text.charCodeAt(at)
    at += unit >= 0xd800 && unit < 0xdc00 ? 2 : 1
  }
  return at
}

/** Characters [from, to). */
export function sliceChars(text: string, from: number, to: number): string {
  if (to <= from) return ''
  if (!HIGH.test(text)) return text.slice(Math.max(from, 0), to)
  return text.slice(unitOffset(text, from), unitOffset(text, to))
}

/** The characters, one string each. */
export function chars(text: string): string[] {
  return HIGH.test(text) ? Array.from(text) : text.split('')
}

const BEYOND_ASCII = /[\u0080-\uffff]/

export function isAscii(text: string): boolean {
  return !BEYOND_ASCII.test(text)
}

/** UTF-8 length without encoding. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text)
}

/** 54000 before a string is built that no field may hold. */
export function checkFieldSize(bytes: number): void {
  if (bytes > LIMITS.maxFieldBytes) throw new PgError(SQLSTATE.programLimitExceeded, 'requested length too large')
}

/** At most `limit` bytes of UTF-8, never splitting a character. */
export function clipBytes(text: string, limit: number): string {
  if (text.length * 3 <= limit || Buffer.byteLength(text) <= limit) return text
  let used = 0
  let end = 0
  for (const char of text) {
    used += Buffer.byteLength(char)
    if (used > limit) break
    end += char.length
  }
  return text.slice(0, end)
}

/** Without trailing blanks: what bpchar compares and hashes by. */
export function trimBlanks(text: string): string {
  let end = text.length
  while (end > 0 && text.charCodeAt(end - 1) === 0x20) end--
  return end === text.length ? text : text.slice(0, end)
}

function* pieceByPiece(text: string, change: (piece: string) => string): Steps<string> {
  let out = ''
  for (const piece of pieces(text, LONG)) {
    out += change(piece)
    yield
  }
  return out
}

/** `change`, which goes by single characters, of the whole text. */
export function byCharacter(text: string, change: (piece: string) => string): string {
  return text.length > LONG ? longWork(pieceByPiece, text, change) : change(text)
}

function* utf8Steps(text: string): Steps<Buffer> {
  let size = 0
  for (const piece of pieces(text, LONG)) {
    size += Buffer.byteLength(piece)
    yield
  }
  const bytes = Buffer.allocUnsafeSlow(size)
  let at = 0
  for (const piece of pieces(text, LONG)) {
    at += bytes.utf8Write(piece, at)
    yield
  }
  return bytes
}

function* encodingSteps(text: string, encoding: TextEncoding): Steps<Buffer> {
  const out = new ByteWriter(text.length)
  for (const piece of pieces(text, LONG)) {
    encoding.write(piece, out)
    yield
  }
  return out.view()
}

function* decodingSteps(bytes: Uint8Array, encoding: SingleByteEncoding): Steps<string> {
  let text = ''
  for (let at = 0; at < bytes.length; at += LONG) {
    text += encoding.decode(bytes.subarray(at, at + LONG))
    yield
  }
  return text
}

/** The text of bytes in an encoding that is not UTF-8. */
export const decoded = (bytes: Uint8Array, encoding: SingleByteEncoding): string =>
  bytes.length > LONG ? longWork(decodingSteps, bytes, encoding) : encoding.decode(bytes)

/** Writes the text's bytes. */
export function writeUtf8(text: string, out: ByteWriter): void {
  if (text.length > LONG) out.bytes(out.encoding === null ? longWork(utf8Steps, text) : longWork(encodingSteps, text, out.encoding))
  else out.utf8(text)
}

/** The text's bytes. */
export const utf8Of = (text: string): Buffer => (text.length > LONG ? longWork(utf8Steps, text) : Buffer.from(text))

/** Pieces of at most `size`, none of which ends within a character. */
export function* pieces(text: string, size: number): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = from + size
    if (to < text.length && text.charCodeAt(to - 1) >= 0xd800 && text.charCodeAt(to - 1) < 0xdc00) to--
    yield text.slice(from, to)
    from = to
  }
}
