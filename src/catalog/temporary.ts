// Temporary objects: catalogue records that only their session sees. They have OIDs of a range of their own, so that a key alone tells where
// its value stands: with the session, never in the keyspace. Rows and counters lie in the keyspace like any others, under ids noted as
// temporary (leases below), so that whoever survives a crash can erase them.
//
// Invariant: no committed record of the keyspace names a temporary OID.

import { randomUUID } from 'node:crypto'
import type { Oid } from '../base/ids.ts'
import { OBJECT_PREFIX } from './keys.ts'
import type { CatalogValue, ObjectRecord } from './records.ts'
import type { CatalogEntry } from './space.ts'

const FIRST_TEMPORARY_OID = 0x40000000
const LAST_TEMPORARY_OID = 0x7fffffff

let lastOid = FIRST_TEMPORARY_OID - 1

/** One counter for all sessions of the process: locks are taken by OID. */
export function newTemporaryOid(): Oid {
  lastOid = lastOid === LAST_TEMPORARY_OID ? FIRST_TEMPORARY_OID : lastOid + 1
  return lastOid
}

export const isTemporary = (oid: Oid): boolean => oid >= FIRST_TEMPORARY_OID

/** The first digit of an OID in a key (eight hexadecimal digits) tells whether it is temporary. */
const temporaryDigit = (key: string, at: number): boolean => key.charCodeAt(at) >= 52

/** Whether a catalogue key (or all keys with this prefix) belongs to the session rather than to the keyspace. // hot */
export function isTemporaryKey(key: string): boolean {
  switch (key.charCodeAt(1)) {
    case 111: // mo OID, mA OID
    case 65:
      return temporaryDigit(key, 2)
    case 110: // mn class NAMESPACE name; nobody else may name a schema pg_…
      return temporaryDigit(key, 3) || key.startsWith('mnn00000000pg_temp')
    case 100: // md, mD: CLASS OID SUB CLASS OID SUB
    case 68:
      return temporaryDigit(key, 10) || temporaryDigit(key, 30)
    case 116: // mt CLASS OID SUB
      return temporaryDigit(key, 10)
    default:
      return false
  }
}

/** Rows in key order: `rows` with what `above` says instead. */
export function overlaid(rows: CatalogEntry[], above: ReadonlyMap<string, CatalogValue | null>, prefix: string): CatalogEntry[] {
  const merged = rows.filter((row) => !above.has(row.key))
  for (const [key, value] of above) if (value !== null && key.startsWith(prefix)) merged.push({ key, value })
  return merged.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
}

let serial = 0

/** The committed temporary objects of one session. */
export class TemporaryCatalog {
  readonly #serial = ++serial
  readonly #entries = new Map<string, CatalogValue>()
  #changes = 0
  /** Tables of ON COMMIT DELETE ROWS. */
  emptiedAtCommit: readonly Oid[] = []

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** Part of the catalogue's version as this session sees it. */
  get version(): string {
    return `t${this.#serial}.${this.#changes}`
  }

  get(key: string): CatalogValue | null {
    return this.#entries.get(key) ?? null
  }

  get keys(): readonly string[] {
    return [...this.#entries.keys()]
  }

  overlaid(rows: CatalogEntry[], prefix: string): CatalogEntry[] {
    return this.#entries.size === 0 ? rows : overlaid(rows, this.#entries, prefix)
  }

  /** A transaction with these changes has committed. */
  apply(changes: Iterable<readonly [string, CatalogValue | null]>): void {
    for (const [key, value] of changes)
      if (value === null) this.#entries.delete(key)
      else this.#entries.set(key, value)
    this.#changes++
    this.emptiedAtCommit = [...this.relations()].filter(({ table }) => table?.onCommit === 'delete').map(({ oid }) => oid)
  }

  *relations(): Iterable<Extract<ObjectRecord, { kind: 'relation' }>['value']> {
    for (const [key, value] of this.#entries) {
      if (!key.startsWith(OBJECT_PREFIX)) continue
      const record = value as ObjectRecord
      if (record.kind === 'relation') yield record.value
    }
  }

  /** Ids under which rows and counters of the temporary objects lie. */
  *storageIds(): Iterable<number> {
    for (const { table, sequence } of this.relations()) {
      if (table !== null) yield table.id
      if (sequence !== null) yield sequence.counterId
    }
  }

  clear(): void {
    this.#entries.clear()
  }
}

// --- leases -----------------------------------------------------------------------------------------------------------------------------

/** Keys of a process that has gone may be erased after this; the clean-up job renews the notes of living sessions well before. */
const LEASE_MS = 24 * 3_600_000
const processId = randomUUID()

/** The value of a garbage key while its id is in use by a temporary object. */
export const temporaryNote = (now: number): string => `temporary ${processId} ${now + LEASE_MS}`

/** Whether an id so noted may be erased. `alone`: no other process can be using the keyspace. */
export function isGarbageNote(note: string, now: number, alone: boolean): boolean {
  const [word, owner, until] = note.split(' ')
  if (word !== 'temporary') return true
  if (owner === processId) return false
  return alone || Number(until) < now
}

/** Time between two renewals of a note. */
export const RENEWAL_MS = LEASE_MS / 8
