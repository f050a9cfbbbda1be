// A tenant's record in the directory and the moves its state may make.

import { PgError } from '../base/errors.ts'
import type { KeyspaceId } from '../base/ids.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { KeyspaceState } from '../storage/store.ts'

/** The keyspace whose roles are the cluster's operators. */
export const SYSTEM_TENANT = 'system'

export type TenantState = 'creating' | 'active' | 'suspended' | 'deleted' | 'purging'

export interface Tenant {
  readonly name: string
  /** The store's name: differs from `name` when a purged tenant's name is used again, since a store never frees one. */
  readonly keyspaceName: string
  readonly id: KeyspaceId
  readonly state: TenantState
  /** Why it was suspended. */
  readonly reason: string | null
  readonly region: string | null
  readonly retentionMs: number
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  readonly stateChangedAt: number
  readonly deletedAt: number | null
  /** Grows with each change. */
  readonly version: number
}

export const DEFAULT_RETENTION_MS = 90 * 24 * 3600 * 1000

/** What the store's own directory says of a tenant in this state. */
export function keyspaceState(state: TenantState): KeyspaceState {
  switch (state) {
    case 'creating':
    case 'active':
      return 'enabled'
    case 'suspended':
    case 'deleted':
      return 'disabled'
    case 'purging':
      return 'archived'
  }
}

export type TenantMove = 'suspend' | 'resume' | 'drop' | 'undrop' | 'purge'

const MOVES: Readonly<Record<TenantMove, { readonly from: readonly TenantState[]; readonly to: TenantState }>> = {
  suspend: { from: ['active'], to: 'suspended' },
  resume: { from: ['suspended'], to: 'active' },
  drop: { from: ['active', 'suspended'], to: 'deleted' },
  undrop: { from: ['deleted'], to: 'active' },
  // A purge that was interrupted goes on.
  purge: { from: ['active', 'suspended', 'deleted', 'purging', 'creating'], to: 'purging' },
}

function hintFor(tenant: Tenant, move: TenantMove): string {
  if (tenant.state === 'deleted' && move !== 'undrop') return `UNDROP TENANT ${tenant.name} first.`
  if (move === 'resume' || move === 'undrop') return 'Only a suspended tenant can be resumed and only a dropped one undropped.'
  return 'SHOW TENANT tells its state.'
}

/** The state a move leads to; 55000 when it may not be made from here. */
export function nextState(tenant: Tenant, move: TenantMove): TenantState {
  const { from, to } = MOVES[move]
  if (from.includes(tenant.state)) return to
  throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `cannot ${move} tenant "${tenant.name}": it is ${tenant.state}`, {
    hint: hintFor(tenant, move),
  })
}

/** What a login is told once its password proved right; null when it may go on. */
export function accessRefusal(tenant: Tenant): PgError | null {
  switch (tenant.state) {
    case 'active':
    case 'creating':
      return null
    case 'suspended':
      return new PgError(SQLSTATE.cannotConnectNow, `tenant "${tenant.name}" is suspended`, {
        severity: 'FATAL',
        ...(tenant.reason === null ? {} : { detail: `Reason: ${tenant.reason}` }),
        hint: 'Ask the operator to resume it.',
      })
    case 'deleted':
    case 'purging':
      return new PgError(SQLSTATE.cannotConnectNow, `tenant "${tenant.name}" has been dropped`, {
        severity: 'FATAL',
        hint: tenant.state === 'deleted' ? 'The operator can bring it back with UNDROP TENANT.' : 'It is being purged.',
      })
  }
}

/** What a live session is ended with. */
export function sessionEnd(tenant: Tenant): PgError {
  const what = tenant.state === 'suspended' ? 'suspended' : 'dropped'
  return new PgError(SQLSTATE.adminShutdown, `terminating connection because tenant "${tenant.name}" was ${what}`, {
    severity: 'FATAL',
    ...(tenant.state === 'suspended' && tenant.reason !== null ? { detail: `Reason: ${tenant.reason}` } : {}),
  })
}
