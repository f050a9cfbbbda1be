// The server's shell around a stub engine: order of start and stop, readiness, what a failing engine leaves behind.

import { Client } from 'pg'
import { expect, test } from 'vitest'
import { makeVerifier } from '../../../src/auth/verifier/scram-verifier.ts'
import { silentLogger } from '../../../src/observability/log.ts'
import { loadConfig } from '../../../src/server/config.ts'
import type { Engine } from '../../../src/server/listener.ts'
import { listeningLine, startServer } from '../../../src/server/run.ts'
import { stubBackend } from '../../support/stub-backend.ts'

const config = loadConfig({
  args: ['--pg-port', '0', '--metrics-port', '0', '--shutdown-grace-ms', '100', '--failed-login-delay-ms', '0'],
  env: {},
})
const verifier = await makeVerifier('admin')

function engine(events: string[]): Engine<string> {
  return {
    backend: stubBackend(),
    roles: {
      lookup: (keyspace, role) => (role === 'admin' ? { verifier, canLogin: true, validUntil: null, admit: () => keyspace } : null),
    },
    mockSecret: Buffer.alloc(32),
    notReady: () => null,
    async close() {
      events.push('engine closed')
    },
  }
}

test('starts, serves, drains, stops', async () => {
  const events: string[] = []
  const server = await startServer(config, async () => engine(events), silentLogger)
  expect(JSON.parse(listeningLine(server))).toEqual({ event: 'listening', pg_port: server.pgPort, metrics_port: server.metricsPort })
  const ready = () => fetch(`http://127.0.0.1:${server.metricsPort}/readyz`).then((response) => response.status)
  expect(await ready()).toBe(200)
  const client = new Client({ host: '127.0.0.1', port: server.pgPort, user: 'tenant_a.admin', password: 'admin' })
  await client.connect()
  const ended = new Promise<unknown>((resolve) => client.on('error', resolve))
  const wrong = new Client({ host: '127.0.0.1', port: server.pgPort, user: 'tenant_a.admin', password: 'x' })
  await expect(wrong.connect()).rejects.toMatchObject({ code: '28P01' })
  const text = await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`).then((response) => response.text())
  expect(text).toContain('pgkeyspace_logins_total{keyspace="tenant_a",outcome="success"} 1')
  expect(text).toContain('pgkeyspace_logins_total{keyspace="tenant_a",outcome="failure"} 1')
  const stopping = server.stop()
  expect(server.stop()).toBe(stopping)
  expect(await ended).toMatchObject({ code: '57P01' })
  await stopping
  expect(events).toEqual(['engine closed'])
  await expect(ready()).rejects.toThrow()
})

test('an engine that does not open, a port that is taken: nothing stays open', async () => {
  const failing = startServer(config, () => Promise.reject(new Error('no cluster')), silentLogger)
  await expect(failing).rejects.toThrow('no cluster')
  const events: string[] = []
  const first = await startServer(config, async () => engine([]), silentLogger)
  await expect(startServer({ ...config, pgPort: first.pgPort }, async () => engine(events), silentLogger)).rejects.toThrow('EADDRINUSE')
  expect(events).toEqual(['engine closed'])
  await first.stop()
})
