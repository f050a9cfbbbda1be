// Tenant statements about a tenant's life: CREATE, SHOW, SUSPEND, RESUME, DROP, UNDROP, PURGE. Only cluster operators may run them.

import type { Row } from '../../../base/datum.ts'
import { notSupported, PgError } from '../../../base/errors.ts'
import { SQLSTATE } from '../../../base/sqlstate.ts'
import type { TenantLifecycle } from '../../../tenancy/lifecycle.ts'
import { SYSTEM_TENANT, type Tenant } from '../../../tenancy/tenant.ts'
import type { TenantOption, TenantRef, TenantStatement } from '../../parser/tenant-statements.ts'
import { parseDuration } from './duration.ts'

/** pg_type OIDs of the result columns. */
const INT4 = 23
const TEXT = 25
const TIMESTAMPTZ = 1184

export const SHOW_TENANT_COLUMNS: readonly { readonly name: string; readonly type: number }[] = [
  { name: 'id', type: INT4 },
  { name: 'name', type: TEXT },
  { name: 'state', type: TEXT },
  { name: 'reason', type: TEXT },
  { name: 'region', type: TEXT },
  { name: 'retention', type: TEXT },
  { name: 'created', type: TIMESTAMPTZ },
  { name: 'state_changed', type: TIMESTAMPTZ },
  { name: 'deleted', type: TIMESTAMPTZ },
]

export interface TenantCommandContext {
  readonly lifecycle: TenantLifecycle
  /** The session's own keyspace, and whether its role is a superuser there. */
  readonly keyspace: string
  readonly superuser: boolean
  notice(message: string): void
}

export interface TenantResult {
  readonly tag: string
  readonly rows: readonly Row[] | null
}

const DAY_MS = 86_400_000
const EPOCH_MS = 946_684_800_000
const micros = (ms: number | null) => (ms === null ? null : Math.round((ms - EPOCH_MS) * 1000))

function tenantRow(tenant: Tenant): Row {
  return [
    tenant.id,
    tenant.name,
    tenant.state,
    tenant.reason,
    tenant.region,
    `${tenant.retentionMs / DAY_MS} days`,
    micros(tenant.createdAt),
    micros(tenant.stateChangedAt),
    micros(tenant.deletedAt),
  ]
}

/** 42501 unless the session is an operator's. */
export function mustBeOperator(context: TenantCommandContext, what: string): void {
  if (context.keyspace === SYSTEM_TENANT && context.superuser) return
  throw new PgError(SQLSTATE.insufficientPrivilege, `permission denied to ${what}`, {
    detail: 'Only cluster operators may manage tenants.',
    hint: `Log in as an operator: ${SYSTEM_TENANT}.<user>.`,
  })
}

async function find(context: TenantCommandContext, ref: TenantRef): Promise<Tenant> {
  const { directory } = context.lifecycle
  const tenant = ref.name !== null ? await directory.find(ref.name) : await directory.findById(ref.id as Tenant['id'])
  if (tenant !== null) return tenant
  throw new PgError(SQLSTATE.undefinedObject, `tenant "${ref.name ?? ref.id}" does not exist`, { position: ref.position })
}

function createOptions(options: readonly TenantOption[]): { region: string | null; retentionMs: number | null } {
  let region: string | null = null
  let retentionMs: number | null = null
  for (const option of options) {
    switch (option.name.toLowerCase()) {
      case 'region':
        region = String(option.value)
        break
      case 'retention':
        retentionMs = parseDuration(String(option.value), option.position)
        break
      case 'template':
        throw notSupported('CREATE TENANT … WITH (template) is not supported')
      default:
        throw new PgError(SQLSTATE.syntaxError, `option "${option.name}" not recognized`, { position: option.position })
    }
  }
  return { region, retentionMs }
}

export async function runTenantStatement(statement: TenantStatement, context: TenantCommandContext): Promise<TenantResult> {
  const { lifecycle } = context
  const done = (tag: string): TenantResult => ({ tag, rows: null })
  switch (statement.kind) {
    case 'create tenant': {
      mustBeOperator(context, 'create a tenant')
      if (statement.clone !== null) throw notSupported('CREATE TENANT … CLONE is not supported')
      const options = createOptions(statement.options)
      if (statement.ifNotExists && (await lifecycle.directory.find(statement.name)) !== null) {
        context.notice(`tenant "${statement.name}" already exists, skipping`)
        return done(statement.tag)
      }
      await lifecycle.create(statement.name, options)
      return done(statement.tag)
    }
    case 'show tenants': {
      mustBeOperator(context, 'list tenants')
      const rows = (await lifecycle.directory.list()).map(tenantRow)
      return { tag: `SHOW ${rows.length}`, rows }
    }
    case 'show tenant': {
      if (!(context.superuser && statement.tenant.name === context.keyspace)) mustBeOperator(context, 'show a tenant')
      return { tag: 'SHOW 1', rows: [tenantRow(await find(context, statement.tenant))] }
    }
    case 'suspend tenant':
      mustBeOperator(context, 'suspend a tenant')
      await lifecycle.move((await find(context, statement.tenant)).name, 'suspend', statement.reason)
      return done(statement.tag)
    case 'resume tenant':
      mustBeOperator(context, 'resume a tenant')
      await lifecycle.move((await find(context, statement.tenant)).name, 'resume')
      return done(statement.tag)
    case 'drop tenant': {
      mustBeOperator(context, 'drop a tenant')
      if (statement.ifExists && statement.tenant.name !== null && (await lifecycle.directory.find(statement.tenant.name)) === null) {
        context.notice(`tenant "${statement.tenant.name}" does not exist, skipping`)
        return done(statement.tag)
      }
      await lifecycle.move((await find(context, statement.tenant)).name, 'drop')
      return done(statement.tag)
    }
    case 'undrop tenant':
      mustBeOperator(context, 'undrop a tenant')
      await lifecycle.move((await find(context, statement.tenant)).name, 'undrop')
      return done(statement.tag)
    case 'purge tenant': {
      mustBeOperator(context, 'purge a tenant')
      const tenant = await find(context, statement.tenant)
      if (!statement.confirm) {
        throw new PgError(SQLSTATE.objectNotInPrerequisiteState, `purging tenant "${tenant.name}" is irreversible`, {
          hint: `PURGE TENANT ${tenant.name} CONFIRM erases all of its data for ever.`,
        })
      }
      await lifecycle.purge(tenant.name)
      return done(statement.tag)
    }
    default:
      throw notSupported(`${statement.tag} is not supported`)
  }
}
