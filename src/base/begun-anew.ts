// Pure work of many functions (analysis, planning) that cannot wait where it is: when a long list has kept it for a slice, it is given up, and
// begun anew once others have had their turn. Each long list it then comes to has the results it had: the same work comes to the same lists in
// the same order, so that a list is known by its number. Invariant: what items change besides their results is told by `Traces`, or they say
// that they leave others (`leavesTraces`). Short lists are gone through as ever. // hot

import type { Slicer } from './slicer.ts'

/** Shorter lists keep nobody waiting, and their results are not remembered. */
const LONG_LIST = 512
export const isLong = (list: readonly unknown[]): boolean => list.length >= LONG_LIST
/** Items between two looks at the clock; each beginning does so many at least. */
const STEP = 32

/** Thrown through work that gives way; whoever began it waits for `turn` and begins it anew. */
export class GivenWay {
  readonly turn: Promise<void>
  constructor(turn: Promise<void>) {
    this.turn = turn
    // A cancellation is told to who waits; where nobody does (an expression that is not valued ahead then), there is nothing to tell.
    turn.catch(() => undefined)
  }
}

/** What going through a list changes besides its results: taken when the work is given up or the list ends, put back by later beginnings. */
export interface Traces<S> {
  take(): S
  put(taken: S): void
}
const NO_TRACES: Traces<null> = { take: () => null, put() {} }

const ONE = [null]

interface LongList {
  readonly results: unknown[]
  /** How many of the results stand, and the traces up to there. */
  count: number
  taken: unknown
}

/** The beginning that runs now; null: whoever began the work waits for nothing. */
let running: Beginnings | null = null

/** One piece of work from its first beginning to its end. */
export class Beginnings {
  readonly #slicer: Slicer
  readonly #lists: LongList[] = []
  #next = 0
  #isNew = false
  #inList = false
  #left = false

  constructor(slicer: Slicer) {
    this.#slicer = slicer
  }

  /** Begins the work; throws GivenWay when it has to be begun anew. */
  begin<T>(work: () => T): T {
    this.#next = 0
    this.#isNew = true
    this.#inList = false
    this.#left = false
    return this.goOn(work)
  }

  /** The next step of work that was begun and has stopped between two steps. */
  goOn<T>(work: () => T): T {
    const before = running
    running = this
    try {
      return work()
    } finally {
      running = before
    }
  }

  /** Whether a list is gone through here; one within another's item, or behind items that left traces, is not. */
  takes(length: number): boolean {
    return length >= LONG_LIST && !this.#inList && !this.#left
  }

  /** What an item has done cannot be put back: from here on the work goes through. */
  left(): void {
    if (this.#inList) this.#left = true
  }

  map<T, R, S>(items: readonly T[], fn: (item: T, index: number) => R, traces: Traces<S>): R[] {
    let list = this.#lists[this.#next++]
    if (list === undefined) {
      list = { results: [], count: 0, taken: null }
      this.#lists.push(list)
    }
    const { results } = list
    results.length = list.count
    if (list.count > 0) traces.put(list.taken as S)
    if (list.count === items.length) return results as R[]
    let mayPause = !this.#isNew
    // What is only gone through again on the way here is not counted, or the work would never get further.
    if (this.#isNew) this.#slicer.start()
    this.#isNew = false
    this.#inList = true
    for (let i = list.count; i < items.length; i++) {
      if (i % STEP !== 0) mayPause = true
      else if (mayPause && !this.#left) {
        const turn = this.#slicer.pause()
        if (turn !== null) {
          list.count = i
          list.taken = traces.take()
          throw new GivenWay(turn)
        }
      }
      results.push(fn(items[i]!, i))
    }
    this.#inList = false
    if (!this.#left) {
      list.count = items.length
      list.taken = traces.take()
    }
    return results as R[]
  }
}

/** `items.map(fn)`; if it takes long, the work around it may give way. The items change nothing, or only what `traces` tells. */
export function mapLong<T, R, S = null>(items: readonly T[], fn: (item: T, index: number) => R, traces?: () => Traces<S>): R[] {
  if (running === null || !running.takes(items.length)) return items.map(fn)
  return traces === undefined ? running.map(items, fn, NO_TRACES) : running.map(items, fn, traces())
}

/** `compute()`, which looks at so many items in one go: not again when the work around it is begun anew. It changes nothing. */
export function onceFor<T>(items: number, compute: () => T): T {
  if (running === null || !running.takes(items)) return compute()
  return running.map(ONE, compute, NO_TRACES)[0]!
}

/** For what an item does that `Traces` does not tell. */
export function leavesTraces(): void {
  running?.left()
}
