// Operators over random rows against the plainest way to compute the same, in memory and spilling.

import { describe, expect, it } from 'vitest'
import type { Row } from '../../../../src/base/datum.ts'
import { INNER_VAR, type Plan, type PlanJoinType } from '../../../../src/sql/planner/plan.ts'
import { randomFrom } from '../../../support/random.ts'
import {
  agg,
  call,
  col,
  collect,
  common,
  compile,
  eqOp,
  execParam,
  lit,
  makeState,
  op,
  rows,
  run,
  sortClause,
  sortKey,
  T,
  target,
  targets,
} from './harness.ts'

const sorted = (list: Row[]): string[] => list.map((row) => JSON.stringify(row)).sort()

function table(n: number, keys: number, seed: number): Row[] {
  const next = randomFrom(seed).fraction
  return Array.from({ length: n }, (_, i) => [next() < 0.1 ? null : Math.floor(next() * keys), `row ${i}`])
}

const two = [T.int4, T.text]

describe('joins', () => {
  const left = table(300, 40, 1)
  const right = table(200, 40, 2)

  function naive(type: PlanJoinType, on: (l: Row, r: Row) => boolean): Row[] {
    const out: Row[] = []
    const hit = new Set<Row>()
    for (const l of left) {
      const matches = right.filter((r) => on(l, r))
      for (const r of matches) hit.add(r)
      if (type === 'semi') {
        if (matches.length > 0) out.push([...l, null, null])
      } else if (type === 'anti') {
        if (matches.length === 0) out.push([...l, null, null])
      } else {
        for (const r of matches) out.push([...l, ...r])
        if (matches.length === 0 && (type === 'left' || type === 'full')) out.push([...l, null, null])
      }
    }
    if (type === 'right' || type === 'full') for (const r of right) if (!hit.has(r)) out.push([null, null, ...r])
    return out
  }
  const list = (type: PlanJoinType) =>
    type === 'semi' || type === 'anti'
      ? targets(col(1, T.int4), col(2, T.text), lit(null, T.int4), lit(null, T.text))
      : targets(col(1, T.int4), col(2, T.text), col(1, T.int4, INNER_VAR), col(2, T.text, INNER_VAR))
  const types: PlanJoinType[] = ['inner', 'left', 'right', 'full', 'semi', 'anti']
  const longer = op('<', col(2, T.text), col(2, T.text, INNER_VAR))
  const equal = op('=', col(1, T.int4), col(1, T.int4, INNER_VAR))

  for (const joinType of types) {
    for (const extra of [false, true]) {
      const on = (l: Row, r: Row): boolean => l[0] !== null && l[0] === r[0] && (!extra || (l[1] as string) < (r[1] as string))
      const want = sorted(naive(joinType, on))
      const base = { ...common, joinType, targetList: list(joinType), joinQuals: extra ? [longer] : [] }
      it(`hash ${joinType}${extra ? ' with a condition' : ''}`, async () => {
        const plan: Plan = {
          ...base,
          kind: 'HashJoin',
          left: rows(two, left),
          right: rows(two, right),
          leftKeys: [col(1, T.int4)],
          rightKeys: [col(1, T.int4, INNER_VAR)],
          operators: [eqOp(T.int4)],
          innerUnique: false,
        }
        expect(sorted(await run(plan))).toEqual(want)
        expect(sorted(await run(plan, { workMem: 4000 }))).toEqual(want)
      })
      it(`nested loop ${joinType}${extra ? ' with a condition' : ''}`, async () => {
        const plan: Plan = {
          ...base,
          kind: 'NestLoop',
          left: rows(two, left),
          right: rows(two, right),
          params: [],
          joinQuals: [equal, ...base.joinQuals],
          innerUnique: false,
        }
        expect(sorted(await run(plan))).toEqual(want)
      })
      it(`merge ${joinType}${extra ? ' with a condition' : ''}`, async () => {
        const sort = (given: Row[]): Plan => ({
          ...common,
          kind: 'Sort',
          input: rows(two, given),
          targetList: targets(col(1, T.int4), col(2, T.text)),
          keys: [sortKey(1, T.int4)],
          presorted: 0,
          limit: null,
        })
        const plan: Plan = {
          ...base,
          kind: 'MergeJoin',
          left: sort(left),
          right: sort(right),
          leftKeys: [col(1, T.int4)],
          rightKeys: [col(1, T.int4, INNER_VAR)],
          operators: [eqOp(T.int4)],
          descending: [false],
          nullsFirst: [false],
        }
        expect(sorted(await run(plan))).toEqual(want)
      })
    }
  }

  it('runs the inner side again with parameters', async () => {
    const plan: Plan = {
      ...common,
      kind: 'NestLoop',
      joinType: 'inner',
      left: rows([T.int4], [[1], [2], [3]]),
      right: {
        ...common,
        kind: 'FunctionScan',
        functions: [
          {
            expr: call('generate_series', [lit(1, T.int4), execParam(0, T.int4)], true),
            columnCount: 1,
            columnTypes: [T.int4],
            columnTypmods: [-1],
            columnNames: ['x'],
          },
        ],
        ordinality: false,
        targetList: targets(col(1, T.int4)),
      },
      params: [{ id: 0, expr: col(1, T.int4) }],
      joinQuals: [],
      innerUnique: false,
      targetList: targets(col(1, T.int4), col(1, T.int4, INNER_VAR)),
    }
    expect(await run(plan)).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 1],
      [3, 2],
      [3, 3],
    ])
  })
})

describe('sort', () => {
  const next = randomFrom(7).fraction
  const given: Row[] = Array.from({ length: 6000 }, (_, i) => [
    next() < 0.05 ? null : Math.floor(next() * 500) - 250,
    next() < 0.05 ? null : `${['ä', 'b', 'c', '😀'][Math.floor(next() * 4)]}${Math.floor(next() * 100)}`,
    i,
  ])
  const types = [T.int4, T.text, T.int4]
  const plain = targets(col(1, T.int4), col(2, T.text), col(3, T.int4))
  const bytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
  const order = (a: Row[number], b: Row[number], descending: boolean, nullsFirst: boolean): number => {
    if (a === null || b === null) return a === b ? 0 : (a === null) === nullsFirst ? -1 : 1
    const c = typeof a === 'string' ? bytes(a, b as string) : (a as number) - (b as number)
    return descending ? -c : c
  }
  for (const [slots, descending] of [
    [[1], false],
    [[1], true],
    [[2], false],
    [[2], true],
    [[1, 2], false],
    [[2, 1], true],
  ] as [number[], boolean][]) {
    const keys = slots.map((slot) => sortKey(slot, types[slot - 1]!, descending))
    const want = [...given].sort((a, b) => {
      for (const slot of slots) {
        const c = order(a[slot - 1]!, b[slot - 1]!, descending, descending)
        if (c !== 0) return c
      }
      return 0
    })
    const plan: Plan = { ...common, kind: 'Sort', input: rows(types, given), targetList: plain, keys, presorted: 0, limit: null }
    it(`by ${slots.join(', ')}${descending ? ' descending' : ''}`, async () => {
      expect(await run(plan)).toEqual(want)
    })
    it(`by ${slots.join(', ')}${descending ? ' descending' : ''}, spilling`, async () => {
      expect(await run(plan, { workMem: 40_000 })).toEqual(want)
    })
    it(`first rows by ${slots.join(', ')}${descending ? ' descending' : ''}`, async () => {
      expect(await run({ ...plan, limit: lit(25, T.int8) })).toEqual(want.slice(0, 25))
    })
  }
  it('finishes what is sorted by its first key', async () => {
    const half = [...given].sort((a, b) => order(a[0]!, b[0]!, false, false))
    const keys = [sortKey(1, T.int4), sortKey(3, T.int4, true)]
    const want = [...half].sort((a, b) => order(a[0]!, b[0]!, false, false) || (b[2] as number) - (a[2] as number))
    const plan: Plan = { ...common, kind: 'Sort', input: rows(types, half), targetList: plain, keys, presorted: 1, limit: null }
    expect(await run(plan)).toEqual(want)
  })
})

describe('aggregates', () => {
  const given = table(5000, 700, 3)
  const wanted = (): Row[] => {
    const groups = new Map<unknown, [number, number | null, string]>()
    for (const [k, t] of given as [number | null, string][]) {
      const g = groups.get(k) ?? [0, null, '']
      g[0]++
      if (k !== null) g[1] = (g[1] ?? 0) + k
      if (t > g[2]) g[2] = t
      groups.set(k, g)
    }
    return [...groups].map(([k, g]) => [k as number, ...g])
  }
  const list = targets(col(1, T.int4), agg('count', [], { star: true }), agg('sum', [col(1, T.int4)]), agg('max', [col(2, T.text)]))
  const base = { ...common, kind: 'Agg', targetList: list, keys: [sortKey(1, T.int4)], groupingSets: null } as const

  it('hashed, also spilling', async () => {
    const plan: Plan = { ...base, strategy: 'hashed', input: rows(two, given) }
    expect(sorted(await run(plan))).toEqual(sorted(wanted()))
    expect(sorted(await run(plan, { workMem: 20_000 }))).toEqual(sorted(wanted()))
  })
  it('sorted', async () => {
    const input: Plan = {
      ...common,
      kind: 'Sort',
      input: rows(two, given),
      targetList: targets(col(1, T.int4), col(2, T.text)),
      keys: [sortKey(1, T.int4)],
      presorted: 0,
      limit: null,
    }
    expect(sorted(await run({ ...base, strategy: 'sorted', input }))).toEqual(sorted(wanted()))
  })
  it('one row for no input', async () => {
    const plan: Plan = {
      ...base,
      strategy: 'plain',
      keys: [],
      input: rows(two, []),
      targetList: targets(agg('count', [], { star: true }), agg('sum', [col(1, T.int4)])),
    }
    expect(await run(plan)).toEqual([[0, null]])
    expect(await run({ ...base, strategy: 'hashed', input: rows(two, []) })).toEqual([])
  })
  it('distinct, ordered, filtered', async () => {
    const some: Row[] = [
      [3, 'c'],
      [1, 'a'],
      [3, 'x'],
      [null, 'n'],
      [2, 'b'],
    ]
    const ordered = {
      args: [{ ...target(col(2, T.text)), ressortgroupref: 1 }, target(lit(',', T.text), 2)],
      order: [sortClause(1, T.text, true)],
    }
    const unique = { args: [{ ...target(col(1, T.int4)), ressortgroupref: 1 }], distinct: [sortClause(1, T.int4)] }
    const plan: Plan = {
      ...base,
      strategy: 'plain',
      keys: [],
      input: rows(two, some),
      targetList: targets(
        agg('string_agg', [col(2, T.text), lit(',', T.text)], ordered),
        agg('count', [col(1, T.int4)], unique),
        agg('count', [], { star: true, filter: op('>', col(1, T.int4), lit(1, T.int4)) }),
      ),
    }
    expect(await run(plan)).toEqual([['x,n,c,b,a', 3, 3]])
  })
  it('grouping sets', async () => {
    const some: Row[] = [
      [1, 'a'],
      [1, 'b'],
      [2, 'a'],
    ]
    const grouping = {
      kind: 'GroupingFunc' as const,
      args: [col(1, T.int4), col(2, T.text)],
      refs: [1, 2],
      levelsUp: 0,
      type: T.int4,
      typmod: -1,
      collation: 0,
      location: -1,
    }
    const plan: Plan = {
      ...base,
      strategy: 'hashed',
      keys: [sortKey(1, T.int4), sortKey(2, T.text)],
      groupingSets: [[0, 1], [0], []],
      input: rows(two, some),
      targetList: targets(col(1, T.int4), col(2, T.text), agg('count', [], { star: true }), grouping),
    }
    const want: Row[] = [
      [1, 'a', 1, 0],
      [1, 'b', 1, 0],
      [2, 'a', 1, 0],
      [1, null, 2, 1],
      [2, null, 1, 1],
      [null, null, 3, 3],
    ]
    expect(sorted(await run(plan))).toEqual(sorted(want))
    expect(sorted(await run(plan, { workMem: 10 }))).toEqual(sorted(want))
    expect(await run({ ...plan, input: rows(two, []) })).toEqual([[null, null, 0, 3]])
  })
})

describe('sets and limits', () => {
  const ints = (...values: (number | null)[]): Row[] => values.map((value) => [value])
  const one = targets(col(1, T.int4))
  const given = ints(3, 1, 2, 3, null, 1, null)
  it('distinct, hashed and by neighbours', async () => {
    const hash: Plan = { ...common, kind: 'HashDistinct', input: rows([T.int4], given), targetList: one, keys: [sortKey(1, T.int4)] }
    expect(await run(hash)).toEqual(ints(3, 1, 2, null))
    const many = table(4000, 900, 5).map((row) => [row[0]!])
    const big: Plan = { ...hash, input: rows([T.int4], many) }
    const want = sorted([...new Set(many.map((row) => row[0]))].map((v) => [v!]))
    expect(sorted(await run(big, { workMem: 2000 }))).toEqual(want)
    const unique: Plan = { ...hash, kind: 'Unique', input: rows([T.int4], ints(1, 1, 2, 2, 2, null, null)) }
    expect(await run(unique)).toEqual(ints(1, 2, null))
  })
  it('intersect and except', async () => {
    const plan = (op: 'intersect' | 'except', all: boolean): Plan => ({
      ...common,
      kind: 'SetOp',
      op,
      all,
      left: rows([T.int4], ints(1, 1, 1, 2, 3, null, null)),
      right: rows([T.int4], ints(1, 1, 3, null)),
      keys: [sortKey(1, T.int4)],
      targetList: one,
    })
    expect(await run(plan('intersect', false))).toEqual(ints(1, 3, null))
    expect(await run(plan('intersect', true))).toEqual(ints(1, 1, 3, null))
    expect(await run(plan('except', false))).toEqual(ints(2))
    expect(await run(plan('except', true))).toEqual(ints(1, 2, null))
  })
  it('limit, offset, ties', async () => {
    const plan = (count: number | null, offset: number | null, ties: boolean): Plan => ({
      ...common,
      kind: 'Limit',
      input: rows([T.int4], ints(1, 2, 2, 2, 3)),
      count: count === null ? null : lit(count, T.int8),
      offset: offset === null ? null : lit(offset, T.int8),
      tieKeys: ties ? [sortKey(1, T.int4)] : null,
      targetList: one,
    })
    expect(await run(plan(2, null, false))).toEqual(ints(1, 2))
    expect(await run(plan(2, null, true))).toEqual(ints(1, 2, 2, 2))
    expect(await run(plan(null, 3, false))).toEqual(ints(2, 3))
    expect(await run(plan(0, null, false))).toEqual([])
    await expect(run(plan(-1, null, false))).rejects.toMatchObject({ code: '2201W' })
    await expect(run(plan(1, -1, false))).rejects.toMatchObject({ code: '2201X' })
  })
  it('recursive union counts and stops at what it has seen', async () => {
    const plan = (all: boolean): Plan => ({
      ...common,
      kind: 'RecursiveUnion',
      left: rows([T.int4], ints(1)),
      right: {
        ...common,
        kind: 'WorkTableScan',
        workTable: 1,
        targetList: targets(
          all ? op('+', col(1, T.int4), lit(1, T.int4)) : op('%', op('+', col(1, T.int4), lit(1, T.int4)), lit(5, T.int4)),
        ),
        quals: all ? [op('<', col(1, T.int4), lit(4, T.int4))] : [],
      },
      workTable: 1,
      all,
      keys: [sortKey(1, T.int4)],
      targetList: one,
    })
    expect(await run(plan(true))).toEqual(ints(1, 2, 3, 4))
    expect(await run(plan(false))).toEqual(ints(1, 2, 3, 4, 0))
  })
  it('sets of rows side by side', async () => {
    const plan: Plan = {
      ...common,
      kind: 'ProjectSet',
      input: rows([T.int4], ints(1, 0, 3)),
      targetList: targets(
        col(1, T.int4),
        call('generate_series', [lit(1, T.int4), col(1, T.int4)], true),
        call('generate_series', [lit(2, T.int4), col(1, T.int4)], true),
      ),
    }
    expect(await run(plan)).toEqual([
      [1, 1, null],
      [3, 1, 2],
      [3, 2, 3],
      [3, 3, null],
    ])
  })
})

describe('subqueries', () => {
  const sub = (kind: 'expr' | 'exists' | 'array' | 'any' | 'all', input: Row[], more: object = {}) =>
    ({
      kind: 'SubPlanExpr',
      type: T.bool,
      typmod: -1,
      collation: 0,
      location: -1,
      plan: { id: 1, kind, plan: rows([T.int4], input), setParams: [], params: [], testExpr: null, columns: [], useHash: false, ...more },
    }) as never
  const result = (expr: never): Plan => ({
    ...common,
    kind: 'Result',
    input: rows([T.int4], [[1], [2], [null]]),
    oneTimeFilter: null,
    targetList: targets(expr),
  })
  it('any and all, hashed and walked', async () => {
    const any = { testExpr: op('=', col(1, T.int4), execParam(5, T.int4)), columns: [5] }
    for (const useHash of [false, true]) {
      expect(await run(result(sub('any', [[1], [3]], { ...any, useHash })))).toEqual([[true], [false], [null]])
      expect(await run(result(sub('any', [[1], [null]], { ...any, useHash })))).toEqual([[true], [null], [null]])
      expect(await run(result(sub('any', [], { ...any, useHash })))).toEqual([[false], [false], [false]])
    }
    const all = { testExpr: op('<=', col(1, T.int4), execParam(5, T.int4)), columns: [5] }
    expect(await run(result(sub('all', [[1], [3]], all)))).toEqual([[true], [false], [null]])
  })
  it('one row at most', async () => {
    expect(await run(result(sub('exists', [[1]])))).toEqual([[true], [true], [true]])
    expect(await run(result(sub('expr', [[7]])))).toEqual([[7], [7], [7]])
    expect(await run(result(sub('expr', [])))).toEqual([[null], [null], [null]])
    await expect(run(result(sub('expr', [[1], [2]])))).rejects.toMatchObject({ code: '21000' })
  })
  it('runs an InitPlan once, and only when asked', async () => {
    const plan: Plan = {
      ...common,
      kind: 'Result',
      input: rows([T.int4], [[1], [2]]),
      oneTimeFilter: null,
      initPlans: [
        { id: 1, kind: 'expr', plan: rows([T.int4], [[41]]), setParams: [3], params: [], testExpr: null, columns: [], useHash: false },
      ],
      targetList: targets(op('+', col(1, T.int4), execParam(3, T.int4))),
    }
    expect(await run(plan)).toEqual([[42], [43]])
    const failing: Plan = { ...plan, input: rows([T.int4], []), initPlans: [{ ...plan.initPlans[0]!, plan: rows([T.int4], [[1], [2]]) }] }
    expect(await run(failing)).toEqual([])
    await expect(run({ ...failing, input: rows([T.int4], [[1]]) })).rejects.toMatchObject({ code: '21000' })
  })
  it('shares a CTE between readers', async () => {
    const scan: Plan = { ...common, kind: 'CteScan', subPlan: 9, targetList: targets(col(1, T.int4)) }
    const plan: Plan = {
      ...common,
      kind: 'Append',
      inputs: [scan, scan],
      initPlans: [
        { id: 9, kind: 'cte', plan: rows([T.int4], [[1], [2]]), setParams: [], params: [], testExpr: null, columns: [], useHash: false },
      ],
      targetList: targets(col(1, T.int4)),
    }
    expect(await run(plan)).toEqual([[1], [2], [1], [2]])
    expect(await run(plan, { workMem: 10 })).toEqual([[1], [2], [1], [2]])
  })
})

describe('limits', () => {
  it('ends with 53200 when memory is short and nothing can spill', async () => {
    const plan: Plan = {
      ...common,
      kind: 'Agg',
      strategy: 'plain',
      keys: [],
      groupingSets: null,
      input: rows(two, table(5000, 10, 1)),
      targetList: targets(agg('string_agg', [col(2, T.text), lit(',', T.text)])),
    }
    await expect(run(plan, { memory: 10_000 })).rejects.toMatchObject({ code: '53200' })
  })
  it('ends when it is cancelled', async () => {
    const state = makeState()
    const operator = compile(
      { ...common, kind: 'HashDistinct', input: rows([T.int4], table(5000, 5000, 1)), targetList: [], keys: [sortKey(1, T.int4)] },
      state,
    )
    state.cancel.cancel(new Error('stop') as never)
    await expect(collect(operator)).rejects.toThrow('stop')
  })
})
