// xmin as a version: an UPDATE that waited for another one of the same row sees that the row is no longer what it was read as.

import { expect, it } from 'vitest'
import { startTestServer } from '../support/server.ts'

it('loses to whoever changed the row first', async () => {
  const server = await startTestServer()
  const one = await server.connect('xmin.admin')
  const two = await server.connect('xmin.admin')
  await one.query('CREATE TABLE t (id int PRIMARY KEY, v int)')
  await one.query('INSERT INTO t VALUES (1, 0)')
  const { rows } = await one.query('SELECT xmin FROM t WHERE id = 1')
  const version = rows[0].xmin
  await one.query('BEGIN')
  const first = await one.query('UPDATE t SET v = 1 WHERE id = 1 AND xmin = $1', [version])
  expect(first.rowCount).toBe(1)
  const waiting = two.query('UPDATE t SET v = 2 WHERE id = 1 AND xmin = $1', [version])
  await new Promise((resolve) => setTimeout(resolve, 50))
  await one.query('COMMIT')
  expect((await waiting).rowCount).toBe(0)
  expect((await two.query('SELECT v FROM t')).rows).toEqual([{ v: 1 }])
  await server.stop()
})
