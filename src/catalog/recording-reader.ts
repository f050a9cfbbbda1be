// A reader that notes what was asked for: what was computed from the answers is good as long as they are.

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { CatalogImage, ObjectEntry } from './images.ts'
import { OBJECT_PREFIX, objectKey } from './keys.ts'
import { type CatalogValue, FIRST_NORMAL_OID } from './records.ts'
import type { CatalogEntry } from './space.ts'
import type { CatalogReader } from './transaction.ts'

export type Lookups = ReadonlyMap<string, CatalogValue | null>

const FIRST_OWN = objectKey(FIRST_NORMAL_OID)

export class RecordingReader implements CatalogReader {
  readonly #reader: CatalogReader
  #found = new Map<string, CatalogValue | null>()

  constructor(reader: CatalogReader) {
    this.#reader = reader
  }

  /** What was asked for since the last time, and the answers. */
  take(): Lookups {
    const found = this.#found
    if (found.size > 0) this.#found = new Map()
    return found
  }

  get version(): string {
    return this.#reader.version
  }

  get image(): CatalogImage {
    return this.#reader.image
  }

  get below(): CatalogReader | null {
    return this.#reader.below
  }

  get ownKeys(): readonly string[] {
    return this.#reader.ownKeys
  }

  get(key: string): CatalogValue | null {
    const value = this.#reader.get(key)
    this.#found.set(key, value)
    return value
  }

  // Those who make something that is kept look keys up; what else is read is read where it is used.

  committedValue(key: string): CatalogValue | null {
    return this.#reader.committedValue(key)
  }

  fetch(key: string): MaybePromise<CatalogValue | null> {
    return this.#reader.fetch(key)
  }

  scan(prefix: string): MaybePromise<CatalogEntry[]> {
    return this.#reader.scan(prefix)
  }

  objects(): MaybePromise<readonly ObjectEntry[]> {
    return this.#reader.objects()
  }
}

/** Whether a plan may rest on them for longer than a version of the catalogue: they are names, or what the keyspace says of built-in objects. */
export function areLasting(lookups: Lookups): boolean {
  for (const [key, value] of lookups) {
    if (value === null || typeof value === 'string') continue
    if (!key.startsWith(OBJECT_PREFIX) || key >= FIRST_OWN) return false
  }
  return true
}

/** Whether the reader would answer the same now. */
export function stillHold(lookups: Lookups, reader: CatalogReader): boolean {
  for (const [key, value] of lookups) if (reader.get(key) !== value) return false
  return true
}
