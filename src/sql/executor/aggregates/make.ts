// The accumulator for an aggregate call.

import { makeSlicer } from '../../../base/slicer.ts'
import type { Aggref } from '../../analyzer/expr.ts'
import type { Compilation } from '../compilation.ts'
import { procOf } from '../expr/call.ts'
import { type Compiled, evaluator } from '../expr/compiled.ts'
import type { Evaluator } from '../operator.ts'
import type { Accumulator, AggregateInput, AggregateMemory } from './accumulator.ts'
import { aggregateCall } from './call.ts'
import { distinctAccumulator, distinctArguments } from './distinct.ts'
import { fastAccumulator } from './fast.ts'
import { generalAccumulator } from './general.ts'
import { sortedAccumulator } from './sorted.ts'

/** Transition functions whose result does not show the order of their input. */
const ORDER_FREE = /^(?:int8inc_any|int[248]_sum|int[248]_avg_accum|numeric_avg_accum|bool(?:and|or)_.*|\w+(?:smaller|larger))$/

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
export function makeAccumulator(cx: Compilation, e: Aggref, input: AggregateInput, memory: AggregateMemory): Accumulator {
  const slicer = makeSlicer(cx.state)
  const call = aggregateCall(cx, e)
  const plain = e.aggKind === 'normal' && e.order.length === 0
  const make = (args: readonly Compiled[]): Accumulator => fastAccumulator(cx, call, args) ?? generalAccumulator(cx, e, call, args, memory)
  let accumulator: Accumulator
  if (plain && e.distinct.length === 0) accumulator = make(input.args)
  else if (plain && ORDER_FREE.test(procOf(cx, call.row.aggtransfn).prosrc)) {
    accumulator = distinctAccumulator(
      cx,
      make(distinctArguments(input.args.length)),
      input.args,
      e.args.map((entry) => entry.expr.type),
      memory,
      slicer,
    )
  } else accumulator = sortedAccumulator(cx, e, call, input, memory, slicer)
  return input.filter === null ? accumulator : filtered(accumulator, evaluator(input.filter))
}
