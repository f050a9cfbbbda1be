// CatalogSnapshot over a CatalogReader: builtin rows first where a name can only be builtin, the keyspace's records otherwise. // hot

import type { Oid } from '../base/ids.ts'
import { collationByName, descriptionsByObject, pgShdescriptions } from '../sql/builtin/catalogs.ts'
import type { PgAggregateRow, PgCastRow, PgOperatorRow, PgProcRow, PgTypeRow } from '../sql/builtin/data/rows.ts'
import { castByTypes } from '../sql/builtin/pg-cast.ts'
import { indexByOid } from '../sql/builtin/pg-class.ts'
import { operatorByOid, operatorsByName } from '../sql/builtin/pg-operator.ts'
import { aggregateByProc, procByOid, procsByName } from '../sql/builtin/pg-proc.ts'
import { typeByOid, typesByName } from '../sql/builtin/pg-type.ts'
import { builtinRelation, builtinRelationByName } from './builtin-relations.ts'
import { builtinNamespaces, builtinRole, builtinRoleByName } from './builtin-roles.ts'
import type { IndexDescriptor, NamespaceDescriptor, RelationDescriptor, RoleDescriptor, TypeDescriptor } from './descriptors.ts'
import { commentKey, FUNCTION_ACLS_KEY, nameKey, objectKey, statisticsKey } from './keys.ts'
import { DATABASE_OID, type DatabaseDescriptor, FIRST_NORMAL_OID, type ObjectRecord, PUBLIC_NAMESPACE } from './records.ts'
import type { CatalogSnapshot, RelationInfo } from './snapshot.ts'
import type { StatisticsRecord } from './statistics.ts'
import { isTemporary } from './temporary.ts'
import type { CatalogReader } from './transaction.ts'
import { arrayTypeRow, rowTypeRow, userTypeRow } from './user-types.ts'

const infos = new WeakMap<RelationDescriptor, RelationInfo>()
const types = new WeakMap<object, PgTypeRow>()
const indexInfos = new WeakMap<IndexDescriptor, RelationInfo>()

/** A relation's descriptor in the form all relations have. One object per descriptor. */
export function relationInfo(descriptor: RelationDescriptor): RelationInfo {
  let info = infos.get(descriptor)
  if (info === undefined) {
    info = {
      oid: descriptor.oid,
      name: descriptor.name,
      namespace: descriptor.namespace,
      owner: descriptor.owner,
      relkind: descriptor.kind,
      columns: descriptor.columns,
      rowType: descriptor.rowType,
      descriptor,
      systemViewSql: null,
      catalogTable: null,
    }
    infos.set(descriptor, info)
  }
  return info
}

/** What an index's columns are called: as the table's, an expression by what it was written as; the same name again gets a number. */
export function indexColumnNames(table: RelationDescriptor, index: Pick<IndexDescriptor, 'columns' | 'include'>): string[] {
  const used = new Set<string>()
  const columns = [...index.columns, ...index.include.map((attnum) => ({ attnum, name: undefined }))]
  return columns.map(({ attnum, name: given }) => {
    const base = attnum === 0 ? (given ?? 'expr') : table.columns[attnum - 1]!.name
    let name = base
    for (let n = 1; used.has(name); n++) name = `${base}${n}`
    used.add(name)
    return name
  })
}

export function indexInfo(table: RelationDescriptor, index: IndexDescriptor): RelationInfo {
  let info = indexInfos.get(index)
  if (info === undefined) {
    const names = indexColumnNames(table, index)
    const keys = index.columns.map((column) => ({ type: column.type, collation: column.collation, attnum: column.attnum }))
    const included = index.include.map((attnum) => {
      const column = table.columns[attnum - 1]!
      return { type: column.type, collation: column.collation, attnum }
    })
    info = {
      oid: index.oid,
      name: index.name,
      namespace: table.namespace,
      owner: table.owner,
      relkind: 'i',
      columns: [...keys, ...included].map((column, i) => ({
        attnum: i + 1,
        name: names[i]!,
        type: column.type,
        typmod: column.attnum === 0 ? -1 : table.columns[column.attnum - 1]!.typmod,
        collation: column.collation,
        notNull: false,
        dropped: false,
      })),
      rowType: 0,
      descriptor: null,
      systemViewSql: null,
      catalogTable: null,
    }
    indexInfos.set(index, info)
  }
  return info
}

const NONE: readonly never[] = []
const NO_LABELS: ReadonlySet<Oid> = new Set()

export class ReaderSnapshot implements CatalogSnapshot {
  readonly reader: CatalogReader

  constructor(reader: CatalogReader) {
    this.reader = reader
  }

  get version(): string {
    return this.reader.version
  }

  record(oid: Oid): ObjectRecord | null {
    return this.reader.get(objectKey(oid)) as ObjectRecord | null
  }

  #named(kind: 'n' | 'a' | 'r' | 't', namespace: Oid, name: string): ObjectRecord | null {
    const oid = this.reader.get(nameKey(kind, namespace, name))
    return oid === null ? null : this.record(Number(oid))
  }

  database(): DatabaseDescriptor {
    const record = this.record(DATABASE_OID)
    return record?.kind === 'database' ? record.value : { oid: DATABASE_OID, owner: 10, acl: null, connectionLimit: -1 }
  }

  namespace(oid: Oid): NamespaceDescriptor | null {
    if (oid < FIRST_NORMAL_OID && oid !== PUBLIC_NAMESPACE) {
      const builtin = builtinNamespaces().get(oid) ?? null
      const granted = builtin === null ? null : this.record(oid)
      return granted?.kind === 'builtin-acl' ? { ...builtin!, acl: granted.acl } : builtin
    }
    const record = this.record(oid)
    return record?.kind === 'namespace' ? record.value : null
  }

  namespaceByName(name: string): NamespaceDescriptor | null {
    if (name === 'pg_catalog') return this.namespace(11)
    for (const builtin of builtinNamespaces().values()) if (builtin.name === name) return this.namespace(builtin.oid)
    const record = this.#named('n', 0, name)
    return record?.kind === 'namespace' ? record.value : null
  }

  relation(oid: Oid): RelationInfo | null {
    if (oid < FIRST_NORMAL_OID) return builtinRelation(oid)
    const record = this.record(oid)
    return record === null ? null : this.#relationOf(record, oid)
  }

  #relationOf(record: ObjectRecord, oid: Oid): RelationInfo | null {
    if (record.kind === 'relation') return relationInfo(record.value)
    if (record.kind !== 'index') return null
    const table = this.record(record.table)
    if (table?.kind !== 'relation') return null
    const index = table.value.table?.indexes.find((candidate) => candidate.oid === oid)
    return index === undefined ? null : indexInfo(table.value, index)
  }

  statistics(table: Oid): StatisticsRecord | null {
    return table < FIRST_NORMAL_OID ? null : (this.reader.get(statisticsKey(table)) as StatisticsRecord | null)
  }

  relationByName(namespace: Oid, name: string): RelationInfo | null {
    if (namespace < FIRST_NORMAL_OID && namespace !== PUBLIC_NAMESPACE) return builtinRelationByName(namespace, name)
    const text = this.reader.get(nameKey('r', namespace, name))
    if (text === null) return null
    const oid = Number(text)
    const record = this.record(oid)
    return record === null ? null : this.#relationOf(record, oid)
  }

  indexTable(index: Oid): RelationInfo | null {
    if (index < FIRST_NORMAL_OID) {
      const row = indexByOid(index)
      return row === undefined ? null : builtinRelation(row.indrelid)
    }
    const record = this.record(index)
    return record?.kind === 'index' ? this.relation(record.table) : null
  }

  type(oid: Oid): PgTypeRow | null {
    if (oid < FIRST_NORMAL_OID) return typeByOid(oid) ?? null
    const record = this.record(oid)
    return record === null ? null : this.#typeOf(record, oid)
  }

  #typeOf(record: ObjectRecord, oid: Oid): PgTypeRow | null {
    let element: PgTypeRow | null = null
    let arrayName: string
    switch (record.kind) {
      case 'type': {
        let row = types.get(record.value)
        if (row === undefined) types.set(record.value, (row = userTypeRow(record.value, (base) => this.type(base))))
        return row
      }
      case 'rowtype': {
        const relation = this.record(record.relation)
        if (relation?.kind !== 'relation') return null
        let row = types.get(relation.value)
        if (row === undefined) types.set(relation.value, (row = rowTypeRow(relation.value)))
        if (!record.array) return row
        element = row
        arrayName = record.name
        break
      }
      case 'arraytype':
        element = this.type(record.element)
        arrayName = record.name
        break
      default:
        return null
    }
    if (element === null) return null
    let array = types.get(element)
    if (array?.typname !== arrayName) types.set(element, (array = arrayTypeRow(oid, arrayName, element)))
    return array
  }

  typeByName(namespace: Oid, name: string): PgTypeRow | null {
    for (const row of typesByName(name)) if (row.typnamespace === namespace) return row
    if (namespace < FIRST_NORMAL_OID && namespace !== PUBLIC_NAMESPACE) return null
    const oid = this.reader.get(nameKey('t', namespace, name))
    return oid === null ? null : this.type(Number(oid))
  }

  userType(oid: Oid): TypeDescriptor | null {
    if (oid < FIRST_NORMAL_OID) return null
    const record = this.record(oid)
    return record?.kind === 'type' ? record.value : null
  }

  uncommittedLabels({ oid, definition }: TypeDescriptor): ReadonlySet<Oid> {
    // nobody else sees those
    if (isTemporary(oid)) return NO_LABELS
    const record = this.reader.committedValue(objectKey(oid)) as ObjectRecord | null
    if (record?.kind !== 'type' || record.value.definition.kind !== 'enum' || definition.kind !== 'enum') return NO_LABELS
    const { labels } = record.value.definition
    if (labels === definition.labels) return NO_LABELS
    const known = new Set(labels.map((label) => label.oid))
    return new Set(definition.labels.flatMap((label) => (known.has(label.oid) ? [] : [label.oid])))
  }

  procsByName(namespace: Oid, name: string): readonly PgProcRow[] {
    const rows = procsByName(name)
    if (rows.length === 0) return NONE
    return rows.every((row) => row.pronamespace === namespace) ? rows : rows.filter((row) => row.pronamespace === namespace)
  }

  proc(oid: Oid): PgProcRow | null {
    return procByOid(oid) ?? null
  }

  isRestricted(proc: PgProcRow): boolean {
    if (proc.proacl !== null) return true
    const changed = this.reader.get(FUNCTION_ACLS_KEY) as string | null
    return changed?.split(' ').includes(String(proc.oid)) === true
  }

  aggregate(fn: Oid): PgAggregateRow | null {
    return aggregateByProc(fn) ?? null
  }

  operatorsByName(namespace: Oid, name: string): readonly PgOperatorRow[] {
    const rows = operatorsByName(name)
    return rows.every((row) => row.oprnamespace === namespace) ? rows : rows.filter((row) => row.oprnamespace === namespace)
  }

  operator(oid: Oid): PgOperatorRow | null {
    return operatorByOid(oid) ?? null
  }

  cast(source: Oid, target: Oid): PgCastRow | null {
    return castByTypes(source, target) ?? null
  }

  collationByName(namespace: Oid, name: string): { readonly oid: Oid; readonly name: string } | null {
    const row = collationByName(name)
    return row === undefined || row.collnamespace !== namespace ? null : { oid: row.oid, name: row.collname }
  }

  role(oid: Oid): RoleDescriptor | null {
    const record = this.record(oid)
    if (record?.kind === 'role') return record.value
    return oid < FIRST_NORMAL_OID ? builtinRole(oid) : null
  }

  roleByName(name: string): RoleDescriptor | null {
    const builtin = builtinRoleByName(name)
    if (builtin !== null) return this.role(builtin.oid)
    const record = this.#named('a', 0, name)
    return record?.kind === 'role' ? record.value : null
  }

  comment(classOid: Oid, objOid: Oid, subId: number): string | null {
    if (objOid < FIRST_NORMAL_OID) {
      for (const row of descriptionsByObject(objOid)) if (row.classoid === classOid && row.objsubid === subId) return row.description
      for (const row of pgShdescriptions()) if (row.objoid === objOid && row.classoid === classOid) return row.description
    }
    return this.reader.get(commentKey({ classId: classOid, objId: objOid, subId })) as string | null
  }
}
