// What WHERE CURRENT OF needs of a cursor's query: each row carries, behind its columns, the keys of the stored rows it was made from.

import type { Oid } from '../../base/ids.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { TargetEntry } from '../analyzer/expr.ts'
import type { JoinTreeNode, Query } from '../analyzer/query.ts'
import { rowKey } from './lock-rows.ts'

export interface CursorQuery {
  readonly query: Query
  /** Table → position (from 0) of its rows' keys in the cursor's rows. */
  readonly rowKeys: ReadonlyMap<Oid, number>
}

function* relationsOf(node: JoinTreeNode): Iterable<number> {
  if (node.kind === 'RangeTblRef') yield node.rtindex
  else if (node.kind === 'FromExpr') for (const item of node.fromlist) yield* relationsOf(item)
  else {
    yield* relationsOf(node.left)
    yield* relationsOf(node.right)
  }
}

/** A row of such a query stands for no stored row. */
const combinesRows = (query: Query): boolean =>
  query.setOperations !== null ||
  query.hasAggs ||
  query.groupClause.length > 0 ||
  query.groupingSets.length > 0 ||
  query.havingQual !== null ||
  query.distinctClause.length > 0

export function withRowKeys(query: Query, catalog: CatalogSnapshot): CursorQuery {
  const rowKeys = new Map<Oid, number>()
  if (query.commandType !== 'select' || combinesRows(query)) return { query, rowKeys }
  const visible = query.targetList.filter((entry) => !entry.resjunk)
  const keys: TargetEntry[] = []
  const twice = new Set<Oid>()
  for (const rti of relationsOf(query.jointree)) {
    const rte = query.rtable[rti - 1]!
    if (rte.kind !== 'relation' || catalog.relation(rte.relation)?.descriptor?.table == null) continue
    if (rowKeys.has(rte.relation)) twice.add(rte.relation)
    rowKeys.set(rte.relation, visible.length + keys.length)
    const resno = visible.length + keys.length + 1
    keys.push({ expr: rowKey(rti), resno, resname: null, ressortgroupref: 0, resorigtbl: 0, resorigcol: 0, resjunk: false })
  }
  // Which of two references to one table would be meant, nobody can tell.
  for (const relation of twice) rowKeys.delete(relation)
  if (keys.length === 0) return { query, rowKeys }
  const junk = query.targetList.filter((entry) => entry.resjunk).map((entry) => ({ ...entry, resno: entry.resno + keys.length }))
  return { query: { ...query, targetList: [...visible, ...keys, ...junk] }, rowKeys }
}
