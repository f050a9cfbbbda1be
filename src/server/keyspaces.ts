// The keyspaces this process serves: their contexts (catalogue cache, plans, sessions), made at first use and let go when idle ones are too many.

import { CacheBudget } from '../base/cache-budget.ts'
import { LIMITS } from '../base/limits.ts'
import { MemoryAccount } from '../base/memory.ts'
import { scanPresences } from '../catalog/node-presence.ts'
import type { Logger } from '../observability/log.ts'
import { KeyspaceContext, type NodeOptions } from '../session/keyspace-context.ts'
import type { KeyspaceMeta, Store } from '../storage/store.ts'
import { sessionEnd, type Tenant } from '../tenancy/tenant.ts'

/** How long a tenant's sessions may take to end before a purge goes on to complain. */
const END_DEADLINE_MS = 10_000
/** And how long other nodes may take to leave: they look at the directory twice a second. */
const OTHERS_DEADLINE_MS = 3000

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

export class Keyspaces {
  readonly #store: Store
  readonly #memory: MemoryAccount
  readonly #plans = new CacheBudget(LIMITS.planCacheBytesInAll)
  readonly #contexts = new Map<number, KeyspaceContext>()

  readonly #node: string
  readonly #peers: NodeOptions['peers']
  readonly #log: Logger

  /** `node`: this process's name among those on the same store. */
  constructor(store: Store, maxMemory: number, { node, peers }: Pick<NodeOptions, 'node' | 'peers'>, log: Logger) {
    this.#store = store
    this.#node = node
    this.#peers = peers
    this.#log = log
    this.#memory = new MemoryAccount('process', maxMemory)
  }

  /** `name` is the tenant's, which users see; the store's may differ. */
  async context(meta: KeyspaceMeta, name: string): Promise<KeyspaceContext> {
    const known = this.#contexts.get(meta.id)
    if (known !== undefined) {
      // Least recently used first.
      this.#contexts.delete(meta.id)
      this.#contexts.set(meta.id, known)
      return known
    }
    const keyspace = await this.#store.open(meta)
    const raced = this.#contexts.get(meta.id)
    if (raced !== undefined) return raced
    const memory = new MemoryAccount(`keyspace ${name}`, LIMITS.maxKeyspaceMemory, this.#memory)
    const context = new KeyspaceContext(name, keyspace, memory, this.#plans, this.#store.capabilities, {
      node: this.#node,
      peers: this.#peers,
      warn: (message, error) => this.#log.warn({ err: error, keyspace: name }, message),
    })
    this.#contexts.set(meta.id, context)
    this.#evict()
    return context
  }

  #evict(): void {
    if (this.#contexts.size <= LIMITS.keyspaceContexts) return
    for (const [id, context] of this.#contexts) {
      if (context.sessions.size > 0) continue
      this.#contexts.delete(id)
      this.#close(context)
      if (this.#contexts.size <= LIMITS.keyspaceContexts) return
    }
  }

  /**
   * The tenant lost its access: its sessions end with 57P01, its caches go. Resolves when the last session has gone, and other nodes, which see it
   * in the directory, have left the keyspace.
   */
  async end(tenant: Tenant): Promise<void> {
    const context = this.#contexts.get(tenant.id)
    if (context !== undefined) {
      for (const session of [...context.sessions.values()]) session.terminate(sessionEnd(tenant))
      const deadline = performance.now() + END_DEADLINE_MS
      while (context.sessions.size > 0 && performance.now() < deadline) await pause(5)
      this.#contexts.delete(tenant.id)
      await context.close()
    }
    if (this.#store.capabilities.multiNode) await this.#othersLeft(tenant)
  }

  async #othersLeft(tenant: Tenant): Promise<void> {
    const meta = await this.#store.keyspaces.loadById(tenant.id)
    if (meta === null || meta.state === 'archived' || meta.state === 'tombstone') return
    const keyspace = await this.#store.open(meta)
    const deadline = performance.now() + OTHERS_DEADLINE_MS
    for (;;) {
      const { readAt, presences } = await scanPresences(keyspace)
      if (!presences.some(({ node, expires }) => node !== this.#node && expires > readAt)) return
      if (performance.now() > deadline) break
      await pause(50)
    }
    this.#log.warn({ keyspace: tenant.name }, 'another node still uses a keyspace whose tenant lost its access')
  }

  #close(context: KeyspaceContext): void {
    context.close().catch((error: Error) => this.#log.warn({ err: error, keyspace: context.name }, 'a keyspace could not be left'))
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#contexts.values()].map((context) => context.close()))
    this.#contexts.clear()
  }

  /** Ids of the keyspaces that have a context here. */
  ids(): number[] {
    return [...this.#contexts.keys()]
  }

  byId(id: number): KeyspaceContext | undefined {
    return this.#contexts.get(id)
  }

  contexts(): IterableIterator<KeyspaceContext> {
    return this.#contexts.values()
  }

  get size(): number {
    return this.#contexts.size
  }

  /** Bytes that statements hold, and plans with what is kept of catalogues. */
  get memory(): { readonly statements: number; readonly plans: number } {
    return { statements: this.#memory.used, plans: this.#plans.bytes }
  }
}
