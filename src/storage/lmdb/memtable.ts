// What the log holds and LMDB does not have yet, by key: the newest write of each, a deletion included. Entries point into their log record's
// memory. One table per kind of key (the first byte of the format's keys), keys without that byte. // hot

import { DELETED, type LogRecord, readOperations } from './log-record.ts'
import { SortedKeys } from './sorted-keys.ts'

export interface MemtableEntry {
  readonly record: LogRecord
  /** [at, at + size) of the record; size -1: deleted. */
  readonly at: number
  readonly size: number
}

/** What an entry costs beside its bytes. */
const OVERHEAD = 160

class Part {
  readonly entries = new Map<string, MemtableEntry>()
  readonly keys = new SortedKeys()
}

export class Memtable {
  readonly parts: Part[] = []
  /** Estimate of the memory held. */
  bytes = 0
  count = 0
  /** Number of the last record applied, or that was before this memtable. */
  lastSequence: number

  constructor(sequence: number) {
    this.lastSequence = sequence
  }

  part(prefix: number): Part | undefined {
    return this.parts[prefix]
  }

  get(prefix: number, key: string): MemtableEntry | undefined {
    return this.parts[prefix]?.entries.get(key)
  }

  /** Takes over a record's operations. */
  apply(record: LogRecord): void {
    readOperations(record, (prefix, key, at, size) => {
      while (this.parts.length <= prefix) this.parts.push(new Part())
      const { entries, keys } = this.parts[prefix]!
      const before = entries.size
      entries.set(key, { record, at, size })
      if (entries.size > before) {
        keys.add(key)
        this.count++
      }
      this.bytes += (size === DELETED ? 0 : size) + key.length + OVERHEAD
    })
    this.lastSequence = record.sequence
  }
}

/** Walks one part of up to two memtables in key order; of a key in both, the newer table's entry. */
export class MemtableCursor {
  #newer: SortedKeys | null = null
  #older: SortedKeys | null = null
  #newerPart: Part | undefined
  #olderPart: Part | undefined
  #newerAt = 0
  #olderAt = 0
  #reverse = false
  /** Of the entry it stands on; null at the end. */
  key: string | null = null
  entry: MemtableEntry | null = null

  /** Forward: at `key` or behind it (`exclusive`). Backward: at or before it. */
  seek(newer: Memtable, older: Memtable | null, prefix: number, key: string, reverse: boolean, exclusive: boolean): void {
    this.#reverse = reverse
    this.#newerPart = newer.part(prefix)
    this.#olderPart = older?.part(prefix)
    this.#newer = this.#newerPart?.keys ?? null
    this.#older = this.#olderPart?.keys ?? null
    this.#newerAt = this.#start(this.#newer, key, exclusive)
    this.#olderAt = this.#start(this.#older, key, exclusive)
    this.#choose()
  }

  #start(keys: SortedKeys | null, key: string, exclusive: boolean): number {
    if (keys === null) return -1
    const at = keys.position(key)
    if (keys.at(at) === key && !exclusive) return at
    if (this.#reverse) return keys.before(at)
    return keys.at(at) === key ? keys.after(at) : at
  }

  #choose(): void {
    const newer = this.#newer === null || this.#newerAt < 0 ? null : this.#newer.at(this.#newerAt)
    const older = this.#older === null || this.#olderAt < 0 ? null : this.#older.at(this.#olderAt)
    if (newer !== null && (older === null || newer === older || (this.#reverse ? newer > older : newer < older))) {
      this.key = newer
      this.entry = this.#newerPart!.entries.get(newer)!
    } else {
      this.key = older
      this.entry = older === null ? null : this.#olderPart!.entries.get(older)!
    }
  }

  next(): void {
    const key = this.key
    const newer = this.#newer
    if (newer !== null && this.#newerAt >= 0 && newer.at(this.#newerAt) === key) this.#newerAt = this.#step(newer, this.#newerAt)
    const older = this.#older
    if (older !== null && this.#olderAt >= 0 && older.at(this.#olderAt) === key) this.#olderAt = this.#step(older, this.#olderAt)
    this.#choose()
  }

  #step(keys: SortedKeys, at: number): number {
    return this.#reverse ? keys.before(at) : keys.after(at)
  }
}
