// Byte offsets in long texts that are not ASCII.

import { expect, test } from 'vitest'
import { indexOfByte, positionOfByte, sourceText } from '../../../../src/sql/parser/positions.ts'

test('every offset of a long text leads to its character', () => {
  const text = Array.from({ length: 3000 }, (_, i) => ['a', 'é', '☃', '😀'][(i * 7 + (i >> 3)) % 4]).join('')
  const source = sourceText(text)
  let byte = 0
  let index = 0
  let position = 1
  for (const char of text) {
    expect([indexOfByte(source, byte), positionOfByte(source, byte)]).toEqual([index, position])
    byte += Buffer.byteLength(char)
    index += char.length
    position++
  }
  expect(indexOfByte(source, byte)).toBe(text.length)
  expect(indexOfByte(source, byte + 5000)).toBe(text.length)
})
