// Time in which a test's process got no turn at all (a machine that stands still, or is shared): a bound on how long the product takes is held
// against what is left without it.

const TICK_MS = 20

export interface Stopwatch {
  /** Milliseconds since it was started in which this process could have worked. */
  elapsed(): number
  /** And those in which it got no turn. */
  lost(): number
}

/** Starts one. It ticks as long as the process lives. */
export function startStopwatch(): Stopwatch {
  const start = performance.now()
  let seen = start
  let lost = 0
  const look = (): void => {
    const now = performance.now()
    const late = now - seen - TICK_MS
    // What timers are late by anyway is no stall.
    if (late > TICK_MS) lost += late
    seen = now
  }
  setInterval(look, TICK_MS).unref()
  return {
    elapsed() {
      look()
      return seen - start - lost
    },
    lost: () => lost,
  }
}
