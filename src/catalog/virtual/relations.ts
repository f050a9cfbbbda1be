// pg_class, pg_attribute, pg_attrdef, pg_index, pg_constraint, pg_sequence, pg_rewrite: rows computed from relations' descriptors.

import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import type { PgTypeRow } from '../../sql/builtin/data/rows.ts'
import { TYPE_OID } from '../../sql/builtin/data/type-oids.ts'
import { ACCESS_METHOD, opclassByOid } from '../../sql/builtin/pg-index.ts'
import { aclItemText } from '../acl.ts'
import { indexColumnNames } from '../catalog-snapshot.ts'
import {
  type Acl,
  type ColumnDescriptor,
  type ConstraintDescriptor,
  type IndexColumn,
  type IndexDescriptor,
  provesNotNull,
  type RelationDescriptor,
} from '../descriptors.ts'
import { namePrefix } from '../keys.ts'
import type { CatalogValue } from '../records.ts'
import { withCatalog } from '../snapshot.ts'
import type { Hints, RowObject } from './rows.ts'
import { relationOf, roleNameOf, type VirtualSource } from './source.ts'

/** The rows that the entries of some kind make, each by itself and what it looks up. */
export interface EntryRows {
  /** Of the entries' keys. */
  readonly prefix: string
  readonly make: (source: VirtualSource, key: string, value: CatalogValue) => RowObject[]
}

export const aclTexts = (source: VirtualSource, acl: Acl): string[] | null =>
  acl?.map((item) => aclItemText(item, roleNameOf(source))) ?? null

/** A table whose rows each belong to a relation. */
export interface RelationRows {
  /** The rows of one relation, its indexes' among them. */
  readonly make: (source: VirtualSource, relation: RelationDescriptor) => RowObject[]
  /** Whether they follow from its descriptor alone: then they are made once for it. */
  readonly lasting: (relation: RelationDescriptor) => boolean
  /** The relations whose rows may meet the hints, where the hints lead to them; null = look at all. */
  readonly find: (source: VirtualSource, hints: Hints) => MaybePromise<RelationDescriptor[]> | null
}

const always = (): boolean => true

/** Hints on these columns, which hold the OID of the relation or of something that belongs to it, lead to it. */
const byOid =
  (...columns: readonly string[]): RelationRows['find'] =>
  (source, hints) => {
    for (const column of columns) {
      const oid = hints.oid(column)
      if (oid !== null) return relationOf(source, oid)
    }
    return null
  }

// --- pg_class ------------------------------------------------------------------------------------------------------------------------------

const CLASS_ROW = {
  reloftype: 0,
  reltablespace: 0,
  relallvisible: 0,
  relallfrozen: 0,
  reltoastrelid: 0,
  relisshared: false,
  relhassubclass: false,
  relispopulated: true,
  relispartition: false,
  relrewrite: 0,
  relfrozenxid: 0,
  relminmxid: 0,
  relpartbound: null,
}

const checkCount = (relation: RelationDescriptor): number =>
  relation.table?.constraints.filter((constraint) => constraint.type === 'c').length ?? 0

function relationRow(source: VirtualSource, relation: RelationDescriptor): RowObject {
  const table = relation.table
  const foreignKeys =
    table !== null && (table.inboundForeignKeys.length > 0 || table.constraints.some((constraint) => constraint.type === 'f'))
  return {
    ...CLASS_ROW,
    oid: relation.oid,
    relname: relation.name,
    relnamespace: relation.namespace,
    reltype: relation.rowType,
    relowner: relation.owner,
    relam: table === null ? 0 : ACCESS_METHOD.heap,
    relfilenode: table !== null ? table.id : relation.kind === 'S' ? relation.oid : 0,
    relpages: table?.relPages ?? (relation.kind === 'S' ? 1 : 0),
    reltuples: table?.relTuples ?? (relation.kind === 'S' ? 1 : -1),
    relhasindex: (table?.indexes.length ?? 0) > 0,
    relpersistence: relation.persistence,
    relkind: relation.kind,
    relnatts: relation.columns.length,
    relchecks: checkCount(relation),
    relhasrules: relation.kind === 'v',
    relhastriggers: foreignKeys,
    relrowsecurity: table?.rowSecurity ?? false,
    relforcerowsecurity: table?.forceRowSecurity ?? false,
    relreplident: table?.replicaIdentity ?? 'n',
    // a composite type's are its type's
    relacl: relation.kind === 'c' ? null : aclTexts(source, relation.acl),
    reloptions: relation.options,
  }
}

function indexRow(relation: RelationDescriptor, index: IndexDescriptor): RowObject {
  return {
    ...CLASS_ROW,
    oid: index.oid,
    relname: index.name,
    relnamespace: relation.namespace,
    reltype: 0,
    relowner: relation.owner,
    relam: index.accessMethod,
    relfilenode: index.oid,
    relpages: 1,
    reltuples: Math.max(relation.table!.relTuples, 0),
    relhasindex: false,
    relpersistence: relation.persistence,
    relkind: 'i',
    relnatts: index.columns.length + index.include.length,
    relchecks: 0,
    relhasrules: false,
    relhastriggers: false,
    relrowsecurity: false,
    relforcerowsecurity: false,
    relreplident: 'n',
    relacl: null,
    reloptions: index.options,
  }
}

const classRows = (source: VirtualSource, relation: RelationDescriptor): RowObject[] => [
  relationRow(source, relation),
  ...(relation.table?.indexes ?? []).map((index) => indexRow(relation, index)),
]

const classOfOid = byOid('oid')

export const pgClass: RelationRows = {
  make: classRows,
  lasting: (relation) => relation.acl === null,
  find(source, hints) {
    const name = hints.text('relname')
    const namespace = hints.oid('relnamespace')
    if (name === null || namespace === null || hints.oid('oid') !== null) return classOfOid(source, hints)
    return withCatalog(() => {
      const found = source.snapshot.reader.get(`${namePrefix('r', namespace)}${name}`)
      const record = found === null ? null : source.snapshot.record(Number(found))
      const owner = record?.kind === 'index' ? source.snapshot.record(record.table) : record
      return owner?.kind === 'relation' ? [owner.value] : []
    })
  },
}

// --- pg_attribute --------------------------------------------------------------------------------------------------------------------------

const ATTRIBUTE_ROW = {
  attndims: 0,
  attcompression: '',
  atthasdef: false,
  atthasmissing: false,
  attidentity: '',
  attgenerated: '',
  attisdropped: false,
  attislocal: true,
  attinhcount: 0,
  attstattarget: null,
  attacl: null,
  attoptions: null,
  attfdwoptions: null,
  attmissingval: null,
}

const typeFacts = (row: PgTypeRow | null): RowObject =>
  row === null
    ? { attlen: -1, attbyval: false, attalign: 'i', attstorage: 'x' }
    : { attlen: row.typlen, attbyval: row.typbyval, attalign: row.typalign, attstorage: row.typstorage }

const SYSTEM_ATTRIBUTES: readonly (readonly [string, Oid, number])[] = [
  ['ctid', 27, -1],
  ['xmin', 28, -2],
  ['cmin', 29, -3],
  ['xmax', 28, -4],
  ['cmax', 29, -5],
  ['tableoid', 26, -6],
]

function columnRow(source: VirtualSource, relation: RelationDescriptor, column: ColumnDescriptor): RowObject {
  const type = source.snapshot.type(column.type)
  return {
    ...ATTRIBUTE_ROW,
    ...typeFacts(type),
    attstorage: column.storage,
    attcompression: column.compression,
    attrelid: relation.oid,
    attname: column.name,
    atttypid: column.dropped ? 0 : column.type,
    attnum: column.attnum,
    atttypmod: column.typmod,
    attndims: type?.typcategory === 'A' && type.typelem !== 0 ? (column.dims ?? 1) : 0,
    attnotnull: column.notNull,
    atthasdef: column.default !== null,
    atthasmissing: column.missingValue !== null,
    attidentity: column.identity,
    attgenerated: column.generated,
    attisdropped: column.dropped,
    attcollation: column.collation,
    attstattarget: column.statisticsTarget,
    attacl: aclTexts(source, column.acl),
    attoptions: column.options,
  }
}

/** The type that PostgreSQL's index keeps: the operator class's own (cstring for name), a hash's integer, else the key's. */
function storedType(index: IndexDescriptor, key: IndexColumn): Oid {
  return opclassByOid(key.opclass)?.opckeytype || (index.accessMethod === ACCESS_METHOD.hash ? TYPE_OID.int4 : key.type)
}

function attributeRows(source: VirtualSource, relation: RelationDescriptor): RowObject[] {
  const rows: RowObject[] = []
  if (relation.kind === 'r' || relation.kind === 'S')
    for (const [attname, atttypid, attnum] of SYSTEM_ATTRIBUTES)
      rows.push({
        ...ATTRIBUTE_ROW,
        ...typeFacts(source.snapshot.type(atttypid)),
        attrelid: relation.oid,
        attname,
        atttypid,
        attnum,
        atttypmod: -1,
        attnotnull: true,
        attcollation: 0,
      })
  for (const column of relation.columns) rows.push(columnRow(source, relation, column))
  for (const index of relation.table?.indexes ?? []) {
    const names = indexColumnNames(relation, index)
    const keys = [
      ...index.columns.map((key) => ({ type: storedType(index, key), collation: key.collation, attnum: key.attnum })),
      ...index.include.map((attnum) => ({
        type: relation.columns[attnum - 1]!.type,
        collation: relation.columns[attnum - 1]!.collation,
        attnum,
      })),
    ]
    for (const [i, key] of keys.entries())
      rows.push({
        ...ATTRIBUTE_ROW,
        ...typeFacts(source.snapshot.type(key.type)),
        attrelid: index.oid,
        attname: names[i]!,
        atttypid: key.type,
        attnum: i + 1,
        atttypmod: key.type === relation.columns[key.attnum - 1]?.type ? relation.columns[key.attnum - 1]!.typmod : -1,
        attnotnull: false,
        attcollation: key.collation,
      })
  }
  return rows
}

export const pgAttribute: RelationRows = {
  make: attributeRows,
  // Roles are named in privileges, and of a dropped column's type nobody knows how long it stays.
  lasting: (relation) => relation.columns.every((column) => column.acl === null && !column.dropped),
  find: byOid('attrelid'),
}

export const pgAttrdef: RelationRows = {
  make: (_source, relation) =>
    relation.columns.flatMap((column) =>
      column.default === null ? [] : [{ oid: column.default.oid, adrelid: relation.oid, adnum: column.attnum, adbin: column.default.expr }],
    ),
  lasting: always,
  find: byOid('adrelid', 'oid'),
}

// --- pg_index, pg_constraint ---------------------------------------------------------------------------------------------------------------

function pgIndexRow(relation: RelationDescriptor, index: IndexDescriptor): RowObject {
  const constraint = relation.table!.constraints.find((other) => (other.type === 'p' || other.type === 'u') && other.index === index.oid)
  const expressions = index.columns.flatMap((key) => (key.expr === null ? [] : [key.expr]))
  return {
    indexrelid: index.oid,
    indrelid: relation.oid,
    indnatts: index.columns.length + index.include.length,
    indnkeyatts: index.columns.length,
    indisunique: index.unique,
    indnullsnotdistinct: index.nullsNotDistinct,
    indisprimary: index.primary,
    indisexclusion: false,
    indimmediate: !(constraint?.deferrable ?? false),
    indisclustered: relation.table!.clusteredIndex === index.oid,
    indisvalid: index.state === 'public',
    indcheckxmin: false,
    indisready: index.state === 'public' || index.state === 'write-only',
    indislive: true,
    indisreplident: relation.table!.replicaIdentity === 'i' && relation.table!.replicaIdentityIndex === index.oid,
    indkey: [...index.columns.map((key) => key.attnum), ...index.include],
    indcollation: index.columns.map((key) => key.collation),
    indclass: index.columns.map((key) => key.opclass),
    indoption: index.columns.map((key) => (key.descending ? 1 : 0) | (key.nullsFirst ? 2 : 0)),
    indexprs: expressions.length === 0 ? null : expressions.join('\n'),
    indpred: index.predicate,
  }
}

export const pgIndex: RelationRows = {
  make: (_source, relation) => (relation.table?.indexes ?? []).map((index) => pgIndexRow(relation, index)),
  lasting: always,
  find: byOid('indrelid', 'indexrelid'),
}

/** What a constraint's row holds where its kind says nothing else. */
export const CONSTRAINT_ROW = {
  contypid: 0,
  conindid: 0,
  conparentid: 0,
  confrelid: 0,
  confupdtype: ' ',
  confdeltype: ' ',
  confmatchtype: ' ',
  conislocal: true,
  coninhcount: 0,
  conperiod: false,
  confkey: null,
  conpfeqop: null,
  conppeqop: null,
  conffeqop: null,
  confdelsetcols: null,
  conexclop: null,
  conbin: null,
}

function constraintRow(relation: RelationDescriptor, constraint: ConstraintDescriptor): RowObject {
  const common = {
    ...CONSTRAINT_ROW,
    oid: constraint.oid,
    conname: constraint.name,
    connamespace: relation.namespace,
    contype: constraint.type,
    condeferrable: constraint.deferrable,
    condeferred: constraint.deferred,
    conenforced: constraint.enforced,
    convalidated: constraint.validated && constraint.enforced,
    conrelid: relation.oid,
    connoinherit: true,
    conkey: constraint.columns,
  }
  switch (constraint.type) {
    case 'c':
      return {
        ...common,
        connoinherit: constraint.noInherit,
        conbin: constraint.expr,
        conkey: constraint.columns.length === 0 ? null : constraint.columns,
      }
    case 'f':
      return {
        ...common,
        conindid: constraint.referencedIndex,
        confrelid: constraint.referencedTable,
        confupdtype: constraint.onUpdate,
        confdeltype: constraint.onDelete,
        confmatchtype: constraint.matchType,
        confkey: constraint.referencedColumns,
        conpfeqop: constraint.pfEqOps,
        conppeqop: constraint.ppEqOps,
        conffeqop: constraint.ffEqOps,
        confdelsetcols: constraint.deleteSetColumns.length === 0 ? null : constraint.deleteSetColumns,
      }
    default:
      return { ...common, conindid: constraint.index }
  }
}

function constraintRows(_source: VirtualSource, relation: RelationDescriptor): RowObject[] {
  const rows = (relation.table?.constraints ?? []).map((constraint) => constraintRow(relation, constraint))
  for (const column of relation.columns) {
    if (column.notNullConstraint === null) continue
    rows.push({
      ...CONSTRAINT_ROW,
      oid: column.notNullConstraint.oid,
      conname: column.notNullConstraint.name,
      connamespace: relation.namespace,
      contype: 'n',
      condeferrable: false,
      condeferred: false,
      conenforced: true,
      convalidated: provesNotNull(column),
      conrelid: relation.oid,
      connoinherit: column.notNullConstraint.noInherit,
      conkey: [column.attnum],
    })
  }
  return rows
}

export const pgConstraint: RelationRows = { make: constraintRows, lasting: always, find: byOid('conrelid') }

// --- pg_sequence, pg_rewrite -----------------------------------------------------------------------------------------------------------------

const int8 = (text: string): number | bigint => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text))

export const pgSequence: RelationRows = {
  make(_source, relation) {
    const { sequence } = relation
    if (sequence === null) return []
    return [
      {
        seqrelid: relation.oid,
        seqtypid: sequence.type,
        seqstart: int8(sequence.start),
        seqincrement: int8(sequence.increment),
        seqmax: int8(sequence.max),
        seqmin: int8(sequence.min),
        seqcache: sequence.cache,
        seqcycle: sequence.cycle,
      },
    ]
  },
  lasting: always,
  find: byOid('seqrelid'),
}

/** A view's rule has the view's own OID. */
export const pgRewrite: RelationRows = {
  make: (_source, relation) =>
    relation.view === null
      ? []
      : [
          {
            oid: relation.oid,
            rulename: '_RETURN',
            ev_class: relation.oid,
            ev_type: '1',
            ev_enabled: 'O',
            is_instead: true,
            ev_qual: '<>',
            ev_action: relation.view.query,
          },
        ],
  lasting: always,
  find: byOid('ev_class', 'oid'),
}
