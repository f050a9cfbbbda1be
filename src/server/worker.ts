// One of several workers: a server like any other, on the port that all share, whose metrics and readiness go to the primary and which ends when the
// primary says so, or is gone. Signals of a terminal reach workers, too: they are the primary's to act on.

import type { Logger } from '../observability/log.ts'
import type { MetricsSnapshot } from '../observability/metrics.ts'
import type { Config } from './config.ts'
import { type OpenEngine, type OpenOperations, startServer } from './run.ts'

/** From the primary. */
export type PrimaryMessage = { readonly type: 'ask'; readonly id: number } | { readonly type: 'stop' }

/** To the primary. */
export type WorkerMessage =
  | { readonly type: 'ready'; readonly pgPort: number }
  | { readonly type: 'answer'; readonly id: number; readonly metrics: MetricsSnapshot; readonly notReady: string | null }

/** The primary gone, nobody waits for an answer. */
const tell = (message: WorkerMessage): void => void (process.connected && process.send?.(message))

const toPrimary: OpenOperations = async (_config, metrics, notReady) => {
  const answer = async ({ id }: { id: number }): Promise<void> =>
    tell({ type: 'answer', id, metrics: await metrics.snapshot(), notReady: notReady() })
  const listen = (message: PrimaryMessage): void => void (message.type === 'ask' && answer(message))
  process.on('message', listen)
  return {
    port: 0,
    async close() {
      process.off('message', listen)
    },
  }
}

export async function runWorker<Identity>(config: Config, openEngine: OpenEngine<Identity>, log: Logger): Promise<void> {
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => {})
  let server: Awaited<ReturnType<typeof startServer>> | null = null
  let isStopping = false
  const stop = (): void => {
    if (isStopping) return
    isStopping = true
    if (server === null) process.exit(0)
    server.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, 'shutdown failed')
        process.exit(1)
      },
    )
  }
  process.on('disconnect', stop)
  process.on('message', (message: PrimaryMessage) => {
    if (message.type === 'stop') stop()
  })
  server = await startServer(config, openEngine, log, toPrimary)
  tell({ type: 'ready', pgPort: server.pgPort })
}
