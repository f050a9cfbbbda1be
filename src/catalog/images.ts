// What is kept of the whole of a keyspace's catalogue for those who look through all of it (pg_catalog's tables): its objects' records, brought up
// to date by the keys that change, and what was computed from them at the versions asked for last: the committed one, and those of sessions with
// changes or temporary objects of their own. All of it can be made again.

import type { BudgetedCache, CacheBudget } from '../base/cache-budget.ts'
import { LIMITS } from '../base/limits.ts'
import { LruMap } from '../base/lru.ts'
import type { ObjectRecord } from './records.ts'

/** Versions kept at a time. */
const VERSIONS = 4
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

/** What was computed at one version, by name. */
export class CatalogImage {
  readonly #values = new Map<string, object>()
  readonly #grow: (image: CatalogImage, bytes: number) => void
  bytes = 0

  constructor(grow: (image: CatalogImage, bytes: number) => void) {
    this.#grow = grow
  }

  get(name: string): object | undefined {
    return this.#values.get(name)
  }

  /** `bytes`: about what the value takes. */
  set(name: string, value: object, bytes: number): void {
    if (this.#values.has(name)) return
    this.#values.set(name, value)
    this.#grow(this, bytes)
  }
}

export class CatalogImages implements BudgetedCache {
  readonly #budget: CacheBudget
  readonly #images: LruMap<string, CatalogImage>
  #objects: KnownObjects | null = null
  #objectBytes = 0
  bytes = 0
  usedAt = 0

  /** `budget`: what the caches of all keyspaces share. */
  constructor(budget: CacheBudget) {
    this.#budget = budget
    this.#images = new LruMap(VERSIONS, (_version, image) => this.#changed(-image.bytes))
  }

  get objects(): KnownObjects | null {
    this.usedAt = this.#budget.tick()
    return this.#objects
  }

  keepObjects(entries: readonly ObjectEntry[]): void {
    const before = this.#objectBytes
    this.#objectBytes = entries.reduce((sum, { value }) => sum + (value.kind === 'relation' ? BYTES_PER_RELATION : BYTES_PER_RECORD), 0)
    this.#objects = { entries, stale: new Set() }
    this.#changed(this.#objectBytes - before)
  }

  forgetObjects(): void {
    const before = this.#objectBytes
    this.#objects = null
    this.#objectBytes = 0
    this.#changed(-before)
  }

  /** These keys have other values now. */
  changed(keys: Iterable<string>): void {
    if (this.#objects !== null) for (const key of keys) this.#objects.stale.add(key)
    this.forgetVersions()
  }

  /** What was computed at a version. */
  at(version: string): CatalogImage {
    this.usedAt = this.#budget.tick()
    const known = this.#images.get(version)
    if (known !== undefined) return known
    const image = new CatalogImage((grown, bytes) => {
      // One that was forgotten meanwhile is still good for whoever has it.
      if (this.#images.peek(version) !== grown) return
      grown.bytes += bytes
      this.#changed(bytes)
    })
    this.#images.set(version, image)
    return image
  }

  forgetVersions(): void {
    const bytes = this.bytes - this.#objectBytes
    this.#images.clear()
    this.#changed(-bytes)
  }

  clear(): void {
    this.forgetVersions()
    this.forgetObjects()
  }

  #changed(bytes: number): void {
    if (bytes === 0) return
    this.bytes += bytes
    this.#budget.changed(this, bytes)
    if (this.bytes > LIMITS.catalogImageBytes) this.clear()
  }
}
