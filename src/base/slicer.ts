// Keeps one statement from holding the event loop: an operator that works through batches of its own (sorting, hashing, filtering without
// output) asks after each whether it must give way. // hot

import { CancelToken } from './cancel.ts'
import { checkHeap } from './heap-pressure.ts'
import { LIMITS } from './limits.ts'

/** When the loop last turned on behalf of any statement here: several operators of one pipeline share the slice. */
let lastTurn = 0

const turned = (): void => {
  lastTurn = performance.now()
}

export interface Slicer {
  /** A new run: the slice starts now. */
  start(): void
  /** Call once per batch: checks for cancellation, and answers a promise when the slice is over, else null. */
  pause(): Promise<void> | null
}

/**
 * Everybody else's turn. Two immediates: the first one asked for while the loop hands out input comes before it looks for more input, so
 * that two slices would be one to all who wait.
 */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

const NEVER = { cancel: new CancelToken() }

/** Without a state: for work that is no statement's alone. */
export function makeSlicer(state: { readonly cancel: CancelToken } = NEVER): Slicer {
  let started = 0
  return {
    start() {
      started = performance.now()
    },
    pause() {
      state.cancel.check()
      const now = performance.now()
      if (now - started < LIMITS.sliceMs || now - lastTurn < LIMITS.sliceMs) return null
      // only now: who has worked for a while has more to do with it than who begins
      checkHeap()
      return turn().then(() => {
        turned()
        started = lastTurn
        state.cancel.check()
      })
    },
  }
}
