// COMMENT ON: one text per object, owner only.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { CLASS, type ObjectAddress } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import { DATABASE_OID, FIRST_NORMAL_OID } from '../../catalog/records.ts'
import { isAdminOf, roleNamed } from '../../catalog/roles.ts'
import { type CommentStmt, nodeAs, stringOf, type TypeName } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { domainConstraintAddress } from './domain.ts'
import { columnNamed, load, lockNamed, namespaceNamed, objectParts, undefinedColumn } from './names.ts'
import { checkOwner } from './table-builder.ts'

const RELKIND: Readonly<Record<string, { kinds: string; article: string }>> = {
  OBJECT_TABLE: { kinds: 'r', article: 'a table' },
  OBJECT_VIEW: { kinds: 'v', article: 'a view' },
  OBJECT_INDEX: { kinds: 'i', article: 'an index' },
  OBJECT_SEQUENCE: { kinds: 'S', article: 'a sequence' },
}

export async function comment(c: CommandContext, stmt: CommentStmt): Promise<CommandResult> {
  const address = await target(c, stmt)
  if (address !== null) await c.writer.setComment(address, stmt.comment ?? null)
  return { tag: 'COMMENT' }
}

async function target(c: CommandContext, stmt: CommentStmt): Promise<ObjectAddress | null> {
  const parts = objectParts(stmt.object!)
  const user = c.ctx.session.currentUser
  const relkind = RELKIND[stmt.objtype!]
  if (relkind !== undefined) {
    const relation = (await lockNamed(c, parts, LOCK.shareUpdateExclusive))!
    if (!relkind.kinds.includes(relation.relkind))
      throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not ${relkind.article}`)
    await checkOwner(c, relation)
    return { classId: CLASS.relation, objId: relation.oid, subId: 0 }
  }
  switch (stmt.objtype) {
    case 'OBJECT_COLUMN': {
      if (parts.length < 2) throw new PgError(SQLSTATE.syntaxError, 'column name must be qualified')
      const relation = (await lockNamed(c, parts.slice(0, -1), LOCK.shareUpdateExclusive))!
      await checkOwner(c, relation)
      if (relation.descriptor === null || relation.relkind === 'S')
        throw new PgError(SQLSTATE.wrongObjectType, `cannot set comment on relation "${relation.name}"`)
      const name = parts[parts.length - 1]!
      const column = columnNamed(relation.descriptor, name)
      if (column === null) throw undefinedColumn(name, relation.name)
      return { classId: CLASS.relation, objId: relation.oid, subId: column.attnum }
    }
    case 'OBJECT_TABCONSTRAINT': {
      const relation = (await lockNamed(c, parts.slice(0, -1), LOCK.shareUpdateExclusive))!
      await checkOwner(c, relation)
      const name = parts[parts.length - 1]!
      const constraint = relation.descriptor?.table?.constraints.find((other) => other.name === name)
      const notNull = relation.descriptor?.columns.find((column) => column.notNullConstraint?.name === name)?.notNullConstraint
      const oid = constraint?.oid ?? notNull?.oid
      if (oid === undefined) throw new PgError(SQLSTATE.undefinedObject, `constraint "${name}" for table "${relation.name}" does not exist`)
      return { classId: CLASS.constraint, objId: oid, subId: 0 }
    }
    case 'OBJECT_DOMCONSTRAINT': {
      const [domain, name] = nodeAs(stmt.object, 'List')!.items!
      return domainConstraintAddress(c, nodeAs(domain, 'TypeName')!.names!, stringOf(name!))
    }
    case 'OBJECT_SCHEMA': {
      const namespace = await load(() => namespaceNamed(c, parts[0]!))
      if (!(await load(() => ownsObject(c.snapshot, namespace.owner, user)))) throw mustBeOwner('schema', namespace.name)
      return { classId: CLASS.namespace, objId: namespace.oid, subId: 0 }
    }
    case 'OBJECT_DATABASE': {
      if (parts[0] !== c.ctx.session.database) {
        c.ctx.notice({ severity: 'WARNING', code: SQLSTATE.undefinedDatabase, message: `database "${parts[0]}" does not exist` })
        return null
      }
      const database = await load(() => c.snapshot.database())
      if (!(await load(() => ownsObject(c.snapshot, database.owner, user)))) throw mustBeOwner('database', parts[0]!)
      return { classId: CLASS.database, objId: DATABASE_OID, subId: 0 }
    }
    case 'OBJECT_ROLE': {
      const role = await load(() => roleNamed(c.snapshot, parts[0]!))
      if (!(await load(() => isAdminOf(c.snapshot, user, role.oid))))
        throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied', {
          detail: `The current user must have the ADMIN option on role "${role.name}".`,
        })
      return { classId: CLASS.role, objId: role.oid, subId: 0 }
    }
    case 'OBJECT_TYPE':
    case 'OBJECT_DOMAIN': {
      const named = await c.analysis.typeName(nodeAs(stmt.object, 'TypeName') as TypeName)
      const row = (await load(() => c.snapshot.type(named.type)))!
      if (row.oid < FIRST_NORMAL_OID || !(await load(() => ownsObject(c.snapshot, row.typowner, user))))
        throw mustBeOwner('type', row.typname)
      return { classId: CLASS.type, objId: row.oid, subId: 0 }
    }
    default:
      throw notSupported('comments on this kind of object are not supported')
  }
}
