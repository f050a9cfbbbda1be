// ALTER … OWNER TO, ALTER … SET SCHEMA, REASSIGN OWNED, DROP OWNED.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL, aclMentions, aclNewOwner } from '../../catalog/acl.ts'
import type { Acl, AclItem, RelationDescriptor } from '../../catalog/descriptors.ts'
import { addressText, CLASS, OBJECT_PREFIX, type ObjectAddress } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkNamespace, databaseMask, mustBeOwner, ownsObject, permissionDenied, relkindWord } from '../../catalog/privileges.ts'
import type { ObjectRecord } from '../../catalog/records.ts'
import { checkCanSetRole, hasPrivilegesOf, isSuperuser } from '../../catalog/roles.ts'
import type { AlterObjectSchemaStmt, AlterOwnerStmt, DropOwnedStmt, ReassignOwnedStmt, RoleSpec, TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { roleSpecs } from './def-elem.ts'
import { dropDefaultAclsOf } from './default-privileges.ts'
import { performDeletion } from './drop.ts'
import { skipped } from './drop-builtin.ts'
import { creationNamespace, load, lockNamed, namespaceNamed, objectParts, rangeVarParts, roleOfSpec } from './names.ts'
import { checkOwner } from './table-builder.ts'
import { checkMove } from './temporary.ts'
import { ownedSequences } from './truncate.ts'
import { checkAlterableType } from './types.ts'

const withOwner = (acl: Acl, from: Oid, to: Oid): Acl => (acl === null ? null : aclNewOwner(acl, from, to))

/** The relation, and the sequences its columns own. */
export async function setRelationOwner(c: CommandContext, oid: Oid, owner: Oid): Promise<void> {
  const old = await c.writer.lockRelation(oid)
  if (old.owner === owner) return
  await c.writer.updateRelation({
    ...old,
    owner,
    acl: withOwner(old.acl, old.owner, owner),
    columns: old.columns.map((column) => (column.acl === null ? column : { ...column, acl: withOwner(column.acl, old.owner, owner) })),
  })
  if (old.table !== null) for (const sequence of await ownedOf(c, oid)) await setRelationOwner(c, sequence, owner)
}

async function ownedOf(c: CommandContext, table: Oid): Promise<Oid[]> {
  const found: Oid[] = []
  for (const { from } of await c.writer.dependents(CLASS.relation, table)) {
    const relation = from.classId === CLASS.relation ? await load(() => c.snapshot.relation(from.objId)) : null
    if (relation?.descriptor?.sequence?.ownedBy?.table === table) found.push(relation.oid)
  }
  return found
}

export async function changeRelationOwner(
  c: CommandContext,
  relation: { oid: Oid; name: string; owner: Oid; namespace: Oid; relkind: string },
  spec: RoleSpec,
): Promise<void> {
  const user = c.ctx.session.currentUser
  const owner = await load(() => roleOfSpec(c, spec))
  if (relation.owner === owner.oid) return
  if (!(await load(() => isSuperuser(c.snapshot, user)))) {
    if (!(await load(() => ownsObject(c.snapshot, relation.owner, user)))) throw mustBeOwner(relkindWord(relation.relkind), relation.name)
    await load(() => checkCanSetRole(c.snapshot, user, owner))
    await load(() => checkNamespace(c.snapshot, relation.namespace, owner.oid, ACL.create))
  }
  const descriptor = (await load(() => c.snapshot.relation(relation.oid)))!.descriptor
  if (descriptor?.sequence?.ownedBy != null) {
    const table = await load(() => c.snapshot.relation(descriptor.sequence!.ownedBy!.table))
    throw new PgError(SQLSTATE.featureNotSupported, `cannot change owner of sequence "${relation.name}"`, {
      detail: `Sequence "${relation.name}" is linked to table "${table?.name}".`,
    })
  }
  await setRelationOwner(c, relation.oid, owner.oid)
}

export async function alterOwner(c: CommandContext, stmt: AlterOwnerStmt): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const owner = await load(() => roleOfSpec(c, stmt.newowner!))
  const superuser = await load(() => isSuperuser(c.snapshot, user))
  switch (stmt.objectType) {
    case 'OBJECT_SCHEMA': {
      const namespace = await load(() => namespaceNamed(c, objectParts(stmt.object!)[0]!))
      if (!superuser && namespace.owner !== owner.oid) {
        if (!(await load(() => ownsObject(c.snapshot, namespace.owner, user)))) throw mustBeOwner('schema', namespace.name)
        await load(() => checkCanSetRole(c.snapshot, user, owner))
        if ((await load(() => databaseMask(c.snapshot, user, ACL.create))) === 0) throw permissionDenied('database', c.ctx.session.database)
      }
      await c.writer.alterNamespace(namespace.oid, (old) => ({ ...old, owner: owner.oid, acl: withOwner(old.acl, old.owner, owner.oid) }))
      return { tag: 'ALTER SCHEMA' }
    }
    case 'OBJECT_DATABASE': {
      const name = objectParts(stmt.object!)[0]!
      if (name !== c.ctx.session.database) throw new PgError(SQLSTATE.undefinedDatabase, `database "${name}" does not exist`)
      const database = await load(() => c.snapshot.database())
      if (!superuser && !(await load(() => ownsObject(c.snapshot, database.owner, user)))) throw mustBeOwner('database', name)
      await load(() => checkCanSetRole(c.snapshot, user, owner))
      await c.writer.alterDatabase((old) => ({ ...old, owner: owner.oid, acl: withOwner(old.acl, old.owner, owner.oid) }))
      return { tag: 'ALTER DATABASE' }
    }
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN': {
      const named = await c.analysis.typeName({
        names: objectParts(stmt.object!).map((sval) => ({ String: { sval } })),
        location: -1,
      } as TypeName)
      const row = (await load(() => c.snapshot.type(named.type)))!
      if (!(await load(() => ownsObject(c.snapshot, row.typowner, user)))) throw mustBeOwner('type', row.typname)
      await checkAlterableType(c, row)
      await load(() => checkCanSetRole(c.snapshot, user, owner))
      if (row.typrelid !== 0) await setRelationOwner(c, row.typrelid, owner.oid)
      else await c.writer.alterType(row.oid, (old) => ({ ...old, owner: owner.oid, acl: withOwner(old.acl, old.owner, owner.oid) }))
      return { tag: stmt.objectType === 'OBJECT_DOMAIN' ? 'ALTER DOMAIN' : 'ALTER TYPE' }
    }
    default:
      throw notSupported('changing the owner of this kind of object is not supported')
  }
}

// --- SET SCHEMA --------------------------------------------------------------------------------------------------------------------------

const TAGS: Readonly<Record<string, string>> = {
  OBJECT_TABLE: 'ALTER TABLE',
  OBJECT_VIEW: 'ALTER VIEW',
  OBJECT_SEQUENCE: 'ALTER SEQUENCE',
  OBJECT_TYPE: 'ALTER TYPE',
  OBJECT_DOMAIN: 'ALTER DOMAIN',
}

export async function alterObjectSchema(c: CommandContext, stmt: AlterObjectSchemaStmt): Promise<CommandResult> {
  const tag = TAGS[stmt.objectType!]
  if (tag === undefined) throw notSupported('SET SCHEMA for this kind of object is not supported')
  if (stmt.objectType === 'OBJECT_TYPE' || stmt.objectType === 'OBJECT_DOMAIN') {
    const named = await c.analysis.typeName({
      names: objectParts(stmt.object!).map((sval) => ({ String: { sval } })),
      location: -1,
    } as TypeName)
    const row = (await load(() => c.snapshot.type(named.type)))!
    if (!(await load(() => ownsObject(c.snapshot, row.typowner, c.ctx.session.currentUser)))) throw mustBeOwner('type', row.typname)
    await checkAlterableType(c, row)
    const target = await load(() => creationNamespace(c, stmt.newschema!))
    if (target.oid === row.typnamespace) return { tag }
    checkMove(row.typnamespace, target.oid)
    await checkTypeNames(c, row.oid, row.typarray, target.oid, target.name)
    if (row.typrelid !== 0) await c.writer.alterRelation(row.typrelid, (old) => ({ ...old, namespace: target.oid }))
    else await c.writer.alterType(row.oid, (old) => ({ ...old, namespace: target.oid }))
    return { tag }
  }
  const parts = rangeVarParts(stmt.relation!)
  const relation = await lockNamed(c, parts, LOCK.accessExclusive, stmt.missing_ok ?? false)
  if (relation === null) {
    skipped(c, `relation "${parts.join('.')}" does not exist`)
    return { tag }
  }
  await checkOwner(c, relation)
  if (relation.relkind === 'i')
    throw new PgError(SQLSTATE.wrongObjectType, `cannot change schema of index "${relation.name}"`, {
      hint: 'Change the schema of the table instead.',
    })
  const owned = relation.descriptor?.sequence?.ownedBy
  if (owned != null) {
    const table = await load(() => c.snapshot.relation(owned.table))
    throw new PgError(SQLSTATE.featureNotSupported, 'cannot move an owned sequence into another schema', {
      detail: `Sequence "${relation.name}" is linked to table "${table?.name}".`,
    })
  }
  const target = await load(() => creationNamespace(c, stmt.newschema!))
  if (target.oid === relation.namespace) return { tag }
  checkMove(relation.namespace, target.oid)
  await moveRelation(c, await c.writer.lockRelation(relation.oid), target.oid, target.name)
  return { tag }
}

/** A moved type and its array type keep their names, which have to be free; no array type gives way here. */
async function checkTypeNames(c: CommandContext, oid: Oid, array: Oid, namespace: Oid, schema: string): Promise<void> {
  for (const moved of array === 0 ? [oid] : [oid, array]) {
    const { typname } = (await load(() => c.snapshot.type(moved)))!
    if ((await load(() => c.snapshot.typeByName(namespace, typname))) !== null)
      throw new PgError(SQLSTATE.duplicateObject, `type "${typname}" already exists in schema "${schema}"`)
  }
}

async function moveRelation(c: CommandContext, relation: RelationDescriptor, namespace: Oid, schema: string): Promise<void> {
  if ((await load(() => c.snapshot.relationByName(namespace, relation.name))) !== null)
    throw new PgError(SQLSTATE.duplicateTable, `relation "${relation.name}" already exists in schema "${schema}"`)
  if (relation.rowType !== 0) await checkTypeNames(c, relation.rowType, relation.rowArrayType, namespace, schema)
  await c.writer.updateRelation({ ...relation, namespace })
  if (relation.table !== null)
    for (const oid of await ownedSequences(c, relation.oid)) await moveRelation(c, await c.writer.lockRelation(oid), namespace, schema)
}

// --- REASSIGN OWNED, DROP OWNED ------------------------------------------------------------------------------------------------------------

async function rolesOfStatement(c: CommandContext, specs: readonly RoleSpec[], message: string): Promise<Oid[]> {
  const user = c.ctx.session.currentUser
  const roles: Oid[] = []
  for (const spec of specs) {
    const role = await load(() => roleOfSpec(c, spec))
    if (!(await load(() => hasPrivilegesOf(c.snapshot, user, role.oid))))
      throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to ${message}`, {
        detail: `Only roles with privileges of role "${role.name}" may ${message} by it.`
          .replace('reassign objects by', 'reassign objects owned by')
          .replace('drop objects by', 'drop objects owned by'),
      })
    roles.push(role.oid)
  }
  return roles
}

export async function reassignOwned(c: CommandContext, stmt: ReassignOwnedStmt): Promise<CommandResult> {
  const from = new Set(await rolesOfStatement(c, roleSpecs(stmt.roles), 'reassign objects'))
  const target = await load(() => roleOfSpec(c, stmt.newrole!))
  if (!(await load(() => hasPrivilegesOf(c.snapshot, c.ctx.session.currentUser, target.oid))))
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to reassign objects', {
      detail: `Only roles with privileges of role "${target.name}" may reassign objects to it.`,
    })
  const to = target.oid
  for (const { value } of await c.catalog.scan(OBJECT_PREFIX)) {
    const record = value as ObjectRecord
    if (record.kind !== 'relation' && record.kind !== 'namespace' && record.kind !== 'type' && record.kind !== 'database') continue
    if (!from.has(record.value.owner)) continue
    const owner = record.value.owner
    if (record.kind === 'relation') await setRelationOwner(c, record.value.oid, to)
    else if (record.kind === 'namespace')
      await c.writer.alterNamespace(record.value.oid, (old) => ({ ...old, owner: to, acl: withOwner(old.acl, owner, to) }))
    else if (record.kind === 'type')
      await c.writer.alterType(record.value.oid, (old) => ({ ...old, owner: to, acl: withOwner(old.acl, owner, to) }))
    else await c.writer.alterDatabase((old) => ({ ...old, owner: to, acl: withOwner(old.acl, owner, to) }))
  }
  return { tag: 'REASSIGN OWNED' }
}

export async function dropOwned(c: CommandContext, stmt: DropOwnedStmt): Promise<CommandResult> {
  const roles = new Set(await rolesOfStatement(c, roleSpecs(stmt.roles), 'drop objects'))
  const targets = new Map<string, ObjectAddress>()
  const without = (acl: Acl): Acl => {
    if (acl === null) return null
    const left: AclItem[] = acl.filter((item) => !roles.has(item.grantee) && !roles.has(item.grantor))
    return left
  }
  const touched = (acl: Acl): boolean => [...roles].some((role) => aclMentions(acl, role))
  for (const { value } of await c.catalog.scan(OBJECT_PREFIX)) {
    const record = value as ObjectRecord
    if (record.kind === 'database' && touched(record.value.acl)) await c.writer.alterDatabase((old) => ({ ...old, acl: without(old.acl) }))
    if (record.kind !== 'relation' && record.kind !== 'namespace' && record.kind !== 'type') continue
    const { oid, owner, acl } = record.value
    if (roles.has(owner)) {
      if (record.kind === 'relation' && record.value.sequence?.ownedBy?.deptype === 'i') continue
      const classId = record.kind === 'relation' ? CLASS.relation : record.kind === 'namespace' ? CLASS.namespace : CLASS.type
      const address = { classId, objId: oid, subId: 0 }
      targets.set(addressText(address), address)
      continue
    }
    if (record.kind === 'relation') {
      if (!touched(acl) && !record.value.columns.some((column) => touched(column.acl))) continue
      await c.writer.alterRelation(oid, (old) => ({
        ...old,
        acl: without(old.acl),
        columns: old.columns.map((column) => {
          const left = without(column.acl)
          return { ...column, acl: left === null || left.length === 0 ? null : left }
        }),
      }))
    } else if (touched(acl)) {
      if (record.kind === 'namespace') await c.writer.alterNamespace(oid, (old) => ({ ...old, acl: without(old.acl) }))
      else await c.writer.alterType(oid, (old) => ({ ...old, acl: without(old.acl) }))
    }
  }
  await dropDefaultAclsOf(c, roles)
  if (targets.size > 0) await performDeletion(c, [...targets.values()], stmt.behavior === 'DROP_CASCADE')
  return { tag: 'DROP OWNED' }
}
