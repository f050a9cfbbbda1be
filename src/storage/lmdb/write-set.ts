// Writes of one transaction by key. Those whose keys come in ascending order, as a load's do, stand in a list: a push each, where a map would
// hash every key and grow over and over. The others stand in a map. // hot

import type { Slab } from './slab.ts'

export interface WriteEntry {
  readonly key: string
  /** VALUE or TOMBSTONE. */
  readonly kind: number
  /** Room for a header and the bytes behind it: [at, at + size) of the slab. Room for an intent's header ends there, too, 8 bytes longer. */
  readonly slab: Slab | null
  readonly at: number
  readonly size: number
  /** Its place in the transaction's history, for savepoints. */
  readonly position: number
}

export class WriteSet {
  /** Ascending. */
  readonly #run: WriteEntry[] = []
  /** The run's last key; '' = none. */
  #last = ''
  #others: Map<string, WriteEntry> | null = null

  get size(): number {
    return this.#run.length + (this.#others === null ? 0 : this.#others.size)
  }

  /** Index in the run, or -1. */
  #find(key: string): number {
    if (key > this.#last) return -1
    const run = this.#run
    let low = 0
    let high = run.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (run[middle]!.key < key) low = middle + 1
      else high = middle
    }
    return low < run.length && run[low]!.key === key ? low : -1
  }

  get(key: string): WriteEntry | undefined {
    const other = this.#others?.get(key)
    if (other !== undefined) return other
    const at = this.#find(key)
    return at < 0 ? undefined : this.#run[at]
  }

  has(key: string): boolean {
    return this.get(key) !== undefined
  }

  /** For a key that has no entry here. */
  add(entry: WriteEntry): void {
    if (entry.key > this.#last) {
      this.#last = entry.key
      this.#run.push(entry)
    } else {
      this.#others ??= new Map()
      this.#others.set(entry.key, entry)
    }
  }

  /** For a key that has an entry here. */
  replace(entry: WriteEntry): void {
    const at = this.#find(entry.key)
    if (at >= 0) this.#run[at] = entry
    else this.#others!.set(entry.key, entry)
  }

  remove(key: string): void {
    const at = this.#find(key)
    if (at < 0) this.#others?.delete(key)
    else if (at < this.#run.length - 1) this.#run.splice(at, 1)
    else {
      this.#run.pop()
      this.#last = this.#run.at(-1)?.key ?? ''
    }
  }

  /** All of them, the run first. The array changes only when the set does. */
  list(): readonly WriteEntry[] {
    return this.#others === null || this.#others.size === 0 ? this.#run : [...this.#run, ...this.#others.values()]
  }
}
