// Relation locks that statements take: ACCESS SHARE to read, ROW SHARE to lock rows, ROW EXCLUSIVE to write, until the transaction ends, so
// that DDL waits for them and they for it. // hot

import type { MaybePromise } from '../base/maybe-promise.ts'
import { LOCK, type RelationLockMode } from '../catalog/object-locks.ts'
import { FIRST_NORMAL_OID } from '../catalog/records.ts'
import type { PlannedStatement } from '../sql/planner/plan.ts'
import type { ClientSession } from './session.ts'

const modeOf = (planned: PlannedStatement, write: boolean): RelationLockMode =>
  write ? LOCK.rowExclusive : planned.hasRowMarks ? LOCK.rowShare : LOCK.accessShare

export function lockRelations(session: ClientSession, planned: PlannedStatement): MaybePromise<void> {
  const { permissions } = planned
  for (let i = 0; i < permissions.length; i++) {
    const permission = permissions[i]!
    if (permission.relation < FIRST_NORMAL_OID) continue
    const write = permission.requiredInsert || permission.requiredUpdate || permission.requiredDelete
    const done = session.lockRelation(permission.relation, modeOf(planned, write), true)
    if (done instanceof Promise) return done.then(() => lockRelations(session, planned))
  }
}
