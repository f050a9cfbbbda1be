// The judge of the fault runs must be able to find what it is there for.

import { expect, test } from 'vitest'
import { anomalies, type ListTransaction } from './list-append.ts'

function txn(
  id: number,
  reads: Record<string, number[]>,
  appends: string[],
  times: [number, number] = [0, 1000],
  outcome: ListTransaction['outcome'] = 'committed',
): ListTransaction {
  return { id, reads: new Map(Object.entries(reads)), appends: new Set(appends), startedAt: times[0], endedAt: times[1], outcome }
}
const final = (lists: Record<string, number[]>) => new Map(Object.entries(lists))

test('what snapshot isolation allows', () => {
  const skew = [txn(1, { a: [], b: [] }, ['a']), txn(2, { a: [], b: [] }, ['b'])]
  expect(anomalies(skew, final({ a: [1], b: [2] }))).toEqual([])
  expect(anomalies([txn(1, { a: [] }, ['a'], [0, 1], 'undetermined')], final({ a: [] }))).toEqual([])
  expect(anomalies([txn(1, { a: [] }, ['a'], [0, 1], 'undetermined')], final({ a: [1] }))).toEqual([])
})

test.each<[string, ListTransaction[], Record<string, number[]>, RegExp]>([
  ['a lost commit', [txn(1, { a: [] }, ['a'])], { a: [] }, /1 was committed and is not in a/],
  ['a failed one that is there', [txn(1, { a: [] }, ['a'], [0, 1], 'failed')], { a: [1] }, /reported as failed/],
  ['a doubled commit', [txn(1, { a: [] }, ['a'])], { a: [1, 1] }, /twice/],
  ['a lost update', [txn(1, { a: [] }, ['a']), txn(2, { a: [] }, ['a'])], { a: [2] }, /1 was committed and is not in a/],
  ['a dirty read', [txn(1, { a: [9] }, [])], { a: [] }, /no beginning/],
  ['half a commit', [txn(1, { a: [], b: [] }, ['a', 'b'], [0, 1], 'undetermined')], { a: [1], b: [] }, /not in b/],
  ['a torn snapshot', [txn(1, { a: [], b: [] }, ['a', 'b']), txn(2, { a: [1], b: [] }, [])], { a: [1], b: [1] }, /2 missed a write of 1/],
  ['a stale read', [txn(1, { a: [] }, ['a'], [0, 10]), txn(2, { a: [] }, [], [20, 30])], { a: [1] }, /2 did not see 1/],
  ['a circle of writes', [txn(1, { a: [2] }, ['b']), txn(2, { b: [1] }, ['a'])], { a: [2], b: [1] }, /comes before itself/],
])('%s is found', (_, history, lists, message) => {
  expect(anomalies(history, final(lists)).join('\n')).toMatch(message)
})
