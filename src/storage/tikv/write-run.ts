// A sorted piece of a transaction's writes in a temporary file: written once in key order, then read by key or in order. In memory stay where each
// block begins and a Bloom filter, about 2 bytes for each key.
//
// Entry: u8 flags, u16 length of the key, u32 length of the value, key, value. Blocks end at entries.

import { ByteWriter } from '../../base/bytes.ts'
import { TemporaryFile } from '../../base/temporary-file.ts'
import { KvError } from '../kv-error.ts'
import { lowerBound } from '../lower-bound.ts'

export interface WriteEntry {
  readonly key: Buffer
  /** The key's bytes as a latin1 string. */
  readonly name: string
  /** Null: deleted. */
  readonly value: Buffer | null
  /** The key did not exist before this transaction, which is still to be checked at the commit. */
  readonly unchecked: boolean
  /** Nothing is written here (any more), whatever older entries of the key say. */
  readonly absent: boolean
}

const BLOCK_BYTES = 16 * 1024
const FLUSH_BYTES = 512 * 1024
const HEADER_BYTES = 7
const HAS_VALUE = 1
const UNCHECKED = 2
const ABSENT = 4
const BITS_PER_KEY = 10
const PROBES = 6

/** A temporary file in `dir`. Its failures: KvError 'diskFull' or 'unavailable'. */
export function openWriteFile(dir: string): TemporaryFile {
  return new TemporaryFile(dir, (what, error, isFull) => {
    const why = isFull ? 'no space left on device' : error.message
    return new KvError(isFull ? 'diskFull' : 'unavailable', `could not ${what} a transaction's temporary file: ${why}`, { cause: error })
  })
}

/** Two 32-bit hashes of a name, for the filters of all runs. */
export function nameHash(name: string): readonly [number, number] {
  let a = 0x811c9dc5
  let b = 0x9747b28c
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x5bd1e995) ^ (b >>> 15)
  }
  return [a, b | 1]
}

/** Says of most names that are not in a set that they are not. */
class BloomFilter {
  readonly #bits: Uint32Array
  readonly #size: number

  constructor(names: number) {
    this.#size = Math.max(64, names * BITS_PER_KEY)
    this.#bits = new Uint32Array(Math.ceil(this.#size / 32))
  }

  add([a, b]: readonly [number, number]): void {
    for (let i = 0; i < PROBES; i++) {
      const bit = ((a + i * b) >>> 0) % this.#size
      this.#bits[bit >>> 5]! |= 1 << (bit & 31)
    }
  }

  mayHave([a, b]: readonly [number, number]): boolean {
    for (let i = 0; i < PROBES; i++) {
      const bit = ((a + i * b) >>> 0) % this.#size
      if ((this.#bits[bit >>> 5]! & (1 << (bit & 31))) === 0) return false
    }
    return true
  }
}

export function encodeEntry(to: ByteWriter, { key, value, unchecked, absent }: WriteEntry): void {
  to.u8((value === null ? 0 : HAS_VALUE) | (unchecked ? UNCHECKED : 0) | (absent ? ABSENT : 0))
  to.u16(key.length)
  to.u32(value === null ? 0 : value.length)
  to.bytes(key)
  if (value !== null) to.bytes(value)
}

/** A block, and where its names stand in it. */
interface Block {
  readonly bytes: Buffer
  readonly names: readonly string[]
  readonly places: readonly number[]
}

function parseBlock(bytes: Buffer): Block {
  const names: string[] = []
  const places: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const keyAt = at + HEADER_BYTES
    const keyEnd = keyAt + bytes.readUInt16BE(at + 1)
    names.push(bytes.latin1Slice(keyAt, keyEnd))
    places.push(at)
    at = keyEnd + bytes.readUInt32BE(at + 3)
  }
  return { bytes, names, places }
}

/** The entry at `at`, in buffers of its own. */
export function decodeEntry(block: Buffer, at: number): { entry: WriteEntry; end: number } {
  const flags = block[at]!
  const keyAt = at + HEADER_BYTES
  const valueAt = keyAt + block.readUInt16BE(at + 1)
  const end = valueAt + block.readUInt32BE(at + 3)
  const key = Buffer.from(block.subarray(keyAt, valueAt))
  return {
    entry: {
      key,
      name: key.latin1Slice(),
      value: (flags & HAS_VALUE) === 0 ? null : Buffer.from(block.subarray(valueAt, end)),
      unchecked: (flags & UNCHECKED) !== 0,
      absent: (flags & ABSENT) !== 0,
    },
    end,
  }
}

/** One run, once it is written. */
export class WriteRun {
  readonly count: number
  /** How many times its entries were merged. */
  readonly level: number
  readonly #file: TemporaryFile
  /** The first name of each block, and where it begins. */
  readonly #firsts: readonly string[]
  readonly #offsets: readonly number[]
  readonly #filter: BloomFilter
  /** The block that `get` read last: keys are often asked for in order. */
  #last: Block | null = null
  #lastIndex = -1

  constructor(
    file: TemporaryFile,
    parts: {
      readonly count: number
      readonly level: number
      readonly firsts: readonly string[]
      readonly offsets: readonly number[]
      readonly filter: BloomFilter
    },
  ) {
    this.#file = file
    this.count = parts.count
    this.level = parts.level
    this.#firsts = parts.firsts
    this.#offsets = parts.offsets
    this.#filter = parts.filter
  }

  get bytes(): number {
    return this.#file.size
  }

  #read(index: number): Block {
    const at = this.#offsets[index]!
    return parseBlock(this.#file.read(at, (this.#offsets[index + 1] ?? this.#file.size) - at))
  }

  /** The block that holds the first name that is not below `name`, or the one before it. */
  #blockOf(name: string): number {
    const at = lowerBound(this.#firsts, name)
    return this.#firsts[at] === name ? at : Math.max(0, at - 1)
  }

  /** `hash`: of the name. */
  get(name: string, hash: readonly [number, number]): WriteEntry | undefined {
    if (!this.#filter.mayHave(hash)) return undefined
    const index = this.#blockOf(name)
    if (this.#lastIndex !== index) {
      this.#last = this.#read(index)
      this.#lastIndex = index
    }
    const { bytes, names, places } = this.#last!
    const at = lowerBound(names, name)
    return names[at] === name ? decodeEntry(bytes, places[at]!).entry : undefined
  }

  /** Entries of names in [low, high), ascending or descending. */
  *entries(low: string, high: string | null, reverse: boolean): Generator<WriteEntry, undefined> {
    const last = high === null ? this.#firsts.length - 1 : this.#blockOf(high)
    const first = this.#blockOf(low)
    for (let index = reverse ? last : first; reverse ? index >= first : index <= last; index += reverse ? -1 : 1) {
      const { bytes, names, places } = this.#read(index)
      const from = index === first ? lowerBound(names, low) : 0
      const to = index === last && high !== null ? lowerBound(names, high) : names.length
      for (let n = 0; n < to - from; n++) yield decodeEntry(bytes, places[reverse ? to - 1 - n : from + n]!).entry
    }
  }

  close(): void {
    this.#file.close()
  }
}

/** Writes `entries`, which come in order, about `expected` of them. */
export async function writeRun(dir: string, entries: Iterable<WriteEntry>, expected: number, level: number): Promise<WriteRun> {
  const file = openWriteFile(dir)
  try {
    const firsts: string[] = []
    const offsets: number[] = []
    const filter = new BloomFilter(expected)
    const pending = new ByteWriter(FLUSH_BYTES + BLOCK_BYTES)
    let blockEnd = 0
    let count = 0
    for (const entry of entries) {
      const at = file.size + pending.length
      if (at >= blockEnd) {
        firsts.push(entry.name)
        offsets.push(at)
        blockEnd = at + BLOCK_BYTES
      }
      filter.add(nameHash(entry.name))
      encodeEntry(pending, entry)
      count++
      if (pending.length >= FLUSH_BYTES) {
        await file.appendLater(pending.view())
        pending.reset()
      }
    }
    await file.appendLater(pending.view())
    return new WriteRun(file, { count, level, firsts, offsets, filter })
  } catch (error) {
    file.close()
    throw error
  }
}
