// An aggregate over a window's frame: rows are added as the frame's end moves on; when its start does, they are taken out again by the
// inverse transition function where there is one, and otherwise the aggregate starts anew. // hot

import type { Datum, Row } from '../../base/datum.ts'
import type { MemoryAccount } from '../../base/memory.ts'
import type { WindowFunc } from '../analyzer/expr.ts'
import { type AggregateCall, aggregateCall, finishOf, initialState, type Transition, transitionOf } from './aggregates/call.ts'
import type { Compilation } from './compilation.ts'
import { procOf } from './expr/call.ts'
import type { Evaluator } from './operator.ts'
import { datumSize } from './row-size.ts'
import type { TupleStore } from './tuple-store.ts'
import type { WindowFrame } from './window-frame.ts'

export interface WindowAggregate {
  reset(): void
  /** Goes on towards the state of the rows [start, end), a bounded number of them at a time; true when it is reached. */
  prepare(start: number, end: number): boolean
  /** The value for the rows that were prepared. */
  value(): Datum
}

/** Rows taken in by one call. */
const ROWS_AT_ONCE = 1024
const INTERNAL = 2281

/** An inverse transition: null when the row cannot be taken out. */
function inverseOf(cx: Compilation, funcId: number, call: AggregateCall, transType: number): Transition {
  const inverse = transitionOf(cx, funcId, { ...call.transInfo, resultType: transType }, false)
  return (state, values) => inverse(state, values)
}

export function makeWindowAggregate(
  cx: Compilation,
  e: WindowFunc,
  args: readonly Evaluator[],
  filter: Evaluator | null,
  frame: WindowFrame,
  store: TupleStore,
): WindowAggregate {
  const argTypes = e.args.map((arg) => arg.type)
  const facts = cx.catalog.aggregate(e.winFnOid)!
  const moving = facts.aggmtransfn !== 0 && facts.aggminvtransfn !== 0 && !frame.fixedStart && !frame.excludes
  const declared = moving ? facts.aggmtranstype : facts.aggtranstype
  const transType = cx.catalog.type(declared)?.typtype === 'p' && declared !== 2281 ? (argTypes[0] ?? declared) : declared
  const call = aggregateCall(cx, { ...e, aggFnOid: e.winFnOid, argTypes, transType })
  const transFn = moving ? facts.aggmtransfn : facts.aggtransfn
  const transition = transitionOf(cx, transFn, call.transInfo, false)
  const inverse = moving ? inverseOf(cx, facts.aggminvtransfn, call, transType) : null
  const finish = moving
    ? finishOf(cx, call, facts.aggmfinalfn, facts.aggmfinalextra, args.length)
    : finishOf(cx, call, facts.aggfinalfn, facts.aggfinalextra, args.length)
  const initial = initialState(cx, moving ? facts.aggminitval : facts.agginitval, transType)
  const strict = procOf(cx, transFn).proisstrict
  const n = args.length
  let state: Datum = null
  /** Rows [from, to) are in the state; `taken` of them really were passed to the transition. */
  let from = 0
  let to = 0
  let taken = 0
  let value: Datum = null
  let known = false
  let excluding = false
  const values = new Array<Datum>(n).fill(null)
  const memory = (): MemoryAccount => cx.state.memory

  /** Whether the row counts, with its arguments in `values`. */
  const load = (row: Row): boolean => {
    if (filter !== null && filter(row) !== true) return false
    let hasNull = false
    for (let i = 0; i < n; i++) {
      values[i] = args[i]!(row)
      if (values[i] === null) hasNull = true
    }
    return !(strict && hasNull)
  }
  // States that grow with their input (whose size pg_aggregate does not tell) have no inverse transition: they only start anew.
  const grows = transType === INTERNAL && facts.aggtransspace === 0
  let charged = 0
  const restart = (at: number): void => {
    memory().release(charged)
    charged = 0
    state = initial()
    value = null
    from = at
    to = at
    taken = 0
    known = false
  }
  const charge = (): void => {
    let bytes = 0
    for (let i = 0; i < n; i++) bytes += datumSize(values[i]!)
    memory().charge(bytes)
    charged += bytes
  }
  const addUpTo = (end: number): void => {
    for (; to < end; to++) {
      if (frame.excludes && frame.isExcluded(to)) continue
      if (!load(store.get(to))) continue
      if (grows) charge()
      state = transition(state, values)
      taken++
      known = false
    }
  }
  /** Takes rows before `start` out; false when that is not possible. */
  const removeUpTo = (start: number): boolean => {
    for (; from < start; from++) {
      if (!load(store.get(from))) continue
      known = false
      if (--taken === 0) {
        state = initial()
        continue
      }
      if (state === null && strict) continue
      const without = inverse!(state, values)
      if (without === null && state !== null) return false
      state = without
    }
    return true
  }

  return {
    reset() {
      restart(0)
      values.fill(null)
      excluding = false
    },
    prepare(start, end) {
      // A frame with rows left out is taken in anew for each row: `excluding` is that row's state in the making.
      if ((frame.excludes && !excluding) || start < from || start > to || end < to) restart(start)
      else if (start > from && (inverse === null || !removeUpTo(start))) restart(start)
      addUpTo(Math.min(end, to + ROWS_AT_ONCE))
      excluding = to < end
      return !excluding
    },
    value() {
      if (!known) {
        value = finish(state, [])
        known = true
      }
      return value
    },
  }
}
