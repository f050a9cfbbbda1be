// What is kept of the whole of a keyspace's catalogue for those who look through all of it (pg_catalog's tables): its objects' records, brought up
// to date by the keys that change, and what was computed from them, which knows what has changed since. All of it can be made again.
//
// One image is of what is committed. A transaction with changes and a session with temporary objects have images of their own, which start from
// that of the reader below theirs and the keys in which they differ.

import type { BudgetedCache, CacheBudget } from '../base/cache-budget.ts'
import { LIMITS } from '../base/limits.ts'
import { LruMap } from '../base/lru.ts'
import type { ObjectRecord } from './records.ts'

/** Images kept at a time besides the one of what is committed. */
const OTHERS = 4
/** Where more keys have changed, what was computed is made again rather than brought forward. */
const MOST_STALE = 8192
/** About what a record takes, a relation's with the rows that are kept beside it. */
const BYTES_PER_RELATION = 16 * 1024
const BYTES_PER_RECORD = 512

export interface ObjectEntry {
  readonly key: string
  readonly value: ObjectRecord
}

/** The committed objects in key order. */
export interface KnownObjects {
  readonly entries: readonly ObjectEntry[]
  /** Keys with other values by now. */
  readonly stale: Set<string>
}

/** Something computed from the catalogue. */
export interface Part {
  /** About what it takes in memory besides what it shares with another. */
  bytesBeside(other: Part | null): number
}

export interface KeptPart {
  readonly part: Part
  /** The part of the reader below from which it was made; null where there is none. */
  readonly basis: Part | null
  readonly bytes: number
  /** Keys with other values by now. */
  readonly stale: Set<string>
}

interface ImageOwner {
  used(image: CatalogImage): void
  changed(image: CatalogImage, bytes: number): void
}

/** What was computed from the catalogue as one reader sees it, by name. */
export class CatalogImage {
  readonly #parts = new Map<string, KeptPart>()
  readonly #owner: ImageOwner
  bytes = 0

  constructor(owner: ImageOwner) {
    this.#owner = owner
  }

  get isEmpty(): boolean {
    return this.#parts.size === 0
  }

  get(name: string): KeptPart | null {
    const kept = this.#parts.get(name)
    if (kept === undefined) return null
    this.#owner.used(this)
    return kept
  }

  keep(name: string, part: Part, basis: Part | null): void {
    const before = this.#parts.get(name)?.bytes ?? 0
    const bytes = part.bytesBeside(basis)
    this.#parts.set(name, { part, basis, bytes, stale: new Set() })
    this.#grow(bytes - before)
  }

  /** These keys have other values now. */
  changed(keys: Iterable<string>): void {
    if (this.#parts.size === 0) return
    for (const key of keys) for (const { stale } of this.#parts.values()) stale.add(key)
    for (const [name, { bytes, stale }] of this.#parts) {
      if (stale.size <= MOST_STALE) continue
      this.#parts.delete(name)
      this.#grow(-bytes)
    }
  }

  forget(): void {
    const { bytes } = this
    this.#parts.clear()
    this.#grow(-bytes)
  }

  #grow(bytes: number): void {
    this.bytes += bytes
    this.#owner.changed(this, bytes)
  }
}

export class CatalogImages implements BudgetedCache, ImageOwner {
  readonly #budget: CacheBudget
  /** Of what is committed. */
  readonly committed: CatalogImage
  /** Those of transactions and sessions that hold something. */
  readonly #others = new LruMap<CatalogImage, true>(OTHERS, (image) => image.forget())
  #objects: KnownObjects | null = null
  #objectBytes = 0
  bytes = 0
  usedAt = 0

  /** `budget`: what the caches of all keyspaces share. */
  constructor(budget: CacheBudget) {
    this.#budget = budget
    this.committed = new CatalogImage(this)
  }

  /** An image for a reader that sees more than what is committed; who has it says what changes, and forgets it in the end. */
  another(): CatalogImage {
    return new CatalogImage(this)
  }

  get objects(): KnownObjects | null {
    this.usedAt = this.#budget.tick()
    return this.#objects
  }

  keepObjects(entries: readonly ObjectEntry[]): void {
    const before = this.#objectBytes
    this.#objectBytes = entries.reduce((sum, { value }) => sum + (value.kind === 'relation' ? BYTES_PER_RELATION : BYTES_PER_RECORD), 0)
    this.#objects = { entries, stale: new Set() }
    this.#grow(this.#objectBytes - before)
  }

  forgetObjects(): void {
    const before = this.#objectBytes
    this.#objects = null
    this.#objectBytes = 0
    this.#grow(-before)
  }

  /** These keys have other values now; `objects`: those of them that are objects'. */
  commit(keys: readonly string[], objects: readonly string[]): void {
    if (this.#objects !== null) for (const key of objects) this.#objects.stale.add(key)
    this.committed.changed(keys)
  }

  clear(): void {
    for (const image of [...this.#others.entries()]) image[0].forget()
    this.committed.forget()
    this.forgetObjects()
  }

  used(image: CatalogImage): void {
    this.usedAt = this.#budget.tick()
    if (image !== this.committed) this.#others.get(image)
  }

  changed(image: CatalogImage, bytes: number): void {
    if (image !== this.committed) {
      if (image.isEmpty) this.#others.delete(image)
      else this.#others.set(image, true)
    }
    this.#grow(bytes)
  }

  #grow(bytes: number): void {
    if (bytes === 0) return
    this.bytes += bytes
    this.#budget.changed(this, bytes)
    if (this.bytes > LIMITS.catalogImageBytes) this.clear()
  }
}
