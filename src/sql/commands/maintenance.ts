// LOCK TABLE, and the statements that have nothing to do here (NO_OPS is the list the README shows).

import { PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { CLASS } from '../../catalog/keys.ts'
import { LOCK, type RelationLockMode } from '../../catalog/object-locks.ts'
import { permissionDenied, relationMask, relkindWord } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import { rolesOf } from '../../catalog/roles.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { type LockStmt, nodeAs, type RangeVar } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { load, lockNamed, rangeVarParts } from './names.ts'

/** Accepted without effect, and why nothing is missing. */
export const NO_OPS: Readonly<Record<string, string>> = {
  'VACUUM without ANALYZE': 'old versions are removed by the store itself after the version retention',
  CLUSTER: 'rows are always kept in primary key order',
  CHECKPOINT: 'a commit is durable when it is acknowledged',
  'ALTER TABLE … CLUSTER ON, SET WITHOUT CLUSTER': 'rows are always kept in primary key order',
  'ALTER TABLE … SET (fillfactor, autovacuum_…)': 'kept and shown, without meaning for the storage',
  'ALTER TABLE … SET STORAGE, SET COMPRESSION, REPLICA IDENTITY': 'kept and shown, without meaning for the storage',
}

/** Whether the statement's user has the MAINTAIN privilege. */
export const mayMaintain = (c: CommandContext, relation: RelationInfo): Promise<boolean> =>
  load(() => relationMask(c.snapshot, relation, c.ctx.session.currentUser, ACL.maintain) !== 0)

/** 42501 if not; `named`: the index that stands for its table. */
export async function checkMaintain(c: CommandContext, relation: RelationInfo, named: RelationInfo = relation): Promise<void> {
  if (!(await mayMaintain(c, relation))) throw permissionDenied(relkindWord(named.relkind), named.name)
}

export async function checkpoint(c: CommandContext): Promise<CommandResult> {
  const allowed = await load(
    () => c.snapshot.role(c.ctx.session.currentUser)!.superuser || rolesOf(c.snapshot, c.ctx.session.currentUser, 'inherit').has(4544),
  )
  if (!allowed)
    throw new PgError(SQLSTATE.insufficientPrivilege, 'permission denied to execute CHECKPOINT command', {
      detail: 'Only roles with privileges of the "pg_checkpoint" role may execute this command.',
    })
  return { tag: 'CHECKPOINT' }
}

/** What each lock mode of LOCK TABLE needs. */
function lockPrivileges(mode: number): number {
  const strong = ACL.maintain | ACL.update | ACL.delete | ACL.truncate
  if (mode === LOCK.accessShare) return strong | ACL.select | ACL.insert
  if (mode <= LOCK.rowExclusive) return strong | ACL.insert
  return strong
}

async function checkLockable(c: CommandContext, relation: RelationInfo, mode: RelationLockMode, role: Oid): Promise<void> {
  if ((await load(() => relationMask(c.snapshot, relation, role, lockPrivileges(mode)))) === 0)
    throw permissionDenied(relkindWord(relation.relkind), relation.name)
}

/**
 * Who locks a view locks the tables and views it reads: with its owner's privileges, unless it is one of its invoker's. `locked`: what was locked
 * on behalf of whom already; views may read each other in a circle.
 */
async function lockBelow(c: CommandContext, view: RelationInfo, mode: RelationLockMode, wait: boolean, locked: Set<string>): Promise<void> {
  const reader = view.descriptor?.view?.securityInvoker ? c.ctx.session.currentUser : view.owner
  const below = new Set<Oid>()
  for (const { to } of await c.writer.dependencies(CLASS.rewrite, view.oid)) if (to.classId === CLASS.relation) below.add(to.objId)
  for (const oid of [...below].sort((a, b) => a - b)) {
    const relation = await load(() => c.snapshot.relation(oid))
    if (relation === null || oid < FIRST_NORMAL_OID || (relation.relkind !== 'r' && relation.relkind !== 'v')) continue
    const once = `${oid}/${reader}`
    if (locked.has(once)) continue
    locked.add(once)
    await checkLockable(c, relation, mode, reader)
    await c.lock(oid, mode, relation.name, wait)
    if (relation.relkind === 'v') await lockBelow(c, relation, mode, wait, locked)
  }
}

export async function lockTable(c: CommandContext, stmt: LockStmt): Promise<CommandResult> {
  if (!c.inTransactionBlock) throw new PgError(SQLSTATE.noActiveSqlTransaction, 'LOCK TABLE can only be used in transaction blocks')
  const mode = stmt.mode as RelationLockMode
  const wait = !(stmt.nowait ?? false)
  for (const node of stmt.relations ?? []) {
    const parts = rangeVarParts(nodeAs(node, 'RangeVar') as RangeVar)
    // privileges before waiting
    const relation = (await lockNamed({ ...c, lock: () => undefined }, parts, mode))!
    if (relation.relkind !== 'r' && relation.relkind !== 'v')
      throw new PgError(SQLSTATE.wrongObjectType, `cannot lock relation "${relation.name}"`)
    await checkLockable(c, relation, mode, c.ctx.session.currentUser)
    if (relation.oid < FIRST_NORMAL_OID) continue
    await c.lock(relation.oid, mode, relation.name, wait)
    if (relation.relkind === 'v') await lockBelow(c, relation, mode, wait, new Set())
  }
  return { tag: 'LOCK TABLE' }
}
