// FOR UPDATE: rows that another transaction changed before the lock was got are judged by all conditions, those of outer and semi-joins
// included; under a LIMIT no more rows are locked than are answered.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { MiniEngine } from '../../../support/mini-engine.ts'

let db: MiniEngine
beforeAll(async () => {
  db = await MiniEngine.open()
  for (const name of ['a', 'b']) {
    db.table(name, { columns: ['id int4 not null', 'k int4'], primaryKey: ['id'] })
    await db.run(`insert into ${name} values (1, 1), (2, 2), (3, 3)`)
  }
})
afterAll(() => db.close())

/** Runs `sql` while another transaction changes a.k of row 1 to `k` and commits. */
async function meanwhile(sql: string, k: number): Promise<unknown[][]> {
  const other = db.begin()
  await db.run(`update a set k = ${k} where id = 1`, { txn: other })
  const txn = db.begin()
  const waiting = db.run(sql, { txn })
  await new Promise((resolve) => setTimeout(resolve, 50))
  await other.commit()
  const { rows } = await waiting
  await txn.rollback()
  await db.run('update a set k = 1 where id = 1')
  return rows
}

test('a changed row no longer matches the outer join it was found with', async () => {
  const sql = 'select a.id, a.k, b.id from a left join b on b.k = a.k where a.id = 1 for update of a'
  expect(await meanwhile(sql, 9)).toEqual([[1, 9, null]])
  expect(await meanwhile(sql, 2)).toEqual([[1, 2, 2]])
})

test('a changed row no longer meets a semi- or anti-join', async () => {
  expect(await meanwhile('select id from a where id = 1 and k in (select k from b) for update', 9)).toEqual([])
  expect(await meanwhile('select id from a where id < 2 and not exists (select 1 from b where b.k = a.k + 8) for update', 3)).toEqual([[1]])
})

test('LIMIT locks no more rows than it answers', async () => {
  const first = db.begin()
  const second = db.begin()
  const sql = 'select id from a order by id for update skip locked limit 1'
  expect((await db.run(sql, { txn: first })).rows).toEqual([[1]])
  expect((await db.run(sql, { txn: second })).rows).toEqual([[2]])
  await first.rollback()
  await second.rollback()
})
