// Time, injected, so that tests can move it.

export interface Clock {
  /** Milliseconds since the Unix epoch, with a fraction where the platform has one. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. For time-outs. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonic: () => performance.now(),
}
