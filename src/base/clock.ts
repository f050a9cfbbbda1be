// Time, injected, so that tests can move it.

export interface Clock {
  /** Milliseconds since the Unix epoch, with a fraction where the platform has one. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. For time-outs. */
  monotonic(): number
}

/** How long the two may go on without being compared, and how far apart they may be found then (the system's has whole milliseconds only). */
const COMPARED_EVERY_MS = 100
const APART_MS = 2

/**
 * The system's time with the monotonic clock's fractions. That one alone would not do: it knows nothing of the system's time being set, nor of
 * a machine that slept.
 */
export function createClock(system: () => number, monotonic: () => number): Clock {
  let comparedAt = Number.NEGATIVE_INFINITY
  let origin = 0
  return {
    now() {
      const at = monotonic()
      if (at - comparedAt > COMPARED_EVERY_MS) {
        comparedAt = at
        const time = system()
        if (Math.abs(origin + at - time) > APART_MS) origin = time - at
      }
      return origin + at
    },
    monotonic,
  }
}

export const systemClock: Clock = createClock(Date.now, () => performance.now())
