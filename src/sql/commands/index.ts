// CREATE INDEX and REINDEX. An index is built inside the transaction that makes it, while writers wait; CONCURRENTLY, too,
// only that it refuses a block.

import { notSupported, PgError } from '../../base/errors.ts'
import type { Oid } from '../../base/ids.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { ACL } from '../../catalog/acl.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { checkNamespace, mustBeOwner, ownsObject } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import { type IndexStmt, nodeAs, type ReindexStmt } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { checkFillfactor } from './create-table.ts'
import { defBoolean, defElems, relationOptions } from './def-elem.ts'
import { checkMaintain } from './maintenance.ts'
import { checkNotInUse, load, lockNamed, namespaceNamed, rangeVarParts, relationDetail } from './names.ts'
import { accessMethod } from './operator-classes.ts'
import { addIndex, checkOwner, type Draft, writeDependencies } from './table-builder.ts'

function indexOptions(options: ReturnType<typeof defElems>): string[] | null {
  for (const option of options) checkFillfactor(option)
  return relationOptions(options)
}

export async function createIndex(c: CommandContext, stmt: IndexStmt): Promise<CommandResult> {
  if (stmt.concurrent) c.preventInTransactionBlock('CREATE INDEX CONCURRENTLY')
  if (stmt.excludeOpNames !== undefined) throw notSupported('exclusion constraints are not supported')
  const relation = (await lockNamed(c, rangeVarParts(stmt.relation!), LOCK.share))!
  await checkOwner(c, relation)
  if (relation.descriptor?.table == null)
    throw new PgError(
      SQLSTATE.wrongObjectType,
      `cannot ${relation.relkind === 'i' ? 'open' : 'create index on'} relation "${relation.name}"`,
      {
        detail: relationDetail(relation.relkind),
      },
    )
  await load(() => checkNamespace(c.snapshot, relation.namespace, c.ctx.session.currentUser, ACL.create))
  checkNotInUse(c, relation, 'CREATE INDEX')
  accessMethod(stmt.accessMethod ?? 'btree')
  if (stmt.idxname !== undefined && stmt.idxname !== '') {
    if ((await load(() => c.snapshot.relationByName(relation.namespace, stmt.idxname!))) !== null) {
      if (!stmt.if_not_exists) throw new PgError(SQLSTATE.duplicateTable, `relation "${stmt.idxname}" already exists`)
      c.ctx.notice({ severity: 'NOTICE', code: SQLSTATE.duplicateTable, message: `relation "${stmt.idxname}" already exists, skipping` })
      return { tag: 'CREATE INDEX' }
    }
  }
  const draft: Draft = { relation: await c.writer.lockRelation(relation.oid), dependencies: [], reserved: new Set() }
  const index = await addIndex(c, draft, {
    name: stmt.idxname ?? null,
    method: stmt.accessMethod ?? 'btree',
    unique: stmt.unique ?? false,
    primary: false,
    constraint: false,
    nullsNotDistinct: stmt.nulls_not_distinct ?? false,
    elements: (stmt.indexParams ?? []).map((node) => nodeAs(node, 'IndexElem')!),
    including: (stmt.indexIncludingParams ?? []).map((node) => nodeAs(node, 'IndexElem')!),
    where: stmt.whereClause ?? null,
    options: indexOptions(defElems(stmt.options)),
  })
  const stored = await c.writer.updateRelation(draft.relation)
  await writeDependencies(c, draft)
  await c.ports.data.buildIndex(stored, index)
  return { tag: 'CREATE INDEX' }
}

const REINDEX_WORDS: Readonly<Record<string, string>> = {
  REINDEX_OBJECT_SCHEMA: 'SCHEMA',
  REINDEX_OBJECT_DATABASE: 'DATABASE',
  REINDEX_OBJECT_SYSTEM: 'SYSTEM',
}

/** REINDEX of a schema or of everything: whether there is such a thing, and whose it is. */
async function checkReindexAll(c: CommandContext, stmt: ReindexStmt): Promise<void> {
  const { name } = stmt
  if (stmt.kind === 'REINDEX_OBJECT_SCHEMA') {
    const namespace = await load(() => namespaceNamed(c, name!))
    if (!(await load(() => ownsObject(c.snapshot, namespace.owner, c.ctx.session.currentUser)))) throw mustBeOwner('schema', name!)
  } else if (name !== undefined && name !== '' && name !== c.ctx.session.database)
    throw new PgError(SQLSTATE.featureNotSupported, 'can only reindex the currently open database')
}

/** An index is as correct as its table: building it again under another number would change nothing that can be seen. */
export async function reindex(c: CommandContext, stmt: ReindexStmt): Promise<CommandResult> {
  const words = REINDEX_WORDS[stmt.kind ?? '']
  if (words !== undefined) {
    c.preventInTransactionBlock(`REINDEX ${words}`)
    await checkReindexAll(c, stmt)
  }
  const concurrently = defElems(stmt.params).some((option) => option.defname === 'concurrently' && defBoolean(option))
  if (concurrently) {
    c.preventInTransactionBlock('REINDEX CONCURRENTLY')
    if (stmt.kind === 'REINDEX_OBJECT_SYSTEM')
      throw new PgError(SQLSTATE.featureNotSupported, 'cannot reindex system catalogs concurrently')
  }
  if (stmt.kind === 'REINDEX_OBJECT_INDEX' || stmt.kind === 'REINDEX_OBJECT_TABLE') {
    const relation = (await lockNamed(c, rangeVarParts(stmt.relation!), LOCK.share))!
    if (stmt.kind === 'REINDEX_OBJECT_INDEX' && relation.relkind !== 'i')
      throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not an index`)
    if (stmt.kind === 'REINDEX_OBJECT_TABLE' && relation.relkind !== 'r')
      throw new PgError(SQLSTATE.wrongObjectType, `"${relation.name}" is not a table or materialized view`)
    const table = relation.relkind === 'i' ? (await load(() => c.snapshot.indexTable(relation.oid)))! : relation
    await checkMaintain(c, table, relation)
    // PostgreSQL's own are data, not stored
    if (relation.relkind === 'r' && relation.descriptor?.table?.indexes.length === 0)
      c.ctx.notice({
        severity: 'NOTICE',
        code: SQLSTATE.successfulCompletion,
        message: `table "${relation.name}" has no indexes${concurrently ? ' that can be reindexed concurrently' : ' to reindex'}`,
      })
    if (table.oid >= FIRST_NORMAL_OID) await rebuild(c, table.oid, relation.relkind === 'i' ? relation.oid : null)
  }
  return { tag: 'REINDEX' }
}

/** Fresh index numbers, filled from the rows. The primary key is the table itself and has nothing to build. */
async function rebuild(c: CommandContext, table: Oid, only: Oid | null): Promise<void> {
  const old = await c.writer.lockRelation(table)
  let next = old.table!.nextIndexId
  const indexes = old.table!.indexes.map((index) =>
    index.oid === old.table!.primaryKey || (only !== null && index.oid !== only) ? index : { ...index, id: next++ as typeof index.id },
  )
  const stored = await c.writer.updateRelation({ ...old, table: { ...old.table!, indexes, nextIndexId: next } })
  for (const [i, index] of indexes.entries()) if (index !== old.table!.indexes[i]) await c.ports.data.buildIndex(stored, index)
}
