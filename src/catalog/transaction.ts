// The catalogue as one user transaction sees and changes it: what is committed, with its own changes above. Changes go into the user's
// transaction (they commit and roll back with the data) and into an overlay here that answers look-ups; a log undoes them at a savepoint.

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { Transaction } from '../storage/store.ts'
import { type CatalogValue, decodeValue, encodeValue } from './records.ts'
import type { CatalogEntry, CatalogSpace } from './space.ts'

let serial = 0

/** Where look-ups read: the committed catalogue alone, or with a transaction's changes. */
export interface CatalogReader {
  readonly version: string
  get(key: string): CatalogValue | null
  fetch(key: string): MaybePromise<CatalogValue | null>
  scan(prefix: string): MaybePromise<CatalogEntry[]>
}

export function committedReader(space: CatalogSpace): CatalogReader {
  return {
    get version() {
      return String(space.version)
    },
    get: (key) => space.get(key),
    fetch: (key) => space.fetch(key),
    scan: (prefix) => space.scan(prefix),
  }
}

/** How long DDL waits for another transaction's change of the same object, when lock_timeout says nothing: the store's own limit. */
const NO_TIMEOUT = 0

export class CatalogTransaction implements CatalogReader {
  readonly space: CatalogSpace
  readonly txn: Transaction
  readonly #serial = ++serial
  #changes = 0
  readonly #overlay = new Map<string, CatalogValue | null>()
  readonly #log: { key: string; previous: CatalogValue | null | undefined }[] = []
  lockTimeoutMs = NO_TIMEOUT

  constructor(space: CatalogSpace, txn: Transaction) {
    this.space = space
    this.txn = txn
  }

  /** True once this transaction changed the catalogue. */
  get changed(): boolean {
    return this.#overlay.size > 0
  }

  get version(): string {
    return this.#overlay.size === 0 ? String(this.space.version) : `${this.space.version}+${this.#serial}.${this.#changes}`
  }

  get(key: string): CatalogValue | null {
    const own = this.#overlay.get(key)
    return own !== undefined ? own : this.space.get(key)
  }

  fetch(key: string): MaybePromise<CatalogValue | null> {
    const own = this.#overlay.get(key)
    return own !== undefined ? own : this.space.fetch(key)
  }

  scan(prefix: string): MaybePromise<CatalogEntry[]> {
    const committed = this.space.scan(prefix)
    if (this.#overlay.size === 0) return committed
    return committed instanceof Promise ? committed.then((rows) => this.#merge(prefix, rows)) : this.#merge(prefix, committed)
  }

  #merge(prefix: string, rows: CatalogEntry[]): CatalogEntry[] {
    const merged = rows.filter((row) => !this.#overlay.has(row.key))
    for (const [key, value] of this.#overlay) if (value !== null && key.startsWith(prefix)) merged.push({ key, value })
    return merged.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  }

  /** Locks the key and answers its newest value: the base of a change. */
  async lock(key: string): Promise<CatalogValue | null> {
    const own = this.#overlay.get(key)
    if (own !== undefined) return own
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
    await this.txn.put(Buffer.from(key, 'utf8'), encodeValue(value))
    this.#note(key, value)
  }

  /** Writes a key that must not exist yet; false if it does. Waits for a transaction that is writing it. */
  async insert(key: string, value: CatalogValue): Promise<boolean> {
    if ((await this.lock(key)) !== null) return false
    await this.put(key, value)
    return true
  }

  async delete(key: string): Promise<void> {
    await this.lock(key)
    await this.txn.delete(Buffer.from(key, 'utf8'))
    this.#note(key, null)
  }

  #note(key: string, value: CatalogValue | null): void {
    this.#log.push({ key, previous: this.#overlay.get(key) })
    this.#overlay.set(key, value)
    this.#changes++
  }

  /** A position to roll back to, beside the store's savepoint. */
  savepoint(): number {
    return this.#log.length
  }

  rollbackTo(savepoint: number): void {
    while (this.#log.length > savepoint) {
      const { key, previous } = this.#log.pop()!
      if (previous === undefined) this.#overlay.delete(key)
      else this.#overlay.set(key, previous)
    }
    this.#changes++
  }

  /** Before the store's commit. */
  prepareCommit(): MaybePromise<void> {
    return this.changed ? this.space.versions.publish(this.txn) : undefined
  }

  /** After the store's commit succeeded (or may have: 08007), before anybody is told. */
  committed(): void {
    if (this.changed) this.space.invalidate(this.#overlay.keys())
    this.#overlay.clear()
    this.#log.length = 0
  }

  aborted(): void {
    this.#overlay.clear()
    this.#log.length = 0
    this.#changes++
  }
}
