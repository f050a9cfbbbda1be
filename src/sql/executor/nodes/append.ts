// Append: its inputs' rows, one input after the other.

import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { Append } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import type { Batch, Operator } from '../operator.ts'

export function compileAppend(plan: Append, cx: Compilation): Operator {
  const inputs = plan.inputs.map((input) => cx.compile(input))
  let at = 0
  let opened = false
  let wanted: number | undefined
  const resume = (batch: Batch | null): MaybePromise<Batch | null> => {
    if (batch !== null) return batch
    inputs[at]!.close()
    at++
    opened = false
    return next()
  }
  const next = (): MaybePromise<Batch | null> => {
    for (;;) {
      if (at >= inputs.length) return null
      if (!opened) {
        opened = true
        const open = inputs[at]!.open()
        if (open instanceof Promise) return open.then(next)
      }
      const batch = inputs[at]!.next(wanted)
      if (batch instanceof Promise) return batch.then(resume)
      if (batch !== null) return batch
      inputs[at]!.close()
      at++
      opened = false
    }
  }
  return {
    open() {
      at = 0
      opened = false
    },
    next(max) {
      wanted = max
      return next()
    },
    close() {
      for (const input of inputs) input.close()
    },
  }
}
