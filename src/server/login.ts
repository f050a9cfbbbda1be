// Whose login is it: from a tenant's name and a role's to a candidate with a verifier, and, once the password proved right, to a session.
// Adoption of keyspaces made elsewhere, creation by login and the first role of a keyspace happen here and nowhere else.

import { isLoopback } from '../auth/authenticator.ts'
import type { LoginCandidate, LoginOrigin, RoleStore } from '../auth/role-store.ts'
import { parseVerifier, passwordMatches } from '../auth/verifier/scram-verifier.ts'
import { PgError } from '../base/errors.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import { ADMIN_ROLE_NAME, bootstrapKeyspace, isBootstrapped } from '../catalog/bootstrap.ts'
import { ReaderSnapshot } from '../catalog/catalog-snapshot.ts'
import type { RoleDescriptor } from '../catalog/descriptors.ts'
import { settingsKey } from '../catalog/keys.ts'
import { withCatalog } from '../catalog/snapshot.ts'
import { committedReader } from '../catalog/transaction.ts'
import type { KeyspaceContext } from '../session/keyspace-context.ts'
import type { LoginSetting, SessionIdentity } from '../session/session.ts'
import type { KeyspaceMeta, Store } from '../storage/store.ts'
import type { TenantLifecycle } from '../tenancy/lifecycle.ts'
import { accessRefusal, SYSTEM_TENANT, type Tenant } from '../tenancy/tenant.ts'
import type { Keyspaces } from './keyspaces.ts'

export interface LoginSettings {
  /** Verifiers of the first passwords. */
  readonly bootstrapVerifier: string
  readonly operatorVerifier: string
  /** A new verifier of the first password for each keyspace: no two share a salt. */
  makeBootstrapVerifier(): Promise<string>
  readonly allowDefaultPassword: boolean
  readonly autoCreate: boolean
  readonly maxAutoCreated: number
}

/** BOOTSTRAP_PASSWORD when nobody has set one. */
export const DEFAULT_PASSWORD = 'admin'

interface Found {
  readonly tenant: Tenant | null
  readonly meta: KeyspaceMeta
}

const MS_TO_2000 = 946_684_800_000

export class Logins implements RoleStore<SessionIdentity> {
  readonly #store: Store
  readonly #lifecycle: TenantLifecycle
  readonly #keyspaces: Keyspaces
  readonly #settings: LoginSettings
  readonly #systemMeta: KeyspaceMeta
  #autoCreated = 0

  constructor(store: Store, lifecycle: TenantLifecycle, keyspaces: Keyspaces, systemMeta: KeyspaceMeta, settings: LoginSettings) {
    this.#store = store
    this.#lifecycle = lifecycle
    this.#keyspaces = keyspaces
    this.#systemMeta = systemMeta
    this.#settings = settings
  }

  async lookup(name: string, role: string, origin: LoginOrigin): Promise<LoginCandidate<SessionIdentity> | null> {
    const found = await this.#find(name)
    if (found === null) return this.#newTenant(name, role, origin)
    const context = await this.#keyspaces.context(found.meta, name)
    if (!(await isBootstrapped(context.keyspace))) {
      return role === ADMIN_ROLE_NAME ? this.#firstLogin(context, found, origin) : null
    }
    const descriptor = await readRole(context, role)
    if (descriptor === null) return null
    return {
      verifier: descriptor.password,
      canLogin: descriptor.canLogin,
      validUntil: typeof descriptor.validUntil === 'number' ? descriptor.validUntil / 1000 + MS_TO_2000 : null,
      admit: () => this.#admit(context, found, descriptor, origin),
    }
  }

  async #find(name: string): Promise<Found | null> {
    if (name === SYSTEM_TENANT) return { tenant: null, meta: this.#systemMeta }
    const tenant = (await this.#lifecycle.directory.find(name)) ?? (await this.#lifecycle.adopt(name))
    if (tenant === null || tenant.state === 'purging' || tenant.state === 'creating') return null
    const meta = await this.#store.keyspaces.loadById(tenant.id)
    if (meta === null || meta.state === 'tombstone') return null
    return { tenant, meta: { ...meta, state: 'enabled' } }
  }

  /** Created by login: only `admin`, only with the bootstrap password, only from this machine, only so many. */
  #newTenant(name: string, role: string, origin: LoginOrigin): LoginCandidate<SessionIdentity> | null {
    const { autoCreate, maxAutoCreated, bootstrapVerifier } = this.#settings
    if (!autoCreate || role !== ADMIN_ROLE_NAME || !origin.loopback || this.#autoCreated >= maxAutoCreated) return null
    return {
      verifier: bootstrapVerifier,
      canLogin: true,
      validUntil: null,
      admit: async () => {
        this.#autoCreated++
        try {
          await this.#lifecycle.create(name, { region: null, retentionMs: null })
        } catch (error) {
          this.#autoCreated--
          // Another login was faster.
          if (!(error instanceof PgError && error.code === SQLSTATE.duplicateObject)) throw error
        }
        const found = await this.#find(name)
        if (found === null) throw new PgError(SQLSTATE.cannotConnectNow, `tenant "${name}" could not be created`, { severity: 'FATAL' })
        const context = await this.#keyspaces.context(found.meta, name)
        await bootstrapKeyspace(context.keyspace, await this.#settings.makeBootstrapVerifier())
        const identity = await this.#identity(context)
        return {
          ...identity,
          notice: {
            severity: 'NOTICE' as const,
            code: SQLSTATE.successfulCompletion,
            message: `created tenant "${name}"`,
            hint: "Change the first password: ALTER ROLE admin WITH PASSWORD '…'.",
          },
        }
      },
    }
  }

  #firstLogin(context: KeyspaceContext, found: Found, origin: LoginOrigin): LoginCandidate<SessionIdentity> {
    const operator = context.name === SYSTEM_TENANT
    const verifier = operator ? this.#settings.operatorVerifier : this.#settings.bootstrapVerifier
    return {
      verifier,
      canLogin: true,
      validUntil: null,
      admit: async () => {
        await this.#refuse(found, operator ? null : verifier, origin)
        await bootstrapKeyspace(context.keyspace, operator ? verifier : await this.#settings.makeBootstrapVerifier())
        return this.#identity(context)
      },
    }
  }

  async #admit(context: KeyspaceContext, found: Found, role: RoleDescriptor, origin: LoginOrigin): Promise<SessionIdentity> {
    await this.#refuse(found, role.name === ADMIN_ROLE_NAME ? role.password : null, origin)
    return await identityOf(context, role)
  }

  /** `verifier`: admin's, whose well-known first password only the machine's own addresses may use; null = any password will do. */
  async #refuse(found: Found, verifier: string | null, origin: LoginOrigin): Promise<void> {
    const refusal = found.tenant === null ? null : accessRefusal(found.tenant)
    if (refusal !== null) throw refusal
    if (this.#settings.allowDefaultPassword || verifier === null || isLoopback(origin.remoteAddress)) return
    const parsed = parseVerifier(verifier)
    if (parsed === null || !(await passwordMatches(parsed, DEFAULT_PASSWORD))) return
    throw new PgError(SQLSTATE.invalidAuthorizationSpecification, 'the default password is accepted from this machine only', {
      severity: 'FATAL',
      hint: "Connect from the server's machine and change it: ALTER ROLE admin WITH PASSWORD '…'; or set BOOTSTRAP_PASSWORD.",
    })
  }

  async #identity(context: KeyspaceContext): Promise<SessionIdentity> {
    const role = await readRole(context, ADMIN_ROLE_NAME)
    if (role === null) throw new PgError(SQLSTATE.invalidAuthorizationSpecification, 'role "admin" does not exist', { severity: 'FATAL' })
    return identityOf(context, role)
  }
}

/** From the store, not from a cache: a changed password counts at once, on every node. */
async function readRole(context: KeyspaceContext, name: string): Promise<RoleDescriptor | null> {
  await context.catalog.syncNow()
  const snapshot = new ReaderSnapshot(committedReader(context.catalog))
  return withCatalog(() => snapshot.roleByName(name))
}

/** What the role's sessions start with: PostgreSQL's order, the database's first and the role's in the database last. */
async function settingsOf({ catalog }: KeyspaceContext, role: RoleDescriptor): Promise<LoginSetting[]> {
  const given: LoginSetting[] = []
  const add = (settings: unknown, source: LoginSetting['source']): void => {
    for (const [name, value] of Object.entries((settings as Readonly<Record<string, string>> | null) ?? {}))
      given.push({ name, value, source })
  }
  add(await catalog.fetch(settingsKey(0)), 'database')
  add(role.settings, 'user')
  add(await catalog.fetch(settingsKey(role.oid)), 'database user')
  return given
}

async function identityOf(context: KeyspaceContext, role: RoleDescriptor): Promise<SessionIdentity> {
  return {
    keyspace: context,
    roleOid: role.oid,
    roleName: role.name,
    superuser: role.superuser,
    connectionLimit: role.superuser ? -1 : role.connectionLimit,
    settings: await settingsOf(context, role),
    notice: null,
  }
}
