// What compiling one expression gives, and the two shapes most nodes have: all arguments first, then a step over their values. // hot

import type { Datum, Row } from '../../../base/datum.ts'
import type { MaybePromise } from '../../../base/maybe-promise.ts'
import type { AsyncEvaluator, Evaluator } from '../operator.ts'

/** `async` false: `eval` never answers a promise. */
export interface Compiled {
  readonly async: boolean
  readonly eval: AsyncEvaluator
  /** Position in the argument row when the expression is just that column, else -1. */
  readonly slot: number
  readonly constant: boolean
  /** The value, if `constant`. */
  readonly value: Datum
}

export function sync(evaluate: Evaluator): Compiled {
  return { async: false, eval: evaluate, slot: -1, constant: false, value: null }
}

export function waiting(evaluate: AsyncEvaluator): Compiled {
  return { async: true, eval: evaluate, slot: -1, constant: false, value: null }
}

export function constant(value: Datum): Compiled {
  return { async: false, eval: () => value, slot: -1, constant: true, value }
}

export const anyAsync = (parts: readonly Compiled[]): boolean => parts.some((part) => part.async)

/** The synchronous form; the caller has checked `async`. */
export const evaluator = (part: Compiled): Evaluator => part.eval as Evaluator

function collectFrom(
  evals: readonly AsyncEvaluator[],
  from: number,
  row: Row,
  values: Datum[],
  done: (values: Datum[]) => MaybePromise<Datum>,
): MaybePromise<Datum> {
  for (let i = from; i < evals.length; i++) {
    const value = evals[i]!(row)
    if (value instanceof Promise) {
      return value.then((v) => {
        values[i] = v
        return collectFrom(evals, i + 1, row, values, done)
      })
    }
    values[i] = value
  }
  return done(values)
}

/** All arguments in order, then `step`, which itself answers at once. */
export function eager(args: readonly Compiled[], step: (values: Datum[]) => Datum): Compiled {
  const evals = args.map((arg) => arg.eval)
  const n = evals.length
  if (anyAsync(args)) return waiting((row) => collectFrom(evals, 0, row, new Array<Datum>(n), step))
  const now = evals as readonly Evaluator[]
  return sync((row) => {
    const values = new Array<Datum>(n)
    for (let i = 0; i < n; i++) values[i] = now[i]!(row)
    return step(values)
  })
}

/** As `eager`, for a step that may wait. */
export function eagerWaiting(args: readonly Compiled[], step: (values: Datum[]) => MaybePromise<Datum>): Compiled {
  const evals = args.map((arg) => arg.eval)
  const n = evals.length
  return waiting((row) => collectFrom(evals, 0, row, new Array<Datum>(n), step))
}
