// One aggregate call over many groups: its state per group in an array, its transition run over a batch at a time. Aggregates are
// pg_aggregate's transition and final functions; the commonest ones have states that are plain numbers. // hot

import { assert } from '../../base/assert.ts'
import type { Datum, Row } from '../../base/datum.ts'
import { notSupported } from '../../base/errors.ts'
import { makeSlicer } from '../../base/slicer.ts'
import type { Aggref, SortGroupClause, TargetEntry } from '../analyzer/expr.ts'
import type { PgAggregateRow } from '../builtin/data/rows.ts'
import { newOrderedSet, type OrderedSet } from '../functions/ordered-set.ts'
import { findBody, procBody } from '../functions/registry.ts'
import type { SortKey } from '../planner/plan.ts'
import { Numeric } from '../types/numeric.ts'
import { divNumeric } from '../types/numeric-math.ts'
import type { CallInfo, ProcBody } from '../types/procs.ts'
import { combineKeys, hashKeyOf, type RowComparator, rowComparator, rowsEqual, supportOf } from './comparison.ts'
import type { Compilation } from './compilation.ts'
import { packVariadicAny, procOf } from './expr/call.ts'
import { type Compiled, evaluator } from './expr/compiled.ts'
import type { Evaluator } from './operator.ts'
import { datumSize } from './row-size.ts'
import { sortRows } from './row-sort.ts'
import { leadingKeyOf } from './row-sorter.ts'

export interface Accumulator {
  /** States for groups up to `groups` exist. */
  ensure(groups: number): void
  /** Takes each row into its group; a negative group is passed over. */
  add(rows: readonly Row[], count: number, groups: Int32Array): void
  /** Work that `result` may not do at once, giving way to the event loop: to be asked (and awaited) before it, until it answers null. */
  readonly prepare: ((group: number) => Promise<void> | null) | null
  /** The group's value; may be asked once, or until long work no longer suspends it. `row`: the group's columns, for direct arguments. */
  result(group: number, row: Row): Datum
  /** Whether long work may suspend `result`. */
  readonly suspends: boolean
  /** Only this group goes on, as group 0. */
  keep(group: number): void
  clear(): void
}

/** Arguments as compiled over the input's rows. */
export interface AggregateInput {
  readonly args: readonly Compiled[]
  readonly direct: readonly Compiled[]
  readonly filter: Compiled | null
}

/** The pg_aggregate row and what follows from the call. */
export interface AggregateCall {
  readonly row: PgAggregateRow
  readonly transInfo: CallInfo
  readonly finalInfo: CallInfo
}

export function aggregateCall(
  cx: Compilation,
  e: Pick<Aggref, 'aggFnOid' | 'argTypes' | 'transType' | 'type' | 'typmod' | 'inputCollation'>,
): AggregateCall {
  // called by its own name: who runs it must be allowed to
  procOf(cx, e.aggFnOid)
  const row = cx.catalog.aggregate(e.aggFnOid)
  assert(row !== null, `cache lookup failed for aggregate ${e.aggFnOid}`)
  const argTypes = [e.transType, ...e.argTypes]
  const base = { argTypes, resultTypmod: -1, collation: e.inputCollation, variadicElementType: 0 }
  return {
    row,
    transInfo: { ...base, resultType: e.transType, aggregate: true },
    finalInfo: { ...base, resultType: e.type, resultTypmod: e.typmod },
  }
}

export function bodyFor(cx: Compilation, funcId: number): { body: ProcBody; strict: boolean; prosrc: string; pronargs: number } {
  const proc = procOf(cx, funcId)
  if (findBody(proc) === undefined && cx.state.ctx.system(proc.prosrc) === undefined) {
    throw notSupported(`function ${proc.proname} is not implemented`)
  }
  return { body: procBody(proc), strict: proc.proisstrict, prosrc: proc.prosrc, pronargs: proc.pronargs }
}

/** The state a group begins with: the catalogue's text through the state type's input. */
export function initialState(cx: Compilation, text: string | null, transType: number): () => Datum {
  if (text === null) return () => null
  let value: Datum | undefined
  return () => (value ??= supportOf(cx, transType).input(text, -1, cx.state.ctx))
}

/** For the next run: most have few groups, and a fresh array costs more than wiping a small one. */
function emptied<T extends Float64Array | Uint8Array>(make: new (length: number) => T, array: T): T {
  if (array.length > 64) return new make(64)
  array.fill(0)
  return array
}

function grown<T extends Float64Array | Uint8Array>(make: new (n: number) => T, old: T, groups: number): T {
  if (groups <= old.length) return old
  const larger = new make(Math.max(groups, old.length * 2, 64))
  larger.set(old)
  return larger
}

/** count(*) and count(x). */
function counter(arg: Evaluator | null): Accumulator {
  let counts = new Float64Array(64)
  return {
    suspends: false,
    prepare: null,
    ensure(groups) {
      counts = grown(Float64Array, counts, groups)
    },
    add(rows, count, groups) {
      const c = counts
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
    result: (group) => counts[group]!,
    keep(group) {
      const value = counts[group]!
      counts.fill(0)
      counts[0] = value
    },
    clear() {
      counts = emptied(Float64Array, counts)
    },
  }
}

type SumFinish = (n: number, sum: number | bigint) => Datum

/** Sums of integers: a number while safe, a bigint in a side table beyond. */
function integerSum(arg: Evaluator, finish: SumFinish): Accumulator {
  let sums = new Float64Array(64)
  let counts = new Float64Array(64)
  const large = new Map<number, bigint>()
  const addLarge = (g: number, value: number | bigint): void => {
    const before = large.get(g) ?? BigInt(sums[g]!)
    large.set(g, before + BigInt(value))
  }
  return {
    suspends: false,
    prepare: null,
    ensure(groups) {
      sums = grown(Float64Array, sums, groups)
      counts = grown(Float64Array, counts, groups)
    },
    add(rows, count, groups) {
      const s = sums
      const c = counts
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
    result: (group) => finish(counts[group]!, large.get(group) ?? sums[group]!),
    keep(group) {
      const sum = sums[group]!
      const n = counts[group]!
      const big = large.get(group)
      sums.fill(0)
      counts.fill(0)
      large.clear()
      sums[0] = sum
      counts[0] = n
      if (big !== undefined) large.set(0, big)
    },
    clear() {
      sums = emptied(Float64Array, sums)
      counts = emptied(Float64Array, counts)
      large.clear()
    },
  }
}

const normalInteger = (value: number | bigint): number | bigint =>
  typeof value === 'bigint' && value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value

/** sum and avg of float8. `slow` knows the errors of overflow. */
function floatSum(arg: Evaluator, average: boolean, slow: (a: number, b: number) => number): Accumulator {
  let sums = new Float64Array(64)
  let counts = new Float64Array(64)
  return {
    suspends: false,
    prepare: null,
    ensure(groups) {
      sums = grown(Float64Array, sums, groups)
      counts = grown(Float64Array, counts, groups)
    },
    add(rows, count, groups) {
      const s = sums
      const c = counts
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
      const n = counts[group]!
      return n === 0 ? null : average ? sums[group]! / n : sums[group]!
    },
    keep(group) {
      const sum = sums[group]!
      const n = counts[group]!
      sums.fill(0)
      counts.fill(0)
      sums[0] = sum
      counts[0] = n
    },
    clear() {
      sums = emptied(Float64Array, sums)
      counts = emptied(Float64Array, counts)
    },
  }
}

/** min and max of values that JavaScript orders. */
function extreme(arg: Evaluator, largest: boolean): Accumulator {
  let values: Datum[] = []
  return {
    suspends: false,
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
function fastAccumulator(cx: Compilation, call: AggregateCall, args: readonly Compiled[]): Accumulator | null {
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

/** Calls of a transition function over states kept outside. */
export type Transition = (state: Datum, values: readonly Datum[]) => Datum

export function transitionOf(cx: Compilation, funcId: number, info: CallInfo, variadicAny: boolean): Transition {
  const { state } = cx
  const proc = procOf(cx, funcId)
  const { body, strict } = bodyFor(cx, funcId)
  if (variadicAny) {
    return (s, values) => {
      const packed = packVariadicAny(proc, [s, ...values], false)
      return body(...packed, state.ctx, info) as Datum
    }
  }
  if (!strict) {
    return (s, values) => (values.length === 1 ? body(s, values[0], state.ctx, info) : body(s, ...values, state.ctx, info)) as Datum
  }
  return (s, values) => {
    for (let i = 0; i < values.length; i++) if (values[i] === null) return s
    // A strict transition takes the first input as its state; once NULL in spite of an input, the state stays NULL.
    if (s === null) return values[0]!
    return (values.length === 1 ? body(s, values[0], state.ctx, info) : body(s, ...values, state.ctx, info)) as Datum
  }
}

/** The value of a finished state. */
export type Finish = (state: Datum, direct: readonly Datum[]) => Datum

export function finishOf(cx: Compilation, call: AggregateCall, finalFn: number, extra: boolean, argCount: number): Finish {
  if (finalFn === 0) return (state) => state
  const { state } = cx
  const proc = procOf(cx, finalFn)
  const { body, strict } = bodyFor(cx, finalFn)
  const any = proc.provariadic === 2276
  return (s, direct) => {
    const values: Datum[] = [s, ...direct]
    if (extra && !any) for (let i = 0; i < argCount; i++) values.push(null)
    if (strict && values.includes(null)) return null
    const given = any ? packVariadicAny(proc, values, false) : values
    return body(...given, state.ctx, call.finalInfo) as Datum
  }
}

/** Any aggregate, by its functions. `charge` is told what states that grow with their input hold. */
function generalAccumulator(
  cx: Compilation,
  e: Aggref,
  call: AggregateCall,
  args: readonly Compiled[],
  charge: (bytes: number) => void,
): Accumulator {
  const { row } = call
  const transition = transitionOf(cx, row.aggtransfn, call.transInfo, false)
  const finish = finishOf(cx, call, row.aggfinalfn, row.aggfinalextra, args.length)
  const initial = initialState(cx, row.agginitval, e.transType)
  const evals = args.map(evaluator)
  const n = evals.length
  const grows = e.transType === 2281
  let states: Datum[] = []
  return {
    suspends: row.aggfinalfn !== 0,
    prepare: null,
    ensure(groups) {
      while (states.length < groups) states.push(initial())
    },
    add(rows, count, groups) {
      const values = new Array<Datum>(n)
      let bytes = 0
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const input = rows[i]!
        for (let k = 0; k < n; k++) values[k] = evals[k]!(input)
        if (grows) bytes += datumSize(values[0] ?? null)
        states[g] = transition(states[g]!, values)
      }
      if (bytes > 0) charge(bytes)
    },
    result: (group) => finish(states[group]!, []),
    keep(group) {
      states = [states[group]!]
    },
    clear() {
      states = []
    },
  }
}

function sortKeyOf(clause: SortGroupClause, args: readonly TargetEntry[]): SortKey {
  const index = args.findIndex((entry) => entry.ressortgroupref === clause.tleSortGroupRef)
  const { expr } = args[index]!
  return {
    slot: index + 1,
    sortOp: clause.sortOp,
    eqOp: clause.eqOp,
    collation: expr.collation,
    type: expr.type,
    descending: clause.descending,
    nullsFirst: clause.nullsFirst,
  }
}

/** ORDER BY, then what of DISTINCT it does not cover. */
function orderOf(e: Aggref): SortKey[] {
  const covered = new Set(e.order.map((clause) => clause.tleSortGroupRef))
  return [...e.order, ...e.distinct.filter((clause) => !covered.has(clause.tleSortGroupRef))].map((clause) => sortKeyOf(clause, e.args))
}

/** Rows of one group taken in without giving way. */
const ROWS_AT_ONCE = 1024

/** DISTINCT and ORDER BY inside an aggregate, and ordered sets: the rows of each group are kept, sorted, and taken in at the end. */
function sortedAccumulator(
  cx: Compilation,
  e: Aggref,
  call: AggregateCall,
  input: AggregateInput,
  charge: (bytes: number) => void,
): Accumulator {
  const { row } = call
  const { state } = cx
  const ordered = e.aggKind !== 'normal'
  const keys = orderOf(e)
  const compare: RowComparator = keys.length > 0 ? rowComparator(cx, keys) : () => 0
  const same =
    e.distinct.length > 0
      ? rowsEqual(
          cx,
          e.distinct.map((clause) => sortKeyOf(clause, e.args)),
        )
      : null
  const transProc = procOf(cx, row.aggtransfn)
  const transition = transitionOf(cx, row.aggtransfn, call.transInfo, transProc.provariadic === 2276)
  const finish = finishOf(cx, call, row.aggfinalfn, row.aggfinalextra, e.argTypes.length - input.direct.length)
  const initial = initialState(cx, row.agginitval, e.transType)
  const evals = input.args.map(evaluator)
  const direct = input.direct.map(evaluator)
  const n = evals.length
  /** Arguments proper: junk entries only sort. */
  const passed = e.args.map((entry, i) => (entry.resjunk ? -1 : i)).filter((i) => i >= 0)
  const all = passed.length === n
  const leading = keys.length > 0 ? leadingKeyOf(keys[0]!) : null
  const rest = keys.length > 1 ? rowComparator(cx, keys.slice(1)) : null
  const slicer = makeSlicer(state)
  let groupRows: Row[][] = []
  /** The group whose rows are sorted and in its state. */
  let prepared = -1
  let groupState: Datum = null
  let last: Row | null = null

  /** Takes rows of a group from `from` on into its state. */
  const collect = (rows: readonly Row[], from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const values = rows[i]!
      if (same !== null) {
        if (last !== null && same(last, values)) continue
        last = values
      }
      groupState = transition(groupState, all ? values : passed.map((k) => values[k]!))
    }
  }
  const begin = (): void => {
    groupState = ordered ? newOrderedSet(compare as OrderedSet['compare']) : initial()
    last = null
  }
  const prepare = async (group: number): Promise<void> => {
    const rows = groupRows[group]!
    groupRows[group] = []
    slicer.start()
    const sorted = keys.length > 0 ? await sortRows(rows, compare, leading, rest, slicer) : rows
    begin()
    for (let i = 0; i < sorted.length; i += ROWS_AT_ONCE) {
      collect(sorted, i, Math.min(i + ROWS_AT_ONCE, sorted.length))
      const pause = slicer.pause()
      if (pause !== null) await pause
    }
    prepared = group
  }
  return {
    suspends: true,
    prepare: (group) => (prepared === group || groupRows[group]!.length <= ROWS_AT_ONCE ? null : prepare(group)),
    ensure(groups) {
      while (groupRows.length < groups) groupRows.push([])
    },
    add(rows, count, groups) {
      let bytes = 0
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const values = new Array<Datum>(n)
        for (let k = 0; k < n; k++) {
          values[k] = evals[k]!(rows[i]!)
          bytes += datumSize(values[k]!)
        }
        bytes += 48
        groupRows[g]!.push(values)
      }
      if (bytes > 0) charge(bytes)
    },
    result(group, row) {
      if (prepared !== group) {
        state.cancel.check()
        const rows = groupRows[group]!
        if (keys.length > 0) rows.sort(compare)
        begin()
        collect(rows, 0, rows.length)
      }
      prepared = group
      groupRows[group] = []
      const value = finish(
        groupState,
        direct.map((f) => f(row)),
      )
      prepared = -1
      groupState = null
      return value
    },
    keep(group) {
      groupRows = [groupRows[group]!]
    },
    clear() {
      groupRows = []
      prepared = -1
      groupState = null
    },
  }
}

const ORDER_FREE = /^(?:int8inc_any|int[248]_sum|int[248]_avg_accum|numeric_avg_accum|bool(?:and|or)_.*|\w+(?:smaller|larger))$/

/** An entry of a set, besides a text's characters. */
const SET_ENTRY_BYTES = 48

/** DISTINCT whose order does not show (count, sum, min …): a set per group instead of a sort. */
function distinctAccumulator(
  cx: Compilation,
  inner: Accumulator,
  args: readonly Compiled[],
  types: readonly number[],
  charge: (bytes: number) => void,
): Accumulator {
  const evals = args.map(evaluator)
  const hashes = types.map((type) => hashKeyOf(cx, type))
  const n = evals.length
  let seen: Set<unknown>[] = []
  let chosen = new Int32Array(1024)
  return {
    suspends: inner.suspends,
    prepare: inner.prepare,
    ensure(groups) {
      while (seen.length < groups) seen.push(new Set())
      inner.ensure(groups)
    },
    add(rows, count, groups) {
      if (chosen.length < count) chosen = new Int32Array(count)
      const keys = new Array<unknown>(n)
      let fresh = 0
      let bytes = 0
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        chosen[i] = -1
        if (g < 0) continue
        for (let k = 0; k < n; k++) {
          const value = evals[k]!(rows[i]!)
          const hash = hashes[k]!
          keys[k] = value === null || hash === null ? value : hash(value)
        }
        const key = combineKeys(keys)
        const set = seen[g]!
        const before = set.size
        set.add(key)
        if (set.size === before) continue
        chosen[i] = g
        fresh++
        bytes += SET_ENTRY_BYTES + (typeof key === 'string' ? key.length : 0)
      }
      if (fresh > 0) {
        charge(bytes)
        inner.add(rows, count, chosen)
      }
    },
    result: (group, row) => inner.result(group, row),
    keep(group) {
      seen = [seen[group]!]
      inner.keep(group)
    },
    clear() {
      seen = []
      inner.clear()
    },
  }
}

function filtered(inner: Accumulator, filter: Evaluator): Accumulator {
  let chosen = new Int32Array(1024)
  return {
    ...inner,
    add(rows, count, groups) {
      if (chosen.length < count) chosen = new Int32Array(count)
      for (let i = 0; i < count; i++) chosen[i] = groups[i]! >= 0 && filter(rows[i]!) === true ? groups[i]! : -1
      inner.add(rows, count, chosen)
    },
  }
}

/** All arguments synchronous over the rows given to `add`. */
export function makeAccumulator(cx: Compilation, e: Aggref, input: AggregateInput, charge: (bytes: number) => void): Accumulator {
  const call = aggregateCall(cx, e)
  const plain = e.aggKind === 'normal' && e.order.length === 0
  const make = (): Accumulator => fastAccumulator(cx, call, input.args) ?? generalAccumulator(cx, e, call, input.args, charge)
  let accumulator: Accumulator
  if (plain && e.distinct.length === 0) accumulator = make()
  else if (plain && ORDER_FREE.test(procOf(cx, call.row.aggtransfn).prosrc)) {
    accumulator = distinctAccumulator(
      cx,
      make(),
      input.args,
      e.args.map((entry) => entry.expr.type),
      charge,
    )
  } else accumulator = sortedAccumulator(cx, e, call, input, charge)
  return input.filter === null ? accumulator : filtered(accumulator, evaluator(input.filter))
}
