// What the executor's store nodes need of the session (sql/executor/store-services.ts): row ids, virtual relations, deferred checks.

import type { Oid, TableId } from '../base/ids.ts'
import { andThen, type MaybePromise } from '../base/maybe-promise.ts'
import { ACL } from '../catalog/acl.ts'
import { columnMask, relationMask } from '../catalog/privileges.ts'
import { FIRST_NORMAL_OID } from '../catalog/records.ts'
import type { ScanCounts } from '../catalog/table-activity.ts'
import type { DeferredChecks, StoreServices, VirtualRelation } from '../sql/executor/store-services.ts'
import type { StoreCapabilities, Transaction } from '../storage/store.ts'
import { currentRowKey } from './current-row.ts'
import type { Session } from './session.ts'

export class SessionStoreServices implements StoreServices {
  readonly #session: Session
  readonly capabilities: StoreCapabilities
  readonly deferred: DeferredChecks
  autocommit = false

  constructor(session: Session) {
    this.#session = session
    this.capabilities = session.keyspace.capabilities
    this.deferred = session.deferred
  }

  get lockTimeoutMs(): number {
    return this.#session.lockTimeoutMs
  }

  // hot
  rowsChanged(table: TableId, relation: Oid, inserted: number, updated: number, deleted: number): void {
    this.#session.pendingActivity.note(table, relation, inserted, updated, deleted)
  }

  scanCounts(relation: Oid): ScanCounts {
    return this.#session.keyspace.activity.counts(relation)
  }

  rowIds(table: TableId, count: number): MaybePromise<readonly number[]> {
    return this.#session.keyspace.sequences.rowIds(table, count)
  }

  readableColumns(relation: Oid): ReadonlySet<number> | null {
    const snapshot = this.#session.planning.snapshot()
    const role = this.#session.roles.current
    const info = snapshot.relation(relation)
    if (info === null || relationMask(snapshot, info, role, ACL.select) !== 0) return null
    const attnums = (info.descriptor?.columns ?? []).map((column) => column.attnum)
    return new Set(attnums.filter((attnum) => columnMask(snapshot, info, attnum, role, ACL.select) !== 0))
  }

  readNow(): Transaction {
    return this.#session.keyspace.catalog.keyspace.begin({
      isolation: 'read committed',
      readOnly: true,
      cancel: this.#session.cancelToken,
    })
  }

  virtualRelation(relation: Oid): VirtualRelation | null {
    const sequence = relation < FIRST_NORMAL_OID ? null : this.#session.planning.snapshot().relation(relation)?.descriptor
    if (sequence?.kind === 'S') return { rows: () => andThen(this.#session.sequences.row(sequence), (row) => [row]) }
    return this.#session.services.virtualRelation(this.#session, relation)
  }

  cursorRow(cursor: string, relation: Oid): Buffer {
    return currentRowKey(this.#session, cursor, relation)
  }
}
