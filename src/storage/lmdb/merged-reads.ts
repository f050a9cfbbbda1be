// Reading a keyspace's environment: what the memtables hold first, then LMDB. With nothing in memory everything goes to LMDB directly.
// Invariant: a scan is over within the turn of the event loop that began it, so nothing changes under it. // hot

import { keyString } from './format.ts'
import { Memtable, MemtableCursor, type MemtableEntry } from './memtable.ts'
import { ENTRY_KEY_AT, type Environment, keyBytes, showEntry, showValue } from './native.ts'

/** What is known to be empty: keys between `low` and `high` ('' = no bound), as long as nothing was written since. */
export class Gap {
  low = ''
  high = ''
  version = -1
  last = ''
  skip = 0
  misses = 0
}

const GAP_PREFIX = 1
const MOST_SKIPPED = 1024

const BASE = 1
const MEMORY = 2

export class MergedReads {
  readonly #base: Environment
  /** Counts write transactions. */
  version = 0
  /** What the log has and LMDB has not. */
  active: Memtable
  /** On its way into LMDB. */
  frozen: Memtable | null = null
  /** Nothing in memory. */
  empty = true
  readonly #cursor = new MemtableCursor()
  readonly #seekCursor = new MemtableCursor()
  #prefix = 0
  #endPrefix = 0
  #end: Uint8Array = keyBytes
  // the scan under way
  #merging = false
  #endKey = ''
  #reverse = false
  #last = 0
  #baseSize = 0
  #baseKey = ''

  /** `sequence`: number of the last log record that LMDB contains. */
  constructor(base: Environment, sequence: number) {
    this.#base = base
    this.active = new Memtable(sequence)
  }

  #find(prefix: number, key: string): MemtableEntry | undefined {
    const entry = this.active.get(prefix, key)
    return entry !== undefined || this.frozen === null ? entry : this.frozen.get(prefix, key)
  }

  #show(entry: MemtableEntry): number {
    if (entry.size >= 0) showValue(entry.record.bytes, entry.at, entry.size)
    return entry.size
  }

  /** Loads the value under the first `keySize` bytes of keyBytes into the value buffer; answers its size, or -1. */
  load(keySize: number): number {
    if (!this.empty) {
      const entry = this.#find(keyBytes[0]!, keyBytes.latin1Slice(1, keySize))
      if (entry !== undefined) return this.#show(entry)
    }
    return this.#base.load(keySize)
  }

  /** load for a key given as bytes behind a one-byte prefix. */
  loadKey(prefix: number, key: Uint8Array): number {
    if (!this.empty) {
      const entry = this.#find(prefix, keyString(key))
      if (entry !== undefined) return this.#show(entry)
    }
    return this.#base.loadKey(prefix, key)
  }

  /** loadKey for a latin1 key string. */
  loadString(prefix: number, key: string): number {
    if (!this.empty) {
      const entry = this.#find(prefix, key)
      if (entry !== undefined) return this.#show(entry)
    }
    return this.#base.loadString(prefix, key)
  }

  /**
   * True when nothing lies at `key` (newest versions' part). Learns gaps from keys that come in ascending order, so that a bulk load looks
   * once per batch instead of once per key; false means only that it is not known.
   */
  absent(key: string, gap: Gap): boolean {
    if (gap.version === this.version && key > gap.low && (gap.high === '' || key < gap.high)) {
      gap.last = key
      return true
    }
    const ascending = key > gap.last
    gap.last = key
    if (!ascending) return false
    if (gap.skip > 0) {
      gap.skip--
      return false
    }
    keyBytes[0] = GAP_PREFIX
    const size = this.seek(keyBytes.latin1Write(key, 1) + 1)
    const found = size > 0 && keyBytes[ENTRY_KEY_AT] === GAP_PREFIX ? keyBytes.latin1Slice(ENTRY_KEY_AT + 1, ENTRY_KEY_AT + size) : ''
    if (found === key) {
      gap.misses = Math.min(MOST_SKIPPED, gap.misses * 2 + 1)
      gap.skip = gap.misses
      return false
    }
    gap.misses = 0
    gap.low = key
    gap.high = found
    gap.version = this.version
    return true
  }

  /** Sets where the scan ends; for `seek` and `first` alike. */
  setEnd(prefix: number, key: Uint8Array): void {
    this.#endPrefix = prefix
    this.#end = key
    this.#base.setEnd(prefix, key)
  }

  /**
   * Positions the scan from keyBytes[0, keySize): forward at that key or behind it (`exclusive`), backward at or before it. The end set by
   * setEnd is exclusive forward, inclusive backward, and of the same kind of key. Answers the entry's key size (key in keyBytes from
   * ENTRY_KEY_AT), 0 at the end.
   */
  first(keySize: number, reverse: boolean, exclusive: boolean): number {
    this.#merging = false
    if (!this.empty) {
      this.#prefix = keyBytes[0]!
      this.#reverse = reverse
      this.#cursor.seek(this.active, this.frozen, this.#prefix, keyBytes.latin1Slice(1, keySize), reverse, exclusive)
      this.#endKey = keyString(this.#end)
      this.#last = BASE
      this.#merging = this.#cursorKey() !== null
    }
    const size = this.#base.first(keySize, reverse, exclusive)
    if (!this.#merging) return size
    this.#noteBase(size)
    return this.#merge()
  }

  next(): number {
    if (!this.#merging) return this.#base.next()
    if (this.#last === MEMORY) this.#cursor.next()
    else this.#noteBase(this.#base.next())
    return this.#merge()
  }

  #noteBase(size: number): void {
    this.#baseSize = size
    if (size > 0) this.#baseKey = keyBytes.latin1Slice(ENTRY_KEY_AT + 1, ENTRY_KEY_AT + size)
  }

  /** The memtables' next key if the scan's end is not behind it. */
  #cursorKey(): string | null {
    const { key } = this.#cursor
    if (key === null) return null
    const end = this.#endKey
    return (this.#reverse ? key >= end : this.#endPrefix > this.#prefix || key < end) ? key : null
  }

  #merge(): number {
    // LMDB's entry is in the buffers while nothing else was shown since it came
    let shown = this.#last !== MEMORY || this.#baseSize === 0
    for (;;) {
      const key = this.#cursorKey()
      const base = this.#baseSize > 0 ? this.#baseKey : null
      if (key === null && base === null) return 0
      if (key === null || (base !== null && base !== key && (this.#reverse ? base > key : base < key))) {
        this.#last = BASE
        return shown ? this.#baseSize : this.#base.current()
      }
      // the memtables hide LMDB's entry of the same key
      if (base === key) {
        this.#noteBase(this.#base.next())
        shown = true
      }
      const entry = this.#cursor.entry!
      if (entry.size >= 0) {
        this.#last = MEMORY
        return showEntry(this.#prefix, key, entry.record.bytes, entry.at, entry.size)
      }
      this.#cursor.next()
    }
  }

  /** Size of the value of the entry that first or next answered; loads it if it did not fit. */
  entryValueSize(): number {
    return this.#base.entryValueSize()
  }

  /** The first entry at or after keyBytes[0, keySize), of the same kind of key: a scan under way is not disturbed. Key size, or 0. */
  seek(keySize: number): number {
    const prefix = keyBytes[0]!
    if (this.empty) return this.#base.seek(keySize)
    const from = keyBytes.latin1Slice(1, keySize)
    const cursor = this.#seekCursor
    cursor.seek(this.active, this.frozen, prefix, from, false, false)
    while (cursor.entry !== null && cursor.entry.size < 0) cursor.next()
    const { key, entry } = cursor
    let size = this.#base.seek(keySize)
    while (size > 0 && keyBytes[ENTRY_KEY_AT] === prefix) {
      const found = keyBytes.latin1Slice(ENTRY_KEY_AT + 1, ENTRY_KEY_AT + size)
      if (key !== null && key <= found) break
      if (this.#find(prefix, found) === undefined) return size
      // deleted in memory: the next one
      keyBytes[0] = prefix
      keyBytes.latin1Write(found, 1)
      keyBytes[found.length + 1] = 0
      size = this.#base.seek(found.length + 2)
    }
    return key === null ? 0 : showEntry(prefix, key, entry!.record.bytes, entry!.at, entry!.size)
  }

  /** The value size seek answered. */
  seekValueSize(): number {
    return this.#base.seekValueSize()
  }
}
