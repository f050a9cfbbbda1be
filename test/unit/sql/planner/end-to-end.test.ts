// Statements through parser, analyzer, planner and executor over the embedded store.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MiniEngine, shape } from '../../../support/mini-engine.ts'

let db: MiniEngine

beforeAll(async () => {
  db = await MiniEngine.open()
  db.table('t', {
    columns: ['id int4', 'a int4', 'b text', 'c int8'],
    primaryKey: ['id'],
    indexes: [
      { name: 't_a', columns: ['a'] },
      { name: 't_b', columns: ['b'], unique: true },
      { name: 't_ca', columns: ['c', 'a desc'] },
      { name: 't_part', columns: ['c'], where: 'a > 5' },
    ],
    checks: { t_a_positive: 'a >= 0' },
    relTuples: 10000,
  })
  db.table('plain', { columns: ['x int4', 'y text'] })
  db.table('u', {
    columns: ['id int4', 't_id int4', 'note text'],
    primaryKey: ['id'],
    indexes: [{ name: 'u_t', columns: ['t_id'] }],
    relTuples: 1000,
  })
  await db.run("insert into t select i, i % 10, 'b' || i, i * 100 from generate_series(1, 100) as g(i)")
  await db.run("insert into u select i, i % 50, 'n' || i from generate_series(1, 60) as g(i)")
})
afterAll(() => db.close())

describe('reads', () => {
  test('no table', async () => {
    expect(await db.rows('select 1 + 1, null, $1::int4', 7)).toEqual([[2, null, 7]])
  })
  test('point get', async () => {
    const result = await db.run('select b, c from t where id = 42')
    expect(result.rows).toEqual([['b42', 4200]])
    expect(result.examined).toBe(1)
    expect(result.planned.pointRead).toBe(true)
    expect(shape(result.planned.plan)).toBe('PointGet')
  })
  test('point get by parameter of another integer type', async () => {
    const types = [20]
    expect((await db.run('select a from t where id = $1', { params: [42], types })).rows).toEqual([[2]])
    expect((await db.run('select a from t where id = $1', { params: [5000000000], types })).rows).toEqual([])
  })
  test('unique index', async () => {
    const result = await db.run("select id from t where b = 'b7'")
    expect(result.rows).toEqual([[7]])
    expect(result.examined).toBe(1)
  })
  test('range of the primary key', async () => {
    const result = await db.run('select id from t where id >= 10 and id < 13')
    expect(result.rows).toEqual([[10], [11], [12]])
    expect(result.examined).toBe(3)
  })
  test('any of keys', async () => {
    const result = await db.run('select id from t where id in (5, 3, 200, 3)')
    expect(result.rows).toEqual([[3], [5]])
    expect(result.examined).toBe(2)
  })
  test('order by primary key with limit', async () => {
    const result = await db.run('select id from t order by id desc limit 2')
    expect(result.rows).toEqual([[100], [99]])
    expect(result.examined).toBeLessThan(40)
    expect(shape(result.planned.plan)).toBe('Limit(SeqScan)')
  })
  test('like prefix', async () => {
    const result = await db.run("select id from t where b like 'b9%' order by b")
    expect(result.rows.length).toBe(11)
    expect(result.examined).toBe(11)
  })
  test('composite index prefix and order', async () => {
    const result = await db.run('select c, a from t where c > 9500 order by c')
    expect(result.rows.map((row) => row[0])).toEqual([9600, 9700, 9800, 9900, 10000])
    expect(result.examined).toBe(5)
  })
  test('min and max by index', async () => {
    const result = await db.run('select min(id), max(id), max(c) from t')
    expect(result.rows).toEqual([[1, 100, 10000]])
    expect(result.examined).toBeLessThan(60)
  })
  test('aggregation', async () => {
    expect(await db.rows('select a, count(*), sum(c) from t where id <= 20 group by a having count(*) > 1 order by a limit 2')).toEqual([
      [0, 2, expect.anything()],
      [1, 2, expect.anything()],
    ])
    expect(await db.rows('select count(*) from t where false')).toEqual([[0]])
  })
  test('joins', async () => {
    expect(await db.rows('select u.id, t.b from u join t on t.id = u.t_id where u.id = 7')).toEqual([[7, 'b7']])
    expect(await db.rows('select u.id, t.b from u left join t on t.id = u.t_id where u.id in (50, 51) order by 1')).toEqual([
      [50, null],
      [51, 'b1'],
    ])
    expect(await db.rows('select count(*) from t join u on u.t_id = t.id join t t2 on t2.id = u.id')).toEqual([[59]])
    expect(await db.rows('select count(*) from t full join u on u.t_id = t.id and u.id < 5')).toEqual([[100 + 56]])
  })
  test('semi and anti joins', async () => {
    expect(await db.rows('select count(*) from t where exists (select 1 from u where u.t_id = t.id)')).toEqual([[49]])
    expect(await db.rows('select count(*) from t where id in (select t_id from u)')).toEqual([[49]])
    expect(await db.rows('select count(*) from t where not exists (select 1 from u where u.t_id = t.id)')).toEqual([[51]])
    expect(await db.rows('select count(*) from t where id not in (select t_id from u)')).toEqual([[51]])
  })
  test('subqueries', async () => {
    expect(await db.rows('select (select max(id) from u where u.t_id = t.id) from t where id = 3')).toEqual([[53]])
    expect(await db.rows('select id from t where c = (select max(c) from t)')).toEqual([[100]])
    expect(await db.rows('select s.n from (select a, count(*) as n from t group by a) s where s.a = 3')).toEqual([[10]])
    expect(await db.rows('select array(select id from t where id < 4 order by id desc)')).toHaveLength(1)
    expect(
      await db.rows('select t.id, x.m from t, lateral (select max(u.id) as m from u where u.t_id = t.id) x where t.id < 3 order by 1'),
    ).toEqual([
      [1, 51],
      [2, 52],
    ])
  })
  test('set operations, CTEs, windows, distinct', async () => {
    expect(await db.rows('select id from t where id < 3 union all select 9 union all select 9 order by 1')).toEqual([[1], [2], [9], [9]])
    expect(await db.rows('select 1 union select 1 except select 2')).toEqual([[1]])
    expect(await db.rows('with x as (select a from t) select count(*) from x x1 join x x2 on x1.a = x2.a')).toEqual([[1000]])
    expect(await db.rows('with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select sum(n) from r')).toEqual([
      [15],
    ])
    expect(
      await db.rows('select id, row_number() over (partition by a order by id desc) from t where id in (1, 11, 2) order by id'),
    ).toEqual([
      [1, 2],
      [2, 1],
      [11, 1],
    ])
    expect((await db.rows('select distinct a from t')).length).toBe(10)
    expect(await db.rows('select distinct on (a) a, id from t where a < 2 order by a, id desc')).toEqual([
      [0, 100],
      [1, 91],
    ])
    expect(await db.rows('select generate_series(1, 3)')).toEqual([[1], [2], [3]])
    expect(await db.rows('select id, generate_series(1, 2) from t where id < 3 order by id')).toHaveLength(4)
    expect(await db.rows('select a, grouping(a), count(*) from t group by rollup(a) order by a nulls first limit 1')).toEqual([
      [null, 1, 100],
    ])
  })
})

describe('writes', () => {
  test('insert, update, delete, returning', async () => {
    expect((await db.run("insert into plain values (1, 'a'), (2, 'b'), (3, null)")).affected).toBe(3)
    expect(await db.rows('update plain set x = x + 10 where x > 1 returning x, y')).toEqual([
      [12, 'b'],
      [13, null],
    ])
    expect(await db.rows('delete from plain where x = 12 returning *')).toEqual([[12, 'b']])
    expect(await db.rows('select x from plain order by x')).toEqual([[1], [13]])
    await db.run('insert into plain select x + 1, y from plain')
    expect(await db.rows('select count(*) from plain')).toEqual([[4]])
    expect(await db.rows("insert into plain (y) values ('z') returning x is null, upper(y)")).toEqual([[true, 'Z']])
  })
  test('point update writes one row', async () => {
    const result = await db.run('update t set a = a + 1 where id = 5')
    expect(result.affected).toBe(1)
    expect(result.examined).toBe(1)
    expect(await db.rows('select a from t where id = 5')).toEqual([[6]])
    expect(await db.rows('select count(*) from t where a = 6')).toEqual([[11]])
    await db.run('update t set a = 5 where id = 5')
  })
  test('constraint errors', async () => {
    await expect(db.run('insert into t values (1, 1)')).rejects.toMatchObject({
      code: '23505',
      fields: { detail: 'Key (id)=(1) already exists.', constraint: 't_pkey' },
    })
    await expect(db.run('insert into t values (null, 1)')).rejects.toMatchObject({
      code: '23502',
      fields: { detail: 'Failing row contains (null, 1, null, null).' },
    })
    await expect(db.run('insert into t values (1000, -1)')).rejects.toMatchObject({ code: '23514' })
    await expect(db.run("update t set b = 'b1' where id = 2")).rejects.toMatchObject({ code: '23505', fields: { constraint: 't_b' } })
  })
  test('on conflict', async () => {
    expect((await db.run("insert into t values (1, 1, 'q', 1) on conflict do nothing")).affected).toBe(0)
    const result = await db.rows(
      "insert into t values (1, 1, 'q', 1), (777, 7, 'r', 7) on conflict (id) do update set c = t.c + excluded.c returning id, c",
    )
    expect(result).toEqual([
      [1, 101],
      [777, 7],
    ])
    await expect(db.run('insert into t values (1, 1), (1, 2) on conflict (id) do update set a = 1')).rejects.toMatchObject({
      code: '21000',
    })
    await db.run('delete from t where id = 777')
    await db.run('update t set c = 100 where id = 1')
  })
  test('update from and delete using', async () => {
    expect((await db.run('update u set note = t.b from t where t.id = u.t_id and t.id = 9')).affected).toBe(2)
    expect(await db.rows('select note from u where t_id = 9')).toEqual([['b9'], ['b9']])
    expect((await db.run('delete from u using t where t.id = u.t_id and t.id = 9')).affected).toBe(2)
  })
  test('merge', async () => {
    db.table('m', { columns: ['id int4', 'v int4'], primaryKey: ['id'] })
    await db.run('insert into m values (1, 10), (2, 20)')
    const result = await db.run(
      'merge into m using (values (1, 5), (3, 30), (2, 0)) as s(id, v) on m.id = s.id when matched and s.v = 0 then delete when matched then update set v = m.v + s.v when not matched then insert values (s.id, s.v)',
    )
    expect(result.affected).toBe(3)
    expect(await db.rows('select * from m order by id')).toEqual([
      [1, 15],
      [3, 30],
    ])
  })
  test('generated columns', async () => {
    db.table('g', { columns: ['id int4', 'd int4 generated id * 2'], primaryKey: ['id'] })
    expect(await db.rows('insert into g (id) values (4) returning *')).toEqual([[4, 8]])
    expect(await db.rows('update g set id = 5 returning d')).toEqual([[10]])
  })
})

describe('foreign keys', () => {
  beforeAll(async () => {
    db.table('parent', { columns: ['id int4', 'name text'], primaryKey: ['id'] })
    db.table('restricted', {
      columns: ['id int4', 'p int4'],
      primaryKey: ['id'],
      foreignKeys: [{ name: 'restricted_fk', columns: ['p'], table: 'parent' }],
    })
    db.table('cascaded', {
      columns: ['id int4', 'p int8'],
      primaryKey: ['id'],
      indexes: [{ name: 'cascaded_p', columns: ['p'] }],
      foreignKeys: [{ name: 'cascaded_fk', columns: ['p'], table: 'parent', onDelete: 'c', onUpdate: 'c' }],
    })
    db.table('tree', {
      columns: ['id int4', 'up int4'],
      primaryKey: ['id'],
      foreignKeys: [],
    })
    await db.run("insert into parent select i, 'p' || i from generate_series(1, 5) as g(i)")
  })
  test('referencing side', async () => {
    await db.run('insert into restricted values (1, 1), (2, null), (3, 1)')
    await expect(db.run('insert into restricted values (9, 99)')).rejects.toMatchObject({
      code: '23503',
      message: 'insert or update on table "restricted" violates foreign key constraint "restricted_fk"',
      fields: { detail: 'Key (p)=(99) is not present in table "parent".' },
    })
    await expect(db.run('update restricted set p = 77 where id = 2')).rejects.toMatchObject({ code: '23503' })
  })
  test('referenced side', async () => {
    await expect(db.run('delete from parent where id = 1')).rejects.toMatchObject({
      code: '23503',
      message: 'update or delete on table "parent" violates foreign key constraint "restricted_fk" on table "restricted"',
      fields: { detail: 'Key (id)=(1) is still referenced from table "restricted".' },
    })
    await db.run('insert into cascaded values (1, 2), (2, 2), (3, 3)')
    await db.run('update parent set id = 20 where id = 2')
    expect(await db.rows('select id, p from cascaded order by id')).toEqual([
      [1, 20],
      [2, 20],
      [3, 3],
    ])
    expect((await db.run('delete from parent where id in (20, 3)')).affected).toBe(2)
    expect(await db.rows('select count(*) from cascaded')).toEqual([[0]])
    expect(await db.rows('select count(*) from cascaded where p = 20')).toEqual([[0]])
  })
})

describe('concurrency', () => {
  beforeAll(async () => {
    db.table('acc', { columns: ['id int4', 'v int4'], primaryKey: ['id'] })
    await db.run('insert into acc values (1, 100), (2, 200)')
  })
  test('an update waits for the row and sees its newest version', async () => {
    const a = db.begin()
    await db.run('update acc set v = v + 1 where id = 1', { txn: a })
    const b = db.begin()
    const waiting = db.run('update acc set v = v + 10 where v < 200 returning v', { txn: b })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await a.commit()
    expect((await waiting).rows).toEqual([[111]])
    await b.commit()
  })
  test('a row that no longer meets the condition is left alone', async () => {
    const a = db.begin()
    await db.run('update acc set v = 999 where id = 2', { txn: a })
    const b = db.begin()
    const waiting = db.run('select id from acc where v = 200 for update', { txn: b })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await a.commit()
    expect((await waiting).rows).toEqual([])
    await b.rollback()
  })
  test('skip locked and nowait', async () => {
    const a = db.begin()
    await db.run('select * from acc where id = 1 for update', { txn: a })
    const b = db.begin()
    expect((await db.run('select id from acc order by id for update skip locked', { txn: b })).rows).toEqual([[2]])
    await expect(db.run('select id from acc where id = 1 for update nowait', { txn: b })).rejects.toMatchObject({ code: '55P03' })
    await a.rollback()
    await b.rollback()
  })
  test('on conflict waits for the other insert', async () => {
    const a = db.begin()
    await db.run('insert into acc values (50, 1)', { txn: a })
    const b = db.begin()
    const waiting = db.run('insert into acc values (50, 2) on conflict (id) do update set v = acc.v + excluded.v returning v', { txn: b })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await a.commit()
    expect((await waiting).rows).toEqual([[3]])
    await b.commit()
  })
})

test('IN looks up the distinct values of a small sub-select in a large table', async () => {
  db.table('big', { columns: ['id int4', 'v int4'], primaryKey: ['id'], relTuples: 1_000_000 })
  await db.run('insert into big select i, i from generate_series(1, 300) as g(i)')
  const result = await db.run('select count(*) from big where id in (select t_id from u)')
  expect(result.rows).toEqual([[48]])
  expect(result.examined).toBeLessThan(150)
  expect((await db.run('delete from big where id in (select t_id from u)')).affected).toBe(48)
})
