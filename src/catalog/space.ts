// One keyspace's catalogue in this process: the shared, bounded cache of committed values and the way to the store behind it.
//
// Catalogue reads do not use the user's snapshot: like PostgreSQL's catalogue snapshots they see what is committed now, and the
// transaction's own changes above it (transaction.ts). Invariant: an entry in the cache is what the store holds as committed, or an
// invalidation of it is under way (`invalidate` comes after a commit and before its acknowledgement and the release of its gates).

import { prefixEnd } from '../base/bytes.ts'
import { CacheBudget } from '../base/cache-budget.ts'
import type { Timestamp } from '../base/ids.ts'
import { LIMITS } from '../base/limits.ts'
import { LruMap } from '../base/lru.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { makeSlicer } from '../base/slicer.ts'
import type { Keyspace, Transaction } from '../storage/store.ts'
import { CatalogImages, type ObjectEntry } from './images.ts'
import { OBJECT_PREFIX } from './keys.ts'
import { type CatalogValue, decodeValue, type ObjectRecord } from './records.ts'
import { CatalogMiss } from './snapshot.ts'

/** Bytes are not counted, entries are: descriptors of ordinary tables take 2–8 KB. */
const CACHE_ENTRIES = 4096
/** With more changed objects than that all are read again. */
const CHANGED_OBJECTS = 64

/**
 * How other nodes learn of changes. Embedded: nobody else, so nothing to do. TiKV: `publish` raises the shared version inside the
 * transaction, `current` answers the version whose lease this node holds; a change drops the cache.
 */
export interface CatalogVersions {
  publish(txn: Transaction): MaybePromise<unknown>
  /** Called before a statement is analysed; cheap. What stands in the catalogue now is known afterwards; `changed` is called when it is news. */
  check(changed: () => void): MaybePromise<void>
  /** Whether it stands for a while, too: what is read at a snapshot of now is read under it. After a check it does unless PD keeps silent. */
  readonly leased: boolean
  /** Waits until that holds. */
  lease(changed: () => void): MaybePromise<void>
  /** After a read at the newest versions without a lease: whether what was known of the catalogue before it still stands. */
  confirm(): Promise<boolean>
  /** The same without trust in the lease: what every node committed before is known afterwards. */
  refresh(changed: () => void): MaybePromise<void>
  /** Grows when other nodes may have changed definitions without waiting for transactions here: those begun before cannot commit. */
  readonly epoch: number
  /** Until when a transaction may commit under the version known here; null = at any time. */
  commitLimit(): MaybePromise<Timestamp> | null
  close(): MaybePromise<void>
}

export const singleNode: CatalogVersions = {
  publish: () => undefined,
  check: () => undefined,
  leased: true,
  lease: () => undefined,
  confirm: async () => true,
  refresh: () => undefined,
  epoch: 0,
  commitLimit: () => null,
  close: () => undefined,
}

export interface CatalogEntry {
  readonly key: string
  readonly value: CatalogValue
}

/** `missing` is remembered too: most name look-ups walk a search path. */
const MISSING = Symbol('missing')

export class CatalogSpace {
  readonly keyspace: Keyspace
  readonly versions: CatalogVersions
  readonly images: CatalogImages
  /** Grows with each committed change known here. */
  version = 1
  versionText = '1'
  readonly #noteForeign = (): void => this.invalidateAll()
  readonly #cache = new LruMap<string, CatalogValue | typeof MISSING>(CACHE_ENTRIES)

  /** `budget`: what the caches of all keyspaces share. */
  constructor(
    keyspace: Keyspace,
    versions: CatalogVersions = singleNode,
    budget: CacheBudget = new CacheBudget(LIMITS.planCacheBytesInAll),
  ) {
    this.keyspace = keyspace
    this.versions = versions
    this.images = new CatalogImages(budget)
  }

  /** Before a statement: learns what other nodes changed. // hot */
  sync(): MaybePromise<void> {
    return this.versions.check(this.#noteForeign)
  }

  /** Before a snapshot is taken under what `sync` learnt. */
  lease(): MaybePromise<void> {
    return this.versions.lease(this.#noteForeign)
  }

  /** Learns all that other nodes have changed until now. */
  syncNow(): MaybePromise<void> {
    return this.versions.refresh(this.#noteForeign)
  }

  /** A committed value now, or a CatalogMiss that fetches it. */
  get(key: string): CatalogValue | null {
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached === MISSING ? null : cached
    const fetched = this.fetch(key)
    if (fetched instanceof Promise) {
      // Who catches the miss need not wait for it.
      fetched.catch(() => undefined)
      throw new CatalogMiss(() => fetched.then(() => undefined))
    }
    return fetched
  }

  /** The same for those who can wait. */
  fetch(key: string): MaybePromise<CatalogValue | null> {
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached === MISSING ? null : cached
    const version = this.version
    const txn = this.#reader()
    return andThen(txn.get(Buffer.from(key, 'utf8')), (bytes) => {
      const value = bytes === null ? null : decodeValue(bytes)
      if (this.version === version) this.#cache.set(key, value ?? MISSING)
      return andThen(txn.rollback(), () => value)
    })
  }

  /** All committed entries under a prefix, in key order. */
  scan(prefix: string): MaybePromise<CatalogEntry[]> {
    const start = Buffer.from(prefix, 'utf8')
    const end = prefixEnd(start)!
    const txn = this.#reader(false)
    const scanner = txn.scan({ start, end })
    const entries: CatalogEntry[] = []
    const slicer = makeSlicer()
    slicer.start()
    const step = (): MaybePromise<CatalogEntry[]> => {
      for (;;) {
        const batch = scanner.next()
        if (batch instanceof Promise) return batch.then((b) => (add(b) ? step() : finish()))
        if (!add(batch)) return finish()
        const pause = slicer.pause()
        if (pause !== null) return pause.then(step)
      }
    }
    const add = (batch: Awaited<ReturnType<typeof scanner.next>>): boolean => {
      if (batch === null) return false
      const { data, bounds } = batch
      for (let i = 0; i < batch.count; i++) {
        const key = data.utf8Slice(bounds[4 * i]!, bounds[4 * i + 1]!)
        const cached = this.#cache.peek(key)
        const known = cached !== undefined && cached !== MISSING
        entries.push({ key, value: known ? cached : decodeValue(data.subarray(bounds[4 * i + 2]!, bounds[4 * i + 3]!)) })
      }
      return true
    }
    const finish = (): MaybePromise<CatalogEntry[]> => {
      scanner.close()
      return andThen(txn.rollback(), () => entries)
    }
    return step()
  }

  /** All committed objects in key order, as `fetch` would answer them one by one; only what changed since the last time is read. */
  objects(): MaybePromise<readonly ObjectEntry[]> {
    const { version } = this
    const known = this.images.objects
    if (known !== null && known.stale.size === 0) return known.entries
    const read =
      known === null || known.stale.size > CHANGED_OBJECTS
        ? (this.scan(OBJECT_PREFIX) as MaybePromise<ObjectEntry[]>)
        : andThen(this.#fetchAll([...known.stale]), (changed) => withChanges(known.entries, changed))
    return andThen(read, (entries) => {
      // A commit that came between may be in it by half.
      if (this.version !== version) return known === null ? entries : this.#readAgain()
      this.images.keepObjects(entries)
      return entries
    })
  }

  #readAgain(): MaybePromise<readonly ObjectEntry[]> {
    this.images.forgetObjects()
    return this.objects()
  }

  #fetchAll(keys: readonly string[]): MaybePromise<Map<string, ObjectRecord | null>> {
    const found = new Map<string, ObjectRecord | null>()
    const from = (start: number): MaybePromise<Map<string, ObjectRecord | null>> => {
      for (let i = start; i < keys.length; i++) {
        const value = this.fetch(keys[i]!)
        if (value instanceof Promise) {
          return value.then((v) => {
            found.set(keys[i]!, v as ObjectRecord | null)
            return from(i + 1)
          })
        }
        found.set(keys[i]!, value as ObjectRecord | null)
      }
      return found
    }
    return from(0)
  }

  /** After a commit: these keys have new values. */
  invalidate(keys: Iterable<string>): void {
    const changed = [...keys]
    this.#grow()
    this.images.commit(
      changed,
      changed.filter((key) => key.startsWith(OBJECT_PREFIX)),
    )
    for (const key of changed) this.#cache.delete(key)
  }

  /** Everything may have changed (another node's change, a lost lease). */
  invalidateAll(): void {
    this.#grow()
    this.images.clear()
    this.#cache.clear()
  }

  #grow(): void {
    this.version++
    this.versionText = String(this.version)
  }

  #reader(latest = true): Transaction {
    return this.keyspace.begin({ isolation: 'read committed', readOnly: true, latest })
  }
}

/** Entries in key order with other values for some keys. */
function withChanges(entries: readonly ObjectEntry[], changed: ReadonlyMap<string, ObjectRecord | null>): ObjectEntry[] {
  const merged = entries.filter((entry) => !changed.has(entry.key))
  for (const [key, value] of changed) if (value !== null) merged.push({ key, value })
  return merged.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}
