// A tenant's life: create, adopt, suspend, resume, drop, undrop, purge. Each step that touches both the directory and the store's own list
// is ordered so that a crash between them is repaired by `repair` at start: the directory is written first when access ends, last when it begins.

import type { Clock } from '../base/clock.ts'
import { PgError } from '../base/errors.ts'
import { keyspaceId } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { KvError } from '../storage/kv-error.ts'
import type { KeyspaceMeta, Store } from '../storage/store.ts'
import type { TenantDirectory } from './directory.ts'
import { DEFAULT_RETENTION_MS, keyspaceState, nextState, SYSTEM_TENANT, type Tenant, type TenantMove } from './tenant.ts'

export interface CreateOptions {
  readonly region: string | null
  readonly retentionMs: number | null
}

/** What PD accepts (recent PD: at most 20 characters; the store has the last word). */
const LEGAL_NAME = /^[-A-Za-z0-9_]{1,63}$/
/** Names tried for a tenant whose own name the store will not give again. */
const MAX_SUFFIX = 1000

const reserved = (name: string) => new PgError(SQLSTATE.reservedName, `tenant name "${name}" is reserved`)
const missing = (name: string) => new PgError(SQLSTATE.undefinedObject, `tenant "${name}" does not exist`)

export class TenantLifecycle {
  readonly #store: Store
  readonly #directory: TenantDirectory
  readonly #clock: Clock
  /** Ends the sessions of a tenant that lost its access, on this node. */
  readonly #ended: (tenant: Tenant) => Promise<void>

  constructor(store: Store, directory: TenantDirectory, clock: Clock, ended: (tenant: Tenant) => Promise<void>) {
    this.#store = store
    this.#directory = directory
    this.#clock = clock
    this.#ended = ended
  }

  get directory(): TenantDirectory {
    return this.#directory
  }

  /** 42710 when there is one of that name; 42602 for a name that is not legal. */
  async create(name: string, options: CreateOptions): Promise<Tenant> {
    if (!LEGAL_NAME.test(name)) {
      throw new PgError(SQLSTATE.invalidName, `invalid tenant name "${name}"`, {
        detail: 'A tenant name has letters, digits, underscores and hyphens.',
      })
    }
    if (name === SYSTEM_TENANT || (this.#store.kind === 'tikv' && name === 'DEFAULT')) throw reserved(name)
    const now = this.#clock.now()
    // A record in state `creating` reserves the name; a crash leaves it for repair.
    await this.#directory.update(name, (present) => {
      if (present !== null && present.state !== 'creating') {
        throw new PgError(SQLSTATE.duplicateObject, `tenant "${name}" already exists`)
      }
      return present ?? this.#record(name, options, now)
    })
    try {
      return await this.#makeKeyspace(name)
    } catch (error) {
      if (!(error instanceof KvError && error.kind === 'unavailable')) {
        await this.#directory.update(name, (present) => (present?.state === 'creating' && present.id === 0 ? null : undefined))
      }
      if (error instanceof KvError && error.kind === 'invalidName') {
        throw new PgError(SQLSTATE.invalidName, `invalid tenant name "${name}"`, { detail: error.message })
      }
      throw error
    }
  }

  #record(name: string, options: CreateOptions, now: number): Tenant {
    return {
      name,
      keyspaceName: name,
      id: keyspaceId(0),
      state: 'creating',
      reason: null,
      region: options.region,
      retentionMs: options.retentionMs ?? DEFAULT_RETENTION_MS,
      createdAt: now,
      stateChangedAt: now,
      deletedAt: null,
      version: 0,
    }
  }

  async #makeKeyspace(name: string): Promise<Tenant> {
    for (let suffix = 1; suffix <= MAX_SUFFIX; suffix++) {
      const keyspaceName = suffix === 1 ? name : `${name}-${suffix}`
      let meta: KeyspaceMeta
      try {
        meta = await this.#store.keyspaces.create(keyspaceName)
      } catch (error) {
        if (!(error instanceof KvError && error.kind === 'keyspaceExists')) throw error
        const existing = await this.#store.keyspaces.load(keyspaceName)
        const owner = existing === null ? null : await this.#directory.findById(existing.id)
        // Ours from an interrupted creation, or somebody's who made it with pd-ctl: used if it is free and alive.
        if (existing === null || existing.state !== 'enabled' || owner !== null) continue
        meta = existing
      }
      return (await this.#activate(name, meta))!
    }
    throw new PgError(SQLSTATE.duplicateObject, `no keyspace name is left for tenant "${name}"`)
  }

  async #activate(name: string, meta: KeyspaceMeta): Promise<Tenant | null> {
    const now = this.#clock.now()
    return this.#directory.update(name, (present) => {
      if (present !== null && present.state !== 'creating') return undefined
      const base = present ?? this.#record(name, { region: null, retentionMs: null }, now)
      return { ...base, keyspaceName: meta.name, id: meta.id, state: 'active', stateChangedAt: now }
    })
  }

  /** A keyspace that somebody made with the store's own tools becomes a tenant at its first login. Null when there is none. */
  async adopt(name: string): Promise<Tenant | null> {
    const meta = await this.#store.keyspaces.load(name)
    if (meta === null || meta.state === 'tombstone') return null
    if ((await this.#directory.findById(meta.id)) !== null) return null
    return this.#activate(name, meta)
  }

  /** Suspend, resume, drop or undrop. Answers the tenant as it is afterwards. */
  async move(name: string, move: Exclude<TenantMove, 'purge'>, reason: string | null = null): Promise<Tenant> {
    if (name === SYSTEM_TENANT) throw reserved(name)
    const now = this.#clock.now()
    const changed = await this.#directory.update(name, (present) => {
      if (present === null) throw missing(name)
      const state = nextState(present, move)
      return {
        ...present,
        state,
        reason: move === 'suspend' ? reason : null,
        stateChangedAt: now,
        deletedAt: state === 'deleted' ? now : null,
      }
    })
    const tenant = changed!
    if (tenant.state !== 'active') await this.#ended(tenant)
    await this.#store.keyspaces.setState(tenant.id, keyspaceState(tenant.state))
    return tenant
  }

  /** Erases the tenant for ever. Idempotent: run again after a crash it goes on where it stood. */
  async purge(name: string): Promise<{ keysErased: number; filesErased: number }> {
    if (name === SYSTEM_TENANT) throw reserved(name)
    const now = this.#clock.now()
    const tenant = await this.#directory.update(name, (present) => {
      if (present === null) throw missing(name)
      return { ...present, state: nextState(present, 'purge'), stateChangedAt: now }
    })
    await this.#ended(tenant!)
    return this.#erase(tenant!)
  }

  async #erase(tenant: Tenant): Promise<{ keysErased: number; filesErased: number }> {
    let erased = { keysErased: 0, filesErased: 0 }
    if (tenant.id !== 0) {
      const meta = await this.#store.keyspaces.loadById(tenant.id)
      if (meta !== null && meta.state !== 'tombstone') {
        if (meta.state === 'enabled') await this.#store.keyspaces.setState(tenant.id, 'disabled')
        if (meta.state !== 'archived') await this.#store.keyspaces.setState(tenant.id, 'archived')
        erased = await this.#store.keyspaces.purge(tenant.id)
        const after = await this.#store.keyspaces.loadById(tenant.id)
        if (after !== null && after.state !== 'tombstone') await this.#store.keyspaces.setState(tenant.id, 'tombstone')
      }
    }
    await this.#directory.update(tenant.name, () => null)
    return erased
  }

  /** At start: finishes what a crash interrupted. */
  async repair(): Promise<void> {
    for (const tenant of await this.#directory.list()) {
      if (tenant.state === 'purging') await this.#erase(tenant)
      else if (tenant.state === 'creating') await this.#makeKeyspace(tenant.name)
      else await this.#alignState(tenant)
    }
  }

  /** A change made with the store's own tools is obeyed; one of ours that was interrupted is finished. */
  async #alignState(tenant: Tenant): Promise<void> {
    if (tenant.id === 0) return
    const meta = await this.#store.keyspaces.loadById(tenant.id)
    const wanted = keyspaceState(tenant.state)
    if (meta === null || meta.state === wanted || (meta.state !== 'enabled' && meta.state !== 'disabled')) return
    if (meta.stateChangedAt < tenant.stateChangedAt) await this.#store.keyspaces.setState(tenant.id, wanted)
  }
}
