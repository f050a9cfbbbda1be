// What the executor's store nodes need of the session (sql/executor/store-services.ts): row ids, virtual relations, deferred checks.

import type { Oid, TableId } from '../base/ids.ts'
import type { MaybePromise } from '../base/maybe-promise.ts'
import type { DeferredChecks, StoreServices, VirtualRelation } from '../sql/executor/store-services.ts'
import type { StoreCapabilities } from '../storage/store.ts'
import type { ClientSession } from './session.ts'

export class SessionStoreServices implements StoreServices {
  readonly #session: ClientSession
  readonly capabilities: StoreCapabilities
  readonly deferred: DeferredChecks
  autocommit = false

  constructor(session: ClientSession) {
    this.#session = session
    this.capabilities = session.keyspace.capabilities
    this.deferred = session.deferred
  }

  get lockTimeoutMs(): number {
    return this.#session.lockTimeoutMs
  }

  rowIds(table: TableId, count: number): MaybePromise<readonly number[]> {
    return this.#session.keyspace.sequences.rowIds(table, count)
  }

  virtualRelation(relation: Oid): VirtualRelation | null {
    return this.#session.services.virtualRelation(this.#session, relation)
  }
}
