// One bound for the caches of many owners: when they hold too much together, what was used longest ago forgets all it has. A cache is known from its
// first entry until it is empty: whoever drops one clears it.

export interface BudgetedCache {
  readonly bytes: number
  /** By the budget's clock. */
  readonly usedAt: number
  clear(): void
}

export class CacheBudget {
  readonly #limit: number
  readonly #caches = new Set<BudgetedCache>()
  #bytes = 0
  #clock = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get bytes(): number {
    return this.#bytes
  }

  /** The time of a use. // hot */
  tick(): number {
    return ++this.#clock
  }

  /** The cache holds so many bytes more, or fewer. */
  changed(cache: BudgetedCache, bytes: number): void {
    this.#bytes += bytes
    if (cache.bytes === 0) {
      this.#caches.delete(cache)
      return
    }
    this.#caches.add(cache)
    while (this.#bytes > this.#limit) {
      const idlest = this.#idlest(cache)
      if (idlest === null) return
      idlest.clear()
    }
  }

  #idlest(except: BudgetedCache): BudgetedCache | null {
    let found: BudgetedCache | null = null
    for (const cache of this.#caches) if (cache !== except && (found === null || cache.usedAt < found.usedAt)) found = cache
    return found
  }
}
