// Work on one value that takes long (a digest of 100 MB, thousands of matches of a regular expression) where expressions are evaluated at
// once. Who evaluates a row may let such work suspend it: the work then runs in slices, its result is kept, and the row is evaluated anew,
// which finds the result. Invariant: only what may be evaluated twice without anybody telling is evaluated so.

import type { MaybePromise } from './maybe-promise.ts'
import type { Slicer } from './slicer.ts'

/** Work in steps: between two of them others may have their turn. */
export type Work<A extends readonly unknown[], T> = (...args: A) => Steps<T>

/** Work that others may come between at each step; what a step yields is nobody's. */
export type Steps<T> = Generator<unknown, T>

/** What came of a work. */
interface Outcome {
  readonly value: unknown
  /** The value is what was thrown: it is thrown again where the row asks for the result, which may know what to do about it. */
  readonly failed: boolean
}

interface Result extends Outcome {
  readonly work: unknown
  readonly args: readonly unknown[]
}

/** Answers a promise where others must have their turn now. */
type Pause = () => Promise<void> | null

/** Inputs of so many characters or bytes are long. */
export const LONG = 256 * 1024
/** Lists of so many elements are. */
export const LONG_LIST = 4096

/** Results for the row being evaluated, in the order in which it asks for them; null: whoever evaluates waits for nothing. */
let results: readonly Result[] | null = null
/** Where those stand that were not asked for yet. */
let next = 0

/** Thrown through the evaluation of a row that has to wait. */
export class Suspended {
  readonly #work: unknown
  readonly #args: readonly unknown[]
  readonly #come: (pause: Pause) => Promise<Outcome>

  constructor(work: unknown, args: readonly unknown[], come: (pause: Pause) => Promise<Outcome>) {
    this.#work = work
    this.#args = args
    this.#come = come
  }

  /** Does the work or waits for it; `pause` is asked before each step. */
  async run(pause: Pause): Promise<Result> {
    return { work: this.#work, args: this.#args, ...(await this.#come(pause)) }
  }
}

/** Work to its end; `pause` is asked before each step. */
export async function runSteps<T>(steps: Steps<T>, pause: Pause): Promise<T> {
  for (;;) {
    const wait = pause()
    if (wait !== null) await wait
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Items to a step of going through a list. */
const ITEMS = 32

export function* eachInSteps<T>(items: readonly T[], visit: (item: T) => void): Steps<void> {
  for (let i = 0; i < items.length; i++) {
    visit(items[i]!)
    if (i % ITEMS === ITEMS - 1) yield
  }
}

/** As runSteps; an error of the work is its outcome, one of `pause` (the statement was cancelled) ends it. */
async function outcomeOf<T>(steps: Steps<T>, pause: Pause): Promise<Outcome> {
  for (;;) {
    const wait = pause()
    if (wait !== null) await wait
    try {
      const step = steps.next()
      if (step.done === true) return { value: step.value, failed: false }
    } catch (error) {
      return { value: error, failed: true }
    }
  }
}

/** Whether values may be one computed twice. Lists and trees are not looked at: the order of the works tells which is which. */
function isAlike(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && Buffer.compare(a, b) === 0
  return typeof a === typeof b && (typeof a === 'object' || typeof a === 'function')
}

/** Work to its end in one go. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** Results kept for one evaluation; what is beyond them is done at once. */
const MOST = 32

/** The work's result: known, made now, or, where that may be, by suspending the row. */
export function longWork<A extends readonly unknown[], T>(work: Work<A, T>, ...args: A): T {
  if (results === null) return finished(work(...args))
  for (let i = next; i < results.length; i++) {
    const known = results[i]!
    if (known.work !== work || !args.every((arg, k) => isAlike(arg, known.args[k]))) continue
    next = i + 1
    if (known.failed) throw known.value
    return known.value as T
  }
  if (results.length >= MOST) return finished(work(...args))
  throw new Suspended(work, args, (pause) => outcomeOf(work(...args), pause))
}

/** Work whose result its owner keeps, and finds when the row is evaluated anew. */
export function longWorkOnce<A extends readonly unknown[]>(work: Work<A, void>, ...args: A): void {
  if (results === null || results.length >= MOST) finished(work(...args))
  else throw new Suspended(work, args, (pause) => runSteps(work(...args), pause).then(() => ({ value: null, failed: false })))
}

/** Work that is written in steps alone: in slices only if `isLong`. */
export function workIf<A extends readonly unknown[], T>(isLong: boolean, work: Work<A, T>, ...args: A): T {
  return isLong ? longWork(work, ...args) : finished(work(...args))
}

/** Work on an input of `size` characters or bytes. */
export function workOn<A extends readonly unknown[], T>(size: number, work: Work<A, T>, ...args: A): T {
  return workIf(size > LONG, work, ...args)
}

function* inOneStep<A extends readonly unknown[], T>(call: (...args: A) => T, ...args: A): Steps<T> {
  yield
  return call(...args)
}

/** A call that cannot be cut: where it is long, in a slice of its own. */
export function inOneSlice<A extends readonly unknown[], T>(isLong: boolean, call: (...args: A) => T, ...args: A): T {
  return isLong ? longWork(inOneStep<A, T>, call, ...args) : call(...args)
}

function* partByPart<T>(length: number, size: number, first: T, part: (sofar: T, from: number, to: number) => T): Steps<T> {
  let sofar = first
  for (let from = 0; from < length; from += size) {
    sofar = part(sofar, from, Math.min(from + size, length))
    yield
  }
  return sofar
}

/** What `part` makes of [0, length), each part from what was made so far: beyond `size` in slices. `first` is its own to change. */
export function inParts<T>(length: number, first: T, part: (sofar: T, from: number, to: number) => T, size = LONG_LIST): T {
  return length <= size ? part(first, 0, length) : longWork(partByPart<T>, length, size, first, part)
}

/** A value that its owner keeps once it has come: where the row may be suspended it is, so that long work behind the wait is too. */
export function keptValue<T>(value: MaybePromise<T>): MaybePromise<T> {
  if (results === null || results.length >= MOST || !(value instanceof Promise)) return value
  throw new Suspended(keptValue, [value], () => value.then((come) => ({ value: come, failed: false })))
}

/** `evaluate`, during which long work throws Suspended unless its result is among those known; null: all is done at once. */
export function suspendable<A, T>(known: readonly Result[] | null, evaluate: (arg: A) => T, arg: A): T {
  const before = results
  const nextBefore = next
  results = known
  next = 0
  try {
    return evaluate(arg)
  } finally {
    results = before
    next = nextBefore
  }
}

/** `evaluate` with all work done at once: for plans that an expression runs, which have rows of their own. */
export function atOnce<A, T>(evaluate: (arg: A) => T, arg: A): T {
  return results === null ? evaluate(arg) : suspendable(null, evaluate, arg)
}

const NONE: readonly Result[] = []

/** `evaluate(arg)` for a whole batch, as long as no row has to wait: true if it came to its end. // hot */
export function hastily<A>(evaluate: (arg: A) => void, arg: A): boolean {
  try {
    suspendable(NONE, evaluate, arg)
    return true
  } catch (error) {
    if (!(error instanceof Suspended)) throw error
    return false
  }
}

/** `evaluate(arg)`, waiting where long work suspends it; not behind another wait of the same evaluation. // hot */
export function patiently<A, T>(evaluate: (arg: A) => MaybePromise<T>, arg: A, slicer: Slicer, known = NONE): MaybePromise<T> {
  try {
    return suspendable(known, evaluate, arg)
  } catch (error) {
    if (!(error instanceof Suspended)) throw error
    return error.run(() => slicer.pause()).then((result) => patiently(evaluate, arg, slicer, [...known, result]))
  }
}

export type { Result as LongResult }
