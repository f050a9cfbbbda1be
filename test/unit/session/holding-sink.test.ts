// Rows are held back only up to a number and up to a size.

import { expect, test } from 'vitest'
import type { Row } from '../../../src/base/datum.ts'
import type { ResultSink } from '../../../src/pgwire/backend.ts'
import { HoldingSink } from '../../../src/session/holding-sink.ts'

function held(): { readonly sink: HoldingSink; readonly sent: Row[] } {
  const sent: Row[] = []
  const below = {
    describe: () => undefined,
    rows: (rows: readonly Row[], from = 0, to = rows.length) => {
      sent.push(...rows.slice(from, to))
    },
  }
  return { sink: new HoldingSink(below as unknown as ResultSink), sent }
}

test('few small rows can be taken back', () => {
  const { sink, sent } = held()
  for (let i = 0; i < 200; i++) void sink.rows([[i]])
  expect(sink.discard()).toBe(true)
  expect(sent).toEqual([])
})

test('many rows go', () => {
  const { sink, sent } = held()
  for (let i = 0; i < 300; i++) void sink.rows([[i]])
  expect(sink.discard()).toBe(false)
  expect(sent).toEqual(Array.from({ length: 300 }, (_, i) => [i]))
})

test('large rows go long before there are many, and what was taken back does not count', () => {
  const { sink, sent } = held()
  const large: Row = ['x'.repeat(40_000)]
  void sink.rows([large])
  expect(sink.discard()).toBe(true)
  void sink.rows([large])
  expect(sent).toEqual([])
  void sink.rows([large])
  expect(sent).toEqual([large, large])
  expect(sink.discard()).toBe(false)
})
