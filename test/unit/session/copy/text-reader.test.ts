// COPY's text format must not depend on how the network cut the stream.
import { describe, expect, test } from 'vitest'
import { Fields, FORM_NULL } from '../../../../src/session/copy/fields.ts'
import type { CopyOptions } from '../../../../src/session/copy/options.ts'
import { TextReader } from '../../../../src/session/copy/text-reader.ts'

const options = { format: 'text', delimiter: 9, null: '\\N', default: null } as unknown as CopyOptions

function records(chunks: readonly Buffer[]): (string | null)[][] {
  const reader = new TextReader(options)
  const fields = new Fields()
  const all: (string | null)[][] = []
  const drain = () => {
    while (reader.next(fields)) {
      const row: (string | null)[] = []
      for (let i = 0; i < fields.count; i++) row.push(fields.form[i] === FORM_NULL ? null : fields.text(i))
      all.push(row)
    }
  }
  for (const chunk of chunks) {
    reader.feed(Buffer.from(chunk))
    drain()
  }
  reader.finish()
  drain()
  return all
}

const TEXTS = ['1\tplain\n2\té€😀\n', 'a\\\nb\tc\n', '\\N\tx\\\\\n\\x41\\101\ty\n', 'no end', 'a\tb\\\r\tc\r\nd\te\tf\r\n', 'é\\\n€\n\\.\n']

describe('text records', () => {
  test.each(TEXTS)('%j is the same however it is cut', (text) => {
    const bytes = Buffer.from(text)
    const whole = records([bytes])
    for (let i = 0; i <= bytes.length; i++) {
      expect(records([bytes.subarray(0, i), bytes.subarray(i)])).toEqual(whole)
      for (let j = i; j <= bytes.length; j++) {
        expect(records([bytes.subarray(0, i), bytes.subarray(i, j), bytes.subarray(j)])).toEqual(whole)
      }
    }
  })

  test('escapes', () => {
    expect(records([Buffer.from('\\N\tx\\\\\n\\x41\\101\ty\n')])).toEqual([
      [null, 'x\\'],
      ['AA', 'y'],
    ])
    expect(records([Buffer.from('a\\\nb\tc\n')])).toEqual([['a\nb', 'c']])
  })

  test.each([
    ['beyond ASCII', [0x61, 0xff, 0x0a]],
    ['zero', [0x61, 0x00, 0x0a]],
    ['zero behind a backslash', [0x61, 0x5c, 0x00, 0x0a]],
    ['a stray byte behind a backslash', [0x61, 0x5c, 0x80, 0x0a]],
  ])('bad bytes are refused wherever the stream is cut: %s', (_, bytes) => {
    for (let i = 0; i <= bytes.length; i++) {
      expect(() => records([Buffer.from(bytes.slice(0, i)), Buffer.from(bytes.slice(i))])).toThrow(/invalid byte sequence/)
    }
  })
})
