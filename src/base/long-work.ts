// Work on one value that takes long (a digest of 100 MB, thousands of matches of a regular expression) where expressions are evaluated at
// once. Who evaluates a row may let such work suspend it: the work then runs in slices, its result is kept, and the row is evaluated anew,
// which finds the result. Invariant: only what may be evaluated twice without anybody telling is evaluated so.

import type { MaybePromise } from './maybe-promise.ts'
import type { Slicer } from './slicer.ts'

/** Work in steps: between two of them others may have their turn. */
export type Work<A extends readonly unknown[], T> = (...args: A) => Steps<T>

/** Work that others may come between at each step; what a step yields is nobody's. */
export type Steps<T> = Generator<unknown, T>

interface Result {
  readonly work: unknown
  readonly args: readonly unknown[]
  readonly value: unknown
}

/** Inputs of so many characters or bytes are long. */
export const LONG = 256 * 1024

/** Results for the row being evaluated; null: whoever evaluates waits for nothing. */
let results: readonly Result[] | null = null

/** Thrown through the evaluation of a row that has to wait. */
export class Suspended {
  readonly #work: Work<readonly unknown[], unknown>
  readonly #args: readonly unknown[]

  constructor(work: Work<readonly unknown[], unknown>, args: readonly unknown[]) {
    this.#work = work
    this.#args = args
  }

  /** Does the work; `pause` is asked after each step. */
  async run(pause: () => Promise<void> | null): Promise<Result> {
    return { work: this.#work, args: this.#args, value: await runSteps(this.#work(...this.#args), pause) }
  }
}

/** Work to its end; `pause` is asked after each step. */
export async function runSteps<T>(steps: Steps<T>, pause: () => Promise<void> | null): Promise<T> {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    const wait = pause()
    if (wait !== null) await wait
  }
}

/** A value computed anew is another object of the same bytes. */
const isSame = (a: unknown, b: unknown): boolean =>
  a === b || (a instanceof Uint8Array && b instanceof Uint8Array && a.length === b.length && Buffer.compare(a, b) === 0)

/** Work to its end in one go. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The work's result: known, made now, or, where that may be, by suspending the row. */
export function longWork<A extends readonly unknown[], T>(work: Work<A, T>, ...args: A): T {
  if (results === null) return finished(work(...args))
  const known = results.find((result) => result.work === work && result.args.every((arg, i) => isSame(arg, args[i])))
  if (known !== undefined) return known.value as T
  throw new Suspended(work as unknown as Work<readonly unknown[], unknown>, args)
}

/** Work on an input of `size` characters or bytes: in slices only if that is long. */
export function workOn<A extends readonly unknown[], T>(size: number, work: Work<A, T>, ...args: A): T {
  return size > LONG ? longWork(work, ...args) : finished(work(...args))
}

/** `evaluate`, during which long work throws Suspended unless its result is among those known. */
export function suspendable<A, T>(known: readonly Result[], evaluate: (arg: A) => T, arg: A): T {
  const before = results
  results = known
  try {
    return evaluate(arg)
  } finally {
    results = before
  }
}

/** Results kept for one evaluation; with more long works than these it goes through at once. */
const MOST = 32
const NONE: readonly Result[] = []

/** `evaluate(arg)`, waiting where long work suspends it; not behind another wait of the same evaluation. // hot */
export function patiently<A, T>(evaluate: (arg: A) => MaybePromise<T>, arg: A, slicer: Slicer, known = NONE): MaybePromise<T> {
  if (known.length >= MOST) return evaluate(arg)
  try {
    return suspendable(known, evaluate, arg)
  } catch (error) {
    if (!(error instanceof Suspended)) throw error
    slicer.start()
    return error.run(() => slicer.pause()).then((result) => patiently(evaluate, arg, slicer, [...known, result]))
  }
}

export type { Result as LongResult }
