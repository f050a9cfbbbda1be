// The one file that touches lmdb-js, and only its native classes: its JavaScript front costs an object per entry and shows commits early.
// Invariant: environments are opened without overlappingSync, so LMDB publishes a write transaction only after fdatasync of its pages and a
// synchronous write of its meta page: what a reader can see is durable. // hot

import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import * as lmdb from 'lmdb'
import { copyOf } from '../../base/bytes.ts'
import { KvError } from '../kv-error.ts'

interface NativeEnv {
  address: number
  open(options: object, flags: number, jsFlags: number): number | undefined
  close(): void
  beginTxn(flags: number): void
  abortTxn(): void
  startWriting(address: number, done: (status: number) => void): void
  info(): { mapSize: number; lastPageNumber: number; lastTxnId: number }
  stat(): { pageSize: number; entryCount: number }
  readerCheck(): number
  readerList(): string[]
}
interface NativeTxn {
  address: number
  abort(): void
  renew(): void
}
interface NativeDbi {
  address: number
  dbi: number
  stat(): { pageSize: number; treeBranchPageCount: number; treeLeafPageCount: number; overflowPages: number }
}
interface NativeCursor {
  address: number
  close(): void
}
interface Native {
  Env: new () => NativeEnv
  Txn: new (env: NativeEnv, flags: number) => NativeTxn
  Dbi: new (env: NativeEnv, flags: number, name: string | null, keyType: number, compression: null) => NativeDbi
  Cursor: new (dbi: NativeDbi, txnAddress: number) => NativeCursor
  globalBuffer: Buffer
  setGlobalBuffer(buffer: Buffer): void
  getBufferAddress(buffer: Uint8Array): number
  getByBinary(dbi: number, keySize: number, ifNotTxnId: number, txn: number): number
  position(cursor: number, flags: number, offset: number, keySize: number, endKey: number): number
  iterate(cursor: number): number
  getCurrentValue(cursor: number): number
  resetTxn(txn: number): void
}
// exported for other front ends, but not in the package's types
const native = (lmdb as unknown as { nativeAddon: Native }).nativeAddon

const NO_SUBDIR = 0x4000
const NO_READ_AHEAD = 0x800000
const READ_ONLY_TXN = 0x20000
const BINARY_KEYS = 3
/** Address space reserved per open environment, so that the map need not move as the file grows (lmdb-js grows it beyond when it must). */
const MAP_BYTES = 64 * 1024 ** 3
const CREATE = 0x40000

const INCLUDE_VALUES = 0x100
const REVERSE = 0x400
const RENEW_CURSOR = 0x2000
const INCLUSIVE_END = 0x8000
const EXCLUSIVE_START = 0x10000

const NOT_FOUND = -30798
const LARGE = -30001
const OVERFLOW = -30000
const ENTRY_KEY = 32

/** Room for one LMDB key of 4 KiB pages, our prefix included. */
export const MAX_ENV_KEY = 1978

/** Where LMDB reads a key it is given and writes the key of an entry it found (at ENTRY_KEY_AT). Shared by all environments: one thread. */
export const keyBytes = Buffer.allocUnsafeSlow(4096)
const keyWords = new Uint32Array(keyBytes.buffer, 0, 1024)
export const ENTRY_KEY_AT = ENTRY_KEY
/** keyBytes as 32-bit words; the entry key starts at word ENTRY_KEY_AT / 4. */
export const entryKeyWords = keyWords

const endKey = Buffer.allocUnsafeSlow(4096)
const endKeyWords = new Uint32Array(endKey.buffer, 0, 1024)
const endKeyAddress = native.getBufferAddress(endKey)

const smallValue = native.globalBuffer
const smallWords = new Uint32Array(smallValue.buffer, smallValue.byteOffset, smallValue.length >> 2)
let valueBuffer = smallValue
let valueWords = smallWords

/** The bytes of the value read last; until the next read. */
export const value = (): Buffer => valueBuffer
export const words = (): Uint32Array => valueWords

function useValueBuffer(buffer: Buffer): void {
  valueBuffer = buffer
  valueWords = new Uint32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2)
  native.setGlobalBuffer(buffer)
}

/** Gives back the room that one large value needed. */
export function shrinkValueBuffer(): void {
  if (valueBuffer === smallValue) return
  valueBuffer = smallValue
  valueWords = smallWords
  native.setGlobalBuffer(smallValue)
}

/** Bytes [start, end) of the value read last, to keep; nobody may ask for that value again. A large one is handed over with its room. */
export function takeValue(start: number, end: number): Buffer {
  const from = valueBuffer
  if (from === smallValue || (end - start) * 2 < from.length) return copyOf(from, start, end)
  shrinkValueBuffer()
  return from.subarray(start, end)
}

/** Makes bytes of elsewhere the value read last. */
export function showValue(from: Buffer, at: number, size: number): void {
  if (size > valueBuffer.length) useValueBuffer(Buffer.allocUnsafeSlow(size + 8))
  if (size <= 64) for (let i = 0; i < size; i++) valueBuffer[i] = from[at + i]!
  else from.copy(valueBuffer, 0, at, at + size)
}

/** Makes a key and value of elsewhere the entry found last; answers the key's size. */
export function showEntry(prefix: number, key: string, from: Buffer, at: number, size: number): number {
  showValue(from, at, size)
  keyWords[0] = size
  keyWords[1] = 0
  keyBytes[ENTRY_KEY] = prefix
  return keyBytes.latin1Write(key, ENTRY_KEY + 1) + 1
}

export const addressOf = (buffer: Uint8Array): number => native.getBufferAddress(buffer)

const MAP_FULL = -30792
const CORRUPTED = new Set([-30796, -30797, -30793, -30794, -30785])
/** ENOSPC, EFBIG, EDQUOT. */
const NO_SPACE = new Set([28, 27, 122])

export const isNoSpace = (errno: number): boolean => NO_SPACE.has(Math.abs(errno))

const IO_ERROR = 5
const ALMOST_FULL_BYTES = 16 * 1024 * 1024

function almostFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize < ALMOST_FULL_BYTES
}

const PANIC = -30795
/** Codes after which LMDB refuses to write until the environment is opened anew. */
export const isFatal = (code: number): boolean => code === PANIC || CORRUPTED.has(code)

/** LMDB's or the system's return code as a KvError. */
export function lmdbFailure(code: number, what: string, path?: string): KvError {
  // a write that stopped half-way for want of room comes as an I/O error
  if (code === IO_ERROR && path !== undefined && almostFull(path)) return new KvError('diskFull', `${what}: no space left on device`)
  if (code === MAP_FULL) return new KvError('diskFull', `${what}: the keyspace has reached its largest size`)
  if (isNoSpace(code)) return new KvError('diskFull', `${what}: no space left on device`)
  if (CORRUPTED.has(code)) return new KvError('corrupt', `${what}: the environment is damaged (LMDB code ${code})`)
  return new KvError('unavailable', `${what}: LMDB code ${code}`)
}

/** What the file system or LMDB threw while an environment was made or opened, as a KvError; anything else as it is. */
export function openFailure(error: unknown, path: string): unknown {
  if (error instanceof KvError || !(error instanceof Error)) return error
  const { errno, code } = error as { errno?: unknown; code?: unknown }
  const status = typeof errno === 'number' ? -errno : code
  return typeof status === 'number' ? lmdbFailure(status, `cannot open ${path}`, dirname(path)) : error
}

/** Whoever comes too late: LMDB itself would read memory that is given back. */
const closed = (path: string): KvError => new KvError('unavailable', `the environment ${path} is closed`)

export class Environment {
  readonly path: string
  readonly #env: NativeEnv
  readonly #dbi: NativeDbi
  readonly #txn: NativeTxn
  readonly #scan: NativeCursor
  readonly #seek: NativeCursor
  readonly #dbiAddress: number
  readonly #txnAddress: number
  readonly dbi: number
  #open = true
  /** Write transactions under way (0 or 1). */
  #writing = false
  /** Known until the next write transaction; -1 when not. */
  #liveBytes = -1

  constructor(path: string) {
    this.path = path
    this.#env = new native.Env()
    this.#env.open({ path, mapSize: MAP_BYTES, maxDbs: 1, maxReaders: 16, keyBytes }, NO_SUBDIR | NO_READ_AHEAD, 0)
    this.#env.beginTxn(2)
    try {
      this.#dbi = new native.Dbi(this.#env, CREATE, null, BINARY_KEYS, null)
    } finally {
      this.#env.abortTxn()
    }
    this.#txn = new native.Txn(this.#env, READ_ONLY_TXN)
    this.#scan = new native.Cursor(this.#dbi, this.#txn.address)
    this.#seek = new native.Cursor(this.#dbi, this.#txn.address)
    this.#dbiAddress = this.#dbi.address
    this.#txnAddress = this.#txn.address
    this.dbi = this.#dbi.dbi
  }

  /** Loads the value under the first `keySize` bytes of keyBytes into the value buffer; answers its size, or -1. */
  load(keySize: number): number {
    if (!this.#open) throw closed(this.path)
    const size = native.getByBinary(this.#dbiAddress, keySize, 0, this.#txnAddress)
    if (size >= 0 && size <= valueBuffer.length) return size
    if (size === NOT_FOUND) return -1
    return this.#loadLarge(keySize, size)
  }

  /** The value loaded last, as a little-endian double. */
  double(): number {
    return valueBuffer.readDoubleLE(0)
  }

  #loadLarge(keySize: number, answer: number): number {
    if (answer < 0 && answer !== LARGE && answer !== OVERFLOW) throw lmdbFailure(answer, 'read')
    const key = Buffer.from(keyBytes.subarray(0, keySize))
    const size = answer > 0 ? answer : keyWords[0]!
    useValueBuffer(Buffer.allocUnsafeSlow(size + 8))
    // the answer overwrote the head of the key buffer; with LARGE the key is gone, so callers keep keys of large values in `retry`
    if (answer < 0) this.#retryHead.copy(key)
    keyBytes.set(key, 0)
    const again = native.getByBinary(this.#dbiAddress, keySize, 0, this.#txnAddress)
    if (again < 0) throw lmdbFailure(again, 'read')
    return again
  }

  readonly #retryHead = Buffer.alloc(12)

  /** load for a key given as bytes behind a one-byte prefix. */
  loadKey(prefix: number, key: Uint8Array): number {
    if (!this.#open) throw closed(this.path)
    keyBytes[0] = prefix
    const length = key.length
    if (length <= 48) for (let i = 0; i < length; i++) keyBytes[i + 1] = key[i]!
    else keyBytes.set(key, 1)
    const size = native.getByBinary(this.#dbiAddress, length + 1, 0, this.#txnAddress)
    if (size >= 0 && size <= valueBuffer.length) return size
    if (size === NOT_FOUND) return -1
    this.#keepHead(prefix, key)
    return this.#loadLarge(length + 1, size)
  }

  /** loadKey for a latin1 key string. */
  loadString(prefix: number, key: string): number {
    if (!this.#open) throw closed(this.path)
    keyBytes[0] = prefix
    const length = keyBytes.latin1Write(key, 1)
    const size = native.getByBinary(this.#dbiAddress, length + 1, 0, this.#txnAddress)
    if (size >= 0 && size <= valueBuffer.length) return size
    if (size === NOT_FOUND) return -1
    this.#keepHead(prefix, Buffer.from(key, 'latin1'))
    return this.#loadLarge(length + 1, size)
  }

  #keepHead(prefix: number, key: Uint8Array): void {
    this.#retryHead[0] = prefix
    this.#retryHead.set(key.subarray(0, 11), 1)
  }

  /** Sets where the scan ends; for `seek` and `first` alike. */
  setEnd(prefix: number, key: Uint8Array): void {
    endKeyWords[0] = key.length + 1
    endKey[4] = prefix
    endKey.set(key, 5)
  }

  /**
   * Positions the scan cursor from keyBytes[0, keySize): forward at that key or behind it (`exclusive`), backward at or before it. The end set
   * by setEnd is exclusive forward, inclusive backward. Answers the entry's key size (key in keyBytes from ENTRY_KEY_AT), 0 at the end.
   */
  first(keySize: number, reverse: boolean, exclusive: boolean): number {
    if (!this.#open) throw closed(this.path)
    const flags = INCLUDE_VALUES | RENEW_CURSOR | (reverse ? REVERSE | INCLUSIVE_END : 0) | (exclusive ? EXCLUSIVE_START : 0)
    return this.#entry(native.position(this.#scan.address, flags, 0, keySize, endKeyAddress))
  }

  next(): number {
    if (!this.#open) throw closed(this.path)
    return this.#entry(native.iterate(this.#scan.address))
  }

  /** The entry that first or next answered, once more. */
  current(): number {
    if (!this.#open) throw closed(this.path)
    return this.#entry(native.getCurrentValue(this.#scan.address))
  }

  #entry(keySize: number): number {
    if (keySize < 0) {
      if (keySize === NOT_FOUND) return 0
      throw lmdbFailure(keySize, 'scan')
    }
    return keySize
  }

  /** Size of the value of the entry that first or next answered; loads it if it did not fit. */
  entryValueSize(): number {
    if (!this.#open) throw closed(this.path)
    const size = keyWords[0]!
    if (size <= valueBuffer.length && keyWords[1] === 0) return size
    useValueBuffer(Buffer.allocUnsafeSlow(size + 8))
    const answer = native.getCurrentValue(this.#scan.address)
    if (answer <= 0) throw lmdbFailure(answer, 'scan')
    return keyWords[0]!
  }

  /** The first entry at or after keyBytes[0, keySize), by a cursor of its own: a scan under way is not disturbed. Key size, or 0. */
  seek(keySize: number): number {
    if (!this.#open) throw closed(this.path)
    const found = native.position(this.#seek.address, INCLUDE_VALUES | RENEW_CURSOR, 0, keySize, 0)
    if (found < 0) {
      if (found === NOT_FOUND) return 0
      throw lmdbFailure(found, 'seek')
    }
    const size = keyWords[0]!
    if (found > 0 && (size > valueBuffer.length || keyWords[1] !== 0)) {
      useValueBuffer(Buffer.allocUnsafeSlow(size + 8))
      if (native.getCurrentValue(this.#seek.address) <= 0) throw lmdbFailure(-1, 'seek')
    }
    return found
  }

  /** The value size seek answered. */
  seekValueSize(): number {
    return keyWords[0]!
  }

  /** Lets go of the read snapshot: the next read sees the newest commit. */
  renew(): void {
    if (!this.#open) throw closed(this.path)
    native.resetTxn(this.#txnAddress)
  }

  /** Runs an instruction stream as one durable LMDB transaction on a thread of the pool; `done` gets 0 or LMDB's code. */
  write(address: number, done: (status: number) => void): void {
    if (!this.#open) throw closed(this.path)
    this.#writing = true
    this.#env.startWriting(address, (status) => {
      this.#writing = false
      this.#liveBytes = -1
      this.renew()
      done(status)
    })
  }

  /** Bytes of the pages that hold data now; the file may be larger by pages that were freed and wait for use. */
  liveBytes(): number {
    if (!this.#open) throw closed(this.path)
    if (this.#liveBytes >= 0) return this.#liveBytes
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = this.#dbi.stat()
    this.#liveBytes = (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize
    return this.#liveBytes
  }

  /** Bytes of the file in use, as LMDB counts pages. */
  bytesUsed(): number {
    if (!this.#open) throw closed(this.path)
    return (this.#env.info().lastPageNumber + 1) * this.#env.stat().pageSize
  }

  /** Entries in the environment: newest versions, older ones and the store's own few. */
  entries(): number {
    if (!this.#open) throw closed(this.path)
    return this.#env.stat().entryCount
  }

  /** Process ids holding a reader slot, dead ones cleared first. */
  readers(): number[] {
    if (!this.#open) throw closed(this.path)
    this.#env.readerCheck()
    const pids: number[] = []
    for (const line of this.#env.readerList().join('').split('\n')) {
      const match = /^\s*(\d+)\s/.exec(line)
      if (match !== null) pids.push(Number(match[1]))
    }
    return pids
  }

  get isOpen(): boolean {
    return this.#open
  }

  close(): void {
    if (!this.#open) return
    if (this.#writing) throw new KvError('unavailable', 'an environment with a write under way cannot be closed')
    this.#open = false
    this.#scan.close()
    this.#seek.close()
    this.#txn.abort()
    this.#env.close()
  }
}
