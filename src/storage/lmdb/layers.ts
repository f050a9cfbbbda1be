// What lies at a key when something is to be written over it: the committed versions that must be moved aside, and intents.
// Invariant of the format: an intent covers only intents of the same transaction or one plain version. // hot

import {
  HEADER,
  headerWord0,
  headerWord1,
  INTENT_DELETE,
  INTENT_HEADER,
  INTENT_PUT,
  isIntent,
  kindOf,
  NEWEST,
  padded,
  stampOf,
  TOMBSTONE,
  VALUE,
} from './format.ts'
import { Gap, type MergedReads } from './merged-reads.ts'
import { value, words } from './native.ts'
import { allocate, offset, type Slab, slab } from './slab.ts'
import type { IntentOwner, VersionReader } from './versions.ts'
import type { WriteBatch } from './write-batch.ts'

/** Reads what lies at one key; the fields describe it until the next read. Offsets are into the value buffer. */
export class Layers {
  readonly #reads: MergedReads
  readonly #owners: VersionReader['owners']
  readonly #gap = new Gap()
  size = -1
  /** The transaction id of the intents on top, 0 when there are none. */
  intents = 0
  owner: IntentOwner | null = null
  /** The effective operation of the intents: INTENT_PUT, INTENT_DELETE, or 0 when they are only locks. */
  operation = 0
  operationStart = 0
  operationEnd = 0
  /** The position the topmost intent was written at. */
  position = 0
  /** What the topmost intent covers. */
  coveredStart = 0
  coveredEnd = 0
  /** The plain version below: VALUE, TOMBSTONE or 0. */
  plain = 0
  plainStamp = 0
  plainStart = 0
  plainEnd = 0

  constructor(reads: MergedReads, owners: VersionReader['owners']) {
    this.#reads = reads
    this.#owners = owners
  }

  read(key: string): void {
    const size = this.#reads.absent(key, this.#gap) ? -1 : this.#reads.loadString(NEWEST, key)
    this.size = size
    this.intents = 0
    this.owner = null
    this.operation = 0
    this.plain = 0
    if (size < 0) return
    const all = words()
    let at = 0
    let end = size
    for (;;) {
      const word0 = all[at >> 2]!
      const kind = kindOf(word0)
      const stamp = stampOf(word0, all[(at >> 2) + 1]!)
      if (!isIntent(kind)) {
        this.plain = kind
        this.plainStamp = stamp
        this.plainStart = at
        this.plainEnd = end
        return
      }
      const covered = all[(at >> 2) + 2]!
      if (this.intents === 0) {
        this.intents = stamp
        this.owner = this.#owners.get(stamp) ?? null
        this.position = all[(at >> 2) + 3]!
        this.coveredStart = at + INTENT_HEADER
        this.coveredEnd = at + INTENT_HEADER + covered
      }
      if (this.operation === 0 && (kind === INTENT_PUT || kind === INTENT_DELETE)) {
        this.operation = kind
        this.operationStart = at + INTENT_HEADER + padded(covered)
        this.operationEnd = end
      }
      if (covered === 0) return
      at += INTENT_HEADER
      end = at + covered
    }
  }

  /** The part of the stored value that was there at `position` of the transaction whose intents are on top: empty when nothing was. */
  uncover(position: number): [start: number, end: number] {
    const all = words()
    let at = 0
    let end = this.size
    while (at < end) {
      if (!isIntent(kindOf(all[at >> 2]!)) || all[(at >> 2) + 3]! <= position) return [at, end]
      const covered = all[(at >> 2) + 2]!
      at += INTENT_HEADER
      end = at + covered
    }
    return [0, 0]
  }

  /** True when the intents on top are those of a committed transaction and change the value. */
  get committedChange(): boolean {
    return this.owner !== null && this.owner.state === 'committed' && this.operation !== 0
  }

  /**
   * Moves every committed version at the key into history: something newer is about to stand there. A version must get there once only, when
   * it is superseded: the note for the garbage collector that goes with it says since when nobody new can need it.
   */
  moveAside(key: string, batch: WriteBatch): void {
    this.movePlainAside(key, batch)
    if (!this.committedChange) return
    const stamp = this.owner!.commitStamp
    if (this.operation === INTENT_PUT) this.copyVersion(VALUE, stamp, this.operationStart, this.operationEnd)
    else this.copyVersion(TOMBSTONE, stamp, 0, 0)
    batch.putHistory(key, stamp, slab, offset, this.copied)
  }

  /** Only the plain version, which a finished intent has superseded. */
  movePlainAside(key: string, batch: WriteBatch): void {
    if (this.plain === 0) return
    this.copyStored(this.plainStart, this.plainEnd)
    batch.putHistory(key, this.plainStamp, slab, offset, this.copied)
  }

  /** Size of what the last copy put at `slab`, `offset`. */
  copied = 0

  copyVersion(kind: number, stamp: number, start: number, end: number): void {
    const size = HEADER + end - start
    allocate(size)
    const into: Slab = slab
    into.words[offset >> 2] = headerWord0(kind, stamp)
    into.words[(offset >> 2) + 1] = headerWord1(stamp)
    if (end > start) value().copy(into.bytes, offset + HEADER, start, end)
    this.copied = size
  }

  copyStored(start: number, end: number): void {
    allocate(end - start)
    value().copy(slab.bytes, offset, start, end)
    this.copied = end - start
  }

  /** Puts what the key holds once the finished intents on top of it are settled. */
  settle(key: string, batch: WriteBatch): void {
    if (this.committedChange) {
      const stamp = this.owner!.commitStamp
      const put = this.operation === INTENT_PUT
      this.copyVersion(put ? VALUE : TOMBSTONE, stamp, put ? this.operationStart : 0, put ? this.operationEnd : 0)
      batch.put(key, slab, offset, this.copied)
      if (!put) batch.noteTombstone(key)
      this.movePlainAside(key, batch)
      return
    }
    if (this.plain === 0) batch.delete(key)
    else {
      this.copyStored(this.plainStart, this.plainEnd)
      batch.put(key, slab, offset, this.copied)
    }
  }
}
