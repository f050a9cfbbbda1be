// ANALYZE, VACUUM, LOCK TABLE, and the statements that have nothing to do here (NO_OPS is the list the README shows).

import { PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { relationInfo } from '../../catalog/catalog-snapshot.ts'
import { OBJECT_PREFIX } from '../../catalog/keys.ts'
import { LOCK, type RelationLockMode } from '../../catalog/object-locks.ts'
import { ownsObject, permissionDenied, relationMask, relkindWord } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID, type ObjectRecord } from '../../catalog/records.ts'
import { rolesOf } from '../../catalog/roles.ts'
import type { RelationInfo } from '../../catalog/snapshot.ts'
import { type ClusterStmt, type LockStmt, nodeAs, type RangeVar, type VacuumStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { defElems } from './def-elem.ts'
import { columnNamed, load, lockNamed, partsOf, rangeVarParts, undefinedColumn } from './names.ts'
import { alterTable, checkOwner } from './table-builder.ts'

/** Accepted without effect, and why nothing is missing. */
export const NO_OPS: Readonly<Record<string, string>> = {
  VACUUM: 'old versions are removed by the store itself after the version retention',
  CLUSTER: 'rows are always kept in primary key order',
  CHECKPOINT: 'a commit is durable when it is acknowledged',
  'ALTER TABLE … CLUSTER ON, SET WITHOUT CLUSTER': 'rows are always kept in primary key order',
  'ALTER TABLE … SET (fillfactor, autovacuum_…)': 'kept and shown, without meaning for the storage',
  'ALTER TABLE … SET STATISTICS, SET STORAGE': 'kept and shown, without meaning for the storage',
}

const PG_MAINTAIN = 6337

async function mayMaintain(c: CommandContext, relation: RelationInfo, verb: string): Promise<boolean> {
  const user = c.ctx.session.currentUser
  const allowed = await load(
    () =>
      relation.oid >= FIRST_NORMAL_OID &&
      (ownsObject(c.snapshot, relation.owner, user) ||
        relationMask(c.snapshot, relation, user, ACL.maintain) !== 0 ||
        ownsObject(c.snapshot, c.snapshot.database().owner, user) ||
        rolesOf(c.snapshot, user, 'inherit').has(PG_MAINTAIN)),
  )
  if (!allowed && relation.oid >= FIRST_NORMAL_OID)
    c.ctx.notice({
      severity: 'WARNING',
      code: SQLSTATE.insufficientPrivilege,
      message: `permission denied to ${verb} "${relation.name}", skipping it`,
    })
  return allowed
}

async function analyzeRelation(c: CommandContext, relation: RelationInfo): Promise<void> {
  const table = relation.descriptor!
  const { rows, bytes } = await c.ports.data.countRows(table)
  await c.writer.alterRelation(table.oid, (old) => alterTable(old, () => ({ relTuples: rows, relPages: Math.ceil(bytes / 8192) })))
}

export async function vacuum(c: CommandContext, stmt: VacuumStmt): Promise<CommandResult> {
  const options = defElems(stmt.options).map((option) => option.defname)
  const isVacuum = stmt.is_vacuumcmd ?? false
  const verb = isVacuum ? 'vacuum' : 'analyze'
  if (isVacuum && c.inTransactionBlock) throw new PgError(SQLSTATE.activeSqlTransaction, 'VACUUM cannot run inside a transaction block')
  const analyze = !isVacuum || options.includes('analyze')
  const relations: RelationInfo[] = []
  for (const node of stmt.rels ?? []) {
    const target = nodeAs(node, 'VacuumRelation')!
    const relation = (await lockNamed(c, rangeVarParts(target.relation!), LOCK.shareUpdateExclusive))!
    const columns = partsOf(target.va_cols)
    if (columns.length > 0 && !analyze)
      throw new PgError(SQLSTATE.featureNotSupported, 'ANALYZE option must be specified when a column list is provided')
    for (const [i, name] of columns.entries()) {
      if (relation.descriptor === null || columnNamed(relation.descriptor, name) === null) throw undefinedColumn(name, relation.name)
      if (columns.indexOf(name) !== i)
        throw new PgError(SQLSTATE.duplicateColumn, `column "${name}" of relation "${relation.name}" appears more than once`)
    }
    if (relation.relkind !== 'r') {
      c.ctx.notice({
        severity: 'WARNING',
        code: SQLSTATE.warning,
        message: `skipping "${relation.name}" --- cannot ${verb} non-tables or special system tables`,
      })
      continue
    }
    if (await mayMaintain(c, relation, verb)) relations.push(relation)
  }
  if ((stmt.rels ?? []).length === 0 && analyze)
    for (const { value } of await c.catalog.scan(OBJECT_PREFIX)) {
      const record = value as ObjectRecord
      if (record.kind !== 'relation' || record.value.kind !== 'r') continue
      const relation = relationInfo(record.value)
      if (await load(() => ownsObject(c.snapshot, relation.owner, c.ctx.session.currentUser))) relations.push(relation)
    }
  if (analyze) for (const relation of relations) await analyzeRelation(c, relation)
  return { tag: isVacuum ? 'VACUUM' : 'ANALYZE' }
}

export async function cluster(c: CommandContext, stmt: ClusterStmt): Promise<CommandResult> {
  if (stmt.relation !== undefined) {
    const relation = (await lockNamed(c, rangeVarParts(stmt.relation), LOCK.accessExclusive))!
    await checkOwner(c, relation)
    const name = stmt.indexname ?? ''
    if (name === '') throw new PgError(SQLSTATE.undefinedObject, `there is no previously clustered index for table "${relation.name}"`)
    if (!relation.descriptor?.table?.indexes.some((index) => index.name === name))
      throw new PgError(SQLSTATE.undefinedObject, `index "${name}" for table "${relation.name}" does not exist`)
  }
  return { tag: 'CLUSTER' }
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

export async function lockTable(c: CommandContext, stmt: LockStmt): Promise<CommandResult> {
  if (!c.inTransactionBlock) throw new PgError(SQLSTATE.noActiveSqlTransaction, 'LOCK TABLE can only be used in transaction blocks')
  const mode = stmt.mode as RelationLockMode
  for (const node of stmt.relations ?? []) {
    const parts = rangeVarParts(nodeAs(node, 'RangeVar') as RangeVar)
    // privileges before waiting
    const relation = (await lockNamed({ ...c, lock: () => undefined }, parts, mode))!
    if (relation.relkind !== 'r' && relation.relkind !== 'v')
      throw new PgError(SQLSTATE.wrongObjectType, `cannot lock relation "${relation.name}"`)
    if ((await load(() => relationMask(c.snapshot, relation, c.ctx.session.currentUser, lockPrivileges(mode)))) === 0)
      throw permissionDenied(relkindWord(relation.relkind), relation.name)
    if (relation.oid >= FIRST_NORMAL_OID) await c.lock(relation.oid, mode, relation.name, !(stmt.nowait ?? false))
  }
  return { tag: 'LOCK TABLE' }
}
