// One server from its configuration to its end: operations door first (so that /readyz can say why not), then the engine, then the port; the
// other way round when it stops. How the engine is made is the caller's (composition in server.ts).

import { watchHeap } from '../base/heap-pressure.ts'
import { startOperationsServer } from '../observability/http.ts'
import { createLogger, type Logger } from '../observability/log.ts'
import { createMetrics, type Metrics } from '../observability/metrics.ts'
import type { Config } from './config.ts'
import { type Engine, startListener } from './listener.ts'

export type OpenEngine<Identity> = (config: Config, log: Logger, metrics: Metrics) => Promise<Engine<Identity>>

/** Where metrics and readiness are told: over HTTP, or by a worker to its primary. */
export interface OperationsDoor {
  readonly port: number
  close(): Promise<void>
}
export type OpenOperations = (config: Config, metrics: Metrics, notReady: () => string | null, log: Logger) => Promise<OperationsDoor>

const overHttp: OpenOperations = (config, metrics, notReady, log) =>
  startOperationsServer({ host: config.metricsHost, port: config.metricsPort, metrics, notReady, log })

export interface RunningServer {
  readonly pgPort: number
  readonly metricsPort: number
  /** Drains sessions, closes the engine; resolves when all is released. Idempotent. */
  stop(): Promise<void>
}

/** `log` is for tests; without it pino writes to stdout. */
export async function startServer<Identity>(
  config: Config,
  openEngine: OpenEngine<Identity>,
  log = createLogger(config.logLevel),
  openOperations = overHttp,
): Promise<RunningServer> {
  const metrics = createMetrics()
  let notReady: () => string | null = () => 'starting'
  const operations = await openOperations(config, metrics, () => notReady(), log)
  const unwatchHeap = watchHeap()
  let engine: Engine<Identity> | null = null
  try {
    engine = await openEngine(config, log, metrics)
    const opened = engine
    const listener = await startListener(config, opened, log, metrics)
    notReady = () => opened.notReady()
    let stopping: Promise<void> | null = null
    const stop = async (): Promise<void> => {
      notReady = () => 'shutting down'
      await listener.shutdown(config.shutdownGraceMs)
      await opened.close()
      await operations.close()
      unwatchHeap()
    }
    return {
      pgPort: listener.port,
      metricsPort: operations.port,
      stop: () => (stopping ??= stop()),
    }
  } catch (error) {
    await engine?.close()
    await operations.close()
    unwatchHeap()
    throw error
  }
}

/** The line that says: ready. Others start this server and read it. */
export function listeningLine(server: { readonly pgPort: number; readonly metricsPort: number; readonly workers?: number }): string {
  const { pgPort, metricsPort, workers } = server
  return JSON.stringify({ event: 'listening', pg_port: pgPort, metrics_port: metricsPort, ...(workers === undefined ? {} : { workers }) })
}
