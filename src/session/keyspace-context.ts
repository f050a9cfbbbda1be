// What all sessions of one keyspace in this process share. Made at the first login, dropped when the last session has gone and the cache of
// contexts is full; everything in it can be made again from the store.

import type { MemoryAccount } from '../base/memory.ts'
import { ObjectLocks } from '../catalog/object-locks.ts'
import type { CatalogSpace } from '../catalog/space.ts'
import type { TemporaryCatalog } from '../catalog/temporary.ts'
import { Sequences } from '../storage/rows/sequences.ts'
import type { Keyspace, StoreCapabilities } from '../storage/store.ts'
import { SessionRegistry } from './activity.ts'
import { LocalNotificationBus, type NotificationBus } from './notifications.ts'
import { PlanCache } from './plan-cache.ts'

export class KeyspaceContext {
  readonly name: string
  readonly keyspace: Keyspace
  readonly catalog: CatalogSpace
  readonly plans = new PlanCache()
  readonly sessions = new SessionRegistry()
  readonly locks = new ObjectLocks()
  /** Temporary objects of the sessions that have some. */
  readonly temporary = new Set<TemporaryCatalog>()
  readonly notifications: NotificationBus = new LocalNotificationBus()
  readonly sequences: Sequences
  readonly memory: MemoryAccount
  readonly capabilities: StoreCapabilities

  constructor(name: string, keyspace: Keyspace, catalog: CatalogSpace, memory: MemoryAccount, capabilities: StoreCapabilities) {
    this.name = name
    this.keyspace = keyspace
    this.catalog = catalog
    this.memory = memory
    this.sequences = new Sequences(keyspace)
    this.capabilities = capabilities
  }
}
