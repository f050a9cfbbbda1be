// text, varchar, bpchar, name, "char", cstring, unknown, refcursor: support, order (code points), length coercions. String functions are
// in string.ts, patterns in like.ts and regex/. // hot

import { PgError } from '../../base/errors.ts'
import { LIMITS } from '../../base/limits.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { decodeUtf8 } from '../../base/utf8.ts'
import { charLength, checkFieldSize, clipBytes, compareText, sliceChars, trimBlanks, writeUtf8 } from './chars.ts'
import { textKeyCodec, textValueCodec } from './codecs.ts'
import { defineType } from './define.ts'
import { hashBytes, hashBytesExtended, hashUint32, hashUint32Extended, utf8Bytes } from './hash.ts'
import type { Procs } from './procs.ts'
import type { TypeSupport } from './type.ts'

const size = (value: string): number => 24 + value.length

/** A typmod of a string type is its length plus the four bytes of a varlena header. */
const HEADER = 4

function tooLong(type: string, length: number): PgError {
  return new PgError(SQLSTATE.stringDataRightTruncation, `value too long for type ${type}(${length})`)
}

/** varchar(n): blanks too many are dropped, anything else is an error unless the cast was written. */
export function coerceVarchar(text: string, typmod: number, explicit: boolean): string {
  const limit = typmod - HEADER
  if (typmod < HEADER || text.length <= limit || charLength(text) <= limit) return text
  const kept = sliceChars(text, 0, limit)
  if (!explicit && trimBlanks(text).length > kept.length) throw tooLong('character varying', limit)
  return kept
}

/** character(n): padded to n. */
export function coerceBpchar(text: string, typmod: number, explicit: boolean): string {
  const limit = typmod - HEADER
  if (typmod < HEADER) return text
  const length = charLength(text)
  if (length < limit) checkFieldSize(limit)
  if (length <= limit) return length === limit ? text : text + ' '.repeat(limit - length)
  const kept = sliceChars(text, 0, limit)
  if (!explicit && trimBlanks(text).length > kept.length) throw tooLong('character', limit)
  return kept
}

function checkText(text: string): string {
  if (text.length * 3 > LIMITS.maxFieldBytes && Buffer.byteLength(text) > LIMITS.maxFieldBytes)
    throw new PgError(SQLSTATE.programLimitExceeded, `field exceeds ${LIMITS.maxFieldBytes} bytes`)
  return text
}

export const clipName = (text: string): string => clipBytes(text, LIMITS.maxIdentifierBytes)

function stringType(input: TypeSupport['input'], key = textKeyCodec): TypeSupport {
  return defineType<string>({
    input: input as (text: string, typmod: number) => string,
    output: (value) => value,
    writeText: writeUtf8,
    receive: (buffer, start, end, typmod, ctx) => input(decodeUtf8(buffer, start, end), typmod, ctx) as string,
    send: writeUtf8,
    compare: compareText,
    hashKey: (value) => value,
    size,
    value: textValueCodec,
    key,
  })
}

const compareBpchar = (a: string, b: string): number => compareText(trimBlanks(a), trimBlanks(b))

const bpcharSupport: TypeSupport = {
  ...stringType((text, typmod) => coerceBpchar(checkText(text), typmod, false)),
  compare: compareBpchar as TypeSupport['compare'],
  hashKey: (value) => trimBlanks(value as string),
  key: {
    write: (value, out) => textKeyCodec.write(trimBlanks(value as string), out),
    skip: textKeyCodec.skip,
    // How many blanks there were is in the row only.
    read: () => undefined,
    lossless: false,
  },
}

/** "char": one byte as a character below 256; '' is zero. Bytes beyond ASCII read and print as \ooo. */
function inputChar(text: string): string {
  const octal = /^\\([0-3][0-7][0-7])$/.exec(text)
  if (octal !== null) {
    const code = Number.parseInt(octal[1]!, 8)
    return code === 0 ? '' : String.fromCharCode(code)
  }
  if (text === '') return ''
  return text.charCodeAt(0) < 0x80 ? text[0]! : String.fromCharCode(Buffer.from(text.slice(0, 2))[0]!)
}
const charByte = (value: string): number => (value === '' ? 0 : value.charCodeAt(0))
function outputChar(value: string): string {
  const byte = charByte(value)
  return byte < 0x80 ? value : `\\${byte.toString(8).padStart(3, '0')}`
}
const charOf = (byte: number): string => (byte === 0 ? '' : String.fromCharCode(byte))
const compareChar = (a: string, b: string): number => charByte(a) - charByte(b)

const noOrder = (support: TypeSupport): TypeSupport => ({ ...support, compare: null, hashKey: null, key: null })

/** Types whose values only the server makes. */
const cannotAccept = (type: string) => (): never => {
  throw new PgError(SQLSTATE.featureNotSupported, `cannot accept a value of type ${type}`)
}

export const textTypes = {
  text: stringType((text) => checkText(text)),
  varchar: stringType((text, typmod) => coerceVarchar(checkText(text), typmod, false)),
  bpchar: bpcharSupport,
  name: stringType((text) => clipName(text)),
  cstring: noOrder(stringType((text) => text)),
  unknown: noOrder(stringType((text) => text)),
  refcursor: noOrder(stringType((text) => checkText(text))),
  pg_node_tree: noOrder(stringType(cannotAccept('pg_node_tree'))),
  pg_ndistinct: noOrder(stringType(cannotAccept('pg_ndistinct'))),
  pg_dependencies: noOrder(stringType(cannotAccept('pg_dependencies'))),
  pg_mcv_list: noOrder(stringType(cannotAccept('pg_mcv_list'))),
  char: defineType<string>({
    input: inputChar,
    output: outputChar,
    receive: (buffer, start) => charOf(buffer[start]!),
    send: (value, out) => out.u8(charByte(value)),
    compare: compareChar,
    hashKey: (value) => value,
    size,
    value: { write: (value, out) => out.u8(charByte(value)), read: (buffer, start) => charOf(buffer[start]!) },
    key: {
      write: (value, out) => out.u8(charByte(value)),
      skip: (_buffer, start) => start + 1,
      read: (buffer, start) => charOf(buffer[start]!),
      lossless: true,
    },
  }),
}

const eq = (a: string, b: string): boolean => a === b
const ne = (a: string, b: string): boolean => a !== b
const lt = (a: string, b: string): boolean => compareText(a, b) < 0
const le = (a: string, b: string): boolean => compareText(a, b) <= 0
const gt = (a: string, b: string): boolean => compareText(a, b) > 0
const ge = (a: string, b: string): boolean => compareText(a, b) >= 0
const hash = (a: string): number => hashBytes(utf8Bytes(a))
const signedByte = (value: string): number => (charByte(value) << 24) >> 24

export const textProcs = {
  texteq: eq,
  textne: ne,
  text_lt: lt,
  text_le: le,
  text_gt: gt,
  text_ge: ge,
  bttextcmp: compareText,
  text_pattern_lt: lt,
  text_pattern_le: le,
  text_pattern_gt: gt,
  text_pattern_ge: ge,
  bttext_pattern_cmp: compareText,
  text_larger: (a, b) => (compareText(a, b) > 0 ? a : b),
  text_smaller: (a, b) => (compareText(a, b) < 0 ? a : b),
  hashtext: hash,
  hashtextextended: (a, seed) => hashBytesExtended(utf8Bytes(a), seed),
  nameeq: eq,
  namene: ne,
  namelt: lt,
  namele: le,
  namegt: gt,
  namege: ge,
  btnamecmp: compareText,
  hashname: hash,
  hashnameextended: (a, seed) => hashBytesExtended(utf8Bytes(a), seed),
  nameeqtext: eq,
  namenetext: ne,
  namelttext: lt,
  nameletext: le,
  namegttext: gt,
  namegetext: ge,
  btnametextcmp: compareText,
  texteqname: eq,
  textnename: ne,
  textltname: lt,
  textlename: le,
  textgtname: gt,
  textgename: ge,
  bttextnamecmp: compareText,
  bpchareq: (a, b) => trimBlanks(a) === trimBlanks(b),
  bpcharne: (a, b) => trimBlanks(a) !== trimBlanks(b),
  bpcharlt: (a, b) => compareBpchar(a, b) < 0,
  bpcharle: (a, b) => compareBpchar(a, b) <= 0,
  bpchargt: (a, b) => compareBpchar(a, b) > 0,
  bpcharge: (a, b) => compareBpchar(a, b) >= 0,
  bpcharcmp: compareBpchar,
  bpchar_pattern_lt: (a, b) => compareBpchar(a, b) < 0,
  bpchar_pattern_le: (a, b) => compareBpchar(a, b) <= 0,
  bpchar_pattern_gt: (a, b) => compareBpchar(a, b) > 0,
  bpchar_pattern_ge: (a, b) => compareBpchar(a, b) >= 0,
  btbpchar_pattern_cmp: compareBpchar,
  bpchar_larger: (a, b) => (compareBpchar(a, b) >= 0 ? a : b),
  bpchar_smaller: (a, b) => (compareBpchar(a, b) <= 0 ? a : b),
  hashbpchar: (a) => hash(trimBlanks(a)),
  hashbpcharextended: (a, seed) => hashBytesExtended(utf8Bytes(trimBlanks(a)), seed),
  chareq: eq,
  charne: ne,
  charlt: (a, b) => compareChar(a, b) < 0,
  charle: (a, b) => compareChar(a, b) <= 0,
  chargt: (a, b) => compareChar(a, b) > 0,
  charge: (a, b) => compareChar(a, b) >= 0,
  btcharcmp: compareChar,
  hashchar: (a) => hashUint32(signedByte(a)),
  hashcharextended: (a, seed) => hashUint32Extended(signedByte(a), seed),

  varchar: coerceVarchar,
  bpchar: coerceBpchar,
  text_name: clipName,
  bpchar_name: (a) => trimBlanks(clipName(a)),
  name_text: (a) => a,
  nameconcatoid(name, oid) {
    const suffix = `_${oid}`
    return clipBytes(name, LIMITS.maxIdentifierBytes - suffix.length) + suffix
  },
  name_bpchar: (a) => a,
  char_text: outputChar,
  char_bpchar: outputChar,
  text_char: inputChar,
  chartoi4: signedByte,
  bpcharlen: (a) => charLength(trimBlanks(a)),
  bpcharoctetlen: (a) => Buffer.byteLength(a),
  cstring_in: (a) => a,
  cstring_out: (a) => a,
} satisfies Procs
