// Reading versions: from what lies at a key (newest version or intents) to the version a snapshot sees. // hot

import { descendingStamp, HEADER, HISTORY, INTENT_DELETE, INTENT_HEADER, INTENT_PUT, NEWEST, padded, VALUE, writeU64 } from './format.ts'
import type { MergedReads } from './merged-reads.ts'
import { ENTRY_KEY_AT, keyBytes, takeValue, words } from './native.ts'

const TWO_32 = 4294967296

/** A transaction some of whose writes lie in the environment as intents. */
export interface IntentOwner {
  readonly id: number
  state: 'active' | 'committed' | 'aborted'
  commitStamp: number
}

/** Reads one keyspace's versions. The fields describe the last read and last until the next. */
export class VersionReader {
  readonly #reads: MergedReads
  readonly owners = new Map<number, IntentOwner>()
  /** The visible value's bytes in the value buffer. */
  start = 0
  end = 0
  /** The newest committed version's timestamp (a deletion counts), 0 when the key was never there. */
  newestStamp = 0
  /** The live transaction whose intent covers the key, other than the reader's own. */
  foreign: IntentOwner | null = null

  constructor(reads: MergedReads) {
    this.#reads = reads
  }

  /** Finds what a snapshot sees at `key`. Answers whether there is a value: [start, end) of the value buffer. `self` 0 = no intents of one's own. */
  read(key: Uint8Array, snapshot: number, self: number): boolean {
    const size = this.#reads.loadKey(NEWEST, key)
    return this.#plain(size, snapshot) ?? this.select(key, size, snapshot, self)
  }

  /** read for a key string. */
  readString(key: string, snapshot: number, self: number): boolean {
    const size = this.#reads.loadString(NEWEST, key)
    return this.#plain(size, snapshot) ?? this.select(Buffer.from(key, 'latin1'), size, snapshot, self)
  }

  /** The common cases: nothing there, or a plain version not newer than the snapshot. Null: look closer. */
  #plain(size: number, snapshot: number): boolean | null {
    if (size < 0) {
      this.newestStamp = 0
      this.foreign = null
      return false
    }
    const all = words()
    const word0 = all[0]!
    const stamp = (word0 >>> 8) * TWO_32 + all[1]!
    const kind = word0 & 0xff
    if (kind >= INTENT_PUT || stamp > snapshot) return null
    this.newestStamp = stamp
    this.foreign = null
    this.start = HEADER
    this.end = size
    return kind === VALUE
  }

  /** Whether the transaction an intent's header names has committed at or before the snapshot. */
  committedBefore(word0: number, word1: number, snapshot: number): boolean {
    const owner = this.owners.get((word0 >>> 8) * TWO_32 + word1)
    return owner !== undefined && owner.state === 'committed' && owner.commitStamp <= snapshot
  }

  /** As read, for an entry whose stored value (of `size` bytes) is in the value buffer. */
  select(key: Uint8Array, size: number, snapshot: number, self: number): boolean {
    this.newestStamp = 0
    this.foreign = null
    let at = 0
    let end = size
    for (;;) {
      const all = words()
      const word0 = all[at >> 2]!
      const stamp = (word0 >>> 8) * TWO_32 + all[(at >> 2) + 1]!
      const kind = word0 & 0xff
      if (kind < INTENT_PUT) {
        if (this.newestStamp === 0) this.newestStamp = stamp
        if (stamp <= snapshot) {
          this.start = at + HEADER
          this.end = end
          return kind === VALUE
        }
        return this.#history(key, snapshot)
      }
      const covered = all[(at >> 2) + 2]!
      if (stamp === self) {
        if (kind === INTENT_PUT || kind === INTENT_DELETE) {
          this.start = at + INTENT_HEADER + padded(covered)
          this.end = end
          return kind === INTENT_PUT
        }
      } else {
        const owner = this.owners.get(stamp)
        if (owner !== undefined && owner.state === 'active') this.foreign = owner
        else if (owner !== undefined && owner.state === 'committed' && (kind === INTENT_PUT || kind === INTENT_DELETE)) {
          if (this.newestStamp === 0) this.newestStamp = owner.commitStamp
          if (owner.commitStamp <= snapshot) {
            this.start = at + INTENT_HEADER + padded(covered)
            this.end = end
            return kind === INTENT_PUT
          }
        }
      }
      if (covered === 0) return false
      at += INTENT_HEADER
      end = at + covered
    }
  }

  /** The version of `key` at or before `snapshot` among those moved aside. */
  #history(key: Uint8Array, snapshot: number): boolean {
    const length = key.length
    keyBytes[0] = HISTORY
    keyBytes[1] = length >>> 8
    keyBytes[2] = length
    keyBytes.set(key, 3)
    writeU64(keyBytes, 3 + length, descendingStamp(snapshot))
    const size = 11 + length
    if (this.#reads.seek(size) !== size) return false
    const found = keyBytes
    if (found[ENTRY_KEY_AT] !== HISTORY || found[ENTRY_KEY_AT + 1] !== length >>> 8 || found[ENTRY_KEY_AT + 2] !== (length & 0xff))
      return false
    for (let i = 0; i < length; i++) if (found[ENTRY_KEY_AT + 3 + i] !== key[i]) return false
    this.start = HEADER
    this.end = this.#reads.seekValueSize()
    return (words()[0]! & 0xff) === VALUE
  }

  /** What the last read found, to keep; may be asked once. */
  take(): Buffer {
    return takeValue(this.start, this.end)
  }
}
