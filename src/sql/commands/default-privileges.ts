// ALTER DEFAULT PRIVILEGES, and what it means for a new object: the privileges it starts with (get_user_default_acl).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { type AclKind, ALL_PRIVILEGES, aclGrant, aclRevoke, defaultAcl, PRIVILEGE_NAMES, PUBLIC_ROLE } from '../../catalog/acl.ts'
import type { Acl, AclItem } from '../../catalog/descriptors.ts'
import { DEFAULT_ACL_PREFIX, defaultAclKey, parseDefaultAclKey } from '../../catalog/keys.ts'
import { hasPrivilegesOf } from '../../catalog/roles.ts'
import { type AlterDefaultPrivilegesStmt, nodeAs, stringOf } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defElems, roleSpecs } from './def-elem.ts'
import { load, namespaceNamed, roleOfSpec } from './names.ts'

/** pg_default_acl.defaclobjtype: r tables, S sequences, f functions, T types, n schemas. */
export type DefaultAclType = 'r' | 'S' | 'f' | 'T' | 'n'

const KIND: Readonly<Record<DefaultAclType, AclKind>> = { r: 'relation', S: 'sequence', f: 'function', T: 'type', n: 'namespace' }

async function stored(c: CommandContext, role: Oid, namespace: Oid, type: DefaultAclType): Promise<readonly AclItem[] | null> {
  return (await c.catalog.fetch(defaultAclKey(role, namespace, type))) as readonly AclItem[] | null
}

const sameAcl = (a: readonly AclItem[], b: readonly AclItem[]): boolean => {
  const text = (acl: readonly AclItem[]): string =>
    acl
      .map((item) => `${item.grantee} ${item.grantor} ${item.privileges} ${item.grantOptions}`)
      .sort()
      .join()
  return text(a) === text(b)
}

/** The privileges a new object starts with; null = its kind's default. */
export async function defaultAclFor(c: CommandContext, type: DefaultAclType, owner: Oid, namespace: Oid): Promise<Acl> {
  const everywhere = await stored(c, owner, 0, type)
  const here = namespace === 0 ? null : await stored(c, owner, namespace, type)
  if (everywhere === null && here === null) return null
  const builtin = defaultAcl(KIND[type], owner)
  let acl: readonly AclItem[] = everywhere ?? builtin
  for (const item of here ?? []) {
    acl = aclGrant(acl, item.grantee, item.grantor, item.privileges, false)
    if (item.grantOptions !== 0) acl = aclGrant(acl, item.grantee, item.grantor, item.grantOptions, true)
  }
  return sameAcl(acl, builtin) ? null : acl
}

const TYPES: Readonly<Record<string, DefaultAclType>> = {
  OBJECT_TABLE: 'r',
  OBJECT_SEQUENCE: 'S',
  OBJECT_FUNCTION: 'f',
  OBJECT_PROCEDURE: 'f',
  OBJECT_ROUTINE: 'f',
  OBJECT_TYPE: 'T',
  OBJECT_SCHEMA: 'n',
}
const DESCRIBED: Readonly<Record<DefaultAclType, string>> = { r: 'relations', S: 'sequences', f: 'functions', T: 'types', n: 'schemas' }
const WORDS: Readonly<Record<DefaultAclType, string>> = { r: 'relation', S: 'sequence', f: 'function', T: 'type', n: 'schema' }

/** What the owner's new objects have where nothing is stored: everywhere their kind's default, and nothing more in one schema. */
const unchanged = (role: Oid, namespace: Oid, type: DefaultAclType): readonly AclItem[] =>
  namespace === 0 ? defaultAcl(KIND[type], role) : []

/** One that says nothing is not kept. */
async function store(c: CommandContext, { role, namespace, type }: Omit<DefaultAcl, 'acl'>, acl: readonly AclItem[]): Promise<void> {
  await c.writer.setDefaultAcl(role, namespace, type, sameAcl(acl, unchanged(role, namespace, type)) ? null : acl)
}

/** A row of pg_default_acl. */
export interface DefaultAcl {
  readonly role: Oid
  readonly namespace: Oid
  readonly type: DefaultAclType
  readonly acl: readonly AclItem[]
}

export async function allDefaultAcls(c: CommandContext): Promise<DefaultAcl[]> {
  const entries = await c.catalog.scan(DEFAULT_ACL_PREFIX)
  return entries.map(({ key, value }) => {
    const { role, namespace, type } = parseDefaultAclKey(key)
    return { role, namespace, type: type as DefaultAclType, acl: value as readonly AclItem[] }
  })
}

/** As getObjectDescription words it. */
export function describeDefaultAcl(c: CommandContext, { role, namespace, type }: DefaultAcl): Promise<string> {
  return load(() => {
    const where = namespace === 0 ? '' : ` in schema ${c.snapshot.namespace(namespace)!.name}`
    return `default privileges on new ${DESCRIBED[type]} belonging to role ${c.snapshot.role(role)!.name}${where}`
  })
}

/** DROP OWNED: those of the roles go, and what others' give to them. */
export async function dropDefaultAclsOf(c: CommandContext, roles: ReadonlySet<Oid>): Promise<void> {
  for (const entry of await allDefaultAcls(c)) {
    const left = entry.acl.filter((item) => !roles.has(item.grantee))
    if (roles.has(entry.role)) await c.writer.setDefaultAcl(entry.role, entry.namespace, entry.type, null)
    else if (left.length < entry.acl.length) await store(c, entry, left)
  }
}

export async function alterDefaultPrivileges(c: CommandContext, stmt: AlterDefaultPrivilegesStmt): Promise<CommandResult> {
  const action = stmt.action!
  const type = TYPES[action.objtype!]
  if (type === undefined) throw new PgError(SQLSTATE.featureNotSupported, 'default privileges for this kind of object are not supported')
  const user = c.ctx.session.currentUser
  let roles: Oid[] = [user]
  let namespaces: Oid[] = [0]
  for (const option of defElems(stmt.options)) {
    const items = nodeAs(option.arg, 'List')?.items ?? []
    if (option.defname === 'roles') roles = await load(() => roleSpecs(items).map((spec) => roleOfSpec(c, spec).oid))
    else if (option.defname === 'schemas') namespaces = await load(() => items.map((item) => namespaceNamed(c, stringOf(item)).oid))
  }
  if (type === 'n' && namespaces[0] !== 0)
    throw new PgError(SQLSTATE.invalidGrantOperation, 'cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS')
  const all = ALL_PRIVILEGES[KIND[type]]
  let mask = 0
  for (const node of action.privileges ?? []) {
    const priv = nodeAs(node, 'AccessPriv')!
    if (priv.cols !== undefined) throw new PgError(SQLSTATE.invalidGrantOperation, 'default privileges cannot be set for columns')
    const bit = PRIVILEGE_NAMES[priv.priv_name ?? ''] ?? 0
    if ((bit & all) === 0)
      throw new PgError(SQLSTATE.invalidGrantOperation, `invalid privilege type ${(priv.priv_name ?? '').toUpperCase()} for ${WORDS[type]}`)
    mask |= bit
  }
  if (mask === 0) mask = all
  const grantees = await load(() =>
    roleSpecs(action.grantees).map((spec) => (spec.roletype === 'ROLESPEC_PUBLIC' ? PUBLIC_ROLE : roleOfSpec(c, spec).oid)),
  )
  for (const role of roles) {
    const allowed = await load(() => hasPrivilegesOf(c.snapshot, user, role))
    if (!allowed) throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to change default privileges')
    for (const namespace of namespaces) {
      let acl = (await stored(c, role, namespace, type)) ?? unchanged(role, namespace, type)
      for (const grantee of grantees)
        acl = action.is_grant
          ? aclGrant(acl, grantee, role, mask, action.grant_option ?? false)
          : aclRevoke(acl, grantee, role, mask, action.grant_option ?? false, role, action.behavior === 'DROP_CASCADE').acl
      await store(c, { role, namespace, type }, acl)
    }
  }
  return { tag: 'ALTER DEFAULT PRIVILEGES' }
}
