// What other nodes did to tenants: the directory's count of changes is polled, and sessions of tenants that lost their access end here too.

import { keyspaceId } from '../base/ids.ts'
import type { Logger } from '../observability/log.ts'
import type { TenantDirectory } from '../tenancy/directory.ts'
import { SYSTEM_TENANT, type Tenant } from '../tenancy/tenant.ts'
import type { Keyspaces } from './keyspaces.ts'

const POLL_MS = 500

/** A tenant whose record is gone already. */
const erased = (id: number, name: string): Tenant => ({
  name,
  keyspaceName: name,
  id: keyspaceId(id),
  state: 'purging',
  reason: null,
  region: null,
  retentionMs: 0,
  createdAt: 0,
  stateChangedAt: 0,
  deletedAt: null,
  version: 0,
})

/** Answers how to stop. */
export function watchTenants(directory: TenantDirectory, keyspaces: Keyspaces, log: Logger): () => void {
  let known = -1
  let isBusy = false
  let isStopped = false
  const look = async (): Promise<void> => {
    const changes = await directory.changes()
    if (changes === known) return
    const tenants = new Map<number, Tenant>()
    for (const tenant of await directory.list()) tenants.set(tenant.id, tenant)
    known = changes
    for (const id of keyspaces.ids()) {
      const context = keyspaces.byId(id)
      const tenant = tenants.get(id)
      if (context === undefined || context.name === SYSTEM_TENANT || tenant?.state === 'active') continue
      await keyspaces.end(tenant ?? erased(id, context.name))
    }
  }
  const timer = setInterval(() => {
    if (isBusy) return
    isBusy = true
    look()
      .catch((error: Error) => {
        if (!isStopped) log.warn({ error: error.message }, 'the directory of tenants cannot be read')
      })
      .finally(() => {
        isBusy = false
      })
  }, POLL_MS)
  timer.unref()
  return () => {
    isStopped = true
    clearInterval(timer)
  }
}
