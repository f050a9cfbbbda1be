// The encodings of one byte per character: every byte there and back, held against the tables that Node has, where it has one of the same name.

import { describe, expect, test } from 'vitest'
import { ByteWriter } from '../../../src/base/bytes.ts'
import { singleByteEncoding } from '../../../src/base/single-byte-encodings.ts'

/** PostgreSQL's name and Node's, which takes LATIN1 and LATIN5 for Windows' pages, windows-1252 for LATIN1 in some versions, and has no LATIN10. */
const NAMES: Readonly<Record<string, string | null>> = {
  LATIN1: null,
  LATIN5: null,
  ...Object.fromEntries([2, 3, 4].map((n) => [`LATIN${n}`, `iso-8859-${n}`])),
  ...Object.fromEntries([6, 7, 8, 9].map((n) => [`LATIN${n}`, `iso-8859-${[10, 13, 14, 15][n - 6]}`])),
  LATIN10: null,
  ...Object.fromEntries([5, 6, 7, 8].map((n) => [`ISO_8859_${n}`, `iso-8859-${n}`])),
  ...Object.fromEntries([874, 1250, 1251, 1253, 1254, 1255, 1256, 1257, 1258].map((n) => [`WIN${n}`, `windows-${n}`])),
  WIN866: 'ibm866',
  WIN1252: null,
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
}

const failure = (what: () => unknown): string => {
  try {
    return `no error: ${String(what())}`
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    return `${code} ${message}`
  }
}
const encoded = (name: string, text: string): string => {
  const out = new ByteWriter()
  expect(singleByteEncoding(name)!.write(text, out)).toBe(out.length)
  return out.view().toString('hex')
}

describe.each(Object.entries(NAMES))('%s', (name, standard) => {
  const encoding = singleByteEncoding(name)!

  test('every byte', () => {
    const theirs = standard === null ? null : new TextDecoder(standard)
    for (let byte = 1; byte < 256; byte++) {
      const hex = byte.toString(16).padStart(2, '0')
      let text = ''
      try {
        text = encoding.decode(Buffer.from([byte]))
      } catch (error) {
        expect((error as Error).message).toBe(
          `character with byte sequence 0x${hex} in encoding "${name}" has no equivalent in encoding "UTF8"`,
        )
        continue
      }
      expect(encoded(name, text)).toBe(hex)
      // Node's ibm866 has exchanged some control characters
      if (theirs !== null && byte >= 0x20 && byte !== 0x7f) expect(`${hex} ${text}`).toBe(`${hex} ${theirs.decode(Buffer.from([byte]))}`)
      else if (name === 'LATIN1') expect(text).toBe(String.fromCharCode(byte))
    }
  })

  test('characters that it does not have', () => {
    for (const [text, bytes] of [
      ['語', '0xe8 0xaa 0x9e'],
      ['a𝄞', '0xf0 0x9d 0x84 0x9e'],
    ] as const) {
      expect(failure(() => encoded(name, text))).toBe(
        `22P05 character with byte sequence ${bytes} in encoding "UTF8" has no equivalent in encoding "${name}"`,
      )
    }
  })
})

test('a zero byte is in none', () => {
  expect(failure(() => singleByteEncoding('WIN1252')!.decode(Buffer.from('a\0')))).toBe(
    '22021 invalid byte sequence for encoding "WIN1252": 0x00',
  )
})

test('what must be told is told without what cannot be', () => {
  expect(singleByteEncoding('LATIN1')!.tellable('é 語 𝄞 ö')).toBe('é ? ? ö')
})

test('encodings of several bytes are none of these', () => {
  for (const name of ['UTF8', 'SQL_ASCII', 'EUC_JP', 'SJIS', 'toString']) expect(singleByteEncoding(name)).toBeNull()
})
