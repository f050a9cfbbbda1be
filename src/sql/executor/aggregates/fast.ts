// The commonest aggregates: their states are plain numbers. // hot

import type { Datum } from '../../../base/datum.ts'
import { Numeric } from '../../types/numeric.ts'
import { divNumeric } from '../../types/numeric-math.ts'
import type { CallInfo } from '../../types/procs.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from '../expr/call.ts'
import { type Compiled, evaluator } from '../expr/compiled.ts'
import type { Evaluator } from '../operator.ts'
import { type Accumulator, PerGroup } from './accumulator.ts'
import { type AggregateCall, bodyFor } from './call.ts'

/** count(*) and count(x). */
function counter(arg: Evaluator | null): Accumulator {
  const counts = new PerGroup()
  return {
    suspends: false,
    makeRoom: null,
    prepare: null,
    ensure: (groups) => counts.ensure(groups),
    add(rows, count, groups) {
      const c = counts.values
      if (arg === null) {
        for (let i = 0; i < count; i++) {
          const g = groups[i]!
          if (g >= 0) c[g] = c[g]! + 1
        }
        return
      }
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g >= 0 && arg(rows[i]!) !== null) c[g] = c[g]! + 1
      }
    },
    result: (group) => counts.values[group]!,
    keep: (group) => counts.keep(group),
    clear: () => counts.clear(),
  }
}

type SumFinish = (n: number, sum: number | bigint) => Datum

/** Sums of integers: a number while safe, a bigint in a side table beyond. */
function integerSum(arg: Evaluator, finish: SumFinish): Accumulator {
  const sums = new PerGroup()
  const counts = new PerGroup()
  const large = new Map<number, bigint>()
  const addLarge = (g: number, value: number | bigint): void => {
    const before = large.get(g) ?? BigInt(sums.values[g]!)
    large.set(g, before + BigInt(value))
  }
  return {
    suspends: false,
    makeRoom: null,
    prepare: null,
    ensure(groups) {
      sums.ensure(groups)
      counts.ensure(groups)
    },
    add(rows, count, groups) {
      const s = sums.values
      const c = counts.values
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const value = arg(rows[i]!)
        if (value === null) continue
        c[g] = c[g]! + 1
        if (typeof value === 'number') {
          const sum = s[g]! + value
          if (sum <= Number.MAX_SAFE_INTEGER && sum >= Number.MIN_SAFE_INTEGER && (large.size === 0 || !large.has(g))) {
            s[g] = sum
            continue
          }
        }
        addLarge(g, value as number | bigint)
      }
    },
    result: (group) => finish(counts.values[group]!, large.get(group) ?? sums.values[group]!),
    keep(group) {
      const big = large.get(group)
      sums.keep(group)
      counts.keep(group)
      large.clear()
      if (big !== undefined) large.set(0, big)
    },
    clear() {
      sums.clear()
      counts.clear()
      large.clear()
    },
  }
}

const normalInteger = (value: number | bigint): number | bigint =>
  typeof value === 'bigint' && value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value

/** sum and avg of float8. `slow` knows the errors of overflow. */
function floatSum(arg: Evaluator, average: boolean, slow: (a: number, b: number) => number): Accumulator {
  const sums = new PerGroup()
  const counts = new PerGroup()
  return {
    suspends: false,
    makeRoom: null,
    prepare: null,
    ensure(groups) {
      sums.ensure(groups)
      counts.ensure(groups)
    },
    add(rows, count, groups) {
      const s = sums.values
      const c = counts.values
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const value = arg(rows[i]!) as number | null
        if (value === null) continue
        // The first value stands as it is: -0 stays -0.
        const sum = c[g] === 0 ? value : s[g]! + value
        c[g] = c[g]! + 1
        s[g] = Number.isFinite(sum) ? sum : slow(c[g] === 1 ? 0 : s[g]!, value)
      }
    },
    result(group) {
      const n = counts.values[group]!
      const sum = sums.values[group]!
      return n === 0 ? null : average ? sum / n : sum
    },
    keep(group) {
      sums.keep(group)
      counts.keep(group)
    },
    clear() {
      sums.clear()
      counts.clear()
    },
  }
}

/** min and max of values that JavaScript orders. */
function extreme(arg: Evaluator, largest: boolean): Accumulator {
  let values: Datum[] = []
  return {
    suspends: false,
    makeRoom: null,
    prepare: null,
    ensure(groups) {
      while (values.length < groups) values.push(null)
    },
    add(rows, count, groups) {
      const v = values
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const value = arg(rows[i]!) as number | null
        if (value === null) continue
        const best = v[g] as number | null
        if (best === null || (largest ? value > best : value < best)) v[g] = value
      }
    },
    result: (group) => values[group]!,
    keep(group) {
      values = [values[group]!]
    },
    clear() {
      values = []
    },
  }
}

const EXTREME = /^(?:int2|int4|int8|oid|date_|time_|timestamp_)(smaller|larger)$/

/** A state that is plain numbers, for the aggregates that everybody uses; null for all others. */
export function fastAccumulator(cx: Compilation, call: AggregateCall, args: readonly Compiled[]): Accumulator | null {
  const { row } = call
  const trans = procOf(cx, row.aggtransfn).prosrc
  const final = row.aggfinalfn === 0 ? '' : procOf(cx, row.aggfinalfn).prosrc
  if (trans === 'int8inc') return counter(null)
  const arg = args[0] === undefined ? null : evaluator(args[0])
  if (arg === null || args.length !== 1) return null
  if (trans === 'int8inc_any') return counter(arg)
  if ((trans === 'int4_sum' || trans === 'int2_sum') && final === '') {
    return integerSum(arg, (n, sum) => (n === 0 ? null : normalInteger(sum)))
  }
  if (trans === 'int8_avg_accum' && final === 'numeric_poly_sum') {
    return integerSum(arg, (n, sum) => (n === 0 ? null : new Numeric(normalInteger(sum), 0)))
  }
  const average = (trans === 'int4_avg_accum' || trans === 'int2_avg_accum') && final === 'int8_avg'
  if (average || (trans === 'int8_avg_accum' && final === 'numeric_poly_avg')) {
    return integerSum(arg, (n, sum) => (n === 0 ? null : divNumeric(new Numeric(normalInteger(sum), 0), new Numeric(n, 0))))
  }
  if ((trans === 'float8pl' && final === '') || (trans === 'float8_accum' && final === 'float8_avg')) {
    const { body } = bodyFor(cx, 218)
    const info: CallInfo = { argTypes: [701, 701], resultType: 701, resultTypmod: -1, collation: 0, variadicElementType: 0 }
    return floatSum(arg, final !== '', (a, b) => body(a, b, cx.state.ctx, info) as number)
  }
  const best = EXTREME.exec(trans)
  return best !== null && final === '' ? extreme(arg, best[1] === 'larger') : null
}
