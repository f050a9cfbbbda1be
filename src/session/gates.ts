// Relation locks that statements take, until the transaction ends, so that DDL waits for them and they for it. // hot

import type { MaybePromise } from '../base/maybe-promise.ts'
import type { RelationLock } from '../sql/planner/plan.ts'
import type { Session } from './session.ts'

export function lockRelations(session: Session, locks: readonly RelationLock[], from = 0): MaybePromise<void> {
  for (let i = from; i < locks.length; i++) {
    const { relation, mode } = locks[i]!
    const done = session.lockRelation(relation, mode, true)
    if (done instanceof Promise) return done.then(() => lockRelations(session, locks, i + 1))
  }
}
