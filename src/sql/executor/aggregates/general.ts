// Any aggregate, by its functions. // hot

import type { Datum } from '../../../base/datum.ts'
import type { Aggref } from '../../analyzer/expr.ts'
import type { Compilation } from '../compilation.ts'
import { type Compiled, evaluator } from '../expr/compiled.ts'
import { datumSize } from '../row-size.ts'
import { type Accumulator, type AggregateMemory, GroupBytes } from './accumulator.ts'
import { type AggregateCall, finishOf, initialState, transitionOf } from './call.ts'

/** States that grow with their input count in `memory`. */
export function generalAccumulator(
  cx: Compilation,
  e: Aggref,
  call: AggregateCall,
  args: readonly Compiled[],
  memory: AggregateMemory,
): Accumulator {
  const { row } = call
  const transition = transitionOf(cx, row.aggtransfn, call.transInfo, false)
  const finish = finishOf(cx, call, row.aggfinalfn, row.aggfinalextra, args.length)
  const initial = initialState(cx, row.agginitval, e.transType)
  const evals = args.map(evaluator)
  const n = evals.length
  // those whose size pg_aggregate does not tell
  const grows = e.transType === 2281 && row.aggtransspace === 0
  const held = new GroupBytes()
  let states: Datum[] = []
  return {
    suspends: row.aggfinalfn !== 0,
    makeRoom: null,
    prepare: null,
    ensure(groups) {
      while (states.length < groups) states.push(initial())
      if (grows) held.ensure(groups)
    },
    add(rows, count, groups) {
      const values = new Array<Datum>(n)
      for (let i = 0; i < count; i++) {
        const g = groups[i]!
        if (g < 0) continue
        const input = rows[i]!
        for (let k = 0; k < n; k++) values[k] = evals[k]!(input)
        if (grows) {
          let size = 0
          for (let k = 0; k < n; k++) size += datumSize(values[k]!)
          memory.charge(size)
          held.add(g, size)
        }
        states[g] = transition(states[g]!, values)
      }
    },
    result: (group) => finish(states[group]!, []),
    keep(group) {
      states = [states[group]!]
      if (grows) memory.release(held.keep(group))
    },
    clear() {
      states = []
      if (grows) memory.release(held.clear())
    },
  }
}
