// What ANALYZE found out decides: scans by how many rows a value has, joins by what is left of their sides, groups by how many there are.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Plan } from '../../../../src/sql/planner/plan.ts'
import { MiniEngine, shape } from '../../../support/mini-engine.ts'

let db: MiniEngine

beforeAll(async () => {
  db = await MiniEngine.open()
  db.table('orders', {
    columns: ['id int4', 'status text', 'customer int4', 'day date', 'amount int4', 'note text', 'vip bool'],
    primaryKey: ['id'],
    indexes: [
      { name: 'orders_status', columns: ['status'] },
      { name: 'orders_day', columns: ['day'] },
      { name: 'orders_amount', columns: ['amount'] },
      { name: 'orders_double', columns: ['(amount * 2)'] },
    ],
  })
  db.table('customers', { columns: ['id int4', 'kind text'], primaryKey: ['id'] })
  await db.run(
    "insert into orders select i, case when i % 1000 = 0 then 'rare' else 'usual' end, i % 100, '2024-01-01'::date + i % 365, i, " +
      "case when i % 4 = 0 then null else 'n' || i end, i % 50 = 0 from generate_series(1, 5000) as g(i)",
  )
  await db.run("insert into customers select i, case when i < 2 then 'gold' else 'plain' end from generate_series(0, 99) as g(i)")
  await db.analyze('orders')
  await db.analyze('customers')
})
afterAll(() => db.close())

const rowsOf = (sql: string): number => scanOf(db.plan(sql).plan).rows

/** The first node that is no mere wrapper. */
function scanOf(plan: Plan): Plan {
  return 'input' in plan && plan.input !== null ? scanOf(plan.input) : plan
}

describe('scans', () => {
  test('a rare value comes from the index, a usual one from the table', () => {
    expect(shape(db.plan("select * from orders where status = 'rare'").plan)).toBe('IndexScan')
    expect(shape(db.plan("select * from orders where status = 'usual'").plan)).toBe('SeqScan')
  })
  test('a parameter is planned for its value when that is known', () => {
    const sql = 'select * from orders where status = $1'
    expect(db.plan(sql, [25]).valuesMatter).toBe(true)
    expect(shape(db.plan(sql, [25], ['rare']).plan)).toBe('IndexScan')
    expect(shape(db.plan(sql, [25], ['usual']).plan)).toBe('SeqScan')
    expect(db.plan(sql, [25], ['usual']).valuesMatter).toBe(false)
  })
  test('a value that does not matter makes no plan of its own', () => {
    expect(db.plan('select * from orders where id = $1', [23]).valuesMatter).toBe(false)
    expect(db.plan('select * from orders where customer = $1', [23]).valuesMatter).toBe(false)
  })
  test('a narrow range comes from the index, a wide one from the table', () => {
    expect(shape(db.plan('select * from orders where amount between 100 and 150').plan)).toBe('IndexScan')
    expect(shape(db.plan('select * from orders where amount > 100').plan)).toBe('SeqScan')
  })
  test('dates and timestamps compare through the index', async () => {
    const sql = "select id from orders where day >= '2024-03-01'::timestamp and day < '2024-03-01 12:00'::timestamp"
    expect(shape(db.plan(sql).plan)).toBe('IndexScan')
    const byTable = await db.rows("select id from orders where day + 0 = '2024-03-01'::date")
    expect((await db.rows(sql)).length).toBe(byTable.length)
  })
  test('an OR over two indexes reads each row once', async () => {
    const result = await db.run("select id from orders where status = 'rare' or amount between 990 and 1010")
    expect(shape(result.planned.plan)).toBe('Append(IndexScan, IndexScan)')
    expect(result.rows.length).toBe(25)
    expect(new Set(result.rows.map(([id]) => id)).size).toBe(25)
    expect(result.examined).toBeLessThan(60)
  })
})

describe('estimates', () => {
  test.each([
    ["select * from orders where status = 'rare'", 5, 5],
    ["select * from orders where status <> 'rare'", 4995, 4995],
    ["select * from orders where status in ('rare', 'usual')", 5000, 5000],
    ["select * from orders where status not in ('rare')", 4995, 4995],
    ['select * from orders where note is null', 1250, 1250],
    ['select * from orders where note is not null', 3750, 3750],
    ['select * from orders where vip', 100, 100],
    ['select * from orders where not vip', 4900, 4900],
    ['select * from orders where vip is true', 100, 100],
    ['select * from orders where customer = 7', 50, 50],
    ['select * from orders where amount > 4000', 980, 1020],
    ['select * from orders where amount between 1000 and 1999', 980, 1020],
    ['select * from orders where 1000 > amount', 980, 1020],
    ['select * from orders where amount * 2 < 100', 40, 60],
    ["select * from orders where note like 'n1%'", 500, 1200],
    ["select * from orders where note like 'n12%'", 40, 160],
    ["select * from orders where status like 'ra%'", 5, 5],
    ["select * from orders where status = 'rare' or customer = 7", 50, 60],
  ])('%s', (sql, least, most) => {
    const rows = rowsOf(sql)
    expect(rows).toBeGreaterThanOrEqual(least)
    expect(rows).toBeLessThanOrEqual(most)
  })
  test('groups', () => {
    const groups = (sql: string): number => db.plan(sql).plan.rows
    expect(groups('select customer, count(*) from orders group by customer')).toBe(100)
    expect(groups('select distinct status from orders')).toBe(2)
    expect(groups('select status, vip, count(*) from orders group by 1, 2')).toBe(4)
  })
  test('joins', () => {
    const joined = db.plan('select 1 from orders o join customers c on o.customer = c.id').plan
    expect(joined.rows).toBe(5000)
    const few = db.plan("select 1 from orders o join customers c on o.customer = c.id where c.kind = 'gold'").plan
    expect(few.rows).toBe(100)
    const some = db.plan(
      "select 1 from customers c where exists (select 1 from orders o where o.customer = c.id and o.status = 'rare')",
    ).plan
    expect(some.rows).toBeLessThanOrEqual(5)
  })
})

describe('conditions that follow from others', () => {
  test('what all arms of an OR ask for', () => {
    const sql =
      "select 1 from orders o, customers c where (o.customer = c.id and c.kind = 'gold' and o.amount < 10) or (o.customer = c.id and c.kind = 'plain' and o.amount > 4990)"
    expect(shape(db.plan(sql).plan)).not.toContain('NestLoop')
  })
  test('a constant reaches the nullable side of an outer join', async () => {
    const sql =
      'select o.id, t.n from orders o left join (select customer, count(*) n from orders group by customer) t on t.customer = o.id where o.id = 7'
    expect(await db.rows(sql)).toEqual([[7, 50]])
    expect((await db.run(sql)).planned.plan.totalCost).toBeLessThan(
      db.plan('select customer, count(*) from orders group by customer').plan.totalCost,
    )
  })
})

test('of a table known to be large only runs at many places are read', async () => {
  db.table('large', { columns: ['id int4', 'v int4'], primaryKey: ['id'] })
  await db.run('insert into large select i, i % 7 from generate_series(1, 50000) as g(i)')
  const found = await db.analyze('large', 20, 3_000_000)
  expect(found.rows).toBe(3_000_000)
  expect(found.sampled).toBeGreaterThan(5000)
  expect(found.sampled).toBeLessThanOrEqual(6000)
  expect(found.columns[2]!.mostCommon!.values.length).toBe(7)
  const bounds = found.columns[1]!.histogram!.map(Number)
  expect(bounds[0]).toBeLessThan(500)
  expect(bounds[10]).toBeGreaterThan(20_000)
  expect(bounds[10]).toBeLessThan(30_000)
  expect(bounds[20]).toBeGreaterThan(49_000)
})
