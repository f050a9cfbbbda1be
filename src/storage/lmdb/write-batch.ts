// One write transaction: puts and deletes, in order. While it is small it is a list, which becomes a record of the log; a large one is the
// instruction stream that lmdb-js's writer thread runs. That layout is lmdb-js 3.5's (src/writer.cpp), which package.json pins exactly;
// test/unit/storage/lmdb checks it against reads. // hot

import {
  descendingStamp,
  GARBAGE,
  HEADER,
  HISTORY,
  headerWord0,
  headerWord1,
  INTENT_KEYS,
  NEWEST,
  STATUS,
  SYSTEM,
  writeU64,
} from './format.ts'
import type { LogOperation, Source } from './log-record.ts'
import { addressOf, MAX_ENV_KEY } from './native.ts'
import { allocate, offset, type Slab, slab } from './slab.ts'

const PUT = 15
const DELETE = 13
const POINTER_NEXT = 3
const CHUNK_BYTES = 256 * 1024
const POOLED_CHUNKS = 16
/** Largest transaction that goes through the log. */
const SMALL_BYTES = 256 * 1024
/** Largest instruction: flags, dbi, size, key, value size and pointer, and behind it room for a pointer to the next chunk or the end. */
const ROOM = (MAX_ENV_KEY + 64) >> 3

interface Chunk {
  readonly bytes: Buffer
  readonly words: Uint32Array
  readonly doubles: Float64Array
  readonly address: number
}

const pool: Chunk[] = []

function takeChunk(): Chunk {
  const pooled = pool.pop()
  if (pooled !== undefined) return pooled
  const bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  return {
    bytes,
    words: new Uint32Array(bytes.buffer),
    doubles: new Float64Array(bytes.buffer),
    address: addressOf(bytes),
  }
}

const keyScratch = Buffer.allocUnsafeSlow(MAX_ENV_KEY + 64)

/** Key of an older version, without its prefix. */
function historyKey(key: string, stamp: number): string {
  keyScratch[0] = key.length >>> 8
  keyScratch[1] = key.length
  const at = 2 + keyScratch.latin1Write(key, 2)
  writeU64(keyScratch, at, descendingStamp(stamp))
  return keyScratch.latin1Slice(0, at + 8)
}

/** Key of two numbers, the second of `lowBytes` bytes. */
function numberKey(high: number, low: number, lowBytes: number): string {
  writeU64(keyScratch, 0, high)
  for (let i = 0; i < lowBytes; i++) keyScratch[8 + i] = (low >>> (8 * (lowBytes - 1 - i))) & 0xff
  return keyScratch.latin1Slice(0, 8 + lowBytes)
}

/** One thing that became garbage: the older version of `key` written at `stamp`, or with stamp 0 the tombstone that now stands at it. */
interface Garbage {
  readonly key: string
  readonly stamp: number
}

export class WriteBatch {
  readonly #dbi: number
  #small: LogOperation[] | null
  #smallBytes = 0
  readonly #chunks: Chunk[] = []
  readonly #pinned: Source[] = []
  #chunk: Chunk | null = null
  #position = 1
  #garbage: Garbage[] = []
  instructions = 0
  bytes = 0
  /** Bytes of new values (not of old versions, deletions and book-keeping): what counts against a keyspace's largest size. */
  growth = 0

  /** `streamed`: for LMDB from the start, whatever its size. */
  constructor(dbi: number, streamed = false) {
    this.#dbi = dbi
    this.#small = streamed ? null : []
  }

  /** The operations, while they are few. */
  get small(): readonly LogOperation[] | null {
    return this.#small
  }

  /** Puts `size` bytes of a source under a key (source null: deletes it); `prefix` is the key's first byte. */
  add(prefix: number, key: string, source: Source | null, at: number, size: number): void {
    this.instructions++
    if (source !== null) this.bytes += size + 64
    if (this.#small === null) {
      this.#instruction(prefix, key, source, at, size)
      return
    }
    this.#small.push({ prefix, key, source, at, size })
    this.#smallBytes += key.length + (source === null ? 0 : size)
    if (this.#smallBytes > SMALL_BYTES) this.#spill()
  }

  /** From list to stream. */
  #spill(): void {
    const small = this.#small ?? []
    this.#small = null
    for (const { prefix, key, source, at, size } of small) this.#instruction(prefix, key, source, at, size)
  }

  #instruction(prefix: number, key: string, source: Source | null, at: number, size: number): void {
    const chunk = this.#room()
    const word = this.#position << 1
    chunk.words[word] = source === null ? DELETE : PUT
    chunk.words[word + 1] = this.#dbi
    const keyAt = (this.#position << 3) + 12
    chunk.bytes[keyAt] = prefix
    const keySize = chunk.bytes.latin1Write(key, keyAt + 1) + 1
    chunk.words[word + 2] = keySize
    this.#position = (keyAt + keySize + 16) >> 3
    if (source === null) return
    chunk.words[(this.#position << 1) - 1] = size
    chunk.doubles[this.#position] = source.address + at
    this.#position++
    const pinned = this.#pinned
    if (pinned.length === 0 || pinned[pinned.length - 1] !== source) pinned.push(source)
  }

  /** The chunk that has room for one more instruction. */
  #room(): Chunk {
    if (this.#chunk !== null && this.#position + ROOM <= CHUNK_BYTES >> 3) return this.#chunk
    const next = takeChunk()
    if (this.#chunk !== null) {
      this.#chunk.words[this.#position << 1] = POINTER_NEXT
      this.#chunk.doubles[this.#position + 1] = next.address + 8
    }
    this.#chunks.push(next)
    this.#chunk = next
    this.#position = 1
    return next
  }

  /** The newest version (or an intent) of a key: `size` bytes of a slab, header included. */
  put(key: string, from: Slab, at: number, size: number): void {
    this.add(NEWEST, key, from, at, size)
  }

  delete(key: string): void {
    this.add(NEWEST, key, null, 0, 0)
  }

  tombstone(key: string, kind: number, stamp: number): void {
    allocate(HEADER)
    slab.words[offset >> 2] = headerWord0(kind, stamp)
    slab.words[(offset >> 2) + 1] = headerWord1(stamp)
    this.put(key, slab, offset, HEADER)
  }

  /** Keeps an older version, and notes when it becomes garbage (with this batch). */
  putHistory(key: string, stamp: number, from: Slab, at: number, size: number): void {
    this.add(HISTORY, historyKey(key, stamp), from, at, size)
    this.#garbage.push({ key, stamp })
  }

  deleteHistory(key: string, stamp: number): void {
    this.add(HISTORY, historyKey(key, stamp), null, 0, 0)
  }

  /** A tombstone put by this batch becomes garbage with it, too. */
  noteTombstone(key: string): void {
    this.#garbage.push({ key, stamp: 0 })
  }

  #record(prefix: number, key: string, value: Uint8Array): void {
    allocate(value.length)
    slab.bytes.set(value, offset)
    this.add(prefix, key, slab, offset, value.length)
  }

  putStatus(transaction: number, value: Uint8Array): void {
    this.#record(STATUS, numberKey(transaction, 0, 0), value)
  }

  deleteStatus(transaction: number): void {
    this.add(STATUS, numberKey(transaction, 0, 0), null, 0, 0)
  }

  putIntentKeys(transaction: number, part: number, value: Uint8Array): void {
    this.#record(INTENT_KEYS, numberKey(transaction, part, 4), value)
  }

  deleteIntentKeys(transaction: number, part: number): void {
    this.add(INTENT_KEYS, numberKey(transaction, part, 4), null, 0, 0)
  }

  deleteGarbage(stamp: number, part: number): void {
    this.add(GARBAGE, numberKey(stamp, part, 2), null, 0, 0)
  }

  putSystem(name: string, value: Uint8Array): void {
    this.#record(SYSTEM, name, value)
  }

  putDouble(name: string, value: number): void {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeDoubleLE(value)
    this.putSystem(name, bytes)
  }

  /** A record of a store-private environment (the directory), by its own key. */
  putRecord(key: string, value: Uint8Array): void {
    this.#record(NEWEST, key, value)
  }

  get hasGarbage(): boolean {
    return this.#garbage.length > 0
  }

  /** Writes what became garbage by `stamp`, the batch's last commit timestamp. */
  #flushGarbage(stamp: number): void {
    const garbage = this.#garbage
    if (garbage.length === 0) return
    this.#garbage = []
    let part = 0
    for (let from = 0; from < garbage.length; ) {
      let size = 0
      let to = from
      while (to < garbage.length && size < 16_384) size += garbage[to++]!.key.length + 10
      const packed = Buffer.allocUnsafe(size)
      let at = 0
      for (let i = from; i < to; i++) {
        const { key, stamp: old } = garbage[i]!
        at = packed.writeUInt16BE(key.length, at)
        at += packed.latin1Write(key, at)
        writeU64(packed, at, old)
        at += 8
      }
      this.#record(GARBAGE, numberKey(stamp, part++, 2), packed)
      from = to
    }
  }

  /** The last entries: what became garbage, and the batch's last commit timestamp. */
  finish(lastStamp: number): void {
    this.#flushGarbage(lastStamp)
    this.putDouble('T', lastStamp)
  }

  /** Closes the stream, which goes on in another batch's if there is one; answers its address. Both must stay referenced until the writer is done. */
  stream(rest: WriteBatch | null = null): number {
    this.#spill()
    const chunk = this.#room()
    const word = this.#position << 1
    if (rest === null) {
      chunk.words[word] = 0
      chunk.words[word + 1] = 0
    } else {
      chunk.words[word] = POINTER_NEXT
      chunk.doubles[this.#position + 1] = rest.stream()
    }
    return this.#chunks[0]!.address + 8
  }

  /** Gives the instruction memory back, when the writer has finished. */
  release(): void {
    for (const chunk of this.#chunks) if (pool.length < POOLED_CHUNKS) pool.push(chunk)
    this.#chunks.length = 0
    this.#pinned.length = 0
  }
}
