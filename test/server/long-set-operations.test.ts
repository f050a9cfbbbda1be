// Set operations of thousands of branches: a long list is not a deep one.

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask, startTestServer, type TestServer } from '../support/server.ts'

const BRANCHES = 5000

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(async () => {
  await server.stop()
})

describe('a set operation of 5,000 branches', () => {
  const list = (operator: (i: number) => string, value: (i: number) => number): string =>
    Array.from({ length: BRANCHES }, (_, i) => `${i === 0 ? '' : operator(i)} SELECT ${value(i)}`).join(' ')
  for (const [name, operator, value, rows] of [
    ['UNION ALL', () => 'UNION ALL', (i: number) => i, 5000],
    ['UNION', () => 'UNION', (i: number) => i % 100, 100],
    ['both kinds of UNION', (i: number) => (i % 2 === 0 ? 'UNION' : 'UNION ALL'), (i: number) => i % 100, 101],
    ['EXCEPT', () => 'EXCEPT', (i: number) => i, 1],
    ['INTERSECT', () => 'INTERSECT', () => 7, 1],
  ] as const) {
    it(name, { timeout: 120_000 }, async () => {
      const client = await server.connect()
      const answer = await ask(client, `SELECT count(*) FROM (${list(operator, value)}) x`)
      expect(answer.error).toBeNull()
      expect(answer.results[0]!.rows).toEqual([[String(rows)]])
    })
  }
})
