// One LMDB write transaction as the instruction stream that lmdb-js's writer thread runs: puts and deletes, in order. The layout is that of
// lmdb-js 3.5 (src/writer.cpp), which package.json pins exactly; test/unit/storage/lmdb checks it against reads. // hot

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
import { addressOf, MAX_ENV_KEY } from './native.ts'
import { allocate, offset, type Slab, slab } from './slab.ts'

const PUT = 15
const DELETE = 13
const POINTER_NEXT = 3
const CHUNK_BYTES = 256 * 1024
const POOLED_CHUNKS = 16
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

/** One thing that became garbage: the older version of `key` written at `stamp`, or with stamp 0 the tombstone that now stands at it. */
interface Garbage {
  readonly key: string
  readonly stamp: number
}

export class WriteBatch {
  readonly #dbi: number
  readonly #chunks: Chunk[] = [takeChunk()]
  readonly #pinned: Slab[] = []
  #chunk: Chunk = this.#chunks[0]!
  #position = 1
  #garbage: Garbage[] = []
  instructions = 0
  bytes = 0
  /** Bytes of new values (not of old versions, deletions and book-keeping): what counts against a keyspace's largest size. */
  growth = 0

  constructor(dbi: number) {
    this.#dbi = dbi
  }

  /** Starts an instruction; answers where its key goes. */
  #begin(flags: number): number {
    if (this.#position + ROOM > CHUNK_BYTES >> 3) {
      const next = takeChunk()
      this.#chunk.words[this.#position << 1] = POINTER_NEXT
      this.#chunk.doubles[this.#position + 1] = next.address + 8
      this.#chunks.push(next)
      this.#chunk = next
      this.#position = 1
    }
    const word = this.#position << 1
    this.#chunk.words[word] = flags
    this.#chunk.words[word + 1] = this.#dbi
    this.instructions++
    return (this.#position << 3) + 12
  }

  #endKey(keyAt: number, keySize: number): void {
    this.#chunk.words[(this.#position << 1) + 2] = keySize
    this.#position = (keyAt + keySize + 16) >> 3
  }

  #value(from: Slab, at: number, size: number): void {
    this.#chunk.words[(this.#position << 1) - 1] = size
    this.#chunk.doubles[this.#position] = from.address + at
    this.#position++
    this.bytes += size + 64
    const pinned = this.#pinned
    if (pinned.length === 0 || pinned[pinned.length - 1] !== from) pinned.push(from)
  }

  #userKey(prefix: number, key: string, flags: number): void {
    const at = this.#begin(flags)
    this.#chunk.bytes[at] = prefix
    const size = this.#chunk.bytes.latin1Write(key, at + 1)
    this.#endKey(at, size + 1)
  }

  /** The newest version (or an intent) of a key: `size` bytes of a slab, header included. */
  put(key: string, from: Slab, at: number, size: number): void {
    this.#userKey(NEWEST, key, PUT)
    this.#value(from, at, size)
  }

  delete(key: string): void {
    this.#userKey(NEWEST, key, DELETE)
  }

  tombstone(key: string, kind: number, stamp: number): void {
    allocate(HEADER)
    slab.words[offset >> 2] = headerWord0(kind, stamp)
    slab.words[(offset >> 2) + 1] = headerWord1(stamp)
    this.put(key, slab, offset, HEADER)
  }

  #historyKey(key: string, stamp: number, flags: number): void {
    const at = this.#begin(flags)
    const bytes = this.#chunk.bytes
    bytes[at] = HISTORY
    bytes[at + 1] = key.length >>> 8
    bytes[at + 2] = key.length
    bytes.latin1Write(key, at + 3)
    writeU64(bytes, at + 3 + key.length, descendingStamp(stamp))
    this.#endKey(at, 11 + key.length)
  }

  /** Keeps an older version, and notes when it becomes garbage (with this batch). */
  putHistory(key: string, stamp: number, from: Slab, at: number, size: number): void {
    this.#historyKey(key, stamp, PUT)
    this.#value(from, at, size)
    this.#garbage.push({ key, stamp })
  }

  deleteHistory(key: string, stamp: number): void {
    this.#historyKey(key, stamp, DELETE)
  }

  /** A tombstone put by this batch becomes garbage with it, too. */
  noteTombstone(key: string): void {
    this.#garbage.push({ key, stamp: 0 })
  }

  #systemKey(prefix: number, high: number, low: number, lowBytes: number, flags: number): void {
    const at = this.#begin(flags)
    const bytes = this.#chunk.bytes
    bytes[at] = prefix
    writeU64(bytes, at + 1, high)
    for (let i = 0; i < lowBytes; i++) bytes[at + 9 + i] = (low >>> (8 * (lowBytes - 1 - i))) & 0xff
    this.#endKey(at, 9 + lowBytes)
  }

  #record(value: Uint8Array): void {
    allocate(value.length)
    slab.bytes.set(value, offset)
    this.#value(slab, offset, value.length)
  }

  putStatus(transaction: number, value: Uint8Array): void {
    this.#systemKey(STATUS, transaction, 0, 0, PUT)
    this.#record(value)
  }

  deleteStatus(transaction: number): void {
    this.#systemKey(STATUS, transaction, 0, 0, DELETE)
  }

  putIntentKeys(transaction: number, part: number, value: Uint8Array): void {
    this.#systemKey(INTENT_KEYS, transaction, part, 4, PUT)
    this.#record(value)
  }

  deleteIntentKeys(transaction: number, part: number): void {
    this.#systemKey(INTENT_KEYS, transaction, part, 4, DELETE)
  }

  deleteGarbage(stamp: number, part: number): void {
    this.#systemKey(GARBAGE, stamp, part, 2, DELETE)
  }

  putSystem(name: string, value: Uint8Array): void {
    this.#userKey(SYSTEM, name, PUT)
    this.#record(value)
  }

  /** A record of a store-private environment (the directory), by its own key. */
  putRecord(key: string, value: Uint8Array): void {
    this.#userKey(NEWEST, key, PUT)
    this.#record(value)
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
      this.#systemKey(GARBAGE, stamp, part++, 2, PUT)
      this.#record(packed)
      from = to
    }
  }

  /** Closes the stream; answers its address. The batch must stay referenced until the writer is done. */
  finish(lastStamp: number): number {
    this.#flushGarbage(lastStamp)
    const stamp = Buffer.allocUnsafe(8)
    stamp.writeDoubleLE(lastStamp)
    this.putSystem('T', stamp)
    this.#chunk.words[this.#position << 1] = 0
    this.#chunk.words[(this.#position << 1) + 1] = 0
    return this.#chunks[0]!.address + 8
  }

  /** Gives the instruction memory back, when the writer has finished. */
  release(): void {
    for (const chunk of this.#chunks) if (pool.length < POOLED_CHUNKS) pool.push(chunk)
    this.#chunks.length = 0
    this.#pinned.length = 0
  }
}
