// Membership: which roles a role is a member of, whose privileges it has, which it may become and administer (PostgreSQL 16's rules).

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { RoleDescriptor } from './descriptors.ts'
import { DATABASE_OWNER_ROLE } from './records.ts'

type Via = 'member' | 'inherit' | 'set'

interface Closures {
  version: string
  readonly sets: Map<string, ReadonlySet<Oid>>
}
const memo = new WeakMap<ReaderSnapshot, Closures>()

/** Every role reached from `role` (itself included) through memberships that carry the option. */
export function rolesOf(snapshot: ReaderSnapshot, role: Oid, via: Via): ReadonlySet<Oid> {
  let closures = memo.get(snapshot)
  const version = snapshot.version
  if (closures === undefined || closures.version !== version) memo.set(snapshot, (closures = { version, sets: new Map() }))
  const key = `${via}${role}`
  const known = closures.sets.get(key)
  if (known !== undefined) return known
  const reached = new Set<Oid>([role])
  const owner = snapshot.database().owner
  for (const next of reached) {
    for (const grant of snapshot.role(next)?.memberOf ?? []) {
      if (via === 'inherit' && !grant.inherit) continue
      if (via === 'set' && !grant.set) continue
      reached.add(grant.role)
    }
    if (next === owner) reached.add(DATABASE_OWNER_ROLE)
  }
  closures.sets.set(key, reached)
  return reached
}

export const isSuperuser = (snapshot: ReaderSnapshot, role: Oid): boolean => snapshot.role(role)?.superuser === true

/** has_privs_of_role: `member` may use what is granted to `role` without SET ROLE. */
export function hasPrivilegesOf(snapshot: ReaderSnapshot, member: Oid, role: Oid): boolean {
  return member === role || isSuperuser(snapshot, member) || rolesOf(snapshot, member, 'inherit').has(role)
}

export function isMemberOf(snapshot: ReaderSnapshot, member: Oid, role: Oid): boolean {
  return member === role || isSuperuser(snapshot, member) || rolesOf(snapshot, member, 'member').has(role)
}

/** May SET ROLE to it and give objects to it. */
export function canSetRole(snapshot: ReaderSnapshot, member: Oid, role: Oid): boolean {
  return member === role || isSuperuser(snapshot, member) || rolesOf(snapshot, member, 'set').has(role)
}

/** Holds ADMIN OPTION on the role, itself or through a role it is a member of. */
export function isAdminOf(snapshot: ReaderSnapshot, member: Oid, role: Oid): boolean {
  if (isSuperuser(snapshot, member)) return true
  return adminAmong(snapshot, rolesOf(snapshot, member, 'member'), member, role) !== null
}

/** In whose name `member` may grant the role: its own, or the nearest role's whose privileges it has; null = nobody's. */
export function bestAdmin(snapshot: ReaderSnapshot, member: Oid, role: Oid): Oid | null {
  return adminAmong(snapshot, rolesOf(snapshot, member, 'inherit'), member, role)
}

/** The first of the roles, nearest first, that holds ADMIN OPTION on `role`; nobody does on itself. */
function adminAmong(snapshot: ReaderSnapshot, roles: ReadonlySet<Oid>, member: Oid, role: Oid): Oid | null {
  if (member === role) return null
  for (const reached of roles) if (snapshot.role(reached)?.memberOf.some((grant) => grant.role === role && grant.admin)) return reached
  return null
}

/** 42501 unless `member` may become `role`. */
export function checkCanSetRole(snapshot: ReaderSnapshot, member: Oid, role: RoleDescriptor): void {
  if (canSetRole(snapshot, member, role.oid)) return
  throw new PgError(SQLSTATE.insufficientPrivilege, `must be able to SET ROLE "${role.name}"`)
}

export function roleNamed(snapshot: ReaderSnapshot, name: string): RoleDescriptor {
  const role = snapshot.roleByName(name)
  if (role === null) throw new PgError(SQLSTATE.undefinedObject, `role "${name}" does not exist`)
  return role
}
