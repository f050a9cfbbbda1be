// A tree cut into parts and put together is the tree, whatever its lists hold and wherever they are cut.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutTree, joinTree } from '../../../../src/sql/parser/cut-tree.ts'

function joined(json: string, partBytes: number): { tree: unknown; parts: number } {
  const cut = cutTree(Buffer.from(json), partBytes)
  const steps = joinTree(cut)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return { tree: step.value, parts: cut.ends.length }
  }
}

const name = fc.string({ minLength: 1, maxLength: 4 }).filter((key) => key !== '#' && key !== '__proto__')
const { tree } = fc.letrec((tie) => ({
  tree: fc.dictionary(name, tie('value'), { maxKeys: 5, noNullPrototype: true }),
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary-ascii' }),
    fc.string({ unit: 'grapheme' }),
    fc.integer(),
    fc.boolean(),
    tie('tree'),
    fc.array(tie('tree'), { maxLength: 12 }),
    fc.array(fc.string(), { maxLength: 12 }),
    fc.array(fc.array(tie('tree'), { maxLength: 4 }), { maxLength: 4 }),
  ),
}))

test('any tree', () => {
  fc.assert(
    fc.property(tree, fc.integer({ min: 1, max: 40 }), (value, partBytes) => {
      expect(joined(JSON.stringify(value), partBytes).tree).toEqual(value)
    }),
    { numRuns: 500 },
  )
})

test('a long list is many parts, a list within lists is put in its place', () => {
  const row = (i: number) => ({ List: { items: [{ n: i }, { s: `"]},{[\\${i}é` }] } })
  const rows = Array.from({ length: 2000 }, (_, i) => row(i))
  const value = { stmts: [{ values: rows }, { empty: [], one: [rows.slice(0, 900)] }, { values: rows.slice(7) }], version: 18 }
  const { tree, parts } = joined(JSON.stringify(value), 1000)
  expect(tree).toEqual(value)
  expect(parts).toBeGreaterThan(100)
})
