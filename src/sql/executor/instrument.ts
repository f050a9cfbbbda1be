// EXPLAIN ANALYZE: what each node of a plan did, counted around its operator.

import type { Plan } from '../planner/plan.ts'
import type { Batch, Operator } from './operator.ts'

export interface NodeActual {
  rows: number
  loops: number
  startupMs: number
  totalMs: number
}

export interface Instrumentation {
  /** For CompileOptions. */
  readonly instrument: (plan: Plan, operator: Operator) => Operator
  actual(plan: Plan): NodeActual | null
}

export function makeInstrumentation(): Instrumentation {
  const actuals = new Map<Plan, NodeActual>()
  return {
    actual: (plan) => actuals.get(plan) ?? null,
    instrument(plan, operator) {
      const actual: NodeActual = actuals.get(plan) ?? { rows: 0, loops: 0, startupMs: 0, totalMs: 0 }
      actuals.set(plan, actual)
      let first = true
      let spent = 0
      const take = (batch: Batch | null, started: number): Batch | null => {
        spent = performance.now() - started
        actual.totalMs += spent
        if (batch === null) return null
        actual.rows += batch.count
        if (first) {
          first = false
          actual.startupMs += spent
        }
        return batch
      }
      return {
        open() {
          actual.loops++
          first = true
          const started = performance.now()
          const opened = operator.open()
          const done = (): void => {
            const ms = performance.now() - started
            actual.totalMs += ms
            actual.startupMs += ms
          }
          return opened instanceof Promise ? opened.then(done) : done()
        },
        next(max) {
          const started = performance.now()
          const batch = operator.next(max)
          return batch instanceof Promise ? batch.then((b) => take(b, started)) : take(batch, started)
        },
        close: () => operator.close(),
      }
    },
  }
}
