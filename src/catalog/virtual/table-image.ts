// All rows of a pg_catalog table as one reader sees the catalogue, in groups: the rows that one catalogue entry makes, under its key. Where entries
// change, only their groups are made anew, and those whose making looked the changed entries up: the rest, with the look-up tables over it, is
// shared with the image before (`base`), and the new groups stand beside it (`changed`) until they are many.
//
// Invariant: an image never changes, and holds what making every group anew would give.

import type { Row } from '../../base/datum.ts'
import type { Part } from '../images.ts'
import { builtinTable, type Hints, type Shape, shapeOf, TableRows } from './rows.ts'

export interface Group {
  readonly rows: readonly Row[]
  /** Other keys that it was made from. */
  readonly lookups: readonly string[]
}
export type Groups = ReadonlyMap<string, Group>

/** With fewer changed groups than that they stay beside the base. */
const FEW_CHANGED = 256
/** Or with fewer than this part of all. */
const PART_CHANGED = 8
/** About what a row takes in memory besides its values, which it shares with the descriptors; what a group does. */
const BYTES_PER_COLUMN = 8
const BYTES_PER_ROW = 64
const BYTES_PER_GROUP = 128

/** Tables with rows of PostgreSQL's that the keyspace may have rows of its own for, by oid. */
const OVERRIDDEN = new Set(['pg_authid', 'pg_namespace'])
/** The schema public is the keyspace's own. */
const PUBLIC_NAMESPACE = 2200

const NO_ROWS: readonly Row[] = []
const NO_GROUPS: Groups = new Map()

/** The groups that an image shares with those that come after it. */
class Base {
  /** In the keys' order. */
  readonly groups: Groups
  readonly rows: TableRows
  #dependents: ReadonlyMap<string, readonly string[]> | null = null

  constructor(shape: Shape, groups: Groups) {
    this.groups = groups
    const rows: Row[] = []
    for (const group of groups.values()) for (const row of group.rows) rows.push(row)
    this.rows = new TableRows(shape, rows)
  }

  /** Keys of the groups that were made from this entry, too. */
  dependents(key: string): readonly string[] | undefined {
    if (this.#dependents === null) {
      const found = new Map<string, string[]>()
      for (const [group, { lookups }] of this.groups) {
        for (const lookup of lookups) {
          const list = found.get(lookup)
          if (list === undefined) found.set(lookup, [group])
          else list.push(group)
        }
      }
      this.#dependents = found
    }
    return this.#dependents.get(key)
  }
}

export class TableImage implements Part {
  readonly #table: string
  readonly #shape: Shape
  readonly #base: Base
  /** Groups that differ from the base's; without rows: there are none any more. */
  readonly #changed: Groups
  readonly #changedRows: TableRows
  /** The base's rows that are no longer. */
  readonly #gone: ReadonlySet<Row>
  #all: readonly Row[] | null = null
  #builtin: TableRows | null = null

  private constructor(table: string, base: Base, changed: Groups) {
    this.#table = table
    this.#shape = shapeOf(table)
    this.#base = base
    this.#changed = changed
    const gone = new Set<Row>()
    const rows: Row[] = []
    for (const [key, group] of changed) {
      for (const row of base.groups.get(key)?.rows ?? NO_ROWS) gone.add(row)
      for (const row of group.rows) rows.push(row)
    }
    this.#gone = gone
    this.#changedRows = new TableRows(this.#shape, rows)
  }

  /** `groups`: all, in the keys' order. */
  static of(table: string, groups: Groups): TableImage {
    return new TableImage(table, new Base(shapeOf(table), groups), NO_GROUPS)
  }

  bytesBeside(other: Part | null): number {
    const own = this.#bytes(this.#changed, this.#changedRows)
    return other instanceof TableImage && other.#base === this.#base ? own : own + this.#bytes(this.#base.groups, this.#base.rows)
  }

  #bytes(groups: Groups, rows: TableRows): number {
    return groups.size * BYTES_PER_GROUP + rows.all.length * (BYTES_PER_ROW + this.#shape.names.length * BYTES_PER_COLUMN)
  }

  /** Keys of the groups to be made anew when these entries change. */
  affected(keys: Iterable<string>): Set<string> {
    const found = new Set<string>()
    for (const key of keys) {
      found.add(key)
      for (const group of this.#base.dependents(key) ?? []) found.add(group)
    }
    for (const [key, { lookups }] of this.#changed) if (!found.has(key) && lookups.some((lookup) => found.has(lookup))) found.add(key)
    return found
  }

  /** The same with other groups for some keys; null: none any more. */
  with(groups: ReadonlyMap<string, Group | null>): TableImage {
    const changed = new Map(this.#changed)
    for (const [key, group] of groups) {
      if (group !== null) changed.set(key, group)
      else if (this.#base.groups.has(key)) changed.set(key, { rows: NO_ROWS, lookups: [] })
      else changed.delete(key)
    }
    if (changed.size <= FEW_CHANGED || changed.size * PART_CHANGED <= this.#base.groups.size)
      return new TableImage(this.#table, this.#base, changed)
    return TableImage.of(this.#table, new Map(this.#merged(changed)))
  }

  /** The groups in the keys' order. */
  *#merged(changed: Groups): Generator<readonly [string, Group]> {
    const others = [...changed.keys()].sort()
    let at = 0
    for (const entry of this.#base.groups) {
      for (; at < others.length && others[at]! < entry[0]; at++) yield [others[at]!, changed.get(others[at]!)!]
      if (others[at] !== entry[0]) yield entry
    }
    for (; at < others.length; at++) yield [others[at]!, changed.get(others[at]!)!]
  }

  /** PostgreSQL's own rows but those that the keyspace has others for. */
  get #builtinRows(): TableRows {
    if (!OVERRIDDEN.has(this.#table)) return builtinTable(this.#table)
    if (this.#builtin === null) {
      const own = new Set(this.#own.map((row) => row[0]))
      const rows = builtinTable(this.#table).all.filter(
        ([oid]) => !own.has(oid) && (this.#table !== 'pg_namespace' || oid !== PUBLIC_NAMESPACE) && oid !== null,
      )
      this.#builtin = new TableRows(this.#shape, rows)
    }
    return this.#builtin
  }

  /** The keyspace's rows. */
  get #own(): readonly Row[] {
    if (this.#changed.size === 0) return this.#base.rows.all
    const rows: Row[] = []
    for (const [, group] of this.#merged(this.#changed)) for (const row of group.rows) rows.push(row)
    return rows
  }

  get #allRows(): readonly Row[] {
    this.#all ??= both(this.#builtinRows.all, this.#own)
    return this.#all
  }

  /** Rows that may meet the hints. */
  find(hints: Hints): readonly Row[] {
    if (!TableRows.narrows(hints)) return this.#allRows
    const gone = this.#gone
    const base = this.#base.rows.find(hints)
    const kept = gone.size === 0 ? base : base.filter((row) => !gone.has(row))
    return both(this.#builtinRows.find(hints), both(kept, this.#changedRows.find(hints)))
  }
}

export const both = (one: readonly Row[], other: readonly Row[]): readonly Row[] =>
  one.length === 0 ? other : other.length === 0 ? one : [...one, ...other]
