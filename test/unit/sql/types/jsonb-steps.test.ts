// jsonb in steps is what it is at once: read from text, told, and read from its row form.

import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ByteWriter } from '../../../../src/base/bytes.ts'
import { parseJsonSteps, parseJsonText } from '../../../../src/sql/types/json-text.ts'
import { jsonTypes } from '../../../../src/sql/types/json-types.ts'
import { formatJsonb, formatJsonbSteps, Jsonb } from '../../../../src/sql/types/jsonb.ts'

function finished<T>(steps: Generator<unknown, T>): { value: T; steps: number } {
  for (let count = 0; ; count++) {
    const step = steps.next()
    if (step.done === true) return { value: step.value, steps: count }
  }
}

const { value: codec } = jsonTypes['jsonb']!

test('any value', () => {
  fc.assert(
    fc.property(fc.json(), fc.array(fc.json(), { maxLength: 5 }), (one, others) => {
      const text = `[${[one, ...others].join(', ')}]`
      const tree = parseJsonText(text, true)
      expect(finished(parseJsonSteps(text, true)).value).toEqual(tree)
      const told = formatJsonb(tree)
      expect(finished(formatJsonbSteps(tree)).value).toBe(told)
      expect(formatJsonb(parseJsonText(told, true))).toBe(told)
    }),
    { numRuns: 300 },
  )
})

test('a long one', () => {
  const text = JSON.stringify(
    Array.from({ length: 30_000 }, (_, i) => (i % 3 === 0 ? { b: i, a: [`é${i}`, null, { deep: i / 8 }], b2: true } : { [`k${i}`]: {} })),
  )
  const { value: tree, steps } = finished(parseJsonSteps(text, true))
  expect(steps).toBeGreaterThan(10)
  expect(isDeepStrictEqual(tree, parseJsonText(text, true))).toBe(true)
  const told = finished(formatJsonbSteps(tree))
  expect(told.steps).toBeGreaterThan(10)
  expect(told.value).toBe(formatJsonb(tree))
  const out = new ByteWriter()
  codec.write(new Jsonb(tree), out)
  const bytes = Buffer.from(out.view())
  const read = codec.read(bytes, 0, bytes.length) as Jsonb
  // what nobody has looked at goes into another row as it came
  const copy = new ByteWriter()
  codec.write(read, copy)
  expect(Buffer.compare(copy.view(), bytes)).toBe(0)
  expect(isDeepStrictEqual(read.root, tree)).toBe(true)
})

test('duplicate keys, and keys that stand in another order than the last object had', () => {
  const rows = '[{"bb":1,"a":2,"bb":3},{"bb":1,"a":2,"bb":3},{"a":1,"bb":2},{"bb":4,"a":5},{}]'
  expect(formatJsonb(parseJsonText(rows, true))).toBe('[{"a": 2, "bb": 3}, {"a": 2, "bb": 3}, {"a": 1, "bb": 2}, {"a": 5, "bb": 4}, {}]')
  expect(() => parseJsonText('{"a":{"b":1},"a":2}', false, true)).toThrow('duplicate JSON object key value')
  expect(() => parseJsonText('{"b":{"a":1},"a":{"b":2}}', false, true)).not.toThrow()
})
