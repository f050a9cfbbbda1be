// CREATE TABLE AS and SELECT INTO: a table with a query's columns, filled by the query.

import { notSupported, PgError } from '../../base/errors.ts'
import { SQLSTATE } from '../../base/sqlstate.ts'
import { LOCK } from '../../catalog/object-locks.ts'
import { type CreateTableAsStmt, nodeAs } from '../parser/nodes.ts'
import type { CommandContext, CommandResult } from './context.ts'
import { checkedOptions, nameTaken, newTable, onCommitAction, refuseUnsupported } from './create-table.ts'
import { defElems } from './def-elem.ts'
import { partsOf } from './names.ts'
import { withoutInto } from './select-into.ts'
import { alterTable, columnTypeDependency } from './table-builder.ts'
import { creationTarget } from './temporary.ts'
import { queryColumns } from './view.ts'

export async function createTableAs(c: CommandContext, stmt: CreateTableAsStmt): Promise<CommandResult> {
  if (stmt.objtype === 'OBJECT_MATVIEW') throw notSupported('materialized views are not supported')
  const into = stmt.into!
  refuseUnsupported({
    relation: into.rel!,
    ...(into.accessMethod === undefined ? {} : { accessMethod: into.accessMethod }),
    ...(into.tableSpaceName === undefined ? {} : { tablespacename: into.tableSpaceName }),
  })
  const tag = stmt.is_select_into ? 'SELECT' : 'CREATE TABLE AS'
  const { namespace, name, persistence } = await creationTarget(c, into.rel!)
  const onCommit = onCommitAction(into.onCommit, persistence)
  if (await nameTaken(c, namespace.oid, name, stmt.if_not_exists ?? false)) return { tag: 'CREATE TABLE AS' }
  const execute = nodeAs(stmt.query, 'ExecuteStmt')
  const query =
    execute === undefined
      ? await c.analysis.query(stmt.is_select_into ? withoutInto(stmt.query!) : stmt.query!)
      : await c.ports.executedQuery(execute)
  const columns = await queryColumns(c, query, partsOf(into.colNames), 'table')
  for (const column of columns)
    if (column.type === 0) throw new PgError(SQLSTATE.invalidTableDefinition, `column "${column.name}" has pseudo-type unknown`)
  const frame = await newTable(c, namespace.oid, name, persistence, checkedOptions(defElems(into.options)))
  const relation = { ...alterTable(frame, () => onCommit), columns }
  await c.writer.createRelation(relation)
  for (const column of columns) {
    const dependency = columnTypeDependency(relation.oid, column)
    for (const to of dependency?.to ?? []) await c.writer.addDependency(dependency!.from, to.to, to.type)
  }
  if (into.skipData) return { tag: execute === undefined ? 'CREATE TABLE AS' : 'SELECT 0' }
  // whatever a transaction writes it has locked: the commit empties such tables only
  if (relation.table?.onCommit === 'delete') await c.lock(relation.oid, LOCK.rowExclusive, name)
  const rows = await c.ports.data.insertQuery(query, relation)
  return { tag: tag === 'SELECT' || !stmt.is_select_into ? `SELECT ${rows}` : tag }
}
