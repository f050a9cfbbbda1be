// Membership in roles: GRANT and REVOKE role, and what other role statements grant, by PostgreSQL 16's rules. Whoever has the ADMIN option may
// grant a role on; what was granted by one who loses it goes too (CASCADE) or keeps it from being lost.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RoleDescriptor } from '../../catalog/descriptors.ts'
import { OBJECT_PREFIX } from '../../catalog/keys.ts'
import { BOOTSTRAP_ROLE, DATABASE_OWNER_ROLE, type ObjectRecord } from '../../catalog/records.ts'
import { bestAdmin, hasPrivilegesOf, isAdminOf, isSuperuser, roleNamed, rolesOf } from '../../catalog/roles.ts'
import { type GrantRoleStmt, nodeAs, type RoleSpec } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defBoolean, defElems, roleSpecs } from './def-elem.ts'
import { load, roleOfSpec } from './names.ts'

type Grant = RoleDescriptor['memberOf'][number]
type Option = 'admin' | 'inherit' | 'set'
export type GrantOptions = Partial<Pick<Grant, Option>>

/** A grant of one role, with whom it was made to. */
type Membership = Grant & { readonly member: Oid }
type Action = 'keep' | 'delete' | 'remove admin' | 'remove inherit' | 'remove set'

export const denied = (message: string, detail?: string): PgError =>
  new PgError(SQLSTATE.insufficientPrivilege, message, detail === undefined ? {} : { detail })
export const roleName = (c: CommandContext, oid: Oid): string => c.snapshot.role(oid)?.name ?? String(oid)
const noGrantBack = (): PgError => new PgError(SQLSTATE.invalidGrantOperation, 'ADMIN option cannot be granted back to your own grantor')

/** Every role with a record in the keyspace. */
export async function allRoles(c: CommandContext): Promise<RoleDescriptor[]> {
  const rows = await c.catalog.scan(OBJECT_PREFIX)
  return rows.flatMap(({ value }) => ((value as ObjectRecord).kind === 'role' ? [(value as ObjectRecord & { kind: 'role' }).value] : []))
}

async function membershipsIn(c: CommandContext, role: Oid): Promise<Membership[]> {
  return (await allRoles(c)).flatMap((member) =>
    member.memberOf.filter((grant) => grant.role === role).map((grant) => ({ ...grant, member: member.oid })),
  )
}

async function checkMayGrantRole(c: CommandContext, role: RoleDescriptor, isGrant: boolean): Promise<void> {
  const user = c.ctx.session.currentUser
  const verb = isGrant ? 'grant' : 'revoke'
  if (role.superuser) {
    if (!(await load(() => isSuperuser(c.snapshot, user))))
      throw denied(
        `permission denied to ${verb} role "${role.name}"`,
        `Only roles with the SUPERUSER attribute may ${verb} roles with the SUPERUSER attribute.`,
      )
    return
  }
  if (!(await load(() => isAdminOf(c.snapshot, user, role.oid))))
    throw denied(
      `permission denied to ${verb} role "${role.name}"`,
      `Only roles with the ADMIN option on role "${role.name}" may ${verb} this role.`,
    )
}

/** In whose name a membership is granted or revoked: as GRANTED BY says, else the superusers' common one or the nearest role that may. */
async function membershipGrantor(c: CommandContext, role: RoleDescriptor, spec: RoleSpec | undefined, isGrant: boolean): Promise<Oid> {
  const user = c.ctx.session.currentUser
  if (spec === undefined) {
    if (await load(() => isSuperuser(c.snapshot, user))) return BOOTSTRAP_ROLE
    const admin = await load(() => bestAdmin(c.snapshot, user, role.oid))
    if (admin === null) throw new PgError(SQLSTATE.insufficientPrivilege, 'no possible grantors')
    return admin
  }
  const grantor = await load(() => roleOfSpec(c, spec))
  if (!(await load(() => hasPrivilegesOf(c.snapshot, user, grantor.oid)))) {
    if (isGrant)
      throw denied(
        `permission denied to grant privileges as role "${grantor.name}"`,
        `Only roles with privileges of role "${grantor.name}" may grant privileges as this role.`,
      )
    throw denied(
      `permission denied to revoke privileges granted by role "${grantor.name}"`,
      `Only roles with privileges of role "${grantor.name}" may revoke privileges granted by this role.`,
    )
  }
  if (grantor.superuser) return BOOTSTRAP_ROLE
  if (isGrant && (await load(() => bestAdmin(c.snapshot, grantor.oid, role.oid))) !== grantor.oid)
    throw denied(
      `permission denied to grant privileges as role "${grantor.name}"`,
      `The grantor must have the ADMIN option on role "${role.name}".`,
    )
  return grantor.oid
}

/** Who may and in whose name: `role` is granted to `members` as the statement's user, or as `grantedBy`. */
export async function grantMembership(
  c: CommandContext,
  role: RoleDescriptor,
  members: readonly RoleDescriptor[],
  given: GrantOptions,
  grantedBy?: RoleSpec,
): Promise<void> {
  await checkMayGrantRole(c, role, true)
  await addMembers(c, role, members, await membershipGrantor(c, role, grantedBy, true), given)
}

/** The same without asking whether it may be. */
export async function addMembers(
  c: CommandContext,
  role: RoleDescriptor,
  members: readonly RoleDescriptor[],
  grantor: Oid,
  given: GrantOptions,
): Promise<void> {
  if (role.oid === DATABASE_OWNER_ROLE) throw new PgError(SQLSTATE.featureNotSupported, `role "${role.name}" cannot have explicit members`)
  for (const member of members)
    if (member.oid === DATABASE_OWNER_ROLE)
      throw new PgError(SQLSTATE.featureNotSupported, `role "${member.name}" cannot be a member of any role`)
  for (const member of members)
    if (await load(() => rolesOf(c.snapshot, role.oid, 'member').has(member.oid)))
      throw new PgError(SQLSTATE.invalidGrantOperation, `role "${role.name}" is a member of role "${member.name}"`)
  if (given.admin === true && grantor !== BOOTSTRAP_ROLE) await checkNotGrantedBack(c, role, members, grantor)
  for (const member of members) await addMember(c, role, member, grantor, given)
}

/** The grantor must have the option without what the new admins have granted. */
async function checkNotGrantedBack(
  c: CommandContext,
  role: RoleDescriptor,
  members: readonly RoleDescriptor[],
  grantor: Oid,
): Promise<void> {
  const all = await membershipsIn(c, role.oid)
  const plan = new RevokePlan(all, true)
  for (const member of members) {
    if (member.oid === BOOTSTRAP_ROLE) throw noGrantBack()
    for (const [i, grant] of all.entries()) if (grant.member === member.oid) plan.revoke(i, false)
  }
  if (!all.some((grant, i) => grant.member === grantor && grant.admin && plan.actions[i] === 'keep')) throw noGrantBack()
}

async function addMember(
  c: CommandContext,
  role: RoleDescriptor,
  member: RoleDescriptor,
  grantor: Oid,
  given: GrantOptions,
): Promise<void> {
  const oid = await c.writer.newOid()
  let unchanged = false
  await c.writer.alterRole(member.oid, (old) => {
    const at = old.memberOf.findIndex((grant) => grant.role === role.oid && grant.grantor === grantor)
    const before = at < 0 ? null : old.memberOf[at]!
    const next: Grant = {
      oid: before?.oid ?? oid,
      role: role.oid,
      grantor,
      admin: given.admin ?? before?.admin ?? false,
      inherit: given.inherit ?? before?.inherit ?? old.inherit,
      set: given.set ?? before?.set ?? true,
    }
    unchanged = before !== null && before.admin === next.admin && before.inherit === next.inherit && before.set === next.set
    return { ...old, memberOf: at < 0 ? [...old.memberOf, next] : old.memberOf.with(at, next) }
  })
  if (unchanged)
    c.ctx.notice({
      severity: 'NOTICE',
      code: SQLSTATE.successfulCompletion,
      message: `role "${member.name}" has already been granted membership in role "${role.name}" by role "${roleName(c, grantor)}"`,
    })
}

/** What becomes of each grant of a role when some are revoked. */
class RevokePlan {
  readonly grants: readonly Membership[]
  readonly actions: Action[]
  readonly #cascade: boolean

  constructor(grants: readonly Membership[], cascade: boolean) {
    this.grants = grants
    this.actions = grants.map(() => 'keep')
    this.#cascade = cascade
  }

  revoke(at: number, adminOnly: boolean): void {
    const { grants, actions } = this
    if (actions[at] === 'delete' || (adminOnly && actions[at] === 'remove admin')) return
    const { admin, member } = grants[at]!
    if (!admin) {
      if (!adminOnly) actions[at] = 'delete'
      return
    }
    actions[at] = adminOnly ? 'remove admin' : 'delete'
    if (grants.some((other, i) => other.member === member && other.admin && actions[i] === 'keep')) return
    for (const [i, other] of grants.entries()) {
      if (other.grantor !== member || actions[i] === 'delete') continue
      if (!this.#cascade)
        throw new PgError(SQLSTATE.dependentObjectsStillExist, 'dependent privileges exist', {
          hint: 'Use CASCADE to revoke them too.',
        })
      this.revoke(i, false)
    }
  }
}

function afterAction(grant: Grant, action: Action): Grant[] {
  switch (action) {
    case 'keep':
      return [grant]
    case 'delete':
      return []
    case 'remove admin':
      return [{ ...grant, admin: false }]
    case 'remove inherit':
      return [{ ...grant, inherit: false }]
    case 'remove set':
      return [{ ...grant, set: false }]
  }
}

/** Revokes the membership, or only one option of it. */
export async function revokeMembership(
  c: CommandContext,
  role: RoleDescriptor,
  members: readonly RoleDescriptor[],
  option: Option | null,
  cascade: boolean,
  grantedBy?: RoleSpec,
): Promise<void> {
  await checkMayGrantRole(c, role, false)
  const grantor = await membershipGrantor(c, role, grantedBy, false)
  const grants = await membershipsIn(c, role.oid)
  const plan = new RevokePlan(grants, cascade)
  for (const member of members) {
    const at = grants.findIndex((grant) => grant.member === member.oid && grant.grantor === grantor)
    if (at < 0)
      c.ctx.notice({
        severity: 'WARNING',
        code: SQLSTATE.warning,
        message: `role "${member.name}" has not been granted membership in role "${role.name}" by role "${roleName(c, grantor)}"`,
      })
    else if (option === 'inherit' || option === 'set') plan.actions[at] = `remove ${option}`
    else plan.revoke(at, option === 'admin')
  }
  const actions = new Map(grants.map((grant, i) => [grant.oid, plan.actions[i]!]))
  const changed = new Set(grants.flatMap((grant, i) => (plan.actions[i] === 'keep' ? [] : [grant.member])))
  for (const member of changed)
    await c.writer.alterRole(member, (old) => ({
      ...old,
      memberOf: old.memberOf.flatMap((grant) => afterAction(grant, actions.get(grant.oid) ?? 'keep')),
    }))
}

export async function grantRole(c: CommandContext, stmt: GrantRoleStmt): Promise<CommandResult> {
  const isGrant = stmt.is_grant ?? false
  const given: { admin?: boolean; inherit?: boolean; set?: boolean } = {}
  for (const option of defElems(stmt.opt)) {
    const name = option.defname!
    if (name !== 'admin' && name !== 'inherit' && name !== 'set')
      throw new PgError(SQLSTATE.syntaxError, `unrecognized role option "${name}"`)
    given[name] = defBoolean(option)
  }
  const members = await Promise.all(roleSpecs(stmt.grantee_roles).map((spec) => load(() => roleOfSpec(c, spec))))
  for (const node of stmt.granted_roles ?? []) {
    const priv = nodeAs(node, 'AccessPriv')!
    if (priv.cols !== undefined) throw new PgError(SQLSTATE.invalidGrantOperation, 'column names cannot be included in GRANT/REVOKE ROLE')
    const role = await load(() => roleNamed(c.snapshot, priv.priv_name!))
    if (isGrant) await grantMembership(c, role, members, given, stmt.grantor)
    else {
      const option = (['admin', 'inherit', 'set'] as const).find((name) => given[name] !== undefined) ?? null
      await revokeMembership(c, role, members, option, stmt.behavior === 'DROP_CASCADE', stmt.grantor)
    }
  }
  return { tag: isGrant ? 'GRANT ROLE' : 'REVOKE ROLE' }
}
