// The timestamp oracle: 46 bits of milliseconds, 18 bits of counter. Its clock is the machine's plus what tests advanced it by; it never steps back.

const LOGICAL_BITS = 18n
const LOGICAL_LIMIT = 1 << 18
/** A ts that is read at may be this far ahead of the oracle. */
export const MAX_DRIFT_MS = 60_000n
export const MAX_TS = 2n ** 64n - 1n

export const physicalOf = (ts: bigint): bigint => ts >> LOGICAL_BITS
export const composeTs = (physical: bigint, logical: bigint): bigint => (physical << LOGICAL_BITS) | logical

export interface Tso {
  /** Takes `count` consecutive timestamps and answers the last. */
  take(count: number): { physical: number; logical: number }
  /** One timestamp. */
  next(): bigint
  /** What the next one will at least be; takes none. */
  now(): bigint
  /** The clock, in milliseconds. */
  clock(): number
  advance(ms: number): void
}

export const MAX_COUNT = LOGICAL_LIMIT - 1

export function createTso(): Tso {
  let offset = 0
  let physical = 0
  let logical = 0
  const clock = (): number => Date.now() + offset
  const take = (count: number): { physical: number; logical: number } => {
    const now = clock()
    if (now > physical) {
      physical = now
      logical = 0
    }
    if (logical + count >= LOGICAL_LIMIT) {
      physical++
      logical = 0
    }
    logical += count
    return { physical, logical }
  }
  return {
    take,
    next() {
      const taken = take(1)
      return composeTs(BigInt(taken.physical), BigInt(taken.logical))
    },
    now: () => composeTs(BigInt(Math.max(clock(), physical)), 0n),
    clock,
    advance(ms) {
      offset += ms
    },
  }
}
