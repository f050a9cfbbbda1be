// Clock readings as timestamptz values.

import type { Clock } from '../base/clock.ts'
import type { Micros } from '../sql/types/eval-context.ts'

/** Milliseconds from the Unix epoch to 2000-01-01, PostgreSQL's. */
const EPOCH_MS = 946_684_800_000

/** µs since 2000-01-01 UTC, a whole number (safe until the year 2255). */
export function microsNow(clock: Clock): Micros {
  return Math.floor((clock.now() - EPOCH_MS) * 1000)
}
