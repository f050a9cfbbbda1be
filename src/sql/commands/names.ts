// Names in utility statements: where an object is looked up and where it is made, with PostgreSQL's errors; generated names.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import type { MaybePromise } from '../../base/maybe-promise.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import type { NamespaceDescriptor, RelationDescriptor, RoleDescriptor } from '../../catalog/descriptors.ts'
import type { RelationLockMode } from '../../catalog/object-locks.ts'
import { makeObjectName } from '../../catalog/object-names.ts'
import { checkNamespace, namespaceMask, permissionDenied } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID, PUBLIC_NAMESPACE } from '../../catalog/records.ts'
import { roleNamed } from '../../catalog/roles.ts'
import { type RelationInfo, withCatalog } from '../../catalog/snapshot.ts'
import { type Node, type NodeOf, nodeTag, type RangeVar, type RoleSpec, stringOf } from '../parser/nodes.ts'
import type { CommandContext } from './context.ts'

/** A catalogue look-up for those who can wait. */
export async function load<T>(lookup: () => T): Promise<T> {
  return withCatalog(lookup)
}

/** Character position (from 1) of a byte offset in the statement; undefined when unknown. */
export function positionOf(c: CommandContext, location: number | undefined): { position?: number } {
  if (location === undefined || location < 0) return {}
  return { position: Buffer.from(c.source, 'utf8').subarray(0, location).toString('utf8').length + 1 }
}

/** PostgreSQL's CheckTableNotInUse: queries on their way, and checks that are put off, know the rows by where they are stored. */
export function checkNotInUse(c: CommandContext, relation: { readonly oid: Oid; readonly name: string }, command: string): void {
  if (c.ports.isUsed(relation.oid))
    throw new PgError(
      SQLSTATE.objectInUse,
      `cannot ${command} "${relation.name}" because it is being used by active queries in this session`,
    )
  if (c.ports.hasPendingChecks(relation.oid))
    throw new PgError(SQLSTATE.objectInUse, `cannot ${command} "${relation.name}" because it has pending trigger events`)
}

export function namespaceNamed(c: CommandContext, name: string): NamespaceDescriptor {
  const namespace = c.snapshot.namespaceByName(name)
  if (namespace === null) throw new PgError(SQLSTATE.undefinedSchema, `schema "${name}" does not exist`)
  return namespace
}

function checkCatalogName(c: CommandContext, parts: readonly string[]): void {
  if (parts.length < 3) return
  if (parts.length > 3) throw new PgError(SQLSTATE.syntaxError, `improper qualified name (too many dotted names): ${parts.join('.')}`)
  if (parts[0] !== c.ctx.session.database)
    throw new PgError(SQLSTATE.featureNotSupported, `cross-database references are not implemented: "${parts.join('.')}"`)
}

export function rangeVarParts(rv: RangeVar): string[] {
  return [rv.catalogname, rv.schemaname, rv.relname].filter((part): part is string => part !== undefined && part !== '')
}

export const partsOf = (nodes: readonly Node[] | undefined): string[] => (nodes ?? []).map(stringOf)

/** Names of a DROP or COMMENT object: a list of strings, a String, or a TypeName. */
export function objectParts(node: Node): string[] {
  const tag = nodeTag(node)
  if (tag === 'List') return partsOf((node as NodeOf).List.items)
  if (tag === 'TypeName') return partsOf((node as NodeOf).TypeName.names)
  return [stringOf(node)]
}

/** The same of a relation, whose names are called otherwise when they have too many parts. */
export function checkRelationName(c: CommandContext, parts: readonly string[]): void {
  if (parts.length > 3) throw new PgError(SQLSTATE.syntaxError, `improper relation name (too many dotted names): ${parts.join('.')}`)
  checkCatalogName(c, parts)
}

export interface NameParts {
  readonly schema: string | null
  readonly name: string
}

export function splitName(c: CommandContext, parts: readonly string[]): NameParts {
  checkCatalogName(c, parts)
  return { schema: parts.length > 1 ? parts[parts.length - 2]! : null, name: parts[parts.length - 1]! }
}

/** The relation, or null; 3F000 for a schema that does not exist unless `missingOk`. */
export function findRelation(c: CommandContext, parts: readonly string[], missingOk = false): RelationInfo | null {
  const { schema, name } = splitName(c, parts)
  if (schema !== null) {
    const namespace = missingOk ? c.snapshot.namespaceByName(schema) : namespaceNamed(c, schema)
    if (namespace === null) return null
    if (namespaceMask(c.snapshot, namespace.oid, c.ctx.session.currentUser, ACL.usage) === 0) throw permissionDenied('schema', schema)
    return c.snapshot.relationByName(namespace.oid, name)
  }
  for (const path of c.ctx.session.searchPath(true)) {
    const namespace = c.snapshot.namespaceByName(path)
    const found = namespace === null ? null : c.snapshot.relationByName(namespace.oid, name)
    if (found !== null) return found
  }
  return null
}

export function undefinedRelation(parts: readonly string[]): PgError {
  return new PgError(SQLSTATE.undefinedTable, `relation "${parts.join('.')}" does not exist`)
}

/** Finds a relation, locks it and finds it again if the lock had to wait (it may have been dropped or renamed meanwhile). */
export async function lockNamed(
  c: CommandContext,
  parts: readonly string[],
  mode: RelationLockMode,
  missingOk = false,
): Promise<RelationInfo | null> {
  for (;;) {
    const found = await load(() => findRelation(c, parts, missingOk))
    if (found === null) {
      if (missingOk) return null
      throw undefinedRelation(parts)
    }
    const table = found.relkind === 'i' ? await load(() => c.snapshot.indexTable(found.oid)) : found
    const version = c.snapshot.version
    const waited = table === null || table.oid < FIRST_NORMAL_OID ? undefined : c.lock(table.oid, mode, found.name)
    if (waited !== undefined) await waited
    if (c.snapshot.version === version) return found
  }
}

/** The schema a new object goes to, CREATE privilege checked. */
export function creationNamespace(c: CommandContext, schema: string | null, check = true): NamespaceDescriptor {
  const role = c.ctx.session.currentUser
  if (schema !== null) {
    const namespace = namespaceNamed(c, schema)
    if (namespace.oid < FIRST_NORMAL_OID && namespace.oid !== PUBLIC_NAMESPACE) throw permissionDenied('schema', schema)
    if (check) checkNamespace(c.snapshot, namespace.oid, role, ACL.create)
    return namespace
  }
  for (const name of c.ctx.session.searchPath(false)) {
    const namespace = c.snapshot.namespaceByName(name)
    if (namespace === null) continue
    if (namespace.oid < FIRST_NORMAL_OID && namespace.oid !== PUBLIC_NAMESPACE) throw permissionDenied('schema', name)
    if (check) checkNamespace(c.snapshot, namespace.oid, role, ACL.create)
    return namespace
  }
  throw new PgError(SQLSTATE.undefinedSchema, 'no schema has been selected to create in')
}

/** The same, with the name's position in the error. */
export async function creationNamespaceAt(
  c: CommandContext,
  schema: string | null,
  location: number | undefined,
): Promise<NamespaceDescriptor> {
  try {
    return await load(() => creationNamespace(c, schema))
  } catch (error) {
    const placed = error instanceof PgError && (schema !== null || error.code === SQLSTATE.insufficientPrivilege)
    if (placed) throw error.with(positionOf(c, location))
    throw error
  }
}

/** A role as GRANT and OWNER name it. PUBLIC answers null where it is allowed. */
export function roleOfSpec(c: CommandContext, spec: RoleSpec): RoleDescriptor {
  switch (spec.roletype) {
    case 'ROLESPEC_CURRENT_ROLE':
    case 'ROLESPEC_CURRENT_USER':
      return c.snapshot.role(c.ctx.session.currentUser)!
    case 'ROLESPEC_SESSION_USER':
      return c.snapshot.role(c.ctx.session.sessionUser)!
    case 'ROLESPEC_PUBLIC':
      throw new PgError(SQLSTATE.undefinedObject, 'role "public" does not exist')
    default:
      return roleNamed(c.snapshot, spec.rolename!)
  }
}

/** The first of name, name1, name2 … that `taken` does not know. */
export async function chooseName(base: (pass: string) => string, taken: (name: string) => MaybePromise<boolean>): Promise<string> {
  for (let pass = 0; ; pass++) {
    const name = base(pass === 0 ? '' : String(pass))
    if (!(await taken(name))) return name
  }
}

/** A free relation name (ChooseRelationName). `reserved`: names the statement itself is about to take. */
export function chooseRelationName(
  c: CommandContext,
  namespace: Oid,
  name1: string,
  name2: string | null,
  label: string,
  reserved: ReadonlySet<string>,
): Promise<string> {
  return chooseName(
    (pass) => makeObjectName(name1, name2, label + pass),
    (name) => reserved.has(name) || load(() => c.snapshot.relationByName(namespace, name) !== null),
  )
}

/** Column by name, dropped ones left out; null when there is none. */
export function columnNamed(relation: RelationDescriptor, name: string): RelationDescriptor['columns'][number] | null {
  return relation.columns.find((column) => !column.dropped && column.name === name) ?? null
}

export const SYSTEM_COLUMNS: Readonly<Record<string, number>> = { ctid: -1, xmin: -2, cmin: -3, xmax: -4, cmax: -5, tableoid: -6 }

/** 42701 for a column that a relation with system columns cannot have. */
export function checkColumnName(name: string): void {
  if (SYSTEM_COLUMNS[name] !== undefined)
    throw new PgError(SQLSTATE.duplicateColumn, `column name "${name}" conflicts with a system column name`)
}

export function undefinedColumn(column: string, relation: string): PgError {
  return new PgError(SQLSTATE.undefinedColumn, `column "${column}" of relation "${relation}" does not exist`)
}

export const quoteName = (name: string): string => (/^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`)

/** DETAIL of what a kind of relation is not good for. */
export function relationDetail(relkind: string): string {
  switch (relkind) {
    case 'v':
      return 'This operation is not supported for views.'
    case 'S':
      return 'This operation is not supported for sequences.'
    case 'i':
      return 'This operation is not supported for indexes.'
    case 'c':
      return 'This operation is not supported for composite types.'
    default:
      return 'This operation is not supported for tables.'
  }
}
