// The writes of one transaction that are not in the environment yet, by key and, for scans, in key order. // hot

import { lowerBound } from '../lower-bound.ts'
import { type WriteEntry, WriteSet } from './write-set.ts'

/** Few new keys are inserted one by one, many are merged. */
const SPLICE_AT_MOST = 8
/** An entry and its place, beside key and value. */
const ENTRY_BYTES = 120

export class WriteBuffer {
  entries = new WriteSet()
  /** Those on their way into the environment; what `entries` says goes first. */
  frozen: WriteSet | null = null
  /** Estimate of what `entries` holds. */
  bytes = 0
  /** No key is above this: a load in key order need not look each new one up. */
  #highest = ''
  #sorted: string[] | null = null
  #unsorted: string[] = []

  get empty(): boolean {
    return this.entries.size === 0 && this.frozen === null
  }

  get(key: string): WriteEntry | undefined {
    if (key > this.#highest) return undefined
    const entry = this.entries.get(key)
    return entry !== undefined || this.frozen === null ? entry : this.frozen.get(key)
  }

  set(entry: WriteEntry): void {
    const before = entry.key > this.#highest ? undefined : this.entries.get(entry.key)
    if (before === undefined) {
      this.add(entry)
      return
    }
    this.bytes += entry.size - before.size
    this.entries.replace(entry)
  }

  /** set for a key that has no entry here. */
  add(entry: WriteEntry): void {
    if (entry.key > this.#highest) this.#highest = entry.key
    if (this.#sorted !== null) this.#unsorted.push(entry.key)
    this.bytes += entry.size + entry.key.length + ENTRY_BYTES
    this.entries.add(entry)
  }

  remove(key: string): void {
    const before = this.entries.get(key)
    if (before === undefined) return
    this.bytes -= before.size + key.length + ENTRY_BYTES
    this.entries.remove(key)
    // the sorted view may keep names that are gone: readers look entries up
  }

  /** Sets all entries aside and begins anew. */
  freeze(): WriteSet {
    this.frozen = this.entries
    this.entries = new WriteSet()
    this.bytes = 0
    return this.frozen
  }

  /** The frozen entries are in the environment now. */
  drop(): void {
    this.frozen = null
    this.#sorted = null
    this.#unsorted = []
  }

  /** Keys in order; some may have no entry any more. The array changes only when the buffer does. */
  sorted(): readonly string[] {
    if (this.#sorted === null) {
      const keys = this.entries.list().map(({ key }) => key)
      if (this.frozen !== null) for (const { key } of this.frozen.list()) if (!this.entries.has(key)) keys.push(key)
      this.#sorted = keys.sort()
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
}
