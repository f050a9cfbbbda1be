// Which relations a statement locks and how: those it names, and those its foreign keys look into or write to. As in PostgreSQL: ACCESS SHARE to
// read, ROW SHARE to lock rows, ROW EXCLUSIVE to write.

import type { Oid } from '../../base/ids.ts'
import { LOCK, type RelationLockMode } from '../../catalog/object-locks.ts'
import type { PermissionInfo } from '../../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../../catalog/records.ts'
import type { CatalogSnapshot } from '../../catalog/snapshot.ts'
import type { RelationLock } from './plan.ts'

export function relationLocks(permissions: readonly PermissionInfo[], catalog: CatalogSnapshot): RelationLock[] {
  const modes = new Map<Oid, RelationLockMode>()
  const add = (relation: Oid, mode: RelationLockMode): void => {
    if (relation < FIRST_NORMAL_OID || (modes.get(relation) ?? 0) >= mode) return
    modes.set(relation, mode)
    if (mode === LOCK.rowExclusive) addForeignKeys(relation)
  }
  const addForeignKeys = (relation: Oid): void => {
    const table = catalog.relation(relation)?.descriptor?.table
    if (table == null) return
    for (const constraint of table.constraints) if (constraint.type === 'f') add(constraint.referencedTable, LOCK.rowShare)
    for (const inbound of table.inboundForeignKeys) {
      const constraints = catalog.relation(inbound.table)?.descriptor?.table?.constraints
      const key = constraints?.find(({ oid }) => oid === inbound.constraint)
      if (key?.type !== 'f') continue
      const onlyLooks = (action: string): boolean => action === 'a' || action === 'r'
      add(inbound.table, onlyLooks(key.onDelete) && onlyLooks(key.onUpdate) ? LOCK.rowShare : LOCK.rowExclusive)
    }
  }
  for (const { relation, requiredInsert, requiredUpdate, requiredDelete, rowMarked } of permissions) {
    if (rowMarked) add(relation, LOCK.rowShare)
    else add(relation, requiredInsert || requiredUpdate || requiredDelete ? LOCK.rowExclusive : LOCK.accessShare)
  }
  return [...modes].map(([relation, mode]) => ({ relation, mode }))
}
