// CREATE, ALTER, DROP ROLE (USER, GROUP) and role membership, by PostgreSQL 16's rules: CREATEROLE rules only roles it has ADMIN OPTION on.
// Passwords become SCRAM verifiers before anything else sees them.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { aclMentions } from '../../catalog/acl.ts'
import { builtinRole } from '../../catalog/builtin-roles.ts'
import type { RoleDescriptor } from '../../catalog/descriptors.ts'
import { OBJECT_PREFIX } from '../../catalog/keys.ts'
import { BOOTSTRAP_ROLE, FIRST_NORMAL_OID, type ObjectRecord } from '../../catalog/records.ts'
import { isAdminOf } from '../../catalog/roles.ts'
import { type AlterRoleStmt, type CreateRoleStmt, type DropRoleStmt, nodeAs, type RoleSpec } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { conflicting, defBoolean, defElems, defInteger, defString, roleSpecs } from './def-elem.ts'
import { allDefaultAcls, describeDefaultAcl } from './default-privileges.ts'
import { describeObject } from './describe.ts'
import { skipped } from './drop-builtin.ts'
import { load, roleOfSpec } from './names.ts'
import { addMembers, allRoles, denied, grantMembership, revokeMembership, roleName } from './role-membership.ts'

interface Attributes {
  superuser?: boolean
  inherit?: boolean
  createRole?: boolean
  createDb?: boolean
  canLogin?: boolean
  replication?: boolean
  bypassRls?: boolean
  connectionLimit?: number
  password?: string | null
  validUntil?: RoleDescriptor['validUntil']
}

const FLAGS: Readonly<Record<string, keyof Attributes>> = {
  superuser: 'superuser',
  inherit: 'inherit',
  createrole: 'createRole',
  createdb: 'createDb',
  canlogin: 'canLogin',
  isreplication: 'replication',
  bypassrls: 'bypassRls',
}

interface RoleOptions {
  readonly attributes: Attributes
  /** IN ROLE, ROLE, ADMIN. */
  readonly addTo: RoleSpec[]
  readonly members: RoleSpec[]
  readonly admins: RoleSpec[]
}

async function readOptions(c: CommandContext, nodes: CreateRoleStmt['options']): Promise<RoleOptions> {
  const attributes: Attributes = {}
  const result: RoleOptions = { attributes, addTo: [], members: [], admins: [] }
  const seen = new Set<string>()
  for (const def of defElems(nodes)) {
    const name = def.defname!
    if (seen.has(name)) throw conflicting(c, def)
    seen.add(name)
    const flag = FLAGS[name]
    if (flag !== undefined) {
      Object.assign(attributes, { [flag]: defBoolean(def) })
      continue
    }
    switch (name) {
      case 'password': {
        if (def.arg === undefined) {
          attributes.password = null
          break
        }
        attributes.password = await c.ports.makeVerifier(defString(def))
        if (attributes.password === null)
          c.ctx.notice({
            severity: 'NOTICE',
            code: SQLSTATE.successfulCompletion,
            message: 'empty string is not a valid password, clearing password',
          })
        break
      }
      case 'connectionlimit': {
        const limit = defInteger(def)
        if (limit < -1) throw new PgError(SQLSTATE.invalidParameterValue, `invalid connection limit: ${limit}`)
        attributes.connectionLimit = limit
        break
      }
      case 'validUntil':
        attributes.validUntil = validUntil(c, defString(def))
        break
      case 'sysid':
        c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: 'SYSID can no longer be specified' })
        break
      case 'addroleto':
        result.addTo.push(...roleSpecs(nodeAs(def.arg!, 'List')?.items))
        break
      case 'rolemembers':
        result.members.push(...roleSpecs(nodeAs(def.arg!, 'List')?.items))
        break
      case 'adminmembers':
        result.admins.push(...roleSpecs(nodeAs(def.arg!, 'List')?.items))
        break
      default:
        throw notSupported(`role option "${name}" is not supported`)
    }
  }
  return result
}

const TIMESTAMPTZ = 1184

function validUntil(c: CommandContext, text: string): RoleDescriptor['validUntil'] {
  if (text === 'infinity') return 'infinity'
  const value = c.ctx.catalog.typeSupport(TIMESTAMPTZ).input(text, -1, c.ctx)
  return Number(value)
}

async function rolesNamed(c: CommandContext, specs: readonly RoleSpec[]): Promise<RoleDescriptor[]> {
  const roles: RoleDescriptor[] = []
  for (const spec of specs) roles.push(await load(() => roleOfSpec(c, spec)))
  return roles
}

function checkReserved(name: string): void {
  if (name === 'public' || name === 'none') throw new PgError(SQLSTATE.reservedName, `role name "${name}" is reserved`)
  if (name.startsWith('pg_'))
    throw new PgError(SQLSTATE.reservedName, `role name "${name}" is reserved`, { detail: 'Role names starting with "pg_" are reserved.' })
}

export async function createRole(c: CommandContext, stmt: CreateRoleStmt): Promise<CommandResult> {
  const name = stmt.role!
  const { attributes, addTo, members, admins } = await readOptions(c, stmt.options)
  const user = c.ctx.session.currentUser
  const creator = (await load(() => c.snapshot.role(user)))!
  if (!creator.superuser) {
    if (!creator.createRole) throw denied('permission denied to create role', 'Only roles with the CREATEROLE attribute may create roles.')
    const needs = (flag: boolean | undefined, own: boolean, word: string): void => {
      if (flag && !own)
        throw denied(
          'permission denied to create role',
          `Only roles with the ${word} attribute may create roles with the ${word} attribute.`,
        )
    }
    needs(attributes.superuser, false, 'SUPERUSER')
    needs(attributes.createDb, creator.createDb, 'CREATEDB')
    needs(attributes.replication, creator.replication, 'REPLICATION')
    needs(attributes.bypassRls, creator.bypassRls, 'BYPASSRLS')
  }
  checkReserved(name)
  if ((await load(() => c.snapshot.roleByName(name))) !== null) throw new PgError(SQLSTATE.duplicateObject, `role "${name}" already exists`)
  const role: RoleDescriptor = {
    oid: await c.writer.newOid(),
    name,
    superuser: false,
    inherit: true,
    createRole: false,
    createDb: false,
    canLogin: stmt.stmt_type === 'ROLESTMT_USER',
    replication: false,
    bypassRls: false,
    connectionLimit: -1,
    password: null,
    validUntil: null,
    settings: {},
    memberOf: [],
    ...attributes,
  }
  await c.writer.createRole(role)
  // the superuser that made the cluster grants on behalf of every superuser
  const grantor = creator.superuser ? BOOTSTRAP_ROLE : user
  if (!creator.superuser) {
    await addMembers(c, role, [creator], BOOTSTRAP_ROLE, { admin: true, inherit: false, set: false })
    const own = (c.ctx.settings.show('createrole_self_grant', false) ?? '').toLowerCase()
    const given = { admin: false, inherit: own.includes('inherit'), set: own.includes('set') }
    if (given.inherit || given.set) await addMembers(c, role, [creator], user, given)
  }
  for (const target of await rolesNamed(c, addTo)) await grantMembership(c, target, [role], {})
  await addMembers(c, role, await rolesNamed(c, members), grantor, {})
  await addMembers(c, role, await rolesNamed(c, admins), grantor, { admin: true })
  return { tag: 'CREATE ROLE' }
}

export async function alterRole(c: CommandContext, stmt: AlterRoleStmt): Promise<CommandResult> {
  const role = await load(() => roleOfSpec(c, stmt.role!))
  if (role.name.startsWith('pg_'))
    throw new PgError(SQLSTATE.reservedName, `role name "${role.name}" is reserved`, { detail: 'Cannot alter reserved roles.' })
  const { attributes, members } = await readOptions(c, stmt.options)
  const user = c.ctx.session.currentUser
  const altering = (await load(() => c.snapshot.role(user)))!
  if (!altering.superuser) {
    const message = 'permission denied to alter role'
    if (role.superuser) throw denied(message, 'Only roles with the SUPERUSER attribute may alter roles with the SUPERUSER attribute.')
    if (attributes.superuser !== undefined)
      throw denied(message, 'Only roles with the SUPERUSER attribute may change the SUPERUSER attribute.')
    const isAdmin = await load(() => isAdminOf(c.snapshot, user, role.oid))
    if (!isAdmin || !altering.createRole) {
      if (Object.keys(attributes).some((key) => key !== 'password'))
        throw denied(message, `Only roles with the CREATEROLE attribute and the ADMIN option on role "${role.name}" may alter this role.`)
      if (attributes.password !== undefined && role.oid !== user)
        throw denied(
          message,
          "To change another role's password, the current user must have the CREATEROLE attribute and the ADMIN option on the role.",
        )
    }
    const needs = (flag: boolean | undefined, own: boolean, word: string): void => {
      if (flag !== undefined && !own) throw denied(message, `Only roles with the ${word} attribute may change the ${word} attribute.`)
    }
    needs(attributes.createDb, altering.createDb, 'CREATEDB')
    needs(attributes.replication, altering.replication, 'REPLICATION')
    needs(attributes.bypassRls, altering.bypassRls, 'BYPASSRLS')
    if (members.length > 0 && !isAdmin)
      throw denied(message, `Only roles with the ADMIN option on role "${role.name}" may add or drop members.`)
  }
  await c.writer.alterRole(role.oid, (old) => ({ ...old, ...attributes }))
  // ALTER GROUP … ADD|DROP USER
  if (members.length > 0) {
    if (stmt.action === -1) await revokeMembership(c, role, await rolesNamed(c, members), null, false)
    else await grantMembership(c, role, await rolesNamed(c, members), {})
  }
  return { tag: 'ALTER ROLE' }
}

export async function dropRole(c: CommandContext, stmt: DropRoleStmt): Promise<CommandResult> {
  const user = c.ctx.session.currentUser
  const dropping = (await load(() => c.snapshot.role(user)))!
  const dropped: RoleDescriptor[] = []
  if (!dropping.superuser && !dropping.createRole)
    throw denied(
      'permission denied to drop role',
      'Only roles with the CREATEROLE attribute and the ADMIN option on the target roles may drop roles.',
    )
  for (const spec of roleSpecs(stmt.roles)) {
    if (spec.roletype !== 'ROLESPEC_CSTRING')
      throw new PgError(SQLSTATE.invalidParameterValue, 'cannot use special role specifier in DROP ROLE')
    const role = await load(() => c.snapshot.roleByName(spec.rolename!))
    if (role === null) {
      if (!stmt.missing_ok) throw new PgError(SQLSTATE.undefinedObject, `role "${spec.rolename}" does not exist`)
      skipped(c, `role "${spec.rolename}" does not exist`)
      continue
    }
    if (role.oid === user) throw new PgError(SQLSTATE.objectInUse, 'current user cannot be dropped')
    if (role.oid === c.ctx.session.sessionUser) throw new PgError(SQLSTATE.objectInUse, 'session user cannot be dropped')
    if (role.superuser && !dropping.superuser)
      throw denied('permission denied to drop role', 'Only roles with the SUPERUSER attribute may drop roles with the SUPERUSER attribute.')
    if (!(await load(() => isAdminOf(c.snapshot, user, role.oid))))
      throw denied(
        'permission denied to drop role',
        `Only roles with the CREATEROLE attribute and the ADMIN option on role "${role.name}" may drop this role.`,
      )
    if (builtinRole(role.oid) !== null)
      throw new PgError(SQLSTATE.dependentObjectsStillExist, `cannot drop role ${role.name} because it is required by the database system`)
    dropped.push(role)
  }
  for (const role of dropped) {
    const detail = await whatRoleHolds(c, role.oid)
    if (detail.length > 0)
      throw new PgError(SQLSTATE.dependentObjectsStillExist, `role "${role.name}" cannot be dropped because some objects depend on it`, {
        detail: detail.join('\n'),
      })
    // memberships of and in the role go with it; the database must have an owner
    if ((await load(() => c.snapshot.database())).owner === role.oid)
      await c.writer.alterDatabase((database) => ({ ...database, owner: BOOTSTRAP_ROLE }))
    for (const member of await allRoles(c))
      if (member.memberOf.some((grant) => grant.role === role.oid))
        await c.writer.alterRole(member.oid, (old) => ({ ...old, memberOf: old.memberOf.filter((grant) => grant.role !== role.oid) }))
    await c.writer.dropRole(role.oid)
  }
  return { tag: 'DROP ROLE' }
}

/** Lines of DETAIL: what the role owns or has privileges on. */
async function whatRoleHolds(c: CommandContext, role: Oid): Promise<string[]> {
  const lines: string[] = []
  for (const { value } of await c.catalog.scan(OBJECT_PREFIX)) {
    const record = value as ObjectRecord
    if (record.kind !== 'relation' && record.kind !== 'namespace' && record.kind !== 'type' && record.kind !== 'database') continue
    if (record.kind === 'database') {
      if (aclMentions(record.value.acl, role)) lines.push(`privileges for database ${c.ctx.session.database}`)
      continue
    }
    const text = await describeObject(c, record)
    if (record.value.owner === role) {
      if (record.kind === 'relation' && record.value.sequence?.ownedBy != null) continue
      lines.push(`owner of ${text}`)
    } else if (aclMentions(record.value.acl, role)) lines.push(`privileges for ${text}`)
    if (record.kind === 'relation')
      for (const column of record.value.columns)
        if (aclMentions(column.acl, role)) lines.push(`privileges for column ${column.name} of ${text}`)
  }
  for (const member of await allRoles(c))
    for (const grant of member.memberOf)
      if (grant.grantor === role) lines.push(`privileges for membership of role ${member.name} in role ${roleName(c, grant.role)}`)
  for (const entry of await allDefaultAcls(c)) {
    if (entry.role === role) lines.push(`owner of ${await describeDefaultAcl(c, entry)}`)
    else if (aclMentions(entry.acl, role)) lines.push(`privileges for ${await describeDefaultAcl(c, entry)}`)
  }
  return lines
}

export const isBuiltinRole = (oid: Oid): boolean => oid < FIRST_NORMAL_OID
