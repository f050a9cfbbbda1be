// Keys in order, for a memtable that mostly is asked for single keys: what was added is sorted in only when somebody asks for order. // hot

import { lowerBound } from '../lower-bound.ts'

const CHUNK = 512
/** New keys are inserted one by one unless they are more than this part of what there is. */
const MERGED_PART = 8

export class SortedKeys {
  /** Ascending, none empty, none longer than CHUNK. */
  #chunks: string[][] = []
  #fresh: string[] = []

  /** `key` must be new. */
  add(key: string): void {
    this.#fresh.push(key)
  }

  /** The chunk that holds the first key not below `key`, if any chunk does; else their number. */
  #chunkOf(key: string): number {
    const chunks = this.#chunks
    let low = 0
    let high = chunks.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const chunk = chunks[middle]!
      if (chunk[chunk.length - 1]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #insert(key: string): void {
    const chunks = this.#chunks
    const at = Math.min(this.#chunkOf(key), chunks.length - 1)
    const chunk = chunks[at]!
    chunk.splice(lowerBound(chunk, key), 0, key)
    if (chunk.length > CHUNK) chunks.splice(at + 1, 0, chunk.splice(CHUNK >> 1))
  }

  #settle(): void {
    const fresh = this.#fresh
    if (fresh.length === 0) return
    this.#fresh = []
    if (fresh.length * MERGED_PART <= this.#chunks.length * (CHUNK >> 1)) {
      for (const key of fresh) this.#insert(key)
      return
    }
    const all = this.#chunks.flat().concat(fresh).sort()
    this.#chunks = []
    for (let i = 0; i < all.length; i += CHUNK >> 1) this.#chunks.push(all.slice(i, i + (CHUNK >> 1)))
  }

  /** Number of the first key not below `key`, for `at`: a position stands for as long as nothing is added. */
  position(key: string): number {
    this.#settle()
    const chunk = this.#chunkOf(key)
    return chunk === this.#chunks.length ? chunk * CHUNK * 2 : chunk * CHUNK * 2 + lowerBound(this.#chunks[chunk]!, key)
  }

  /** The key at a position; null behind the last. */
  at(position: number): string | null {
    return this.#chunks[Math.floor(position / (CHUNK * 2))]?.[position % (CHUNK * 2)] ?? null
  }

  after(position: number): number {
    const chunk = Math.floor(position / (CHUNK * 2))
    return (position % (CHUNK * 2)) + 1 < this.#chunks[chunk]!.length ? position + 1 : (chunk + 1) * CHUNK * 2
  }

  /** -1 before the first. */
  before(position: number): number {
    if (position % (CHUNK * 2) > 0) return position - 1
    const chunk = Math.floor(position / (CHUNK * 2)) - 1
    return chunk < 0 ? -1 : chunk * CHUNK * 2 + this.#chunks[chunk]!.length - 1
  }
}
