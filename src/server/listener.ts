// The front of the server: the wire protocol on its port, logins, limits, TLS, counting. Behind it stands an Engine (store, tenancy, sessions).

import { randomUUID } from 'node:crypto'
import { createAuthenticator } from '../auth/authenticator.ts'
import type { RoleStore } from '../auth/role-store.ts'
import { SQLSTATE } from '../base/sqlstate.ts'
import type { Logger } from '../observability/log.ts'
import type { Metrics } from '../observability/metrics.ts'
import type { Backend } from '../pgwire/backend.ts'
import { type CancelKeys, createCancelKeys } from '../pgwire/cancel-keys.ts'
import { createWireServer } from '../pgwire/server.ts'
import type { Config } from './config.ts'
import { watchTlsFiles } from './tls-files.ts'

/** What the listener serves. */
export interface Engine<Identity> {
  readonly backend: Backend<Identity>
  readonly roles: RoleStore<Identity>
  /** Kept in the store, the same for all nodes: see AuthenticatorOptions.mockSecret. */
  readonly mockSecret: Buffer
  /** A cluster's own, which knows other nodes' sessions; absent = this process alone. */
  readonly cancelKeys?: CancelKeys
  /** Null when statements can be served, else why not. */
  notReady(): string | null
  /** After the last session: ends background work, flushes, unlocks. */
  close(): Promise<void>
}

export interface Listener {
  readonly port: number
  shutdown(graceMs: number): Promise<void>
}

export async function startListener<Identity>(config: Config, engine: Engine<Identity>, log: Logger, metrics: Metrics): Promise<Listener> {
  const tls = config.tls === null ? null : watchTlsFiles(config.tls, log)
  const server = createWireServer<Identity>({
    backend: engine.backend,
    authenticator: createAuthenticator({
      roles: engine.roles,
      defaultKeyspace: config.defaultKeyspace,
      log,
      mockSecret: engine.mockSecret,
      failureDelayMs: config.failedLoginDelayMs,
      onLogin: (keyspace, outcome) =>
        outcome === 'success' ? metrics.forKeyspace(keyspace).login(outcome) : metrics.loginFailed(keyspace),
    }),
    tls,
    limits: { maxConnections: config.maxConnections, startupTimeoutMs: config.authenticationTimeoutMs },
    cancelKeys: engine.cancelKeys ?? createCancelKeys(),
    observer: {
      accepted: () => metrics.connectionAccepted(),
      refused(error, request) {
        metrics.connectionRefused(error?.code ?? null)
        if (error === null || error.code === SQLSTATE.invalidPassword) return
        log.info({ sqlstate: error.code, reason: error.message, address: request?.remoteAddress ?? null }, 'connection refused')
      },
      defect(error, client) {
        const id = randomUUID()
        metrics.defect()
        log.error({ err: error, correlationId: id, processId: client?.processId }, 'internal error')
        return id
      },
    },
  })
  const address = await server.listen({ host: config.pgHost, port: config.pgPort })
  return { port: address.port, shutdown: (graceMs) => server.shutdown(graceMs) }
}
