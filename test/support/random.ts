// Random choices from a seed (mulberry32: small, good enough for tests, its whole state one number that a failure can print).

export interface Random {
  /** The generator's state: randomFrom(state) goes on from here. */
  state(): number
  /** Uniform in [0, 1). */
  fraction(): number
  /** Uniform integer in [0, n). */
  below(n: number): number
  pick<T>(list: readonly T[]): T
}

export function randomFrom(seed: number): Random {
  let state = seed >>> 0
  const fraction = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n: number): number => Math.floor(fraction() * n)
  return { state: () => state, fraction, below, pick: (list) => list[below(list.length)]! }
}
