// PostgreSQL's predefined roles and builtin schemas as descriptors. The bootstrap superuser goes by a name that no tenant can take.

import type { Oid } from '../base/ids.ts'
import { pgAuthids, pgAuthMemberships, pgNamespaces } from '../sql/builtin/catalogs.ts'
import { parseAclItem } from './acl.ts'
import type { AclItem, NamespaceDescriptor, RoleDescriptor } from './descriptors.ts'
import { BOOTSTRAP_ROLE, BOOTSTRAP_ROLE_NAME, PUBLIC_NAMESPACE } from './records.ts'

let roles: Map<Oid, RoleDescriptor> | null = null
let rolesByName: Map<string, RoleDescriptor> | null = null

function loadRoles(): Map<Oid, RoleDescriptor> {
  const map = new Map<Oid, RoleDescriptor>()
  for (const row of pgAuthids())
    map.set(row.oid, {
      oid: row.oid,
      name: row.oid === BOOTSTRAP_ROLE ? BOOTSTRAP_ROLE_NAME : row.rolname,
      superuser: row.rolsuper,
      inherit: row.rolinherit,
      createRole: row.rolcreaterole,
      createDb: row.rolcreatedb,
      canLogin: false,
      replication: row.rolreplication,
      bypassRls: row.rolbypassrls,
      connectionLimit: row.rolconnlimit,
      password: null,
      validUntil: null,
      settings: {},
      memberOf: pgAuthMemberships()
        .filter((member) => member.member === row.oid)
        .map((member) => ({
          oid: member.oid,
          role: member.roleid,
          grantor: member.grantor,
          admin: member.admin_option,
          inherit: member.inherit_option,
          set: member.set_option,
        })),
    })
  return map
}

export function builtinRoles(): Map<Oid, RoleDescriptor> {
  return (roles ??= loadRoles())
}
export function builtinRole(oid: Oid): RoleDescriptor | null {
  return builtinRoles().get(oid) ?? null
}
export function builtinRoleByName(name: string): RoleDescriptor | null {
  rolesByName ??= new Map([...builtinRoles().values()].map((role) => [role.name, role]))
  return rolesByName.get(name) ?? null
}

/** The generated rows name the bootstrap superuser as the database they came from did. */
const generatedRole = (name: string): Oid | null => (name === 'postgres' ? BOOTSTRAP_ROLE : (builtinRoleByName(name)?.oid ?? null))

export function builtinAcl(texts: readonly string[] | null): readonly AclItem[] | null {
  return texts === null ? null : texts.map((text) => parseAclItem(text, generatedRole)!)
}

let namespaces: Map<Oid, NamespaceDescriptor> | null = null
/** Without public, which is the tenant's own from bootstrap on. */
export function builtinNamespaces(): Map<Oid, NamespaceDescriptor> {
  namespaces ??= new Map(
    pgNamespaces()
      .filter((row) => row.oid !== PUBLIC_NAMESPACE)
      .map((row) => [row.oid, { oid: row.oid, name: row.nspname, owner: row.nspowner, acl: builtinAcl(row.nspacl) }]),
  )
  return namespaces
}
