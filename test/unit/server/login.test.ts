// How many tenants logins may create: those count that were created, not the logins that came for them at the same time.

import { expect, it } from 'vitest'
import { PgError } from '../../../src/base/errors.ts'
import { SQLSTATE } from '../../../src/base/sqlstate.ts'
import type { Keyspaces } from '../../../src/server/keyspaces.ts'
import { Logins } from '../../../src/server/login.ts'
import type { KeyspaceMeta, Store } from '../../../src/storage/store.ts'
import type { TenantLifecycle } from '../../../src/tenancy/lifecycle.ts'

const MOST = 3
const ORIGIN = { loopback: true, remoteAddress: '127.0.0.1' }

/** Over a cluster that has no tenants; `create` is what making one does. */
function logins(create: () => Promise<void>): Logins {
  const lifecycle = { directory: { find: async () => null }, adopt: async () => null, create } as unknown as TenantLifecycle
  return new Logins({} as Store, lifecycle, {} as Keyspaces, {} as KeyspaceMeta, {
    bootstrapVerifier: 'verifier',
    operatorVerifier: 'verifier',
    makeBootstrapVerifier: async () => 'verifier',
    allowDefaultPassword: true,
    autoCreate: true,
    maxAutoCreated: MOST,
  })
}

const attempts = async (own: Logins, count: number): Promise<number> => {
  let admitted = 0
  for (let i = 0; i < count; i++) {
    const candidate = await own.lookup(`t${i}`, 'admin', ORIGIN as Parameters<Logins['lookup']>[2])
    if (candidate === null) continue
    admitted++
    // Nobody comes in: this cluster keeps no tenant.
    await expect((async () => candidate.admit())()).rejects.toBeInstanceOf(PgError)
  }
  return admitted
}

it('logins that find the tenant made by a faster one do not count', async () => {
  const faster = logins(async () => {
    throw new PgError(SQLSTATE.duplicateObject, 'exists')
  })
  expect(await attempts(faster, 4 * MOST)).toBe(4 * MOST)
})

it('nor those that could make none', async () => {
  const failing = logins(async () => {
    throw new PgError(SQLSTATE.diskFull, 'no space')
  })
  expect(await attempts(failing, 4 * MOST)).toBe(4 * MOST)
})

it('those that made one do', async () => {
  expect(
    await attempts(
      logins(async () => {}),
      4 * MOST,
    ),
  ).toBe(MOST)
})
