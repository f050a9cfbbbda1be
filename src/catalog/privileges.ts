// Who may do what: privilege masks of every kind of object, the check of a statement's relations, ownership. Texts are aclchk.c's. // hot

import { PgError } from '../base/errors.ts'
import type { Oid } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { classByOid, pgAttributes } from '../sql/builtin/pg-class.ts'
import { procByOid } from '../sql/builtin/pg-proc.ts'
import { ACL, type AclKind, ALL_PRIVILEGES, defaultAcl, PUBLIC_ROLE } from './acl.ts'
import { builtinAcl } from './builtin-roles.ts'
import type { ReaderSnapshot } from './catalog-snapshot.ts'
import type { Acl, AclItem, RelationDescriptor } from './descriptors.ts'
import { BOOTSTRAP_ROLE, FIRST_NORMAL_OID } from './records.ts'
import { hasPrivilegesOf, isSuperuser, rolesOf } from './roles.ts'
import type { RelationInfo } from './snapshot.ts'

const PG_READ_ALL_DATA = 6181
const PG_WRITE_ALL_DATA = 6182
const PG_MAINTAIN = 6337
const DML = ACL.insert | ACL.update | ACL.delete

/** The privileges of `mask` that `role` has by an access list: its own, PUBLIC's and those of roles it inherits from. */
export function aclMask(snapshot: ReaderSnapshot, acl: readonly AclItem[], owner: Oid, role: Oid, mask: number): number {
  const roles = rolesOf(snapshot, role, 'inherit')
  let found = 0
  for (const item of acl) if (item.grantee === PUBLIC_ROLE || roles.has(item.grantee)) found |= item.privileges
  // an owner may always grant itself what it revoked; grant options are its by right
  return roles.has(owner) ? found & mask : found & mask
}

/** Grant options likewise; an owner has all. */
export function grantOptionMask(snapshot: ReaderSnapshot, acl: readonly AclItem[], owner: Oid, role: Oid, kind: AclKind): number {
  if (isSuperuser(snapshot, role) || rolesOf(snapshot, role, 'inherit').has(owner)) return ALL_PRIVILEGES[kind]
  const roles = rolesOf(snapshot, role, 'inherit')
  let found = 0
  for (const item of acl) if (roles.has(item.grantee)) found |= item.grantOptions
  return found
}

export const relationAclKind = (relkind: string): AclKind => (relkind === 'S' ? 'sequence' : 'relation')

export function relationAcl(relation: RelationInfo): Acl {
  if (relation.descriptor !== null) return relation.descriptor.acl
  return builtinAcl(classByOid(relation.oid)?.relacl ?? null)
}

export function relationMask(snapshot: ReaderSnapshot, relation: RelationInfo, role: Oid, mask: number): number {
  if (isSuperuser(snapshot, role)) return mask
  let found = aclMask(
    snapshot,
    relationAcl(relation) ?? defaultAcl(relationAclKind(relation.relkind), relation.owner),
    relation.owner,
    role,
    mask,
  )
  if (found === mask) return found
  const roles = rolesOf(snapshot, role, 'inherit')
  if (roles.has(PG_READ_ALL_DATA)) found |= mask & ACL.select
  if (roles.has(PG_WRITE_ALL_DATA) && relation.oid >= FIRST_NORMAL_OID) found |= mask & DML
  if (roles.has(PG_MAINTAIN)) found |= mask & ACL.maintain
  return found
}

let builtinColumnAcls: Map<string, readonly AclItem[]> | null = null

function columnAcl(relation: RelationInfo, attnum: number): Acl {
  if (relation.descriptor !== null) return relation.descriptor.columns[attnum - 1]?.acl ?? null
  builtinColumnAcls ??= new Map(
    pgAttributes().flatMap((row) => (row.attacl === null ? [] : [[`${row.attrelid} ${row.attnum}`, builtinAcl(row.attacl)!] as const])),
  )
  return builtinColumnAcls.get(`${relation.oid} ${attnum}`) ?? null
}

/** The column's own grants only; the relation's are asked first. */
export function columnMask(snapshot: ReaderSnapshot, relation: RelationInfo, attnum: number, role: Oid, mask: number): number {
  const acl = columnAcl(relation, attnum)
  return acl === null ? 0 : aclMask(snapshot, acl, relation.owner, role, mask)
}

export function namespaceMask(snapshot: ReaderSnapshot, namespace: Oid, role: Oid, mask: number): number {
  if (isSuperuser(snapshot, role)) return mask
  const descriptor = snapshot.namespace(namespace)
  if (descriptor === null) return 0
  let found = aclMask(snapshot, descriptor.acl ?? defaultAcl('namespace', descriptor.owner), descriptor.owner, role, mask)
  if ((mask & ~found & ACL.usage) !== 0) {
    const roles = rolesOf(snapshot, role, 'inherit')
    if (roles.has(PG_READ_ALL_DATA) || roles.has(PG_WRITE_ALL_DATA)) found |= ACL.usage
  }
  return found
}

export function databaseMask(snapshot: ReaderSnapshot, role: Oid, mask: number): number {
  if (isSuperuser(snapshot, role)) return mask
  const database = snapshot.database()
  return aclMask(snapshot, database.acl ?? defaultAcl('database', database.owner), database.owner, role, mask)
}

export function functionAcl(snapshot: ReaderSnapshot, proc: Oid): { acl: readonly AclItem[]; owner: Oid } | null {
  const row = procByOid(proc)
  if (row === undefined) return null
  const changed = snapshot.record(proc)
  const acl = changed?.kind === 'builtin-acl' ? changed.acl : builtinAcl(row.proacl)
  return { acl: acl ?? defaultAcl('function', BOOTSTRAP_ROLE), owner: BOOTSTRAP_ROLE }
}

export function functionMask(snapshot: ReaderSnapshot, proc: Oid, role: Oid, mask: number): number {
  if (isSuperuser(snapshot, role)) return mask
  const found = functionAcl(snapshot, proc)
  return found === null ? 0 : aclMask(snapshot, found.acl, found.owner, role, mask)
}

/** The relation of a composite type made by CREATE TYPE: its access list is the type's. */
export function compositeType(snapshot: ReaderSnapshot, type: Oid): RelationDescriptor | null {
  const relation = snapshot.type(type)?.typrelid
  const descriptor = relation === undefined || relation === 0 ? null : (snapshot.relation(relation)?.descriptor ?? null)
  return descriptor?.kind === 'c' ? descriptor : null
}

/** An array type's privileges are its elements'. */
export function elementOrSelf(snapshot: ReaderSnapshot, type: Oid): Oid {
  const row = snapshot.type(type)
  return row !== null && row.typcategory === 'A' && row.typelem !== 0 ? row.typelem : type
}

export function typeMask(snapshot: ReaderSnapshot, type: Oid, role: Oid, mask: number): number {
  if (isSuperuser(snapshot, role)) return mask
  const own = elementOrSelf(snapshot, type)
  const user = snapshot.userType(own) ?? compositeType(snapshot, own)
  return user === null ? mask : aclMask(snapshot, user.acl ?? defaultAcl('type', user.owner), user.owner, role, mask)
}

const RELKIND_WORDS: Readonly<Record<string, string>> = {
  r: 'table',
  p: 'table',
  v: 'view',
  m: 'materialized view',
  S: 'sequence',
  i: 'index',
  c: 'type',
  f: 'foreign table',
}
export const relkindWord = (relkind: string): string => RELKIND_WORDS[relkind] ?? 'table'

export function permissionDenied(kind: string, name: string): PgError {
  return new PgError(SQLSTATE.insufficientPrivilege, `permission denied for ${kind} ${name}`)
}
export function mustBeOwner(kind: string, name: string): PgError {
  return new PgError(SQLSTATE.insufficientPrivilege, `must be owner of ${kind} ${name}`)
}

/** Owner, a member that inherits from it, or superuser. */
export const ownsObject = (snapshot: ReaderSnapshot, owner: Oid, role: Oid): boolean => hasPrivilegesOf(snapshot, role, owner)

export function checkRelationOwner(snapshot: ReaderSnapshot, relation: RelationInfo, role: Oid): void {
  if (relation.oid < FIRST_NORMAL_OID)
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied: "${relation.name}" is a system catalog`)
  if (!ownsObject(snapshot, relation.owner, role)) throw mustBeOwner(relkindWord(relation.relkind), relation.name)
}

export function checkNamespace(snapshot: ReaderSnapshot, namespace: Oid, role: Oid, mask: number): void {
  if (namespaceMask(snapshot, namespace, role, mask) === mask) return
  throw permissionDenied('schema', snapshot.namespace(namespace)?.name ?? String(namespace))
}

/** 42501 unless `role` may execute them all. */
export function checkFunctions(snapshot: ReaderSnapshot, procs: Iterable<Oid>, role: Oid): void {
  for (const proc of procs) {
    if (functionMask(snapshot, proc, role, ACL.execute) !== 0) continue
    const row = procByOid(proc)
    throw permissionDenied(row?.prokind === 'a' ? 'aggregate' : 'function', row?.proname ?? String(proc))
  }
}

/** What the current user must be allowed to do with a relation (42501). Column sets hold attnums; 0 = whole row. */
export interface PermissionInfo {
  readonly relation: Oid
  readonly requiredSelect: boolean
  readonly requiredInsert: boolean
  readonly requiredUpdate: boolean
  readonly requiredDelete: boolean
  /** Its rows are locked (FOR UPDATE and its like), which asks for the privilege to update them. */
  readonly rowMarked: boolean
  readonly selectedColumns: readonly number[]
  readonly insertedColumns: readonly number[]
  readonly updatedColumns: readonly number[]
  /** Check as this role (a view's owner); 0 = current user. */
  readonly checkAs: Oid
}

interface LastCheck {
  readonly version: string
  readonly role: Oid
}
const passed = new WeakMap<readonly PermissionInfo[], LastCheck>()

/** 42501 unless `role` may do all that a statement asks of its relations. Cheap when the same list passed before. */
export function checkPermissions(snapshot: ReaderSnapshot, permissions: readonly PermissionInfo[], role: Oid): void {
  if (permissions.length === 0) return
  const version = snapshot.version
  const last = passed.get(permissions)
  if (last !== undefined && last.role === role && last.version === version) return
  for (const permission of permissions) checkRelation(snapshot, permission, permission.checkAs === 0 ? role : permission.checkAs)
  passed.set(permissions, { version, role })
}

function checkRelation(snapshot: ReaderSnapshot, permission: PermissionInfo, role: Oid): void {
  const relation = snapshot.relation(permission.relation)
  if (relation === null) throw new PgError(SQLSTATE.undefinedTable, `relation with OID ${permission.relation} does not exist`)
  const required =
    (permission.requiredSelect ? ACL.select : 0) |
    (permission.requiredInsert ? ACL.insert : 0) |
    (permission.requiredUpdate ? ACL.update : 0) |
    (permission.requiredDelete ? ACL.delete : 0)
  if (required === 0) return
  // pg_catalog's tables are read-only even for superusers; views over them may be told apart by the planner
  if (relation.descriptor === null && (required & DML) !== 0 && relation.relkind === 'r') throw permissionDenied('table', relation.name)
  if (isSuperuser(snapshot, role)) return
  // what the statement itself names must be reachable; a view's tables are its owner's affair
  if (permission.checkAs === 0) checkNamespace(snapshot, relation.namespace, role, ACL.usage)
  const missing = required & ~relationMask(snapshot, relation, role, required)
  if (missing === 0) return
  const refuse = (): never => {
    throw permissionDenied(relkindWord(relation.relkind), relation.name)
  }
  if ((missing & ACL.delete) !== 0) refuse()
  const all = (columns: readonly number[], mask: number, emptyMeansAny: boolean): boolean => {
    if (columns.length === 0)
      return emptyMeansAny && relation.columns.some((c) => !c.dropped && columnMask(snapshot, relation, c.attnum, role, mask) === mask)
    return columns.every((attnum) => {
      if (attnum > 0) return columnMask(snapshot, relation, attnum, role, mask) === mask
      if (attnum < 0) return false
      return relation.columns.every((c) => c.dropped || columnMask(snapshot, relation, c.attnum, role, mask) === mask)
    })
  }
  if ((missing & ACL.select) !== 0 && !all(permission.selectedColumns, ACL.select, true)) refuse()
  if ((missing & ACL.insert) !== 0 && !all(permission.insertedColumns, ACL.insert, true)) refuse()
  if ((missing & ACL.update) !== 0 && !all(permission.updatedColumns, ACL.update, true)) refuse()
}
