// Key → small integer, for hash joins and aggregation: an open-addressed table for 32-bit integers, which most keys are, and a Map for all
// others. // hot

export class KeyTable {
  readonly #initial: number
  /** Pairs (key, value + 1); value slot 0 = free. */
  #slots: Int32Array
  #mask: number
  #used = 0
  #others = new Map<unknown, number>()

  /** `initial`: slots to begin with, a power of two. */
  constructor(initial = 1024) {
    this.#initial = initial
    this.#slots = new Int32Array(2 * initial)
    this.#mask = initial - 1
  }

  get size(): number {
    return this.#used + this.#others.size
  }

  /** The value, or -1. */
  get(key: unknown): number {
    if (typeof key === 'number' && (key | 0) === key) {
      const slots = this.#slots
      const mask = this.#mask
      let i = (Math.imul(key, -1640531535) >>> 7) & mask
      for (;;) {
        const value = slots[2 * i + 1]!
        if (value === 0) return -1
        if (slots[2 * i] === key) return value - 1
        i = (i + 1) & mask
      }
    }
    const found = this.#others.get(key)
    return found === undefined ? -1 : found
  }

  /** For a key that is not there yet or replaces its value. */
  set(key: unknown, value: number): void {
    if (typeof key === 'number' && (key | 0) === key) {
      if (this.#used * 2 > this.#mask) this.#grow()
      this.#place(key, value + 1)
      return
    }
    this.#others.set(key, value)
  }

  /** The value there, after putting `value` if there was none: -1 then. */
  getOrSet(key: unknown, value: number): number {
    if (typeof key === 'number' && (key | 0) === key) {
      if (this.#used * 2 > this.#mask) this.#grow()
      const slots = this.#slots
      const mask = this.#mask
      let i = (Math.imul(key, -1640531535) >>> 7) & mask
      for (;;) {
        const there = slots[2 * i + 1]!
        if (there === 0) {
          slots[2 * i] = key
          slots[2 * i + 1] = value + 1
          this.#used++
          return -1
        }
        if (slots[2 * i] === key) return there - 1
        i = (i + 1) & mask
      }
    }
    const found = this.#others.get(key)
    if (found !== undefined) return found
    this.#others.set(key, value)
    return -1
  }

  #place(key: number, stored: number): void {
    const slots = this.#slots
    const mask = this.#mask
    let i = (Math.imul(key, -1640531535) >>> 7) & mask
    while (slots[2 * i + 1] !== 0 && slots[2 * i] !== key) i = (i + 1) & mask
    if (slots[2 * i + 1] === 0) this.#used++
    slots[2 * i] = key
    slots[2 * i + 1] = stored
  }

  #grow(): void {
    const old = this.#slots
    this.#mask = (this.#mask + 1) * 4 - 1
    this.#slots = new Int32Array(2 * (this.#mask + 1))
    this.#used = 0
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) this.#place(old[i]!, old[i + 1]!)
  }

  clear(): void {
    if (this.#others.size > 0) this.#others = new Map()
    if (this.#used === 0) return
    this.#used = 0
    // A small table is wiped, a large one let go.
    if (this.#mask === this.#initial - 1) this.#slots.fill(0)
    else {
      this.#slots = new Int32Array(2 * this.#initial)
      this.#mask = this.#initial - 1
    }
  }
}

/** Map's own bound on entries is about 16.7 million; operators spill before. */
export const MAX_TABLE_ENTRIES = 12_000_000

const bits = new DataView(new ArrayBuffer(8))

/** 32 bits of a key, for choosing partitions; `seed` differs at each level of partitioning. */
export function hashKey32(key: unknown, seed: number): number {
  let h = seed ^ 0x811c9dc5
  const mix = (x: number): void => {
    h = Math.imul(h ^ x, 0x01000193)
  }
  if (typeof key === 'number') {
    bits.setFloat64(0, key === 0 ? 0 : key)
    mix(bits.getInt32(0))
    mix(bits.getInt32(4))
  } else {
    const text = typeof key === 'string' ? key : String(key)
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i))
  }
  h ^= h >>> 15
  h = Math.imul(h, 0x2c1b3c6d)
  h ^= h >>> 12
  return h >>> 0
}
