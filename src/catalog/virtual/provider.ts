// The rows of a pg_catalog table: PostgreSQL's own first, then the keyspace's. Tables of objects nobody can have made are empty.
//
// Hints that lead to a relation are answered from its descriptor. Everything else looks through the whole table, which is kept, with look-up
// tables for its columns, while the version of the catalogue stands. Invariant: what is kept follows from the version alone, and rows kept
// with a descriptor from that alone.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { classByOid } from '../../sql/builtin/pg-class.ts'
import type { RelationDescriptor } from '../descriptors.ts'
import { PG_CATALOG_NAMESPACE } from '../records.ts'
import { withCatalog } from '../snapshot.ts'
import {
  domainConstraints,
  pgAuthid,
  pgAuthMembers,
  pgDatabase,
  pgDbRoleSetting,
  pgDefaultAcl,
  pgDepend,
  pgDescription,
  pgEnum,
  pgNamespace,
  pgShdescription,
  pgType,
  typeRowText,
} from './objects.ts'
import { pgAttrdef, pgAttribute, pgClass, pgConstraint, pgIndex, pgRewrite, pgSequence, type RelationRows, type Rows } from './relations.ts'
import { builtinTable, Hints, type RowObject, shapeOf, TableRows, toRow } from './rows.ts'
import { relations, type VirtualSource } from './source.ts'
import { pgStatistic } from './statistics.ts'

interface OwnRows {
  /** Rows that belong to relations. */
  readonly relations?: RelationRows
  /** All others. */
  readonly others?: Rows
  /** Columns whose hints `others` answers without looking at all objects. */
  readonly direct?: readonly string[]
  /** What of a row the session decides. */
  readonly finish?: (source: VirtualSource, row: Row) => Row
  /** The session decides all of it: nothing is kept. */
  readonly ofSession?: boolean
}

const OWN: Readonly<Record<string, OwnRows>> = {
  pg_attrdef: { relations: pgAttrdef },
  pg_attribute: { relations: pgAttribute },
  pg_auth_members: { others: pgAuthMembers },
  pg_authid: { others: pgAuthid },
  pg_class: { relations: pgClass },
  pg_constraint: { relations: pgConstraint, others: domainConstraints },
  pg_database: { others: pgDatabase, ofSession: true },
  pg_db_role_setting: { others: pgDbRoleSetting },
  pg_default_acl: { others: pgDefaultAcl },
  pg_depend: { others: pgDepend },
  pg_description: { others: pgDescription },
  pg_enum: { others: pgEnum },
  pg_index: { relations: pgIndex },
  pg_namespace: { others: pgNamespace },
  pg_rewrite: { relations: pgRewrite },
  pg_sequence: { relations: pgSequence },
  pg_shdescription: { others: pgShdescription },
  pg_statistic: { others: pgStatistic, direct: ['starelid'] },
  pg_type: { others: pgType, direct: ['oid'], finish: typeRowText },
}

/** Whose rows are all the keyspace's. */
const WITHOUT_BUILTIN = new Set(['pg_database'])
const PUBLIC_NAMESPACE = 2200

/** About what a row takes in memory besides its values, which it shares with the descriptors. */
const BYTES_PER_COLUMN = 8
const BYTES_PER_ROW = 64

export interface VirtualRelationRows {
  rows(ctx: unknown, hints: readonly { readonly attnum: number; readonly value: Datum }[]): MaybePromise<readonly Row[]>
}

/** A whole table as it is at one version; whoever looks rows up again and again holds it, be it too large to be kept for others. */
interface Held {
  version: string
  rows: TableRows | null
}

/** Null for what is no pg_catalog table. `source` is asked at each scan. */
export function virtualRelation(relation: Oid, source: () => VirtualSource): VirtualRelationRows | null {
  const row = classByOid(relation)
  if (row === undefined || row.relkind !== 'r') return null
  // information_schema's own tables (sql_features …) and pg_catalog's
  const table = row.relname
  if (row.relnamespace !== PG_CATALOG_NAMESPACE) return { rows: () => [] }
  const own = OWN[table]
  const held: Held = { version: '', rows: null }
  return {
    rows(_ctx, given) {
      const hints = Hints.of(table, given)
      // a NULL in a condition finds nothing
      if (hints.values.includes(null)) return []
      if (own === undefined) return builtinTable(table).find(hints)
      const from = source()
      const { finish } = own
      const rows = rowsOf(table, own, from, hints, held)
      return finish === undefined ? rows : andThen(rows, (found) => found.map((each) => finish(from, each)))
    },
  }
}

function rowsOf(table: string, own: OwnRows, source: VirtualSource, hints: Hints, held: Held): MaybePromise<readonly Row[]> {
  const { reader } = source.snapshot
  const { version } = reader
  const image = reader.images.at(version)
  const known = held.rows !== null && held.version === version ? held.rows : (image.get(table) as TableRows | undefined)
  if (known !== undefined) return known.find(hints)
  const direct = directRows(table, own, source, hints)
  if (direct !== null) return andThen(direct, (rows) => both(builtinTable(table).find(hints), rows))
  return andThen(allRows(table, own, source), (rows) => {
    const builtin = WITHOUT_BUILTIN.has(table) ? [] : overridden(table, builtinTable(table).all, rows)
    const shape = shapeOf(table)
    const found = new TableRows(shape, [...builtin, ...rows])
    if (reader.version === version) {
      held.version = version
      held.rows = found
      const bytes = builtin.length * BYTES_PER_COLUMN + rows.length * (BYTES_PER_ROW + shape.names.length * BYTES_PER_COLUMN)
      if (own.ofSession !== true) image.set(table, found, bytes)
    }
    return found.find(hints)
  })
}

const rowsFrom = (table: string, objects: readonly RowObject[]): Row[] => {
  const shape = shapeOf(table)
  return objects.map((object) => toRow(shape, object))
}

/** The keyspace's rows that may meet the hints, where the hints lead there. */
function directRows(table: string, own: OwnRows, source: VirtualSource, hints: Hints): MaybePromise<Row[]> | null {
  if (own.relations !== undefined) {
    const { find } = own.relations
    const found = find(source, hints)
    return found === null ? null : rowsOfRelations(table, own.relations, source, found)
  }
  if (own.direct?.some((column) => hints.columns.includes(column)) !== true) return null
  return andThen(own.others!(source, hints), (objects) => rowsFrom(table, objects))
}

/** All rows of the keyspace. */
function allRows(table: string, own: OwnRows, source: VirtualSource): MaybePromise<Row[]> {
  const ofRelations = own.relations === undefined ? [] : rowsOfRelations(table, own.relations, source, relations(source))
  return andThen(ofRelations, (rows) =>
    own.others === undefined ? rows : andThen(own.others(source, NO_HINTS), (objects) => [...rows, ...rowsFrom(table, objects)]),
  )
}

const NO_HINTS = new Hints([], [])

/** By descriptor and table. */
const lasting = new WeakMap<RelationDescriptor, Map<string, readonly Row[]>>()

/** Row makers may look other objects up: run again after a miss. Gives way between relations. */
function rowsOfRelations(
  table: string,
  rule: RelationRows,
  source: VirtualSource,
  list: MaybePromise<readonly RelationDescriptor[]>,
): MaybePromise<Row[]> {
  const make = (relation: RelationDescriptor): readonly Row[] => {
    const kept = lasting.get(relation)
    const known = kept?.get(table)
    if (known !== undefined) return known
    const rows = rowsFrom(table, rule.make(source, relation))
    if (!rule.lasting(relation)) return rows
    if (kept === undefined) lasting.set(relation, new Map([[table, rows]]))
    else kept.set(table, rows)
    return rows
  }
  return andThen(list, (found) => {
    const slicer = makeSlicer()
    slicer.start()
    const rows: Row[] = []
    const add = (own: readonly Row[]): void => {
      for (const row of own) rows.push(row)
    }
    const from = (start: number): MaybePromise<Row[]> => {
      for (let i = start; i < found.length; i++) {
        const own = withCatalog(() => make(found[i]!))
        const added = own instanceof Promise ? own.then(add) : add(own)
        const wait = added ?? ((i & 15) === 15 ? slicer.pause() : null)
        if (wait instanceof Promise) return wait.then(() => from(i + 1))
      }
      return rows
    }
    return from(0)
  })
}

const both = (builtin: readonly Row[], own: readonly Row[]): readonly Row[] =>
  builtin.length === 0 ? own : own.length === 0 ? builtin : [...builtin, ...own]

/** A builtin row whose object the keyspace keeps a record of (schema public, a predefined role with memberships) gives way. */
function overridden(table: string, builtin: readonly Row[], rows: readonly Row[]): readonly Row[] {
  if (table !== 'pg_authid' && table !== 'pg_namespace') return builtin
  const own = new Set(rows.map((row) => row[0]))
  return builtin.filter((row) => !own.has(row[0]) && (table !== 'pg_namespace' || row[0] !== PUBLIC_NAMESPACE) && row[0] !== null)
}
