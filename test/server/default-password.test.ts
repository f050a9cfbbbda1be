// The well-known first password opens a keyspace from the server's own machine only (tenancy section 0), also after a restart and whatever
// BOOTSTRAP_PASSWORD says by then.

import { mkdtempSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import path from 'node:path'
import type pg from 'pg'
import { expect, it } from 'vitest'
import { startTestServer } from '../support/server.ts'

const outside = Object.values(networkInterfaces())
  .flat()
  .find((address) => address !== undefined && address.family === 'IPv4' && !address.internal)?.address

if (outside === undefined) console.log('skipped: this machine has no address but loopback')

it.skipIf(outside === undefined)('is refused from another address', async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'pgk-default-'))
  const env = { PG_HOST: '0.0.0.0' }
  const first = await startTestServer(env, dataDir, { keep: true })
  await first.connect('home.admin')
  await first.stop()
  for (const settings of [env, { ...env, BOOTSTRAP_PASSWORD: 'other' }]) {
    const server = await startTestServer(settings, dataDir, { keep: true })
    const far = server.connect('home.admin', { host: outside! })
    await expect(far).rejects.toMatchObject({
      code: '28000',
      hint: expect.stringContaining('change it'),
    } satisfies Partial<pg.DatabaseError>)
    await server.connect('home.admin')
    await server.stop()
  }
  const allowed = await startTestServer({ ...env, ALLOW_DEFAULT_PASSWORD: 'true' }, dataDir, { keep: true })
  await allowed.connect('home.admin', { host: outside! })
  const near = await allowed.connect('home.admin')
  await near.query("ALTER ROLE admin WITH PASSWORD 'changed'")
  await allowed.stop()
  const changed = await startTestServer(env, dataDir)
  await changed.connect('home.admin', { host: outside!, password: 'changed' })
  await changed.stop()
})
