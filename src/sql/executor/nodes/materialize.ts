// Materialize: keeps its input's rows so that they can be read again without running it; runs it again only when an exec param it reads
// has changed.

import type { MaybePromise } from '../../../base/maybe-promise.ts'
import { andThen } from '../../../base/maybe-promise.ts'
import type { Materialize } from '../../planner/plan.ts'
import type { Compilation } from '../compilation.ts'
import { freeParams, stillValid, type Validity, validityOf } from '../init-plan.ts'
import type { Batch, Operator } from '../operator.ts'
import { TupleStore } from '../tuple-store.ts'
import { done, makeOutput, refill, restart } from './batches.ts'

export function compileMaterialize(plan: Materialize, cx: Compilation): Operator {
  const input = cx.compile(plan.input)
  const store = new TupleStore(
    cx,
    plan.input.targetList.map((entry) => entry.expr.type),
  )
  const free = freeParams(plan.input, cx)
  const out = makeOutput()
  let known: Validity | null = null
  let complete = false
  let at = 0

  const fromStore = (): Batch | null => {
    while (out.count < out.size && at < store.count) out.rows[out.count++] = store.get(at++)
    return done(out)
  }
  const take = (batch: Batch | null): Batch | null => {
    if (batch === null) {
      complete = true
      input.close()
      return null
    }
    store.addAll(batch.rows, batch.count)
    at = store.count
    return batch
  }
  return {
    open(): MaybePromise<void> {
      restart(out)
      at = 0
      if (stillValid(cx, free, known)) return undefined
      store.clear()
      complete = false
      known = validityOf(cx, free)
      return input.open()
    },
    next(max): MaybePromise<Batch | null> {
      refill(out, max)
      if (at < store.count) return fromStore()
      return complete ? null : andThen(input.next(max), take)
    },
    close() {
      // Rows stay for the next open of the same run; the root's close ends the run.
      if (known !== null && known.run === cx.run && !cx.closing) return
      known = null
      store.clear()
      input.close()
    },
  }
}
