// The rows of a pg_catalog table: PostgreSQL's own first, then the keyspace's. Tables of objects nobody can have made are empty.
//
// What looks through a whole table has an image of it (table-image.ts), which is kept with the reader's and brought forward by what changed since:
// a definition costs the next look what it changed, not what there is. Before there is one, hints that lead to few entries are answered from these.
// Invariant: rows kept with a descriptor follow from that alone.

import type { Datum, Row } from '../../base/datum.ts'
import type { Oid } from '../../base/ids.ts'
import { andThen, type MaybePromise } from '../../base/maybe-promise.ts'
import { makeSlicer } from '../../base/slicer.ts'
import { classByOid } from '../../sql/builtin/pg-class.ts'
import type { RelationDescriptor } from '../descriptors.ts'
import { OBJECT_PREFIX } from '../keys.ts'
import { RecordingReader } from '../recording-reader.ts'
import type { CatalogValue, ObjectRecord } from '../records.ts'
import { withCatalog } from '../snapshot.ts'
import type { CatalogEntry } from '../space.ts'
import type { CatalogReader } from '../transaction.ts'
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
  pgTypeOf,
  roleSettings,
  structuralDepend,
} from './objects.ts'
import {
  type EntryRows,
  pgAttrdef,
  pgAttribute,
  pgClass,
  pgConstraint,
  pgIndex,
  pgRewrite,
  pgSequence,
  type RelationRows,
} from './relations.ts'
import { builtinTable, Hints, type RowObject, shapeOf, toRow } from './rows.ts'
import { sourceOver, type VirtualSource } from './source.ts'
import { pgStatistic, pgStatisticOf } from './statistics.ts'
import { both, type Group, TableImage } from './table-image.ts'

interface OwnRows {
  /** Rows that belong to relations. */
  readonly relations?: RelationRows
  /** All others. */
  readonly others?: readonly EntryRows[]
  /** The rows that may meet the hints, where these lead to few entries. */
  readonly direct?: (source: VirtualSource, hints: Hints) => MaybePromise<RowObject[]> | null
  /** All rows at once, made for each look; `instead`: of PostgreSQL's own. */
  readonly whole?: { readonly make: (source: VirtualSource) => MaybePromise<RowObject[]>; readonly instead: boolean }
}

const OWN: Readonly<Record<string, OwnRows>> = {
  pg_attrdef: { relations: pgAttrdef },
  pg_attribute: { relations: pgAttribute },
  pg_auth_members: { others: [pgAuthMembers] },
  pg_authid: { others: [pgAuthid] },
  pg_class: { relations: pgClass },
  pg_constraint: { relations: pgConstraint, others: [domainConstraints] },
  pg_database: { whole: { make: pgDatabase, instead: true } },
  pg_db_role_setting: { others: [pgDbRoleSetting, roleSettings] },
  pg_default_acl: { whole: { make: pgDefaultAcl, instead: false } },
  pg_depend: { others: [pgDepend, structuralDepend] },
  pg_description: { others: [pgDescription] },
  pg_enum: { others: [pgEnum] },
  pg_index: { relations: pgIndex },
  pg_namespace: { others: [pgNamespace] },
  pg_rewrite: { relations: pgRewrite },
  pg_sequence: { relations: pgSequence },
  pg_shdescription: { others: [pgShdescription] },
  pg_statistic: { others: [pgStatistic], direct: pgStatisticOf },
  pg_type: { others: [pgType], direct: pgTypeOf },
}

/** Where no more entries have changed an image is brought forward for one look. */
const NEAR = 64

export interface VirtualRelationRows {
  rows(ctx: unknown, hints: readonly { readonly attnum: number; readonly value: Datum }[]): MaybePromise<readonly Row[]>
}

/** After so many looks at few entries each, one at the whole table is made for all that follow. */
const DIRECT_LOOKS = 32

/** A whole table as it is at one version; whoever looks rows up again and again holds it, be it too large to be kept for others. */
interface Held {
  version: string
  image: TableImage | null
  /** Looks without it. */
  directLooks: number
}

/** Null for what is no catalogue table. `source` is asked at each scan. */
export function virtualRelation(relation: Oid, source: () => VirtualSource): VirtualRelationRows | null {
  const row = classByOid(relation)
  if (row === undefined || row.relkind !== 'r') return null
  // pg_catalog's, or information_schema's own (sql_features …)
  const table = row.relname
  const own = OWN[table]
  const held: Held = { version: '', image: null, directLooks: 0 }
  return {
    rows(_ctx, given) {
      const hints = Hints.of(table, given)
      // a NULL in a condition finds nothing
      if (hints.values.includes(null)) return []
      if (own === undefined) return builtinTable(table).find(hints)
      return rowsOf(table, own, source(), hints, held)
    },
  }
}

function rowsOf(table: string, own: OwnRows, source: VirtualSource, hints: Hints, held: Held): MaybePromise<readonly Row[]> {
  const { whole } = own
  if (whole !== undefined)
    return andThen(whole.make(source), (objects) => both(whole.instead ? [] : builtinTable(table).find(hints), rowsFrom(table, objects)))
  const { reader } = source.snapshot
  const { version } = reader
  if (held.image !== null && held.version === version) return held.image.find(hints)
  if (held.directLooks < DIRECT_LOOKS && !isNear(table, reader)) {
    held.directLooks++
    const direct = directRows(table, own, source, hints)
    if (direct !== null) return andThen(direct, (rows) => both(builtinTable(table).find(hints), rows))
  }
  return andThen(imageOf(table, own, source), (image) => {
    if (reader.version === version) {
      held.version = version
      held.image = image
    }
    return image.find(hints)
  })
}

const rowsFrom = (table: string, objects: readonly RowObject[]): Row[] => {
  const shape = shapeOf(table)
  return objects.map((object) => toRow(shape, object))
}

/** The keyspace's rows that may meet the hints, where the hints lead there. */
function directRows(table: string, own: OwnRows, source: VirtualSource, hints: Hints): MaybePromise<Row[]> | null {
  if (own.relations === undefined) {
    const objects = own.direct?.(source, hints) ?? null
    return objects === null ? null : andThen(objects, (found) => rowsFrom(table, found))
  }
  const { relations } = own
  const found = relations.find(source, hints)
  if (found === null) return null
  return andThen(found, (list) => withCatalog(() => list.flatMap((relation) => rowsOfRelation(table, relations, source, relation))))
}

// --- images ----------------------------------------------------------------------------------------------------------------------------------

/** Whether an image is kept that few changes lead to the reader's. */
function isNear(table: string, reader: CatalogReader): boolean {
  const kept = reader.image.get(table)
  if (kept !== null) return kept.stale.size <= NEAR
  return reader.below !== null && reader.ownKeys.length <= NEAR && isNear(table, reader.below)
}

/** The table as the reader sees it: what is kept, brought forward, else what the reader below sees with what this one sees otherwise, else made anew. */
function imageOf(table: string, own: OwnRows, source: VirtualSource): MaybePromise<TableImage> {
  const { reader } = source.snapshot
  const { below } = reader
  if (below === null) return imageFrom(table, own, source, null)
  return andThen(imageOf(table, own, sourceOver(source, below)), (basis) => imageFrom(table, own, source, basis))
}

function imageFrom(table: string, own: OwnRows, source: VirtualSource, basis: TableImage | null): MaybePromise<TableImage> {
  const { reader } = source.snapshot
  const { version } = reader
  const kept = reader.image.get(table)
  const known = kept !== null && kept.basis === basis ? kept : null
  if (known !== null && known.stale.size === 0) return known.part as TableImage
  const made =
    known !== null
      ? forward(table, own, source, known.part as TableImage, known.stale)
      : basis !== null
        ? forward(table, own, source, basis, reader.ownKeys)
        : wholeImage(table, own, source)
  return andThen(made, (image) => {
    // Where something changed meanwhile it is good for whoever asked, as what is read while others commit.
    if (reader.version === version) reader.image.keep(table, image, basis)
    return image
  })
}

/** An image with the groups made anew that these keys have a part in. */
function forward(table: string, own: OwnRows, source: VirtualSource, image: TableImage, keys: Iterable<string>): MaybePromise<TableImage> {
  const rules = rulesOf(own)
  const affected = [...image.affected(keys)].filter((key) => rules.some(({ prefix }) => key.startsWith(prefix)))
  if (affected.length === 0) return image
  const { reader } = source.snapshot
  const entries = (start: number, found: { key: string; value: CatalogValue | null }[]): MaybePromise<typeof found> => {
    for (let i = start; i < affected.length; i++) {
      const key = affected[i]!
      const value = reader.fetch(key)
      if (value instanceof Promise)
        return value.then((come) => {
          found.push({ key, value: come })
          return entries(i + 1, found)
        })
      found.push({ key, value })
    }
    return found
  }
  return andThen(entries(0, []), (found) => andThen(groupsOf(table, own, source, found), (groups) => image.with(groups)))
}

/** The image made of all entries. */
function wholeImage(table: string, own: OwnRows, source: VirtualSource): MaybePromise<TableImage> {
  const { reader } = source.snapshot
  const prefixes = [...new Set(rulesOf(own).map(({ prefix }) => prefix))].sort()
  const read = (at: number, groups: Map<string, Group>): MaybePromise<TableImage> => {
    const prefix = prefixes[at]
    if (prefix === undefined) return TableImage.of(table, groups)
    const entries: MaybePromise<readonly CatalogEntry[]> = prefix === OBJECT_PREFIX ? reader.objects() : reader.scan(prefix)
    return andThen(entries, (list) =>
      andThen(groupsOf(table, own, source, list), (found) => {
        for (const [key, group] of found) if (group !== null) groups.set(key, group)
        return read(at + 1, groups)
      }),
    )
  }
  return read(0, new Map())
}

/** The rules of a table's rows in one form. */
function rulesOf(own: OwnRows): readonly { readonly prefix: string }[] {
  return own.relations === undefined ? own.others! : [{ prefix: OBJECT_PREFIX }, ...(own.others ?? [])]
}

/** The groups of entries; null for one that makes no rows. Gives way between them. */
function groupsOf(
  table: string,
  own: OwnRows,
  source: VirtualSource,
  entries: readonly { readonly key: string; readonly value: CatalogValue | null }[],
): MaybePromise<Map<string, Group | null>> {
  const recording = new RecordingReader(source.snapshot.reader)
  const recorded = sourceOver(source, recording)
  const make = (key: string, value: CatalogValue): Group | null => {
    recording.take()
    const rows: Row[] = []
    if (own.relations !== undefined && key.startsWith(OBJECT_PREFIX)) {
      const record = value as ObjectRecord
      if (record.kind === 'relation') rows.push(...rowsOfRelation(table, own.relations, recorded, record.value))
    }
    for (const rule of own.others ?? []) if (key.startsWith(rule.prefix)) rows.push(...rowsFrom(table, rule.make(recorded, key, value)))
    const lookups = [...recording.take().keys()].filter((lookup) => lookup !== key)
    return rows.length === 0 && lookups.length === 0 ? null : { rows, lookups }
  }
  const slicer = makeSlicer()
  slicer.start()
  const groups = new Map<string, Group | null>()
  const from = (start: number): MaybePromise<Map<string, Group | null>> => {
    for (let i = start; i < entries.length; i++) {
      const { key, value } = entries[i]!
      // Row makers may look other objects up: run again after a miss.
      const group = value === null ? null : withCatalog(() => make(key, value))
      const wait = group instanceof Promise ? group.then((come) => void groups.set(key, come)) : (i & 15) === 15 ? slicer.pause() : null
      if (!(group instanceof Promise)) groups.set(key, group)
      if (wait instanceof Promise) return wait.then(() => from(i + 1))
    }
    return groups
  }
  return from(0)
}

/** By descriptor and table. */
const lasting = new WeakMap<RelationDescriptor, Map<string, readonly Row[]>>()

function rowsOfRelation(table: string, rule: RelationRows, source: VirtualSource, relation: RelationDescriptor): readonly Row[] {
  const kept = lasting.get(relation)
  const known = kept?.get(table)
  if (known !== undefined) return known
  const rows = rowsFrom(table, rule.make(source, relation))
  if (!rule.lasting(relation)) return rows
  if (kept === undefined) lasting.set(relation, new Map([[table, rows]]))
  else kept.set(table, rows)
  return rows
}
