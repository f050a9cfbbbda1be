// A scan of one range: pieces from the stores merged with the transaction's own writes, as batches of bytes. // hot

import type { KeyRange, KvBatch, Scanner, ScanOptions } from '../store.ts'
import { type Capability, PREFIX_BYTES } from './codec.ts'
import type { Piece } from './snapshot.ts'
import type { WriteBuffer } from './write-buffer.ts'
import type { WriteEntry } from './write-run.ts'

/** A request costs more than some rows too many. */
const FIRST_ROWS = 128
const MOST_ROWS = 1024
/** Size of an answer that the number of rows aims at. */
const GOAL_BYTES = 1024 * 1024

/** What a scanner needs of its transaction. */
export interface ScanSource {
  readonly capability: Capability
  readonly writes: WriteBuffer | null
  piece(start: Buffer, end: Buffer, reverse: boolean, limit: number, keysOnly: boolean): Promise<Piece>
}

const EMPTY = Buffer.alloc(0)

export class TikvScanner implements Scanner {
  readonly #source: ScanSource
  readonly #reverse: boolean
  readonly #keysOnly: boolean
  #left: number
  /** What is not scanned yet: [start, end), physical. */
  #start: Buffer
  #end: Buffer
  #rows = FIRST_ROWS
  #over = false
  /** Of the last piece, what lies behind many own writes. */
  #saved: Piece | null = null

  constructor(source: ScanSource, range: KeyRange, options: ScanOptions | undefined) {
    this.#source = source
    this.#reverse = options?.reverse === true
    this.#keysOnly = options?.keysOnly === true
    this.#left = options?.limit ?? Number.MAX_SAFE_INTEGER
    this.#start = source.capability.key(range.start)
    this.#end = source.capability.key(range.end)
    if (range.end.length === 0) this.#end = source.capability.end
    this.#over = this.#left <= 0 || Buffer.compare(this.#start, this.#end) >= 0
  }

  next(): Promise<KvBatch | null> {
    return this.#next()
  }

  async #next(): Promise<KvBatch | null> {
    while (!this.#over) {
      const wanted = Math.min(this.#rows, this.#left)
      const piece = this.#saved ?? (await this.#source.piece(this.#start, this.#end, this.#reverse, wanted, this.#keysOnly))
      this.#saved = null
      if (this.#over) return null // closed meanwhile
      const batch = this.#merge(piece)
      if (batch.count > 0) return batch
    }
    return null
  }

  #merge({ pairs, reached }: Piece): KvBatch {
    const reverse = this.#reverse
    // The part that is known now, and what is left for later pieces.
    let low = reverse ? (reached ?? this.#start) : this.#start
    let high = reverse ? this.#end : (reached ?? this.#end)
    let own = this.#ownIn(low, high)
    if (own.length > MOST_ROWS) {
      const cut = own[reverse ? MOST_ROWS - 1 : MOST_ROWS]!.key
      const isNow = (pair: { key: Buffer }): boolean => (reverse ? Buffer.compare(pair.key, cut) >= 0 : Buffer.compare(pair.key, cut) < 0)
      this.#saved = { pairs: pairs.filter((pair) => !isNow(pair)), reached }
      pairs = pairs.filter(isNow)
      own = own.slice(0, MOST_ROWS)
      reached = cut
      if (reverse) low = cut
      else high = cut
    }
    if (reverse) this.#end = low
    else this.#start = high
    if (reached === null || Buffer.compare(this.#start, this.#end) >= 0) this.#over = true

    const keys: Buffer[] = []
    const values: Buffer[] = []
    let size = 0
    const emit = (key: Buffer, value: Buffer): void => {
      keys.push(key)
      const kept = this.#keysOnly ? EMPTY : value
      values.push(kept)
      size += key.length - PREFIX_BYTES + kept.length
    }
    if (own.length === 0) for (const pair of pairs) emit(pair.key, pair.value)
    else {
      let i = 0
      for (const entry of own) {
        while (i < pairs.length) {
          const pair = pairs[i]!
          const order = Buffer.compare(pair.key, entry.key)
          if (order === 0)
            i++ // the own write hides it
          else if (reverse ? order > 0 : order < 0) {
            emit(pair.key, pair.value)
            i++
            continue
          }
          break
        }
        if (entry.value !== null) emit(entry.key, entry.value)
      }
      for (; i < pairs.length; i++) emit(pairs[i]!.key, pairs[i]!.value)
    }
    let count = keys.length
    if (count >= this.#left) {
      count = this.#left
      this.#over = true
    }
    this.#left -= count
    if (pairs.length > 0) {
      const average = Math.max(1, size / Math.max(1, keys.length))
      this.#rows = Math.max(1, Math.min(this.#rows * 4, MOST_ROWS, Math.ceil(GOAL_BYTES / average)))
    }
    const data = Buffer.allocUnsafe(size)
    const bounds = new Uint32Array(4 * count)
    let at = 0
    for (let n = 0; n < count; n++) {
      const key = keys[n]!
      const value = values[n]!
      bounds[4 * n] = at
      key.copy(data, at, PREFIX_BYTES)
      at += key.length - PREFIX_BYTES
      bounds[4 * n + 1] = at
      bounds[4 * n + 2] = at
      value.copy(data, at)
      at += value.length
      bounds[4 * n + 3] = at
    }
    return { count, data, bounds }
  }

  /** Own writes in [low, high), in scan order: one more than are merged at once, if there are so many. */
  #ownIn(low: Buffer, high: Buffer): WriteEntry[] {
    const { writes } = this.#source
    if (writes === null || writes.isEmpty) return []
    return writes.range(low.latin1Slice(), high.latin1Slice(), this.#reverse, MOST_ROWS + 1)
  }

  close(): void {
    this.#over = true
  }
}
