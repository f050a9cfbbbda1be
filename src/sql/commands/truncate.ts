// TRUNCATE: a new table id for each table, so that it commits and rolls back with the transaction; the old keys become garbage.

import { PgError } from '../../base/errors.ts'
import { type Oid, tableId } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { CLASS } from '../../catalog/keys.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { ownsObject, permissionDenied, relationMask } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { nodeAs, type RangeVar, type TruncateStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { checkNotInUse, load, lockNamed, rangeVarParts } from './names.ts'
import { restartSequence } from './sequence.ts'
import { alterTable } from './table-builder.ts'

async function check(c: CommandContext, relation: RelationInfo): Promise<void> {
  if (relation.relkind !== 'r') throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not a table`)
  if (relation.oid < FIRST_NORMAL_OID)
    throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied: "${relation.name}" is a system catalog`)
  if ((await load(() => relationMask(c.snapshot, relation, c.ctx.session.currentUser, ACL.truncate))) === 0)
    throw permissionDenied('table', relation.name)
}

export async function truncate(c: CommandContext, stmt: TruncateStmt): Promise<CommandResult> {
  const oids = new Set<Oid>()
  for (const node of stmt.relations ?? []) {
    const relation = (await lockNamed(c, rangeVarParts(nodeAs(node, 'RangeVar') as RangeVar), LOCK.accessExclusive))!
    await check(c, relation)
    checkNotInUse(c, relation, 'TRUNCATE')
    oids.add(relation.oid)
  }
  // a table that others refer to goes only together with them
  for (const oid of oids) {
    const relation = (await load(() => c.snapshot.relation(oid)))!
    for (const key of relation.descriptor!.table!.inboundForeignKeys) {
      if (oids.has(key.table)) continue
      const other = (await load(() => c.snapshot.relation(key.table)))!
      if (stmt.behavior !== 'DROP_CASCADE')
        throw new PgError(SQLSTATE.featureNotSupported, 'cannot truncate a table referenced in a foreign key constraint', {
          detail: `Table "${other.name}" references "${relation.name}".`,
          hint: `Truncate table "${other.name}" at the same time, or use TRUNCATE ... CASCADE.`,
        })
      c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.successfulCompletion, message: `truncate cascades to table "${other.name}"` })
      await c.lock(other.oid, LOCK.accessExclusive, other.name)
      await check(c, other)
      checkNotInUse(c, other, 'TRUNCATE')
      oids.add(other.oid)
    }
  }
  for (const oid of oids) {
    const id = tableId(await c.writer.newOid())
    await c.writer.alterRelation(oid, (relation) => alterTable(relation, () => ({ id, relTuples: -1, relPages: 0 })))
    if (stmt.restart_seqs) for (const sequence of await ownedSequences(c, oid)) await restartSequence(c, sequence)
  }
  return { tag: 'TRUNCATE TABLE' }
}

/** Sequences owned by the table's columns. */
export async function ownedSequences(c: CommandContext, table: Oid): Promise<Oid[]> {
  const found: Oid[] = []
  for (const { from } of await c.writer.dependents(CLASS.relation, table)) {
    if (from.classId !== CLASS.relation) continue
    const relation = await load(() => c.snapshot.relation(from.objId))
    const owner = relation?.descriptor?.sequence?.ownedBy
    if (owner?.table !== table) continue
    if (!(await load(() => ownsObject(c.snapshot, relation!.owner, c.ctx.session.currentUser))))
      throw new PgError(SQLSTATE.insufficientPrivilege, `must be owner of sequence ${relation!.name}`)
    found.push(relation!.oid)
  }
  return found
}
