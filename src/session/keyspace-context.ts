// What all sessions of one keyspace in this process share. Made at the first login, dropped when the last session has gone and the cache of
// contexts is full; everything in it can be made again from the store.

import type { CacheBudget } from '../base/cache-budget.ts'
import type { PgError } from '../base/errors.ts'
import type { MemoryAccount } from '../base/memory.ts'
import { deadlockDetected, ObjectLocks } from '../catalog/object-locks.ts'
import type { GateKeepers } from '../catalog/relation-gates.ts'
import { SharedVersions } from '../catalog/shared-versions.ts'
import { CatalogSpace } from '../catalog/space.ts'
import { TableActivity } from '../catalog/table-activity.ts'
import type { TemporaryCatalog } from '../catalog/temporary.ts'
import { LockParty } from '../storage/lock-party.ts'
import { Sequences } from '../storage/rows/sequences.ts'
import type { Keyspace, StoreCapabilities } from '../storage/store.ts'
import { SessionRegistry } from './activity.ts'
import { DeadlockDetector } from './deadlocks.ts'
import { localNotificationBus, type NotificationBus } from './notification-bus.ts'
import type { Peers } from './peers.ts'
import { PlanCache } from './plan-cache.ts'
import { StoreNotificationBus } from './store-notifications.ts'

/** What the lock table knows of a session. */
interface SessionOwner {
  cancel(reason: PgError): void
}

/** This process among those that serve the same keyspaces. */
export interface NodeOptions {
  readonly node: string
  warn(message: string, error: Error): void
  /** The way to the others; null where there are none. */
  peers(context: KeyspaceContext): Peers | null
}

export class KeyspaceContext {
  readonly name: string
  readonly keyspace: Keyspace
  readonly catalog: CatalogSpace
  readonly plans: PlanCache
  /** What its plans, those of its sessions and what is kept of its catalogue share with other keyspaces'. */
  readonly planBudget: CacheBudget
  readonly sessions = new SessionRegistry()
  readonly locks = new ObjectLocks()
  readonly activity = new TableActivity()
  /** Temporary objects of the sessions that have some. */
  readonly temporary = new Set<TemporaryCatalog>()
  /** How relation locks reach other nodes; null where there are none. */
  readonly gates: GateKeepers | null
  /** The other nodes with sessions here; null where there are none. */
  readonly peers: Peers | null
  readonly deadlocks: DeadlockDetector
  readonly notifications: NotificationBus
  readonly sequences: Sequences
  readonly memory: MemoryAccount
  readonly capabilities: StoreCapabilities

  constructor(
    name: string,
    keyspace: Keyspace,
    memory: MemoryAccount,
    planBudget: CacheBudget,
    capabilities: StoreCapabilities,
    options: NodeOptions,
  ) {
    this.name = name
    this.planBudget = planBudget
    this.plans = new PlanCache(planBudget)
    this.keyspace = keyspace
    this.memory = memory
    this.sequences = new Sequences(keyspace)
    this.capabilities = capabilities
    this.peers = options.peers(this)
    this.deadlocks = new DeadlockDetector(options.node, this.peers, options.warn)
    const { locks } = this
    if (capabilities.multiNode) {
      const versions = new SharedVersions({
        ...options,
        keyspace,
        locks,
        breakDeadlock: (owner) => (owner as SessionOwner | null)?.cancel(deadlockDetected(null)),
        gateParty: (gate) => new LockParty({ pid: null, name: gate, watcher: this.deadlocks, timeoutMs: () => 0, refuse: () => undefined }),
      })
      this.catalog = new CatalogSpace(keyspace, versions, planBudget)
      this.gates = { space: this.catalog, versions, locks }
      this.notifications = new StoreNotificationBus(keyspace, options.warn)
    } else {
      this.catalog = new CatalogSpace(keyspace, undefined, planBudget)
      this.gates = null
      this.notifications = localNotificationBus()
    }
  }

  /** Ends what goes on by itself and tells other nodes that this one no longer takes part. */
  async close(): Promise<void> {
    this.plans.clear()
    this.catalog.images.clear()
    await this.peers?.close()
    await this.notifications.close()
    await this.catalog.versions.close()
  }
}
