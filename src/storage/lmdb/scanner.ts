// A range scan: environment and own writes merged into batches of raw bytes, no object per entry. No LMDB cursor is held between batches:
// each starts behind the last key, and the transaction's snapshot timestamp, not LMDB's, decides what is seen. // hot

import type { MaybePromise } from '../../base/maybe-promise.ts'
import { lowerBound } from '../lower-bound.ts'
import type { KeyRange, KvBatch, Scanner, ScanOptions } from '../store.ts'
import { HEADER, INTENT_HEADER, INTENT_PUT, keyString, NEWEST, VALUE } from './format.ts'
import { ENTRY_KEY_AT, entryKeyWords, keyBytes, value, words } from './native.ts'
import type { LmdbTransaction } from './transaction.ts'

const FIRST_ENTRIES = 16
const MOST_ENTRIES = 1024
const BATCH_BYTES = 256 * 1024
const TWO_32 = 4294967296
const NOT_OWN = 0
const OWN = 1
const FULL = 2
/** Rounds without an entry to show before the event loop gets a turn. */
const EMPTY_ROUNDS = 4

interface Room {
  data: Buffer
  words: Uint32Array
  readonly bounds: Uint32Array
}

const SMALL = 8 * 1024
const pool: Room[] = []
const POOLED = 32

function newRoom(bytes: number, entries: number): Room {
  const data = Buffer.allocUnsafeSlow((bytes + 7) & ~7)
  return { data, words: new Uint32Array(data.buffer), bounds: new Uint32Array(entries * 4) }
}

export class LmdbScanner implements Scanner {
  readonly #transaction: LmdbTransaction
  readonly #reverse: boolean
  readonly #keysOnly: boolean
  readonly #start: Uint8Array
  readonly #end: Uint8Array
  /** Where the next batch begins: inclusive forward and, at first, the exclusive end backward. */
  #from: Uint8Array
  #fromExclusive: boolean
  #left: number
  #size = FIRST_ENTRIES
  #room: Room | null = null
  #used = 0
  #count = 0
  #ended = false
  #emptyRounds = 0
  /** Own writes of the range in scan order; null when there are none. */
  #own: readonly string[] | null
  #ownAt = 0
  #ownEnd = 0

  constructor(transaction: LmdbTransaction, range: KeyRange, options: ScanOptions | undefined) {
    this.#transaction = transaction
    this.#reverse = options?.reverse === true
    this.#keysOnly = options?.keysOnly === true
    this.#left = options?.limit ?? Number.POSITIVE_INFINITY
    this.#start = range.start
    this.#end = range.end
    this.#from = this.#reverse ? range.end : range.start
    this.#fromExclusive = this.#reverse
    this.#own = null
    const writes = transaction.writes
    if (writes !== null && !writes.empty) {
      const sorted = writes.sorted()
      this.#ownAt = lowerBound(sorted, keyString(range.start))
      this.#ownEnd = lowerBound(sorted, keyString(range.end))
      if (this.#ownAt < this.#ownEnd) {
        const own = sorted.slice(this.#ownAt, this.#ownEnd)
        if (this.#reverse) own.reverse()
        this.#own = own
        this.#ownEnd = own.length
        this.#ownAt = 0
      }
    }
  }

  #takeRoom(): Room {
    if (this.#size > 64 || this.#room === null) {
      const wanted = this.#size > 64
      const room = this.#room
      if (room !== null && room.bounds.length >= MOST_ENTRIES * 4) return room
      if (room === null && !wanted) return (this.#room = newRoom(SMALL, 64))
      return (this.#room = pool.pop() ?? newRoom(BATCH_BYTES, MOST_ENTRIES))
    }
    return this.#room
  }

  /** Makes room for `bytes` more behind #used, 8-aligned. */
  #reserve(bytes: number): void {
    const room = this.#room!
    if (this.#used + bytes <= room.data.length) return
    const grown = newRoom(Math.max(room.data.length * 2, this.#used + bytes + SMALL), room.bounds.length / 4)
    room.data.copy(grown.data, 0, 0, this.#used)
    grown.bounds.set(room.bounds)
    this.#room = grown
  }

  #add(keyAt: number, keyEnd: number, valueAt: number, valueEnd: number): void {
    const bounds = this.#room!.bounds
    const at = this.#count++ << 2
    bounds[at] = keyAt
    bounds[at + 1] = keyEnd
    bounds[at + 2] = valueAt
    bounds[at + 3] = valueEnd
  }

  #addOwn(key: string): void {
    const entry = this.#transaction.writes?.get(key)
    if (entry === undefined || entry.kind !== VALUE) return
    const size = this.#keysOnly ? 0 : entry.size - HEADER
    this.#reserve(key.length + size + 16)
    const data = this.#room!.data
    const keyAt = this.#used
    data.latin1Write(key, keyAt)
    const valueAt = (keyAt + key.length + 7) & ~7
    if (size > 0) entry.slab!.bytes.copy(data, valueAt, entry.at + HEADER, entry.at + entry.size)
    this.#used = (valueAt + size + 7) & ~7
    this.#add(keyAt, keyAt + key.length, valueAt, valueAt + size)
  }

  next(): MaybePromise<KvBatch | null> {
    if (this.#ended || this.#left <= 0) return this.#finish()
    const transaction = this.#transaction
    const snapshot = transaction.scanSnapshot()
    const { reads, reader } = transaction.engine
    const self = transaction.intentId
    const serializable = transaction.serializable
    const reverse = this.#reverse
    const keysOnly = this.#keysOnly
    const wanted = Math.min(this.#size, this.#left)
    this.#takeRoom()
    this.#used = 0
    this.#count = 0

    let examined = 0
    let more = true
    let resumeHere = false
    let lastKeyAt = 0
    let lastKeyEnd = 0
    reads.setEnd(NEWEST, reverse ? this.#start : this.#end)
    keyBytes[0] = NEWEST
    keyBytes.set(this.#from, 1)
    let size = reads.first(this.#from.length + 1, reverse, this.#fromExclusive)
    for (;;) {
      if (size <= 1) {
        more = false
        break
      }
      if (this.#count >= wanted || this.#used > BATCH_BYTES || examined >= MOST_ENTRIES * 4) break
      examined++
      const valueSize = reads.entryValueSize()
      // the prefix byte comes along: words are copied, the bounds leave it out
      this.#reserve(size + valueSize + 24)
      const room = this.#room!
      const out = room.words
      const keyAt = this.#used
      let to = keyAt >> 2
      for (let i = ENTRY_KEY_AT >> 2, n = i + ((size + 3) >> 2); i < n; i++) out[to++] = entryKeyWords[i]!
      lastKeyAt = keyAt + 1
      lastKeyEnd = keyAt + size
      const behindKey = (keyAt + size + 7) & ~7
      this.#used = behindKey

      if (this.#own !== null) {
        const outcome = this.#ownBefore(keyAt + 1, keyAt + size, wanted)
        if (outcome === OWN) {
          size = reads.next()
          continue
        }
        if (outcome === FULL || this.#count >= wanted) {
          resumeHere = true
          break
        }
      }
      const all = words()
      const word0 = all[0]!
      const kind = word0 & 0xff
      let from = HEADER
      let end = valueSize
      if (kind === INTENT_PUT && all[2] === 0 && reader.committedBefore(word0, all[1]!, snapshot)) {
        // a large transaction's insertion that is not settled yet
        from = INTENT_HEADER
      } else if (kind >= INTENT_PUT || (word0 >>> 8) * TWO_32 + all[1]! > snapshot) {
        const key = room.data.subarray(keyAt + 1, keyAt + size)
        const visible = reader.select(key, valueSize, snapshot, self)
        if (serializable !== null && reader.newestStamp > snapshot) transaction.sawNewer(keyString(key))
        if (!visible) {
          if (this.#used === behindKey) this.#used = keyAt
          size = reads.next()
          continue
        }
        from = reader.start
        end = reader.end
        this.#reserve(end - from + 16)
      } else if (kind !== VALUE) {
        if (this.#used === behindKey) this.#used = keyAt
        size = reads.next()
        continue
      }
      const valueAt = this.#used
      if (keysOnly) {
        this.#add(keyAt + 1, keyAt + size, valueAt, valueAt)
      } else {
        const bytes = end - from
        if (bytes <= 256) {
          const target = this.#room!.words
          const source = words()
          let into = valueAt >> 2
          for (let i = from >> 2, n = i + ((bytes + 3) >> 2); i < n; i++) target[into++] = source[i]!
        } else value().copy(this.#room!.data, valueAt, from, end)
        this.#used = (valueAt + bytes + 7) & ~7
        this.#add(keyAt + 1, keyAt + size, valueAt, valueAt + bytes)
      }
      size = reads.next()
    }
    if (more) {
      if (lastKeyEnd > 0) {
        // entries of the merge may have moved the room: the key is in the current one
        this.#from = Buffer.from(this.#room!.data.subarray(lastKeyAt, lastKeyEnd))
        this.#fromExclusive = !resumeHere
      }
    } else {
      if (this.#own !== null) {
        while (this.#ownAt < this.#ownEnd && this.#count < wanted) this.#addOwn(this.#own[this.#ownAt++]!)
        if (this.#ownAt < this.#ownEnd) {
          // more of them than fit: nothing of the environment is left behind this point
          this.#from = reverse ? this.#start : this.#end
          this.#fromExclusive = reverse
        } else this.#ended = true
      } else this.#ended = true
    }
    if (serializable !== null) this.#note(more)
    if (this.#count === 0) {
      if (this.#ended) return this.#finish()
      if (++this.#emptyRounds % EMPTY_ROUNDS !== 0) return this.next()
      return new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.next())
    }
    this.#left -= this.#count
    this.#size = Math.min(this.#size * 4, MOST_ENTRIES)
    const room = this.#room!
    return { count: this.#count, data: room.data, bounds: room.bounds }
  }

  /** Adds own writes that come before the environment's key. OWN: the key itself is an own write. FULL: the batch is, before the key. */
  #ownBefore(keyAt: number, keyEnd: number, wanted: number): number {
    const key = this.#room!.data.latin1Slice(keyAt, keyEnd)
    const own = this.#own!
    while (this.#ownAt < this.#ownEnd) {
      const next = own[this.#ownAt]!
      if (next !== key && (this.#reverse ? next < key : next > key)) return NOT_OWN
      if (this.#count >= wanted) return FULL
      this.#ownAt++
      // without an entry it was rolled back to a savepoint, or relieved into the environment, since
      const present = this.#transaction.writes?.get(next) !== undefined
      if (present) this.#addOwn(next)
      if (next === key) return present ? OWN : NOT_OWN
    }
    return NOT_OWN
  }

  /** What a serializable transaction has read so far, phantoms included. */
  #note(more: boolean): void {
    const reads = this.#transaction.serializable!.reads
    if (!more) reads.addRange(keyString(this.#start), keyString(this.#end))
    else if (this.#reverse) reads.addRange(keyString(this.#from), keyString(this.#end))
    else reads.addRange(keyString(this.#start), `${keyString(this.#from)}\0`)
  }

  #finish(): null {
    this.close()
    return null
  }

  close(): void {
    this.#ended = true
    const room = this.#room
    this.#room = null
    if (room !== null && room.data.length === BATCH_BYTES && room.bounds.length === MOST_ENTRIES * 4 && pool.length < POOLED)
      pool.push(room)
  }
}
