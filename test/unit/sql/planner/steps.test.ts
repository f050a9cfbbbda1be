// Planning in steps: between any two relations, joins and arms of a long condition others may come in; the plan is the one made in one go.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PlannedStatement } from '../../../../src/sql/planner/plan.ts'
import { MiniEngine } from '../../../support/mini-engine.ts'

let db: MiniEngine
beforeAll(async () => {
  db = await MiniEngine.open()
  db.table('t', {
    columns: ['id int4', 'a int4', 'b text'],
    primaryKey: ['id'],
    indexes: [{ name: 't_a', columns: ['a'] }],
    relTuples: 5000,
  })
  await db.run("insert into t select i, i % 10, 'b' || i from generate_series(1, 100) as g(i)")
})
afterAll(() => db.close())

const parts = (n: number, part: (i: number) => string, by = ' '): string => Array.from({ length: n }, (_, i) => part(i)).join(by)

function stepByStep(sql: string): { steps: number; planned: PlannedStatement } {
  const planning = db.planning(sql)
  for (let steps = 0; ; steps++) {
    const step = planning.next()
    if (step.done === true) return { steps, planned: step.value }
  }
}

describe('many steps', () => {
  test.each([
    ['inner joins', 40, `select count(*) from t s0 ${parts(40, (i) => `join t s${i + 1} on s${i + 1}.id = s${i}.id`)}`],
    ['left joins', 40, `select count(*) from t s0 ${parts(40, (i) => `left join t s${i + 1} on s${i + 1}.id = s${i}.a`)}`],
    [
      'joins of a subquery',
      20,
      `select 1 from (select s0.id from t s0 ${parts(20, (i) => `join t s${i + 1} on s${i + 1}.id = s${i}.a`)} limit 5) q`,
    ],
    ['an insert', 20, `insert into t select s0.id, 1, 'x' from t s0 ${parts(20, (i) => `join t s${i + 1} on s${i + 1}.id = s${i}.a`)}`],
    ['operands of a union', 50, parts(50, (i) => `select ${i}`, ' union all ')],
    ['a long condition', 100, `select count(*) from t where ${parts(3200, (i) => `(id = ${i} and b <> 'x${i}')`, ' or ')}`],
  ])('%s', (_, least, sql) => {
    const { steps, planned } = stepByStep(sql)
    expect(steps).toBeGreaterThan(least)
    expect(planned).toEqual(db.plan(sql))
  })
})

test('a point statement is planned in a handful', () => {
  expect(stepByStep('select * from t where id = 1').steps).toBeLessThan(6)
})
