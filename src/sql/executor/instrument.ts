// EXPLAIN ANALYZE: counts rows and loops of every node and takes the time until its first and its last row.

import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { Plan } from '../planner/plan.ts'
import type { Batch, ExecState, Operator } from './operator.ts'

export interface NodeInstrumentation {
  /** Times the node was opened and ran. */
  loops: number
  /** Rows it gave, over all loops. */
  rows: number
  /** Milliseconds in it and its inputs: until the first row (summed over loops) and in all. */
  startupMs: number
  totalMs: number
  /** Rows read from the store by it and its inputs. */
  rowsExamined: number
}

export interface Instrumentation {
  /** For CompileOptions.instrument. */
  readonly instrument: (plan: Plan, operator: Operator) => Operator
  /** Null when the node was never compiled (a SubPlan that was not reached). */
  of(plan: Plan): NodeInstrumentation | null
}

function watch(operator: Operator, stats: NodeInstrumentation, state: ExecState): Operator {
  let inLoop = false
  let first = true
  const timed = <T>(run: () => MaybePromise<T>, ended: (value: T) => void): MaybePromise<T> => {
    const start = performance.now()
    const examined = state.rowsExamined
    const account = (value: T): T => {
      stats.totalMs += performance.now() - start
      stats.rowsExamined += state.rowsExamined - examined
      ended(value)
      return value
    }
    const value = run()
    return value instanceof Promise ? value.then(account) : account(value)
  }
  return {
    open() {
      inLoop = false
      first = true
      return timed(
        () => operator.open(),
        () => {},
      )
    },
    next() {
      if (!inLoop) {
        inLoop = true
        stats.loops++
      }
      const before = stats.totalMs
      return timed<Batch | null>(
        () => operator.next(),
        (batch) => {
          if (first) {
            first = false
            stats.startupMs += stats.totalMs - before
          }
          if (batch !== null) stats.rows += batch.count
        },
      )
    },
    close: () => operator.close(),
  }
}

export function makeInstrumentation(state: ExecState): Instrumentation {
  const nodes = new Map<Plan, NodeInstrumentation>()
  return {
    instrument(plan, operator) {
      let stats = nodes.get(plan)
      if (stats === undefined) {
        stats = { loops: 0, rows: 0, startupMs: 0, totalMs: 0, rowsExamined: 0 }
        nodes.set(plan, stats)
      }
      return watch(operator, stats, state)
    },
    of: (plan) => nodes.get(plan) ?? null,
  }
}
