// ALTER … RENAME: relations, columns, constraints, schemas, roles, types.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import type { ConstraintDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkNamespace, databaseMask, mustBeOwner, ownsObject, permissionDenied } from '../../catalog/privileges.ts'
import { isAdminOf, roleNamed } from '../../catalog/roles.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { nodeAs, type RenameStmt, type TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { renameDomainConstraint } from './domain.ts'
import { constraintOfIndex } from './drop.ts'
import { skipped } from './drop-builtin.ts'
import { checkColumnName, columnNamed, load, lockNamed, namespaceNamed, objectParts, rangeVarParts, SYSTEM_COLUMNS } from './names.ts'
import { alterTable, checkConstraintName, checkOwner, replaceColumn } from './table-builder.ts'
import { checkAlterableType } from './types.ts'

const TAGS: Readonly<Record<string, string>> = {
  OBJECT_TABLE: 'ALTER TABLE',
  OBJECT_VIEW: 'ALTER VIEW',
  OBJECT_INDEX: 'ALTER INDEX',
  OBJECT_SEQUENCE: 'ALTER SEQUENCE',
}
const KIND_OF: Readonly<Record<string, { kind: string; article: string }>> = {
  OBJECT_VIEW: { kind: 'v', article: 'a view' },
  OBJECT_SEQUENCE: { kind: 'S', article: 'a sequence' },
}

async function named(c: CommandContext, stmt: RenameStmt): Promise<RelationInfo | null> {
  const parts = rangeVarParts(stmt.relation!)
  const relation = await lockNamed(c, parts, LOCK.accessExclusive, stmt.missing_ok ?? false)
  if (relation === null) skipped(c, `relation "${parts.join('.')}" does not exist`)
  else await checkOwner(c, relation)
  return relation
}

export async function rename(c: CommandContext, stmt: RenameStmt): Promise<CommandResult> {
  const type = stmt.renameType!
  switch (type) {
    case 'OBJECT_TABLE':
    case 'OBJECT_VIEW':
    case 'OBJECT_INDEX':
    case 'OBJECT_SEQUENCE': {
      const relation = await named(c, stmt)
      if (relation !== null) await renameRelation(c, relation, stmt)
      return { tag: TAGS[type]! }
    }
    case 'OBJECT_COLUMN':
    case 'OBJECT_ATTRIBUTE': {
      const relation = await named(c, stmt)
      if (relation !== null) await renameColumn(c, relation, stmt.subname!, stmt.newname!)
      return { tag: type === 'OBJECT_ATTRIBUTE' ? 'ALTER TYPE' : (TAGS[stmt.relationType!] ?? 'ALTER TABLE') }
    }
    case 'OBJECT_TABCONSTRAINT': {
      const relation = await named(c, stmt)
      if (relation !== null) await renameConstraint(c, relation, stmt.subname!, stmt.newname!)
      return { tag: 'ALTER TABLE' }
    }
    case 'OBJECT_DOMCONSTRAINT':
      return renameDomainConstraint(c, nodeAs(stmt.object, 'List')!.items!, stmt.subname!, stmt.newname!)
    case 'OBJECT_SCHEMA':
      return renameSchema(c, stmt)
    case 'OBJECT_ROLE':
      return renameRole(c, stmt)
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN':
      return renameType(c, stmt)
    case 'OBJECT_DATABASE':
      throw notSupported('a database has its tenant’s name', 'One keyspace is one database; its name is whatever the client asked for.')
    default:
      throw notSupported('renaming this kind of object is not supported')
  }
}

async function renameRelation(c: CommandContext, relation: RelationInfo, stmt: RenameStmt): Promise<void> {
  // ALTER TABLE and ALTER INDEX may rename any kind
  const wanted = KIND_OF[stmt.renameType!]
  if (wanted !== undefined && relation.relkind !== wanted.kind)
    throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not ${wanted.article}`)
  if (relation.relkind === 'c')
    throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is a composite type`, { hint: 'Use ALTER TYPE instead.' })
  await load(() => checkNamespace(c.snapshot, relation.namespace, c.ctx.session.currentUser, ACL.create))
  const name = stmt.newname!
  if ((await load(() => c.snapshot.relationByName(relation.namespace, name))) !== null)
    throw new PgError(SQLSTATE.duplicateTable, `relation "${name}" already exists`)
  if (relation.relkind !== 'i') {
    await c.writer.alterRelation(relation.oid, (old) => ({ ...old, name }))
    return
  }
  const table = (await load(() => c.snapshot.indexTable(relation.oid)))!
  const constraint = await load(() => constraintOfIndex(c, relation.oid))
  await c.writer.alterRelation(table.oid, (old) => withIndexName(old, relation.oid, constraint, name))
}

function withIndexName(relation: RelationDescriptor, index: number, constraint: number | null, name: string): RelationDescriptor {
  return alterTable(relation, (table) => ({
    indexes: table.indexes.map((other) => (other.oid === index ? { ...other, name } : other)),
    constraints: table.constraints.map((other): ConstraintDescriptor => (other.oid === constraint ? { ...other, name } : other)),
  }))
}

async function renameColumn(c: CommandContext, relation: RelationInfo, from: string, to: string): Promise<void> {
  const descriptor = relation.descriptor
  if (descriptor === null || relation.relkind === 'S')
    throw new PgError(SQLSTATE.wrongObjectType, `cannot rename columns of relation "${relation.name}"`)
  const column = columnNamed(descriptor, from)
  if (column === null) {
    if (SYSTEM_COLUMNS[from] !== undefined) throw new PgError(SQLSTATE.featureNotSupported, `cannot rename system column "${from}"`)
    throw new PgError(SQLSTATE.undefinedColumn, `column "${from}" does not exist`)
  }
  if (relation.relkind === 'r') checkColumnName(to)
  if (columnNamed(descriptor, to) !== null)
    throw new PgError(SQLSTATE.duplicateColumn, `column "${to}" of relation "${relation.name}" already exists`)
  await c.writer.alterRelation(relation.oid, (old) => replaceColumn(old, { ...old.columns[column.attnum - 1]!, name: to }))
}

async function renameConstraint(c: CommandContext, relation: RelationInfo, from: string, to: string): Promise<void> {
  const old = await c.writer.lockRelation(relation.oid)
  const constraint = old.table?.constraints.find((other) => other.name === from)
  const column = old.columns.find((other) => other.notNullConstraint?.name === from)
  if (constraint === undefined && column === undefined)
    throw new PgError(SQLSTATE.undefinedObject, `constraint "${from}" for table "${relation.name}" does not exist`)
  if (constraint !== undefined && (constraint.type === 'p' || constraint.type === 'u')) {
    if ((await load(() => c.snapshot.relationByName(relation.namespace, to))) !== null)
      throw new PgError(SQLSTATE.duplicateTable, `relation "${to}" already exists`)
    await c.writer.updateRelation(withIndexName(old, constraint.index, constraint.oid, to))
    return
  }
  checkConstraintName(old, to)
  if (column !== undefined)
    await c.writer.updateRelation(replaceColumn(old, { ...column, notNullConstraint: { ...column.notNullConstraint!, name: to } }))
  else
    await c.writer.updateRelation(
      alterTable(old, (table) => ({
        constraints: table.constraints.map(
          (other): ConstraintDescriptor => (other.oid === constraint!.oid ? { ...other, name: to } : other),
        ),
      })),
    )
}

async function renameSchema(c: CommandContext, stmt: RenameStmt): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const namespace = await load(() => namespaceNamed(c, stmt.subname!))
  const name = stmt.newname!
  if ((await load(() => c.snapshot.namespaceByName(name))) !== null)
    throw new PgError(SQLSTATE.duplicateSchema, `schema "${name}" already exists`)
  if (!(await load(() => ownsObject(c.snapshot, namespace.owner, user)))) throw mustBeOwner('schema', namespace.name)
  if ((await load(() => databaseMask(c.snapshot, user, ACL.create))) === 0) throw permissionDenied('database', c.ctx.session.database)
  if (name.startsWith('pg_'))
    throw new PgError(SQLSTATE.reservedName, `unacceptable schema name "${name}"`, {
      detail: 'The prefix "pg_" is reserved for system schemas.',
    })
  await c.writer.alterNamespace(namespace.oid, (old) => ({ ...old, name }))
  return { tag: 'ALTER SCHEMA' }
}

async function renameRole(c: CommandContext, stmt: RenameStmt): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const role = await load(() => roleNamed(c.snapshot, stmt.subname!))
  const name = stmt.newname!
  if (role.oid === c.ctx.session.sessionUser) throw new PgError(SQLSTATE.featureNotSupported, 'session user cannot be renamed')
  if (role.oid === user) throw new PgError(SQLSTATE.featureNotSupported, 'current user cannot be renamed')
  for (const checked of [role.name, name])
    if (checked.startsWith('pg_'))
      throw new PgError(SQLSTATE.reservedName, `role name "${checked}" is reserved`, {
        detail: 'Role names starting with "pg_" are reserved.',
      })
  if ((await load(() => c.snapshot.roleByName(name))) !== null) throw new PgError(SQLSTATE.duplicateObject, `role "${name}" already exists`)
  const me = (await load(() => c.snapshot.role(user)))!
  if (role.superuser && !me.superuser)
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to rename role', {
      detail: 'Only roles with the SUPERUSER attribute may rename roles with the SUPERUSER attribute.',
    })
  if (!me.superuser && !(me.createRole && (await load(() => isAdminOf(c.snapshot, user, role.oid)))))
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to rename role', {
      detail: `Only roles with the CREATEROLE attribute and the ADMIN option on role "${role.name}" may rename this role.`,
    })
  await c.writer.alterRole(role.oid, (old) => ({ ...old, name }))
  return { tag: 'ALTER ROLE' }
}

async function renameType(c: CommandContext, stmt: RenameStmt): Promise<CommandResult> {
  const found = await c.analysis.typeName({
    names: objectParts(stmt.object!).map((sval) => ({ String: { sval } })),
    location: -1,
  } as TypeName)
  const row = (await load(() => c.snapshot.type(found.type)))!
  const name = stmt.newname!
  if (!(await load(() => ownsObject(c.snapshot, row.typowner, c.ctx.session.currentUser)))) throw mustBeOwner('type', row.typname)
  await checkAlterableType(c, row)
  if (row.typrelid !== 0) await c.writer.alterRelation(row.typrelid, (old) => ({ ...old, name }))
  else await c.writer.alterType(row.oid, (old) => ({ ...old, name }))
  return { tag: stmt.renameType === 'OBJECT_DOMAIN' ? 'ALTER DOMAIN' : 'ALTER TYPE' }
}
