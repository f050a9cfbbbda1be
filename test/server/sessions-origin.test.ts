// What pg_stat_activity and pg_stat_ssl say of where a session comes from. The certificate is made by openssl; without it the test of TLS says so.

import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, test } from 'vitest'
import { startTestServer } from '../support/server.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'pgk-tls-'))
const cert = path.join(dir, 'a.crt')
const key = path.join(dir, 'a.key')
const made =
  spawnSync('openssl', ['req', '-x509', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', key, '-out', cert]).status === 0
if (!made) console.log('openssl is not installed: the test of TLS is left out')

test('an address and a port, and no TLS', async () => {
  const server = await startTestServer()
  const client = await server.connect('origin.admin')
  const { rows } = await client.query('SELECT * FROM pg_stat_activity WHERE pid = pg_backend_pid()')
  expect(rows).toMatchObject([{ client_addr: '127.0.0.1', state: 'active', backend_type: 'client backend' }])
  expect(rows[0].client_port).toBe((client as unknown as { connection: { stream: { localPort: number } } }).connection.stream.localPort)
  expect((await client.query('SELECT count(*)::int AS n FROM pg_stat_activity WHERE client_addr = inet_client_addr()')).rows).toEqual([
    { n: 1 },
  ])
  expect((await client.query('SELECT ssl, version, cipher, bits FROM pg_stat_ssl')).rows).toEqual([
    { ssl: false, version: null, cipher: null, bits: null },
  ])
  await server.stop()
})

test.skipIf(!made)('TLS: version, cipher and its bits', async () => {
  const server = await startTestServer({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key })
  const client = await server.connect('origin.admin', { ssl: { rejectUnauthorized: false } })
  expect((await client.query('SELECT ssl, version, cipher, bits FROM pg_stat_ssl WHERE pid = pg_backend_pid()')).rows).toEqual([
    { ssl: true, version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', bits: 256 },
  ])
  await server.stop()
})
