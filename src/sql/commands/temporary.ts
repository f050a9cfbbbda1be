// Temporary objects as statements meet them: their schema, made with the first of them, where a new relation goes, ON COMMIT, DISCARD TEMP.

import { PgError } from '../../base/errors.ts'
import { type Oid, tableId } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL, PUBLIC_ROLE } from '../../catalog/acl.ts'
import type { NamespaceDescriptor, RelationDescriptor } from '../../catalog/descriptors.ts'
import { CLASS, nameKey, namePrefix, type ObjectAddress } from '../../catalog/keys.ts'
import { databaseMask } from '../../catalog/privileges.ts'
import { BOOTSTRAP_ROLE } from '../../catalog/records.ts'
import { isTemporary, newTemporaryOid } from '../../catalog/temporary.ts'
import type { RangeVar } from '../parser/nodes.ts'
import type { CommandContext } from './context.ts'
import { performDeletion } from './drop.ts'
import { creationNamespace, creationNamespaceAt, load, positionOf, rangeVarParts, splitName } from './names.ts'
import { alterTable } from './table-builder.ts'

export interface CreationTarget {
  readonly namespace: NamespaceDescriptor
  readonly name: string
  readonly persistence: RelationDescriptor['persistence']
}

/** Where CREATE puts a relation, and how long it lives. `placed`: errors say where the statement names it, as CREATE TABLE's do. */
export async function creationTarget(
  c: CommandContext,
  rv: RangeVar,
  options: { readonly temporary?: boolean; readonly placed?: boolean } = {},
): Promise<CreationTarget> {
  const { schema, name } = splitName(c, rangeVarParts(rv))
  const temporary = rv.relpersistence === 't' || options.temporary === true
  const location = options.placed ? rv.location : undefined
  const misplaced = (message: string): PgError => new PgError(SQLSTATE.invalidTableDefinition, message, positionOf(c, location))
  const own = await load(() => c.snapshot.namespaceByName('pg_temp'))
  const inOwn = schema !== null && (schema === 'pg_temp' || schema === own?.name)
  if (schema !== null && !inOwn) {
    if (schema.startsWith('pg_temp_')) throw misplaced('cannot create relations in temporary schemas of other sessions')
    if (temporary) throw misplaced('cannot create temporary relation in non-temporary schema')
  }
  if (temporary || inOwn) {
    if (rv.relpersistence === 'u') throw misplaced('only temporary relations may be created in temporary schemas')
    return { namespace: own ?? (await createTemporaryNamespace(c)), name, persistence: 't' }
  }
  const namespace = await creationNamespaceAt(c, schema, location)
  if (!isTemporary(namespace.oid)) return { namespace, name, persistence: rv.relpersistence === 'u' ? 'u' : 'p' }
  if (rv.relpersistence === 'u') throw misplaced('only temporary relations may be created in temporary schemas')
  return { namespace, name, persistence: 't' }
}

/** Where CREATE TYPE and CREATE DOMAIN put a type: the first object of pg_temp makes that schema. */
export async function typeNamespace(c: CommandContext, schema: string | null): Promise<NamespaceDescriptor> {
  if (schema !== 'pg_temp') return load(() => creationNamespace(c, schema))
  return (await load(() => c.snapshot.namespaceByName(schema))) ?? createTemporaryNamespace(c)
}

/** Found as pg_temp, named after the session. Whoever the session is at the moment may use it: nobody else can see it. */
async function createTemporaryNamespace(c: CommandContext): Promise<NamespaceDescriptor> {
  const { session } = c.ctx
  if ((await load(() => databaseMask(c.snapshot, session.currentUser, ACL.temporary))) === 0)
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to create temporary tables in database "${session.database}"`)
  const privileges = ACL.usage | ACL.create
  const namespace: NamespaceDescriptor = {
    oid: newTemporaryOid(),
    name: `pg_temp_${session.backendPid}`,
    owner: BOOTSTRAP_ROLE,
    acl: [{ grantee: PUBLIC_ROLE, grantor: BOOTSTRAP_ROLE, privileges, grantOptions: 0 }],
  }
  await c.writer.createNamespace(namespace)
  await c.catalog.insert(nameKey('n', 0, 'pg_temp'), String(namespace.oid))
  return namespace
}

/** Refuses to move an object between a temporary schema and another. */
export function checkMove(from: Oid, to: Oid): void {
  if (isTemporary(from) || isTemporary(to))
    throw new PgError(SQLSTATE.featureNotSupported, 'cannot move objects into or out of temporary schemas')
}

async function contents(c: CommandContext): Promise<ObjectAddress[]> {
  const namespace = await load(() => c.snapshot.namespaceByName('pg_temp'))
  if (namespace === null) return []
  const addresses: ObjectAddress[] = []
  for (const [kind, classId] of [
    ['r', CLASS.relation],
    ['t', CLASS.type],
  ] as const)
    for (const { value } of await c.catalog.scan(namePrefix(kind, namespace.oid))) {
      const record = await load(() => c.snapshot.record(Number(value)))
      if (record?.kind === 'relation' || record?.kind === 'type') addresses.push({ classId, objId: Number(value), subId: 0 })
    }
  return addresses
}

/** DISCARD TEMP. */
export async function dropTemporary(c: CommandContext): Promise<void> {
  await performDeletion(c, await contents(c), true, true)
}

/** ON COMMIT DROP and DELETE ROWS, the latter for the tables that the transaction may have written. */
export async function runOnCommit(c: CommandContext, written: ReadonlySet<Oid>): Promise<void> {
  const dropped: ObjectAddress[] = []
  const emptied: Oid[] = []
  for (const address of await contents(c)) {
    const record = await load(() => c.snapshot.record(address.objId))
    const onCommit = record?.kind === 'relation' ? record.value.table?.onCommit : undefined
    if (onCommit === 'drop') dropped.push(address)
    else if (onCommit === 'delete' && written.has(address.objId)) emptied.push(address.objId)
  }
  if (dropped.length > 0) await performDeletion(c, dropped, true, true)
  for (const oid of emptied) {
    const id = tableId(await c.writer.newOid())
    await c.writer.alterRelation(oid, (relation) => alterTable(relation, () => ({ id, relTuples: -1, relPages: 0 })))
  }
}
