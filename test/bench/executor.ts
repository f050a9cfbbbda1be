// The executor alone over a million rows in memory: expressions, sort, hash join, aggregation, windows. Run: npm run bench:executor

import type { Row } from '../../src/base/datum.ts'
import type { Expr } from '../../src/sql/analyzer/expr.ts'
import { makeCompilation } from '../../src/sql/executor/compile.ts'
import { compileExpr } from '../../src/sql/executor/expr/compile.ts'
import { ROW_SCOPE } from '../../src/sql/executor/expr/scope.ts'
import { INNER_VAR, type Plan } from '../../src/sql/planner/plan.ts'
import { makeArray } from '../../src/sql/types/array.ts'
import {
  agg,
  and,
  call,
  col,
  common,
  compile,
  eqOp,
  lit,
  makeState,
  op,
  rows,
  sortKey,
  T,
  targets,
  windowFunc,
} from '../unit/sql/executor/harness.ts'

const N = Number(process.argv[2] ?? 1_000_000)
let seed = 42
const next = (): number => {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0
  return (seed >>> 0) / 4294967296
}
const types = [T.int4, T.int4, T.float8, T.text]
const data: Row[] = Array.from({ length: N }, (_, i) => [i, Math.floor(next() * 1000), next() * 1e6, `name ${Math.floor(next() * 1e6)}`])

function report(name: string, ms: number, count: number): void {
  console.log(`${name.padEnd(46)} ${ms.toFixed(0).padStart(6)} ms ${((ms * 1e6) / count).toFixed(1).padStart(8)} ns/row`)
}

function expression(name: string, expr: Expr): void {
  const evaluate = compileExpr(expr, ROW_SCOPE, makeCompilation(makeState())).eval
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3; round++) {
    const start = performance.now()
    for (let i = 0; i < N; i++) void evaluate(data[i]!)
    best = Math.min(best, performance.now() - start)
  }
  report(`expr ${name}`, best, N)
}

async function plan(
  name: string,
  p: Plan,
  options: Parameters<typeof makeState>[0] = { workMem: 1 << 30, memory: 2 ** 33 },
): Promise<void> {
  const state = makeState(options)
  const operator = compile(p, state)
  let best = Number.POSITIVE_INFINITY
  let longest = 0
  let count = 0
  for (let round = 0; round < 3; round++) {
    let last = performance.now()
    const ticker = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 0)
    const start = performance.now()
    count = 0
    await operator.open()
    for (let batch = await operator.next(); batch !== null; batch = await operator.next()) count += batch.count
    best = Math.min(best, performance.now() - start)
    clearInterval(ticker)
  }
  operator.close()
  report(`${name} → ${count} rows`, best, N)
  if (longest > 50) console.log(`  event loop held for up to ${longest.toFixed(0)} ms`)
}

const a = col(1, T.int4)
const b = col(2, T.int4)
const f = col(3, T.float8)
const t = col(4, T.text)
const typed = { typmod: -1, collation: 0, location: -1 }

expression('b < 500', op('<', b, lit(500, T.int4)))
expression('a + b', op('+', a, b))
expression('b * 2 + 1 > a', op('>', op('+', op('*', b, lit(2, T.int4)), lit(1, T.int4)), a))
expression('f * 1.5 < 10', op('<', op('*', f, lit(1.5, T.float8)), lit(10, T.float8)))
expression('b >= 10 AND b < 20 AND a <> 5', and(op('>=', b, lit(10, T.int4)), op('<', b, lit(20, T.int4)), op('<>', a, lit(5, T.int4))))
expression("t = 'x'", op('=', t, lit('x', T.text)))
expression("t LIKE 'name 12%'", op('~~', t, lit('name 12%', T.text)))
expression("t LIKE '%9_9%'", op('~~', t, lit('%9_9%', T.text)))
expression('length(t)', call('length', [t]))
const equal = op('=', b, b)
expression('b IN (20 values)', {
  kind: 'ScalarArrayOpExpr',
  opNo: equal.opNo,
  opFuncId: equal.opFuncId,
  args: [
    b,
    lit(
      makeArray(
        T.int4,
        Array.from({ length: 20 }, (_, i) => i * 7),
      ),
      T._int4,
    ),
  ],
  useOr: true,
  inputCollation: 0,
  type: T.bool,
  ...typed,
})

const input = rows(types, data)
const all = targets(a, b, f, t)
const sort = (...keys: ReturnType<typeof sortKey>[]): Plan => ({
  ...common,
  kind: 'Sort',
  input,
  targetList: all,
  keys,
  presorted: 0,
  limit: null,
})
await plan('filter b < 500', {
  ...common,
  kind: 'Result',
  input,
  targetList: all,
  quals: [op('<', b, lit(500, T.int4))],
  oneTimeFilter: null,
})
await plan('project a + b, f', { ...common, kind: 'Result', input, targetList: targets(op('+', a, b), f), oneTimeFilter: null })
await plan('sort by int', sort(sortKey(2, T.int4)))
await plan('sort by float', sort(sortKey(3, T.float8)))
await plan('sort by text', sort(sortKey(4, T.text)))
await plan('sort by int, text', sort(sortKey(2, T.int4), sortKey(4, T.text)))
await plan('sort by int, spilling (8 MB)', sort(sortKey(2, T.int4)), { workMem: 8 << 20, memory: 2 ** 30 })
await plan('top 10 by float', { ...(sort(sortKey(3, T.float8)) as Extract<Plan, { kind: 'Sort' }>), limit: lit(10, T.int8) })
const join = {
  ...common,
  kind: 'HashJoin',
  joinType: 'inner',
  left: input,
  leftKeys: [a],
  rightKeys: [col(1, T.int4, INNER_VAR)],
  operators: [eqOp(T.int4)],
  joinQuals: [],
  innerUnique: true,
  targetList: targets(a, f, col(3, T.float8, INNER_VAR)),
} as const
await plan('hash join 1M × 1M by int', { ...join, right: input })
await plan('hash join 1M × 10k by int', { ...join, right: rows(types, data.slice(0, 10_000)) })
await plan('hash join 1M × 1M, spilling (16 MB)', { ...join, right: input }, { workMem: 16 << 20, memory: 2 ** 30 })
await plan('hash join 1M × 1M by text', {
  ...join,
  right: input,
  leftKeys: [t],
  rightKeys: [col(4, T.text, INNER_VAR)],
  operators: [eqOp(T.text)],
})
const group = (strategy: 'plain' | 'hashed', keys: ReturnType<typeof sortKey>[], ...list: Expr[]): Plan => ({
  ...common,
  kind: 'Agg',
  strategy,
  keys,
  groupingSets: null,
  input,
  targetList: targets(...list),
})
const star = agg('count', [], { star: true })
await plan('count(*)', group('plain', [], star))
await plan('sum(int), avg(float), min, max', group('plain', [], agg('sum', [b]), agg('avg', [f]), agg('min', [a]), agg('max', [a])))
await plan('group by int (1000): count, sum, avg', group('hashed', [sortKey(2, T.int4)], b, star, agg('sum', [a]), agg('avg', [f])))
await plan('group by int (1M): count, sum', group('hashed', [sortKey(1, T.int4)], a, star, agg('sum', [b])))
await plan('group by text: count', group('hashed', [sortKey(4, T.text)], t, star))
await plan('group by int (1M), spilling (16 MB)', group('hashed', [sortKey(1, T.int4)], a, star), { workMem: 16 << 20, memory: 2 ** 30 })
await plan(
  'count(distinct int)',
  group(
    'plain',
    [],
    agg('count', [b], {
      args: [{ ...targets(b)[0]!, ressortgroupref: 1 }],
      distinct: [
        { tleSortGroupRef: 1, eqOp: eqOp(T.int4), sortOp: sortKey(1, T.int4).sortOp, descending: false, nullsFirst: false, hashable: true },
      ],
    }),
  ),
)
const window = {
  name: null,
  partition: [],
  order: [],
  frameMode: 'rows',
  frameStart: { kind: 'unbounded preceding' },
  frameEnd: { kind: 'current row' },
  exclusion: 'no others',
  winRef: 1,
} as const
await plan('row_number, running sum', {
  ...common,
  kind: 'WindowAgg',
  input,
  window,
  partitionKeys: [],
  orderKeys: [sortKey(1, T.int4)],
  targetList: targets(a, windowFunc('row_number', []), windowFunc('sum', [b])),
})
