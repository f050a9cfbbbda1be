// The catalogue as one user transaction sees and changes it: what is committed, with its own changes above. Changes go into the user's
// transaction (they commit and roll back with the data) and into an overlay here that answers look-ups; a log undoes them at a savepoint.

import { CancelToken } from '../base/cancel.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer, type Slicer } from '../base/slicer.ts'
import { lowerBound } from '../storage/lower-bound.ts'
import type { Transaction } from '../storage/store.ts'
import type { CatalogImage, ObjectEntry } from './images.ts'
import { OBJECT_PREFIX } from './keys.ts'
import { type CatalogValue, decodeValue, encodeValue } from './records.ts'
import type { CatalogEntry, CatalogSpace } from './space.ts'
import { isTemporaryKey, overlaid, TemporaryCatalog } from './temporary.ts'

let serial = 0

/** Where look-ups read: the committed catalogue alone, or with a transaction's changes. */
export interface CatalogReader {
  readonly version: string
  /** What was computed from the catalogue as this reader sees it, and keeps step with it. */
  readonly image: CatalogImage
  /** The reader that sees the same but for these keys; null where none is kept. */
  readonly below: CatalogReader | null
  readonly ownKeys: readonly string[]
  get(key: string): CatalogValue | null
  fetch(key: string): MaybePromise<CatalogValue | null>
  scan(prefix: string): MaybePromise<CatalogEntry[]>
  /** All objects in key order. */
  objects(): MaybePromise<readonly ObjectEntry[]>
  /** As `get`, without the transaction's own changes. */
  committedValue(key: string): CatalogValue | null
}

const NO_KEYS: readonly string[] = []

/** What is committed: the keyspace's, and the session's own temporary objects. */
export function committedReader(space: CatalogSpace, temporary = new TemporaryCatalog()): CatalogReader {
  const get = (key: string): CatalogValue | null => (isTemporaryKey(key) ? temporary.get(key) : space.get(key))
  let below: CatalogReader | null = null
  let own: { image: CatalogImage; version: string } | null = null
  return {
    get image() {
      if (temporary.isEmpty) {
        own?.image.forget()
        own = null
        return space.images.committed
      }
      own ??= { image: space.images.another(), version: temporary.version }
      if (own.version !== temporary.version) {
        own.image.forget()
        own.version = temporary.version
      }
      return own.image
    },
    get below() {
      if (temporary.isEmpty) return null
      below ??= committedReader(space)
      return below
    },
    get ownKeys() {
      return temporary.isEmpty ? NO_KEYS : temporary.keys
    },
    get version() {
      return temporary.isEmpty ? space.versionText : space.versionText + temporary.version
    },
    get,
    committedValue: get,
    fetch: (key) => (isTemporaryKey(key) ? temporary.get(key) : space.fetch(key)),
    scan: (prefix) => {
      if (isTemporaryKey(prefix)) return temporary.overlaid([], prefix)
      return andThen(space.scan(prefix), (rows) => temporary.overlaid(rows, prefix))
    },
    objects: () =>
      andThen(space.objects(), (rows) => (temporary.isEmpty ? rows : (temporary.overlaid([...rows], OBJECT_PREFIX) as ObjectEntry[]))),
  }
}

/** How long DDL waits for another transaction's change of the same object, when lock_timeout says nothing: the store's own limit. */
const NO_TIMEOUT = 0

export class CatalogTransaction implements CatalogReader {
  readonly space: CatalogSpace
  readonly txn: Transaction
  readonly #serial = ++serial
  #changes = 0
  readonly #committed: CatalogReader
  readonly #temporary: TemporaryCatalog
  readonly #overlay = new Map<string, CatalogValue | null>()
  /** The overlay's keys in order. */
  #overlayKeys: string[] = []
  /** Of the catalogue with this transaction's changes; none before somebody has looked. */
  #image: CatalogImage | null = null
  /** Long definitions give way between their steps. */
  readonly #slicer: Slicer
  readonly #log: { key: string; previous: CatalogValue | null | undefined }[] = []
  lockTimeoutMs = NO_TIMEOUT

  constructor(space: CatalogSpace, txn: Transaction, temporary = new TemporaryCatalog(), cancel = new CancelToken()) {
    this.#slicer = makeSlicer({ cancel })
    this.space = space
    this.txn = txn
    this.#temporary = temporary
    this.#committed = committedReader(space, temporary)
  }

  /** True once this transaction changed the catalogue. */
  get changed(): boolean {
    return this.#overlay.size > 0
  }

  get image(): CatalogImage {
    if (this.#overlay.size === 0) return this.#committed.image
    this.#image ??= this.space.images.another()
    return this.#image
  }

  get below(): CatalogReader | null {
    return this.#overlay.size === 0 ? this.#committed.below : this.#committed
  }

  get ownKeys(): readonly string[] {
    return this.#overlay.size === 0 ? this.#committed.ownKeys : this.#overlayKeys
  }

  get version(): string {
    return this.#overlay.size === 0 ? this.#committed.version : `${this.#committed.version}+${this.#serial}.${this.#changes}`
  }

  get(key: string): CatalogValue | null {
    const own = this.#overlay.get(key)
    return own !== undefined ? own : this.#committed.get(key)
  }

  committedValue(key: string): CatalogValue | null {
    return this.#committed.get(key)
  }

  fetch(key: string): MaybePromise<CatalogValue | null> {
    const own = this.#overlay.get(key)
    return own !== undefined ? own : this.#committed.fetch(key)
  }

  scan(prefix: string): MaybePromise<CatalogEntry[]> {
    const committed = this.#committed.scan(prefix)
    const own = this.#own(prefix)
    return own === null ? committed : andThen(committed, (rows) => overlaid(rows, own, prefix))
  }

  objects(): MaybePromise<readonly ObjectEntry[]> {
    const own = this.#own(OBJECT_PREFIX)
    const committed = this.#committed.objects()
    return own === null ? committed : andThen(committed, (rows) => overlaid([...rows], own, OBJECT_PREFIX) as ObjectEntry[])
  }

  /** This transaction's changes under a prefix. */
  #own(prefix: string): ReadonlyMap<string, CatalogValue | null> | null {
    let found: Map<string, CatalogValue | null> | null = null
    const keys = this.#overlayKeys
    for (let at = lowerBound(keys, prefix); at < keys.length && keys[at]!.startsWith(prefix); at++) {
      found ??= new Map()
      found.set(keys[at]!, this.#overlay.get(keys[at]!)!)
    }
    return found
  }

  /** Locks the key and answers its newest value: the base of a change. */
  async lock(key: string): Promise<CatalogValue | null> {
    const own = this.#overlay.get(key)
    if (own !== undefined) return own
    if (isTemporaryKey(key)) return this.#temporary.get(key)
    const pause = this.#slicer.pause()
    if (pause !== null) await pause
    const locked = await this.txn.lockKeys([Buffer.from(key, 'utf8')], {
      mode: 'exclusive',
      wait: 'block',
      timeoutMs: this.lockTimeoutMs,
      returnValues: true,
    })
    const bytes = locked.values![0]!
    return bytes === null ? null : decodeValue(bytes)
  }

  /** Writes a key that `lock` or `insert` has locked. */
  async put(key: string, value: CatalogValue): Promise<void> {
    if (!isTemporaryKey(key)) await this.txn.put(Buffer.from(key, 'utf8'), encodeValue(value))
    this.#note(key, value)
  }

  /** Writes a key that no look-up asks for. */
  async putUnread(key: string, value: CatalogValue): Promise<void> {
    const bytes = Buffer.from(key, 'utf8')
    await this.txn.lockKeys([bytes], { mode: 'exclusive', wait: 'block', timeoutMs: this.lockTimeoutMs })
    await this.txn.put(bytes, encodeValue(value))
  }

  /** Writes a key that must not exist yet; false if it does. Waits for a transaction that is writing it. */
  async insert(key: string, value: CatalogValue): Promise<boolean> {
    if ((await this.lock(key)) !== null) return false
    await this.put(key, value)
    return true
  }

  async delete(key: string): Promise<void> {
    if (!isTemporaryKey(key)) {
      await this.lock(key)
      await this.txn.delete(Buffer.from(key, 'utf8'))
    }
    this.#note(key, null)
  }

  #note(key: string, value: CatalogValue | null): void {
    const previous = this.#overlay.get(key)
    this.#log.push({ key, previous })
    if (previous === undefined) this.#overlayKeys.splice(lowerBound(this.#overlayKeys, key), 0, key)
    this.#overlay.set(key, value)
    this.#image?.changed([key])
    this.#changes++
  }

  /** A position to roll back to, beside the store's savepoint. */
  savepoint(): number {
    return this.#log.length
  }

  /** What a key held at a position that `savepoint` answered; 0 = before this transaction. */
  valueAt(savepoint: number, key: string): CatalogValue | null {
    const later = this.#log.slice(savepoint).find((entry) => entry.key === key)
    const own = later === undefined ? this.#overlay.get(key) : later.previous
    return own === undefined ? this.#committed.get(key) : own
  }

  rollbackTo(savepoint: number): void {
    while (this.#log.length > savepoint) {
      const { key, previous } = this.#log.pop()!
      this.#image?.changed([key])
      if (previous === undefined) {
        this.#overlay.delete(key)
        this.#overlayKeys.splice(lowerBound(this.#overlayKeys, key), 1)
      } else this.#overlay.set(key, previous)
    }
    this.#changes++
  }

  /** Whether the changes are other sessions' business, too. */
  get changesShared(): boolean {
    for (const key of this.#overlay.keys()) if (!isTemporaryKey(key)) return true
    return false
  }

  /** Before the store's commit. */
  prepareCommit(): MaybePromise<unknown> {
    return this.changesShared ? this.space.versions.publish(this.txn) : undefined
  }

  /** After the store's commit succeeded (or may have: 08007), before anybody is told. */
  committed(): void {
    const changes = [...this.#overlay]
    const own = changes.filter(([key]) => isTemporaryKey(key))
    if (own.length < changes.length) this.space.invalidate(this.#overlay.keys())
    if (own.length > 0) this.#temporary.apply(own)
    this.#forget()
  }

  aborted(): void {
    this.#forget()
    this.#changes++
  }

  #forget(): void {
    this.#overlay.clear()
    this.#overlayKeys = []
    this.#log.length = 0
    this.#image?.forget()
    this.#image = null
  }
}
