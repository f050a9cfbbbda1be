// CLUSTER and ALTER TABLE … CLUSTER ON: rows stay where they are; the index is remembered for the next CLUSTER.

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import type { RelationDescriptor } from '../../catalog/descriptors.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { ACCESS_METHOD } from '../builtin/pg-index.ts'
import type { ClusterStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { checkMaintain } from './maintenance.ts'
import { lockNamed, rangeVarParts } from './names.ts'
import { alterTable } from './table-builder.ts'

/** The index of that name, if rows can be ordered by it. */
function clusterableIndex(table: RelationDescriptor, name: string): Oid {
  const index = table.table?.indexes.find((other) => other.name === name)
  if (index === undefined) throw new PgError(SQLSTATE.undefinedObject, `index "${name}" for table "${table.name}" does not exist`)
  const refuse = (message: string): PgError => new PgError(SQLSTATE.featureNotSupported, message)
  if (index.accessMethod === ACCESS_METHOD.hash)
    throw refuse(`cannot cluster on index "${name}" because access method does not support clustering`)
  if (index.predicate !== null) throw refuse(`cannot cluster on partial index "${name}"`)
  return index.oid
}

/** `name` null: SET WITHOUT CLUSTER. */
export async function clusterOn(c: CommandContext, relation: Oid, name: string | null): Promise<void> {
  await c.writer.alterRelation(relation, (old) =>
    alterTable(old, () => ({ clusteredIndex: name === null ? 0 : clusterableIndex(old, name) })),
  )
}

export async function cluster(c: CommandContext, stmt: ClusterStmt): Promise<CommandResult> {
  if (stmt.relation === undefined) c.preventInTransactionBlock('CLUSTER')
  else {
    const relation = (await lockNamed(c, rangeVarParts(stmt.relation), LOCK.accessExclusive))!
    await checkMaintain(c, relation)
    const table = relation.descriptor?.table
    const name = stmt.indexname ?? ''
    if (name !== '' && table) await clusterOn(c, relation.oid, name)
    else if (!table?.indexes.some((index) => index.oid === table.clusteredIndex))
      throw new PgError(SQLSTATE.undefinedObject, `there is no previously clustered index for table "${relation.name}"`)
  }
  return { tag: 'CLUSTER' }
}
