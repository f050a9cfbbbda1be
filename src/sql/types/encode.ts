// encode/decode, digests, checksums, and conversion between encodings.

import { createHash } from 'node:crypto'
import { ByteWriter } from '../../base/bytes.ts'
import { crc32, crc32c } from '../../base/crc.ts'
import { notSupported, PgError } from '../../base/errors.ts'
import { LONG, longWork, type Steps } from '../../base/long-work.ts'
import { singleByteEncoding } from '../../base/single-byte-encodings.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { decodeEscape, decodeHex, escaped } from './bytea.ts'
import { decoded, pieces, utf8Of, writeUtf8 } from './chars.ts'
import { invalidInput } from './define.ts'
import { utf8Bytes } from './hash.ts'
import type { Procs } from './procs.ts'

const invalid = (message: string, hint?: string): PgError =>
  new PgError(SQLSTATE.invalidParameterValue, message, hint === undefined ? {} : { hint })

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Base64 in lines of 76. */
function encodeBase64(bytes: Uint8Array): string {
  const flat = asBuffer(bytes).toString('base64')
  if (flat.length <= 76) return flat
  const out = Buffer.allocUnsafe(flat.length + Math.ceil(flat.length / 76) - 1)
  let at = 0
  for (let i = 0; i < flat.length; i += 76) {
    if (i > 0) out[at++] = 0x0a
    at += out.latin1Write(flat.slice(i, i + 76), at)
  }
  return out.latin1Slice()
}

/** Whole groups of four letters and digits in pieces; from what else there is the rest of the text at once. */
function* base64Steps(text: string): Steps<Buffer> {
  const out = Buffer.allocUnsafeSlow(Math.ceil(text.length / 4) * 3)
  let at = 0
  let done = 0
  let rest = ''
  for (const piece of pieces(text, LONG)) {
    done += piece.length
    const compact = rest + piece.replace(/[ \t\n\r]/g, '')
    const whole = compact.length - (compact.length % 4)
    rest = compact
    if (/[^A-Za-z0-9+/]/.test(compact)) break
    rest = compact.slice(whole)
    at += out.base64Write(compact.slice(0, whole), at)
    yield
  }
  const tail = decodeBase64Now(rest + text.slice(done))
  out.set(tail, at)
  return out.subarray(0, at + tail.length)
}

const decodeBase64 = (text: string): Buffer => (text.length > LONG ? longWork(base64Steps, text) : decodeBase64Now(text))

function decodeBase64Now(text: string): Buffer {
  const compact = text.replace(/[ \t\n\r]/g, '')
  if (compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return Buffer.from(compact, 'base64')
  return decodeGroups(compact)
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Group by group as PostgreSQL does it: from the first padding on each gives as many bytes as that one did. */
function decodeGroups(compact: string): Buffer {
  const bytes: number[] = []
  let group = 0
  let place = 0
  let kept = 3
  for (const char of compact) {
    let digit = 0
    if (char !== '=') {
      digit = BASE64.indexOf(char)
      if (digit < 0) throw invalid(`invalid symbol "${char}" found while decoding base64 sequence`)
    } else if (kept === 3) {
      if (place < 2) throw invalid('unexpected "=" while decoding base64 sequence')
      kept = place - 1
    }
    group = (group << 6) | digit
    if (++place < 4) continue
    for (let i = 0; i < kept; i++) bytes.push((group >> (16 - 8 * i)) & 0xff)
    group = 0
    place = 0
  }
  if (place > 0) throw invalid('invalid base64 end sequence', 'Input data is missing padding, is truncated, or is otherwise corrupted.')
  return Buffer.from(bytes)
}

/** Zero bytes and bytes beyond ASCII as \ooo, backslashes doubled. */
const encodeEscape = (bytes: Uint8Array): string => escaped(bytes, (byte) => byte > 0 && byte <= 0x7f)

/** Divisible by all of a base64 line's 57 bytes and groups of 3. */
const ENCODED_STEP = 57 * 8192

/** A long value in pieces that are encoded on their own; base64's are whole lines. */
function* encodeSteps(bytes: Uint8Array, format: string): Steps<string> {
  const between = format.toLowerCase() === 'base64' ? '\n' : ''
  let done = ''
  for (const part of parts(bytes, ENCODED_STEP)) {
    done += (done === '' ? '' : between) + encodeNow(part, format)
    yield
  }
  return done
}

const encode = (bytes: Uint8Array, format: string): string =>
  bytes.length > LONG ? longWork(encodeSteps, bytes, format) : encodeNow(bytes, format)

function encodeNow(bytes: Uint8Array, format: string): string {
  switch (format.toLowerCase()) {
    case 'hex':
      return asBuffer(bytes).toString('hex')
    case 'base64':
      return encodeBase64(bytes)
    case 'escape':
      return encodeEscape(bytes)
    default:
      throw invalid(`unrecognized encoding: "${format}"`)
  }
}

function decode(text: string, format: string): Uint8Array {
  switch (format.toLowerCase()) {
    case 'hex':
      return decodeHex(text)
    case 'base64':
      return decodeBase64(text)
    case 'escape':
      return decodeEscape(text, () => invalidInput('bytea', text))
    default:
      throw invalid(`unrecognized encoding: "${format}"`)
  }
}

function* parts(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

/** So much is digested or converted in one step. */
const STEP = 512 * 1024

function* digestSteps(algorithm: string, input: Uint8Array | string): Steps<Buffer> {
  const hash = createHash(algorithm)
  for (const part of typeof input === 'string' ? pieces(input, STEP) : parts(input, STEP)) {
    hash.update(part)
    yield
  }
  return hash.digest()
}

const digest = (algorithm: string, bytes: Uint8Array): Buffer =>
  bytes.length > LONG ? longWork(digestSteps, algorithm, bytes) : createHash(algorithm).update(bytes).digest()
const md5 = (bytes: Uint8Array): string => digest('md5', bytes).toString('hex')
const md5Text = (text: string): string => (text.length > LONG ? longWork(digestSteps, 'md5', text).toString('hex') : md5(utf8Bytes(text)))

/** PostgreSQL's encoding ids; the ones this server converts to and from are UTF8, SQL_ASCII and those of one byte per character. */
// biome-ignore format: a list
const ENCODINGS = ['SQL_ASCII', 'EUC_JP', 'EUC_CN', 'EUC_KR', 'EUC_TW', 'EUC_JIS_2004', 'UTF8', 'MULE_INTERNAL', 'LATIN1', 'LATIN2', 'LATIN3',
  'LATIN4', 'LATIN5', 'LATIN6', 'LATIN7', 'LATIN8', 'LATIN9', 'LATIN10', 'WIN1256', 'WIN1258', 'WIN866', 'WIN874', 'KOI8R', 'WIN1251',
  'WIN1252', 'ISO_8859_5', 'ISO_8859_6', 'ISO_8859_7', 'ISO_8859_8', 'WIN1250', 'WIN1253', 'WIN1254', 'WIN1255', 'WIN1257', 'KOI8U',
  'SJIS', 'BIG5', 'GBK', 'UHC', 'GB18030', 'JOHAB', 'SHIFT_JIS_2004'] as const
// biome-ignore format: a list
const ALIASES: Readonly<Record<string, string>> = {
  unicode: 'UTF8', iso88591: 'LATIN1', iso88592: 'LATIN2', iso88593: 'LATIN3', iso88594: 'LATIN4', iso88599: 'LATIN5', iso885910: 'LATIN6',
  iso885913: 'LATIN7', iso885914: 'LATIN8', iso885915: 'LATIN9', iso885916: 'LATIN10', abc: 'WIN1258', tcvn: 'WIN1258', tcvn5712: 'WIN1258',
  vscii: 'WIN1258', alt: 'WIN866', win: 'WIN1251', koi8: 'KOI8R', windows866: 'WIN866', windows874: 'WIN874', windows1250: 'WIN1250',
  windows1251: 'WIN1251', windows1252: 'WIN1252', windows1253: 'WIN1253', windows1254: 'WIN1254', windows1255: 'WIN1255',
  windows1256: 'WIN1256', windows1257: 'WIN1257', windows1258: 'WIN1258', shiftjis: 'SJIS', mskanji: 'SJIS', win932: 'SJIS',
  windows932: 'SJIS', win936: 'GBK', windows936: 'GBK', win949: 'UHC', windows949: 'UHC', win950: 'BIG5', windows950: 'BIG5',
}

/** PostgreSQL's name of an encoding that may be written in several ways; undefined for none. */
export function encodingName(name: string): string | undefined {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  return ALIASES[plain] ?? ENCODINGS.find((known) => known.toLowerCase().replaceAll('_', '') === plain)
}

function required(name: string, which: string): string {
  const found = encodingName(name)
  if (found === undefined) throw invalid(`invalid ${which === '' ? '' : `${which} `}encoding name "${name}"`)
  return found
}

const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** 22021 with the offending bytes, as PostgreSQL reports them. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    const text = DECODER.decode(bytes)
    if (!text.includes('\0')) return text
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
  }
  const at = firstInvalid(bytes)
  const lead = bytes[at.offset]!
  const length = Math.min(lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1, bytes.length - at.offset)
  const list = Array.from(bytes.subarray(at.offset, at.offset + length), (byte) => `0x${byte.toString(16).padStart(2, '0')}`)
  throw new PgError(SQLSTATE.characterNotInRepertoire, `invalid byte sequence for encoding "UTF8": ${list.join(' ')}`)
}

function firstInvalid(bytes: Uint8Array): { offset: number } {
  let i = 0
  while (i < bytes.length) {
    const lead = bytes[i]!
    const length = lead === 0 ? 0 : lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
    if (length === 0 || i + length > bytes.length) break
    const second = bytes[i + 1] ?? 0
    let good = true
    for (let k = 1; k < length; k++) if ((bytes[i + k]! & 0xc0) !== 0x80) good = false
    if (
      (lead === 0xe0 && second < 0xa0) ||
      (lead === 0xed && second > 0x9f) ||
      (lead === 0xf0 && second < 0x90) ||
      (lead === 0xf4 && second > 0x8f)
    )
      good = false
    if (!good) break
    i += length
  }
  return { offset: i }
}

function fromEncoding(bytes: Uint8Array, name: string, which: string): string {
  const encoding = required(name, which)
  switch (encoding) {
    case 'UTF8':
    case 'SQL_ASCII':
      return decodeUtf8(bytes)
    default: {
      const known = singleByteEncoding(encoding)
      if (known === null) throw notSupported(`conversion from ${encoding} is not implemented`)
      return decoded(bytes, known)
    }
  }
}

function toEncoding(text: string, name: string): Uint8Array {
  const encoding = required(name, 'destination')
  switch (encoding) {
    case 'UTF8':
    case 'SQL_ASCII':
      return utf8Of(text)
    default: {
      const known = singleByteEncoding(encoding)
      if (known === null) throw notSupported(`conversion to ${encoding} is not implemented`)
      const out = new ByteWriter(text.length)
      out.encoding = known
      writeUtf8(text, out)
      return out.view()
    }
  }
}

export const encodeProcs = {
  binary_encode: encode,
  binary_decode: decode,
  md5_text: md5Text,
  md5_bytea: md5,
  sha224_bytea: (a) => digest('sha224', a),
  sha256_bytea: (a) => digest('sha256', a),
  sha384_bytea: (a) => digest('sha384', a),
  sha512_bytea: (a) => digest('sha512', a),
  crc32_bytea: (a) => crc32(a),
  crc32c_bytea: (a) => crc32c(a),
  PG_char_to_encoding(name) {
    const found = encodingName(name)
    return found === undefined ? -1 : ENCODINGS.indexOf(found as (typeof ENCODINGS)[number])
  },
  PG_encoding_to_char: (id) => ENCODINGS[id] ?? '',
  pg_convert_from: (bytes, name) => fromEncoding(bytes, name, 'source'),
  pg_convert_to: toEncoding,
  pg_convert: (bytes, from, to) => toEncoding(fromEncoding(bytes, from, 'source'), to),
  length_in_encoding: (bytes, name) => Array.from(fromEncoding(bytes, name, '')).length,
} satisfies Procs
