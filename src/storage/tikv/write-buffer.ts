// The writes of one transaction until its commit: by physical key and, for scans, in key order. // hot

import { lowerBound } from '../lower-bound.ts'

export interface WriteEntry {
  readonly key: Buffer
  readonly name: string
  /** Null: deleted. */
  readonly value: Buffer | null
  /** The key did not exist before this transaction, which is still to be checked (autocommit). */
  readonly unchecked: boolean
}

const ENTRY_BYTES = 160
const SPLICE_AT_MOST = 8

export class WriteBuffer {
  readonly entries = new Map<string, WriteEntry>()
  bytes = 0
  #sorted: string[] | null = null
  #fresh: string[] = []

  set(entry: WriteEntry): void {
    const before = this.entries.get(entry.name)
    if (before === undefined) {
      this.bytes += ENTRY_BYTES + 2 * entry.key.length
      if (this.#sorted !== null) this.#fresh.push(entry.name)
    } else this.bytes -= before.value?.length ?? 0
    this.bytes += entry.value?.length ?? 0
    this.entries.set(entry.name, entry)
  }

  remove(name: string): void {
    const before = this.entries.get(name)
    if (before === undefined) return
    this.bytes -= ENTRY_BYTES + 2 * before.key.length + (before.value?.length ?? 0)
    this.entries.delete(name)
    // the sorted view may keep names that are gone: readers look entries up
  }

  /** Names in order; some may have no entry any more. */
  sorted(): readonly string[] {
    if (this.#sorted === null) {
      this.#fresh = []
      this.#sorted = [...this.entries.keys()].sort()
      return this.#sorted
    }
    if (this.#fresh.length === 0) return this.#sorted
    if (this.#fresh.length > SPLICE_AT_MOST) {
      const all = new Set(this.#sorted)
      for (const name of this.#fresh) all.add(name)
      this.#sorted = [...all].sort()
    } else {
      for (const name of this.#fresh) {
        const at = lowerBound(this.#sorted, name)
        if (this.#sorted[at] !== name) this.#sorted.splice(at, 0, name)
      }
    }
    this.#fresh = []
    return this.#sorted
  }
}
