// Changes to the catalogue inside a user's transaction: every class of descriptor with its names, its auxiliary records and dependencies.
// What a relation contains (indexes, constraints, defaults, row types) follows its descriptor: callers hand over the new descriptor and the
// difference is written here. Invariant: names and auxiliary records never disagree with the descriptor they come from.

import { notSupported, PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { builtinRoleByName } from './builtin-roles.ts'
import { ReaderSnapshot } from './catalog-snapshot.ts'
import {
  type AclItem,
  domainConstraints,
  type NamespaceDescriptor,
  type RelationDescriptor,
  type RoleDescriptor,
  type TypeDescriptor,
} from './descriptors.ts'
import { newOid } from './ids.ts'
import {
  ADDRESS_LENGTH,
  CLASS,
  commentKey,
  commentPrefix,
  DEFAULT_ACL_PREFIX,
  defaultAclKey,
  dependencyKey,
  dependencyPrefix,
  FUNCTION_ACLS_KEY,
  garbageKey,
  type NameClass,
  nameKey,
  type ObjectAddress,
  objectKey,
  parseAddress,
  parseDefaultAclKey,
  reverseDependencyKey,
  reverseDependencyPrefix,
  settingsKey,
  statisticsKey,
} from './keys.ts'
import { makeObjectName } from './object-names.ts'
import { type ArrayTypeRecord, DATABASE_OID, type DatabaseDescriptor, type ObjectRecord } from './records.ts'
import { noStatistics, type StatisticsRecord } from './statistics.ts'
import { isTemporary, newTemporaryOid, temporaryNote } from './temporary.ts'
import type { CatalogTransaction } from './transaction.ts'

/** pg_depend.deptype: n normal, a auto, i internal. */
export type DependencyType = 'n' | 'a' | 'i'
export interface Dependency {
  readonly to: ObjectAddress
  readonly type: DependencyType
}
export interface Dependent {
  readonly from: ObjectAddress
  readonly to: ObjectAddress
  readonly type: DependencyType
}

const duplicate = {
  relation: (name: string) => new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`),
  type: (name: string) =>
    new PgError(SQLSTATE.duplicateObject, `type "${name}" already exists`, {
      hint: "A relation has an associated type of the same name, so you must use a name that doesn't conflict with any existing type.",
    }),
  namespace: (name: string) => new PgError(SQLSTATE.duplicateSchema, `schema "${name}" already exists`),
  role: (name: string) => new PgError(SQLSTATE.duplicateObject, `role "${name}" already exists`),
}

/** Auxiliary records of a relation by key. */
function auxiliary(relation: RelationDescriptor | null): Map<string, ObjectRecord> {
  const map = new Map<string, ObjectRecord>()
  if (relation === null) return map
  if (relation.rowType !== 0) map.set(objectKey(relation.rowType), { kind: 'rowtype', relation: relation.oid, array: false })
  for (const column of relation.columns) {
    if (column.default !== null) map.set(objectKey(column.default.oid), { kind: 'attrdef', table: relation.oid, attnum: column.attnum })
    if (column.notNullConstraint !== null) map.set(objectKey(column.notNullConstraint.oid), { kind: 'constraint', table: relation.oid })
  }
  for (const index of relation.table?.indexes ?? []) map.set(objectKey(index.oid), { kind: 'index', table: relation.oid })
  for (const constraint of relation.table?.constraints ?? [])
    map.set(objectKey(constraint.oid), { kind: 'constraint', table: relation.oid })
  return map
}

/** Names a relation and its indexes take among relations, with their OIDs. */
/** 42P07 where two of them are the same. */
function relationNames(relation: RelationDescriptor | null): Map<string, { name: string; oid: Oid }> {
  const map = new Map<string, { name: string; oid: Oid }>()
  if (relation === null) return map
  for (const { name, oid } of [relation, ...(relation.table?.indexes ?? [])]) {
    const key = nameKey('r', relation.namespace, name)
    if (map.has(key)) throw duplicate.relation(name)
    map.set(key, { name, oid })
  }
  return map
}

export class CatalogWriter {
  readonly catalog: CatalogTransaction
  readonly snapshot: ReaderSnapshot

  constructor(catalog: CatalogTransaction, snapshot = new ReaderSnapshot(catalog)) {
    this.catalog = catalog
    this.snapshot = snapshot
  }

  /** A number nobody has; a temporary one for what stands in a temporary schema. */
  newOid(schema: Oid = 0): MaybePromise<Oid> {
    return isTemporary(schema) ? newTemporaryOid() : newOid(this.catalog.space)
  }

  async #takeName(kind: NameClass, namespace: Oid, name: string, oid: Oid, taken: PgError): Promise<void> {
    if (!(await this.catalog.insert(nameKey(kind, namespace, name), String(oid)))) throw taken
  }

  async #putRecord(oid: Oid, record: ObjectRecord): Promise<void> {
    await this.catalog.lock(objectKey(oid))
    await this.catalog.put(objectKey(oid), record)
  }

  /** The newest version of a record, locked for change. */
  async #lockRecord(oid: Oid): Promise<ObjectRecord | null> {
    return (await this.catalog.lock(objectKey(oid))) as ObjectRecord | null
  }

  // --- relations -----------------------------------------------------------------------------------------------------------------------

  /** The newest descriptor, locked; 42P01 if it was dropped meanwhile. */
  async lockRelation(oid: Oid): Promise<RelationDescriptor> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'relation') throw new PgError(SQLSTATE.undefinedTable, `relation with OID ${oid} does not exist`)
    return record.value
  }

  /** A new relation; 42P07 when its name or an index's is taken, 42710 when its row type's is. */
  async createRelation(relation: RelationDescriptor): Promise<void> {
    for (const [key, { name, oid }] of relationNames(relation))
      if (!(await this.catalog.insert(key, String(oid)))) throw duplicate.relation(name)
    // a sequence, which has no row type, gets no type's name either
    await this.#takeTypeName(relation.namespace, relation.name, relation.rowType, duplicate.type(relation.name))
    if (relation.rowType !== 0) {
      if (relation.rowArrayType !== 0) {
        const name = await this.#takeArrayName(relation.namespace, relation.name, relation.rowArrayType)
        await this.catalog.insert(objectKey(relation.rowArrayType), { kind: 'rowtype', relation: relation.oid, array: true, name })
      }
    }
    for (const [key, record] of auxiliary(relation)) await this.catalog.insert(key, record)
    await this.#noteStorage(null, relation)
    await this.#putRecord(relation.oid, { kind: 'relation', value: relation })
  }

  /** Ids under which the relation's rows or counter no longer lie are garbage; those of temporary ones are noted while they are used. */
  async #noteStorage(before: RelationDescriptor | null, after: RelationDescriptor): Promise<void> {
    if (before !== null && before.table !== null && before.table.id !== after.table?.id) await this.addGarbage(before.table.id)
    if (!isTemporary(after.oid)) return
    const idsOf = (relation: RelationDescriptor | null) => [relation?.table?.id, relation?.sequence?.counterId]
    const known = idsOf(before)
    for (const id of idsOf(after))
      if (id !== undefined && !known.includes(id)) await this.catalog.putUnread(garbageKey(id), temporaryNote(Date.now()))
  }

  // --- names of types -------------------------------------------------------------------------------------------------------------------

  /** An array type that has the name gives way to what asks for it; answers which, 0 if none had to. With `oid` 0 nothing else takes the name. */
  async #takeTypeName(namespace: Oid, name: string, oid: Oid, taken: PgError): Promise<Oid> {
    const key = nameKey('t', namespace, name)
    const holder = Number(await this.catalog.lock(key))
    if (holder !== 0) {
      const array = await this.#lockArray(holder)
      if (array === null) throw taken
      await this.catalog.put(objectKey(holder), { ...array, name: await this.#takeArrayName(namespace, name, holder) })
      if (oid === 0) await this.catalog.delete(key)
    }
    if (oid !== 0) await this.catalog.put(key, String(oid))
    return holder
  }

  /** makeArrayTypeName: `_name`, or with a number behind it if that is taken. */
  async #takeArrayName(namespace: Oid, name: string, oid: Oid): Promise<string> {
    for (let pass = 0; ; pass++) {
      const candidate = makeObjectName('', name, pass === 0 ? null : String(pass))
      if (await this.catalog.insert(nameKey('t', namespace, candidate), String(oid))) return candidate
    }
  }

  /** The record of an array type; null for anything else. */
  async #lockArray(oid: Oid): Promise<ArrayTypeRecord | null> {
    const record = await this.#lockRecord(oid)
    return record?.kind === 'arraytype' || (record?.kind === 'rowtype' && record.array) ? record : null
  }

  /** A type's new name or schema, and its array type's with it. */
  async #renameType(
    old: { readonly namespace: Oid; readonly name: string },
    next: { readonly namespace: Oid; readonly name: string },
    oid: Oid,
    arrayOid: Oid,
    taken: PgError,
  ): Promise<void> {
    const moved = await this.#takeTypeName(next.namespace, next.name, oid, taken)
    // `foo` renamed to `_foo` has sent its own array type away already
    const array = arrayOid === 0 || arrayOid === moved ? null : await this.#lockArray(arrayOid)
    if (array !== null) {
      let { name } = array
      if (next.namespace !== old.namespace) await this.#takeName('t', next.namespace, name, arrayOid, taken)
      else name = await this.#takeArrayName(next.namespace, next.name, arrayOid)
      await this.catalog.delete(nameKey('t', old.namespace, array.name))
      await this.catalog.put(objectKey(arrayOid), { ...array, name })
    }
    await this.catalog.delete(nameKey('t', old.namespace, old.name))
  }

  async #dropTypeNames(namespace: Oid, name: string, arrayOid: Oid): Promise<void> {
    await this.catalog.delete(nameKey('t', namespace, name))
    const array = arrayOid === 0 ? null : await this.#lockArray(arrayOid)
    if (array === null) return
    await this.catalog.delete(nameKey('t', namespace, array.name))
    await this.catalog.delete(objectKey(arrayOid))
  }

  /** Replaces a descriptor that `lockRelation` answered. Answers the one stored (its version has grown). */
  async updateRelation(next: RelationDescriptor): Promise<RelationDescriptor> {
    const old = await this.lockRelation(next.oid)
    const stored: RelationDescriptor = { ...next, version: old.version + 1 }
    const before = relationNames(old)
    const after = relationNames(stored)
    for (const key of before.keys()) if (!after.has(key)) await this.catalog.delete(key)
    for (const [key, { name, oid }] of after)
      if (before.get(key)?.oid !== oid) {
        if (before.has(key)) await this.catalog.put(key, String(oid))
        else if (!(await this.catalog.insert(key, String(oid)))) throw duplicate.relation(name)
      }
    if (old.rowType !== 0 && (old.name !== stored.name || old.namespace !== stored.namespace)) {
      const taken = duplicate.type(stored.name)
      await this.#renameType(old, stored, stored.rowType, stored.rowArrayType, taken)
    }
    const oldAux = auxiliary(old)
    const newAux = auxiliary(stored)
    for (const key of oldAux.keys()) if (!newAux.has(key)) await this.catalog.delete(key)
    for (const [key, record] of newAux) if (!oldAux.has(key)) await this.catalog.insert(key, record)
    await this.#noteStorage(old, stored)
    await this.#forgetStatistics(old, stored)
    await this.#putRecord(stored.oid, { kind: 'relation', value: stored })
    return stored
  }

  /** Changes a relation: locks, applies `change` to the newest descriptor, writes. */
  async alterRelation(oid: Oid, change: (relation: RelationDescriptor) => RelationDescriptor): Promise<RelationDescriptor> {
    return this.updateRelation(change(await this.lockRelation(oid)))
  }

  /** Removes the relation with all that lives in it: names, row types, comments and its dependencies. */
  async dropRelation(oid: Oid): Promise<void> {
    const relation = await this.lockRelation(oid)
    for (const key of relationNames(relation).keys()) await this.catalog.delete(key)
    if (relation.rowType !== 0) await this.#dropTypeNames(relation.namespace, relation.name, relation.rowArrayType)
    for (const key of auxiliary(relation).keys()) await this.catalog.delete(key)
    await this.forget(CLASS.relation, oid)
    if (relation.rowType !== 0) await this.forget(CLASS.type, relation.rowType)
    for (const index of relation.table?.indexes ?? []) await this.forget(CLASS.relation, index.oid)
    for (const constraint of relation.table?.constraints ?? []) await this.forget(CLASS.constraint, constraint.oid)
    for (const column of relation.columns) if (column.default !== null) await this.forget(CLASS.attrdef, column.default.oid)
    if (relation.table !== null) {
      await this.addGarbage(relation.table.id)
      if ((await this.catalog.fetch(statisticsKey(oid))) !== null) await this.catalog.delete(statisticsKey(oid))
    }
    if (relation.sequence !== null) await this.addGarbage(relation.sequence.counterId)
    await this.catalog.delete(objectKey(oid))
  }

  // --- statistics ----------------------------------------------------------------------------------------------------------------------

  /** Replaces what is known of a table's columns; `change` gets what is there, locked. */
  async changeStatistics(table: Oid, change: (old: StatisticsRecord) => StatisticsRecord): Promise<void> {
    const key = statisticsKey(table)
    const old = (await this.catalog.lock(key)) as StatisticsRecord | null
    await this.catalog.put(key, change(old ?? noStatistics(table)))
  }

  /** Statistics of columns that are gone or have other types, and of indexes that are gone, say nothing any more. */
  async #forgetStatistics(old: RelationDescriptor, next: RelationDescriptor): Promise<void> {
    const attnums = next.columns
      .filter(
        (column, i) => old.columns[i] !== undefined && (column.dropped !== old.columns[i]!.dropped || column.type !== old.columns[i]!.type),
      )
      .map((column) => String(column.attnum))
    const kept = new Set(next.table?.indexes.map((index) => String(index.oid)))
    const indexes = (old.table?.indexes ?? []).map((index) => String(index.oid)).filter((oid) => !kept.has(oid))
    if (attnums.length + indexes.length === 0) return
    if ((await this.catalog.fetch(statisticsKey(next.oid))) === null) return
    const without = <T>(record: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
      Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)))
    await this.changeStatistics(next.oid, (record) => ({
      ...record,
      columns: without(record.columns, attnums),
      expressions: without(record.expressions, indexes),
    }))
  }

  /** Keys under this table or counter id belong to nobody once this transaction has committed. */
  async addGarbage(id: number): Promise<void> {
    await this.catalog.putUnread(garbageKey(id), 'dropped')
  }

  // --- schemas, roles, types, database --------------------------------------------------------------------------------------------------

  async createNamespace(namespace: NamespaceDescriptor): Promise<void> {
    await this.#takeName('n', 0, namespace.name, namespace.oid, duplicate.namespace(namespace.name))
    await this.#putRecord(namespace.oid, { kind: 'namespace', value: namespace })
  }

  async alterNamespace(oid: Oid, change: (namespace: NamespaceDescriptor) => NamespaceDescriptor): Promise<void> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'namespace') throw new PgError(SQLSTATE.undefinedSchema, `schema with OID ${oid} does not exist`)
    const next = change(record.value)
    if (next.name !== record.value.name) {
      await this.#takeName('n', 0, next.name, oid, duplicate.namespace(next.name))
      await this.catalog.delete(nameKey('n', 0, record.value.name))
    }
    await this.catalog.put(objectKey(oid), { kind: 'namespace', value: next })
  }

  async dropNamespace(oid: Oid): Promise<void> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'namespace') return
    await this.catalog.delete(nameKey('n', 0, record.value.name))
    await this.forget(CLASS.namespace, oid)
    for (const { key } of await this.catalog.scan(DEFAULT_ACL_PREFIX))
      if (parseDefaultAclKey(key).namespace === oid) await this.catalog.delete(key)
    await this.catalog.delete(objectKey(oid))
  }

  async createRole(role: RoleDescriptor): Promise<void> {
    if (builtinRoleByName(role.name) !== null) throw duplicate.role(role.name)
    await this.#takeName('a', 0, role.name, role.oid, duplicate.role(role.name))
    await this.#putRecord(role.oid, { kind: 'role', value: role })
  }

  /** Also of a predefined role (its memberships): its record then stands in the keyspace. */
  async alterRole(oid: Oid, change: (role: RoleDescriptor) => RoleDescriptor): Promise<RoleDescriptor> {
    const record = await this.#lockRecord(oid)
    const old = record?.kind === 'role' ? record.value : this.snapshot.role(oid)
    if (old === null) throw new PgError(SQLSTATE.undefinedObject, `role with OID ${oid} does not exist`)
    const next = change(old)
    if (next.name !== old.name) {
      if (builtinRoleByName(next.name) !== null) throw duplicate.role(next.name)
      await this.#takeName('a', 0, next.name, oid, duplicate.role(next.name))
      await this.catalog.delete(nameKey('a', 0, old.name))
    }
    await this.catalog.put(objectKey(oid), { kind: 'role', value: next })
    return next
  }

  async dropRole(oid: Oid): Promise<void> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'role') return
    await this.catalog.delete(nameKey('a', 0, record.value.name))
    await this.forget(CLASS.role, oid)
    await this.setSettings(oid, {})
    await this.catalog.delete(objectKey(oid))
  }

  async createType(type: TypeDescriptor): Promise<void> {
    const taken = new PgError(SQLSTATE.duplicateObject, `type "${type.name}" already exists`)
    await this.#takeTypeName(type.namespace, type.name, type.oid, taken)
    await this.#putRecord(type.oid, { kind: 'type', value: type })
    for (const { oid } of domainConstraints(type)) await this.#putRecord(oid, { kind: 'domain-constraint', domain: type.oid })
    if (type.arrayType === 0) return
    const name = await this.#takeArrayName(type.namespace, type.name, type.arrayType)
    await this.#putRecord(type.arrayType, { kind: 'arraytype', element: type.oid, name })
  }

  async alterType(oid: Oid, change: (type: TypeDescriptor) => TypeDescriptor): Promise<void> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'type') throw new PgError(SQLSTATE.undefinedObject, `type with OID ${oid} does not exist`)
    const old = record.value
    const next = change(old)
    if (next.name !== old.name || next.namespace !== old.namespace) {
      const taken = new PgError(SQLSTATE.duplicateObject, `type "${next.name}" already exists`)
      await this.#renameType(old, next, oid, next.arrayType, taken)
    }
    const constraintOids = (type: TypeDescriptor): Set<Oid> => new Set(domainConstraints(type).map((constraint) => constraint.oid))
    const before = constraintOids(old)
    const after = constraintOids(next)
    for (const constraint of before) if (!after.has(constraint)) await this.#dropDomainConstraint(constraint)
    for (const constraint of after)
      if (!before.has(constraint)) await this.#putRecord(constraint, { kind: 'domain-constraint', domain: oid })
    await this.catalog.put(objectKey(oid), { kind: 'type', value: next })
  }

  async #dropDomainConstraint(oid: Oid): Promise<void> {
    await this.forget(CLASS.constraint, oid)
    await this.catalog.delete(objectKey(oid))
  }

  async dropType(oid: Oid): Promise<void> {
    const record = await this.#lockRecord(oid)
    if (record?.kind !== 'type') return
    await this.#dropTypeNames(record.value.namespace, record.value.name, record.value.arrayType)
    for (const { oid } of domainConstraints(record.value)) await this.#dropDomainConstraint(oid)
    await this.forget(CLASS.type, oid)
    await this.catalog.delete(objectKey(oid))
  }

  async alterDatabase(change: (database: DatabaseDescriptor) => DatabaseDescriptor): Promise<void> {
    const record = await this.#lockRecord(DATABASE_OID)
    const old = record?.kind === 'database' ? record.value : this.snapshot.database()
    await this.catalog.put(objectKey(DATABASE_OID), { kind: 'database', value: change(old) })
  }

  /** Privileges of a builtin object, once they differ from PostgreSQL's own. */
  async setBuiltinAcl(oid: Oid, acl: readonly AclItem[]): Promise<void> {
    await this.#putRecord(oid, { kind: 'builtin-acl', acl })
  }

  /** The same of a function, whose calls ask for it. */
  async setFunctionAcl(oid: Oid, acl: readonly AclItem[]): Promise<void> {
    await this.setBuiltinAcl(oid, acl)
    const known = (await this.catalog.lock(FUNCTION_ACLS_KEY)) as string | null
    const oids = new Set(known === null ? [] : known.split(' '))
    oids.add(String(oid))
    await this.catalog.put(FUNCTION_ACLS_KEY, [...oids].join(' '))
  }

  // --- comments, settings, default privileges --------------------------------------------------------------------------------------------

  async setComment(address: ObjectAddress, text: string | null): Promise<void> {
    const key = commentKey(address)
    if (text === null || text === '') await this.catalog.delete(key)
    else {
      await this.catalog.lock(key)
      await this.catalog.put(key, text)
    }
  }

  /** ALTER ROLE … IN DATABASE SET, ALTER DATABASE … SET (role 0). Empty = none. */
  async setSettings(role: Oid, settings: Readonly<Record<string, string>>): Promise<void> {
    const key = settingsKey(role)
    await this.catalog.lock(key)
    if (Object.keys(settings).length === 0) await this.catalog.delete(key)
    else await this.catalog.put(key, settings)
  }

  async setDefaultAcl(role: Oid, namespace: Oid, type: string, acl: readonly AclItem[] | null): Promise<void> {
    const key = defaultAclKey(role, namespace, type)
    await this.catalog.lock(key)
    if (acl === null) await this.catalog.delete(key)
    else await this.catalog.put(key, acl)
  }

  // --- dependencies ----------------------------------------------------------------------------------------------------------------------

  async addDependency(from: ObjectAddress, to: ObjectAddress, type: DependencyType): Promise<void> {
    if (isTemporary(to.objId) && !isTemporary(from.objId))
      throw notSupported('a permanent object that depends on a temporary one is not supported', 'Make both temporary or both permanent.')
    for (const key of [dependencyKey(from, to), reverseDependencyKey(from, to)]) {
      await this.catalog.lock(key)
      await this.catalog.put(key, type)
    }
  }

  /** Replaces what `from` depends on. */
  async setDependencies(from: ObjectAddress, dependencies: readonly Dependency[]): Promise<void> {
    await this.dropDependencies(from.classId, from.objId, from.subId)
    for (const { to, type } of dependencies) await this.addDependency(from, to, type)
  }

  /** Forward dependencies of an object (of one sub-object, or of all with subId null). */
  async dependencies(classId: Oid, objId: Oid): Promise<Dependent[]> {
    const prefix = dependencyPrefix(classId, objId)
    return (await this.catalog.scan(prefix)).map(({ key, value }) => ({
      from: parseAddress(key, 2),
      to: parseAddress(key, 2 + ADDRESS_LENGTH),
      type: value as DependencyType,
    }))
  }

  /** Who depends on an object or a part of it. */
  async dependents(classId: Oid, objId: Oid): Promise<Dependent[]> {
    const prefix = reverseDependencyPrefix(classId, objId)
    return (await this.catalog.scan(prefix)).map(({ key, value }) => ({
      to: parseAddress(key, 2),
      from: parseAddress(key, 2 + ADDRESS_LENGTH),
      type: value as DependencyType,
    }))
  }

  async dropDependencies(classId: Oid, objId: Oid, subId: number | null = null): Promise<void> {
    for (const { from, to } of await this.dependencies(classId, objId)) {
      if (subId !== null && from.subId !== subId) continue
      await this.catalog.delete(dependencyKey(from, to))
      await this.catalog.delete(reverseDependencyKey(from, to))
    }
  }

  /** Comments and dependencies of an object that goes (or of one of its columns). */
  async forget(classId: Oid, objId: Oid, subId: number | null = null): Promise<void> {
    await this.dropDependencies(classId, objId, subId)
    for (const { key } of await this.catalog.scan(commentPrefix(classId, objId)))
      if (subId === null || parseAddress(key, 2).subId === subId) await this.catalog.delete(key)
  }
}
