// The writes of one transaction that are not in the environment yet, by key and, for scans, in key order. // hot

import type { Slab } from './slab.ts'

export interface WriteEntry {
  readonly key: string
  /** VALUE or TOMBSTONE. */
  readonly kind: number
  /** Room for a header and the bytes behind it: [at, at + size) of the slab. */
  readonly slab: Slab | null
  readonly at: number
  readonly size: number
  /** Its place in the transaction's history, for savepoints. */
  readonly position: number
}

/** Few new keys are inserted one by one, many are merged. */
const SPLICE_AT_MOST = 8

export class WriteBuffer {
  readonly entries = new Map<string, WriteEntry>()
  bytes = 0
  #sorted: string[] | null = null
  #unsorted: string[] = []

  set(entry: WriteEntry): void {
    const before = this.entries.get(entry.key)
    if (before === undefined) {
      if (this.#sorted !== null) this.#unsorted.push(entry.key)
      this.bytes += entry.size + entry.key.length + 120
    } else this.bytes += entry.size - before.size
    this.entries.set(entry.key, entry)
  }

  remove(key: string): void {
    const before = this.entries.get(key)
    if (before === undefined) return
    this.bytes -= before.size + key.length + 120
    this.entries.delete(key)
    // the sorted view may keep names that are gone: readers look entries up
  }

  /** Keys in order; some may have no entry any more. The array changes only when the buffer does. */
  sorted(): readonly string[] {
    if (this.#sorted === null) {
      this.#sorted = [...this.entries.keys()].sort()
      return this.#sorted
    }
    const fresh = this.#unsorted
    if (fresh.length === 0) return this.#sorted
    this.#unsorted = []
    if (fresh.length <= SPLICE_AT_MOST) {
      for (const key of fresh) {
        const at = lowerBound(this.#sorted, key)
        if (this.#sorted[at] !== key) this.#sorted.splice(at, 0, key)
      }
      return this.#sorted
    }
    fresh.sort()
    const old = this.#sorted
    const merged: string[] = []
    let i = 0
    let j = 0
    while (i < old.length || j < fresh.length) {
      const key = j >= fresh.length || (i < old.length && old[i]! <= fresh[j]!) ? old[i++]! : fresh[j++]!
      if (merged.length === 0 || merged[merged.length - 1] !== key) merged.push(key)
    }
    this.#sorted = merged
    return merged
  }

  /** Forgets the sorted view: after many removals. */
  unsort(): void {
    this.#sorted = null
    this.#unsorted = []
  }
}

/** First index whose key is not below `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
